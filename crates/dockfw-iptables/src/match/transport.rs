//! What `-m tcp`, `-m udp` and `-m sctp` have in common: ports.

use std::fmt;

use super::Match;
use crate::parse::{Args, Opt, read};
use crate::value::{Invertible, PortRange, Protocol};

/// `--sport` and `--dport` of a transport protocol.
///
/// Source: iptables 1.8.9, `extensions/libxt_tcp.c`, `libxt_udp.c`, `libxt_sctp.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Ports {
    /// `--sport`; `None` matches every port.
    pub source: Option<Invertible<PortRange>>,
    /// `--dport`; `None` matches every port.
    pub destination: Option<Invertible<PortRange>>,
}

impl Ports {
    /// `--dport` with one port.
    pub const fn to(port: u16) -> Self {
        Self {
            source: None,
            destination: Some(Invertible::Is(PortRange::one(port))),
        }
    }

    /// `--sport` with one port.
    pub const fn from(port: u16) -> Self {
        Self {
            source: Some(Invertible::Is(PortRange::one(port))),
            destination: None,
        }
    }

    pub(super) fn write(&self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        f.write_str(name)?;
        for (ports, option) in [(self.source, "--sport"), (self.destination, "--dport")] {
            if let Some(ports) = ports.filter(|ports| !is_every(*ports)) {
                ports.write_option(f, option)?;
                ports.value().write(f, ':')?;
            }
        }
        Ok(())
    }

    /// Reads both options. All ports are as good as no option, and iptables-save prints none.
    pub(super) fn read(args: &mut Args<'_>) -> Self {
        let mut ports = |key| args.invertible(key, read::ports);
        let source = ports("source-port").filter(|ports| !is_every(*ports));
        let destination = ports("destination-port").filter(|ports| !is_every(*ports));
        Self {
            source,
            destination,
        }
    }
}

fn is_every(ports: Invertible<PortRange>) -> bool {
    matches!(
        ports,
        Invertible::Is(PortRange {
            first: 0,
            last: u16::MAX
        })
    )
}

/// `--sport`.
pub(super) const SOURCE: Opt = Opt::value(&["source-port", "sport"]).invertible();
/// `--dport`.
pub(super) const DESTINATION: Opt = Opt::value(&["destination-port", "dport"]).invertible();

pub(super) const UDP_OPTIONS: &[Opt] = &[SOURCE, DESTINATION];

pub(super) fn parse_udp(args: &mut Args<'_>) -> Option<Match> {
    args.need_protocol("", &[Protocol::UDP, Protocol(136)]);
    Some(Match::Udp(Ports::read(args)))
}
