//! `-m comment`: a remark that always matches.

use std::fmt;

use super::Match;
use crate::parse::{Args, Bad, Opt};

/// A comment: at most 255 bytes, no control characters.
///
/// Source: uapi linux/netfilter/xt_comment.h, `XT_MAX_COMMENT_LEN` (256, NUL included).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Comment(Box<str>);

/// Why a text is not a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommentError {
    /// Longer than the kernel's field.
    #[error("a comment has at most 255 bytes, this one has {0}")]
    TooLong(usize),
    /// A newline or another control character.
    #[error("{0:?} cannot stand in a comment")]
    Character(char),
}

impl Comment {
    /// The longest comment in bytes, without the terminating NUL.
    pub const MAX_LEN: usize = 255;

    /// Checks a comment.
    ///
    /// # Errors
    ///
    /// [`CommentError`] says which rule the text breaks.
    pub fn new(text: &str) -> Result<Self, CommentError> {
        if let Some(bad) = text.chars().find(|c| c.is_control()) {
            return Err(CommentError::Character(bad));
        }
        if text.len() > Self::MAX_LEN {
            return Err(CommentError::TooLong(text.len()));
        }
        Ok(Self(text.into()))
    }

    /// The text, without quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Comment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(" -m comment --comment ")?;
        write_string(f, &self.0)
    }
}

/// Writes a text with quotes when iptables-save would.
///
/// Source: iptables 1.8.9, `libxtables/xtables.c`, `xtables_save_string`.
pub(crate) fn write_string(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if !text.is_empty() && text.bytes().all(plain) {
        return f.write_str(text);
    }
    f.write_str("\"")?;
    for part in text.split_inclusive(['"', '\\', '\'']) {
        match part.chars().next_back() {
            Some(last @ ('"' | '\\' | '\'')) => {
                f.write_str(part.strip_suffix(last).unwrap_or_default())?;
                write!(f, "\\{last}")?;
            }
            _ => f.write_str(part)?,
        }
    }
    f.write_str("\"")
}

pub(super) const OPTIONS: &[Opt] = &[Opt::value(&["comment"])];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Match> {
    args.need(&["comment"]);
    let comment = args.value("comment", |text| {
        Comment::new(text).map_err(|error| Bad::new(error.to_string(), "shorten the comment"))
    })?;
    Some(comment.into())
}
