//! `-m policy`: whether a packet comes or goes through IPsec.

use std::fmt;

use super::Match;
use crate::address::AddressMask;
use crate::parse::{Args, ErrorKind, Opt, read};
use crate::value::{Invertible, Protocol};

/// The policy match.
///
/// Source: iptables 1.8.9, `extensions/libxt_policy.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Policy {
    /// `--dir out`; else `--dir in`.
    pub out: bool,
    /// What the packet's way must be.
    pub wanted: Wanted,
}

/// What is asked of the way of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wanted {
    /// `--pol none`: it does not lead through IPsec.
    None,
    /// `--pol ipsec`: it does, and a transformation on it is like this.
    Ipsec {
        /// `--strict`: it is the only one.
        strict: bool,
        /// What the transformation must be.
        element: Element,
    },
}

/// A transformation; what is `None` may be anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Element {
    /// `--reqid`.
    pub reqid: Option<Invertible<u32>>,
    /// `--spi`.
    pub spi: Option<Invertible<u32>>,
    /// `--proto`.
    pub protocol: Option<Invertible<Protocol>>,
    /// `--mode`: a tunnel, or transport.
    pub tunnel: Option<Invertible<bool>>,
    /// `--tunnel-dst`.
    pub destination: Option<Invertible<AddressMask>>,
    /// `--tunnel-src`.
    pub source: Option<Invertible<AddressMask>>,
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = if self.out { "out" } else { "in" };
        write!(f, " -m policy --dir {direction} --pol ")?;
        let Wanted::Ipsec { strict, element } = &self.wanted else {
            return f.write_str("none");
        };
        f.write_str(if *strict { "ipsec --strict" } else { "ipsec" })?;
        if let Some(reqid) = element.reqid {
            reqid.write_option(f, "--reqid")?;
            reqid.value().fmt(f)?;
        }
        if let Some(spi) = element.spi {
            spi.write_option(f, "--spi")?;
            write!(f, "{:#x}", spi.value())?;
        }
        if let Some(protocol) = element.protocol {
            protocol.write_option(f, "--proto")?;
            protocol.value().fmt(f)?;
        }
        if let Some(tunnel) = element.tunnel {
            tunnel.write_option(f, "--mode")?;
            let mode = if *tunnel.value() {
                "tunnel"
            } else {
                "transport"
            };
            f.write_str(mode)?;
        }
        let ends = [
            (&element.destination, "--tunnel-dst"),
            (&element.source, "--tunnel-src"),
        ];
        for (end, option) in ends {
            if let Some(end) = end {
                end.write_option(f, option)?;
                write_end(f, end.value())?;
            }
        }
        Ok(())
    }
}

/// A network; the length of a whole address is left out.
fn write_end(f: &mut fmt::Formatter<'_>, end: &AddressMask) -> fmt::Result {
    let text = end.to_string();
    let whole = match end {
        AddressMask::Ipv4(..) => "/32",
        AddressMask::Ipv6(..) => "/128",
    };
    f.write_str(text.strip_suffix(whole).unwrap_or(&text))
}

const ELEMENT: [&str; 6] = ["reqid", "spi", "proto", "mode", "tunnel-src", "tunnel-dst"];

pub(super) const OPTIONS: &[Opt] = &[
    Opt::value(&["dir"]),
    Opt::value(&["pol"]),
    Opt::flag(&["strict"]),
    Opt::value(&["reqid"]).invertible(),
    Opt::value(&["spi"]).invertible(),
    Opt::value(&["proto"]).invertible(),
    Opt::value(&["mode"]).invertible(),
    Opt::value(&["tunnel-src"]).invertible(),
    Opt::value(&["tunnel-dst"]).invertible(),
    Opt::flag(&["next"]),
];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Match> {
    args.need(&["dir"]);
    if args.has("next") {
        let reason = "several transformations cannot be told apart";
        args.refuse(
            "next",
            ErrorKind::Unsupported {
                extension: "policy",
                reason,
            },
            format!("-m policy --next: {reason}"),
            "leave the rule out",
        );
    }
    let out = args.value("dir", |text| {
        read::name(text, "a direction", &[(false, "in"), (true, "out")])
    });
    let none = args.value("pol", |text| {
        read::name(text, "a policy", &[(true, "none"), (false, "ipsec")])
    });
    let strict = args.has("strict");
    if none != Some(true) && strict && !ELEMENT.iter().any(|key| args.has(key)) {
        args.refuse(
            "strict",
            ErrorKind::Missing,
            "--strict needs something that the only transformation must be",
            "add --reqid, --spi, --proto or --mode",
        );
    }
    let family = args.family;
    let tunnel = args.invertible("mode", |text| {
        read::name(text, "a mode", &[(true, "tunnel"), (false, "transport")])
    });
    for key in ["tunnel-src", "tunnel-dst"] {
        if args.has(key) && tunnel != Some(Invertible::Is(true)) {
            args.refuse(
                key,
                ErrorKind::Missing,
                format!("--{key} needs --mode tunnel besides"),
                "add --mode tunnel",
            );
        }
    }
    let element = Element {
        reqid: args.invertible("reqid", read::u32),
        spi: args.invertible("spi", read::u32),
        protocol: args.invertible("proto", read::protocol),
        tunnel,
        destination: args.invertible("tunnel-dst", |text| read::network(text, family)),
        source: args.invertible("tunnel-src", |text| read::network(text, family)),
    };
    let wanted = if none == Some(true) {
        Wanted::None
    } else {
        Wanted::Ipsec { strict, element }
    };
    Some(Policy { out: out?, wanted }.into())
}
