//! `-j LOG`: a line in the kernel's log; the packet goes on to the next rule.

use std::fmt;

use super::Target;
use crate::r#match::comment::write_string;
use crate::parse::{Args, Bad, Opt, read};

/// The log target.
///
/// Source: iptables 1.8.9, `extensions/libxt_LOG.c` and `libipt_LOG.c`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own"
)]
pub struct Log {
    /// `--log-prefix`: at most 29 bytes.
    pub prefix: Box<str>,
    /// `--log-level`: 0 (emerg) to 7 (debug).
    pub level: u8,
    /// `--log-tcp-sequence`.
    pub tcp_sequence: bool,
    /// `--log-tcp-options`.
    pub tcp_options: bool,
    /// `--log-ip-options`.
    pub ip_options: bool,
    /// `--log-uid`.
    pub uid: bool,
    /// `--log-macdecode`.
    pub mac: bool,
}

impl Log {
    /// The longest prefix in bytes, without the terminating NUL; iptables cuts what is longer.
    pub const MAX_PREFIX: usize = 29;
    /// The level of a rule that names none: warning.
    pub const LEVEL: u8 = 4;
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(" -j LOG")?;
        if !self.prefix.is_empty() {
            f.write_str(" --log-prefix ")?;
            write_string(f, &self.prefix)?;
        }
        if self.level != Self::LEVEL {
            write!(f, " --log-level {}", self.level)?;
        }
        let flags = [
            (self.tcp_sequence, " --log-tcp-sequence"),
            (self.tcp_options, " --log-tcp-options"),
            (self.ip_options, " --log-ip-options"),
            (self.uid, " --log-uid"),
            (self.mac, " --log-macdecode"),
        ];
        let set = flags.into_iter().filter(|(set, _)| *set);
        set.map(|(_, option)| option)
            .try_for_each(|option| f.write_str(option))
    }
}

/// Source: syslog(3).
const LEVELS: [(u8, &str); 11] = [
    (0, "emerg"),
    (1, "alert"),
    (2, "crit"),
    (3, "err"),
    (4, "warning"),
    (5, "notice"),
    (6, "info"),
    (7, "debug"),
    (3, "error"),
    (4, "warn"),
    (0, "panic"),
];

fn level(text: &str) -> Result<u8, Bad> {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return read::number(text, 7).map(|level| u8::try_from(level).unwrap_or(Log::LEVEL));
    }
    read::name(text, "a level", &LEVELS)
}

/// Cuts a text to a length in bytes, between characters.
pub(super) fn cut(text: &str, max: usize) -> &str {
    let end = (0..=max.min(text.len())).rev();
    let end = end.into_iter().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or_default()).unwrap_or_default()
}

pub(super) const OPTIONS: &[Opt] = &[
    Opt::value(&["log-prefix"]),
    Opt::value(&["log-level"]),
    Opt::flag(&["log-tcp-sequence"]),
    Opt::flag(&["log-tcp-options"]),
    Opt::flag(&["log-ip-options"]),
    Opt::flag(&["log-uid"]),
    Opt::flag(&["log-macdecode"]),
];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Target> {
    let prefix = args.value("log-prefix", |text| {
        read::string(cut(text, Log::MAX_PREFIX), Log::MAX_PREFIX)
    });
    let log = Log {
        prefix: prefix.unwrap_or_default(),
        level: args.value("log-level", level).unwrap_or(Log::LEVEL),
        tcp_sequence: args.has("log-tcp-sequence"),
        tcp_options: args.has("log-tcp-options"),
        ip_options: args.has("log-ip-options"),
        uid: args.has("log-uid"),
        mac: args.has("log-macdecode"),
    };
    Some(Target::Log(log))
}
