//! Checked names: chains and interfaces.
//!
//! iptables prints both without quotes, so whatever its reader would split or unquote is refused.

use std::borrow::{Borrow, Cow};
use std::fmt;

/// Why a text is not a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// No text at all.
    #[error("a name cannot be empty")]
    Empty,
    /// Longer than the kernel's field.
    #[error("a name has at most {max} bytes here, this one has {len}")]
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The greatest length in bytes, without the terminating NUL.
        max: usize,
    },
    /// A blank, a quote, a backslash, or something that is not printable ASCII; for a chain also
    /// `-` or `!` in front.
    #[error("the byte {0:#04x} cannot stand there in a name")]
    Byte(u8),
    /// The name of a verdict.
    #[error("a chain cannot be called like a verdict")]
    Verdict,
}

/// The name of a chain, built-in or not: 1 to 28 bytes.
///
/// Source: uapi linux/netfilter/x_tables.h, `XT_EXTENSION_MAXNAMELEN` (29, NUL included);
/// iptables 1.8.9, `iptables/xshared.c`, `assert_valid_chain_name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChainName(Cow<'static, str>);

impl ChainName {
    /// The longest name in bytes, without the terminating NUL.
    pub const MAX_LEN: usize = 28;

    /// Checks a name.
    ///
    /// # Errors
    ///
    /// [`NameError`] says which rule the text breaks.
    pub fn new(name: &str) -> Result<Self, NameError> {
        if let Some(error) = check(name, Self::MAX_LEN) {
            return Err(error);
        }
        match name.as_bytes().first() {
            Some(byte @ (b'-' | b'!')) => return Err(NameError::Byte(*byte)),
            _ if matches!(name, "ACCEPT" | "DROP" | "QUEUE" | "RETURN") => {
                return Err(NameError::Verdict);
            }
            _ => {}
        }
        Ok(Self(Cow::Owned(name.to_owned())))
    }

    /// A name that is part of a program's text; use it in `const` items, where a bad name stops
    /// the build.
    ///
    /// # Panics
    ///
    /// When the text is not a name.
    pub const fn from_static(name: &'static str) -> Self {
        assert!(check(name, Self::MAX_LEN).is_none(), "not a chain name");
        Self(Cow::Borrowed(name))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for ChainName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ChainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What `-i` and `-o` take: an interface name of 1 to 15 bytes, or the beginning of names and `+`.
///
/// Source: iptables 1.8.9, `libxtables/xtables.c`, `xtables_parse_interface`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct InterfacePattern {
    // Padded with zeros; inline because a host has many rules per interface.
    bytes: [u8; Self::MAX_LEN],
}

impl InterfacePattern {
    /// The longest pattern in bytes, without the terminating NUL.
    pub const MAX_LEN: usize = 15;

    /// Checks a pattern.
    ///
    /// # Errors
    ///
    /// [`NameError`] says which rule the text breaks.
    pub fn new(pattern: &str) -> Result<Self, NameError> {
        if let Some(error) = check(pattern, Self::MAX_LEN) {
            return Err(error);
        }
        let mut bytes = [0; Self::MAX_LEN];
        for (to, from) in bytes.iter_mut().zip(pattern.bytes()) {
            *to = from;
        }
        Ok(Self { bytes })
    }

    /// A pattern that is part of a program's text; use it in `const` items, where a bad pattern
    /// stops the build.
    ///
    /// # Panics
    ///
    /// When the text is not a pattern.
    #[expect(
        clippy::indexing_slicing,
        reason = "checked above; a slip stops the build"
    )]
    pub const fn from_static(pattern: &'static str) -> Self {
        assert!(
            check(pattern, Self::MAX_LEN).is_none(),
            "not an interface pattern"
        );
        let from = pattern.as_bytes();
        let mut bytes = [0; Self::MAX_LEN];
        let mut index = 0;
        while index < from.len() {
            bytes[index] = from[index];
            index += 1;
        }
        Self { bytes }
    }

    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        let end = self
            .bytes
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(Self::MAX_LEN);
        let used = self.bytes.get(..end).unwrap_or_default();
        std::str::from_utf8(used).unwrap_or_default()
    }

    /// Whether an interface's name matches.
    pub fn matches(&self, interface: &str) -> bool {
        let pattern = self.as_str();
        match pattern.strip_suffix('+') {
            Some(prefix) => interface.starts_with(prefix),
            None => interface == pattern,
        }
    }
}

impl fmt::Debug for InterfacePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("InterfacePattern")
            .field(&self.as_str())
            .finish()
    }
}

impl fmt::Display for InterfacePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is wrong with a name of at most `max` bytes, if anything.
#[expect(
    clippy::indexing_slicing,
    reason = "the loop ends at the length; const fn has no iterators"
)]
const fn check(name: &str, max: usize) -> Option<NameError> {
    let bytes = name.as_bytes();
    if bytes.is_empty() {
        return Some(NameError::Empty);
    }
    if bytes.len() > max {
        return Some(NameError::TooLong {
            len: bytes.len(),
            max,
        });
    }
    let mut index = 0;
    while index < bytes.len() {
        let byte = bytes[index];
        if !byte.is_ascii_graphic() || matches!(byte, b'"' | b'\'' | b'\\') {
            return Some(NameError::Byte(byte));
        }
        index += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chain_names() {
        let check = |name: &str, error: Option<NameError>| {
            assert_eq!(ChainName::new(name).err(), error, "{name:?}");
        };
        check("DOCKER-ISOLATION-STAGE-1", None);
        check("ufw~%chain", None);
        check("", Some(NameError::Empty));
        check("a b", Some(NameError::Byte(b' ')));
        check("-x", Some(NameError::Byte(b'-')));
        check("ACCEPT", Some(NameError::Verdict));
        check(&"x".repeat(28), None);
        check(
            &"x".repeat(29),
            Some(NameError::TooLong { len: 29, max: 28 }),
        );
    }

    #[test]
    fn interface_patterns() {
        let pattern = InterfacePattern::new("veth+").unwrap();
        assert!(pattern.matches("veth0") && pattern.matches("veth") && !pattern.matches("eth0"));
        assert!(InterfacePattern::new("0123456789abcdef").is_err());
        let longest = InterfacePattern::new("0123456789abcde").unwrap();
        assert_eq!(longest.as_str(), "0123456789abcde");
        assert_eq!(
            InterfacePattern::from_static("lo"),
            InterfacePattern::new("lo").unwrap()
        );
    }
}
