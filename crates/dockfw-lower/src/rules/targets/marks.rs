//! `MARK` and `CONNMARK`.

use dockfw_iptables::target::connmark::Connmark;
use dockfw_iptables::target::mark::SetMark as XtSetMark;
use dockfw_ir::statement::{MarkSource, MarkTarget, SetMark, Statement};

use crate::rules::Reason;

/// Source: linux v6.12, `net/netfilter/xt_mark.c`, `mark_tg`.
pub(super) fn mark(value: XtSetMark) -> Vec<Statement> {
    set(SetMark {
        target: MarkTarget::Packet,
        source: MarkSource::Packet,
        keep: !value.mask,
        value: value.value,
    })
}

/// Nothing, where the mark stays as it is.
fn set(mark: SetMark) -> Vec<Statement> {
    let own = matches!(
        (mark.target, mark.source),
        (MarkTarget::Packet, MarkSource::Packet) | (MarkTarget::Conntrack, MarkSource::Conntrack)
    );
    if own && (mark.keep, mark.value) == (u32::MAX, 0) {
        return Vec::new();
    }
    vec![Statement::SetMark(mark)]
}

/// Source: linux v6.12, `net/netfilter/xt_connmark.c`, `connmark_tg_shift`.
pub(super) fn connmark(value: &Connmark) -> Result<Vec<Statement>, Reason> {
    let mark = match *value {
        Connmark::Set(XtSetMark { value, mask }) => SetMark {
            target: MarkTarget::Conntrack,
            source: MarkSource::Conntrack,
            keep: !mask,
            value,
        },
        Connmark::Save {
            packet_mask,
            connection_mask: u32::MAX,
        } => SetMark {
            target: MarkTarget::Conntrack,
            source: MarkSource::Packet,
            keep: packet_mask,
            value: 0,
        },
        Connmark::Restore {
            packet_mask: u32::MAX,
            connection_mask,
        } => SetMark {
            target: MarkTarget::Packet,
            source: MarkSource::Conntrack,
            keep: connection_mask,
            value: 0,
        },
        Connmark::Save { .. } | Connmark::Restore { .. } => {
            return Err(Reason::new(
                "a mark that is saved or restored under a mask mixes two marks, which nft 1.0.6 \
                 cannot list",
                "save and restore the whole mark, or load these rules with iptables",
            ));
        }
    };
    Ok(set(mark))
}
