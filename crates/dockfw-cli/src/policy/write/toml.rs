//! Writing TOML values: whatever stands in a dump, it stays inside its string or comment.

use crate::diagnostic::printable;

/// A basic string with everything escaped that could end it or confuse a reader.
pub(crate) fn string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            ' '..='~' => quoted.push(c),
            _ => quoted.push_str(&escape(c)),
        }
    }
    quoted.push('"');
    quoted
}

/// Several lines, as they are where TOML can say so.
pub(crate) fn lines(text: &str) -> String {
    let is_plain = |c: char| matches!(c, ' '..='~' | '\n');
    if text.chars().all(is_plain) && !text.contains("'''") {
        return format!("'''\n{text}'''");
    }
    let mut quoted = "\"\"\"\n".to_owned();
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            ' '..='~' | '\n' => quoted.push(c),
            _ => quoted.push_str(&escape(c)),
        }
    }
    quoted.push_str("\"\"\"");
    quoted
}

fn escape(c: char) -> String {
    format!("\\U{:08X}", u32::from(c))
}

/// An array of strings on one line.
pub(crate) fn array<'t>(items: impl IntoIterator<Item = &'t str>) -> String {
    let items: Vec<String> = items.into_iter().map(string).collect();
    format!("[{}]", items.join(", "))
}

/// A comment of one line.
pub(crate) fn comment(text: &str) -> String {
    format!("# {}\n", printable(text, usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::{comment, lines, string};

    #[test]
    fn nothing_leaves_its_string() {
        for text in [
            "plain",
            "\"",
            "\\",
            "a\nb",
            "\u{202e}x",
            "'''",
            "\u{1}",
            "é\"\"\"",
            "a'",
        ] {
            let document = format!("a = {}\nb = {}\n", string(text), lines(text));
            let table: toml::Table = document.parse().unwrap();
            assert_eq!(table["a"].as_str(), Some(text), "{document}");
            assert_eq!(table["b"].as_str(), Some(text), "{document}");
            assert!(!document.contains('\u{202e}'));
        }
    }

    #[test]
    fn a_comment_has_one_line() {
        assert_eq!(
            comment("a\nb\u{85}c\rd")
                .matches(['\n', '\r', '\u{85}'])
                .count(),
            1
        );
    }
}
