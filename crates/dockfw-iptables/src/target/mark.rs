//! `-j MARK`: changes the packet's mark; the packet goes on to the next rule.

use std::fmt;

use super::Target;
use crate::parse::{Args, Bad, Opt, read};

/// `--set-xmark value/mask`: `mark = (mark & !mask) ^ value`.
///
/// Source: iptables 1.8.9, `extensions/libxt_MARK.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SetMark {
    /// The bits that change, in host byte order.
    pub value: u32,
    /// The bits that are cleared first.
    pub mask: u32,
}

impl SetMark {
    /// The mark afterwards.
    pub const fn apply(self, mark: u32) -> u32 {
        (mark & !self.mask) ^ self.value
    }

    pub(super) const KEYS: [&'static str; 5] =
        ["set-xmark", "set-mark", "and-mark", "or-mark", "xor-mark"];

    /// Reads the one of the five options that was given.
    pub(super) fn read(args: &mut Args<'_>) -> Option<Self> {
        let key = Self::KEYS.into_iter().find(|key| args.has(key))?;
        args.value(key, |text| Self::parse(key, text))
    }

    fn parse(key: &str, text: &str) -> Result<Self, Bad> {
        let (value, mask) = match key {
            "set-xmark" => read::masked(text)?,
            // Setting a bit outside the mask clears it first.
            "set-mark" => {
                let (value, mask) = read::masked(text)?;
                (value, mask | value)
            }
            "and-mark" => (0, !read::u32(text)?),
            "or-mark" => {
                let value = read::u32(text)?;
                (value, value)
            }
            _ => (read::u32(text)?, 0),
        };
        Ok(Self { value, mask })
    }
}

impl fmt::Display for SetMark {
    /// Writes the option without the target.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " --set-xmark {:#x}/{:#x}", self.value, self.mask)
    }
}

pub(super) const OPTIONS: &[Opt] = &[
    Opt::value(&["set-xmark"]),
    Opt::value(&["set-mark"]),
    Opt::value(&["and-mark"]),
    Opt::value(&["or-mark"]),
    Opt::value(&["xor-mark"]),
];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Target> {
    args.need(&SetMark::KEYS);
    args.only_one(&SetMark::KEYS);
    SetMark::read(args).map(Target::Mark)
}
