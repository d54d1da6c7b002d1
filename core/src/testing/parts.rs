//! The parts of the engine that the benchmarks of the parts time, one call each; reading is [`Texts`](super::Texts).

use crate::dialect::tutorial;
use crate::message::Message;
use crate::push::Push;
use crate::wire::deflate::Deflater;
use crate::wire::{Kind, frame_payload, write_deflated_frame, write_frame};

/// Appends a text as the server's frame.
pub fn write_text(out: &mut Vec<u8>, text: &[u8]) {
    write_frame(out, Kind::Text, text);
}

/// Appends what the tutorial's clients are shown of a message.
pub fn encode(message: &Message, out: &mut Vec<u8>) {
    tutorial::encode(&Push::Message(message), out);
}

/// Deflates what one turn has for a room.
#[derive(Debug)]
pub struct Batches(Deflater);

impl Batches {
    /// With the window that batches of many readers have.
    pub fn new(level: u32) -> Batches {
        Batches(Deflater::with_window(level, 15))
    }

    /// Appends whole text frames of a server, deflated, each in the context of those before it.
    pub fn deflate(&mut self, mut frames: &[u8], out: &mut Vec<u8>) {
        self.0.reset();
        let mut payload_out = Vec::new();
        while let Some((_, payload, rest)) = frame_payload(frames) {
            payload_out.clear();
            self.0.deflate(payload, &mut payload_out);
            write_deflated_frame(out, true, &payload_out);
            frames = rest;
        }
    }
}
