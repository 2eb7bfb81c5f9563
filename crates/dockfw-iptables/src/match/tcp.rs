//! `-m tcp`: ports, flags and options of a TCP header.

use std::fmt;

use super::Match;
use super::addrtype::write_list;
use super::transport::{DESTINATION, Ports, SOURCE};
use crate::parse::{Args, Bad, Opt, read};
use crate::value::{Invertible, Protocol};

/// The tcp match; the rule has `-p tcp`.
///
/// Source: iptables 1.8.9, `extensions/libxt_tcp.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Tcp {
    /// `--sport` and `--dport`.
    pub ports: Ports,
    /// `--tcp-option`: the header has an option of this kind.
    pub option: Option<Invertible<u8>>,
    /// `--tcp-flags`: which flags are looked at, and which of them are set. `--syn` is `SYN` of
    /// `FIN,SYN,RST,ACK`.
    pub flags: Option<Invertible<(TcpFlags, TcpFlags)>>,
}

impl From<Ports> for Tcp {
    fn from(ports: Ports) -> Self {
        Self {
            ports,
            ..Self::default()
        }
    }
}

/// A set of TCP flags, as byte 13 of the header has them; ECE and CWR cannot be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct TcpFlags(u8);

impl TcpFlags {
    /// The sender has no more data.
    pub const FIN: Self = Self(1);
    /// The sender opens the connection.
    pub const SYN: Self = Self(2);
    /// The connection is reset.
    pub const RST: Self = Self(4);
    /// Data is to be delivered at once.
    pub const PSH: Self = Self(8);
    /// The acknowledgement number counts.
    pub const ACK: Self = Self(16);
    /// The urgent pointer counts.
    pub const URG: Self = Self(32);

    const ALL: Self = Self(63);

    const NAMES: [(Self, &'static str); 6] = [
        (Self::FIN, "FIN"),
        (Self::SYN, "SYN"),
        (Self::RST, "RST"),
        (Self::PSH, "PSH"),
        (Self::ACK, "ACK"),
        (Self::URG, "URG"),
    ];

    /// The flags in a byte of a header; other bits are left out.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & Self::ALL.0)
    }

    /// The flags as bits of the header's byte.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The flags of both.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn parse(text: &str) -> Result<Self, Bad> {
        match text.to_ascii_uppercase().as_str() {
            "ALL" => Ok(Self::ALL),
            "NONE" => Ok(Self::default()),
            _ => read::list(text, "a TCP flag, ALL or NONE", &Self::NAMES, Self::or),
        }
    }
}

impl fmt::Display for TcpFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("NONE");
        }
        let names = Self::NAMES.iter().filter(|(flag, _)| self.0 & flag.0 != 0);
        write_list(f, names.map(|(_, name)| *name))
    }
}

impl fmt::Display for Tcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ports.write(f, " -m tcp")?;
        if let Some(option) = &self.option {
            option.write_option(f, "--tcp-option")?;
            option.value().fmt(f)?;
        }
        if let Some(flags) = &self.flags {
            flags.write_option(f, "--tcp-flags")?;
            let (mask, set) = flags.value();
            write!(f, "{mask} {set}")?;
        }
        Ok(())
    }
}

pub(super) const OPTIONS: &[Opt] = &[
    SOURCE,
    DESTINATION,
    Opt::flag(&["syn"]).invertible(),
    Opt::pair(&["tcp-flags"]).invertible(),
    Opt::value(&["tcp-option"]).invertible(),
];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Match> {
    args.need_protocol("", &[Protocol::TCP]);
    args.only_one(&["syn", "tcp-flags"]);
    let ports = Ports::read(args);
    let option = args.invertible("tcp-option", |text| match read::u8(text)? {
        0 => Err(Bad::new(
            "0 ends the options",
            "write a number from 1 to 255",
        )),
        option => Ok(option),
    });
    let syn = args.flag("syn").map(|syn| {
        let looked_at = [TcpFlags::FIN, TcpFlags::SYN, TcpFlags::RST, TcpFlags::ACK];
        let mask = looked_at
            .into_iter()
            .fold(TcpFlags::default(), TcpFlags::or);
        syn.map(|()| (mask, TcpFlags::SYN))
    });
    let flags = args.pair("tcp-flags", |mask, set| {
        Ok((TcpFlags::parse(mask)?, TcpFlags::parse(set)?))
    });
    let tcp = Tcp {
        ports,
        option,
        flags: syn.or(flags),
    };
    Some(Match::Tcp(tcp))
}
