//! One line as a command.

use super::command::{Command, Counters, table};
use super::error::{ErrorKind, ParseError, Span};
use super::generic::Generic;
use super::lex::Word;
use super::read;
use super::rule::{self, Place, first, used};
use super::scan::{Scanned, Scanner, Used};
use crate::chain::Policy;
use crate::name::ChainName;
use crate::program::{Family, TableName};
use crate::rule::Rule;

/// What is known before a line is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context {
    pub(super) family: Family,
    /// The table of the `*table` line above; `None` outside of one.
    pub(super) section: Option<TableName>,
    /// The family of the program that the line names, if it names one.
    pub(super) program: Option<Family>,
}

/// A line for the family, or nothing when it is for the other one or has mistakes.
pub(super) fn read(
    words: &[Word],
    line: Span,
    counters: Option<Counters>,
    context: Context,
    errors: &mut Vec<ParseError>,
) -> Option<(TableName, Command)> {
    let before = errors.len();
    let scanned = Scanner::new(words, context.family, errors).run();
    let mut reader = Reader {
        scanned,
        line,
        counters,
        context,
        errors,
    };
    match reader.family() {
        // What is wrong for one family may be right for the other.
        Some(family) if family != context.family => {
            errors.truncate(before);
            return None;
        }
        _ => {}
    }
    let table = reader.table();
    let command = reader.command(table)?;
    (errors.len() == before).then_some((table, command))
}

struct Reader<'a> {
    scanned: Scanned,
    line: Span,
    counters: Option<Counters>,
    context: Context,
    errors: &'a mut Vec<ParseError>,
}

impl Reader<'_> {
    fn error(
        &mut self,
        span: Span,
        kind: ErrorKind,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.errors.push(ParseError::new(span, kind, message, help));
    }

    /// The family the line is for, if it says so.
    fn family(&mut self) -> Option<Family> {
        let flag = |option, family| used(&self.scanned, option).map(|used| (family, used.span));
        let said = flag(Generic::Ipv4, Family::Ipv4).or(flag(Generic::Ipv6, Family::Ipv6));
        match (said, self.context.program) {
            (Some((said, span)), Some(program)) if said != program => {
                self.error(
                    span,
                    ErrorKind::Contradictory,
                    "the program is for the other family",
                    "write iptables for IPv4 and ip6tables for IPv6",
                );
                Some(program)
            }
            (Some((said, _)), _) => Some(said),
            (None, program) => program,
        }
    }

    fn table(&mut self) -> TableName {
        let section = self.context.section;
        let default = section.unwrap_or(TableName::Filter);
        let Some(used) = used(&self.scanned, Generic::Table) else {
            return default;
        };
        let (text, span) = first(used);
        match table(text) {
            Ok(table) => {
                if section.is_some_and(|section| section != table) {
                    self.error(
                        span,
                        ErrorKind::Contradictory,
                        "the line stands in the section of another table",
                        format!("put it below a *{} line", table.as_str()),
                    );
                }
                table
            }
            Err(bad) => {
                self.errors.push(bad.at(span));
                default
            }
        }
    }

    fn command(&mut self, table: TableName) -> Option<Command> {
        let commands: Vec<Used> = self
            .scanned
            .used
            .iter()
            .filter(|used| used.option.is_command())
            .cloned()
            .collect();
        let Some(command) = commands.first() else {
            self.error(
                self.line,
                ErrorKind::Missing,
                "the line does not say what to do with the rule",
                "begin with -A and a chain",
            );
            // The rule is read nevertheless, to say what else is wrong.
            self.rules(table, "");
            return None;
        };
        let look = |used: &Used| is_look(used.option);
        if let Some(second) = commands.get(1)
            && !commands.iter().any(look)
        {
            self.error(
                second.span,
                ErrorKind::Contradictory,
                "a line has one command",
                "write the commands on lines of their own",
            );
            return None;
        }
        let command = commands
            .iter()
            .find(|used| !look(used))
            .unwrap_or(command)
            .clone();
        if takes_rule(&command) {
            self.with_rule(&command, table)
        } else {
            self.refuse_rule();
            self.without_rule(&command, table)
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the caller has sorted the commands"
    )]
    fn with_rule(&mut self, command: &Used, table: TableName) -> Option<Command> {
        let chain = self.chain(command, 0);
        let chain_text = chain.as_ref().map_or("", ChainName::as_str).to_owned();
        let mut rules = self.rules(table, &chain_text);
        let counters = self.counters();
        let position = self.position(command);
        let chain = chain?;
        Some(match command.option {
            Generic::Append => Command::Append {
                chain,
                rules,
                counters,
            },
            Generic::Insert => Command::Insert {
                chain,
                position: position?.unwrap_or(1),
                rules,
                counters,
            },
            Generic::Replace => {
                let Some(position) = position? else {
                    self.error(
                        command.span,
                        ErrorKind::Missing,
                        "-R needs the position of the rule",
                        format!("write -R {chain} and a number, the first rule is 1"),
                    );
                    return None;
                };
                if rules.len() > 1 {
                    self.error(
                        self.line,
                        ErrorKind::Contradictory,
                        "-R replaces one rule by one, and a list of addresses is several",
                        "write one address",
                    );
                }
                Command::Replace {
                    chain,
                    position,
                    rule: rules.pop()?,
                    counters,
                }
            }
            Generic::Delete => Command::Delete { chain, rules },
            _ => Command::Check { chain, rules },
        })
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the caller has sorted the commands"
    )]
    fn without_rule(&mut self, command: &Used, table: TableName) -> Option<Command> {
        let optional = |reader: &mut Self| match command.values.first() {
            Some(_) => reader.chain(command, 0).map(Some),
            None => Some(None),
        };
        Some(match command.option {
            Generic::Delete => Command::DeleteAt {
                chain: self.chain(command, 0)?,
                position: self.position(command)??,
            },
            Generic::NewChain => Command::NewChain(self.new_chain(command, 0)?),
            Generic::DeleteChain => Command::DeleteChain(optional(self)?),
            Generic::Flush => Command::Flush(optional(self)?),
            Generic::Rename => Command::Rename {
                from: self.chain(command, 0)?,
                to: self.new_chain(command, 1)?,
            },
            Generic::Policy => self.policy(command, table)?,
            _ => Command::Look,
        })
    }

    fn policy(&mut self, command: &Used, table: TableName) -> Option<Command> {
        let chain = self.chain(command, 0);
        let (text, span) = command
            .values
            .get(1)
            .map_or(("", command.span), |word| (word.text.as_str(), word.span));
        let policy = match text {
            "ACCEPT" => Policy::Accept,
            "DROP" => Policy::Drop,
            _ => {
                self.error(
                    span,
                    ErrorKind::Invalid,
                    format!("\"{text}\" is not a policy"),
                    "write ACCEPT or DROP",
                );
                return None;
            }
        };
        let chain = chain?;
        if policy == Policy::Drop && table == TableName::Nat {
            self.error(
                span,
                ErrorKind::Contradictory,
                "the nat table sees the first packet of a connection only and is not for filtering",
                "set the policy in the filter table",
            );
            return None;
        }
        Some(Command::Policy { chain, policy })
    }

    fn rules(&mut self, table: TableName, chain: &str) -> Vec<Rule> {
        let place = Place {
            family: self.context.family,
            table,
            chain,
        };
        rule::rules(&self.scanned, place, self.errors)
    }

    /// A command without a rule that has parts of one.
    fn refuse_rule(&mut self) {
        let part = self.scanned.used.iter().find(|used| used.option.is_rule());
        let span = part.map(|used| used.span);
        let matches = self.scanned.matches.first().map(|instance| instance.span);
        if let Some(span) = span.or(matches) {
            self.error(
                span,
                ErrorKind::Contradictory,
                "this command takes no rule",
                "leave the rule out",
            );
        }
    }

    fn counters(&mut self) -> Option<Counters> {
        let Some(used) = used(&self.scanned, Generic::SetCounters).cloned() else {
            return self.counters;
        };
        let texts: Vec<&str> = used
            .values
            .iter()
            .flat_map(|word| word.text.split(','))
            .collect();
        let numbers: Vec<u64> = texts
            .iter()
            .filter_map(|text| read::number(text, u64::MAX).ok())
            .collect();
        if let ([packets, bytes], 2) = (numbers.as_slice(), texts.len()) {
            return Some(Counters {
                packets: *packets,
                bytes: *bytes,
            });
        }
        self.error(
            used.span,
            ErrorKind::Invalid,
            "-c needs a number of packets and one of bytes",
            "write -c 0 0",
        );
        None
    }

    fn chain(&mut self, command: &Used, index: usize) -> Option<ChainName> {
        let (text, span) = command
            .values
            .get(index)
            .map_or(("", command.span), |word| (word.text.as_str(), word.span));
        match ChainName::new(text) {
            Ok(name) => Some(name),
            Err(error) => {
                self.error(
                    span,
                    ErrorKind::Invalid,
                    format!("\"{text}\" is not a chain: {error}"),
                    "write the name of a chain, such as INPUT or DOCKER-USER",
                );
                None
            }
        }
    }

    fn new_chain(&mut self, command: &Used, index: usize) -> Option<ChainName> {
        let name = self.chain(command, index)?;
        if let Some(target) = crate::target::is_extension(name.as_str()) {
            self.error(
                command.span,
                ErrorKind::Invalid,
                format!("{target} is the name of a target"),
                "give the chain another name",
            );
            return None;
        }
        Some(name)
    }

    /// The position behind the chain; `Some(None)` when there is none.
    #[expect(clippy::option_option, reason = "absent is not wrong")]
    fn position(&mut self, command: &Used) -> Option<Option<usize>> {
        let Some(word) = command.values.get(1) else {
            return Some(None);
        };
        match word.text.parse() {
            Ok(position) if position > 0 => Some(Some(position)),
            _ => {
                self.error(
                    word.span,
                    ErrorKind::Invalid,
                    format!("\"{}\" is not the position of a rule", word.text),
                    "write a number, the first rule is 1",
                );
                None
            }
        }
    }
}

fn is_look(option: Generic) -> bool {
    matches!(option, Generic::List | Generic::ListRules | Generic::Zero)
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "most options are no such command"
)]
fn takes_rule(command: &Used) -> bool {
    match command.option {
        Generic::Append | Generic::Insert | Generic::Replace | Generic::Check => true,
        Generic::Delete => command.values.len() < 2,
        _ => false,
    }
}
