//! `-m socket`: whether a socket of the host waits for the packet.

use std::fmt;

use super::Match;
use crate::parse::{Args, Opt};

/// The socket match, in PREROUTING and INPUT.
///
/// Source: iptables 1.8.9, `extensions/libxt_socket.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Socket {
    /// `--transparent`: only sockets that may have foreign addresses.
    pub transparent: bool,
    /// `--nowildcard`: also sockets that listen on every address.
    pub no_wildcard: bool,
    /// `--restore-skmark`: the packet gets the socket's mark.
    pub restore_mark: bool,
}

impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(" -m socket")?;
        let options = [
            (self.transparent, " --transparent"),
            (self.no_wildcard, " --nowildcard"),
            (self.restore_mark, " --restore-skmark"),
        ];
        let set = options.into_iter().filter(|(set, _)| *set);
        set.map(|(_, option)| option)
            .try_for_each(|option| f.write_str(option))
    }
}

pub(super) const OPTIONS: &[Opt] = &[
    Opt::flag(&["transparent"]),
    Opt::flag(&["nowildcard"]),
    Opt::flag(&["restore-skmark"]),
];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Match> {
    let socket = Socket {
        transparent: args.has("transparent"),
        no_wildcard: args.has("nowildcard"),
        restore_mark: args.has("restore-skmark"),
    };
    Some(socket.into())
}
