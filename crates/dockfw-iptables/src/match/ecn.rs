//! `-m ecn`: explicit congestion notification.

use std::fmt;

use super::Match;
use crate::parse::{Args, Bad, Opt, read};
use crate::value::{Invertible, Protocol};

/// The ecn match; all parts must hold.
///
/// Source: iptables 1.8.9, `extensions/libxt_ecn.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Ecn {
    /// `--ecn-tcp-ece`: the flag ECE of TCP.
    pub ece: Option<Invertible<()>>,
    /// `--ecn-tcp-cwr`: the flag CWR of TCP.
    pub cwr: Option<Invertible<()>>,
    /// `--ecn-ip-ect`: the two bits of the IP header, 0 to 3.
    pub codepoint: Option<Invertible<u8>>,
}

impl fmt::Display for Ecn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(" -m ecn")?;
        for (flag, option) in [(self.ece, " --ecn-tcp-ece"), (self.cwr, " --ecn-tcp-cwr")] {
            match flag {
                Some(Invertible::Is(())) => f.write_str(option)?,
                Some(Invertible::Not(())) => write!(f, " !{option}")?,
                None => {}
            }
        }
        match &self.codepoint {
            Some(codepoint) => {
                codepoint.write_option(f, "--ecn-ip-ect")?;
                codepoint.value().fmt(f)
            }
            None => Ok(()),
        }
    }
}

pub(super) const OPTIONS: &[Opt] = &[
    Opt::flag(&["ecn-tcp-ece"]).invertible(),
    Opt::flag(&["ecn-tcp-cwr"]).invertible(),
    Opt::value(&["ecn-ip-ect"]).invertible(),
];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Match> {
    args.need(&["ecn-tcp-ece", "ecn-tcp-cwr", "ecn-ip-ect"]);
    for key in ["ecn-tcp-ece", "ecn-tcp-cwr"] {
        if args.has(key) {
            args.need_protocol(key, &[Protocol::TCP]);
        }
    }
    let codepoint = args.invertible("ecn-ip-ect", |text| match read::u8(text)? {
        codepoint @ 0..=3 => Ok(codepoint),
        other => Err(Bad::new(
            format!("{other} does not fit two bits"),
            "write a number from 0 to 3",
        )),
    });
    let ecn = Ecn {
        ece: args.flag("ecn-tcp-ece"),
        cwr: args.flag("ecn-tcp-cwr"),
        codepoint,
    };
    Some(ecn.into())
}
