//! The ruleset as a set of chains and sets: tables that were made anew have them in another order.

use std::collections::BTreeSet;

use anyhow::Result;
use dockfw_testkit::dockerd::DockerHost;

use super::beside::nft;

/// Each chain, set and map of the ruleset with its lines, without counters.
pub(crate) fn blocks(host: &DockerHost) -> Result<BTreeSet<String>> {
    let text = nft(host, &["--stateless", "list", "ruleset"])?;
    let mut all = vec![String::new()];
    for line in text.lines().filter(|line| !line.is_empty()) {
        if ["\tchain ", "\tset ", "\tmap "]
            .iter()
            .any(|of| line.starts_with(of))
        {
            all.push(String::new());
        }
        // What closes the table stands behind whatever comes last.
        if let Some(last) = all.last_mut().filter(|_| line != "}") {
            last.push_str(line);
            last.push('\n');
        }
    }
    Ok(all.into_iter().collect())
}

/// What is in only one of the two, for messages.
pub(crate) fn difference(before: &BTreeSet<String>, after: &BTreeSet<String>) -> String {
    let gone = before.difference(after).map(|of| format!("- {of}"));
    let new = after.difference(before).map(|of| format!("+ {of}"));
    gone.chain(new).collect::<Vec<_>>().concat()
}
