//! One frame's header, and the mask.
//!
//! In: bytes whose front is a frame from a peer. Out: its header, judged by everything a header
//! alone can break; and the other way, headers for frames to a peer. Knows nothing of messages:
//! whether a frame may stand where it stands is `assembly`'s affair.

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// What a frame that the server sends carries. Close frames are made by
/// [`close_frame`](super::close_frame).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Binary,
    Ping,
    Pong,
}

/// Which side of a connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Reads masked frames only, and sends them plain.
    Server,
    /// Reads plain frames only, and sends them [masked](write_masked).
    Client,
}

/// Why a connection must be closed: the code for the close frame and its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// Close code, RFC 6455 §7.4.1: 1002, 1007, 1008 or 1009.
    pub(crate) code: u16,
    /// What the client did, for people; fits in a close frame.
    pub(crate) reason: &'static str,
}

impl Violation {
    pub(super) const fn protocol(reason: &'static str) -> Violation {
        Violation { code: 1002, reason }
    }
}

/// The header of a peer's frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Never a reserved one.
    pub(crate) opcode: OpCode,
    pub(crate) is_final: bool,
    /// RSV1: the message that begins here is compressed (RFC 7692 §6). Only on a text or binary.
    pub(crate) is_compressed: bool,
    /// All zero, which changes nothing, in a frame of a server.
    pub(crate) mask: [u8; 4],
    /// Bytes of the header itself, 2 to 14.
    pub(crate) header_len: usize,
    /// Bytes of payload that the peer says will follow, below 2^63. A claim: spend nothing on it.
    pub(crate) payload_len: u64,
}

/// Appends one unmasked final frame to `out`.
///
/// A `payload` of a ping or pong has at most 125 bytes, that of a text is UTF-8.
///
/// Source: RFC 6455 §5.2, §5.5.
pub(crate) fn write_frame(out: &mut Vec<u8>, kind: Kind, payload: &[u8]) {
    write_header(out, kind, payload.len());
    out.extend_from_slice(payload);
}

/// Appends one unmasked final frame that says its `payload` is compressed: what
/// [`Deflater::deflate`](super::deflate::Deflater::deflate) gave for a text or a binary.
///
/// Source: RFC 7692 §6, §7.2.1.
pub(crate) fn write_deflated_frame(out: &mut Vec<u8>, is_text: bool, payload: &[u8]) {
    let opcode = OpCode::Data(if is_text { Data::Text } else { Data::Binary });
    FrameHeader { opcode, rsv1: true, ..FrameHeader::default() }
        .format(payload.len() as u64, out)
        .expect("writing to a Vec does not fail");
    out.extend_from_slice(payload);
}

/// Appends the header (2 to 10 bytes) of an unmasked final frame whose payload of `payload_len`
/// bytes the caller puts behind it.
///
/// Source: RFC 6455 §5.2.
pub(crate) fn write_header(out: &mut Vec<u8>, kind: Kind, payload_len: usize) {
    let opcode = match kind {
        Kind::Text => OpCode::Data(Data::Text),
        Kind::Binary => OpCode::Data(Data::Binary),
        Kind::Ping => OpCode::Control(Control::Ping),
        Kind::Pong => OpCode::Control(Control::Pong),
    };
    write_opcode_header(out, opcode, payload_len);
}

/// [`write_header`] for any opcode.
pub(super) fn write_opcode_header(out: &mut Vec<u8>, opcode: OpCode, payload_len: usize) {
    debug_assert!(!matches!(opcode, OpCode::Control(_)) || payload_len <= MAX_CONTROL_BYTES as usize);
    FrameHeader { opcode, ..FrameHeader::default() }
        .format(payload_len as u64, out)
        .expect("writing to a Vec does not fail");
}

/// The length of the whole frame at the front of `bytes`, which begin with a frame that was written here.
pub(crate) fn frame_len(bytes: &[u8]) -> usize {
    match *bytes {
        [_, 126, high, low, ..] => 4 + usize::from(u16::from_be_bytes([high, low])),
        [_, 127, a, b, c, d, e, f, g, h, ..] => {
            10_usize.saturating_add(u64::from_be_bytes([a, b, c, d, e, f, g, h]) as usize)
        }
        [_, len, ..] => 2 + usize::from(len),
        _ => bytes.len().max(1),
    }
}

/// Takes the whole frame at the front of `frames`, which were written here: its first byte, its payload, and what
/// follows it; `None` at the end.
pub(crate) fn frame_payload(frames: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&first, &len) = (frames.first()?, frames.get(1)?);
    let start = match len {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    let (frame, rest) = frames.split_at_checked(frame_len(frames))?;
    Some((first, frame.get(start..)?, rest))
}

/// Reads one frame header from the front of `bytes`.
///
/// `bytes` is all that has come so far; nothing is removed. Gives the header, or `None` while it is
/// not complete: ask again with more. Each rule is judged as soon as the byte that breaks it is there.
/// `deflate` says whether permessage-deflate was negotiated, which alone gives a reserved bit a meaning:
/// RSV1 on the first frame of a message.
///
/// # Errors
/// 1002: reserved bit without a meaning; reserved opcode; control frame over 125 bytes or not final;
/// length not in its shortest form, or with bit 63; client's frame without a mask, server's with one.
///
/// Source: RFC 6455 §5.1, §5.2, §5.5; RFC 7692 §6.
pub(crate) fn read_header(bytes: &[u8], role: Role, deflate: bool) -> Result<Option<Header>, Violation> {
    let Some(&first) = bytes.first() else { return Ok(None) };
    let is_compressed = first & 0x40 != 0;
    if first & 0x30 != 0 || is_compressed && !deflate {
        return Err(Violation::protocol("a reserved bit is set that no extension in use gives a meaning"));
    }
    let opcode = match first & 0x0f {
        0 => OpCode::Data(Data::Continue),
        1 => OpCode::Data(Data::Text),
        2 => OpCode::Data(Data::Binary),
        8 => OpCode::Control(Control::Close),
        9 => OpCode::Control(Control::Ping),
        10 => OpCode::Control(Control::Pong),
        _ => return Err(Violation::protocol("the opcode is reserved")),
    };
    let is_control = first & 0x08 != 0;
    if is_compressed && !matches!(opcode, OpCode::Data(Data::Text | Data::Binary)) {
        return Err(Violation::protocol("RSV1 is set on a frame that begins no message"));
    }
    if is_control && first & 0x80 == 0 {
        return Err(Violation::protocol("a control frame is not final"));
    }
    let Some(&second) = bytes.get(1) else { return Ok(None) };
    match (role, second & 0x80 != 0) {
        (Role::Server, true) | (Role::Client, false) => {}
        (Role::Server, false) => return Err(Violation::protocol("a frame from a client has no mask")),
        (Role::Client, true) => return Err(Violation::protocol("a frame from a server has a mask")),
    }
    let short_len = second & 0x7f;
    if is_control && u64::from(short_len) > MAX_CONTROL_BYTES {
        return Err(Violation::protocol("a control frame is over 125 bytes"));
    }

    let (mask_at, payload_len) = match (short_len, bytes) {
        (126, &[_, _, a, b, ..]) => (4, u64::from(u16::from_be_bytes([a, b]))),
        (127, &[_, _, a, b, c, d, e, f, g, h, ..]) => (10, u64::from_be_bytes([a, b, c, d, e, f, g, h])),
        (126 | 127, _) => return Ok(None),
        (len, _) => (2, u64::from(len)),
    };
    if payload_len >> 63 != 0 {
        return Err(Violation::protocol("the highest bit of a length is set"));
    }
    if mask_at == 4 && payload_len < 126 || mask_at == 10 && payload_len < 65_536 {
        return Err(Violation::protocol("a length is not in its shortest form"));
    }
    let (mask, header_len) = match (role, bytes[mask_at..].first_chunk()) {
        (Role::Client, _) => ([0; 4], mask_at),
        (Role::Server, Some(mask)) => (*mask, mask_at + 4),
        (Role::Server, None) => return Ok(None),
    };
    Ok(Some(Header { opcode, is_final: first & 0x80 != 0, is_compressed, mask, header_len, payload_len }))
}

/// Applies `mask` to `bytes` in place, where `phase` bytes of the same payload came before them.
///
/// Masking and unmasking are the same act.
///
/// Source: RFC 6455 §5.3.
#[inline]
pub(crate) fn unmask(bytes: &mut [u8], mut mask: [u8; 4], phase: usize) {
    mask.rotate_left(phase % 4);
    let quarter = u32::from_ne_bytes(mask);
    let half = u64::from(quarter) << 32 | u64::from(quarter);
    let word = u128::from(half) << 64 | u128::from(half);
    // Whole words, which the compiler turns into vector instructions.
    let (words, rest) = bytes.as_chunks_mut();
    for bytes in words {
        *bytes = (u128::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
    }
    // At most one half and one quarter of a word are left, and three bytes.
    let (halves, rest) = rest.as_chunks_mut();
    for bytes in halves {
        *bytes = (u64::from_ne_bytes(*bytes) ^ half).to_ne_bytes();
    }
    let (quarters, rest) = rest.as_chunks_mut();
    for bytes in quarters {
        *bytes = (u32::from_ne_bytes(*bytes) ^ quarter).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(mask) {
        *byte ^= key;
    }
}

/// Appends `frame`, one whole frame as it was written here, masked: as a client must send it.
///
/// `mask` must be new and unpredictable for each frame.
///
/// Source: RFC 6455 §5.3, §10.3.
pub(crate) fn write_masked(out: &mut Vec<u8>, frame: &[u8], mask: [u8; 4]) {
    let Some((_, payload, _)) = frame_payload(frame) else { return };
    let (header, _) = frame.split_at(frame_len(frame) - payload.len());
    let start = out.len();
    out.extend_from_slice(header);
    out[start + 1] |= 0x80;
    out.extend_from_slice(&mask);
    let start = out.len();
    out.extend_from_slice(payload);
    unmask(&mut out[start..], mask, 0);
}

/// Appends one masked final frame of a message; `is_deflated`: its `payload` is compressed. It is what
/// [`write_masked`] makes of the plain frame, without a copy in between.
///
/// Source: RFC 6455 §5.2, §5.3; RFC 7692 §6.
pub(crate) fn write_masked_message(
    out: &mut Vec<u8>,
    is_text: bool,
    is_deflated: bool,
    payload: &[u8],
    mask: [u8; 4],
) {
    let opcode = OpCode::Data(if is_text { Data::Text } else { Data::Binary });
    FrameHeader { opcode, rsv1: is_deflated, mask: Some(mask), ..FrameHeader::default() }
        .format(payload.len() as u64, out)
        .expect("writing to a Vec does not fail");
    let start = out.len();
    out.extend_from_slice(payload);
    unmask(&mut out[start..], mask, 0);
}

/// RFC 6455 §5.5.
pub(super) const MAX_CONTROL_BYTES: u64 = 125;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::{Random, client_frame};

    /// The verdict on a header's first two bytes, written from the RFC's drawing alone: the code of the
    /// violation, or how many bytes the header has.
    fn oracle(first: u8, second: u8, role: Role, deflate: bool) -> Result<usize, u16> {
        let (is_final, reserved, opcode) = (first >> 7, (first >> 4) & 7, first & 15);
        let (masked, len) = (second >> 7, second & 127);
        let begins_compressed = deflate && reserved == 4 && matches!(opcode, 1 | 2);
        if reserved > 0 && !begins_compressed
            || !matches!(opcode, 0 | 1 | 2 | 8 | 9 | 10)
            || (masked == 1) != (role == Role::Server)
        {
            return Err(1002);
        }
        if opcode >= 8 && (is_final == 0 || len > 125) {
            return Err(1002);
        }
        let mask_len = if role == Role::Server { 4 } else { 0 };
        Ok(mask_len
            + match len {
                126 => 4,
                127 => 10,
                _ => 2,
            })
    }

    #[test]
    fn every_two_byte_header_gets_the_verdict_of_the_rfc() {
        let ways = [(Role::Server, false), (Role::Server, true), (Role::Client, false), (Role::Client, true)];
        for (pair, (role, deflate)) in (0..=u16::MAX).flat_map(|pair| ways.map(|way| (pair, way))) {
            let [first, second] = pair.to_be_bytes();
            let read = |bytes| read_header(bytes, role, deflate).map_err(|violation| violation.code);
            let shown = format!("{pair:04x}, {role:?}, deflate {deflate}");
            // 2^24 + 1 and more is the shortest form of no shorter length.
            let full = [first, second, 1, 1, 1, 1, 1, 1, 1, 1, 7, 7, 7, 7];
            let verdict = read(&full).map(|header| header.expect("14 bytes suffice").header_len);
            assert_eq!(verdict, oracle(first, second, role, deflate), "{shown}");
            match oracle(first, second, role, deflate) {
                Err(code) => assert_eq!(read(&[first, second]), Err(code), "{shown}"),
                Ok(len) => {
                    for cut in 0..len {
                        assert_eq!(read(&full[..cut]), Ok(None), "{shown}, cut at {cut}");
                    }
                    let header = read(&full[..len]).unwrap().expect("the header is complete");
                    assert_eq!(header.is_compressed, first & 0x40 != 0, "{shown}");
                }
            }
        }
    }

    #[test]
    fn lengths_are_read_in_their_shortest_form_only() {
        let short = |len: u16| [&[0x82, 0xfe][..], &len.to_be_bytes(), &[1, 2, 3, 4]].concat();
        let long = |len: u64| [&[0x82, 0xff][..], &len.to_be_bytes(), &[1, 2, 3, 4]].concat();
        for (bytes, want) in [
            (vec![0x82, 0x80, 1, 2, 3, 4], Some(0)),
            (vec![0x82, 0xfd, 1, 2, 3, 4], Some(125)),
            (short(0), None),
            (short(125), None),
            (short(126), Some(126)),
            (short(u16::MAX), Some(65_535)),
            (long(0), None),
            (long(65_535), None),
            (long(65_536), Some(65_536)),
            (long(u64::from(u32::MAX) + 1), Some(1 << 32)),
            (long((1 << 63) - 1), Some((1 << 63) - 1)),
            (long(1 << 63), None),
            (long(u64::MAX - 3), None),
            (long(u64::MAX), None),
        ] {
            match (read_header(&bytes, Role::Server, false), want) {
                (Ok(Some(header)), Some(len)) => {
                    assert_eq!((header.payload_len, header.header_len), (len, bytes.len()));
                    assert_eq!(header.mask, [1, 2, 3, 4]);
                }
                (Err(violation), None) => assert_eq!(violation.code, 1002),
                (got, _) => panic!("{bytes:?}: {got:?}, not {want:?}"),
            }
        }
    }

    #[test]
    fn written_frames_are_unmasked_final_and_of_the_shortest_form() {
        for (kind, first) in
            [(Kind::Text, 0x81), (Kind::Binary, 0x82), (Kind::Ping, 0x89), (Kind::Pong, 0x8a)]
        {
            let mut out = b"before".to_vec();
            write_frame(&mut out, kind, b"hi");
            assert_eq!(out, [b"before".as_slice(), &[first, 2], b"hi"].concat());
        }
        for (len, header) in [
            (0, vec![0x82, 0]),
            (125, vec![0x82, 125]),
            (126, vec![0x82, 126, 0, 126]),
            (65_535, vec![0x82, 126, 0xff, 0xff]),
            (65_536, vec![0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let mut out = Vec::new();
            write_header(&mut out, Kind::Binary, len);
            assert_eq!(out, header);
        }
    }

    #[test]
    fn a_deflated_frame_has_rsv1_and_its_length_is_known_like_any_others() {
        for (is_text, first) in [(true, 0xc1), (false, 0xc2)] {
            for (len, header) in [
                (1, vec![first, 1]),
                (126, vec![first, 126, 0, 126]),
                (65_536, vec![first, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
            ] {
                let payload = vec![7; len];
                let mut out = Vec::new();
                write_deflated_frame(&mut out, is_text, &payload);
                assert_eq!(out, [header, payload].concat());
                write_frame(&mut out, Kind::Ping, b"next");
                assert_eq!(frame_len(&out), out.len() - 6);
            }
        }
    }

    #[test]
    fn unmask_agrees_with_the_loop_of_the_rfc_in_every_phase() {
        let mut random = Random(7);
        for len in (0..70).chain([1000, 4096, 65_537]) {
            for phase in 0..8 {
                let original: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
                let mask = (random.next() as u32).to_ne_bytes();
                let mut fast = original.clone();
                unmask(&mut fast, mask, phase);
                let naive: Vec<u8> =
                    original.iter().enumerate().map(|(i, byte)| byte ^ mask[(i + phase) % 4]).collect();
                assert_eq!(fast, naive, "{len} bytes, phase {phase}");
            }
        }
    }

    #[test]
    fn a_masked_frame_is_read_by_a_server_as_it_was_written() {
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        for len in [0, 1, 125, 126, 65_535, 65_536] {
            let payload: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let mut plain = Vec::new();
            write_frame(&mut plain, Kind::Binary, &payload);
            let mut masked = b"before".to_vec();
            write_masked(&mut masked, &plain, mask);
            assert_eq!(masked.split_off(6), client_frame(0x82, &payload), "{len}");
            for (is_text, is_deflated, first) in
                [(true, false, 0x81), (false, false, 0x82), (true, true, 0xc1), (false, true, 0xc2)]
            {
                write_masked_message(&mut masked, is_text, is_deflated, &payload, mask);
                assert_eq!(masked.split_off(6), client_frame(first, &payload), "{len}");
            }
            let header = read_header(&plain, Role::Client, false).unwrap().unwrap();
            assert_eq!((header.header_len, header.mask), (plain.len() - len, [0; 4]));
        }
        let mut close = Vec::new();
        write_masked(&mut close, &crate::wire::close_frame(1000, "bye"), mask);
        assert_eq!(close, client_frame(0x88, b"\x03\xe8bye"));
    }

    #[test]
    fn a_frame_unmasked_in_pieces_is_the_frame_unmasked_whole() {
        let payload = b"one two three four five six seven";
        let frame = client_frame(0x81, payload);
        let header = read_header(&frame, Role::Server, false).unwrap().unwrap();
        for cut in 0..=payload.len() {
            let mut body = frame[header.header_len..].to_vec();
            let (front, back) = body.split_at_mut(cut);
            unmask(front, header.mask, 0);
            unmask(back, header.mask, cut);
            assert_eq!(body, payload);
        }
    }
}
