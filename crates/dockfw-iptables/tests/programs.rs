//! The printed text against the real programs: what iptables-restore takes and iptables-save
//! shows.

#![expect(clippy::unwrap_used, reason = "test helpers")]

use std::io::Write as _;
use std::process::{Command, Stdio};

use dockfw_iptables::Family;
use dockfw_iptables::parse::{Assume, load};

const TEXT: &str = "
-N A
-A INPUT -p tcp --syn --dport 22 -m limit --limit 7/minute -j ACCEPT
-A INPUT -p tcp -m multiport ! --dports 5,6:9 -g A
-A INPUT -p udp --sport 53 -m conntrack --ctorigdst 192.0.2.0/24 --ctorigdstport 80:90 --ctdir REPLY
-A INPUT -m conntrack --ctstatus ASSURED,SEEN_REPLY ! --ctstate NEW,DNAT --ctexpire 5:
-A INPUT -m state --state NEW -m mark --mark 5/7 -j LOG --log-prefix 'a b' --log-level info --log-uid
-A INPUT -m addrtype --dst-type LOCAL,MULTICAST --limit-iface-in -j REJECT
-A INPUT -m iprange ! --src-range 192.0.2.1-192.0.2.9 -m mac --mac-source aa:bb:cc:dd:ee:ff
-A INPUT -m comment --comment 'it is \"so\"' -m length --length 5: -m ttl --ttl-lt 5
-A INPUT -p icmp --icmp-type host-unreachable -m pkttype --pkt-type multicast
-A INPUT -p sctp --chunk-types any INIT,DATA --dport 5
-A INPUT -m connlimit --connlimit-above 3 -m statistic --mode random --probability 0.3
-A INPUT -m recent --update --seconds 60 --hitcount 4 --name x
-A INPUT -m hashlimit --hashlimit 9/hour --hashlimit-name a --hashlimit-mode srcip,dstport
-A INPUT -m dscp --dscp-class af11 -m tos --tos 8/0x1c -m connmark ! --mark 1
-A OUTPUT -m owner --uid-owner 5-6 ! --gid-owner 3 -f
-t nat -A PREROUTING -p tcp -j DNAT --to 192.0.2.1-192.0.2.3:5-9 --random --persistent
-t nat -A PREROUTING -p udp -j REDIRECT --to-ports 5
-t nat -A POSTROUTING -j SNAT --to-source 192.0.2.1 --random-fully
-t nat -A POSTROUTING -p tcp -j MASQUERADE --to-ports 5-9 --random
-t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
-t mangle -A PREROUTING -j MARK --set-mark 5/3
-t mangle -A PREROUTING -j CONNMARK --save-mark --mask 0xff
-t mangle -A PREROUTING -m rpfilter --loose --invert -m socket --nowildcard -j NFLOG --nflog-group 5
-t mangle -A PREROUTING -j TTL --ttl-inc 3
-t mangle -A PREROUTING -j TOS --or-tos 0x12
-t mangle -A PREROUTING -j DSCP --set-dscp 5
-t mangle -A POSTROUTING -j CLASSIFY --set-class 1:a
-t mangle -A PREROUTING -p tcp -m ecn ! --ecn-tcp-cwr -m tcpmss ! --mss 500 -j TEE --gateway 192.0.2.1
-t raw -A PREROUTING -j CT --zone 7
-t raw -A PREROUTING -j NOTRACK
";

const TEXT6: &str = "
-N A
-A INPUT -p tcp --syn --dport 22 -m limit --limit 7/minute -s 2001:db8::/32 ! -d 2001:db8::1 -j ACCEPT
-A INPUT -p tcp -m multiport ! --dports 5,6:9 -g A
-A INPUT -p udp --sport 53 -m conntrack --ctorigdst 2001:db8::/32 --ctorigdstport 80:90 --ctdir REPLY
-A INPUT -m conntrack --ctstatus ASSURED,SEEN_REPLY ! --ctstate NEW,DNAT --ctexpire 5:
-A INPUT -m state --state NEW -m mark --mark 5/7 -j LOG --log-prefix 'a b' --log-level info --log-uid
-A INPUT -m addrtype --dst-type LOCAL,MULTICAST --limit-iface-in -j REJECT
-A INPUT -m iprange ! --src-range 2001:db8::1-2001:db8::9 -m mac --mac-source aa:bb:cc:dd:ee:ff
-A INPUT -m comment --comment 'it is \"so\"' -m length --length 5: -m hl --hl-lt 5
-A INPUT -p icmpv6 --icmpv6-type port-unreachable -m pkttype --pkt-type multicast
-A INPUT -p tcp -j REJECT --reject-with tcp-reset
-A INPUT -j REJECT --reject-with icmp6-adm-prohibited
-A INPUT -m connlimit --connlimit-above 3 --connlimit-mask 64 -m statistic --mode random --probability 0.3
-A INPUT -m recent --update --seconds 60 --hitcount 4 --name x
-A INPUT -m hashlimit --hashlimit 9/hour --hashlimit-name a --hashlimit-mode srcip --hashlimit-srcmask 64
-A INPUT -m dscp --dscp-class af11 -m tos --tos 8/0x1c -m connmark ! --mark 1
-A INPUT -p tcp -m ecn --ecn-tcp-ece ! --ecn-ip-ect 2 -m tcpmss --mss 500:1400 -j TEE --gateway 2001:db8::1
-A OUTPUT -m owner --uid-owner 5-6 ! --gid-owner 3
-t nat -A PREROUTING -p tcp -j DNAT --to [2001:db8::1-2001:db8::3]:5-9 --random --persistent
-t nat -A PREROUTING -p udp -j REDIRECT --to-ports 5
-t nat -A POSTROUTING -j SNAT --to-source 2001:db8::1 --random-fully
-t nat -A POSTROUTING -p tcp -j MASQUERADE --to-ports 5-9 --random
-t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
-t mangle -A PREROUTING -j MARK --set-mark 5/3
-t mangle -A PREROUTING -j CONNMARK --save-mark --mask 0xff
-t mangle -A PREROUTING -j HL --hl-set 64
-t mangle -A PREROUTING -j TOS --set-tos 3/8
-t mangle -A PREROUTING -j DSCP --set-dscp-class ef
-t mangle -A POSTROUTING -j CLASSIFY --set-class 1:a
-t mangle -A PREROUTING -m rpfilter --loose --invert -m socket --nowildcard -j NFLOG --nflog-group 5
-t raw -A PREROUTING -j CT --zone-orig 7
-t raw -A PREROUTING -j NOTRACK
";

fn through(restore: &str, save: &str, text: &str) -> String {
    let script = format!("{restore} && {save}");
    let mut child = Command::new("unshare")
        .args(["-n", "sh", "-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{restore} refused:\n{text}");
    String::from_utf8(output.stdout).unwrap()
}

/// The rules by table; the order of tables is not the same everywhere.
fn rules(text: &str) -> Vec<String> {
    let mut table = "";
    let mut rules = Vec::new();
    for line in text.lines() {
        if line.starts_with('*') {
            table = line;
        } else if line.starts_with("-A") {
            rules.push(format!("{table} {line}"));
        }
    }
    rules.sort();
    rules
}

/// Every protocol number: the name that the host's iptables prints for it.
#[test]
#[ignore = "needs root, iptables and /etc/protocols of netbase"]
fn protocols_have_the_names_of_the_host() {
    let header = "*filter\n:INPUT ACCEPT [0:0]\n";
    let lines: Vec<String> = (1..=255)
        .map(|number| format!("-A INPUT -p {number}\n"))
        .collect();
    let text = lines.concat();
    let text = format!("{header}{text}COMMIT\n");
    let loaded = load(&text, Family::Ipv4, &Assume::default()).unwrap();
    let printed = loaded.program.to_string();
    let theirs = through("iptables-legacy-restore", "iptables-legacy-save", &text);
    assert_eq!(rules(&theirs), rules(&printed));
}

fn same(text: &str, family: Family, restore: &str, save: &str) {
    let loaded = load(text, family, &Assume::default()).unwrap();
    let printed = loaded.program.to_string();
    assert_eq!(rules(&through(restore, save, &printed)), rules(&printed));
}

#[test]
#[ignore = "needs root and iptables"]
fn legacy_shows_what_we_print() {
    let programs = ("iptables-legacy-restore", "iptables-legacy-save");
    same(TEXT, Family::Ipv4, programs.0, programs.1);
}

#[test]
#[ignore = "needs root and iptables"]
fn nft_shows_what_we_print() {
    let programs = ("iptables-nft-restore", "iptables-nft-save");
    same(TEXT, Family::Ipv4, programs.0, programs.1);
}

#[test]
#[ignore = "needs root and ip6tables"]
fn legacy_shows_what_we_print_for_ipv6() {
    let programs = ("ip6tables-legacy-restore", "ip6tables-legacy-save");
    same(TEXT6, Family::Ipv6, programs.0, programs.1);
}

#[test]
#[ignore = "needs root and ip6tables"]
fn nft_shows_what_we_print_for_ipv6() {
    let programs = ("ip6tables-nft-restore", "ip6tables-nft-save");
    same(TEXT6, Family::Ipv6, programs.0, programs.1);
}
