//! Logs on standard error: for a person, as JSON, or for the journal of systemd.

use std::io::IsTerminal as _;

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

/// How much is logged, and in which form.
#[derive(Debug, Args)]
pub(super) struct LogArgs {
    /// The form of the logs on standard error
    #[arg(long, value_enum, value_name = "FORM", default_value_t)]
    log_format: Format,
    /// What is logged: error, warn, info, debug or trace, also by part, as in
    /// info,dockfw::docker=debug
    #[arg(long, value_name = "LEVEL", default_value = "info", value_parser = filter)]
    log_level: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Lines; without times where the journal of systemd adds them
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

/// A filter that can be read.
fn filter(text: &str) -> Result<String, String> {
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

impl LogArgs {
    /// Begins to log.
    pub(super) fn begin(&self) {
        // It was looked at before.
        let filter = EnvFilter::try_new(&self.log_level).unwrap_or_default();
        let is_journal = std::env::var_os("JOURNAL_STREAM").is_some();
        let builder = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
            .with_target(false);
        // One who logs already in this process, such as a test, goes on.
        let _ = match self.log_format {
            Format::Json => builder.json().flatten_event(true).try_init(),
            Format::Text if is_journal => builder.without_time().try_init(),
            Format::Text => builder.try_init(),
        };
    }
}
