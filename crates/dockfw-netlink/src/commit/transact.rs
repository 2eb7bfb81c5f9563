//! The one system call of a commit, and the replies to it.

use std::io::{self, IoSlice};
use std::time::{Duration, Instant};

use super::clearing::Clearing;
use super::{Answer, CommitError, Executor, Expect};
use crate::batch::{Batch, FIRST_SEQUENCE};
use crate::sys::Socket;
use crate::sys::nf_tables::{
    NFNL_BATCH_GENID, NFNL_MSG_BATCH_BEGIN, NFNL_MSG_BATCH_END, NFNL_SUBSYS_NFTABLES,
};
use crate::wire::{ACK, Encoder, Header, Messages, REQUEST, Reply};

/// Replies are read into a buffer of this size: the kernel sends no more than 32 KiB at once.
pub(super) const RECEIVE: usize = 64 * 1024;

/// What was in the receive queue after a batch.
#[derive(Debug, Default)]
pub(super) struct Drained {
    pub(super) errors: Vec<Answer>,
    pub(super) acknowledged: bool,
    pub(super) lost: bool,
}

/// What was sent.
pub(super) struct Sent {
    pub(super) drained: Drained,
    pub(super) kernel_time: Duration,
}

impl Executor {
    /// Sends a batch behind what clears the way for it, with or without its end.
    pub(super) fn transact(
        &mut self,
        batch: &Batch,
        expect: Expect,
        clearing: &Clearing,
        end: bool,
    ) -> Result<Sent, CommitError> {
        let rest = || batch.body.get(batch.clearing..).unwrap_or(&[]);
        let (clear, body): (&[u8], &[u8]) = match clearing {
            Clearing::Tables => (&[], batch.body.as_slice()),
            Clearing::Inside(clear) => (clear, rest()),
            Clearing::Nothing => (&[], rest()),
        };
        let begin = frame(NFNL_MSG_BATCH_BEGIN, 0, FIRST_SEQUENCE, expect)?;
        let finish = frame(NFNL_MSG_BATCH_END, ACK, batch.end_sequence(), Expect::Any)?;
        let finish = if end { finish.as_slice() } else { &[] };
        let needed = begin.len() + clear.len() + body.len() + finish.len();
        let limit = self
            .socket
            .reserve_send(needed)
            .map_err(CommitError::Socket)?;
        if limit.bytes < needed {
            return Err(CommitError::TooBig {
                needed,
                allowed: limit.bytes,
            });
        }
        self.discard().map_err(CommitError::Socket)?;
        let parts = [
            IoSlice::new(&begin),
            IoSlice::new(clear),
            IoSlice::new(body),
            IoSlice::new(finish),
        ];
        let started = Instant::now();
        let taken = self.socket.send(&parts);
        let kernel_time = started.elapsed();
        match taken {
            Ok(taken) if taken == needed => {}
            // A part of a batch has no end: the kernel has rolled it back.
            Ok(taken) => return Err(CommitError::ShortSend { needed, taken }),
            Err(error) if error.raw_os_error() == Some(libc::EMSGSIZE) => {
                return Err(CommitError::TooBig {
                    needed,
                    allowed: limit.bytes,
                });
            }
            Err(error) => return Err(CommitError::Socket(error)),
        }
        let drained = self
            .drain(batch.end_sequence())
            .map_err(CommitError::Socket)?;
        Ok(Sent {
            drained,
            kernel_time,
        })
    }

    /// Reads all there is and keeps what concerns the batch.
    fn drain(&mut self, end: u32) -> io::Result<Drained> {
        let mut drained = Drained::default();
        while let Some(datagram) = receive(&self.socket, &mut self.buffer, &mut drained.lost)? {
            for message in Messages::new(datagram) {
                let Reply::Answer {
                    errno,
                    offset,
                    text,
                } = message.reply()
                else {
                    continue;
                };
                let sequence = message.sequence;
                if !(FIRST_SEQUENCE..=end).contains(&sequence) {
                    continue;
                }
                if errno != 0 {
                    let text = text.map(str::to_owned);
                    drained.errors.push(Answer {
                        sequence,
                        errno,
                        offset,
                        text,
                    });
                } else if sequence == end {
                    drained.acknowledged = true;
                }
            }
        }
        Ok(drained)
    }

    /// Empties the receive queue of what earlier requests left.
    pub(crate) fn discard(&mut self) -> io::Result<()> {
        let mut lost = false;
        while receive(&self.socket, &mut self.buffer, &mut lost)?.is_some() {}
        Ok(())
    }
}

/// `BATCH_BEGIN` or `BATCH_END`. The resource id is in network byte order, unlike most of netlink.
///
/// Source: `nfnetlink_rcv_batch`, `nfnetlink_rcv_skb_batch` (v6.12).
fn frame(kind: u16, flags: u16, sequence: u32, expect: Expect) -> Result<Vec<u8>, CommitError> {
    let mut encoder = Encoder::with_capacity(32);
    let resource = NFNL_SUBSYS_NFTABLES;
    let header = Header {
        kind,
        flags: flags | REQUEST,
        sequence,
        family: 0,
        resource,
    };
    encoder
        .message(header, |e| match expect {
            Expect::Any => Ok(()),
            Expect::Generation(generation) => e.u32(NFNL_BATCH_GENID, generation),
        })
        .map_err(CommitError::Encode)?;
    Ok(encoder.into_bytes())
}

/// The next datagram, or `None` when there is none. Notes when the kernel had to drop some.
pub(crate) fn receive<'b>(
    socket: &Socket,
    buffer: &'b mut [u8],
    lost: &mut bool,
) -> io::Result<Option<&'b [u8]>> {
    loop {
        match socket.receive(buffer) {
            Ok(received) => {
                *lost |= received.truncated;
                return Ok(buffer.get(..received.len));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            // Reported once; what came before it is still there.
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => *lost = true,
            Err(error) => return Err(error),
        }
    }
}
