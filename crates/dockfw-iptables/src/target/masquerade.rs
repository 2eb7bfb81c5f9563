//! `-j MASQUERADE`: the address of the outgoing interface becomes the source.

use std::fmt;

use super::Target;
use super::nat::{Choice, need_ports};
use crate::parse::{Args, Opt, read};
use crate::value::PortRange;

/// The masquerade target.
///
/// Source: iptables 1.8.9, `extensions/libxt_MASQUERADE.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Masquerade {
    /// `--to-ports`; `None` keeps the port where possible.
    pub ports: Option<PortRange>,
    /// How the port is chosen; an address is not chosen, so nothing persists.
    pub choice: Choice,
}

impl fmt::Display for Masquerade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(" -j MASQUERADE")?;
        if let Some(ports) = self.ports {
            f.write_str(" --to-ports ")?;
            ports.write(f, '-')?;
        }
        self.choice.fmt(f)
    }
}

pub(super) const OPTIONS: &[Opt] = {
    let [random, fully, _] = Choice::OPTIONS;
    &[Opt::value(&["to-ports"]), random, fully]
};

pub(super) fn parse(args: &mut Args<'_>) -> Option<Target> {
    if args.has("to-ports") {
        need_ports(args, "to-ports");
    }
    let masquerade = Masquerade {
        ports: args.value("to-ports", read::nat_ports),
        choice: Choice::read(args),
    };
    Some(Target::Masquerade(masquerade))
}
