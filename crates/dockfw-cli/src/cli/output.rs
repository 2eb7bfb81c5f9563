//! Writing results and errors.

use std::error::Error as _;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};
use std::process::ExitCode;

use dockfw_netlink::{CommitError, OpenError, QueryError};

use super::Exit;
use super::confirm::ConfirmError;
use crate::diagnostic::{Diagnostics, Style};

/// Why a verb could not do its work.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The user's input is wrong.
    #[error("the input is wrong")]
    Input(Diagnostics),
    /// The arguments do not go together.
    #[error("{0}")]
    Usage(&'static str),
    /// Our own verifier does not accept what we compiled: a bug of dockfw.
    #[error("dockfw compiled a ruleset that its own verifier refuses; please report this:\n{0}")]
    Bug(Box<dockfw_ir::verify::VerifyError>),
    /// The ruleset does not fit the messages of the kernel.
    #[error("failed to encode the ruleset")]
    Encode(#[source] dockfw_netlink::EncodeError),
    /// No way to the kernel.
    #[error("failed to {0}")]
    Open(#[from] dockfw_netlink::OpenError),
    /// The kernel's ruleset could not be read.
    #[error("failed to read the ruleset: {0}")]
    Query(#[from] dockfw_netlink::QueryError),
    /// The kernel did not take the ruleset.
    #[error("nothing was changed: {0}")]
    Commit(#[from] dockfw_netlink::CommitError),
    /// The history could not be read.
    #[error(transparent)]
    State(#[from] crate::state::StateError),
    /// The commit would cut the SSH session it was started from.
    #[error("nothing was changed: {0}")]
    Cut(Box<super::session::Cut>),
    /// The commit cannot be one that goes back by itself.
    #[error("nothing was changed: {0}")]
    Combine(#[from] super::confirm::CombineError),
    /// What is pending cannot be confirmed or taken back.
    #[error("nothing was changed: {0}")]
    Confirm(ConfirmError<Box<Self>>),
    /// What two generations share was changed by others.
    #[error("{0}")]
    Damaged(#[from] dockfw_ir::pending::Damaged),
    /// A file is no plan.
    #[error("{}: {why}", .path.display())]
    Plan {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong with it.
        why: super::plan::SavedPlanError,
    },
    /// The plan is that of something else.
    #[error("nothing was changed: {0}")]
    Mismatch(#[from] super::plan::Mismatch),
    /// Docker's rules cannot be removed.
    #[error(transparent)]
    Clean(#[from] super::import::clean::CleanError),
    /// Others were faster each time.
    #[error("nothing was changed: others changed the ruleset during each of {0} attempts")]
    Overtaken(u32),
    /// What should be the address of a daemon is none.
    #[error(transparent)]
    Address(#[from] crate::docker::AddressError),
    /// The daemon could not be read.
    #[error(transparent)]
    Docker(#[from] crate::docker::Error),
    /// The daemon has a firewall of its own.
    #[error("{0}")]
    Firewall(String),
    /// Another one watches.
    #[error("another dockfw watch runs, which keeps its status in {}", .0.display())]
    Watched(std::path::PathBuf),
    /// A running watch would undo it.
    #[error(
        "nothing was changed: a dockfw watch runs (its status is in {}), and would undo this; \
         change its policy and reload it (systemctl reload dockfw-watch, or SIGHUP), or end it first",
        .0.display()
    )]
    WouldBeUndone(std::path::PathBuf),
    /// A thread or its signals.
    #[error("cannot begin to follow: {0}")]
    Thread(#[source] io::Error),
    /// A file could not be read or written.
    #[error("cannot {action} {}: {source}", .path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: std::path::PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The history does not have what was asked for.
    #[error("{0}")]
    History(String),
    /// Standard output.
    #[error("failed to write the output")]
    Write(#[source] io::Error),
}

/// Writes a result to standard output.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(Failure::Write),
    }
}

/// Writes a JSON result to standard output, indented, with a newline at the end.
pub(super) fn print_json(value: &serde_json::Value) -> Result<(), Failure> {
    print(&format!("{value:#}\n"))
}

/// Writes diagnostics to standard error.
pub(super) fn print_diagnostics(diagnostics: &Diagnostics) {
    if diagnostics.is_empty() {
        return;
    }
    let stderr = io::stderr();
    let no_color = std::env::var_os("NO_COLOR");
    let style = Style::choose(stderr.is_terminal(), no_color.as_deref());
    // Nothing can be said when standard error is closed.
    let _ = stderr
        .lock()
        .write_all(diagnostics.to_text(style).as_bytes());
}

impl Failure {
    /// The exit code, and the word for it in JSON.
    fn exit(&self) -> (Exit, &'static str) {
        match self {
            Self::Input(_) | Self::Usage(_) | Self::Plan { .. } => (Exit::Input, "invalid"),
            Self::Commit(CommitError::Stale { .. }) | Self::Overtaken(_) | Self::Mismatch(_) => {
                (Exit::Stale, "stale")
            }
            Self::Confirm(ConfirmError::Kernel(failure)) => failure.exit(),
            Self::Confirm(error) => match error.exit() {
                Some(Exit::RolledBack) => (Exit::RolledBack, "rolled-back"),
                Some(Exit::Stale) => (Exit::Stale, "stale"),
                Some(_) | None => (Exit::Failed, "failed"),
            },

            Self::Clean(error) if error.is_refusal() => (Exit::Refused, "refused"),
            Self::Commit(CommitError::Unknown { .. }) => (Exit::Failed, "unknown"),
            Self::Commit(CommitError::Socket(_) | CommitError::ShortSend { .. })
            | Self::Open(OpenError::Socket(_))
            | Self::Query(QueryError::Socket(_))
            | Self::Bug(_)
            | Self::Clean(_)
            | Self::Encode(_)
            | Self::State(_)
            | Self::History(_)
            | Self::Cut(_)
            | Self::Combine(_)
            | Self::Damaged(_)
            | Self::Address(_)
            | Self::Docker(_)
            | Self::Firewall(_)
            | Self::Watched(_)
            | Self::WouldBeUndone(_)
            | Self::Thread(_)
            | Self::File { .. }
            | Self::Write(_) => (Exit::Failed, "failed"),
            Self::Commit(_) | Self::Open(_) | Self::Query(_) => (Exit::Refused, "refused"),
        }
    }

    /// Whether the ruleset itself is what cannot be committed, so that trying it again is of no use.
    pub(super) const fn is_of_ruleset(&self) -> bool {
        matches!(
            self,
            Self::Bug(_)
                | Self::Encode(_)
                | Self::Commit(
                    CommitError::Refused(_)
                        | CommitError::TooBig { .. }
                        | CommitError::Unsupported { .. }
                        | CommitError::Encode(_)
                )
        )
    }

    /// The message in one line; of wrong input, the first mistake.
    pub(super) fn brief(&self) -> String {
        match self {
            Self::Input(diagnostics) => {
                let all = diagnostics.to_string();
                let mut lines = all.lines();
                let first = lines.next().unwrap_or("the input is wrong").to_owned();
                match lines.count() {
                    0 => first,
                    more => format!("{first} (and {more} more)"),
                }
            }
            Self::Bug(_) => "dockfw compiled a ruleset that its own verifier refuses".to_owned(),
            Self::Usage(_)
            | Self::Encode(_)
            | Self::Open(_)
            | Self::Query(_)
            | Self::Commit(_)
            | Self::State(_)
            | Self::History(_)
            | Self::Cut(_)
            | Self::Combine(_)
            | Self::Confirm(_)
            | Self::Clean(_)
            | Self::Damaged(_)
            | Self::Address(_)
            | Self::Docker(_)
            | Self::Firewall(_)
            | Self::Watched(_)
            | Self::WouldBeUndone(_)
            | Self::Thread(_)
            | Self::Plan { .. }
            | Self::Mismatch(_)
            | Self::Overtaken(_)
            | Self::File { .. }
            | Self::Write(_) => self.chain().replace('\n', " "),
        }
    }

    /// What to look at, where the kernel refused.
    fn help(&self) -> Option<&'static str> {
        if let Self::Confirm(ConfirmError::Kernel(failure)) = self {
            return failure.help();
        }
        if let Self::Docker(error) = self {
            return error.help();
        }
        let Self::Commit(CommitError::Refused(refusal)) = self else {
            return None;
        };
        refusal.errno.hint()
    }

    /// The message with its causes, behind each other.
    fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = match self {
            // Their message holds that of the error inside.
            Self::Open(error) => error.source(),
            Self::Query(error) => error.source(),
            Self::Commit(error) => error.source(),
            // Likewise.
            Self::State(_)
            | Self::Cut(_)
            | Self::Combine(_)
            | Self::Confirm(_)
            | Self::Damaged(_)
            | Self::Address(_)
            | Self::Docker(_)
            | Self::Firewall(_)
            | Self::Watched(_)
            | Self::WouldBeUndone(_)
            | Self::Thread(_)
            | Self::Plan { .. }
            | Self::Mismatch(_)
            | Self::File { .. } => None,
            Self::Input(_)
            | Self::Usage(_)
            | Self::Bug(_)
            | Self::Encode(_)
            | Self::History(_)
            | Self::Clean(_)
            | Self::Overtaken(_)
            | Self::Write(_) => self.source(),
        };
        while let Some(error) = source {
            let _ = write!(text, ": {error}");
            source = error.source();
        }
        text
    }
}

/// Shows a failure and says with which code to exit.
pub(super) fn report(failure: &Failure, as_json: bool) -> ExitCode {
    let (exit, word) = failure.exit();
    if as_json {
        let diagnostics = if let Failure::Input(diagnostics) = failure {
            diagnostics.to_json()
        } else {
            serde_json::json!([])
        };
        let error = failure.chain();
        let value = serde_json::json!({
            "outcome": word, "error": error, "help": failure.help(), "diagnostics": diagnostics,
        });
        // When it cannot be written either, the exit code still tells.
        let _ = print_json(&value);
        return exit.into();
    }
    if let Failure::Input(diagnostics) = failure {
        print_diagnostics(diagnostics);
    } else {
        let help = failure.help().map(|help| format!("help: {help}\n"));
        let help = help.unwrap_or_default();
        let _ = write!(io::stderr().lock(), "error: {}\n{help}", failure.chain());
    }
    exit.into()
}
