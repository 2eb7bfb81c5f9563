//! Places in a source: byte range, line and column, and the piece of the line to show.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::{is_harmful, source_name};

/// The start of every line of a source, for finding lines and columns.
#[derive(Debug, Clone)]
pub struct LineIndex {
    name: Arc<str>,
    order: usize,
    starts: Vec<usize>,
    /// How many characters stand before each block of [`BLOCK`] bytes; a line can be as long as
    /// the file.
    blocks: Vec<usize>,
}

/// The bytes for which characters are counted again for each column.
const BLOCK: usize = 4096;

/// A place in a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    source: Arc<str>,
    order: usize,
    position: Option<Position>,
}

/// The part of a [`Location`] that a source without text does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Position {
    span: Range<usize>,
    line: usize,
    column: usize,
    end: (usize, usize),
    snippet: Snippet,
}

/// A line of a source, or the part of it around the place, as it is printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snippet {
    /// The text; control characters are replaced one by one.
    pub text: String,
    /// The bytes of `text` that are meant.
    pub marked: Range<usize>,
}

/// How many characters of a long line are shown before and behind the marked ones.
const CONTEXT: usize = 60;

/// How many characters are marked at most.
const MARKED: usize = 80;

impl LineIndex {
    /// Indexes a source. `order` is its place among the sources of the run, for sorting.
    pub fn new(name: &str, order: usize, text: &[u8]) -> Self {
        let ends = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        let starts = std::iter::once(0)
            .chain(ends.map(|(at, _)| at + 1))
            .collect();
        let mut count = 0;
        let blocks = text.chunks(BLOCK).map(|block| {
            let before = count;
            count += characters(block);
            before
        });
        let blocks = blocks.collect();
        Self {
            name: source_name(name),
            order,
            starts,
            blocks,
        }
    }

    /// The place of a byte range of `text`, which must be the indexed text.
    pub fn locate(&self, text: &[u8], span: Range<usize>) -> Location {
        let start = span.start.min(text.len());
        let end = span.end.clamp(start, text.len());
        let (line, column) = self.line_and_column(text, start);
        let position = Position {
            span: start..end,
            line,
            column,
            end: self.line_and_column(text, end),
            snippet: snippet(self.line(text, line), start - self.start(line), end - start),
        };
        Location {
            source: Arc::clone(&self.name),
            order: self.order,
            position: Some(position),
        }
    }

    /// Line and column of a byte, both from 1; the column counts characters.
    fn line_and_column(&self, text: &[u8], at: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= at);
        let before = |at| self.characters_before(text, at);
        (line, before(at) - before(self.start(line)) + 1)
    }

    /// How many characters stand before a byte.
    fn characters_before(&self, text: &[u8], at: usize) -> usize {
        let block = (at / BLOCK).min(self.blocks.len().saturating_sub(1));
        let known = self.blocks.get(block).copied().unwrap_or(0);
        known + characters(text.get(block * BLOCK..at).unwrap_or_default())
    }

    /// The first byte of a line, counted from 1.
    fn start(&self, line: usize) -> usize {
        line.checked_sub(1)
            .and_then(|index| self.starts.get(index))
            .copied()
            .unwrap_or(0)
    }

    /// A line without its end.
    fn line<'a>(&self, text: &'a [u8], line: usize) -> &'a [u8] {
        let end = self.starts.get(line).map_or(text.len(), |next| next - 1);
        let line = text.get(self.start(line)..end).unwrap_or_default();
        line.strip_suffix(b"\r").unwrap_or(line)
    }
}

/// How many characters a piece of UTF-8 has; bytes that are not UTF-8 count as they come.
fn characters(text: &[u8]) -> usize {
    text.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

/// The part of a line to show; `start` and `len` are bytes of it, `len` may reach beyond it.
fn snippet(line: &[u8], start: usize, len: usize) -> Snippet {
    let start = start.min(line.len());
    // Cut on the byte level first: a line can have megabytes.
    let near = |at: usize| at.min(line.len());
    // Four bytes more than the characters need: a character that is cut in two is not shown.
    let from = start.saturating_sub(4 * CONTEXT + 4);
    let end = near(start + len.min(4 * MARKED + 4));
    let to = near(end + 4 * CONTEXT + 4);
    let decode = |range: Range<usize>| {
        String::from_utf8_lossy(line.get(range).unwrap_or_default()).into_owned()
    };
    let before = decode(from..start);
    let marked = decode(start..end);
    let behind = decode(end..to);

    let mut text = String::new();
    let skipped = before.chars().count().saturating_sub(CONTEXT);
    if from > 0 || skipped > 0 {
        text.push('…');
    }
    text.extend(before.chars().skip(skipped).map(visible));
    let first = text.len();
    text.extend(marked.chars().take(MARKED).map(visible));
    let last = text.len();
    if marked.chars().nth(MARKED).is_some() {
        text.push('…');
    } else {
        text.extend(behind.chars().take(CONTEXT).map(visible));
        if to < line.len() || behind.chars().nth(CONTEXT).is_some() {
            text.push('…');
        }
    }
    if first == last && last == text.len() && !text.is_empty() {
        // The mark of something missing at the end needs a column to stand in.
        text.push(' ');
    }
    Snippet {
        text,
        marked: first..last,
    }
}

/// The character as it is printed, one for one.
fn visible(c: char) -> char {
    match c {
        '\t' => ' ',
        c if is_harmful(c) => '\u{fffd}',
        c => c,
    }
}

impl Location {
    /// A source as a whole, when it has no text to point into.
    pub fn whole(name: &str, order: usize) -> Self {
        Self {
            source: source_name(name),
            order,
            position: None,
        }
    }

    /// The name of the source.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The bytes of the source that are meant.
    pub fn span(&self) -> Option<Range<usize>> {
        self.position.as_ref().map(|position| position.span.clone())
    }

    /// The line, from 1.
    pub fn line(&self) -> Option<usize> {
        self.position.as_ref().map(|position| position.line)
    }

    /// The column, from 1, in characters.
    pub fn column(&self) -> Option<usize> {
        self.position.as_ref().map(|position| position.column)
    }

    /// Line and column, from 1, of the character after the last one that is meant.
    pub fn end(&self) -> Option<(usize, usize)> {
        self.position.as_ref().map(|position| position.end)
    }

    /// The line as it is printed.
    pub fn snippet(&self) -> Option<&Snippet> {
        self.position.as_ref().map(|position| &position.snippet)
    }

    /// The key by which diagnostics are sorted.
    pub(super) fn order(&self) -> (usize, Option<(usize, usize)>) {
        let span = self
            .position
            .as_ref()
            .map(|position| (position.span.start, position.span.end));
        (self.order, span)
    }
}

impl fmt::Display for Location {
    /// `file:line:column`, or the file alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        if let Some(position) = &self.position {
            write!(f, ":{}:{}", position.line, position.column)?;
        }
        Ok(())
    }
}
