//! The names of what is pending: a prefix, which a name of either generation must not have.
//!
//! Behind the prefix stands the own name of a chain or set of the new generation, or a dot and a
//! word: no name begins with a dot.

use super::PendingError;
use crate::name::{ChainName, NameError, SetName};

/// What all these names begin with.
const PREFIX: &str = "pending__";

/// The set that decides.
const UNTIL: &str = "pending__.until";
/// Says that there is an old table, and its comment.
const OLD: &str = "pending__.old";
/// Says that there is a new table, and its comment.
const NEW: &str = "pending__.new";
/// Before the name of a base chain that both generations have: where its new half begins.
const BOTH: &str = "pending__.both__";
/// The same of one that only the new generation has.
const ONLY: &str = "pending__.only__";
/// Before the name of a base chain of the new generation whose own name is another chain's.
const HOOK: &str = "pending__.hook__";

/// What the name of a chain says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Role {
    /// Of the old generation, or a base chain.
    Plain,
    /// [`OLD`]
    Old,
    /// [`NEW`]
    New,
    /// [`BOTH`], with the name of the base chain.
    Both(ChainName),
    /// [`ONLY`], likewise.
    Only(ChainName),
    /// [`HOOK`], likewise.
    Hook(ChainName),
    /// A chain of the new generation.
    Body(ChainName),
    /// The prefix, and nothing that we write behind it.
    Unknown,
}

/// Whether it is a name of what is pending.
pub(super) fn is_reserved(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// What a chain is.
pub(super) fn role(chain: &ChainName) -> Role {
    let text = chain.as_str();
    let own = |prefix: &str| ChainName::new(text.strip_prefix(prefix)?).ok();
    if !is_reserved(text) {
        Role::Plain
    } else if text == OLD {
        Role::Old
    } else if text == NEW {
        Role::New
    } else if let Some(name) = own(BOTH) {
        Role::Both(name)
    } else if let Some(name) = own(ONLY) {
        Role::Only(name)
    } else if let Some(name) = own(HOOK) {
        Role::Hook(name)
    } else {
        own(PREFIX).map_or(Role::Unknown, Role::Body)
    }
}

/// The chain that says that there is a table of a generation.
pub(super) fn marker(new: bool) -> ChainName {
    constant(if new { NEW } else { OLD }, ChainName::new)
}

/// The set that decides.
pub(super) fn until() -> SetName {
    constant(UNTIL, SetName::new)
}

#[expect(clippy::expect_used, reason = "a test makes them all")]
fn constant<T>(name: &str, new: fn(&str) -> Result<T, NameError>) -> T {
    new(name).expect("a constant name is valid")
}

/// A chain of the new generation.
pub(super) fn chain(name: &ChainName) -> Result<ChainName, PendingError> {
    prefixed(PREFIX, name.as_str(), ChainName::new)
}

/// Its base chain, when the name is taken.
pub(super) fn hook(name: &ChainName) -> Result<ChainName, PendingError> {
    prefixed(HOOK, name.as_str(), ChainName::new)
}

/// Where the new half of a base chain begins.
pub(super) fn half(name: &ChainName, both: bool) -> Result<ChainName, PendingError> {
    prefixed(
        if both { BOTH } else { ONLY },
        name.as_str(),
        ChainName::new,
    )
}

/// A set of the new generation.
pub(super) fn set(name: &SetName) -> Result<SetName, PendingError> {
    prefixed(PREFIX, name.as_str(), SetName::new)
}

fn prefixed<T>(
    prefix: &str,
    name: &str,
    new: fn(&str) -> Result<T, NameError>,
) -> Result<T, PendingError> {
    new(&format!("{prefix}{name}")).map_err(|error| PendingError::Name {
        name: name.to_owned(),
        error,
    })
}

/// The own name of a chain of the new generation.
pub(super) fn own_chain(name: &ChainName) -> Option<ChainName> {
    ChainName::new(name.as_str().strip_prefix(PREFIX)?).ok()
}

/// The own name of a set of the new generation.
pub(super) fn own_set(name: &SetName) -> Option<SetName> {
    SetName::new(name.as_str().strip_prefix(PREFIX)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constant_names_are_names_and_no_chain_can_take_them() {
        assert_eq!(own_set(&until()), None);
        for new in [false, true] {
            assert_eq!(own_chain(&marker(new)), None);
            assert!(is_reserved(marker(new).as_str()));
        }
    }

    #[test]
    fn names_tell_what_they_are() {
        let name = |text: &str| ChainName::new(text).unwrap();
        let own = name("forward");
        assert_eq!(role(&own), Role::Plain);
        assert_eq!(role(&chain(&own).unwrap()), Role::Body(own.clone()));
        assert_eq!(role(&hook(&own).unwrap()), Role::Hook(own.clone()));
        assert_eq!(role(&half(&own, true).unwrap()), Role::Both(own.clone()));
        assert_eq!(role(&half(&own, false).unwrap()), Role::Only(own));
        assert_eq!(role(&marker(true)), Role::New);
        assert_eq!(role(&marker(false)), Role::Old);
        assert_eq!(role(&name("pending__.x")), Role::Unknown);
        assert_eq!(role(&name("pending__accept")), Role::Unknown);
    }
}
