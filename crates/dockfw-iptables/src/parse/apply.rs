//! Commands carried out one after another, as iptables(8) would, on tables that begin empty.

use super::command::Command;
use super::error::{ErrorKind, ParseError, Span, nearest};
use super::graph;
use super::loaded::{Assume, Loaded, Origins};
use super::rule::nearest_target;
use super::script::{Located, Script};
use crate::name::ChainName;
use crate::program::{Family, Program, Table, TableName};
use crate::rule::Rule;
use crate::target::Target;

/// Reads a text and carries it out.
///
/// # Errors
///
/// Everything that is wrong with the text. When lines could not be read, positions and rules to
/// be deleted are not checked: they may depend on those lines.
pub fn load(text: &str, family: Family, assume: &Assume) -> Result<Loaded, Vec<ParseError>> {
    let (script, mut errors) = Script::parse(text, family);
    let unread = !errors.is_empty();
    match script.apply(assume) {
        Ok(loaded) if !unread => return Ok(loaded),
        Ok(_) => {}
        Err(more) => {
            let more = more.into_iter();
            errors.extend(more.filter(|error| !unread || error.kind != ErrorKind::Position));
        }
    }
    errors.sort_by_key(|error| error.span);
    Err(errors)
}

impl Script {
    /// Carries the commands out on empty tables.
    ///
    /// `*table` empties its table, as iptables-restore does without `--noflush`.
    ///
    /// # Errors
    ///
    /// Every command that iptables would refuse after the ones in front of it, and every rule
    /// that the kernel would refuse where it stands.
    pub fn apply(&self, assume: &Assume) -> Result<Loaded, Vec<ParseError>> {
        let mut run = Run {
            assume,
            loaded: Loaded {
                program: Program::new(self.family),
                origins: Origins::default(),
            },
            errors: Vec::new(),
        };
        for located in &self.commands {
            if let Err(error) = run.command(located) {
                run.errors.push(error);
            }
        }
        run.errors.extend(graph::check(&run.loaded));
        if run.errors.is_empty() {
            Ok(run.loaded)
        } else {
            run.errors.sort_by_key(|error| error.span);
            Err(run.errors)
        }
    }
}

struct Run<'a> {
    assume: &'a Assume,
    loaded: Loaded,
    errors: Vec<ParseError>,
}

type Done = Result<(), ParseError>;

impl Run<'_> {
    fn table(&mut self, name: TableName) -> &mut Table {
        self.loaded.program.table_mut(name)
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each command")]
    fn command(&mut self, located: &Located) -> Done {
        let Located {
            span,
            table: name,
            ref command,
        } = *located;
        match command {
            Command::Table => {
                *self.table(name) = Table::new(name);
                self.loaded.origins.0.remove(&name);
            }
            Command::Commit | Command::Check { .. } | Command::Look => {
                self.table(name);
            }
            Command::Chain {
                name: chain,
                policy,
                ..
            } => return self.declare(name, chain, *policy, span),
            Command::Append { chain, rules, .. } => {
                for rule in rules {
                    self.jump(name, rule, span)?;
                    self.chain(name, chain, span)?.append(rule.clone());
                    self.loaded.origins.of_mut(name, chain).push_back(span);
                }
            }
            Command::Insert {
                chain,
                position,
                rules,
                ..
            } => {
                for rule in rules {
                    self.jump(name, rule, span)?;
                    let found = self.chain(name, chain, span)?;
                    let length = found.rules().len();
                    if *position > length + 1 {
                        return Err(no_position(span, chain, *position, length));
                    }
                    found.insert(*position, rule.clone());
                    let origins = self.loaded.origins.of_mut(name, chain);
                    origins.insert(position.saturating_sub(1).min(origins.len()), span);
                }
            }
            Command::Replace {
                chain,
                position,
                rule,
                ..
            } => {
                self.jump(name, rule, span)?;
                let found = self.chain(name, chain, span)?;
                let length = found.rules().len();
                if !found.replace(*position, rule.clone()) {
                    return Err(no_position(span, chain, *position, length));
                }
                let origins = self.loaded.origins.of_mut(name, chain);
                if let Some(origin) = origins.get_mut(position.saturating_sub(1)) {
                    *origin = span;
                }
            }
            Command::Delete { chain, rules } => {
                for rule in rules {
                    let found = self.chain(name, chain, span)?;
                    let Some(index) = found.position(rule) else {
                        return Err(ParseError::new(
                            span,
                            ErrorKind::Position,
                            format!("{chain} has no such rule"),
                            "write the rule as it was added, in every part",
                        ));
                    };
                    found.remove(index + 1);
                    self.loaded.origins.of_mut(name, chain).remove(index);
                }
            }
            Command::DeleteAt { chain, position } => {
                let found = self.chain(name, chain, span)?;
                let length = found.rules().len();
                if !found.remove(*position) {
                    return Err(no_position(span, chain, *position, length));
                }
                let origins = self.loaded.origins.of_mut(name, chain);
                origins.remove(position.saturating_sub(1));
            }
            Command::NewChain(chain) => {
                if self.table(name).chain(chain.as_str()).is_some() {
                    return Err(there_already(span, chain));
                }
                self.table(name).create_chain(chain.clone());
            }
            Command::DeleteChain(Some(chain)) => return self.delete_chain(name, chain, span),
            Command::DeleteChain(None) => {
                let chains = self.table(name).chains();
                let user: Vec<ChainName> = chains
                    .filter(|chain| chain.policy().is_none())
                    .map(|chain| chain.name().clone())
                    .collect();
                for chain in user {
                    self.delete_chain(name, &chain, span)?;
                }
            }
            Command::Flush(Some(chain)) => {
                self.chain(name, chain, span)?.flush();
                self.loaded.origins.of_mut(name, chain).clear();
            }
            Command::Flush(None) => {
                self.table(name).flush();
                self.loaded.origins.0.remove(&name);
            }
            Command::Policy { chain, policy } => {
                let found = self.chain(name, chain, span)?;
                if found.policy().is_none() {
                    return Err(no_policy(span, chain));
                }
                found.set_policy(*policy);
            }
            Command::Rename { from, to } => return self.rename(name, from, to, span),
        }
        Ok(())
    }

    /// A chain that is there, or is taken to be there.
    fn chain(
        &mut self,
        table: TableName,
        name: &ChainName,
        span: Span,
    ) -> Result<&mut crate::chain::Chain, ParseError> {
        self.appear(table, name);
        let known: Vec<String> = match self.table(table).chain(name.as_str()) {
            Some(_) => Vec::new(),
            None => self.names(table),
        };
        self.table(table).chain_mut(name.as_str()).ok_or_else(|| {
            let help = match nearest(name.as_str(), known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("make it in front of this line, with -N {name}"),
            };
            ParseError::new(
                span,
                ErrorKind::Chain,
                format!("the table {} has no chain {name}", table.as_str()),
                help,
            )
        })
    }

    fn appear(&mut self, table: TableName, name: &ChainName) {
        if self.assume.chains.contains(name) {
            self.table(table).create_chain(name.clone());
        }
    }

    fn names(&mut self, table: TableName) -> Vec<String> {
        let chains = self.table(table).chains();
        chains.map(|chain| chain.name().to_string()).collect()
    }

    /// Whether the chain that a rule leads to is there and is the user's.
    fn jump(&mut self, table: TableName, rule: &Rule, span: Span) -> Done {
        let (Some(Target::Jump(to) | Target::Goto(to)), letter) = (
            &rule.target,
            if matches!(rule.target, Some(Target::Goto(_))) {
                "-g"
            } else {
                "-j"
            },
        ) else {
            return Ok(());
        };
        self.appear(table, to);
        match self.table(table).chain(to.as_str()) {
            Some(chain) if chain.policy().is_none() => Ok(()),
            Some(_) => Err(ParseError::new(
                span,
                ErrorKind::Chain,
                format!("a rule cannot lead to the built-in chain {to}"),
                "make a chain of your own with -N and lead to that",
            )),
            None => {
                let known = self.names(table);
                let known = known.iter().map(String::as_str);
                let help = match nearest_target(to.as_str()).or_else(|| nearest(to.as_str(), known))
                {
                    Some(near) => format!("did you mean {letter} {near}?"),
                    None => format!("make it in front of this line, with -N {to}"),
                };
                Err(ParseError::new(
                    span,
                    ErrorKind::Chain,
                    format!("{to} is neither a target nor a chain of {}", table.as_str()),
                    help,
                ))
            }
        }
    }

    fn declare(
        &mut self,
        table: TableName,
        chain: &ChainName,
        policy: Option<crate::chain::Policy>,
        span: Span,
    ) -> Done {
        self.table(table).create_chain(chain.clone());
        let found = self.chain(table, chain, span)?;
        match (policy, found.policy()) {
            (Some(_), None) => return Err(no_policy(span, chain)),
            (Some(policy), Some(_)) => found.set_policy(policy),
            (None, _) => {}
        }
        found.flush();
        self.loaded.origins.of_mut(table, chain).clear();
        Ok(())
    }

    fn delete_chain(&mut self, table: TableName, chain: &ChainName, span: Span) -> Done {
        let found = self.chain(table, chain, span)?;
        let (message, help) = if found.policy().is_some() {
            (
                format!("{chain} is built in and stays"),
                "leave the line out",
            )
        } else if found.rules().len() > 0 {
            (
                format!("{chain} still has rules"),
                "write -F in front of -X",
            )
        } else if self.table(table).delete_chain(chain.as_str()) {
            return Ok(());
        } else {
            (
                format!("a rule still leads to {chain}"),
                "delete that rule first",
            )
        };
        Err(ParseError::new(span, ErrorKind::Chain, message, help))
    }

    fn rename(&mut self, table: TableName, from: &ChainName, to: &ChainName, span: Span) -> Done {
        if self.chain(table, from, span)?.policy().is_some() {
            return Err(ParseError::new(
                span,
                ErrorKind::Chain,
                format!("{from} is built in and keeps its name"),
                "rename a chain of your own",
            ));
        }
        if !self.table(table).rename_chain(from, to) {
            return Err(there_already(span, to));
        }
        let origins = std::mem::take(self.loaded.origins.of_mut(table, from));
        *self.loaded.origins.of_mut(table, to) = origins;
        Ok(())
    }
}

fn no_position(span: Span, chain: &ChainName, position: usize, length: usize) -> ParseError {
    let help = match length {
        0 => "leave the position out".to_owned(),
        _ => format!("write a number from 1 to {length}"),
    };
    ParseError::new(
        span,
        ErrorKind::Position,
        format!("{chain} has {length} rules, and position {position} is none of them"),
        help,
    )
}

fn there_already(span: Span, chain: &ChainName) -> ParseError {
    ParseError::new(
        span,
        ErrorKind::Chain,
        format!("the chain {chain} is there already"),
        "leave the line out, or choose another name",
    )
}

fn no_policy(span: Span, chain: &ChainName) -> ParseError {
    ParseError::new(
        span,
        ErrorKind::Chain,
        format!("{chain} is not built in and has no policy"),
        "end the chain with a rule for all packets instead",
    )
}
