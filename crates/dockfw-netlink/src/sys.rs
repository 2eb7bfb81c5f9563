//! What the kernel's interface is made of: its numbers and the socket. The only unsafe code.
#![expect(
    unsafe_code,
    reason = "system calls that have no safe wrapper among our dependencies"
)]

pub mod conntrack;
mod memory;
mod namespace;
pub mod nf_tables;
pub mod route;
mod socket;
pub(crate) mod xtables;

pub use memory::keep_freed_memory;
pub use namespace::in_new_network_namespace;
pub use socket::{BufferLimit, Received, Socket};
