//! Rules of iptables-legacy.

use std::net::{Ipv4Addr, Ipv6Addr};

use dockfw_iptables::{
    AddressMask, ChainName, Family, InterfacePattern, Invertible, Policy, Protocol, Rule, Target,
};
use dockfw_lower::import::clean::{FoundChain, FoundRule, More};
use dockfw_netlink::foreign::ForeignPolicy;
use dockfw_netlink::xtables::{XtChain, XtRule, XtTable, XtTarget};

use super::extension::{read_match, read_target};

/// The chains of a table.
pub(super) fn chains(family: Family, table: &XtTable) -> Vec<FoundChain> {
    let chain = |of: &XtChain| FoundChain {
        name: of.name.clone(),
        policy: of.policy.map(policy),
        rules: of.rules.iter().map(|of| rule(family, of)).collect(),
    };
    table.chains.iter().map(chain).collect()
}

pub(super) const fn policy(of: ForeignPolicy) -> Policy {
    match of {
        ForeignPolicy::Accept => Policy::Accept,
        ForeignPolicy::Drop => Policy::Drop,
    }
}

fn rule(family: Family, of: &XtRule) -> FoundRule {
    let read = match family {
        Family::Ipv4 => ipv4(&of.header),
        Family::Ipv6 => ipv6(&of.header),
    };
    let mut found = match read {
        Some(rule) => FoundRule::from(rule),
        None => FoundRule {
            rule: Rule::default(),
            more: vec![More::Expression("IP header".to_owned())],
        },
    };
    for extension in &of.matches {
        match read_match(&extension.name, extension.revision, &extension.data) {
            Ok(read) => found.rule.matches.push(read),
            Err(more) => found.more.push(more),
        }
    }
    let chain = |name: &str, to: fn(ChainName) -> Target| {
        let name_or = ChainName::new(name).ok();
        name_or.map(to).ok_or_else(|| More::Target(name.to_owned()))
    };
    let target = match &of.target {
        XtTarget::Continue => return found,
        XtTarget::Accept => Ok(Target::Accept),
        XtTarget::Drop => Ok(Target::Drop),
        XtTarget::Return => Ok(Target::Return),
        XtTarget::Jump(to) => chain(to, Target::Jump),
        XtTarget::Goto(to) => chain(to, Target::Goto),
        XtTarget::Other(verdict) => Err(More::Target(verdict.to_string())),
        XtTarget::Extension(of) => read_target(family, &of.name, of.revision, &of.data),
    };
    match target {
        Ok(target) => found.rule.target = Some(target),
        Err(more) => found.more.push(more),
    }
    found
}

fn array<const N: usize>(header: &[u8], at: usize) -> Option<[u8; N]> {
    header.get(at..)?.first_chunk().copied()
}

/// What the fields of both families have in common.
struct Fields {
    source: AddressMask,
    destination: AddressMask,
    /// Where names and masks of the interfaces stand.
    interfaces: usize,
    protocol: Option<u8>,
    inverted: u8,
}

/// `struct ipt_ip`
fn ipv4(header: &[u8]) -> Option<Rule> {
    const GOTO: u8 = 2;
    let address = |at| array(header, at).map(|of: [u8; 4]| Ipv4Addr::from(of));
    let protocol: [u8; 2] = array(header, 80)?;
    let [flags, inverted] = array(header, 82)?;
    // A fragment is none of what we look for.
    if flags & !GOTO != 0 {
        return None;
    }
    let number = u8::try_from(u16::from_ne_bytes(protocol)).ok()?;
    let fields = Fields {
        source: AddressMask::ipv4(address(0)?, address(8)?),
        destination: AddressMask::ipv4(address(4)?, address(12)?),
        interfaces: 16,
        protocol: (number != 0).then_some(number),
        inverted,
    };
    fields.rule(header)
}

/// `struct ip6t_ip6`
fn ipv6(header: &[u8]) -> Option<Rule> {
    const PROTOCOL: u8 = 1;
    const GOTO: u8 = 4;
    let address = |at| array(header, at).map(|of: [u8; 16]| Ipv6Addr::from(of));
    let protocol: [u8; 2] = array(header, 128)?;
    let [flags, inverted] = array(header, 131)?;
    if flags & !(PROTOCOL | GOTO) != 0 {
        return None;
    }
    let number = u8::try_from(u16::from_ne_bytes(protocol)).ok()?;
    let fields = Fields {
        source: AddressMask::ipv6(address(0)?, address(32)?),
        destination: AddressMask::ipv6(address(16)?, address(48)?),
        interfaces: 64,
        protocol: (flags & PROTOCOL != 0 && number != 0).then_some(number),
        inverted,
    };
    fields.rule(header)
}

impl Fields {
    fn rule(&self, header: &[u8]) -> Option<Rule> {
        // IPT_INV_VIA_IN and so on; IP6T_INV_* are the same.
        const IN: u8 = 1;
        const OUT: u8 = 2;
        const SOURCE: u8 = 8;
        const DESTINATION: u8 = 0x10;
        const PROTOCOL: u8 = 0x40;
        let inverted = |flag| self.inverted & flag != 0;
        if self.inverted & !(IN | OUT | SOURCE | DESTINATION | PROTOCOL) != 0 {
            return None;
        }
        let address = |of: AddressMask, flag| {
            (!of.is_any() || inverted(flag)).then(|| Invertible::new(inverted(flag), of))
        };
        let at = self.interfaces;
        Some(Rule {
            source: address(self.source, SOURCE),
            destination: address(self.destination, DESTINATION),
            in_interface: interface(header, at, inverted(IN))?,
            out_interface: interface(header, at + 16, inverted(OUT))?,
            protocol: self
                .protocol
                .map(|of| Invertible::new(inverted(PROTOCOL), Protocol(of))),
            ..Rule::default()
        })
    }
}

/// The name at a place, whose mask stands two names behind; the mask covers the final NUL unless
/// more may follow.
#[expect(clippy::option_option, reason = "absent is not the same as unreadable")]
fn interface(
    header: &[u8],
    at: usize,
    inverted: bool,
) -> Option<Option<Invertible<InterfacePattern>>> {
    let name: [u8; 16] = array(header, at)?;
    let mask: [u8; 16] = array(header, at + 32)?;
    let covered = mask.iter().take_while(|byte| **byte != 0).count();
    if covered == 0 {
        return (!inverted).then_some(None);
    }
    let text = name.split(|byte| *byte == 0).next()?;
    let text = std::str::from_utf8(text).ok()?;
    let pattern = if covered > text.len() {
        InterfacePattern::new(text).ok()?
    } else {
        InterfacePattern::new(&format!("{text}+")).ok()?
    };
    Some(Some(Invertible::new(inverted, pattern)))
}
