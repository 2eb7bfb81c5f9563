//! What the parser takes, how it prints it, and what it says of what it does not take.

#![expect(clippy::unwrap_used, reason = "test helpers")]

use dockfw_iptables::parse::{Assume, ErrorKind, load};
use dockfw_iptables::{Family, TableName};

fn assume() -> Assume {
    Assume::default().chain("DOCKER-USER").unwrap()
}

/// Checks the rules that a text leaves behind.
fn check_in(family: Family, text: &str, expected: &[&str]) {
    let loaded = load(text, family, &assume()).map_err(|errors| format!("{text}: {errors:#?}"));
    let printed = loaded.unwrap().program.to_string();
    let rules: Vec<&str> = printed
        .lines()
        .filter(|line| line.starts_with("-A"))
        .collect();
    assert_eq!(rules, expected, "{text}");
}

fn check(text: &str, expected: &[&str]) {
    check_in(Family::Ipv4, text, expected);
}

/// Checks where the mistakes are and what is said of them.
fn refuse(text: &str, expected: &[(&str, &str, &str)]) {
    let errors = load(text, Family::Ipv4, &assume()).unwrap_err();
    let found: Vec<(&str, &str, &str)> = errors
        .iter()
        .map(|error| {
            (
                error.span.of(text),
                error.message.as_str(),
                error.help.as_str(),
            )
        })
        .collect();
    assert_eq!(found, expected, "{text}");
}

#[test]
fn command_lines() {
    let rule = "-A DOCKER-USER ! -s 192.0.2.0/24 -i eth0 -j DROP";
    for text in [
        "iptables -I DOCKER-USER -i eth0 ! -s 192.0.2.0/24 -j DROP",
        "sudo -n /usr/sbin/iptables -w 5 -t filter -A DOCKER-USER -j DROP -i eth0 -s ! 192.0.2.9/24",
        "iptables --wait --append DOCKER-USER \\\n  --in-interface=eth0 ! --src 192.0.2.0/255.255.255.0 -jDROP",
        "-A DOCKER-USER -ieth0 ! -s 192.0.2/24 -j DROP # why",
        "iptables -w5 -vA DOCKER-USER -i 'eth0' ! -s \"192.0.2.0/24\" -j DROP\nip6tables -A X -j X",
    ] {
        check(text, &[rule]);
    }
    check_in(
        Family::Ipv6,
        "iptables -A X -j X\n-4 -A X\nip6tables -A INPUT -s ::1",
        &["-A INPUT -s ::1/128"],
    );
}

#[test]
fn restore_files() {
    let text = "\
# comment
*nat
:PREROUTING ACCEPT [1:2]
:X - [0:0]
[3:4] -A PREROUTING -p tcp --dport 80 -j DNAT --to 192.0.2.1:8080
-A PREROUTING -j X
COMMIT
*filter
  -A INPUT -m comment --comment \"it\\'s\" -m comment --comment two -c 5 6
COMMIT
";
    check(
        text,
        &[
            "-A INPUT -m comment --comment \"it\\'s\" -m comment --comment two",
            "-A PREROUTING -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.0.2.1:8080",
            "-A PREROUTING -j X",
        ],
    );
    let loaded = load(text, Family::Ipv4, &assume()).unwrap();
    let origin = loaded.origin(TableName::Nat, "PREROUTING", 1).unwrap();
    assert_eq!(
        (origin.of(text), origin.line(text)),
        ("-A PREROUTING -j X", 6)
    );
}

#[test]
fn editing() {
    check(
        "iptables -N A\niptables -A A -s 192.0.2.1,192.0.2.2\niptables -I A 2 -j DROP\niptables -R A 1 -j ACCEPT\niptables -D A 3",
        &["-A A -j ACCEPT", "-A A -j DROP"],
    );
    // Each address is inserted at the same position.
    check(
        "iptables -I INPUT -s 192.0.2.1,192.0.2.2",
        &["-A INPUT -s 192.0.2.2/32", "-A INPUT -s 192.0.2.1/32"],
    );
    check("-N A\n-A INPUT -j A\n-E A B\n-D INPUT -j B\n-X B", &[]);
    check(
        "-A INPUT -j DROP\n-F\n-X\n-P INPUT DROP\n-C INPUT -j DROP\n-L -n",
        &[],
    );
    let loaded = load("-A INPUT\n-I INPUT -j DROP", Family::Ipv4, &assume()).unwrap();
    assert_eq!(
        loaded.origin(TableName::Filter, "INPUT", 0).unwrap().start,
        9
    );
}

#[test]
fn implied_matches() {
    check(
        "-A INPUT -p tcp --syn --dport ssh:http",
        &["-A INPUT -p tcp -m tcp --dport 22:80 --tcp-flags FIN,SYN,RST,ACK SYN"],
    );
    check(
        "-A INPUT -p udp -m multiport --dports 53,ntp",
        &["-A INPUT -p udp -m multiport --dports 53,123"],
    );
    check(
        "-A INPUT -p icmp -m state --state NEW --icmp-type ping",
        &["-A INPUT -p icmp -m state --state NEW -m icmp --icmp-type 8"],
    );
    check(
        "-A INPUT -p tcp --dpo 80",
        &["-A INPUT -p tcp -m tcp --dport 80"],
    );
    check("-A INPUT -p ALL -i +", &["-A INPUT"]);
    check_in(
        Family::Ipv6,
        "-A INPUT -p icmpv6 --icmpv6-type echo-request",
        &["-A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 128"],
    );
}

#[test]
fn all_mistakes_of_a_text() {
    refuse(
        "-A INPUT -p tpc --dport 80\n-A INPUT -s example.org -i waytoolongforaname\n-A INPUT -m contrack\n-A INPUT -j DROP",
        &[
            (
                "tpc",
                "there is no protocol called \"tpc\"",
                "did you mean tcp?",
            ),
            (
                "--dport",
                "this rule has no option --dport",
                "write -p tcp or another protocol in front of it",
            ),
            (
                "example.org",
                "\"example.org\" is not an address",
                "write the address itself: host names are not looked up",
            ),
            (
                "waytoolongforaname",
                "\"waytoolongforaname\" is not an interface: a name has at most 15 bytes here, this one has 18",
                "write a name of at most 15 bytes, or its beginning and a +",
            ),
            (
                "-m contrack",
                "there is no match called \"contrack\"",
                "did you mean -m conntrack?",
            ),
        ],
    );
}

#[test]
fn chains_and_places() {
    let kind = |text: &str, kind: ErrorKind| {
        let errors = load(text, Family::Ipv4, &assume()).unwrap_err();
        let kinds: Vec<ErrorKind> = errors.iter().map(|error| error.kind).collect();
        assert_eq!(kinds, [kind], "{text}: {errors:?}");
    };
    kind("-A NOWHERE -j DROP", ErrorKind::Chain);
    kind("-A INPUT -j NOWHERE", ErrorKind::Chain);
    kind("-A INPUT -j FORWARD", ErrorKind::Chain);
    kind("-N A\n-N A", ErrorKind::Chain);
    kind("-N A\n-A A -j A", ErrorKind::Chain);
    kind("-N A\n-A INPUT -j A\n-X A", ErrorKind::Chain);
    kind("-P DOCKER-USER DROP", ErrorKind::Chain);
    kind("-I INPUT 2 -j DROP", ErrorKind::Position);
    kind("-D INPUT -j DROP", ErrorKind::Position);
    kind("-A OUTPUT -i eth0", ErrorKind::Contradictory);
    kind("-A INPUT -o eth0", ErrorKind::Contradictory);
    kind("-A INPUT -s 2001:db8::1", ErrorKind::Contradictory);
    kind("-A INPUT -m tcp --dport 80", ErrorKind::Contradictory);
    kind(
        "-t nat -A POSTROUTING -j DNAT --to 192.0.2.1",
        ErrorKind::Contradictory,
    );
    kind("-A INPUT -j SNAT --to 192.0.2.1", ErrorKind::Contradictory);
    kind("-t nat -A PREROUTING -j DROP", ErrorKind::Contradictory);
    kind(
        "-t nat -N A\n-t nat -A POSTROUTING -j A\n-t nat -A A -j REDIRECT",
        ErrorKind::Contradictory,
    );
    kind("-A INPUT -p tcp --dport 65536", ErrorKind::Invalid);
    kind(
        "-A INPUT ! -s 192.0.2.1,192.0.2.2",
        ErrorKind::Contradictory,
    );
    kind("-A INPUT -j LOG --log-prefix", ErrorKind::Missing);
    kind("-A INPUT -s 192.0.2.1 !", ErrorKind::Syntax);
    kind("*filter\n-A INPUT", ErrorKind::Syntax);
    kind("COMMIT", ErrorKind::Syntax);
    kind("iptables -A INPUT -j DROP; echo", ErrorKind::Syntax);
    kind("modprobe x", ErrorKind::Unknown);
    kind(
        "-A INPUT -m string --algo bm --string x -j DROP",
        ErrorKind::Unsupported {
            extension: "string",
            reason: "it has no native nftables form",
        },
    );
}
