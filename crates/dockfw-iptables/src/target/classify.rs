//! `-j CLASSIFY`: the class for queueing disciplines.

use std::fmt;

use super::Target;
use crate::parse::{Args, Bad, Opt};

/// `--set-class major:minor`; the packet goes on to the next rule.
///
/// Source: iptables 1.8.9, `extensions/libxt_CLASSIFY.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Classify {
    /// The number of the queueing discipline.
    pub major: u16,
    /// The number of the class in it.
    pub minor: u16,
}

impl fmt::Display for Classify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { major, minor } = self;
        write!(f, " -j CLASSIFY --set-class {major:04x}:{minor:04x}")
    }
}

pub(super) const OPTIONS: &[Opt] = &[Opt::value(&["set-class"])];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Target> {
    args.need(&["set-class"]);
    args.value("set-class", class).map(Target::Classify)
}

/// Two hexadecimal numbers.
fn class(text: &str) -> Result<Classify, Bad> {
    let number = |text: &str| {
        let plain = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        u16::from_str_radix(text, 16).ok().filter(|_| plain)
    };
    let pair = text.split_once(':');
    let class = pair.and_then(|(major, minor)| {
        Some(Classify {
            major: number(major)?,
            minor: number(minor)?,
        })
    });
    class.ok_or_else(|| {
        Bad::new(
            format!("\"{text}\" is not a class"),
            "write two hexadecimal numbers up to ffff, such as 1:a",
        )
    })
}
