//! `-m dccp`: the ports and the type of a DCCP packet.

use std::fmt;

use super::Match;
use super::transport::{DESTINATION, Ports, SOURCE};
use crate::parse::{Args, Bad, Opt, read};
use crate::value::{Invertible, Protocol};

/// The dccp match; the rule has `-p dccp`.
///
/// Source: iptables 1.8.9, `extensions/libxt_dccp.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Dccp {
    /// `--sport` and `--dport`.
    pub ports: Ports,
    /// `--dccp-types`: bit 0 is the type 0, up to bit 15.
    pub types: Option<Invertible<u16>>,
    /// `--dccp-option`: the number of an option that the header has.
    pub option: Option<Invertible<u8>>,
}

/// The names of the types, RFC 4340 §5.1; `INVALID` is the first number behind them.
const TYPES: [(u16, &str); 11] = [
    (0, "REQUEST"),
    (1, "RESPONSE"),
    (2, "DATA"),
    (3, "ACK"),
    (4, "DATAACK"),
    (5, "CLOSEREQ"),
    (6, "CLOSE"),
    (7, "RESET"),
    (8, "SYNC"),
    (9, "SYNCACK"),
    (10, "INVALID"),
];

impl fmt::Display for Dccp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ports.write(f, " -m dccp")?;
        if let Some(types) = self.types {
            types.write_option(f, "--dccp-types")?;
            let set = TYPES.iter();
            let set = set.filter(|(kind, _)| types.value() >> kind & 1 == 1);
            super::addrtype::write_list(f, set.map(|(_, name)| *name))?;
        }
        if let Some(option) = self.option {
            option.write_option(f, "--dccp-option")?;
            option.value().fmt(f)?;
        }
        Ok(())
    }
}

pub(super) const OPTIONS: &[Opt] = &[
    SOURCE,
    DESTINATION,
    Opt::value(&["dccp-types"]).invertible(),
    Opt::value(&["dccp-option"]).invertible(),
];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Match> {
    args.need_protocol("", &[Protocol(33)]);
    let ports = Ports::read(args);
    let types = args.invertible("dccp-types", |text| {
        let mut all = 0;
        for part in text.split(',') {
            all |= 1_u16 << read::name(part, "a type of DCCP packets", &TYPES)?;
        }
        Ok::<u16, Bad>(all)
    });
    let option = args.invertible("dccp-option", read::u8);
    Some(
        Dccp {
            ports,
            types,
            option,
        }
        .into(),
    )
}
