//! One chain: its rules lowered, folded and compared.

use std::fmt::Write as _;

use std::collections::{BTreeMap, BTreeSet};

use dockfw_iptables::eval::Hook as XtHook;
use dockfw_iptables::{ChainName as XtChainName, Match, Program, Rule as XtRule, Table as XtTable};
use dockfw_ir::chain::{Chain, Rule};
use dockfw_ir::expr::Expr;
use dockfw_ir::name::{ChainName, Comment, SetName};
use dockfw_ir::set::Set;
use dockfw_ir::statement::{Match as Test, Statement};

use super::hooks::Hooks;
use super::recent::Lists;
use super::targets::{Action, action};
use super::ways::Ways;
use super::{Idle, Place, Reason, Refused, Why, header, matches};
use crate::optimize::{Numbered, Optimize, fold, validate};

/// How the chains of a program are called in a ruleset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainNames {
    prefix: String,
    /// Names that are ours already.
    fixed: Vec<(XtChainName, ChainName)>,
}

impl ChainNames {
    /// Chains are called `PREFIX` and their name; what nft cannot read in a name, and the dot,
    /// becomes a dot and two hexadecimal digits.
    pub fn new(prefix: impl Into<String>) -> Self {
        Self {
            prefix: prefix.into(),
            fixed: Vec::new(),
        }
    }

    /// Gives a chain a name of its own.
    #[must_use]
    pub fn with(mut self, chain: XtChainName, name: ChainName) -> Self {
        self.fixed.push((chain, name));
        self
    }

    /// The name of a chain; `None` when it is too long for the kernel.
    pub fn of(&self, chain: &XtChainName) -> Option<ChainName> {
        let mut fixed = self.fixed.iter();
        if let Some((_, name)) = fixed.find(|(of, _)| of == chain) {
            return Some(name.clone());
        }
        let mut name = self.prefix.clone();
        for byte in chain.as_str().bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
                name.push(char::from(byte));
            } else {
                let _ = write!(name, ".{byte:02x}");
            }
        }
        ChainName::new(&name).ok()
    }
}

/// What is being compiled, and what came of it.
pub(super) struct Compiler {
    pub(super) place: Place,
    pub(super) names: ChainNames,
    pub(super) optimize: Optimize,
    pub(super) sets: Vec<Set>,
    pub(super) refused: Vec<Refused>,
    pub(super) idle: Vec<Idle>,
    /// The hooks from which packets get to each chain.
    reached: BTreeMap<XtChainName, BTreeSet<XtHook>>,
    /// What the program does with lists of addresses.
    lists: Lists,
}

impl Compiler {
    pub(super) fn new(place: Place, names: ChainNames, optimize: Optimize) -> Self {
        Self {
            place,
            names,
            optimize,
            sets: Vec::new(),
            refused: Vec::new(),
            idle: Vec::new(),
            reached: BTreeMap::new(),
            lists: Lists::default(),
        }
    }

    /// Says how packets get to the chains that are compiled, those of a table of the program.
    pub(super) fn of_table(&mut self, program: &Program, table: &XtTable) {
        self.reached = table.reached();
        self.lists = Lists::new(program, table);
    }

    /// Lowers the rules of a chain; `first` is the index of the first of them in the chain.
    ///
    /// Sets are called after `name`.
    pub(super) fn rules<'r>(
        &mut self,
        chain: &XtChainName,
        name: &ChainName,
        first: usize,
        rules: impl IntoIterator<Item = &'r XtRule>,
    ) -> Vec<Rule> {
        let hooks = self.reached.get(chain);
        self.place.hooks = hooks.map(Hooks::new).unwrap_or_default();
        let mut lowered = Vec::new();
        for (index, rule) in (first..).zip(rules) {
            match self.rule(rule) {
                Ok(made) if made.is_empty() => self.idle(chain, index, Why::Impossible),
                Ok(made) => lowered.extend(made.into_iter().map(|rule| Numbered {
                    rule,
                    source: index,
                })),
                Err(reason) => self.refused.push(Refused {
                    table: self.place.table,
                    chain: chain.clone(),
                    index,
                    reason,
                }),
            }
        }
        if self.optimize == Optimize::None {
            return lowered.into_iter().map(|of| of.rule).collect();
        }
        let plain: Vec<Rule> = lowered.iter().map(|of| of.rule.clone()).collect();
        let known = self.sets.len();
        let folded = fold(lowered, |number| set_name(name, known + number));
        for of in &folded.unreachable {
            self.idle(chain, of.source, Why::Covered(of.because));
        }
        match validate::same(&plain, &folded.rules, &folded.sets) {
            Ok(_) => {
                self.sets.extend(folded.sets);
                folded.rules
            }
            Err(witness) => {
                let message = format!(
                    "the folded chain differs from its rules for the packet [{}]: {} became {}; \
                     this is a bug of dockfw, please report it",
                    witness.packet, witness.before, witness.after
                );
                self.refused.push(Refused {
                    table: self.place.table,
                    chain: chain.clone(),
                    index: first,
                    reason: Reason::new(message, "compile with --optimize=none"),
                });
                plain
            }
        }
    }

    /// A whole chain without hook.
    pub(super) fn user_chain(&mut self, chain: &dockfw_iptables::Chain) -> Option<Chain> {
        let name = self.chain_name(chain.name(), chain.name(), 0)?;
        let rules = self.rules(chain.name(), &name, 0, chain.rules());
        Some(Chain {
            name,
            base: None,
            rules,
            comment: None,
        })
    }

    /// The name of a chain, or a refusal where it is needed.
    fn chain_name(
        &mut self,
        name: &XtChainName,
        at: &XtChainName,
        index: usize,
    ) -> Option<ChainName> {
        let found = self.names.of(name);
        if found.is_none() {
            self.refused.push(Refused {
                table: self.place.table,
                chain: at.clone(),
                index,
                reason: Reason::new(
                    format!("the chain name {name} is too long for nftables"),
                    "give the chain a shorter name",
                ),
            });
        }
        found
    }

    fn idle(&mut self, chain: &XtChainName, index: usize, why: Why) {
        self.idle.push(Idle {
            table: self.place.table,
            chain: chain.clone(),
            index,
            why,
        });
    }

    fn rule(&mut self, rule: &XtRule) -> Result<Vec<Rule>, Reason> {
        let mut ways = header::ways(rule, self.place)?;
        let last = matches::recent::last(rule, self.place.family)?;
        let mut notes = Vec::new();
        for extension in &rule.matches {
            let sets = &mut self.sets;
            let more = matches::ways(extension, rule, self.place, sets, &self.lists)?;
            if let Match::Recent(recent) = extension
                && let Some(note) = matches::recent::note(recent, self.place.family)?
                && last.as_ref() != Some(&note)
            {
                notes.extend(ways.clone().and(&Ways::one(note)).0);
            }
            ways = ways.and(&more);
        }
        let actions = match action(rule.target.as_ref(), self.place)? {
            Action::Do(statements) => vec![statements],
            Action::Else(statements, otherwise) => {
                repeatable(&ways)?;
                vec![statements, otherwise]
            }
            Action::Chain(chain, leads) => {
                let name = self.names.of(&chain).ok_or_else(|| {
                    let message = format!("the chain name {chain} is too long for nftables");
                    Reason::new(message, "give the chain a shorter name")
                })?;
                vec![vec![leads.to(name)]]
            }
        };
        one_state(&ways)?;
        if !ways.0.is_empty() && notes.iter().flatten().any(keeps_state) {
            return Err(Reason::new(
                "`recent --set` notes the address in a rule of its own, in which the limit before it \
                 would count again",
                "jump to a chain by a rule with the limit, and write the rest there",
            ));
        }
        let comment = comment(rule);
        let mut rules = Vec::new();
        for statements in notes {
            self.place.hooks.allow(&statements)?;
            rules.push(Rule {
                statements,
                comment: comment.clone(),
            });
        }
        for tests in ways.0 {
            for action in &actions {
                let tests = tests.iter().cloned();
                let statements: Vec<Statement> = tests
                    .chain([Statement::Counter])
                    .chain(action.iter().cloned())
                    .chain(last.clone())
                    .collect();
                self.place.hooks.allow(&statements)?;
                rules.push(Rule {
                    statements,
                    comment: comment.clone(),
                });
            }
        }
        Ok(rules)
    }
}

/// What a target does otherwise is a second rule with the same tests, which must not count again.
fn repeatable(ways: &Ways) -> Result<(), Reason> {
    if ways.0.iter().flatten().any(keeps_state) {
        return Err(Reason::new(
            "the packets that this target drops are dropped by a second rule, in which a limit would \
             count again",
            "jump to a chain by a rule with the limit, and write the target there",
        ));
    }
    Ok(())
}

/// Whether a test depends on how often it was asked, or changes something. That an address is in a
/// set, or is put there, is the same at the second time.
fn keeps_state(statement: &Statement) -> bool {
    if let Statement::Dynset(of) = statement {
        return of.statement.is_some();
    }
    let Statement::Match(Test { key, .. }) = statement else {
        return true;
    };
    key.0.iter().any(|expr| matches!(expr, Expr::Numgen(_)))
}

/// A limit or a counter of packets stands for all ways together, so that there can be only one.
fn one_state(ways: &Ways) -> Result<(), Reason> {
    if ways.0.len() > 1 && ways.0.iter().flatten().any(keeps_state) {
        return Err(Reason::new(
            "a limit together with a match that becomes several rules would count each by itself",
            "write the rule twice, for example with --sports and with --dports, or jump to a chain \
             that has the limit",
        ));
    }
    Ok(())
}

/// The comments of a rule, behind each other.
fn comment(rule: &XtRule) -> Option<Comment> {
    let texts = rule.matches.iter().filter_map(|one| {
        let Match::Comment(comment) = one else {
            return None;
        };
        Some(comment.as_str())
    });
    let text = texts.collect::<Vec<_>>().join("; ");
    if text.is_empty() {
        None
    } else {
        Comment::lossy(&text)
    }
}

/// The sets of a program's table are numbered, behind the begin of their chain's name.
#[expect(
    clippy::expect_used,
    reason = "the begin of a chain name and a number are a set name"
)]
fn set_name(chain: &ChainName, number: usize) -> SetName {
    /// Short enough for a name with a number (`NFT_NAME_MAXLEN` is 256).
    const LONGEST: usize = 200;
    let begin = chain.as_str().get(..LONGEST).unwrap_or(chain.as_str());
    SetName::new(&format!("{begin}-{number}")).expect("a name with a number")
}
