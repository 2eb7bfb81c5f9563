//! Rules that an earlier dockerd left behind: what is found, what goes, and what stays.
//!
//! What is there before and afterwards is what iptables-save and nft say, of which dockfw runs
//! neither.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests; figures are the result of a run"
)]

#[path = "clean/daemon.rs"]
mod daemon;
#[path = "clean/dockerd.rs"]
mod dockerd;
#[path = "clean/goldens.rs"]
mod goldens;
#[path = "clean/refusals.rs"]
mod refusals;
#[path = "clean/remnants.rs"]
mod remnants;
#[path = "clean/util.rs"]
mod util;
