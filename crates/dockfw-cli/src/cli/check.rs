//! `dockfw check`

use dockfw_iptables::Family;
use dockfw_ir::Verified;
use dockfw_lower::host::Host;
use dockfw_netlink::sys::in_new_network_namespace;
use dockfw_netlink::{Batch, Executor, Expect};
use serde_json::json;

use super::input::{Input, InputArgs};
use super::output::{Failure, print, print_diagnostics, print_json};
use super::{Exit, without_rules};
use crate::diagnostic::printable;
use crate::rules::RulesProgram;

/// Reads, checks and compiles; prints what is wrong or that nothing is.
pub(super) fn run(input: &InputArgs, kernel: bool, as_json: bool) -> Result<Exit, Failure> {
    let input = input.read()?;
    let warnings = input.warnings();
    if !as_json {
        print_diagnostics(&warnings);
    }
    let ruleset = input.ruleset()?;
    let trial = kernel.then(|| Trial::new(&ruleset)).transpose()?;
    if as_json {
        let host = input.policy.as_ref().map(|policy| &policy.host);
        print_json(&json!({
            "outcome": "valid",
            "diagnostics": warnings.to_json(),
            "without_rules": host.map_or_else(|| json!([]), without_rules::to_json),
            "kernel": trial.as_ref().map(Trial::to_json),
        }))?;
    } else {
        let trial = trial.as_ref().map(Trial::to_line).unwrap_or_default();
        print(&format!("{}{trial}", summary(&input)))?;
    }
    Ok(Exit::Done)
}

/// What the kernel was asked, and accepted.
struct Trial {
    /// Why it got no whole commit, in a network namespace of its own; `None` when it did.
    only_messages: Option<String>,
}

impl Trial {
    /// Sends the transaction without its end, and then with it where it changes nothing that
    /// anybody uses.
    fn new(ruleset: &Verified) -> Result<Self, Failure> {
        let batch = Batch::replace(ruleset).map_err(Failure::Encode)?;
        Executor::open()?.check(&batch, Expect::Any)?;
        let commit = || -> Result<(), Failure> {
            Executor::open()?.commit(&batch, Expect::Any)?;
            Ok(())
        };
        match in_new_network_namespace(commit) {
            Ok(committed) => committed.map(|()| Self {
                only_messages: None,
            }),
            Err(error) => Ok(Self {
                only_messages: Some(error.to_string()),
            }),
        }
    }

    fn to_json(&self) -> serde_json::Value {
        json!({
            "accepted": true,
            "committed_in_a_namespace": self.only_messages.is_none(),
            "reason": self.only_messages,
        })
    }

    fn to_line(&self) -> String {
        match &self.only_messages {
            None => "the kernel accepts it: each message here, and a commit in a network \
                     namespace of its own\n"
                .to_owned(),
            Some(why) => format!(
                "the kernel accepts each message; what it looks at in a commit only was not \
                 tried, because no network namespace could be made: {why}\n"
            ),
        }
    }
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
