//! A request and its answer, which may be a dump.

use std::io;

use super::QueryError;
use crate::commit::{Executor, receive};
use crate::errno::Errno;
use crate::wire::{
    Attributes, DUMP, DUMP_INTERRUPTED, EncodeError, Encoder, Header, Messages, REQUEST, Reply,
    nf_tables,
};

/// A request outside of a batch.
pub(crate) struct Request<'r> {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) family: u8,
    pub(crate) body: &'r dyn Fn(&mut Encoder) -> Result<(), EncodeError>,
}

/// What a request brought.
#[derive(Default)]
pub(crate) struct Outcome {
    answered: bool,
    /// The low 16 bits of the generation, of the objects.
    generation: Option<u16>,
    mixed: bool,
}

impl Executor {
    /// A dump of which every message is of this generation.
    pub(crate) fn dump(
        &mut self,
        request: &Request<'_>,
        expected: u16,
        object: impl FnMut(u8, Attributes<'_>),
    ) -> Result<(), QueryError> {
        let outcome = self.request(request, object)?;
        let other = outcome
            .generation
            .is_some_and(|generation| generation != expected);
        if outcome.mixed || other {
            Err(QueryError::Unstable)
        } else {
            Ok(())
        }
    }

    /// Sends a request and hands each object of the answer over.
    pub(crate) fn request(
        &mut self,
        request: &Request<'_>,
        mut object: impl FnMut(u8, Attributes<'_>),
    ) -> Result<Outcome, QueryError> {
        // Requests count in the upper half, batches in the lower.
        self.sequence = self.sequence.checked_add(1).unwrap_or(u32::MAX / 2 + 1);
        let sequence = self.sequence;
        let mut encoder = Encoder::with_capacity(64);
        let flags = REQUEST | request.flags;
        let kind = nf_tables(request.kind);
        let header = Header {
            kind,
            flags,
            sequence,
            family: request.family,
            resource: 0,
        };
        encoder.message(header, |e| (request.body)(e))?;
        self.discard().map_err(QueryError::Socket)?;
        let parts = [io::IoSlice::new(encoder.as_bytes())];
        self.socket.send(&parts).map_err(QueryError::Socket)?;
        let dump = request.flags & DUMP == DUMP;
        let mut outcome = Outcome::default();
        let mut lost = false;
        while let Some(datagram) =
            receive(&self.socket, &mut self.buffer, &mut lost).map_err(QueryError::Socket)?
        {
            for message in Messages::new(datagram).filter(|m| m.sequence == sequence) {
                outcome.mixed |= dump && message.flags & DUMP_INTERRUPTED != 0;
                match message.reply() {
                    Reply::Answer { errno: 0, .. } | Reply::Done { errno: 0 } => {
                        outcome.answered = true;
                    }
                    Reply::Answer { errno, .. } | Reply::Done { errno } => {
                        return Err(refused(errno));
                    }
                    Reply::Object {
                        family,
                        resource,
                        attributes,
                    } => {
                        outcome.answered |= !dump;
                        let first = *outcome.generation.get_or_insert(resource);
                        outcome.mixed |= first != resource;
                        object(family, attributes);
                    }
                    Reply::Other => {}
                }
            }
        }
        if lost || !outcome.answered {
            return Err(if lost {
                QueryError::Unstable
            } else {
                QueryError::NoAnswer
            });
        }
        Ok(outcome)
    }
}

fn refused(errno: i32) -> QueryError {
    match errno {
        libc::EPERM => QueryError::Denied,
        libc::EOPNOTSUPP | libc::EINVAL | libc::EPROTONOSUPPORT => QueryError::Unsupported,
        errno => QueryError::Refused(Errno(errno)),
    }
}
