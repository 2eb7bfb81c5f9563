//! A name server that knows one answer to everything, and notes what it is asked.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Result;
use dockfw_testkit::dockerd::DockerHost;

/// What every name has as its IPv4 address.
pub(crate) const ANSWER: [u8; 4] = [198, 51, 100, 7];
/// And as its IPv6 address: 2001:db8::7.
const ANSWER6: [u8; 16] = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];

/// A running server.
#[derive(Debug)]
pub(crate) struct Names {
    stop: Arc<AtomicBool>,
    asked: Arc<Mutex<Vec<(String, SocketAddr)>>>,
    thread: Option<JoinHandle<()>>,
}

impl Names {
    /// Starts one on an address of a node.
    pub(crate) fn start(host: &DockerHost, node: &str, at: &str) -> Result<Self> {
        let socket = host.lab().run_in(node, || UdpSocket::bind(at))??;
        socket.set_read_timeout(Some(Duration::from_millis(50)))?;
        let (stop, asked) = (
            Arc::<AtomicBool>::default(),
            Arc::<Mutex<Vec<_>>>::default(),
        );
        let (until, noted) = (Arc::clone(&stop), Arc::clone(&asked));
        let thread = thread::spawn(move || {
            let mut buffer = [0; 512];
            while !until.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut buffer) else {
                    continue;
                };
                if let Some((name, answer)) = answer(&buffer[..length]) {
                    noted.lock().unwrap().push((name, from));
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Ok(Self {
            stop,
            asked,
            thread: Some(thread),
        })
    }

    /// Who has asked for a name.
    pub(crate) fn asked(&self, name: &str) -> Vec<SocketAddr> {
        let asked = self.asked.lock().unwrap();
        let of = asked.iter().filter(|(of, _)| of == name);
        of.map(|(_, from)| *from).collect()
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The name that a message (RFC 1035, section 4) asks for, and the answer.
fn answer(message: &[u8]) -> Option<(String, Vec<u8>)> {
    let mut labels = Vec::new();
    let mut at = 12;
    loop {
        let length = usize::from(*message.get(at)?);
        if length == 0 {
            break;
        }
        let label = message.get(at + 1..at + 1 + length)?;
        labels.push(String::from_utf8_lossy(label).into_owned());
        at += 1 + length;
    }
    // Type and class.
    let question = message.get(12..at + 5)?;
    let data: &[u8] = match question.get(question.len() - 4..)? {
        [0, 1, 0, 1] => &ANSWER,
        [0, 28, 0, 1] => &ANSWER6,
        _ => &[],
    };
    let mut answer = message.get(..2)?.to_vec();
    // A response, recursion available; one question, and perhaps one answer.
    answer.extend([0x81, 0x80, 0, 1, 0, u8::from(!data.is_empty()), 0, 0, 0, 0]);
    answer.extend(question);
    if !data.is_empty() {
        answer.extend([0xc0, 12]);
        answer.extend(&question[question.len() - 4..]);
        answer.extend([0, 0, 0, 60, 0, u8::try_from(data.len()).ok()?]);
        answer.extend(data);
    }
    Some((labels.join("."), answer))
}
