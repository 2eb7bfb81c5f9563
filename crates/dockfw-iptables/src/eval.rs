//! What a program does with a packet: all hooks of a modelled host.
//!
//! | way | hooks and tables |
//! |-----|------------------|
//! | received | PREROUTING raw, (conntrack), mangle, nat; routing |
//! | for the host | INPUT mangle, filter, security, nat |
//! | going on | FORWARD mangle, filter, security; POSTROUTING mangle, nat |
//! | from the host | routing; OUTPUT raw, (conntrack), mangle, nat, filter, security; routing again if nat changed the destination; POSTROUTING mangle, nat |
//! | from the host to itself | as from the host, out through lo, then as received on lo and for the host |
//!
//! One packet is walked at a time, and what conntrack knows comes with it. The evaluation is
//! pure: same program, host and packet, same outcome. Rules are scanned one by one, as
//! iptables does.
//!
//! Source: linux v6.12, uapi `linux/netfilter_ipv4.h`, `enum nf_ip_hook_priorities`.
//!
//! # Examples
//!
//! ```
//! use dockfw_iptables::eval::{Evaluator, From, Hook, Host, Interface, Packet, Verdict};
//! use dockfw_iptables::{Family, InterfacePattern, Program, Rule, TableName, Target};
//!
//! let mut program = Program::new(Family::Ipv4);
//! let rule = Rule::new(Target::Drop).not_in_interface(InterfacePattern::new("lo")?);
//! if let Some(chain) = program.table_mut(TableName::Filter).chain_mut("INPUT") {
//!     chain.append(rule);
//! }
//! let host = Host {
//!     interfaces: vec![Interface {
//!         name: "eth0".to_owned(),
//!         addresses: vec!["192.0.2.1/24".parse()?],
//!     }],
//!     routes: vec![],
//! };
//! let from = From::Interface("eth0".to_owned());
//! let packet = Packet::new(from, "192.0.2.9".parse()?, "192.0.2.1".parse()?, 6).ports(999, 22);
//! let outcome = Evaluator::new(&program).eval(&host, &packet);
//! assert_eq!(outcome.verdict, Verdict::Dropped { hook: Hook::Input });
//! let trail: Vec<String> = outcome.trail.iter().map(ToString::to_string).collect();
//! assert_eq!(trail, ["filter -A INPUT ! -i lo -j DROP: dropped"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod host;
mod matches;
mod nat;
mod outcome;
mod packet;
mod source;
mod table;
mod walk;

use std::net::IpAddr;

pub use host::{AddressKind, Host, Interface, Route};
pub use outcome::{Effect, Hook, Outcome, Step, Verdict};
pub use packet::{Conntrack, Details, Direction, From, Headers, Packet, State, Status, Tuple};

use crate::program::{Family, Program, TableName};
use table::Table;
use walk::Walk;

/// A program, prepared for walking packets: jumps are resolved and rules printed once.
#[derive(Debug, Clone)]
pub struct Evaluator<'p> {
    family: Family,
    raw: Option<Table<'p>>,
    mangle: Option<Table<'p>>,
    nat: Option<Table<'p>>,
    filter: Option<Table<'p>>,
    security: Option<Table<'p>>,
    limits: bool,
}

impl<'p> Evaluator<'p> {
    /// Prepares a program.
    pub fn new(program: &'p Program) -> Self {
        let table = |name| program.table(name).map(Table::new);
        Self {
            family: program.family(),
            raw: table(TableName::Raw),
            mangle: table(TableName::Mangle),
            nat: table(TableName::Nat),
            filter: table(TableName::Filter),
            security: table(TableName::Security),
            limits: true,
        }
    }

    /// Says what matches answer that depend on earlier packets or on chance: `limit`,
    /// `hashlimit`, `connlimit`, `quota`, `recent` and `statistic`. The answer is that of the whole match,
    /// inverted or not; it is yes unless this says no.
    #[must_use]
    pub const fn limits(mut self, matching: bool) -> Self {
        self.limits = matching;
        self
    }

    /// Walks one packet through the host.
    ///
    /// A packet of the other family meets no rules.
    pub fn eval(&self, host: &Host, packet: &Packet) -> Outcome {
        Walk::new(self, host, packet).run()
    }

    /// Whether the rules are for packets to this address.
    fn sees(&self, address: IpAddr) -> bool {
        address.is_ipv6() == (self.family == Family::Ipv6)
    }
}
