//! Events of a daemon.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bollard::models::{EventMessage, EventMessageTypeEnum};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::docker) struct Event {
    /// What it asks for.
    pub(in crate::docker) action: Action,
    /// When it was read.
    pub(in crate::docker) received: Instant,
    /// When it happened, by the clock of the daemon.
    pub(in crate::docker) at: Option<SystemTime>,
    /// In words: `start web`.
    pub(in crate::docker) what: String,
}

/// What an event asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::docker) enum Action {
    /// A container may be another one now.
    Container(String),
    /// A container does not run any more.
    ContainerGone(String),
    /// A network may be another one now.
    Network(String),
    /// A network does not exist any more.
    NetworkGone(String),
    /// Everything may be different.
    Everything,
    /// Nothing.
    Nothing,
}

/// What is asked for: no more events than needed, since a host with many health checks has
/// thousands of others.
pub(super) fn filters() -> HashMap<&'static str, Vec<&'static str>> {
    HashMap::from([
        ("type", vec!["container", "network", "daemon", "service"]),
        (
            "event",
            vec![
                "start",
                "restart",
                "die",
                "destroy",
                "rename",
                "update",
                "connect",
                "disconnect",
                "create",
                "remove",
                "reload",
            ],
        ),
    ])
}

impl Event {
    /// Reads an event, just now.
    pub(super) fn new(event: EventMessage) -> Self {
        let received = Instant::now();
        let name = event.action.unwrap_or_default();
        let actor = event.actor.unwrap_or_default();
        let id = actor.id.unwrap_or_default();
        let mut attributes = actor.attributes.unwrap_or_default();
        let object = attributes.remove("name").unwrap_or_else(|| id.clone());
        let mut what = format!("{name} {object}");
        let action = match (event.typ, name.as_str()) {
            (Some(EventMessageTypeEnum::CONTAINER), "die" | "destroy") => Action::ContainerGone(id),
            (Some(EventMessageTypeEnum::CONTAINER), "start" | "restart" | "rename" | "update") => {
                Action::Container(id)
            }
            (Some(EventMessageTypeEnum::NETWORK), "connect" | "disconnect") => {
                match attributes.remove("container") {
                    Some(container) => {
                        let short = container.get(..12).unwrap_or(&container);
                        what = format!("{name} {object} {short}");
                        Action::Container(container)
                    }
                    None => Action::Everything,
                }
            }
            (Some(EventMessageTypeEnum::NETWORK), "create" | "update") => Action::Network(id),
            (Some(EventMessageTypeEnum::NETWORK), "destroy" | "remove") => Action::NetworkGone(id),
            (Some(EventMessageTypeEnum::DAEMON | EventMessageTypeEnum::SERVICE), _) => {
                Action::Everything
            }
            (_, _) => Action::Nothing,
        };
        let nanoseconds = event.time_nano.and_then(|time| u64::try_from(time).ok());
        Self {
            action,
            received,
            at: nanoseconds.map(|time| UNIX_EPOCH + Duration::from_nanos(time)),
            what,
        }
    }
}
