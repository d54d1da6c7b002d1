//! What was sent under which id, so that what is sent again has one place only.

use std::collections::{HashMap, VecDeque};

use crate::chat::{Seen, Sent};
use crate::id::{Mid, RoomName, UserId};

/// What users sent, for a time, and so many of each user and of all.
#[derive(Debug)]
pub(super) struct Dedupe {
    users: HashMap<UserId, BySender>,
    /// Whose is next to go: the numbers of what was sent, oldest first; some may be gone.
    order: VecDeque<(u64, UserId)>,
    count: usize,
    serial: u64,
    keep_ms: u64,
    max_user_count: usize,
    max_count: usize,
}

#[derive(Debug, Default)]
struct BySender {
    known: HashMap<(RoomName, Mid), Known>,
    /// Oldest first.
    order: VecDeque<(u64, RoomName, Mid)>,
}

#[derive(Debug)]
struct Known {
    seen: Seen,
    at_ticks_ms: u64,
}

impl Dedupe {
    /// Keeps what was sent within `keep_ms`.
    pub(super) fn new(keep_ms: u64, max_user_count: usize, max_count: usize) -> Dedupe {
        Dedupe {
            users: HashMap::new(),
            order: VecDeque::new(),
            count: 0,
            serial: 0,
            keep_ms,
            max_user_count,
            max_count,
        }
    }

    pub(super) fn note(&mut self, room: &RoomName, sent: Sent, seen: Seen, now_ms: u64) {
        self.expire(now_ms);
        self.serial += 1;
        let by_sender = self.users.entry(sent.user.clone()).or_default();
        by_sender.order.push_back((self.serial, room.clone(), sent.mid.clone()));
        by_sender.known.insert((room.clone(), sent.mid), Known { seen, at_ticks_ms: now_ms });
        let is_over = by_sender.order.len() > self.max_user_count;
        self.order.push_back((self.serial, sent.user.clone()));
        self.count += 1;
        if is_over {
            self.drop_oldest_of(&sent.user, u64::MAX);
        }
        while self.count > self.max_count {
            self.drop_oldest();
        }
    }

    pub(super) fn seen(&self, room: &RoomName, user: &UserId, mid: &Mid, now_ms: u64) -> Option<Seen> {
        let known = self.users.get(user)?.known.get(&(room.clone(), mid.clone()))?;
        (now_ms.saturating_sub(known.at_ticks_ms) < self.keep_ms).then_some(known.seen)
    }

    fn expire(&mut self, now_ms: u64) {
        while let Some((serial, user)) = self.order.front() {
            let oldest = self.users.get(user).and_then(|by_sender| {
                let (first, room, mid) = by_sender.order.front()?;
                (first == serial).then(|| by_sender.known.get(&(room.clone(), mid.clone())))?
            });
            match oldest {
                Some(known) if now_ms.saturating_sub(known.at_ticks_ms) < self.keep_ms => return,
                _ => self.drop_oldest(),
            }
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((serial, user)) = self.order.pop_front() {
            self.drop_oldest_of(&user, serial);
        }
    }

    /// Drops the oldest of a user's, if it is not newer than that number.
    fn drop_oldest_of(&mut self, user: &UserId, newest: u64) {
        let Some(by_sender) = self.users.get_mut(user) else { return };
        if by_sender.order.front().is_some_and(|(serial, ..)| *serial <= newest)
            && let Some((_, room, mid)) = by_sender.order.pop_front()
        {
            by_sender.known.remove(&(room, mid));
            self.count -= 1;
        }
        if by_sender.order.is_empty() {
            self.users.remove(user);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Position;

    fn room() -> RoomName {
        RoomName::new("lobby").unwrap()
    }

    fn user(id: &str) -> UserId {
        UserId::new(id).unwrap()
    }

    fn note(dedupe: &mut Dedupe, id: &str, mid: &str, offset: u64, now_ms: u64) {
        let sent = Sent { user: user(id), mid: Mid::new(mid), content: 7 };
        let seen = Seen { position: Position { epoch: 1, offset }, at_ms: 0, content: 7 };
        dedupe.note(&room(), sent, seen, now_ms);
    }

    fn knows(dedupe: &Dedupe, id: &str, mid: &str, now_ms: u64) -> bool {
        dedupe.seen(&room(), &user(id), &Mid::new(mid), now_ms).is_some()
    }

    #[test]
    fn what_was_sent_is_known_to_its_sender_for_a_time() {
        let mut dedupe = Dedupe::new(1_000, 10, 10);
        note(&mut dedupe, "ann", "a", 1, 0);
        assert!(knows(&dedupe, "ann", "a", 999));
        assert!(!knows(&dedupe, "ann", "a", 1_000) && !knows(&dedupe, "bob", "a", 0));
        note(&mut dedupe, "bob", "b", 2, 1_000);
        assert_eq!((dedupe.count, dedupe.users.len(), dedupe.order.len()), (1, 1, 1));
    }

    #[test]
    fn the_oldest_go_first_of_each_user_and_of_all() {
        let mut dedupe = Dedupe::new(1_000, 2, 3);
        for (at, mid) in ["a", "b", "c"].iter().enumerate() {
            note(&mut dedupe, "ann", mid, at as u64, 0);
        }
        assert!(!knows(&dedupe, "ann", "a", 0) && knows(&dedupe, "ann", "b", 0));
        note(&mut dedupe, "bob", "d", 4, 0);
        note(&mut dedupe, "bob", "e", 5, 0);
        assert!(!knows(&dedupe, "ann", "b", 0) && knows(&dedupe, "ann", "c", 0));
        assert!(knows(&dedupe, "bob", "d", 0) && knows(&dedupe, "bob", "e", 0));
        assert_eq!(dedupe.count, 3);
    }
}
