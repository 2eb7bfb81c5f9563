//! The decoder: iterators over messages and attributes that borrow, check bounds and never panic.
//!
//! What is unknown is kept: an [`Attributes`] yields every attribute, whatever its type, and
//! whoever reads one picks what it knows.

use super::{ATTRIBUTE_HEADER, FAMILY_HEADER, MESSAGE_HEADER, NESTED};

/// `NLA_TYPE_MASK`
const TYPE_MASK: u16 = 0x3fff;
/// `NLMSG_ERROR`
const ERROR: u16 = 2;
/// `NLMSG_DONE`
const DONE: u16 = 3;
/// `NLM_F_CAPPED`: the report carries only the header of the message it is about.
const CAPPED: u16 = 0x100;
/// `NLM_F_ACK_TLVS`: attributes follow.
const ACK_TLVS: u16 = 0x200;

/// A netlink message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// `nlmsg_type`
    pub kind: u16,
    /// `nlmsg_flags`
    pub flags: u16,
    /// `nlmsg_seq`
    pub sequence: u32,
    /// What follows the header.
    pub payload: &'a [u8],
}

/// What a message from the kernel says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply<'a> {
    /// `NLMSG_ERROR`: the answer to one message; `errno` 0 is an acknowledgement.
    Answer {
        /// A positive errno, or 0.
        errno: i32,
        /// Where in the message, in bytes from its header, if the kernel says so.
        offset: Option<u32>,
        /// The kernel's own words, if it has any.
        text: Option<&'a str>,
    },
    /// `NLMSG_DONE`: the end of a dump; a positive errno when it failed.
    Done {
        /// A positive errno, or 0.
        errno: i32,
    },
    /// An object.
    Object {
        /// `nfgen_family`
        family: u8,
        /// `res_id` in host byte order: the low 16 bits of the generation in nf_tables dumps.
        resource: u16,
        /// Its attributes.
        attributes: Attributes<'a>,
    },
    /// Anything else, or too short to be what it says it is.
    Other,
}

/// The messages of a datagram or batch, with their offsets.
#[derive(Debug, Clone)]
pub struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Messages<'a> {
    /// Reads the messages in `bytes`. Stops at the first one that is not whole.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What was not read: empty when every message was whole.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let len = usize::try_from(u32::from_ne_bytes(array(self.rest, 0)?)).ok()?;
        if len < MESSAGE_HEADER {
            return None;
        }
        let message = Message {
            kind: u16::from_ne_bytes(array(self.rest, 4)?),
            flags: u16::from_ne_bytes(array(self.rest, 6)?),
            sequence: u32::from_ne_bytes(array(self.rest, 8)?),
            payload: self.rest.get(MESSAGE_HEADER..len)?,
        };
        // The last message of a datagram need not be padded.
        self.rest = self.rest.get(len.next_multiple_of(4)..).unwrap_or(&[]);
        Some(message)
    }
}

impl<'a> Message<'a> {
    /// What the message says.
    pub fn reply(&self) -> Reply<'a> {
        self.parse().unwrap_or(Reply::Other)
    }

    fn parse(&self) -> Option<Reply<'a>> {
        match self.kind {
            ERROR => self.answer(),
            DONE => Some(Reply::Done {
                errno: array(self.payload, 0)
                    .map_or(0, i32::from_ne_bytes)
                    .checked_neg()?,
            }),
            kind if kind < 16 => None,
            _ => self.object(),
        }
    }

    fn object(&self) -> Option<Reply<'a>> {
        let &[family, _version, high, low] = self.payload.first_chunk::<FAMILY_HEADER>()?;
        Some(Reply::Object {
            family,
            resource: u16::from_be_bytes([high, low]),
            attributes: self.attributes(),
        })
    }

    /// The attributes behind the nfnetlink header.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.payload.get(FAMILY_HEADER..).unwrap_or(&[]))
    }

    fn answer(&self) -> Option<Reply<'a>> {
        /// `NLMSGERR_ATTR_MSG`
        const MSG: u16 = 1;
        /// `NLMSGERR_ATTR_OFFS`
        const OFFS: u16 = 2;
        let errno = i32::from_ne_bytes(array(self.payload, 0)?).checked_neg()?;
        let (mut offset, mut text) = (None, None);
        if self.flags & ACK_TLVS != 0 {
            let len = usize::try_from(u32::from_ne_bytes(array(self.payload, 4)?)).ok()?;
            let echoed = if self.flags & CAPPED != 0 {
                MESSAGE_HEADER
            } else {
                len
            };
            let start = echoed.checked_next_multiple_of(4)?.checked_add(4)?;
            for attribute in Attributes::new(self.payload.get(start..).unwrap_or(&[])) {
                match attribute.kind {
                    MSG => text = attribute.text(),
                    OFFS => offset = array(attribute.payload, 0).map(u32::from_ne_bytes),
                    _ => {}
                }
            }
        }
        Some(Reply::Answer {
            errno,
            offset,
            text,
        })
    }
}

/// An attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Its type without flags.
    pub kind: u16,
    /// `NLA_F_NESTED`; the kernel does not set it everywhere.
    pub nested: bool,
    /// Its value, without padding.
    pub payload: &'a [u8],
    /// Where its header lies, in bytes from the begin of the first attribute.
    pub offset: usize,
}

impl<'a> Attribute<'a> {
    /// The attributes inside.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.payload)
    }

    /// A number of 8 bits.
    pub fn u8(&self) -> Option<u8> {
        self.payload.first().copied()
    }

    /// A number of 16 bits in network byte order.
    pub fn u16(&self) -> Option<u16> {
        array(self.payload, 0).map(u16::from_be_bytes)
    }

    /// A number of 32 bits in network byte order.
    pub fn u32(&self) -> Option<u32> {
        array(self.payload, 0).map(u32::from_be_bytes)
    }

    /// A signed number of 32 bits in network byte order.
    pub fn i32(&self) -> Option<i32> {
        array(self.payload, 0).map(i32::from_be_bytes)
    }

    /// A number of 64 bits in network byte order.
    pub fn u64(&self) -> Option<u64> {
        array(self.payload, 0).map(u64::from_be_bytes)
    }

    /// A text, without its NUL if it has one.
    pub fn text(&self) -> Option<&'a str> {
        let text = self.payload.split(|byte| *byte == 0).next()?;
        std::str::from_utf8(text).ok()
    }
}

/// A list of attributes. A copy starts again where the original stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Attributes<'a> {
    /// Reads the attributes in `bytes`. Stops at the first one that is not whole.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            offset: 0,
        }
    }

    /// What was not read: empty when every attribute was whole.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The last attribute of this type, as the kernel reads repeated ones.
    pub fn get(self, kind: u16) -> Option<Attribute<'a>> {
        self.filter(|attribute| attribute.kind == kind).last()
    }
}

#[expect(
    clippy::copy_iterator,
    reason = "a cursor over borrowed bytes; whoever picks one attribute starts from the first"
)]
impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        let len = usize::from(u16::from_ne_bytes(array(self.rest, 0)?));
        let kind = u16::from_ne_bytes(array(self.rest, 2)?);
        if len < ATTRIBUTE_HEADER {
            return None;
        }
        let attribute = Attribute {
            kind: kind & TYPE_MASK,
            nested: kind & NESTED != 0,
            payload: self.rest.get(ATTRIBUTE_HEADER..len)?,
            offset: self.offset,
        };
        let padded = len.next_multiple_of(4);
        self.rest = self.rest.get(padded..).unwrap_or(&[]);
        self.offset += padded;
        Some(attribute)
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}
