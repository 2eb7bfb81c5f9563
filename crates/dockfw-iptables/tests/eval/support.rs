//! Programs from the text of iptables-save, read with just enough care for these tests: every
//! rule must print as it was written.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use std::net::IpAddr;

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
use ipnet::IpNet;

/// Reads `*table`, `-P CHAIN POLICY` and `-A CHAIN …` lines; chains appear as they are used.
pub(crate) fn program(family: Family, text: &str) -> Program {
    let mut program = Program::new(family);
    let mut table = TableName::Filter;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(name) = line.strip_prefix('*') {
            table = [
                TableName::Raw,
                TableName::Mangle,
                TableName::Nat,
                TableName::Filter,
                TableName::Security,
            ]
            .into_iter()
            .find(|table| table.as_str() == name)
            .unwrap();
            continue;
        }
        let words: Vec<&str> = line.split(' ').collect();
        let table = program.table_mut(table);
        table.create_chain(ChainName::new(words[1]).unwrap());
        if words[0] == "-P" {
            let chain = table.chain_mut(words[1]).unwrap();
            chain.set_policy(Policy::Drop);
            continue;
        }
        let rule = rule(&words[2..]);
        assert_eq!(format!("-A {}{rule}", words[1]), line);
        if let Some(Target::Jump(to) | Target::Goto(to)) = &rule.target {
            table.create_chain(to.clone());
        }
        table.chain_mut(words[1]).unwrap().append(rule);
    }
    program
}

/// Reads what stands behind `-A CHAIN`.
fn rule(words: &[&str]) -> Rule {
    let mut rule = Rule::default();
    let mut rest = words;
    while let [first, ..] = rest {
        let not = *first == "!";
        let option = rest[usize::from(not)];
        let value = rest[usize::from(not) + 1];
        rest = &rest[usize::from(not) + 2..];
        match option {
            "-s" => rule.source = Some(maybe(not, address(value))),
            "-d" => rule.destination = Some(maybe(not, address(value))),
            "-i" => rule.in_interface = Some(maybe(not, InterfacePattern::new(value).unwrap())),
            "-o" => rule.out_interface = Some(maybe(not, InterfacePattern::new(value).unwrap())),
            "-p" => rule.protocol = Some(maybe(not, protocol(value))),
            "-m" => rule.matches.push(empty(value)),
            "-g" => rule.target = Some(Target::Goto(ChainName::new(value).unwrap())),
            "-j" => rule.target = Some(target(value, &mut rest)),
            _ => set(rule.matches.last_mut().unwrap(), option, not, value),
        }
    }
    rule
}

fn maybe<T>(not: bool, value: T) -> Invertible<T> {
    if not {
        Invertible::Not(value)
    } else {
        Invertible::Is(value)
    }
}

fn address(text: &str) -> AddressMask {
    if let Ok(net) = text.parse::<IpNet>() {
        return net.into();
    }
    let (address, mask) = text.split_once('/').unwrap();
    AddressMask::ipv4(address.parse().unwrap(), mask.parse().unwrap())
}

fn protocol(name: &str) -> Protocol {
    match name {
        "tcp" => Protocol::TCP,
        "udp" => Protocol::UDP,
        "sctp" => Protocol::SCTP,
        "icmp" => Protocol::ICMP,
        "ipv6-icmp" => Protocol::ICMPV6,
        number => Protocol(number.parse().unwrap()),
    }
}

fn empty(name: &str) -> Match {
    match name {
        "addrtype" => Addrtype::default().into(),
        "comment" => Comment::new("").unwrap().into(),
        "conntrack" => Conntrack::default().into(),
        "mark" => Mark {
            value: Invertible::Is((0, 0)),
        }
        .into(),
        "tcp" => Match::Tcp(Ports::default().into()),
        "udp" => Match::Udp(Ports::default()),
        "sctp" => Match::Sctp(Ports::default().into()),
        _ => panic!("unknown match {name}"),
    }
}

fn set(extension: &mut Match, option: &str, not: bool, value: &str) {
    match (extension, option) {
        (one @ (Match::Tcp(_) | Match::Udp(_) | Match::Sctp(_)), "--sport") => {
            ports(one).source = Some(maybe(not, range(value, ':')));
        }
        (one @ (Match::Tcp(_) | Match::Udp(_) | Match::Sctp(_)), "--dport") => {
            ports(one).destination = Some(maybe(not, range(value, ':')));
        }
        (Match::Addrtype(types), "--src-type") => types.source = Some(maybe(not, kinds(value))),
        (Match::Addrtype(types), "--dst-type") => {
            types.destination = Some(maybe(not, kinds(value)));
        }
        (Match::Comment(comment), "--comment") => *comment = Comment::new(value).unwrap(),
        (Match::Conntrack(ct), "--ctstate") => ct.state = Some(maybe(not, states(value))),
        (Match::Mark(wanted), "--mark") => {
            let (value, mask) = value.split_once('/').unwrap_or((value, "0xffffffff"));
            wanted.value = maybe(not, (hex(value), hex(mask)));
        }
        _ => panic!("unknown option {option}"),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "callers have a match with ports"
)]
fn ports(transport: &mut Match) -> &mut Ports {
    match transport {
        Match::Tcp(tcp) => &mut tcp.ports,
        Match::Sctp(sctp) => &mut sctp.ports,
        Match::Udp(ports) => ports,
        _ => panic!("no ports"),
    }
}

fn hex(text: &str) -> u32 {
    u32::from_str_radix(text.strip_prefix("0x").unwrap(), 16).unwrap()
}

fn range(text: &str, separator: char) -> PortRange {
    let (first, last) = text.split_once(separator).unwrap_or((text, text));
    PortRange {
        first: first.parse().unwrap(),
        last: last.parse().unwrap(),
    }
}

fn kinds(text: &str) -> AddressTypes {
    let kind = |name| match name {
        "UNSPEC" => AddressTypes::UNSPEC,
        "UNICAST" => AddressTypes::UNICAST,
        "LOCAL" => AddressTypes::LOCAL,
        "BROADCAST" => AddressTypes::BROADCAST,
        "ANYCAST" => AddressTypes::ANYCAST,
        "MULTICAST" => AddressTypes::MULTICAST,
        "UNREACHABLE" => AddressTypes::UNREACHABLE,
        _ => panic!("unknown type {name}"),
    };
    text.split(',').map(kind).reduce(AddressTypes::or).unwrap()
}

fn states(text: &str) -> States {
    let state = |name| match name {
        "INVALID" => States::INVALID,
        "NEW" => States::NEW,
        "RELATED" => States::RELATED,
        "ESTABLISHED" => States::ESTABLISHED,
        "UNTRACKED" => States::UNTRACKED,
        "SNAT" => States::SNAT,
        "DNAT" => States::DNAT,
        _ => panic!("unknown state {name}"),
    };
    text.split(',').map(state).reduce(States::or).unwrap()
}

fn target(name: &str, rest: &mut &[&str]) -> Target {
    let mut options = || match std::mem::take(rest) {
        [_, value] => Some(*value),
        _ => None,
    };
    match name {
        "ACCEPT" => Target::Accept,
        "DROP" => Target::Drop,
        "RETURN" => Target::Return,
        "DNAT" => Target::Dnat(nat(options().unwrap())),
        "SNAT" => Target::Snat(nat(options().unwrap())),
        "MASQUERADE" => Target::Masquerade(Masquerade {
            ports: options().map(|ports| range(ports, '-')),
            ..Masquerade::default()
        }),
        _ => Target::Jump(ChainName::new(name).unwrap()),
    }
}

/// `a`, `a:p`, `[a]:p`, `a-a`, `:p-p`.
fn nat(text: &str) -> NatRange {
    let (addresses, ports) = match text.strip_prefix('[') {
        Some(text) => text.split_once("]:").unwrap(),
        None if text.matches(':').count() == 1 => text.split_once(':').unwrap(),
        None => (text, ""),
    };
    let ends = addresses.split_once('-').unwrap_or((addresses, addresses));
    NatRange {
        addresses: (!addresses.is_empty())
            .then(|| (ends.0.parse().unwrap(), ends.1.parse().unwrap())),
        ports: (!ports.is_empty()).then(|| range(ports, '-')),
        ..NatRange::default()
    }
}

/// An address.
pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Makes the last match of the first rule of `filter FORWARD` ask one interface only.
pub(crate) fn limited(text: &str, limit: LimitInterface) -> Program {
    let mut program = program(Family::Ipv4, text);
    let chain = program.table_mut(TableName::Filter).chain_mut("FORWARD");
    let chain = chain.unwrap();
    let mut rule = chain.rules().next().unwrap().clone();
    if let Some(Match::Addrtype(types)) = rule.matches.last_mut() {
        types.limit = Some(limit);
    }
    chain.flush();
    chain.append(rule);
    program
}
