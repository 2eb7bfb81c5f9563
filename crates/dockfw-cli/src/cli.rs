//! Verbs, flags and exit codes.
//!
//! Results go to standard output, everything else to standard error. A reader that closes the pipe
//! early is no error.

mod check;
mod commit;
mod compile;
mod exit;
mod output;
mod release;
mod status;
mod without_rules;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use exit::Exit;

/// Where policies are looked for when none is named.
const DEFAULT_POLICY: &str = "/etc/dockfw";

/// The firewall a Docker host should have had.
///
/// dockfw reads a policy file that describes a Docker host (its networks, containers and published
/// ports), compiles it to one nftables table, `inet dockfw`, and commits that to the kernel in one
/// transaction, running neither nft nor iptables.
#[derive(Debug, Parser)]
#[command(name = "dockfw", version, max_term_width = 100, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  dockfw check policy.toml                  is the policy right?
  dockfw compile policy.toml | less         the ruleset, for review
  sudo dockfw commit policy.toml            load it, in one transaction
  sudo dockfw status                        what is loaded
  sudo dockfw release                       remove it

Exit codes:
  0  done
  1  operational error
  2  the input is wrong; every mistake is shown with file, line and column
  3  status: nothing is loaded
  5  the kernel refused; the object and the reason are named, nothing was changed
  6  someone else changed the ruleset meanwhile, retries exhausted";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Says whether a policy is right, without touching the kernel
    ///
    /// Networks that have no rules on this host, such as macvlan ones, are listed with the reason.
    #[command(after_help = "\
Example:
  dockfw check /etc/dockfw && echo fine")]
    Check {
        #[command(flatten)]
        policy: PolicyArgs,
        /// Print the diagnostics as JSON
        #[arg(long)]
        json: bool,
    },
    /// Prints the ruleset that a policy compiles to
    #[command(after_help = "\
Examples:
  dockfw compile policy.toml                     nft text, for review
  dockfw compile policy.toml > host.nft; nft -c -f host.nft
  dockfw compile --emit json policy.toml | jq '.nftables[] | .rule // empty'
  dockfw compile --emit iptables policy.toml     what Docker itself would have made of it, IPv4
  dockfw compile --emit ip6tables policy.toml    the same for IPv6")]
    Compile {
        #[command(flatten)]
        policy: PolicyArgs,
        /// The form of the output
        #[arg(long, value_enum, default_value_t)]
        emit: Emit,
        /// The same as --emit json
        #[arg(long, conflicts_with = "emit")]
        json: bool,
    },
    /// Loads a policy into the kernel, in one transaction
    ///
    /// The table `inet dockfw` is replaced as a whole: a packet meets the old ruleset or the new
    /// one. Other tables are not touched. Needs CAP_NET_ADMIN.
    #[command(after_help = "\
Examples:
  sudo dockfw commit policy.toml
  sudo dockfw commit /etc/dockfw                 every *.toml in the folder
  sudo unshare -n dockfw commit policy.toml      try it in a network namespace of its own")]
    Commit {
        #[command(flatten)]
        policy: PolicyArgs,
        /// Print the outcome as JSON
        #[arg(long)]
        json: bool,
    },
    /// Shows what is loaded
    ///
    /// Exit code 3 when dockfw has no table in this network namespace.
    #[command(after_help = "\
Example:
  sudo dockfw status --json | jq .generation")]
    Status {
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Removes dockfw's table from the kernel
    ///
    /// Published ports, masquerading and isolation end at once. Other tables are not touched.
    #[command(after_help = "\
Example:
  sudo dockfw release")]
    Release {
        /// Print the outcome as JSON
        #[arg(long)]
        json: bool,
    },
}

impl Verb {
    /// Whether results, failures included, are wanted as JSON.
    ///
    /// Not for `compile`, whose JSON is a ruleset and nothing else.
    const fn prints_json(&self) -> bool {
        match self {
            Self::Check { json, .. }
            | Self::Commit { json, .. }
            | Self::Status { json }
            | Self::Release { json } => *json,
            Self::Compile { .. } => false,
        }
    }
}

/// Which policy files.
#[derive(Debug, Args)]
struct PolicyArgs {
    /// Policy files, folders of *.toml files, or - for standard input; they merge
    #[arg(value_name = "POLICY", default_value = DEFAULT_POLICY)]
    policy: Vec<PathBuf>,
}

/// The forms in which a ruleset is printed.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Emit {
    /// nft(8) text; `nft -f` of it replaces the table
    #[default]
    Nft,
    /// libnftables-json(5)
    Json,
    /// What Docker's iptables backend would program for IPv4, as iptables-save(8) prints it;
    /// nothing of IPv6
    Iptables,
    /// The same for IPv6, as ip6tables-save(8) prints it; nothing of IPv4
    Ip6tables,
}

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    let started = Instant::now();
    dockfw_netlink::sys::keep_freed_memory();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are results; clap knows which stream is right and colours it.
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Input.into()
            } else {
                Exit::Done.into()
            };
        }
    };
    let as_json = cli.verb.prints_json();
    let result = match cli.verb {
        Verb::Check { policy, json } => check::run(&policy.policy, json),
        Verb::Compile { policy, emit, json } => {
            compile::run(&policy.policy, if json { Emit::Json } else { emit })
        }
        Verb::Commit { policy, json } => commit::run(&policy.policy, json, started),
        Verb::Status { json } => status::run(json),
        Verb::Release { json } => release::run(json),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(error) => output::report(&error, as_json),
    }
}
