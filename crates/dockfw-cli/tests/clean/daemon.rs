//! A dockerd in the namespace of a lab's host, with everything its own.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use dockfw_testkit::dockerd::release;
use dockfw_testkit::lab::Lab;

use crate::util::run_with;

/// A daemon; it is stopped, and its containers with it, when the value goes.
pub(crate) struct Daemon<'l> {
    lab: &'l Lab,
    folder: PathBuf,
    child: Child,
}

/// Whether dockerd and what its containers need are on this machine.
pub(crate) fn is_there() -> bool {
    let there = |program: &str| {
        ["/usr/sbin", "/usr/bin", "/bin"]
            .iter()
            .any(|folder| Path::new(folder).join(program).exists())
    };
    let all = there("dockerd") && there("docker") && there("busybox");
    if !all {
        println!("no dockerd or no busybox: nothing was tried");
    }
    all
}

impl<'l> Daemon<'l> {
    /// Starts a daemon whose iptables is of this kind.
    pub(crate) fn start(lab: &'l Lab, kind: &str) -> Self {
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        // Short, because of the socket.
        let folder = std::env::temp_dir().join(format!("dcl{}-{number}", std::process::id()));
        let programs = folder.join("bin");
        fs::create_dir_all(&programs).unwrap();
        for family in ["iptables", "ip6tables"] {
            for suffix in ["", "-save", "-restore"] {
                let to = format!("/usr/sbin/{family}-{kind}{suffix}");
                symlink(to, programs.join(format!("{family}{suffix}"))).unwrap();
            }
        }
        fs::write(folder.join("daemon.json"), "{}").unwrap();
        let child = spawn(
            lab,
            &folder,
            &[
                "--experimental",
                "--ip6tables",
                "--ipv6",
                "--fixed-cidr-v6=fd00:dead::/64",
            ],
        );
        let daemon = Self { lab, folder, child };
        assert!(daemon.is_up(), "{}", daemon.log());
        let root = daemon.folder.join("root/bin");
        fs::create_dir_all(&root).unwrap();
        let busybox = ["/bin/busybox", "/usr/bin/busybox"];
        let busybox = busybox.iter().find(|path| Path::new(path).exists());
        fs::copy(busybox.unwrap(), root.join("busybox")).unwrap();
        let folder = daemon.folder.display();
        let import =
            format!("tar -C {folder}/root -c . | docker -H unix://{folder}/s import - probe");
        let output = run_with(lab, "sh", &["-ec", &import], "");
        assert!(output.status.success(), "{output:?}");
        daemon
    }

    /// Runs a command of docker.
    pub(crate) fn docker(&self, arguments: &str) {
        let socket = format!("unix://{}/s", self.folder.display());
        let mut all = vec!["-H", &socket];
        all.extend(arguments.split_whitespace());
        let output = run_with(self.lab, "docker", &all, "");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "docker {arguments}: {errors}");
    }

    /// Starts a container that does nothing.
    pub(crate) fn container(&self, arguments: &str) {
        self.docker(&format!("run -d {arguments} probe /bin/busybox sleep 3600"));
    }

    /// `kill -9` of the daemon alone: its containers stay.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Stops it as an operator would.
    pub(crate) fn stop(&mut self) {
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").arg(&pid).status();
        let started = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            if started.elapsed() > Duration::from_secs(30) {
                let _ = self.child.kill();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Starts it again, one that makes no rules: it ends the containers of the one before.
    fn restart_without_rules(&mut self) {
        // The containerd of a daemon that was killed has gone with it.
        for stale in ["s", "pid", "exec/containerd/containerd.pid"] {
            let _ = fs::remove_file(self.folder.join(stale));
        }
        let arguments = ["--iptables=false", "--userland-proxy=false"];
        self.child = spawn(self.lab, &self.folder, &arguments);
        if !self.is_up() {
            println!("{}", self.log());
        }
    }

    /// Waits for it to answer.
    fn is_up(&self) -> bool {
        let socket = format!("unix://{}/s", self.folder.display());
        let is_up = || {
            let output = run_with(self.lab, "docker", &["-H", &socket, "info"], "");
            output.status.success()
        };
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(30) {
            if is_up() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

fn spawn(lab: &Lab, folder: &Path, arguments: &[&str]) -> Child {
    let at = |name: &str| folder.join(name).display().to_string();
    let log = fs::File::create(folder.join("log")).unwrap();
    let path = format!(
        "{}:{}",
        at("bin"),
        std::env::var("PATH").unwrap_or_default()
    );
    let start = || {
        release::command("dockerd")
            .unwrap()
            .env("PATH", path)
            .args(["--data-root", &at("data"), "--exec-root", &at("exec")])
            .args(["--pidfile", &at("pid"), "--config-file", &at("daemon.json")])
            .args(["-H", &format!("unix://{}", at("s"))])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap()
    };
    lab.run_in("host", start).unwrap()
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_some()) {
            self.restart_without_rules();
        }
        self.stop();
        // A daemon that was killed has left mounts, which the next one does not know of.
        let folder = self.folder.display().to_string();
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let paths = mounts.lines().filter_map(|line| line.split(' ').nth(1));
        for path in paths.filter(|path| path.starts_with(&folder)) {
            let _ = Command::new("umount").args(["-l", path]).status();
        }
        // What the kernel still holds is given a moment.
        for _ in 0..50 {
            if fs::remove_dir_all(&self.folder).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        println!("left behind: {}", self.folder.display());
    }
}
