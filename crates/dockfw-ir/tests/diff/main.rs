//! The difference of tables: what it says makes one table of the other, and is small.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "test helpers"
)]

mod cases;
mod model;
mod random;
mod speed;
