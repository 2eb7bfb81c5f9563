//! Notes: what was committed last, and how the last boot ended.

use super::program::{boot_id, namespace};
use super::sealed::{Damage, Reader, Writer};
use super::time::now;

const CURRENT: u8 = b'C';
const BOOT: u8 = b'S';

/// What was committed last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Current {
    /// The generation of the history.
    pub number: u64,
    /// When, in seconds since 1970, UTC.
    pub time: u64,
    /// The generation of the kernel's ruleset afterwards.
    pub kernel_generation: u32,
    kernel_run: String,
    namespace: String,
}

impl Current {
    /// A commit of this moment.
    pub fn new(number: u64, kernel_generation: u32) -> Self {
        Self {
            number,
            time: now(),
            kernel_generation,
            kernel_run: boot_id(),
            namespace: namespace(),
        }
    }

    /// Whether a kernel with a ruleset of this generation, in the network namespace of this
    /// process, still has what was committed.
    ///
    /// That nobody changed anything since is known; what others did if they did is not.
    pub fn is_in_force(&self, kernel_generation: u32) -> bool {
        let is_known = !self.kernel_run.is_empty() && !self.namespace.is_empty();
        is_known
            && self.kernel_generation == kernel_generation
            && self.kernel_run == boot_id()
            && self.namespace == namespace()
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut to = Writer::new(CURRENT, 256);
        to.u64(self.number);
        to.u64(self.time);
        to.u32(self.kernel_generation);
        to.text(&self.kernel_run);
        to.text(&self.namespace);
        to.seal()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, Damage> {
        let mut from = Reader::new(CURRENT, bytes)?;
        let current = Self {
            number: from.u64()?,
            time: from.u64()?,
            kernel_generation: from.u32()?,
            kernel_run: from.text()?,
            namespace: from.text()?,
        };
        from.end()?;
        Ok(current)
    }
}

/// What `dockfw commit --boot` came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootOutcome {
    /// What was asked for is loaded.
    Loaded,
    /// A generation of the history is loaded instead.
    Fallback(u64),
    /// What was in the kernel before is still there.
    Kept,
    /// The closed ruleset is loaded.
    Closed,
    /// The kernel took nothing at all.
    Failed,
}

impl BootOutcome {
    /// The word for it in logs and JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Loaded => "loaded",
            Self::Fallback(_) => "fallback",
            Self::Kept => "kept",
            Self::Closed => "closed",
            Self::Failed => "failed",
        }
    }
}

/// How a boot ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boot {
    /// What it came to.
    pub outcome: BootOutcome,
    /// When, in seconds since 1970, UTC.
    pub time: u64,
    /// Why it is not what was asked for; empty when it is.
    pub reason: String,
    kernel_run: String,
}

impl Boot {
    /// A boot of this moment.
    pub fn new(outcome: BootOutcome, reason: &str) -> Self {
        Self {
            outcome,
            time: now(),
            reason: reason.to_owned(),
            kernel_run: boot_id(),
        }
    }

    /// Whether it is that of the running kernel.
    pub fn is_this(&self) -> bool {
        !self.kernel_run.is_empty() && self.kernel_run == boot_id()
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut to = Writer::new(BOOT, 256 + self.reason.len());
        let (outcome, of) = match self.outcome {
            BootOutcome::Loaded => (0, 0),
            BootOutcome::Fallback(of) => (1, of),
            BootOutcome::Kept => (2, 0),
            BootOutcome::Closed => (3, 0),
            BootOutcome::Failed => (4, 0),
        };
        to.u8(outcome);
        to.u64(of);
        to.u64(self.time);
        to.text(&self.reason);
        to.text(&self.kernel_run);
        to.seal()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, Damage> {
        let mut from = Reader::new(BOOT, bytes)?;
        let outcome = match (from.u8()?, from.u64()?) {
            (0, _) => BootOutcome::Loaded,
            (1, of) => BootOutcome::Fallback(of),
            (2, _) => BootOutcome::Kept,
            (3, _) => BootOutcome::Closed,
            (4, _) => BootOutcome::Failed,
            _ => return Err(Damage::Content),
        };
        let boot = Self {
            outcome,
            time: from.u64()?,
            reason: from.text()?,
            kernel_run: from.text()?,
        };
        from.end()?;
        Ok(boot)
    }
}
