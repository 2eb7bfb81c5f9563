//! `-j NFQUEUE`: a program decides on the packet.

use std::fmt;

use super::Target;
use crate::parse::{Args, Bad, ErrorKind, Opt, read};

/// The nfqueue target.
///
/// Source: iptables 1.8.9, `extensions/libxt_NFQUEUE.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Nfqueue {
    /// `--queue-num`, or the first and last of `--queue-balance`; at most 65,535 of them.
    pub queues: (u16, u16),
    /// `--queue-bypass`: without a program the packet is accepted; else it is dropped.
    pub bypass: bool,
    /// `--queue-cpu-fanout`: the CPU chooses the queue.
    pub fanout: bool,
}

impl fmt::Display for Nfqueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(" -j NFQUEUE --queue-")?;
        match self.queues {
            (first, last) if first == last => write!(f, "num {first}")?,
            (first, last) => write!(f, "balance {first}:{last}")?,
        }
        let flags = [
            (self.bypass, " --queue-bypass"),
            (self.fanout, " --queue-cpu-fanout"),
        ];
        let mut set = flags.iter().filter(|(set, _)| *set);
        set.try_for_each(|(_, option)| f.write_str(option))
    }
}

pub(super) const OPTIONS: &[Opt] = &[
    Opt::value(&["queue-num"]),
    Opt::value(&["queue-balance"]),
    Opt::flag(&["queue-bypass"]),
    Opt::flag(&["queue-cpu-fanout"]),
];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Target> {
    args.only_one(&["queue-num", "queue-balance"]);
    if args.has("queue-cpu-fanout") && !args.has("queue-balance") {
        args.refuse(
            "queue-cpu-fanout",
            ErrorKind::Missing,
            "--queue-cpu-fanout needs --queue-balance besides",
            "add --queue-balance, or leave out --queue-cpu-fanout",
        );
    }
    let one = args.value("queue-num", read::u16).map(|one| (one, one));
    let several = args.value("queue-balance", balance);
    Some(Target::Nfqueue(Nfqueue {
        queues: several.or(one).unwrap_or_default(),
        bypass: args.has("queue-bypass"),
        fanout: args.has("queue-cpu-fanout"),
    }))
}

/// `first:last`, which the kernel counts in 16 bits.
fn balance(text: &str) -> Result<(u16, u16), Bad> {
    let bad = || {
        Bad::new(
            format!("\"{text}\" is not a range of queues"),
            "write first:last, at most 65535 of them",
        )
    };
    if !text.contains(':') {
        return Err(bad());
    }
    let (first, last) = read::range(text, ':', (0, u16::MAX), read::u16)?;
    if first >= last || (first, last) == (0, u16::MAX) {
        return Err(bad());
    }
    Ok((first, last))
}
