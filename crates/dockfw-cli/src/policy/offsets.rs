//! From the text of a TOML string back to the bytes that it is written with.
//!
//! Escapes, the line end behind an opening `"""`, a backslash at the end of a line and CRLF make
//! the text and the source differ; everything else stands in both byte for byte.

use std::ops::Range;

/// Where each byte of a string's text stands in the TOML value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offsets {
    /// The pieces of the text, in order and without gaps.
    pieces: Vec<Piece>,
    /// The first byte behind the opening quotes.
    begin: usize,
}

/// A piece of the text: as it is written, or a character that is written as an escape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    text: usize,
    source: usize,
    /// Bytes in the source.
    length: usize,
    is_escape: bool,
}

impl Piece {
    /// The source of a byte of the text that is not in front of the piece.
    fn source(self, at: usize) -> usize {
        if self.is_escape {
            return self.source;
        }
        self.source + (at - self.text).min(self.length)
    }
}

impl Offsets {
    /// Compares a value as it is written, quotes included, with the text that it stands for.
    ///
    /// `None` when they do not belong together.
    pub(super) fn new(written: &str, text: &str) -> Option<Self> {
        let quotes = ["\"\"\"", "'''", "\"", "'"];
        let quotes = quotes.into_iter().find(|quotes| {
            let rest = written.strip_prefix(quotes);
            rest.is_some_and(|rest| rest.ends_with(quotes))
        })?;
        let mut begin = quotes.len();
        let end = written.len() - quotes.len();
        if quotes.len() == 3 {
            let first = written.get(begin..end)?;
            let line_end = ["\r\n", "\n"]
                .into_iter()
                .find(|end| first.starts_with(end));
            begin += line_end.map_or(0, str::len);
        }
        let mut walk = Walk {
            rest: written.get(begin..end)?,
            source: begin,
            text,
            at: 0,
            pieces: Vec::new(),
        };
        let has_escapes = quotes.starts_with('"');
        while !walk.rest.is_empty() {
            walk.step(has_escapes)?;
        }
        (walk.at == text.len()).then_some(Self {
            pieces: walk.pieces,
            begin,
        })
    }

    /// The bytes of the value for a range of the text.
    pub(super) fn range(&self, text: Range<usize>) -> Range<usize> {
        let start = self.start(text.start);
        let end = if text.end > text.start {
            self.end(text.end)
        } else {
            start
        };
        start..end.max(start)
    }

    fn piece(&self, at: usize) -> Option<Piece> {
        let behind = self.pieces.partition_point(|piece| piece.text <= at);
        self.pieces.get(behind.checked_sub(1)?).copied()
    }

    fn start(&self, at: usize) -> usize {
        self.piece(at).map_or(self.begin, |piece| piece.source(at))
    }

    /// Behind the byte before `at`, which is above 0.
    fn end(&self, at: usize) -> usize {
        let Some(piece) = self.piece(at - 1) else {
            return self.begin;
        };
        if piece.is_escape {
            piece.source + piece.length
        } else {
            piece.source(at)
        }
    }
}

struct Walk<'t> {
    /// What is written and not read yet.
    rest: &'t str,
    /// Where `rest` begins.
    source: usize,
    text: &'t str,
    /// How much of `text` has been found.
    at: usize,
    pieces: Vec<Piece>,
}

impl Walk<'_> {
    /// Goes on behind some written bytes.
    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.rest = self.rest.get(bytes..)?;
        self.source += bytes;
        Some(())
    }

    fn step(&mut self, has_escapes: bool) -> Option<()> {
        if has_escapes && self.rest.starts_with('\\') {
            return self.escape();
        }
        let left = self.text.get(self.at..)?;
        if self.rest.starts_with("\r\n") && left.starts_with('\n') {
            self.skip(1)?;
        }
        // Up to what may not be verbatim; a character at least.
        let first = self.rest.chars().next()?.len_utf8();
        let behind = self.rest.get(first..)?;
        let special = behind
            .find(['\\', '\r'])
            .map_or(self.rest.len(), |at| at + first);
        let run = self.rest.get(..special)?;
        if !left.starts_with(run) {
            return None;
        }
        self.pieces.push(Piece {
            text: self.at,
            source: self.source,
            length: run.len(),
            is_escape: false,
        });
        self.at += run.len();
        self.skip(special)
    }

    fn escape(&mut self) -> Option<()> {
        let behind = self.rest.get(1..)?;
        let digits = match behind.chars().next()? {
            // A line end that does not count, and the blanks around it.
            ' ' | '\t' | '\r' | '\n' => {
                let kept = behind.trim_start_matches([' ', '\t', '\r', '\n']);
                return self.skip(self.rest.len() - kept.len());
            }
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => 0,
        };
        let length = 2 + digits;
        self.pieces.push(Piece {
            text: self.at,
            source: self.source,
            length,
            is_escape: true,
        });
        self.at += self.text.get(self.at..)?.chars().next()?.len_utf8();
        self.skip(length)
    }
}

#[cfg(test)]
mod tests {
    use toml::de::DeTable;

    use super::Offsets;

    /// What is written for the first `part` of the text of a TOML value.
    #[track_caller]
    fn written<'v>(value: &'v str, part: &str) -> &'v str {
        let document = format!("k = {value}");
        let table = DeTable::parse(&document).unwrap();
        let found = table.get_ref().get("k").unwrap();
        assert_eq!(found.span(), 4..document.len());
        let text = found.get_ref().as_str().unwrap();
        let offsets = Offsets::new(value, text).unwrap();
        let at = text.find(part).unwrap();
        &value[offsets.range(at..at + part.len())]
    }

    #[test]
    fn what_is_verbatim_stays() {
        for value in ["\"ab cd\"", "'ab cd'", "'''ab cd'''", "\"\"\"\nab cd\"\"\""] {
            assert_eq!(written(value, "cd"), "cd", "{value}");
            assert_eq!(written(value, "ab cd"), "ab cd", "{value}");
        }
        assert_eq!(written("'''\na\\nb \\q'''", "\\q"), "\\q");
        assert_eq!(written("\"\"\"a \"\"b\"\"\"\"", "b\""), "b\"");
    }

    #[test]
    fn escapes_are_longer_than_their_character() {
        let value = r#""a\tb\u00e9c\\d\"e\U0001f600f""#;
        assert_eq!(written(value, "b"), "b");
        assert_eq!(written(value, "\t"), r"\t");
        assert_eq!(written(value, "é"), r"\u00e9");
        assert_eq!(written(value, "éc"), r"\u00e9c");
        assert_eq!(written(value, "\\d"), r"\\d");
        assert_eq!(written(value, "\"e"), "\\\"e");
        assert_eq!(written(value, "\u{1f600}f"), r"\U0001f600f");
        assert_eq!(written(r#""-A x\n-A y""#, "-A y"), "-A y");
        assert_eq!(written(r#""-A x\n-A y""#, "\n"), r"\n");
    }

    #[test]
    fn a_backslash_at_the_end_of_a_line_takes_the_blanks_away() {
        let value = "\"\"\"\n-A a \\\n   \n  -j b\n-A c\"\"\"";
        assert_eq!(written(value, "-j b"), "-j b");
        assert_eq!(written(value, "-A a "), "-A a ");
        assert_eq!(written(value, "a -j"), "a \\\n   \n  -j");
        assert_eq!(written(value, "-A c"), "-A c");
    }

    #[test]
    fn line_ends_of_windows() {
        for quotes in ["\"\"\"", "'''"] {
            let value = format!("{quotes}\r\n-A a\r\n-A b\r\n{quotes}");
            assert_eq!(written(&value, "-A a"), "-A a");
            assert_eq!(written(&value, "-A b"), "-A b");
        }
        let value = "\"\"\"\r\n-A a \\\r\n  -j b\"\"\"";
        assert_eq!(written(value, "-j b"), "-j b");
    }

    #[test]
    fn other_characters_keep_their_bytes() {
        assert_eq!(written("'äö ü'", "ü"), "ü");
        assert_eq!(written("\"ä\\u00f6ü\"", "öü"), "\\u00f6ü");
    }

    #[test]
    fn ends_are_places_too() {
        let offsets = Offsets::new("\"\"\"\na\"\"\"", "a").unwrap();
        assert_eq!(offsets.range(1..1), 5..5);
        assert_eq!(offsets.range(0..0), 4..4);
        assert_eq!(Offsets::new("''", "").unwrap().range(0..0), 1..1);
    }

    #[test]
    fn what_does_not_belong_together_is_told() {
        assert_eq!(Offsets::new("'a'", "b"), None);
        assert_eq!(Offsets::new("'a'", "ab"), None);
        assert_eq!(Offsets::new("\"a\\n\"", "a"), None);
        assert_eq!(Offsets::new("5", "5"), None);
        assert_eq!(Offsets::new("\"", ""), None);
    }
}
