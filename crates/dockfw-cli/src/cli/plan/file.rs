//! A plan in a file: what was there, what was wanted, and from which files.
//!
//! The file does not hold the changes. It says for which state of the kernel and which ruleset they
//! were shown, so that what is committed later is what was looked at, or nothing.
//!
//! It is one JSON object:
//!
//! | key | |
//! |---|---|
//! | `dockfw_plan` | 2, the version of the format |
//! | `generation` | of the reading; begins anew with each boot |
//! | `kernel` | digest of our tables as they were read |
//! | `wanted` | digest of the compiled ruleset |
//! | `settings` | the settings of the host that the commit makes: `["net.ipv4.ip_forward=1"]` |
//! | `inputs` | the files that it was compiled from, absolute or as given; for the reader |
//! | `check` | digest of the lines above, so that a file that was cut or edited is refused |
//!
//! Digests are FNV-1a of 128 bits, in hexadecimal. They find mistakes and do not withstand anybody
//! who wants them to collide; who may write the file that root commits needs no collision.

use std::fmt::{self, Write};
use std::path::PathBuf;

use dockfw_ir::set::Set;
use dockfw_ir::{Table, Verified};
use serde_json::{Value, json};

use crate::cli::output::Failure;

/// The version of the format.
const VERSION: u64 = 2;

/// A plan to be committed later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct SavedPlan {
    generation: u32,
    kernel: String,
    wanted: String,
    settings: Vec<String>,
    inputs: Vec<String>,
}

/// Why a file is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(in crate::cli) enum SavedPlanError {
    /// It is no JSON, or has not the keys of a plan.
    #[error("this is no plan of dockfw: {0}")]
    Form(String),
    /// Another dockfw wrote it.
    #[error("the plan has version {0} of the format, this dockfw reads version {VERSION}")]
    Version(u64),
    /// It was changed since.
    #[error("the plan was changed since dockfw wrote it; make it again")]
    Damaged,
}

/// Why a plan does not hold any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(in crate::cli) enum Mismatch {
    /// The input compiles to something else.
    #[error("the input compiles to another ruleset than the one that was planned; plan again")]
    Wanted,
    /// Somebody committed since.
    #[error(
        "the kernel's ruleset is of generation {found}, the plan was made for {planned}; plan again"
    )]
    Generation {
        /// Of the plan.
        planned: u32,
        /// Of the kernel.
        found: u32,
    },
    /// Settings of the host were changed since.
    #[error("the settings of the host are not those that the plan was made for; plan again")]
    Settings,
    /// Our tables are others, although the generation is the same: the host was rebooted.
    #[error("the kernel's tables are not those that the plan was made for; plan again")]
    Kernel,
}

impl SavedPlan {
    /// The plan that makes `wanted` of the tables of a reading.
    pub(in crate::cli) fn new(
        generation: u32,
        kernel: &[Table],
        wanted: &Verified,
        settings: Vec<String>,
        inputs: &[PathBuf],
    ) -> Self {
        Self {
            generation,
            kernel: digest(kernel),
            wanted: digest(&wanted.tables),
            settings,
            inputs: inputs
                .iter()
                .map(|path| path.display().to_string())
                .collect(),
        }
    }

    /// Reads a file.
    pub(in crate::cli) fn read(path: &std::path::Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path).map_err(|source| Failure::File {
            action: "read",
            path: path.to_owned(),
            source,
        })?;
        Self::from_text(&text).map_err(|why| Failure::Plan {
            path: path.to_owned(),
            why,
        })
    }

    /// Whether what is to be committed is what was planned, and the kernel is as it was.
    ///
    /// # Errors
    ///
    /// [`Mismatch`]; nothing must be committed then.
    pub(in crate::cli) fn check(
        &self,
        generation: u32,
        kernel: &[Table],
        wanted: &Verified,
    ) -> Result<(), Mismatch> {
        if self.wanted != digest(&wanted.tables) {
            return Err(Mismatch::Wanted);
        }
        if self.generation != generation {
            return Err(Mismatch::Generation {
                planned: self.generation,
                found: generation,
            });
        }
        if self.kernel != digest(kernel) {
            return Err(Mismatch::Kernel);
        }
        Ok(())
    }

    /// Whether a commit makes the settings that were planned.
    ///
    /// # Errors
    ///
    /// [`Mismatch::Settings`]; nothing must be committed then.
    pub(in crate::cli) fn check_settings(&self, found: &[String]) -> Result<(), Mismatch> {
        if self.settings == found {
            Ok(())
        } else {
            Err(Mismatch::Settings)
        }
    }

    fn body(&self) -> Value {
        json!({
            "dockfw_plan": VERSION,
            "generation": self.generation,
            "kernel": self.kernel,
            "wanted": self.wanted,
            "settings": self.settings,
            "inputs": self.inputs,
        })
    }

    /// The file's text.
    pub(in crate::cli) fn to_text(&self) -> String {
        let mut value = self.body();
        let check = fingerprint(&value);
        if let Some(fields) = value.as_object_mut() {
            fields.insert("check".to_owned(), check.into());
        }
        format!("{value:#}\n")
    }

    /// Reads a file's text.
    ///
    /// # Errors
    ///
    /// [`SavedPlanError`].
    pub(in crate::cli) fn from_text(text: &str) -> Result<Self, SavedPlanError> {
        let form = |what: &str| SavedPlanError::Form(what.to_owned());
        let value: Value =
            serde_json::from_str(text).map_err(|error| SavedPlanError::Form(error.to_string()))?;
        let version = value.get("dockfw_plan").and_then(Value::as_u64);
        let version = version.ok_or_else(|| form("it has no version"))?;
        if version != VERSION {
            return Err(SavedPlanError::Version(version));
        }
        let field = |name: &str| {
            let field = value.get(name).and_then(Value::as_str);
            field
                .map(str::to_owned)
                .ok_or_else(|| form("a key is missing"))
        };
        let texts = |name: &str| {
            let array = value.get(name).and_then(Value::as_array);
            let texts = array.ok_or_else(|| form("a key is missing"))?.iter();
            let texts: Option<Vec<String>> =
                texts.map(|of| of.as_str().map(str::to_owned)).collect();
            texts.ok_or_else(|| form("an entry of a list is no text"))
        };
        let generation = value.get("generation").and_then(Value::as_u64);
        let plan = Self {
            generation: generation
                .and_then(|number| u32::try_from(number).ok())
                .ok_or_else(|| form("it has no generation"))?,
            kernel: field("kernel")?,
            wanted: field("wanted")?,
            settings: texts("settings")?,
            inputs: texts("inputs")?,
        };
        let mut rest = value.clone();
        if let Some(fields) = rest.as_object_mut() {
            fields.remove("check");
        }
        // Keys that we do not know are damage too.
        if rest != plan.body() || field("check")? != fingerprint(&rest) {
            return Err(SavedPlanError::Damaged);
        }
        Ok(plan)
    }
}

/// Of the compact text of a JSON value.
fn fingerprint(value: &Value) -> String {
    let mut fold = Fold::new();
    let _ = write!(fold, "{value}");
    fold.to_text()
}

/// Of tables, without the elements that packets and time change.
fn digest(tables: &[Table]) -> String {
    let mut fold = Fold::new();
    let mut tables: Vec<&Table> = tables.iter().collect();
    tables.sort_by_key(|table| (table.family, &table.name));
    for table in tables {
        let Table {
            family,
            name,
            comment,
            sets,
            chains,
        } = table;
        // Writing to it does not fail.
        let _ = write!(fold, "{family:?} {name:?} {comment:?} {chains:?}");
        for set in sets {
            let Set {
                name,
                key,
                kind,
                interval,
                dynamic,
                counter,
                timeout,
                size,
                comment,
                elements,
            } = set;
            let _ = write!(
                fold,
                "{name:?} {key:?} {kind:?} {interval} {dynamic} {counter} {timeout:?} {size:?} {comment:?}"
            );
            if !dynamic && timeout.is_none() {
                let _ = write!(fold, "{elements:?}");
            }
        }
    }
    fold.to_text()
}

/// FNV-1a of 128 bits.
struct Fold(u128);

impl Fold {
    const fn new() -> Self {
        Self(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }

    fn to_text(&self) -> String {
        format!("{:032x}", self.0)
    }
}

impl Write for Fold {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u128::from(byte)).wrapping_mul(0x0100_0000_0000_0000_0000_013b);
        }
        Ok(())
    }
}
