//! Random pairs of tables.

use dockfw_ir::chain::{BaseChain, Chain, ChainKind, Hook, Policy, Rule};
use dockfw_ir::diff::{ChainChange, RuleEdit, diff};
use dockfw_ir::expr::Payload;
use dockfw_ir::name::{ChainName, Comment, SetName, TableName};
use dockfw_ir::set::{Element, ElementData, Set, SetKind};
use dockfw_ir::statement::{Statement, Verdict};
use dockfw_ir::table::{Family, Table};
use dockfw_ir::value::{DataType, Value};
use proptest::prelude::*;

use crate::model::{apply, sorted};

const CHAINS: [&str; 4] = ["a", "b", "c", "d"];
const SETS: [&str; 3] = ["s", "t", "v"];

fn rule() -> impl Strategy<Value = Rule> {
    let statement = prop_oneof![
        4 => Just(Statement::Verdict(Verdict::Accept)),
        2 => (0..CHAINS.len()).prop_map(|i| {
            Statement::Verdict(Verdict::Jump(ChainName::new(CHAINS[i]).unwrap()))
        }),
        2 => (0..2_usize).prop_map(|i| {
            Statement::in_set(Payload::IpSaddr, &SetName::new(SETS[i]).unwrap())
        }),
        1 => Just(Statement::vmap(Payload::IpSaddr, &SetName::new("v").unwrap())),
    ];
    (statement, 0..4_u8).prop_map(|(statement, number)| Rule {
        statements: vec![statement],
        comment: Comment::lossy(&number.to_string()),
    })
}

fn base() -> impl Strategy<Value = Option<BaseChain>> {
    let policy = prop_oneof![Just(Policy::Accept), Just(Policy::Drop)];
    proptest::option::of((0..2_i32, policy).prop_map(|(priority, policy)| BaseChain {
        kind: ChainKind::Filter,
        hook: Hook::Forward,
        priority,
        policy,
    }))
}

fn comment() -> impl Strategy<Value = Option<Comment>> {
    prop_oneof![5 => Just(None), 1 => Just(Comment::lossy("why"))]
}

fn chains() -> impl Strategy<Value = Vec<Chain>> {
    let chain = || {
        let rules = proptest::collection::vec(rule(), 0..9);
        (proptest::bool::weighted(0.8), base(), comment(), rules)
    };
    let all = [chain(), chain(), chain(), chain()];
    (all, Just(CHAINS.to_vec()).prop_shuffle()).prop_map(|(chains, names)| {
        let named = chains.into_iter().zip(names);
        named
            .filter(|((is, ..), _)| *is)
            .map(|((_, base, comment, rules), name)| Chain {
                name: ChainName::new(name).unwrap(),
                base,
                rules,
                comment,
            })
            .collect()
    })
}

fn set(index: usize) -> impl Strategy<Value = Option<Set>> {
    let verdicts = index == 2;
    let element = (0..8_u32, 0..3_usize, comment()).prop_map(move |(key, target, comment)| {
        let key = Value::new().and_ipv4(key.into());
        let element = if verdicts {
            let chain = ChainName::new(CHAINS[target]).unwrap();
            Element::verdict(key, Verdict::Jump(chain))
        } else {
            Element::member(key)
        };
        element.with_comment(comment)
    });
    let elements = proptest::collection::vec(element, 0..8);
    (
        proptest::bool::weighted(0.8),
        elements,
        1..3_u32,
        comment(),
        proptest::bool::weighted(0.1),
    )
        .prop_map(move |(is, mut elements, size, comment, dynamic)| {
            elements.sort_by(|a, b| a.key.cmp(&b.key));
            elements.dedup_by(|a, b| a.key == b.key);
            is.then(|| Set {
                name: SetName::new(SETS[index]).unwrap(),
                key: vec![DataType::Ipv4Addr],
                kind: if verdicts {
                    SetKind::VerdictMap
                } else {
                    SetKind::Set
                },
                interval: false,
                dynamic: dynamic && !verdicts,
                counter: false,
                timeout: None,
                size: Some(4 * size),
                comment,
                elements: if dynamic && !verdicts {
                    Vec::new()
                } else {
                    elements
                },
            })
        })
}

fn table() -> impl Strategy<Value = Table> {
    (set(0), set(1), set(2), chains()).prop_map(|(s, t, v, chains)| {
        let mut sets: Vec<Set> = [s, t, v].into_iter().flatten().collect();
        for set in &mut sets {
            // The verifier sees to it.
            set.elements
                .truncate(usize::try_from(set.size.unwrap()).unwrap());
        }
        let mut table = Table {
            family: Family::Inet,
            name: TableName::new("t").unwrap(),
            comment: None,
            sets,
            chains,
        };
        connect(&mut table);
        table
    })
}

/// Takes out what names a chain or set that is not there, or that cannot be jumped to.
fn connect(table: &mut Table) {
    let regular: Vec<String> = table
        .chains
        .iter()
        .filter(|chain| chain.base.is_none())
        .map(|chain| chain.name.to_string())
        .collect();
    let sets: Vec<String> = table.sets.iter().map(|set| set.name.to_string()).collect();
    let leads = |verdict: &Verdict| match verdict {
        Verdict::Jump(to) | Verdict::Goto(to) => regular.contains(&to.to_string()),
        Verdict::Accept | Verdict::Drop | Verdict::Continue | Verdict::Return => true,
    };
    for chain in &mut table.chains {
        chain.rules.retain(|rule| match &rule.statements[0] {
            Statement::Verdict(verdict) => leads(verdict),
            other => sets
                .iter()
                .any(|set| format!("{other:?}").contains(&format!("SetName(\"{set}\")"))),
        });
    }
    for set in &mut table.sets {
        set.elements.retain(|element| match &element.data {
            ElementData::Verdict(verdict) => leads(verdict),
            ElementData::None | ElementData::Value(_) => true,
        });
    }
}

/// A few random changes of a table, or another one.
fn pair() -> impl Strategy<Value = (Table, Table)> {
    prop_oneof![
        (table(), table()),
        (table(), table(), 0..4_usize, 0..3_usize).prop_map(|(from, other, chain, set)| {
            let mut to = from.clone();
            if let (Some(old), Some(new)) = (to.chains.get_mut(chain), other.chains.get(chain)) {
                old.rules.extend(new.rules.iter().take(2).cloned());
                let by = usize::from(old.rules.len() > 2);
                old.rules.rotate_left(by);
            }
            if let (Some(old), Some(new)) = (to.sets.get_mut(set), other.sets.get(set))
                && old.name == new.name
            {
                old.elements.clone_from(&new.elements);
                old.size = new.size;
            }
            connect(&mut to);
            (from, to)
        })
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    /// What the model makes of the changes is the wanted table.
    #[test]
    fn changes_make_one_table_of_the_other((from, to) in pair()) {
        let changes = diff(&from, &to);
        let made = apply(&changes);
        prop_assert_eq!(sorted(&made), sorted(&to), "{:#?}", changes);
        prop_assert_eq!(changes.is_empty(), sorted(&from) == sorted(&to));
        // And then there is nothing to do.
        prop_assert!(diff(&made, &to).is_empty());
        prop_assert!(diff(&to, &made).is_empty());
    }

    /// As many rules stay as can: the longest common subsequence, found by the square table.
    #[test]
    fn no_more_rules_change_than_must(
        old in proptest::collection::vec(rule(), 0..30),
        new in proptest::collection::vec(rule(), 0..30),
    ) {
        let chain = |rules: &[Rule]| Chain {
            name: ChainName::new("x").unwrap(),
            base: None,
            rules: rules.to_vec(),
            comment: None,
        };
        let table = |rules: &[Rule]| Table {
            family: Family::Inet,
            name: TableName::new("t").unwrap(),
            comment: None,
            sets: vec![],
            chains: vec![chain(rules)],
        };
        let (from, to) = (table(&old), table(&new));
        let changes = diff(&from, &to);
        let edits: &[RuleEdit] = match changes.chains.as_slice() {
            [] => &[],
            [ChainChange::Changed { rules, .. }] => rules,
            other => panic!("{other:?}"),
        };
        let gone = edits.iter().filter(|edit| !matches!(edit, RuleEdit::Insert { .. })).count();
        prop_assert_eq!(old.len() - gone, longest_common(&old, &new));
        // What could take the place of another does.
        let inserted = edits.iter().any(|edit| matches!(edit, RuleEdit::Insert { before: None, .. }));
        let last_is_deleted = matches!(edits.last(), Some(RuleEdit::Delete { .. }));
        prop_assert!(!(inserted && last_is_deleted));
    }
}

fn longest_common(a: &[Rule], b: &[Rule]) -> usize {
    let mut lengths = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, x) in a.iter().enumerate() {
        for (j, y) in b.iter().enumerate() {
            lengths[i + 1][j + 1] = if x == y {
                lengths[i][j] + 1
            } else {
                lengths[i][j + 1].max(lengths[i + 1][j])
            };
        }
    }
    lengths[a.len()][b.len()]
}
