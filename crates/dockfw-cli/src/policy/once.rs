//! Keys of a table that several files may have, but each key in one file only.

use std::borrow::Cow;
use std::collections::BTreeMap;

use toml::Spanned;

use super::report::{Draft, Span};
use super::value::Cursor;

/// The keys that have been read, and where they stand.
#[derive(Default)]
pub(super) struct Once(BTreeMap<String, Span>);

impl Once {
    /// Notes a key; false when another file has set it already, which is reported.
    pub(super) fn note(
        &mut self,
        key: &Spanned<Cow<'_, str>>,
        cursor: &mut Cursor<'_, '_>,
    ) -> bool {
        let name = key.get_ref().as_ref();
        let span = cursor.span(key);
        if let Some(first) = self.0.get(name) {
            let draft = Draft::error(span, format!("`{name}` is set in another file already"))
                .related(*first, "set here first")
                .help("keep one of them");
            cursor.push(draft);
            return false;
        }
        self.0.insert(name.to_owned(), span);
        true
    }

    /// Where a key stands.
    pub(super) fn get(&self, name: &str) -> Option<Span> {
        self.0.get(name).copied()
    }
}
