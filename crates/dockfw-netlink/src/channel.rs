//! Requests to other parts of the kernel than nf_tables: one message, and the answer to it.

use std::io;

use crate::commit::receive;
use crate::sys::Socket;
use crate::wire::{
    ACK, DUMP, DUMP_INTERRUPTED, EncodeError, Encoder, Header, Message, Messages, REQUEST, Reply,
};

/// Answers are read into a buffer of this size: the kernel sends no more than 32 KiB at once.
const RECEIVE: usize = 64 * 1024;

/// A socket and the buffer for what it receives.
#[derive(Debug)]
pub(crate) struct Channel {
    socket: Socket,
    buffer: Vec<u8>,
    sequence: u32,
}

/// Why a request has no result.
#[derive(Debug)]
pub(crate) enum ChannelError {
    /// A positive errno.
    Refused(i32),
    /// The kernel had to drop answers: `ENOBUFS`, or one that did not fit.
    Lost,
    NoAnswer,
    Socket(io::Error),
    Encode(EncodeError),
}

impl Channel {
    pub(crate) fn new(socket: Socket) -> Self {
        Self {
            socket,
            buffer: vec![0; RECEIVE],
            sequence: 0,
        }
    }

    /// Asks for all objects of a kind and a family, and hands each message over as it comes.
    ///
    /// Says whether the kernel changed what it dumped meanwhile (`NLM_F_DUMP_INTR`), where it can
    /// tell. After [`ChannelError::Lost`] some objects were handed over.
    pub(crate) fn dump(
        &mut self,
        kind: u16,
        family: u8,
        object: impl FnMut(&Message<'_>),
    ) -> Result<bool, ChannelError> {
        self.dump_of(kind, family, |_| Ok(()), object)
    }

    /// [`Channel::dump`] of the objects that the body of the request asks for.
    pub(crate) fn dump_of(
        &mut self,
        kind: u16,
        family: u8,
        body: impl FnOnce(&mut Encoder) -> Result<(), EncodeError>,
        mut object: impl FnMut(&Message<'_>),
    ) -> Result<bool, ChannelError> {
        let sequence = self.send(kind, DUMP, family, body)?;
        let (mut interrupted, mut done, mut lost) = (false, false, false);
        // The kernel makes the next part of a dump when the one before is taken, so that there is
        // always one to read until it is done.
        while !done {
            let received = receive(&self.socket, &mut self.buffer, &mut lost);
            let Some(datagram) = received.map_err(ChannelError::Socket)? else {
                break;
            };
            for message in Messages::new(datagram).filter(|of| of.sequence == sequence) {
                interrupted |= message.flags & DUMP_INTERRUPTED != 0;
                match message.reply() {
                    Reply::Done { errno: 0 } => done = true,
                    Reply::Answer { errno: 0, .. } | Reply::Other => {}
                    Reply::Answer { errno, .. } | Reply::Done { errno } => {
                        return Err(ChannelError::Refused(errno));
                    }
                    Reply::Object { .. } => object(&message),
                }
            }
        }
        match (lost, done) {
            (true, _) => Err(ChannelError::Lost),
            (false, false) => Err(ChannelError::NoAnswer),
            (false, true) => Ok(interrupted),
        }
    }

    /// Asks for something to be done, or for one object.
    pub(crate) fn ask(
        &mut self,
        kind: u16,
        family: u8,
        body: impl FnOnce(&mut Encoder) -> Result<(), EncodeError>,
        mut object: impl FnMut(&Message<'_>),
    ) -> Result<(), ChannelError> {
        let sequence = self.send(kind, ACK, family, body)?;
        let mut lost = false;
        loop {
            let received = receive(&self.socket, &mut self.buffer, &mut lost);
            let Some(datagram) = received.map_err(ChannelError::Socket)? else {
                return Err(if lost {
                    ChannelError::Lost
                } else {
                    ChannelError::NoAnswer
                });
            };
            for message in Messages::new(datagram).filter(|of| of.sequence == sequence) {
                match message.reply() {
                    Reply::Answer { errno: 0, .. } => return Ok(()),
                    Reply::Answer { errno, .. } => return Err(ChannelError::Refused(errno)),
                    Reply::Object { .. } => object(&message),
                    Reply::Done { .. } | Reply::Other => {}
                }
            }
        }
    }

    /// Sends a message, after whatever an earlier one left to be read; returns its number.
    fn send(
        &mut self,
        kind: u16,
        flags: u16,
        family: u8,
        body: impl FnOnce(&mut Encoder) -> Result<(), EncodeError>,
    ) -> Result<u32, ChannelError> {
        let mut lost = false;
        while receive(&self.socket, &mut self.buffer, &mut lost)
            .map_err(ChannelError::Socket)?
            .is_some()
        {}
        self.sequence = self.sequence.checked_add(1).unwrap_or(1);
        let mut encoder = Encoder::with_capacity(128);
        let header = Header {
            kind,
            flags: REQUEST | flags,
            sequence: self.sequence,
            family,
            resource: 0,
        };
        encoder
            .message(header, body)
            .map_err(ChannelError::Encode)?;
        let parts = [io::IoSlice::new(encoder.as_bytes())];
        self.socket.send(&parts).map_err(ChannelError::Socket)?;
        Ok(self.sequence)
    }
}
