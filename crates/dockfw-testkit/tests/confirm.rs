//! Commit-confirm in the kernel: real packets before, during and after the time is over.
//!
//! Nothing of ours runs meanwhile: the executor is closed when the commit is made, and probes know
//! nothing of it. The tests need root, network namespaces and nft; they make namespaces of their
//! own.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "helpers of tests; the distribution is the result of a run"
)]

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use dockfw::policy::{Source, parse};
use dockfw_iptables::Family as XtFamily;
use dockfw_iptables::parse::{Assume, load};
use dockfw_ir::pending::pending_ruleset;
use dockfw_ir::verify::verify;
use dockfw_ir::{Ruleset, Verified, print};
use dockfw_lower::host::Host;
use dockfw_lower::lower;
use dockfw_lower::optimize::Optimize;
use dockfw_netlink::{Batch, Executor, Expect};
use dockfw_testkit::docker_host;
use dockfw_testkit::equivalence::whole::compile;
use dockfw_testkit::lab::{HOST, Lab, Probe, Protocol};

use Protocol::{Tcp, Udp};

#[path = "confirm/flood.rs"]
mod flood;

/// How long the new generation holds.
const PENDING: Duration = Duration::from_secs(2);
/// One jiffy is 4 ms with `CONFIG_HZ=250`; probes around the switch are this far apart.
const TICK: Duration = Duration::from_millis(4);
/// Before and after the nominal end, this long, probes are close to each other.
const AROUND: Duration = Duration::from_millis(80);
/// A trial whose probes are further apart than this says nothing: the machine has stood still.
const STOOD_STILL: Duration = Duration::from_millis(500);

const HOST4: &str = "192.0.2.1";

/// Two containers; the policy before, and the one that is tried: 8080 has moved from one container
/// to the other, 8081 is published, and the operator drops what goes to 8082.
fn policies() -> [Host; 2] {
    let policy = |first: &str, second: &str, user: &str| {
        let text = format!(
            "version = 1\n[[network]]\nname = \"a\"\nbridge = \"br-a\"\nsubnets = [\"172.18.0.0/16\"]\n\
             [[container]]\nname = \"a1\"\nnetworks.a = [\"172.18.0.2\"]\npublish = [{first}]\n\
             [[container]]\nname = \"a2\"\nnetworks.a = [\"172.18.0.3\"]\npublish = [{second}]\n{user}"
        );
        let source = Source {
            name: "policy.toml".to_owned(),
            bytes: text.into_bytes(),
        };
        parse(vec![source]).unwrap().host
    };
    let old = policy("\"8080:80/udp\", \"8082:82/udp\", \"8080:80/tcp\"", "", "");
    let new = policy(
        "\"8081:81/udp\", \"8082:82/udp\"",
        "\"8080:80/udp\", \"8080:80/tcp\"",
        "[docker-user]\nipv4 = \"-A DOCKER-USER -p udp -m conntrack --ctorigdstport 8082 -j DROP\"\n",
    );
    [old, new]
}

/// The containers of a policy, with servers.
fn lab(host: &Host) -> Result<Lab> {
    let lab = docker_host::lab(host)
        .timeout(Duration::from_millis(300))
        .build()?;
    for container in ["a1", "a2"] {
        lab.listen(container, Tcp, 80)?;
        for port in [80, 81, 82] {
            lab.listen(container, Udp, port)?;
        }
    }
    Ok(lab)
}

/// Commits on the host of a lab, and closes the socket.
fn commit(lab: &Lab, ruleset: &Verified) -> Result<()> {
    let batch = Batch::replace(ruleset)?;
    lab.run_in(HOST, || {
        Executor::open()?.commit(&batch, Expect::Any)?;
        Ok(())
    })?
}

fn both(old: &Ruleset, new: &Ruleset) -> Result<Verified> {
    Ok(verify(pending_ruleset(old, new, PENDING)?)?)
}

/// A datagram, and who answered it.
struct Sent {
    before: Instant,
    after: Instant,
    answer: Option<String>,
}

/// Sends datagrams to each port from now until a second after `end`, each from a socket of its own,
/// so that each begins a flow.
fn probe_until_after(end: Instant, ports: [u16; 3]) -> Result<[Vec<Sent>; 3]> {
    let mut sent: Vec<(usize, Instant, Instant, UdpSocket)> = Vec::new();
    let host: IpAddr = HOST4.parse()?;
    loop {
        let now = Instant::now();
        if now > end + Duration::from_secs(1) {
            break;
        }
        for (index, port) in ports.into_iter().enumerate() {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
            socket.set_nonblocking(true)?;
            socket.connect(SocketAddr::new(host, port))?;
            let before = Instant::now();
            socket.send(b"x")?;
            sent.push((index, before, Instant::now(), socket));
        }
        let is_near = now + AROUND > end && now < end + AROUND;
        sleep(if is_near { TICK } else { 15 * TICK });
    }
    sleep(Duration::from_millis(200));
    let mut all = [const { Vec::new() }; 3];
    for (index, before, after, socket) in sent {
        let mut buffer = [0; 200];
        let answer = socket.recv(&mut buffer).ok().map(|length| {
            let text = String::from_utf8_lossy(&buffer[..length]);
            let words: Vec<&str> = text.split(' ').take(2).collect();
            words.join(" ")
        });
        all[index].push(Sent {
            before,
            after,
            answer,
        });
    }
    Ok(all)
}

/// What one trial found, in milliseconds. The nominal end is 2 s after the commit was begun; the
/// element is made while it runs.
struct Trial {
    /// How long the commit took, reading and answers included.
    commit: f64,
    /// When the first datagram met the old port translation.
    nat: f64,
    /// When the first one met the old forward chain.
    forward: f64,
    /// When the last one met the new rules.
    last: f64,
    /// Datagrams without the answer that was due.
    lost: usize,
    datagrams: usize,
}

/// `None`: the machine did not give it the time that it needs.
fn trial() -> Result<Option<Trial>> {
    let [old, new] = policies();
    let lab = lab(&old)?;
    let [old, new] = [lower(&old), lower(&new)];
    commit(&lab, &verify(old.clone())?)?;
    let combined = both(&old, &new)?;
    let batch = Batch::replace(&combined)?;
    let (started, took) = lab.run_in(HOST, || -> Result<(Instant, Duration)> {
        let mut executor = Executor::open()?;
        let started = Instant::now();
        executor.commit(&batch, Expect::Any)?;
        Ok((started, started.elapsed()))
    })??;
    let end = started + PENDING;
    let [moved, only_new, user] =
        lab.run_in("remote", || probe_until_after(end, [8080, 8081, 8082]))??;
    let times = std::iter::once(started).chain(moved.iter().map(|of| of.before));
    let pauses = times
        .clone()
        .skip(1)
        .zip(times)
        .map(|(later, at)| later - at);
    if pauses.max().is_none_or(|longest| longest > STOOD_STILL) {
        return Ok(None);
    }

    let late = |at: Instant| {
        let after = at.saturating_duration_since(end).as_secs_f64();
        let before = end.saturating_duration_since(at).as_secs_f64();
        (after - before) * 1e3
    };
    // Each port changes once, from the new answer to the old one.
    let mut lost = 0;
    let mut switch = |port: u16, sent: &[Sent], new: Option<&str>, old: Option<&str>| {
        let is = |of: &Sent, who: Option<&str>| of.answer.as_deref() == who;
        // No answer is the last thing to go by: it may be lost.
        let first_old = if old.is_some() {
            sent.iter().position(|of| is(of, old))
        } else {
            let last_new = sent.iter().rposition(|of| is(of, new));
            last_new.map(|last| last + 1).filter(|of| *of < sent.len())
        };
        let first_old = first_old.with_context(|| format!("{port} never came back"))?;
        ensure!(
            first_old > 10,
            "{port}: the new rules never held: {old:?} instead of {new:?} for datagram {first_old}, \
             {:.1} ms after the end",
            late(sent[first_old].before)
        );
        for (index, of) in sent.iter().enumerate() {
            let expected = if index < first_old { new } else { old };
            if of.answer.is_none() && expected.is_some() {
                lost += 1;
                println!("{port}: lost at {:.1} ms", late(of.before));
            } else {
                ensure!(
                    is(of, expected),
                    "{port}: {:?} instead of {expected:?} at {:.1} ms",
                    of.answer,
                    late(of.before)
                );
            }
        }
        let first = late(sent[first_old].after);
        Ok((first, late(sent[first_old - 1].before)))
    };
    let (nat, last_moved) = switch(8080, &moved, Some("a2 80"), Some("a1 80"))?;
    let (_, last_only) = switch(8081, &only_new, Some("a1 81"), None)?;
    let (forward, last_user) = switch(8082, &user, None, Some("a1 82"))?;
    Ok(Some(Trial {
        commit: took.as_secs_f64() * 1e3,
        nat,
        forward,
        last: last_moved.max(last_only).max(last_user),
        lost,
        datagrams: moved.len() + only_new.len() + user.len(),
    }))
}

/// `min … median … max`
fn spread(mut of: Vec<f64>) -> String {
    of.sort_by(f64::total_cmp);
    let middle = of[of.len() / 2];
    format!("{:.1} / {middle:.1} / {:.1}", of[0], of[of.len() - 1])
}

/// A hundred times: 2 s of the new policy, then the old one, without anybody doing anything.
#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn the_kernel_goes_back_by_itself() {
    let number =
        |name: &str, standard| std::env::var(name).map_or(standard, |text| text.parse().unwrap());
    let (trials, at_once) = (number("DOCKFW_TRIALS", 100), 20);
    let (mut good, mut failures, mut stood_still) = (Vec::new(), Vec::new(), 0);
    while good.len() + failures.len() < trials {
        let batch = at_once.min(trials - good.len() - failures.len());
        std::thread::scope(|scope| {
            let running: Vec<_> = (0..batch).map(|_| scope.spawn(trial)).collect();
            for of in running {
                match of.join().unwrap() {
                    Ok(Some(trial)) => good.push(trial),
                    Ok(None) => stood_still += 1,
                    Err(error) => failures.push(format!("{error:#}")),
                }
            }
        });
        assert!(stood_still <= trials, "this machine has no time for it");
    }
    assert!(failures.is_empty(), "{failures:#?}");
    let of = |read: fn(&Trial) -> f64| spread(good.iter().map(read).collect());
    let lost: usize = good.iter().map(|of| of.lost).sum();
    let datagrams: usize = good.iter().map(|of| of.datagrams).sum();
    println!("{} of {trials} trials went back by themselves", good.len());
    println!("ms, min / median / max:");
    println!("  the commit took:                {}", of(|of| of.commit));
    println!("after the begin of the commit and 2 s:");
    println!("  last datagram by the new rules: {}", of(|of| of.last));
    println!("  first by the old nat chain:     {}", of(|of| of.nat));
    println!("  first by the old forward chain: {}", of(|of| of.forward));
    println!("after its end and 2 s:");
    println!(
        "  first by the old nat chain:     {}",
        of(|of| of.nat - of.commit)
    );
    println!(
        "  first by the old forward chain: {}",
        of(|of| of.forward - of.commit)
    );
    println!(
        "  {datagrams} datagrams, {lost} lost; {stood_still} trials more in which the machine stood still"
    );
    // Those between two hooks at that instant are: see `flood`.
    assert!(lost <= trials / 20, "{lost} datagrams lost");
    for of in &good {
        // A lifetime is counted in jiffies, and begins with the one that is running: 4 ms.
        assert!(of.nat > -8.0 && of.forward > -8.0, "too early");
        assert!(of.nat < 1000.0 && of.forward < 1000.0, "later than 3 s");
    }
}

/// Runs nft on the host of a lab.
fn nft(lab: &Lab, arguments: &[&str], input: &str) -> Result<String> {
    lab.run_in(HOST, || {
        let mut child = Command::new("nft")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut pipe = child.stdin.take().context("a pipe")?;
        pipe.write_all(input.as_bytes())?;
        drop(pipe);
        let output = child.wait_with_output()?;
        ensure!(output.status.success(), "nft {arguments:?}\n{input}");
        Ok(String::from_utf8(output.stdout)?)
    })?
}

/// Who answers on TCP port 8080 and UDP ports 8080 to 8082.
fn answers(lab: &Lab) -> Result<String> {
    let host: IpAddr = HOST4.parse()?;
    let probes = [(Tcp, 8080), (Udp, 8080), (Udp, 8081), (Udp, 8082)]
        .map(|(protocol, port)| Probe::new("remote", host, protocol, port));
    let outcomes = lab.probe(&probes)?;
    let nodes = ["a1", "a2"];
    let names = outcomes.iter().map(|of| {
        let mut nodes = nodes.into_iter();
        nodes.find(|node| {
            [80, 81, 82]
                .iter()
                .any(|port| of.is_reached_at(node, *port))
        })
    });
    let names: Vec<&str> = names.map(|name| name.unwrap_or("-")).collect();
    Ok(names.join(" "))
}

/// The first commit is taken back to no rules, a release to the rules, and connections too.
#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_table_that_comes_goes_and_one_that_goes_comes() {
    let [old, new] = policies();
    let lab = lab(&old).unwrap();
    let [old, new] = [lower(&old), lower(&new)];
    let nothing = Ruleset::default();
    let (of_old, of_new, of_none) = ("a1 a1 - a1", "a2 a2 a1 -", "- - - -");
    let steps = [
        ("first commit", &nothing, &new, of_none, of_new),
        ("other policy", &old, &new, of_old, of_new),
        ("release", &old, &nothing, of_old, of_none),
        ("the same again", &old, &old, of_old, of_old),
    ];
    for (what, before, after, of_before, of_after) in steps {
        commit(&lab, &both(before, after).unwrap()).unwrap();
        let until = Instant::now() + PENDING;
        assert_eq!(answers(&lab).unwrap(), of_after, "{what}, pending");
        assert!(Instant::now() < until, "the probes took too long");
        sleep(until.saturating_duration_since(Instant::now()) + Duration::from_millis(10));
        assert_eq!(answers(&lab).unwrap(), of_before, "{what}, expired");
        // What is left can be tidied up without a trace.
        commit(&lab, &verify(before.clone()).unwrap()).unwrap();
    }
}

/// Tables of one family, which look the type of the packet up instead of the family.
#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn dumps_go_back_too() {
    let [host, _] = policies();
    let lab = lab(&host).unwrap();
    lab.listen(HOST, Udp, 80).unwrap();
    let table = |rules: &str, family| {
        let text = format!("*filter\n:INPUT DROP [0:0]\n{rules}\nCOMMIT\n");
        let program = load(&text, family, &Assume::default()).unwrap().program;
        let ruleset = compile(&program, Optimize::Full).unwrap();
        ruleset.tables[0].clone()
    };
    // Neighbour discovery is multicast, and must not be forgotten.
    let (v4, v6) = (
        "-A INPUT -p udp --dport 80 -j ACCEPT",
        "-A INPUT -p udp --dport 80 -j ACCEPT\n-A INPUT -p icmpv6 --icmpv6-type 135/0 -j ACCEPT\n\
         -A INPUT -p icmpv6 --icmpv6-type 136/0 -j ACCEPT",
    );
    let closed = Ruleset {
        tables: vec![table("", XtFamily::Ipv4), table("", XtFamily::Ipv6)],
    };
    let open = Ruleset {
        tables: vec![table(v4, XtFamily::Ipv4), table(v6, XtFamily::Ipv6)],
    };
    let reached = || {
        let ask = |address: &str| {
            let address = address.parse().unwrap();
            lab.reach("remote", address, Udp, 80).unwrap().is_reached()
        };
        [ask(HOST4), ask("2001:db8:ffff::1")]
    };
    for (before, after, is_open) in [(&closed, &open, true), (&open, &closed, false)] {
        commit(&lab, &both(before, after).unwrap()).unwrap();
        let until = Instant::now() + PENDING;
        assert_eq!(reached(), [is_open; 2], "pending");
        assert!(Instant::now() < until, "the probes took too long");
        sleep(until.saturating_duration_since(Instant::now()) + Duration::from_millis(10));
        assert_eq!(reached(), [!is_open; 2], "expired");
    }
}

/// `nft -f` takes what we print of a table that is pending, and lists what it makes of it.
#[test]
#[ignore = "needs root, network namespaces and nft: cargo test -- --ignored"]
fn nft_loads_and_lists_what_is_pending() {
    let [host, other] = policies();
    let lab = lab(&host).unwrap();
    let text = print::nft(&both(&lower(&host), &lower(&other)).unwrap());
    nft(&lab, &["-f", "-"], &text).unwrap();
    let listed = nft(&lab, &["list", "ruleset"], "").unwrap();
    let again = format!("flush ruleset\n{listed}");
    nft(&lab, &["-f", "-"], &again).unwrap();
    assert!(listed.contains("goto pending__.both__forward"), "{listed}");
}
