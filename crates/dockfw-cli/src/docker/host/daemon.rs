//! The daemon's options: those of policy files, those that were found, Docker's defaults.

use dockfw_lower::host::Daemon;

use crate::docker::daemon::{self, Found};
use crate::policy::{Base, parse_fwmark};

/// The options, and what was assumed.
pub(super) fn daemon(found: &daemon::Daemon, base: &Base, notes: &mut Vec<String>) -> Daemon {
    let own = &base.host.daemon;
    let settings = &found.settings;
    let mut assumed = Vec::new();
    let mut switch = |key: &str, own: bool, found: &Option<Found<bool>>, default: bool| {
        if base.sets(key) {
            return own;
        }
        found.as_ref().map_or_else(
            || {
                assumed.push(format!("{key} = {default}"));
                default
            },
            |found| found.value,
        )
    };
    let defaults = Daemon::default();
    let mut result = Daemon {
        userland_proxy: switch(
            "userland-proxy",
            own.userland_proxy,
            &settings.userland_proxy,
            defaults.userland_proxy,
        ),
        allow_direct_routing: switch(
            "allow-direct-routing",
            own.allow_direct_routing,
            &settings.allow_direct_routing,
            defaults.allow_direct_routing,
        ),
        ip_forward: switch(
            "ip-forward",
            own.ip_forward,
            &settings.ip_forward,
            defaults.ip_forward,
        ),
        ip_forward_no_drop: switch(
            "ip-forward-no-drop",
            own.ip_forward_no_drop,
            &settings.ip_forward_no_drop,
            defaults.ip_forward_no_drop,
        ),
        bridge_accept_fwmark: own.bridge_accept_fwmark,
    };
    if !base.sets("bridge-accept-fwmark") {
        let found = settings.bridge_accept_fwmark.as_ref();
        result.bridge_accept_fwmark = found.and_then(|found| {
            let mark = parse_fwmark(&found.value);
            if mark.is_none() {
                notes.push(format!(
                    "bridge-accept-fwmark {:?} ({}) is not understood and has no effect",
                    found.value, found.place
                ));
            }
            mark
        });
        if found.is_none() {
            assumed.push("no bridge-accept-fwmark".to_owned());
        }
    }
    let unread = found.unread();
    if !unread.is_empty() && !assumed.is_empty() {
        notes.push(format!(
            "assumed, because {}: {}",
            unread.join(" and "),
            assumed.join(", ")
        ));
    }
    if found.rootless {
        notes.push(
            "dockerd runs rootless: its bridges are in a network namespace of its own, and dockfw \
             has to run there"
                .to_owned(),
        );
    }
    result
}
