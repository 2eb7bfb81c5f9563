//! The one thread that serves all sockets of a lab.

use std::collections::BTreeMap;
use std::fmt;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::{Context as _, Result};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::log::Log;
use super::namespace::Namespace;

/// A socket and what to do when it is ready; sockets do not block.
pub(super) trait Source: Send + Sync + fmt::Debug {
    /// The socket to watch; each is watched at most once at a time.
    fn socket(&self) -> BorrowedFd<'_>;

    /// Waits for room to write, which is how a connection attempt ends, instead of for data.
    fn awaits_connection(&self) -> bool {
        false
    }

    /// Does what can be done without blocking.
    fn ready(&self, handle: &Handle) -> Next;
}

/// What happens to a source after [`Source::ready`].
#[derive(Debug)]
pub(super) enum Next {
    /// It goes on.
    Stay,
    /// It goes on, together with new ones.
    Add(Vec<Arc<dyn Source>>),
    /// It ends, and others take its place, which may watch the same socket.
    Become(Vec<Arc<dyn Source>>),
}

/// Access to the thread: to add sockets, and to read the log.
#[derive(Debug, Clone)]
pub(super) struct Handle(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    epoll: Epoll,
    stop: EventFd,
    next_key: AtomicU64,
    sources: Mutex<BTreeMap<u64, Arc<dyn Source>>>,
    log: Log,
}

/// Key of the event that ends the thread.
const STOP: u64 = 0;

impl Handle {
    /// Watches a socket until its source ends or the lab is dropped; the key is for
    /// [`Handle::remove`].
    pub(super) fn add(&self, source: &Arc<dyn Source>) -> Result<u64> {
        let flags = if source.awaits_connection() {
            EpollFlags::EPOLLOUT
        } else {
            EpollFlags::EPOLLIN
        };
        let key = self.0.next_key.fetch_add(1, Ordering::Relaxed);
        // Known before it is watched, because its first event can come at once.
        self.sources().insert(key, Arc::clone(source));
        let watched = self
            .0
            .epoll
            .add(source.socket(), EpollEvent::new(flags, key));
        if watched.is_err() {
            self.sources().remove(&key);
        }
        watched.context("watch a socket")?;
        Ok(key)
    }

    /// Lets a socket go; what the kernel has queued for it is lost.
    pub(super) fn remove(&self, key: u64) {
        let source = self.sources().remove(&key);
        if let Some(source) = source {
            let _ = self.0.epoll.delete(source.socket());
        }
    }

    /// What arrived at the servers.
    pub(super) fn log(&self) -> &Log {
        &self.0.log
    }

    fn sources(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<dyn Source>>> {
        self.0
            .sources
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves until told to stop.
    fn serve(&self) {
        let mut events = vec![EpollEvent::empty(); 256];
        loop {
            let count = match self.0.epoll.wait(&mut events, EpollTimeout::NONE) {
                Ok(count) => count,
                Err(Errno::EINTR) => continue,
                Err(_) => return,
            };
            for event in events.iter().take(count) {
                if event.data() == STOP {
                    return;
                }
                self.dispatch(event.data());
            }
        }
    }

    fn dispatch(&self, key: u64) {
        // The lock is not held while the source works: it may add others.
        let Some(source) = self.sources().get(&key).cloned() else {
            return;
        };
        let added = match source.ready(self) {
            Next::Stay => return,
            Next::Add(added) => added,
            Next::Become(others) => {
                let _ = self.0.epoll.delete(source.socket());
                self.sources().remove(&key);
                others
            }
        };
        for source in &added {
            // Out of descriptors or memory: the probe will tell that there is no answer.
            let _ = self.add(source);
        }
    }
}

/// The thread; dropping it ends it and closes all its sockets.
#[derive(Debug)]
pub(super) struct Reactor {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl Reactor {
    /// Starts the thread inside the namespace of the host, where relays make their connections.
    pub(super) fn start(host: &Namespace) -> Result<Self> {
        let shared = Shared {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            stop: EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?,
            next_key: AtomicU64::new(STOP + 1),
            sources: Mutex::default(),
            log: Log::default(),
        };
        shared.epoll.add(
            shared.stop.as_fd(),
            EpollEvent::new(EpollFlags::EPOLLIN, STOP),
        )?;
        let handle = Handle(Arc::new(shared));
        let server = handle.clone();
        // A new thread starts in the namespace of the one that makes it.
        let thread = host.run(|| {
            thread::Builder::new()
                .name("dockfw-lab".to_owned())
                .spawn(move || server.serve())
        })??;
        Ok(Self {
            handle,
            thread: Some(thread),
        })
    }

    /// Access for those who add sockets.
    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        let _ = self.handle.0.stop.write(1);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
