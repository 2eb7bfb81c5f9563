//! Targets: what a rule does with a packet.

mod divert;
mod header;
mod marks;
mod nat;

use dockfw_iptables::Target;
use dockfw_iptables::target::classify::Classify;
use dockfw_iptables::target::ct::{Side, Zone};
use dockfw_iptables::target::log::Log as XtLog;
use dockfw_iptables::target::nflog::Nflog;
use dockfw_iptables::target::reject::Reject as XtReject;
use dockfw_iptables::target::tcpmss::Tcpmss;
use dockfw_iptables::target::tee::Tee;
use dockfw_ir::expr::Payload;
use dockfw_ir::expr::ct::Direction;
use dockfw_ir::name::{ChainName, Comment};
use dockfw_ir::statement::log::LogFlags;
use dockfw_ir::statement::{Log, Mangle, MaxSegment, Reject, Statement, Verdict};

use super::{Place, Reason};

/// What a target becomes.
pub(super) enum Action {
    /// Statements, of which only the last one can end the rule.
    Do(Vec<Statement>),
    /// Statements, and those of a second rule for packets that these did not end.
    Else(Vec<Statement>, Vec<Statement>),
    /// Leads to a user chain, and comes back or not.
    Chain(dockfw_iptables::ChainName, Leads),
}

/// How a chain is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leads {
    Jump,
    Goto,
}

impl Leads {
    pub(super) fn to(self, chain: ChainName) -> Statement {
        Statement::Verdict(match self {
            Self::Jump => Verdict::Jump(chain),
            Self::Goto => Verdict::Goto(chain),
        })
    }
}

/// The statements of a target; none for a rule that only counts.
pub(super) fn action(target: Option<&Target>, place: Place) -> Result<Action, Reason> {
    let Some(target) = target else {
        return Ok(Action::Do(Vec::new()));
    };
    let verdict = |verdict| vec![Statement::Verdict(verdict)];
    Ok(Action::Do(match target {
        Target::Accept => verdict(Verdict::Accept),
        Target::Drop => verdict(Verdict::Drop),
        Target::Return => verdict(Verdict::Return),
        Target::Jump(chain) => return Ok(Action::Chain(chain.clone(), Leads::Jump)),
        Target::Goto(chain) => return Ok(Action::Chain(chain.clone(), Leads::Goto)),
        Target::Classify(value) => vec![classify(*value)],
        Target::Connmark(value) => marks::connmark(value)?,
        Target::Dnat(value) => nat::dnat(value, place)?,
        Target::Dscp(value) => header::dscp(value.0, place.family),
        Target::Hl(value) => header::ttl(*value, Payload::Ip6Hoplimit)?,
        Target::Log(value) => log(value)?,
        Target::Mark(value) => marks::mark(*value),
        Target::Masquerade(value) => nat::masquerade(*value),
        Target::Netmap(value) => nat::netmap(*value, place)?,
        Target::Nflog(value) => nflog(value)?,
        Target::Nfqueue(value) => divert::queue(*value),
        Target::Notrack(_) => vec![Statement::Notrack],
        Target::Redirect(value) => nat::redirect(*value),
        Target::Reject(value) => reject(*value),
        Target::Snat(value) => nat::snat(value, place)?,
        Target::Tcpmss(value) => {
            let size = match value {
                Tcpmss::Set(bytes) => MaxSegment::Bytes(*bytes),
                Tcpmss::Clamp => MaxSegment::RouteMtu,
            };
            vec![Statement::Mangle(Mangle::MaxSegment(size))]
        }
        Target::Tee(value) => tee(value)?,
        Target::Tos(value) => header::tos(*value, place.family)?,
        Target::Tproxy(value) => return divert::tproxy(*value),
        Target::Ttl(value) => header::ttl(*value, Payload::IpTtl)?,
        Target::Zone(value) => vec![zone(*value)],
    }))
}

/// The prefix, if nft can read it: printable, without quotes, and without what it takes for a
/// variable.
fn prefix(text: &str) -> Result<Option<Comment>, Reason> {
    if text.is_empty() {
        return Ok(None);
    }
    let plain = Comment::new(text).ok().filter(|_| !text.contains('$'));
    if plain.is_none() {
        return Err(Reason::new(
            format!("nft cannot read the log prefix {text:?}"),
            "write a prefix of printable ASCII without double quotes, backslashes and $",
        ));
    }
    Ok(plain)
}

/// Source: linux v6.12, `net/netfilter/xt_LOG.c`; `net/netfilter/nft_log.c`.
fn log(value: &XtLog) -> Result<Vec<Statement>, Reason> {
    Ok(vec![Statement::Log(Log {
        prefix: prefix(&value.prefix)?,
        level: Some(value.level),
        flags: LogFlags {
            tcp_sequence: value.tcp_sequence,
            tcp_options: value.tcp_options,
            ip_options: value.ip_options,
            skuid: value.uid,
            ether: value.mac,
        },
        ..Log::default()
    })])
}

/// A threshold of 1 tells the group of every packet at once; without one its own counts.
///
/// Source: linux v6.12, `net/netfilter/xt_NFLOG.c`; `nfnetlink_log.c`, `nfulnl_log_packet`.
fn nflog(value: &Nflog) -> Result<Vec<Statement>, Reason> {
    Ok(vec![Statement::Log(Log {
        prefix: prefix(&value.prefix)?,
        group: Some(value.group),
        snaplen: value.size,
        queue_threshold: Some(value.threshold).filter(|threshold| *threshold > 0),
        ..Log::default()
    })])
}

fn reject(value: XtReject) -> Vec<Statement> {
    let reject = match value {
        XtReject::Icmp(code) => Reject::Icmp(code),
        XtReject::Icmpv6(code) => Reject::Icmpv6(code),
        XtReject::TcpReset => Reject::TcpReset,
    };
    vec![Statement::Reject(reject)]
}

/// `meta priority set 1:a`
///
/// Source: linux v6.12, `net/netfilter/xt_CLASSIFY.c`.
fn classify(value: Classify) -> Statement {
    let class = u32::from(value.major) << 16 | u32::from(value.minor);
    Statement::Mangle(Mangle::Priority(class))
}

/// `ct original zone set 5`
///
/// Source: linux v6.12, `net/netfilter/xt_CT.c`, `xt_ct_target`; `nft_ct.c`,
/// `nft_ct_set_zone_eval`: both leave alone what is tracked already.
fn zone(value: Zone) -> Statement {
    let direction = match value.side {
        Side::Both => None,
        Side::Original => Some(Direction::Original),
        Side::Reply => Some(Direction::Reply),
    };
    let zone = value.zone;
    Statement::Mangle(Mangle::Zone { direction, zone })
}

/// `dup to 192.0.2.1`
///
/// Source: linux v6.12, `net/netfilter/xt_TEE.c`; `net/ipv4/netfilter/nft_dup_ipv4.c`.
fn tee(value: &Tee) -> Result<Vec<Statement>, Reason> {
    if value.interface.is_some() {
        return Err(Reason::new(
            "a copy of a packet goes by the interface of its route",
            "write -j TEE without --oif",
        ));
    }
    Ok(vec![Statement::Dup(value.gateway)])
}
