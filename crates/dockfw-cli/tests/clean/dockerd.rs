//! What a real dockerd leaves, killed or stopped, of both kinds of iptables.

use dockfw_testkit::lab::Lab;

use crate::daemon::{Daemon, is_there};
use crate::util::{FAMILIES, KINDS, all_saved, clean, operator, restore, shell};

/// How the daemon ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Killed,
    Stopped,
}

fn left_by_dockerd(kind: &str, end: End) {
    if !is_there() {
        return;
    }
    let lab = Lab::builder().build().unwrap();
    // The daemon sets the policy of FORWARD when it turns forwarding on itself.
    shell(&lab, "sysctl -qw net.ipv4.ip_forward=0");
    for family in FAMILIES {
        restore(&lab, family, kind, operator(family));
    }
    let before = all_saved(&lab);
    let mut daemon = Daemon::start(&lab, kind);
    daemon.docker("network create --subnet 172.28.0.0/16 other");
    daemon.docker("network create --internal inside");
    daemon.docker("network create -o com.docker.network.bridge.enable_icc=false apart");
    daemon.docker("network create -o com.docker.network.bridge.name=mybr0 named");
    daemon.docker(
        "network create -o com.docker.network.bridge.enable_ip_masquerade=false -o \
         com.docker.network.bridge.name=mybr1 plain",
    );
    daemon.container("--name c1 -p 8080:80 -p 5353:53/udp -p 127.0.0.1:8081:81");
    daemon.container("--name c2 --network other -p 9000-9003:9000-9003");
    daemon.container("--name c3 --network named -p 8090:80");
    daemon.container("--name c4 --network inside");
    daemon.container("--name c5 --network apart -p 8091:80");
    match end {
        End::Killed => daemon.kill(),
        End::Stopped => daemon.stop(),
    }
    let left = all_saved(&lab);
    let policy = left.matches(":FORWARD DROP").count();
    // In FORWARD, and in a chain of its own since Docker 28.
    assert!(left.contains(" -o mybr0 -j DOCKER\n"), "{left}");
    assert!(policy >= 1, "{left}");
    let (code, plan) = clean(&lab, &[]);
    assert_eq!(code, 3, "{plan}");
    assert_eq!(all_saved(&lab), left, "a plan changes nothing");
    assert!(!plan.contains("In the way"), "{plan}");
    assert_eq!(plan.matches("-P FORWARD ACCEPT").count(), policy, "{plan}");
    let (code, text) = clean(&lab, &["--apply", "--force"]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(all_saved(&lab), before, "{text}");
    println!(
        "{kind}, {end:?}: {} rules and chains of {} lines",
        text.matches(" -D ").count() + text.matches(" -X ").count(),
        left.lines().count()
    );
}

#[test]
#[ignore = "needs root, network namespaces and dockerd: cargo test -- --ignored"]
fn rules_of_dockerd_in_iptables_nft() {
    left_by_dockerd("nft", End::Killed);
    left_by_dockerd("nft", End::Stopped);
}

#[test]
#[ignore = "needs root, network namespaces and dockerd: cargo test -- --ignored"]
fn rules_of_dockerd_in_iptables_legacy() {
    left_by_dockerd("legacy", End::Killed);
    left_by_dockerd("legacy", End::Stopped);
}

/// A daemon that used one kind, and then the other, with rules of the operator in DOCKER-USER.
#[test]
#[ignore = "needs root, network namespaces and dockerd: cargo test -- --ignored"]
fn rules_of_both_kinds_and_of_the_operator_in_docker_user() {
    if !is_there() {
        return;
    }
    let lab = Lab::builder().build().unwrap();
    for kind in KINDS {
        let mut daemon = Daemon::start(&lab, kind);
        daemon.container("--name c1 -p 8080:80");
        let mine = format!("iptables-{kind} -I DOCKER-USER -s 203.0.113.0/24 -j DROP");
        shell(&lab, &mine);
        daemon.stop();
    }
    let (code, text) = clean(&lab, &["--apply", "--force"]);
    assert_eq!(code, 0, "{text}");
    let table = "*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n:DOCKER-USER -\n";
    let rules =
        "-A FORWARD -j DOCKER-USER\n[0:0] -A DOCKER-USER -s 203.0.113.0/24 -j DROP\nCOMMIT\n";
    // The chain's last rule until Docker 28.
    let saved = all_saved(&lab).replace("[0:0] -A DOCKER-USER -j RETURN\n", "");
    assert_eq!(saved.matches(table).count(), 2, "{saved}");
    assert_eq!(saved.matches(rules).count(), 2, "{saved}");
    assert_eq!(saved.matches("-A ").count(), 4, "{saved}");
}
