//! `[[network]]`: from its table to a network of the host model.

use std::net::IpAddr;

use dockfw_lower::host::Driver;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use toml::de::DeTable;

use super::options::{self, Label};
use super::report::{Draft, Span};
use super::suggest::nearest;
use super::value::{Cursor, Expected, Value};

mod build;

/// The device of Docker's default network, unless another one is named.
const DEFAULT_DEVICE: &str = "docker0";

/// The drivers that come with Docker.
pub(super) const DRIVERS: [&str; 6] = ["bridge", "ipvlan", "macvlan", "overlay", "host", "none"];

const KEYS: [&str; 9] = [
    "name", "driver", "bridge", "subnets", "gateways", "internal", "ipv4", "ipv6", "options",
];

const NAME: Expected = Expected {
    what: "a string",
    example: "name = \"web\"",
};
const DRIVER: Expected = Expected {
    what: "a string",
    example: "driver = \"bridge\"",
};
const BRIDGE: Expected = Expected {
    what: "a string",
    example: "bridge = \"br-web\"",
};
const SUBNETS: Expected = Expected {
    what: "an array of strings",
    example: "subnets = [\"172.18.0.0/16\"]",
};
const GATEWAYS: Expected = Expected {
    what: "an array of strings",
    example: "gateways = [\"172.18.0.1\"]",
};

const SUBNET: Expected = Expected {
    what: "a string",
    ..SUBNETS
};
const GATEWAY: Expected = Expected {
    what: "a string",
    ..GATEWAYS
};

/// A network as it is written, before the defaults of `[daemon]` are known.
pub(super) struct RawNetwork {
    name: Option<String>,
    name_span: Span,
    driver: Driver,
    bridge: Option<(String, Span)>,
    ipv4_subnet: Option<(Ipv4Net, Span)>,
    ipv6_subnet: Option<(Ipv6Net, Span)>,
    gateways: Vec<(IpAddr, Span)>,
    internal: Option<(bool, Span)>,
    ipv4: Option<(bool, Span)>,
    ipv6: Option<(bool, Span)>,
    labels: Vec<Label>,
    broken: bool,
}

impl RawNetwork {
    /// Reads a table; what is wrong in it is reported and left out.
    pub(super) fn read(header: Span, table: &DeTable<'_>, cursor: &mut Cursor<'_, '_>) -> Self {
        let mut raw = Self {
            name: None,
            name_span: header,
            driver: Driver::Bridge,
            bridge: None,
            ipv4_subnet: None,
            ipv6_subnet: None,
            gateways: Vec::new(),
            internal: None,
            ipv4: None,
            ipv6: None,
            labels: Vec::new(),
            broken: false,
        };
        // The driver decides how many subnets there may be, so it comes first.
        if let Some(value) = table.get("driver") {
            raw.driver(value, cursor);
        }
        let mut named = false;
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "name" => {
                    named = true;
                    if let Some(name) = raw.noted(cursor.string("name", value, NAME)) {
                        raw.name = Some(name.to_owned());
                        raw.name_span = cursor.span(value);
                    }
                }
                "driver" => {}
                "bridge" => {
                    let text = raw.noted(cursor.string("bridge", value, BRIDGE));
                    raw.bridge = text.map(|text| (text.to_owned(), cursor.span(value)));
                }
                "subnets" => raw.subnets(value, cursor),
                "gateways" => raw.gateways(value, cursor),
                "internal" => raw.internal = raw.flag("internal", value, cursor),
                "ipv4" => raw.ipv4 = raw.flag("ipv4", value, cursor),
                "ipv6" => raw.ipv6 = raw.flag("ipv6", value, cursor),
                "options" => raw.labels = options::read("options", value, cursor),
                _ => {
                    raw.broken = true;
                    cursor.unknown_key(key, "a network", &KEYS);
                }
            }
        }
        if !named {
            raw.broken = true;
            let draft = Draft::error(header, "the network has no name")
                .help("write name = \"...\" as `docker network ls` shows it");
            cursor.missing(draft);
        }
        raw
    }

    /// Notes that the network is broken when there is no value.
    fn noted<T>(&mut self, value: Option<T>) -> Option<T> {
        self.broken |= value.is_none();
        value
    }

    fn flag(
        &mut self,
        key: &str,
        value: &Value<'_>,
        cursor: &mut Cursor<'_, '_>,
    ) -> Option<(bool, Span)> {
        let span = cursor.span(value);
        self.noted(cursor.boolean(key, value))
            .map(|flag| (flag, span))
    }

    fn driver(&mut self, value: &Value<'_>, cursor: &mut Cursor<'_, '_>) {
        let Some(name) = self.noted(cursor.string("driver", value, DRIVER)) else {
            return;
        };
        self.driver = match name {
            "bridge" => Driver::Bridge,
            "ipvlan" => Driver::Ipvlan,
            "macvlan" => Driver::Macvlan,
            "overlay" => Driver::Overlay,
            "host" => Driver::Host,
            "none" | "null" => Driver::None,
            other => {
                self.broken = true;
                let help = match nearest(other, DRIVERS) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None => format!("known drivers: {}", DRIVERS.join(", ")),
                };
                let message = format!("dockfw does not know the network driver {other:?}");
                let draft = Draft::error(cursor.span(value), message).help(help);
                cursor.push(draft);
                return;
            }
        };
    }

    fn subnets(&mut self, value: &Value<'_>, cursor: &mut Cursor<'_, '_>) {
        let array = cursor.array("subnets", value, SUBNETS);
        let Some(array) = self.noted(array) else {
            return;
        };
        for element in array {
            let text = cursor.string("a subnet", element, SUBNET);
            let Some(text) = self.noted(text) else {
                continue;
            };
            let span = cursor.span(element);
            let first = match text.parse::<IpNet>() {
                Ok(IpNet::V4(subnet)) => replace(&mut self.ipv4_subnet, subnet, span),
                Ok(IpNet::V6(subnet)) => replace(&mut self.ipv6_subnet, subnet, span),
                Err(_) => {
                    self.broken = true;
                    cursor.push(bad_subnet(text, span));
                    continue;
                }
            };
            // Other drivers take several; they make no rules.
            if let Some(first) = first
                && self.driver == Driver::Bridge
            {
                self.broken = true;
                let message = "a bridge network has one subnet of each family";
                let draft = Draft::error(span, message)
                    .related(first, "the first one of the family")
                    .help("remove one of them");
                cursor.push(draft);
            }
        }
    }

    fn gateways(&mut self, value: &Value<'_>, cursor: &mut Cursor<'_, '_>) {
        let array = cursor.array("gateways", value, GATEWAYS);
        let Some(array) = self.noted(array) else {
            return;
        };
        for element in array {
            let text = cursor.string("a gateway", element, GATEWAY);
            let Some(text) = self.noted(text) else {
                continue;
            };
            let span = cursor.span(element);
            if let Ok(address) = text.parse::<IpAddr>() {
                self.gateways.push((address.to_canonical(), span));
            } else {
                self.broken = true;
                cursor.push(super::container::bad_address(text, span));
            }
        }
    }
}

/// Stores a subnet unless there is one already, and says where that is.
fn replace<N>(slot: &mut Option<(N, Span)>, subnet: N, span: Span) -> Option<Span> {
    let first = slot.as_ref().map(|(_, first)| *first);
    if first.is_none() {
        *slot = Some((subnet, span));
    }
    first
}

fn bad_subnet(text: &str, span: Span) -> Draft {
    let draft = Draft::error(span, format!("{text:?} is not a subnet"));
    match text.split_once('/') {
        None => match text.parse::<IpAddr>() {
            Ok(_) => draft.help(format!("add the prefix length, for example \"{text}/24\"")),
            Err(_) => draft.help("write for example \"172.18.0.0/16\" or \"2001:db8:1::/64\""),
        },
        Some((address, _)) => match address.parse::<IpAddr>() {
            Ok(IpAddr::V4(_)) => draft.help("the prefix length is a number from 0 to 32"),
            Ok(IpAddr::V6(_)) => draft.help("the prefix length is a number from 0 to 128"),
            Err(_) => draft.help("write for example \"172.18.0.0/16\" or \"2001:db8:1::/64\""),
        },
    }
}
