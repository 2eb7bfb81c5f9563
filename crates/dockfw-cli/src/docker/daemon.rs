//! The daemon itself: its version, and the options that it runs with.
//!
//! The API tells few of the options. The others stand in `daemon.json` and on dockerd's command
//! line, which are read where they can be; an option that stands in neither has Docker's default.

use std::fmt;

mod file;
mod flags;
mod known;
mod process;
#[cfg(test)]
mod tests;

pub(super) use known::Known;

/// The version of the API from which on `ip6tables` is on unless it is switched off: Docker 27.
const IP6TABLES_BY_DEFAULT: (u32, u32) = (1, 46);

/// The version from which on `gw-priority` decides for each family by itself.
///
/// Source: moby#51999, moby#52328 of April 2026; which release was the first to have it was not
/// found, and is taken to be this one.
const PRIORITY_BY_FAMILY: (u32, u32) = (29, 5);

/// Where dockerd looks for its options unless it is told otherwise.
pub const DEFAULT_DAEMON_JSON: &str = "/etc/docker/daemon.json";

/// A dockerd.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Daemon {
    /// The version: `29.0.0`.
    pub version: String,
    /// The newest API that it speaks: `1.52`.
    pub api: String,
    /// `live-restore`: containers outlive the daemon.
    pub live_restore: Option<bool>,
    /// It runs as an ordinary user, in a network namespace of its own.
    pub rootless: bool,
    /// Its part in a swarm.
    pub swarm: Swarm,
    /// The options that were found.
    pub settings: Settings,
    /// The command line of its process.
    pub command_line: Source,
    /// Its file of options.
    pub file: Source,
}

/// A daemon's part in a swarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Swarm {
    /// None.
    #[default]
    Inactive,
    /// A worker, which does not know what services publish.
    Worker,
    /// A manager.
    Manager,
}

/// Something in which options may stand.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Source {
    /// It was not looked at.
    #[default]
    Unknown,
    /// It was read.
    Read(String),
    /// It does not exist, so it says nothing.
    Missing(String),
    /// It could not be read.
    Unread {
        /// What it is.
        name: String,
        /// Why.
        why: String,
    },
}

impl Source {
    /// Whether an option that was not found there does not stand there.
    pub fn is_known(&self) -> bool {
        match self {
            Self::Read(_) | Self::Missing(_) => true,
            Self::Unknown | Self::Unread { .. } => false,
        }
    }
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<T> {
    /// The value.
    pub value: T,
    /// Where it stands: `/etc/docker/daemon.json`, `dockerd's command line`, `docker info`.
    pub place: String,
}

/// Options of a daemon, by their names in `daemon.json`; `None` where none was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// `iptables`
    pub iptables: Option<Found<bool>>,
    /// `ip6tables`
    pub ip6tables: Option<Found<bool>>,
    /// `userland-proxy`
    pub userland_proxy: Option<Found<bool>>,
    /// `allow-direct-routing`
    pub allow_direct_routing: Option<Found<bool>>,
    /// `ip-forward`
    pub ip_forward: Option<Found<bool>>,
    /// `ip-forward-no-drop`
    pub ip_forward_no_drop: Option<Found<bool>>,
    /// `ip-masq`, of the default network
    pub ip_masq: Option<Found<bool>>,
    /// `icc`, of the default network
    pub icc: Option<Found<bool>>,
    /// `bridge-accept-fwmark`
    pub bridge_accept_fwmark: Option<Found<String>>,
}

/// Whether a daemon programs a firewall of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It does not: `iptables` and `ip6tables` are false.
    Off,
    /// It does.
    On {
        /// Why that is known.
        found: String,
        /// What is to be changed.
        change: String,
    },
    /// It cannot be found out.
    Unknown {
        /// What could not be read.
        why: String,
    },
}

impl Settings {
    /// The switches, by name.
    fn switch(&mut self, name: &str) -> Option<&mut Option<Found<bool>>> {
        Some(match name {
            "iptables" => &mut self.iptables,
            "ip6tables" => &mut self.ip6tables,
            "userland-proxy" => &mut self.userland_proxy,
            "allow-direct-routing" => &mut self.allow_direct_routing,
            "ip-forward" => &mut self.ip_forward,
            "ip-forward-no-drop" => &mut self.ip_forward_no_drop,
            "ip-masq" => &mut self.ip_masq,
            "icc" => &mut self.icc,
            _ => return None,
        })
    }

    /// Takes what is not set yet from others.
    fn fill(&mut self, others: Self) {
        fn fill<T>(own: &mut Option<Found<T>>, other: Option<Found<T>>) {
            if own.is_none() {
                *own = other;
            }
        }
        fill(&mut self.iptables, others.iptables);
        fill(&mut self.ip6tables, others.ip6tables);
        fill(&mut self.userland_proxy, others.userland_proxy);
        fill(&mut self.allow_direct_routing, others.allow_direct_routing);
        fill(&mut self.ip_forward, others.ip_forward);
        fill(&mut self.ip_forward_no_drop, others.ip_forward_no_drop);
        fill(&mut self.ip_masq, others.ip_masq);
        fill(&mut self.icc, others.icc);
        fill(&mut self.bridge_accept_fwmark, others.bridge_accept_fwmark);
    }
}

impl Daemon {
    /// Whether an option that was not found has Docker's default: everything where it could stand
    /// was read.
    pub fn is_complete(&self) -> bool {
        self.command_line.is_known() && self.file.is_known()
    }

    /// Whether a network with a gateway in both families is a container's gateway for both before
    /// its other networks, whatever their `gw-priority` is.
    ///
    /// A version that is not understood is taken to be a new one.
    pub fn prefers_both_families(&self) -> bool {
        let mut numbers = self.version.split('.').map(str::parse);
        let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
            return false;
        };
        (major, minor) < PRIORITY_BY_FAMILY
    }

    /// Whether this daemon programs a firewall of its own, beside which dockfw's would not be the
    /// one that counts.
    pub fn firewall_off(&self) -> Verdict {
        let api = parse_api(&self.api);
        let new = api.is_none_or(|api| api >= IP6TABLES_BY_DEFAULT);
        let switches = [
            ("iptables", &self.settings.iptables, true),
            ("ip6tables", &self.settings.ip6tables, new),
        ];
        let mut on = Vec::new();
        let mut unknown = false;
        for (name, found, default) in switches {
            match found {
                Some(Found { value: true, place }) => {
                    on.push(format!("{name} is true ({place})"));
                }
                None if !self.is_complete() => unknown = true,
                None if default => on.push(format!("{name} is not set, and true by default")),
                Some(Found { value: false, .. }) | None => {}
            }
        }
        if !on.is_empty() {
            return Verdict::On {
                found: on.join(", "),
                change: self.change(),
            };
        }
        if unknown {
            return Verdict::Unknown {
                why: self.unread().join("; "),
            };
        }
        Verdict::Off
    }

    /// What has to be changed for a daemon without a firewall of its own.
    fn change(&self) -> String {
        let file = match &self.file {
            Source::Read(name) | Source::Missing(name) | Source::Unread { name, .. } => name,
            Source::Unknown => DEFAULT_DAEMON_JSON,
        };
        let on_command_line = |found: &Option<Found<bool>>| {
            let found = found.as_ref();
            found.is_some_and(|found| found.value && found.place == process::COMMAND_LINE)
        };
        let mut text = String::new();
        let flags = [
            ("--iptables", &self.settings.iptables),
            ("--ip6tables", &self.settings.ip6tables),
        ];
        let flags = flags
            .into_iter()
            .filter(|(_, found)| on_command_line(found));
        let flags: Vec<&str> = flags.map(|(flag, _)| flag).collect();
        if !flags.is_empty() {
            text = format!(
                "remove {} from dockerd's command line, ",
                flags.join(" and ")
            );
        }
        format!(
            "{text}write \"iptables\": false and \"ip6tables\": false into {file}, and restart \
             dockerd"
        )
    }

    /// What could not be read, a line for each.
    pub fn unread(&self) -> Vec<String> {
        let mut all = Vec::new();
        for (source, name) in [
            (&self.command_line, "dockerd's command line"),
            (&self.file, DEFAULT_DAEMON_JSON),
        ] {
            match source {
                Source::Unread { name, why } => {
                    all.push(format!("{name} could not be read: {why}"));
                }
                Source::Unknown => all.push(format!("{name} was not looked at")),
                Source::Read(_) | Source::Missing(_) => {}
            }
        }
        all
    }
}

/// `1.41` as numbers.
pub(super) fn parse_api(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("dockerd has no firewall of its own"),
            Self::On { found, change } => {
                write!(
                    f,
                    "dockerd programs a firewall of its own: {found}; {change}"
                )
            }
            Self::Unknown { why } => write!(
                f,
                "whether dockerd programs a firewall of its own is not known: {why}"
            ),
        }
    }
}
