//! `[[container]]`: name, addresses, ports and links.

use std::net::IpAddr;

use dockfw_lower::host::{Container, Endpoint};
use toml::de::{DeTable, DeValue};

use super::document::{Mentions, Names, RawContainer};
use super::link;
use super::places::{ContainerPlaces, EndpointPlaces};
use super::ports;
use super::report::{Draft, Span};
use super::value::{Cursor, Expected, Value, in_order};

const KEYS: [&str; 5] = ["name", "networks", "publish", "expose", "links"];
const ENDPOINT_KEYS: [&str; 2] = ["addresses", "gw-priority"];

const NAME: Expected = Expected {
    what: "a string",
    example: "name = \"nginx\"",
};
const NETWORKS: Expected = Expected {
    what: "a table of networks with the container's addresses",
    example: "networks.web = [\"172.18.0.2\"]",
};
const ADDRESSES: Expected = Expected {
    what: "an array of strings",
    example: "networks.web = [\"172.18.0.2\", \"2001:db8:1::2\"]",
};
const PUBLISH: Expected = Expected {
    what: "an array of strings",
    example: "publish = [\"8080:80\", \"127.0.0.1:8443:443\"]",
};

impl RawContainer {
    /// Reads a table, the `index`th of its kind; what is wrong in it is reported and left out.
    pub(super) fn read(
        header: Span,
        table: &DeTable<'_>,
        index: usize,
        mentions: &mut Mentions,
        cursor: &mut Cursor<'_, '_>,
    ) -> Self {
        let mut raw = Self {
            container: Container::default(),
            places: ContainerPlaces {
                name: header,
                endpoints: Vec::new(),
                publish: Vec::new(),
            },
            broken: false,
        };
        let mut has_name = false;
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "name" => {
                    has_name = true;
                    match cursor.string("name", value, NAME) {
                        Some(name) => {
                            name.clone_into(&mut raw.container.name);
                            raw.places.name = cursor.span(value);
                        }
                        None => raw.broken = true,
                    }
                }
                "networks" => raw.networks(value, &mut mentions.networks, cursor),
                "publish" => {
                    let lists = (&mut raw.container.publish, &mut raw.places.publish);
                    let place = |span: Span| (span.start, span.end);
                    raw.broken |= !ports::publish(value, PUBLISH, lists, place, cursor);
                }
                "expose" => {
                    let (list, good) = ports::expose(value, cursor);
                    raw.container.expose = list;
                    raw.broken |= !good;
                }
                "links" => link::read(value, index, &mut mentions.links, cursor),
                _ => {
                    raw.broken = true;
                    cursor.unknown_key(key, "a container", &KEYS);
                }
            }
        }
        if !has_name {
            raw.broken = true;
            let draft = Draft::error(header, "the container has no name")
                .help("write name = \"...\" as `docker ps` shows it");
            cursor.missing(draft);
        }
        raw
    }

    fn networks(&mut self, value: &Value<'_>, names: &mut Names, cursor: &mut Cursor<'_, '_>) {
        let Some(table) = cursor.table("networks", value, NETWORKS) else {
            self.broken = true;
            return;
        };
        for (key, value) in in_order(table) {
            let mut endpoint = Endpoint {
                network: names.number(key.get_ref()),
                ipv4: None,
                ipv6: None,
                gw_priority: 0,
            };
            let mut places = EndpointPlaces {
                network: cursor.span(key),
                ipv4: None,
                ipv6: None,
            };
            let good = if let DeValue::Table(table) = value.get_ref() {
                endpoint_table(table, (&mut endpoint, &mut places), cursor)
            } else {
                addresses("networks", value, (&mut endpoint, &mut places), cursor)
            };
            self.broken |= !good;
            self.container.endpoints.push(endpoint);
            self.places.endpoints.push(places);
        }
    }
}

/// `{ addresses = [...], gw-priority = 1 }`; false when something in it is wrong.
fn endpoint_table(
    table: &DeTable<'_>,
    (endpoint, places): (&mut Endpoint, &mut EndpointPlaces),
    cursor: &mut Cursor<'_, '_>,
) -> bool {
    let mut good = true;
    for (key, value) in table {
        match key.get_ref().as_ref() {
            "addresses" => {
                good &= addresses("addresses", value, (&mut *endpoint, &mut *places), cursor);
            }
            "gw-priority" => match cursor.integer("gw-priority", value) {
                Some(priority) => endpoint.gw_priority = priority,
                None => good = false,
            },
            _ => {
                good = false;
                cursor.unknown_key(key, "a container's network", &ENDPOINT_KEYS);
            }
        }
    }
    good
}

/// The addresses of an endpoint, one of each family; false when something is wrong.
fn addresses(
    key: &str,
    value: &Value<'_>,
    (endpoint, places): (&mut Endpoint, &mut EndpointPlaces),
    cursor: &mut Cursor<'_, '_>,
) -> bool {
    let Some(array) = cursor.array(key, value, ADDRESSES) else {
        return false;
    };
    let mut good = true;
    for element in array {
        let Some(text) = cursor.string(
            "an address",
            element,
            Expected {
                what: "a string",
                ..ADDRESSES
            },
        ) else {
            good = false;
            continue;
        };
        let span = cursor.span(element);
        let slot = match text.parse::<IpAddr>().map(|address| address.to_canonical()) {
            Ok(IpAddr::V4(address)) => {
                endpoint.ipv4.get_or_insert(address);
                &mut places.ipv4
            }
            Ok(IpAddr::V6(address)) => {
                endpoint.ipv6.get_or_insert(address);
                &mut places.ipv6
            }
            Err(_) => {
                good = false;
                cursor.push(bad_address(text, span));
                continue;
            }
        };
        if let Some(first) = *slot {
            good = false;
            let message = "a container has one address of each family in a network";
            let draft = Draft::error(span, message)
                .related(first, "the first one of the family")
                .help("remove one of them");
            cursor.push(draft);
        } else {
            *slot = Some(span);
        }
    }
    good
}

pub(super) fn bad_address(text: &str, span: Span) -> Draft {
    let draft = Draft::error(span, format!("{text:?} is not an IP address"));
    match text.split_once('/') {
        Some((address, _)) if address.parse::<IpAddr>().is_ok() => {
            draft.help(format!("write {address}, without the prefix length"))
        }
        _ => draft.help("write for example 172.18.0.2 or 2001:db8:1::2"),
    }
}
