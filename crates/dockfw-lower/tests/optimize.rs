//! Folding: what becomes a set, what must not, and that a wrong fold is noticed.

#![expect(clippy::unwrap_used, reason = "test helpers")]

use std::fmt::Write as _;

use dockfw_iptables::Family;
use dockfw_iptables::parse::{Assume, load};
use dockfw_ir::chain::Rule;
use dockfw_ir::name::{SetName, TableName};
use dockfw_ir::set::Element;
use dockfw_ir::statement::{Statement, Verdict};
use dockfw_ir::value::Value;
use dockfw_ir::verify::verify;
use dockfw_ir::{Chain, Ruleset, Table, print};
use dockfw_lower::optimize::{Numbered, Optimize, fold, validate};
use dockfw_lower::rules::{Compiled, Why, table};
use proptest::prelude::*;

fn compile(rules: &str, optimize: Optimize) -> Compiled {
    let loaded = load(rules, Family::Ipv4, &Assume::default()).unwrap();
    let name = TableName::new("dockfw").unwrap();
    table(&loaded.program, name, optimize).unwrap()
}

fn text(table: Table) -> String {
    let ruleset = Ruleset {
        tables: vec![table],
    };
    print::nft(&verify(ruleset).unwrap())
}

/// The rules of FORWARD after folding, and the elements of all sets, without comments and counters.
fn folded(rules: &str) -> (Vec<String>, Vec<String>) {
    let text = text(compile(rules, Optimize::Full).table);
    let plain = |line: &str| {
        let line = line.split(" comment ").next().unwrap();
        line.trim().replace("counter ", "")
    };
    let forward = text
        .lines()
        .skip_while(|line| *line != "\tchain filter-FORWARD {")
        .skip(2)
        .take_while(|line| *line != "\t}")
        .map(plain)
        .collect();
    let elements = text
        .lines()
        .filter(|line| line.starts_with("\t\t\t") || line.contains("elements = { "))
        .map(plain)
        .collect();
    (forward, elements)
}

#[track_caller]
fn becomes(rules: &str, forward: &[&str], elements: &[&str]) {
    let (found, found_elements) = folded(rules);
    assert_eq!(found, forward);
    assert_eq!(found_elements, elements);
}

#[test]
fn one_field_becomes_a_set_of_it() {
    becomes(
        "-A FORWARD -s 192.0.2.1 -j DROP\n-A FORWARD -s 192.0.2.3 -j DROP\n",
        &["ip saddr @filter-FORWARD-1 drop"],
        &["192.0.2.1,", "192.0.2.3,"],
    );
    // Ranges: one that another contains goes, those that overlap stand in sets of their own.
    becomes(
        "-A FORWARD -s 10.0.0.0/8 -j DROP\n-A FORWARD -s 10.1.0.0/16 -j DROP\n\
         -A FORWARD -m iprange --src-range 10.255.0.0-11.0.0.9 -j DROP\n",
        &[
            "ip saddr @filter-FORWARD-1 drop",
            "ip saddr @filter-FORWARD-2 drop",
        ],
        &[
            "elements = { 10.0.0.0/8 }",
            "elements = { 10.255.0.0-11.0.0.9 }",
        ],
    );
}

#[test]
fn ports_keep_their_protocol() {
    becomes(
        "-A FORWARD -p tcp --dport 80 -j ACCEPT\n-A FORWARD -p tcp --dport 443 -j ACCEPT\n",
        &["meta l4proto . th dport @filter-FORWARD-1 accept"],
        &["tcp . 80,", "tcp . 443,"],
    );
    becomes(
        "-A FORWARD -p tcp --dport 53 -j ACCEPT\n-A FORWARD -p udp --dport 53 -j ACCEPT\n",
        &["th dport 53 meta l4proto @filter-FORWARD-1 accept"],
        &["tcp,", "udp,"],
    );
}

/// A number in host byte order has no place in a set of ranges: rules of one such number each.
#[test]
fn marks_stand_beside_single_values_only() {
    let rule = |ports: &str, mark: u8| {
        format!("-A FORWARD -p tcp --dport {ports} -m mark --mark {mark} -j DROP\n")
    };
    let marks = |ranges: [&str; 3]| {
        let [first, second, third] = ranges;
        [
            rule(first, 1),
            rule("53", 2),
            rule(second, 1),
            rule("54", 3),
            rule(third, 2),
        ]
        .concat()
    };
    becomes(
        &marks(["1:9", "20:29", "30:39"]),
        &[
            "tcp dport . meta mark @filter-FORWARD-1 drop",
            "meta mark 0x00000001 meta l4proto . th dport @filter-FORWARD-2 drop",
            "tcp dport 30-39 meta mark 0x00000002 drop",
        ],
        &[
            "53 . 0x00000002,",
            "54 . 0x00000003,",
            "tcp . 1-9,",
            "tcp . 20-29,",
        ],
    );
    becomes(
        &marks(["1", "20", "30"]),
        &["tcp dport . meta mark @filter-FORWARD-1 drop"],
        &[
            "1 . 0x00000001,",
            "20 . 0x00000001,",
            "30 . 0x00000002,",
            "53 . 0x00000002,",
            "54 . 0x00000003,",
        ],
    );
}

#[test]
fn a_reset_keeps_its_test_of_tcp() {
    becomes(
        "-A FORWARD -p tcp --dport 80 -j REJECT --reject-with tcp-reset\n\
         -A FORWARD -p tcp --dport 443 -j REJECT --reject-with tcp-reset\n",
        &["tcp dport @filter-FORWARD-1 reject with tcp reset"],
        &["80,", "443,"],
    );
}

#[test]
fn several_fields_are_concatenated_and_others_stay() {
    becomes(
        "-A FORWARD -i eth0 -s 10.0.0.0/8 -d 192.0.2.1 -j ACCEPT\n\
         -A FORWARD -i eth0 -s 10.0.0.0/8 -d 192.0.2.2 -o br0 -j ACCEPT\n\
         -A FORWARD -i eth0 -s 172.16.0.0/12 -d 192.0.2.3 -j ACCEPT\n",
        &[
            "iifname \"eth0\" ip saddr . ip daddr @filter-FORWARD-1 accept",
            "iifname \"eth0\" oifname \"br0\" ip saddr 10.0.0.0/8 ip daddr 192.0.2.2 accept",
        ],
        &["10.0.0.0/8 . 192.0.2.1,", "172.16.0.0/12 . 192.0.2.3,"],
    );
}

#[test]
fn different_verdicts_become_a_map_where_values_are_exact() {
    becomes(
        "-N a\n-N b\n-A FORWARD -d 192.0.2.1 -j a\n-A FORWARD -d 192.0.2.2 -j DROP\n\
         -A FORWARD -d 192.0.2.3 -j b\n-A FORWARD -d 192.0.2.4 -j ACCEPT\n",
        &["ip daddr vmap @filter-FORWARD-1"],
        &[
            "192.0.2.1 : jump filter-a,",
            "192.0.2.2 : drop,",
            "192.0.2.3 : jump filter-b,",
            "192.0.2.4 : accept,",
        ],
    );
    // The first rule of an overlapping pair wins: no map, no reordering.
    becomes(
        "-A FORWARD -s 10.1.0.0/16 -j ACCEPT\n-A FORWARD -s 10.0.0.0/8 -j DROP\n\
         -A FORWARD -s 172.16.0.0/12 -j ACCEPT\n",
        &[
            "ip saddr 10.1.0.0/16 accept",
            "ip saddr 10.0.0.0/8 drop",
            "ip saddr 172.16.0.0/12 accept",
        ],
        &[],
    );
}

#[test]
fn what_a_packet_can_meet_twice_stays() {
    let rules = [
        "-A FORWARD -s 10.0.0.1 -j LOG\n-A FORWARD -s 10.0.0.2 -j LOG\n",
        "-A FORWARD -s 10.0.0.1 -m limit --limit 1/s -j ACCEPT\n\
         -A FORWARD -s 10.0.0.2 -m limit --limit 1/s -j ACCEPT\n",
        "-N a\n-A FORWARD -s 10.0.0.0/8 -j a\n-A FORWARD -s 10.0.0.0/9 -j a\n",
        "-A FORWARD ! -s 10.0.0.1 -j ACCEPT\n-A FORWARD ! -s 10.0.0.2 -j ACCEPT\n",
        "-N a\n-A FORWARD -m mark --mark 1 -j a\n-A FORWARD -m mark --mark 2 -j a\n\
         -A a -j MARK --set-mark 2\n",
    ];
    for rules in rules {
        let (forward, elements) = folded(rules);
        assert_eq!((forward.len(), elements.len()), (2, 0), "{rules}");
    }
    // Jumps that no packet takes twice fold.
    let (forward, _) = folded("-N a\n-A FORWARD -s 10.0.0.1 -j a\n-A FORWARD -s 10.0.0.2 -j a\n");
    assert_eq!(forward, ["ip saddr @filter-FORWARD-1 jump filter-a"]);
}

#[test]
fn rules_that_nothing_reaches_are_named() {
    let idle = |rules: &str| -> Vec<(usize, Why)> {
        let compiled = compile(rules, Optimize::Full);
        compiled.idle.iter().map(|of| (of.index, of.why)).collect()
    };
    assert_eq!(
        idle("-A FORWARD -i lo -j ACCEPT\n-A FORWARD -j DROP\n-A FORWARD -i eth0 -j ACCEPT\n"),
        [(2, Why::Covered(1))]
    );
    assert_eq!(
        idle(
            "-A FORWARD -s 10.0.0.1 -j ACCEPT\n-A FORWARD -p tcp -s 10.0.0.1 --dport 80 -j DROP\n"
        ),
        [(1, Why::Covered(0))]
    );
    assert_eq!(
        idle("-A FORWARD -s 10.0.0.0/8 -j DROP\n-A FORWARD -s 10.1.0.0/16 -j DROP\n"),
        [(1, Why::Covered(0))]
    );
    assert_eq!(
        idle("-A FORWARD ! -i + -j ACCEPT\n"),
        [(0, Why::Impossible)]
    );
    // Whatever the wider rule does.
    assert_eq!(
        idle(
            "-A FORWARD -s 10.0.0.0/8 -p tcp --dport 1:99 -j ACCEPT\n\
             -A FORWARD -s 10.1.0.0/16 -p tcp --dport 80 -j DROP\n\
             -A FORWARD -s 10.1.0.0/16 -p tcp --dport 99:100 -j DROP\n"
        ),
        [(1, Why::Covered(0))]
    );
    // After NOTRACK, or a jump to it, the state is another one.
    for between in ["-j NOTRACK", "-j a"] {
        let rules = format!(
            "*raw\n:PREROUTING ACCEPT [0:0]\n:a - [0:0]\n-A a -j NOTRACK\n\
             -A PREROUTING -m conntrack --ctstate UNTRACKED -j ACCEPT\n-A PREROUTING {between}\n\
             -A PREROUTING -m conntrack --ctstate UNTRACKED -j DROP\nCOMMIT\n"
        );
        assert_eq!(idle(&rules), [], "{rules}");
    }
    // A mark may have changed in between, and a limit takes a part of the packets only.
    let fine = [
        "-A FORWARD -m mark --mark 1 -j ACCEPT\n-A FORWARD -j MARK --set-mark 1\n\
         -A FORWARD -m mark --mark 1 -j DROP\n",
        "-A FORWARD -m limit --limit 1/s -j ACCEPT\n-A FORWARD -j DROP\n",
    ];
    for rules in fine {
        assert_eq!(idle(rules), [], "{rules}");
    }
}

#[test]
fn translations_become_a_map() {
    let rules = "*nat\n:PREROUTING ACCEPT [0:0]\n\
        -A PREROUTING -d 192.0.2.1/32 -p tcp -m tcp --dport 81 -j DNAT --to-destination 10.0.0.1:80\n\
        -A PREROUTING -d 192.0.2.1/32 -p tcp -m tcp --dport 82 -j DNAT --to-destination 10.0.0.2:80\n\
        -A PREROUTING -d 192.0.2.2/32 -p tcp -m tcp --dport 81 -j DNAT --to-destination 10.0.0.3:81\n\
        -A PREROUTING -d 192.0.2.1/32 -p tcp -m tcp --dport 81 -j DNAT --to-destination 10.0.0.9:80\n\
        COMMIT\n";
    let compiled = compile(rules, Optimize::Full);
    let covered: Vec<_> = compiled.idle.iter().map(|of| (of.index, of.why)).collect();
    assert_eq!(covered, [(3, Why::Covered(0))]);
    let text = text(compiled.table);
    let rule = "dnat to ip daddr . tcp dport map @nat-PREROUTING-1";
    assert!(text.contains(rule), "{text}");
    assert!(text.contains("192.0.2.2 . 81 : 10.0.0.3 . 81,"), "{text}");
    assert!(!text.contains("10.0.0.9"), "{text}");
}

/// The rules of a chain before and after folding.
fn both(rules: &str) -> (Vec<Rule>, Chain, Vec<dockfw_ir::Set>) {
    let forward = |table: &Table| -> Chain {
        let mut chains = table.chains.iter();
        chains
            .find(|chain| chain.name.as_str() == "filter-FORWARD")
            .unwrap()
            .clone()
    };
    let before = forward(&compile(rules, Optimize::None).table).rules;
    let after = compile(rules, Optimize::Full).table;
    (before, forward(&after), after.sets)
}

/// Something that spoils a folded chain: its rules, or the elements of its first set.
type Damage = fn(&mut Vec<Rule>, &mut Vec<Element>);

#[test]
fn a_wrong_fold_is_noticed() {
    let mut many = String::new();
    for n in 0..3000 {
        let _ = writeln!(
            many,
            "-A FORWARD -s 10.{}.{}.0/24 -p tcp --dport {} -j ACCEPT",
            n / 250,
            n % 250,
            n + 1
        );
    }
    let few = "-A FORWARD -s 10.0.0.0/24 -p tcp --dport 1 -j ACCEPT\n\
               -A FORWARD -s 10.0.1.0/24 -p tcp --dport 2 -j ACCEPT\n";
    for (rules, exhaustive) in [(few, true), (many.as_str(), false)] {
        let (before, after, sets) = both(rules);
        let tried = validate::same(&before, &after.rules, &sets).unwrap();
        assert_eq!(tried.all, exhaustive);
        let damages: [Damage; 5] = [
            |_, elements| {
                elements.remove(0);
            },
            |_, elements| {
                let last = elements.pop().unwrap();
                let wider = Value::new().and_ipv4([255, 255, 255, 255].into());
                let wider = last
                    .key_end
                    .as_deref()
                    .map(|end| wider.and_bytes(end.as_bytes().get(4..).unwrap()));
                elements.push(Element::member(last.key).until(wider.unwrap()));
            },
            |rules, _| {
                for rule in rules {
                    *rule.statements.last_mut().unwrap() = Statement::Verdict(Verdict::Drop);
                }
            },
            |rules, _| rules.clear(),
            |rules, _| {
                for rule in rules {
                    rule.statements.remove(0);
                }
            },
        ];
        for (index, damage) in damages.into_iter().enumerate() {
            let (mut rules, mut sets) = (after.rules.clone(), sets.clone());
            damage(&mut rules, &mut sets.first_mut().unwrap().elements);
            let found = validate::same(&before, &rules, &sets);
            // What stands at the far end of a long chain may be beyond the budget.
            assert!(found.is_err() || (!exhaustive && index == 1), "{index}");
        }
    }
}

/// A rule of a small world, so that rules meet.
fn rule() -> impl Strategy<Value = String> {
    let source = prop_oneof![
        Just(String::new()),
        (0..4_u8, 29..33_u8).prop_map(|(low, prefix)| {
            let mask = u32::MAX << (32 - u32::from(prefix));
            let address = std::net::Ipv4Addr::from((0x0a00_0000 + u32::from(low)) & mask);
            format!(" -s {address}/{prefix}")
        }),
        (0..3_u8, 0..3_u8).prop_map(|(first, more)| {
            format!(
                " -m iprange --src-range 10.0.0.{first}-10.0.0.{}",
                first + more
            )
        }),
        (0..3_u8).prop_map(|low| format!(" ! -s 10.0.0.{low}")),
    ];
    let port = prop_oneof![
        Just(String::new()),
        (1..4_u16).prop_map(|port| format!(" -p tcp --dport {port}")),
        (1..3_u16, 0..3_u16)
            .prop_map(|(first, more)| format!(" -p tcp --dport {first}:{}", first + more)),
        Just(" -p udp -m multiport --dports 1,3".to_owned()),
        Just(" -p tcp -m multiport --ports 1,2".to_owned()),
    ];
    let state = prop_oneof![
        4 => Just(""),
        1 => Just(" -m conntrack --ctstate NEW,DNAT"),
        1 => Just(" -m conntrack ! --ctstate DNAT"),
        1 => Just(" -m mark --mark 1"),
        1 => Just(" -m mark --mark 2"),
        1 => Just(" -m limit --limit 1/s"),
    ];
    let target = prop_oneof![
        4 => Just("ACCEPT"),
        4 => Just("DROP"),
        1 => Just("RETURN"),
        1 => Just("REJECT"),
        1 => Just("LOG"),
        1 => Just("a"),
        1 => Just("MARK --set-mark 1"),
    ];
    (source, port, state, target)
        .prop_filter("a limit stands in one rule", |(_, port, state, _)| {
            !(state.contains("limit") && port.contains("--ports"))
        })
        .prop_map(|(source, port, state, target)| {
            format!("-A FORWARD{source}{port}{state} -j {target}\n")
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Chains of rules that overlap, repeat and shadow each other keep their meaning.
    #[test]
    fn folding_keeps_the_meaning(rules in proptest::collection::vec(rule(), 1..24)) {
        let rules = format!("-N a\n{}", rules.concat());
        let (before, after, sets) = both(&rules);
        let same = validate::same(&before, &after.rules, &sets);
        prop_assert!(same.is_ok(), "{rules}\n{same:?}");
    }
}

#[test]
fn keys_that_do_not_fit_a_register_stay_rules() {
    let mut rules = String::new();
    for n in 1..4 {
        let address = format!("2001:db8::{n:x}");
        let _ = writeln!(
            rules,
            "-A FORWARD -i eth{n} -o br{n} -s {address} -d {address} -p tcp --dport {n} -j ACCEPT"
        );
    }
    let loaded = load(&rules, Family::Ipv6, &Assume::default()).unwrap();
    let name = TableName::new("dockfw").unwrap();
    let compiled = table(&loaded.program, name, Optimize::Full).unwrap();
    assert_eq!(compiled.table.sets, []);
    assert_eq!(compiled.table.chains.first().unwrap().rules.len(), 3);
}

#[test]
fn lists_that_multiply_stay_rules() {
    let ports = |first: u16| {
        let list: Vec<_> = (0..15).map(|n| (first + 2 * n).to_string()).collect();
        list.join(",")
    };
    let rule = |first| {
        format!(
            "-A FORWARD -p tcp -m multiport --sports {} -m multiport --dports {} -j ACCEPT\n",
            ports(first),
            ports(first + 1000)
        )
    };
    let (forward, _) = folded(&format!("{}{}", rule(1), rule(101)));
    assert_eq!(forward.len(), 2);
}

#[test]
fn numbers_follow_the_source() {
    let drop = |source| Numbered {
        rule: Rule {
            statements: vec![Statement::Counter, Statement::Verdict(Verdict::Drop)],
            comment: None,
        },
        source,
    };
    let name = |number: usize| SetName::new(&format!("s{number}")).unwrap();
    let folded = fold(vec![drop(3), drop(7)], name);
    let unreachable: Vec<_> = folded
        .unreachable
        .iter()
        .map(|of| (of.source, of.because))
        .collect();
    assert_eq!((folded.rules.len(), unreachable), (1, vec![(7, 3)]));
    assert!(folded.sets.is_empty(), "one rule needs no set");
}
