//! Hosts that differ from another one in one thing.

use dockfw_lower::host::Host;
use dockfw_testkit::equivalence::generate::is_accepted;
use dockfw_testkit::equivalence::{Rng, User};

type Step = (&'static str, fn(&mut Host, &mut User, &mut Rng));

const STEPS: [Step; 12] = [
    ("one container less", |host, _, _| {
        host.containers.pop();
        let left = host.containers.len();
        for container in &mut host.containers {
            container.links.retain(|of| *of < left);
        }
    }),
    ("other publish", |host, _, rng| {
        if host.containers.is_empty() {
            return;
        }
        let place = rng.below(host.containers.len());
        if host.containers[place].publish.pop().is_none() {
            let port = rng.port();
            let text = format!("{port}:{}", rng.port());
            host.containers[place].publish.push(text.parse().unwrap());
        }
    }),
    ("range published", |host, _, rng| {
        let first = 20_000 + rng.below(40);
        let text = format!("{first}-{}:{first}-{}", first + 30, first + 30);
        if let Some(container) = host.containers.first_mut() {
            container.publish.push(text.parse().unwrap());
        }
    }),
    ("one network less", |host, _, _| {
        host.networks.pop();
        let left = host.networks.len();
        for container in &mut host.containers {
            container.endpoints.retain(|of| of.network < left);
        }
    }),
    ("icc", |host, _, rng| {
        let place = rng.below(host.networks.len());
        host.networks[place].icc ^= true;
    }),
    ("masquerade", |host, _, rng| {
        let place = rng.below(host.networks.len());
        host.networks[place].masquerade ^= true;
    }),
    ("network renamed", |host, _, rng| {
        let place = rng.below(host.networks.len());
        host.networks[place].name.push_str("-renamed");
    }),
    ("userland proxy", |host, _, _| {
        host.daemon.userland_proxy ^= true;
    }),
    ("direct routing", |host, _, _| {
        host.daemon.allow_direct_routing ^= true;
    }),
    ("policy", |host, _, _| {
        host.daemon.ip_forward_no_drop ^= true;
    }),
    ("rule inserted", |_, user, rng| {
        let source = format!("-A DOCKER-USER -s 198.51.100.{} -j DROP", rng.below(256));
        let place = rng.below(user.ipv4.len() + 1);
        user.ipv4.insert(place, source);
    }),
    ("rule removed", |_, user, rng| {
        if !user.ipv4.is_empty() {
            let place = rng.below(user.ipv4.len());
            user.ipv4.remove(place);
        }
    }),
];

/// A host that dockerd accepts and that differs in one thing, which is named.
pub(crate) fn of(rng: &mut Rng, host: &Host, user: &User) -> (&'static str, Host) {
    loop {
        let (kind, step) = rng.pick(&STEPS);
        let (mut host, mut user) = (host.clone(), user.clone());
        step(&mut host, &mut user, rng);
        if !is_accepted(&host) {
            continue;
        }
        if let Some(host) = user.on(&host) {
            return (kind, host);
        }
    }
}
