//! `-m recent`: addresses that were seen in the last seconds.

use std::net::IpAddr;
use std::time::Duration;

use dockfw_iptables::r#match::recent::{Action, Recent, Side};
use dockfw_iptables::{Match, Rule, TableName, Target};
use dockfw_ir::expr::Key;
use dockfw_ir::name::SetName;
use dockfw_ir::set::{Set, SetKind};
use dockfw_ir::statement::{Dynset, DynsetOperation, Statement};

use super::connlimit::SIZE;
use super::{set_name, share};
use crate::lower::family::Family;
use crate::rules::recent::{Lists, keeps_count, of_rule};
use crate::rules::ways::Ways;
use crate::rules::{Place, Reason};

/// The kernel multiplies seconds with its clock rate, up to 1000, in 32 bits.
const MAX_SECONDS: u32 = u32::MAX / 1000;

/// `ip saddr @recent4-NAME`, and for `--update` an element that lives longer from then on:
/// `update @recent4-NAME { ip saddr }`.
///
/// `--set` always holds, and what it notes is that of [`note`]: a set that is full must not decide
/// whether the rule matches.
///
/// Source: linux v6.12, `net/netfilter/xt_recent.c`, `recent_mt`.
pub(super) fn ways(
    value: &Recent,
    rule: &Rule,
    place: Place,
    sets: &mut Vec<Set>,
    lists: &Lists,
) -> Result<Ways, Reason> {
    options(value, rule)?;
    let negated = value.action.is_inverted();
    match value.action.value() {
        Action::Set => {}
        Action::Remove => removes(value, rule)?,
        Action::Check | Action::Update => asks(value, rule, place, lists)?,
    }
    let seconds = seconds(value, lists)?;
    let key = key(value, place.family);
    let set = Set {
        name: set_name("recent", place.family, &value.name)?,
        key: key.data_types(),
        kind: SetKind::Set,
        interval: false,
        dynamic: true,
        counter: false,
        timeout: Some(Duration::from_secs(seconds.into())),
        size: Some(SIZE),
        comment: None,
        elements: Vec::new(),
    };
    let set = share(sets, set)?;
    if *value.action.value() == Action::Set {
        return Ok(Ways::constant(!negated));
    }
    if negated {
        return Ok(Ways::one(Statement::not_in_set(key, &set)));
    }
    let mut tests = vec![Statement::in_set(key, &set)];
    if *value.action.value() == Action::Update {
        tests.push(dynset(DynsetOperation::Update, value, place.family, set));
    }
    Ok(Ways(vec![tests]))
}

/// What `--set` does when the matches before it hold, whatever comes behind it.
pub(in crate::rules) fn note(value: &Recent, family: Family) -> Result<Option<Statement>, Reason> {
    if *value.action.value() != Action::Set {
        return Ok(None);
    }
    let set = set_name("recent", family, &value.name)?;
    Ok(Some(dynset(DynsetOperation::Update, value, family, set)))
}

/// What can be done at the end of a rule, behind its counter and its log: `--set` that stands
/// last in it, and `--remove`.
pub(in crate::rules) fn last(rule: &Rule, family: Family) -> Result<Option<Statement>, Reason> {
    let mut matches = rule.matches.iter().rev();
    let last = matches.find(|of| !matches!(of, Match::Comment(_)));
    let Some(Match::Recent(value)) = last else {
        return Ok(None);
    };
    let goes_on = matches!(rule.target, None | Some(Target::Log(_) | Target::Nflog(_)));
    let operation = match value.action.value() {
        Action::Set => DynsetOperation::Update,
        Action::Remove => DynsetOperation::Delete,
        Action::Check | Action::Update => return Ok(None),
    };
    if !goes_on || value.action.is_inverted() {
        return Ok(None);
    }
    let set = set_name("recent", family, &value.name)?;
    Ok(Some(dynset(operation, value, family, set)))
}

fn key(value: &Recent, family: Family) -> Key {
    Key::from(match value.side {
        Side::Source => family.saddr(),
        Side::Destination => family.daddr(),
    })
}

fn dynset(operation: DynsetOperation, value: &Recent, family: Family, set: SetName) -> Statement {
    Statement::Dynset(Box::new(Dynset {
        operation,
        set,
        key: key(value, family),
        mask: None,
        timeout: None,
        statement: None,
    }))
}

const IPTABLES: &str = "or load these rules with iptables";

/// What a set cannot do, whatever the other rules are.
fn options(value: &Recent, rule: &Rule) -> Result<(), Reason> {
    let refuse = |message: String, help: &str| Err(Reason::new(message, help));
    let name = &value.name;
    let asks = matches!(value.action.value(), Action::Check | Action::Update);
    if let Some(hits @ 2..) = value.hits {
        return refuse(
            format!(
                "`recent --hitcount {hits}` counts packets by their times, of which a set of \
                 nftables keeps the last one only"
            ),
            "write `-m hashlimit` with a rate for each source, or load these rules with iptables",
        );
    }
    if value.same_ttl {
        return refuse(
            "`recent --rttl` compares times to live, which a set of nftables does not keep".into(),
            "leave --rttl out, or load these rules with iptables",
        );
    }
    if asks && value.seconds.is_none() {
        return refuse(
            "`recent` without --seconds finds an address until newer ones push it out of the \
             list, which they do not in a set of nftables"
                .into(),
            "add --seconds, or load these rules with iptables",
        );
    }
    if !is_whole(value.mask) {
        return refuse(
            "`recent --mask` looks for a network, which a set of addresses does not hold".into(),
            "leave --mask out, or load these rules with iptables",
        );
    }
    if of_rule(rule).filter(|of| of.name == *name).count() > 1 {
        return refuse(
            format!("the rule uses the list {name} twice"),
            "write a rule for each, and jump to a chain from the first one",
        );
    }
    if let Some(seconds) = value.seconds.filter(|seconds| *seconds > MAX_SECONDS) {
        return refuse(
            format!("{seconds} seconds are more than the kernel's clock counts for `recent`"),
            &format!("write at most --seconds {MAX_SECONDS}"),
        );
    }
    Ok(())
}

/// How long the addresses of a list live, which is what all rules that ask say.
fn seconds(value: &Recent, lists: &Lists) -> Result<u32, Reason> {
    let refuse = |message: String, help: &str| Err(Reason::new(message, help));
    let name = &value.name;
    let list = lists.get(name);
    if !list.is_set {
        return refuse(
            format!("no rule here puts addresses into the list {name}"),
            "add the rule with --set to the same rules, or leave this one out; what is written to \
             /proc/net/xt_recent is not seen",
        );
    }
    let Some(seconds) = list.seconds else {
        return refuse(
            format!("no rule here looks for addresses of the list {name} by --seconds"),
            "add the rule with --rcheck or --update to the same rules, or leave `-m recent` out",
        );
    };
    if value.seconds.is_some_and(|own| own != seconds) {
        return refuse(
            format!(
                "another rule looks for addresses of the list {name} with --seconds {seconds}, \
                 and those of a set have one lifetime"
            ),
            "write the same --seconds, or add the address to a second list",
        );
    }
    Ok(seconds)
}

/// Whether all bits of the address count.
fn is_whole(mask: IpAddr) -> bool {
    match mask {
        IpAddr::V4(mask) => mask.to_bits() == u32::MAX,
        IpAddr::V6(mask) => mask.to_bits() == u128::MAX,
    }
}

/// A list also holds addresses that are too old for every rule that asks, and `--remove` matches
/// those: nothing may depend on that.
fn removes(value: &Recent, rule: &Rule) -> Result<(), Reason> {
    let mut matches = rule.matches.iter().rev();
    let last = matches.find(|of| !matches!(of, Match::Comment(_)));
    let is_last = matches!(last, Some(Match::Recent(of)) if of == value);
    let alone = of_rule(rule).count() == 1;
    if rule.target.is_some() || !is_last || !alone || value.action.is_inverted() {
        return Err(Reason::new(
            "`recent --remove` also matches addresses that are too old to be found, which a set \
             of nftables has forgotten",
            format!(
                "write it as the last match of a rule without target, and the target into a rule \
                 before it, {IPTABLES}"
            ),
        ));
    }
    Ok(())
}

/// An address may be remembered longer here than by iptables, so that no packet may be accepted
/// for it.
fn asks(value: &Recent, rule: &Rule, place: Place, lists: &Lists) -> Result<(), Reason> {
    let mut all = rule.matches.iter();
    let at = all.position(|of| matches!(of, Match::Recent(of) if of == value));
    let behind = at.and_then(|at| rule.matches.get(at + 1..));
    let behind = behind.unwrap_or_default();
    if !value.action.is_inverted() {
        if lists.refuses(rule, behind) {
            return Ok(());
        }
        return Err(Reason::new(
            "`recent` forgets the oldest of its addresses (ip_list_tot), a set of nftables does \
             not, and with this target more packets could be accepted for it",
            format!(
                "let such a rule drop, reject or log what it finds, without a limit behind \
                 `recent`, {IPTABLES}"
            ),
        ));
    }
    if *value.action.value() == Action::Update {
        return Err(Reason::new(
            "`recent ! --update` renews addresses that are too old to be found, which a set of \
             nftables has forgotten",
            format!("write `! --rcheck`, {IPTABLES}"),
        ));
    }
    let notes = |of: &Match| matches!(of, Match::Recent(_) | Match::Hashlimit(_));
    let harmless = match &rule.target {
        None | Some(Target::Log(_) | Target::Nflog(_)) => true,
        Some(Target::Accept) => place.table == TableName::Filter && !behind.iter().any(keeps_count),
        Some(_) => false,
    };
    if behind.iter().any(notes) || !harmless {
        return Err(Reason::new(
            "`recent` forgets the oldest of its addresses (ip_list_tot), a set of nftables does \
             not, and fewer packets would be refused for what it does not find",
            format!("let such a rule accept in the table filter, or log, {IPTABLES}"),
        ));
    }
    Ok(())
}
