//! A remote that asks without end: what should answer, and what must not.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use dockfw_testkit::dockerd::REMOTE;
use dockfw_testkit::lab::Lab;

use crate::stock::{HOST4, page};

/// How the published port has answered.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Silence {
    /// The longest time between two answers.
    pub(crate) longest: Duration,
    /// Requests without an answer: their first packet was dropped, or sent to nobody.
    pub(crate) lost: u32,
}

/// Threads that ask until this is closed.
pub(crate) struct Eyes {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    silences: Mutex<Vec<(String, Silence)>>,
}

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    /// Since it was last asked for.
    silence: Mutex<Silence>,
    /// What has answered and must not.
    leaks: Mutex<Vec<String>>,
}

impl Eyes {
    /// Begins; the published port is one that answers.
    pub(crate) fn open(lab: &Lab, forbidden: &[(&'static str, SocketAddr)]) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        // A thread begins in the namespace of the one that starts it.
        let mut threads = vec![lab.run_in(REMOTE, || {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || ask(&shared))
        })?];
        for (node, to) in forbidden {
            threads.push(lab.run_in(node, || {
                let (shared, to) = (Arc::clone(&shared), *to);
                std::thread::spawn(move || knock(&shared, to))
            })?);
        }
        Ok(Self {
            shared,
            threads,
            silences: Mutex::default(),
        })
    }

    /// How it has answered since the last call, which was during `name`.
    pub(crate) fn silence(&self, name: &str) -> Silence {
        let silence = std::mem::take(&mut *locked(&self.shared.silence));
        locked(&self.silences).push((name.to_owned(), silence));
        silence
    }

    /// Begins to measure anew.
    pub(crate) fn forget(&self) {
        *locked(&self.shared.silence) = Silence::default();
    }

    /// Ends it: how it has answered, in the order of the calls.
    pub(crate) fn close(mut self) -> Result<Vec<(String, Silence)>> {
        self.shared.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                bail!("a panic");
            }
        }
        let leaks = std::mem::take(&mut *locked(&self.shared.leaks));
        ensure!(leaks.is_empty(), "answered, and must not: {leaks:?}");
        Ok(std::mem::take(&mut *locked(&self.silences)))
    }
}

impl Drop for Eyes {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
    }
}

/// A request that takes its time: a connection that was there before a step, and is to be there
/// after it.
pub(crate) struct Slow(TcpStream);

impl Slow {
    /// Connects to the published port, and says half of it. The server waits for a minute.
    pub(crate) fn open(lab: &Lab) -> Result<Self> {
        let patience = Duration::from_secs(3);
        let to = SocketAddr::from((HOST4, 8080));
        let mut stream = lab.run_in(REMOTE, || TcpStream::connect_timeout(&to, patience))??;
        stream.set_read_timeout(Some(patience))?;
        stream.write_all(b"GET / HTTP/1.0\r\n")?;
        Ok(Self(stream))
    }

    /// Says the rest, and reads the page.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.0.write_all(b"\r\n")?;
        let mut text = String::new();
        self.0.read_to_string(&mut text)?;
        ensure!(text.ends_with("a page\n"), "{text:?}");
        Ok(())
    }
}

fn ask(shared: &Shared) {
    let mut last = Instant::now();
    while !shared.is_over.load(Ordering::Relaxed) {
        let answered = page(8080).is_ok();
        let mut silence = locked(&shared.silence);
        silence.longest = last.elapsed().max(silence.longest);
        silence.lost += u32::from(!answered);
        drop(silence);
        if answered {
            last = Instant::now();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn knock(shared: &Shared, to: SocketAddr) {
    while !shared.is_over.load(Ordering::Relaxed) {
        if TcpStream::connect_timeout(&to, Duration::from_millis(20)).is_ok() {
            locked(&shared.leaks).push(to.to_string());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
