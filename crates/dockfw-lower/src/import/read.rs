//! Reading a dump, with rules in it that no part of dockfw can express.

use dockfw_iptables::parse::{Assume, ErrorKind, Loaded, ParseError, Script, Span};
use dockfw_iptables::{Family, Program, TableName};

/// A dump that has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dumped {
    /// The rules.
    pub program: Program,
    /// The rules with a match or target that this version does not know.
    pub unread: Vec<Unread>,
    loaded: Loaded,
    /// Where each line begins.
    starts: Vec<usize>,
}

/// A line that is a rule, but not one that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// Its line in the dump; the first line is 1.
    pub line: usize,
    /// The line as it stands there.
    pub text: String,
    /// Why it cannot be read: a fragment without a full stop.
    pub why: String,
}

impl Dumped {
    /// The line of a rule; the first rule of a chain is 0, the first line 1.
    pub fn line(&self, table: TableName, chain: &str, rule: usize) -> Option<usize> {
        let origin = self.loaded.origin(table, chain, rule)?;
        Some(line_of(&self.starts, origin))
    }
}

/// The line of a span, from 1.
fn line_of(starts: &[usize], span: Span) -> usize {
    starts.partition_point(|start| *start <= span.start)
}

/// Reads what iptables-save or ip6tables-save printed.
///
/// A rule with a match or target that is unknown here is set aside, because everything else of
/// the dump can be told without it.
///
/// # Errors
///
/// Everything else that is wrong with the text.
pub fn read(text: &str, family: Family) -> Result<Dumped, Vec<ParseError>> {
    let (script, errors) = Script::parse(text, family);
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let starts: Vec<usize> = lines
        .iter()
        .scan(0, |next, line| {
            let start = *next;
            *next += line.len();
            Some(start)
        })
        .collect();
    let mut unread: Vec<Unread> = Vec::new();
    let mut fatal = Vec::new();
    for error in errors {
        let line = line_of(&starts, error.span);
        let whole = lines.get(line.saturating_sub(1)).map_or("", |of| of.trim());
        let is_rule = whole.starts_with("-A ") || whole.starts_with('[');
        let is_foreign = matches!(
            error.kind,
            ErrorKind::Unsupported { .. } | ErrorKind::Unknown
        );
        if !is_rule || !is_foreign {
            fatal.push(error);
        } else if unread.last().is_none_or(|last| last.line != line) {
            unread.push(Unread {
                line,
                text: whole.to_owned(),
                why: error.message,
            });
        }
    }
    let applied = script.apply(&Assume::default());
    match applied {
        Ok(loaded) if fatal.is_empty() => Ok(Dumped {
            program: loaded.program.clone(),
            unread,
            loaded,
            starts,
        }),
        Ok(_) => Err(fatal),
        Err(more) => {
            fatal.extend(more);
            fatal.sort_by_key(|error: &ParseError| -> Span { error.span });
            Err(fatal)
        }
    }
}
