//! Packets that rules send elsewhere: what iptables does with them, and what our table does.

use std::process::Command;

use dockfw_iptables::Family;
use dockfw_ir::print;

use crate::compile;

/// Runs python in a namespace with these rules, loaded by iptables or as what they became.
pub(crate) fn run(family: Family, rules: &str, ours: bool, setup: &str, python: &str) -> String {
    let program = match family {
        Family::Ipv4 => "iptables-legacy-restore",
        Family::Ipv6 => "ip6tables-legacy-restore",
    };
    let (load, text) = if ours {
        let verified = compile(rules, family).unwrap().unwrap();
        ("nft -f -", print::nft(&verified))
    } else {
        (program, rules.to_owned())
    };
    let script = format!(
        "set -e\nip link set lo up\n{setup}\n{load} <<'END'\n{text}END\npython3 - <<'END'\n{python}END\n"
    );
    let output = Command::new("unshare")
        .args(["-n", "bash", "-c", &script])
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}\n{error}");
    String::from_utf8(output.stdout).unwrap()
}

/// Tells what arrives at a socket for every address: from where, and to which address.
const RECEIVED: &str = "
from socket import *

def receiver(family, port):
    s = socket(family, SOCK_DGRAM)
    if family == AF_INET:
        s.setsockopt(IPPROTO_IP, 8, 1)
    else:
        s.setsockopt(IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
    s.bind(('', port))
    s.settimeout(0.3)
    return s
def received(s):
    try:
        data, extra, _, sender = s.recvmsg(99, 999)
    except OSError:
        return 'nothing'
    info = extra[0][2]
    to = inet_ntop(AF_INET, info[8:12]) if s.family == AF_INET else inet_ntop(AF_INET6, info[:16])
    return '%s from %s to %s' % (data.decode(), sender[0], to)
";

#[test]
#[ignore = "needs root, iptables, nft and python3"]
fn networks_are_mapped_alike() {
    let cases = [
        (
            Family::Ipv4,
            "*nat\n-A OUTPUT -d 203.0.113.0/24 -j NETMAP --to 127.7.7.0/24\n\
             -A OUTPUT -d 203.0.112.9 -j NETMAP --to 127.8.8.8\n\
             -A POSTROUTING -s 10.1.0.0/16 -j NETMAP --to 10.2.0.0/16\nCOMMIT\n",
            "ip address add 10.1.3.4/32 dev lo\nip route add 203.0.112.0/23 dev lo",
            "
server = receiver(AF_INET, 9)
for source, to in [('127.0.0.1', '203.0.113.77'), ('127.0.0.1', '203.0.113.255'),
                   ('127.0.0.1', '203.0.112.9'), ('10.1.3.4', '127.0.0.5'),
                   ('10.1.3.4', '203.0.113.6')]:
    client = socket(AF_INET, SOCK_DGRAM)
    client.bind((source, 0))
    client.sendto(b'x', (to, 9))
    print(received(server))
",
            "x from 127.0.0.1 to 127.7.7.77\nx from 127.0.0.1 to 127.7.7.255\n\
             x from 127.0.0.1 to 127.8.8.8\nx from 10.2.3.4 to 127.0.0.5\n\
             x from 10.2.3.4 to 127.7.7.6\n",
        ),
        (
            Family::Ipv6,
            "*nat\n-A OUTPUT -d fd07::/64 -j NETMAP --to fd08::/64\n\
             -A POSTROUTING -s fd08::/16 -j NETMAP --to fd09::/16\nCOMMIT\n",
            "for a in fd08::1 fd08::4:5; do ip address add $a/128 dev lo nodad; done\n\
             ip -6 route add fd07::/64 dev lo",
            "
server = receiver(AF_INET6, 9)
client = socket(AF_INET6, SOCK_DGRAM)
client.bind(('fd08::1', 0))
client.sendto(b'x', ('fd07::4:5', 9))
print(received(server))
",
            "x from fd09::1 to fd08::4:5\n",
        ),
    ];
    for (family, rules, setup, python, expected) in cases {
        let python = format!("{RECEIVED}{python}");
        let theirs = run(family, rules, false, setup, &python);
        assert_eq!(theirs, expected, "iptables: {rules}");
        let ours = run(family, rules, true, setup, &python);
        assert_eq!(ours, expected, "ours: {rules}");
    }
}

/// A transparent socket gets the packets for port 80. Those for port 81 have none, and are dropped,
/// although an ordinary socket waits there; a mark is set where there is a socket only.
#[test]
#[ignore = "needs root, iptables, nft and python3"]
fn packets_without_a_socket_are_dropped_alike() {
    let python = "
def transparent(family, port):
    s = receiver(family, port)
    s.close()
    s = socket(family, SOCK_DGRAM)
    if family == AF_INET:
        s.setsockopt(IPPROTO_IP, 19, 1)
        s.setsockopt(IPPROTO_IP, 8, 1)
    else:
        s.setsockopt(IPPROTO_IPV6, 75, 1)
        s.setsockopt(IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
    s.bind(('', port))
    s.settimeout(0.3)
    return s
proxy = transparent(FAMILY, 3129)
plain = [receiver(FAMILY, port) for port in (80, 81, 82)]
client = socket(FAMILY, SOCK_DGRAM)
for port in (80, 81, 82, 80):
    client.sendto(b'p%d' % port, (TO, port))
print('proxy', received(proxy), received(proxy), received(proxy))
for s in plain:
    print('plain', received(s))
";
    for (family, name, to) in [
        (Family::Ipv4, "AF_INET", "127.0.0.9"),
        (Family::Ipv6, "AF_INET6", "::1"),
    ] {
        let rules = "*mangle\n-A PREROUTING -p udp -m udp --dport 80 -j TPROXY --on-port 3129 \
                     --tproxy-mark 0x5/0xf\n\
                     -A PREROUTING -p udp -m udp --dport 81 -j TPROXY --on-port 3130 \
                     --tproxy-mark 0x6/0xf\n\
                     -A INPUT -m mark ! --mark 0x5 -p udp -m udp --dport 80 -j DROP\n\
                     -A INPUT -m mark --mark 0x6/0xf -j DROP\nCOMMIT\n";
        let python = format!("{RECEIVED}FAMILY, TO = {name}, '{to}'\n{python}");
        let theirs = run(family, rules, false, "", &python);
        let expected = format!(
            "proxy p80 from {from} to {to} p80 from {from} to {to} nothing\n\
             plain nothing\nplain nothing\nplain p82 from {from} to {to}\n",
            from = if family == Family::Ipv4 {
                "127.0.0.1"
            } else {
                "::1"
            }
        );
        assert_eq!(theirs, expected, "iptables: {name}");
        let ours = run(family, rules, true, "", &python);
        assert_eq!(ours, expected, "ours: {name}");
    }
}
