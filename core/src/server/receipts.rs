//! What became of what the host has broadcast: for how many connections it was, and how many had it at once.

use crate::event::Event;
use crate::fanout::{LaneKey, Mark, ShardKey};
use crate::id::{Position, RoomName};

/// What became of a turn for one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Its socket took everything.
    Sent,
    /// All or a part of it waits.
    Queued,
    /// It lags, and is shown it later.
    Lagging,
    /// It is gone, or is closed for this.
    Lost,
}

/// How many there were of each.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    sent: u64,
    queued: u64,
    lagging: u64,
}

impl Counts {
    fn add(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Sent => self.sent += 1,
            Outcome::Queued => self.queued += 1,
            Outcome::Lagging => self.lagging += 1,
            Outcome::Lost => {}
        }
    }
}

/// What became of a lane's turn in a shard.
#[derive(Debug, Default)]
pub(super) struct Shown {
    counts: Counts,
    /// Those who came during the turn, and from which mark on it was for them.
    late: Vec<(Mark, Outcome)>,
}

impl Shown {
    /// `late`: from which mark on the turn was for this connection, if it came during the turn.
    pub(super) fn count(&mut self, outcome: Outcome, late: Option<Mark>) {
        match late {
            Some(from) => self.late.push((from, outcome)),
            None => self.counts.add(outcome),
        }
    }
}

/// The receipts that are awaited.
#[derive(Debug, Default)]
pub(super) struct Receipts {
    awaited: Vec<Awaited>,
}

#[derive(Debug)]
struct Awaited {
    room: RoomName,
    position: Position,
    connection_count: u64,
    counts: Counts,
    /// Lanes that are to show it, and up to which mark.
    left: Vec<Part>,
}

/// A lane's part in a shard, and where in it a message ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) lane: LaneKey,
    pub(super) shard: ShardKey,
    pub(super) end: Mark,
    pub(super) connection_count: u64,
}

impl Receipts {
    /// Awaits what becomes of a record that these parts are to show. Gives the receipt if there are none.
    pub(super) fn await_receipt(
        &mut self,
        room: RoomName,
        position: Position,
        left: Vec<Part>,
    ) -> Option<Event> {
        let connection_count = left.iter().map(|part| part.connection_count).sum();
        let awaited = Awaited { room, position, connection_count, counts: Counts::default(), left };
        if awaited.left.is_empty() {
            return Some(awaited.receipt());
        }
        self.awaited.push(awaited);
        None
    }

    /// A lane has been shown a turn, up to a mark. Gives the receipts that are complete with it.
    pub(super) fn shown(&mut self, lane: LaneKey, shard: ShardKey, end: Mark, shown: &Shown) -> Vec<Event> {
        self.settle(|counts, part| {
            let is_it = part.lane == lane && part.shard == shard && !is_behind(part.end, end);
            if is_it {
                counts.sent += shown.counts.sent;
                counts.queued += shown.counts.queued;
                counts.lagging += shown.counts.lagging;
                // Of those who came during the turn, it was for those who came before it.
                let had_it = shown.late.iter().filter(|(from, _)| is_behind(part.end, *from));
                had_it.for_each(|(_, outcome)| counts.add(*outcome));
            }
            is_it
        })
    }

    /// Nobody is left in a lane's part. Gives the receipts that are complete with it.
    pub(super) fn deserted(&mut self, lane: LaneKey, shard: ShardKey) -> Vec<Event> {
        self.settle(|_, part| part.lane == lane && part.shard == shard)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.awaited.is_empty()
    }

    fn settle(&mut self, mut is_done: impl FnMut(&mut Counts, &Part) -> bool) -> Vec<Event> {
        let mut complete = Vec::new();
        self.awaited.retain_mut(|awaited| {
            let counts = &mut awaited.counts;
            awaited.left.retain(|part| !is_done(counts, part));
            if awaited.left.is_empty() {
                complete.push(awaited.receipt());
            }
            !awaited.left.is_empty()
        });
        complete
    }
}

impl Awaited {
    fn receipt(&self) -> Event {
        Event::Receipt {
            room: self.room.clone(),
            position: self.position,
            connection_count: self.connection_count,
            sent_count: self.counts.sent,
            queued_count: self.counts.queued,
            lagging_count: self.counts.lagging,
        }
    }
}

/// Whether a mark is behind another one.
fn is_behind(mark: Mark, other: Mark) -> bool {
    (1..1 << 31).contains(&mark.since(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LANE: LaneKey = LaneKey(7);

    fn part(shard: u8, end: u32, connection_count: u64) -> Part {
        Part { lane: LANE, shard: ShardKey(shard), end: Mark(end), connection_count }
    }

    fn room() -> RoomName {
        RoomName::new("lobby").unwrap()
    }

    fn position(offset: u64) -> Position {
        Position { epoch: 1, offset }
    }

    fn counts(event: &Event) -> (u64, u64, u64, u64, u64) {
        match event {
            Event::Receipt {
                position, connection_count, sent_count, queued_count, lagging_count, ..
            } => (position.offset, *connection_count, *sent_count, *queued_count, *lagging_count),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_receipt_is_complete_when_every_shard_has_shown_the_message() {
        let mut receipts = Receipts::default();
        let parts = vec![part(0, 100, 3), part(1, 50, 2)];
        assert!(receipts.await_receipt(room(), position(1), parts).is_none());
        let mut shown = Shown::default();
        for outcome in [Outcome::Sent, Outcome::Queued, Outcome::Lagging] {
            shown.count(outcome, None);
        }
        // A turn that ended before the message.
        assert!(receipts.shown(LANE, ShardKey(0), Mark(99), &shown).is_empty());
        assert!(receipts.shown(LANE, ShardKey(0), Mark(120), &shown).is_empty());
        let mut shown = Shown::default();
        shown.count(Outcome::Sent, None);
        shown.count(Outcome::Lost, None);
        let complete = receipts.shown(LANE, ShardKey(1), Mark(50), &shown);
        assert_eq!(complete.iter().map(counts).collect::<Vec<_>>(), [(1, 5, 2, 1, 1)]);
        assert!(receipts.is_empty());
    }

    #[test]
    fn who_came_after_a_message_is_not_counted_for_it() {
        let mut receipts = Receipts::default();
        for (offset, end) in [(1, 10), (2, 20), (3, 30)] {
            receipts.await_receipt(room(), position(offset), vec![part(0, end, 1)]);
        }
        let mut shown = Shown::default();
        shown.count(Outcome::Sent, None);
        shown.count(Outcome::Sent, Some(Mark(20)));
        let complete = receipts.shown(LANE, ShardKey(0), Mark(30), &shown);
        let sent: Vec<u64> = complete.iter().map(|event| counts(event).2).collect();
        assert_eq!(sent, [1, 1, 2]);
    }

    #[test]
    fn a_message_for_nobody_has_its_receipt_at_once_and_so_has_one_that_everybody_has_left() {
        let mut receipts = Receipts::default();
        let event = receipts.await_receipt(room(), position(1), Vec::new()).unwrap();
        assert_eq!(counts(&event), (1, 0, 0, 0, 0));
        receipts.await_receipt(room(), position(2), vec![part(0, 10, 4)]);
        let complete = receipts.deserted(LANE, ShardKey(0));
        assert_eq!(complete.iter().map(counts).collect::<Vec<_>>(), [(2, 4, 0, 0, 0)]);
    }
}
