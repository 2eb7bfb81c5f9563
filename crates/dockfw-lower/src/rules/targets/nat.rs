//! `DNAT`, `SNAT`, `MASQUERADE` and `REDIRECT`.

use std::net::IpAddr;

use dockfw_iptables::target::masquerade::Masquerade as XtMasquerade;
use dockfw_iptables::target::nat::{Choice, NatRange};
use dockfw_iptables::target::netmap::Netmap;
use dockfw_iptables::target::redirect::Redirect;
use dockfw_iptables::{PortRange, TableName};
use dockfw_ir::chain::Hook;
use dockfw_ir::statement::nat::NatFlags;
use dockfw_ir::statement::{Masquerade, Nat, NatKind, NatTarget, Statement};

use crate::rules::{Place, Reason};
use ipnet::IpNet;

fn flags(choice: Choice) -> NatFlags {
    NatFlags {
        random: choice.random,
        fully_random: choice.fully_random,
        persistent: choice.persistent,
    }
}

fn pair(ports: Option<PortRange>) -> Option<(u16, u16)> {
    ports.map(|of| (of.first, of.last))
}

pub(super) fn dnat(value: &NatRange, place: Place) -> Result<Vec<Statement>, Reason> {
    translate(NatKind::Dnat, value, place)
}

pub(super) fn snat(value: &NatRange, place: Place) -> Result<Vec<Statement>, Reason> {
    translate(NatKind::Snat, value, place)
}

/// Source: linux v6.12, `net/netfilter/xt_nat.c`; `net/netfilter/nft_nat.c`.
fn translate(kind: NatKind, value: &NatRange, place: Place) -> Result<Vec<Statement>, Reason> {
    debug_assert_eq!(place.table, TableName::Nat);
    let ports = pair(value.ports);
    let reversed = ports.is_some_and(|(first, last)| first > last)
        || value.addresses.is_some_and(|(first, last)| first > last);
    if reversed {
        return Err(Reason::new(
            "the end of the range is below its begin",
            "write the lower one first",
        ));
    }
    let target = match (value.addresses, ports) {
        (Some((IpAddr::V4(first), IpAddr::V4(last))), ports) => NatTarget::Ipv4 {
            addresses: (first, last),
            ports,
        },
        (Some((IpAddr::V6(first), IpAddr::V6(last))), ports) => NatTarget::Ipv6 {
            addresses: (first, last),
            ports,
        },
        (None, Some((first, last))) => NatTarget::Ports(first, last),
        (Some(_) | None, _) => {
            return Err(Reason::new(
                "the translation leads nowhere",
                "write an address, a port or both",
            ));
        }
    };
    Ok(vec![Statement::Nat(Nat {
        kind,
        target,
        flags: flags(value.choice),
    })])
}

pub(super) fn masquerade(value: XtMasquerade) -> Vec<Statement> {
    vec![Statement::Masquerade(Masquerade {
        ports: pair(value.ports),
        flags: flags(value.choice),
    })]
}

pub(super) fn redirect(value: Redirect) -> Vec<Statement> {
    vec![Statement::Redirect {
        ports: pair(value.ports),
        flags: flags(value.choice),
    }]
}

/// `dnat ip prefix to 192.0.2.0/24`; a whole address is one to translate to.
///
/// Source: linux v6.12, `net/netfilter/xt_NETMAP.c`, `netmap_tg4`; `nft_nat.c`,
/// `nft_nat_setup_netmap`.
pub(super) fn netmap(value: Netmap, place: Place) -> Result<Vec<Statement>, Reason> {
    let destination = place.hooks.any(&[Hook::Prerouting, Hook::Output]);
    let source = place.hooks.any(&[Hook::Postrouting, Hook::Input]);
    if destination && source {
        return Err(Reason::new(
            "NETMAP maps destinations in PREROUTING and OUTPUT and sources in the others, and \
             packets get here from both",
            "make one chain for each",
        ));
    }
    let target = match value.to {
        IpNet::V4(to) if to.prefix_len() == to.max_prefix_len() => NatTarget::Ipv4 {
            addresses: (to.addr(), to.addr()),
            ports: None,
        },
        IpNet::V6(to) if to.prefix_len() == to.max_prefix_len() => NatTarget::Ipv6 {
            addresses: (to.addr(), to.addr()),
            ports: None,
        },
        to @ (IpNet::V4(_) | IpNet::V6(_)) => NatTarget::Prefix(to),
    };
    Ok(vec![Statement::Nat(Nat {
        kind: if source { NatKind::Snat } else { NatKind::Dnat },
        target,
        flags: NatFlags::default(),
    })])
}
