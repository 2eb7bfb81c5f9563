//! Lines and words of a text, with their places.
//!
//! A line that begins like a restore file's (`-`, `*`, `:`, `[`, `COMMIT`) is quoted as
//! iptables-restore quotes: `"…"` with a backslash in front of any character. Every other line is a
//! command of a shell: `'…'`, `"…"` and backslashes, and whatever else a shell would do with it
//! (`;`, `|`, `$name`, …) is refused.
//!
//! In both a backslash at the end of a line joins it with the next one, and `#` at the beginning
//! of a word starts a comment.
//!
//! Source: iptables 1.8.9, `iptables/xshared.c`, `add_param_to_argv`; POSIX.1-2017, Shell Command
//! Language §2.2.

use std::iter::Peekable;
use std::str::CharIndices;

use super::error::{ErrorKind, ParseError, Span};

/// A word without its quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) text: String,
    pub(crate) span: Span,
    /// Whether any part of it stood in quotes: `"!"` is not a negation.
    pub(crate) quoted: bool,
}

/// One line of words, continuation lines included; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) words: Vec<Word>,
    pub(crate) span: Span,
}

/// Whose quoting a line has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quoting {
    Restore,
    Shell,
}

struct Lexer<'t> {
    text: &'t str,
    chars: Peekable<CharIndices<'t>>,
}

/// Splits a text. A line that cannot be split is left out and has an error instead.
pub(crate) fn lines(text: &str, errors: &mut Vec<ParseError>) -> Vec<Line> {
    let mut lexer = Lexer {
        text,
        chars: text.char_indices().peekable(),
    };
    let mut lines = Vec::new();
    while lexer.chars.peek().is_some() {
        match lexer.line() {
            Ok(words) => {
                if let (Some(first), Some(last)) = (words.first(), words.last()) {
                    let span = first.span.to(last.span);
                    lines.push(Line { words, span });
                }
            }
            Err(error) => {
                errors.push(error);
                lexer.skip_line();
            }
        }
    }
    lines
}

impl Lexer<'_> {
    fn offset(&mut self) -> usize {
        let end = self.text.len();
        self.chars.peek().map_or(end, |(offset, _)| *offset)
    }

    fn peek(&mut self) -> Option<char> {
        self.chars.peek().map(|(_, c)| *c)
    }

    fn next(&mut self) -> Option<char> {
        self.chars.next().map(|(_, c)| c)
    }

    fn rest(&mut self) -> &str {
        let offset = self.offset();
        self.text.get(offset..).unwrap_or_default()
    }

    fn skip_line(&mut self) {
        while self.next().is_some_and(|c| c != '\n') {}
    }

    /// Skips a backslash with the line end behind it.
    fn continued(&mut self) -> bool {
        let rest = self.rest();
        let end = ["\\\n", "\\\r\n"]
            .into_iter()
            .find(|end| rest.starts_with(end));
        let length = end.map_or(0, str::len);
        for _ in 0..length {
            self.next();
        }
        length > 0
    }

    /// The words up to the end of the line, which is consumed.
    fn line(&mut self) -> Result<Vec<Word>, ParseError> {
        let mut words: Vec<Word> = Vec::new();
        let mut quoting = Quoting::Restore;
        loop {
            match self.peek() {
                None => return Ok(words),
                Some('\n') => {
                    self.next();
                    return Ok(words);
                }
                Some('#') => {
                    self.skip_line();
                    return Ok(words);
                }
                Some(c) if c.is_ascii_whitespace() => {
                    self.next();
                }
                Some(_) if self.continued() => {}
                Some(c) => {
                    if words.is_empty() {
                        let restore =
                            matches!(c, '-' | '*' | ':' | '[') || self.rest().starts_with("COMMIT");
                        quoting = if restore {
                            Quoting::Restore
                        } else {
                            Quoting::Shell
                        };
                    }
                    words.push(self.word(quoting)?);
                }
            }
        }
    }

    fn word(&mut self, quoting: Quoting) -> Result<Word, ParseError> {
        let start = self.offset();
        let mut text = String::new();
        let mut quoted = false;
        while let Some(c) = self.peek() {
            if c.is_ascii_whitespace() || self.continued() {
                break;
            }
            let at = self.offset();
            self.next();
            match (c, quoting) {
                ('"', _) => {
                    quoted = true;
                    self.double_quoted(at, quoting, &mut text)?;
                }
                ('\'', Quoting::Shell) => {
                    quoted = true;
                    self.single_quoted(at, &mut text)?;
                }
                // iptables-restore knows no single quotes, but people write them.
                ('\'', Quoting::Restore) if at == start && self.closes_on_line('\'') => {
                    quoted = true;
                    self.single_quoted(at, &mut text)?;
                }
                ('\\', Quoting::Shell) => text.extend(self.next()),
                (';' | '&' | '|' | '<' | '>' | '(' | ')' | '`' | '$', Quoting::Shell) => {
                    return Err(shell(c, at));
                }
                (c, _) => text.push(c),
            }
        }
        let span = Span {
            start,
            end: self.offset(),
        };
        Ok(Word { text, span, quoted })
    }

    fn closes_on_line(&mut self, quote: char) -> bool {
        let line = self.rest().lines().next().unwrap_or_default();
        line.contains(quote)
    }

    fn double_quoted(
        &mut self,
        open: usize,
        quoting: Quoting,
        text: &mut String,
    ) -> Result<(), ParseError> {
        loop {
            let at = self.offset();
            match self.peek() {
                None | Some('\n') => return Err(open_quote(open, '"')),
                Some('"') => {
                    self.next();
                    return Ok(());
                }
                Some('\\') => {
                    if self.continued() {
                        continue;
                    }
                    self.next();
                    match (self.peek(), quoting) {
                        (Some('\n') | None, _) => {}
                        (Some(c), Quoting::Shell) if !matches!(c, '"' | '\\' | '$' | '`') => {
                            text.push('\\');
                        }
                        (Some(c), _) => {
                            text.push(c);
                            self.next();
                        }
                    }
                }
                Some(c @ ('$' | '`')) if quoting == Quoting::Shell => return Err(shell(c, at)),
                Some(c) => {
                    text.push(c);
                    self.next();
                }
            }
        }
    }

    fn single_quoted(&mut self, open: usize, text: &mut String) -> Result<(), ParseError> {
        loop {
            match self.peek() {
                None | Some('\n') => return Err(open_quote(open, '\'')),
                Some('\'') => {
                    self.next();
                    return Ok(());
                }
                Some(c) => {
                    text.push(c);
                    self.next();
                }
            }
        }
    }
}

fn open_quote(at: usize, quote: char) -> ParseError {
    let span = Span {
        start: at,
        end: at + 1,
    };
    ParseError::new(
        span,
        ErrorKind::Syntax,
        "the quote is not closed on this line",
        format!("close it with {quote}"),
    )
}

fn shell(c: char, at: usize) -> ParseError {
    let span = Span {
        start: at,
        end: at + c.len_utf8(),
    };
    let help = match c {
        '$' | '`' => "write the value itself: nothing is substituted here",
        ';' | '&' | '|' => "write one command a line",
        _ => "leave it out, or put it in quotes if it belongs to a value",
    };
    ParseError::new(
        span,
        ErrorKind::Syntax,
        format!("{c} means something to a shell, and this is not one"),
        help,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&[&str]]) {
        let mut errors = Vec::new();
        let lines = lines(text, &mut errors);
        let words: Vec<Vec<&str>> = lines
            .iter()
            .map(|line| line.words.iter().map(|word| word.text.as_str()).collect())
            .collect();
        assert_eq!(errors, []);
        assert_eq!(words, expected);
    }

    fn refuse(text: &str, at: &str) {
        let mut errors = Vec::new();
        assert_eq!(lines(text, &mut errors), [], "{text}");
        let found: Vec<&str> = errors.iter().map(|error| error.span.of(text)).collect();
        assert_eq!(found, [at], "{text}");
    }

    #[test]
    fn words() {
        check("", &[]);
        check("# x\n\n  -A  b\tc # d\r\n*e", &[&["-A", "b", "c"], &["*e"]]);
        check("a b\\\n c \\\r\nd\ne", &[&["a", "b", "c", "d"], &["e"]]);
        check("a 'b c'\"d \\\" \\x\"\\ f", &[&["a", "b cd \" \\x f"]]);
        check("-A \"b \\\" \\'c\"", &[&["-A", "b \" 'c"]]);
        check(
            "-A 'b c' d'e f'g $x;",
            &[&["-A", "b c", "d'e", "f'g", "$x;"]],
        );
        check("-A 'b", &[&["-A", "'b"]]);
    }

    #[test]
    fn mistakes() {
        refuse("a \"b", "\"");
        refuse("a $b", "$");
        refuse("a \"$b\"", "$");
        refuse("a; b", ";");
        refuse("a && b", "&");
        refuse("a 'b", "'");
    }
}
