//! The encoder against the decoder, and the decoder against anything.

use super::*;

const HEADER: Header = Header {
    kind: 0x0a06,
    flags: REQUEST,
    sequence: 7,
    family: 1,
    resource: 0x1234,
};

type Result = std::result::Result<(), EncodeError>;

#[test]
fn what_is_encoded_is_decoded() {
    let mut encoder = Encoder::default();
    encoder
        .message(HEADER, |e| {
            e.text(1, "dockfw")?;
            e.nest(2, |e| {
                e.u32(1, 0xdead_beef)?;
                e.bytes(3, &[1, 2, 3, 4, 5])
            })?;
            e.u64(4, 5)?;
            e.i32(5, -3)?;
            e.u8(6, 9)?;
            e.u16(7, 0x1234)
        })
        .unwrap();
    let mut messages = Messages::new(encoder.as_bytes());
    let message = messages.next().unwrap();
    assert!(messages.next().is_none() && messages.rest().is_empty());
    assert_eq!(
        (message.kind, message.flags, message.sequence),
        (0x0a06, REQUEST, 7)
    );
    let Reply::Object {
        family: 1,
        resource: 0x1234,
        attributes,
    } = message.reply()
    else {
        panic!("{message:?}");
    };
    assert_eq!(attributes.get(1).unwrap().text(), Some("dockfw"));
    let nest = attributes.get(2).unwrap();
    assert!(nest.nested);
    assert_eq!(nest.attributes().get(1).unwrap().u32(), Some(0xdead_beef));
    assert_eq!(nest.attributes().get(3).unwrap().payload, [1, 2, 3, 4, 5]);
    assert_eq!(attributes.get(4).unwrap().u64(), Some(5));
    assert_eq!(attributes.get(5).unwrap().i32(), Some(-3));
    assert_eq!(attributes.get(6).unwrap().u8(), Some(9));
    assert_eq!(attributes.get(7).unwrap().u16(), Some(0x1234));
    assert!(attributes.get(99).is_none());
    assert_eq!(encoder.len() % 4, 0);
}

#[test]
fn a_nest_of_65535_bytes_is_the_longest() {
    let nest = |inner: usize| {
        let mut encoder = Encoder::default();
        let value = vec![0; inner];
        let written: Result = encoder.nest(1, |e| e.bytes(1, &value));
        written.map(|()| encoder.into_bytes())
    };
    // 4 bytes each for the headers of the nest and of the value; lengths are padded to 4.
    let longest = nest(65_532 - 8).unwrap();
    let attribute = Attributes::new(&longest).next().unwrap();
    assert_eq!(attribute.payload.len(), 65_528);
    for inner in [65_532 - 7, 65_531, 65_532, 70_000, 200_000] {
        let refused = nest(inner);
        assert!(
            matches!(refused, Err(EncodeError::AttributeTooLong { .. })),
            "{inner}"
        );
    }
}

#[test]
fn a_nest_that_is_full_without_padding_is_refused_and_does_not_wrap() {
    let mut encoder = Encoder::default();
    let written: Result = encoder.nest(1, |e| {
        e.raw(&vec![0; 65_531]);
        Ok(())
    });
    assert_eq!(written, Ok(()));
    assert_eq!(encoder.as_bytes().get(..2), Some(&[0xff, 0xff][..]));
    let mut encoder = Encoder::default();
    let written: Result = encoder.nest(1, |e| {
        e.raw(&vec![0; 65_532]);
        Ok(())
    });
    assert_eq!(
        written,
        Err(EncodeError::AttributeTooLong {
            kind: 1,
            len: 65_536
        })
    );
}

#[test]
fn an_error_report_with_and_without_the_message_it_is_about() {
    for capped in [true, false] {
        let mut bytes = Vec::new();
        let echoed = if capped { 0 } else { 20 };
        let payload = 4 + 16 + echoed + 8 + 12;
        let len: u32 = 16 + payload;
        bytes.extend(len.to_ne_bytes());
        bytes.extend(2_u16.to_ne_bytes());
        bytes.extend((if capped { 0x300_u16 } else { 0x200 }).to_ne_bytes());
        bytes.extend(42_u32.to_ne_bytes());
        bytes.extend(0_u32.to_ne_bytes());
        bytes.extend((-17_i32).to_ne_bytes());
        bytes.extend((16 + 20_u32).to_ne_bytes());
        bytes.extend([0; 12]);
        bytes.extend(vec![0xee; usize::try_from(echoed).unwrap()]);
        bytes.extend([8, 0, 2, 0]);
        bytes.extend(64_u32.to_ne_bytes());
        bytes.extend([9, 0, 1, 0]);
        bytes.extend(b"busy\0\0\0\0");
        let message = Messages::new(&bytes).next().unwrap();
        assert_eq!(message.sequence, 42);
        let expected = Reply::Answer {
            errno: 17,
            offset: Some(64),
            text: Some("busy"),
        };
        assert_eq!(message.reply(), expected, "capped: {capped}");
    }
}

#[test]
fn every_prefix_of_a_message_is_read_without_panic() {
    let mut encoder = Encoder::default();
    for _ in 0..3 {
        let written: Result = encoder.message(HEADER, |e| {
            e.text(1, "dockfw")?;
            e.nest(2, |e| e.nest(1, |e| e.u32(1, 1)))
        });
        written.unwrap();
    }
    let bytes = encoder.into_bytes();
    for end in 0..=bytes.len() {
        assert_eq!(read_all(&bytes[..end]), end * 3 / bytes.len());
    }
}

/// Xorshift, so that a failure can be repeated.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

fn read_all(bytes: &[u8]) -> usize {
    fn walk(attributes: Attributes<'_>, depth: usize) {
        for attribute in attributes {
            let _ = (
                attribute.u8(),
                attribute.u16(),
                attribute.u32(),
                attribute.i32(),
            );
            let _ = (attribute.u64(), attribute.text());
            if depth < 4 {
                walk(attribute.attributes(), depth + 1);
            }
        }
    }
    let mut count = 0;
    for message in Messages::new(bytes) {
        count += 1;
        walk(message.attributes(), 0);
        if let Reply::Object { attributes, .. } = message.reply() {
            walk(attributes, 0);
        }
    }
    count
}

#[test]
fn random_bytes_are_read_without_panic() {
    let mut state = 0x9e37_79b9_7f4a_7c15;
    for round in 0..20_000 {
        let len = usize::try_from(random(&mut state) % 200).unwrap();
        let mut bytes: Vec<u8> = (0..len)
            .map(|_| random(&mut state).to_le_bytes()[0])
            .collect();
        // Half of them with a plausible header, so that more than the first check is reached.
        if round % 2 == 0 && len >= 40 {
            bytes[..4].copy_from_slice(&u32::try_from(len).unwrap().to_ne_bytes());
            bytes[4..6].copy_from_slice(&[2_u16, 3, 0x0a06][round / 2 % 3].to_ne_bytes());
            bytes[20..22].copy_from_slice(
                &u16::try_from(random(&mut state) % 64)
                    .unwrap()
                    .to_ne_bytes(),
            );
        }
        read_all(&bytes);
    }
}
