//! Settings as an operator and a program read them.

use std::fmt::Write as _;

use dockfw_lower::settings::Key;
use serde_json::{Value, json};

use super::{Entry, Report, State};
use crate::diagnostic::printable;

/// The longest reason in characters; networks have names of any length.
const WHY_LIMIT: usize = 400;

impl Report {
    /// What a commit would set: a part of a plan. Empty when that is nothing.
    pub(in crate::cli) fn section(&self) -> String {
        let mut text = String::new();
        for (entry, found) in self.planned() {
            if text.is_empty() {
                text.push_str("settings of the host\n");
            }
            let key = &entry.setting.key;
            let _ = writeln!(text, "  ~ {key}: {found} to 1; {}", entry.why());
        }
        text
    }

    /// A line for each setting that waits, with what it waits for.
    pub(in crate::cli) fn postponed(&self, until: &str) -> String {
        let line = |(entry, found): (&Entry, &str)| {
            let (key, why) = (&entry.setting.key, entry.why());
            format!("note: {key} is {found}, and is set to 1 {until}: {why}\n")
        };
        self.planned().map(line).collect()
    }

    /// A line for each setting that was made.
    pub(in crate::cli) fn written(&self) -> String {
        let mut text = String::new();
        for entry in &self.entries {
            if let State::Written(found) = &entry.state {
                let key = &entry.setting.key;
                let _ = writeln!(text, "set {key}: {found} to 1; {}", entry.why());
            }
        }
        text
    }

    /// A line for standard error for each setting that is not as the ruleset needs it, and that no
    /// commit would change or has changed.
    pub(in crate::cli) fn notes(&self) -> String {
        let lines = self.entries.iter().filter_map(|entry| self.note(entry));
        lines.collect()
    }

    fn note(&self, entry: &Entry) -> Option<String> {
        let key = &entry.setting.key;
        let why = entry.why();
        // What does not hold is said louder than what does not work.
        let (word, holds) = if entry.setting.protects {
            ("warning", ", and the policy does not hold without it")
        } else {
            ("note", "")
        };
        match &entry.state {
            State::Differs(_) if self.managed => None,
            State::Differs(found) => Some(format!(
                "{word}: {key} is {found}{holds}: {why}; set it with `{}`\n",
                entry.command()
            )),
            State::Refused(found, error) => Some(format!(
                "error: the ruleset is in force, but {key} is {found} and could not be set to \
                 1{holds}: {}: {why}\n",
                printable(error, WHY_LIMIT)
            )),
            State::Unreadable(error) => {
                let word = if self.managed { "error" } else { word };
                Some(format!(
                    "{word}: {key} cannot be read, and should be 1: {}: {why}\n",
                    printable(error, WHY_LIMIT)
                ))
            }
            State::NoModule => Some(format!(
                "{word}: {key} is not there, because the module br_netfilter is not \
                 loaded{holds}: {why}; load it with `modprobe br_netfilter`, and at each boot \
                 with a line `br_netfilter` in /etc/modules-load.d/dockfw.conf\n"
            )),
            State::AsWanted | State::Written(_) | State::NoInterface | State::NoFamily => None,
        }
    }

    /// Every setting, those that are as wanted included.
    pub(in crate::cli) fn to_json(&self) -> Value {
        json!({
            "managed": self.managed,
            "failed": self.has_failed(),
            "settings": self.entries.iter().map(Entry::to_json).collect::<Vec<_>>(),
        })
    }
}

impl Entry {
    /// What the setting is needed for, and what else it does.
    fn why(&self) -> String {
        let why = printable(&self.setting.why, WHY_LIMIT);
        match self.setting.key {
            // Source: linux v6.12, Documentation/networking/ip-sysctl.rst, `accept_ra`.
            Key::Ipv6Forwarding => format!(
                "{why} (an interface then takes router advertisements only with accept_ra=2)"
            ),
            Key::BridgeNfCallIptables
            | Key::BridgeNfCallIp6tables
            | Key::RouteLocalnet(_)
            | Key::Ipv4Forward => why,
        }
    }

    /// The line that makes the setting; a name of an interface may have characters of a shell, but
    /// no quotation marks.
    fn command(&self) -> String {
        let key = self.setting.key.to_string();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
        if key.chars().all(is_plain) {
            format!("sysctl -w {key}=1")
        } else {
            format!("sysctl -w '{key}=1'")
        }
    }

    fn to_json(&self) -> Value {
        let (state, found, error) = match &self.state {
            State::AsWanted => ("as-wanted", None, None),
            State::Differs(found) => ("differs", Some(found), None),
            State::Written(found) => ("written", Some(found), None),
            State::Refused(found, error) => ("refused", Some(found), Some(error)),
            State::Unreadable(error) => ("unreadable", None, Some(error)),
            State::NoInterface => ("no-interface", None, None),
            State::NoFamily => ("no-ipv6", None, None),
            State::NoModule => ("no-module", None, None),
        };
        json!({
            "key": self.setting.key.to_string(),
            "path": format!("/proc/sys/{}", self.setting.key.path()),
            "wanted": "1",
            "found": found,
            "state": state,
            "error": error,
            "protects": self.setting.protects,
            "why": self.setting.why,
            "command": self.command(),
        })
    }
}
