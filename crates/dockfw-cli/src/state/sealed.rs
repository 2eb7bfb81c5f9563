//! Bytes with a seal: what they are, how many, and a checksum, so that damage is noticed.
//!
//! ```text
//! magic    8 bytes: "dockfw", a letter for what it is, NUL
//! version  u32, 1
//! length   u64, of everything from the magic to the checksum, in bytes
//! content  numbers little-endian; texts and bytes behind their length as u64
//! checksum u32, CRC-32 (IEEE) of everything before it
//! ```
//!
//! A CRC-32 finds every single damaged stretch of up to 32 bits and all but one in four thousand
//! million others. A cryptographic digest would say no more: whoever can write files here can
//! write the digest too.

const VERSION: u32 = 1;
/// Magic, version and length.
const HEAD: usize = 8 + 4 + 8;
const CHECKSUM: usize = 4;

/// What is wrong with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// It is empty.
    #[error("it is empty")]
    Empty,
    /// It does not begin as it should.
    #[error("it is not a file of this kind")]
    Foreign,
    /// It is of a form that this program does not know.
    #[error("its form is version {0}, and this dockfw reads version {VERSION}")]
    Version(u32),
    /// It has fewer or more bytes than it says.
    #[error("it has {found} bytes and should have {expected}")]
    Length {
        /// What it says.
        expected: u64,
        /// What it has.
        found: u64,
    },
    /// The checksum is another one.
    #[error("its checksum is wrong")]
    Checksum,
    /// The content ends too early, or is none.
    #[error("its content makes no sense")]
    Content,
    /// It is the file of another generation.
    #[error("it is the file of another generation")]
    Renamed,
}

/// Writes content and seals it.
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn new(kind: u8, capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(HEAD + capacity + CHECKSUM);
        bytes.extend_from_slice(&magic(kind));
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&[0; 8]);
        Self(bytes)
    }

    pub(super) fn u8(&mut self, number: u8) {
        self.0.push(number);
    }

    pub(super) fn u32(&mut self, number: u32) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    pub(super) fn u64(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    pub(super) fn len(&mut self, len: usize) {
        self.u64(u64::try_from(len).unwrap_or(u64::MAX));
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.len(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// The bytes with their length and checksum.
    pub(super) fn seal(mut self) -> Vec<u8> {
        let length = u64::try_from(self.0.len() + CHECKSUM).unwrap_or(u64::MAX);
        if let Some(field) = self.0.get_mut(HEAD - 8..HEAD) {
            field.copy_from_slice(&length.to_le_bytes());
        }
        let checksum = crc32fast::hash(&self.0);
        self.u32(checksum);
        self.0
    }
}

/// Reads content whose seal is whole.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Checks the seal.
    pub(super) fn new(kind: u8, bytes: &'a [u8]) -> Result<Self, Damage> {
        let expected = length(kind, bytes)?;
        let found = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if expected != found {
            return Err(Damage::Length { expected, found });
        }
        let short = Damage::Length { expected, found };
        let (sealed, checksum) = bytes.split_last_chunk::<CHECKSUM>().ok_or(short)?;
        if crc32fast::hash(sealed) != u32::from_le_bytes(*checksum) {
            return Err(Damage::Checksum);
        }
        Ok(Self(sealed.get(HEAD..).ok_or(short)?))
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Damage> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Damage::Content)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Damage> {
        let taken = self.take(N)?;
        taken.first_chunk().copied().ok_or(Damage::Content)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Damage> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Damage> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Damage> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn len(&mut self) -> Result<usize, Damage> {
        usize::try_from(self.u64()?).ok().ok_or(Damage::Content)
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Damage> {
        let len = self.len()?;
        self.take(len)
    }

    pub(super) fn text(&mut self) -> Result<String, Damage> {
        let text = std::str::from_utf8(self.bytes()?).ok();
        text.map(str::to_owned).ok_or(Damage::Content)
    }

    /// Makes sure that nothing is left.
    pub(super) fn end(self) -> Result<(), Damage> {
        self.0.is_empty().then_some(()).ok_or(Damage::Content)
    }
}

const fn magic(kind: u8) -> [u8; 8] {
    [b'd', b'o', b'c', b'k', b'f', b'w', kind, 0]
}

/// How many bytes a file should have, by its beginning.
fn length(kind: u8, bytes: &[u8]) -> Result<u64, Damage> {
    if bytes.is_empty() {
        return Err(Damage::Empty);
    }
    let mut head = Reader(bytes);
    if head.array() != Ok(magic(kind)) {
        return Err(Damage::Foreign);
    }
    let version = head.u32().or(Err(Damage::Foreign))?;
    if version != VERSION {
        return Err(Damage::Version(version));
    }
    head.u64().or(Err(Damage::Foreign))
}
