//! The signals that a watch knows.

use std::io;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// SIGHUP: read the policy again.
    Reload,
    /// SIGTERM, SIGINT: end, and leave the rules.
    Stop,
}

/// Hands over the signals that come, on a thread of its own, until `send` says that nobody wants
/// them any more.
pub(super) fn follow(mut send: impl FnMut(Signal) -> bool + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for signal in signals.forever() {
                let what = if signal == SIGHUP {
                    Signal::Reload
                } else {
                    Signal::Stop
                };
                if !send(what) {
                    break;
                }
            }
        })?;
    Ok(())
}
