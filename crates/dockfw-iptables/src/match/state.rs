//! `-m state`: the old name of `-m conntrack --ctstate`.

use std::fmt;

use super::Match;
use super::conntrack::States;
use crate::parse::{Args, Opt};
use crate::value::Invertible;

/// The state match; `SNAT` and `DNAT` are no states here.
///
/// Source: iptables 1.8.9, `extensions/libxt_conntrack.c`, `state_mt3_opts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct State {
    /// `--state`.
    pub state: Invertible<States>,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(" -m state")?;
        self.state.write_option(f, "--state")?;
        self.state.value().fmt(f)
    }
}

pub(super) const OPTIONS: &[Opt] = &[Opt::value(&["state"]).invertible()];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Match> {
    args.need(&["state"]);
    let state = args.invertible("state", States::parse_proper)?;
    Some(State { state }.into())
}
