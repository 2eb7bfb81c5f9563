//! The reference against moby's own expectations, and against what its code says beyond them.

#![expect(
    clippy::disallowed_methods,
    reason = "the corpus lies outside the repository"
)]

#[path = "reference/cases.rs"]
mod cases;
#[path = "reference/corpus.rs"]
mod corpus;
#[path = "reference/generated.rs"]
mod generated;
#[path = "reference/goldens.rs"]
mod goldens;
#[path = "reference/kernel.rs"]
mod kernel;
#[path = "reference/operations.rs"]
mod operations;
#[path = "reference/templates.rs"]
mod templates;
