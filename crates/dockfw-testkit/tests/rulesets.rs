//! The pages of `docs/rulesets`: Docker's scenarios, each with its policy, what packets do, and the
//! ruleset. They are made from `fixtures/rulesets`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use dockfw::policy;
use dockfw_ir::chain::Policy;
use dockfw_ir::eval::{Action, Evaluator, From, Host, Interface, Outcome, Packet, Route, Verdict};
use dockfw_ir::statement;
use dockfw_ir::verify::verify;
use dockfw_ir::{Ruleset, Verified, print};
use dockfw_lower::lower;
use dockfw_testkit::fixture::difference;
use ipnet::IpNet;
use serde::Deserialize;

const TCP: u8 = 6;
const ICMP: u8 = 1;
const ECHO_REQUEST: (u8, u8) = (8, 0);

/// `packets.toml` of a scenario.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Packets {
    /// The host's interfaces with their addresses; `eth0` has the default route.
    interfaces: BTreeMap<String, String>,
    #[serde(rename = "packet")]
    packets: Vec<Row>,
}

/// The first packet of a connection.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    /// Who sends it, in the page's words.
    who: String,
    /// The interface that it comes in by; none for the host itself.
    by: Option<String>,
    source: IpAddr,
    /// Address and TCP port, or an address that is pinged.
    to: String,
    #[serde(default)]
    mark: u32,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn scenarios() -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(root().join("fixtures/rulesets"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    names
}

/// The text without sets and maps that hold nothing, and without the rules that look for something
/// in them: they match no packet.
fn without_empty_sets(ruleset: &Ruleset) -> String {
    let empty: BTreeSet<_> = ruleset
        .tables
        .iter()
        .flat_map(|table| &table.sets)
        .filter(|set| set.elements.is_empty())
        .map(|set| set.name.as_str())
        .collect();
    let mut text = String::new();
    let listing = print::nft(ruleset);
    let mut lines = listing.lines();
    while let Some(line) = lines.next() {
        let words: Vec<_> = line.split_whitespace().collect();
        if let ["set" | "map", name, "{"] = *words
            && empty.contains(name)
        {
            lines
                .by_ref()
                .take_while(|line| !line.is_empty())
                .for_each(drop);
            continue;
        }
        let unmatched = words.windows(2).any(|pair| match *pair {
            [before, word] => {
                before != "!="
                    && word
                        .strip_prefix('@')
                        .is_some_and(|set| empty.contains(set))
            }
            _ => false,
        });
        if !unmatched {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

fn host(interfaces: &BTreeMap<String, IpNet>) -> Host {
    Host {
        interfaces: interfaces
            .iter()
            .map(|(name, address)| Interface {
                name: name.clone(),
                addresses: vec![*address],
            })
            .collect(),
        routes: vec![Route {
            destination: "0.0.0.0/0".parse().unwrap(),
            interface: "eth0".to_owned(),
        }],
    }
}

fn packet(row: &Row, interfaces: &BTreeMap<String, IpNet>) -> Packet {
    let to: Option<SocketAddr> = row.to.parse().ok();
    let destination = to.map_or_else(|| row.to.parse().unwrap(), |to| to.ip());
    let from = row.by.clone().map_or(From::Host, From::Interface);
    let protocol = if to.is_some() { TCP } else { ICMP };
    let mut packet = Packet::new(from, row.source, destination, protocol);
    packet.ports = to.map(|to| (50_000, to.port()));
    packet.icmp = to.is_none().then_some(ECHO_REQUEST);
    packet.mark = row.mark;
    // From one container of a bridge to another: br_netfilter shows the packet.
    packet.to = row.by.clone().filter(|by| {
        let own = interfaces.get(by).unwrap();
        own.contains(&destination) && own.addr() != destination
    });
    packet
}

/// The chains whose rules or policies decided something about the packet.
fn deciding_chains(outcome: &Outcome) -> String {
    let mut chains: Vec<String> = Vec::new();
    for step in &outcome.trail {
        let decides = match &step.action {
            Action::Verdict(verdict) => matches!(
                verdict,
                statement::Verdict::Accept | statement::Verdict::Drop
            ),
            Action::Translated { .. } | Action::Rejected(_) | Action::Untranslatable => true,
            Action::Policy(policy) => *policy == Policy::Drop,
            Action::Matched => false,
        };
        let chain = format!("`{}`", step.chain.as_str());
        if decides && chains.last() != Some(&chain) {
            chains.push(chain);
        }
    }
    if chains.is_empty() {
        return "no rule".to_owned();
    }
    chains.join(", ")
}

fn row_of_page(row: &Row, outcome: &Outcome) -> String {
    let place = |address: IpAddr, port: Option<u16>| {
        port.map_or_else(
            || address.to_string(),
            |port| SocketAddr::new(address, port).to_string(),
        )
    };
    let ends = match &outcome.verdict {
        Verdict::Forwarded { interface } => {
            let port = outcome.ports.map(|(_, port)| port);
            let to = place(outcome.destination, port);
            let source = outcome.source;
            format!("leaves by `{interface}` to {to}, from {source}")
        }
        Verdict::Delivered { .. } => "the host itself has it".to_owned(),
        Verdict::Dropped { .. } => "dropped".to_owned(),
        Verdict::Rejected { .. } | Verdict::NoRoute => panic!("{outcome:?}"),
    };
    let mark = if row.mark == 0 {
        String::new()
    } else {
        format!(", mark {}", row.mark)
    };
    let by = row
        .by
        .as_ref()
        .map_or_else(String::new, |by| format!(" (`{by}`)"));
    let (who, source, to) = (&row.who, row.source, &row.to);
    let ping = if outcome.ports.is_some() { "" } else { "ping " };
    let chains = deciding_chains(outcome);
    format!("| {who}, {source}{by}{mark} | {ping}{to} | {ends} | {chains} |\n")
}

fn page(scenario: &str) -> String {
    let folder = root().join("fixtures/rulesets").join(scenario);
    let read = |file: &str| {
        fs::read_to_string(folder.join(file))
            .unwrap_or_else(|error| panic!("{scenario}/{file}: {error}"))
    };
    let host_policy = policy::load(&[folder.join("policy.toml")])
        .unwrap_or_else(|diagnostics| panic!("{diagnostics}"));
    let ruleset: Verified = verify(lower(&host_policy.host)).unwrap();

    let packets: Packets =
        toml::from_str(&read("packets.toml")).unwrap_or_else(|error| panic!("{scenario}: {error}"));
    let interfaces: BTreeMap<_, _> = packets
        .interfaces
        .iter()
        .map(|(name, address)| (name.clone(), address.parse().unwrap()))
        .collect();
    let host = host(&interfaces);
    let evaluator = Evaluator::new(&ruleset);
    let mut rows = String::new();
    for row in &packets.packets {
        let outcome = evaluator.eval(&host, &packet(row, &interfaces));
        rows.push_str(&row_of_page(row, &outcome));
    }

    // Prose links to pages from where it stands.
    let mut page = read("page.md").replace("](../../../docs/rulesets/", "](");
    write!(
        page,
        "\n## Policy\n\n```toml\n{}```\n\n## Packets\n\n\
         | from | to | what becomes of it | decided by |\n|---|---|---|---|\n{rows}\n\
         ## Ruleset\n\n[Sets and maps that hold nothing are left out.](README.md#how-to-read-a-page)\n\n\
         ```\n{}```\n",
        read("policy.toml"),
        without_empty_sets(&ruleset),
    )
    .unwrap();
    page
}

#[test]
fn pages_show_what_is_compiled() {
    let bless = std::env::var_os("DOCKFW_BLESS").is_some();
    let mut wrong = Vec::new();
    let names = scenarios();
    assert!(names.len() >= 11);
    for scenario in names {
        let text = page(&scenario);
        let path = root().join("docs/rulesets").join(format!("{scenario}.md"));
        if bless {
            fs::write(&path, text).unwrap();
            continue;
        }
        let difference = difference(&fs::read_to_string(&path).unwrap_or_default(), &text);
        if !difference.is_empty() {
            wrong.push((path, difference));
        }
    }
    assert!(
        wrong.is_empty(),
        "{wrong:#?}\nif this is right: DOCKFW_BLESS=1 cargo test -p dockfw-testkit --test rulesets"
    );
}

#[test]
fn every_set_that_a_page_looks_in_is_on_the_page() {
    for scenario in scenarios() {
        let text = page(&scenario);
        for name in text
            .split_whitespace()
            .filter_map(|word| word.strip_prefix('@'))
        {
            assert!(
                text.contains(&format!("\tset {name} {{"))
                    || text.contains(&format!("\tmap {name} {{")),
                "{scenario}: {name}"
            );
        }
    }
}

#[test]
fn the_list_of_pages_is_complete() {
    let folder = root().join("docs/rulesets");
    let list = fs::read_to_string(folder.join("README.md")).unwrap();
    let mut listed: Vec<_> = list
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next()?.strip_suffix(".md"))
        .filter(|link| !link.contains('/'))
        .map(str::to_owned)
        .collect();
    listed.sort_unstable();
    assert_eq!(listed, scenarios());
    let mut pages: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| Some(name.strip_suffix(".md")?.to_owned()))
        .filter(|name| name != "README")
        .collect();
    pages.sort_unstable();
    assert_eq!(pages, listed);
    for scenario in listed {
        let text = page(&scenario);
        let title = text.lines().next().unwrap().trim_start_matches("# ");
        assert!(
            list.contains(&format!("[{title}]({scenario}.md)")),
            "{title}"
        );
    }
}
