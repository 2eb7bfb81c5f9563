//! Which rules of a dump are Docker's, and may go.

use dockfw_iptables::{Family, Program};
use dockfw_lower::import::clean::{Found, FoundChain, FoundRule, Note, Verdict, judge};

use crate::util::dumped;

fn found(program: &Program) -> Vec<Found> {
    let tables = program.tables().map(|table| {
        let chains = table.chains().map(|chain| FoundChain {
            name: chain.name().to_string(),
            policy: chain.policy(),
            rules: chain.rules().cloned().map(FoundRule::from).collect(),
        });
        Found {
            family: program.family(),
            table: table.name(),
            chains: chains.collect(),
        }
    });
    tables.collect()
}

/// What is left of a dump, and what is in the way: rules with their chains.
fn check(dump: &str, bridges: &[&str], left: &[&str], in_the_way: &[&str]) -> Vec<Verdict> {
    let dumped = dumped(dump, Family::Ipv4);
    let tables = found(&dumped.program);
    let bridges: Vec<String> = bridges.iter().map(|of| (*of).to_owned()).collect();
    let verdicts = judge(&tables, &bridges);
    let (mut stays, mut holds) = (Vec::new(), Vec::new());
    for (table, verdict) in tables.iter().zip(&verdicts) {
        for (index, chain) in table.chains.iter().enumerate() {
            for (place, rule) in chain.rules.iter().enumerate() {
                let text = format!("{}{rule}", chain.name);
                if !verdict.rules.contains(&(index, place)) {
                    stays.push(text.clone());
                }
                let is = |of: &Note| (of.chain, of.rule) == (index, place);
                if verdict.in_the_way.iter().any(is) {
                    holds.push(text);
                }
            }
        }
    }
    assert_eq!(stays, left);
    assert_eq!(holds, in_the_way);
    verdicts
}

const DUMP: &str = "\
*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -o mybr0 -j DOCKER
-A FORWARD -i mybr0 ! -o mybr0 -j ACCEPT
-A FORWARD -i virbr0 ! -o virbr0 -j ACCEPT
-A DOCKER -d 172.20.0.2/32 ! -i mybr0 -o mybr0 -p tcp -m tcp --dport 80 -j ACCEPT
-A DOCKER-USER -j RETURN
COMMIT
*nat
-A POSTROUTING -s 172.20.0.0/16 ! -o mybr0 -j MASQUERADE
-A POSTROUTING -s 172.20.0.2/32 -d 172.20.0.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE
-A POSTROUTING -s 172.21.0.2/32 -d 172.21.0.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE
-A POSTROUTING -s 172.20.0.0/16 ! -o mybr0 -j MASQUERADE --random
COMMIT
";

const OTHERS: [&str; 3] = [
    "FORWARD -i virbr0 ! -o virbr0 -j ACCEPT",
    "POSTROUTING -s 172.21.0.2/32 -d 172.21.0.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE",
    "POSTROUTING -s 172.20.0.0/16 ! -o mybr0 -j MASQUERADE --random",
];

#[test]
fn only_what_names_dockers_bridges_and_addresses_goes() {
    let verdicts = check(DUMP, &[], &OTHERS, &[]);
    let [filter, nat] = &verdicts[..] else {
        panic!("{verdicts:?}")
    };
    assert_eq!(filter.chains.len(), 2);
    assert!(filter.accept.is_some() && nat.accept.is_none());
    // A bridge that the operator names goes with its rules.
    check(DUMP, &["virbr0"], &OTHERS[1..], &[]);
}

#[test]
fn docker_user_stays_with_its_jump() {
    let rule = "-A DOCKER-USER -s 203.0.113.0/24 -j DROP\n-A DOCKER-USER -j RETURN";
    let dump = DUMP.replace("-A DOCKER-USER -j RETURN", rule);
    let left = [
        "FORWARD -j DOCKER-USER",
        OTHERS[0],
        "DOCKER-USER -s 203.0.113.0/24 -j DROP",
        "DOCKER-USER -j RETURN",
        OTHERS[1],
        OTHERS[2],
    ];
    let verdicts = check(&dump, &[], &left, &[]);
    assert_eq!(verdicts[0].chains.len(), 1);
}

#[test]
fn rules_of_others_hold_dockers_chains() {
    let more = "-A DOCKER -s 203.0.113.9 -j DROP\n-A INPUT -j DOCKER\nCOMMIT\n*nat";
    let dump = DUMP.replace("COMMIT\n*nat", more);
    let held = ["INPUT -j DOCKER", "DOCKER -s 203.0.113.9/32 -j DROP"];
    let left = [held[0], OTHERS[0], held[1], OTHERS[1], OTHERS[2]];
    check(&dump, &[], &left, &held);
}

#[test]
fn a_dump_without_docker_has_nothing_to_lose() {
    let dump = "*filter\n:FORWARD DROP [0:0]\n-A FORWARD -i docker9 -o docker9 -j ACCEPT\nCOMMIT\n";
    let verdicts = check(dump, &[], &["FORWARD -i docker9 -o docker9 -j ACCEPT"], &[]);
    assert!(verdicts[0].is_empty() && verdicts[0].accept.is_none());
}
