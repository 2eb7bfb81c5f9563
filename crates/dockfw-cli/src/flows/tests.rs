//! Each kind of flow against a change that concerns it, and one that does not. What an entry has is
//! written by hand; what the kernel makes of such flows is in `tests/flows.rs`.

mod every;

use std::collections::BTreeSet;
use std::net::IpAddr;

use dockfw_ir::verify::verify;
use dockfw_ir::{Ruleset, Value, Verified};
use dockfw_netlink::conntrack::Icmp;
use dockfw_netlink::route::{Address, Link, Network, Prefix, Route};
use dockfw_netlink::sys::conntrack::IPS_EXPECTED;
use dockfw_netlink::{Entry, Tuple};

use super::*;
use crate::policy::{self, Source};

const TCP: u8 = 6;
const UDP: u8 = 17;
const SCTP: u8 = 132;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// The host: `eth0` to everywhere, `br-a` with two containers.
fn world() -> World {
    let link = |index, name: &str, kind: Option<&str>| Link {
        index,
        name: name.to_owned(),
        kind: kind.map(str::to_owned),
    };
    let address = |link, text: &str, length| Address {
        link,
        address: ip(text),
        network: Prefix {
            address: ip(text),
            length,
        },
    };
    let route = |text, length, link, metric| Route {
        destination: Prefix {
            address: ip(text),
            length,
        },
        link,
        metric,
    };
    let network = Network {
        links: vec![
            link(1, "lo", None),
            link(2, "eth0", None),
            link(3, "br-a", Some("bridge")),
            link(4, "eth1", None),
        ],
        addresses: vec![
            address(1, "127.0.0.1", 8),
            address(2, "192.0.2.1", 24),
            address(2, "192.0.2.7", 24),
            address(2, "2001:db8:ffff::1", 64),
            address(3, "172.18.0.1", 16),
            address(3, "2001:db8:a::1", 64),
        ],
        routes: vec![
            route("0.0.0.0", 0, 4, 100),
            route("0.0.0.0", 0, 2, 0),
            route("::", 0, 2, 1024),
        ],
    };
    World::new(&network, Some(1_700_000_000))
}

#[test]
fn the_longest_prefix_and_the_lowest_metric_lead_there() {
    let world = world();
    for (address, interface) in [
        ("127.0.0.9", "lo"),
        ("192.0.2.7", "lo"),
        ("2001:db8:ffff::1", "lo"),
        ("192.0.2.77", "eth0"),
        ("172.18.0.2", "br-a"),
        ("198.51.100.7", "eth0"),
        ("2001:db8:a::9", "br-a"),
        ("2001:470::1", "eth0"),
    ] {
        assert_eq!(
            world.interface_to(ip(address)),
            Some(interface),
            "{address}"
        );
    }
    assert_eq!(world.interface_to(ip("fe80::1")), None);
}

/// What changes from policy to policy.
#[derive(Default, Clone, Copy)]
struct Text<'t> {
    first: &'t str,
    second: &'t str,
    user: &'t str,
    options: &'t str,
}

impl Text<'_> {
    fn ruleset(self) -> Verified {
        let Self {
            first,
            second,
            user,
            options,
        } = self;
        let text = format!(
            "version = 1\n[daemon]\nuserland-proxy = false\n\
             [[network]]\nname = \"a\"\nbridge = \"br-a\"\n\
             subnets = [\"172.18.0.0/16\", \"2001:db8:a::/64\"]\n\
             gateways = [\"172.18.0.1\", \"2001:db8:a::1\"]\noptions = {{ {options} }}\n\
             [[container]]\nname = \"c1\"\nnetworks.a = [\"172.18.0.2\", \"2001:db8:a::2\"]\n\
             publish = [{first}]\n\
             [[container]]\nname = \"c2\"\nnetworks.a = [\"172.18.0.3\", \"2001:db8:a::3\"]\n\
             publish = [{second}]\n\
             [docker-user]\nipv4 = '''\n{user}'''\nipv6 = '''\n{user}'''\n"
        );
        let source = Source {
            name: "policy.toml".to_owned(),
            bytes: text.into_bytes(),
        };
        let policy = policy::parse(vec![source]).unwrap();
        verify(dockfw_lower::lower(&policy.host)).unwrap()
    }
}

fn publish(first: &str) -> Text<'_> {
    Text {
        first,
        ..Text::default()
    }
}

fn users(first: &'static str, user: &'static str) -> Text<'static> {
    Text {
        first,
        user,
        ..Text::default()
    }
}

/// An end of a tuple: `192.0.2.9:40000`, `[2001:db8::9]:40000`.
fn tuple(protocol: u8, from: &str, to: &str) -> Tuple {
    let (from, to): (std::net::SocketAddr, std::net::SocketAddr) =
        (from.parse().unwrap(), to.parse().unwrap());
    Tuple {
        source: from.ip(),
        destination: to.ip(),
        protocol,
        ports: Some((from.port(), to.port())),
        icmp: None,
        zone: None,
    }
}

/// A flow: protocol, first packet from and to, answers from and to.
fn entry(protocol: u8, original: [&str; 2], reply: [&str; 2]) -> Entry {
    Entry {
        id: 1,
        original: tuple(protocol, original[0], original[1]),
        reply: tuple(protocol, reply[0], reply[1]),
        zone: 0,
        status: 0,
        mark: 0,
        timeout: Some(30),
        counters: None,
    }
}

const CLIENT: &str = "198.51.100.9:40000";
const CLIENT6: &str = "[2001:db8::9]:40000";

/// A client outside at the published port 8080 of the first container.
fn published(protocol: u8) -> Entry {
    let reply = ["172.18.0.2:80", CLIENT];
    entry(protocol, [CLIENT, "192.0.2.1:8080"], reply)
}

fn published6(protocol: u8) -> Entry {
    let reply = ["[2001:db8:a::2]:80", CLIENT6];
    entry(protocol, [CLIENT6, "[2001:db8:ffff::1]:8080"], reply)
}

/// A flow that is not translated.
fn plain(protocol: u8, from: &str, to: &str) -> Entry {
    entry(protocol, [from, to], [to, from])
}

fn why(old: Text<'_>, new: Text<'_>, entry: &Entry) -> Option<Why> {
    let (old, new) = (old.ruleset(), new.ruleset());
    between(Some(&old), &new, entry)
}

fn between(old: Option<&Verified>, new: &Verified, entry: &Entry) -> Option<Why> {
    let gone = BTreeSet::new();
    let change = Change {
        old,
        new,
        gone: &gone,
    };
    let cuts = affected(&change, &world(), [entry.clone()]);
    cuts.first().map(|cut| cut.why)
}

const ALL: &str = "\"8080:80/tcp\", \"8080:80/udp\", \"8080:80/sctp\"";
const NONE: Text<'_> = Text {
    first: "",
    second: "",
    user: "",
    options: "",
};

#[test]
fn unpublishing_ends_the_flows_of_the_port() {
    for protocol in [TCP, UDP, SCTP] {
        for of in [published(protocol), published6(protocol)] {
            assert_eq!(why(publish(ALL), NONE, &of), Some(Why::Untranslated));
            assert_eq!(why(publish(ALL), publish(ALL), &of), None);
            assert_eq!(why(publish(ALL), users(ALL, ""), &of), None);
        }
    }
    let udp = "\"8080:80/udp\"";
    assert_eq!(why(publish(ALL), publish(udp), &published(UDP)), None);
    assert_ne!(why(publish(ALL), publish(udp), &published(TCP)), None);
}

#[test]
fn another_container_or_port_ends_them() {
    let moved = Text {
        second: ALL,
        ..NONE
    };
    let inside = publish("\"8080:81/tcp\", \"8080:81/udp\"");
    for protocol in [TCP, UDP] {
        for of in [published(protocol), published6(protocol)] {
            assert_eq!(why(publish(ALL), moved, &of), Some(Why::Elsewhere));
            assert_eq!(why(publish(ALL), inside, &of), Some(Why::Elsewhere));
        }
    }
}

#[test]
fn datagrams_to_what_is_published_now_go_there_and_connections_stay() {
    for (from, to) in [
        (CLIENT, "192.0.2.1:8080"),
        ("127.0.0.1:40000", "127.0.0.1:8080"),
    ] {
        let datagrams = plain(UDP, from, to);
        assert_eq!(why(NONE, publish(ALL), &datagrams), Some(Why::Translated));
        let new = publish(ALL).ruleset();
        assert_eq!(between(None, &new, &datagrams), Some(Why::Translated));
        for protocol in [TCP, SCTP] {
            assert_eq!(why(NONE, publish(ALL), &plain(protocol, from, to)), None);
        }
    }
}

#[test]
fn the_operators_rules_end_what_they_drop() {
    const OPEN: &str = "-A DOCKER-USER -m conntrack --ctstate ESTABLISHED -j ACCEPT\n";
    const TIGHT: &str = "-A DOCKER-USER -m conntrack --ctstate ESTABLISHED -j ACCEPT\n\
                         -A DOCKER-USER -m conntrack --ctorigdstport 8080 -j DROP\n";
    const REJECT: &str = "-A DOCKER-USER -p udp -m udp --dport 80 -j REJECT\n";
    for protocol in [TCP, UDP] {
        for of in [published(protocol), published6(protocol)] {
            let tight = why(users(ALL, OPEN), users(ALL, TIGHT), &of);
            assert_eq!(tight, Some(Why::Forbidden));
            assert_eq!(why(users(ALL, TIGHT), users(ALL, OPEN), &of), None);
        }
    }
    let rejected = why(users(ALL, OPEN), users(ALL, REJECT), &published(UDP));
    assert_eq!(rejected, Some(Why::Forbidden));
    let rejected = why(users(ALL, OPEN), users(ALL, REJECT), &published(TCP));
    assert_eq!(rejected, None);
}

#[test]
fn containers_going_out() {
    let off = Text {
        options: "\"com.docker.network.bridge.enable_ip_masquerade\" = \"false\"",
        ..NONE
    };
    let out = |reply: &str| {
        let server = "198.51.100.9:53";
        entry(UDP, ["172.18.0.2:5000", server], [server, reply])
    };
    // The source port was taken, or the address has changed since.
    for reply in ["192.0.2.1:5000", "192.0.2.1:1024", "192.0.2.7:5000"] {
        assert_eq!(why(NONE, off, &out(reply)), Some(Why::Untranslated));
        assert_eq!(why(NONE, publish(ALL), &out(reply)), None);
        let drop = users("", "-A DOCKER-USER -i br-a -j DROP\n");
        assert_eq!(why(NONE, drop, &out(reply)), Some(Why::Forbidden));
    }
    // Another address than one of ours: somebody else translated it.
    assert_eq!(why(NONE, off, &out("203.0.113.7:5000")), None);
    // Masquerading begins: datagrams get it, a connection goes on.
    let plain = |protocol| plain(protocol, "172.18.0.2:5000", "198.51.100.9:53");
    assert_eq!(why(off, NONE, &plain(UDP)), Some(Why::Translated));
    assert_eq!(why(off, NONE, &plain(TCP)), None);
}

#[test]
fn the_host_and_containers_at_published_ports() {
    let hairpin = |from, masqueraded| {
        entry(
            UDP,
            [from, "172.18.0.1:8080"],
            ["172.18.0.2:80", masqueraded],
        )
    };
    // The host itself, another container, and the container that has the port.
    for (from, masqueraded) in [
        ("172.18.0.1:5000", "172.18.0.1:5000"),
        ("172.18.0.3:5000", "172.18.0.3:5000"),
        ("172.18.0.2:5000", "172.18.0.1:5000"),
    ] {
        let of = hairpin(from, masqueraded);
        assert_eq!(
            why(publish(ALL), NONE, &of),
            Some(Why::Untranslated),
            "{from}"
        );
        assert_eq!(why(publish(ALL), publish(ALL), &of), None);
    }
    let reply = ["172.18.0.2:80", "172.18.0.1:5000"];
    let loopback = entry(UDP, ["127.0.0.1:5000", "127.0.0.1:8080"], reply);
    assert_eq!(why(publish(ALL), NONE, &loopback), Some(Why::Untranslated));
}

#[test]
fn containers_of_one_bridge() {
    let apart = Text {
        options: "\"com.docker.network.bridge.enable_icc\" = \"false\"",
        ..NONE
    };
    for of in [
        plain(TCP, "172.18.0.2:5000", "172.18.0.3:80"),
        plain(UDP, "[2001:db8:a::2]:5000", "[2001:db8:a::3]:80"),
    ] {
        assert_eq!(why(NONE, apart, &of), Some(Why::Forbidden));
        assert_eq!(why(apart, NONE, &of), None);
    }
}

#[test]
fn messages_of_icmp() {
    let echo = |source: &str, destination: &str, kind, back| Tuple {
        source: ip(source),
        destination: ip(destination),
        protocol: if kind > 100 { 58 } else { 1 },
        ports: None,
        icmp: Some(Icmp {
            id: 7,
            kind: if back {
                kind ^ if kind > 100 { 1 } else { 8 }
            } else {
                kind
            },
            code: 0,
        }),
        zone: None,
    };
    let of = |original, reply| Entry {
        original,
        reply,
        ..published(UDP)
    };
    let v4 = of(
        echo("172.18.0.2", "198.51.100.9", 8, false),
        echo("198.51.100.9", "192.0.2.1", 8, true),
    );
    let v6 = of(
        echo("2001:db8:a::2", "2001:db8::9", 128, false),
        echo("2001:db8::9", "2001:db8:ffff::1", 128, true),
    );
    let drop = "-A DOCKER-USER -s 172.18.0.2/32 -p icmp -m icmp --icmp-type 8 -j DROP\n";
    let v4_only = |user: &str| {
        let text = NONE.ruleset();
        let rules = format!(
            "*filter\n:FORWARD ACCEPT [0:0]\n{}COMMIT\n",
            user.replace("DOCKER-USER", "FORWARD")
        );
        with_dump(text, &rules)
    };
    let (open, tight) = (v4_only(""), v4_only(drop));
    assert_eq!(between(Some(&open), &tight, &v4), Some(Why::Forbidden));
    assert_eq!(between(Some(&open), &tight, &v6), None);
    let off = Text {
        options: "\"com.docker.network.bridge.gateway_mode_ipv6\" = \"routed\"",
        ..NONE
    };
    assert_eq!(why(NONE, off, &v6), Some(Why::Untranslated));
    assert_eq!(why(NONE, off, &v4), None);
}

/// A ruleset with a dump of iptables-save besides.
fn with_dump(ruleset: Verified, rules: &str) -> Verified {
    use dockfw_iptables::Family;
    use dockfw_iptables::parse::{Assume, load};
    use dockfw_lower::optimize::Optimize;
    let program = load(rules, Family::Ipv4, &Assume::default())
        .unwrap()
        .program;
    let name = dockfw_lower::table_name();
    let compiled = dockfw_lower::rules::table(&program, name, Optimize::Full).unwrap();
    let mut tables = ruleset.into_inner().tables;
    tables.push(compiled.table);
    verify(Ruleset { tables }).unwrap()
}

#[test]
fn an_address_that_is_gone_takes_its_flows_along() {
    let same = publish(ALL).ruleset();
    let gone: BTreeSet<IpAddr> = [ip("172.18.0.2"), ip("2001:db8:a::2")].into();
    let change = Change {
        old: Some(&same),
        new: &same,
        gone: &gone,
    };
    assert!(needs_look(&change));
    let with = [
        published(TCP),
        published6(UDP),
        plain(TCP, "172.18.0.2:5000", "172.18.0.3:80"),
        plain(TCP, "172.18.0.3:5000", "172.18.0.2:80"),
        entry(
            UDP,
            ["172.18.0.2:1", "1.1.1.1:53"],
            ["1.1.1.1:53", "192.0.2.1:1"],
        ),
        entry(
            UDP,
            ["1.1.1.1:53", "192.0.2.1:1"],
            ["192.0.2.1:1", "172.18.0.2:1"],
        ),
    ];
    let without = [
        plain(TCP, "172.18.0.3:5000", "172.18.0.1:80"),
        plain(UDP, CLIENT, "192.0.2.1:80"),
    ];
    let cuts = affected(&change, &world(), with.iter().chain(&without).cloned());
    let found: Vec<Entry> = cuts.into_iter().map(|cut| cut.entry).collect();
    assert_eq!(found, with);
}

#[test]
fn what_the_old_rules_do_not_explain_stays() {
    // Translated by somebody else, in the old way of ours, or from where no route leads.
    for of in [
        entry(UDP, [CLIENT, "192.0.2.1:8080"], ["10.0.0.9:80", CLIENT]),
        entry(UDP, [CLIENT, "192.0.2.1:8080"], ["172.18.0.3:80", CLIENT]),
        entry(UDP, [CLIENT, "192.0.2.1:8080"], ["172.18.0.2:81", CLIENT]),
        plain(UDP, CLIENT, "192.0.2.1:8080"),
        plain(UDP, "[fe80::9]:40000", "[2001:db8:ffff::1]:8080"),
    ] {
        assert_eq!(why(publish(ALL), NONE, &of), None, "{of:?}");
    }
}

#[test]
fn zones_marks_and_related_flows() {
    const BY_MARK: &str = "-A DOCKER-USER -m mark --mark 7 -j ACCEPT\n\
                           -A DOCKER-USER -m connmark --mark 7 -j ACCEPT\n\
                           -A DOCKER-USER -j DROP\n";
    const CLOSED: &str = "-A DOCKER-USER -j DROP\n";
    const OPEN: &str = "-A DOCKER-USER -j RETURN\n";
    const RELATED: &str = "-A DOCKER-USER -m conntrack --ctstate RELATED -j ACCEPT\n\
                           -A DOCKER-USER -j DROP\n";
    let zoned = Entry {
        zone: 7,
        ..published(UDP)
    };
    assert_eq!(why(publish(ALL), NONE, &zoned), Some(Why::Untranslated));
    let marked = Entry {
        mark: 7,
        ..published(UDP)
    };
    let tight = |of| why(users(ALL, BY_MARK), users(ALL, CLOSED), of);
    assert_eq!(tight(&marked), Some(Why::Forbidden));
    assert_eq!(tight(&published(UDP)), None, "not explained");
    // Both explain it, and one of them says that it is still allowed.
    assert_eq!(why(users(ALL, OPEN), users(ALL, BY_MARK), &marked), None);
    let unmarked = why(users(ALL, OPEN), users(ALL, BY_MARK), &published(UDP));
    assert_eq!(unmarked, Some(Why::Forbidden));
    let announced = Entry {
        status: IPS_EXPECTED,
        ..published(UDP)
    };
    let tight = |of| why(users(ALL, RELATED), users(ALL, CLOSED), of);
    assert_eq!(tight(&announced), Some(Why::Forbidden));
    assert_eq!(tight(&published(UDP)), None);
}

#[test]
fn what_rules_have_put_into_sets_counts() {
    let rules = "*filter\n:FORWARD ACCEPT [0:0]\n\
                 -A FORWARD -m recent --rcheck --seconds 60 --name bad --rsource -j DROP\n\
                 -A FORWARD -p udp -m udp --dport 9 -m recent --set --name bad --rsource -j DROP\n\
                 COMMIT\n";
    let new = with_dump(NONE.ruleset(), rules);
    let mut tables = new.clone().into_inner().tables;
    let mut sets = tables.iter_mut().flat_map(|table| &mut table.sets);
    let set = sets.find(|set| set.dynamic).unwrap();
    let key = Value::new().and_ip(ip("198.51.100.9"));
    set.elements.push(dockfw_ir::set::Element::member(key));
    let old = verify(Ruleset { tables }).unwrap();
    let gone = BTreeSet::new();
    let change = Change {
        old: Some(&old),
        new: &new,
        gone: &gone,
    };
    assert!(!needs_look(&change));
    assert_eq!(*carry::rulesets(&change).unwrap().new, old);
}

#[test]
fn a_network_that_comes_or_goes_concerns_its_interface_alone() {
    let one = publish(ALL).ruleset();
    let text = |second: &str| {
        let text = format!(
            "version = 1\n[[network]]\nname = \"a\"\nbridge = \"br-a\"\n\
             subnets = [\"172.18.0.0/16\"]\n{second}"
        );
        let source = Source {
            name: "policy.toml".to_owned(),
            bytes: text.into_bytes(),
        };
        let policy = policy::parse(vec![source]).unwrap();
        verify(dockfw_lower::lower(&policy.host)).unwrap()
    };
    let less = text("");
    let more = text(
        "[[network]]\nname = \"b\"\nbridge = \"eth1\"\nsubnets = [\"172.19.0.0/16\"]\n\
         [[container]]\nname = \"c3\"\nnetworks.b = [\"172.19.0.2\"]\npublish = [\"80:80\"]\n",
    );
    let gone = BTreeSet::new();
    let world = world();
    let reaches = |old, new, entry: &Entry| {
        let change = Change {
            old: Some(old),
            new,
            gone: &gone,
        };
        let scope = Scope::of(&change);
        assert!(matches!(scope, Scope::Some(_)), "{scope:?}");
        scope.touches(entry) && scope.reaches(entry, &world)
    };
    let (inside, outside) = (
        plain(TCP, "172.19.0.2:5000", "198.51.100.9:443"),
        plain(TCP, "172.18.0.2:5000", "198.51.100.9:443"),
    );
    for (old, new) in [(&less, &more), (&more, &less)] {
        assert!(reaches(old, new, &inside));
        assert!(!reaches(old, new, &outside));
    }
    let nothing = Change {
        old: Some(&one),
        new: &more,
        gone: &gone,
    };
    assert_ne!(Scope::of(&nothing), Scope::Nothing);
}

#[test]
fn equal_rulesets_need_no_look() {
    let (one, other) = (publish(ALL).ruleset(), NONE.ruleset());
    let gone = BTreeSet::new();
    let look = |old, new| {
        needs_look(&Change {
            old,
            new,
            gone: &gone,
        })
    };
    assert!(!look(Some(&one), &one));
    assert!(look(Some(&one), &other));
    assert!(look(Some(&other), &one));
    assert!(look(None, &one));
}
