//! `dockfw import`

pub(super) mod clean;
mod policy;

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::Subcommand;
use dockfw_iptables::Family;
use dockfw_lower::import::{Dumped, Imported, Leftover, import, read};
use serde_json::{Value, json};

use super::Exit;
use super::output::{Failure, print, print_json};
use crate::diagnostic::{Diagnostics, printable};
use crate::policy::Source;
use crate::policy::read::files;
use crate::policy::report::{Draft, Report, Span};
use crate::policy::syntax::text_of;

/// What is imported.
#[derive(Debug, Subcommand)]
pub(super) enum From {
    /// What iptables-save and ip6tables-save print on a host where Docker runs
    ///
    /// Docker's own rules, of 20.10 to 29, become networks, containers and published ports; the
    /// operator's rules around them become [docker-user]. The policy goes to standard output, a
    /// summary to standard error. Rules that have no place in a policy are comments in it.
    #[command(after_help = "\
Examples:
  iptables-save > rules.v4; ip6tables-save > rules.v6
  dockfw import iptables-save rules.v4 rules.v6 > policy.toml
  dockfw check policy.toml")]
    IptablesSave {
        /// What iptables-save printed
        #[arg(value_name = "FILE")]
        ipv4: PathBuf,
        /// What ip6tables-save printed
        #[arg(value_name = "FILE6")]
        ipv6: Option<PathBuf>,
        /// Print the policy and what could not be placed as JSON
        #[arg(long)]
        json: bool,
    },
}

impl From {
    /// Whether the result is wanted as JSON.
    pub(super) const fn prints_json(&self) -> bool {
        let Self::IptablesSave { json, .. } = self;
        *json
    }
}

/// One dump with its text.
pub(super) struct Dump {
    name: String,
    dumped: Dumped,
}

/// Prints the policy of a dump.
pub(super) fn run(from: From) -> Result<Exit, Failure> {
    let From::IptablesSave { ipv4, ipv6, json } = from;
    let dumps = load(ipv4, ipv6)?;
    let program = |family: Family| {
        let programs = dumps.iter().map(|of| &of.dumped.program);
        programs.into_iter().find(|of| of.family() == family)
    };
    let imported = import(program(Family::Ipv4), program(Family::Ipv6));
    let text = policy::write(&dumps, &imported);
    if json {
        print_json(&as_json(&dumps, &imported, &text))?;
        return Ok(Exit::Done);
    }
    print(&text)?;
    // Nothing can be said when standard error is closed.
    let _ = io::stderr()
        .lock()
        .write_all(summary(&dumps, &imported).as_bytes());
    Ok(Exit::Done)
}

/// Reads the files; the first one has IPv4.
fn load(ipv4: PathBuf, ipv6: Option<PathBuf>) -> Result<Vec<Dump>, Failure> {
    let paths: Vec<PathBuf> = [Some(ipv4), ipv6].into_iter().flatten().collect();
    let (sources, unreadable) = files(&paths, 0, "rules");
    if !unreadable.is_empty() {
        return Err(Failure::Input(unreadable));
    }
    parse(&sources).map_err(Failure::Input)
}

fn parse(sources: &[Source]) -> Result<Vec<Dump>, Diagnostics> {
    let mut report = Report::behind(0, sources);
    let mut dumps = Vec::new();
    for ((index, source), family) in sources.iter().enumerate().zip([Family::Ipv4, Family::Ipv6]) {
        let Some(text) = text_of(index, source, &mut report) else {
            continue;
        };
        match read(text, family) {
            Ok(dumped) => dumps.push(Dump {
                name: source.name.clone(),
                dumped,
            }),
            Err(errors) => {
                for error in errors {
                    let span = Span::new(index, error.span.start..error.span.end);
                    report.push(Draft::error(span, error.message).help(error.help));
                }
            }
        }
    }
    if report.has_errors() {
        return Err(report.finish());
    }
    Ok(dumps)
}

/// The dump of a family.
fn dump_of(dumps: &[Dump], family: Family) -> Option<&Dump> {
    dumps.iter().find(|of| of.dumped.program.family() == family)
}

/// The file of a leftover, and its line there.
fn place(dumps: &[Dump], of: &Leftover) -> (String, Option<usize>) {
    let Some(dump) = dump_of(dumps, of.family) else {
        return (String::new(), None);
    };
    let line = dump.dumped.line(of.table, &of.chain, of.index);
    (dump.name.clone(), line)
}

/// A line about each thing that the reader of a policy should know, for standard error.
fn summary(dumps: &[Dump], imported: &Imported) -> String {
    let mut text = headline(dumps, imported);
    text.push('\n');
    for note in &imported.assumptions {
        let _ = writeln!(text, "note: {}", printable(note, LIMIT));
    }
    for (at, rule, why) in rest(dumps, imported) {
        let _ = writeln!(text, "{at}: left over: {rule}");
        let _ = writeln!(text, "  {why}");
    }
    text
}

/// The longest rule that is printed, in characters.
const LIMIT: usize = 4096;

/// What has been recognised, in one line.
fn headline(dumps: &[Dump], imported: &Imported) -> String {
    let score = imported.score;
    let unread: usize = dumps.iter().map(|of| of.dumped.unread.len()).sum();
    format!(
        "recognised {} of {} rules: {} are Docker's, {} the operator's; {} left over",
        score.docker + score.user,
        score.all() + unread,
        score.docker,
        score.user,
        score.leftover + unread,
    )
}

/// The rules without a place: where each stands, the rule, and why it has none.
fn rest(dumps: &[Dump], imported: &Imported) -> Vec<(String, String, String)> {
    let placed = imported.leftovers.iter().map(|of| {
        let (name, line) = place(dumps, of);
        let table = of.table.as_str();
        let rule = format!("-t {table} {}", of.text);
        (at(&name, line), rule, of.why.clone())
    });
    let unread = dumps.iter().flat_map(|dump| {
        dump.dumped.unread.iter().map(|of| {
            let at = at(&dump.name, Some(of.line));
            (at, of.text.clone(), of.why.clone())
        })
    });
    placed
        .chain(unread)
        .map(|(at, rule, why)| (at, printable(&rule, LIMIT), printable(&why, LIMIT)))
        .collect()
}

fn at(name: &str, line: Option<usize>) -> String {
    let name = printable(name, LIMIT);
    match line {
        Some(line) => format!("{name}:{line}"),
        None => name,
    }
}

fn as_json(dumps: &[Dump], imported: &Imported, policy: &str) -> Value {
    let family = |family: Family| match family {
        Family::Ipv4 => "ipv4",
        Family::Ipv6 => "ipv6",
    };
    let leftovers: Vec<Value> = imported
        .leftovers
        .iter()
        .map(|of| {
            let (file, line) = place(dumps, of);
            json!({
                "file": file,
                "line": line,
                "family": family(of.family),
                "table": of.table.as_str(),
                "chain": of.chain,
                "rule": of.text,
                "why": of.why,
            })
        })
        .collect();
    let unread: Vec<Value> = dumps
        .iter()
        .flat_map(|dump| {
            dump.dumped.unread.iter().map(|of| {
                json!({
                    "file": dump.name,
                    "line": of.line,
                    "family": family(dump.dumped.program.family()),
                    "rule": of.text,
                    "why": of.why,
                })
            })
        })
        .collect();
    json!({
        "outcome": "imported",
        "rules": {
            "all": imported.score.all() + unread.len(),
            "docker": imported.score.docker,
            "operator": imported.score.user,
            "left_over": imported.score.leftover + unread.len(),
        },
        "policy": policy,
        "assumptions": imported.assumptions,
        "leftovers": leftovers,
        "unread": unread,
    })
}
