//! What clients of the tutorial dialect say: a name, and then texts.

use std::sync::Arc;

use crate::close::Cause;
use crate::command::Command;
use crate::error::{Error, ErrorCode};
use crate::event::Event;
use crate::id::{ConnectionId, UserId};

use super::connection::Who;
use super::effect::{Effect, Flow};
use super::names::chosen;
use super::post::Saying;
use super::room::RoomKey;
use super::{Chat, Moment};

impl Chat {
    /// Does what a client asks for.
    pub(crate) fn command(
        &mut self,
        connection: ConnectionId,
        command: Command<'_>,
        at: &mut Moment<'_>,
    ) -> Flow {
        let Some(known) = self.connections.get(&connection) else { return Flow::Go };
        match (command, known.who.clone()) {
            (Command::Name(_), Some(who)) => {
                at.push(Effect::Color { connection, color: who.color });
                Flow::Go
            }
            (Command::Name(name), None) => match chosen(name) {
                Ok(name) => {
                    let name = self.names.free(name, None);
                    let color = self.palette.next();
                    let user = UserId::of_connection(connection);
                    at.push(Effect::Color { connection, color });
                    self.introduce(connection, Arc::new(Who { user, name, color }), false, at);
                    Flow::Go
                }
                Err(error) => {
                    self.close(connection, Cause::BadName, &error.message(), at);
                    Flow::Discard
                }
            },
            (Command::Say(text), Some(who)) => self.say(connection, &who, text, at),
            (Command::Say(_), None) => Flow::Go,
        }
    }

    fn say(&mut self, connection: ConnectionId, who: &Arc<Who>, text: &str, at: &mut Moment<'_>) -> Flow {
        let Some(key) = self.connections.get(&connection).and_then(|known| known.room()) else {
            return Flow::Go;
        };
        if let Err(error) = self.check_text(text) {
            self.close(connection, Cause::TooLong, &error.message(), at);
            return Flow::Discard;
        }
        let mut next_at_ms = match self.count(connection, who, at) {
            Ok(next_at_ms) => next_at_ms,
            Err(reason) => {
                self.close(connection, Cause::Flood, &reason, at);
                return Flow::Discard;
            }
        };
        if self.rooms.get(key).rules.is_some() {
            if let Err(error) = self.check_speech(key, &who.user, at) {
                self.tell_refused(connection, error, at);
                return Flow::Go;
            }
            match self.slow_down(key, who, at) {
                Some(pause_ms) => next_at_ms = next_at_ms.max(pause_ms),
                None => {
                    self.close(connection, Cause::Flood, "the room is in slow mode: this was too soon", at);
                    return Flow::Discard;
                }
            }
        }
        let saying = Saying::plain(text.to_owned());
        if self.settings.ask_may_send {
            return match self.ask_may_send(connection, who, self.spot(key), saying, at) {
                Ok(()) => Flow::Hold,
                Err(error) => {
                    self.tell_refused(connection, error, at);
                    Flow::Go
                }
            };
        }
        self.place(key, who, saying, Some(connection), at);
        match next_at_ms > at.now.ticks_ms {
            true => Flow::PauseUntil(next_at_ms),
            false => Flow::Go,
        }
    }

    /// Counts what is said in slow mode. Gives until when its connection is not to be read; `None`: it was too soon.
    fn slow_down(&mut self, key: RoomKey, who: &Who, at: &Moment<'_>) -> Option<u64> {
        let role = self.role_in(key, &who.user);
        let rules = self.rooms.get_mut(key).rules();
        rules.speak(&who.user, role, at.now.ticks_ms).ok()?;
        // Read later, the next one is not too soon, unless that would be too late.
        let slow_ms = rules.pause_ms(role).min(MAX_THROTTLED_MS);
        Some(at.now.ticks_ms + slow_ms)
    }

    /// Counts one message of a user. Gives when the next may come, in ticks.
    ///
    /// # Errors
    /// Words: the user has been too fast for too long.
    fn count(&mut self, connection: ConnectionId, who: &Who, at: &Moment<'_>) -> Result<u64, String> {
        let rate = self.settings.message_rate;
        let now_ms = at.now.ticks_ms;
        let sent = match self.users.get_mut(&who.user) {
            Some(user) => &mut user.sent,
            None => match self.connections.get_mut(&connection) {
                Some(known) => &mut known.sent,
                None => return Ok(now_ms),
            },
        };
        if sent.bucket.has_recovered(rate, now_ms) {
            sent.recover();
        }
        sent.bucket.take(rate, now_ms);
        let next_at_ms = sent.bucket.next_at_ms(rate, now_ms);
        if next_at_ms > now_ms {
            let since = sent.throttle(now_ms);
            if now_ms.saturating_sub(since) > MAX_THROTTLED_MS {
                let per_second = rate.per_second;
                return Err(format!("more than {per_second} messages a second for over 10 seconds"));
            }
        }
        Ok(next_at_ms)
    }

    /// Tells the host what was refused to a client whose dialect has no words for that.
    pub(super) fn tell_refused(&self, connection: ConnectionId, error: Error, at: &mut Moment<'_>) {
        let address = self.address_of(connection);
        at.push(Effect::Tell(Event::Refused { connection: Some(connection), address, error }));
    }

    pub(super) fn check_text(&self, text: &str) -> Result<(), Error> {
        let max = self.settings.max_text_bytes;
        if text.trim().is_empty() {
            return Err(Error::new(ErrorCode::EmptyText, "the text is empty or blank; say something"));
        }
        if text.len() as u64 > max {
            let words = format!("the text has {} bytes; max_text_bytes is {max}", text.len());
            return Err(Error::new(ErrorCode::TooLong, words));
        }
        Ok(())
    }
}

const MAX_THROTTLED_MS: u64 = 10_000;
