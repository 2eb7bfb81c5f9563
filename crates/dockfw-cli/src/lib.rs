//! The `dockfw` tool as a library: policy files, diagnostics, verbs.

#![forbid(unsafe_code)]

pub mod cli;
pub mod diagnostic;
pub mod policy;
