//! A daemon of a few lines, whose answers come when the test says so.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::tracker::Tracker;
use super::{Message, Stop, follow};
use crate::docker::{Address, Error, Options, Swarm};

/// Longer than anything takes here.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Default)]
struct Daemon {
    /// Running containers: id and address.
    containers: BTreeMap<String, String>,
    networks: Vec<String>,
    /// Answers about these do not come until they are taken out.
    held: Vec<String>,
    /// Paths that are answered with an error.
    broken: Vec<String>,
    /// What `docker info` says; nothing for nothing.
    info: Option<&'static str>,
    /// What docker_gwbridge is, if it is there.
    gateway_bridge: Option<&'static str>,
    /// What services there are, for a manager.
    services: Option<&'static str>,
    /// Containers that are in the list, and end before they are asked about.
    ended: Vec<String>,
    /// How often each path was asked for.
    asked: BTreeMap<String, u32>,
    events: Vec<UnixStream>,
}

struct Fake {
    directory: PathBuf,
    daemon: Arc<(Mutex<Daemon>, Condvar)>,
}

fn answer(mut stream: UnixStream, shared: &(Mutex<Daemon>, Condvar)) {
    let mut request = String::new();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    if reader.read_line(&mut request).unwrap_or(0) == 0 {
        return;
    }
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    let path = path
        .split('?')
        .next()
        .unwrap_or_default()
        .trim_start_matches('/');
    let path = match path.split_once('/') {
        Some((version, path)) if version.starts_with("v1.") => path.to_owned(),
        Some(_) | None => path.to_owned(),
    };
    let mut line = String::new();
    while reader.read_line(&mut line).unwrap_or(0) > 2 {
        line.clear();
    }
    let (lock, changed) = shared;
    let mut daemon = lock.lock().unwrap();
    *daemon.asked.entry(path.clone()).or_default() += 1;
    changed.notify_all();
    if path == "events" {
        // Who asked may not be there any more.
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n");
        daemon.events.push(stream);
        changed.notify_all();
        return;
    }
    let parts: Vec<&str> = path.split('/').collect();
    // What is true when the question arrives, not when the answer leaves.
    let body = match parts.as_slice() {
        ["version"] => Some("{\"Version\":\"29\",\"ApiVersion\":\"1.52\"}".to_owned()),
        ["info"] => Some(daemon.info.unwrap_or("{}").to_owned()),
        ["networks", "docker_gwbridge"] => daemon.gateway_bridge.map(str::to_owned),
        ["networks"] => {
            let all: Vec<String> = daemon.networks.iter().map(|id| network(id)).collect();
            Some(format!("[{}]", all.join(",")))
        }
        ["networks", "predefined"] => Some(
            "{\"Id\":\"predefined\",\"Name\":\"bridge\",\"Driver\":\"bridge\",\"Scope\":\"swarm\",\
             \"Labels\":{\"com.docker.swarm.predefined\":\"true\"}}"
                .to_owned(),
        ),
        ["networks", id] => daemon
            .networks
            .iter()
            .find(|of| of == id)
            .map(|id| network(id)),
        ["containers", "json"] => {
            let all = daemon.containers.iter();
            let all: Vec<String> = all
                .map(|(id, address)| {
                    format!(
                        "{{\"Id\":\"{id}\",\"Names\":[\"/{id}\"],{}}}",
                        settings(address)
                    )
                })
                .collect();
            Some(format!("[{}]", all.join(",")))
        }
        ["services"] => daemon.services.map(str::to_owned),
        ["containers", id, "json"] => daemon
            .containers
            .get(*id)
            .filter(|_| !daemon.ended.iter().any(|of| of == id))
            .map(|address| container(id, address)),
        _ => None,
    };
    while parts
        .get(1)
        .is_some_and(|id| daemon.held.iter().any(|of| of == id))
    {
        daemon = changed.wait(daemon).unwrap();
    }
    let is_broken = daemon.broken.contains(&path);
    drop(daemon);
    let (status, body) = match body {
        _ if is_broken => (
            "500 Internal Server Error",
            "{\"message\":\"broken\"}".to_owned(),
        ),
        Some(body) => ("200 OK", body),
        None => (
            "404 Not Found",
            "{\"message\":\"no such object\"}".to_owned(),
        ),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nContent-Type: application/json\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all((head + &body).as_bytes());
}

fn network(id: &str) -> String {
    format!("{{\"Id\":\"{id}\",\"Name\":\"net-{id}\",\"Driver\":\"bridge\"}}")
}

fn container(id: &str, address: &str) -> String {
    let settings = settings(address);
    format!("{{\"Id\":\"{id}\",\"Name\":\"/{id}\",\"State\":{{\"Running\":true}},{settings}}}")
}

/// `net/address net/address ...`
fn settings(address: &str) -> String {
    let endpoints = address.split(' ').map(|endpoint| {
        let (network, address) = endpoint.split_once('/').unwrap();
        format!("\"net-{network}\":{{\"NetworkID\":\"{network}\",\"IPAddress\":\"{address}\"}}")
    });
    let endpoints: Vec<String> = endpoints.collect();
    format!(
        "\"NetworkSettings\":{{\"Networks\":{{{}}}}}",
        endpoints.join(",")
    )
}

impl Fake {
    fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("dockfw-follow-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir(&directory).unwrap();
        let fake = Self {
            directory,
            daemon: Arc::default(),
        };
        fake.change(|of| of.networks.push("n1".to_owned()));
        fake.listen();
        fake
    }

    fn path(&self) -> PathBuf {
        self.directory.join("s")
    }

    fn listen(&self) {
        let listener = UnixListener::bind(self.path()).unwrap();
        let daemon = Arc::clone(&self.daemon);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let daemon = Arc::clone(&daemon);
                std::thread::spawn(move || answer(stream, &daemon));
            }
        });
    }

    fn change<T>(&self, change: impl FnOnce(&mut Daemon) -> T) -> T {
        let (lock, changed) = &*self.daemon;
        let result = change(&mut lock.lock().unwrap());
        changed.notify_all();
        result
    }

    fn wait(&self, until: impl Fn(&Daemon) -> bool) {
        let (lock, changed) = &*self.daemon;
        let daemon = lock.lock().unwrap();
        let (_guard, waited) = changed
            .wait_timeout_while(daemon, PATIENCE, |of| !until(of))
            .unwrap();
        assert!(!waited.timed_out());
    }

    fn start(&self, id: &str, address: &str) {
        self.change(|of| of.containers.insert(id.to_owned(), address.to_owned()));
    }

    fn event(&self, kind: &str, action: &str, id: &str) {
        let line = format!(
            "{{\"Type\":\"{kind}\",\"Action\":\"{action}\",\"Actor\":{{\"ID\":\"{id}\",\
             \"Attributes\":{{\"name\":\"{id}\"}}}},\"timeNano\":5}}\n"
        );
        self.wait(|of| !of.events.is_empty());
        self.change(|of| {
            of.events
                .last()
                .unwrap()
                .write_all(line.as_bytes())
                .unwrap();
        });
    }

    fn asked(&self, path: &str) -> u32 {
        self.change(|of| of.asked.get(path).copied().unwrap_or(0))
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

struct Follower {
    messages: Receiver<Message>,
    stop: Stop,
    thread: Option<JoinHandle<Result<(), Error>>>,
}

impl Follower {
    fn new(fake: &Fake, refresh: Duration) -> Self {
        Self::with_timeout(fake, refresh, PATIENCE)
    }

    fn with_timeout(fake: &Fake, refresh: Duration, timeout: Duration) -> Self {
        let (sender, messages) = channel();
        let stop = Stop::new();
        let (stopping, address) = (stop.clone(), fake.path().display().to_string());
        let thread = std::thread::spawn(move || {
            let address: Address = address.parse().unwrap();
            let options = Options {
                timeout,
                refresh,
                ..Options::default()
            };
            follow(
                &address,
                &options,
                |message| drop(sender.send(message)),
                &stopping,
            )
        });
        Self {
            messages,
            stop,
            thread: Some(thread),
        }
    }

    /// The next message, in short.
    fn next(&self) -> String {
        match self.messages.recv_timeout(PATIENCE).unwrap() {
            Message::State { state, .. } => {
                let all = state.containers.values();
                let all: Vec<String> = all
                    .map(|of| format!("{}={}", of.name, of.endpoints[0].ipv4))
                    .collect();
                let unread: Vec<&str> = state.unread.iter().map(|of| of.name.as_str()).collect();
                format!(
                    "state {} unread {} networks {}",
                    all.join(" "),
                    unread.join(" "),
                    state.networks.len()
                )
            }
            Message::Container {
                id, container, at, ..
            } => {
                let container =
                    container.map_or("gone".to_owned(), |of| of.endpoints[0].ipv4.clone());
                format!("{id} {container} after {}", at.what)
            }
            Message::Network { id, network, at } => {
                format!("network {id} {} after {}", network.is_some(), at.what)
            }
            Message::Lost { error } => format!("lost: {error}"),
        }
    }

    fn is_quiet(&self) {
        let got = self.messages.recv_timeout(Duration::from_millis(150));
        assert!(got.is_err(), "{got:?}");
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop.stop();
        let ended = self.thread.take().unwrap().join();
        if !std::thread::panicking() {
            ended.unwrap().unwrap();
        }
    }
}

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn a_late_answer_does_not_undo_what_is_newer() {
    let fake = Fake::new();
    let follower = Follower::new(&fake, HOUR);
    assert_eq!(follower.next(), "state  unread  networks 1");
    // Asked about while it ran, answered after it had died.
    fake.start("c1", "n1/1");
    fake.change(|of| of.held.push("c1".to_owned()));
    fake.event("container", "start", "c1");
    fake.wait(|of| of.asked.contains_key("containers/c1/json"));
    fake.change(|of| of.containers.remove("c1"));
    fake.event("container", "die", "c1");
    // Another one is not held up.
    fake.start("c2", "n1/2");
    fake.event("container", "start", "c2");
    assert_eq!(follower.next(), "c2 2 after start c2");
    fake.change(|of| of.held.clear());
    follower.is_quiet();
    // Started, died and started again with another address: the first answer comes last.
    fake.start("c3", "n1/3");
    fake.change(|of| of.held.push("c3".to_owned()));
    fake.event("container", "start", "c3");
    fake.wait(|of| of.asked.contains_key("containers/c3/json"));
    fake.event("container", "die", "c3");
    fake.start("c3", "n1/33");
    fake.event("container", "start", "c3");
    fake.wait(|of| of.asked.get("containers/c3/json") == Some(&2));
    fake.change(|of| of.held.clear());
    assert_eq!(follower.next(), "c3 33 after start c3");
    follower.is_quiet();
    fake.change(|of| of.containers.remove("c3"));
    let before = fake.asked("containers/c3/json");
    fake.event("container", "die", "c3");
    assert_eq!(follower.next(), "c3 gone after die c3");
    assert_eq!(fake.asked("containers/c3/json"), before);
}

#[test]
fn events_during_a_listing_are_not_lost() {
    let fake = Fake::new();
    for (id, address) in [("c1", "n1/1"), ("c2", "n1/2"), ("c3", "n1/3")] {
        fake.start(id, address);
    }
    // The listing waits for c1 while c2 dies and c3 gets another address and c4 starts.
    fake.change(|of| of.held.push("c1".to_owned()));
    let follower = Follower::new(&fake, HOUR);
    fake.wait(|of| of.asked.contains_key("containers/c1/json") && !of.events.is_empty());
    fake.wait(|of| of.asked.contains_key("containers/c3/json"));
    fake.change(|of| of.containers.remove("c2"));
    fake.event("container", "die", "c2");
    fake.start("c3", "n1/33");
    fake.event("container", "update", "c3");
    fake.start("c4", "n1/4");
    fake.event("container", "start", "c4");
    fake.wait(|of| of.asked.contains_key("containers/c4/json"));
    fake.wait(|of| of.asked.get("containers/c3/json") == Some(&2));
    std::thread::sleep(Duration::from_millis(100));
    fake.change(|of| of.held.clear());
    assert_eq!(follower.next(), "state c1=1 c3=33 c4=4 unread  networks 1");
    follower.is_quiet();
}

#[test]
fn a_listing_does_not_wait_for_one_that_hangs() {
    let fake = Fake::new();
    fake.start("c1", "n1/1");
    fake.start("c2", "n1/2");
    fake.change(|of| of.held.push("c1".to_owned()));
    let begun = Instant::now();
    let follower = Follower::with_timeout(&fake, HOUR, Duration::from_secs(3));
    assert_eq!(follower.next(), "state c2=2 unread c1 networks 1");
    assert!(begun.elapsed() < Duration::from_secs(10));
    fake.change(|of| of.held.clear());
    assert_eq!(follower.next(), "c1 1 after listing");
}

#[test]
fn what_a_listing_finds_different_does_not_wait_for_one_that_hangs() {
    let fake = Fake::new();
    for (id, address) in [("c1", "n1/1"), ("c2", "n1/2"), ("c3", "n1/3")] {
        fake.start(id, address);
    }
    let follower = Follower::new(&fake, HOUR);
    assert_eq!(follower.next(), "state c1=1 c2=2 c3=3 unread  networks 1");
    // c2 ends and c3 gets another address when they have been listed; their events come later.
    fake.change(|of| of.held.push("c1".to_owned()));
    fake.change(|of| of.ended.push("c2".to_owned()));
    fake.start("c3", "n1/33");
    fake.event("daemon", "reload", "host");
    fake.wait(|of| of.asked.get("containers/c2/json") == Some(&2));
    fake.wait(|of| of.asked.get("containers/c3/json") == Some(&2));
    std::thread::sleep(Duration::from_millis(100));
    fake.event("container", "die", "c2");
    fake.event("container", "update", "c3");
    // Their addresses may be others' by now: nothing of it waits for the end of the listing.
    let mut next = [follower.next(), follower.next()];
    next.sort();
    assert_eq!(next, ["c2 gone after listing", "c3 33 after listing"]);
    fake.change(|of| of.held.clear());
    assert_eq!(follower.next(), "state c1=1 c3=33 unread  networks 1");
}

#[test]
fn one_that_cannot_be_read_is_asked_about_once_a_second() {
    let fake = Fake::new();
    fake.start("c1", "n1/1");
    fake.change(|of| of.broken.push("containers/c1/json".to_owned()));
    let follower = Follower::new(&fake, HOUR);
    assert_eq!(follower.next(), "state  unread c1 networks 1");
    for _ in 0..30 {
        fake.event("container", "update", "c1");
    }
    fake.wait(|of| of.asked.get("containers/c1/json") > Some(&30));
    let (before, begun) = (fake.asked("containers/c1/json"), Instant::now());
    fake.wait(|of| of.asked.get("containers/c1/json") >= Some(&(before + 3)));
    std::thread::sleep(Duration::from_secs(1));
    let asked = u64::from(fake.asked("containers/c1/json") - before);
    let seconds = begun.elapsed().as_secs() + 2;
    assert!(asked <= seconds, "{asked} times in {seconds} s");
}

#[test]
fn everything_is_listed_again_and_what_hangs_stays_as_it_was() {
    let fake = Fake::new();
    fake.start("c1", "n1/1");
    let follower = Follower::new(&fake, Duration::from_millis(300));
    assert_eq!(follower.next(), "state c1=1 unread  networks 1");
    // Without an event.
    fake.start("c2", "n1/2");
    fake.change(|of| of.networks.push("n2".to_owned()));
    let next = loop {
        let next = follower.next();
        if next.ends_with("networks 2") {
            break next;
        }
    };
    assert_eq!(next, "state c1=1 c2=2 unread  networks 2");
    fake.change(|of| of.held.push("c1".to_owned()));
    let next = loop {
        let next = follower.next();
        if next.contains("unread c1") {
            break next;
        }
    };
    assert_eq!(next, "state c1=1 c2=2 unread c1 networks 2");
    fake.change(|of| of.held.clear());
}

#[test]
fn a_network_comes_before_its_containers() {
    let fake = Fake::new();
    let follower = Follower::new(&fake, HOUR);
    assert_eq!(follower.next(), "state  unread  networks 1");
    fake.change(|of| of.networks.push("n2".to_owned()));
    fake.start("c1", "n2/1");
    // Its own event may be slower.
    fake.event("container", "start", "c1");
    assert_eq!(follower.next(), "network n2 true after start c1");
    assert_eq!(follower.next(), "c1 1 after start c1");
    fake.event("network", "create", "n2");
    follower.is_quiet();
    fake.change(|of| of.networks.pop());
    fake.event("network", "destroy", "n2");
    assert_eq!(follower.next(), "network n2 false after destroy n2");
}

#[test]
fn a_daemon_that_is_gone_is_found_again() {
    let fake = Fake::new();
    fake.start("c1", "n1/1");
    let follower = Follower::new(&fake, HOUR);
    assert_eq!(follower.next(), "state c1=1 unread  networks 1");
    fake.wait(|of| !of.events.is_empty());
    std::fs::remove_file(fake.path()).unwrap();
    let ended = |of: &mut Daemon| of.events.clear();
    fake.change(ended);
    assert_eq!(follower.next(), "lost: dockerd ended the connection");
    assert!(
        follower
            .next()
            .starts_with("lost: no dockerd listens: there is no ")
    );
    follower.is_quiet();
    fake.start("c2", "n1/2");
    fake.listen();
    assert_eq!(follower.next(), "state c1=1 c2=2 unread  networks 1");
}

#[test]
fn numbers_tell_what_is_newer() {
    let mut tracker = Tracker::default();
    let since = tracker.tick();
    let (first, second) = (tracker.ask("a"), tracker.ask("a"));
    assert!(tracker.answer("a", second));
    assert!(!tracker.answer("a", first));
    assert!(tracker.is_taken_since("a", since) && !tracker.is_gone_since("a", since));
    let third = tracker.ask("a");
    tracker.gone("a");
    assert!(!tracker.is_taken_since("a", since) && tracker.is_gone_since("a", since));
    // It is remembered as long as an answer may come.
    let now = tracker.tick();
    tracker.forget_before(now);
    assert!(!tracker.answer("a", third));
    tracker.forget_before(now);
    let fourth = tracker.ask("a");
    assert!(tracker.answer("a", fourth));
}

#[test]
fn the_first_listing_waits_as_long_as_answers_come() {
    let fake = Fake::new();
    let ids: Vec<String> = (0..40).map(|of| format!("c{of:02}")).collect();
    for id in &ids {
        fake.start(id, "n1/1");
    }
    fake.change(|of| of.held.clone_from(&ids));
    let follower = Follower::with_timeout(&fake, HOUR, Duration::from_secs(3));
    let asked = |of: &Daemon| {
        let paths = of.asked.keys().filter_map(|of| of.strip_suffix("/json"));
        let ids = paths.filter_map(|of| of.strip_prefix("containers/"));
        ids.map(str::to_owned).collect::<Vec<_>>()
    };
    // Not all are asked about at the same time, so these are over only after the time for one.
    fake.wait(|of| asked(of).len() == 32);
    std::thread::sleep(Duration::from_secs(2));
    fake.change(|of| {
        let asked = asked(of);
        of.held.retain(|id| !asked.contains(id));
    });
    fake.wait(|of| asked(of).len() == 40);
    std::thread::sleep(Duration::from_secs(2));
    fake.change(|of| of.held.clear());
    let all: Vec<String> = ids.iter().map(|id| format!("{id}=1")).collect();
    assert_eq!(
        follower.next(),
        format!("state {} unread  networks 1", all.join(" "))
    );
}

#[test]
fn what_was_known_outlives_the_connection() {
    let fake = Fake::new();
    for (id, address) in [
        ("c1", "n1/1"),
        ("c2", "n1/2"),
        ("c3", "n1/3"),
        ("c4", "n1/4"),
    ] {
        fake.start(id, address);
    }
    let follower = Follower::new(&fake, HOUR);
    let all = "state c1=1 c2=2 c3=3 c4=4 unread  networks 1";
    assert_eq!(follower.next(), all);
    fake.wait(|of| !of.events.is_empty());
    // c1 has not answered to the next connection, c2 is not there any more, c3 has not answered
    // either, and its address is another's.
    fake.change(|of| {
        of.held = vec!["c1".to_owned(), "c3".to_owned()];
        of.containers.remove("c2");
        of.containers.insert("c3".to_owned(), "n1/33".to_owned());
        of.containers.insert("c4".to_owned(), "n1/3".to_owned());
        of.events.clear();
    });
    assert_eq!(follower.next(), "lost: dockerd ended the connection");
    let Message::State { state, .. } = follower.messages.recv_timeout(PATIENCE).unwrap() else {
        panic!()
    };
    let all = state.containers.values();
    let all = all.map(|of| (of.name.as_str(), of.endpoints[0].ipv4.as_str()));
    assert_eq!(all.collect::<Vec<_>>(), [("c1", "1"), ("c4", "3")]);
    let unread: Vec<&str> = state.unread.iter().map(|of| of.id.as_str()).collect();
    assert_eq!(unread, ["c1", "c3"]);
    fake.change(|of| of.held.clear());
    assert_eq!(follower.next(), "c3 33 after listing");
    follower.is_quiet();
}

#[test]
fn networks_that_stay_unknown_are_asked_about_once() {
    let fake = Fake::new();
    let follower = Follower::new(&fake, HOUR);
    assert_eq!(follower.next(), "state  unread  networks 1");
    fake.start("c1", "x1/1 x2/2");
    fake.event("container", "start", "c1");
    assert_eq!(follower.next(), "c1 1 after start c1");
    follower.is_quiet();
    assert_eq!(
        (fake.asked("networks/x1"), fake.asked("networks/x2")),
        (1, 1)
    );
    // One that is found is told first, whatever the other one is.
    fake.change(|of| {
        of.networks.push("n2".to_owned());
        of.broken.push("networks/x1".to_owned());
    });
    fake.start("c2", "x1/1 n2/2");
    fake.event("container", "start", "c2");
    let mut next = vec![follower.next(), follower.next(), follower.next()];
    next.retain(|of| !of.starts_with("state "));
    let told = ["network n2 true after start c2", "c2 2 after start c2"];
    assert_eq!(next, told);
    // The listing that follows finds nothing new, and asks nothing.
    follower.is_quiet();
    assert_eq!(
        (fake.asked("networks/x1"), fake.asked("networks/n2")),
        (2, 1)
    );
}

const WORKER: &str = "{\"Swarm\":{\"LocalNodeState\":\"active\"}}";

#[test]
fn an_answer_of_docker_info_that_does_not_come_changes_nothing() {
    let fake = Fake::new();
    fake.change(|of| {
        of.info = Some(WORKER);
        of.broken.push("info".to_owned());
    });
    // Nothing is known, so nothing is assumed.
    let follower = Follower::new(&fake, Duration::from_millis(300));
    let lost = "lost: dockerd did not answer docker info: broken (status 500)";
    assert_eq!(follower.next(), lost);
    follower.is_quiet();
    fake.change(|of| of.broken.clear());
    let swarm = || {
        let message = follower.messages.recv_timeout(PATIENCE).unwrap();
        let Message::State { state, .. } = message else {
            panic!("{message:?}")
        };
        state.daemon.swarm
    };
    assert_eq!(swarm(), Swarm::Worker);
    fake.change(|of| of.broken.push("info".to_owned()));
    let asked = fake.asked("info");
    while fake.asked("info") < asked + 3 {
        assert_eq!(swarm(), Swarm::Worker);
    }
    fake.change(|of| of.broken.clear());
    fake.change(|of| of.info = Some("{}"));
    while swarm() != Swarm::Inactive {}
}

/// A manager tells of them when it gets a leader; they are in no list.
#[test]
fn a_network_that_swarm_has_for_each_nodes_own_is_none() {
    let fake = Fake::new();
    fake.change(|of| of.info = Some(MANAGER));
    let follower = Follower::new(&fake, HOUR);
    assert_eq!(follower.next(), "state  unread  networks 1");
    fake.event("network", "update", "predefined");
    fake.wait(|of| of.asked.contains_key("networks/predefined"));
    follower.is_quiet();
}

const MANAGER: &str = "{\"Swarm\":{\"LocalNodeState\":\"active\",\"ControlAvailable\":true}}";

#[test]
fn a_swarm_without_a_leader_is_no_dockerd_that_is_lost() {
    let fake = Fake::new();
    fake.change(|of| {
        of.info = Some(MANAGER);
        of.services = Some(
            "[{\"Endpoint\":{\"Ports\":[{\"Protocol\":\"tcp\",\"TargetPort\":80,\
             \"PublishedPort\":8088,\"PublishMode\":\"ingress\"}]}}]",
        );
    });
    let follower = Follower::new(&fake, HOUR);
    let services = || {
        let message = follower.messages.recv_timeout(PATIENCE).unwrap();
        let Message::State { state, .. } = message else {
            panic!("{message:?}")
        };
        let ports: Vec<u16> = state.services.iter().map(|of| of.published).collect();
        (ports, state.services_unread)
    };
    assert_eq!(services(), (vec![8088], None));
    fake.change(|of| of.broken.push("services".to_owned()));
    fake.event("daemon", "reload", "host");
    let why = "dockerd did not answer the list of services: broken (status 500)";
    assert_eq!(services(), (vec![8088], Some(why.to_owned())));
    // Containers are followed all the same.
    fake.start("c1", "n1/1");
    fake.event("container", "start", "c1");
    assert_eq!(follower.next(), "c1 1 after start c1");
    fake.change(|of| {
        of.broken.clear();
        of.services = Some("[]");
    });
    fake.event("daemon", "reload", "host");
    assert_eq!(services(), (vec![], None));
}

#[test]
fn a_container_of_a_swarm_is_not_told_without_its_endpoint() {
    let fake = Fake::new();
    fake.change(|of| {
        of.info = Some(WORKER);
        of.gateway_bridge = Some(
            "{\"Id\":\"g\",\"Name\":\"docker_gwbridge\",\"Containers\":{\"c1\":{\
             \"IPv4Address\":\"172.18.0.3/16\"}}}",
        );
        of.networks.push("g".to_owned());
    });
    let follower = Follower::new(&fake, HOUR);
    assert_eq!(follower.next(), "state  unread  networks 2");
    fake.change(|of| of.broken.push("networks/docker_gwbridge".to_owned()));
    fake.start("c1", "n1/1");
    fake.event("container", "start", "c1");
    follower.is_quiet();
    assert_eq!(fake.asked("containers/c1/json"), 1);
    fake.change(|of| of.broken.clear());
    // The endpoints are in the order of their networks' names.
    assert_eq!(follower.next(), "c1 172.18.0.3 after start c1");
}

#[test]
fn a_question_without_an_answer_says_nothing() {
    let mut tracker = Tracker::default();
    let since = tracker.tick();
    let first = tracker.ask("a");
    let second = tracker.ask("a");
    assert!(tracker.unanswered("a", second));
    assert!(!tracker.is_taken_since("a", since));
    assert!(tracker.answer("a", first));
    let third = tracker.ask("a");
    tracker.gone("a");
    assert!(!tracker.unanswered("a", third));
    assert_eq!(tracker.others("b"), 0);
}
