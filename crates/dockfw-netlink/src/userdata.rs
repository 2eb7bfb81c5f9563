//! User data: what nft(8) keeps beside an object and the kernel does not read.
//!
//! A list of type, length and value, one byte each for the first two.
//!
//! Source: libnftnl 1.2.4, `src/udata.c`.

use dockfw_ir::name::Comment;

use crate::sys::nf_tables::udata;
use crate::wire::{EncodeError, Encoder};

/// `NFT_USERDATA_MAXLEN`
const MAX: usize = 256;

/// The values of one object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UserData {
    bytes: [u8; MAX],
    len: usize,
}

impl UserData {
    pub(crate) const fn new() -> Self {
        Self {
            bytes: [0; MAX],
            len: 0,
        }
    }

    /// A comment only.
    pub(crate) fn comment(comment: &Comment) -> Result<Self, EncodeError> {
        Self::new().and_comment(udata::COMMENT, comment)
    }

    pub(crate) fn and_comment(self, kind: u8, comment: &Comment) -> Result<Self, EncodeError> {
        self.and(kind, &[comment.as_str().as_bytes(), &[0]])
    }

    /// A number in host byte order.
    pub(crate) fn and_u32(self, kind: u8, value: u32) -> Result<Self, EncodeError> {
        self.and(kind, &[&value.to_ne_bytes()])
    }

    fn and(mut self, kind: u8, parts: &[&[u8]]) -> Result<Self, EncodeError> {
        let too_long = || EncodeError::Form {
            what: "user data of more than 256 bytes",
        };
        let len: usize = parts.iter().map(|part| part.len()).sum();
        let head = [kind, u8::try_from(len).ok().ok_or_else(&too_long)?];
        for part in [head.as_slice()].iter().chain(parts) {
            let end = self.len + part.len();
            self.bytes
                .get_mut(self.len..end)
                .ok_or_else(too_long)?
                .copy_from_slice(part);
            self.len = end;
        }
        Ok(self)
    }

    /// Writes the attribute, unless there is nothing to say.
    pub(crate) fn put(&self, encoder: &mut Encoder, kind: u16) -> Result<(), EncodeError> {
        match self.bytes.get(..self.len) {
            None | Some([]) => Ok(()),
            Some(bytes) => encoder.bytes(kind, bytes),
        }
    }
}

/// The value of one type in user data.
pub(crate) fn find(bytes: &[u8], kind: u8) -> Option<&[u8]> {
    let mut rest = bytes;
    while let [this, len, tail @ ..] = rest {
        let (value, next) = tail.split_at_checked(usize::from(*len))?;
        if *this == kind {
            return Some(value);
        }
        rest = next;
    }
    None
}
