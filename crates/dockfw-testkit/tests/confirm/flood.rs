//! What packets meet that are on their way at the moment of the switch.

use std::net::{Ipv4Addr, UdpSocket};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use dockfw_ir::verify::verify;
use dockfw_lower::lower;
use dockfw_testkit::lab::{Lab, Protocol};

use super::{HOST4, PENDING, TICK, both, commit, lab, nft, policies};

/// Counts, around the forward chain, the first packets of flows to the containers.
const WATCH: &str = "\
table inet watch {
  chain before { type filter hook forward priority -10; udp dport 80 ct state new counter; }
  chain after { type filter hook postrouting priority -10; udp dport 80 ct state new counter; }
}\n";

/// What passed [`WATCH`] before and after the forward chain.
fn watched(lab: &Lab) -> Result<[u64; 2]> {
    let text = nft(lab, &["list", "table", "inet", "watch"], "")?;
    let words: Vec<&str> = text.split_whitespace().collect();
    let counts = words.windows(2).filter(|pair| pair[0] == "packets");
    let counts: Vec<u64> = counts.map(|pair| pair[1].parse().unwrap()).collect();
    ensure!(counts.len() == 2, "{text}");
    Ok([counts[0], counts[1]])
}

/// As many first packets of flows as can be sent around the switch: those that were sent, that came
/// to the forward chain translated, and that it let through. Either generation alone lets every
/// packet through that it has translated.
fn flood() -> Result<[u64; 3]> {
    const FLOWS: usize = 1500;
    let [old, new] = policies();
    let lab = lab(&old)?;
    let [old, new] = [lower(&old), lower(&new)];
    commit(&lab, &verify(old.clone())?)?;
    nft(&lab, &["-f", "-"], WATCH)?;
    let sockets = lab.run_in("remote", || -> Result<Vec<UdpSocket>> {
        let open = |_| {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
            socket.connect((HOST4, 8080))?;
            Ok(socket)
        };
        (0..FLOWS).map(open).collect()
    })??;
    // The remote knows the host's link address from here on: nothing waits for it later.
    let first = lab.reach("remote", HOST4.parse()?, Protocol::Tcp, 8080)?;
    ensure!(first.is_reached_at("a1", 80), "{first}");
    let begun = Instant::now();
    commit(&lab, &both(&old, &new)?)?;
    // Somewhere in here the element is made, to which a jiffy more or less comes.
    let last = Instant::now() + PENDING + TICK;
    sleep((begun + PENDING).saturating_duration_since(Instant::now() + TICK));
    let mut sent = 0;
    for socket in sockets {
        if Instant::now() > last {
            break;
        }
        sent += u64::from(socket.send(b"x").is_ok());
    }
    // What was sent last may be on its way.
    let patience = Instant::now() + Duration::from_secs(10);
    loop {
        let [before, after] = watched(&lab)?;
        if before >= sent || Instant::now() > patience {
            return Ok([sent, before, after]);
        }
        sleep(TICK);
    }
}

/// The nat and the forward chain change together: but for packets that are between the two at that
/// instant, at most one on each processor, nobody meets the one new and the other old.
#[test]
#[ignore = "needs root, network namespaces and nft: cargo test -- --ignored"]
fn packets_do_not_meet_a_mixture() {
    let mut all: Vec<[u64; 3]> = Vec::new();
    for _ in 0..20 {
        std::thread::scope(|scope| {
            let mut running = Vec::new();
            for _ in 0..2 {
                running.push(scope.spawn(flood));
                sleep(Duration::from_millis(300));
            }
            all.extend(running.into_iter().map(|of| of.join().unwrap().unwrap()));
        });
    }
    let sum = |place: usize| all.iter().map(|of| of[place]).sum::<u64>();
    let (sent, before, after) = (sum(0), sum(1), sum(2));
    println!(
        "{} switches, {sent} flows begun around them, {before} translated, {} of them dropped",
        all.len(),
        before - after
    );
    assert!(sent > 2000, "{sent}");
    let processors = u64::try_from(std::thread::available_parallelism().unwrap().get()).unwrap();
    for [sent, before, after] in all {
        assert_eq!(before, sent, "translated");
        assert!(before - after <= processors, "{before} and {after}");
    }
}
