//! `-m tcp`, `-m udp`, `-m sctp`: the ports they have in common.

use std::fmt;

use crate::value::{Invertible, PortRange};

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
        if let Some(ports) = &self.source {
            ports.write_option(f, "--sport")?;
            ports.value().write(f, ':')?;
        }
        if let Some(ports) = &self.destination {
            ports.write_option(f, "--dport")?;
            ports.value().write(f, ':')?;
        }
        Ok(())
    }
}
