//! The save text of every part of the language, against the expected spelling and, with root,
//! against the real programs.

#![expect(clippy::unwrap_used, reason = "test helpers")]

use std::io::Write as _;
use std::net::IpAddr;
use std::process::{Command, Stdio};

use dockfw_iptables::r#match::addrtype::{AddressTypes, Addrtype, LimitInterface};
use dockfw_iptables::r#match::comment::Comment;
use dockfw_iptables::r#match::conntrack::{Conntrack, States};
use dockfw_iptables::r#match::mark::Mark;
use dockfw_iptables::r#match::transport::Ports;
use dockfw_iptables::target::masquerade::Masquerade;
use dockfw_iptables::target::nat::NatRange;
use dockfw_iptables::{
    AddressMask, ChainName, Family, InterfacePattern, Invertible, Match, Policy, PortRange,
    Program, Protocol, Rule, TableName, Target,
};

/// A rule in a chain, and how iptables-save writes it.
type Line = (TableName, &'static str, Rule, &'static str);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn accept() -> Rule {
    Rule::new(Target::Accept)
}

fn ports(first: u16, last: u16) -> PortRange {
    PortRange { first, last }
}

/// Interfaces, protocols and ports.
fn headers() -> Vec<Line> {
    let filter = |rule, text| (TableName::Filter, "FORWARD", rule, text);
    let eth = InterfacePattern::new("eth+").unwrap();
    let long = InterfacePattern::new("a2345678901234@").unwrap();
    let both = Ports {
        source: Some(Invertible::Is(ports(1, 65_535))),
        destination: Some(Invertible::Not(ports(5, 10))),
    };
    let protocol = |number| accept().protocol(Protocol(number));
    let not_gre = Rule {
        protocol: Some(Invertible::Not(Protocol(47))),
        ..Rule::new(Target::Return)
    };
    vec![
        filter(Rule::default(), ""),
        filter(
            accept().in_interface(eth).not_out_interface(long),
            " -i eth+ ! -o a2345678901234@ -j ACCEPT",
        ),
        filter(not_gre, " ! -p gre -j RETURN"),
        filter(protocol(253), " -p 253 -j ACCEPT"),
        filter(protocol(132), " -p sctp -j ACCEPT"),
        filter(
            protocol(6).with(Match::Tcp(both.into())),
            " -p tcp -m tcp --sport 1:65535 ! --dport 5:10 -j ACCEPT",
        ),
        filter(
            protocol(17).with(Match::Udp(Ports::from(53))),
            " -p udp -m udp --sport 53 -j ACCEPT",
        ),
        filter(
            protocol(132).with(Match::Sctp(Ports::to(0).into())),
            " -p sctp -m sctp --dport 0 -j ACCEPT",
        ),
        filter(
            protocol(6).with(Match::Tcp(Ports::default().into())),
            " -p tcp -m tcp -j ACCEPT",
        ),
    ]
}

/// Match extensions other than ports.
fn extensions() -> Vec<Line> {
    let filter = |rule, text| (TableName::Filter, "FORWARD", rule, text);
    let comment = |text| accept().with(Comment::new(text).unwrap());
    let local_or_unicast = AddressTypes::LOCAL.or(AddressTypes::UNICAST);
    let not_types = Addrtype {
        source: Some(Invertible::Is(AddressTypes::LOCAL)),
        destination: Some(Invertible::Not(local_or_unicast)),
        limit: Some(LimitInterface::In),
    };
    let all_states = [
        States::DNAT,
        States::SNAT,
        States::UNTRACKED,
        States::ESTABLISHED,
        States::RELATED,
        States::NEW,
        States::INVALID,
    ];
    let all_states = all_states.into_iter().reduce(States::or).unwrap();
    let not_states = Conntrack {
        state: Some(Invertible::Not(all_states)),
        ..Conntrack::default()
    };
    let mark = |value| accept().with(Mark { value });
    vec![
        filter(
            mark(Invertible::Is((2, u32::MAX))),
            " -m mark --mark 0x2 -j ACCEPT",
        ),
        filter(
            mark(Invertible::Not((0, 3))),
            " -m mark ! --mark 0x0/0x3 -j ACCEPT",
        ),
        filter(
            accept().with(Conntrack::state(States::ESTABLISHED.or(States::RELATED))),
            " -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        ),
        filter(
            accept().with(not_states),
            " -m conntrack ! --ctstate INVALID,NEW,RELATED,ESTABLISHED,UNTRACKED,SNAT,DNAT -j ACCEPT",
        ),
        filter(
            accept().with(not_types),
            " -m addrtype --src-type LOCAL ! --dst-type UNICAST,LOCAL --limit-iface-in -j ACCEPT",
        ),
        filter(
            comment("plain-word_1"),
            " -m comment --comment plain-word_1 -j ACCEPT",
        ),
        filter(
            comment("two words"),
            " -m comment --comment \"two words\" -j ACCEPT",
        ),
        filter(
            comment("it's \"a\" \\"),
            " -m comment --comment \"it\\'s \\\"a\\\" \\\\\" -j ACCEPT",
        ),
        filter(comment(""), " -m comment --comment \"\" -j ACCEPT"),
        filter(
            comment("-j DROP"),
            " -m comment --comment \"-j DROP\" -j ACCEPT",
        ),
    ]
}

/// Targets that take no address.
fn targets() -> Vec<Line> {
    let filter = |rule, text| (TableName::Filter, "FORWARD", rule, text);
    vec![
        filter(
            Rule::new(Target::Goto(ChainName::new("a~%B").unwrap())),
            " -g a~%B",
        ),
        filter(
            Rule::new(Target::Jump(ChainName::new("Z").unwrap())),
            " -j Z",
        ),
        filter(Rule::new(Target::Drop), " -j DROP"),
        (
            TableName::Nat,
            "POSTROUTING",
            Rule::new(Target::Masquerade(Masquerade {
                ports: Some(ports(1024, 2048)),
                ..Masquerade::default()
            }))
            .protocol(Protocol::UDP),
            " -p udp -j MASQUERADE --to-ports 1024-2048",
        ),
        (
            TableName::Nat,
            "PREROUTING",
            Rule::new(Target::Dnat(NatRange {
                addresses: None,
                ports: Some(ports(8, 9)),
                ..NatRange::default()
            }))
            .protocol(Protocol::TCP),
            " -p tcp -j DNAT --to-destination :8-9",
        ),
    ]
}

fn lines(family: Family) -> Vec<Line> {
    let filter = |rule, text| (TableName::Filter, "FORWARD", rule, text);
    let dnat = |range, text| {
        let rule = Rule::new(Target::Dnat(range)).protocol(Protocol::TCP);
        (TableName::Nat, "PREROUTING", rule, text)
    };
    let snat = |range, text| {
        (
            TableName::Nat,
            "POSTROUTING",
            Rule::new(Target::Snat(range)),
            text,
        )
    };
    let range = |first, last, ports| NatRange {
        addresses: Some((ip(first), ip(last))),
        ports,
        ..NatRange::default()
    };
    let mut lines = [headers(), extensions(), targets()].concat();
    lines.extend(match family {
        Family::Ipv4 => vec![
            filter(
                accept().source(ip("192.0.2.1")),
                " -s 192.0.2.1/32 -j ACCEPT",
            ),
            filter(
                accept().source(AddressMask::ipv4([0; 4].into(), [0; 4].into())),
                " -j ACCEPT",
            ),
            filter(
                accept().not_destination(AddressMask::ipv4(
                    [10, 1, 2, 3].into(),
                    [255, 0, 255, 0].into(),
                )),
                " ! -d 10.0.2.0/255.0.255.0 -j ACCEPT",
            ),
            filter(accept().protocol(Protocol::ICMP), " -p icmp -j ACCEPT"),
            dnat(
                NatRange::socket(ip("192.0.2.9"), 80),
                " -p tcp -j DNAT --to-destination 192.0.2.9:80",
            ),
            dnat(
                range("192.0.2.9", "192.0.2.11", Some(ports(80, 81))),
                " -p tcp -j DNAT --to-destination 192.0.2.9-192.0.2.11:80-81",
            ),
            snat(
                NatRange::address(ip("192.0.2.9")),
                " -j SNAT --to-source 192.0.2.9",
            ),
        ],
        Family::Ipv6 => vec![
            filter(
                accept().source(ip("2001:db8::1")),
                " -s 2001:db8::1/128 -j ACCEPT",
            ),
            filter(
                accept().source(ip("::192.0.2.1")),
                " -s ::192.0.2.1/128 -j ACCEPT",
            ),
            filter(
                accept().source(ip("::ffff:192.0.2.1")),
                " -s ::ffff:192.0.2.1/128 -j ACCEPT",
            ),
            filter(accept().source(ip("::1:0")), " -s ::0.1.0.0/128 -j ACCEPT"),
            filter(accept().source(ip("::ab")), " -s ::ab/128 -j ACCEPT"),
            filter(
                accept().source(ip("1:0:0:2:0:0:0:3")),
                " -s 1:0:0:2::3/128 -j ACCEPT",
            ),
            filter(
                accept().source(ip("1:0:2:3:4:5:6:7")),
                " -s 1:0:2:3:4:5:6:7/128 -j ACCEPT",
            ),
            filter(
                accept().not_source(AddressMask::ipv6(
                    "fe80::1".parse().unwrap(),
                    "ffc0::ff00".parse().unwrap(),
                )),
                " ! -s fe80::/ffc0::ff00 -j ACCEPT",
            ),
            filter(
                accept().protocol(Protocol::ICMPV6),
                " -p ipv6-icmp -j ACCEPT",
            ),
            dnat(
                NatRange::socket(ip("2001:db8::9"), 80),
                " -p tcp -j DNAT --to-destination [2001:db8::9]:80",
            ),
            dnat(
                range("2001:db8::9", "2001:db8::b", Some(PortRange::one(80))),
                " -p tcp -j DNAT --to-destination [2001:db8::9-2001:db8::b]:80",
            ),
            snat(
                range("2001:db8::9", "2001:db8::b", None),
                " -j SNAT --to-source 2001:db8::9-2001:db8::b",
            ),
        ],
    });
    lines
}

/// All lines in one program, with every table and a few chains.
fn program(family: Family) -> Program {
    let mut program = Program::new(family);
    let tables = [
        TableName::Nat,
        TableName::Filter,
        TableName::Mangle,
        TableName::Raw,
    ];
    for table in [&tables[..], &[TableName::Security]].concat() {
        let table = program.table_mut(table);
        let first = table.chains().next().unwrap().name().as_str().to_owned();
        table.chain_mut(&first).unwrap().append(accept());
    }
    let filter = program.table_mut(TableName::Filter);
    for name in ["Z", "a~%B", "a", "A-b"] {
        filter.create_chain(ChainName::new(name).unwrap());
    }
    filter.chain_mut("INPUT").unwrap().set_policy(Policy::Drop);
    for (table, chain, rule, _) in lines(family) {
        program
            .table_mut(table)
            .chain_mut(chain)
            .unwrap()
            .append(rule);
    }
    program
}

#[test]
fn every_part_has_its_spelling() {
    for family in [Family::Ipv4, Family::Ipv6] {
        for (_, _, rule, expected) in lines(family) {
            assert_eq!(rule.to_string(), expected);
        }
    }
}

#[test]
fn headers_and_order() {
    let text = program(Family::Ipv4).to_string();
    let tables: Vec<_> = text.lines().filter(|line| line.starts_with('*')).collect();
    assert_eq!(tables, ["*mangle", "*security", "*raw", "*filter", "*nat"]);
    let filter = text.split_once("*filter\n").unwrap().1;
    let headers: Vec<_> = filter
        .lines()
        .take_while(|line| line.starts_with(':'))
        .collect();
    let expected = [
        ":INPUT DROP [0:0]",
        ":FORWARD ACCEPT [0:0]",
        ":OUTPUT ACCEPT [0:0]",
        ":A-b - [0:0]",
        ":Z - [0:0]",
        ":a - [0:0]",
        ":a~%B - [0:0]",
    ];
    assert_eq!(headers, expected);
}

#[test]
fn chains_with_rules_or_references_stay() {
    let mut program = program(Family::Ipv4);
    let filter = program.table_mut(TableName::Filter);
    assert!(!filter.delete_chain("Z"), "FORWARD leads to it");
    assert!(!filter.delete_chain("INPUT"), "built in");
    assert!(filter.delete_chain("a"));
    assert!(!filter.delete_chain("a"));
    filter.chain_mut("A-b").unwrap().append(accept());
    assert!(!filter.delete_chain("A-b"), "not empty");
}

/// Loads a text in a network namespace of its own and returns what is saved, without comments.
fn restore_and_save(text: &str, command: &str) -> String {
    let script = format!("{command}-restore && {command}-save");
    let mut child = Command::new("unshare")
        .args(["-n", "sh", "-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{script}: {}", output.status);
    let saved = String::from_utf8(output.stdout).unwrap();
    saved
        .split_inclusive('\n')
        .filter(|line| !line.starts_with('#'))
        .collect()
}

#[test]
#[ignore = "needs root and iptables: cargo test -- --ignored"]
fn the_real_programs_agree() {
    for (family, name) in [(Family::Ipv4, "iptables"), (Family::Ipv6, "ip6tables")] {
        let text = program(family).to_string();
        assert_eq!(
            restore_and_save(&text, &format!("{name}-nft")),
            text,
            "{name}-nft"
        );
        // The legacy programs print the tables in the order of the kernel's modules.
        let sorted = |text: &str| {
            let mut tables: Vec<_> = text
                .split_inclusive("COMMIT\n")
                .map(str::to_owned)
                .collect();
            tables.sort_unstable();
            tables.concat()
        };
        let legacy = restore_and_save(&text, &format!("{name}-legacy"));
        assert_eq!(sorted(&legacy), sorted(&text), "{name}-legacy");
    }
}
