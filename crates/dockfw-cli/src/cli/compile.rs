//! `dockfw compile`

use dockfw_iptables::Family;
use dockfw_ir::{json, print};
use dockfw_lower::reference::reference;

use super::input::{Input, InputArgs};
use super::output::{Failure, print as print_text, print_json};
use super::without_rules::comments;
use super::{Emit, Exit};

/// Prints the ruleset of the input.
pub(super) fn run(input: &InputArgs, emit: Emit) -> Result<Exit, Failure> {
    let input = input.load()?;
    let ruleset = match emit {
        Emit::Nft | Emit::Json => input.ruleset()?,
        Emit::Iptables => return iptables(&input, Family::Ipv4),
        Emit::Ip6tables => return iptables(&input, Family::Ipv6),
    };
    if matches!(emit, Emit::Json) {
        print_json(&json::libnftables_replacing(&ruleset))?;
    } else {
        if let Some(policy) = &input.policy {
            print_text(&comments(&policy.host))?;
        }
        print_text(&print::nft_replacing(&ruleset))?;
    }
    Ok(Exit::Done)
}

/// Prints what Docker would have programmed, or the rules of a file in their canonical spelling.
fn iptables(input: &Input, family: Family) -> Result<Exit, Failure> {
    match (&input.policy, input.rules.of(family)) {
        // Both have the table filter, and the second one would replace the first.
        (Some(_), Some(_)) => {
            return Err(Failure::Usage(
                "a policy and a rules file are no single iptables program: print them one by one",
            ));
        }
        (Some(policy), None) => {
            let reference = reference(&policy.host);
            let program = match family {
                Family::Ipv4 => reference.ipv4,
                Family::Ipv6 => reference.ipv6,
            };
            print_text(&comments(&policy.host))?;
            print_text(&program.to_string())?;
        }
        (None, Some(program)) => print_text(&program.to_string())?,
        (None, None) => {
            return Err(Failure::Usage(match family {
                Family::Ipv4 => "the rules files have no IPv4 rules: print --emit ip6tables",
                Family::Ipv6 => "the rules files have no IPv6 rules: print --emit iptables",
            }));
        }
    }
    Ok(Exit::Done)
}
