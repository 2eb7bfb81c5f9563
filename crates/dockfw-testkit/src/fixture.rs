//! Fixtures of whole hosts: a policy, the ruleset it compiles to, and a packet table.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use dockfw::policy::{self, Policy};
use dockfw_ir::Verified;
use dockfw_ir::verify::verify;
use dockfw_lower::lower;

/// A folder under `fixtures/hosts`.
#[derive(Debug)]
pub struct HostFixture {
    /// The folder.
    pub folder: PathBuf,
}

impl HostFixture {
    /// All of them, by name.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read.
    pub fn all() -> Result<Vec<Self>> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/hosts");
        let mut all = Vec::new();
        for entry in fs::read_dir(&root).with_context(|| root.display().to_string())? {
            all.push(Self {
                folder: entry?.path(),
            });
        }
        all.sort_by(|a, b| a.folder.cmp(&b.folder));
        Ok(all)
    }

    /// The one of this name.
    pub fn named(name: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/hosts");
        Self {
            folder: root.join(name),
        }
    }

    /// Its name.
    pub fn name(&self) -> String {
        self.folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    }

    /// A file of it.
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    /// The policy.
    ///
    /// # Errors
    ///
    /// When it is wrong.
    pub fn policy(&self) -> Result<Policy> {
        policy::load(&[self.path("policy.toml")]).map_err(|diagnostics| anyhow!("{diagnostics}"))
    }

    /// The ruleset that the policy compiles to.
    ///
    /// # Errors
    ///
    /// When the policy is wrong, or the verifier refuses what became of it.
    pub fn ruleset(&self) -> Result<Verified> {
        verify(lower(&self.policy()?.host)).map_err(|error| anyhow!("{}: {error}", self.name()))
    }
}

/// The listing of a table without what depends on the run: the order and wrapping of elements,
/// the numbers of counters.
///
/// Takes the text that we print and the text that `nft list` prints, so that the two compare.
pub fn normalise(listing: &str) -> String {
    let mut lines = Vec::new();
    let mut rest = listing.lines();
    while let Some(line) = rest.next() {
        let line = line.trim();
        let Some(elements) = line.strip_prefix("elements = {") else {
            // nft leaves the family out here, although its own reader would not add it again.
            lines.push(line.replace(
                "meta nfproto ipv6 meta l4proto ipv6-icmp",
                "meta l4proto ipv6-icmp",
            ));
            continue;
        };
        let mut all = elements.to_owned();
        while !all.trim_end().ends_with('}') {
            let Some(more) = rest.next() else { break };
            all.push(' ');
            all.push_str(more.trim());
        }
        let all = all.trim_end().trim_end_matches('}');
        let mut elements: Vec<_> = all
            .split(',')
            .map(|element| element.split_whitespace().collect::<Vec<_>>().join(" "))
            .filter(|element| !element.is_empty())
            .collect();
        elements.sort_unstable();
        lines.extend(
            elements
                .into_iter()
                .map(|element| format!("element {element}")),
        );
    }
    lines.retain(|line| !line.is_empty());
    lines.join("\n")
}

/// What differs between two texts, line by line; empty when nothing does.
pub fn difference(expected: &str, found: &str) -> String {
    let (expected, found): (Vec<_>, Vec<_>) = (expected.lines().collect(), found.lines().collect());
    let same_start = expected
        .iter()
        .zip(&found)
        .take_while(|(a, b)| a == b)
        .count();
    let same_end = expected
        .iter()
        .rev()
        .zip(found.iter().rev())
        .take(expected.len().min(found.len()) - same_start)
        .take_while(|(a, b)| a == b)
        .count();
    let part = |lines: &[&str], sign: char| -> String {
        let changed = lines
            .get(same_start..lines.len() - same_end)
            .unwrap_or_default();
        let mut text = String::new();
        for line in changed {
            text.push(sign);
            text.push(' ');
            text.push_str(line);
            text.push('\n');
        }
        text
    };
    let (gone, new) = (part(&expected, '-'), part(&found, '+'));
    if gone.is_empty() && new.is_empty() {
        return String::new();
    }
    format!("from line {}:\n{gone}{new}", same_start + 1)
}
