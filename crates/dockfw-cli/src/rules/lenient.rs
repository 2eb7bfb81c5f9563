//! `--lenient`: which unsupported rules may be left out.
//!
//! A rule is left out only where that cannot make the rest accept more: in the table filter, when
//! it accepts, logs or counts, and when it changes nothing that another rule looks at. Positions
//! in a chain would mean other rules afterwards, so that a text with positions keeps all of its
//! rules. So does one in which packets take addresses out of a list, or use up a limit up to which
//! others are dropped: those that a rule no longer accepts could get there. What is left out is
//! blanked, so that every other byte keeps its place, and the text is read again: everything else
//! must read as before.

use std::collections::BTreeSet;
use std::ops::Range;

use dockfw_iptables::r#match::recent::{Action, Recent};
use dockfw_iptables::parse::{Command, ErrorKind, Located, ParseError, Script, Span};
use dockfw_iptables::{Family, Invertible, Match, Program, Rule, TableName, Target};
use dockfw_lower::optimize::Optimize;
use dockfw_lower::rules;

use super::line;
use crate::diagnostic::printable;
use crate::policy::report::{Draft, Span as SourceSpan};

/// How many characters of a rule a message shows; the line itself is shown below it.
const LONGEST: usize = 200;

/// A text without the rules that may be left out.
#[derive(Debug)]
pub(crate) struct Lenient {
    /// The text, with blanks for them.
    pub(crate) text: String,
    /// What was left out.
    pub(crate) left_out: Vec<LeftOut>,
    /// Where and why other rules are not supported.
    pub(crate) kept: Vec<(Span, String)>,
}

/// A rule that is left out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LeftOut {
    /// Its line.
    pub(crate) span: Span,
    rule: String,
    reason: String,
    help: String,
}

impl LeftOut {
    /// The warning about it.
    pub(crate) fn draft(&self, span: SourceSpan) -> Draft {
        let rule = printable(&self.rule, LONGEST);
        let message = format!("left out: {rule}: {}", self.reason);
        let help = self.help.strip_prefix("leave the rule out, or ");
        let help = help.unwrap_or(&self.help);
        Draft::warning(span, message).help(format!(
            "nothing more is accepted without the rule; to keep it, {help}"
        ))
    }
}

/// The help for a rule that is kept.
pub(crate) fn help(help: &str) -> String {
    format!(
        "{help}; --lenient does not leave this rule out, because more could be accepted without it"
    )
}

/// A rule that is not supported.
struct Unsupported {
    /// Where the message points.
    span: Span,
    /// What to blank, and whether that is allowed.
    line: Span,
    removable: bool,
    reason: String,
    help: String,
}

/// Blanks the rules that may be left out.
pub(crate) fn leave_out(text: &str, family: Family) -> Lenient {
    let (script, errors) = Script::parse(text, family);
    let keeps_all = |of: &Located| is_positional(of) || wears_out(of);
    let keeps_all = script.commands.iter().any(keeps_all);
    let mut found = unread(text, &errors);
    found.extend(script.commands.iter().filter_map(no_form(family)));
    let (removable, kept): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|of| of.removable && !keeps_all);

    let mut blanked = text.to_owned();
    let gone: BTreeSet<Span> = removable.iter().map(|of| of.line).collect();
    for span in &gone {
        blank(&mut blanked, span.start..span.end);
    }
    let is_gone = |span: Span| {
        let before = gone.range(
            ..=Span {
                start: span.start,
                end: usize::MAX,
            },
        );
        before.last().is_some_and(|gone| span.start < gone.end)
    };
    let mut rest: Vec<Located> = script.commands;
    rest.retain(|of| !is_gone(of.span));
    let mut errors = errors;
    errors.retain(|of| !is_gone(of.span));
    let same = gone.is_empty() || {
        let (again, again_errors) = Script::parse(&blanked, family);
        again.commands == rest && again_errors == errors
    };
    let keep = |of: &Unsupported| (of.span, of.reason.clone());
    if !same {
        return Lenient {
            text: text.to_owned(),
            left_out: Vec::new(),
            kept: removable.iter().chain(&kept).map(keep).collect(),
        };
    }
    let mut left_out: Vec<LeftOut> = Vec::new();
    for of in removable {
        // A line is reported once.
        if left_out.last().is_some_and(|last| last.span == of.line) {
            continue;
        }
        left_out.push(LeftOut {
            span: of.line,
            rule: of.line.of(text).trim().to_owned(),
            reason: of.reason,
            help: of.help,
        });
    }
    Lenient {
        text: blanked,
        left_out,
        kept: kept.iter().map(keep).collect(),
    }
}

/// Overwrites a range; line ends stay.
fn blank(text: &mut String, range: Range<usize>) {
    let Some(old) = text.get(range.clone()) else {
        return;
    };
    let keep = |byte: u8| if byte == b'\n' { '\n' } else { ' ' };
    let blanks: String = old.bytes().map(keep).collect();
    text.replace_range(range, &blanks);
}

/// Commands whose meaning depends on how many rules there are.
fn is_positional(located: &Located) -> bool {
    match &located.command {
        Command::Insert { position, .. } => *position != 1,
        Command::Replace { .. } | Command::DeleteAt { .. } => true,
        Command::Table
        | Command::Commit
        | Command::Chain { .. }
        | Command::Append { .. }
        | Command::Delete { .. }
        | Command::Check { .. }
        | Command::NewChain(_)
        | Command::DeleteChain(_)
        | Command::Flush(_)
        | Command::Policy { .. }
        | Command::Rename { .. }
        | Command::Look => false,
    }
}

/// Commands that add a rule that can let a packet through because of packets before it: it takes
/// an address out of a list, or stops no more than some packets.
fn wears_out(located: &Located) -> bool {
    let (Command::Append { rules, .. } | Command::Insert { rules, .. }) = &located.command else {
        return false;
    };
    rules.iter().any(|rule| {
        let stops = !is_harmless(rule);
        rule.matches.iter().any(|of| {
            let forgets = matches!(of, Match::Recent(of) if *of.action.value() == Action::Remove);
            let some = matches!(of, Match::Limit(_) | Match::Quota(_) | Match::Statistic(_))
                || matches!(of, Match::Hashlimit(of) if !of.above);
            forgets || stops && some
        })
    })
}

/// Lines that cannot be read for a match or target that is not supported.
fn unread(text: &str, errors: &[ParseError]) -> Vec<Unsupported> {
    let is_unsupported = |kind| matches!(kind, ErrorKind::Unsupported { .. });
    let lines = line::Lines::new(text);
    let mut found = Vec::new();
    for error in errors {
        if !is_unsupported(error.kind) {
            continue;
        }
        let line = lines.at(error.span.start);
        // The errors are sorted by their place.
        let first = errors.partition_point(|other| other.span.start < line.span.start);
        let behind = errors.partition_point(|other| other.span.start <= line.span.end);
        let all = errors.get(first..behind).unwrap_or_default();
        let removable = line.may_go()
            && error.span.end <= line.span.end
            && all.iter().all(|other| is_unsupported(other.kind));
        found.push(Unsupported {
            span: error.span,
            line: line.span,
            removable,
            reason: error.message.clone(),
            help: error.help.clone(),
        });
    }
    found
}

/// A rule that can be read and has no native form.
fn no_form(family: Family) -> impl Fn(&Located) -> Option<Unsupported> {
    move |located| {
        let Located {
            span,
            table,
            command: Command::Append { rules, .. } | Command::Insert { rules, .. },
        } = located
        else {
            return None;
        };
        let reason = rules.iter().find_map(|rule| reason(rule, *table, family))?;
        Some(Unsupported {
            span: *span,
            line: *span,
            removable: rules.iter().all(|rule| may_go(rule, *table)),
            reason: reason.message,
            help: reason.help,
        })
    }
}

/// Why a rule has no native form, wherever it stands.
fn reason(rule: &Rule, table: TableName, family: Family) -> Option<rules::Reason> {
    let mut program = Program::new(family);
    let chain = program.table_mut(table).chain_mut("OUTPUT")?;
    chain.append(rule.clone());
    // A list has no form without rules that put addresses into it and look for them.
    for of in &rule.matches {
        if let Match::Recent(recent) = of {
            let others = [
                (Action::Set, None),
                (Action::Check, recent.seconds.or(Some(1))),
            ];
            for (action, seconds) in others {
                let other = Recent {
                    action: Invertible::Is(action),
                    seconds,
                    reap: false,
                    hits: None,
                    same_ttl: false,
                    ..recent.clone()
                };
                chain.append(Rule {
                    matches: vec![other.into()],
                    target: None,
                    ..Rule::default()
                });
            }
        }
    }
    let refused = rules::table(&program, dockfw_lower::table_name(), Optimize::None).err()?;
    Some(refused.into_iter().next()?.reason)
}

/// Whether a rule stops no packet.
const fn is_harmless(rule: &Rule) -> bool {
    matches!(
        rule.target,
        None | Some(Target::Accept | Target::Log(_) | Target::Nflog(_))
    )
}

/// Whether nothing more is accepted without a rule.
fn may_go(rule: &Rule, table: TableName) -> bool {
    let text = rule.to_string();
    table == TableName::Filter && is_harmless(rule) && !text.split(' ').any(line::has_effects)
}

#[cfg(test)]
mod tests;
