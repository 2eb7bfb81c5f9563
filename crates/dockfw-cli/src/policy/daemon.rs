//! `[daemon]`: the keys of daemon.json that decide about packets.

use std::net::IpAddr;

use dockfw_lower::host::{DEFAULT_BRIDGE, Daemon, Fwmark, Host};
use toml::de::DeTable;

use super::network::DRIVERS;
use super::once::Once;
use super::options::{self, Label, Settings};
use super::report::{Draft, Report};
use super::suggest::nearest;
use super::value::{Cursor, Expected, Value, in_order};

const KEYS: [&str; 11] = [
    "userland-proxy",
    "allow-direct-routing",
    "ip-forward",
    "ip-forward-no-drop",
    "bridge-accept-fwmark",
    "icc",
    "ip-masq",
    "ip",
    "default-network-opts",
    "iptables",
    "ip6tables",
];

const FWMARK: Expected = Expected {
    what: "a string",
    example: "bridge-accept-fwmark = \"0x1/0x3\"",
};
const IP: Expected = Expected {
    what: "a string",
    example: "ip = \"127.0.0.1\"",
};
const OPTS: Expected = Expected {
    what: "a table of drivers",
    example: "default-network-opts.bridge = { \"com.docker.network.bridge.enable_icc\" = \"false\" }",
};

/// What `[daemon]` says, merged over all files.
#[derive(Default)]
pub(super) struct DaemonReading {
    pub(super) daemon: Daemon,
    /// Options of the default bridge.
    pub(super) default_bridge: Settings,
    /// `default-network-opts` of the bridge driver.
    pub(super) bridge_labels: Vec<Label>,
    iptables: Option<bool>,
    seen: Once,
}

impl DaemonReading {
    /// Reads the table of one file.
    pub(super) fn read(&mut self, table: &DeTable<'_>, cursor: &mut Cursor<'_, '_>) {
        for (key, value) in table {
            if !self.seen.note(key, cursor) {
                continue;
            }
            let name = key.get_ref().as_ref();
            match name {
                "userland-proxy" => {
                    set(&mut self.daemon.userland_proxy, cursor.boolean(name, value));
                }
                "allow-direct-routing" => {
                    set(
                        &mut self.daemon.allow_direct_routing,
                        cursor.boolean(name, value),
                    );
                }
                "ip-forward" => set(&mut self.daemon.ip_forward, cursor.boolean(name, value)),
                "ip-forward-no-drop" => {
                    set(
                        &mut self.daemon.ip_forward_no_drop,
                        cursor.boolean(name, value),
                    );
                }
                "bridge-accept-fwmark" => {
                    self.daemon.bridge_accept_fwmark = fwmark(value, cursor);
                }
                "icc" => self.default_bridge.icc = cursor.boolean(name, value),
                "ip-masq" => self.default_bridge.masquerade = cursor.boolean(name, value),
                "ip" => self.default_bridge.host_binding = address(value, cursor),
                "default-network-opts" => self.default_network_opts(value, cursor),
                "iptables" | "ip6tables" => {
                    let enabled = cursor.boolean(name, value);
                    if name == "iptables" {
                        self.iptables = enabled;
                    }
                    if enabled == Some(true) {
                        let message = format!(
                            "with {name} = true, dockerd programs rules of its own beside dockfw's"
                        );
                        let help =
                            "set \"iptables\": false and \"ip6tables\": false in daemon.json";
                        let draft = Draft::warning(cursor.span(value), message).help(help);
                        cursor.push(draft);
                    }
                }
                _ => cursor.unknown_key(key, "[daemon]", &KEYS),
            }
        }
    }

    fn default_network_opts(&mut self, value: &Value<'_>, cursor: &mut Cursor<'_, '_>) {
        let Some(drivers) = cursor.table("default-network-opts", value, OPTS) else {
            return;
        };
        for (driver, value) in in_order(drivers) {
            let name = driver.get_ref().as_ref();
            let labels = options::read("default-network-opts", value, cursor);
            if name == "bridge" {
                self.bridge_labels = labels;
                // Reported here once; where they are merged into a network they are taken as they
                // are.
                let mut settings = Settings::default();
                for label in &self.bridge_labels {
                    if let Err(wrong) = settings.apply(label) {
                        cursor.push(wrong.draft());
                    }
                }
            } else if !DRIVERS.contains(&name) {
                let help = match nearest(name, DRIVERS) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("known drivers: {}", DRIVERS.join(", ")),
                };
                let message = format!("unknown driver `{name}` in default-network-opts");
                let draft = Draft::error(cursor.span(driver), message).help(help);
                cursor.push(draft);
            }
        }
    }

    /// Warns of a daemon.json that dockerd refuses, although the policy is clear.
    ///
    /// Source: moby docker-v29.0.0, `daemon/daemon_unix.go`, `verifyDaemonSettings`.
    pub(super) fn refused(&self, report: &mut Report<'_>) {
        let (Some(icc), Some(iptables)) = (self.seen.get("icc"), self.seen.get("iptables")) else {
            return;
        };
        if self.default_bridge.icc == Some(false) && self.iptables == Some(false) {
            let message =
                "dockerd does not start with icc = false and iptables = false in daemon.json";
            let help = "leave \"icc\" out of daemon.json; what the policy says closes the default \
                        bridge all the same. Remove `iptables` here to silence this";
            let draft = Draft::warning(icc, message);
            report.push(draft.related(iptables, "and this").help(help));
        }
    }

    /// The keys that are set.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        KEYS.into_iter().filter(|key| self.seen.get(key).is_some())
    }

    /// Warns of keys that only shape the default bridge when the policy has no default bridge.
    pub(super) fn without_effect(&self, host: &Host, unreliable: bool, report: &mut Report<'_>) {
        if unreliable
            || host
                .networks
                .iter()
                .any(|network| network.name == DEFAULT_BRIDGE)
        {
            return;
        }
        for key in ["icc", "ip-masq", "ip"] {
            if let Some(span) = self.seen.get(key) {
                let message = format!(
                    "`{key}` is about Docker's default network `bridge`, which is not in the policy"
                );
                let help = "add [[network]] with name = \"bridge\", or remove the key; for other \
                            networks set their options";
                report.push(Draft::warning(span, message).help(help));
            }
        }
    }
}

fn set(target: &mut bool, value: Option<bool>) {
    if let Some(value) = value {
        *target = value;
    }
}

fn address(value: &Value<'_>, cursor: &mut Cursor<'_, '_>) -> Option<IpAddr> {
    let text = cursor.string("ip", value, IP)?;
    let parsed = text
        .parse::<IpAddr>()
        .ok()
        .map(|address| address.to_canonical());
    if parsed.is_none() {
        let draft = super::container::bad_address(text, cursor.span(value));
        cursor.push(draft);
    }
    parsed
}

fn fwmark(value: &Value<'_>, cursor: &mut Cursor<'_, '_>) -> Option<Fwmark> {
    let text = cursor.string("bridge-accept-fwmark", value, FWMARK)?;
    let parsed = parse_fwmark(text);
    if parsed.is_none() {
        let message = format!("{text:?} is not a mark or mark/mask");
        let help = "write numbers up to 0xffffffff, for example \"1\" or \"0x1/0x3\"";
        let draft = Draft::error(cursor.span(value), message).help(help);
        cursor.push(draft);
    }
    parsed
}

/// `mark` or `mark/mask`, as dockerd reads it.
pub(crate) fn parse_fwmark(text: &str) -> Option<Fwmark> {
    let (value, bits) = match text.split_once('/') {
        Some((value, bits)) => (go_uint32(value)?, go_uint32(bits)?),
        None => (go_uint32(text)?, u32::MAX),
    };
    Some(Fwmark {
        mark: value,
        mask: bits,
    })
}

/// An unsigned number as Go's `strconv.ParseUint(s, 0, 32)` reads it: `0x`, `0o` or `0`, `0b` or
/// decimal, with single underscores between digits and after the prefix.
fn go_uint32(text: &str) -> Option<u32> {
    let lower = text.to_ascii_lowercase();
    let (digits, radix, prefixed) = if let Some(digits) = lower.strip_prefix("0x") {
        (digits, 16, true)
    } else if let Some(digits) = lower.strip_prefix("0b") {
        (digits, 2, true)
    } else if let Some(digits) = lower.strip_prefix("0o") {
        (digits, 8, true)
    } else if let Some(digits) = lower.strip_prefix('0').filter(|digits| !digits.is_empty()) {
        (digits, 8, true)
    } else {
        (lower.as_str(), 10, false)
    };
    let digits = if prefixed {
        digits.strip_prefix('_').unwrap_or(digits)
    } else {
        digits
    };
    if digits.is_empty() || digits.split('_').any(str::is_empty) || digits.starts_with('+') {
        return None;
    }
    u32::from_str_radix(&digits.replace('_', ""), radix).ok()
}

#[cfg(test)]
mod tests {
    use super::go_uint32;

    #[test]
    fn numbers_are_read_as_go_reads_them() {
        let cases = [
            ("0", Some(0)),
            ("17", Some(17)),
            ("0x1F", Some(31)),
            ("0X_1f", Some(31)),
            ("017", Some(15)),
            ("0o17", Some(15)),
            ("0b101", Some(5)),
            ("1_000", Some(1000)),
            ("4294967295", Some(u32::MAX)),
            ("4294967296", None),
            ("08", None),
            ("_1", None),
            ("1__0", None),
            ("1_", None),
            ("0x", None),
            ("+1", None),
            ("-1", None),
            (" 1", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(go_uint32(text), expected, "{text:?}");
        }
    }
}
