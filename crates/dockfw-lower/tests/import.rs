//! Import against the reference: generated hosts, moby's goldens, dumps of real hosts.

#![expect(
    clippy::disallowed_methods,
    reason = "the corpus lies outside the repository"
)]

#[path = "import/behaviour.rs"]
mod behaviour;
#[path = "import/clean.rs"]
mod clean;
#[path = "import/dumps.rs"]
mod dumps;
#[path = "import/generated.rs"]
mod generated;
#[path = "import/goldens.rs"]
mod goldens;
#[path = "import/layouts.rs"]
mod layouts;
#[path = "import/util.rs"]
mod util;
