//! Every flow that some policies make, for every change from one to another.

use dockfw_ir::eval::{Evaluator, From, Packet};

use super::*;

const NO_MASQUERADE: &str = "\"com.docker.network.bridge.enable_ip_masquerade\" = \"false\"";

fn policies() -> Vec<Verified> {
    let text = |first, second, user, options| Text {
        first,
        second,
        user,
        options,
    };
    let drop = "-A DOCKER-USER -m conntrack --ctorigdstport 8080 -j DROP\n";
    [
        NONE,
        publish(ALL),
        publish("\"8080:80/tcp\", \"8081:80/udp\""),
        publish("\"127.0.0.1:8080:80/udp\", \"192.0.2.7:8080:80/tcp\""),
        publish("\"8000-8099:8000-8099/udp\""),
        text("", ALL, "", ""),
        text("\"8081:80\"", ALL, "", ""),
        text(ALL, "", drop, ""),
        text(ALL, "", "", NO_MASQUERADE),
        text(
            "",
            "",
            "",
            "\"com.docker.network.bridge.enable_icc\" = \"false\"",
        ),
    ]
    .into_iter()
    .map(Text::ruleset)
    .collect()
}

/// First packets between all that the host knows, at ports that are published or not.
fn packets() -> Vec<Packet> {
    let mut packets = Vec::new();
    let ends = |v6| {
        let all: [&str; 6] = if v6 {
            [
                "2001:db8:a::2",
                "2001:db8:a::3",
                "2001:db8:a::1",
                "2001:db8:ffff::1",
                "::1",
                "2001:db8::9",
            ]
        } else {
            [
                "172.18.0.2",
                "172.18.0.3",
                "192.0.2.1",
                "192.0.2.7",
                "127.0.0.1",
                "198.51.100.9",
            ]
        };
        all.map(ip)
    };
    let world = world();
    for v6 in [false, true] {
        for source in ends(v6) {
            for destination in ends(v6) {
                for (protocol, port) in [TCP, UDP]
                    .into_iter()
                    .flat_map(|protocol| [80, 8080, 8081].map(|port| (protocol, port)))
                {
                    let from = if world.is_own(source) {
                        From::Host
                    } else {
                        From::Interface(world.interface_to(source).unwrap().to_owned())
                    };
                    packets.push(Packet {
                        ports: Some((40_000, port)),
                        time: world.now,
                        ..Packet::new(from, source, destination, protocol)
                    });
                }
            }
        }
    }
    packets
}

/// The entry that a ruleset makes of a first packet; `None` when it does not let it through.
fn made(evaluator: &Evaluator<'_>, packet: &Packet) -> Option<Entry> {
    let outcome = evaluator.eval(&world().host, packet);
    if !outcome.verdict.is_pass() {
        return None;
    }
    let tuple = |source, destination, ports| Tuple {
        source,
        destination,
        protocol: packet.protocol,
        ports,
        icmp: None,
        zone: None,
    };
    let (from, to) = outcome.ports?;
    Some(Entry {
        original: tuple(packet.source, packet.destination, packet.ports),
        reply: tuple(outcome.destination, outcome.source, Some((to, from))),
        ..published(UDP)
    })
}

#[test]
fn the_scope_leaves_nothing_out_and_the_same_rules_affect_nothing() {
    let (policies, packets, world) = (policies(), packets(), world());
    let gone = BTreeSet::new();
    let (mut found, mut narrow) = (0, 0);
    for old in &policies {
        let evaluator = Evaluator::new(old);
        let entries: Vec<Entry> = packets
            .iter()
            .filter_map(|packet| made(&evaluator, packet))
            .collect();
        assert!(entries.len() > 100);
        for new in &policies {
            let change = Change {
                old: Some(old),
                new,
                gone: &gone,
            };
            let (_, all) = judged(&change, &Scope::Everything, &world, entries.clone());
            assert_eq!(affected(&change, &world, entries.clone()), all);
            found += all.len();
            narrow += usize::from(matches!(Scope::of(&change), Scope::Some(_)));
            if old == new {
                assert_eq!(all, []);
            }
        }
        // What the new rules make themselves stays, whatever was before.
        let change = Change {
            old: None,
            new: old,
            gone: &gone,
        };
        assert_eq!(affected(&change, &world, entries), []);
    }
    assert!(found > 1000 && narrow > 20, "{found}, {narrow}");
}
