//! Driver-option labels of networks, as in `docker network create --opt`.
//!
//! Source: moby docker-v29.0.0, `daemon/libnetwork/drivers/bridge/bridge_linux.go`
//! (`networkConfiguration.fromLabels`) and `labels.go`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dockfw_ir::name::IfName;
use dockfw_lower::host::GatewayMode;

use super::report::{Draft, Span};
use super::suggest::nearest;
use super::value::{Cursor, Expected, Value, in_order};

/// Labels with this prefix are Docker's; an unknown one is a mistake.
const PREFIX: &str = "com.docker.network.";

/// The labels that Docker knows, without [`PREFIX`].
const KNOWN: [&str; 17] = [
    "bridge.name",
    "bridge.enable_icc",
    "bridge.enable_ip_masquerade",
    "bridge.gateway_mode_ipv4",
    "bridge.gateway_mode_ipv6",
    "bridge.host_binding_ipv4",
    "bridge.trusted_host_interfaces",
    "bridge.inhibit_ipv4",
    "bridge.default_bridge",
    "host_ipv4",
    "host_ipv6",
    "driver.mtu",
    "container_iface_prefix",
    "enable_ipv4",
    "enable_ipv6",
    "advertise_addr_nmsgs",
    "advertise_addr_ms",
];

const TABLE: Expected = Expected {
    what: "a table of labels",
    example: "options = { \"com.docker.network.bridge.enable_icc\" = \"false\" }",
};

/// A label and its value.
#[derive(Debug, Clone)]
pub(super) struct Label {
    pub(super) key: String,
    pub(super) value: String,
    pub(super) key_span: Span,
    pub(super) value_span: Span,
}

/// What is wrong with a label or a name; small, so that it can stand in a [`Result`].
#[derive(Debug)]
pub(super) struct Wrong(Box<Draft>);

impl Wrong {
    fn new(draft: Draft) -> Self {
        Self(Box::new(draft))
    }

    /// What is wrong: a fragment.
    pub(super) fn message(&self) -> &str {
        self.0.message()
    }

    /// The diagnostic.
    pub(super) fn draft(self) -> Draft {
        *self.0
    }
}

/// What the labels of a network say; `None` where they say nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    pub(crate) bridge: Option<(String, Span)>,
    pub(crate) icc: Option<bool>,
    pub(crate) masquerade: Option<bool>,
    pub(crate) gateway_mode_ipv4: Option<(GatewayMode, Span)>,
    pub(crate) gateway_mode_ipv6: Option<(GatewayMode, Span)>,
    pub(crate) host_binding: Option<IpAddr>,
    pub(crate) host_ipv4: Option<Ipv4Addr>,
    pub(crate) host_ipv6: Option<Ipv6Addr>,
    pub(crate) trusted_host_interfaces: Option<Vec<IfName>>,
    pub(crate) inhibit_ipv4: Option<bool>,
    pub(crate) enable_ipv4: Option<(bool, Span)>,
    pub(crate) enable_ipv6: Option<(bool, Span)>,
}

/// The options of a network that exists, as dockerd shows them.
///
/// A label that is not known is passed over, as dockerd does: a later Docker may have more.
pub(super) fn of_network(
    options: &BTreeMap<String, String>,
) -> Result<(Settings, Vec<Label>), Wrong> {
    let mut settings = Settings::default();
    let mut labels = Vec::new();
    for (key, value) in options {
        let known = key.strip_prefix(PREFIX).filter(|name| KNOWN.contains(name));
        if known.is_none() {
            continue;
        }
        let label = Label {
            key: key.clone(),
            value: value.clone(),
            key_span: Span::default(),
            value_span: Span::default(),
        };
        settings.apply(&label)?;
        labels.push(label);
    }
    Ok((settings, labels))
}

/// Reads a table of labels; values must be strings, as in Docker.
pub(super) fn read(key: &str, value: &Value<'_>, cursor: &mut Cursor<'_, '_>) -> Vec<Label> {
    let Some(table) = cursor.table(key, value, TABLE) else {
        return Vec::new();
    };
    let mut labels = Vec::new();
    for (key, value) in in_order(table) {
        let name = key.get_ref().as_ref();
        let Some(text) = value.get_ref().as_str() else {
            let message = format!("the value of `{name}` must be a string, as in Docker");
            let written = cursor
                .report
                .source(cursor.source)
                .and_then(|source| std::str::from_utf8(source.bytes.get(value.span())?).ok());
            let help = match written {
                Some(written) if value.get_ref().is_bool() || value.get_ref().is_integer() => {
                    format!("write \"{written}\"")
                }
                _ if name == "com" => {
                    "write the label in quotes: \"com.docker.network...\" = \"...\"".to_owned()
                }
                _ => "write it in quotes".to_owned(),
            };
            let draft = Draft::error(cursor.span(value), message).help(help);
            cursor.push(draft);
            continue;
        };
        labels.push(Label {
            key: name.to_owned(),
            value: text.to_owned(),
            key_span: cursor.span(key),
            value_span: cursor.span(value),
        });
    }
    labels
}

impl Settings {
    /// Takes a label; labels that are not Docker's are ignored, as Docker does.
    ///
    /// # Errors
    ///
    /// The diagnostic for an unknown label of Docker's, or a value it does not take.
    pub(super) fn apply(&mut self, label: &Label) -> Result<(), Wrong> {
        let Some(name) = label.key.strip_prefix(PREFIX) else {
            return near_prefix(label);
        };
        match name {
            "bridge.name" => self.bridge = Some((label.value.clone(), label.value_span)),
            "bridge.enable_icc" => self.icc = Some(boolean(label)?),
            "bridge.enable_ip_masquerade" => self.masquerade = Some(boolean(label)?),
            "bridge.gateway_mode_ipv4" => {
                self.gateway_mode_ipv4 = Some((gateway_mode(label)?, label.value_span));
            }
            "bridge.gateway_mode_ipv6" => {
                self.gateway_mode_ipv6 = Some((gateway_mode(label)?, label.value_span));
            }
            "bridge.host_binding_ipv4" => {
                self.host_binding = Some(address(label)?.to_canonical());
            }
            "host_ipv4" => match address(label)?.to_canonical() {
                IpAddr::V4(address) => self.host_ipv4 = Some(address),
                IpAddr::V6(_) => return Err(wrong_family(label, "IPv4", "host_ipv6")),
            },
            "host_ipv6" => match address(label)?.to_canonical() {
                IpAddr::V6(address) => self.host_ipv6 = Some(address),
                IpAddr::V4(_) => return Err(wrong_family(label, "IPv6", "host_ipv4")),
            },
            "bridge.trusted_host_interfaces" => {
                let names = label.value.split(':').filter(|name| !name.is_empty());
                let names = names.map(|name| interface(name, label.value_span));
                self.trusted_host_interfaces = Some(names.collect::<Result<_, _>>()?);
            }
            "bridge.inhibit_ipv4" => self.inhibit_ipv4 = Some(boolean(label)?),
            "bridge.default_bridge" => {
                boolean(label)?;
            }
            "enable_ipv4" => self.enable_ipv4 = Some((boolean(label)?, label.value_span)),
            "enable_ipv6" => self.enable_ipv6 = Some((boolean(label)?, label.value_span)),
            "driver.mtu" => number(label, 0, i64::from(i32::MAX))?,
            "advertise_addr_nmsgs" => number(label, 0, 3)?,
            "advertise_addr_ms" => number(label, 100, 2000)?,
            "container_iface_prefix" => {}
            _ => return Err(unknown(label, name)),
        }
        Ok(())
    }

    /// Fills what these settings leave open from others.
    pub(super) fn or(self, other: &Self) -> Self {
        Self {
            bridge: self.bridge.or_else(|| other.bridge.clone()),
            icc: self.icc.or(other.icc),
            masquerade: self.masquerade.or(other.masquerade),
            gateway_mode_ipv4: self.gateway_mode_ipv4.or(other.gateway_mode_ipv4),
            gateway_mode_ipv6: self.gateway_mode_ipv6.or(other.gateway_mode_ipv6),
            host_binding: self.host_binding.or(other.host_binding),
            host_ipv4: self.host_ipv4.or(other.host_ipv4),
            host_ipv6: self.host_ipv6.or(other.host_ipv6),
            trusted_host_interfaces: self
                .trusted_host_interfaces
                .or_else(|| other.trusted_host_interfaces.clone()),
            inhibit_ipv4: self.inhibit_ipv4.or(other.inhibit_ipv4),
            enable_ipv4: self.enable_ipv4.or(other.enable_ipv4),
            enable_ipv6: self.enable_ipv6.or(other.enable_ipv6),
        }
    }
}

fn unknown(label: &Label, name: &str) -> Wrong {
    let help = match nearest(name, KNOWN) {
        Some(near) => format!("did you mean `{PREFIX}{near}`?"),
        None => "Docker has no such label for bridge networks; remove it".to_owned(),
    };
    Wrong::new(Draft::error(label.key_span, format!("unknown label `{}`", label.key)).help(help))
}

/// Reports labels such as `com.docker.networks.bridge.name`, whose prefix is misspelt.
fn near_prefix(label: &Label) -> Result<(), Wrong> {
    let parts: Vec<&str> = label.key.splitn(4, '.').collect();
    let [a, b, c, name] = parts.as_slice() else {
        return Ok(());
    };
    let prefix = format!("{a}.{b}.{c}.");
    if KNOWN.contains(name) && nearest(&prefix, [PREFIX]).is_some() {
        return Err(unknown(label, name));
    }
    Ok(())
}

fn bad(label: &Label, expected: &str, help: impl Into<String>) -> Wrong {
    let message = format!(
        "{:?} is not {expected}, which `{}` needs",
        label.value, label.key
    );
    Wrong::new(Draft::error(label.value_span, message).help(help))
}

/// A boolean as Go's `strconv.ParseBool` reads it.
fn boolean(label: &Label) -> Result<bool, Wrong> {
    match label.value.as_str() {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(bad(label, "a boolean", "write \"true\" or \"false\"")),
    }
}

fn gateway_mode(label: &Label) -> Result<GatewayMode, Wrong> {
    match label.value.as_str() {
        "nat" => Ok(GatewayMode::Nat),
        "nat-unprotected" => Ok(GatewayMode::NatUnprotected),
        "routed" => Ok(GatewayMode::Routed),
        "isolated" => Ok(GatewayMode::Isolated),
        other => {
            let modes = ["nat", "nat-unprotected", "routed", "isolated"];
            let help = match nearest(other, modes) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("write one of {}", modes.join(", ")),
            };
            Err(bad(label, "a gateway mode", help))
        }
    }
}

fn address(label: &Label) -> Result<IpAddr, Wrong> {
    let help = "write an address without prefix length, for example \"192.0.2.1\"";
    label
        .value
        .parse()
        .ok()
        .ok_or_else(|| bad(label, "an IP address", help))
}

fn wrong_family(label: &Label, family: &str, other: &str) -> Wrong {
    let help = format!("the label for the other family is `{PREFIX}{other}`");
    bad(label, &format!("an {family} address"), help)
}

fn number(label: &Label, least: i64, most: i64) -> Result<(), Wrong> {
    match label.value.parse::<i64>() {
        Ok(number) if (least..=most).contains(&number) => Ok(()),
        Ok(_) | Err(_) => {
            let range = format!("write a number from {least} to {most} in quotes");
            Err(bad(label, "a number in range", range))
        }
    }
}

/// An interface name, or why it is none.
pub(super) fn interface(name: &str, span: Span) -> Result<IfName, Wrong> {
    IfName::new(name).map_err(|error| {
        let draft = Draft::error(span, format!("{name:?}: {error}"));
        Wrong::new(draft.help("`ip link` shows the names of the host's interfaces"))
    })
}
