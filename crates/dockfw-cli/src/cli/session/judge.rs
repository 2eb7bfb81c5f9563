//! What a ruleset does to the packets of a session.

use dockfw_ir::Verified;
use dockfw_ir::chain::Policy;
use dockfw_ir::eval::{
    Action, Conntrack, Direction, Evaluator, From, Host, Interface, Outcome, Packet, Route, State,
    Step, Tuple, Verdict,
};
use dockfw_ir::expr::ct::status;
use dockfw_ir::statement::{NatKind, Verdict as Said};
use ipnet::IpNet;

use super::{Concerned, Cut, LOOPBACK, Session};

/// `IPPROTO_TCP`.
const TCP: u8 = 6;

/// Evaluates the packets of a session, and the first one of a new session between the same ends.
///
/// `interface` is that by which the client is reached. Everything that is not the server's address
/// is modelled to lie behind it: a packet that a translation leads elsewhere is not delivered,
/// wherever that is.
///
/// # Errors
///
/// [`Cut`] when one of them does not arrive as it should. That the session ends is said before that
/// it could not begin again.
pub fn judge(ruleset: &Verified, session: Session, interface: &str) -> Result<(), Box<Cut>> {
    let host = model(session, interface);
    let evaluator = Evaluator::new(ruleset);
    for what in [Concerned::FromClient, Concerned::ToClient, Concerned::New] {
        let outcome = evaluator.eval(&host, &packet(session, interface, what));
        if !arrives(session, interface, what, &outcome) {
            return Err(Box::new(Cut {
                session,
                interface: interface.to_owned(),
                what,
                fate: fate(&outcome),
                by: decider(&outcome),
            }));
        }
    }
    Ok(())
}

/// A machine that has the server's address, and nothing else.
fn model(session: Session, interface: &str) -> Host {
    let mut addresses = vec![IpNet::from(session.server.ip())];
    if interface == LOOPBACK {
        addresses.push(IpNet::from(session.client.ip()));
    }
    let everywhere = if session.server.is_ipv4() {
        "0.0.0.0/0"
    } else {
        "::/0"
    };
    Host {
        interfaces: vec![Interface {
            name: interface.to_owned(),
            addresses,
        }],
        routes: everywhere
            .parse()
            .ok()
            .into_iter()
            .map(|destination| Route {
                destination,
                interface: interface.to_owned(),
            })
            .collect(),
    }
}

fn packet(session: Session, interface: &str, what: Concerned) -> Packet {
    let Session { client, server } = session;
    let is_answer = what == Concerned::ToClient;
    let (source, destination) = if is_answer {
        (server, client)
    } else {
        (client, server)
    };
    let from = if is_answer || interface == LOOPBACK {
        From::Host
    } else {
        From::Interface(interface.to_owned())
    };
    let mut packet = Packet::new(from, source.ip(), destination.ip(), TCP);
    packet.ports = Some((source.port(), destination.port()));
    if what != Concerned::New {
        packet.ct = Conntrack {
            state: State::Established,
            direction: if is_answer {
                Direction::Reply
            } else {
                Direction::Original
            },
            original: Some(Tuple {
                source: client.ip(),
                destination: server.ip(),
                protocol: TCP,
                ports: Some((client.port(), server.port())),
            }),
            status: status::SEEN_REPLY | status::ASSURED | status::CONFIRMED,
            ..Conntrack::default()
        };
    }
    packet
}

/// Whether a packet gets where it should, with the addresses that it had.
fn arrives(session: Session, interface: &str, what: Concerned, outcome: &Outcome) -> bool {
    let Session { client, server } = session;
    let (source, destination) = if what == Concerned::ToClient {
        (server, client)
    } else {
        (client, server)
    };
    let is_there = match &outcome.verdict {
        Verdict::Delivered { .. } => what != Concerned::ToClient || interface == LOOPBACK,
        Verdict::Forwarded { .. } => what == Concerned::ToClient && interface != LOOPBACK,
        Verdict::Dropped { .. } | Verdict::Rejected { .. } | Verdict::NoRoute => false,
    };
    // A source that is rewritten for a new session is that of this session's answers too.
    let has_source = what != Concerned::ToClient || outcome.source == source.ip();
    is_there
        && has_source
        && outcome.destination == destination.ip()
        && outcome
            .ports
            .is_none_or(|(_, port)| port == destination.port())
}

fn fate(outcome: &Outcome) -> String {
    let port = outcome.ports.map(|(_, port)| format!(" port {port}"));
    let to = || {
        let port = port.as_deref().unwrap_or_default();
        format!("sent to {}{port}", outcome.destination)
    };
    match &outcome.verdict {
        // What becomes of it there depends on more than is modelled.
        _ if outcome.is_dnat() => to(),
        Verdict::Dropped { .. } => "dropped".to_owned(),
        Verdict::Rejected { .. } => "rejected".to_owned(),
        Verdict::Delivered { .. } | Verdict::Forwarded { .. } => to(),
        Verdict::NoRoute => "sent where there is no way".to_owned(),
    }
}

/// The step that led the packet elsewhere or ended it, in words.
fn decider(outcome: &Outcome) -> Option<String> {
    let mut steps = outcome.trail.iter().rev();
    let step = if outcome.is_dnat() {
        steps.find(|step| is_dnat(step))
    } else {
        steps.find(|step| decides(step))
    }?;
    let place = format!("chain {} of table {}", step.chain, step.table);
    Some(match (step.rule, &step.comment) {
        (None, _) => format!("the policy of {place}"),
        (Some(rule), None) => format!("rule {} of {place}", rule + 1),
        (Some(rule), Some(comment)) => format!("rule {} of {place} (\"{comment}\")", rule + 1),
    })
}

fn is_dnat(step: &Step) -> bool {
    matches!(
        step.action,
        Action::Translated {
            kind: NatKind::Dnat,
            ..
        }
    )
}

fn decides(step: &Step) -> bool {
    match &step.action {
        Action::Verdict(Said::Drop)
        | Action::Rejected(_)
        | Action::Translated { .. }
        | Action::Untranslatable
        | Action::Policy(Policy::Drop) => true,
        Action::Verdict(
            Said::Accept | Said::Continue | Said::Return | Said::Jump(_) | Said::Goto(_),
        )
        | Action::Matched
        | Action::Policy(Policy::Accept) => false,
    }
}
