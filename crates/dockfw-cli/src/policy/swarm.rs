//! `[swarm]`: the ingress sandbox and the published ports of services.

use std::net::{IpAddr, Ipv4Addr};

use dockfw_lower::docker::publish::Publish;
use dockfw_lower::host::Ingress;
use toml::de::DeTable;

use super::container::bad_address;
use super::once::Once;
use super::places::IngressPlaces;
use super::ports;
use super::report::{Draft, Report, Span};
use super::value::{Cursor, Expected, Value};

const KEYS: [&str; 2] = ["ingress-sandbox", "publish"];

const SANDBOX: Expected = Expected {
    what: "a string",
    example: "ingress-sandbox = \"172.19.0.2\"",
};
const PUBLISH: Expected = Expected {
    what: "an array of strings",
    example: "publish = [\"8080:80\", \"5353:53/udp\"]",
};

/// What `[swarm]` says, merged over all files; their published ports stand behind each other.
#[derive(Default)]
pub(super) struct SwarmReading {
    sandbox: Option<Ipv4Addr>,
    publish: Vec<Publish>,
    places: IngressPlaces,
    /// The first key `publish`.
    publish_key: Option<Span>,
    seen: Once,
    /// A key is wrong and was left out.
    broken: bool,
}

/// Swarm's part of a host, as far as it can be built.
pub(super) struct Swarm {
    pub(super) ingress: Option<Ingress>,
    pub(super) places: IngressPlaces,
    /// A part is wrong and was left out.
    pub(super) broken: bool,
}

impl SwarmReading {
    /// Reads the table of one file.
    pub(super) fn read(&mut self, table: &DeTable<'_>, cursor: &mut Cursor<'_, '_>) {
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "ingress-sandbox" => {
                    if self.seen.note(key, cursor) {
                        self.sandbox = sandbox(value, cursor);
                        self.places.sandbox = Some(cursor.span(value));
                        self.broken |= self.sandbox.is_none();
                    }
                }
                // Services live in stacks, and a stack may have a file of its own.
                "publish" => {
                    self.publish_key.get_or_insert(cursor.span(key));
                    let (list, places) = (&mut self.publish, &mut self.places.publish);
                    self.broken |=
                        !ports::publish(value, PUBLISH, (list, places), |span| span, cursor);
                }
                _ => {
                    self.broken = true;
                    cursor.unknown_key(key, "[swarm]", &KEYS);
                }
            }
        }
    }

    /// What is written, where a daemon tells the rest.
    pub(super) fn parts(&self) -> (Option<Ipv4Addr>, Vec<Publish>) {
        (self.sandbox, self.publish.clone())
    }

    /// Swarm's part, once every file is read.
    pub(super) fn build(mut self, unreliable: bool, report: &mut Report<'_>) -> Swarm {
        if let Some(span) = self.publish_key.filter(|_| self.is_incomplete()) {
            if !unreliable && !self.broken {
                let message =
                    "`ingress-sandbox` is missing: published ports of services lead to it";
                let help = "add ingress-sandbox = \"...\"; `docker network inspect docker_gwbridge` \
                            shows its address as ingress-sbox";
                report.push(Draft::error(span, message).help(help));
            }
            self.broken = true;
        }
        let publish = self.publish;
        Swarm {
            ingress: self.sandbox.map(|sandbox| Ingress { sandbox, publish }),
            places: self.places,
            broken: self.broken,
        }
    }

    fn is_incomplete(&self) -> bool {
        self.sandbox.is_none() && !self.publish.is_empty()
    }
}

fn sandbox(value: &Value<'_>, cursor: &mut Cursor<'_, '_>) -> Option<Ipv4Addr> {
    let text = cursor.string("ingress-sandbox", value, SANDBOX)?;
    let span = cursor.span(value);
    let help = "write its IPv4 address as `docker network inspect docker_gwbridge` shows it, for \
                example 172.19.0.2";
    let draft = match text.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => return Some(address),
        Ok(IpAddr::V6(_)) => {
            let message = format!("{text:?} is IPv6, but swarm's ingress network is IPv4 only");
            Draft::error(span, message).help(help)
        }
        // The prefix length that docker shows may be behind it.
        Err(_) if text.contains('/') => bad_address(text, span),
        Err(_) => bad_address(text, span).help(help),
    };
    cursor.push(draft);
    None
}
