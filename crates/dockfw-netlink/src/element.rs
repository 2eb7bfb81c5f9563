//! Elements of sets and maps.
//!
//! Element lists are the bulk of a batch, so the common element is copied from prepared headers:
//! a key, for a map a datum, and nothing else.

use dockfw_ir::set::{Element, ElementData, Set, SetKind};
use dockfw_ir::value::register_len;
use dockfw_ir::{DataType, Value};

use crate::expr::{data, trimmed};
use crate::set::{is_concatenated_interval, is_single_interval, milliseconds, wire_len};
use crate::statement::verdict;
use crate::sys::nf_tables::{
    NFT_SET_ELEM_INTERVAL_END, NFTA_DATA_VALUE, NFTA_LIST_ELEM, NFTA_SET_ELEM_DATA,
    NFTA_SET_ELEM_FLAGS, NFTA_SET_ELEM_KEY, NFTA_SET_ELEM_KEY_END, NFTA_SET_ELEM_TIMEOUT,
    NFTA_SET_ELEM_USERDATA, udata,
};
use crate::userdata::UserData;
use crate::wire::encode::attribute_header;
use crate::wire::{ATTRIBUTE_HEADER, EncodeError, Encoder, NESTED};

type Result<T = ()> = std::result::Result<T, EncodeError>;

/// The longest element list: `nla_len` has 16 bits, with the list's own header.
pub(crate) const LIST_MAX: usize = 65_535 - ATTRIBUTE_HEADER;

/// Writes the elements of one set, message by message.
pub(crate) struct ElementWriter<'s> {
    set: &'s Set,
    /// The headers in front of the key, and those between key and datum.
    key_head: [u8; 3 * ATTRIBUTE_HEADER],
    data_head: [u8; 2 * ATTRIBUTE_HEADER],
    key_len: usize,
    /// 0 when there is none.
    data_len: usize,
    /// Whether elements without extras can be copied from the headers.
    simple: bool,
    /// Whether the space in front of the first range is said.
    leads: bool,
}

impl<'s> ElementWriter<'s> {
    pub(crate) fn new(set: &'s Set) -> Result<Self> {
        let key_len = register_len(&set.key);
        let data_types: &[DataType] = match &set.kind {
            SetKind::Map(data) => data,
            SetKind::Set | SetKind::VerdictMap => &[],
        };
        let data_len = register_len(data_types);
        let (key_value, key_nest) = lengths(&set.key)?;
        let (data_value, data_nest) = lengths(data_types)?;
        let data_part = if data_len == 0 {
            0
        } else {
            usize::from(data_nest)
        };
        let all = ATTRIBUTE_HEADER + usize::from(key_nest) + data_part;
        let all = short(all)?;
        let [a, b, c] = [
            attribute_header(all, NFTA_LIST_ELEM | NESTED),
            attribute_header(key_nest, NFTA_SET_ELEM_KEY | NESTED),
            attribute_header(key_value, NFTA_DATA_VALUE),
        ];
        Ok(Self {
            set,
            key_head: join(&[a, b, c]),
            data_head: join(&[
                attribute_header(data_nest, NFTA_SET_ELEM_DATA | NESTED),
                attribute_header(data_value, NFTA_DATA_VALUE),
            ]),
            key_len,
            data_len,
            simple: !set.interval && set.kind != SetKind::VerdictMap,
            leads: true,
        })
    }

    /// The writer for elements that others stand beside, or that are deleted: the set has the space
    /// in front of its first range already, or does without.
    pub(crate) fn among_others(set: &'s Set) -> Result<Self> {
        let leads = false;
        Ok(Self {
            leads,
            ..Self::new(set)?
        })
    }

    /// Writes elements from `from` on until the list is full, and returns the first that is left.
    pub(crate) fn fill(&self, encoder: &mut Encoder, from: usize) -> Result<usize> {
        let start = encoder.len();
        let elements = self.set.elements.get(from..).unwrap_or(&[]);
        // The widest an element of this set can be: two ends, comment and lifetime included.
        let widest = 2 * (self.key_len + self.data_len) + 1024;
        if self.leads && is_single_interval(self.set) && from == 0 {
            self.leading_end(encoder)?;
        }
        let simple_len = self.key_head.len() + self.key_len + self.data_head.len() + self.data_len;
        encoder.reserve((elements.len() * simple_len).min(LIST_MAX));
        for (offset, element) in elements.iter().enumerate() {
            let index = from + offset;
            let simple = self.simple && element.extra.is_none();
            let room = LIST_MAX - (encoder.len() - start);
            if room < if simple { simple_len } else { widest } {
                return Ok(index);
            }
            if simple {
                self.simple(encoder, element, index)?;
            } else if is_single_interval(self.set) {
                self.interval(encoder, element, index)?;
            } else {
                self.full(encoder, element, index)?;
            }
        }
        Ok(from + elements.len())
    }

    fn kind_error(&self, index: usize) -> EncodeError {
        EncodeError::ElementKind {
            set: self.set.name.to_string(),
            index,
        }
    }

    /// An element with a key and perhaps a datum.
    fn simple(&self, encoder: &mut Encoder, element: &Element, index: usize) -> Result {
        let key = element.key.as_bytes();
        check_len(key, self.key_len)?;
        encoder.raw(&self.key_head);
        encoder.raw(key);
        match &element.data {
            ElementData::None if self.data_len == 0 => Ok(()),
            ElementData::Value(value) if self.data_len != 0 => {
                let value = value.as_bytes();
                check_len(value, self.data_len)?;
                encoder.raw(&self.data_head);
                encoder.raw(value);
                Ok(())
            }
            ElementData::None | ElementData::Value(_) | ElementData::Verdict(_) => {
                Err(self.kind_error(index))
            }
        }
    }

    /// An element with anything but `NFT_SET_ELEM_INTERVAL_END`.
    fn full(&self, encoder: &mut Encoder, element: &Element, index: usize) -> Result {
        let key = trimmed(&element.key, &self.set.key)?;
        encoder.nest(NFTA_LIST_ELEM, |e| {
            data(e, NFTA_SET_ELEM_KEY, key)?;
            if is_concatenated_interval(self.set) {
                let end = element.key_end.as_deref().unwrap_or(&element.key);
                data(e, NFTA_SET_ELEM_KEY_END, trimmed(end, &self.set.key)?)?;
            }
            self.data_and_extra(e, element, index, UserData::new())
        })
    }

    fn data_and_extra(
        &self,
        e: &mut Encoder,
        element: &Element,
        index: usize,
        mut user: UserData,
    ) -> Result {
        match (&element.data, &self.set.kind) {
            (ElementData::None, SetKind::Set) => {}
            (ElementData::Value(value), SetKind::Map(types)) => {
                data(e, NFTA_SET_ELEM_DATA, trimmed(value, types)?)?;
            }
            (ElementData::Verdict(to), SetKind::VerdictMap) => {
                verdict::data(e, NFTA_SET_ELEM_DATA, to)?;
            }
            (ElementData::None | ElementData::Value(_) | ElementData::Verdict(_), _) => {
                return Err(self.kind_error(index));
            }
        }
        if let Some(timeout) = element.timeout() {
            e.u64(NFTA_SET_ELEM_TIMEOUT, milliseconds(timeout))?;
        }
        if let Some(comment) = element.comment() {
            user = user.and_comment(udata::COMMENT, comment)?;
        }
        user.put(e, NFTA_SET_ELEM_USERDATA)
    }

    /// A range of one field: where it begins, and where the space behind it begins.
    ///
    /// A range up to the last key has no end; a flag in the user data tells nft(8), which would
    /// otherwise list a single key.
    fn interval(&self, encoder: &mut Encoder, element: &Element, index: usize) -> Result {
        let key = trimmed(&element.key, &self.set.key)?;
        let last = element.key_end.as_deref().unwrap_or(&element.key);
        let behind = following(trimmed(last, &self.set.key)?);
        let mut user = UserData::new();
        if behind.is_none() {
            user = user.and_u32(udata::SET_ELEM_FLAGS, udata::SET_ELEM_F_INTERVAL_OPEN)?;
        }
        encoder.nest(NFTA_LIST_ELEM, |e| {
            data(e, NFTA_SET_ELEM_KEY, key)?;
            self.data_and_extra(e, element, index, user)
        })?;
        match behind.as_ref().and_then(|behind| behind.get(..key.len())) {
            Some(behind) => end(encoder, behind),
            None => Ok(()),
        }
    }

    /// The space in front of the first range, as nft(8) says it: an end at zero.
    fn leading_end(&self, encoder: &mut Encoder) -> Result {
        let Some(first) = self.set.elements.first() else {
            return Ok(());
        };
        let key = trimmed(&first.key, &self.set.key)?;
        if key.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        let zero = [0; Value::MAX];
        end(encoder, zero.get(..key.len()).unwrap_or(&zero))
    }
}

fn end(encoder: &mut Encoder, key: &[u8]) -> Result {
    encoder.nest(NFTA_LIST_ELEM, |e| {
        e.u32(NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END)?;
        data(e, NFTA_SET_ELEM_KEY, key)
    })
}

/// The key behind this one, counting in network byte order; `None` behind the last.
fn following(key: &[u8]) -> Option<[u8; Value::MAX]> {
    let mut next = [0; Value::MAX];
    next.get_mut(..key.len())?.copy_from_slice(key);
    for byte in next.get_mut(..key.len())?.iter_mut().rev() {
        let (sum, carry) = byte.overflowing_add(1);
        *byte = sum;
        if !carry {
            return Some(next);
        }
    }
    None
}

fn check_len(bytes: &[u8], expected: usize) -> Result {
    if bytes.len() == expected {
        Ok(())
    } else {
        Err(EncodeError::ValueLength {
            len: bytes.len(),
            expected,
        })
    }
}

/// The length fields of `NFTA_DATA_VALUE` and of the nest around it.
fn lengths(types: &[DataType]) -> Result<(u16, u16)> {
    let value = short(ATTRIBUTE_HEADER + wire_len(types))?;
    let nest = short(ATTRIBUTE_HEADER + ATTRIBUTE_HEADER + register_len(types))?;
    Ok((value, nest))
}

fn short(len: usize) -> Result<u16> {
    u16::try_from(len)
        .ok()
        .ok_or(EncodeError::AttributeTooLong {
            kind: NFTA_LIST_ELEM,
            len,
        })
}

fn join<const N: usize>(headers: &[[u8; ATTRIBUTE_HEADER]]) -> [u8; N] {
    let mut all = [0; N];
    for (to, from) in all.iter_mut().zip(headers.iter().flatten()) {
        *to = *from;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_behind_the_last_does_not_exist() {
        let next = |key: &[u8]| following(key).map(|next| next[..key.len()].to_vec());
        assert_eq!(next(&[0, 0]), Some(vec![0, 1]));
        assert_eq!(next(&[10, 255, 255, 255]), Some(vec![11, 0, 0, 0]));
        assert_eq!(next(&[255, 255]), None);
    }

    #[test]
    fn long_lists_are_cut_below_64_kib_and_lose_nothing() {
        use dockfw_ir::name::SetName;
        for interval in [false, true] {
            let count = 20_000_u32;
            let elements = (0..count)
                .map(|i| Element::member(Value::new().and_ipv4((2 * i + 1).into())))
                .collect();
            let set = Set {
                name: SetName::new("many").unwrap(),
                key: vec![DataType::Ipv4Addr],
                kind: SetKind::Set,
                interval,
                dynamic: false,
                counter: false,
                timeout: None,
                size: None,
                comment: None,
                elements,
            };
            let writer = ElementWriter::new(&set).unwrap();
            let (mut next, mut lists) = (0, 0);
            while next < set.elements.len() {
                let mut encoder = Encoder::default();
                let first = next;
                next = writer.fill(&mut encoder, first).unwrap();
                assert!(next > first && encoder.len() <= LIST_MAX);
                lists += 1;
            }
            assert_eq!(lists, if interval { 13 } else { 5 });
        }
    }
}
