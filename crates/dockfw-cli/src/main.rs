//! The `dockfw` binary.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    dockfw::cli::main()
}
