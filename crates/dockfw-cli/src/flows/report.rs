//! What was cut, in words and as JSON.

use std::fmt;

use serde_json::{Value, json};

use super::{Error, Pruned, Why};

impl fmt::Display for Why {
    /// `forbidden`: one word, as in JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gone(_) => "gone",
            Self::Forbidden => "forbidden",
            Self::Elsewhere => "elsewhere",
            Self::Untranslated => "untranslated",
            Self::Translated => "translated",
        })
    }
}

impl Pruned {
    /// `cut 3 flows that are no longer allowed`, a line; `None` when there is nothing to say.
    pub fn to_line(&self) -> Option<String> {
        match self.deleted.len() {
            0 => None,
            1 => Some("cut 1 flow that is no longer allowed\n".to_owned()),
            many => Some(format!("cut {many} flows that are no longer allowed\n")),
        }
    }

    /// `looked_at`, `judged`, `cut` with `flow` and `why` of each, and `failed` likewise.
    pub fn to_json(&self) -> Value {
        let cut = self.deleted.iter().map(|cut| {
            json!({
                "flow": cut.entry.original.to_string(),
                "why": cut.why.to_string(),
            })
        });
        let failed = self.failed.iter().map(|(tuple, error)| {
            json!({
                "flow": tuple.to_string(),
                "error": error.to_string(),
            })
        });
        json!({
            "looked_at": self.looked_at,
            "judged": self.judged,
            "cut": cut.collect::<Vec<_>>(),
            "failed": failed.collect::<Vec<_>>(),
        })
    }

    /// What an operator has to know besides: flows that should have been cut and were not.
    pub fn warning(&self) -> Option<String> {
        let (tuple, error) = self.failed.first()?;
        let many = self.failed.len();
        Some(format!(
            "{many} flows that are no longer allowed go on, the first is {tuple}: {error}"
        ))
    }
}

impl Error {
    /// As in [`Pruned::to_json`], when nothing was looked at.
    pub fn to_json(&self) -> Value {
        json!({ "error": self.to_string() })
    }
}
