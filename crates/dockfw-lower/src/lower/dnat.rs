//! `nat-prerouting` and `nat-output`: published ports.
//!
//! A host port is found by two look-ups: with the host address of the packet, then without. No
//! order is needed between them beyond that, since dockerd gives a port to one publish only where
//! addresses overlap. Ranges with the same ports on both sides stand in maps of their own.

use std::net::Ipv6Addr;

use dockfw_ir::Table;
use dockfw_ir::chain::{ChainKind, Hook, Rule};
use dockfw_ir::expr::fib::addrtype;
use dockfw_ir::expr::{Expr, Fib, Meta, Payload};
use dockfw_ir::name::ChainName;
use dockfw_ir::set::{Element, SetKind};
use dockfw_ir::statement::nat::{NatFlags, NatKind, NatTarget};
use dockfw_ir::statement::{Nat, Operator, Statement, Verdict};
use dockfw_ir::value::{DataType, Value};

use super::family::{Family, in_prefix};
use super::ingress;
use super::make::{accept, and_port, and_port_types, base_chain, chain, comment, dispatch};
use super::make::{exact_set, if_value, interval_set, jump, key, rule};
use super::names;
use super::ports::{HostRun, Ports, proxied_ports};
use crate::host::Host;

/// `dstnat`
const PRIORITY: i32 = -100;

/// What a map or set of host ports is keyed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HostAddress {
    /// The packet's destination address and port.
    Exact,
    /// Its port alone.
    Any,
}

impl HostAddress {
    const ALL: [Self; 2] = [Self::Exact, Self::Any];

    fn matches(self, run: &HostRun) -> bool {
        run.host.is_unspecified() == (self == Self::Any)
    }
}

/// The suffixes of the four objects: exact or any address, single ports or ranges.
fn suffix(address: HostAddress, range: bool) -> &'static str {
    match (address, range) {
        (HostAddress::Exact, false) => "-address",
        (HostAddress::Exact, true) => "-address-range",
        (HostAddress::Any, false) => "",
        (HostAddress::Any, true) => "-range",
    }
}

pub(super) fn add(table: &mut Table, host: &Host, ports: &Ports) {
    let docker_nat = names::chain("DOCKER-NAT");
    let proxy = host.daemon.userland_proxy;
    let mut prerouting = Vec::new();
    prerouting.extend(ingress::services(host));
    if proxy {
        if host.wsl2_mirrored {
            prerouting.push(from_windows());
        }
        let chain = add_proxied(table, host, ports);
        prerouting.push(dispatch(
            vec![
                Statement::in_set(
                    key([Meta::Iifname.into(), Meta::Nfproto.into()]),
                    &names::set("docker-bridges"),
                ),
                jump(&chain),
            ],
            "docker-proxy serves a bridge's own containers",
        ));
    }
    prerouting.push(published(&docker_nat));
    let mut output = Vec::new();
    output.extend(ingress::services(host));
    if proxy {
        for family in Family::ALL {
            output.push(rule(
                [family.to_loopback()],
                accept(),
                "docker-proxy serves loopback",
            ));
        }
    }
    output.push(published(&docker_nat));

    let mut rules = Vec::new();
    for family in Family::ALL {
        if family == Family::V6 {
            rules.push(skip_link_local());
        }
        for address in HostAddress::ALL {
            add_host_ports(table, host, ports, family, address);
            rules.push(dnat(family, address, false));
            rules.push(dnat(family, address, true));
        }
    }
    table.chains.push(chain(
        docker_nat,
        rules,
        "published ports: from a host port to a container",
    ));
    let (nat, name) = (ChainKind::Nat, names::chain("nat-prerouting"));
    table.chains.push(base_chain(
        name,
        nat,
        Hook::Prerouting,
        PRIORITY,
        prerouting,
    ));
    let name = names::chain("nat-output");
    table
        .chains
        .push(base_chain(name, nat, Hook::Output, PRIORITY, output));
}

/// `fib daddr type local counter jump DOCKER-NAT`: a published port is claimed on this host's own
/// addresses only; transit traffic to the same port passes untouched.
fn published(docker_nat: &ChainName) -> Rule {
    let local = Value::new().and_host_u32(addrtype::LOCAL);
    rule(
        [Statement::equal(Fib::daddr_type(), local)],
        jump(docker_nat),
        "to an address of this host: published ports",
    )
}

/// `iifname "loopback0" ip daddr 127.0.0.0/8 counter accept`
fn from_windows() -> Rule {
    let loopback0 = if_value(&names::loopback0());
    rule(
        [
            Statement::equal(Meta::Iifname, loopback0),
            Family::V4.to_loopback(),
        ],
        accept(),
        "WSL2: docker-proxy serves what Windows sends to localhost",
    )
}

/// `ip6 saddr fe80::/10 counter return`: an answer to a link-local client could not be routed.
fn skip_link_local() -> Rule {
    #[expect(clippy::expect_used, reason = "a constant prefix")]
    let link_local = ipnet::Ipv6Net::new(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10)
        .expect("10 is a prefix length");
    rule(
        [in_prefix(
            Payload::Ip6Saddr,
            link_local.into(),
            Operator::Equal,
        )],
        Statement::Verdict(Verdict::Return),
        "link-local clients are served by docker-proxy",
    )
}

/// `dnat ip to ip daddr . meta l4proto . th dport map @host-ports4-address`
fn dnat(family: Family, address: HostAddress, range: bool) -> Rule {
    let key = match address {
        HostAddress::Exact => and_port([family.daddr().into()]),
        HostAddress::Any => and_port([]),
    };
    let map = names::family_set("host-ports", family, suffix(address, range));
    let target = NatTarget::Map {
        family: family.nat(),
        key,
        map,
    };
    let nat = Statement::Nat(Nat {
        kind: NatKind::Dnat,
        target,
        flags: NatFlags::default(),
    });
    // The address in the key implies its family; without one the family is asked for.
    let statements = match address {
        HostAddress::Exact => vec![nat],
        HostAddress::Any => vec![family.only(), nat],
    };
    let why = match (address, range) {
        (HostAddress::Exact, false) => "ports published on one host address",
        (HostAddress::Exact, true) => "port ranges published on one host address",
        (HostAddress::Any, false) => "ports published on every host address",
        (HostAddress::Any, true) => "port ranges published on every host address",
    };
    dispatch(statements, why)
}

/// The two maps of a family and kind of address: single ports, and ranges.
fn add_host_ports(
    table: &mut Table,
    host: &Host,
    ports: &Ports,
    family: Family,
    address: HostAddress,
) {
    let runs = || {
        let of_family = ports
            .host
            .iter()
            .filter(move |run| Family::of(run.host) == family);
        of_family.filter(move |run| address.matches(run))
    };
    let mut ranges = Vec::new();
    let mut exact = Vec::with_capacity(
        runs()
            .filter(|run| !run.is_range())
            .map(|run| usize::from(run.last - run.first) + 1)
            .sum(),
    );
    for run in runs() {
        let before = match address {
            HostAddress::Exact => Value::new().and_ip(run.host),
            HostAddress::Any => Value::new(),
        };
        let start = before.and_u8(run.protocol.number());
        let container = Value::new().and_ip(run.container);
        if run.is_range() {
            let end = start.clone().and_port(run.last);
            let owner = host
                .containers
                .get(run.owner)
                .map_or("", |of| of.name.as_str());
            ranges.push(
                Element::mapping(start.and_port(run.first), container)
                    .until(end)
                    .with_comment(comment(owner)),
            );
        } else {
            exact.extend(run.each().map(|(from, to)| {
                Element::mapping(start.clone().and_port(from), container.clone().and_port(to))
            }));
        }
    }
    let key = match address {
        HostAddress::Exact => and_port_types(&[family.address_type()]),
        HostAddress::Any => and_port_types(&[]),
    };
    let where_to = vec![family.address_type(), DataType::InetService];
    let (why, why_ranges) = match address {
        HostAddress::Exact => (
            "ports published on one host address: to container address and port",
            "ranges published on one host address: to container address, same port",
        ),
        HostAddress::Any => (
            "ports published on every host address: to container address and port",
            "ranges published on every host address: to container address, same port",
        ),
    };
    table.sets.push(exact_set(
        names::family_set("host-ports", family, suffix(address, false)),
        key.clone(),
        SetKind::Map(where_to),
        exact,
        why,
    ));
    table.sets.push(interval_set(
        names::family_set("host-ports", family, suffix(address, true)),
        key,
        SetKind::Map(vec![family.address_type()]),
        ranges,
        why_ranges,
    ));
}

/// With the userland proxy, what comes from a bridge for a port of the bridge's own containers is
/// not rewritten: docker-proxy listens on the host port and relays it.
fn add_proxied(table: &mut Table, host: &Host, ports: &Ports) -> ChainName {
    let name = names::chain("DOCKER-PROXY");
    let mut rules = Vec::new();
    for family in Family::ALL {
        let (by_address, any) = proxied_ports(&ports.host, &host.networks, family);
        for (address, keys) in [(HostAddress::Exact, by_address), (HostAddress::Any, any)] {
            let (types, fields): (Vec<DataType>, Vec<Expr>) = match address {
                HostAddress::Exact => (
                    vec![DataType::IfName, family.address_type()],
                    vec![Meta::Iifname.into(), family.daddr().into()],
                ),
                HostAddress::Any => (vec![DataType::IfName], vec![Meta::Iifname.into()]),
            };
            for (range, elements) in [(false, keys.exact), (true, keys.range)] {
                let set = names::family_set("proxied-ports", family, suffix(address, range));
                let types = and_port_types(&types);
                let why = "by bridge: ports that its own containers publish";
                table.sets.push(if range {
                    interval_set(set.clone(), types, SetKind::Set, elements, why)
                } else {
                    exact_set(set.clone(), types, SetKind::Set, elements, why)
                });
                let found = Statement::in_set(and_port(fields.iter().cloned()), &set);
                let tests = match address {
                    HostAddress::Exact => vec![found],
                    HostAddress::Any => vec![family.only(), found],
                };
                rules.push(rule(
                    tests,
                    accept(),
                    "published by the bridge's own containers",
                ));
            }
        }
    }
    let why = "from a bridge to a port of its own containers: not rewritten, docker-proxy answers";
    table.chains.push(chain(name.clone(), rules, why));
    name
}
