//! What the packet evaluator says, one point of the semantics after the other.

mod chains;
mod compare;
mod expressions;
mod helpers;
mod nat;
mod native;
mod paths;
mod samples_walk;
mod sets;
mod statements;
mod translated_flows;

#[path = "../samples/mod.rs"]
mod samples;
