//! `-m owner`: the process of the host that sent the packet.

use dockfw_iptables::Invertible;
use dockfw_iptables::r#match::owner::Owner;
use dockfw_ir::expr::Meta;
use dockfw_ir::value::Value;

use crate::rules::Reason;
use crate::rules::ways::{Ways, range};

/// Source: linux v6.12, `net/netfilter/xt_owner.c`: a negated test also holds for packets without a
/// socket, which no native expression can see.
pub(super) fn ways(value: &Owner) -> Result<Ways, Reason> {
    let number = |id| Value::new().and_host_u32(id);
    let mut ways = Ways::always();
    for (ids, key) in [(&value.uid, Meta::Skuid), (&value.gid, Meta::Skgid)] {
        match ids {
            Some(Invertible::Is((first, last))) if first > last => ways = Ways::never(),
            Some(Invertible::Is((first, last))) => {
                ways = ways.and(&Ways::one(range(key, false, number(*first), number(*last))));
            }
            Some(Invertible::Not(_)) => {
                return Err(Reason::new(
                    "a negated owner also matches packets without a socket, which nftables \
                     cannot test",
                    "turn the rule round: let the owner RETURN first, then write the rule without \
                     the match",
                ));
            }
            None => {}
        }
    }
    match value.socket {
        Some(Invertible::Is(())) => Err(Reason::new(
            "the kernel's own packets have a socket too, which nftables does not see",
            "write --uid-owner 0-4294967294 for packets of processes",
        )),
        Some(Invertible::Not(())) => Err(Reason::new(
            "nftables cannot test that a packet has no socket",
            "turn the rule round: let packets with a socket RETURN first",
        )),
        None => Ok(ways),
    }
}
