//! A whole text: the lines of iptables-save, of shell scripts, and of files with only rules.

use super::command::{self, Command, Counters};
use super::error::{ErrorKind, ParseError, Span};
use super::lex::{self, Line, Word};
use super::line::{self, Context};
use super::read;
use crate::chain::Policy;
use crate::name::ChainName;
use crate::program::{Family, TableName};

/// The commands of a text, for one family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Whose rules these are.
    pub family: Family,
    /// The commands in order.
    pub commands: Vec<Located>,
}

/// A command with its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The words of the line.
    pub span: Span,
    /// The table it is about.
    pub table: TableName,
    /// What it does.
    pub command: Command,
}

impl Script {
    /// Reads a text as far as it can be read, and says all that is wrong with it.
    ///
    /// Lines of `ip6tables`, and those with `-6`, are left out of the script for IPv4, and
    /// the other way round; all other lines are read for the family asked for, because what an
    /// address or an ICMP type is depends on it. Rules outside a `*table` section are in the
    /// filter table unless they have `-t`.
    pub fn parse(text: &str, family: Family) -> (Self, Vec<ParseError>) {
        let mut errors = Vec::new();
        let lines = lex::lines(text, &mut errors);
        let mut reader = Reader {
            family,
            section: None,
            commands: Vec::new(),
            errors,
        };
        for line in &lines {
            reader.line(line);
        }
        if let Some((table, span)) = reader.section {
            reader.errors.push(ParseError::new(
                span,
                ErrorKind::Syntax,
                format!("the section of {} does not end", table.as_str()),
                "write COMMIT behind its last rule",
            ));
        }
        reader.errors.sort_by_key(|error| error.span);
        let script = Self {
            family,
            commands: reader.commands,
        };
        (script, reader.errors)
    }
}

struct Reader {
    family: Family,
    /// The table of the `*table` line above, until `COMMIT`.
    section: Option<(TableName, Span)>,
    commands: Vec<Located>,
    errors: Vec<ParseError>,
}

impl Reader {
    fn error(
        &mut self,
        span: Span,
        kind: ErrorKind,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.errors.push(ParseError::new(span, kind, message, help));
    }

    fn push(&mut self, span: Span, table: TableName, command: Command) {
        self.commands.push(Located {
            span,
            table,
            command,
        });
    }

    fn line(&mut self, line: &Line) {
        let Some(first) = line.words.first() else {
            return;
        };
        let text = first.text.as_str();
        match text.chars().next() {
            Some('*') => self.table(line, first),
            Some(':') => self.chain(line, first),
            Some('[') => self.counted(line, first),
            Some('-') => self.command(&line.words, line.span, None, None),
            _ if text == "COMMIT" => self.commit(line.span),
            _ => self.shell(line),
        }
    }

    fn table(&mut self, line: &Line, first: &Word) {
        if let Some((table, _)) = self.section {
            self.error(
                line.span,
                ErrorKind::Syntax,
                format!("the section of {} has not ended", table.as_str()),
                "write COMMIT in front of this line",
            );
        }
        match command::table(first.text.strip_prefix('*').unwrap_or_default()) {
            Ok(table) => {
                self.section = Some((table, line.span));
                self.push(line.span, table, Command::Table);
            }
            Err(bad) => self.errors.push(bad.at(line.span)),
        }
    }

    fn commit(&mut self, span: Span) {
        match self.section.take() {
            Some((table, _)) => self.push(span, table, Command::Commit),
            None => self.error(
                span,
                ErrorKind::Syntax,
                "there is no section that COMMIT could end",
                "write a *filter line in front of the rules, or leave COMMIT out",
            ),
        }
    }

    /// `:CHAIN POLICY [packets:bytes]`; loose files leave the counters and the policy out.
    fn chain(&mut self, line: &Line, first: &Word) {
        let mut words = line.words.iter();
        words.next();
        let text = first.text.strip_prefix(':').unwrap_or_default();
        let name = match ChainName::new(text) {
            Ok(name) => name,
            Err(error) => {
                return self.error(
                    first.span,
                    ErrorKind::Invalid,
                    format!("\"{text}\" is not a chain: {error}"),
                    "write :CHAIN - [0:0]",
                );
            }
        };
        let policy = match words.next() {
            None => None,
            Some(word) => match word.text.as_str() {
                "ACCEPT" => Some(Policy::Accept),
                "DROP" => Some(Policy::Drop),
                "-" => None,
                other => {
                    let message = format!("\"{other}\" is not a policy");
                    let help = "write ACCEPT or DROP, and - for a user chain";
                    return self.error(word.span, ErrorKind::Invalid, message, help);
                }
            },
        };
        let counters = words.next().and_then(|word| self.counters(word));
        if let Some(word) = words.next() {
            let message = format!("\"{}\" cannot stand behind a chain", word.text);
            self.error(word.span, ErrorKind::Syntax, message, "leave it out");
        }
        let table = self.section.map_or(TableName::Filter, |(table, _)| table);
        if policy.is_none() && crate::target::is_extension(name.as_str()).is_some() {
            self.error(
                first.span,
                ErrorKind::Invalid,
                format!("{name} is the name of a target"),
                "give the chain another name",
            );
        }
        let command = Command::Chain {
            name,
            policy,
            counters,
        };
        self.push(line.span, table, command);
    }

    /// `[packets:bytes] -A …`.
    fn counted(&mut self, line: &Line, first: &Word) {
        let counters = self.counters(first);
        let rest = line.words.get(1..).unwrap_or_default();
        self.command(rest, line.span, None, counters);
    }

    fn counters(&mut self, word: &Word) -> Option<Counters> {
        let inside = word.text.strip_prefix('[');
        let inside = inside.and_then(|text| text.strip_suffix(']'));
        let parts = inside.and_then(|text| text.split_once(':'));
        let number = |text| read::number(text, u64::MAX).ok();
        let counters = parts.and_then(|(packets, bytes)| {
            Some(Counters {
                packets: number(packets)?,
                bytes: number(bytes)?,
            })
        });
        if counters.is_none() {
            self.error(
                word.span,
                ErrorKind::Invalid,
                format!("\"{}\" is not a pair of counters", word.text),
                "write [packets:bytes], such as [0:0]",
            );
        }
        counters
    }

    fn command(
        &mut self,
        words: &[Word],
        span: Span,
        program: Option<Family>,
        counters: Option<Counters>,
    ) {
        let context = Context {
            family: self.family,
            section: self.section.map(|(table, _)| table),
            program,
        };
        let read = line::read(words, span, counters, context, &mut self.errors);
        if let Some((table, command)) = read {
            self.push(span, table, command);
        }
    }

    /// `[sudo] [path/]iptables …`.
    fn shell(&mut self, line: &Line) {
        let mut words = line.words.as_slice();
        while let [first, rest @ ..] = words {
            words = rest;
            let text = first.text.as_str();
            if text == "sudo" {
                // Its own options without values, as -n and -E.
                while let [option, rest @ ..] = words
                    && option.text.starts_with('-')
                {
                    words = rest;
                }
                continue;
            }
            let program = text.rsplit('/').next().unwrap_or_default();
            let family = match program {
                "iptables" | "iptables-legacy" | "iptables-nft" => Family::Ipv4,
                "ip6tables" | "ip6tables-legacy" | "ip6tables-nft" => Family::Ipv6,
                _ => return self.unknown_program(first),
            };
            return if words.is_empty() {
                self.error(
                    line.span,
                    ErrorKind::Missing,
                    "the program has nothing to do",
                    "write a command such as -A behind it",
                );
            } else {
                self.command(words, line.span, Some(family), None);
            };
        }
        self.error(
            line.span,
            ErrorKind::Missing,
            "there is no program behind sudo",
            "write iptables or ip6tables",
        );
    }

    fn unknown_program(&mut self, word: &Word) {
        let known = ["iptables", "ip6tables", "COMMIT"];
        let help = match super::error::nearest(&word.text, known) {
            Some(near) => format!("did you mean {near}?"),
            None => "write rules, or iptables and ip6tables commands; nothing else is run".into(),
        };
        let message = format!("\"{}\" is not a command of iptables", word.text);
        self.error(word.span, ErrorKind::Unknown, message, help);
    }
}
