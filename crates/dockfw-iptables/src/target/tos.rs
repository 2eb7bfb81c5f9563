//! `-j TOS`: bits of the type of service, or of the traffic class.

use std::fmt;

use super::Target;
use crate::r#match::tos;
use crate::parse::{Args, Opt, read};

/// `--set-tos value/mask`: `byte = (byte & !mask) ^ value`; the packet goes on to the next rule.
///
/// Source: iptables 1.8.9, `extensions/libxt_TOS.c`; linux v6.12, `net/netfilter/xt_DSCP.c`,
/// `tos_tg`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SetTos {
    /// The bits that change.
    pub value: u8,
    /// The bits that are cleared first.
    pub mask: u8,
}

impl SetTos {
    /// The byte afterwards.
    pub const fn apply(self, byte: u8) -> u8 {
        (byte & !self.mask) ^ self.value
    }
}

impl fmt::Display for SetTos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            " -j TOS --set-tos 0x{:02x}/0x{:02x}",
            self.value, self.mask
        )
    }
}

const KEYS: [&str; 4] = ["set-tos", "and-tos", "or-tos", "xor-tos"];

pub(super) const OPTIONS: &[Opt] = &[
    Opt::value(&["set-tos"]),
    Opt::value(&["and-tos"]),
    Opt::value(&["or-tos"]),
    Opt::value(&["xor-tos"]),
];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Target> {
    args.need(&KEYS);
    args.only_one(&KEYS);
    let key = KEYS.into_iter().find(|key| args.has(key))?;
    let (value, mask) = args.value(key, |text| match key {
        "set-tos" => tos::value(text),
        "and-tos" => read::u8(text).map(|kept| (0, !kept)),
        "or-tos" => read::u8(text).map(|set| (set, set)),
        _ => read::u8(text).map(|turned| (turned, 0)),
    })?;
    Some(Target::Tos(SetTos { value, mask }))
}
