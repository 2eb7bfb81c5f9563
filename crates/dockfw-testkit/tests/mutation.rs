//! Mistakes in the lowered ruleset: every one is found. The table is in `docs/mutation.md`.
#![expect(clippy::print_stdout, reason = "the table is the result of the run")]

use dockfw_lower::host::Host;
use dockfw_lower::lower;
use dockfw_testkit::equivalence::mutate::{self, Mutation};
use dockfw_testkit::equivalence::run::play;
use dockfw_testkit::equivalence::{Case, Generator, Rng, World, user};

const SEED: u64 = 7;
const PER_HOST: u64 = 250;
const MOST_HOSTS: u64 = 3000;

/// Packets and hosts until a mutation is found; `None` when it is not.
fn hunt(mutation: &Mutation, number: u64, operator: bool) -> Option<(u64, u64)> {
    let (mut packets, mut hosts) = (0, 0);
    for index in 0..MOST_HOSTS {
        let part = number * MOST_HOSTS + index;
        let host = Generator::new(Rng::new(SEED, 2 * part)).host();
        let mut rng = Rng::new(SEED, 2 * part + 1);
        let host = if operator {
            match with_rules(&host, &mut rng) {
                Some(host) => host,
                None => continue,
            }
        } else {
            host
        };
        let mut ruleset = lower(&host);
        if !(mutation.apply)(&mut ruleset, &mut rng) {
            continue;
        }
        // What the verifier refuses would never reach a kernel; the packets have to find the rest.
        let Ok(case) = Case::with_ruleset(host, ruleset) else {
            continue;
        };
        hosts += 1;
        // What is wrong without the mutation proves nothing.
        let intact = Case::new(case.host.clone());
        let intact = intact.judge();
        let judge = case.judge();
        let mut found = false;
        play(&judge, &mut rng, PER_HOST, &mut |packet, judgement| {
            packets += 1;
            found = !judgement.is_right() && intact.judge(packet).is_right();
            !found
        });
        if found {
            return Some((packets, hosts));
        }
    }
    None
}

/// The host with random rules of an operator.
fn with_rules(host: &Host, rng: &mut Rng) -> Option<Host> {
    user::random(rng, host, &World::new(host)).on(host)
}

#[test]
#[ignore = "every mutation: cargo test --release -p dockfw-testkit --test mutation -- --ignored"]
fn every_mutation_is_caught() {
    let all = mutate::ALL.iter().map(|of| (of, false));
    let all = all.chain(mutate::user::ALL.iter().map(|of| (of, true)));
    let mut survivors = Vec::new();
    println!("| mutation | packets | hosts |\n|---|---|---|");
    for (number, (mutation, operator)) in (0..).zip(all) {
        match hunt(mutation, number, operator) {
            Some((packets, hosts)) => println!("| {} | {packets} | {hosts} |", mutation.name),
            None => survivors.push(mutation.name),
        }
    }
    assert!(survivors.is_empty(), "not found: {survivors:#?}");
}
