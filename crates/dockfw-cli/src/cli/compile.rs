//! `dockfw compile`

use std::path::PathBuf;

use dockfw_ir::Verified;
use dockfw_ir::verify::verify;
use dockfw_ir::{json, print};
use dockfw_lower::host::Host;
use dockfw_lower::lower;
use dockfw_lower::reference::reference;

use super::output::{Failure, load, print as print_text, print_json};
use super::without_rules::comments;
use super::{Emit, Exit};

/// Prints the ruleset of a policy.
pub(super) fn run(paths: &[PathBuf], emit: Emit) -> Result<Exit, Failure> {
    let host = load(paths)?.host;
    match emit {
        Emit::Nft => {
            let ruleset = ruleset(&host)?;
            print_text(&comments(&host))?;
            print_text(&print::nft_replacing(&ruleset))?;
        }
        Emit::Json => {
            let ruleset = ruleset(&host)?;
            print_json(&json::libnftables_replacing(&ruleset))?;
        }
        Emit::Iptables | Emit::Ip6tables => {
            let reference = reference(&host);
            let program = if matches!(emit, Emit::Iptables) {
                reference.ipv4
            } else {
                reference.ipv6
            };
            print_text(&comments(&host))?;
            print_text(&program.to_string())?;
        }
    }
    Ok(Exit::Done)
}

/// Compiles a host and has the verifier look at the result.
pub(super) fn ruleset(host: &Host) -> Result<Verified, Failure> {
    verify(lower(host)).map_err(|error| Failure::Bug(Box::new(error)))
}
