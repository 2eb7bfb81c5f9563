//! `dockfw import --clean-docker-rules`: removes what an earlier dockerd left in the kernel.

mod apply;
mod plan;

use std::fmt::Write as _;

use clap::Args;
use dockfw_netlink::Executor;
use dockfw_netlink::xtables::XtError;

use crate::cli::Exit;
use crate::cli::output::{Failure, print, print_json};
use crate::leftover::{LeftoverError, Scan};
use plan::Plan;

/// What is cleaned, and how.
#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "flags of the command line, each of its own"
)]
pub(in crate::cli) struct CleanArgs {
    /// Show the rules that an earlier dockerd left behind, and with --apply remove them
    ///
    /// Those of all of Docker's backends, 20.10 to 29: iptables-nft, iptables-legacy and nftables.
    /// The operator's rules stay, those in DOCKER-USER with its chain. First give dockerd
    /// "iptables": false and "ip6tables": false and start it anew: one that still programs rules
    /// puts them back. Exit code 3 when something is left, 0 when nothing is.
    #[arg(long, required = true)]
    clean_docker_rules: bool,
    /// Remove them, those of nf_tables in one transaction
    ///
    /// Only while dockfw's own table, `inet dockfw`, is in force, so that the host is not open in
    /// between.
    #[arg(long)]
    apply: bool,
    /// Remove them although dockfw's own table is not in force
    #[arg(long, requires = "apply")]
    force: bool,
    /// A bridge that was Docker's, in case no rule says so; may be repeated
    #[arg(long, value_name = "NAME")]
    bridge: Vec<String>,
    /// Leave the policy of FORWARD as it is
    #[arg(long)]
    keep_policy: bool,
    /// Print the plan or the outcome as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Why Docker's rules cannot be removed.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum CleanError {
    /// Rules of others hold Docker's chains.
    #[error("nothing was changed: rules of others keep Docker's chains from going:\n{0}")]
    InTheWay(String),
    /// Nothing would protect the host.
    #[error(
        "nothing was changed: dockfw's table inet dockfw is not in force, and without Docker's \
         rules nothing would protect the containers; commit a policy first, or use --force"
    )]
    NotInForce,
    /// A table of iptables-legacy could not be read or replaced.
    #[error("failed to {0}")]
    Legacy(#[source] XtError),
    /// Likewise, when the rest was gone already.
    #[error("the rules before this table are gone, the rest is there: failed to {0}")]
    Partly(#[source] XtError),
    /// Another program holds iptables' lock.
    #[error("nothing was changed: another program holds /run/xtables.lock")]
    Locked,
}

impl CleanError {
    /// Whether the kernel's ruleset is why.
    pub(in crate::cli) const fn is_refusal(&self) -> bool {
        match self {
            Self::InTheWay(_) | Self::Legacy(_) | Self::Partly(_) => true,
            Self::NotInForce | Self::Locked => false,
        }
    }
}

impl From<LeftoverError> for Failure {
    fn from(error: LeftoverError) -> Self {
        match error {
            LeftoverError::Open(error) => error.into(),
            LeftoverError::Query(error) => error.into(),
            LeftoverError::Legacy(error) => CleanError::Legacy(error).into(),
        }
    }
}

/// Shows what would go, or removes it.
pub(in crate::cli) fn run(args: &CleanArgs) -> Result<Exit, Failure> {
    let mut executor = Executor::open()?;
    if args.apply {
        let plan = apply::apply(&mut executor, args)?;
        executor.close_in_background();
        show(&plan, args.json, plan::Tense::Done)?;
        return Ok(Exit::Done);
    }
    let scan = Scan::read(&mut executor, &args.bridge)?;
    let plan = Plan::new(&scan, args.keep_policy);
    show(&plan, args.json, plan::Tense::Planned)?;
    Ok(if plan.is_empty() {
        Exit::Done
    } else {
        Exit::Differs
    })
}

fn show(plan: &Plan, as_json: bool, tense: plan::Tense) -> Result<(), Failure> {
    if as_json {
        return print_json(&plan.to_json(tense));
    }
    let mut text = plan.to_text(tense);
    if tense == plan::Tense::Planned && !plan.is_empty() {
        let _ = writeln!(
            text,
            "\nNothing was changed; with --apply what is named first goes. dockerd must run with \
             \"iptables\": false\nand \"ip6tables\": false by then, or it puts its rules back."
        );
    }
    print(&text)
}
