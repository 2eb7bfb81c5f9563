//! Commit-confirm without a kernel: two generations in one table are each what they were alone,
//! for every packet, and come apart again as they went in.
//!
//! The generations are those of random hosts and of random iptables dumps, and such with base
//! chains that were renamed, moved, turned round and taken away.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "helpers of tests; the counts are the result of a run"
)]

use std::time::Duration;

use dockfw_iptables::Family as XtFamily;
use dockfw_iptables::parse::{Assume, load};
use dockfw_ir::chain::{ChainKind, Policy};
use dockfw_ir::eval::{self, Evaluator};
use dockfw_ir::name::{ChainName, Comment};
use dockfw_ir::pending::{Settled, deadline, pending, settle};
use dockfw_ir::verify::{Check, verify};
use dockfw_ir::{Ruleset, Table, Verified};
use dockfw_lower::lower;
use dockfw_lower::optimize::Optimize;
use dockfw_testkit::equivalence::aim::Aim;
use dockfw_testkit::equivalence::packet::Outcome;
use dockfw_testkit::equivalence::user;
use dockfw_testkit::equivalence::whole::{compile, random};
use dockfw_testkit::equivalence::{Generator, Packet, Rng, World};

const MINUTE: Duration = Duration::from_secs(60);

/// What a run met.
#[derive(Debug, Default)]
struct Counts {
    pairs: u64,
    /// Pairs that need more jumps than there are.
    too_deep: u64,
    packets: u64,
    /// Packets that the generations treat differently.
    telling: u64,
}

fn ruleset(table: Option<&Table>) -> Ruleset {
    Ruleset {
        tables: table.into_iter().cloned().collect(),
    }
}

fn checked(table: Option<&Table>) -> Verified {
    verify(ruleset(table)).unwrap_or_else(|wrong| panic!("{wrong}"))
}

/// The table as it is when the time is over.
fn expired(combined: &Table) -> Table {
    let (name, keys) = deadline(combined.family);
    let mut after = combined.clone();
    let set = after.sets.iter_mut().find(|set| set.name == name).unwrap();
    assert_eq!(set.elements.len(), keys.len());
    set.elements.clear();
    after
}

/// `IPS_SRC_NAT_DONE` and `IPS_DST_NAT_DONE`: nat chains were asked.
const ASKED: u32 = 1 << 7 | 1 << 8;

/// Everything about an end but the way there, and whether chains of type nat were asked where a
/// generation has none.
fn end(outcome: eval::Outcome, has_nat: bool) -> impl PartialEq + std::fmt::Debug {
    let eval::Outcome {
        verdict,
        source,
        destination,
        ports,
        mark,
        tos,
        ttl,
        priority,
        ct_status,
        ct_mark,
        ..
    } = outcome;
    let ct_status = if has_nat {
        ct_status
    } else {
        ct_status & !ASKED
    };
    (
        (verdict, source, destination, ports),
        (mark, tos, ttl, priority, ct_status, ct_mark),
    )
}

fn has_nat(table: Option<&Table>) -> bool {
    let is_nat = |of: &dockfw_ir::Chain| of.base.is_some_and(|base| base.kind == ChainKind::Nat);
    table.is_some_and(|table| table.chains.iter().any(is_nat))
}

/// Whether a packet is of a flow that a generation does not translate, because it has no chain of
/// type nat, and the common table does.
fn is_translated(packet: &Packet) -> bool {
    packet.flow.is_some_and(|flow| {
        let plain = flow.original.inverted();
        plain.source != flow.reply.source
            || plain.destination != flow.reply.destination
            || plain.ports != flow.reply.ports
    })
}

/// Puts two generations together and sends packets, those of one host among them.
fn try_pair(
    old: Option<&Table>,
    new: Option<&Table>,
    (world, aim): (&World, &Aim),
    rng: &mut Rng,
    packets: u64,
    counts: &mut Counts,
) {
    let combined = pending(old, new, MINUTE).unwrap();
    let apart = settle(&combined).unwrap().unwrap();
    let expected = Settled {
        old: old.cloned(),
        new: new.cloned(),
    };
    assert!(apart == expected, "{expected:#?}\n{apart:#?}");
    let over = expired(&combined);
    assert!(settle(&over).unwrap().unwrap() == expected);

    let common = match verify(ruleset(Some(&combined))) {
        Ok(common) => common,
        Err(wrong)
            if wrong
                .violations
                .iter()
                .all(|of| of.check == Check::JumpDepth) =>
        {
            counts.too_deep += 1;
            return;
        }
        Err(wrong) => panic!("{wrong}"),
    };
    counts.pairs += 1;
    let over = checked(Some(&over));
    let (before, after) = (checked(old), checked(new));
    let [before, after, common, over] = [&before, &after, &common, &over].map(Evaluator::new);
    let host = world.ours();
    let mut left = packets;
    let mut later: Vec<Packet> = Vec::new();
    while left > 0 {
        let mut packet = later.pop().unwrap_or_else(|| aim.packet(rng));
        if rng.chance(6) {
            packet = Aim::stray(rng, &packet);
        }
        if !world.is_modelled(&packet) {
            continue;
        }
        left -= 1;
        let ours = packet.ours();
        let [before, after, common, over] =
            [&before, &after, &common, &over].map(|of| of.eval(&host, &ours));
        if later.is_empty() && rng.chance(40) {
            let first = if rng.chance(50) { &before } else { &after };
            later = aim.later(rng, &packet, &Outcome::from(first.clone()));
        }
        let trails = format!("{packet:?}\n{:#?}\n{:#?}", common.trail, over.trail);
        counts.packets += 1;
        counts.telling += u64::from(before.verdict != after.verdict)
            | u64::from(before.destination != after.destination)
            | u64::from(before.source != after.source);
        if has_nat(new) || !is_translated(&packet) {
            let [one, alone] = [common, after].map(|of| end(of, has_nat(new)));
            assert!(
                one == alone,
                "pending {one:?} is not new {alone:?}: {trails}"
            );
        }
        if has_nat(old) || !is_translated(&packet) {
            let [one, alone] = [over, before].map(|of| end(of, has_nat(old)));
            assert!(
                one == alone,
                "expired {one:?} is not old {alone:?}: {trails}"
            );
        }
    }
}

/// Changes base chains of a table in ways that a commit can; the result verifies.
fn twisted(rng: &mut Rng, table: &Table, other: &Table) -> Table {
    loop {
        let mut changed = table.clone();
        for _ in 0..=rng.below(3) {
            twist(rng, &mut changed, other);
        }
        if verify(ruleset(Some(&changed))).is_ok() {
            return changed;
        }
    }
}

fn twist(rng: &mut Rng, table: &mut Table, other: &Table) {
    let bases = |table: &Table| -> Vec<usize> {
        let chains = table.chains.iter().enumerate();
        chains
            .filter(|(_, chain)| chain.base.is_some())
            .map(|(place, _)| place)
            .collect()
    };
    let places = bases(table);
    if places.is_empty() {
        return;
    }
    let place = *rng.pick(&places);
    let others = bases(other);
    match rng.below(7) {
        0 => {
            let base = table.chains[place].base.as_mut().unwrap();
            if base.kind != ChainKind::Nat {
                base.policy = match base.policy {
                    Policy::Accept => Policy::Drop,
                    Policy::Drop => Policy::Accept,
                };
            }
        }
        1 => table.chains[place].base.as_mut().unwrap().priority += 1,
        2 => table.chains[place].name = ChainName::new("renamed").unwrap(),
        3 => {
            // The name of any chain of the other generation.
            let name = rng.pick(&other.chains).name.clone();
            if table.chains.iter().all(|chain| chain.name != name) {
                table.chains[place].name = name;
            }
        }
        4 => {
            table.chains.remove(place);
        }
        5 if !others.is_empty() => {
            // Two of one hook and priority: the order decides.
            let from = &other.chains[*rng.pick(&others)];
            if table.chains.iter().all(|chain| chain.name != from.name) {
                let mut copy = table.chains[place].clone();
                copy.name = from.name.clone();
                let at = rng.below(table.chains.len());
                table.chains.insert(at, copy);
            }
        }
        5 => {}
        _ => {
            let with = *rng.pick(&places);
            table.chains.swap(place, with);
            table.comment = Comment::lossy("another comment");
        }
    }
}

fn number(name: &str, standard: u64) -> u64 {
    std::env::var(name).map_or(standard, |text| text.parse().unwrap())
}

/// Every way in which two tables can follow each other, most often as two tables.
fn each_way<'t>(
    rng: &mut Rng,
    old: &'t Table,
    new: &'t Table,
) -> (Option<&'t Table>, Option<&'t Table>) {
    match rng.below(10) {
        0 => (None, Some(new)),
        1 => (Some(old), None),
        2 => (Some(old), Some(old)),
        _ => (Some(old), Some(new)),
    }
}

#[test]
fn generations_of_hosts_are_what_they_were_alone() {
    let seed = number("DOCKFW_EQUIVALENCE_SEED", 1);
    let pairs = number("DOCKFW_PENDING_PAIRS", 60);
    let mut counts = Counts::default();
    for index in 0..pairs {
        let mut rng = Rng::new(seed, index);
        let host = |rng: &mut Rng| {
            let mut host = Generator::new(rng.clone()).host();
            rng.number();
            if rng.chance(50) {
                let user = user::random(rng, &host, &World::new(&host));
                host.user = user.read().ok();
            }
            host
        };
        let hosts = [host(&mut rng), host(&mut rng)];
        let [old, new] = [&hosts[0], &hosts[1]].map(|host| {
            let ruleset = verify(lower(host)).unwrap_or_else(|wrong| panic!("{wrong}"));
            ruleset.tables[0].clone()
        });
        let new = if rng.chance(50) {
            twisted(&mut rng, &new, &old)
        } else {
            new
        };
        for host in &hosts {
            let (old, new) = each_way(&mut rng, &old, &new);
            let world = World::new(host);
            let aim = Aim::new(host, &world);
            try_pair(old, new, (&world, &aim), &mut rng, 150, &mut counts);
        }
    }
    println!("{counts:?}");
    assert_eq!(counts.too_deep, 0);
    assert!(counts.telling * 10 > counts.packets, "{counts:?}");
}

#[test]
fn generations_of_dumps_are_what_they_were_alone() {
    let seed = number("DOCKFW_EQUIVALENCE_SEED", 1);
    let pairs = number("DOCKFW_PENDING_PAIRS", 60);
    let mut counts = Counts::default();
    for index in 0..2 * pairs {
        let mut rng = Rng::new(seed ^ 0xd0, index);
        let ipv6 = rng.chance(50);
        let family = if ipv6 { XtFamily::Ipv6 } else { XtFamily::Ipv4 };
        let table = |rng: &mut Rng| {
            let text = random(rng, ipv6);
            let program = load(&text, family, &Assume::default()).unwrap().program;
            let how = *rng.pick(&[Optimize::None, Optimize::Full]);
            let ruleset = compile(&program, how).unwrap_or_else(|wrong| panic!("{wrong:?}"));
            ruleset.tables[0].clone()
        };
        let old = table(&mut rng);
        let new = table(&mut rng);
        let new = if rng.chance(60) {
            twisted(&mut rng, &new, &old)
        } else {
            new
        };
        let host = Generator::new(rng.clone()).host();
        let world = World::new(&host);
        let aim = Aim::new(&host, &world);
        let (old, new) = each_way(&mut rng, &old, &new);
        try_pair(old, new, (&world, &aim), &mut rng, 150, &mut counts);
    }
    println!("{counts:?}");
    assert!(counts.telling * 20 > counts.packets, "{counts:?}");
}
