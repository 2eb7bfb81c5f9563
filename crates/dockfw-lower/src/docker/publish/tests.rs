//! The grammar of `-p`, good and bad.

use super::{PortRange, PortRole, Protocol, Publish, PublishErrorKind as Kind};
use proptest::prelude::*;

/// A text, and the canonical spelling of what it means.
fn accepts(text: &str, canonical: &str) {
    match text.parse::<Publish>() {
        Ok(publish) => assert_eq!(publish.to_string(), canonical, "{text}"),
        Err(error) => panic!("{text}: {error}"),
    }
}

/// A text, why it is wrong, and the bytes that are.
fn refuses(text: &str, kind: Kind, wrong: &str) {
    let error = text.parse::<Publish>().expect_err(text);
    assert_eq!(error.kind, kind, "{text}");
    assert_eq!(&text[error.span()], wrong, "{text}");
    assert!(!error.help().is_empty());
    let message = error.to_string();
    assert!(
        !message.ends_with('.') && !message.starts_with(char::is_uppercase),
        "{message}"
    );
}

#[test]
fn the_whole_grammar() {
    accepts("80", "80");
    accepts("8080:80", "8080:80");
    accepts("8080:80/tcp", "8080:80");
    accepts("53:53/UDP", "53:53/udp");
    accepts("80/Sctp", "80/sctp");
    accepts(":80", "80");
    accepts("::80", "80");
    accepts(":8080:80", "8080:80");
    accepts("127.0.0.1:8080:80", "127.0.0.1:8080:80");
    accepts("127.0.0.1::80", "127.0.0.1::80");
    accepts("[::1]:8080:80", "[::1]:8080:80");
    accepts("[::1]::80/udp", "[::1]::80/udp");
    accepts("[2001:db8:0:0::1]:443:443", "[2001:db8::1]:443:443");
    accepts("[127.0.0.1]:80:80", "127.0.0.1:80:80");
    accepts("9000-9100:9000-9100/udp", "9000-9100:9000-9100/udp");
    accepts("8000-8080:80", "8000-8080:80");
    accepts("3000-3003", "3000-3003");
    accepts("127.0.0.1::3000-3003", "127.0.0.1::3000-3003");
    accepts("1-65535:1-65535/tcp", "1-65535:1-65535");
    accepts("080:0080", "80:80");
    accepts("80-80:90-90", "80:90");
}

#[test]
fn mapped_addresses_are_ipv4() {
    accepts("[::ffff:127.0.0.1]:8080:80", "127.0.0.1:8080:80");
}

#[test]
fn host_port_zero_lets_dockerd_choose() {
    accepts("0:80", "80");
    accepts("127.0.0.1:0:80", "127.0.0.1::80");
}

#[test]
fn one_out_of_a_range_is_not_definite() {
    let publish: Publish = "8080-8090:80".parse().unwrap();
    assert_eq!(publish.definite_host_ports(), None);
    let publish: Publish = "8080-8081:80-81".parse().unwrap();
    assert_eq!(publish.definite_host_ports(), PortRange::new(8080, 8081));
}

#[test]
fn wrong_ports() {
    let (host, container) = (PortRole::Host, PortRole::Container);
    refuses("8080:0", Kind::PortZero(container), "0");
    refuses("0", Kind::PortZero(container), "0");
    refuses("80:0-5", Kind::PortZero(container), "0-5");
    refuses("0-5:80", Kind::PortZero(host), "0-5");
    refuses("0-0:80", Kind::PortZero(host), "0-0");
    refuses("65536:80", Kind::PortTooLarge(host), "65536");
    refuses(
        "80:99999999999999999999",
        Kind::PortTooLarge(container),
        "99999999999999999999",
    );
    refuses("8080-90000:80", Kind::PortTooLarge(host), "90000");
    refuses("9090-:80", Kind::OpenRange(host), "9090-");
    refuses("-9090:80", Kind::OpenRange(host), "-9090");
    refuses("80-", Kind::OpenRange(container), "80-");
    refuses("-", Kind::OpenRange(container), "-");
    refuses("1-2-3", Kind::NotANumber(container), "2-3");
    refuses("http:80", Kind::NotANumber(host), "http");
    refuses("80:http", Kind::NotANumber(container), "http");
    refuses("+80:80", Kind::NotANumber(host), "+80");
    refuses("80/tcp:80", Kind::NotANumber(host), "80/tcp");
    refuses("٣:80", Kind::NotANumber(host), "٣");
}

#[test]
fn wrong_ranges() {
    let reversed = Kind::ReversedRange {
        role: PortRole::Host,
        first: 9090,
        last: 9089,
    };
    refuses("9090-9089:80", reversed, "9090-9089");
    let unequal = |host, container| Kind::UnequalRanges { host, container };
    refuses("8080-8082:80-81/udp", unequal(3, 2), "8080-8082:80-81");
    refuses("127.0.0.1:8080:80-81", unequal(1, 2), "8080:80-81");
    refuses("0:80-82", unequal(1, 3), "0:80-82");
}

#[test]
fn wrong_addresses() {
    refuses("localhost:8080:80", Kind::BadAddress, "localhost");
    refuses("127.0.0.256:8080:80", Kind::BadAddress, "127.0.0.256");
    refuses("127.0.0.01:8080:80", Kind::BadAddress, "127.0.0.01");
    refuses("[]:80:80", Kind::BadAddress, "");
    refuses("[::g]:80:80", Kind::BadAddress, "::g");
    refuses("::1:8080:80", Kind::NoBrackets, "::1:8080:80");
    refuses(
        "2001:db8::1:8080:80",
        Kind::NoBrackets,
        "2001:db8::1:8080:80",
    );
    refuses(
        "2001:db8:0:0:0:0:0:1:8080:80",
        Kind::NoBrackets,
        "2001:db8:0:0:0:0:0:1",
    );
    refuses("::1::80", Kind::NoBrackets, "::1");
    refuses("1:2:3:4", Kind::TooManyColons, "1:2");
    refuses("[::1]:1:2:3", Kind::TooManyColons, "1:2:3");
    refuses("[::1:80:80", Kind::OpenBracket, "[::1:80:80");
    refuses("[::1]80:80", Kind::OpenBracket, "[::1]80:80");
    refuses("[::1]", Kind::OpenBracket, "[::1]");
    refuses("[::1]:80", Kind::NoContainerPort, "");
    refuses("[fe80::1%eth0]:80:80", Kind::Zone, "%eth0");
}

#[test]
fn wrong_otherwise() {
    refuses("", Kind::Empty, "");
    refuses("8080:", Kind::NoContainerPort, "");
    refuses(":", Kind::NoContainerPort, "");
    refuses("8080:/tcp", Kind::NoContainerPort, "");
    refuses(" 8080:80", Kind::Space, " ");
    refuses("8080: 80", Kind::Space, " ");
    refuses("8080:80/tcp ", Kind::Space, " ");
    refuses(" ", Kind::Space, " ");
    refuses("127.0.0.1 :80:80", Kind::Space, " ");
    refuses("8080:80/icmp", Kind::UnknownProtocol, "icmp");
    refuses("8080:80/", Kind::UnknownProtocol, "");
    refuses("8080:80/tcp/udp", Kind::UnknownProtocol, "tcp/udp");
}

fn publish() -> impl Strategy<Value = Publish> {
    let address = prop_oneof![
        Just(None),
        any::<std::net::IpAddr>().prop_map(|address| Some(address.to_canonical())),
    ];
    let protocol = prop_oneof![
        Just(Protocol::Tcp),
        Just(Protocol::Udp),
        Just(Protocol::Sctp)
    ];
    (
        address,
        1..=u16::MAX,
        0..100_u16,
        1..=u16::MAX,
        0..100_u16,
        0..3_u8,
        protocol,
    )
        .prop_map(
            |(host, container, more, host_port, host_more, kind, protocol)| {
                let range = |first: u16, more| PortRange::new(first, first.saturating_add(more));
                let fitting = |count: u16| range(host_port.min(u16::MAX - count + 1), count - 1);
                let container_ports = range(container, if kind == 2 { 0 } else { more }).unwrap();
                let host_ports = match kind {
                    0 => None,
                    1 => fitting(container_ports.count()),
                    _ => range(host_port, host_more),
                };
                Publish {
                    host,
                    host_ports,
                    container_ports,
                    protocol,
                }
            },
        )
}

proptest! {
    #[test]
    fn parse_inverts_display(publish in publish()) {
        prop_assert_eq!(publish.to_string().parse::<Publish>(), Ok(publish));
    }

    #[test]
    fn no_text_panics(text in "[0-9a-f:.\\[\\]/%\\- é]{0,24}") {
        if let Err(error) = text.parse::<Publish>() {
            prop_assert!(text.get(error.span()).is_some(), "{error:?}");
        }
    }
}
