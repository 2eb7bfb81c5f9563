//! `dockfw status --follow`: what becomes of our tables, as it happens.
//!
//! The generation of the kernel's ruleset is asked for again and again, and what is new is read
//! when it has moved. A socket that is told of every change would make each commit of each program
//! in the namespace slower: the kernel writes a message for every element then.

use std::io::{self, Write as _};
use std::thread;
use std::time::Duration;

use dockfw_ir::Table;
use dockfw_ir::diff::diff;
use dockfw_netlink::{Executor, QueryError};
use serde_json::{Value, json};

use super::Exit;
use super::commit::words;
use super::kernel::Kernel;
use super::output::Failure;
use super::plan::counts_to_json;

/// How often the generation is asked for: a change is noticed in half of this on average.
const INTERVAL: Duration = Duration::from_millis(2);

/// What became of one of our tables.
struct News {
    /// `inet dockfw` and so on.
    table: String,
    /// `created`, `gone`, `changed`.
    what: &'static str,
    /// What changed, in words.
    words: String,
    counts: Value,
}

/// Shows what is new until the process is ended, or nobody reads any more.
pub(super) fn run(executor: &mut Executor, as_json: bool) -> Result<Exit, Failure> {
    let mut last = Kernel::read(executor)?;
    loop {
        thread::sleep(INTERVAL);
        if executor.generation()? == last.generation {
            continue;
        }
        let now = match Kernel::read(executor) {
            // It changes faster than it can be read.
            Err(QueryError::Unstable) => continue,
            other => other?,
        };
        let news = news(&last, &now);
        let lines: String = if as_json {
            let to_json = |of: &News| {
                json!({
                    "generation": now.generation, "table": of.table, "change": of.what,
                    "counts": of.counts,
                })
            };
            news.iter()
                .map(|of| to_json(of).to_string() + "\n")
                .collect()
        } else {
            let to_line = |of: &News| {
                let separator = if of.words.is_empty() { "" } else { ": " };
                format!(
                    "generation {}: {} {}{separator}{}\n",
                    now.generation, of.table, of.what, of.words
                )
            };
            news.iter().map(to_line).collect()
        };
        let mut stdout = io::stdout().lock();
        match stdout
            .write_all(lines.as_bytes())
            .and_then(|()| stdout.flush())
        {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Exit::Done),
            other => other.map_err(Failure::Write)?,
        }
        last = now;
    }
}

/// What differs between two readings.
fn news(last: &Kernel, now: &Kernel) -> Vec<News> {
    let same = |a: &Table, b: &Table| (a.family, &a.name) == (b.family, &b.name);
    let name = |table: &Table| format!("{} {}", table.family.as_str(), table.name);
    let plain = |table: &Table, what| News {
        table: name(table),
        what,
        words: String::new(),
        counts: Value::Null,
    };
    let mut news = Vec::new();
    for old in &last.tables {
        match now.tables.iter().find(|new| same(old, new)) {
            None => news.push(plain(old, "gone")),
            Some(new) => {
                let changes = diff(old, new);
                let others = now.unreadable().filter(|(family, _)| *family == new.family);
                let before = last
                    .unreadable()
                    .filter(|(family, _)| *family == old.family);
                let others = others.count() != before.count();
                if changes.is_empty() && !others {
                    continue;
                }
                let counts = changes.counts();
                let mut words = words(&counts);
                if others {
                    let separator = if words.is_empty() { "" } else { ", " };
                    words = format!("{words}{separator}something that dockfw has no words for");
                }
                news.push(News {
                    table: name(new),
                    what: "changed",
                    words,
                    counts: counts_to_json(&counts),
                });
            }
        }
    }
    let created = now.tables.iter();
    let created = created.filter(|new| !last.tables.iter().any(|old| same(old, new)));
    news.extend(created.map(|table| plain(table, "created")));
    news
}
