//! What is not removed: what others hold, what may be others', and anything while the host would be
//! open.

use std::path::Path;

use dockfw_testkit::lab::Lab;

use crate::util::{DOCKFW, KINDS, all_saved, clean, run_with, shell};

/// Docker's chains, as small as they can be.
const SMALL: &str = "
i -N DOCKER; i -N DOCKER-USER; i -A FORWARD -j DOCKER-USER; i -A FORWARD -o docker0 -j DOCKER
i -A DOCKER ! -i docker0 -o docker0 -j DROP
i -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
";

fn lab(kind: &str, more: &str) -> Lab {
    let lab = Lab::builder().build().unwrap();
    shell(&lab, &format!("alias i=iptables-{kind}\n{SMALL}\n{more}"));
    lab
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn nothing_goes_before_our_own_table_is_in_force() {
    for kind in KINDS {
        let lab = lab(kind, "");
        let there = all_saved(&lab);
        let (code, text) = clean(&lab, &["--apply"]);
        assert_eq!(code, 1, "{text}");
        assert!(text.contains("inet dockfw is not in force"), "{text}");
        assert_eq!(all_saved(&lab), there);
        let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/storm/old.toml");
        let policy = policy.to_str().unwrap();
        let committed = run_with(&lab, DOCKFW, &["commit", "--no-history", policy], "");
        assert!(committed.status.success(), "{committed:?}");
        let ours = || run_with(&lab, "nft", &["list", "table", "inet", "dockfw"], "").stdout;
        let before = ours();
        let (code, text) = clean(&lab, &["--apply"]);
        assert_eq!(code, 0, "{text}");
        assert!(!all_saved(&lab).contains("docker"), "{text}");
        assert_eq!(ours(), before);
    }
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn rules_of_others_in_and_into_dockers_chains_stop_everything() {
    for kind in KINDS {
        for (more, named) in [
            (
                "i -A DOCKER -s 203.0.113.9 -j DROP",
                "-A DOCKER -s 203.0.113.9/32 -j DROP",
            ),
            ("i -A INPUT -i eth0 -j DOCKER", "-A INPUT -i eth0 -j DOCKER"),
            (
                "i -A FORWARD -i eth0 -g DOCKER",
                "-A FORWARD -i eth0 -g DOCKER",
            ),
            (
                "i -A DOCKER -o docker0 -m comment --comment x -p icmp -j ACCEPT",
                "-A DOCKER -o docker0 -p icmp -m comment --comment x -j ACCEPT",
            ),
        ] {
            let lab = lab(kind, more);
            let there = all_saved(&lab);
            let (code, plan) = clean(&lab, &[]);
            assert_eq!(code, 3, "{plan}");
            assert!(
                plan.contains("In the way") && plan.contains(named),
                "{plan}"
            );
            let (code, text) = clean(&lab, &["--apply", "--force"]);
            assert_eq!(code, 5, "{text}");
            assert!(text.contains(named), "{text}");
            assert_eq!(all_saved(&lab), there, "{text}");
        }
    }
}

/// A verdict map of nft(8) leads to a chain of Docker's, which only the kernel can see.
#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn what_the_kernel_refuses_is_named() {
    let lab = lab(
        "nft",
        "nft add map ip filter m '{ type ifname : verdict; elements = { \"x\" : jump DOCKER }; }'",
    );
    let there = all_saved(&lab);
    let (code, text) = clean(&lab, &["--apply", "--force"]);
    assert_eq!(code, 5, "{text}");
    assert!(text.contains("chain DOCKER"), "{text}");
    assert_eq!(all_saved(&lab), there);
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn docker_user_stays_with_the_rules_of_the_operator() {
    for kind in KINDS {
        let lab = lab(
            kind,
            "i -A DOCKER-USER -s 203.0.113.0/24 -p tcp -m tcp --dport 1:9 -j DROP\n\
             i -A DOCKER-USER -j RETURN",
        );
        let (code, plan) = clean(&lab, &[]);
        assert_eq!(code, 3, "{plan}");
        let rule = "-A DOCKER-USER -s 203.0.113.0/24 -p tcp -m tcp --dport 1:9 -j DROP\n";
        assert!(
            plan.contains(rule) && plan.contains("[docker-user]"),
            "{plan}"
        );
        let (code, text) = clean(&lab, &["--apply", "--force"]);
        assert_eq!(code, 0, "{text}");
        let expected = format!(
            "*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n:DOCKER-USER -\n\
             [0:0] -A FORWARD -j DOCKER-USER\n[0:0] {rule}[0:0] -A DOCKER-USER -j RETURN\nCOMMIT\n"
        );
        assert!(all_saved(&lab).contains(&expected), "{}", all_saved(&lab));
        assert!(!all_saved(&lab).contains("docker0"));
        assert_eq!(clean(&lab, &[]).0, 0, "what stays is not Docker's");
    }
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn what_may_be_of_others_stays_unless_the_bridge_is_named() {
    let more = "
i -A FORWARD -i virbr0 -o virbr0 -j ACCEPT
i -A FORWARD -i docker0 -j ACCEPT
i -t nat -A POSTROUTING -s 172.30.0.0/16 ! -o mybr0 -j MASQUERADE
i -t nat -A POSTROUTING -s 172.30.0.2/32 -d 172.30.0.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE
i -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -p tcp -j MASQUERADE
i -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE --random
i -t raw -A PREROUTING -d 127.0.0.1 ! -i lo -p tcp -m tcp --dport 8080 -j DROP
i -t raw -A PREROUTING -d 172.17.0.9 -i wg0 -j ACCEPT
";
    let stay = [
        "-A FORWARD -i virbr0 -o virbr0 -j ACCEPT",
        "-A FORWARD -i docker0 -j ACCEPT",
        "-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -p tcp -j MASQUERADE",
        "-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE --random",
        "-A PREROUTING -d 127.0.0.1/32 ! -i lo -p tcp -m tcp --dport 8080 -j DROP",
        "-A PREROUTING -d 172.17.0.9/32 -i wg0 -j ACCEPT",
    ];
    let bridge = [
        "-A POSTROUTING -s 172.30.0.0/16 ! -o mybr0 -j MASQUERADE",
        "-A POSTROUTING -s 172.30.0.2/32 -d 172.30.0.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE",
    ];
    for kind in KINDS {
        let lab = lab(kind, more);
        let (_, plan) = clean(&lab, &[]);
        assert!(plan.contains("`--bridge mybr0`"), "{plan}");
        let (code, text) = clean(&lab, &["--apply", "--force"]);
        assert_eq!(code, 0, "{text}");
        let left = all_saved(&lab);
        for rule in stay.iter().chain(&bridge) {
            assert!(left.contains(rule), "{rule} is not in\n{left}");
        }
        assert_eq!(left.matches(" -A ").count(), 8, "{left}");
        let (code, text) = clean(&lab, &["--apply", "--force", "--bridge", "mybr0"]);
        assert_eq!(code, 0, "{text}");
        let left = all_saved(&lab);
        for rule in stay {
            assert!(left.contains(rule), "{rule} is not in\n{left}");
        }
        assert_eq!(left.matches(" -A ").count(), 6, "{left}");
    }
}
