//! Rules that iptables-nft has made: its own expressions, and matches and targets of xtables.
//!
//! Every test loads something into a register, perhaps masks it, and compares it. Versions differ
//! in what they express so and what by a match of xtables; both are read.
//!
//! Source: iptables 1.8.9, `iptables/nft-shared.c`, `nft-ipv4.c`, `nft-ipv6.c`, `nft.c`; 1.8.2 for
//! the older forms.

mod compare;

use dockfw_iptables::r#match::sctp::Sctp;
use dockfw_iptables::r#match::tcp::Tcp;
use dockfw_iptables::r#match::transport::Ports;
use dockfw_iptables::target::masquerade::Masquerade;
use dockfw_iptables::{ChainName, Family, Invertible, Match, Protocol, Rule, Target};
use dockfw_lower::import::clean::{FoundChain, FoundRule, More};
use dockfw_netlink::foreign::{ForeignChain, ForeignRule, RawExpression};
use dockfw_netlink::sys::nf_tables as uapi;
use dockfw_netlink::wire::Attributes;

use super::extension::{read_match, read_target};
use super::legacy::policy;
use compare::Loaded;

/// The chains of a table.
pub(super) fn chains(family: Family, chains: &[ForeignChain]) -> Vec<FoundChain> {
    let chain = |of: &ForeignChain| FoundChain {
        name: of.name.clone(),
        policy: of.policy.map(policy),
        rules: of.rules.iter().map(|of| rule(family, of)).collect(),
    };
    chains.iter().map(chain).collect()
}

/// Reads a rule.
fn rule(family: Family, of: &ForeignRule) -> FoundRule {
    let mut reader = Reader {
        family,
        rule: Rule::default(),
        more: Vec::new(),
        loaded: None,
        ports: Ports::default(),
        ports_at: None,
    };
    for expression in &of.expressions {
        if reader.read(expression).is_none() {
            reader.loaded = None;
            reader.more.push(More::Expression(expression.name.clone()));
        }
    }
    reader.finish()
}

/// A rule that is being read.
struct Reader {
    family: Family,
    rule: Rule,
    more: Vec<More>,
    /// What is in the register.
    loaded: Option<Loaded>,
    ports: Ports,
    /// How many matches there were in front of the ports.
    ports_at: Option<usize>,
}

impl Reader {
    /// Reads an expression; `None` when it is none that we know.
    fn read(&mut self, expression: &RawExpression) -> Option<()> {
        let attributes = expression.attributes();
        match expression.name.as_str() {
            "counter" => Some(()),
            "meta" | "payload" => {
                let loaded = Loaded::read(self.family, &expression.name, attributes)?;
                // A test that has no comparison is none of what we know.
                self.loaded.replace(loaded).is_none().then_some(())
            }
            "bitwise" => self.loaded.as_mut()?.mask(attributes),
            "cmp" => {
                let loaded = self.loaded.take()?;
                self.compare(&loaded, attributes)
            }
            "range" => {
                let loaded = self.loaded.take()?;
                self.range(&loaded, attributes)
            }
            "match" => {
                let (name, revision, data) = extension(attributes)?;
                match read_match(name, revision, data) {
                    Ok(read) => self.rule.matches.push(read),
                    Err(more) => self.more.push(more),
                }
                Some(())
            }
            "target" => {
                let (name, revision, data) = extension(attributes)?;
                match read_target(self.family, name, revision, data) {
                    Ok(read) => self.set_target(read)?,
                    Err(more) => self.more.push(more),
                }
                Some(())
            }
            "immediate" => {
                let target = verdict(attributes)?;
                self.set_target(target)
            }
            "masq" if attributes.get(1).is_none() && attributes.get(2).is_none() => {
                self.set_target(Target::Masquerade(Masquerade::default()))
            }
            _ => None,
        }
    }

    fn set_target(&mut self, target: Target) -> Option<()> {
        self.rule.target.replace(target).is_none().then_some(())
    }

    /// Puts the ports into the match of their protocol.
    fn finish(mut self) -> FoundRule {
        if self.loaded.is_some() {
            self.more.push(More::Expression("load".to_owned()));
        }
        if let Some(at) = self.ports_at {
            let of = match self.rule.protocol {
                Some(Invertible::Is(Protocol::TCP)) => Match::Tcp(Tcp::from(self.ports)),
                Some(Invertible::Is(Protocol::UDP)) => Match::Udp(self.ports),
                Some(Invertible::Is(Protocol::SCTP)) => Match::Sctp(Sctp::from(self.ports)),
                Some(_) | None => {
                    self.more.push(More::Expression("payload".to_owned()));
                    return FoundRule {
                        rule: self.rule,
                        more: self.more,
                    };
                }
            };
            self.rule.matches.insert(at, of);
        }
        FoundRule {
            rule: self.rule,
            more: self.more,
        }
    }
}

/// Name, revision and data of a match or target; the attributes of both have the same numbers.
fn extension(attributes: Attributes<'_>) -> Option<(&str, u8, &[u8])> {
    const NAME: u16 = 1;
    const REVISION: u16 = 2;
    const INFO: u16 = 3;
    let revision = attributes.get(REVISION)?.u32()?;
    let data = attributes.get(INFO)?.payload;
    Some((
        attributes.get(NAME)?.text()?,
        u8::try_from(revision).ok()?,
        data,
    ))
}

/// The verdict of an `immediate`.
fn verdict(attributes: Attributes<'_>) -> Option<Target> {
    let register = attributes.get(uapi::NFTA_IMMEDIATE_DREG)?.u32()?;
    let data = attributes.get(uapi::NFTA_IMMEDIATE_DATA)?.attributes();
    let verdict = data.get(uapi::NFTA_DATA_VERDICT)?.attributes();
    let code = verdict.get(uapi::NFTA_VERDICT_CODE)?.i32()?;
    if register != uapi::NFT_REG_VERDICT {
        return None;
    }
    let chain = || {
        let name = verdict.get(uapi::NFTA_VERDICT_CHAIN)?.text()?;
        ChainName::new(name).ok()
    };
    match code {
        uapi::NF_ACCEPT => Some(Target::Accept),
        uapi::NF_DROP => Some(Target::Drop),
        uapi::NFT_RETURN => Some(Target::Return),
        uapi::NFT_JUMP => chain().map(Target::Jump),
        uapi::NFT_GOTO => chain().map(Target::Goto),
        _ => None,
    }
}
