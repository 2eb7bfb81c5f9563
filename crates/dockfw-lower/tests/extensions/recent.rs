//! Lists of addresses: what becomes of their rules, which are refused, and that a kernel does the
//! same with both.

use dockfw_iptables::Family;
use dockfw_ir::print;

use crate::compile;
use crate::divert::run;

/// The rules of all chains, with their counters, and the sets.
fn native(rules: &str) -> Vec<String> {
    let text = format!("*filter\n{rules}COMMIT\n");
    let text = print::nft(&compile(&text, Family::Ipv4).unwrap().unwrap());
    let lines = text.lines().filter(|line| line.starts_with("\t\t"));
    let lines = lines.filter(|line| !line.contains("type filter hook"));
    lines.map(|line| line.trim().to_owned()).collect()
}

const SET: [&str; 4] = [
    "type ipv4_addr",
    "size 65535",
    "flags dynamic,timeout",
    "timeout 1m",
];

#[track_caller]
fn becomes(rules: &str, wanted: &[&str]) {
    let found = native(rules);
    let (set, rules_found) = found.split_at(SET.len());
    assert_eq!(set, SET, "{rules}");
    assert_eq!(rules_found, wanted, "{rules}");
}

/// A rule that asks, and one that puts addresses into the list.
const ASK: &str = "-A OUTPUT -m recent --rcheck --seconds 60 --name a";
const ASKED: &str = "ip saddr @recent4-a counter";
const PUT: &str = "-A OUTPUT -m recent --set --name a\n";
const IS_PUT: &str = "counter update @recent4-a { ip saddr }";

#[test]
fn rules_that_ask() {
    let ask = |rule: &str, wanted: &str| {
        becomes(&format!("-A INPUT {rule}\n{PUT}"), &[wanted, IS_PUT]);
    };
    ask(
        "-p udp -m recent --rcheck --seconds 60 --name a -m udp --dport 5 -j DROP",
        "ip saddr @recent4-a udp dport 5 counter drop",
    );
    ask(
        "-m recent --update --seconds 60 --reap --hitcount 1 --name a -p udp -m udp --dport 5 -j REJECT",
        "meta l4proto udp ip saddr @recent4-a update @recent4-a { ip saddr } udp dport 5 counter \
         reject",
    );
    ask(
        "-m recent ! --rcheck --seconds 60 --name a --rdest -j ACCEPT",
        "ip daddr != @recent4-a counter accept",
    );
    ask(
        "-m recent --rcheck --seconds 60 --name a -m limit --limit 5/min -j LOG",
        "ip saddr @recent4-a limit rate 5/minute counter log",
    );
    // Several ways, of which a packet takes one, may renew an address twice.
    becomes(
        &format!(
            "-A INPUT -p udp -m recent --update --seconds 60 --name a -m multiport --ports 1,2 -j DROP\n{PUT}"
        ),
        &[
            "meta l4proto udp ip saddr @recent4-a update @recent4-a { ip saddr } udp sport { 1, 2 } counter drop",
            "meta l4proto udp ip saddr @recent4-a update @recent4-a { ip saddr } udp sport != { 1, 2 } udp dport { 1, 2 } counter drop",
            IS_PUT,
        ],
    );
}

#[test]
fn rules_that_put_and_remove() {
    let put = |rule: &str, wanted: &[&str]| {
        let wanted: Vec<&str> = [ASKED].iter().chain(wanted).copied().collect();
        becomes(&format!("{ASK}\n{rule}\n"), &wanted);
    };
    // A set that is full ends a rule: whether it matches must not depend on that.
    put(
        "-A OUTPUT -p udp -m recent --set --name a -m udp --dport 5 -j DROP",
        &[
            "meta l4proto udp update @recent4-a { ip saddr }",
            "udp dport 5 counter drop",
        ],
    );
    put(
        "-A OUTPUT -m recent --set --name a -j LOG",
        &["counter log update @recent4-a { ip saddr }"],
    );
    put(
        "-A OUTPUT -p udp -m recent ! --set --name a --rdest -j DROP",
        &["meta l4proto udp update @recent4-a { ip daddr }"],
    );
    put(
        "-A OUTPUT -m limit --limit 5/sec -m recent --set --name a",
        &["limit rate 5/second counter update @recent4-a { ip saddr }"],
    );
    put(
        "-A OUTPUT -m recent --set --name a -m limit --limit 5/sec -j DROP",
        &[
            "update @recent4-a { ip saddr }",
            "limit rate 5/second counter drop",
        ],
    );
    put(
        "-A OUTPUT -p udp -m recent --remove --name a\n-A OUTPUT -m recent --set --name a",
        &[
            "meta l4proto udp ip saddr @recent4-a counter delete @recent4-a { ip saddr }",
            IS_PUT,
        ],
    );
}

/// No rule of a list is folded, moved or left out, and none of the rules around it goes across.
#[test]
fn folding_leaves_lists_alone() {
    let ask = "-A INPUT -m recent --rcheck --seconds 60 --name a -j DROP\n";
    let put = "-A INPUT -p udp -m recent --set --name a\n";
    let from = |last| format!("-A INPUT -s 192.0.2.{last} -j DROP\n");
    let asked = "ip saddr @recent4-a counter drop";
    let is_put = "meta l4proto udp counter update @recent4-a { ip saddr }";
    becomes(
        &[
            from(1),
            ask.into(),
            put.into(),
            ask.into(),
            from(2),
            put.into(),
            ask.into(),
        ]
        .concat(),
        &[
            "ip saddr 192.0.2.1 counter drop",
            asked,
            is_put,
            asked,
            "ip saddr 192.0.2.2 counter drop",
            is_put,
            asked,
        ],
    );
    // The same, in a chain between that a rule jumps to.
    let chain = ":X -\n-A X -m recent --set --name a\n";
    becomes(
        &format!("{chain}{ask}-A INPUT -p udp -j X\n{ask}"),
        &[
            IS_PUT,
            asked,
            "meta l4proto udp counter jump filter-X",
            asked,
        ],
    );
}

/// Why the first rule of a program is refused; `None` when nothing is.
fn refused(rules: &str) -> Option<String> {
    let text = format!("*filter\n{rules}\nCOMMIT\n");
    let refused = compile(&text, Family::Ipv4).unwrap().err()?;
    let one = refused.into_iter().next().unwrap();
    assert!(!one.reason.help.is_empty());
    Some(one.reason.message)
}

#[test]
fn refusals_say_which_option() {
    let update = "-A INPUT -m recent --update --seconds 60 --name a";
    for (rules, words) in [
        (
            format!("{update} --hitcount 4 -j DROP\n{PUT}"),
            "--hitcount 4",
        ),
        (format!("{update} --rttl -j DROP\n{PUT}"), "--rttl"),
        (
            format!("{update} --mask 255.255.255.0 -j DROP\n{PUT}"),
            "--mask",
        ),
        (
            format!("-A INPUT -m recent --rcheck --name a\n{PUT}"),
            "without --seconds",
        ),
        (
            format!("{update}\n-A INPUT -m recent --rcheck --seconds 5 --name a\n{PUT}"),
            "--seconds 60",
        ),
        (
            format!("-A INPUT -m recent --rcheck --seconds 4294968 --name a\n{PUT}"),
            "4294968 seconds",
        ),
        (format!("{update} -j DROP"), "no rule here puts"),
        (PUT.into(), "no rule here looks"),
        (format!("{update} -m recent --set --name a"), "twice"),
        (
            format!("{update}\n-A INPUT -m recent --remove --name a -j DROP\n{PUT}"),
            "--remove",
        ),
        (
            format!("{update}\n-A INPUT -m recent ! --remove --name a\n{PUT}"),
            "--remove",
        ),
        (
            format!("{update}\n-A INPUT -m recent --remove --name a -p udp --dport 5\n{PUT}"),
            "--remove",
        ),
        (
            format!("-A INPUT -m recent ! --update --seconds 6 --name a -j LOG\n{PUT}"),
            "! --update",
        ),
        (
            format!("{update}\n-A INPUT -m limit --limit 1/s -m recent --set --name a -j DROP"),
            "limit before it",
        ),
    ] {
        let found = refused(&rules).unwrap_or_default();
        assert!(found.contains(words), "{rules}: {found}");
    }
}

/// A set forgets an address only when its time is over, xt_recent also for newer ones: whatever
/// would accept more for an address that is still there is refused.
#[test]
fn nothing_is_accepted_because_an_address_is_remembered() {
    let ask = "-A INPUT -m recent --rcheck --seconds 60 --name a";
    let not = "-A INPUT -m recent ! --rcheck --seconds 60 --name a";
    let b =
        "-A OUTPUT -m recent --rcheck --seconds 60 --name b\n-A OUTPUT -m recent --set --name b\n";
    for (rule, wanted) in [
        (format!("{ask} -j DROP"), true),
        (format!("{ask} -j REJECT"), true),
        (format!("{ask} -j LOG"), true),
        (ask.to_owned(), true),
        (format!("{ask} -j ACCEPT"), false),
        (format!("{ask} -j RETURN"), false),
        (format!("{ask} -m limit --limit 1/s -j DROP"), false),
        (
            format!(
                "{ask} -m hashlimit --hashlimit-name h --hashlimit-upto 1/s --hashlimit-mode srcip -j LOG"
            ),
            false,
        ),
        (format!("{ask} -m recent --set --name b -j DROP\n{b}"), true),
        (format!("{not} -j ACCEPT"), true),
        (format!("{not} -j LOG"), true),
        (format!("{not} -j DROP"), false),
        (format!("{not} -j RETURN"), false),
        (format!("{not} -m limit --limit 1/s -j ACCEPT"), false),
        (format!("{not} -m recent --set --name b -j LOG\n{b}"), false),
        (
            format!(":X -\n{ask} -j X\n-A X -j LOG\n-A X -s 192.0.2.1 -j RETURN\n-A X -j REJECT"),
            true,
        ),
        (format!(":X -\n{ask} -g X\n-A X -j DROP"), false),
        (format!(":X -\n{not} -j X\n-A X -j DROP"), false),
        (
            format!(":X -\n{ask} -j X\n-A X -s 192.0.2.1 -j ACCEPT\n-A X -j DROP"),
            false,
        ),
        (
            format!(":X -\n{ask} -j X\n-A X -m limit --limit 1/s -j DROP"),
            false,
        ),
        (
            format!(":X -\n{ask} -j X\n-A X -m limit --limit 1/s -j LOG\n-A X -j DROP"),
            true,
        ),
        (
            format!(":X -\n:Y -\n{ask} -j X\n-A X -p tcp -j Y\n-A Y -j DROP"),
            true,
        ),
        (
            format!(":X -\n:Y -\n{ask} -j X\n-A X -p tcp -j Y\n-A Y -j ACCEPT"),
            false,
        ),
        (
            format!(":X -\n{ask} -j X\n-A X -m recent --remove --name b\n{b}"),
            false,
        ),
    ] {
        let found = refused(&format!("{rule}\n{PUT}"));
        assert_eq!(found.is_none(), wanted, "{rule}: {found:?}");
        if let Some(found) = found {
            assert!(found.contains("ip_list_tot"), "{rule}: {found}");
        }
    }
}

#[test]
fn families_have_lists_of_their_own() {
    let rules = "*filter\n-A INPUT -m recent --rcheck --seconds 5 --name x.y -j DROP\n\
                 -A INPUT -m recent --set --name x.y\nCOMMIT\n";
    let text = print::nft(&compile(rules, Family::Ipv6).unwrap().unwrap());
    assert!(
        text.contains("ip6 saddr @recent6-x.2ey counter drop"),
        "{text}"
    );
}

/// Sends UDP from one address to a port of another and tells whether it came: `y` or `n`. Numbers
/// are waited for, in tenths of a second.
const SEND: &str = "
from socket import *
import sys, time
servers = {}
def server(port):
    if port not in servers:
        servers[port] = socket(AF_INET6, SOCK_DGRAM)
        servers[port].bind(('::', port))
        servers[port].settimeout(0.15)
    return servers[port]
def send(source, to, port):
    server(port)
    client = socket(AF_INET6 if ':' in source else AF_INET, SOCK_DGRAM)
    client.bind((source, 0))
    try:
        client.sendto(b'x', (to, port))
        servers[port].recv(9)
        return 'y'
    except OSError:
        return 'n'
def steps(text, names):
    for step in text.split():
        if step.isdigit():
            time.sleep(int(step) / 10)
            continue
        source, port = step.split(':')
        source, _, to = source.partition('-')
        print(send(names[source], names[to or 'z'], int(port)), end='')
    print()
V4 = {'a': '127.0.0.1', 'b': '127.0.0.2', 'z': '127.0.0.9'}
V6 = {'a': 'fd07::1', 'b': 'fd07::2', 'z': '::1'}
";

/// What happens, how many packets each rule with a counter counts, and what is meant to happen.
struct Case {
    family: Family,
    rules: &'static str,
    steps: &'static str,
    ends: &'static str,
}

const fn ipv4(rules: &'static str, steps: &'static str, ends: &'static str) -> Case {
    Case {
        family: Family::Ipv4,
        rules,
        steps,
        ends,
    }
}

const CASES: &[Case] = &[
    // Each packet from a banned address renews its ban, those of others do not.
    ipv4(
        "*filter\n-A INPUT -p udp -m recent --update --seconds 2 --name ban -j DROP\n\
         -A INPUT -p udp -m udp --dport 1001 -m recent --set --name ban -j DROP\nCOMMIT\n",
        "a:1000 b:1000 a:1001 a:1000 b:1000 13 a:1000 13 a:1000 b:1000 23 a:1000",
        "yynnynnyy",
    ),
    // A ban that is not renewed ends, also when the address was asked for.
    ipv4(
        "*filter\n-A INPUT -p udp -m recent --rcheck --seconds 2 --name ban -j DROP\n\
         -A INPUT -p udp -m udp --dport 1001 -m recent --set --name ban -j DROP\nCOMMIT\n",
        "a:1000 a:1001 13 a:1000 9 a:1000 a:1001 a:1000",
        "ynnynn",
    ),
    // The usual snippet against port scans, the ban lifted by one port.
    ipv4(
        "*filter\n-A INPUT -p udp -m udp --dport 1002 -m recent --remove --name scan\n\
         -A INPUT -p udp -m recent --rcheck --seconds 60 --name scan -j DROP\n\
         -A INPUT -p udp -m udp --dport 1001 -m recent --set --name scan\n\
         -A INPUT -p udp -m udp --dport 1001 -m recent --set --name scan -j DROP\nCOMMIT\n",
        "a:1001 b:1001 a:1000 b:1000 a:1002 a:1000 b:1000 a:1002 a:1001 a:1000",
        "nnnnyynynn",
    ),
    // The address is noted before the port is looked at, and behind `!` although nothing matches.
    ipv4(
        "*filter\n-A INPUT -p udp -m recent --rcheck --seconds 60 --name early -m udp --dport 1005 -j DROP\n\
         -A INPUT -p udp -m recent --rcheck --seconds 60 --name late -m udp --dport 1006 -j DROP\n\
         -A INPUT -p udp -m recent ! --rcheck --seconds 60 --name never\n\
         -A INPUT -p udp -m recent --set --name early -m udp --dport 1001 -j DROP\n\
         -A INPUT -p udp -m udp --dport 1007 -m recent --set --name late -j DROP\n\
         -A INPUT -p udp -m udp --dport 1003 -m recent ! --set --name never -j DROP\nCOMMIT\n",
        "a:1005 a:1006 a:1003 a:1003 a:1005 a:1006 b:1007 b:1006 b:1005",
        "yyyynynnn",
    ),
    // Renewed by the match, although the rule does not match in the end.
    ipv4(
        "*filter\n-A INPUT -p udp -m recent --update --seconds 2 --name ban -m udp --dport 1009 -j DROP\n\
         -A INPUT -p udp -m udp --dport 1001 -m recent --set --name ban -j DROP\nCOMMIT\n",
        "a:1001 13 a:1000 13 a:1009 23 a:1009",
        "nyny",
    ),
    // Whoever was sent a packet may not send one: both addresses, in two chains.
    ipv4(
        "*filter\n-A INPUT -p udp -m recent --rcheck --seconds 60 --name both -j REJECT\n\
         -A OUTPUT -p udp -m udp --dport 1001 -m recent --set --name both --rdest\nCOMMIT\n",
        "a:1000 b:1000 a-b:1001 a:1000 b:1000",
        "yyyyn",
    ),
    // Chains, two lists, another table, and what is not remembered.
    ipv4(
        "*mangle\n-A PREROUTING -p udp -m udp --dport 1001 -m recent --set --name one\nCOMMIT\n\
         *filter\n:INPUT DROP\n:bad -\n-A INPUT -m recent --rcheck --seconds 60 --name one \
         -m recent --set --name two -j bad\n-A INPUT -m recent --update --seconds 60 --name two \
         -j DROP\n-A INPUT -p udp -m recent ! --rcheck --seconds 60 --name one -j ACCEPT\n\
         -A bad -p udp -m udp --dport 1001 -j LOG\n-A bad -p udp -m udp --dport 1004 -j RETURN\n\
         -A bad -j REJECT\nCOMMIT\n",
        "a:1000 a:1001 a:1000 a:1004 b:1000 b:1004",
        "ynnnyy",
    ),
    Case {
        family: Family::Ipv6,
        rules: "*filter\n-A INPUT -p udp -m recent --update --seconds 2 --name ban -j DROP\n\
                -A INPUT -p udp -m udp --dport 1001 -m recent --set --name ban -j DROP\nCOMMIT\n",
        steps: "a:1000 b:1000 a:1001 a:1000 b:1000 13 a:1000 13 a:1000 b:1000 23 a:1000",
        ends: "yynnynnyy",
    },
];

/// The counters of each side's rules, by chain, without those of rules that nothing came to.
const THEIRS: &str = "
import subprocess
def shell(command):
    return subprocess.run(command, shell=True, capture_output=True, text=True).stdout
for table in 'mangle', 'filter':
    text = shell('PROGRAM -t %s -nvxL' % table)
    for line in text.splitlines():
        words = line.split()
        if words and words[0].isdigit() and words[0] != '0':
            print(words[0], end=' ')
";
const OURS: &str = "
import re, subprocess
text = subprocess.run(['nft', 'list', 'ruleset'], capture_output=True, text=True).stdout
chains = dict(re.findall(r'chain (\\S+) {(.*?)\\n\\t}', text, re.S))
for name in ORDER:
    for packets in re.findall(r'counter packets (\\d+)', chains.get(name, '')):
        if packets != '0':
            print(packets, end=' ')
";

/// Sequences of packets in a kernel, under iptables and under ours: the same ones arrive, and rules
/// count the same.
#[test]
#[ignore = "needs root, iptables, nft and python3"]
fn lists_remember_alike() {
    let setup = "for a in fd07::1 fd07::2; do ip address add $a/128 dev lo nodad; done";
    std::thread::scope(|scope| {
        for case in CASES {
            scope.spawn(move || {
                let (names, program) = match case.family {
                    Family::Ipv4 => ("V4", "iptables-legacy"),
                    Family::Ipv6 => ("V6", "ip6tables-legacy"),
                };
                let order = "ORDER = ['mangle-PREROUTING'] + ['filter-' + n for n in \
                             ('INPUT', 'FORWARD', 'OUTPUT', 'bad')]";
                let theirs = THEIRS.replace("PROGRAM", program);
                let steps = format!("{SEND}steps('{}', {names})\n", case.steps);
                let theirs = run(
                    case.family,
                    case.rules,
                    false,
                    setup,
                    &(steps.clone() + &theirs),
                );
                let ours = format!("{steps}{order}{OURS}");
                let ours = run(case.family, case.rules, true, setup, &ours);
                println!("{}{theirs}", case.rules);
                assert_eq!(
                    theirs.lines().next(),
                    Some(case.ends),
                    "iptables: {}",
                    case.rules
                );
                assert_eq!(ours, theirs, "ours: {}", case.rules);
            });
        }
    });
}

/// `iptables` forgets the first of 101 addresses, and lets it in again; a set does not.
#[test]
#[ignore = "needs root, iptables, nft and python3"]
fn a_set_remembers_more_and_refuses_more() {
    let rules = "*filter\n-A INPUT -p udp -m recent --rcheck --seconds 60 --name ban -j DROP\n\
                 -A INPUT -p udp -m udp --dport 1001 -m recent --set --name ban -j DROP\nCOMMIT\n";
    let python = "
for last in range(1, 102):
    server(1001)
    client = socket(AF_INET, SOCK_DGRAM)
    client.bind(('127.0.1.%d' % last, 0))
    client.sendto(b'x', ('127.0.0.1', 1001))
names = {'a': '127.0.1.1', 'b': '127.0.1.2', 'c': '127.0.2.1', 'z': '127.0.0.1'}
steps('a:1000 b:1000 c:1000', names)
";
    let python = format!("{SEND}{python}");
    assert_eq!(run(Family::Ipv4, rules, false, "", &python), "yny\n");
    assert_eq!(run(Family::Ipv4, rules, true, "", &python), "nny\n");
}

/// A rule with `--set` matches also when there is no room for the address.
#[test]
#[ignore = "needs root, nft and python3"]
fn a_full_set_does_not_let_packets_through() {
    let rules = "*filter\n-A INPUT -p udp -m recent --rcheck --seconds 60 --name ban -j DROP\n\
                 -A INPUT -p udp -m udp --dport 1001 -m recent --set --name ban -j DROP\n\
                 -A INPUT -p udp -m udp --dport 1002 -m recent --set --name ban\nCOMMIT\n";
    let text = print::nft(&compile(rules, Family::Ipv4).unwrap().unwrap());
    let small = text.replace("size 65535", "size 1");
    assert_ne!(small, text);
    let program = format!("{SEND}steps('a:1001 a:1000 b:1001 b:1002 b:1000', V4)\n");
    let script = format!(
        "set -e\nip link set lo up\nnft -f - <<'END'\n{small}END\npython3 - <<'END'\n{program}END\n\
         nft list ruleset | grep -o 'dport 100[12] counter packets [0-9]*' | cut -d' ' -f5"
    );
    let output = std::process::Command::new("unshare")
        .args(["-n", "bash", "-c", &script])
        .output()
        .unwrap();
    // The address of a is remembered, that of b is not; both rules count all of their packets.
    let found = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        found,
        "nnnyy\n2\n1\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
