//! What goes out, and what each request was answered.

use super::calls::{Call, Purpose, room_of};
use super::documents;
use super::machine::Machine;
use super::request::{From, Reply, Request, RequestId};
use crate::dialect::json::Json;
use crate::error::{Error, ErrorCode, Refusal};

impl Machine {
    /// Sends what may be sent.
    pub(super) fn flush(&mut self) {
        self.give_up_old_changes();
        if !self.talk.is_open() {
            return;
        }
        let changes = &self.changes;
        let rejoined = self.calls.rejoined_rooms();
        let must_rejoin =
            |body: &Request| room_of(body).is_some_and(|room| rejoined.iter().any(|name| name == room));
        let is_held_up = |id: RequestId, call: &Call| match &call.body {
            body if call.purpose == Purpose::Host && must_rejoin(body) => true,
            // What was to be said there before is said first.
            Request::Leave { room } => {
                let mut before = changes.all().take_while(|(at, _)| *at < id);
                before.any(|(_, change)| room_of(&change.body) == Some(room))
            }
            _ => false,
        };
        let (mut texts, mut is_saved) = (Vec::new(), true);
        while let Some((request, call)) = self.calls.next(self.now_ms, is_held_up) {
            let id = self.talk.new_id();
            self.unanswered.insert(id, request);
            texts.push(documents::request(id, &call.body, None));
        }
        while let Some((request, change)) = self.changes.next(self.now_ms, |change| must_rejoin(&change.body))
        {
            let id = self.talk.new_id();
            self.unanswered.insert(id, request);
            texts.push(documents::request(id, &change.body, Some(&change.mid)));
            is_saved = false;
        }
        if !is_saved {
            self.must_save();
        }
        for text in texts {
            self.say(text);
        }
    }

    /// How long after it was first sent a change may be sent again. A little less than the server says, because what is
    /// sent then has a way to go.
    pub(super) fn sendable_ms(&self) -> u64 {
        let dedupe_ms = self.me().and_then(|me| me.limits.get("dedupe_ms")).copied().unwrap_or(DEDUPE_MS);
        dedupe_ms - (dedupe_ms / 10).min(MAX_MARGIN_MS)
    }

    fn give_up_old_changes(&mut self) {
        let Some(until_ms) = self.now_ms.checked_sub(self.sendable_ms()) else { return };
        for id in self.changes.open_since(until_ms) {
            self.give_up(id, "it was sent, and had no reply for as long as it may be sent again", None);
        }
    }

    /// A change of which nobody knows whether it happened.
    pub(super) fn give_up(&mut self, id: RequestId, words: &str, refusal: Option<Refusal>) {
        if self.changes.take(id).is_some() {
            self.must_save();
            let error = Error::new(ErrorCode::Uncertain, words);
            let error = match refusal {
                Some(refusal) => error.with_refusal(refusal),
                None => error,
            };
            self.answer(id, Err(error));
        }
    }

    /// A reply to anything but `hello`.
    pub(super) fn replied(&mut self, id: u64, result: Result<Json<'_>, Refusal>) {
        let Some(request) = self.unanswered.remove(&id) else { return };
        if self.changes.get(request).is_some() {
            self.change_replied(request, result);
        } else if let Some(call) = self.calls.take(request) {
            match call.purpose {
                Purpose::Host => self.host_replied(request, call.body, result),
                Purpose::Refresh => self.refreshed(result),
                Purpose::CatchUp => self.caught_up(request, call.body, result),
                Purpose::Rejoin => self.rejoined(call.body, result),
            }
        }
        self.flush();
    }

    fn change_replied(&mut self, request: RequestId, result: Result<Json<'_>, Refusal>) {
        let Some(change) = self.changes.get(request) else { return };
        let refusal = match result {
            Ok(ok) => {
                let sent = documents::sent(ok, room_of(&change.body), &change.mid).map(Reply::Sent);
                self.changes.take(request);
                self.must_save();
                return self.answer(request, sent.map_err(unreadable));
            }
            Err(refusal) => refusal,
        };
        let code = ErrorCode::from_number(refusal.number);
        let wait_ms = refusal.retry_after_ms.unwrap_or(RETRY_MS);
        let doubled_ms = wait_ms.max(RETRY_MS << change.refused_count.min(5));
        let is_limited = code == Some(ErrorCode::RateLimited);
        let is_passing = matches!(code, Some(ErrorCode::Busy | ErrorCode::StoreUnavailable));
        if refusal.open == Some(true) {
            // It has a place, and only the same mid once more can say whether it stays.
            self.changes.put_back(request, false, self.now_ms + doubled_ms);
        } else if is_limited {
            self.changes.put_back(request, true, self.now_ms + wait_ms);
            let rate =
                self.me().and_then(|me| me.limits.get("message_rate")).copied().filter(|rate| *rate > 0);
            self.changes.space(rate.map_or(wait_ms, |rate| 1_000_u64.div_ceil(rate)));
        } else if is_passing {
            self.changes.put_back(request, true, self.now_ms + doubled_ms);
        } else if change.open_count > 1 {
            let words = format!("it was sent before and had no reply, and now: {}", refusal.message);
            self.give_up(request, &words, Some(refusal));
        } else {
            self.changes.take(request);
            self.must_save();
            self.answer(request, Err(Error::refused(refusal)));
        }
    }

    fn host_replied(&mut self, request: RequestId, body: Request, result: Result<Json<'_>, Refusal>) {
        let ok = match result {
            Ok(ok) => ok,
            Err(refusal) => {
                // Sent once more after a break, it was done the first time.
                let is_left = matches!(body, Request::Leave { .. })
                    && ErrorCode::from_number(refusal.number) == Some(ErrorCode::NotMember);
                if let (true, Some(room)) = (is_left, room_of(&body)) {
                    self.drop_room(room);
                    return self.answer(request, Ok(Reply::Done));
                }
                return self.answer(request, Err(Error::refused(refusal)));
            }
        };
        if let Request::Join { room, since, .. } = &body {
            return match documents::entered(ok) {
                Ok(entered) => self.joined(request, room, *since, entered),
                Err(why) => self.answer(request, Err(unreadable(why))),
            };
        }
        let reply = match documents::reply(&body, ok) {
            Ok(reply) => reply,
            Err(why) => return self.answer(request, Err(unreadable(why))),
        };
        match (&body, &reply) {
            (Request::Leave { room }, _) => self.drop_room(room),
            (Request::Read { room, .. }, Reply::Read { offset }) => self.set_read(room, *offset),
            (Request::Rename { .. }, Reply::Renamed { name, color }) => self.talk.renamed(name, color),
            (Request::Rooms { .. }, Reply::Rooms { rooms, .. }) => {
                for line in rooms {
                    if let Some(room) = self.rooms.get_mut(&line.room) {
                        room.topic = Some(line.topic.clone());
                        room.with = line.with.clone();
                    }
                }
            }
            (Request::History { room, from: From::Before(before), .. }, Reply::Page(page)) => {
                let max = self.settings.numbers.kept_message_count as usize;
                if let Some(room) = self.rooms.get_mut(room)
                    && room.oldest() == Some(*before)
                {
                    room.prepend(&page.messages, page.position, page.more, max);
                }
            }
            (Request::Refresh { .. }, Reply::Refreshed { expires_at_ms }) => self.expires_at(*expires_at_ms),
            _ => {}
        }
        self.answer(request, Ok(reply));
    }

    pub(super) fn set_read(&mut self, room: &str, offset: u64) {
        let me = self.talk.me.as_ref().map_or("", |me| me.user.as_str());
        if let Some(room) = self.rooms.get_mut(room) {
            room.set_read(offset, me);
        }
    }
}

/// The server's reply cannot be read.
pub(super) fn unreadable(why: documents::Unreadable) -> Error {
    Error::new(ErrorCode::PeerViolation, format!("what the server says cannot be read: {}", why.0))
}

/// For so long a server knows a `mid` that does not say for how long.
const DEDUPE_MS: u64 = 86_400_000;
const MAX_MARGIN_MS: u64 = 60_000;
/// When a server asks to wait and does not say how long.
const RETRY_MS: u64 = 1_000;
