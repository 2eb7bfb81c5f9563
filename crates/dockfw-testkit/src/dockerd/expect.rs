//! What must come of a packet, and why the sides may differ, by the version of dockerd.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::release::{Version, Versions};
use crate::lab::Outcome;

/// What must come of a packet: always, or since versions of dockerd, whose containers and proxies
/// are not the same.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Expect {
    /// With every version.
    Always(Verdict),
    /// By the version since which it is so.
    Since(BTreeMap<Version, Verdict>),
}

impl Expect {
    /// What holds for one version.
    pub(super) fn in_version(self, version: Version) -> Option<Verdict> {
        match self {
            Self::Always(verdict) => Some(verdict),
            Self::Since(all) => all.range(..=version).next_back().map(|of| *of.1),
        }
    }
}

/// An entry of `docs/divergences.md`: its number, or that and the versions which it is about.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Divergence {
    /// Whatever the version.
    Always(String),
    /// In some versions; the sides are equal in others.
    In {
        /// The entry's number.
        entry: String,
        /// In which.
        versions: Versions,
    },
}

impl Divergence {
    /// The entry, if it is about this version.
    pub(super) fn in_version(self, version: Version) -> Option<String> {
        match self {
            Self::Always(entry) => Some(entry),
            Self::In { entry, versions } => versions.contain(version).then_some(entry),
        }
    }

    /// The entry's number.
    pub fn entry(&self) -> &str {
        match self {
            Self::Always(entry) | Self::In { entry, .. } => entry,
        }
    }
}

/// What came of a packet, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// A server answered.
    Reach,
    /// Silence.
    Drop,
    /// The sender was told that nobody listens.
    Refused,
    /// The sender has no route, or was told that there is none.
    Unreach,
    /// Something else: one way only, or a proxy that took it in vain.
    Other,
}

impl Verdict {
    /// The word for an outcome.
    pub fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Reached { .. } => Self::Reach,
            Outcome::NoAnswer => Self::Drop,
            Outcome::Refused => Self::Refused,
            Outcome::Unreachable(_) => Self::Unreach,
            Outcome::OneWay { .. } | Outcome::Accepted => Self::Other,
        }
    }
}
