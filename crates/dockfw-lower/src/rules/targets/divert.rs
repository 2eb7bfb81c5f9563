//! `NFQUEUE` and `TPROXY`: where else a packet goes.

use dockfw_iptables::target::nfqueue::Nfqueue;
use dockfw_iptables::target::tproxy::Tproxy as XtTproxy;
use dockfw_ir::statement::nat::NatFamily;
use dockfw_ir::statement::{MarkSource, MarkTarget, Queue, SetMark, Statement, Tproxy, Verdict};

use super::Action;
use crate::rules::Reason;

/// `queue flags bypass to 0-3`
///
/// Source: linux v6.12, `net/netfilter/xt_NFQUEUE.c`; `nft_queue.c`.
pub(super) fn queue(value: Nfqueue) -> Vec<Statement> {
    vec![Statement::Queue(Queue {
        queues: value.queues,
        bypass: value.bypass,
        fanout: value.fanout,
    })]
}

/// `tproxy to 192.0.2.1:3129 meta mark set 0x1 accept`, and `drop` in a second rule.
///
/// Without a socket xt_TPROXY drops the packet, and the kernel's own `tproxy` lets it go on.
///
/// Source: linux v6.12, `net/netfilter/xt_TPROXY.c`, `tproxy_tg4`; `nft_tproxy.c`,
/// `nft_tproxy_eval_v4`.
pub(super) fn tproxy(value: XtTproxy) -> Result<Action, Reason> {
    let address = Some(value.address).filter(|address| !address.is_unspecified());
    let port = Some(value.port).filter(|port| *port != 0);
    if address.is_none() && port.is_none() {
        return Err(Reason::new(
            "nftables needs an address or a port for tproxy",
            "write --on-port with the port of the socket",
        ));
    }
    let family = address.map(|address| {
        if address.is_ipv4() {
            NatFamily::Ipv4
        } else {
            NatFamily::Ipv6
        }
    });
    let mut found = vec![Statement::Tproxy(Tproxy {
        family,
        address,
        port,
    })];
    let (bits, cleared) = value.mark;
    if (bits, cleared) != (0, 0) {
        found.push(Statement::SetMark(SetMark {
            target: MarkTarget::Packet,
            source: MarkSource::Packet,
            keep: !cleared,
            value: bits,
        }));
    }
    found.push(Statement::Verdict(Verdict::Accept));
    Ok(Action::Else(found, vec![Statement::Verdict(Verdict::Drop)]))
}
