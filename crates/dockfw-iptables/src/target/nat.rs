//! What DNAT and SNAT rewrite to.

use std::fmt::{self, Write as _};
use std::net::IpAddr;

use super::Target;
use crate::address::write_address;
use crate::parse::{Args, Bad, ErrorKind, Opt, read};
use crate::program::Family;
use crate::value::{PortRange, Protocol};

/// `[address[-address]][:port[-port]]`: the values one of which is chosen.
///
/// Source: iptables 1.8.9, `extensions/libxt_NAT.c`, `print_range`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct NatRange {
    /// The lowest and the highest address, of the program's family; `None` keeps the packet's.
    pub addresses: Option<(IpAddr, IpAddr)>,
    /// The ports; `None` keeps the packet's where possible.
    pub ports: Option<PortRange>,
    /// How a value is chosen.
    pub choice: Choice,
}

/// How address translation chooses among the values of a range.
///
/// Source: uapi linux/netfilter/nf_nat.h, `NF_NAT_RANGE_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Choice {
    /// `--random`: the port from a hash of the connection.
    pub random: bool,
    /// `--random-fully`: the port at random.
    pub fully_random: bool,
    /// `--persistent`: a client gets the same address for all its connections.
    pub persistent: bool,
}

impl Choice {
    const NONE: Self = Self {
        random: false,
        fully_random: false,
        persistent: false,
    };

    pub(super) const OPTIONS: [Opt; 3] = [
        Opt::flag(&["random"]),
        Opt::flag(&["random-fully"]),
        Opt::flag(&["persistent"]),
    ];

    pub(super) fn read(args: &Args<'_>) -> Self {
        Self {
            random: args.has("random"),
            fully_random: args.has("random-fully"),
            persistent: args.has("persistent"),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = [
            (self.random, " --random"),
            (self.fully_random, " --random-fully"),
            (self.persistent, " --persistent"),
        ];
        let set = options.into_iter().filter(|(set, _)| *set);
        set.map(|(_, option)| option)
            .try_for_each(|option| f.write_str(option))
    }
}

impl NatRange {
    /// One address, the port stays.
    pub const fn address(address: IpAddr) -> Self {
        Self {
            addresses: Some((address, address)),
            ports: None,
            choice: Choice::NONE,
        }
    }

    /// One address and port.
    pub const fn socket(address: IpAddr, port: u16) -> Self {
        Self {
            addresses: Some((address, address)),
            ports: Some(PortRange::one(port)),
            choice: Choice::NONE,
        }
    }
}

impl fmt::Display for NatRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((first, last)) = self.addresses {
            let bracket = first.is_ipv6() && self.ports.is_some();
            if bracket {
                f.write_char('[')?;
            }
            write_address(f, first)?;
            if first != last {
                f.write_char('-')?;
                write_address(f, last)?;
            }
            if bracket {
                f.write_char(']')?;
            }
        }
        if let Some(ports) = self.ports {
            f.write_char(':')?;
            ports.write(f, '-')?;
        }
        self.choice.fmt(f)
    }
}

impl NatRange {
    /// Reads `[address[-address]][:port[-port]]`; IPv6 addresses with ports stand in brackets.
    fn parse(text: &str, family: Family) -> Result<Self, Bad> {
        let (addresses, ports) = match family {
            Family::Ipv4 => match text.split_once(':') {
                Some((addresses, ports)) => (addresses, Some(ports)),
                None => (text, None),
            },
            Family::Ipv6 => match text.strip_prefix('[') {
                None => (text, None),
                Some(inside) => match inside.split_once(']') {
                    Some((addresses, "")) => (addresses, None),
                    Some((addresses, rest)) => (addresses, rest.strip_prefix(':')),
                    None => {
                        return Err(Bad::new(
                            format!("the bracket in \"{text}\" is not closed"),
                            "write [address]:port",
                        ));
                    }
                },
            },
        };
        if ports.is_some_and(|ports| ports.contains('/')) {
            return Err(Bad::unsupported(
                "DNAT",
                "a shift of ports has no native nftables form",
                "write one rule for each port",
            ));
        }
        let addresses = match addresses {
            "" => None,
            _ => Some(read::addresses(addresses, family)?),
        };
        let ports = ports.filter(|ports| !ports.is_empty());
        Ok(Self {
            addresses,
            ports: ports.map(read::nat_ports).transpose()?,
            choice: Choice::NONE,
        })
    }
}

/// The protocols for which iptables takes ports in address translation.
///
/// Source: iptables 1.8.9, `extensions/libxt_NAT.c`, `parse_to`.
const WITH_PORTS: [Protocol; 5] = [
    Protocol::TCP,
    Protocol::UDP,
    Protocol::SCTP,
    Protocol(33),
    Protocol::ICMP,
];

/// Insists on a protocol with ports when an option names ports.
pub(super) fn need_ports(args: &mut Args<'_>, key: &str) {
    if !args.has_protocol(&WITH_PORTS) {
        args.refuse(
            key,
            ErrorKind::Contradictory,
            "ports need a rule with -p and a protocol that has ports",
            "add -p tcp or -p udp",
        );
    }
}

pub(super) const DNAT_OPTIONS: &[Opt] = {
    let [random, _, persistent] = Choice::OPTIONS;
    &[Opt::value(&["to-destination"]), random, persistent]
};

pub(super) fn parse_dnat(args: &mut Args<'_>) -> Option<Target> {
    parse(args, "to-destination").map(Target::Dnat)
}

pub(super) const SNAT_OPTIONS: &[Opt] = {
    let [random, fully, persistent] = Choice::OPTIONS;
    &[Opt::value(&["to-source"]), random, fully, persistent]
};

pub(super) fn parse_snat(args: &mut Args<'_>) -> Option<Target> {
    parse(args, "to-source").map(Target::Snat)
}

fn parse(args: &mut Args<'_>, key: &str) -> Option<NatRange> {
    args.need(&[key]);
    let family = args.family;
    let mut range = args.value(key, |text| NatRange::parse(text, family))?;
    if range.ports.is_some() {
        need_ports(args, key);
    }
    range.choice = Choice::read(args);
    Some(range)
}
