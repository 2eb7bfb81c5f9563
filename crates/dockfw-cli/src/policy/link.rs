//! `links`: other containers by name, in any file.

use std::collections::BTreeMap;

use dockfw_lower::host::Host;

use super::places::Places;
use super::report::{Draft, Report, Span};
use super::suggest::unknown;
use super::value::{Cursor, Expected, Value};

const LINKS: Expected = Expected {
    what: "an array of strings",
    example: "links = [\"db\", \"cache:redis\"]",
};

/// How many names are compared at most to suggest the nearest ones, over all unknown names.
const MOST_COMPARISONS: usize = 1_000_000;

/// A link as it is written.
pub(super) struct RawLink {
    /// The number of the container in which it stands.
    client: usize,
    /// The name of the other one.
    server: String,
    /// Where that name stands.
    span: Span,
}

/// Adds the links of a container; wrong ones are reported and left out.
pub(super) fn read(
    value: &Value<'_>,
    client: usize,
    links: &mut Vec<RawLink>,
    cursor: &mut Cursor<'_, '_>,
) {
    let Some(array) = cursor.array("links", value, LINKS) else {
        return;
    };
    let expected = Expected {
        what: "a string",
        ..LINKS
    };
    for element in array {
        let Some(text) = cursor.string("a link", element, expected) else {
            continue;
        };
        let (name, alias) = match text.split_once(':') {
            Some((name, alias)) => (name, Some(alias)),
            None => (text, None),
        };
        let wrong = if name.is_empty() {
            Some((0..name.len(), "the link names no container"))
        } else if alias.is_some_and(str::is_empty) {
            Some((name.len()..text.len(), "the alias of the link is empty"))
        } else if alias.is_some_and(|alias| alias.contains(':')) {
            Some((name.len() + 1..text.len(), "the link has too many colons"))
        } else {
            None
        };
        if let Some((range, message)) = wrong {
            let help = "write what docker run --link takes: NAME or NAME:ALIAS";
            let draft = Draft::error(cursor.inside(element, range), message).help(help);
            cursor.push(draft);
            continue;
        }
        // The alias is for the resolver.
        links.push(RawLink {
            client,
            server: name.to_owned(),
            span: cursor.inside(element, 0..name.len()),
        });
    }
}

/// Gives the containers of a host their links, and notes where these stand.
///
/// Unknown names are left out, and reported unless `unreliable`.
pub(super) fn resolve(
    links: Vec<RawLink>,
    unreliable: bool,
    host: &mut Host,
    places: &mut Places,
    report: &mut Report<'_>,
) {
    if links.is_empty() {
        return;
    }
    let mut indexes: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, container) in host.containers.iter().enumerate() {
        indexes.entry(container.name.as_str()).or_insert(index);
    }
    let mut compared = 0;
    let mut known = Vec::with_capacity(links.len());
    for link in links {
        if let Some(server) = indexes.get(link.server.as_str()) {
            known.push((link.client, *server, link.span));
        } else if !unreliable {
            compared += indexes.len();
            let names = || indexes.keys().copied().filter(|name| !name.is_empty());
            report.push(if compared <= MOST_COMPARISONS {
                unknown("container", &link.server, link.span, names)
            } else {
                unknown("container", &link.server, link.span, std::iter::empty)
            });
        }
    }
    for (client, server, span) in known {
        if let Some(container) = host.containers.get_mut(client) {
            places.links.insert((client, container.links.len()), span);
            container.links.push(server);
        }
    }
}
