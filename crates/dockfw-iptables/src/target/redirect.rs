//! `-j REDIRECT`: the packet goes to the host itself.

use std::fmt;

use super::Target;
use super::nat::{Choice, need_ports};
use crate::parse::{Args, Opt, read};
use crate::value::PortRange;

/// The redirect target: the destination becomes the first address of the interface of arrival,
/// or the loopback address for packets of the host.
///
/// Source: iptables 1.8.9, `extensions/libxt_NAT.c`, `REDIRECT_*`; linux v6.12,
/// `net/netfilter/nf_nat_redirect.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Redirect {
    /// `--to-ports`; `None` keeps the port.
    pub ports: Option<PortRange>,
    /// `--random`.
    pub choice: Choice,
}

impl fmt::Display for Redirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(" -j REDIRECT")?;
        if let Some(ports) = self.ports {
            f.write_str(" --to-ports ")?;
            ports.write(f, '-')?;
        }
        self.choice.fmt(f)
    }
}

pub(super) const OPTIONS: &[Opt] = {
    let [random, _, _] = Choice::OPTIONS;
    &[Opt::value(&["to-ports"]), random]
};

pub(super) fn parse(args: &mut Args<'_>) -> Option<Target> {
    if args.has("to-ports") {
        need_ports(args, "to-ports");
    }
    let redirect = Redirect {
        ports: args.value("to-ports", read::nat_ports),
        choice: Choice::read(args),
    };
    Some(Target::Redirect(redirect))
}
