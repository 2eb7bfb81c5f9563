//! An Engine API on a unix socket that answers from what was recorded.
//!
//! HTTP/1.1 as far as a client of the Engine API needs it: a thread for each connection, which is
//! kept alive, and one stream of events in chunks.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::recorded::{Recorded, container_id};
use super::wait_for;

/// A daemon of recorded answers; its threads end with their connections.
#[derive(Debug)]
pub struct Engine(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    recorded: Recorded,
    /// How long it takes to tell of a container.
    delay: Duration,
    now: Mutex<Now>,
}

#[derive(Debug, Default)]
struct Now {
    /// The containers that run: what the list and the inspection say, by id.
    running: BTreeMap<String, (String, Arc<str>)>,
    events: Option<UnixStream>,
    requests: usize,
}

impl Engine {
    /// Serves a host of this many containers; it takes a while to tell of one.
    ///
    /// # Errors
    ///
    /// When the socket cannot be made.
    pub fn serve(socket: &Path, containers: usize, delay: Duration) -> Result<Self> {
        let shared = Arc::new(Shared {
            recorded: Recorded::new(containers)?,
            delay,
            now: Mutex::new(Now::default()),
        });
        let engine = Self(Arc::clone(&shared));
        for index in 0..containers {
            engine.set(index, true)?;
        }
        let listener = UnixListener::bind(socket).context("bind the socket of the Engine API")?;
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&shared);
                // Who goes away ends the conversation.
                thread::spawn(move || shared.converse(stream).ok());
            }
        });
        Ok(engine)
    }

    /// Has a container run or not, without telling.
    ///
    /// # Errors
    ///
    /// When there is no place for so many.
    pub fn set(&self, index: usize, runs: bool) -> Result<()> {
        let Shared { recorded, .. } = &*self.0;
        if runs {
            let container = (
                recorded.summary(index)?,
                Arc::from(recorded.container(index)?),
            );
            self.0.now().running.insert(container_id(index), container);
        } else {
            self.0.now().running.remove(&container_id(index));
        }
        Ok(())
    }

    /// The line of a `start` or `die` event, to be sent at once.
    ///
    /// # Errors
    ///
    /// When what was recorded is no event.
    pub fn event(&self, index: usize, starts: bool) -> Result<String> {
        self.0.recorded.event(index, starts)
    }

    /// Writes an event to the stream.
    ///
    /// # Errors
    ///
    /// When nobody listens.
    pub fn send(&self, line: &str) -> Result<()> {
        let mut now = self.0.now();
        let stream = now.events.as_mut().context("nobody listens to events")?;
        write!(stream, "{:x}\r\n{line}\r\n", line.len()).context("the stream of events ended")
    }

    /// Waits until somebody listens to events.
    ///
    /// # Errors
    ///
    /// When nobody comes.
    pub fn wait_for_listener(&self) -> Result<()> {
        wait_for("a listener to events", Duration::from_secs(20), || {
            Ok(self.0.now().events.is_some().then_some(()))
        })
    }

    /// How many questions there were.
    pub fn requests(&self) -> usize {
        self.0.now().requests
    }
}

impl Shared {
    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One connection.
    fn converse(&self, stream: UnixStream) -> Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut writer = stream;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            // Questions have no bodies.
            let mut header = String::new();
            while reader.read_line(&mut header)? > 2 {
                header.clear();
            }
            let path = line.split(' ').nth(1).context("no path")?;
            let path = path.split('?').next().unwrap_or(path);
            let path = match path
                .strip_prefix("/v")
                .and_then(|rest| rest.split_once('/'))
            {
                Some((version, rest)) if version.starts_with(|c: char| c.is_ascii_digit()) => rest,
                _ => path.trim_start_matches('/'),
            };
            self.now().requests += 1;
            if path == "events" {
                writer.write_all(
                    b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Type: application/json\r\n\
                      Transfer-Encoding: chunked\r\n\r\n",
                )?;
                self.now().events = Some(writer.try_clone()?);
                continue;
            }
            let (status, body) = match self.answer(path) {
                Some(body) => ("200 OK", body),
                None => (
                    "404 Not Found",
                    Arc::from("{\"message\":\"page not found\"}"),
                ),
            };
            let answer = format!(
                "HTTP/1.1 {status}\r\nApi-Version: 1.41\r\nContent-Type: application/json\r\n\
                 Server: Docker/20.10.24+dfsg1 (linux)\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            writer.write_all(answer.as_bytes())?;
        }
    }

    fn answer(&self, path: &str) -> Option<Arc<str>> {
        Some(match path {
            "_ping" => Arc::from("OK"),
            "version" => Arc::from(Recorded::version()),
            "info" => Arc::from(self.recorded.info()),
            "networks" => Arc::from(self.recorded.networks()),
            "containers/json" => {
                let now = self.now();
                let all: Vec<&str> = now.running.values().map(|(of, _)| of.as_str()).collect();
                Arc::from(format!("[{}]", all.join(",")))
            }
            _ => {
                if let Some(id) = path.strip_prefix("networks/") {
                    return self.recorded.network(id).map(Arc::from);
                }
                let id = path.strip_prefix("containers/")?.strip_suffix("/json")?;
                if !self.delay.is_zero() {
                    thread::sleep(self.delay);
                }
                Arc::clone(&self.now().running.get(id)?.1)
            }
        })
    }
}
