//! `-j MASQUERADE`: the address of the outgoing interface becomes the source.

use std::fmt;

use crate::value::PortRange;

/// The masquerade target.
///
/// Source: iptables 1.8.9, `extensions/libxt_MASQUERADE.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Masquerade {
    /// `--to-ports`; `None` keeps the port where possible.
    pub ports: Option<PortRange>,
}

impl fmt::Display for Masquerade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(" -j MASQUERADE")?;
        match self.ports {
            Some(ports) => {
                f.write_str(" --to-ports ")?;
                ports.write(f, '-')
            }
            None => Ok(()),
        }
    }
}
