//! Flows that a commit ends, with real packets: which are cut, and that no other entry of conntrack
//! is. What conntrack(8) lists before and after is the other side.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests; the times are the result of a run"
)]

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use dockfw_testkit::lab::{Bridge, Container, HOST, Lab, Protocol};
use serde_json::Value;

use Protocol::{Tcp, Udp};

const DOCKFW: &str = env!("CARGO_BIN_EXE_dockfw");
const HOST4: &str = "192.0.2.1";
const HOST6: &str = "2001:db8:ffff::1";

/// Two containers of one network, both families; servers on 80, 81 and 82.
fn lab() -> Lab {
    let bridge = Bridge::new("br-a", &["172.18.0.1/16", "2001:db8:a::1/64"]).hairpin();
    let container = |name: &str, ends: [&str; 2]| Container::new(name).on("br-a", &ends);
    let lab = Lab::builder()
        .bridge(bridge)
        .container(container("a1", ["172.18.0.2/16", "2001:db8:a::2/64"]))
        .container(container("a2", ["172.18.0.3/16", "2001:db8:a::3/64"]))
        .build()
        .unwrap();
    for node in ["a1", "a2"] {
        for port in [80, 81, 82] {
            serve(&lab, node, port);
            lab.listen(node, Udp, port).unwrap();
        }
    }
    for (node, port) in [("remote", 90), (HOST, 8090)] {
        serve(&lab, node, port);
        lab.listen(node, Udp, port).unwrap();
    }
    lab
}

/// Answers each line of each TCP connection with the name of the node, as long as it is asked.
fn serve(lab: &Lab, node: &'static str, port: u16) {
    let listener = lab
        .run_in(node, || TcpListener::bind(("::", port)).unwrap())
        .unwrap();
    let answer = move |stream: TcpStream| {
        let mut lines = BufReader::new(stream.try_clone().unwrap());
        let mut text = String::new();
        while lines.read_line(&mut text).is_ok_and(|len| len > 0) {
            if (&stream).write_all(format!("{node}\n").as_bytes()).is_err() {
                break;
            }
        }
    };
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream));
        }
    });
}

/// The policy: what the containers publish, and rules in DOCKER-USER for both families.
fn policy(first: &str, second: &str, user: &str) -> String {
    let user = if user.is_empty() {
        String::new()
    } else {
        format!("[docker-user]\nipv4 = '''\n{user}'''\nipv6 = '''\n{user}'''\n")
    };
    format!(
        "version = 1\n[daemon]\nuserland-proxy = false\n\
         [[network]]\nname = \"a\"\nbridge = \"br-a\"\n\
         subnets = [\"172.18.0.0/16\", \"2001:db8:a::/64\"]\n\
         gateways = [\"172.18.0.1\", \"2001:db8:a::1\"]\n\
         [[container]]\nname = \"a1\"\nnetworks.a = [\"172.18.0.2\", \"2001:db8:a::2\"]\n\
         publish = [{first}]\n\
         [[container]]\nname = \"a2\"\nnetworks.a = [\"172.18.0.3\", \"2001:db8:a::3\"]\n\
         publish = [{second}]\n{user}"
    )
}

/// A folder that goes away with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("dockfw-flows-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn policy(&self, text: &str) -> String {
        let path = self.0.join("policy.toml");
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    fn history(&self) -> String {
        self.0.join("history").display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn run(lab: &Lab, program: &str, arguments: &[&str]) -> Output {
    lab.run_in(HOST, || Command::new(program).args(arguments).output())
        .unwrap()
        .unwrap()
}

/// Runs a verb of dockfw, which succeeds, and gives what it says as JSON of the flows.
fn dockfw(lab: &Lab, arguments: &[&str]) -> Value {
    let output = run(lab, DOCKFW, arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    assert_eq!(errors, "", "{arguments:?}");
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    value["flows"].clone()
}

/// Commits a policy.
fn commit(lab: &Lab, folder: &Folder, policy: &str, more: &[&str]) -> Value {
    let file = folder.policy(policy);
    let history = folder.history();
    let mut arguments = vec!["commit", "--json", "--state-dir", &history, &file];
    arguments.extend(more);
    dockfw(lab, &arguments)
}

/// Why flows were cut, by what `dockfw` calls them.
fn cuts(flows: &Value) -> BTreeSet<(String, String)> {
    assert_eq!(flows["failed"], serde_json::json!([]), "{flows:#}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let all = flows["cut"].as_array().unwrap().iter();
    all.map(|cut| (text(&cut["flow"]), text(&cut["why"])))
        .collect()
}

/// All entries as conntrack(8) lists them, with their numbers, without what changes by itself.
fn entries(lab: &Lab) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for family in ["ipv4", "ipv6"] {
        let output = run(lab, "conntrack", &["-L", "-f", family, "-o", "id"]);
        let text = String::from_utf8(output.stdout).unwrap();
        let keep = |word: &&str| word.contains('=') && !word.starts_with("use=");
        all.extend(text.lines().map(|line| {
            let protocol = line.split_ascii_whitespace().next().unwrap();
            let words: Vec<&str> = line.split_ascii_whitespace().filter(keep).collect();
            format!("{protocol} {}", words.join(" "))
        }));
    }
    all
}

/// `udp src=… dst=… sport=… dport=…`, as an entry begins that has this original tuple.
fn line(protocol: Protocol, from: SocketAddr, to: SocketAddr) -> String {
    let name = if protocol == Tcp { "tcp" } else { "udp" };
    format!(
        "{name} src={} dst={} sport={} dport={}",
        from.ip(),
        to.ip(),
        from.port(),
        to.port()
    )
}

/// A client that keeps its socket.
struct Client {
    socket: Socket,
    from: SocketAddr,
    to: SocketAddr,
}

enum Socket {
    Tcp(BufReader<TcpStream>),
    Udp(UdpSocket),
}

impl Client {
    fn new(lab: &Lab, node: &str, protocol: Protocol, to: &str, port: u16) -> Self {
        let to = SocketAddr::new(to.parse().unwrap(), port);
        let any: IpAddr = if to.is_ipv4() { "0.0.0.0" } else { "::" }.parse().unwrap();
        let patience = Some(Duration::from_millis(700));
        let open = || {
            if protocol == Tcp {
                let stream = TcpStream::connect_timeout(&to, Duration::from_secs(3)).unwrap();
                stream.set_read_timeout(patience).unwrap();
                let from = stream.local_addr().unwrap();
                (Socket::Tcp(BufReader::new(stream)), from)
            } else {
                let socket = UdpSocket::bind((any, 0)).unwrap();
                socket.connect(to).unwrap();
                socket.set_read_timeout(patience).unwrap();
                let from = socket.local_addr().unwrap();
                (Socket::Udp(socket), from)
            }
        };
        let (socket, from) = lab.run_in(node, open).unwrap();
        Self { socket, from, to }
    }

    /// Who answers; `None` when nobody does.
    fn ask(&mut self) -> Option<String> {
        let mut text = String::new();
        match &mut self.socket {
            Socket::Tcp(stream) => {
                stream.get_mut().write_all(b"hello\n").ok()?;
                stream.read_line(&mut text).ok()?;
            }
            Socket::Udp(socket) => {
                let mut buffer = [0; 256];
                socket.send(b"hello\n").ok()?;
                let len = socket.recv(&mut buffer).ok()?;
                text = String::from_utf8_lossy(&buffer[..len]).into_owned();
            }
        }
        let name = text.split_ascii_whitespace().next()?;
        Some(name.to_owned())
    }

    /// How its entry begins.
    fn line(&self) -> String {
        let protocol = match self.socket {
            Socket::Tcp(_) => Tcp,
            Socket::Udp(_) => Udp,
        };
        line(protocol, self.from, self.to)
    }
}

/// Which entries are gone that were there before.
fn gone(before: &BTreeSet<String>, after: &BTreeSet<String>) -> BTreeSet<String> {
    before.difference(after).cloned().collect()
}

fn assert_gone(before: &BTreeSet<String>, after: &BTreeSet<String>, clients: &[&Client]) {
    let gone = gone(before, after);
    for client in clients {
        let start = client.line() + " ";
        assert!(
            gone.iter().any(|entry| entry.starts_with(&start)),
            "{start} in {gone:#?}"
        );
    }
    assert_eq!(gone.len(), clients.len(), "{gone:#?}");
}

/// Makes many flows that no change of a test concerns, and keeps their sockets.
fn crowd(lab: &Lab, each: usize) -> Vec<UdpSocket> {
    let datagrams = |node: &str, bind: &str, to: String| {
        lab.run_in(node, || {
            let sockets = (0..each).map(|_| {
                let socket = UdpSocket::bind((bind, 0)).unwrap();
                socket.send_to(b"x\n", &to).unwrap();
                socket
            });
            sockets.collect::<Vec<_>>()
        })
        .unwrap()
    };
    let mut all = datagrams("a1", "0.0.0.0", "192.0.2.2:90".to_owned());
    all.extend(datagrams("a2", "::", "[2001:db8:ffff::2]:90".to_owned()));
    all.extend(datagrams("remote", "0.0.0.0", format!("{HOST4}:8090")));
    all.extend(datagrams("remote", "0.0.0.0", format!("{HOST4}:8082")));
    all
}

/// The lifetimes of the crowd's entries are longer than the test.
fn patient(lab: &Lab) {
    for key in ["udp_timeout", "udp_timeout_stream"] {
        lab.host_sysctl(&format!("net.netfilter.nf_conntrack_{key}"), "600")
            .unwrap();
    }
}

#[test]
#[ignore = "needs root, network namespaces and conntrack(8): cargo test -- --ignored"]
fn unpublishing_cuts_the_flows_of_that_port_alone() {
    let (lab, folder) = (lab(), Folder::new("unpublish"));
    patient(&lab);
    let kept = "\"8082:82/udp\", \"8082:82/tcp\"";
    let all = policy(&format!("\"8080:80/tcp\", \"8081:81/udp\", {kept}"), "", "");
    commit(&lab, &folder, &all, &[]);
    let mut clients = Vec::new();
    for host in [HOST4, HOST6] {
        clients.push(Client::new(&lab, "remote", Tcp, host, 8080));
        clients.push(Client::new(&lab, "remote", Udp, host, 8081));
    }
    let mut others = Vec::new();
    for host in [HOST4, HOST6] {
        for protocol in [Tcp, Udp] {
            others.push(Client::new(&lab, "remote", protocol, host, 8082));
        }
    }
    for client in clients.iter_mut().chain(&mut others) {
        assert_eq!(client.ask().as_deref(), Some("a1"));
    }
    let _crowd = crowd(&lab, 1000);
    let before = entries(&lab);
    assert!(before.len() > 4000);
    let flows = commit(&lab, &folder, &policy(kept, "", ""), &[]);
    let after = entries(&lab);
    assert_gone(&before, &after, &clients.iter().collect::<Vec<_>>());
    // A late acknowledgement of a connection that was cut begins an entry of its own.
    let begun = gone(&after, &before);
    assert!(
        begun.iter().all(|entry| entry.starts_with("tcp ")),
        "{begun:#?}"
    );
    let cuts = cuts(&flows);
    assert_eq!(cuts.len(), 4);
    assert!(
        cuts.iter().all(|(_, why)| why == "untranslated"),
        "{cuts:#?}"
    );
    assert!(flows["judged"].as_u64().unwrap() < 100, "{flows:#}");
    for client in &mut clients {
        assert_eq!(client.ask(), None);
    }
    for client in &mut others {
        assert_eq!(client.ask().as_deref(), Some("a1"));
    }
}

#[test]
#[ignore = "needs root, network namespaces and conntrack(8): cargo test -- --ignored"]
fn udp_clients_reach_the_new_container_at_once() {
    let (lab, folder) = (lab(), Folder::new("moved"));
    patient(&lab);
    lab.host_sysctl("net.ipv4.conf.br-a.route_localnet", "1")
        .unwrap();
    let port = "\"8080:80/udp\", \"8080:80/tcp\"";
    commit(&lab, &folder, &policy(port, "\"8082:82/udp\"", ""), &[]);
    let mut clients = Vec::new();
    for (node, host) in [
        ("remote", HOST4),
        ("remote", HOST6),
        ("a2", "172.18.0.1"),
        (HOST, HOST4),
        (HOST, "127.0.0.1"),
    ] {
        clients.push(Client::new(&lab, node, Udp, host, 8080));
    }
    let mut stream = Client::new(&lab, "remote", Tcp, HOST4, 8080);
    for client in clients.iter_mut().chain([&mut stream]) {
        assert_eq!(client.ask().as_deref(), Some("a1"));
    }
    let _crowd = crowd(&lab, 300);
    let before = entries(&lab);
    let flows = commit(
        &lab,
        &folder,
        &policy("", &format!("{port}, \"8082:82/udp\""), ""),
        &[],
    );
    assert!(
        cuts(&flows).iter().all(|(_, why)| why == "elsewhere"),
        "{flows:#}"
    );
    let all: Vec<&Client> = clients.iter().chain([&stream]).collect();
    assert_gone(&before, &entries(&lab), &all);
    for client in &mut clients {
        assert_eq!(client.ask().as_deref(), Some("a2"));
    }
    assert_eq!(stream.ask(), None);
}

#[test]
#[ignore = "needs root, network namespaces and conntrack(8): cargo test -- --ignored"]
fn udp_clients_of_a_port_that_is_published_now_reach_the_container() {
    let (lab, folder) = (lab(), Folder::new("published"));
    patient(&lab);
    // Another program has the kernel track flows before we do.
    for command in [
        "add table inet other",
        "add chain inet other watch { type filter hook input priority 0; }",
        "add rule inet other watch ct state established accept",
    ] {
        assert!(run(&lab, "nft", &[command]).status.success(), "{command}");
    }
    // Before there is any ruleset of ours, and before one that publishes the port.
    for round in 0..2 {
        let mut datagrams = Client::new(&lab, "remote", Udp, HOST4, 8090);
        let mut stream = Client::new(&lab, "remote", Tcp, HOST4, 8090);
        let mut waiting = Client::new(&lab, "remote", Udp, HOST6, 8070);
        assert_eq!(datagrams.ask().as_deref(), Some(HOST), "{round}");
        assert_eq!(stream.ask().as_deref(), Some(HOST));
        assert_eq!(waiting.ask(), None);
        let published = "\"8090:80/udp\", \"8090:80/tcp\", \"8070:80/udp\"";
        let flows = commit(&lab, &folder, &policy(published, "", ""), &[]);
        assert_eq!(cuts(&flows).len(), 2, "{flows:#}");
        assert!(
            cuts(&flows).iter().all(|(_, why)| why == "translated"),
            "{flows:#}"
        );
        assert_eq!(datagrams.ask().as_deref(), Some("a1"), "{round} {flows:#}");
        assert_eq!(waiting.ask().as_deref(), Some("a1"), "{round} {flows:#}");
        assert_eq!(
            stream.ask().as_deref(),
            Some(HOST),
            "{round}: the host's own connection {flows:#}"
        );
        commit(&lab, &folder, &policy("", "", ""), &[]);
    }
}

/// Rules that accept what is established before they drop.
fn user(drop: &str) -> String {
    format!("-A DOCKER-USER -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n{drop}")
}

#[test]
#[ignore = "needs root, network namespaces and conntrack(8): cargo test -- --ignored"]
fn tightening_docker_user_cuts_what_it_does_not_allow() {
    let (lab, folder) = (lab(), Folder::new("tightened"));
    patient(&lab);
    let publish = "\"8080:80/tcp\", \"8080:80/udp\", \"8082:82/tcp\", \"8082:82/udp\"";
    commit(&lab, &folder, &policy(publish, "", &user("")), &[]);
    let clients = |port| {
        let all = [(Tcp, HOST4), (Udp, HOST4), (Tcp, HOST6), (Udp, HOST6)];
        all.map(|(protocol, host)| Client::new(&lab, "remote", protocol, host, port))
    };
    let (mut closed, mut open) = (clients(8080), clients(8082));
    let mut out = Client::new(&lab, "a1", Tcp, "192.0.2.2", 90);
    for client in closed.iter_mut().chain(&mut open) {
        assert_eq!(client.ask().as_deref(), Some("a1"));
    }
    assert_eq!(out.ask().as_deref(), Some("remote"));
    let _crowd = crowd(&lab, 300);
    let drop = "-A DOCKER-USER -m conntrack --ctorigdstport 8080 -j DROP\n";
    let tight = policy(publish, "", &user(drop));
    // Asked not to, it keeps them; a second commit changes nothing and so looks at nothing.
    let before = entries(&lab);
    assert_eq!(
        commit(&lab, &folder, &tight, &["--keep-flows"]),
        Value::Null
    );
    assert_eq!(gone(&before, &entries(&lab)), BTreeSet::new());
    assert_eq!(commit(&lab, &folder, &tight, &[]), Value::Null);
    commit(&lab, &folder, &policy(publish, "", &user("")), &[]);
    let flows = commit(&lab, &folder, &tight, &["--replace"]);
    assert!(
        cuts(&flows).iter().all(|(_, why)| why == "forbidden"),
        "{flows:#}"
    );
    assert_gone(&before, &entries(&lab), &closed.iter().collect::<Vec<_>>());
    for client in &mut closed {
        assert_eq!(client.ask(), None);
    }
    for client in &mut open {
        assert_eq!(client.ask().as_deref(), Some("a1"));
    }
    assert_eq!(out.ask().as_deref(), Some("remote"));
}

#[test]
#[ignore = "needs root, network namespaces and conntrack(8): cargo test -- --ignored"]
fn a_commit_to_confirm_cuts_when_it_is_confirmed() {
    let (lab, folder) = (lab(), Folder::new("confirm"));
    patient(&lab);
    let publish = "\"8080:80/udp\", \"8080:80/tcp\"";
    let open = policy(publish, "", &user(""));
    let drop = "-A DOCKER-USER -p udp -m conntrack --ctorigdstport 8080 -j DROP\n";
    let tight = policy(publish, "", &user(drop));
    commit(&lab, &folder, &open, &[]);
    let mut client = Client::new(&lab, "remote", Udp, HOST4, 8080);
    assert_eq!(client.ask().as_deref(), Some("a1"));
    let history = folder.history();
    let verb = |name| dockfw(&lab, &[name, "--json", "--state-dir", &history]);
    // Taken back: nothing was cut, nothing is.
    assert_eq!(
        commit(&lab, &folder, &tight, &["--confirm", "60s"]),
        Value::Null
    );
    assert_eq!(client.ask().as_deref(), Some("a1"), "it may still go back");
    assert_eq!(cuts(&verb("rollback")), BTreeSet::new());
    assert_eq!(client.ask().as_deref(), Some("a1"));
    // Confirmed.
    commit(&lab, &folder, &tight, &["--confirm", "60s"]);
    let flows = verb("confirm");
    assert_eq!(cuts(&flows).len(), 1, "{flows:#}");
    assert_eq!(client.ask(), None);
    // What only the rules that are taken back allow is cut when they are.
    commit(&lab, &folder, &open, &["--confirm", "60s"]);
    let mut client = Client::new(&lab, "remote", Udp, HOST4, 8080);
    assert_eq!(client.ask().as_deref(), Some("a1"));
    let flows = verb("rollback");
    assert_eq!(cuts(&flows).len(), 1, "{flows:#}");
    assert_eq!(client.ask(), None);
    // A rollback to a generation of the history is a commit.
    commit(&lab, &folder, &open, &[]);
    assert_eq!(client.ask().as_deref(), Some("a1"));
    assert_eq!(cuts(&verb("rollback")).len(), 1);
    assert_eq!(client.ask(), None);
}

/// Processor time of the processes that this one has waited for: in ticks of 10 ms, both kinds.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // Behind the name, which ends with the last bracket: cutime and cstime.
    let fields = stat.rsplit_once(')').unwrap().1.split_ascii_whitespace();
    let ticks: u64 = fields
        .skip(13)
        .take(2)
        .map(|of| of.parse::<u64>().unwrap())
        .sum();
    Duration::from_millis(ticks * 10)
}

/// Begins a flow from each port of a range of the remote, to two ports of the host.
fn flood(lab: &Lab) -> usize {
    let send = |port: u16, to: u16| {
        let socket = UdpSocket::bind(("0.0.0.0", port)).ok()?;
        socket.send_to(b"x\n", (HOST4, to)).ok()
    };
    lab.run_in("remote", || {
        let both = [8082, 8083].into_iter();
        let all = both.flat_map(|to| (10_000..60_000).map(move |port| (port, to)));
        all.filter_map(|(port, to)| send(port, to)).count()
    })
    .unwrap()
}

#[test]
#[ignore = "needs root, network namespaces and conntrack(8): cargo test -- --ignored"]
fn a_hundred_thousand_other_flows_stay() {
    let (lab, folder) = (lab(), Folder::new("flood"));
    patient(&lab);
    let rest = "\"8082:82/udp\", \"8083:83/udp\"";
    let all = policy(&format!("\"8080:80/udp\", {rest}"), "", &user(""));
    commit(&lab, &folder, &all, &[]);
    let sent = flood(&lab);
    let mut client = Client::new(&lab, "remote", Udp, HOST4, 8080);
    assert_eq!(client.ask().as_deref(), Some("a1"));
    let before = entries(&lab);
    // A machine with little memory tracks fewer.
    let least = sent.min(50_000);
    assert!(before.len() > least, "{} of {sent}", before.len());
    let drop = "-A DOCKER-USER -m conntrack --ctorigdstport 8085 -j DROP\n";
    let timed = |what: &str, policy: &str, cut: usize| {
        let (begin, busy) = (Instant::now(), processor_time());
        let flows = commit(&lab, &folder, policy, &[]);
        let (took, busy) = (begin.elapsed(), processor_time().saturating_sub(busy));
        assert_eq!(cuts(&flows).len(), cut, "{what}");
        println!(
            "{what}: {took:.1?}, of the processor {busy:.1?}; {} entries, {} walked, {cut} cut",
            flows["looked_at"], flows["judged"]
        );
    };
    let more = format!("\"8080:80/udp\", \"8081:81/udp\", {rest}");
    timed("a port more", &policy(&more, "", &user("")), 0);
    timed("a port less", &policy(rest, "", &user("")), 1);
    timed("a rule more", &policy(rest, "", &user(drop)), 0);
    assert_gone(&before, &entries(&lab), &[&client]);
}
