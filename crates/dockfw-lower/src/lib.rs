//! A Docker host as a value, and its lowering to nftables rules.
//!
//! Everything here is a pure function on values: no file, no clock, no environment, no hash order.
//! The same input gives the same output, byte for byte.

#![forbid(unsafe_code)]

mod closed;
pub mod count;
pub mod docker;
pub mod host;
pub mod import;
mod lower;
pub mod optimize;
pub mod reference;
pub mod rules;
pub mod settings;

pub use closed::{CLOSED, closed};
pub use lower::{container_elements, lower, table_name};
