//! The packet evaluator: what a verified ruleset does to one packet on a modelled host.
//!
//! A second opinion beside the kernel. It knows the kernel's way through hooks, conntrack and NAT,
//! and shares nothing with the printers and the wire encoder but the IR.
//!
//! What it does as nf_tables does, where that may surprise:
//!
//! - A key that does not load ends the rule, negated or not; a verdict map or NAT map without the
//!   key ends it too. What stands after a `vmap` runs only where the map says `continue`.
//! - Before conntrack (−200), and for what it cannot make sense of, `ct state` is `invalid`.
//! - Where a hook has no interface, its name is empty: `iifname != "eth0"` holds.
//! - Of base chains of one priority, the later one in the ruleset runs first. Chains of type nat
//!   run at −100 and 100, whatever their priority; it orders them among each other.
//! - Nat chains see the packet that begins a flow only; each end of a flow is decided once. A
//!   translation that changes nothing does not set `ct status` bits.
//! - The output interface in chains after an output DNAT is the old one; postrouting has the new.
//! - What the host sends to itself passes output, postrouting, prerouting and input, with one
//!   conntrack entry.
//! - What has a state is not kept from packet to packet. [`Limits`] says what every `limit`, `quota`
//!   and `ct count` finds; `numgen` gives what [`Evaluator::with_draw`] says; sets hold the elements
//!   of the ruleset, to which rules neither add nor delete.
//! - Nobody listens to a queue: `queue` drops, and accepts with `bypass`. `tproxy` finds its socket.
//!   `dup` copies to nowhere.
//!
//! What it does not model: source validation, the putting together of fragments, gateways, policy routing
//! (`type route` chains change no route), ports that are in use, the drawing of `random` ports and
//! the hashing over address ranges (the first is taken), helpers, offloads, zones, and the passing
//! of time: elements do not expire.
//!
//! Source: `net/netfilter/` of v6.12; each item names its file and function.
//!
//! # Examples
//!
//! ```
//! use dockfw_ir::eval::{Evaluator, From, Host, Interface, Packet, Route, Verdict};
//! use dockfw_ir::{Ruleset, verify::verify};
//!
//! let ruleset = verify(Ruleset::default())?;
//! let host = Host {
//!     interfaces: vec![Interface {
//!         name: "eth0".to_owned(),
//!         addresses: vec!["192.0.2.1/24".parse().unwrap()],
//!     }],
//!     routes: vec![Route {
//!         destination: "0.0.0.0/0".parse().unwrap(),
//!         interface: "eth0".to_owned(),
//!     }],
//! };
//! let packet = Packet::new(
//!     From::Host,
//!     "192.0.2.1".parse().unwrap(),
//!     "198.51.100.1".parse().unwrap(),
//!     1,
//! );
//! let outcome = Evaluator::new(&ruleset).eval(&host, &packet);
//! assert_eq!(outcome.verdict, Verdict::Forwarded { interface: "eth0".to_owned() });
//! # Ok::<(), dockfw_ir::verify::VerifyError>(())
//! ```

mod chain;
pub mod facts;
mod header;
mod hooks;
mod host;
mod load;
mod lookup;
mod nat;
mod outcome;
mod packet;
mod source;
mod track;
mod walk;

pub use host::{Host, Interface, Route};
pub use outcome::{Action, Cost, Outcome, Step, Verdict};
pub use packet::{Conntrack, Counters, Direction, From, Owner, Packet, Socket, State, Tuple};

use crate::verify::Verified;

/// A ruleset, ready to judge packets.
///
/// Making one orders the base chains and looks up names; sets are searched as they are, because
/// their elements are ordered.
#[derive(Debug)]
pub struct Evaluator<'r> {
    hooks: hooks::Hooks<'r>,
    limits: Limits,
    draw: u32,
}

/// What `limit`, `quota` and `ct count` find, as statements and in elements that rules make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Limits {
    /// Every rate is kept, nothing is used up.
    #[default]
    Kept,
    /// Every rate is exceeded, everything is used up.
    Exceeded,
}

impl<'r> Evaluator<'r> {
    /// Prepares a ruleset.
    pub fn new(ruleset: &'r Verified) -> Self {
        Self {
            hooks: hooks::Hooks::new(ruleset),
            limits: Limits::Kept,
            draw: 0,
        }
    }

    /// Decides what `limit` statements find.
    #[must_use]
    pub const fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Decides what `numgen` gives: its offset and this number modulo its modulus. 0 unless told.
    #[must_use]
    pub const fn with_draw(mut self, draw: u32) -> Self {
        self.draw = draw;
        self
    }

    /// Walks a packet through the host.
    pub fn eval(&self, host: &Host, packet: &Packet) -> Outcome {
        walk::Walk::new(self, host, packet).run()
    }
}
