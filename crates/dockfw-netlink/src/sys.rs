//! What the kernel's interface is made of: its numbers and the socket. The only unsafe code.
#![expect(
    unsafe_code,
    reason = "system calls that have no safe wrapper among our dependencies"
)]

mod memory;
pub mod nf_tables;
mod socket;

pub use memory::keep_freed_memory;
pub use socket::{BufferLimit, Received, Socket};
