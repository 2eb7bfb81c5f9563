//! `-m rpfilter`: whether an answer would take the way the packet came.

use std::fmt;

use super::Match;
use crate::parse::{Args, Opt};

/// The rpfilter match, in PREROUTING of the raw and mangle tables.
///
/// Source: iptables 1.8.9, `extensions/libxt_rpfilter.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own"
)]
pub struct Rpfilter {
    /// `--loose`: any interface will do.
    pub loose: bool,
    /// `--validmark`: the packet's mark takes part in routing.
    pub valid_mark: bool,
    /// `--accept-local`: sources that are the host's own may pass.
    pub accept_local: bool,
    /// `--invert`: match what fails the test.
    pub invert: bool,
}

impl fmt::Display for Rpfilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(" -m rpfilter")?;
        let options = [
            (self.loose, " --loose"),
            (self.valid_mark, " --validmark"),
            (self.accept_local, " --accept-local"),
            (self.invert, " --invert"),
        ];
        let set = options.into_iter().filter(|(set, _)| *set);
        set.map(|(_, option)| option)
            .try_for_each(|option| f.write_str(option))
    }
}

pub(super) const OPTIONS: &[Opt] = &[
    Opt::flag(&["loose"]),
    Opt::flag(&["validmark"]),
    Opt::flag(&["accept-local"]),
    Opt::flag(&["invert"]),
];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Match> {
    let rpfilter = Rpfilter {
        loose: args.has("loose"),
        valid_mark: args.has("validmark"),
        accept_local: args.has("accept-local"),
        invert: args.has("invert"),
    };
    Some(rpfilter.into())
}
