//! `-j NFLOG`: the packet is shown to a program; it goes on to the next rule.

use std::fmt;

use super::Target;
use super::log::cut;
use crate::r#match::comment::write_string;
use crate::parse::{Args, Opt, read};

/// The nflog target.
///
/// Source: iptables 1.8.9, `extensions/libxt_NFLOG.c`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Nflog {
    /// `--nflog-prefix`: at most 63 bytes.
    pub prefix: Box<str>,
    /// `--nflog-group`.
    pub group: u16,
    /// `--nflog-size`: how many bytes of the packet are shown; `None` for all.
    pub size: Option<u32>,
    /// `--nflog-threshold`: how many packets are collected; 0 leaves it to the group.
    pub threshold: u16,
}

impl Nflog {
    /// The longest prefix in bytes, without the terminating NUL; iptables cuts what is longer.
    pub const MAX_PREFIX: usize = 63;
}

impl fmt::Display for Nflog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(" -j NFLOG")?;
        if !self.prefix.is_empty() {
            f.write_str(" --nflog-prefix ")?;
            write_string(f, &self.prefix)?;
        }
        if self.group != 0 {
            write!(f, " --nflog-group {}", self.group)?;
        }
        if let Some(size) = self.size {
            write!(f, " --nflog-size {size}")?;
        }
        if self.threshold != 0 {
            write!(f, " --nflog-threshold {}", self.threshold)?;
        }
        Ok(())
    }
}

pub(super) const OPTIONS: &[Opt] = &[
    Opt::value(&["nflog-prefix"]),
    Opt::value(&["nflog-group"]),
    Opt::value(&["nflog-size"]),
    Opt::value(&["nflog-threshold"]),
];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Target> {
    let prefix = args.value("nflog-prefix", |text| {
        read::string(cut(text, Nflog::MAX_PREFIX), Nflog::MAX_PREFIX)
    });
    let nflog = Nflog {
        prefix: prefix.unwrap_or_default(),
        group: args.value("nflog-group", read::u16).unwrap_or_default(),
        size: args.value("nflog-size", read::u32),
        threshold: args.value("nflog-threshold", read::u16).unwrap_or_default(),
    };
    Some(Target::Nflog(nflog))
}
