//! The firewaller: daemon-level chains, and the state that all other operations edit.
//!
//! Source: moby docker-v29.0.0,
//! `daemon/libnetwork/drivers/bridge/internal/iptabler/iptabler.go`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dockfw_iptables::r#match::addrtype::{AddressTypes, Addrtype};
use dockfw_iptables::r#match::transport::Ports;
use dockfw_iptables::{
    AddressMask, Chain, ChainName, Family, InterfacePattern, Match, Policy, Program, Protocol,
    Rule, TableName, Target,
};

use super::config::Config;
use crate::docker::publish;

/// Published ports and the default drop of each network.
pub(super) const DOCKER: ChainName = ChainName::from_static("DOCKER");
/// Everything that Docker does in `FORWARD`.
pub(super) const DOCKER_FORWARD: ChainName = ChainName::from_static("DOCKER-FORWARD");
/// Sends packets towards each bridge to [`DOCKER`].
pub(super) const DOCKER_BRIDGE: ChainName = ChainName::from_static("DOCKER-BRIDGE");
/// Lets established connections through.
pub(super) const DOCKER_CT: ChainName = ChainName::from_static("DOCKER-CT");
/// Closes internal networks.
pub(super) const DOCKER_INTERNAL: ChainName = ChainName::from_static("DOCKER-INTERNAL");
/// What Docker 17.05 and older made.
const DOCKER_ISOLATION: ChainName = ChainName::from_static("DOCKER-ISOLATION");
/// The operator's rules.
pub(super) const DOCKER_USER: ChainName = ChainName::from_static("DOCKER-USER");
/// The host's loopback interface.
pub(super) const LOOPBACK: InterfacePattern = InterfacePattern::from_static("lo");
/// The interface through which Windows reaches WSL2's loopback addresses in mirrored mode.
pub(super) const WSL2_LOOPBACK: InterfacePattern = InterfacePattern::from_static("loopback0");

/// The built-in chains that Docker edits.
pub(super) const PREROUTING: ChainName = ChainName::from_static("PREROUTING");
pub(super) const FORWARD: ChainName = ChainName::from_static("FORWARD");
pub(super) const OUTPUT: ChainName = ChainName::from_static("OUTPUT");
pub(super) const POSTROUTING: ChainName = ChainName::from_static("POSTROUTING");

/// dockerd's iptables backend, with the rules it has made so far.
///
/// Every method is an operation of moby's `Firewaller` and `Network` interfaces and runs the same
/// `iptables -C`, `-A`, `-I` and `-D` in the same order on values.
/// Not replayed: the removal of rules that Docker 28.1 and older left behind.
#[derive(Debug, Clone)]
pub struct Firewaller {
    pub(super) config: Config,
    pub(super) ipv4: Program,
    pub(super) ipv6: Program,
}

/// Whether an operation makes its rules or takes them away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Add,
    Delete,
}

impl Mode {
    /// [`Mode::Delete`] when a condition for the rule does not hold.
    pub(super) fn only_if(self, condition: bool) -> Self {
        if condition { self } else { Self::Delete }
    }
}

/// Where Docker puts a new rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// `-I`: position 1.
    Head,
    /// `-A`.
    Tail,
}

/// A rule and the chain it belongs to.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) table: TableName,
    pub(super) chain: ChainName,
    pub(super) at: At,
    pub(super) rule: Rule,
}

impl Placed {
    /// A rule that is appended.
    pub(super) fn tail(table: TableName, chain: ChainName, rule: Rule) -> Self {
        Self {
            table,
            chain,
            at: At::Tail,
            rule,
        }
    }

    /// A rule that is inserted at the head.
    pub(super) fn head(table: TableName, chain: ChainName, rule: Rule) -> Self {
        Self {
            table,
            chain,
            at: At::Head,
            rule,
        }
    }

    /// Makes or removes the rule: `-C` first, so it is never there twice and never moves.
    pub(super) fn apply(self, program: &mut Program, mode: Mode) {
        let name = self.chain.as_str();
        let chain = match mode {
            // A delete that finds nothing does not make the table appear.
            Mode::Delete if program.chain(self.table, name).is_none() => return,
            Mode::Add | Mode::Delete => program.table_mut(self.table).chain_mut(name),
        };
        let Some(chain) = chain else { return };
        match (mode, self.at) {
            (Mode::Add, At::Head) => chain.insert_once(self.rule),
            (Mode::Add, At::Tail) => chain.append_once(self.rule),
            (Mode::Delete, _) => {
                chain.delete(&self.rule);
            }
        }
    }
}

impl Firewaller {
    /// Starts dockerd on a host without any rules.
    pub fn new(config: Config) -> Self {
        Self::on(
            config,
            Program::new(Family::Ipv4),
            Program::new(Family::Ipv6),
        )
    }

    /// Starts dockerd on a host with rules, its own of an earlier start perhaps among them.
    ///
    /// A family that the configuration leaves out stays as it is.
    pub fn on(config: Config, ipv4: Program, ipv6: Program) -> Self {
        let mut firewaller = Self { config, ipv4, ipv6 };
        for program in firewaller.programs_mut() {
            wipe(program);
            create_chains(program);
            jump_to_nat(program, config.hairpin);
            jump_to_filter(program);
            if program.family() == Family::Ipv4 {
                let mode = Mode::Add.only_if(!config.hairpin && config.wsl2_mirrored);
                mirrored_loopback().apply(program, mode);
            }
        }
        firewaller
    }

    /// The rules made so far, IPv4 and IPv6.
    pub fn into_programs(self) -> (Program, Program) {
        (self.ipv4, self.ipv6)
    }

    /// The IPv4 rules.
    pub fn ipv4(&self) -> &Program {
        &self.ipv4
    }

    /// The IPv6 rules.
    pub fn ipv6(&self) -> &Program {
        &self.ipv6
    }

    /// Sets the policy of `FORWARD` to drop for one family.
    ///
    /// When dockerd does so is for the caller to know: see [`reference`](super::reference()).
    ///
    /// Source: moby docker-v29.0.0, `iptabler.go`, `FilterForwardDrop`.
    pub fn filter_forward_drop(&mut self, family: Family) {
        let Some(program) = self.program_mut(family) else {
            return;
        };
        if let Some(chain) = program
            .table_mut(TableName::Filter)
            .chain_mut(FORWARD.as_str())
        {
            chain.set_policy(Policy::Drop);
        }
    }

    /// Makes the chain for the operator's rules, empty if it is new, and puts it first in
    /// `FORWARD`: `-A FORWARD -j DOCKER-USER`.
    ///
    /// dockerd does so at the very end of its start.
    ///
    /// Source: moby docker-v29.0.0, `daemon/libnetwork/firewall_linux.go`, `setupUserChain`.
    pub fn setup_user_chain(&mut self) {
        for program in self.programs_mut() {
            let filter = program.table_mut(TableName::Filter);
            filter.create_chain(DOCKER_USER);
            ensure_jump(filter.chain_mut(FORWARD.as_str()), jump(DOCKER_USER));
        }
    }

    /// The program of a family, unless the configuration leaves it out.
    pub(super) fn program_mut(&mut self, family: Family) -> Option<&mut Program> {
        match family {
            Family::Ipv4 => self.config.ipv4.then_some(&mut self.ipv4),
            Family::Ipv6 => self.config.ipv6.then_some(&mut self.ipv6),
        }
    }

    fn programs_mut(&mut self) -> impl Iterator<Item = &mut Program> {
        let ipv4 = self.config.ipv4.then_some(&mut self.ipv4);
        let ipv6 = self.config.ipv6.then_some(&mut self.ipv6);
        ipv4.into_iter().chain(ipv6)
    }
}

/// Empties what an earlier start made: the jumps from nat, then the chains.
///
/// `DOCKER-FORWARD` is emptied but stays, because `FORWARD` leads to it; rules in `POSTROUTING`
/// and in `raw` stay.
///
/// Source: moby docker-v29.0.0, `iptabler.go`, `removeIPChains`.
fn wipe(program: &mut Program) {
    const FILTER: [ChainName; 8] = [
        DOCKER_FORWARD,
        DOCKER_BRIDGE,
        DOCKER,
        DOCKER_CT,
        DOCKER_INTERNAL,
        ChainName::from_static("DOCKER-ISOLATION-STAGE-1"),
        ChainName::from_static("DOCKER-ISOLATION-STAGE-2"),
        DOCKER_ISOLATION,
    ];
    let family = program.family();
    let jumps = [
        Placed::tail(TableName::Filter, FORWARD, jump(DOCKER_ISOLATION)),
        Placed::tail(TableName::Nat, PREROUTING, to_local(DOCKER)),
        Placed::tail(TableName::Nat, OUTPUT, to_local(DOCKER)),
        Placed::tail(
            TableName::Nat,
            OUTPUT,
            to_local(DOCKER).not_destination(loopback(family)),
        ),
    ];
    for placed in jumps {
        placed.apply(program, Mode::Delete);
    }
    let mut remove = |table, name: &ChainName| {
        if program.chain(table, name.as_str()).is_some() {
            let table = program.table_mut(table);
            if let Some(chain) = table.chain_mut(name.as_str()) {
                chain.flush();
            }
            table.delete_chain(name.as_str());
        }
    };
    remove(TableName::Nat, &DOCKER);
    for name in &FILTER {
        remove(TableName::Filter, name);
    }
}

/// Makes the daemon's chains: `DOCKER` in nat and filter, the others in filter.
///
/// Source: moby docker-v29.0.0, `iptabler.go`, `setupIPChains`.
fn create_chains(program: &mut Program) {
    program.table_mut(TableName::Nat).create_chain(DOCKER);
    let filter = program.table_mut(TableName::Filter);
    for name in [
        DOCKER,
        DOCKER_FORWARD,
        DOCKER_BRIDGE,
        DOCKER_CT,
        DOCKER_INTERNAL,
    ] {
        filter.create_chain(name);
    }
}

/// Sends packets to the host's addresses through `DOCKER` of nat:
/// `-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER` and
/// `-A OUTPUT [! -d 127.0.0.0/8 | ! -d ::1/128] -m addrtype --dst-type LOCAL -j DOCKER`.
///
/// In hairpin mode the loopback addresses are not left out, because no docker-proxy serves them.
///
/// Source: moby docker-v29.0.0, `iptabler.go`, `addNATJumpRules`.
fn jump_to_nat(program: &mut Program, hairpin: bool) {
    let mut output = to_local(DOCKER);
    if !hairpin {
        output = output.not_destination(loopback(program.family()));
    }
    Placed::tail(TableName::Nat, PREROUTING, to_local(DOCKER)).apply(program, Mode::Add);
    Placed::tail(TableName::Nat, OUTPUT, output).apply(program, Mode::Add);
}

/// `-A FORWARD -j DOCKER-FORWARD`, and in there `-j DOCKER-CT`, `-j DOCKER-INTERNAL`,
/// `-j DOCKER-BRIDGE`, in this order.
///
/// Source: moby docker-v29.0.0, `iptabler.go`, `setupIPChains`.
fn jump_to_filter(program: &mut Program) {
    let filter = program.table_mut(TableName::Filter);
    ensure_jump(filter.chain_mut(FORWARD.as_str()), jump(DOCKER_FORWARD));
    for chain in [DOCKER_BRIDGE, DOCKER_INTERNAL, DOCKER_CT] {
        ensure_jump(filter.chain_mut(DOCKER_FORWARD.as_str()), jump(chain));
    }
}

/// `-A DOCKER -d 127.0.0.0/8 -i loopback0 -j RETURN`: docker-proxy serves what Windows sends to
/// loopback addresses in WSL2's mirrored mode.
///
/// Source: moby docker-v29.0.0, `iptabler/wsl2.go`, `mirroredWSL2Workaround`.
fn mirrored_loopback() -> Placed {
    let rule = Rule::new(Target::Return)
        .destination(loopback(Family::Ipv4))
        .in_interface(WSL2_LOOPBACK);
    Placed::head(TableName::Nat, DOCKER, rule)
}

/// `-m addrtype --dst-type LOCAL -j chain`.
pub(super) fn to_local(chain: ChainName) -> Rule {
    jump(chain).with(Addrtype::destination(AddressTypes::LOCAL))
}

/// `-j chain`.
pub(super) fn jump(chain: ChainName) -> Rule {
    Rule::new(Target::Jump(chain))
}

/// Moves a rule to the head of a chain, or puts it there.
///
/// Source: moby docker-v29.0.0, `daemon/libnetwork/iptables/iptables.go`, `EnsureJumpRule`.
pub(super) fn ensure_jump(chain: Option<&mut Chain>, rule: Rule) {
    if let Some(chain) = chain {
        chain.delete(&rule);
        chain.insert(1, rule);
    }
}

/// The loopback addresses of a family: `127.0.0.0/8`, `::1/128`.
fn loopback(family: Family) -> AddressMask {
    match family {
        Family::Ipv4 => AddressMask::ipv4(Ipv4Addr::LOCALHOST, Ipv4Addr::new(255, 0, 0, 0)),
        Family::Ipv6 => IpAddr::V6(Ipv6Addr::LOCALHOST).into(),
    }
}

/// Adds `-p protocol -m protocol` with the ports.
pub(super) fn transport(rule: Rule, protocol: publish::Protocol, ports: Ports) -> Rule {
    let extension = match protocol {
        publish::Protocol::Tcp => Match::Tcp(ports.into()),
        publish::Protocol::Udp => Match::Udp(ports),
        publish::Protocol::Sctp => Match::Sctp(ports.into()),
    };
    rule.protocol(Protocol(protocol.number())).with(extension)
}
