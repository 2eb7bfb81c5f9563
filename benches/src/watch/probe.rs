//! UDP questions from a remote machine, until one is answered; and who answers them.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

/// The pause between two questions.
const PAUSE: Duration = Duration::from_millis(1);

/// How many of the newest questions an answer is waited for.
const OPEN: usize = 64;

/// Answers every datagram to a port, for ever.
///
/// # Errors
///
/// When the port is taken.
pub fn answer(port: u16) -> Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))?;
    let mut buffer = [0; 16];
    loop {
        let (length, from) = socket.recv_from(&mut buffer)?;
        let text = buffer.get(..length).unwrap_or_default();
        // The next one may get through.
        let _ = socket.send_to(text, from);
    }
}

/// Asks a port again and again, each time from a port of its own and so in a new flow; returns when
/// the first answer came.
///
/// # Errors
///
/// When it is told to stop, or no socket is left.
pub fn until_answered(to: SocketAddrV4, stop: &AtomicBool) -> Result<Instant> {
    let mut open: VecDeque<UdpSocket> = VecDeque::new();
    let mut buffer = [0; 16];
    loop {
        ensure!(!stop.load(Ordering::Relaxed), "{to} does not answer");
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.set_nonblocking(true)?;
        socket.connect(to)?;
        // Refused, as long as nobody listens.
        let _ = socket.send(b"are you there");
        open.push_back(socket);
        if open.len() > OPEN {
            open.pop_front();
        }
        thread::sleep(PAUSE);
        for socket in &open {
            if socket.recv(&mut buffer).is_ok() {
                return Ok(Instant::now());
            }
        }
    }
}
