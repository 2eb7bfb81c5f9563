//! What the servers of a lab got.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Protocol;

/// A datagram or echo request that arrived at a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The node that got it.
    pub node: String,
    /// UDP or ICMP.
    pub protocol: Protocol,
    /// Its destination port; 0 for ICMP.
    pub port: u16,
    /// Its source as the receiver saw it; port 0 for ICMP.
    pub source: SocketAddr,
}

/// Everything that arrived, by payload.
#[derive(Debug, Default)]
pub(super) struct Log {
    entries: Mutex<BTreeMap<Vec<u8>, Vec<Received>>>,
    grown: Condvar,
}

impl Log {
    /// Notes an arrival.
    pub(super) fn push(&self, payload: &[u8], received: Received) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.entry(payload.to_vec()).or_default().push(received);
        self.grown.notify_all();
    }

    /// The arrivals with this payload (at `node`, if given), as soon as there is one; none when
    /// `patience` is over.
    pub(super) fn wait(
        &self,
        payload: &[u8],
        node: Option<&str>,
        patience: Duration,
    ) -> Vec<Received> {
        let deadline = Instant::now() + patience;
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let all = entries.get(payload).map(Vec::as_slice).unwrap_or_default();
            let wanted = |received: &&Received| node.is_none_or(|node| received.node == node);
            let found: Vec<Received> = all.iter().filter(wanted).cloned().collect();
            let rest = deadline.saturating_duration_since(Instant::now());
            if !found.is_empty() || rest.is_zero() {
                return found;
            }
            let woken = self.grown.wait_timeout(entries, rest);
            entries = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
