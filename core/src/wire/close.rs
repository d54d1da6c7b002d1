//! Close frames: their payload in, their bytes out.
//!
//! Knows nothing of when a connection is closed, nor of what a code means to whom.

use tungstenite::protocol::frame::coding::{Control, OpCode};

use super::frame::{self, Violation};

/// Makes a close frame, unmasked, ready to send.
///
/// `reason` is cut at a character's boundary to the 123 bytes that fit. A `code` that must not stand
/// on the wire (1005 "none was given", 1006, 1015 …) makes a frame without code and reason.
///
/// Source: RFC 6455 §5.5.1, §7.4.
pub(crate) fn close_frame(code: u16, reason: &str) -> Vec<u8> {
    let mut out = Vec::new();
    if !is_allowed(code) {
        frame::write_opcode_header(&mut out, OpCode::Control(Control::Close), 0);
        return out;
    }
    let mut len = reason.len().min(MAX_REASON_BYTES);
    while !reason.is_char_boundary(len) {
        len -= 1;
    }
    let reason = &reason[..len];
    frame::write_opcode_header(&mut out, OpCode::Control(Control::Close), CODE_BYTES + reason.len());
    out.extend_from_slice(&code.to_be_bytes());
    out.extend_from_slice(reason.as_bytes());
    out
}

/// The code with which a peer's close frame is answered: its own; 1005, so that
/// [`close_frame`] makes an empty one, when it gave none.
///
/// Source: RFC 6455 §5.5.1.
pub(crate) fn reply_code(received: Option<(u16, &str)>) -> u16 {
    received.map_or(NO_CODE, |(code, _)| code)
}

/// Reads the unmasked payload of a close frame: code and reason, `None` when it is empty.
///
/// # Errors
/// 1002: one byte, or a code that must not stand on the wire. 1007: a reason that is not UTF-8.
///
/// Source: RFC 6455 §5.5.1, §7.4.
pub(super) fn read_payload(payload: &[u8]) -> Result<Option<(u16, &str)>, Violation> {
    let Some((code, reason)) = payload.split_first_chunk::<CODE_BYTES>() else {
        return match payload {
            [] => Ok(None),
            _ => Err(Violation::protocol("a close frame has half a code")),
        };
    };
    let code = u16::from_be_bytes(*code);
    if !is_allowed(code) {
        return Err(Violation::protocol("a close code is not allowed on the wire"));
    }
    match std::str::from_utf8(reason) {
        Ok(reason) => Ok(Some((code, reason))),
        Err(_) => Err(Violation { code: 1007, reason: "the reason of a close frame is not UTF-8" }),
    }
}

/// Whether a code may stand on the wire: RFC 6455 §7.4, with the codes registered since, 1012, 1013 and 1014.
pub(crate) fn is_allowed(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

const CODE_BYTES: usize = 2;
pub(crate) const MAX_REASON_BYTES: usize = frame::MAX_CONTROL_BYTES as usize - CODE_BYTES;
/// "No status received", RFC 6455 §7.4.1.
const NO_CODE: u16 = 1005;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_read_and_written_or_neither() {
        for code in 0..=u16::MAX {
            let allowed =
                (1000..5000).contains(&code) && !matches!(code, 1004..=1006) && !(1015..3000).contains(&code);
            let payload = [&code.to_be_bytes()[..], b"bye"].concat();
            if allowed {
                assert_eq!(read_payload(&payload), Ok(Some((code, "bye"))));
                assert_eq!(close_frame(code, "bye"), [&[0x88, 5][..], &payload].concat());
            } else {
                assert_eq!(read_payload(&payload).unwrap_err().code, 1002, "{code}");
                assert_eq!(close_frame(code, "bye"), [0x88, 0], "{code}");
            }
        }
    }

    #[test]
    fn a_close_without_a_code_is_answered_without_one() {
        assert_eq!(read_payload(b""), Ok(None));
        assert_eq!(close_frame(reply_code(None), ""), [0x88, 0]);
        assert_eq!(close_frame(reply_code(Some((4000, "x"))), ""), [0x88, 2, 0x0f, 0xa0]);
    }

    #[test]
    fn half_a_code_and_a_reason_that_is_not_utf8_are_violations() {
        assert_eq!(read_payload(&[3]).unwrap_err().code, 1002);
        assert_eq!(read_payload(&[3, 0xe8, 0xff]).unwrap_err().code, 1007);
        assert_eq!(read_payload(&[3, 0xe8, 0xe2, 0x82]).unwrap_err().code, 1007);
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        for (letter, len) in [("a", 123), ("é", 122), ("€", 123), ("👍", 120)] {
            let frame = close_frame(1000, &letter.repeat(200));
            assert_eq!(usize::from(frame[1]), frame.len() - 2);
            let (_, reason) = read_payload(&frame[2..]).unwrap().unwrap();
            assert_eq!(reason, letter.repeat(len / letter.len()));
        }
    }
}
