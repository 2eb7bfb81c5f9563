//! `-j TEE`: a copy of the packet goes elsewhere.

use std::fmt;
use std::net::IpAddr;

use super::Target;
use crate::address::write_address;
use crate::name::InterfacePattern;
use crate::parse::{Args, Bad, Opt, read};

/// The tee target; the packet itself goes on to the next rule.
///
/// Source: iptables 1.8.9, `extensions/libxt_TEE.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tee {
    /// `--gateway`: the host that gets the copy.
    pub gateway: IpAddr,
    /// `--oif`: the interface by which it is reached; never a pattern.
    pub interface: Option<InterfacePattern>,
}

impl fmt::Display for Tee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(" -j TEE --gateway ")?;
        write_address(f, self.gateway)?;
        match &self.interface {
            Some(interface) => write!(f, " --oif {interface}"),
            None => Ok(()),
        }
    }
}

pub(super) const OPTIONS: &[Opt] = &[Opt::value(&["gateway"]), Opt::value(&["oif"])];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Target> {
    args.need(&["gateway"]);
    let family = args.family;
    let interface = args.value("oif", |text| {
        let name = InterfacePattern::new(text).ok();
        let name = name.filter(|_| !text.ends_with('+'));
        name.ok_or_else(|| {
            Bad::new(
                format!("\"{text}\" is not an interface"),
                "write a name of at most 15 bytes",
            )
        })
    });
    let gateway = args.value("gateway", |text| read::address(text, family))?;
    Some(Target::Tee(Tee { gateway, interface }))
}
