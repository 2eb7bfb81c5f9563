//! What systemd is told: readiness, reloads, what goes on, and that the loop is alive.
//!
//! Never waits: a service manager that does not read must not keep rules from being committed.
//!
//! Source: `sd_notify(3)`, `sd_watchdog_enabled(3)`. Without `NOTIFY_SOCKET` nothing is told to
//! anybody.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// The service manager.
#[derive(Debug)]
pub(super) struct Manager {
    socket: Option<UnixDatagram>,
    /// How often it wants to hear that the loop is alive, and when it was told last.
    watchdog: Option<(Duration, Instant)>,
}

impl Manager {
    /// Looks at the environment.
    pub(super) fn new(now: Instant) -> Self {
        let socket = env::var_os("NOTIFY_SOCKET").and_then(|name| connect(&name).ok());
        // Twice as often as it must be.
        let watchdog = watchdog().map(|limit| (limit / 2, now));
        Self { socket, watchdog }
    }

    /// The rules are in force: who waits for this service may start. Also the end of a reload.
    pub(super) fn ready(&self) {
        self.tell("READY=1");
    }

    /// The configuration is read again.
    pub(super) fn reloading(&self) {
        let time = clock_gettime(ClockId::Monotonic);
        let micros = time.tv_sec * 1_000_000 + time.tv_nsec / 1_000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// One line for `systemctl status`.
    pub(super) fn status(&self, line: &str) {
        self.tell(&format!("STATUS={line}"));
    }

    /// The service ends.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// When the loop must come by at the latest.
    pub(super) fn due(&self) -> Option<Instant> {
        self.watchdog.map(|(every, last)| last + every)
    }

    /// The loop has come by.
    pub(super) fn alive(&mut self, now: Instant) {
        if let Some((every, last)) = &mut self.watchdog
            && now.saturating_duration_since(*last) >= *every
        {
            *last = now;
            self.tell("WATCHDOG=1");
        }
    }

    /// Nobody who listens, or who has not read what was told before, is no reason to fail.
    fn tell(&self, text: &str) {
        if let Some(socket) = &self.socket {
            let _ = socket.send(text.as_bytes());
        }
    }
}

/// A socket that never waits, to a path or, behind `@`, an abstract name.
fn connect(name: &OsStr) -> io::Result<UnixDatagram> {
    let address = match name.as_bytes() {
        [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest)?,
        path => SocketAddr::from_pathname(OsStr::from_bytes(path))?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect_addr(&address)?;
    Ok(socket)
}

/// How long the loop may be silent; `None` when nobody minds, or another process is meant.
fn watchdog() -> Option<Duration> {
    let number = |name| env::var(name).ok()?.parse::<u64>().ok();
    let pid = env::var_os("WATCHDOG_PID").map(|_| number("WATCHDOG_PID"));
    let is_meant = pid.is_none_or(|pid| pid == Some(u64::from(std::process::id())));
    let limit = number("WATCHDOG_USEC").filter(|limit| is_meant && *limit > 0)?;
    Some(Duration::from_micros(limit))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;
    use std::time::{Duration, Instant};

    use super::{Manager, connect};

    #[test]
    fn nobody_who_reads_holds_nothing_up() -> Result<(), Box<dyn std::error::Error>> {
        let folder = std::env::temp_dir().join(format!("dockfw-notify-{}", std::process::id()));
        let _ = std::fs::remove_file(&folder);
        let listener = UnixDatagram::bind(&folder)?;
        let mut manager = Manager {
            socket: Some(connect(folder.as_os_str())?),
            watchdog: Some((Duration::ZERO, Instant::now())),
        };
        manager.ready();
        for _ in 0..10_000 {
            manager.alive(Instant::now());
        }
        let mut buffer = [0; 64];
        let length = listener.recv(&mut buffer)?;
        assert_eq!(buffer.get(..length), Some(&b"READY=1"[..]));
        std::fs::remove_file(&folder)?;
        Ok(())
    }
}
