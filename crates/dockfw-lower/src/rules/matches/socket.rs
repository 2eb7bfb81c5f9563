//! `-m socket`: whether a socket of the host waits for the packet.

use dockfw_iptables::r#match::socket::Socket as XtSocket;
use dockfw_ir::expr::{Expr, Socket};
use dockfw_ir::statement::{MarkSource, MarkTarget, SetMark, Statement};
use dockfw_ir::value::Value;

use super::equal;
use crate::rules::ways::{Ways, range};

/// `socket transparent 1 socket wildcard 0`
///
/// Without `--nowildcard` the kernel's `socket wildcard` does not match a connection in TIME-WAIT,
/// where xt_socket does.
///
/// Source: linux v6.12, `net/netfilter/xt_socket.c`, `socket_match`; `nft_socket.c`,
/// `nft_socket_eval`.
pub(super) fn ways(value: XtSocket) -> Ways {
    let mut ways = match (value.transparent, value.no_wildcard) {
        (true, _) => equal(Socket::Transparent.into(), false, 1),
        (false, false) => Ways::always(),
        (false, true) => {
            let flag = |number| Value::new().and_u8(number);
            let key = Expr::from(Socket::Transparent);
            Ways::one(range(key, false, flag(0), flag(1)))
        }
    };
    if !value.no_wildcard {
        ways = ways.and(&equal(Socket::Wildcard.into(), false, 0));
    }
    if value.restore_mark {
        ways = ways.and(&Ways::one(Statement::SetMark(SetMark {
            target: MarkTarget::Packet,
            source: MarkSource::Socket,
            keep: u32::MAX,
            value: 0,
        })));
    }
    ways
}
