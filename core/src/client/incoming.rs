//! Bytes from the socket to whole messages.

use std::time::Duration;

use tokio::time::Instant;

use super::options::Numbers;
use crate::message::Payload;
use crate::wire::deflate::{Accepted, Inflater};
use crate::wire::{Assembly, Item, Role, Rules, Violation, judge_text};

/// What the peer said.
pub(crate) enum Said {
    Message(Payload),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
}

/// What has come from the socket, as far as it was not looked at.
pub(crate) struct Incoming {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    assembly: Assembly,
    rules: Rules,
    terms: Option<Accepted>,
    /// Made when it is first needed: it holds some 80 KB.
    inflater: Option<Box<Inflater>>,
}

impl Incoming {
    /// `rest` is what came behind the opening handshake.
    pub(crate) fn new(rest: &[u8], terms: Option<Accepted>, numbers: &Numbers) -> Incoming {
        let mut buffer = vec![0; BUFFER_BYTES.max(rest.len())].into_boxed_slice();
        buffer[..rest.len()].copy_from_slice(rest);
        let rules = Rules {
            role: Role::Client,
            deflate: terms.is_some(),
            max_message_bytes: numbers.max_message_bytes,
            max_fragment_count: numbers.max_fragment_count,
            max_assembly_ms: numbers.max_assembly_ms,
        };
        Incoming {
            buffer,
            start: 0,
            end: rest.len(),
            assembly: Assembly::default(),
            rules,
            terms,
            inflater: None,
        }
    }

    /// Whether there are bytes that were not looked at.
    pub(crate) fn is_used_up(&self) -> bool {
        self.start == self.end
    }

    /// Where the next bytes go; they are told by [`filled`](Incoming::filled). Only when all are used up.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        debug_assert!(self.is_used_up());
        &mut self.buffer
    }

    pub(crate) fn filled(&mut self, len: usize) {
        (self.start, self.end) = (0, len);
    }

    /// Forgets what has come: nothing that follows means anything.
    pub(crate) fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
        self.assembly = Assembly::default();
        self.inflater = None;
    }

    /// The next whole thing in the bytes that came; `None` when they are used up.
    pub(crate) fn next(&mut self, now_ms: u64) -> Result<Option<Said>, Violation> {
        while self.start < self.end {
            let step = self.assembly.next(&mut self.buffer[self.start..self.end], &self.rules, now_ms)?;
            self.start += step.used;
            let said = match step.item {
                None => continue,
                Some(Item::Text(text)) => Said::Message(text.into()),
                Some(Item::Binary(bytes)) => Said::Message(bytes.into()),
                Some(Item::Deflated { is_text, payload }) => {
                    let keeps = self.terms.is_some_and(|terms| !terms.server_no_context_takeover);
                    let inflater = self.inflater.get_or_insert_with(|| {
                        Box::new(if keeps { Inflater::keeping() } else { Inflater::new() })
                    });
                    let bytes = inflater.inflate(payload, self.rules.max_message_bytes)?;
                    let message = if is_text { judge_text(bytes)?.into() } else { bytes.into() };
                    inflater.settle();
                    Said::Message(message)
                }
                Some(Item::Ping(payload)) => Said::Ping(payload.to_vec()),
                Some(Item::Pong(payload)) => Said::Pong(payload.to_vec()),
                Some(Item::Close(close)) => {
                    Said::Close(close.map(|(code, reason)| (code, reason.to_owned())))
                }
            };
            return Ok(Some(said));
        }
        self.assembly.settle();
        Ok(None)
    }

    /// Whether an unfinished message has taken too long.
    pub(crate) fn is_overdue(&self, now_ms: u64) -> bool {
        self.assembly.is_overdue(&self.rules, now_ms)
    }

    /// When it will have.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        self.assembly.due_ms(&self.rules)
    }
}

/// Counts the time in which the socket is read. While the host takes nothing from a full inbox, the peer
/// can neither finish a message nor show that it lives, and is not blamed for it.
pub(crate) struct Clock {
    start: Instant,
    stopped_at: Option<Instant>,
    stopped: Duration,
}

impl Clock {
    pub(crate) fn new() -> Clock {
        Clock { start: Instant::now(), stopped_at: None, stopped: Duration::ZERO }
    }

    pub(crate) fn now_ms(&self) -> u64 {
        let now = self.stopped_at.unwrap_or_else(Instant::now);
        (now - self.start).saturating_sub(self.stopped).as_millis() as u64
    }

    pub(crate) fn stop(&mut self) {
        self.stopped_at.get_or_insert_with(Instant::now);
    }

    pub(crate) fn go_on(&mut self) {
        if let Some(at) = self.stopped_at.take() {
            self.stopped += at.elapsed();
        }
    }

    /// When it will show so much; `None` while it stands still.
    pub(crate) fn at_ms(&self, ms: u64) -> Option<Instant> {
        self.stopped_at.is_none().then(|| self.start + self.stopped + Duration::from_millis(ms))
    }
}

const BUFFER_BYTES: usize = 16 * 1024;
