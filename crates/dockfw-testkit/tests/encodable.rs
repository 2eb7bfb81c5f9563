//! What the verifier lets through has a wire form: `dockfw check` says that an input is right when
//! the verifier takes its ruleset, and `dockfw commit` encodes the same ruleset.
//!
//! Random hosts with rules of an operator, and whole programs, each folded and not.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests; the counts are the result of a run"
)]

use dockfw_iptables::Family;
use dockfw_iptables::parse::{Assume, load};
use dockfw_ir::Verified;
use dockfw_ir::verify::verify;
use dockfw_lower::lower;
use dockfw_lower::optimize::Optimize;
use dockfw_netlink::Batch;
use dockfw_testkit::equivalence::whole::{Failure, compile, random};
use dockfw_testkit::equivalence::{Generator, Rng, World, emit, user};

/// What the rulesets of a run had in them.
#[derive(Debug, Default)]
struct Count {
    rulesets: usize,
    /// Sets and maps that rules were folded to, or that a policy needs.
    sets: usize,
    /// Those of them whose keys are ranges of several fields.
    ranges: usize,
    /// Sets with a number in host byte order.
    numbers: usize,
}

impl Count {
    fn take(&mut self, ruleset: &Verified, text: &str) {
        if let Err(wrong) = Batch::replace(ruleset) {
            panic!("verified, but {wrong}\n{text}\n{}", **ruleset);
        }
        self.rulesets += 1;
        for set in ruleset.tables.iter().flat_map(|table| &table.sets) {
            self.sets += 1;
            self.ranges += usize::from(set.interval && set.key.len() > 1);
            self.numbers += usize::from(set.key.iter().any(|one| one.is_host_number()));
        }
    }
}

fn runs(standard: u64) -> u64 {
    std::env::var("DOCKFW_ENCODABLE_RUNS").map_or(standard, |text| text.parse().unwrap())
}

#[test]
fn every_policy_that_checks_has_a_wire_form() {
    let mut count = Count::default();
    for seed in [31, 41] {
        for run in 0..runs(60) {
            let host = Generator::new(Rng::new(seed, run)).host();
            let mut rng = Rng::new(seed + 1, run);
            let mut lines = user::random(&mut rng, &host, &World::new(&host));
            for optimize in [Optimize::Full, Optimize::None] {
                lines.optimize = optimize;
                let Some(host) = lines.on(&host) else {
                    continue;
                };
                let text = emit::policy(&host) + &lines.toml();
                count.take(&verify(lower(&host)).unwrap(), &text);
            }
        }
    }
    println!("{count:?}");
    assert!(count.ranges > 0 && count.numbers > 0, "{count:?}");
}

/// A rule that the generators make rarely: ports as ranges or alone, beside marks, states and
/// types of addresses.
fn beside_numbers(rng: &mut Rng) -> String {
    let number = |rng: &mut Rng, options: &[&str]| (*rng.pick(options)).to_owned();
    let protocol = number(rng, &["tcp", "udp"]);
    let ports = number(rng, &["80", "443", "1000:1999", "1500:2500", "53"]);
    let match_ = number(
        rng,
        &[
            "-m mark --mark 1",
            "-m mark --mark 0x1000000",
            "-m connmark --mark 7",
            "-m conntrack --ctstate NEW",
            "-m conntrack --ctstate ESTABLISHED",
            "-m addrtype --dst-type LOCAL",
            "-m addrtype --dst-type UNICAST",
            "-m pkttype --pkt-type unicast",
            "-m pkttype --pkt-type multicast",
            "-i eth0",
            "-i eth1",
        ],
    );
    let source = number(rng, &["", "-s 192.0.2.1 ", "-s 198.51.100.0/24 "]);
    let target = number(rng, &["DROP", "DROP", "ACCEPT", "to"]);
    format!("-A FORWARD {source}-p {protocol} --dport {ports} {match_} -j {target}\n")
}

#[test]
fn every_program_that_compiles_has_a_wire_form() {
    let mut count = Count::default();
    for run in 0..runs(150) {
        let ipv6 = run % 3 == 2;
        let mut rng = Rng::new(61, run);
        let text = if run % 2 == 0 {
            random(&mut rng, ipv6)
        } else {
            let mut rules: Vec<String> = (0..12).map(|_| beside_numbers(&mut rng)).collect();
            // Rules that test the same stand side by side, so that they fold.
            rules.sort_by_key(|rule| rule.split("-m ").nth(1).map(|of| of[..5].to_owned()));
            format!("*filter\n:to - [0:0]\n{}COMMIT\n", rules.concat())
        };
        let family = if ipv6 && run % 2 == 0 {
            Family::Ipv6
        } else {
            Family::Ipv4
        };
        let program = load(&text, family, &Assume::default()).unwrap().program;
        for optimize in [Optimize::Full, Optimize::None] {
            match compile(&program, optimize) {
                Ok(ruleset) => count.take(&ruleset, &text),
                Err(Failure::Refused(_)) => {}
                Err(Failure::Unverified(wrong)) => panic!("{wrong}\n{text}"),
            }
        }
    }
    println!("{count:?}");
    assert!(count.ranges > 0 && count.numbers > 0, "{count:?}");
}
