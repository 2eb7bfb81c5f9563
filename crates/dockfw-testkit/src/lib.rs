//! Test support for the dockfw workspace; never a dependency of what is shipped.
//!
//! [`lab`] sends real packets through real namespaces.

#![forbid(unsafe_code)]

pub mod docker_host;
pub mod dockerd;
pub mod equivalence;
pub mod fixture;
pub mod lab;
pub mod matrix;
pub mod packets;
pub mod storm;
