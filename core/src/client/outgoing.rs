//! Messages to masked frames, on their way to the socket.

use tokio::sync::OwnedSemaphorePermit;

use super::masks::Masks;
use crate::error::Error;
use crate::message::Payload;
use crate::wire::deflate::{Accepted, Deflater};
use crate::wire::{Kind, close_frame, write_frame, write_masked, write_masked_message};

/// Frames that the socket has not taken yet.
pub(crate) struct Outgoing {
    bytes: Vec<u8>,
    taken: usize,
    masks: Masks,
    terms: Option<Accepted>,
    /// Made when it is first needed: it holds some 300 KB.
    deflater: Option<Box<Deflater>>,
    min_bytes: usize,
    scratch: Vec<u8>,
    /// The place in the outbox that these frames' messages have.
    held: Option<OwnedSemaphorePermit>,
    /// The answer to the newest ping, while there is no room for it.
    pong: Option<Vec<u8>>,
}

impl Outgoing {
    pub(crate) fn new(masks: Masks, terms: Option<Accepted>, min_bytes: usize) -> Outgoing {
        Outgoing {
            bytes: Vec::new(),
            taken: 0,
            masks,
            terms,
            deflater: None,
            min_bytes,
            scratch: Vec::new(),
            held: None,
            pong: None,
        }
    }

    pub(crate) fn unsent(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }

    /// Whether more should be made of what waits.
    pub(crate) fn has_room(&self) -> bool {
        self.unsent().len() < FULL_BYTES
    }

    /// The socket has taken so many bytes. When it has taken all, the messages give their places back.
    pub(crate) fn take(&mut self, count: usize) {
        self.taken += count;
        if self.taken == self.bytes.len() {
            self.clear();
        }
    }

    /// Forgets what was not sent.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.taken = 0;
        self.held = None;
        for buffer in [&mut self.bytes, &mut self.scratch] {
            if buffer.capacity() > KEPT_BYTES {
                *buffer = Vec::new();
            }
        }
    }

    /// Adds a message, compressed where that is agreed on and worth it.
    pub(crate) fn message(&mut self, message: &Payload, permit: OwnedSemaphorePermit) -> Result<(), Error> {
        match &mut self.held {
            Some(held) => held.merge(permit),
            None => self.held = Some(permit),
        }
        let is_text = matches!(message, Payload::Text(_));
        let mask = self.masks.next()?;
        let is_deflated = self.deflate(message.as_bytes());
        let payload = if is_deflated { &self.scratch } else { message.as_bytes() };
        write_masked_message(&mut self.bytes, is_text, is_deflated, payload, mask);
        Ok(())
    }

    /// Deflates into `scratch`, or gives `false`: it goes plain, which is always allowed (RFC 7692 §6).
    fn deflate(&mut self, payload: &[u8]) -> bool {
        let Some(terms) = self.terms else { return false };
        if payload.len() < self.min_bytes {
            return false;
        }
        // The deflater has no window smaller than 9; in one of 8 it can keep to a message that fits in it.
        let forgets = terms.client_no_context_takeover || terms.client_max_window_bits < MIN_WINDOW_BITS;
        if terms.client_max_window_bits < MIN_WINDOW_BITS && payload.len() > 1 << terms.client_max_window_bits
        {
            return false;
        }
        let deflater = self
            .deflater
            .get_or_insert_with(|| Box::new(Deflater::with_window(LEVEL, terms.client_max_window_bits)));
        if forgets {
            deflater.reset();
        }
        self.scratch.clear();
        deflater.deflate(payload, &mut self.scratch);
        true
    }

    /// Adds a ping; `payload` has at most 125 bytes.
    pub(crate) fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.control(Kind::Ping, payload)
    }

    /// Answers a ping. Where the peer reads nothing, only the newest of its pings will be answered.
    ///
    /// Source: RFC 6455 §5.5.3.
    pub(crate) fn pong(&mut self, payload: &[u8]) -> Result<(), Error> {
        if self.has_room() {
            return self.control(Kind::Pong, payload);
        }
        self.pong = Some(payload.to_vec());
        Ok(())
    }

    /// Adds the pong that found no room, if there is room now. Gives whether there was one.
    pub(crate) fn catch_up(&mut self) -> Result<bool, Error> {
        match self.pong.take_if(|_| self.bytes.len() - self.taken < FULL_BYTES) {
            None => Ok(false),
            Some(payload) => self.control(Kind::Pong, &payload).map(|()| true),
        }
    }

    /// Adds a close frame; nothing may follow it.
    pub(crate) fn close(&mut self, code: u16, reason: &str) -> Result<(), Error> {
        let mask = self.masks.next()?;
        self.pong = None;
        write_masked(&mut self.bytes, &close_frame(code, reason), mask);
        Ok(())
    }

    fn control(&mut self, kind: Kind, payload: &[u8]) -> Result<(), Error> {
        let mask = self.masks.next()?;
        let mut frame = Vec::with_capacity(2 + payload.len());
        write_frame(&mut frame, kind, payload);
        write_masked(&mut self.bytes, &frame, mask);
        Ok(())
    }
}

/// From so many bytes on the socket is left to take them first.
const FULL_BYTES: usize = 64 * 1024;
const KEPT_BYTES: usize = 128 * 1024;
const MIN_WINDOW_BITS: u8 = 9;
/// zlib's own default.
const LEVEL: u32 = 6;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;
    use crate::wire::deflate::Inflater;
    use crate::wire::{Assembly, Item, Role, Rules};

    fn outgoing(client_forgets: bool, bits: u8) -> Outgoing {
        let terms = Accepted {
            server_no_context_takeover: false,
            client_no_context_takeover: client_forgets,
            client_max_window_bits: bits,
        };
        Outgoing::new(Masks::new(), Some(terms), 1)
    }

    fn send(outgoing: &mut Outgoing, outbox: &Arc<Semaphore>, message: &str) {
        let permit = outbox.clone().try_acquire_owned().unwrap();
        outgoing.message(&message.into(), permit).unwrap();
    }

    /// What a server reads, and whether each message was compressed.
    fn read(outgoing: &mut Outgoing, mut inflater: Inflater) -> Vec<(String, bool)> {
        let rules = Rules {
            role: Role::Server,
            deflate: true,
            max_message_bytes: 1 << 20,
            max_fragment_count: 1,
            max_assembly_ms: 1,
        };
        let (mut assembly, mut bytes, mut at) = (Assembly::default(), outgoing.unsent().to_vec(), 0);
        let mut read = Vec::new();
        while at < bytes.len() {
            let step = assembly.next(&mut bytes[at..], &rules, 0).unwrap();
            at += step.used;
            match step.item.unwrap() {
                Item::Text(text) => read.push((text.to_owned(), false)),
                Item::Deflated { payload, .. } => {
                    let text = inflater.inflate(payload, 1 << 20).unwrap();
                    read.push((String::from_utf8(text.to_vec()).unwrap(), true));
                }
                item => panic!("{item:?}"),
            }
        }
        read
    }

    #[test]
    fn what_was_agreed_about_the_context_is_kept() {
        let message = "the same words once more, and once more the same words";
        let sizes = [false, true].map(|forgets| {
            let mut outgoing = outgoing(forgets, 15);
            let outbox = Arc::new(Semaphore::new(2));
            send(&mut outgoing, &outbox, message);
            let first = outgoing.unsent().len();
            send(&mut outgoing, &outbox, message);
            let second = outgoing.unsent().len() - first;
            // Whoever keeps no context can read it if none was to be kept.
            let inflater = if forgets { Inflater::new() } else { Inflater::keeping() };
            assert_eq!(read(&mut outgoing, inflater), vec![(message.to_owned(), true); 2]);
            assert_eq!(outbox.available_permits(), 0);
            outgoing.take(first + second);
            assert_eq!(outbox.available_permits(), 2, "places are given back when all is sent");
            (first, second)
        });
        assert!(sizes[0].1 < sizes[0].0 / 2, "the second refers to the first: {sizes:?}");
        assert_eq!(sizes[1].0, sizes[1].1);
    }

    #[test]
    fn in_the_smallest_window_only_what_fits_in_it_is_compressed() {
        let mut outgoing = outgoing(false, 8);
        let outbox = Arc::new(Semaphore::new(3));
        for len in [256, 257, 200] {
            send(&mut outgoing, &outbox, &"x".repeat(len));
        }
        let want =
            [(256, true), (257, false), (200, true)].map(|(len, deflated)| ("x".repeat(len), deflated));
        assert_eq!(read(&mut outgoing, Inflater::new()), want);
    }

    #[test]
    fn a_peer_that_reads_nothing_has_its_newest_ping_answered_and_no_heap_of_pongs() {
        let mut outgoing = Outgoing::new(Masks::new(), None, 1);
        for at in 0..100_000_u32 {
            outgoing.pong(&at.to_be_bytes()).unwrap();
        }
        let most = outgoing.unsent().len();
        assert!(most < FULL_BYTES + 200, "{most} bytes wait");
        assert!(!outgoing.catch_up().unwrap(), "there is no room yet");
        outgoing.take(most);
        assert!(outgoing.catch_up().unwrap());
        assert_eq!(outgoing.unsent().len(), 10);
        assert!(!outgoing.catch_up().unwrap(), "it is answered once");
    }
}
