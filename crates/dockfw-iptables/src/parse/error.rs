//! What is wrong with a text: where, what, and what to write instead.

use std::fmt;

/// A part of the text in bytes: from `start` up to, and without, `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// The offset of the first byte.
    pub start: usize,
    /// The offset behind the last byte.
    pub end: usize,
}

impl Span {
    /// From the beginning of one part to the end of another.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }

    /// The line of the first byte; the first line is 1.
    pub fn line(self, text: &str) -> usize {
        let before = text.get(..self.start).unwrap_or(text);
        before.matches('\n').count() + 1
    }

    /// The part of the text; empty when the span is not one of this text.
    pub fn of(self, text: &str) -> &str {
        text.get(self.start..self.end).unwrap_or_default()
    }
}

/// One thing that is wrong with a text.
///
/// `message` says what is wrong, `help` what to write instead; both are lowercase fragments
/// without a full stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// The words it is about.
    pub span: Span,
    /// Which sort of mistake it is.
    pub kind: ErrorKind,
    /// What is wrong.
    pub message: String,
    /// What to write instead; never empty.
    pub help: String,
}

/// The sorts of mistakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The words cannot be told apart, or stand where none can.
    Syntax,
    /// A name that iptables does not know either.
    Unknown,
    /// A match, a target or an option that iptables knows and this crate does not take.
    Unsupported {
        /// The name of the extension; `-f` and the like for what is none.
        extension: &'static str,
        /// Why, as a fragment.
        reason: &'static str,
    },
    /// An option without its value, or an extension without an option it needs.
    Missing,
    /// A value that is not one.
    Invalid,
    /// Parts that are right alone and wrong together.
    Contradictory,
    /// A chain that is not there, is there already, is in use, or leads back to itself.
    Chain,
    /// A position without a rule, or a rule that is not there to be deleted.
    Position,
}

impl ParseError {
    pub(crate) fn new(
        span: Span,
        kind: ErrorKind,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            span,
            kind,
            message: message.into(),
            help: help.into(),
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ParseError {}

/// What is wrong with one value; whoever asked for it adds the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bad {
    pub(crate) kind: ErrorKind,
    pub(crate) message: String,
    pub(crate) help: String,
}

impl Bad {
    /// A value that is not one.
    pub(crate) fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            kind: ErrorKind::Invalid,
            message: message.into(),
            help: help.into(),
        }
    }

    /// A value that has no native nftables form.
    pub(crate) fn unsupported(
        extension: &'static str,
        reason: &'static str,
        help: impl Into<String>,
    ) -> Self {
        Self {
            kind: ErrorKind::Unsupported { extension, reason },
            message: format!("{extension}: {reason}"),
            help: help.into(),
        }
    }

    pub(crate) fn at(self, span: Span) -> ParseError {
        ParseError {
            span,
            kind: self.kind,
            message: self.message,
            help: self.help,
        }
    }
}

/// The known name that a wrong one is most like, if one is close.
pub(crate) fn nearest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let limit = name.chars().count().div_ceil(3).min(3);
    known
        .into_iter()
        .map(|other| (distance(name, other), other))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, other)| other)
}

/// How many letters have to be added, left out or changed; case does not count, and letters in
/// another order are one mistake.
fn distance(from: &str, to: &str) -> usize {
    let letters = |name: &str| {
        let mut letters: Vec<char> = name.to_ascii_lowercase().chars().collect();
        letters.sort_unstable();
        letters
    };
    if letters(from) == letters(to) {
        return usize::from(from != to);
    }
    let to: Vec<char> = to.chars().map(|c| c.to_ascii_lowercase()).collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, a) in from.chars().enumerate() {
        let a = a.to_ascii_lowercase();
        let mut diagonal = index;
        let mut left = index + 1;
        for (b, cell) in to.iter().zip(row.iter_mut().skip(1)) {
            let change = diagonal + usize::from(a != *b);
            diagonal = *cell;
            left = change.min(*cell + 1).min(left + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_names() {
        let check = |name, expected| {
            assert_eq!(nearest(name, ["conntrack", "mark", "comment"]), expected);
        };
        check("contrack", Some("conntrack"));
        check("MARK", Some("mark"));
        check("coment", Some("comment"));
        check("amrk", Some("mark"));
        check("xyz", None);
    }
}
