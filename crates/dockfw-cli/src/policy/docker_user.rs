//! `[docker-user]`: the operator's own rules, as iptables takes them.

use dockfw_iptables::Family;
use dockfw_iptables::parse::Span as TextSpan;
use dockfw_lower::rules::{UserProblem, UserRules, UserText};
use toml::de::DeTable;

use super::offsets::Offsets;
use super::report::{Draft, Report, Span};
use super::value::{Cursor, Expected, Value};
use crate::rules::{LeaveOut, Options, lenient};

const KEYS: [&str; 2] = ["ipv4", "ipv6"];

const RULES: Expected = Expected {
    what: "a string with rules",
    example: "ipv4 = \"-A DOCKER-USER -i eth0 -j DROP\"",
};

/// What `[docker-user]` says, in all files.
#[derive(Default)]
pub(super) struct DockerUserReading {
    ipv4: Joined,
    ipv6: Joined,
}

/// The texts of one family, one behind the other.
#[derive(Default)]
struct Joined {
    text: String,
    parts: Vec<Part>,
}

/// The text of one file.
struct Part {
    /// Where it begins in the joined text.
    start: usize,
    length: usize,
    value: Span,
    /// `None` when its bytes cannot be told apart.
    offsets: Option<Offsets>,
}

impl DockerUserReading {
    /// Reads the table of one file.
    pub(super) fn read(&mut self, table: &DeTable<'_>, cursor: &mut Cursor<'_, '_>) {
        for (key, value) in table {
            let (name, joined) = match key.get_ref().as_ref() {
                "ipv4" => ("ipv4", &mut self.ipv4),
                "ipv6" => ("ipv6", &mut self.ipv6),
                _ => {
                    cursor.unknown_key(key, "[docker-user]", &KEYS);
                    continue;
                }
            };
            if let Some(text) = cursor.string(name, value, RULES) {
                joined.add(text, value, cursor);
            }
        }
    }

    /// Compiles the rules; `None` when there are none, and when they are wrong.
    pub(super) fn build(&self, options: Options, report: &mut Report<'_>) -> Option<UserRules> {
        let (ipv4, kept4) = self.ipv4.usable(Family::Ipv4, options, report);
        let (ipv6, kept6) = self.ipv6.usable(Family::Ipv6, options, report);
        if ipv4.is_none() && ipv6.is_none() {
            return None;
        }
        let text = UserText {
            ipv4: ipv4.as_deref(),
            ipv6: ipv6.as_deref(),
        };
        let (rules, problems) = UserRules::read(text, options.optimize);
        for problem in &problems {
            let (joined, kept) = match problem.family {
                Family::Ipv4 => (&self.ipv4, &kept4),
                Family::Ipv6 => (&self.ipv6, &kept6),
            };
            let kept = kept.contains(&(problem.span, problem.message.clone()));
            report.push(joined.draft(problem, kept));
        }
        rules
    }
}

impl Joined {
    fn add(&mut self, text: &str, value: &Value<'_>, cursor: &Cursor<'_, '_>) {
        if !self.parts.is_empty() {
            // Two, so that a backslash at the end of one text does not join it with the next.
            self.text.push_str("\n\n");
        }
        let source = cursor.report.source(cursor.source);
        let written = source.and_then(|source| source.bytes.get(value.span()));
        let written = written.and_then(|written| std::str::from_utf8(written).ok());
        self.parts.push(Part {
            start: self.text.len(),
            length: text.len(),
            value: cursor.span(value),
            offsets: written.and_then(|written| Offsets::new(written, text)),
        });
        self.text.push_str(text);
    }

    /// The text without what may be left out, and the unsupported rules that may not be.
    fn usable(
        &self,
        family: Family,
        options: Options,
        report: &mut Report<'_>,
    ) -> (Option<String>, Vec<(TextSpan, String)>) {
        if self.parts.is_empty() {
            return (None, Vec::new());
        }
        if options.unsupported == LeaveOut::Nothing {
            return (Some(self.text.clone()), Vec::new());
        }
        let lenient = lenient::leave_out(&self.text, family);
        for left_out in &lenient.left_out {
            report.push(left_out.draft(self.span(left_out.span)));
        }
        (Some(lenient.text), lenient.kept)
    }

    /// Where a part of the joined text stands.
    fn span(&self, text: TextSpan) -> Span {
        let behind = self.parts.partition_point(|part| part.start <= text.start);
        let part = self.parts.get(behind.saturating_sub(1));
        let Some(part) = part else {
            return Span::default();
        };
        let local = |at: usize| at.saturating_sub(part.start).min(part.length);
        let (start, end) = (local(text.start), local(text.end));
        let Some(offsets) = part.offsets.as_ref() else {
            return part.value;
        };
        let value = part.value.range().start;
        let written = offsets.range(start..end.max(start));
        Span::new(
            part.value.source(),
            value + written.start..value + written.end,
        )
    }

    fn draft(&self, problem: &UserProblem, kept: bool) -> Draft {
        let span = self.span(problem.span);
        let draft = if problem.is_error {
            Draft::error(span, problem.message.as_str())
        } else {
            Draft::warning(span, problem.message.as_str())
        };
        let help = if kept {
            lenient::help(&problem.help)
        } else {
            problem.help.clone()
        };
        let draft = draft.help(help);
        match problem.related {
            Some((span, note)) => draft.related(self.span(span), note),
            None => draft,
        }
    }
}

#[cfg(test)]
mod tests;
