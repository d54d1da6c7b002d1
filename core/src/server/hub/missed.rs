//! What connections are shown that have lagged.

use crate::chat::Reach;
use crate::dialect::{tutorial, v1};
use crate::id::{ConnectionId, Position};
use crate::push::Push;
use crate::push::reply::Happening;
use crate::time::Now;
use crate::wire::{Kind, write_frame};

use super::{Ends, Hub, Lane, Missed, MissedRooms};

impl Hub {
    /// What a tutorial connection has not been shown of its room since the record at `after`.
    pub(crate) fn missed(&mut self, connection: ConnectionId, after: Position) -> Missed {
        let Some(seat) = self.dispatch.find(connection) else { return Missed::TooMuch };
        let Some(room) = self.dispatch.room(seat) else { return Missed::TooMuch };
        let name = self.chat.room_name(room);
        let (mut frames, mut json) = (Vec::new(), Vec::new());
        let reach = self.log.after(&name, after, &mut |record| {
            if let Some(message) = record.message().filter(|message| !message.more.is_deleted) {
                json.clear();
                tutorial::encode(&Push::Message(message), &mut json);
                write_frame(&mut frames, Kind::Text, &json);
            }
            frames.len() <= MAX_MISSED_BYTES
        });
        match reach {
            Reach::Whole { more: false } | Reach::RolledBack { more: false, .. } => {
                Missed::Frames { frames: frames.into(), lane_end: self.dispatch.lane_end(seat) }
            }
            Reach::Whole { .. } | Reach::RolledBack { .. } | Reach::Short => Missed::TooMuch,
        }
    }

    /// What a v1 connection has not been shown of these rooms, each since a record, where it is in them still: the
    /// records, or where that is too much, that there is a gap.
    pub(crate) fn missed_v1(
        &mut self,
        connection: ConnectionId,
        missing: &[(Lane, Position)],
        now: Now,
    ) -> MissedRooms {
        let (mut frames, mut left, mut ends) = (Vec::new(), MAX_MISSED_BYTES, Ends::None);
        for &(lane, after) in missing {
            // It may have left since, or be in another lane of the room.
            for lane in self.dispatch.lanes_in(connection, lane.room) {
                frames.extend(self.missed_in(connection, lane, after, &mut left, now));
            }
        }
        if let Some(seat) = self.dispatch.find(connection) {
            for &(lane, _) in missing {
                self.dispatch.ends(seat, lane.room).as_slice().iter().for_each(|&end| ends.push(end));
            }
        }
        MissedRooms { frames: frames.into(), ends }
    }

    /// The same for a lane. `bytes`: how much is left of what it may be sent for all its rooms together.
    fn missed_in(
        &mut self,
        connection: ConnectionId,
        lane: Lane,
        after: Position,
        bytes: &mut usize,
        now: Now,
    ) -> Vec<u8> {
        let mut frames = Vec::new();
        let Some(room) = lane.room else { return frames };
        let top = self.chat.position(room);
        let name = self.chat.room_name(room);
        // Replies may have shown it what came behind, and what the log has lost of that it was not told while it lagged.
        let lost = self.log.lost_since(&name, after.epoch);
        if after == top && lost.is_none() {
            return frames;
        }
        // Who does not want to see something asks from where they are: a reply may have put them behind a record that a list
        // leaves out, and then no list could say behind which record each comes for them.
        let missed = match lane.viewer {
            None => self.run(now, |chat, at| chat.missed_by(room, after, bytes, at)),
            Some(_) => {
                self.shown_alone.insert((connection, room), top);
                None
            }
        };
        let mut shown: Vec<Happening> = Vec::new();
        match missed {
            Some((records, rollback)) => {
                let rollback = rollback.or(lost);
                let kept = records.partition_point(|record| rollback.is_some_and(|to| record.position <= to));
                shown.extend(
                    records.into_iter().map(|record| Happening::Logged { room: name.clone(), record }),
                );
                shown.splice(kept..kept, rollback.map(|to| Happening::Rollback { room: name.clone(), to }));
            }
            None => {
                shown.extend(lost.map(|to| Happening::Rollback { room: name.clone(), to }));
                let from = lost.map_or(after, |to| to.min(after));
                if from < top {
                    shown.push(Happening::Gap { room: name, from, to: top });
                }
            }
        }
        let mut json = Vec::new();
        for happening in shown {
            json.clear();
            v1::event(&happening, &mut json);
            write_frame(&mut frames, Kind::Text, &json);
        }
        frames
    }
}

/// How much of what it missed a connection is shown.
pub(crate) const MAX_MISSED_BYTES: usize = 256 * 1024;
