//! The parts of the engine that the benchmarks of the parts time, one call each; reading is [`Texts`](super::Texts).

use crate::dialect::tutorial;
use crate::fanout::{Audience, LaneKey, Lanes, ShardKey};
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

/// A room in one shard, whose members' sockets take everything: all of a turn but the sending.
#[derive(Debug)]
pub struct Room {
    lanes: Lanes<()>,
    lane: LaneKey,
    audience: Audience<()>,
}

impl Room {
    /// A room of so many members.
    pub fn new(member_count: u32) -> Room {
        let mut lanes = Lanes::new(1);
        let mut audience = Audience::default();
        let mut lane = LaneKey(0);
        for slot in 0..member_count {
            let (entered, from) = lanes.enter((), SHARD);
            lane = entered;
            audience.enter(slot, from, ());
        }
        Room { lanes, lane, audience }
    }

    /// Shows every member so many times the same frame, in one turn. Gives how many bytes that were.
    pub fn turn(&mut self, frame: &[u8], count: usize) -> usize {
        for _ in 0..count {
            self.lanes.append(self.lane, |buffer| buffer.extend_from_slice(frame));
        }
        let mut taken = Vec::new();
        self.lanes.take(SHARD, &mut taken);
        for taken in taken {
            self.audience.gather(taken.start, taken.frames, ());
        }
        let mut bytes = 0;
        self.audience.begin();
        while let Some(share) = self.audience.next() {
            bytes += self.audience.turn().map_or(0, |turn| turn.bytes()[share.from..].len());
        }
        self.lanes.give_back(self.lane, SHARD, self.audience.end());
        bytes
    }
}

const SHARD: ShardKey = ShardKey(0);
