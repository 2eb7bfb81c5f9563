//! A real dockerd in a network namespace, and a remote machine at the other end of a veth.

use std::fs::{self, File};
use std::net::SocketAddrV4;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use dockfw_netlink::Executor;

use super::process::{Watch, stop};
use super::{elements, probe, wait_for};
use crate::change::{Space, run};

/// How long the last port is waited for after the container has started.
const PATIENCE: Duration = Duration::from_secs(20);

/// The addresses of the link.
const HOST: [u8; 4] = [192, 0, 2, 1];

/// Who programs the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    /// `dockfw watch`; dockerd has none.
    Dockfw,
    /// dockerd, with iptables-legacy.
    Legacy,
    /// dockerd, with iptables-nft.
    IptablesNft,
}

impl Rules {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Dockfw, Self::Legacy, Self::IptablesNft];

    /// Their name in results.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Dockfw => "dockfw watch",
            Self::Legacy => "dockerd, iptables-legacy",
            Self::IptablesNft => "dockerd, iptables-nft",
        }
    }

    /// The tools that dockerd finds first.
    const fn tools(self) -> &'static str {
        match self {
            // It looks for them all the same.
            Self::Dockfw | Self::Legacy => "legacy",
            Self::IptablesNft => "nft",
        }
    }
}

/// Times of one container, from the start of `docker run` and of `docker rm -f`.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// `docker run` has returned.
    pub run: Duration,
    /// The last port has answered.
    pub answered: Duration,
    /// `docker rm -f` has returned.
    pub removed: Duration,
    /// It has returned, and no rule is left.
    pub gone: Duration,
}

/// A host with a dockerd.
#[derive(Debug)]
pub struct Docker {
    // In the order in which they end.
    watch: Option<Watch>,
    dockerd: Child,
    folder: PathBuf,
    rules: Rules,
    /// The host's namespace.
    space: Space,
    remote: Space,
}

impl Docker {
    /// Starts everything in namespaces of its own; this thread is in the host's afterwards.
    ///
    /// # Errors
    ///
    /// When something is not installed, or does not start.
    pub fn start(folder: &Path, rules: Rules, dockfw: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let remote = Space::new()?;
        run(Command::new("ip").args(["link", "set", "lo", "up"]))?;
        let space = Space::new()?;
        ip("link set lo up")?;
        ip(&format!(
            "link add eth0 type veth peer name eth0 netns {}",
            remote.path().display()
        ))?;
        let [a, b, c, d] = HOST;
        ip(&format!("addr add {a}.{b}.{c}.{d}/24 dev eth0"))?;
        ip("link set eth0 up")?;
        remote.enter()?;
        ip(&format!("addr add {a}.{b}.{c}.{}/24 dev eth0", d + 1))?;
        ip("link set eth0 up")?;
        space.enter()?;

        let own = rules != Rules::Dockfw;
        let json = folder.join("daemon.json");
        fs::write(
            &json,
            format!("{{\"iptables\": {own}, \"ip6tables\": false, \"userland-proxy\": false}}\n"),
        )?;
        let tools = folder.join("tools");
        fs::create_dir_all(&tools)?;
        for tool in ["iptables", "ip6tables"] {
            let to = format!("/usr/sbin/{tool}-{}", rules.tools());
            symlink(to, tools.join(tool))?;
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut paths = vec![tools];
        paths.extend(std::env::split_paths(&path));
        let log = File::create(folder.join("dockerd.log"))?;
        let dockerd = Command::new("dockerd")
            .env("PATH", std::env::join_paths(paths)?)
            .arg("--data-root")
            .arg(folder.join("data"))
            .arg("--exec-root")
            .arg(folder.join("exec"))
            .arg("--pidfile")
            .arg(folder.join("pid"))
            .arg("--config-file")
            .arg(&json)
            .arg("-H")
            .arg(format!("unix://{}", folder.join("s").display()))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("dockerd is not installed")?;
        let mut docker = Self {
            watch: None,
            dockerd,
            folder: folder.to_owned(),
            rules,
            space,
            remote,
        };
        wait_for("dockerd", Duration::from_secs(60), || {
            let mut version = docker.docker(&["version"]);
            let status = version
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()?;
            Ok(status.success().then_some(()))
        })?;
        docker.import()?;
        if rules == Rules::Dockfw {
            let socket = folder.join("s");
            docker.watch = Some(Watch::start(dockfw, &folder.join("watch"), &socket, &json)?);
        }
        Ok(docker)
    }

    /// A command of docker for this dockerd.
    fn docker(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command
            .arg("-H")
            .arg(format!("unix://{}", self.folder.join("s").display()));
        command.args(arguments).stdin(Stdio::null());
        command
    }

    /// Makes an image of this program and the libraries that it needs.
    fn import(&self) -> Result<()> {
        let root = self.folder.join("root");
        fs::create_dir_all(&root)?;
        let program = std::env::current_exe()?;
        fs::copy(&program, root.join("answer"))?;
        let needed = Command::new("ldd").arg(&program).output()?.stdout;
        for word in String::from_utf8(needed)?.split_whitespace() {
            if let Some(inside) = word.strip_prefix('/') {
                let to = root.join(inside);
                fs::create_dir_all(to.parent().context("no folder")?)?;
                fs::copy(word, to)?;
            }
        }
        let archive = self.folder.join("root.tar");
        run(Command::new("tar")
            .arg("-C")
            .arg(&root)
            .arg("-cf")
            .arg(&archive)
            .arg("."))?;
        let archive = archive.to_str().context("a path that is no text")?;
        run(&mut self.docker(&["import", archive, "answer"]))
    }

    /// Starts a container with ports from 20000 on, waits for the last one, and removes it.
    ///
    /// # Errors
    ///
    /// When the last port does not answer, or rules stay.
    pub fn turn(&self, ports: u16) -> Result<Times> {
        self.space.enter()?;
        let mut executor = Executor::open()?;
        let base = elements(&mut executor)?;
        let last = 20_000_u16.checked_add(ports).context("too many ports")? - 1;
        let target = SocketAddrV4::new(HOST.into(), last);
        let stop = AtomicBool::new(false);
        let (publish, port) = (format!("20000-{last}:20000-{last}/udp"), last.to_string());
        let started = Instant::now();
        let (run_took, answered) = thread::scope(|scope| -> Result<_> {
            let prober = scope.spawn(|| -> Result<Instant> {
                self.remote.enter()?;
                probe::until_answered(target, &stop)
            });
            let status = run(&mut self.docker(&[
                "run", "-d", "--name", "answer", "-p", &publish, "answer", "/answer", "answer",
                &port,
            ]));
            let run_took = started.elapsed();
            let waiting = Instant::now();
            while status.is_ok() && !prober.is_finished() && waiting.elapsed() < PATIENCE {
                thread::sleep(Duration::from_micros(200));
            }
            stop.store(true, Ordering::Relaxed);
            let answered = prober
                .join()
                .map_err(|_panic| anyhow!("the prober panicked"))?;
            status?;
            Ok((run_took, answered?.saturating_duration_since(started)))
        })?;

        if self.rules == Rules::Dockfw {
            ensure!(
                elements(&mut executor)? > base,
                "a port answers without an element"
            );
        }
        let started = Instant::now();
        run(&mut self.docker(&["rm", "-f", "answer"]))?;
        let removed = started.elapsed();
        let gone = match self.rules {
            Rules::Dockfw => {
                wait_for("elements to go", PATIENCE, || {
                    Ok((elements(&mut executor)? == base).then_some(()))
                })?;
                started.elapsed()
            }
            // It does it itself, before it answers.
            Rules::Legacy | Rules::IptablesNft => removed,
        };
        if self.rules != Rules::Dockfw {
            let save = format!("iptables-{}-save", self.rules.tools());
            let rules = Command::new(&save)
                .output()
                .with_context(|| save.clone())?
                .stdout;
            let rules = String::from_utf8(rules)?;
            ensure!(rules.contains("DOCKER"), "{save} has no chains of dockerd");
            ensure!(!rules.contains("DNAT"), "rules are left");
        }
        Ok(Times {
            run: run_took,
            answered,
            removed,
            gone,
        })
    }

    /// What the watch uses, if there is one.
    pub const fn watch(&self) -> Option<&Watch> {
        self.watch.as_ref()
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        // A container that is left keeps its mounts.
        let mut rm = self.docker(&["rm", "-f", "answer"]);
        let _ = rm.stdout(Stdio::null()).stderr(Stdio::null()).status();
        self.watch = None;
        stop(&mut self.dockerd);
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// ip(8) in the namespace of this thread.
fn ip(arguments: &str) -> Result<()> {
    run(Command::new("ip").args(arguments.split(' ')))
}
