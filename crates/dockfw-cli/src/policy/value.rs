//! Typed access to TOML values; a value of another type becomes a diagnostic.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::report::{Draft, Report, Span};
use super::suggest::nearest;

/// A value of the document and where it stands.
pub(super) type Value<'t> = Spanned<DeValue<'t>>;

/// The source whose document is read, and where its mistakes go.
pub(super) struct Cursor<'r, 's> {
    pub(super) source: usize,
    /// The lines with syntax errors, in order; what is missing may have been lost there.
    pub(super) damaged_lines: Vec<usize>,
    pub(super) report: &'r mut Report<'s>,
}

/// What a key must be, in the words of TOML, with an example.
#[derive(Clone, Copy)]
pub(super) struct Expected {
    pub(super) what: &'static str,
    pub(super) example: &'static str,
}

impl Cursor<'_, '_> {
    /// Where a key or value stands.
    pub(super) fn span<T>(&self, spanned: &Spanned<T>) -> Span {
        Span::new(self.source, spanned.span())
    }

    /// Reports a mistake, unless it stands in a line that is no valid TOML: what was recovered of
    /// such a line is a guess.
    pub(super) fn push(&mut self, draft: Draft) {
        if !self.damaged_lines.is_empty() {
            let line = self.report.location(draft.span()).line().unwrap_or(0);
            if self.damaged_lines.binary_search(&line).is_ok() {
                return;
            }
        }
        self.report.push(draft);
    }

    /// Reports that something is not there, unless a syntax error may have swallowed it.
    pub(super) fn missing(&mut self, draft: Draft) {
        if self.damaged_lines.is_empty() {
            self.push(draft);
        }
    }

    /// A string.
    pub(super) fn string<'t>(
        &mut self,
        key: &str,
        value: &'t Value<'_>,
        expected: Expected,
    ) -> Option<&'t str> {
        if let DeValue::String(text) = value.get_ref() {
            return Some(text.as_ref());
        }
        self.wrong_type(key, value, expected);
        None
    }

    /// A boolean.
    pub(super) fn boolean(&mut self, key: &str, value: &Value<'_>) -> Option<bool> {
        if let DeValue::Boolean(boolean) = value.get_ref() {
            return Some(*boolean);
        }
        let help = match value.get_ref().as_str() {
            Some("true") => "write true, without quotes",
            Some("false") => "write false, without quotes",
            _ => "write true or false",
        };
        let message = format!("`{key}` must be true or false, this is {}", type_of(value));
        let draft = Draft::error(self.span(value), message).help(help);
        self.push(draft);
        None
    }

    /// An integer of 64 bits.
    pub(super) fn integer(&mut self, key: &str, value: &Value<'_>) -> Option<i64> {
        let DeValue::Integer(integer) = value.get_ref() else {
            let message = format!("`{key}` must be a whole number, this is {}", type_of(value));
            let draft = Draft::error(self.span(value), message)
                .help(format!("write for example {key} = 1"));
            self.push(draft);
            return None;
        };
        let parsed = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
        if parsed.is_none() {
            let message = format!("the number of `{key}` does not fit into 64 bits");
            let draft = Draft::error(self.span(value), message);
            self.push(draft);
        }
        parsed
    }

    /// A table.
    pub(super) fn table<'t, 'i>(
        &mut self,
        key: &str,
        value: &'t Value<'i>,
        expected: Expected,
    ) -> Option<&'t DeTable<'i>> {
        if let DeValue::Table(table) = value.get_ref() {
            return Some(table);
        }
        self.wrong_type(key, value, expected);
        None
    }

    /// The elements of an array; empty when it is none.
    pub(super) fn array<'t, 'i>(
        &mut self,
        key: &str,
        value: &'t Value<'i>,
        expected: Expected,
    ) -> Option<&'t [Value<'i>]> {
        if let DeValue::Array(array) = value.get_ref() {
            return Some(array.as_ref());
        }
        self.wrong_type(key, value, expected);
        None
    }

    pub(super) fn wrong_type(&mut self, key: &str, value: &Value<'_>, expected: Expected) {
        let Expected { what, example } = expected;
        // "a subnet" is a description, "subnets" a key.
        let quote = if key.contains(' ') { "" } else { "`" };
        let message = format!(
            "{quote}{key}{quote} must be {what}, this is {}",
            type_of(value)
        );
        let draft =
            Draft::error(self.span(value), message).help(format!("write for example {example}"));
        self.push(draft);
    }

    /// A key that means nothing here; `known` are those that do.
    pub(super) fn unknown_key(
        &mut self,
        key: &Spanned<std::borrow::Cow<'_, str>>,
        place: &str,
        known: &[&'static str],
    ) {
        let name = key.get_ref();
        let help = match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known keys: {}", known.join(", ")),
        };
        let draft =
            Draft::error(self.span(key), format!("unknown key `{name}` in {place}")).help(help);
        self.push(draft);
    }

    /// The bytes of a string value that a range of its text stands for.
    ///
    /// With escapes in the string it is the whole value.
    pub(super) fn inside(&self, value: &Value<'_>, range: std::ops::Range<usize>) -> Span {
        let whole = value.span();
        let found = self.report.source(self.source).and_then(|source| {
            let text = value.get_ref().as_str()?.as_bytes();
            let written = source.bytes.get(whole.clone())?;
            let quotes = written.len().checked_sub(text.len())? / 2;
            let inner = written.get(quotes..quotes + text.len())?;
            (inner == text).then_some(whole.start + quotes)
        });
        let range = match found {
            Some(text) if range.is_empty() && range.start > 0 => {
                // Something is missing: mark where it belongs, with the character before it.
                text + range.start - 1..text + range.end
            }
            Some(text) if !range.is_empty() => text + range.start..text + range.end,
            Some(_) | None => whole,
        };
        Span::new(self.source, range)
    }
}

/// The keys of a table in the order in which they are written.
pub(super) fn in_order<'t, 'i>(
    table: &'t DeTable<'i>,
) -> Vec<(&'t Spanned<std::borrow::Cow<'i, str>>, &'t Value<'i>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

/// The type of a value with its article.
fn type_of(value: &Value<'_>) -> &'static str {
    match value.get_ref() {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}
