//! What is wrong with the user's input: where, why, and what would be right.
//!
//! A [`Diagnostic`] is self-contained: it carries the line of the file it points into, so that
//! the file itself need not be kept.
//! Everything that can come from the input is made harmless before it is stored: control
//! characters and marks that change the direction of text are shown as escapes.

use std::fmt;
use std::sync::Arc;

mod json;
mod location;
mod text;

pub use location::{LineIndex, Location, Snippet};
pub use text::Style;

/// How bad a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The input cannot be used.
    Error,
    /// The input can be used; a part of it is not what it seems.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One thing that is wrong with the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    severity: Severity,
    location: Location,
    message: String,
    help: Option<String>,
    related: Vec<Related>,
}

/// Another place that explains a diagnostic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    location: Location,
    message: String,
}

impl Diagnostic {
    /// A diagnostic about a place; `message` is a fragment without a full stop.
    pub fn new(severity: Severity, location: Location, message: &str) -> Self {
        let message = printable(message, MESSAGE_LIMIT);
        Self {
            severity,
            location,
            message,
            help: None,
            related: Vec::new(),
        }
    }

    /// Adds what would be right.
    #[must_use]
    pub fn with_help(mut self, help: &str) -> Self {
        self.help = Some(printable(help, MESSAGE_LIMIT));
        self
    }

    /// Adds a place that explains it.
    #[must_use]
    pub fn with_related(mut self, location: Location, message: &str) -> Self {
        self.related.push(Related {
            location,
            message: printable(message, MESSAGE_LIMIT),
        });
        self
    }

    /// How bad it is.
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// Where it is.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// What is wrong: a fragment without a full stop.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What would be right.
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// Other places that explain it.
    pub fn related(&self) -> &[Related] {
        &self.related
    }
}

impl Related {
    /// Where it is.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// What the place has to do with the diagnostic.
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// Diagnostics of one run, sorted by file and position.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// Sorts by file, in the order in which the files were given, then by position.
    pub fn new(mut all: Vec<Diagnostic>) -> Self {
        all.sort_by_key(|diagnostic| diagnostic.location.order());
        Self(all)
    }

    /// True when there is nothing to report.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The diagnostics in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }

    /// Adds those of another run behind these, and sorts again.
    pub fn extend(&mut self, other: Self) {
        let mut all = std::mem::take(&mut self.0);
        all.extend(other.0);
        *self = Self::new(all);
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self(vec![diagnostic])
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl fmt::Display for Diagnostics {
    /// One line for each: `file:line:column: error: message`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.0.iter().enumerate() {
            let end = if index == 0 { "" } else { "\n" };
            let Diagnostic {
                severity,
                location,
                message,
                ..
            } = diagnostic;
            write!(f, "{end}{location}: {severity}: {message}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

/// The longest message or help in characters; what is beyond is cut off.
const MESSAGE_LIMIT: usize = 600;

/// The text with control characters and direction marks as escapes, cut to `limit` characters.
pub(crate) fn printable(text: &str, limit: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(limit));
    for (index, c) in text.chars().enumerate() {
        if index == limit {
            shown.push('…');
            break;
        }
        if is_harmful(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// True for characters that could move the cursor, change colours or reorder text.
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}'
        )
}

/// The name of a source as it is printed.
fn source_name(name: &str) -> Arc<str> {
    printable(name, MESSAGE_LIMIT).into()
}

#[cfg(test)]
mod tests;
