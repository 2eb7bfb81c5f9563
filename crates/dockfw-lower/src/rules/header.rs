//! The tests of the IP header: `-i`, `-o`, `-s`, `-d`, `-p`.

use std::net::IpAddr;

use dockfw_iptables::{AddressMask, InterfacePattern, Invertible, Protocol, Rule};
use dockfw_ir::expr::{Expr, Key, Meta, Payload};
use dockfw_ir::name::IfName;
use dockfw_ir::statement::{Match, Operator, Statement, Test};
use dockfw_ir::value::Value;

use super::ways::{Ways, masked};
use super::{Place, Reason};

/// The tests of a rule's header, in the order in which a set would concatenate them.
pub(super) fn ways(rule: &Rule, place: Place) -> Result<Ways, Reason> {
    let family = place.family;
    let mut ways = Ways::always();
    let interfaces = [
        (&rule.in_interface, Meta::Iifname),
        (&rule.out_interface, Meta::Oifname),
    ];
    for (pattern, key) in interfaces {
        if let Some(pattern) = pattern {
            ways = ways.and(&interface(pattern, key)?);
        }
    }
    let addresses = [
        (&rule.source, family.saddr()),
        (&rule.destination, family.daddr()),
    ];
    for (wanted, key) in addresses {
        if let Some(wanted) = wanted {
            ways = ways.and(&address(wanted, key.into()));
        }
    }
    if let Some(wanted) = rule.protocol {
        ways = ways.and(&protocol(wanted, Meta::L4proto.into()));
    }
    if let Some(wanted) = rule.fragment {
        ways = ways.and(&fragment(wanted.is_inverted()));
    }
    Ok(ways)
}

/// `-f`: `ip frag-off & 0x1fff != 0`.
///
/// Source: linux v6.12, `net/ipv4/netfilter/ip_tables.c`, `ip_packet_match`.
fn fragment(negated: bool) -> Ways {
    let bytes = |number: u16| Value::new().and_bytes(&number.to_be_bytes());
    Ways::one(masked(
        Payload::IpFragOff,
        !negated,
        bytes(0x1fff),
        bytes(0),
    ))
}

/// An interface; `+` at the end stands for any rest.
fn interface(wanted: &Invertible<InterfacePattern>, key: Meta) -> Result<Ways, Reason> {
    let negated = wanted.is_inverted();
    let pattern = wanted.value().as_str();
    if let Some(prefix) = pattern.strip_suffix('+') {
        if prefix.is_empty() {
            return Ok(Ways::constant(!negated));
        }
        name(prefix)?;
        return Ok(Ways::one(Statement::Match(Match {
            key: key.into(),
            test: Test::Prefix {
                negated,
                prefix: prefix.to_owned(),
            },
        })));
    }
    let name = name(pattern)?;
    let operator = if negated {
        Operator::NotEqual
    } else {
        Operator::Equal
    };
    let value = Value::new().and_ifname(&name);
    Ok(Ways::one(Statement::compare(key, operator, value)))
}

/// A name, or the beginning of one, that nft can read.
fn name(text: &str) -> Result<IfName, Reason> {
    IfName::new(text).map_err(|error| {
        let message = format!("the interface name {text:?} cannot be said in nftables: {error}");
        Reason::new(message, "rename the interface")
    })
}

/// An address under a mask, which need not be a prefix.
pub(super) fn address(wanted: &Invertible<AddressMask>, key: Expr) -> Ways {
    let negated = wanted.is_inverted();
    let (address, mask): (IpAddr, IpAddr) = match *wanted.value() {
        AddressMask::Ipv4(address, mask) => (address.into(), mask.into()),
        AddressMask::Ipv6(address, mask) => (address.into(), mask.into()),
    };
    if mask.is_unspecified() {
        return Ways::constant(!negated);
    }
    let (mask, value) = (Value::new().and_ip(mask), Value::new().and_ip(address));
    Ways::one(masked(Key::from(key), negated, mask, value))
}

/// A transport protocol; 0 is all of them.
pub(super) fn protocol(wanted: Invertible<Protocol>, key: Expr) -> Ways {
    let number = wanted.value().0;
    if number == 0 {
        return Ways::always();
    }
    let operator = if wanted.is_inverted() {
        Operator::NotEqual
    } else {
        Operator::Equal
    };
    Ways::one(Statement::compare(
        Key::from(key),
        operator,
        Value::new().and_u8(number),
    ))
}
