//! `dockfw check`

use dockfw_iptables::Family;
use dockfw_lower::host::Host;
use serde_json::json;

use super::input::{Input, InputArgs};
use super::output::{Failure, print, print_diagnostics, print_json};
use super::{Exit, without_rules};
use crate::diagnostic::printable;
use crate::rules::RulesProgram;

/// Reads, checks and compiles; prints what is wrong or that nothing is.
pub(super) fn run(input: &InputArgs, as_json: bool) -> Result<Exit, Failure> {
    let input = input.read()?;
    let warnings = input.warnings();
    if !as_json {
        print_diagnostics(&warnings);
    }
    input.ruleset()?;
    if as_json {
        let host = input.policy.as_ref().map(|policy| &policy.host);
        print_json(&json!({
            "outcome": "valid",
            "diagnostics": warnings.to_json(),
            "without_rules": host.map_or_else(|| json!([]), without_rules::to_json),
        }))?;
    } else {
        print(&summary(&input))?;
    }
    Ok(Exit::Done)
}

/// What there is, a line for each part.
fn summary(input: &Input) -> String {
    let mut text = String::new();
    if let Some(policy) = &input.policy {
        text.push_str(&of_host(&policy.host));
    }
    for program in &input.rules.programs {
        text.push_str(&of_rules(program));
    }
    text
}

fn of_host(host: &Host) -> String {
    let published: u64 = host
        .containers
        .iter()
        .flat_map(|container| &container.publish)
        .chain(host.ingress.iter().flat_map(|ingress| &ingress.publish))
        .map(|publish| u64::from(publish.container_ports.count()))
        .sum();
    format!(
        "the policy is valid: {} networks, {} containers, {published} published ports\n{}",
        host.networks.len(),
        host.containers.len(),
        without_rules::lines(host),
    )
}

fn of_rules(of: &RulesProgram) -> String {
    let family = match of.program.family() {
        Family::Ipv4 => "IPv4",
        Family::Ipv6 => "IPv6",
    };
    let chains = of
        .program
        .tables()
        .flat_map(dockfw_iptables::program::Table::chains);
    let rules: usize = chains.map(|chain| chain.rules().len()).sum();
    let native: usize = of.table.chains.iter().map(|chain| chain.rules.len()).sum();
    let name = printable(&of.source, 600);
    format!("{name} is valid: {family}, {rules} rules, {native} native ones\n")
}
