//! Operators' rules: where they stand, and what they become.

#![expect(clippy::unwrap_used, reason = "test helpers")]

use std::fmt::Write as _;

use dockfw_iptables::parse::{Assume, load};
use dockfw_iptables::{Family, TableName};
use dockfw_ir::name::TableName as IrTableName;
use dockfw_ir::verify::verify;
use dockfw_ir::{Ruleset, print};
use dockfw_lower::host::Host;
use dockfw_lower::lower;
use dockfw_lower::optimize::Optimize;
use dockfw_lower::reference::reference;
use dockfw_lower::rules::{UserRules, UserText, table};

/// A host with nothing but these rules.
fn host(ipv4: &str, optimize: Optimize) -> Host {
    let text = UserText {
        ipv4: Some(ipv4),
        ipv6: None,
    };
    let (user, problems) = UserRules::read(text, optimize);
    assert!(user.is_some(), "{problems:#?}");
    Host {
        user,
        ..Host::default()
    }
}

/// The lines of one chain of the printed ruleset, without comments and counters.
fn chain(host: &Host, name: &str) -> Vec<String> {
    let text = print::nft(&verify(lower(host)).unwrap());
    let start = format!("\tchain {name} {{");
    let lines = text.lines().skip_while(|line| *line != start).skip(1);
    lines
        .take_while(|line| *line != "\t}")
        .map(|line| {
            let line = line.trim();
            let line = line.split(" comment ").next().unwrap();
            line.replace("counter ", "").replace(" counter", "")
        })
        .filter(|line| !line.starts_with("comment"))
        .collect()
}

/// The set of a list is in the table of the host, which both families share.
#[test]
fn lists_of_addresses_are_sets() {
    let host = host(
        "iptables -A DOCKER-USER -i eth0 -m recent --update --seconds 60 --name bad -j DROP\n\
         iptables -A DOCKER-USER -i eth0 -p tcp --dport 23 -m recent --set --name bad -j DROP\n",
        Optimize::Full,
    );
    assert_eq!(
        chain(&host, "DOCKER-USER4"),
        [
            "iifname \"eth0\" ip saddr @recent4-bad update @recent4-bad { ip saddr } drop",
            "iifname \"eth0\" tcp dport 23 update @recent4-bad { ip saddr }",
            "iifname \"eth0\" tcp dport 23 drop",
        ]
    );
    let text = print::nft(&verify(lower(&host)).unwrap());
    assert!(text.contains("\tset recent4-bad {"), "{text}");
}

#[test]
fn rules_stand_where_commands_put_them() {
    let host = host(
        "iptables -I DOCKER-USER -i eth0 ! -s 192.0.2.0/24 -j DROP\n\
         iptables -I DOCKER-USER -m state --state RELATED,ESTABLISHED -j ACCEPT\n\
         iptables -A FORWARD -i wg0 -j ACCEPT\n\
         iptables -I FORWARD -i bad0 -j DROP\n\
         iptables -I DOCKER-FORWARD -o br-x -j DROP\n\
         iptables -A DOCKER-FORWARD -o br-y -j DROP\n",
        Optimize::Full,
    );
    assert_eq!(
        chain(&host, "DOCKER-USER4"),
        [
            "ct state established,related accept",
            "iifname \"eth0\" ip saddr != 192.0.2.0/24 drop",
        ]
    );
    assert_eq!(
        chain(&host, "DOCKER-USER"),
        ["meta nfproto ipv4 goto DOCKER-USER4"]
    );
    assert_eq!(
        chain(&host, "FORWARD4"),
        [
            "iifname \"bad0\" drop",
            "jump DOCKER-USER",
            "jump DOCKER-FORWARD4",
            "iifname \"wg0\" accept",
        ]
    );
    assert_eq!(
        chain(&host, "DOCKER-FORWARD4"),
        [
            "oifname \"br-x\" drop",
            "jump DOCKER-FORWARD",
            "oifname \"br-y\" drop",
        ]
    );
    let filter = reference(&host).ipv4.to_string();
    let forward: Vec<_> = filter
        .lines()
        .filter(|line| line.starts_with("-A FORWARD"))
        .collect();
    assert_eq!(
        forward,
        [
            "-A FORWARD -i bad0 -j DROP",
            "-A FORWARD -j DOCKER-USER",
            "-A FORWARD -j DOCKER-FORWARD",
            "-A FORWARD -i wg0 -j ACCEPT",
        ]
    );
}

#[test]
fn rules_that_differ_in_values_become_a_set() {
    let mut rules = String::new();
    for n in 0..100 {
        let _ = writeln!(
            rules,
            "-A DOCKER-USER -s 10.{n}.0.0/16 -p tcp -m conntrack --ctorigdst 192.0.2.{} \
             --ctorigdstport {} -j ACCEPT",
            n % 4,
            8000 + n
        );
    }
    let folded = host(
        &format!("{rules}-A DOCKER-USER -i eth0 -j DROP\n"),
        Optimize::Full,
    );
    assert_eq!(
        chain(&folded, "DOCKER-USER4"),
        [
            "meta l4proto tcp ip saddr . ct original ip daddr . ct original proto-dst @DOCKER-USER4-1 accept",
            "iifname \"eth0\" drop",
        ]
    );
    let plain = host(&rules, Optimize::None);
    assert_eq!(chain(&plain, "DOCKER-USER4").len(), 100);
}

#[test]
fn a_dump_becomes_a_table() {
    let text = "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:log - [0:0]\n\
        -A INPUT -i lo -j ACCEPT\n-A INPUT -p tcp -m multiport --dports 22,80,443 -j ACCEPT\n\
        -A INPUT -p icmp -m icmp --icmp-type 8/0 -m limit --limit 3/sec -j ACCEPT\n\
        -A INPUT -j log\n-A log -m limit --limit 5/min -j LOG --log-prefix \"in: \"\n-A log -j REJECT\nCOMMIT\n\
        *nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n\
        -A PREROUTING -d 192.0.2.1/32 -p tcp -m tcp --dport 81 -j DNAT --to-destination 10.0.0.1:80\n\
        -A PREROUTING -d 192.0.2.1/32 -p tcp -m tcp --dport 82 -j DNAT --to-destination 10.0.0.2:80\n\
        -A PREROUTING -d 192.0.2.1/32 -p tcp -m tcp --dport 83 -j DNAT --to-destination 10.0.0.3:81\n\
        -A POSTROUTING -o eth0 -j MASQUERADE\nCOMMIT\n";
    let loaded = load(text, Family::Ipv4, &Assume::default()).unwrap();
    assert!(loaded.program.table(TableName::Nat).is_some());
    let compiled = table(
        &loaded.program,
        IrTableName::new("dockfw").unwrap(),
        Optimize::Full,
    )
    .unwrap();
    let ruleset = verify(Ruleset {
        tables: vec![compiled.table],
    })
    .unwrap();
    let text = print::nft(&ruleset);
    let expected = [
        "table ip dockfw {",
        "tcp . 81 : 10.0.0.1 . 80,",
        "\tchain filter-log {\n\t\tlimit rate 5/minute counter log prefix \"in: \"\n",
        "type filter hook input priority filter; policy drop;",
        "tcp dport { 22, 80, 443 } counter accept",
        "ip daddr 192.0.2.1 dnat to meta l4proto . th dport map @nat-PREROUTING-1",
        "type nat hook postrouting priority srcnat; policy accept;",
    ];
    for part in expected {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(
        !text.contains("filter-FORWARD"),
        "an empty chain that accepts"
    );
}

#[test]
fn what_does_not_belong_beside_dockers_rules_is_refused() {
    let wrong = |ipv4: &str| -> Vec<String> {
        let text = UserText {
            ipv4: Some(ipv4),
            ipv6: None,
        };
        let (user, problems) = UserRules::read(text, Optimize::Full);
        assert!(user.is_none(), "{ipv4}");
        problems
            .iter()
            .map(|of| {
                let at = ipv4.get(of.span.start..of.span.end).unwrap();
                format!("{} [{}]", of.message, at.trim())
            })
            .collect()
    };
    let cases = [
        (
            "-A INPUT -j DROP",
            "INPUT has nothing to do with Docker [-A INPUT -j DROP]",
        ),
        (
            "-A DOCKER -j DROP",
            "the chain DOCKER belongs to Docker [-A DOCKER -j DROP]",
        ),
        (
            "iptables -t nat -A PREROUTING -j RETURN",
            "only rules of the table filter stand beside Docker's, not of nat \
             [iptables -t nat -A PREROUTING -j RETURN]",
        ),
        (
            "-P FORWARD DROP",
            "the policy of FORWARD is not set here [-P FORWARD DROP]",
        ),
        ("-F", "this would remove Docker's rules too [-F]"),
        (
            "-F FORWARD",
            "this would remove Docker's rules in FORWARD [-F FORWARD]",
        ),
        (
            "-A DOCKER-USER -j DOCKER",
            "DOCKER belongs to Docker; its rules are not a chain of that name here \
             [-A DOCKER-USER -j DOCKER]",
        ),
        (
            ":INPUT DROP [0:0]",
            "the policy of INPUT has nothing to do with Docker [:INPUT DROP [0:0]]",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(wrong(text), [expected]);
    }
    let several =
        wrong("-A DOCKER-USER -j ACEPT\n-A DOCKER-USER --dport 80 -j DROP\n-A INPUT -j x\n");
    assert_eq!(several.len(), 3, "{several:#?}");
    let gone = wrong("-D FORWARD -j DOCKER-USER\n-A FORWARD -i eth0 -j DROP\n");
    assert_eq!(gone.len(), 1);
    assert!(
        gone.concat()
            .contains("Docker's rule `-j DOCKER-USER` in FORWARD is gone"),
        "{gone:?}"
    );
}

#[test]
fn a_rules_file_for_the_boot_is_read_as_it_is() {
    let host = host(
        "*filter\n:INPUT ACCEPT [0:0]\n:DOCKER-USER - [0:0]\n-F DOCKER-USER\n\
         -A DOCKER-USER -i eth0 ! -s 192.0.2.2 -j DROP\nCOMMIT\n",
        Optimize::Full,
    );
    assert_eq!(
        chain(&host, "DOCKER-USER4"),
        ["iifname \"eth0\" ip saddr != 192.0.2.2 drop"]
    );
}

/// Scripts put Docker's jump there themselves, and jump to the chain from their own.
#[test]
fn an_empty_docker_user_can_be_jumped_to() {
    for rules in [
        "-I FORWARD -j DOCKER-USER",
        "-A FORWARD -i eth0 -j DOCKER-USER",
        "-N own\n-A own -j DOCKER-USER\n-A FORWARD -j own",
    ] {
        let jumps = chain(&host(rules, Optimize::Full), "FORWARD4").len();
        assert_eq!(jumps, 3, "{rules}");
    }
}

#[test]
fn the_reference_has_every_rule_of_the_operator() {
    let rules = "-N DOCKER-mine\n-A DOCKER-mine -i bad0 -j DROP\n-A FORWARD -j DOCKER-mine\n\
                 -I FORWARD -i eth0 -j DOCKER-USER\n-N DOCKER-none\n-A FORWARD -j DOCKER-none\n";
    let filter = reference(&host(rules, Optimize::None)).ipv4.to_string();
    let shown: Vec<_> = filter
        .lines()
        .filter(|line| line.starts_with("-A FORWARD") || line.starts_with("-A DOCKER-mine"))
        .collect();
    assert_eq!(
        shown,
        [
            "-A FORWARD -i eth0 -j DOCKER-USER",
            "-A FORWARD -j DOCKER-USER",
            "-A FORWARD -j DOCKER-FORWARD",
            "-A FORWARD -j DOCKER-mine",
            "-A FORWARD -j DOCKER-none",
            "-A DOCKER-mine -i bad0 -j DROP",
        ]
    );
    assert!(filter.contains(":DOCKER-none - [0:0]"));
}
