//! Targets, `-j` and `-g`: verdicts and chains here, extensions in one file each.
//!
//! A new extension is a file with its type, its `Display` (the save text with a blank in front:
//! ` -j NAME --option value`), a variant here, and an arm in `Display` below.

pub mod masquerade;
pub mod nat;

use std::fmt;

use crate::name::ChainName;
use masquerade::Masquerade;
use nat::NatRange;

/// What happens to a packet that a rule matches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// `-j ACCEPT`: the packet leaves the table.
    Accept,
    /// `-j DROP`: the packet is discarded.
    Drop,
    /// `-j RETURN`: back to the calling chain, or to the policy.
    Return,
    /// `-j chain`.
    Jump(ChainName),
    /// `-g chain`: like a jump, but a return goes to the chain that jumped last.
    Goto(ChainName),
    /// `-j DNAT --to-destination`.
    Dnat(NatRange),
    /// `-j SNAT --to-source`.
    Snat(NatRange),
    /// `-j MASQUERADE`.
    Masquerade(Masquerade),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accept => f.write_str(" -j ACCEPT"),
            Self::Drop => f.write_str(" -j DROP"),
            Self::Return => f.write_str(" -j RETURN"),
            Self::Jump(chain) => {
                f.write_str(" -j ")?;
                f.write_str(chain.as_str())
            }
            Self::Goto(chain) => {
                f.write_str(" -g ")?;
                f.write_str(chain.as_str())
            }
            Self::Dnat(range) => {
                f.write_str(" -j DNAT --to-destination ")?;
                range.fmt(f)
            }
            Self::Snat(range) => {
                f.write_str(" -j SNAT --to-source ")?;
                range.fmt(f)
            }
            Self::Masquerade(value) => value.fmt(f),
        }
    }
}
