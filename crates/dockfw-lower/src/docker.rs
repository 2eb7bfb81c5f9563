//! What Docker means: the grammar of `-p`, the checks of dockerd, which port is mapped where.

pub mod binding;
pub mod check;
pub mod gateway;
pub mod link;
pub mod publish;
