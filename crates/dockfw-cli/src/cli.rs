//! Verbs, flags and exit codes.
//!
//! Results go to standard output, everything else to standard error. A reader that closes the pipe
//! early is no error.

mod apply;
mod boot;
mod check;
mod commit;
mod compile;
pub mod confirm;
pub mod counts;
mod exit;
mod flows;
mod follow;
mod history;
mod import;
mod input;
mod journal;
mod kernel;
mod live;
mod output;
mod plan;
mod release;
mod restore;
mod rollback;
pub mod session;
mod settings;
mod snapshot;
mod status;
mod tables;
mod watch;
mod without_rules;

use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, Subcommand, ValueEnum};

use commit::CommitArgs;
pub use exit::Exit;
use flows::FlowArgs;
use input::InputArgs;
use journal::{PlaceArgs, StateArgs};
use plan::PlanArgs;

/// The firewall a Docker host should have had.
///
/// dockfw reads a policy file that describes a Docker host (its networks, containers and published
/// ports), compiles it to one nftables table, `inet dockfw`, and commits that to the kernel in one
/// transaction, running neither nft nor iptables. Files with iptables rules, as iptables-save
/// prints them, become the tables `ip dockfw` and `ip6 dockfw`.
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
  sudo dockfw commit --docker               the same for what a running dockerd has
  sudo dockfw watch                         stay, and follow what dockerd does
  sudo dockfw status                        what is loaded
  sudo dockfw rollback                      load what was loaded before
  sudo dockfw release                       remove it

Exit codes:
  0  done
  1  operational error
  2  the input is wrong; every mistake is shown with file, line and column
  3  plan: something would change; status: nothing is loaded; import --clean-docker-rules: an
     earlier dockerd left rules
  5  the kernel refused; the object and the reason are named, nothing was changed
  6  someone else changed the ruleset meanwhile, retries exhausted
  7  confirm: too late, the kernel has gone back; commit --boot: the last good ruleset is in
     force instead
  8  commit --boot: the closed ruleset is in force instead";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Says whether policies and rules files are right, without touching the kernel
    ///
    /// Networks that have no rules on this host, such as macvlan ones, are listed with the reason.
    #[command(after_help = "\
Example:
  dockfw check /etc/dockfw && echo fine
  sudo dockfw check --kernel /etc/dockfw         would this kernel take it?
  dockfw check --lenient /etc/iptables/rules.v4")]
    Check {
        #[command(flatten)]
        input: InputArgs,
        /// Have the kernel look at it too, without changing anything
        ///
        /// It gets the transaction without its end, and, where a network namespace may be made
        /// (CAP_SYS_ADMIN), the whole of it there: some things are only looked at in a commit.
        /// Needs CAP_NET_ADMIN.
        #[arg(long)]
        kernel: bool,
        /// Print the diagnostics as JSON
        #[arg(long)]
        json: bool,
    },
    /// Prints the ruleset that policies and rules files compile to
    #[command(after_help = "\
Examples:
  dockfw compile policy.toml                     nft text, for review
  dockfw compile policy.toml > host.nft; nft -c -f host.nft
  dockfw compile --emit json policy.toml | jq '.nftables[] | .rule // empty'
  dockfw compile --emit iptables policy.toml     what Docker itself would have made of it, IPv4
  dockfw compile --emit ip6tables policy.toml    the same for IPv6
  dockfw compile rules.v4                        a dump of iptables-save, as nftables rules
  dockfw compile --optimize none rules.v4        the same, rule by rule")]
    Compile {
        #[command(flatten)]
        input: InputArgs,
        /// The form of the output
        #[arg(long, value_enum, default_value_t)]
        emit: Emit,
        /// The same as --emit json
        #[arg(long, conflicts_with = "emit")]
        json: bool,
    },
    /// Loads policies and rules files into the kernel, in one transaction
    ///
    /// dockfw's tables, `inet dockfw` for policies, `ip dockfw` and `ip6 dockfw` for rules files,
    /// are afterwards what the input says, and those that it does not have are gone. Only what
    /// differs is sent, and nothing if nothing does. A packet meets the old ruleset or the new one. Other tables are not touched. Needs CAP_NET_ADMIN.
    #[command(after_help = "\
Examples:
  sudo dockfw commit policy.toml
  sudo dockfw commit /etc/dockfw                 every *.toml in the folder
  sudo dockfw commit policy.toml rules.v4 rules.v6
  sudo unshare -n dockfw commit policy.toml      try it in a network namespace of its own
  sudo dockfw commit --confirm 60s policy.toml   goes back by itself unless `dockfw confirm` comes
  sudo dockfw commit --own policy.toml           stay, so that nobody can flush it
  sudo dockfw commit --boot                      at boot: never leave the host open")]
    Commit {
        #[command(flatten)]
        input: InputArgs,
        /// If the input cannot be loaded, load the last good ruleset of the history, and if there
        /// is none, one that lets nothing reach a container and leaves the host alone
        ///
        /// Exit code 7 in the first case, 8 in the second.
        #[arg(long, conflicts_with_all = ["confirm", "plan", "replace", "own"])]
        boot: bool,
        #[command(flatten)]
        arguments: CommitArgs,
        #[command(flatten)]
        state: StateArgs,
        /// Print the outcome as JSON
        #[arg(long)]
        json: bool,
    },
    /// Shows what a commit would change, and changes nothing
    ///
    /// Exit code 3 when something would change, 0 when nothing would.
    #[command(after_help = "\
Examples:
  sudo dockfw plan policy.toml                   publishes, networks and rules that come and go
  sudo dockfw plan --nft policy.toml             the same as objects of nftables
  sudo dockfw plan --out plan.json policy.toml && \\
      sudo dockfw commit --plan plan.json policy.toml")]
    Plan {
        #[command(flatten)]
        input: InputArgs,
        #[command(flatten)]
        arguments: PlanArgs,
    },
    /// Makes a commit that was made with --confirm permanent
    ///
    /// Exit code 7 when its time is over and the kernel has gone back.
    #[command(after_help = "\
Example:
  sudo dockfw commit --confirm 60s policy.toml
  sudo dockfw confirm")]
    Confirm {
        #[command(flatten)]
        place: PlaceArgs,
        #[command(flatten)]
        flows: FlowArgs,
        /// Print the outcome as JSON
        #[arg(long)]
        json: bool,
    },
    /// Lists what was committed before
    #[command(after_help = "\
Example:
  sudo dockfw history
  sudo dockfw history --json | jq '.generations[] | select(.in_force)'")]
    History {
        #[command(flatten)]
        place: PlaceArgs,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Commits an earlier generation of the history again
    ///
    /// Without a number it is the one before what was committed last; when a commit waits to be
    /// confirmed, that commit is taken back. It is compiled again from
    /// the texts that were kept; if this dockfw does not accept them any more, the ruleset is sent
    /// as it was encoded then. A rollback is a commit, which the history has as a new generation:
    /// a second rollback undoes the first one. The files of the policy are not changed.
    #[command(after_help = "\
Examples:
  sudo dockfw rollback                           what was before the last commit
  sudo dockfw rollback 3                         generation 3 of `dockfw history`")]
    Rollback {
        /// The number of a generation, as `dockfw history` shows it
        #[arg(value_name = "N")]
        generation: Option<u64>,
        #[command(flatten)]
        place: PlaceArgs,
        #[command(flatten)]
        flows: FlowArgs,
        /// Print the outcome as JSON
        #[arg(long)]
        json: bool,
    },
    /// Writes a policy from what is there: the networks and containers of a running dockerd
    ///
    /// The published ports are those that dockerd has bound. What dockfw does not understand is
    /// left out, and so stays closed; it is listed on standard error and in comments, as is what
    /// was assumed. The policy compiles without Docker.
    #[command(after_help = "\
Examples:
  sudo dockfw snapshot > policy.toml
  sudo dockfw snapshot /etc/dockfw > live.toml   to stand beside the files of /etc/dockfw
  sudo dockfw commit --docker                    the same in one step, with /etc/dockfw")]
    Snapshot(snapshot::SnapshotArgs),
    /// Writes a policy from what is there: the rules of a running Docker; and removes those that an
    /// earlier one left behind
    #[command(
        args_conflicts_with_subcommands = true,
        arg_required_else_help = true,
        after_help = "\
Examples:
  dockfw import iptables-save rules.v4 rules.v6 > policy.toml
  sudo dockfw import --clean-docker-rules             what would go, and what would stay
  sudo dockfw import --clean-docker-rules --apply     remove it, once dockfw's own rules are in force"
    )]
    Import {
        /// What is imported
        #[command(subcommand)]
        from: Option<import::From>,
        #[command(flatten)]
        clean: import::clean::CleanArgs,
    },
    /// Follows a running dockerd, and keeps the rules what its containers need
    ///
    /// dockerd must run with "iptables": false and "ip6tables": false. Networks are guarded before
    /// their first container runs, published ports open when dockerd has bound them and close when
    /// the container ends, and whatever others do to dockfw's tables is put right. SIGHUP reads the
    /// policy again. When it ends, the rules stay. Needs CAP_NET_ADMIN, and the right to use
    /// dockerd's socket.
    #[command(after_help = "\
Examples:
  sudo dockfw watch                              with the policy of /etc/dockfw, if there is one
  sudo dockfw watch --own policy.toml            nobody else can change the tables meanwhile
  sudo dockfw watch --log-format json 2>> /var/log/dockfw.json")]
    Watch(watch::WatchArgs),
    /// Shows what is loaded
    ///
    /// Exit code 3 when dockfw has no table in this network namespace.
    #[command(after_help = "\
Example:
  sudo dockfw status --json | jq .generation
  sudo dockfw status --follow                    what others do to dockfw's tables, as it happens")]
    Status {
        #[command(flatten)]
        place: PlaceArgs,
        /// Stay, and show each change of dockfw's tables
        #[arg(long)]
        follow: bool,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Removes dockfw's tables from the kernel
    ///
    /// Published ports, masquerading, isolation and the rules of rules files end at once. Other
    /// tables are not touched. Tables that a running `dockfw commit --own` owns are its own: end
    /// it first.
    #[command(after_help = "\
Example:
  sudo dockfw release")]
    Release {
        #[command(flatten)]
        place: PlaceArgs,
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
            | Self::Confirm { json, .. }
            | Self::History { json, .. }
            | Self::Rollback { json, .. }
            | Self::Status { json, .. }
            | Self::Release { json, .. } => *json,
            Self::Plan { arguments, .. } => arguments.json,
            Self::Import { from, clean } => match from {
                Some(from) => from.prints_json(),
                None => clean.json,
            },
            Self::Snapshot(arguments) => arguments.json,
            Self::Compile { .. } | Self::Watch(_) => false,
        }
    }
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
    /// nothing of IPv6. Of a rules file: its rules, as iptables-save(8) prints them
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
            if error.use_stderr() && is_boot(std::env::args_os()) {
                boot::close_after_wrong_usage();
            }
            return if error.use_stderr() {
                Exit::Input.into()
            } else {
                Exit::Done.into()
            };
        }
    };
    let as_json = cli.verb.prints_json();
    let result = match cli.verb {
        Verb::Check {
            input,
            kernel,
            json,
        } => check::run(&input, kernel, json),
        Verb::Compile { input, emit, json } => {
            compile::run(&input, if json { Emit::Json } else { emit })
        }
        Verb::Commit {
            input,
            boot,
            arguments,
            state,
            json,
        } => {
            if boot {
                boot::run(&input, &state, json, started)
            } else {
                commit::run(&input, &arguments, &state, json, started)
            }
        }
        Verb::Plan { input, arguments } => plan::verb(&input, &arguments),
        Verb::Confirm { place, flows, json } => confirm::verb::run(&place, flows, json),
        Verb::History { place, json } => history::run(&place, json),
        Verb::Rollback {
            generation,
            place,
            flows,
            json,
        } => rollback::run(&place, generation, flows, json, started),
        Verb::Import {
            from: Some(from), ..
        } => import::run(from),
        Verb::Import { from: None, clean } => import::clean::run(&clean),
        Verb::Snapshot(arguments) => snapshot::run(arguments),
        Verb::Watch(arguments) => watch::run(arguments),
        Verb::Status {
            place,
            follow,
            json,
        } => status::run(&place, follow, json),
        Verb::Release { place, json } => release::run(&place, json),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(error) => output::report(&error, as_json),
    }
}

/// Whether these are meant to be the arguments of `commit --boot`.
fn is_boot(mut arguments: impl Iterator<Item = std::ffi::OsString>) -> bool {
    arguments.nth(1).is_some_and(|verb| verb == "commit")
        && arguments.any(|argument| argument == "--boot")
}
