//! `dockfw check`

use std::path::PathBuf;

use serde_json::json;

use super::compile::ruleset;
use super::output::{Failure, load, print, print_json};
use super::{Exit, without_rules};
use crate::policy;

/// Reads, checks and compiles; prints what is wrong or that nothing is.
pub(super) fn run(paths: &[PathBuf], as_json: bool) -> Result<Exit, Failure> {
    if as_json {
        let policy = policy::load(paths).map_err(Failure::Input)?;
        ruleset(&policy.host)?;
        print_json(&json!({
            "outcome": "valid",
            "diagnostics": policy.warnings.to_json(),
            "without_rules": without_rules::to_json(&policy.host),
        }))?;
        return Ok(Exit::Done);
    }
    let policy = load(paths)?;
    ruleset(&policy.host)?;
    let host = &policy.host;
    let published: u64 = host
        .containers
        .iter()
        .flat_map(|container| &container.publish)
        .chain(host.ingress.iter().flat_map(|ingress| &ingress.publish))
        .map(|publish| u64::from(publish.container_ports.count()))
        .sum();
    print(&format!(
        "the policy is valid: {} networks, {} containers, {published} published ports\n{}",
        host.networks.len(),
        host.containers.len(),
        without_rules::lines(host),
    ))?;
    Ok(Exit::Done)
}
