//! The connections of one lane in one shard, and how far each of them has got.
//!
//! In: frames of the lane, in their order, and who comes and goes. Out: turns, in which each member gets all that it
//! has not got, as slices of the same bytes. A turn may be left off in the middle and gone on with: what comes
//! meanwhile gathers for the next one. Knows nothing of sockets; members are slots, numbers that mean something
//! to the shard.

use bytes::Bytes;

use super::lanes::Mark;
use super::turn::Turn;

/// The members of a lane in a shard. `T`: what is known about how far the lane is, for those who must be told later.
#[derive(Debug, Default)]
pub(crate) struct Audience<T> {
    /// While a turn is under way, the first `turn.next` have had theirs.
    members: Vec<Member>,
    turn: Option<Running<T>>,
    /// What has come behind the turn that is under way.
    gathered: Vec<u8>,
    /// Where that ends: whoever has got so far has got everything.
    end: Mark,
    top: T,
    /// How far the lane was when the last turn began.
    shown: T,
}

#[derive(Clone, Copy, Debug)]
struct Member {
    /// With [`NEW`] until it has been shown something.
    slot: u32,
    /// Up to where it has got everything, or it was queued, or it needs it no more.
    got: Mark,
}

/// A turn under way.
#[derive(Debug)]
struct Running<T> {
    turn: Turn,
    start: Mark,
    /// How many members have had it.
    next: usize,
    /// How far the lane was before it.
    before: T,
}

/// A member's part of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) slot: u32,
    /// From which byte of the turn on; its length, if the member has had all of it already.
    pub(crate) from: usize,
    /// The member has come during the turn: what is before that byte was not for it.
    pub(crate) is_late: bool,
}

impl<T: Copy + Default> Audience<T> {
    /// Adds a member, for whom the lane is from that mark on. `top`: how far the lane was then. Gives its index.
    pub(crate) fn enter(&mut self, slot: u32, from: Mark, top: T) -> u32 {
        if self.members.is_empty() {
            // Nobody was here to be shown anything, so nothing was followed.
            self.shown = top;
        }
        self.members.push(Member { slot: slot | NEW, got: from });
        (self.members.len() - 1) as u32
    }

    /// Takes a member out. Members that have another index now are told to `moved`: their slots and indexes.
    pub(crate) fn leave(&mut self, index: u32, mut moved: impl FnMut(u32, u32)) {
        let mut hole = index as usize;
        let last = self.members.len() - 1;
        // Who has had the turn stays in front of who has not.
        if let Some(running) = &mut self.turn
            && hole < running.next
        {
            running.next -= 1;
            if hole != running.next {
                self.members[hole] = self.members[running.next];
                moved(self.members[hole].slot & !NEW, hole as u32);
            }
            hole = running.next;
        }
        if hole != last {
            self.members[hole] = self.members[last];
            moved(self.members[hole].slot & !NEW, hole as u32);
        }
        self.members.pop();
        if self.members.is_empty() {
            self.turn = None;
        }
    }

    /// Drops what has gathered, if nobody is left to be shown it. Not when the last leaves, but before anything more is
    /// gathered: who leaves and who comes may stand in the same list, and what came between the two is for the latter.
    pub(crate) fn forget(&mut self) {
        if self.members.is_empty() {
            self.gathered = Vec::new();
        }
    }

    /// Adds what the lane has got from `start` on. `top`: how far the lane is with it. Gives a buffer that is of use
    /// no longer.
    pub(crate) fn gather(&mut self, start: Mark, frames: Vec<u8>, top: T) -> Vec<u8> {
        if self.end != start {
            // Another lane had this place before.
            self.turn = None;
            self.gathered.clear();
            self.end = start;
        }
        self.end = self.end.plus(frames.len());
        self.top = top;
        if self.gathered.is_empty() {
            return std::mem::replace(&mut self.gathered, frames);
        }
        self.gathered.extend_from_slice(&frames);
        frames
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// How many bytes have gathered for the next turn.
    pub(crate) fn gathered_bytes(&self) -> usize {
        self.gathered.len()
    }

    /// Gives what a member has not got up to a mark, because something of its own comes next: at most one piece of the
    /// turn under way, and one behind that. It has got it then.
    pub(crate) fn catch_up(&mut self, index: u32, to: Mark, mut piece: impl FnMut(Bytes)) {
        let gathered_start = self.turn_end();
        let member = &mut self.members[index as usize];
        if let Some(running) = &mut self.turn
            && index as usize >= running.next
        {
            let len = running.turn.bytes().len();
            // One that has come during the turn begins behind it.
            let from = member.got.since(running.start);
            let until = to.since(running.start).min(len);
            if from < until {
                piece(running.turn.slice(from, until));
                member.got = running.start.plus(until);
            }
        }
        let (from, until) = (member.got.since(gathered_start), to.since(gathered_start));
        if from < until && until <= self.gathered.len() {
            piece(Bytes::copy_from_slice(&self.gathered[from..until]));
            member.got = to;
        }
    }

    /// A member has got everything up to a mark by another way.
    pub(crate) fn skip(&mut self, index: u32, to: Mark) {
        self.members[index as usize].got = to;
    }

    /// Begins a turn with what has gathered, unless one is under way. Gives whether one is.
    pub(crate) fn begin(&mut self) -> bool {
        if self.members.is_empty() {
            self.gathered.clear();
        }
        if self.turn.is_none() && !self.gathered.is_empty() {
            let frames = std::mem::take(&mut self.gathered);
            let start = Mark(self.end.0.wrapping_sub(frames.len() as u32));
            let before = std::mem::replace(&mut self.shown, self.top);
            self.turn = Some(Running { turn: Turn::Owned(frames), start, next: 0, before });
        }
        self.turn.is_some()
    }

    /// Whether there is a turn under way, or one to begin.
    pub(crate) fn has_more(&self) -> bool {
        self.turn.is_some() || !self.gathered.is_empty() && !self.members.is_empty()
    }

    /// The turn under way.
    pub(crate) fn turn(&mut self) -> Option<&mut Turn> {
        self.turn.as_mut().map(|running| &mut running.turn)
    }

    /// The next member who has not had the turn under way, and its part. From then on it counts as one that has.
    pub(crate) fn next(&mut self) -> Option<Share> {
        let running = self.turn.as_mut()?;
        let len = running.turn.bytes().len();
        while let Some(member) = self.members.get_mut(running.next) {
            running.next += 1;
            let from = member.got.since(running.start);
            let is_late = from > 0 && member.slot & NEW != 0;
            // One that has come since the turn began is behind its end.
            if from > len || from == len && is_late {
                continue;
            }
            member.slot &= !NEW;
            member.got = running.start.plus(len);
            return Some(Share { slot: member.slot, from, is_late });
        }
        None
    }

    /// Up to where the lane has got something.
    pub(crate) fn lane_end(&self) -> Mark {
        self.end
    }

    /// Up to where the turn under way goes.
    pub(crate) fn turn_end(&self) -> Mark {
        Mark(self.end.0.wrapping_sub(self.gathered.len() as u32))
    }

    /// How far the lane was when a member was shown something last; sooner, if it came later or was caught up.
    pub(crate) fn position(&self, index: u32) -> T {
        match &self.turn {
            Some(running) if index as usize >= running.next => running.before,
            _ => self.shown,
        }
    }

    /// How far the lane was before the turn under way.
    pub(crate) fn before(&self) -> T {
        self.turn.as_ref().map_or(self.shown, |running| running.before)
    }

    /// Ends the turn under way. Gives its buffer to be used again.
    pub(crate) fn end(&mut self) -> Vec<u8> {
        self.turn.take().map_or(Vec::new(), |running| running.turn.into_buffer())
    }
}

/// Slots are far below.
const NEW: u32 = 1 << 31;
