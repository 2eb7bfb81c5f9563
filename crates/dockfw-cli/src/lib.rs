//! The `dockfw` tool as a library: policy files, rules files, diagnostics, a dockerd's state, verbs.

#![forbid(unsafe_code)]

pub mod cli;
pub mod diagnostic;
pub mod docker;
pub mod flows;
pub mod leftover;
pub mod policy;
pub mod rules;
pub mod state;
