//! Frames to whole messages.
//!
//! In: the bytes of one peer in the order they came, cut anywhere, and the time. Out: one item at a
//! time: a message when its final frame is there, never a part of one, or a control frame, which may
//! stand between fragments and passes straight through. Knows nothing of sockets or of what texts mean.
//!
//! A frame that lies whole in the given bytes is unmasked where it lies and lent; nothing is
//! allocated. Only what is unfinished at the end of the bytes is kept, in one box that is freed
//! with its message: an idle connection keeps one null pointer. What is kept grows with bytes
//! received, never with what a header claims, and each byte is looked at a fixed number of times.
//!
//! A compressed message comes out as it came, whole: to inflate it and to judge its text is the caller's
//! affair, who has the one inflater of many connections.

use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::close;
use super::frame::{self, Header, Role, Violation};

/// What one connection is in the middle of. Nothing, most of the time.
#[derive(Debug, Default)]
pub(crate) struct Assembly(Option<Box<Partial>>);

/// The limits of a message, and what was agreed about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Which side reads.
    pub(crate) role: Role,
    /// Whether this connection negotiated permessage-deflate: RSV1 may begin a message.
    pub(crate) deflate: bool,
    /// The payloads of all its frames, as they came; over it: 1009.
    pub(crate) max_message_bytes: u64,
    /// Its frames; over it: 1008.
    pub(crate) max_fragment_count: u64,
    /// From its first byte to its last; over it: 1008.
    pub(crate) max_assembly_ms: u64,
}

/// What a call of [`Assembly::next`] did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Step<'a> {
    /// Bytes taken from the front of what was given.
    pub(crate) used: usize,
    /// `None`: all bytes were taken and nothing is whole yet.
    pub(crate) item: Option<Item<'a>>,
}

/// A whole message or control frame, unmasked, its text judged unless it is compressed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
    /// A message as its sender compressed it: for [`Inflater`](super::deflate::Inflater), and a text for
    /// [`judge_text`] then.
    Deflated {
        is_text: bool,
        payload: &'a [u8],
    },
    Ping(&'a [u8]),
    Pong(&'a [u8]),
    /// Code and reason, `None` when the peer gave none.
    Close(Option<(u16, &'a str)>),
}

impl Assembly {
    /// Takes bytes up to the end of the next item, or all of them.
    ///
    /// `bytes` is what follows the bytes already used; it is unmasked in place. `now_ms` is any clock that
    /// does not go back. Call again with the rest while there is a rest, then
    /// [`settle`](Assembly::settle).
    ///
    /// # Errors
    /// What the connection must be closed with; the assembly is of no further use then. 1002: a header that
    /// [`read_header`](frame::read_header) refuses, a continuation of nothing, a new message within a
    /// message, a close payload that is wrong. 1007: text that is not UTF-8, at its first bad byte.
    /// 1009: over `max_message_bytes`, at the header that claims it. 1008: over `max_fragment_count`,
    /// or [overdue](Assembly::is_overdue).
    ///
    /// Source: RFC 6455 §5.4, §5.5, §8.1; RFC 7692 §6.1.
    pub(crate) fn next<'a>(
        &'a mut self,
        bytes: &'a mut [u8],
        rules: &Rules,
        now_ms: u64,
    ) -> Result<Step<'a>, Violation> {
        self.settle();
        if self.is_overdue(rules, now_ms) {
            return Err(OVERDUE);
        }
        let mut used = 0;
        loop {
            if self.0.as_ref().is_none_or(|partial| partial.frame.is_none()) {
                let Some(header) = self.header(bytes, &mut used, rules, now_ms)? else {
                    return Ok(Step { used, item: None });
                };
                let message = self.0.as_ref().and_then(|partial| partial.message.as_ref());
                let message = judge(&header, message, rules)?;
                let is_whole = header.payload_len <= (bytes.len() - used) as u64;
                if is_whole && header.is_final && header.opcode != OpCode::Data(Data::Continue) {
                    let payload = &mut bytes[used..][..header.payload_len as usize];
                    used += payload.len();
                    frame::unmask(payload, header.mask, 0);
                    let item = match (header.opcode, message) {
                        (OpCode::Data(_), Some(message)) => message.item(payload)?,
                        (opcode, _) => read_control(opcode, payload)?,
                    };
                    return Ok(Step { used, item: Some(item) });
                }
                self.partial(now_ms).begin(&header, message);
            }
            match self.partial(now_ms).fill(bytes, &mut used)? {
                Filled::Nothing if used == bytes.len() => return Ok(Step { used, item: None }),
                Filled::Nothing => {}
                Filled::Control(opcode) => {
                    let item = read_control(opcode, &self.partial(now_ms).control)?;
                    return Ok(Step { used, item: Some(item) });
                }
                Filled::Message(message) => {
                    let item = message.item(&self.partial(now_ms).data)?;
                    return Ok(Step { used, item: Some(item) });
                }
            }
        }
    }

    /// Frees what the last item was lent from. [`next`](Assembly::next) does it too, but a peer
    /// that falls silent causes no further call: call it when the bytes are used up.
    pub(crate) fn settle(&mut self) {
        if self.0.as_ref().is_some_and(|partial| partial.is_idle()) {
            self.0 = None;
        }
    }

    /// Whether something unfinished began more than `max_assembly_ms` ago: a message, one dribbling
    /// frame, or one dribbling header.
    pub(crate) fn is_overdue(&self, rules: &Rules, now_ms: u64) -> bool {
        self.0.as_ref().is_some_and(|partial| {
            !partial.is_idle() && now_ms.saturating_sub(partial.started_ms) > rules.max_assembly_ms
        })
    }

    /// When what is unfinished will be [overdue](Assembly::is_overdue); `None` when nothing is unfinished.
    pub(crate) fn due_ms(&self, rules: &Rules) -> Option<u64> {
        let partial = self.0.as_ref().filter(|partial| !partial.is_idle())?;
        Some(partial.started_ms.saturating_add(rules.max_assembly_ms).saturating_add(1))
    }

    /// The next header, its bytes used; `None` when it is not complete, all bytes used and kept.
    fn header(
        &mut self,
        bytes: &[u8],
        used: &mut usize,
        rules: &Rules,
        now_ms: u64,
    ) -> Result<Option<Header>, Violation> {
        let kept = self.0.as_ref().map_or(0, |partial| partial.head_len);
        if kept == 0 {
            if let Some(header) = frame::read_header(&bytes[*used..], rules.role, rules.deflate)? {
                *used += header.header_len;
                return Ok(Some(header));
            }
            if *used == bytes.len() {
                return Ok(None);
            }
        }
        let partial = self.partial(now_ms);
        let rest = &bytes[*used..];
        let taken = rest.len().min(MAX_HEADER_BYTES - kept);
        partial.head[kept..][..taken].copy_from_slice(&rest[..taken]);
        match frame::read_header(&partial.head[..kept + taken], rules.role, rules.deflate)? {
            Some(header) => {
                // A kept part was not a header by itself, so the header ends within the new bytes.
                *used += header.header_len - kept;
                partial.head_len = 0;
                Ok(Some(header))
            }
            None => {
                *used += taken;
                partial.head_len = kept + taken;
                Ok(None)
            }
        }
    }

    fn partial(&mut self, now_ms: u64) -> &mut Partial {
        self.0.get_or_insert_with(|| Box::new(Partial { started_ms: now_ms, ..Partial::default() }))
    }
}

/// What is unfinished.
#[derive(Debug, Default)]
struct Partial {
    /// When its first byte came.
    started_ms: u64,
    /// The bytes of an incomplete header.
    head: [u8; MAX_HEADER_BYTES],
    head_len: usize,
    /// The frame whose payload is arriving.
    frame: Option<Frame>,
    /// The data message that is not finished.
    message: Option<Message>,
    /// The message's payload so far, unmasked.
    data: Vec<u8>,
    /// How much of `data` is known to be UTF-8: all but the at most 3 bytes of an unfinished character.
    checked: usize,
    /// The payload of a control frame that came in pieces.
    control: Vec<u8>,
}

#[derive(Debug)]
struct Frame {
    opcode: OpCode,
    is_final: bool,
    mask: [u8; 4],
    /// Payload bytes received and still to come.
    received: u64,
    left: u64,
}

#[derive(Debug, Clone, Copy)]
struct Message {
    is_text: bool,
    is_compressed: bool,
    /// Frames whose header has come.
    frame_count: u64,
    /// Payload that these claim.
    claimed: u64,
}

enum Filled {
    /// Nothing is whole yet; if bytes are left, a header follows.
    Nothing,
    /// A control frame of that opcode, in `control`.
    Control(OpCode),
    /// A message, in `data`.
    Message(Message),
}

impl Partial {
    fn is_idle(&self) -> bool {
        self.head_len == 0 && self.frame.is_none() && self.message.is_none()
    }

    /// Goes on to a frame's payload. `message` is what the frame makes of the message.
    fn begin(&mut self, header: &Header, message: Option<Message>) {
        self.message = message;
        self.control.clear();
        let Header { opcode, is_final, mask, payload_len, .. } = *header;
        self.frame = Some(Frame { opcode, is_final, mask, received: 0, left: payload_len });
    }

    /// Takes the bytes of the frame that is under way, unmasks, keeps and judges them.
    fn fill(&mut self, bytes: &mut [u8], used: &mut usize) -> Result<Filled, Violation> {
        let frame = self.frame.as_mut().expect("a frame was begun and is not finished");
        let rest = &mut bytes[*used..];
        let taken = frame.left.min(rest.len() as u64) as usize;
        let piece = &mut rest[..taken];
        frame::unmask(piece, frame.mask, (frame.received % 4) as usize);
        frame.received += taken as u64;
        frame.left -= taken as u64;
        *used += taken;

        let (opcode, is_final, is_whole) = (frame.opcode, frame.is_final, frame.left == 0);
        match opcode {
            OpCode::Control(_) => self.control.extend_from_slice(piece),
            OpCode::Data(_) => {
                self.data.extend_from_slice(piece);
                self.judge_new_text()?;
            }
        }
        if !is_whole {
            return Ok(Filled::Nothing);
        }
        self.frame = None;
        match opcode {
            OpCode::Control(_) => Ok(Filled::Control(opcode)),
            OpCode::Data(_) if is_final => {
                let message = self.message.take().expect("a data frame belongs to a message");
                Ok(Filled::Message(message))
            }
            OpCode::Data(_) => Ok(Filled::Nothing),
        }
    }

    /// Judges the text that has not been judged; a character that may still become whole passes.
    fn judge_new_text(&mut self) -> Result<(), Violation> {
        if self.message.is_none_or(|message| !message.is_text || message.is_compressed) {
            return Ok(());
        }
        match std::str::from_utf8(&self.data[self.checked..]) {
            Ok(text) => self.checked += text.len(),
            Err(error) if error.error_len().is_none() => self.checked += error.valid_up_to(),
            Err(_) => return Err(NOT_UTF8),
        }
        Ok(())
    }
}

/// Judges a frame by its header and the unfinished message; gives what the message is with it.
fn judge(header: &Header, message: Option<&Message>, rules: &Rules) -> Result<Option<Message>, Violation> {
    let before = match (header.opcode, message) {
        (OpCode::Control(_), message) => return Ok(message.copied()),
        (OpCode::Data(Data::Continue), Some(message)) => *message,
        (OpCode::Data(Data::Continue), None) => {
            return Err(Violation::protocol("a continuation frame continues nothing"));
        }
        (_, Some(_)) => return Err(Violation::protocol("a new message begins within an unfinished one")),
        (opcode, None) => Message {
            is_text: opcode == OpCode::Data(Data::Text),
            is_compressed: header.is_compressed,
            frame_count: 0,
            claimed: 0,
        },
    };
    let message = Message {
        frame_count: before.frame_count + 1,
        claimed: before.claimed.saturating_add(header.payload_len),
        ..before
    };
    if message.claimed > rules.max_message_bytes {
        return Err(Violation { code: 1009, reason: "a message is over max_message_bytes" });
    }
    if message.frame_count > rules.max_fragment_count {
        return Err(Violation { code: 1008, reason: "a message has more frames than max_fragment_count" });
    }
    Ok(Some(message))
}

impl Message {
    /// Makes an item of the whole unmasked payload.
    fn item(self, payload: &[u8]) -> Result<Item<'_>, Violation> {
        Ok(match self {
            Message { is_compressed: true, is_text, .. } => Item::Deflated { is_text, payload },
            Message { is_text: true, .. } => Item::Text(judge_text(payload)?),
            _ => Item::Binary(payload),
        })
    }
}

/// Makes an item of the whole unmasked payload of a control frame.
fn read_control(opcode: OpCode, payload: &[u8]) -> Result<Item<'_>, Violation> {
    Ok(match opcode {
        OpCode::Control(Control::Ping) => Item::Ping(payload),
        OpCode::Control(Control::Pong) => Item::Pong(payload),
        _ => Item::Close(close::read_payload(payload)?),
    })
}

/// Judges the whole payload of a text, inflated where it was compressed.
///
/// # Errors
/// 1007: it is not UTF-8.
///
/// Source: RFC 6455 §8.1.
pub(crate) fn judge_text(bytes: &[u8]) -> Result<&str, Violation> {
    std::str::from_utf8(bytes).map_err(|_| NOT_UTF8)
}

const NOT_UTF8: Violation = Violation { code: 1007, reason: "a text is not UTF-8" };
/// RFC 6455 §5.2: two bytes, eight of length, four of mask.
const MAX_HEADER_BYTES: usize = 14;

/// A message has been on its way for too long.
pub(crate) const OVERDUE: Violation = Violation { code: 1008, reason: "a message took too long to arrive" };

#[cfg(test)]
mod tests;
