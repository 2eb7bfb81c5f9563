//! `-m mac`: the source of the Ethernet frame.

use std::fmt;

use super::Match;
use crate::parse::{Args, Bad, Opt};
use crate::value::Invertible;

/// The mac match; packets that did not come from an Ethernet interface have no such address.
///
/// Source: iptables 1.8.9, `extensions/libxt_mac.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mac {
    /// `--mac-source`.
    pub source: Invertible<MacAddress>,
}

/// An Ethernet address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MacAddress(pub [u8; 6]);

impl MacAddress {
    fn parse(text: &str) -> Result<Self, Bad> {
        let octet = |part: &str| {
            let hex = part.len() <= 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
            u8::from_str_radix(part, 16).ok().filter(|_| hex)
        };
        let octets: Option<Vec<u8>> = text.split(':').map(octet).collect();
        let address = octets.and_then(|octets| octets.try_into().ok());
        address.map(Self).ok_or_else(|| {
            Bad::new(
                format!("\"{text}\" is not an Ethernet address"),
                "write six hexadecimal numbers with colons between them",
            )
        })
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, octet) in self.0.iter().enumerate() {
            let colon = if index > 0 { ":" } else { "" };
            write!(f, "{colon}{octet:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(" -m mac")?;
        self.source.write_option(f, "--mac-source")?;
        self.source.value().fmt(f)
    }
}

pub(super) const OPTIONS: &[Opt] = &[Opt::value(&["mac-source"]).invertible()];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Match> {
    args.need(&["mac-source"]);
    let source = args.invertible("mac-source", MacAddress::parse)?;
    Some(Mac { source }.into())
}
