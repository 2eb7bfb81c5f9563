//! `-m sctp`: the ports and chunks of an SCTP packet.

use std::fmt::{self, Write as _};

use super::Match;
use super::transport::{DESTINATION, Ports, SOURCE};
use crate::parse::{Args, Bad, Opt, read};
use crate::value::{Invertible, Protocol};

/// The sctp match; the rule has `-p sctp`.
///
/// Source: iptables 1.8.9, `extensions/libxt_sctp.c`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Sctp {
    /// `--sport` and `--dport`.
    pub ports: Ports,
    /// `--chunk-types`.
    pub chunks: Option<Invertible<Chunks>>,
}

impl From<Ports> for Sctp {
    fn from(ports: Ports) -> Self {
        Self {
            ports,
            chunks: None,
        }
    }
}

/// Which chunks a packet has to have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Chunks {
    /// How many of the types.
    pub scope: Scope,
    /// The numbers of the types, ascending; all 256 for `ALL`, none for `NONE`.
    pub types: Vec<u8>,
}

/// How the chunks of a packet and the wanted types relate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Each wanted type occurs.
    All,
    /// A wanted type occurs.
    Any,
    /// Only wanted types occur.
    Only,
}

const SCOPES: [(Scope, &str); 3] = [
    (Scope::All, "all"),
    (Scope::Any, "any"),
    (Scope::Only, "only"),
];

/// The names that `iptables -p sctp -h` of 1.8.9 lists, and four that it does not know: `I_DATA`,
/// `RE_CONFIG`, `PAD` and `I_FORWARD_TSN`. The numbers are those of IANA, "SCTP Parameters".
const TYPES: [(u8, &str); 22] = [
    (0, "DATA"),
    (1, "INIT"),
    (2, "INIT_ACK"),
    (3, "SACK"),
    (4, "HEARTBEAT"),
    (5, "HEARTBEAT_ACK"),
    (6, "ABORT"),
    (7, "SHUTDOWN"),
    (8, "SHUTDOWN_ACK"),
    (9, "ERROR"),
    (10, "COOKIE_ECHO"),
    (11, "COOKIE_ACK"),
    (12, "ECN_ECNE"),
    (13, "ECN_CWR"),
    (14, "SHUTDOWN_COMPLETE"),
    (64, "I_DATA"),
    (128, "ASCONF_ACK"),
    (130, "RE_CONFIG"),
    (132, "PAD"),
    (192, "FORWARD_TSN"),
    (193, "ASCONF"),
    (194, "I_FORWARD_TSN"),
];

impl Chunks {
    fn parse(scope: &str, types: &str) -> Result<Self, Bad> {
        let scope = read::name(scope, "a scope", &SCOPES)?;
        let types = match types.to_ascii_uppercase().as_str() {
            "ALL" => (0..=u8::MAX).collect(),
            "NONE" => Vec::new(),
            list if list.contains(':') => {
                return Err(Bad::unsupported(
                    "sctp",
                    "flags of chunks are not looked at",
                    "leave the part behind the colon out",
                ));
            }
            list => {
                let mut types = Vec::new();
                for part in list.split(',') {
                    types.push(read::name(part, "a type of chunk", &TYPES)?);
                }
                types.sort_unstable();
                types.dedup();
                types
            }
        };
        Ok(Self { scope, types })
    }
}

impl fmt::Display for Chunks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scope = SCOPES.iter().find(|(scope, _)| *scope == self.scope);
        f.write_str(scope.map_or("", |(_, name)| name))?;
        f.write_char(' ')?;
        match self.types.len() {
            0 => return f.write_str("NONE"),
            256 => return f.write_str("ALL"),
            _ => {}
        }
        let names = TYPES
            .iter()
            .filter(|(number, _)| self.types.contains(number));
        super::addrtype::write_list(f, names.map(|(_, name)| *name))
    }
}

impl fmt::Display for Sctp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ports.write(f, " -m sctp")?;
        if let Some(chunks) = &self.chunks {
            chunks.write_option(f, "--chunk-types")?;
            chunks.value().fmt(f)?;
        }
        Ok(())
    }
}

pub(super) const OPTIONS: &[Opt] = &[
    SOURCE,
    DESTINATION,
    Opt::pair(&["chunk-types"]).invertible(),
];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Match> {
    args.need_protocol("", &[Protocol::SCTP]);
    let ports = Ports::read(args);
    let chunks = args.pair("chunk-types", Chunks::parse);
    Some(Match::Sctp(Sctp { ports, chunks }))
}
