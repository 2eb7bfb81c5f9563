//! `dockfw snapshot`

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::Exit;
use super::live::DockerArgs;
use super::output::{Failure, print, print_diagnostics, print_json};
use crate::docker::DEFAULT_ADDRESS;
use crate::rules::Options;

/// What is read.
#[derive(Debug, Args)]
pub(super) struct SnapshotArgs {
    /// Policy files beside which the written one is to stand: what they set is left to them
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The unix socket of dockerd
    #[arg(long, value_name = "ADDRESS", default_value = DEFAULT_ADDRESS)]
    docker: String,
    /// The file of dockerd's options, instead of the one that its command line names
    #[arg(long, value_name = "PATH")]
    daemon_json: Option<PathBuf>,
    /// Print the policy, and what is not in it, as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Prints what a daemon has as a policy.
pub(super) fn run(arguments: SnapshotArgs) -> Result<Exit, Failure> {
    let docker = DockerArgs::new(arguments.docker, arguments.daemon_json);
    let live = docker.read(&arguments.files, Options::default())?;
    // That it is one, and means this host, is better known before it is used.
    live.policy(Options::default())?;
    let policy = String::from_utf8_lossy(&live.source().bytes).into_owned();
    if arguments.json {
        let left_out = live.built.left_out.iter();
        let left_out = left_out.map(|of| json!({ "name": of.name, "why": of.why }));
        let daemon = live.daemon();
        print_json(&json!({
            "outcome": "read",
            "dockerd": { "version": daemon.version, "api": daemon.api },
            "policy": policy,
            "left_out": left_out.collect::<Vec<_>>(),
            "notes": live.built.notes,
        }))?;
    } else {
        print(&policy)?;
        print_diagnostics(&live.notes());
    }
    Ok(Exit::Done)
}
