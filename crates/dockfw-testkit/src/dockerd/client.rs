//! The `docker` command line, and what it says about containers.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::{DockerHost, IMAGE, release};

/// A running container.
#[derive(Debug, Clone)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Its addresses by the network's name.
    pub networks: BTreeMap<String, Endpoint>,
    /// Host ports by container port, such as `80/tcp`; each once for each family.
    pub ports: BTreeMap<String, Vec<u16>>,
    /// How often a restart policy has started it again.
    pub restarts: u64,
    /// Its network namespace, as a path inside of dockerd's mounts.
    sandbox: String,
}

/// A container's place in a network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// Its addresses, IPv4 before IPv6.
    pub addresses: Vec<IpAddr>,
    /// The addresses of the gateway, IPv4 before IPv6.
    pub gateways: Vec<IpAddr>,
}

impl Container {
    /// Its first IPv4 address.
    ///
    /// # Errors
    ///
    /// When it has none.
    pub fn ipv4(&self) -> Result<IpAddr> {
        let mut addresses = self.networks.values().flat_map(|of| &of.addresses);
        let found = addresses.find(|of| of.is_ipv4()).copied();
        found.with_context(|| format!("{} has no IPv4 address", self.name))
    }
}

impl DockerHost {
    /// A `docker` command for this daemon, without arguments.
    ///
    /// # Errors
    ///
    /// When there is something wrong with the folder of another release.
    pub fn command(&self) -> Result<Command> {
        // A newer client may not speak with it, and an older one does not know its options.
        let mut command = match release::folder()? {
            Some(_) => self.holder.enter(release::program("docker")?),
            None => Command::new("docker"),
        };
        command
            .env("DOCKER_HOST", format!("unix://{}", self.socket().display()))
            .env("DOCKER_CONFIG", self.folder())
            .stdin(Stdio::null());
        Ok(command)
    }

    /// Runs `docker` with the words of a line, and returns what it prints.
    ///
    /// # Errors
    ///
    /// When it fails; with what it says.
    pub fn docker(&self, line: &str) -> Result<String> {
        let output = self.command()?.args(line.split_whitespace()).output();
        let output = output.context("start docker")?;
        if !output.status.success() {
            bail!(
                "docker {line}: {}\n{}",
                String::from_utf8_lossy(&output.stderr),
                self.daemon_log()
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Runs `docker` with each line, all at the same time.
    ///
    /// # Errors
    ///
    /// As [`DockerHost::docker`], the first that fails.
    pub fn docker_at_once(&self, lines: &[String]) -> Result<()> {
        std::thread::scope(|scope| {
            let started: Vec<_> = lines
                .iter()
                .map(|line| scope.spawn(|| self.docker(line)))
                .collect();
            for thread in started {
                thread.join().unwrap_or_else(|_| bail!("a panic"))?;
            }
            Ok(())
        })
    }

    /// Makes all running containers nodes of the lab, by name, and describes them.
    ///
    /// What was a node and runs no more, or runs again in another namespace, is replaced: servers
    /// have to be started anew.
    ///
    /// # Errors
    ///
    /// When docker fails, or a namespace cannot be entered.
    pub fn adopt(&self) -> Result<Vec<Container>> {
        let containers = self.containers()?;
        for container in &containers {
            self.adopt_one(container)?;
        }
        Ok(containers)
    }

    /// Makes one container a node of the lab.
    ///
    /// # Errors
    ///
    /// As [`DockerHost::adopt`].
    pub fn adopt_one(&self, container: &Container) -> Result<()> {
        let path = self.holder.outside(&container.sandbox);
        self.lab.adopt(&container.name, &path)
    }

    /// Describes the running containers.
    ///
    /// # Errors
    ///
    /// When docker fails, or says what is not understood.
    pub fn containers(&self) -> Result<Vec<Container>> {
        let ids = self.docker("ps -q --no-trunc")?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let text = self.docker(&format!("inspect {}", ids.replace('\n', " ")))?;
        let all: Vec<Value> = serde_json::from_str(&text).context("docker inspect")?;
        all.iter().map(read).collect()
    }

    /// Describes one running container.
    ///
    /// # Errors
    ///
    /// As [`DockerHost::containers`].
    pub fn container(&self, name: &str) -> Result<Container> {
        let text = self.docker(&format!("inspect {name}"))?;
        let all: Vec<Value> = serde_json::from_str(&text).context("docker inspect")?;
        read(all.first().context("no container")?)
    }

    /// Imports the image from a busybox of the machine.
    pub(super) fn import_image(&self) -> Result<()> {
        let root = self.folder().join("root");
        fs::create_dir_all(root.join("bin"))?;
        let busybox = ["/bin/busybox", "/usr/bin/busybox"]
            .map(Path::new)
            .into_iter()
            .find(|of| of.exists())
            .context("no busybox (busybox-static)")?;
        fs::copy(busybox, root.join("bin/busybox"))?;
        for name in ["sh", "sleep"] {
            std::os::unix::fs::symlink("busybox", root.join("bin").join(name))?;
        }
        let mut tar = Command::new("tar")
            .arg("-C")
            .arg(&root)
            .args(["-c", "."])
            .stdout(Stdio::piped())
            .spawn()
            .context("start tar")?;
        let archive = tar.stdout.take().context("no output of tar")?;
        let output = self
            .command()?
            .args(["import", "-c", "CMD [\"sleep\", \"1000000\"]"])
            .args(["-c", "ENV PATH=/bin", "-", IMAGE])
            .stdin(archive)
            .output()?;
        tar.wait()?;
        ensure!(
            output.status.success(),
            "docker import: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    /// Kills the first process of a container with SIGKILL, as the kernel does when it is out of
    /// memory: restart policies act on that, as they do not on `docker kill`.
    ///
    /// # Errors
    ///
    /// When there is no such container, or it does not run.
    pub fn kill_container(&self, name: &str) -> Result<()> {
        let process = self.docker(&format!("inspect -f {{{{.State.Pid}}}} {name}"))?;
        ensure!(process != "0", "{name} does not run");
        let status = self.holder.enter("kill").args(["-9", &process]).status()?;
        ensure!(status.success(), "kill {process}: {status}");
        Ok(())
    }
}

/// Reads one element of `docker inspect`.
fn read(value: &Value) -> Result<Container> {
    let text = |at: &str| value.pointer(at).and_then(Value::as_str);
    let settings = value.get("NetworkSettings").context("no NetworkSettings")?;
    let networks = settings.get("Networks").and_then(Value::as_object);
    let ports = settings.get("Ports").and_then(Value::as_object);
    Ok(Container {
        name: text("/Name")
            .context("no name")?
            .trim_start_matches('/')
            .to_owned(),
        networks: networks
            .into_iter()
            .flatten()
            .map(|(name, of)| (name.clone(), endpoint(of)))
            .collect(),
        ports: ports
            .into_iter()
            .flatten()
            .map(|(port, of)| (port.clone(), host_ports(of)))
            .collect(),
        restarts: value
            .get("RestartCount")
            .and_then(Value::as_u64)
            .unwrap_or(0),
        sandbox: text("/NetworkSettings/SandboxKey")
            .context("no sandbox")?
            .to_owned(),
    })
}

fn endpoint(of: &Value) -> Endpoint {
    let all = |keys: [&str; 2]| {
        let texts = keys.into_iter().filter_map(|key| of.get(key)?.as_str());
        texts.filter_map(|text| text.parse().ok()).collect()
    };
    Endpoint {
        addresses: all(["IPAddress", "GlobalIPv6Address"]),
        gateways: all(["Gateway", "IPv6Gateway"]),
    }
}

fn host_ports(of: &Value) -> Vec<u16> {
    let bindings = of.as_array().into_iter().flatten();
    let ports = bindings.filter_map(|binding| binding.get("HostPort")?.as_str()?.parse().ok());
    ports.collect()
}
