//! From bytes to a TOML document: what is not text or not TOML, said once and where it began.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::report::{Draft, Report, Span};
use super::{MAX_BYTES, Source};

/// The text of a source, if it is one.
pub(crate) fn text_of<'s>(
    index: usize,
    source: &'s Source,
    report: &mut Report<'_>,
) -> Option<&'s str> {
    let bytes = &source.bytes;
    if bytes.len() > MAX_BYTES {
        let message = format!("the file is larger than {} MiB", MAX_BYTES >> 20);
        report.push(Draft::error(Span::new(index, 0..0), message).help("split it"));
        return None;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) => {
            let at = error.valid_up_to();
            let byte = bytes.get(at).copied().unwrap_or_default();
            let message = format!("the file is not UTF-8: byte 0x{byte:02x} at offset {at}");
            let help = match bytes.as_slice() {
                [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "it looks like UTF-16; save it as UTF-8",
                _ => "save it as UTF-8, or remove the byte",
            };
            let draft = Draft::error(Span::new(index, at..at + 1), message).help(help);
            report.push(draft);
            None
        }
    }
}

/// The parser's words for a key that stands twice in a table, which is not a syntax error.
const DUPLICATE: &str = "duplicate key";

/// Reports what the TOML parser found, and returns the lines with syntax errors, in order.
///
/// After a syntax error the parser recovers as well as it can, and often stumbles again: of errors
/// on lines that follow each other only the first is reported.
pub(super) fn syntax_errors(
    index: usize,
    text: &str,
    document: &DeTable<'_>,
    errors: &[toml::de::Error],
    report: &mut Report<'_>,
) -> Vec<usize> {
    let mut lines: Vec<usize> = Vec::new();
    let (duplicates, mut syntax): (Vec<_>, Vec<_>) = errors
        .iter()
        .partition(|error| error.message() == DUPLICATE);
    syntax.sort_by_key(|error| error.span().map(|span| span.start));
    for error in syntax {
        let span = Span::new(index, error.span().unwrap_or(0..0));
        let line = report.location(span).line().unwrap_or(0);
        let again = lines.last().is_some_and(|last| line <= last + 1);
        lines.push(line);
        if again {
            continue;
        }
        let message = error.message();
        let draft = Draft::error(span, format!("not valid TOML: {message}"));
        let unquoted = message.contains("quoted") || message.starts_with("invalid float");
        report.push(draft.help(if unquoted {
            "strings stand in quotes"
        } else {
            "if the line looks right, a quote or bracket before it may not be closed"
        }));
    }
    lines.sort_unstable();
    for (count, error) in duplicates.iter().enumerate() {
        let range = error.span().unwrap_or(0..0);
        let span = Span::new(index, range.clone());
        let line = report.location(span).line().unwrap_or(0);
        if lines.binary_search(&line).is_ok() {
            continue;
        }
        let key = text.get(range.clone()).unwrap_or_default();
        let mut draft = Draft::error(span, format!("the key `{key}` is written twice"))
            .help("keep one of them");
        if count < DUPLICATES_EXPLAINED {
            let first = last_before(document, key.trim_matches(['"', '\'']), range.start);
            if let Some(first) = first {
                draft = draft.related(Span::new(index, first), "first written here");
            }
        }
        report.push(draft);
    }
    lines
}

/// For how many duplicate keys the first one is looked up, which walks the whole document.
const DUPLICATES_EXPLAINED: usize = 100;

/// The last place before `end` where a key of this name stands.
fn last_before(table: &DeTable<'_>, name: &str, end: usize) -> Option<Range<usize>> {
    let mut best: Option<Range<usize>> = None;
    let mut consider = |found: Option<Range<usize>>| {
        let found = found.filter(|range| range.start < end);
        if let Some(range) = found
            && best.as_ref().is_none_or(|best| best.start < range.start)
        {
            best = Some(range);
        }
    };
    for (key, value) in table {
        consider((key.get_ref() == name).then(|| key.span()));
        match value.get_ref() {
            DeValue::Table(inner) => consider(last_before(inner, name, end)),
            DeValue::Array(array) => {
                for element in array {
                    if let DeValue::Table(inner) = element.get_ref() {
                        consider(last_before(inner, name, end));
                    }
                }
            }
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => {}
        }
    }
    best
}
