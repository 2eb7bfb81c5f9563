//! Our ruleset against the rules that Docker would make: the same packets, the same ends.
//!
//! [`generate`] makes random hosts, [`aim`] packets at their boundaries. Each packet is walked by
//! the evaluator of iptables programs through [`reference()`](dockfw_lower::reference::reference())
//! and by the evaluator of our rulesets through [`lower()`](dockfw_lower::lower()); the two share
//! no code but the host model.
//! What they may differ in stands in `docs/divergences.md`, and in [`ledger`] as code: it says what
//! must become of a packet instead of what Docker makes of it. So an entry that our rules do not
//! keep is found as well as a difference without an entry.
//!
//! A difference is made small by [`shrink()`] and printed by [`emit`] as a policy and a packet.
//! [`mutate`] has the mistakes that this must find.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::format_push_string,
    clippy::struct_excessive_bools,
    reason = "a test tool: what panics here is a failed test"
)]

pub mod aim;
pub mod case;
pub mod emit;
pub mod generate;
pub mod ledger;
pub mod mutate;
pub mod packet;
pub mod rng;
pub mod run;
pub mod shrink;
pub mod user;
pub mod whole;
pub mod world;

pub use case::{Alternative, Case, Judge, Judgement};
pub use generate::Generator;
pub use ledger::Divergence;
pub use packet::{Outcome, Packet, State, Verdict};
pub use rng::Rng;
pub use run::{Finding, Report, Run, run};
pub use shrink::shrink;
pub use user::User;
pub use world::World;
