//! Rules in a kernel, beside what they became: both count the same packets.

use std::process::Command;

use dockfw_iptables::Family;
use dockfw_ir::print;

use crate::compile;

/// Rules for OUTPUT of the filter table, each for its own traffic below.
const COUNTED: &[(Family, &str)] = &[
    (
        Family::Ipv4,
        "-p udp -m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 3 --hashlimit-mode srcip --hashlimit-name a",
    ),
    (
        Family::Ipv4,
        "-p udp -m hashlimit --hashlimit-above 1/hour --hashlimit-burst 2 --hashlimit-mode dstip,dstport --hashlimit-name b",
    ),
    (
        Family::Ipv4,
        "-p udp -m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 3 --hashlimit-mode dstip --hashlimit-dstmask 24 --hashlimit-name c",
    ),
    (
        Family::Ipv4,
        "-p udp -m limit --limit 1/hour --limit-burst 2",
    ),
    (Family::Ipv4, "-p udp -m limit --limit 3/hour"),
    (
        Family::Ipv4,
        "-p udp -m statistic --mode nth --every 3 --packet 1",
    ),
    (
        Family::Ipv4,
        "-p udp -m statistic --mode nth ! --every 4 --packet 0",
    ),
    (
        Family::Ipv4,
        "-p udp -m statistic --mode random --probability 1",
    ),
    (Family::Ipv4, "-p udp -m connlimit --connlimit-above 2"),
    (
        Family::Ipv4,
        "-p udp -m connlimit --connlimit-upto 3 --connlimit-daddr --connlimit-mask 24",
    ),
    (
        Family::Ipv4,
        "-p udp -m connlimit --connlimit-above 3 --connlimit-mask 0",
    ),
    (Family::Ipv4, "-p udp -m multiport ! --ports 9,20:30"),
    (Family::Ipv4, "-p udp -m multiport --ports 9,20:30"),
    (Family::Ipv4, "-m addrtype ! --dst-type LOCAL,BROADCAST"),
    (
        Family::Ipv4,
        "-m addrtype --src-type LOCAL --dst-type LOCAL",
    ),
    (Family::Ipv4, "-p tcp -m tcpmss ! --mss 500:1400"),
    (Family::Ipv4, "-p tcp -m tcpmss --mss 500:"),
    (Family::Ipv4, "-p tcp -m tcpmss ! --mss 0:65535"),
    (Family::Ipv4, "-p tcp -m tcp --tcp-flags SYN,RST SYN"),
    (Family::Ipv4, "-p tcp -m tcp ! --tcp-flags NONE NONE"),
    (Family::Ipv4, "-p tcp -m tcp ! --tcp-option 2"),
    (Family::Ipv4, "-p tcp -m ecn ! --ecn-tcp-ece --ecn-ip-ect 0"),
    (Family::Ipv4, "-p icmp -m tos --tos 0x10/0x1e"),
    (Family::Ipv4, "-p icmp -m tos ! --tos 0x10/0xff"),
    (Family::Ipv4, "-p icmp -m dscp --dscp 4"),
    (Family::Ipv4, "-p icmp -m icmp ! --icmp-type 8/0"),
    (Family::Ipv4, "-p icmp -m icmp --icmp-type 0"),
    (Family::Ipv4, "-p icmp -m ttl --ttl-lt 64"),
    (Family::Ipv4, "-m length --length 28:60"),
    (Family::Ipv4, "-m owner --uid-owner 0"),
    (Family::Ipv4, "-m pkttype ! --pkt-type unicast"),
    (Family::Ipv4, "-m conntrack ! --ctstate DNAT"),
    (
        Family::Ipv4,
        "-m conntrack --ctstate NEW,SNAT --ctproto udp",
    ),
    (Family::Ipv4, "-m conntrack ! --ctstatus NONE"),
    (Family::Ipv4, "-m connmark ! --mark 2/1"),
    (Family::Ipv4, "-m mark --mark 0/0"),
    (Family::Ipv4, "-m iprange ! --dst-range 127.0.0.2-127.0.0.9"),
    (Family::Ipv4, "! -f -p icmp"),
    (Family::Ipv4, "-p udp -m quota --quota 100"),
    // Exactly three packets of the flow: the last byte still counts.
    (Family::Ipv4, "-p udp -m quota --quota 87"),
    (Family::Ipv4, "-p udp -m quota ! --quota 100"),
    (Family::Ipv4, "-p udp -m quota --quota 0"),
    (
        Family::Ipv4,
        "-p udp -m quota ! --quota 18446744073709551615",
    ),
    (Family::Ipv4, "-m time --datestart 2020 --datestop 2037"),
    (Family::Ipv4, "-m time --datestop 2020-02-30T05:00"),
    (
        Family::Ipv4,
        "-m time --weekdays Mon,Wed,Sat --timestart 06:00 --timestop 18:00",
    ),
    (Family::Ipv4, "-m time ! --weekdays Mon,Wed,Sat"),
    (
        Family::Ipv4,
        "-m time --weekdays Tue,Fri,Sat,Sun --timestart 18:00 --timestop 06:00 --contiguous",
    ),
    (Family::Ipv4, "-m time --timestart 18:00 --timestop 06:00"),
    (Family::Ipv4, "-m time --timestart 06:00 --timestop 18:00"),
    (
        Family::Ipv4,
        "-p udp -m connbytes --connbytes 2:4 --connbytes-mode packets --connbytes-dir original",
    ),
    (
        Family::Ipv4,
        "-p udp -m connbytes ! --connbytes 2:4 --connbytes-mode packets --connbytes-dir both",
    ),
    (
        Family::Ipv4,
        "-p udp -m connbytes --connbytes 100: --connbytes-mode bytes --connbytes-dir original",
    ),
    (
        Family::Ipv4,
        "-p udp -m connbytes --connbytes 0:30 --connbytes-mode avgpkt --connbytes-dir both",
    ),
    (
        Family::Ipv4,
        "-p udp -m connbytes --connbytes 0 --connbytes-mode bytes --connbytes-dir reply",
    ),
    (Family::Ipv4, "-m policy --dir out --pol none"),
    (Family::Ipv4, "-m policy --dir out --pol ipsec"),
    (Family::Ipv4, "-p esp -m esp --espspi 5:9"),
    (Family::Ipv4, "-p esp -m esp ! --espspi 7"),
    (Family::Ipv4, "-p ah -m ah --ahspi 7"),
    (Family::Ipv4, "-p ah -m ah ! --ahspi 5:9"),
    (Family::Ipv4, "-p dccp -m dccp --dport 80"),
    (
        Family::Ipv4,
        "-p dccp -m dccp --dccp-types REQUEST,DATA,RESET",
    ),
    (
        Family::Ipv4,
        "-p dccp -m dccp --sport 4 ! --dccp-types DATA,SYNC",
    ),
    (Family::Ipv6, "-p esp -m esp --espspi 7"),
    (Family::Ipv6, "-m rt"),
    (Family::Ipv6, "-m rt --rt-type 0"),
    (Family::Ipv6, "-m rt ! --rt-type 0 --rt-segsleft 1:5"),
    (Family::Ipv6, "-m rt --rt-len 24"),
    (Family::Ipv6, "-m rt ! --rt-len 25"),
    (Family::Ipv6, "-m rt --rt-type 256"),
    (Family::Ipv6, "-m rt ! --rt-type 256"),
    (Family::Ipv6, "-m hbh"),
    (Family::Ipv6, "-m hbh --hbh-len 8"),
    (Family::Ipv6, "-m hbh ! --hbh-len 16"),
    (Family::Ipv6, "-m dst --dst-len 16"),
    (Family::Ipv6, "-m frag"),
    (Family::Ipv6, "-m frag --fragid 5:9"),
    (Family::Ipv6, "-m frag ! --fragid 7"),
    (Family::Ipv6, "-m policy --dir out --pol none"),
    (Family::Ipv6, "-m addrtype --dst-type UNICAST"),
    (Family::Ipv6, "-m addrtype --dst-type LOCAL"),
    (Family::Ipv6, "-m addrtype ! --dst-type LOCAL,UNICAST"),
    (Family::Ipv6, "-m addrtype ! --dst-type MULTICAST"),
    (Family::Ipv6, "-m addrtype --dst-type LOCAL,UNREACHABLE"),
    (Family::Ipv6, "-p ipv6-icmp -m tos --tos 0x10/0x1e"),
    (Family::Ipv6, "-p ipv6-icmp -m tos ! --tos 0x10"),
    (Family::Ipv6, "-p ipv6-icmp -m hl ! --hl-eq 64"),
    (Family::Ipv6, "-p ipv6-icmp -m icmp6 --icmpv6-type 128/0"),
    (Family::Ipv6, "-m length --length 48:100"),
    (
        Family::Ipv6,
        "-p udp -m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 3 --hashlimit-mode srcip,dstport --hashlimit-name a",
    ),
];

/// UDP to two ports and addresses, TCP to a closed port, echo requests with and without a type of
/// service, and a multicast.
const TRAFFIC: &str = "
from socket import *
import struct
def udp(to, port, family):
    socket(family, SOCK_DGRAM).sendto(b'x', (to, port))
def echo(to, tos, ttl, size):
    packet = struct.pack('!BBHHH', 8, 0, 0, 1, 1) + bytes(size)
    total = sum(struct.unpack('!%dH' % (len(packet) // 2), packet))
    total = (total & 0xffff) + (total >> 16)
    packet = packet[:2] + struct.pack('!H', ~total & 0xffff) + packet[4:]
    raw = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)
    raw.setsockopt(IPPROTO_IP, IP_TOS, tos)
    raw.setsockopt(IPPROTO_IP, IP_TTL, ttl)
    raw.sendto(packet, (to, 0))
def echo6(to, tos):
    raw = socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6)
    raw.setsockopt(IPPROTO_IPV6, IPV6_TCLASS, tos)
    raw.sendto(struct.pack('!BBHHH', 128, 0, 0, 1, 1), (to, 0, 0, 1))
def raw(protocol, to, data, family):
    socket(family, SOCK_RAW, protocol).sendto(data, (to, 0))
# Six packets of one flow, small and large.
flow = socket(AF_INET, SOCK_DGRAM)
for size in (1, 1, 1, 200, 200, 1):
    flow.sendto(bytes(size), ('127.0.0.1', 9))
for spi in (5, 7, 9, 7000):
    raw(50, '127.0.0.1', struct.pack('!II', spi, 1), AF_INET)
    raw(50, '::1', struct.pack('!II', spi, 1), AF_INET6)
    raw(51, '127.0.0.1', struct.pack('!BBHIII', 17, 2, 0, spi, 1, 0), AF_INET)
for kind in (0, 2, 7, 8):
    header = struct.pack('!HHBBHBBHI', 4, 80, 4, 0, 0, kind << 1, 0, 0, 0)
    raw(33, '127.0.0.1', header, AF_INET)
# IPv6 packets with extension headers, and what they are.
def headed(number, header):
    loop = inet_pton(AF_INET6, '::1')
    packet = header + struct.pack('!HHHH', 9, 9, 8, 0)
    packet = struct.pack('!IHBB', 6 << 28, len(packet), number, 64) + loop + loop + packet
    socket(AF_INET6, SOCK_RAW, IPPROTO_RAW).sendto(packet, ('::1', 0))
headed(0, struct.pack('!BBBB4x', 17, 0, 1, 4))
headed(0, struct.pack('!BBBB12x', 17, 1, 1, 12))
headed(60, struct.pack('!BBBB12x', 17, 1, 1, 12))
headed(43, struct.pack('!BBBB4x', 17, 0, 0, 0))
headed(43, struct.pack('!BBBB20x', 17, 2, 0, 1))
headed(43, struct.pack('!BBBB20x', 17, 2, 4, 1))
for ident in (5, 7, 9, 70):
    headed(44, struct.pack('!BBHI', 17, 0, 0, ident))
for _ in range(5):
    udp('127.0.0.1', 9, AF_INET)
    udp('127.0.0.2', 9, AF_INET)
    udp('127.0.0.1', 10, AF_INET)
    udp('::1', 9, AF_INET6)
try:
    socket().connect(('127.0.0.1', 9))
except OSError:
    pass
for _ in range(3):
    echo('127.0.0.1', 0x10, 64, 8)
    echo('127.0.0.3', 0x0c, 5, 700)
    echo6('::1', 0x10)
    echo6('::1', 0)
echo6('ff02::1', 0)
";

/// Packets of a kernel, counted by iptables and by what the rule became.
#[test]
#[ignore = "needs root, iptables, nft and python3"]
fn packets_are_counted_alike() {
    let mut wrong = Vec::new();
    for (family, rule) in COUNTED {
        let text = format!("*filter\n-A OUTPUT {rule}\nCOMMIT\n");
        let verified = compile(&text, *family).unwrap().unwrap();
        let program = match family {
            Family::Ipv4 => "iptables-legacy",
            Family::Ipv6 => "ip6tables-legacy",
        };
        // What never matches becomes no rule, and what always matches no test.
        let script = format!(
            "ip link set lo up multicast on\n\
             ip -6 route add multicast ff00::/8 dev lo table local\n\
             {program} -A OUTPUT {rule} || exit 1\n\
             nft -f - <<'END' || exit 1\n{}END\n\
             python3 - <<'END' || exit 1\n{TRAFFIC}END\n\
             {program} -nvxL OUTPUT | awk 'NR == 3 {{ print $1 }}'\n\
             nft list ruleset | grep -A 20 'chain filter-OUTPUT' | grep -o 'counter packets [0-9]*' \
             | awk '{{ sum += $3 }} END {{ print sum + 0 }}'\n",
            print::nft(&verified)
        );
        let output = Command::new("unshare")
            .args(["-n", "bash", "-c", &script])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let counts: Vec<&str> = text.split_whitespace().collect();
        println!("{rule}: {counts:?}");
        if !matches!(counts.as_slice(), [xt, nft] if xt == nft) {
            let error = String::from_utf8_lossy(&output.stderr);
            wrong.push(format!(
                "{rule}: {counts:?} {error}{}",
                print::nft(&verified)
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
