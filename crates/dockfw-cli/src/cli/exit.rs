//! Exit codes.

use std::process::ExitCode;

/// What the exit code of the process says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done, nothing pending.
    Done,
    /// 1: an operational error.
    Failed,
    /// 2: the input is wrong.
    Input,
    /// 3: the kernel differs from the intent.
    Differs,
    /// 5: the kernel refused.
    Refused,
    /// 6: someone else changed the ruleset meanwhile.
    Stale,
    /// 7: an earlier ruleset is in force instead of the one that was asked for.
    RolledBack,
    /// 8: the closed ruleset is in force instead of the one that was asked for.
    Closed,
}

impl Exit {
    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Input => 2,
            Self::Differs => 3,
            Self::Refused => 5,
            Self::Stale => 6,
            Self::RolledBack => 7,
            Self::Closed => 8,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}
