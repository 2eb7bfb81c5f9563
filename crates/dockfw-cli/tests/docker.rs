//! A real dockerd without a firewall of its own: what is read of it, and what is told of it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests; the times are the result of a run"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant, SystemTime};

use dockfw::docker::host::host;
use dockfw::docker::{self, Address, Base, Message, Options, Stop, Verdict};
use dockfw_ir::print::nft_replacing;
use dockfw_ir::verify::verify;
use dockfw_lower::lower;
use dockfw_testkit::dockerd::release;
use dockfw_testkit::lab::Lab;

const DOCKFW: &str = env!("CARGO_BIN_EXE_dockfw");

/// Longer than anything takes here.
const PATIENCE: Duration = Duration::from_secs(30);

struct Dockerd {
    lab: Lab,
    /// Short: the path of a socket has at most 107 bytes.
    directory: PathBuf,
    process: Option<Child>,
}

impl Dockerd {
    fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("dfw-{name}-{}", std::process::id()));
        std::fs::create_dir_all(directory.join("rootfs/bin")).unwrap();
        let json = "{ \"iptables\": false, \"ip6tables\": false }";
        std::fs::write(directory.join("daemon.json"), json).unwrap();
        let mut dockerd = Self {
            lab: Lab::builder().build().unwrap(),
            directory,
            process: None,
        };
        dockerd.start();
        let busybox = Command::new("sh")
            .args(["-c", "command -v busybox"])
            .output()
            .unwrap();
        let busybox = String::from_utf8(busybox.stdout).unwrap();
        std::fs::copy(busybox.trim(), dockerd.directory.join("rootfs/bin/busybox")).unwrap();
        let archive = dockerd.path("rootfs.tar");
        let root = dockerd.path("rootfs");
        let tar = Command::new("tar")
            .args(["-C", &root, "-cf", &archive, "."])
            .status();
        assert!(tar.unwrap().success());
        dockerd.docker(&["import", &archive, "probe"]);
        dockerd
    }

    fn path(&self, name: &str) -> String {
        self.directory.join(name).display().to_string()
    }

    fn address(&self) -> Address {
        format!("unix://{}", self.path("s")).parse().unwrap()
    }

    fn start(&mut self) {
        let arguments = [
            "--userland-proxy=false".to_owned(),
            format!("--data-root={}", self.path("data")),
            format!("--exec-root={}", self.path("exec")),
            format!("--host=unix://{}", self.path("s")),
            format!("--pidfile={}", self.path("pid")),
            "--config-file".to_owned(),
            self.path("daemon.json"),
        ];
        let log = std::fs::File::create(self.directory.join("log")).unwrap();
        let start = || {
            release::command("dockerd")
                .unwrap()
                .args(arguments)
                .stdin(Stdio::null())
                .stdout(log.try_clone().unwrap())
                .stderr(log)
                .spawn()
                .unwrap()
        };
        self.process = Some(self.lab.run_in("host", start).unwrap());
        let begun = Instant::now();
        while !self.try_docker(&["version"]).status.success() {
            assert!(begun.elapsed() < PATIENCE, "see {}", self.path("log"));
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn stop(&mut self) {
        let Some(mut process) = self.process.take() else {
            return;
        };
        let id = process.id().to_string();
        let _ = Command::new("kill").arg(id).status();
        let _ = process.wait();
    }

    fn try_docker(&self, arguments: &[&str]) -> Output {
        let socket = format!("unix://{}", self.path("s"));
        let mut command = release::command("docker").unwrap();
        command
            .args(["-H", &socket])
            .args(arguments)
            .stdin(Stdio::null());
        command.output().unwrap()
    }

    fn docker(&self, arguments: &[&str]) -> String {
        let output = self.try_docker(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Starts a container that sleeps; its id.
    fn sleeper(&self, arguments: &[&str]) -> String {
        let sleep = ["probe", "/bin/busybox", "sleep", "1000"];
        self.docker(&[&["run", "-d"], arguments, &sleep].concat())
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let run = || {
            let mut command = Command::new(program);
            command
                .args(arguments)
                .stdin(Stdio::null())
                .output()
                .unwrap()
        };
        self.lab.run_in("host", run).unwrap()
    }

    fn dockfw(&self, arguments: &[&str]) -> String {
        let output = self.run(DOCKFW, arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        self.stop();
        // dockerd leaves the one behind after a container in the network of the host, and the other
        // one when it is killed.
        for mount in ["exec/netns/default", "data"] {
            let _ = Command::new("umount")
                .arg(self.path(mount))
                .stderr(Stdio::null())
                .status();
        }
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

#[test]
#[ignore = "needs root, network namespaces and dockerd: cargo test -- --ignored"]
fn a_daemon_is_a_policy() {
    let mut dockerd = Dockerd::new("a");
    dockerd.docker(&["network", "create", "--subnet", "10.77.0.0/24", "web"]);
    let dual = "network create --ipv6 --subnet 10.78.0.0/24 --subnet fd00:78::/64 \
                -o com.docker.network.bridge.name=br-dual \
                -o com.docker.network.bridge.enable_icc=false dual";
    dockerd.docker(&dual.split_whitespace().collect::<Vec<_>>());
    dockerd.docker(&["network", "create", "--internal", "inner"]);
    dockerd.sleeper(&[
        "--name",
        "web1",
        "--network",
        "web",
        "-p",
        "8080:80",
        "-p",
        "9000-9003:9000-9003",
    ]);
    dockerd.sleeper(&[
        "--name",
        "dual1",
        "--network",
        "dual",
        "-p",
        "8081:80/udp",
        "-p",
        "[::1]:82:82",
        "-p",
        "127.0.0.1:83:83",
    ]);
    dockerd.sleeper(&["--name", "inner1", "--network", "inner", "-p", "8082:80"]);
    dockerd.sleeper(&["--name", "first", "--expose", "90-91"]);
    dockerd.sleeper(&[
        "--name", "second", "--link", "first", "-P", "--expose", "70",
    ]);
    dockerd.sleeper(&["--name", "asis", "--network", "host"]);
    dockerd.sleeper(&["--name", "shared", "--network", "container:web1"]);
    dockerd.docker(&["pause", "dual1"]);

    let socket = format!("unix://{}", dockerd.path("s"));
    let flag = format!("--docker={socket}");
    let written = dockerd.dockfw(&["snapshot", "--docker", &socket]);
    assert_eq!(
        written,
        dockerd.dockfw(&["snapshot", "--docker", &dockerd.path("s")])
    );
    for part in [
        "userland-proxy = false",
        "publish = [\"0.0.0.0:8080:80\", \"0.0.0.0:9000-9003:9000-9003\"]",
        "publish = [\"[::1]:82:82\", \"127.0.0.1:83:83\", \"8081:80/udp\"]",
        "name = \"inner1\"\nnetworks.\"inner\" = [\"",
        "links = [\"first\"]",
        "expose = [\"90-91/tcp\"]",
    ] {
        assert!(written.contains(part), "{part}: {written}");
    }
    for part in [
        "asis",
        "shared",
        "enable_ip_masquerade",
        "Left out",
        "Notes",
    ] {
        assert!(!written.contains(part), "{part}: {written}");
    }
    // Ports that dockerd chose.
    let chosen = dockerd.docker(&["port", "second", "70/tcp"]);
    let chosen = chosen.lines().next().unwrap().rsplit_once(':').unwrap().1;
    assert!(
        written.contains(&format!("0.0.0.0:{chosen}:70")),
        "{written}"
    );

    let policy = dockerd.path("policy.toml");
    std::fs::write(&policy, &written).unwrap();
    let compiled = dockerd.dockfw(&["compile", &policy]);
    assert_eq!(dockerd.dockfw(&["compile", &flag]), compiled);
    // The way without the text.
    let state = docker::snapshot(&dockerd.address(), &Options::default()).unwrap();
    assert_eq!(state.daemon.firewall_off(), Verdict::Off);
    let built = host(&state, &Base::default());
    let ruleset = verify(lower(&built.host)).unwrap();
    assert!(compiled.ends_with(&nft_replacing(&ruleset)));
    assert!(
        dockerd
            .dockfw(&["check", &flag])
            .starts_with("the policy is valid: 4 networks, 5 containers")
    );

    beside_files(&dockerd, &socket);
    history(&mut dockerd, &flag);
}

/// What files say counts.
fn beside_files(dockerd: &Dockerd, socket: &str) {
    let flag = format!("--docker={socket}");
    let files = dockerd.path("files.toml");
    let text = "version = 1\n[daemon]\nuserland-proxy = true\nicc = false\n[docker-user]\n\
                ipv4 = \"-A DOCKER-USER -s 192.0.2.1 -j DROP\"\n";
    std::fs::write(&files, text).unwrap();
    let beside = dockerd.path("beside.toml");
    std::fs::write(
        &beside,
        dockerd.dockfw(&["snapshot", "--docker", socket, &files]),
    )
    .unwrap();
    let merged = dockerd.dockfw(&["compile", &files, &beside]);
    assert_eq!(dockerd.dockfw(&["compile", &flag, &files]), merged);
    assert_eq!(
        dockerd.dockfw(&["compile", &files, "--docker", socket]),
        merged
    );
    assert!(merged.contains("192.0.2.1"));
    std::fs::write(&files, "version = 1\n[[container]]\nname = \"web1\"\n").unwrap();
    let clash = dockerd.run(DOCKFW, &["compile", &flag, &files]);
    let errors = String::from_utf8(clash.stderr).unwrap();
    assert_eq!(clash.status.code(), Some(2), "{errors}");
    assert!(
        errors.contains("files.toml:3") && errors.contains(socket),
        "{errors}"
    );
}

/// What was committed from a daemon can be committed again without it.
fn history(dockerd: &mut Dockerd, flag: &str) {
    let history = dockerd.path("history");
    let place = ["--state-dir", &history];
    let listed = |dockerd: &Dockerd| {
        let output = dockerd.run("nft", &["-s", "list", "table", "inet", "dockfw"]);
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(dockerd.run(DOCKFW, &["plan", flag]).status.code(), Some(3));
    dockerd.dockfw(&[&["commit", flag][..], &place].concat());
    let before = listed(dockerd);
    assert!(before.contains("8080"), "{before}");
    assert_eq!(dockerd.run(DOCKFW, &["plan", flag]).status.code(), Some(0));
    dockerd.docker(&["rm", "-f", "web1"]);
    dockerd.dockfw(&[&["commit", flag][..], &place].concat());
    assert!(!listed(dockerd).contains("8080"));
    dockerd.stop();
    let gone = dockerd.run(DOCKFW, &["compile", flag]);
    assert_eq!(gone.status.code(), Some(1));
    dockerd.dockfw(&[&["rollback"][..], &place].concat());
    assert_eq!(listed(dockerd), before);
}

/// Messages in short, and when each event was by dockerd's clock.
struct Follower {
    messages: Receiver<(Message, SystemTime, Instant)>,
    stop: Stop,
}

impl Follower {
    fn new(address: Address) -> Self {
        let (sender, messages) = channel();
        let stop = Stop::new();
        let stopping = stop.clone();
        std::thread::spawn(move || {
            let send = |message| drop(sender.send((message, SystemTime::now(), Instant::now())));
            docker::follow(&address, &Options::default(), send, &stopping).unwrap();
        });
        Self { messages, stop }
    }

    fn next(&self) -> String {
        let (message, now, then) = self.messages.recv_timeout(PATIENCE).unwrap();
        match message {
            Message::State { state, .. } => {
                let all = state.containers.values().map(|of| of.name.as_str());
                let mut all: Vec<&str> = all.collect();
                all.sort_unstable();
                format!("state {}", all.join(" "))
            }
            Message::Container {
                id, container, at, ..
            } => {
                let took = now.duration_since(at.event.unwrap()).unwrap_or_default();
                println!(
                    "{}: {took:?} after dockerd's clock, {:?} after it was read",
                    at.what,
                    then.duration_since(at.received)
                );
                container.map_or_else(
                    || format!("{} gone", &id[..12]),
                    |of| {
                        let networks = of.endpoints.iter();
                        let networks: Vec<&str> =
                            networks.map(|of| of.network_name.as_str()).collect();
                        format!(
                            "{} in {} with {} ports",
                            of.name,
                            networks.join(" "),
                            of.ports.len()
                        )
                    },
                )
            }
            Message::Network { network, .. } => match network {
                Some(network) => format!(
                    "network {} {}",
                    network.name,
                    network.subnets.first().unwrap().subnet
                ),
                None => "network gone".to_owned(),
            },
            Message::Lost { .. } => "lost".to_owned(),
        }
    }

    /// Takes messages until one is the expected one; dockerd tells some things in several steps.
    fn until(&self, expected: &str) {
        let mut seen = Vec::new();
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let next = self.next();
            if next == expected {
                return;
            }
            seen.push(next);
        }
        panic!("no {expected:?} but {seen:?}");
    }

    fn is_quiet(&self) {
        let message = self.messages.recv_timeout(Duration::from_millis(300));
        assert!(message.is_err(), "{message:?}");
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop.stop();
    }
}

#[test]
#[ignore = "needs root, network namespaces and dockerd: cargo test -- --ignored"]
fn a_daemon_is_followed() {
    let mut dockerd = Dockerd::new("f");
    dockerd.sleeper(&["--name", "first"]);
    let follower = Follower::new(dockerd.address());
    assert_eq!(follower.next(), "state first");

    dockerd.docker(&["network", "create", "--subnet", "10.77.0.0/24", "web"]);
    assert_eq!(follower.next(), "network web 10.77.0.0/24");
    let id = dockerd.sleeper(&["--name", "web1", "--network", "web", "-p", "8080:80"]);
    assert_eq!(follower.next(), "web1 in web with 1 ports");
    follower.is_quiet();
    dockerd.docker(&["network", "connect", "bridge", "web1"]);
    follower.until("web1 in bridge web with 1 ports");
    dockerd.docker(&["network", "disconnect", "bridge", "web1"]);
    follower.until("web1 in web with 1 ports");
    dockerd.docker(&["rename", "web1", "web2"]);
    assert_eq!(follower.next(), "web2 in web with 1 ports");
    dockerd.docker(&["pause", "web2"]);
    dockerd.docker(&["unpause", "web2"]);
    follower.is_quiet();
    dockerd.docker(&["restart", "-t", "0", "web2"]);
    assert_eq!(follower.next(), format!("{} gone", &id[..12]));
    assert_eq!(follower.next(), "web2 in web with 1 ports");
    dockerd.docker(&["rm", "-f", "web2"]);
    assert_eq!(follower.next(), format!("{} gone", &id[..12]));
    dockerd.docker(&["network", "rm", "web"]);
    assert_eq!(follower.next(), "network gone");
    // One that ends at once, many at the same time.
    dockerd.docker(&["run", "--rm", "probe", "/bin/busybox", "true"]);
    std::thread::scope(|scope| {
        for number in 0..8 {
            let dockerd = &dockerd;
            scope.spawn(move || dockerd.sleeper(&["--name", &format!("many{number}")]));
        }
    });
    let mut missing: Vec<String> = (0..8)
        .map(|of| format!("many{of} in bridge with 0 ports"))
        .collect();
    while !missing.is_empty() {
        let next = follower.next();
        missing.retain(|of| *of != next);
    }

    dockerd.stop();
    follower.until("lost");
    dockerd.start();
    follower.until("state ");
    dockerd.docker(&["start", "first"]);
    follower.until("first in bridge with 0 ports");
}

#[test]
#[ignore = "needs root, network namespaces and dockerd: cargo test -- --ignored"]
fn options_are_those_of_the_process_that_runs() {
    let mut dockerd = Dockerd::new("o");
    let follower = Follower::new(dockerd.address());
    let listed = || loop {
        let (message, ..) = follower.messages.recv_timeout(PATIENCE).unwrap();
        if let Message::State { state, .. } = message {
            return state.daemon;
        }
    };
    let before = listed();
    assert_eq!(before.firewall_off(), Verdict::Off);
    // dockerd reads the file again, says so, and goes on without a firewall of its own.
    let edit = |text: &str| std::fs::write(dockerd.path("daemon.json"), text).unwrap();
    let reload = || {
        let id = dockerd.process.as_ref().unwrap().id().to_string();
        let sent = Command::new("kill").args(["-HUP", &id]).status();
        assert!(sent.unwrap().success());
    };
    edit("{ \"icc\": false, \"live-restore\": true }");
    reload();
    let after = listed();
    assert_eq!(after.live_restore, Some(true));
    assert_eq!(after.settings, before.settings);
    assert_eq!(after.firewall_off(), Verdict::Off);
    let tables = dockerd.run("iptables", &["-t", "nat", "-S"]);
    assert!(!String::from_utf8_lossy(&tables.stdout).contains("DOCKER"));
    // Another process has other options.
    edit("{ \"iptables\": false, \"ip6tables\": false, \"ip-masq\": false }");
    dockerd.stop();
    dockerd.start();
    let restarted = listed();
    assert_eq!(restarted.settings.ip_masq.map(|of| of.value), Some(false));
    assert_eq!(restarted.settings.iptables.map(|of| of.value), Some(false));
    assert_eq!(before.settings.ip_masq, None);
}

/// The list of a daemon says what its answers about each container say, so that those that do not
/// answer after a restart with `live-restore` stay as they were.
#[test]
#[ignore = "needs root, network namespaces and dockerd: cargo test -- --ignored"]
fn containers_that_do_not_answer_are_kept() {
    let mut dockerd = Dockerd::new("k");
    let json = "{ \"iptables\": false, \"ip6tables\": false, \"live-restore\": true }";
    std::fs::write(dockerd.path("daemon.json"), json).unwrap();
    dockerd.stop();
    dockerd.start();
    let dual = "network create --ipv6 --subnet 10.78.0.0/24 --subnet fd00:78::/64 dual";
    dockerd.docker(&dual.split_whitespace().collect::<Vec<_>>());
    dockerd.sleeper(&["--name", "dual1", "--network", "dual", "-p", "8080:80"]);
    dockerd.sleeper(&["--name", "second", "-P", "--expose", "70/udp"]);
    dockerd.sleeper(&["--name", "asis", "--network", "host"]);
    dockerd.docker(&["network", "connect", "bridge", "dual1"]);
    let slow = dockerd.path("slow");
    let is_slow = Arc::new(AtomicBool::new(false));
    let (holding, to) = (Arc::clone(&is_slow), dockerd.path("s"));
    let listener = UnixListener::bind(&slow).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (is_slow, to) = (Arc::clone(&holding), to.clone());
            std::thread::spawn(move || pass_on(&stream, &to, &is_slow));
        }
    });
    let follower = Follower::new(format!("unix://{slow}").parse().unwrap());
    let listed = || loop {
        let (message, ..) = follower.messages.recv_timeout(PATIENCE).unwrap();
        if let Message::State { state, .. } = message {
            return state;
        }
    };
    let before = listed();
    assert_eq!((before.containers.len(), before.unread.len()), (3, 0));
    is_slow.store(true, Ordering::Relaxed);
    dockerd.stop();
    dockerd.start();
    let after = listed();
    let unread: Vec<&str> = after.unread.iter().map(|of| of.name.as_str()).collect();
    assert_eq!(unread, ["asis", "dual1", "second"]);
    assert_eq!(after.containers, before.containers);
    let built = host(&after, &Base::default());
    assert_eq!(built.left_out, []);
    let built_before = host(&before, &Base::default());
    assert_eq!(built.host.containers, built_before.host.containers);
    for name in ["dual1", "second", "asis"] {
        dockerd.docker(&["rm", "-f", name]);
    }
}

/// A connection to a daemon, or one that hangs when it asks about a container.
fn pass_on(stream: &UnixStream, to: &str, is_slow: &AtomicBool) {
    let Ok(mut daemon) = UnixStream::connect(to) else {
        return;
    };
    let mut back = (stream.try_clone().unwrap(), daemon.try_clone().unwrap());
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut back.1, &mut back.0);
        let _ = back.0.shutdown(std::net::Shutdown::Both);
    });
    let mut bytes = [0; 4096];
    let mut stream = stream;
    while let Ok(count) = stream.read(&mut bytes)
        && let Some(bytes) = bytes.get(..count)
        && !bytes.is_empty()
    {
        let text = String::from_utf8_lossy(bytes);
        let asks = text.lines().next().is_some_and(|line| {
            line.contains("/containers/") && !line.contains("/containers/json")
        });
        if asks && is_slow.load(Ordering::Relaxed) {
            std::thread::sleep(PATIENCE);
        }
        if daemon.write_all(bytes).is_err() {
            return;
        }
    }
    let _ = daemon.shutdown(std::net::Shutdown::Both);
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn what_is_no_daemon_is_named() {
    let directory = std::env::temp_dir().join(format!("dfw-n-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = |name: &str| directory.join(name).display().to_string();
    std::fs::write(path("file"), "").unwrap();
    drop(UnixListener::bind(path("closed")).unwrap());
    let listener = UnixListener::bind(path("old")).unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut line = String::new();
            while reader.read_line(&mut line).unwrap() > 2 {
                line.clear();
            }
            let body = "{\"Version\":\"19.03.15\",\"ApiVersion\":\"1.40\"}";
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}"
            );
        }
    });
    let cases = [
        ("tcp://127.0.0.1:2375", "by its unix socket, not tcp://"),
        (&path("none"), "no dockerd listens: there is no "),
        (&path("none"), "--docker unix:///PATH"),
        (&path("file"), "is not a unix socket"),
        (&path("closed"), "connection refused"),
        (
            &path("old"),
            "dockerd 19.03.15 is too old: its API is 1.40, and dockfw needs 1.41",
        ),
    ];
    for (address, expected) in cases {
        let output = Command::new(DOCKFW)
            .args(["compile", "--docker", address])
            .output()
            .unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(errors.contains(expected), "{address}: {errors}");
        assert_eq!(output.status.code(), Some(1), "{address}: {errors}");
    }
    // As somebody who may run the program, but not use the socket.
    let program = copy(&directory);
    let mut command = Command::new(program);
    command
        .args(["compile", "--docker", &path("closed")])
        .uid(65534)
        .gid(65534);
    let output = command.output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(
        errors.contains("no permission to connect") && errors.contains("run dockfw as root"),
        "{errors}"
    );
    assert_eq!(output.status.code(), Some(1));
    std::fs::remove_dir_all(&directory).unwrap();
}

/// The program where everybody can run it.
fn copy(directory: &Path) -> PathBuf {
    let to = directory.join("dockfw");
    std::fs::copy(DOCKFW, &to).unwrap();
    to
}
