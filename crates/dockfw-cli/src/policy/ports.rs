//! Lists of port strings: `publish` and `expose`.

use dockfw_lower::docker::publish::{Publish, PublishError, PublishErrorKind};
use dockfw_lower::host::Exposed;
use toml::de::DeValue;

use super::report::{Draft, Span};
use super::value::{Cursor, Expected, Value};

const EXPOSE: Expected = Expected {
    what: "an array of strings",
    example: "expose = [\"80\", \"3000-3003/udp\"]",
};

/// Adds what `publish` lists, and where each stands; wrong ones are reported and left out.
///
/// False when it is no array.
pub(super) fn publish<P>(
    value: &Value<'_>,
    expected: Expected,
    (list, places): (&mut Vec<Publish>, &mut Vec<P>),
    place: impl Fn(Span) -> P,
    cursor: &mut Cursor<'_, '_>,
) -> bool {
    let Some(array) = cursor.array("publish", value, expected) else {
        return false;
    };
    list.reserve_exact(array.len());
    places.reserve_exact(array.len());
    for element in array {
        let example = |port: &str| format!("{port}:{port}");
        let Some(text) = text("a published port", element, expected, example, cursor) else {
            continue;
        };
        match text.parse::<Publish>() {
            Ok(publish) => {
                list.push(publish);
                places.push(place(cursor.span(element)));
            }
            Err(error) => {
                let span = cursor.inside(element, error.span());
                let draft = Draft::error(span, error.to_string()).help(error.help());
                cursor.push(draft);
            }
        }
    }
    true
}

/// What `expose` lists, and whether all of it is right; wrong ones are reported and left out.
pub(super) fn expose(value: &Value<'_>, cursor: &mut Cursor<'_, '_>) -> (Vec<Exposed>, bool) {
    let Some(array) = cursor.array("expose", value, EXPOSE) else {
        return (Vec::new(), false);
    };
    let mut list = Vec::with_capacity(array.len());
    for element in array {
        let Some(text) = text("an exposed port", element, EXPOSE, str::to_owned, cursor) else {
            continue;
        };
        match exposed(text) {
            Ok(exposed) => list.push(exposed),
            Err(wrong) => {
                let span = cursor.inside(element, wrong.range);
                cursor.push(Draft::error(span, wrong.message).help(wrong.help));
            }
        }
    }
    let good = list.len() == array.len();
    (list, good)
}

/// The text of a port; a number without quotes is a common slip.
fn text<'t>(
    what: &str,
    element: &'t Value<'_>,
    expected: Expected,
    example: impl Fn(&str) -> String,
    cursor: &mut Cursor<'_, '_>,
) -> Option<&'t str> {
    if let DeValue::Integer(port) = element.get_ref() {
        let message = format!("{what} must be a string, this is an integer");
        let help = format!(
            "write it in quotes, for example \"{}\"",
            example(port.as_str())
        );
        cursor.push(Draft::error(cursor.span(element), message).help(help));
        return None;
    }
    let expected = Expected {
        what: "a string",
        ..expected
    };
    cursor.string(what, element, expected)
}

/// What is wrong with an exposed port, and in which bytes of it.
struct WrongExposed {
    range: std::ops::Range<usize>,
    message: String,
    help: String,
}

/// `PORT[-END][/PROTO]`: a publish that has nothing but the container's side.
fn exposed(text: &str) -> Result<Exposed, WrongExposed> {
    if let Some((host, port)) = text.rsplit_once(':') {
        let help = match port.parse::<Publish>() {
            Ok(_) => format!("write \"{port}\"; what the host publishes stands in `publish`"),
            Err(_) => {
                "write for example \"80\"; what the host publishes stands in `publish`".into()
            }
        };
        return Err(WrongExposed {
            range: 0..host.len() + 1,
            message: "an exposed port has no host address and no host port".to_owned(),
            help,
        });
    }
    let publish = text.parse::<Publish>().map_err(|error| WrongExposed {
        range: error.span(),
        message: if error.kind == PublishErrorKind::Empty {
            "the exposed port is empty".to_owned()
        } else {
            error.to_string()
        },
        help: help(error),
    })?;
    Ok(Exposed {
        protocol: publish.protocol,
        ports: publish.container_ports,
    })
}

/// What would be right, where the help for a publish shows host ports.
fn help(error: PublishError) -> String {
    let has_other_help = matches!(
        error.kind,
        PublishErrorKind::Empty | PublishErrorKind::NoContainerPort
    );
    if has_other_help {
        "write what EXPOSE takes, for example \"80\" or \"3000-3003/udp\"".to_owned()
    } else {
        error.help()
    }
}
