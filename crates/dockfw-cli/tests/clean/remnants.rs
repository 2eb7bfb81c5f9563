//! What the golden files do not have: Docker's nftables backend, layouts between 17 and 28.1,
//! swarm, and policies.

use std::fmt::Write as _;
use std::time::Instant;

use dockfw_testkit::lab::Lab;

use crate::util::{FAMILIES, KINDS, all_saved, clean, operator, restore, run_with, saved, shell};

const BRIDGES: &str = r#"
table ip docker-bridges {
	map filter-forward-in-jumps { type ifname : verdict; elements = { "docker0" : jump filter-forward-in__docker0 } }
	map filter-forward-out-jumps { type ifname : verdict; elements = { "docker0" : jump filter-forward-out__docker0 } }
	chain filter-FORWARD { type filter hook forward priority filter; policy accept
		oifname vmap @filter-forward-in-jumps
		iifname vmap @filter-forward-out-jumps
	}
	chain nat-PREROUTING { type nat hook prerouting priority dstnat; policy accept
		fib daddr type local counter jump nat-prerouting-and-output
	}
	chain nat-prerouting-and-output {
		iifname != "docker0" tcp dport 8080 counter dnat to 172.17.0.2:80 comment "DNAT"
	}
	chain filter-forward-in__docker0 {
		ct state established,related counter accept
		counter drop comment "UNPUBLISHED PORT DROP"
	}
	chain filter-forward-out__docker0 {
		counter accept comment "OUTGOING"
	}
}
table ip6 docker-bridges {
	chain filter-FORWARD { type filter hook forward priority filter; policy accept; }
}
"#;

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn tables_of_the_nftables_backend_go_and_others_stay() {
    let lab = Lab::builder().build().unwrap();
    let listed = || run_with(&lab, "nft", &["-s", "list", "ruleset"], "").stdout;
    let mine = "\
table inet mine {
	chain c { type filter hook forward priority 0
		iifname vmap { \"docker0\" : accept }
	}
}
table ip docker-bridges-2 {
	chain x { accept
	}
}
";
    let loaded = run_with(&lab, "nft", &["-f", "-"], mine);
    assert!(loaded.status.success(), "{loaded:?}");
    let before = listed();
    let loaded = run_with(&lab, "nft", &["-f", "-"], BRIDGES);
    assert!(loaded.status.success(), "{loaded:?}");
    let (code, plan) = clean(&lab, &[]);
    assert_eq!(code, 3, "{plan}");
    for family in ["ip", "ip6"] {
        let line = format!("  nft delete table {family} docker-bridges\n");
        assert!(plan.contains(&line), "{plan}");
    }
    let (code, json) = clean(&lab, &["--json"]);
    assert_eq!(code, 3);
    assert!(json.contains(r#""outcome": "planned""#), "{json}");
    let (code, text) = clean(&lab, &["--apply", "--force", "--json"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains(r#""outcome": "cleaned""#), "{text}");
    assert_eq!(listed(), before);
}

/// Docker 17 to 28.1, as far as dockerd 20.10 and the golden files of 29 do not have it.
const OLD: &str = "\
*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-INGRESS - [0:0]
:DOCKER-ISOLATION - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-INGRESS
-A FORWARD -j DOCKER-ISOLATION
-A FORWARD -o mybr0 -j DOCKER
-A FORWARD -o mybr0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -i mybr0 ! -o mybr0 -j ACCEPT
-A FORWARD -i mybr0 -o mybr0 -j DROP
-A DOCKER -d 172.20.0.2/32 ! -i mybr0 -o mybr0 -p sctp -m sctp --dport 38412 -j ACCEPT
-A DOCKER-INGRESS -p tcp -m tcp --dport 81 -j ACCEPT
-A DOCKER-INGRESS -p tcp -m tcp --sport 81 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A DOCKER-INGRESS -j RETURN
-A DOCKER-ISOLATION -i mybr0 -o docker0 -j DROP
-A DOCKER-ISOLATION -j RETURN
-A DOCKER-USER -j RETURN
COMMIT
*nat
:DOCKER - [0:0]
:DOCKER-INGRESS - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER-INGRESS
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT -m addrtype --dst-type LOCAL -j DOCKER-INGRESS
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -o docker_gwbridge -m addrtype --src-type LOCAL -j MASQUERADE
-A POSTROUTING -s 172.20.0.0/16 ! -o mybr0 -j SNAT --to-source 192.0.2.1
-A POSTROUTING -s 172.20.0.2/32 -d 172.20.0.2/32 -p sctp -m sctp --dport 38412 -j MASQUERADE
-A DOCKER -i mybr0 -j RETURN
-A DOCKER ! -i mybr0 -p sctp -m sctp --dport 38412 -j DNAT --to-destination 172.20.0.2:38412
-A DOCKER-INGRESS -p tcp -m tcp --dport 81 -j DNAT --to-destination 172.18.0.2:81
-A DOCKER-INGRESS -j RETURN
COMMIT
*raw
-A PREROUTING -d 172.20.0.2/32 ! -i mybr0 -p tcp -m tcp --dport 80 -j DROP
COMMIT
*mangle
-A POSTROUTING -p sctp -m sctp --sport 38412 -j CHECKSUM --checksum-fill
COMMIT
";

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn older_layouts_and_their_policy_go() {
    for kind in KINDS {
        let lab = Lab::builder().build().unwrap();
        restore(&lab, "iptables", kind, operator("iptables"));
        let before = all_saved(&lab);
        restore(&lab, "iptables", kind, OLD);
        let (code, plan) = clean(&lab, &[]);
        assert_eq!(code, 3, "{plan}");
        assert!(plan.contains("-t filter -P FORWARD ACCEPT\n"), "{plan}");
        let (code, text) = clean(&lab, &["--apply", "--force"]);
        assert_eq!(code, 0, "{text}");
        assert_eq!(all_saved(&lab), before, "{text}");
    }
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn the_policy_stays_when_asked_or_when_nothing_is_dockers() {
    for kind in KINDS {
        let lab = Lab::builder().build().unwrap();
        restore(
            &lab,
            "iptables",
            kind,
            "*filter\n:FORWARD DROP [0:0]\nCOMMIT\n",
        );
        let before = all_saved(&lab);
        assert!(before.contains(":FORWARD DROP"), "{before}");
        assert_eq!(clean(&lab, &["--apply", "--force"]).0, 0);
        assert_eq!(all_saved(&lab), before);
        restore(&lab, "iptables", kind, OLD);
        let (code, plan) = clean(&lab, &["--keep-policy"]);
        assert!(code == 3 && !plan.contains("-P FORWARD"), "{plan}");
        let (code, text) = clean(&lab, &["--apply", "--force", "--keep-policy"]);
        assert_eq!(code, 0, "{text}");
        assert_eq!(all_saved(&lab), before);
    }
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn rules_with_ipsets_of_docker_28_0_go_and_the_sets_are_named() {
    if std::process::Command::new("ipset").output().is_err() {
        println!("no ipset: nothing was tried");
        return;
    }
    for kind in KINDS {
        let lab = Lab::builder().build().unwrap();
        let others = format!(
            "ipset create docker-ext-bridges-v4 hash:net\nipset create mine hash:net\n\
             iptables-{kind} -A FORWARD -m set --match-set mine dst -j ACCEPT\n\
             iptables-{kind} -A FORWARD -i docker0 -j LOG"
        );
        shell(&lab, &others);
        let before = all_saved(&lab);
        let dockers = format!(
            "alias i=iptables-{kind}\ni -N DOCKER\n\
             i -A FORWARD -m set --match-set docker-ext-bridges-v4 dst -m conntrack \
             --ctstate RELATED,ESTABLISHED -j ACCEPT\n\
             i -A FORWARD -m set --match-set docker-ext-bridges-v4 dst -j DOCKER\n\
             i -A FORWARD -i docker0 -j ACCEPT\n\
             i -A DOCKER ! -i docker0 -o docker0 -j DROP"
        );
        shell(&lab, &dockers);
        let (code, plan) = clean(&lab, &[]);
        assert_eq!(code, 3, "{plan}");
        assert!(
            plan.contains("ipset destroy docker-ext-bridges-v4"),
            "{plan}"
        );
        let (code, text) = clean(&lab, &["--apply", "--force"]);
        assert_eq!(code, 0, "{text}");
        assert_eq!(all_saved(&lab), before, "{text}");
        shell(&lab, "ipset list -n | grep -x docker-ext-bridges-v4");
    }
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn looking_makes_no_tables_and_tells_what_is_there() {
    let lab = Lab::builder().build().unwrap();
    let leftovers = || lab.run_in("host", dockfw::leftover::leftovers).unwrap();
    let summary = leftovers().unwrap();
    assert!(summary.is_empty(), "{summary}");
    assert_eq!(clean(&lab, &[]).0, 0);
    assert_eq!(clean(&lab, &["--apply", "--force"]).0, 0);
    let registered = lab
        .run_in("host", dockfw_netlink::xtables::XtTable::registered)
        .unwrap();
    assert_eq!(registered, [], "no table of iptables-legacy was made");
    assert_eq!(
        String::from_utf8(run_with(&lab, "nft", &["list", "ruleset"], "").stdout).unwrap(),
        ""
    );
    for kind in KINDS {
        restore(&lab, "iptables", kind, OLD);
    }
    let text = leftovers().unwrap().to_string();
    assert_eq!(
        text,
        "27 rules and 6 chains of iptables-nft, 27 rules and 6 chains of iptables-legacy, FORWARD \
         with policy drop"
    );
    // What it costs beside 3,000 published ports.
    let mut many = "*nat\n".to_owned();
    for port in 1..=3000 {
        let to = format!("172.20.0.2:{port}");
        let rule = format!("-A DOCKER ! -i mybr0 -p tcp -m tcp --dport {port}");
        let _ = writeln!(many, "{rule} -j DNAT --to-destination {to}");
    }
    many += "COMMIT\n";
    for kind in KINDS {
        restore(&lab, "iptables", kind, &many);
        let started = Instant::now();
        let summary = leftovers().unwrap();
        println!("{kind}: {summary}: {:?}", started.elapsed());
    }
    assert_eq!(clean(&lab, &["--apply", "--force"]).0, 0);
    assert!(leftovers().unwrap().is_empty());
    for (family, kind) in FAMILIES.iter().flat_map(|of| KINDS.map(|kind| (*of, kind))) {
        assert_eq!(saved(&lab, family, kind), "", "{family} {kind}");
    }
}
