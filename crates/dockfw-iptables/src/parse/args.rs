//! What an extension gets to read: its options as they stand in the text, and the rest of the
//! rule as far as it matters.

use super::error::{Bad, ErrorKind, ParseError, Span};
use super::lex::Word;
use crate::program::Family;
use crate::value::{Invertible, Protocol};

/// An extension that can be read.
#[derive(Debug)]
pub(crate) struct Extension<T> {
    /// The name behind `-m` or `-j`, then other names for it.
    pub(crate) names: &'static [&'static str],
    /// The family it exists for; `None` for both.
    pub(crate) family: Option<Family>,
    pub(crate) options: &'static [Opt],
    pub(crate) read: fn(&mut Args<'_>) -> Option<T>,
}

impl<T> Extension<T> {
    pub(crate) const fn new(
        names: &'static [&'static str],
        options: &'static [Opt],
        read: fn(&mut Args<'_>) -> Option<T>,
    ) -> Self {
        Self {
            names,
            family: None,
            options,
            read,
        }
    }

    /// Only for one family.
    pub(crate) const fn only(mut self, family: Family) -> Self {
        self.family = Some(family);
        self
    }

    pub(crate) fn name(&self) -> &'static str {
        self.names.first().copied().unwrap_or_default()
    }
}

/// An option of an extension.
#[derive(Debug)]
pub(crate) struct Opt {
    /// Its name without dashes, then other names for it.
    pub(crate) names: &'static [&'static str],
    /// How many words follow.
    pub(crate) values: usize,
    pub(crate) invertible: bool,
}

impl Opt {
    pub(crate) const fn flag(names: &'static [&'static str]) -> Self {
        Self {
            names,
            values: 0,
            invertible: false,
        }
    }

    pub(crate) const fn value(names: &'static [&'static str]) -> Self {
        let mut opt = Self::flag(names);
        opt.values = 1;
        opt
    }

    pub(crate) const fn pair(names: &'static [&'static str]) -> Self {
        let mut opt = Self::flag(names);
        opt.values = 2;
        opt
    }

    pub(crate) const fn invertible(mut self) -> Self {
        self.invertible = true;
        self
    }

    pub(crate) fn key(&self) -> &'static str {
        self.names.first().copied().unwrap_or_default()
    }
}

/// An option in the text.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    pub(crate) key: &'static str,
    pub(crate) inverted: bool,
    /// The option with its values.
    pub(crate) span: Span,
    pub(crate) values: Vec<Word>,
}

impl Given {
    /// A value with its place; values are counted when the option is read.
    pub(crate) fn value(&self, index: usize) -> (&str, Span) {
        let word = self.values.get(index);
        word.map_or(("", self.span), |word| (word.text.as_str(), word.span))
    }
}

/// The options of one extension in one rule.
#[derive(Debug)]
pub(crate) struct Args<'a> {
    pub(crate) family: Family,
    /// `-p` of the rule.
    pub(crate) protocol: Option<Invertible<Protocol>>,
    /// The extension's name.
    pub(crate) name: &'static str,
    /// `-m name`, or the first option when the extension was loaded by `-p`.
    pub(crate) span: Span,
    pub(crate) given: &'a [Given],
    pub(crate) errors: &'a mut Vec<ParseError>,
}

impl Args<'_> {
    fn find(&self, key: &str) -> Option<Given> {
        self.given.iter().find(|given| given.key == key).cloned()
    }

    /// Whether an option was given, right or wrong.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.given.iter().any(|given| given.key == key)
    }

    /// The value of an option that cannot be inverted.
    pub(crate) fn value<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(&str) -> Result<T, Bad>,
    ) -> Option<T> {
        self.invertible(key, read).map(|value| value.into_parts().1)
    }

    /// The value of an option, inverted or not.
    pub(crate) fn invertible<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(&str) -> Result<T, Bad>,
    ) -> Option<Invertible<T>> {
        let given = self.find(key)?;
        let (text, span) = given.value(0);
        let value = self.note(span, key, read(text))?;
        Some(Invertible::new(given.inverted, value))
    }

    /// The two values of an option, inverted or not.
    pub(crate) fn pair<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(&str, &str) -> Result<T, Bad>,
    ) -> Option<Invertible<T>> {
        let given = self.find(key)?;
        let ((first, from), (second, to)) = (given.value(0), given.value(1));
        let value = self.note(from.to(to), key, read(first, second))?;
        Some(Invertible::new(given.inverted, value))
    }

    /// An option without value, inverted or not.
    pub(crate) fn flag(&mut self, key: &str) -> Option<Invertible<()>> {
        let given = self.find(key)?;
        Some(Invertible::new(given.inverted, ()))
    }

    /// Keeps a value, or says where it is wrong.
    pub(crate) fn note<T>(&mut self, span: Span, key: &str, read: Result<T, Bad>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(mut bad) => {
                if bad.kind == ErrorKind::Invalid {
                    bad.message = format!("--{key}: {}", bad.message);
                }
                self.errors.push(bad.at(span));
                None
            }
        }
    }

    /// Adds an error about an option, or about the extension when the option is not there.
    pub(crate) fn refuse(
        &mut self,
        key: &str,
        kind: ErrorKind,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let span = self.find(key).map_or(self.span, |given| given.span);
        self.errors.push(ParseError::new(span, kind, message, help));
    }

    /// Insists on at least one of several options.
    pub(crate) fn need(&mut self, keys: &[&str]) {
        if keys.iter().any(|key| self.has(key)) {
            return;
        }
        let list: Vec<String> = keys.iter().map(|key| format!("--{key}")).collect();
        let list = list.join(" or ");
        let message = format!("{} does nothing without {list}", self.name);
        self.refuse("", ErrorKind::Missing, message, format!("add {list}"));
    }

    /// Refuses more than one of several options.
    pub(crate) fn only_one(&mut self, keys: &[&str]) {
        let mut given = keys.iter().filter(|key| self.has(key));
        if let (Some(first), Some(second)) = (given.next(), given.next()) {
            let message = format!("--{first} and --{second} exclude each other");
            self.refuse(
                second,
                ErrorKind::Contradictory,
                message,
                format!("leave out --{first} or --{second}"),
            );
        }
    }

    /// Refuses an option without another one.
    pub(crate) fn requires(&mut self, key: &str, other: &str) {
        if self.has(key) && !self.has(other) {
            let message = format!("--{key} needs --{other} besides");
            self.refuse(
                key,
                ErrorKind::Missing,
                message,
                format!("add --{other}, or leave out --{key}"),
            );
        }
    }

    /// Whether the rule's `-p` is one of these.
    pub(crate) fn has_protocol(&self, wanted: &[Protocol]) -> bool {
        matches!(self.protocol, Some(Invertible::Is(protocol)) if wanted.contains(&protocol))
    }

    /// Insists on the rule's `-p`; `key` is the option that needs it, empty for all.
    pub(crate) fn need_protocol(&mut self, key: &str, wanted: &[Protocol]) {
        if self.has_protocol(wanted) {
            return;
        }
        let names: Vec<String> = wanted.iter().map(|one| format!("-p {one}")).collect();
        let what = if key.is_empty() {
            self.name.to_owned()
        } else {
            format!("--{key}")
        };
        let names = names.join(" or ");
        self.refuse(
            key,
            ErrorKind::Contradictory,
            format!("{what} needs a rule with {names}"),
            format!("add {names}"),
        );
    }
}
