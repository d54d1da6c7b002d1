//! What was sent under which id, so that what is sent again has one place only.

use crate::chat::{Seen, Sent};
use crate::id::{Mid, Position, RoomName, UserId};

use super::table::{Key, Keys, NOWHERE, Place, Table};

/// What users sent, for a time, and so many of each user and of all.
///
/// Names are not kept, only their keys: what was sent takes about 93 bytes, however long its user, room and mid are called.
#[derive(Debug)]
pub(super) struct Dedupe {
    keys: Keys,
    said: Table<Said>,
    users: Table<BySender>,
    /// The oldest and the newest of all.
    first: Place,
    last: Place,
    keep_ms: u64,
    max_user_count: usize,
    max_count: usize,
}

/// One thing that was sent: a value in two queues, that of all and that of its user. It is the oldest of its user when
/// it goes, so only in the queue of all can it go from the middle.
#[derive(Clone, Copy, Debug)]
struct Said {
    position: Position,
    at_ms: u64,
    at_ticks_ms: u64,
    /// In two halves: a whole one would be aligned to 16 bytes and make every slot as much larger.
    content: [u64; 2],
    user: Place,
    /// The next one of the same user.
    next: Place,
    /// What came before and behind it, of whomever.
    before: Place,
    behind: Place,
}

/// What is known of one user: never none.
#[derive(Clone, Copy, Debug)]
struct BySender {
    first: Place,
    last: Place,
    count: u32,
}

impl Dedupe {
    /// Keeps what was sent within `keep_ms`.
    pub(super) fn new(keep_ms: u64, max_user_count: usize, max_count: usize) -> Dedupe {
        Dedupe {
            keys: Keys::default(),
            said: Table::default(),
            users: Table::default(),
            first: NOWHERE,
            last: NOWHERE,
            keep_ms,
            max_user_count,
            max_count,
        }
    }

    /// Notes what was sent. If it was noted before, as after a log has lost it, the newest counts.
    pub(super) fn note(&mut self, room: &RoomName, sent: Sent, seen: Seen, now_ms: u64) {
        self.expire(now_ms);
        let key = self.key(room, &sent.user, &sent.mid);
        let user_key = self.keys.key(&[&sent.user]);
        let none = BySender { first: NOWHERE, last: NOWHERE, count: 0 };
        let user = self.users.find(user_key).unwrap_or_else(|| self.users.insert(user_key, none));
        let said = Said {
            position: seen.position,
            at_ms: seen.at_ms,
            at_ticks_ms: now_ms,
            content: [(seen.content >> 64) as u64, seen.content as u64],
            user,
            next: NOWHERE,
            before: self.last,
            behind: NOWHERE,
        };
        let place = self.said.insert(key, said);
        match std::mem::replace(&mut self.last, place) {
            NOWHERE => self.first = place,
            last => self.said[last].behind = place,
        }
        let by_sender = &mut self.users[user];
        by_sender.count += 1;
        match std::mem::replace(&mut by_sender.last, place) {
            NOWHERE => by_sender.first = place,
            last => self.said[last].next = place,
        }
        let BySender { first, count, .. } = *by_sender;
        if count as usize > self.max_user_count {
            self.drop_users_oldest(first);
        }
        while self.said.count() > self.max_count {
            self.drop_users_oldest(self.first);
        }
    }

    pub(super) fn seen(&self, room: &RoomName, user: &UserId, mid: &Mid, now_ms: u64) -> Option<Seen> {
        let said = &self.said[self.said.find(self.key(room, user, mid))?];
        let [high, low] = said.content;
        let content = u128::from(high) << 64 | u128::from(low);
        let is_young = now_ms.saturating_sub(said.at_ticks_ms) < self.keep_ms;
        is_young.then_some(Seen { position: said.position, at_ms: said.at_ms, content })
    }

    fn key(&self, room: &RoomName, user: &UserId, mid: &Mid) -> Key {
        self.keys.key(&[user, room, mid])
    }

    /// Drops what is too old, some of it at each call: a whole day's would hold up the others. What is left of it is
    /// not [`seen`](Dedupe::seen), and first to go when there is too much.
    fn expire(&mut self, now_ms: u64) {
        for _ in 0..MAX_EXPIRED_COUNT {
            if self.first == NOWHERE
                || now_ms.saturating_sub(self.said[self.first].at_ticks_ms) < self.keep_ms
            {
                return;
            }
            self.drop_users_oldest(self.first);
        }
    }

    /// Drops what stands at a place: the oldest of a user, as the oldest of all is too.
    fn drop_users_oldest(&mut self, place: Place) {
        let Said { user, next, before, behind, .. } = self.said.remove(place);
        match before {
            NOWHERE => self.first = behind,
            before => self.said[before].behind = behind,
        }
        match behind {
            NOWHERE => self.last = before,
            behind => self.said[behind].before = before,
        }
        let by_sender = &mut self.users[user];
        by_sender.first = next;
        by_sender.count -= 1;
        if by_sender.count == 0 {
            self.users.remove(user);
        }
    }
}

/// How much of what is too old goes when something is sent: more than comes, so that nothing gathers.
const MAX_EXPIRED_COUNT: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!((dedupe.said.count(), dedupe.users.count()), (1, 1));
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
        assert_eq!(dedupe.said.count(), 3);
    }

    #[test]
    fn what_is_sent_again_after_a_loss_is_known_by_its_new_place_as_long_as_that_is_young() {
        let mut dedupe = Dedupe::new(1_000, 2, 10);
        note(&mut dedupe, "ann", "a", 1, 0);
        note(&mut dedupe, "ann", "a", 2, 500);
        let place = |dedupe: &Dedupe, now_ms| {
            dedupe.seen(&room(), &user("ann"), &Mid::new("a"), now_ms).map(|seen| seen.position.offset)
        };
        assert_eq!(place(&dedupe, 500), Some(2));
        // The first one goes, by its age and by a third one.
        note(&mut dedupe, "ann", "b", 3, 1_000);
        assert_eq!(place(&dedupe, 1_000), Some(2));
        note(&mut dedupe, "ann", "c", 4, 1_000);
        assert_eq!(place(&dedupe, 1_000), None);
    }

    #[test]
    fn a_day_that_is_over_goes_in_small_parts_and_nothing_of_it_is_known() {
        let mut dedupe = Dedupe::new(1_000, 10_000, 10_000);
        (0..10_000).for_each(|n| note(&mut dedupe, "ann", &n.to_string(), n, 0));
        for n in 0..1_000 {
            note(&mut dedupe, "bob", &n.to_string(), n, 1_000);
            assert!(!knows(&dedupe, "ann", "9999", 1_000));
            assert!(10_000 - dedupe.said.count() <= 16 * (n as usize + 1), "too many at once");
        }
        assert_eq!((dedupe.said.count(), dedupe.users.count()), (1_000, 1));
    }

    #[test]
    fn who_sends_without_end_takes_no_more_than_the_most_of_one_user() {
        let mut dedupe = Dedupe::new(1_000, 1_000, 1_000_000);
        note(&mut dedupe, "ann", "the first of all", 0, 0);
        (0..1_000).for_each(|n| note(&mut dedupe, "bob", &n.to_string(), n, 0));
        let held = |dedupe: &Dedupe| dedupe.said.held_bytes() + dedupe.users.held_bytes();
        let full = held(&dedupe);
        (1_000..20_000).for_each(|n| note(&mut dedupe, "bob", &n.to_string(), n, 0));
        assert!(knows(&dedupe, "ann", "the first of all", 0) && knows(&dedupe, "bob", "19000", 0));
        assert_eq!(held(&dedupe), full);
    }

    #[test]
    fn what_was_sent_takes_as_much_as_the_readme_says() {
        for (users, each) in [(100, 96), (100_000, 132)] {
            let mut dedupe = Dedupe::new(1_000, 10_000, 1_000_000);
            let mid = "f".repeat(64);
            (0..100_000).for_each(|n| note(&mut dedupe, &format!("u{}", n % users), &mid, n, 0));
            let held = dedupe.said.held_bytes() + dedupe.users.held_bytes();
            assert!(held <= 100_000 * each, "{held} bytes for 100,000 of {users} users");
        }
    }

    /// The same by a list, oldest first.
    struct Model {
        said: Vec<(String, RoomName, String, Seen, u64)>,
        bounds: (u64, usize, usize),
    }

    impl Model {
        fn note(&mut self, room: &RoomName, id: &str, mid: &str, seen: Seen, now_ms: u64) {
            let (keep_ms, max_user_count, max_count) = self.bounds;
            self.said.retain(|said| now_ms - said.4 < keep_ms);
            self.said.push((id.into(), room.clone(), mid.into(), seen, now_ms));
            if self.said.iter().filter(|said| said.0 == id).count() > max_user_count {
                let oldest = self.said.iter().position(|said| said.0 == id);
                self.said.remove(oldest.unwrap());
            }
            let over = self.said.len().saturating_sub(max_count);
            self.said.drain(..over);
        }

        fn seen(&self, room: &RoomName, id: &str, mid: &str, now_ms: u64) -> Option<Seen> {
            let newest = self.said.iter().rfind(|said| (&*said.0, &said.1, &*said.2) == (id, room, mid))?;
            (now_ms - newest.4 < self.bounds.0).then_some(newest.3)
        }
    }

    #[test]
    fn whatever_is_sent_in_whatever_order_it_knows_what_a_list_would() {
        let rooms = ["lobby", "den"].map(|name| RoomName::new(name).unwrap());
        for seed in 1..=200_u64 {
            let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let mut below = |count: u64| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state % count
            };
            let bounds = (1 + below(300), 1 + below(12) as usize, 1 + below(40) as usize);
            let mut dedupe = Dedupe::new(bounds.0, bounds.1, bounds.2);
            let mut model = Model { said: Vec::new(), bounds };
            let (user_count, mid_count, mut now_ms) = (1 + below(6), 1 + below(20), 0);
            for offset in 1..300 {
                now_ms += if below(40) == 0 { below(600) } else { below(10) };
                let (id, mid) = (format!("u{}", below(user_count)), below(mid_count).to_string());
                let (room, content) = (&rooms[below(2) as usize], u128::from(below(9)) << 64 | 5);
                let seen = Seen { position: Position { epoch: seed, offset }, at_ms: offset + 1, content };
                let sent = Sent { user: user(&id), mid: Mid::new(&mid), content };
                dedupe.note(room, sent, seen, now_ms);
                model.note(room, &id, &mid, seen, now_ms);
                let later = now_ms + below(400);
                for room in &rooms {
                    for (n, m) in (0..user_count).flat_map(|n| (0..mid_count).map(move |m| (n, m))) {
                        let (id, mid) = (format!("u{n}"), m.to_string());
                        let known = dedupe.seen(room, &user(&id), &Mid::new(&mid), later);
                        assert_eq!(known, model.seen(room, &id, &mid, later), "seed {seed}, {id} {mid}");
                    }
                }
                assert!(dedupe.said.count() <= bounds.2 && dedupe.users.count() <= dedupe.said.count());
            }
        }
    }
}
