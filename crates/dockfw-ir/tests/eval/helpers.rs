//! Short constructors for rulesets, hosts and packets.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "test helpers: every constant here is valid"
)]

use std::net::IpAddr;

use dockfw_ir::chain::{BaseChain, Chain, ChainKind, Hook, Policy, Rule};
use dockfw_ir::eval::{
    Action, Conntrack, Direction, Evaluator, From, Host, Interface, Outcome, Packet, Route, State,
    Tuple, Verdict as Fate,
};
use dockfw_ir::expr::Key;
use dockfw_ir::name::{ChainName, Comment, IfName, SetName, TableName};
use dockfw_ir::set::{Element, Set, SetKind};
use dockfw_ir::statement::nat::NatFlags;
use dockfw_ir::statement::{Nat, NatKind, NatTarget, Statement, Verdict};
use dockfw_ir::table::{Family, Ruleset, Table};
use dockfw_ir::value::{DataType, Value};
use dockfw_ir::verify::{Verified, verify};

pub(crate) const ICMP: u8 = 1;
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
pub(crate) const ICMPV6: u8 = 58;

pub(crate) const ACCEPT: Statement = Statement::Verdict(Verdict::Accept);
pub(crate) const DROP: Statement = Statement::Verdict(Verdict::Drop);
pub(crate) const RETURN: Statement = Statement::Verdict(Verdict::Return);

// Values.

pub(crate) fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn ip(text: &str) -> Value {
    Value::new().and_ip(address(text))
}

pub(crate) fn byte(byte: u8) -> Value {
    Value::new().and_u8(byte)
}

pub(crate) fn port(port: u16) -> Value {
    Value::new().and_port(port)
}

pub(crate) fn host32(number: u32) -> Value {
    Value::new().and_host_u32(number)
}

pub(crate) fn ifname(name: &str) -> Value {
    Value::new().and_ifname(&IfName::new(name).unwrap())
}

pub(crate) fn chain_name(name: &str) -> ChainName {
    ChainName::new(name).unwrap()
}

pub(crate) fn set_name(name: &str) -> SetName {
    SetName::new(name).unwrap()
}

// Rules.

pub(crate) fn rule(statements: impl Into<Vec<Statement>>) -> Rule {
    Rule {
        statements: statements.into(),
        comment: None,
    }
}

pub(crate) fn named(comment: &str, statements: impl Into<Vec<Statement>>) -> Rule {
    Rule {
        comment: Some(Comment::new(comment).unwrap()),
        ..rule(statements)
    }
}

pub(crate) fn jump(chain: &str) -> Statement {
    Statement::Verdict(Verdict::Jump(chain_name(chain)))
}

pub(crate) fn goto(chain: &str) -> Statement {
    Statement::Verdict(Verdict::Goto(chain_name(chain)))
}

pub(crate) fn nat(kind: NatKind, target: &str, ports: Option<(u16, u16)>) -> Statement {
    let target = match address(target) {
        IpAddr::V4(target) => NatTarget::Ipv4 {
            addresses: (target, target),
            ports,
        },
        IpAddr::V6(target) => NatTarget::Ipv6 {
            addresses: (target, target),
            ports,
        },
    };
    Statement::Nat(Nat {
        kind,
        target,
        flags: NatFlags::default(),
    })
}

pub(crate) fn dnat(target: &str, port: Option<u16>) -> Statement {
    nat(NatKind::Dnat, target, port.map(|port| (port, port)))
}

pub(crate) fn snat(target: &str) -> Statement {
    nat(NatKind::Snat, target, None)
}

pub(crate) fn chain(name: &str, rules: impl Into<Vec<Rule>>) -> Chain {
    Chain {
        name: chain_name(name),
        base: None,
        rules: rules.into(),
        comment: None,
    }
}

pub(crate) fn base(
    name: &str,
    kind: ChainKind,
    hook: Hook,
    priority: i32,
    rules: impl Into<Vec<Rule>>,
) -> Chain {
    Chain {
        base: Some(BaseChain {
            kind,
            hook,
            priority,
            policy: Policy::Accept,
        }),
        ..chain(name, rules)
    }
}

pub(crate) fn filter(name: &str, hook: Hook, rules: impl Into<Vec<Rule>>) -> Chain {
    base(name, ChainKind::Filter, hook, 0, rules)
}

pub(crate) fn forward(rules: impl Into<Vec<Rule>>) -> Chain {
    filter("forward", Hook::Forward, rules)
}

pub(crate) fn nat_at(hook: Hook, rules: impl Into<Vec<Rule>>) -> Chain {
    let (name, priority) = match hook {
        Hook::Prerouting => ("nat-prerouting", -100),
        Hook::Output => ("nat-output", -100),
        Hook::Postrouting => ("nat-postrouting", 100),
        Hook::Input => ("nat-input", 100),
        Hook::Forward => ("nat-forward", 0),
    };
    base(name, ChainKind::Nat, hook, priority, rules)
}

// Sets.

pub(crate) fn exact(name: &str, key: &[DataType], kind: SetKind, elements: Vec<Element>) -> Set {
    Set {
        name: set_name(name),
        key: key.to_vec(),
        kind,
        interval: false,
        dynamic: false,
        counter: false,
        timeout: None,
        size: Some(1 << 20),
        comment: None,
        elements,
    }
}

pub(crate) fn interval(name: &str, key: &[DataType], kind: SetKind, elements: Vec<Element>) -> Set {
    Set {
        interval: true,
        size: None,
        ..exact(name, key, kind, elements)
    }
}

// Rulesets.

pub(crate) fn table(family: Family, sets: Vec<Set>, chains: Vec<Chain>) -> Table {
    Table {
        family,
        name: TableName::new("dockfw").unwrap(),
        comment: None,
        sets,
        chains,
    }
}

pub(crate) fn verified(tables: Vec<Table>) -> Verified {
    match verify(Ruleset { tables }) {
        Ok(verified) => verified,
        Err(error) => panic!("{error}"),
    }
}

pub(crate) fn ruleset(sets: Vec<Set>, chains: Vec<Chain>) -> Verified {
    verified(vec![table(Family::Inet, sets, chains)])
}

// The host: outside by eth0, two bridges.

pub(crate) fn docker_host() -> Host {
    let interface = |name: &str, addresses: &[&str]| Interface {
        name: name.to_owned(),
        addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
    };
    let route = |destination: &str| Route {
        destination: destination.parse().unwrap(),
        interface: "eth0".to_owned(),
    };
    Host {
        interfaces: vec![
            interface("eth0", &["192.0.2.1/24", "2001:db8::1/64", "fe80::1/64"]),
            interface("br-a", &["172.18.0.1/16", "2001:db8:a::1/64"]),
            interface("br-b", &["172.19.0.1/16"]),
        ],
        routes: vec![route("0.0.0.0/0"), route("2000::/3")],
    }
}

// Packets.

pub(crate) fn by(interface: &str) -> From {
    From::Interface(interface.to_owned())
}

pub(crate) fn packet(from: From, protocol: u8, source: &str, destination: &str) -> Packet {
    Packet::new(from, address(source), address(destination), protocol)
}

/// `source` and `destination` are `ADDRESS`, and the ports stand beside them.
pub(crate) fn tcp(from: From, source: (&str, u16), destination: (&str, u16)) -> Packet {
    Packet {
        ports: Some((source.1, destination.1)),
        ..packet(from, TCP, source.0, destination.0)
    }
}

/// From a client outside to the host's port 8080.
pub(crate) fn outside() -> Packet {
    tcp(by("eth0"), ("198.51.100.9", 40000), ("192.0.2.1", 8080))
}

/// From a client outside to a container.
pub(crate) fn transit() -> Packet {
    tcp(by("eth0"), ("198.51.100.9", 40000), ("172.18.0.2", 80))
}

pub(crate) fn tuple(source: (&str, u16), destination: (&str, u16)) -> Tuple {
    Tuple {
        source: address(source.0),
        destination: address(destination.0),
        protocol: TCP,
        ports: Some((source.1, destination.1)),
    }
}

pub(crate) fn in_state(state: State, packet: Packet) -> Packet {
    Packet {
        ct: Conntrack {
            state,
            ..Conntrack::default()
        },
        ..packet
    }
}

pub(crate) fn of_flow(
    direction: Direction,
    original: Tuple,
    reply: Tuple,
    packet: Packet,
) -> Packet {
    Packet {
        ct: Conntrack {
            state: State::Established,
            direction,
            original: Some(original),
            reply: Some(reply),
            ..Conntrack::default()
        },
        ..packet
    }
}

// Results.

pub(crate) fn eval(ruleset: &Verified, packet: &Packet) -> Outcome {
    Evaluator::new(ruleset).eval(&docker_host(), packet)
}

pub(crate) fn forwarded(interface: &str) -> Fate {
    Fate::Forwarded {
        interface: interface.to_owned(),
    }
}

pub(crate) fn delivered(interface: &str) -> Fate {
    Fate::Delivered {
        interface: interface.to_owned(),
    }
}

pub(crate) fn dropped(hook: Hook) -> Fate {
    Fate::Dropped { hook }
}

/// The source and destination of an outcome as `ADDRESS:PORT > ADDRESS:PORT`.
pub(crate) fn flow(outcome: &Outcome) -> String {
    let end = |address: IpAddr, port: Option<u16>| match port {
        Some(port) => format!("{}", std::net::SocketAddr::new(address, port)),
        None => address.to_string(),
    };
    let (source, destination) = outcome.ports.unzip();
    format!(
        "{} > {}",
        end(outcome.source, source),
        end(outcome.destination, destination)
    )
}

/// The rules of the trail as `chain:index`, and `chain:policy`.
pub(crate) fn trail(outcome: &Outcome) -> Vec<String> {
    let step = |step: &dockfw_ir::eval::Step| match (&step.action, step.rule) {
        (Action::Policy(_), _) | (_, None) => format!("{}:policy", step.chain),
        (_, Some(rule)) => format!("{}:{rule}", step.chain),
    };
    outcome.trail.iter().map(step).collect()
}

/// Whether a packet matches a statement, seen at a filter chain of a hook (priority 0).
pub(crate) fn matches_at(
    hook: Hook,
    sets: Vec<Set>,
    statement: Statement,
    packet: &Packet,
) -> bool {
    let rules = [rule([statement, DROP])];
    let ruleset = ruleset(sets, vec![filter("at", hook, rules)]);
    eval(&ruleset, packet).verdict == dropped(hook)
}

/// Whether a forwarded packet matches a statement.
pub(crate) fn matches(statement: Statement, packet: &Packet) -> bool {
    matches_at(Hook::Forward, vec![], statement, packet)
}

/// Whether a forwarded packet's key is in a set.
pub(crate) fn is_in(set: Set, key: impl Into<Key>, packet: &Packet) -> bool {
    let statement = Statement::in_set(key, &set.name);
    matches_at(Hook::Forward, vec![set], statement, packet)
}
