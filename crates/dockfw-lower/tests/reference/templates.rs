//! `TestIptabler` in full: the corpus has about half of its goldens, and the other half is made
//! here from the rule templates of the specification, line by line and without the reference
//! program.
//!
//! The templates are compared with the corpus too, so that neither is believed alone.

use crate::corpus::{compare, files, folder, note};
use crate::goldens::{Case, run};

const BOOLEANS: [&str; 2] = ["false", "true"];

/// The names of all goldens but those of a family that is off.
fn names() -> Vec<String> {
    let mut names = Vec::new();
    for hairpin in BOOLEANS {
        let mut stems = vec![(format!("cleaned,hairpin={hairpin}"), true)];
        for icc in BOOLEANS {
            let both = format!("hairpin={hairpin},internal=true,icc={icc}");
            stems.push((both, true));
            for (masq, snat) in BOOLEANS.iter().flat_map(|a| BOOLEANS.map(|b| (*a, b))) {
                for mode in ["nat", "nat-unprotected", "routed"] {
                    for loopback in BOOLEANS {
                        let stem = format!(
                            "hairpin={hairpin},internal=false,icc={icc},masq={masq},snat={snat},\
                             gwm={mode},bindlh={loopback}"
                        );
                        stems.push((stem, loopback == "true"));
                    }
                }
            }
        }
        // Where nothing in the name tells whether the port is on loopback, some case has it there.
        for (stem, loopback) in stems {
            names.push(format!("{stem}__iptables.golden"));
            names.push(format!("{stem}__ip6tables.golden"));
            if loopback || hairpin == "false" {
                names.push(format!("{stem},wsl2mirrored=true__iptables.golden"));
            }
        }
    }
    names
}

/// The addresses of a family, as the rules show them.
struct Words {
    subnet: &'static str,
    container: &'static str,
    target: &'static str,
    snat: &'static str,
    loopback: &'static str,
    local: &'static str,
    icmp: &'static str,
    /// In front of a DNAT rule.
    client: &'static str,
}

const IPV4: Words = Words {
    subnet: "192.168.0.0/24",
    container: "192.168.0.2/32",
    target: "192.168.0.2:80",
    snat: "192.168.123.0",
    loopback: "127.0.0.1/32",
    local: "127.0.0.0/8",
    icmp: "icmp",
    client: "",
};
const IPV6: Words = Words {
    subnet: "fd49:efd7:54aa::/64",
    container: "fd49:efd7:54aa::1/128",
    target: "[fd49:efd7:54aa::1]:80",
    snat: "fd34:d0d4:672f::123",
    loopback: "::1/128",
    local: "::1/128",
    icmp: "ipv6-icmp",
    client: " ! -s fe80::/10",
};

/// The rules of one table by chain, in the order of iptables-save.
fn table(name: &str, builtin: &[&str], own: &[&str], rules: &[String]) -> String {
    let mut text = format!("*{name}\n");
    text.extend(
        builtin
            .iter()
            .map(|chain| format!(":{chain} ACCEPT [0:0]\n")),
    );
    text.extend(own.iter().map(|chain| format!(":{chain} - [0:0]\n")));
    for chain in builtin.iter().chain(own) {
        let prefix = format!("{chain} ");
        let here = rules.iter().filter(|rule| rule.starts_with(&prefix));
        text.extend(here.map(|rule| format!("-A {rule}\n")));
    }
    text + "COMMIT\n"
}

/// The bridge.
const BR: &str = "br-dummy";

/// Rules by table, each in its order.
#[derive(Default)]
struct Rules {
    raw: Vec<String>,
    filter: Vec<String>,
    nat: Vec<String>,
}

/// Adds a rule where it applies.
fn add(rules: &mut Vec<String>, when: bool, rule: String) {
    if when {
        rules.push(rule);
    }
}

/// What the templates make of a case. Letters and numbers are those of the specification.
fn expected(case: &Case<'_>) -> String {
    let words = if case.ipv4() { IPV4 } else { IPV6 };
    let mut rules = Rules::default();
    daemon(case, &words, &mut rules);
    if case.is("internal") {
        internal(case, &words, &mut rules);
    } else if !case.name.starts_with("cleaned") {
        network(case, &words, &mut rules);
        port(case, &words, &mut rules);
    }
    let own = [
        "DOCKER",
        "DOCKER-BRIDGE",
        "DOCKER-CT",
        "DOCKER-FORWARD",
        "DOCKER-INTERNAL",
    ];
    let hooks = ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"];
    table("raw", &["PREROUTING", "OUTPUT"], &[], &rules.raw)
        + &table(
            "filter",
            &["INPUT", "FORWARD", "OUTPUT"],
            &own,
            &rules.filter,
        )
        + &table("nat", &hooks, &["DOCKER"], &rules.nat)
}

fn daemon(case: &Case<'_>, words: &Words, rules: &mut Rules) {
    let (hairpin, local) = (case.is("hairpin"), words.local);
    let mirrored = case.ipv4() && case.is("wsl2mirrored") && !hairpin;
    let jump = "-m addrtype --dst-type LOCAL -j DOCKER";
    let nat = &mut rules.nat;
    nat.push(format!("PREROUTING {jump}"));
    add(nat, hairpin, format!("OUTPUT {jump}"));
    add(nat, !hairpin, format!("OUTPUT ! -d {local} {jump}"));
    let windows = format!("DOCKER -d {local} -i loopback0 -j RETURN");
    add(nat, mirrored, windows);
    rules.filter.push("FORWARD -j DOCKER-FORWARD".to_owned());
    for chain in ["DOCKER-CT", "DOCKER-INTERNAL", "DOCKER-BRIDGE"] {
        rules.filter.push(format!("DOCKER-FORWARD -j {chain}"));
    }
}

/// I2 stands above I1; IPv6 lets alone what stays on the bridge.
fn internal(case: &Case<'_>, words: &Words, rules: &mut Rules) {
    let subnet = words.subnet;
    let not = |option: &str| match words.client {
        "" => String::new(),
        _ipv6 => format!(" ! {option} {BR}"),
    };
    let (input, output) = (not("-i"), not("-o"));
    let icc = if case.is("icc") { "ACCEPT" } else { "DROP" };
    rules.filter.extend([
        format!("DOCKER-INTERNAL ! -s {subnet}{input} -o {BR} -j DROP"),
        format!("DOCKER-INTERNAL ! -d {subnet} -i {BR}{output} -j DROP"),
        format!("DOCKER-FORWARD -i {BR} -o {BR} -j {icc}"),
    ]);
}

/// N2 to N9 but for the place of N5 and N7, which stand below P5.
fn network(case: &Case<'_>, words: &Words, rules: &mut Rules) {
    let Words { subnet, snat, .. } = words;
    let translation = if case.is("snat") {
        format!("SNAT --to-source {snat}")
    } else {
        "MASQUERADE".to_owned()
    };
    // N3 above N2.
    let from_host = format!("-o {BR} -m addrtype --src-type LOCAL -j {translation}");
    let nat = &mut rules.nat;
    add(nat, case.is("hairpin"), format!("POSTROUTING {from_host}"));
    let out = format!("POSTROUTING -s {subnet} ! -o {BR} -j {translation}");
    let routed = case.value("gwm") == Some("routed");
    add(nat, case.is("masq") && !routed, out);
    let (icc, filter) = (case.is("icc"), &mut rules.filter);
    let inside = format!("DOCKER-FORWARD -i {BR} -o {BR} -j DROP");
    add(filter, !icc, inside);
    add(filter, icc, format!("DOCKER-FORWARD -i {BR} -j ACCEPT"));
    let way_out = format!("DOCKER-FORWARD -i {BR} ! -o {BR} -j ACCEPT");
    add(filter, !icc, way_out);
    let answers = "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT";
    filter.push(format!("DOCKER-CT -o {BR} {answers}"));
    filter.push(format!("DOCKER-BRIDGE -o {BR} -j DOCKER"));
}

/// E2, P1 to P5, and N5 and N7.
fn port(case: &Case<'_>, words: &Words, rules: &mut Rules) {
    let Words {
        container,
        target,
        loopback,
        icmp,
        client,
        ..
    } = words;
    let (routed, open) = match case.value("gwm") {
        Some("routed") => (true, false),
        Some("nat-unprotected") => (false, true),
        _nat => (false, false),
    };
    let (hairpin, bound) = (case.is("hairpin"), case.is("bindlh"));
    let (raw, filter, nat) = (&mut rules.raw, &mut rules.filter, &mut rules.nat);

    let direct = format!("PREROUTING -d {container} ! -i {BR} -j DROP");
    add(raw, !open && !routed, direct);
    let remote = format!("PREROUTING -d {loopback}");
    let to_port = "-p tcp -m tcp --dport 8080 -j";
    let windows = format!("{remote} -i loopback0 {to_port} ACCEPT");
    add(raw, bound && case.is("wsl2mirrored"), windows);
    let closed = format!("{remote} ! -i lo {to_port} DROP");
    add(raw, bound && case.ipv4(), closed);

    let mut rule = format!("DOCKER{client}");
    if bound {
        rule.extend([" -d ", loopback]);
    }
    if !hairpin {
        rule.extend([" ! -i ", BR]);
    }
    nat.push(format!("{rule} {to_port} DNAT --to-destination {target}"));
    let own = format!("-s {container} -d {container} -p tcp -m tcp --dport 80 -j MASQUERADE");
    add(nat, hairpin, format!("POSTROUTING {own}"));

    let opened = format!("-d {container} ! -i {BR} -o {BR} -p tcp -m tcp --dport 80 -j ACCEPT");
    add(filter, !open, format!("DOCKER {opened}"));
    add(
        filter,
        routed,
        format!("DOCKER -o {BR} -p {icmp} -j ACCEPT"),
    );
    let last = if open { "ACCEPT" } else { "DROP" };
    filter.push(format!("DOCKER ! -i {BR} -o {BR} -j {last}"));
}

#[test]
fn every_case_follows_the_templates() {
    let names = names();
    assert_eq!(names.len(), 282);
    for name in &names {
        let case = Case { name };
        let text = expected(&case);
        for both in [false, true] {
            assert!(run(&case, &text, None, both), "{name}");
        }
    }
}

#[test]
fn the_corpus_follows_the_templates() {
    let Some(folder) = folder("iptabler") else {
        return;
    };
    let names = names();
    let mut compared = 0;
    for (name, text) in files(&folder) {
        if name.starts_with("no__") {
            continue;
        }
        assert!(names.contains(&name), "{name} is not one of the cases");
        let case = Case { name: &name };
        assert!(compare(&name, &expected(&case), &text), "{name}");
        compared += 1;
    }
    note(&format!("{compared} goldens"));
}
