//! Targets, `-j` and `-g`: verdicts and chains here, extensions in one file each.
//!
//! A new extension is a file with its type, its `Display` (the save text with a blank in front:
//! ` -j NAME --option value`), a variant here, and an arm in `Display` below.

pub mod classify;
pub mod connmark;
pub mod ct;
pub mod dscp;
pub mod log;
pub mod mark;
pub mod masquerade;
pub mod nat;
pub mod netmap;
pub mod nflog;
pub mod nfqueue;
pub mod notrack;
pub mod redirect;
mod registry;
pub mod reject;
pub mod tcpmss;
pub mod tee;
pub mod tos;
pub mod tproxy;
pub mod ttl;

use std::fmt;

use crate::name::ChainName;
use classify::Classify;
use connmark::Connmark;
use ct::Zone;
use dscp::SetDscp;
use log::Log;
use mark::SetMark;
use masquerade::Masquerade;
use nat::NatRange;
use netmap::Netmap;
use nflog::Nflog;
use nfqueue::Nfqueue;
use notrack::Notrack;
use redirect::Redirect;
pub(crate) use registry::{EXTENSIONS, UNSUPPORTED, is_extension};
use reject::Reject;
use tcpmss::Tcpmss;
use tee::Tee;
use tos::SetTos;
use tproxy::Tproxy;
use ttl::SetTtl;

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
    /// `-j REDIRECT`.
    Redirect(Redirect),
    /// `-j REJECT`: the packet is discarded and its sender told.
    Reject(Reject),
    /// `-j LOG`.
    Log(Log),
    /// `-j NFLOG`.
    Nflog(Nflog),
    /// `-j MARK`.
    Mark(SetMark),
    /// `-j CONNMARK`.
    Connmark(Connmark),
    /// `-j NOTRACK`, `-j CT --notrack`.
    Notrack(Notrack),
    /// `-j TCPMSS`.
    Tcpmss(Tcpmss),
    /// `-j CT --zone`.
    Zone(Zone),
    /// `-j CLASSIFY`.
    Classify(Classify),
    /// `-j DSCP`.
    Dscp(SetDscp),
    /// `-j TOS`.
    Tos(SetTos),
    /// `-j TTL`.
    Ttl(SetTtl),
    /// `-j HL`.
    Hl(SetTtl),
    /// `-j TEE`.
    Tee(Tee),
    /// `-j NETMAP`.
    Netmap(Netmap),
    /// `-j TPROXY`.
    Tproxy(Tproxy),
    /// `-j NFQUEUE`.
    Nfqueue(Nfqueue),
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
            Self::Redirect(value) => value.fmt(f),
            Self::Reject(value) => value.fmt(f),
            Self::Log(value) => value.fmt(f),
            Self::Nflog(value) => value.fmt(f),
            Self::Mark(value) => {
                f.write_str(" -j MARK")?;
                value.fmt(f)
            }
            Self::Connmark(value) => value.fmt(f),
            Self::Notrack(value) => value.fmt(f),
            Self::Tcpmss(value) => value.fmt(f),
            Self::Zone(value) => value.fmt(f),
            Self::Classify(value) => value.fmt(f),
            Self::Dscp(value) => value.fmt(f),
            Self::Tos(value) => value.fmt(f),
            Self::Ttl(value) => value.write(f, "TTL", "ttl"),
            Self::Hl(value) => value.write(f, "HL", "hl"),
            Self::Tee(value) => value.fmt(f),
            Self::Netmap(value) => value.fmt(f),
            Self::Tproxy(value) => value.fmt(f),
            Self::Nfqueue(value) => value.fmt(f),
        }
    }
}
