//! Frames as a client of WebSocket writes and reads them (RFC 6455, 5.2).

/// The opcodes that the load meets.
pub(crate) const TEXT: u8 = 1;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// A whole frame of a server.
pub(crate) struct Frame<'a> {
    pub(crate) opcode: u8,
    /// Its payload is deflated (RFC 7692, 6).
    pub(crate) is_compressed: bool,
    pub(crate) payload: &'a [u8],
    /// Header and payload, in bytes.
    pub(crate) len: usize,
}

/// The frame at the front of `bytes`; `None` while it is not whole.
pub(crate) fn read(bytes: &[u8]) -> Option<Frame<'_>> {
    let &[first, length, ..] = bytes else { return None };
    let (header_len, payload_len): (usize, usize) = match length & 0x7f {
        126 => (4, usize::from(u16::from_be_bytes(*bytes[2..].first_chunk()?))),
        127 => (10, usize::try_from(u64::from_be_bytes(*bytes[2..].first_chunk()?)).ok()?),
        short => (2, usize::from(short)),
    };
    let len = header_len.checked_add(payload_len)?;
    let payload = bytes.get(header_len..len)?;
    Some(Frame { opcode: first & 0x0f, is_compressed: first & 0x40 != 0, payload, len })
}

/// Appends a masked frame: `first` is its first byte.
pub(crate) fn write(out: &mut Vec<u8>, first: u8, mask: [u8; 4], payload: &[u8]) {
    out.push(first);
    match payload.len() {
        len @ 0..126 => out.push(0x80 | len as u8),
        len @ 126..65_536 => {
            out.push(0xfe);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(0xff);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&mask);
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
}

/// Appends a final frame.
pub(crate) fn write_final(out: &mut Vec<u8>, opcode: u8, mask: [u8; 4], payload: &[u8]) {
    write(out, 0x80 | opcode, mask, payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_every_length_are_read_when_they_are_whole() {
        for len in [0, 1, 125, 126, 65_535, 65_536] {
            let mut bytes = vec![0x81];
            match len {
                0..126 => bytes.push(len as u8),
                126..65_536 => bytes.extend([126, (len >> 8) as u8, len as u8]),
                _ => bytes.extend([&[127][..], &(len as u64).to_be_bytes()].concat()),
            }
            bytes.resize(bytes.len() + len, b'x');
            for cut in [0, 1, 2, 5, bytes.len() - 1] {
                assert!(cut >= bytes.len() || read(&bytes[..cut]).is_none(), "{len} cut at {cut}");
            }
            bytes.push(0x89);
            let frame = read(&bytes).unwrap();
            assert_eq!((frame.opcode, frame.payload.len(), frame.len), (TEXT, len, bytes.len() - 1));
        }
    }

    #[test]
    fn a_written_frame_is_masked() {
        let mut out = Vec::new();
        write_final(&mut out, TEXT, [1, 2, 3, 4], b"abcde");
        assert_eq!(out, [0x81, 0x85, 1, 2, 3, 4, b'a' ^ 1, b'b' ^ 2, b'c' ^ 3, b'd' ^ 4, b'e' ^ 1]);
    }
}
