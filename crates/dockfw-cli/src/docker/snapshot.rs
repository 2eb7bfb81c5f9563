//! One look at a daemon.

use std::sync::Arc;

use super::client::Client;
use super::{Address, Error, Options, State};

/// Has one look at a daemon.
///
/// Blocks until every object is read, each within [`Options::timeout`]; one that is not read in
/// time is in [`State::unread`].
///
/// # Errors
///
/// There is no daemon, or it does not answer.
pub fn snapshot(address: &Address, options: &Options) -> Result<State, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Runtime)?;
    runtime.block_on(async {
        let client = Client::connect(address, options, &Arc::default()).await?;
        client.state().await
    })
}
