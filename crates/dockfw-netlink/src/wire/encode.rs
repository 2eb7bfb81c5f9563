//! The encoder.

use super::{ATTRIBUTE_HEADER, FAMILY_HEADER, MESSAGE_HEADER, NESTED};

/// Why a message cannot be encoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The kernel's length field of an attribute has 16 bits.
    #[error("attribute {kind} would be {len} bytes long, 65535 is the most")]
    AttributeTooLong {
        /// Its type.
        kind: u16,
        /// Its length with the header, in bytes.
        len: usize,
    },
    /// The kernel's length field of a message has 32 bits.
    #[error("a message would be {len} bytes long")]
    MessageTooLong {
        /// In bytes.
        len: usize,
    },
    /// A set that a rule looks up is not in the table.
    #[error("table {table} has no set {set}")]
    NoSuchSet {
        /// The table.
        table: String,
        /// The set.
        set: String,
    },
    /// A key or datum has another length than its types.
    #[error("a value of {len} bytes stands where {expected} bytes belong")]
    ValueLength {
        /// The value's length in bytes, padding included.
        len: usize,
        /// The types' length.
        expected: usize,
    },
    /// An element's datum is not of the kind of its set.
    #[error("element {index} of {set} does not have the data of its kind of set")]
    ElementKind {
        /// The set.
        set: String,
        /// The element, counted from 0.
        index: usize,
    },
    /// A rule that is to be changed is in the kernel, but its handle is not known.
    #[error("the handle of rule {index} of chain {chain} is not known")]
    NoHandle {
        /// The chain.
        chain: String,
        /// The rule's place in it, counted from 0.
        index: usize,
    },
    /// A place of a change that its table does not have.
    #[error("a change of what the table does not have")]
    NoPlace,
    /// A statement needs more than the 16 registers of 4 bytes.
    #[error("a statement needs more registers than there are")]
    Registers,
    /// A combination that the kernel has no form for, or that nft(8) could not list.
    #[error("{what} has no wire form")]
    Form {
        /// What was asked.
        what: &'static str,
    },
    /// More messages than sequence numbers.
    #[error("the batch has more than {0} messages")]
    TooManyMessages(usize),
}

/// The header of an nf_tables message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// `nlmsg_type`
    pub kind: u16,
    /// `nlmsg_flags`
    pub flags: u16,
    /// `nlmsg_seq`
    pub sequence: u32,
    /// `nfgen_family`
    pub family: u8,
    /// `res_id`, in host byte order.
    pub resource: u16,
}

/// Writes messages one after the other into a buffer.
///
/// Lengths are written when a message or nest is closed; one that does not fit its field is an
/// error and never wraps. After an error the buffer holds an unfinished message.
#[derive(Debug, Default)]
pub struct Encoder {
    buffer: Vec<u8>,
}

impl Encoder {
    /// An encoder whose buffer has room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            buffer: Vec::with_capacity(capacity),
        }
    }

    /// The bytes so far.
    pub fn as_bytes(&self) -> &[u8] {
        &self.buffer
    }

    /// The bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.buffer
    }

    /// The number of bytes so far.
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Makes room for `additional` bytes.
    pub fn reserve(&mut self, additional: usize) {
        self.buffer.reserve(additional);
    }

    /// Writes a message with the attributes that `body` writes.
    ///
    /// # Errors
    ///
    /// Those of `body`, and [`EncodeError::MessageTooLong`].
    pub fn message<E: From<EncodeError>>(
        &mut self,
        header: Header,
        body: impl FnOnce(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        let start = self.buffer.len();
        self.buffer.reserve(MESSAGE_HEADER + FAMILY_HEADER);
        self.buffer.extend_from_slice(&[0; 4]);
        self.buffer.extend_from_slice(&header.kind.to_ne_bytes());
        self.buffer.extend_from_slice(&header.flags.to_ne_bytes());
        self.buffer
            .extend_from_slice(&header.sequence.to_ne_bytes());
        // nlmsg_pid: the kernel fills in the socket's address.
        self.buffer.extend_from_slice(&[0; 4]);
        self.buffer.extend_from_slice(&[header.family, 0]);
        self.buffer
            .extend_from_slice(&header.resource.to_be_bytes());
        body(self)?;
        let len = self.buffer.len() - start;
        let field = u32::try_from(len)
            .ok()
            .ok_or(EncodeError::MessageTooLong { len })?;
        self.patch(start, &field.to_ne_bytes());
        Ok(())
    }

    /// Writes a nest with the attributes that `body` writes.
    ///
    /// # Errors
    ///
    /// Those of `body`, and [`EncodeError::AttributeTooLong`].
    pub fn nest<E: From<EncodeError>>(
        &mut self,
        kind: u16,
        body: impl FnOnce(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(&[0; 2]);
        self.buffer
            .extend_from_slice(&(kind | NESTED).to_ne_bytes());
        body(self)?;
        let len = self.buffer.len() - start;
        let field = u16::try_from(len)
            .ok()
            .ok_or(EncodeError::AttributeTooLong { kind, len })?;
        self.patch(start, &field.to_ne_bytes());
        Ok(())
    }

    /// Writes an attribute of these bytes, padded to a multiple of 4.
    ///
    /// # Errors
    ///
    /// [`EncodeError::AttributeTooLong`].
    pub fn bytes(&mut self, kind: u16, value: &[u8]) -> Result<(), EncodeError> {
        self.header(kind, value.len())?;
        self.buffer.extend_from_slice(value);
        self.pad();
        Ok(())
    }

    /// Writes a NUL-terminated text.
    ///
    /// # Errors
    ///
    /// [`EncodeError::AttributeTooLong`].
    pub fn text(&mut self, kind: u16, value: &str) -> Result<(), EncodeError> {
        self.header(kind, value.len() + 1)?;
        self.buffer.extend_from_slice(value.as_bytes());
        self.buffer.push(0);
        self.pad();
        Ok(())
    }

    /// Writes a number of 8 bits.
    ///
    /// # Errors
    ///
    /// None in practice; the signature is that of its siblings.
    pub fn u8(&mut self, kind: u16, value: u8) -> Result<(), EncodeError> {
        self.bytes(kind, &[value])
    }

    /// Writes a number of 16 bits in network byte order.
    ///
    /// # Errors
    ///
    /// As [`Encoder::u8`].
    pub fn u16(&mut self, kind: u16, value: u16) -> Result<(), EncodeError> {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// Writes a number of 32 bits in network byte order.
    ///
    /// # Errors
    ///
    /// As [`Encoder::u8`].
    pub fn u32(&mut self, kind: u16, value: u32) -> Result<(), EncodeError> {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// Writes a signed number of 32 bits in network byte order.
    ///
    /// # Errors
    ///
    /// As [`Encoder::u8`].
    pub fn i32(&mut self, kind: u16, value: i32) -> Result<(), EncodeError> {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// Writes a number of 64 bits in network byte order.
    ///
    /// # Errors
    ///
    /// As [`Encoder::u8`].
    pub fn u64(&mut self, kind: u16, value: u64) -> Result<(), EncodeError> {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// Appends bytes that are whole attributes already.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    fn header(&mut self, kind: u16, value: usize) -> Result<(), EncodeError> {
        let len = value + ATTRIBUTE_HEADER;
        let field = u16::try_from(len)
            .ok()
            .ok_or(EncodeError::AttributeTooLong { kind, len })?;
        self.buffer
            .extend_from_slice(&attribute_header(field, kind));
        Ok(())
    }

    fn pad(&mut self) {
        let padded = self.buffer.len().next_multiple_of(4);
        self.buffer.resize(padded, 0);
    }

    fn patch(&mut self, at: usize, bytes: &[u8]) {
        if let Some(to) = self.buffer.get_mut(at..at + bytes.len()) {
            to.copy_from_slice(bytes);
        }
    }
}

/// A `struct nlattr`.
pub(crate) fn attribute_header(len: u16, kind: u16) -> [u8; ATTRIBUTE_HEADER] {
    let [a, b] = len.to_ne_bytes();
    let [c, d] = kind.to_ne_bytes();
    [a, b, c, d]
}
