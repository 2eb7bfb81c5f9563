//! The command line of dockerd.
//!
//! Source: spf13/pflag v1.0.9, `FlagSet.parseArgs`; docker/cli and moby docker-v29.0.0,
//! `daemon/command/config_unix.go`.

use super::process::COMMAND_LINE;
use super::{Found, Settings};

/// Flags that take a value, which may be the word behind them.
const WITH_VALUE: [&str; 2] = ["config-file", "bridge-accept-fwmark"];

/// What a command line says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Flags {
    pub(super) settings: Settings,
    /// `--config-file`
    pub(super) config_file: Option<String>,
}

/// Reads the words behind the program; a later flag wins.
pub(super) fn parse(words: &[String]) -> Flags {
    let mut flags = Flags::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--" {
            break;
        }
        let Some(flag) = word.strip_prefix("--") else {
            continue;
        };
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None if WITH_VALUE.contains(&flag) => (flag, words.next().map(String::as_str)),
            None => (flag, None),
        };
        let place = COMMAND_LINE.to_owned();
        if let Some(switch) = flags.settings.switch(name) {
            // A value that dockerd would not take says nothing about one that runs.
            if let Some(value) = boolean(value) {
                *switch = Some(Found { value, place });
            }
        } else if let (true, Some(value)) = (WITH_VALUE.contains(&name), value) {
            let value = value.to_owned();
            if name == "config-file" {
                flags.config_file = Some(value);
            } else {
                flags.settings.bridge_accept_fwmark = Some(Found { value, place });
            }
        }
    }
    flags
}

/// A boolean as Go's `strconv.ParseBool` reads it; without a value a flag is true.
fn boolean(value: Option<&str>) -> Option<bool> {
    match value {
        None | Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Some(true),
        Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Some(false),
        Some(_) => None,
    }
}
