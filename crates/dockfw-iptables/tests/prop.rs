//! What is printed reads back as the same rule.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dockfw_iptables::r#match::comment::Comment;
use dockfw_iptables::r#match::connlimit::{self, Connlimit};
use dockfw_iptables::r#match::conntrack::{Conntrack, Direction, States, StatusBits};
use dockfw_iptables::r#match::dscp::Dscp;
use dockfw_iptables::r#match::ecn::Ecn;
use dockfw_iptables::r#match::iprange::{AddressRange, Iprange};
use dockfw_iptables::r#match::length::Length;
use dockfw_iptables::r#match::mark::Mark;
use dockfw_iptables::r#match::multiport::{self, Multiport};
use dockfw_iptables::r#match::recent::{self, Recent};
use dockfw_iptables::r#match::statistic::Statistic;
use dockfw_iptables::r#match::tcpmss::Tcpmss;
use dockfw_iptables::r#match::tos::Tos;
use dockfw_iptables::r#match::transport::Ports;
use dockfw_iptables::parse::{Assume, load};
use dockfw_iptables::target::classify::Classify;
use dockfw_iptables::target::dscp::SetDscp;
use dockfw_iptables::target::log::Log;
use dockfw_iptables::target::mark::SetMark;
use dockfw_iptables::target::nflog::Nflog;
use dockfw_iptables::target::tos::SetTos;
use dockfw_iptables::{
    AddressMask, Family, InterfacePattern, Invertible, Match, PortRange, Program, Protocol, Rule,
    TableName, Target,
};
use proptest::prelude::*;

fn invertible<T: std::fmt::Debug>(
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = Invertible<T>> {
    (any::<bool>(), value).prop_map(|(not, value)| Invertible::new(not, value))
}

fn maybe<T: std::fmt::Debug>(
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = Option<Invertible<T>>> {
    prop::option::of(invertible(value))
}

fn ports() -> impl Strategy<Value = PortRange> {
    // A range of all ports is not printed.
    (1_u16.., any::<u16>()).prop_map(|(first, last)| PortRange { first, last })
}

fn upwards() -> impl Strategy<Value = (u16, u16)> {
    (any::<u16>(), any::<u16>()).prop_map(|(a, b)| (a.min(b), a.max(b)))
}

fn address(family: Family) -> BoxedStrategy<IpAddr> {
    match family {
        Family::Ipv4 => any::<Ipv4Addr>().prop_map(IpAddr::V4).boxed(),
        Family::Ipv6 => any::<Ipv6Addr>().prop_map(IpAddr::V6).boxed(),
    }
}

/// Any mask, of which one in two is a prefix.
fn network(family: Family) -> BoxedStrategy<AddressMask> {
    let bits = (any::<u128>(), any::<u128>(), 1_u32..=128, any::<bool>());
    bits.prop_map(move |(address, mask, length, prefix)| {
        let mask = if prefix {
            u128::MAX << (128 - length)
        } else {
            mask | 1 << 127
        };
        match family {
            Family::Ipv4 => {
                let part = |bits: u128| Ipv4Addr::from_bits(u32::try_from(bits >> 96).unwrap_or(0));
                AddressMask::ipv4(part(address), part(mask))
            }
            Family::Ipv6 => {
                AddressMask::ipv6(Ipv6Addr::from_bits(address), Ipv6Addr::from_bits(mask))
            }
        }
    })
    .boxed()
}

fn conntrack(family: Family) -> impl Strategy<Value = Match> {
    let states = [
        States::INVALID,
        States::NEW,
        States::RELATED,
        States::ESTABLISHED,
        States::UNTRACKED,
        States::SNAT,
        States::DNAT,
    ];
    let states = prop::sample::subsequence(states.to_vec(), 1..=7)
        .prop_filter_map("states", |all| all.into_iter().reduce(States::or));
    let bits = [
        StatusBits::EXPECTED,
        StatusBits::SEEN_REPLY,
        StatusBits::ASSURED,
        StatusBits::CONFIRMED,
    ];
    let bits = prop::sample::subsequence(bits.to_vec(), 1..=4)
        .prop_map(|all| all.into_iter().fold(StatusBits::default(), StatusBits::or));
    let direction = prop::sample::select(vec![Direction::Original, Direction::Reply]);
    let parts = (
        maybe(states),
        maybe(bits),
        maybe(network(family)),
        maybe(network(family)),
        maybe(upwards()),
        prop::option::of(direction),
    );
    parts
        .prop_map(
            |(state, status, source, destination, port, direction)| Conntrack {
                state,
                status,
                original_source: source,
                reply_destination: destination,
                reply_source_port: port
                    .map(|port| port.map(|(first, last)| PortRange { first, last })),
                direction,
                ..Conntrack::default()
            },
        )
        .prop_filter("does nothing", |one| *one != Conntrack::default())
        .prop_map(Match::Conntrack)
}

fn matches(family: Family) -> BoxedStrategy<Match> {
    let longest: u8 = match family {
        Family::Ipv4 => 32,
        Family::Ipv6 => 128,
    };
    let comment = "[ -~]{1,40}".prop_filter_map("a comment", |text| Comment::new(&text).ok());
    let multiport = (
        prop::sample::select(vec![
            multiport::Side::Source,
            multiport::Side::Destination,
            multiport::Side::Either,
        ]),
        invertible(prop::collection::vec(upwards(), 1..=7)),
    );
    let range = (address(family), address(family))
        .prop_map(|(a, b)| (a.min(b), a.max(b)))
        .prop_map(|(first, last)| AddressRange { first, last });
    let recent = (
        invertible(prop::sample::select(vec![
            recent::Action::Check,
            recent::Action::Update,
        ])),
        prop::option::of(1_u32..),
        prop::option::of(1_u32..=20),
        "[a-zA-Z0-9_.-]{1,20}",
        address(family),
        any::<bool>(),
    );
    prop_oneof![
        comment.prop_map(Match::Comment),
        conntrack(family),
        invertible((any::<u32>(), any::<u32>())).prop_map(|value| Mark { value }.into()),
        invertible(upwards()).prop_map(|bytes| Length { bytes }.into()),
        invertible(0_u8..64).prop_map(|point| Dscp { point }.into()),
        invertible((any::<u8>(), any::<u8>())).prop_map(|value| Tos { value }.into()),
        invertible(0_u8..4).prop_map(|codepoint| {
            let codepoint = Some(codepoint);
            let ecn = Ecn {
                codepoint,
                ..Ecn::default()
            };
            ecn.into()
        }),
        invertible(upwards()).prop_map(|bytes| Tcpmss { bytes }.into()),
        invertible((1_u32.., 0_u32..)).prop_map(|value| {
            let (every, packet) = *value.value();
            let packet = packet % every;
            let every = value.map(|(every, _)| every);
            Statistic::Nth { every, packet }.into()
        }),
        multiport.prop_map(|(side, ports)| {
            let range = |(first, last)| PortRange { first, last };
            let ports = ports.map(|all| all.into_iter().map(range).collect());
            Multiport { side, ports }.into()
        }),
        (any::<u32>(), any::<bool>(), 0..=longest).prop_map(|(count, above, prefix)| {
            let side = connlimit::Side::Destination;
            Match::Connlimit(Connlimit {
                count,
                above,
                prefix,
                side,
            })
        }),
        (maybe(range.clone()), invertible(range)).prop_map(|(source, destination)| {
            let destination = Some(destination);
            let iprange = Iprange {
                source,
                destination,
            };
            iprange.into()
        }),
        recent.prop_map(|(action, seconds, hits, name, mask, destination)| {
            let side = if destination {
                recent::Side::Destination
            } else {
                recent::Side::Source
            };
            let recent = Recent {
                action,
                seconds,
                reap: false,
                hits,
                same_ttl: false,
                name: name.into(),
                mask,
                side,
            };
            recent.into()
        }),
    ]
    .boxed()
}

fn target() -> impl Strategy<Value = Target> {
    let log = ("[ -~]{0,29}", 0_u8..8, any::<[bool; 5]>());
    let nflog = (
        "[ -~]{0,63}",
        any::<u16>(),
        prop::option::of(any::<u32>()),
        any::<u16>(),
    );
    prop_oneof![
        Just(Target::Accept),
        Just(Target::Return),
        log.prop_map(|(prefix, level, flags)| {
            let [tcp_sequence, tcp_options, ip_options, uid, mac] = flags;
            Target::Log(Log {
                prefix: prefix.into(),
                level,
                tcp_sequence,
                tcp_options,
                ip_options,
                uid,
                mac,
            })
        }),
        nflog.prop_map(|(prefix, group, size, threshold)| {
            Target::Nflog(Nflog {
                prefix: prefix.into(),
                group,
                size,
                threshold,
            })
        }),
        any::<(u32, u32)>().prop_map(|(value, mask)| Target::Mark(SetMark { value, mask })),
        any::<(u8, u8)>().prop_map(|(value, mask)| Target::Tos(SetTos { value, mask })),
        any::<(u16, u16)>().prop_map(|(major, minor)| Target::Classify(Classify { major, minor })),
        (0_u8..64).prop_map(|point| Target::Dscp(SetDscp(point))),
    ]
}

fn rule(family: Family) -> impl Strategy<Value = Rule> {
    let name = "[a-z][a-z0-9.-]{0,13}[+]?"
        .prop_filter_map("an interface", |text| InterfacePattern::new(&text).ok());
    let header = (
        maybe(network(family)),
        maybe(network(family)),
        maybe(name.clone()),
        maybe(name),
    );
    let rest = (maybe(ports()), maybe(ports()));
    let matches = prop::collection::vec(matches(family), 0..4);
    (header, rest, matches, target()).prop_map(|(header, ports, mut matches, target)| {
        let (source, destination, in_interface, out_interface) = header;
        let (first, last) = ports;
        let ports = Ports {
            source: first,
            destination: last,
        };
        matches.insert(0, Match::Tcp(ports.into()));
        Rule {
            source,
            destination,
            in_interface,
            out_interface,
            protocol: Some(Invertible::Is(Protocol::TCP)),
            fragment: None,
            matches,
            target: Some(target),
        }
    })
}

fn check(family: Family, rule: Rule) -> Result<(), TestCaseError> {
    let mut program = Program::new(family);
    let mangle = program.table_mut(TableName::Mangle);
    if let Some(chain) = mangle.chain_mut("FORWARD") {
        chain.append(rule);
    }
    let printed = program.to_string();
    let again = load(&printed, family, &Assume::default());
    let again = again.map_err(|errors| TestCaseError::fail(format!("{printed}{errors:#?}")))?;
    prop_assert_eq!(&again.program, &program, "{}", printed);
    Ok(())
}

proptest! {
    #[test]
    fn ipv4(rule in rule(Family::Ipv4)) {
        check(Family::Ipv4, rule)?;
    }

    #[test]
    fn ipv6(rule in rule(Family::Ipv6)) {
        check(Family::Ipv6, rule)?;
    }
}
