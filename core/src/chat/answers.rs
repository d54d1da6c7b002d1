//! What becomes of what waited for the host.

use crate::close::Cause;
use crate::error::{Error, ErrorCode};
use crate::event::{Admission, Verdict};
use crate::id::{ConnectionId, QuestionId, RoomName, UserId, UserName};
use crate::push::reply::{Refusal, Reply};

use super::effect::{Effect, Flow, Given};
use super::hello::unheard;
use super::post::Saying;
use super::requests::{Open, Spot, Waiting};
use super::talk::{Caller, Outcome, refused};
use super::{Chat, Moment, NOT_ASKED};

impl Given {
    /// # Errors
    /// `bad_name`, `bad_room_name`.
    pub(crate) fn new(admission: Admission) -> Result<Given, Error> {
        let Admission { user, name, role, rooms, expires_at_ms } = admission;
        Ok(Given {
            user: user.map(|user| UserId::given(&user)).transpose()?,
            name: UserName::new(&name)?,
            role,
            rooms: rooms.iter().map(|room| RoomName::new(room)).collect::<Result<_, _>>()?,
            expires_at_ms,
        })
    }
}

impl Chat {
    /// Carries out the host's answer to a question.
    ///
    /// # Errors
    /// `unknown_question`; `wrong_verdict`, `bad_name`, `bad_room_name`, `empty_text`, `too_long`, `invalid_argument`: the
    /// question is still open.
    pub(crate) fn answer(
        &mut self,
        id: QuestionId,
        verdict: Verdict,
        at: &mut Moment<'_>,
    ) -> Result<(), Error> {
        let open = self.requests.get(id).ok_or_else(|| {
            Error::new(
                ErrorCode::UnknownQuestion,
                format!("question {} is not open: it was answered, its time ran out, or it never was", id.0),
            )
        })?;
        let verdict = self.checked(open, verdict)?;
        if let Some(open) = self.requests.close(id) {
            self.answered(open, verdict, at);
        }
        Ok(())
    }

    /// # Errors
    /// As [`answer`](Chat::answer).
    fn checked(&self, open: &Open, verdict: Verdict) -> Result<Checked, Error> {
        let question = match &open.waiting {
            Waiting::Admit { .. } | Waiting::Hello { .. } | Waiting::Refresh { .. } => "admit",
            Waiting::Enter { .. } | Waiting::Join { .. } => "may_join",
            Waiting::Send { .. } => "may_send",
            Waiting::Call { .. } => "call",
        };
        match (question, verdict) {
            ("admit" | "may_join" | "may_send", Verdict::Allow) => Ok(Checked::Yes),
            ("admit", Verdict::AllowAs(admission)) => Ok(Checked::Is(Given::new(admission)?)),
            ("may_send", Verdict::Rewrite(text)) => {
                self.check_text(&text)?;
                Ok(Checked::Rewritten(text))
            }
            ("call", Verdict::Answer(data)) => {
                let (len, max) = (data.len() as u64, self.settings.max_data_bytes);
                if len > max {
                    let words = format!("the answer has {len} bytes; max_data_bytes is {max}");
                    return Err(Error::new(ErrorCode::TooLong, words));
                }
                Ok(Checked::Said(data))
            }
            (_, Verdict::Refuse(reason)) => Ok(Checked::No(reason)),
            (_, verdict) => Err(wrong_verdict(&verdict, question)),
        }
    }

    fn answered(&mut self, open: Open, verdict: Checked, at: &mut Moment<'_>) {
        let connection = open.connection;
        let given = match verdict {
            Checked::No(reason) => return self.refused(open, No::Said(&reason), at),
            Checked::Is(given) => Some(given),
            Checked::Yes => None,
            Checked::Rewritten(text) => return self.sent(open, Some(text), at),
            Checked::Said(data) => {
                if let Waiting::Call { id } = open.waiting {
                    self.go_on(connection, id, Ok(Outcome::Done(None, Reply::Called { data })), at);
                }
                return;
            }
        };
        match open.waiting {
            Waiting::Admit { address, room } => self.ask_room(connection, address, room, given, at),
            Waiting::Enter { given } => at.push(Effect::Admitted { connection, given }),
            Waiting::Hello { id, greeting } => {
                let flow = self.greeted(connection, id, *greeting, given, at);
                self.read_on(connection, flow, at);
            }
            Waiting::Refresh { id } => {
                if let Some(caller) = self.caller(connection, id) {
                    let result = self.refreshed(&caller, given, at);
                    self.go_on(connection, id, result, at);
                }
            }
            Waiting::Join { id, ref wish } => {
                if let Some(caller) = self.caller(connection, id) {
                    let result = self.join_now(&caller, wish, at);
                    self.go_on(connection, id, result, at);
                }
            }
            Waiting::Send { .. } => self.sent(open, None, at),
            Waiting::Call { .. } => {}
        }
    }

    /// Refuses what a question was about, because the host could not be asked.
    pub(crate) fn unanswered(&mut self, id: QuestionId, at: &mut Moment<'_>) {
        if let Some(open) = self.requests.close(id) {
            self.refused(open, No::Unheard(NOT_ASKED), at);
        }
    }

    /// What waited for the host gets its place now, with its text or another.
    fn sent(&mut self, open: Open, rewritten: Option<String>, at: &mut Moment<'_>) {
        let connection = open.connection;
        let Waiting::Send { spot, mut saying } = open.waiting else { return };
        if let Some(text) = rewritten {
            saying.text = text;
        }
        let id = saying.id;
        if let Some(caller) = self.caller(connection, id) {
            let result = self.send_late(&caller, spot, saying, at);
            return self.go_on(connection, id, result, at);
        }
        // A client of the tutorial is in its one room as long as it is here.
        let known = self.connections.get(&connection).filter(|known| !known.is_talk());
        if let (Some(who), Spot::Room { key, .. }) = (known.and_then(|known| known.who.clone()), spot) {
            self.place(key, &who, saying, Some(connection), at);
            self.release(connection, at);
        }
    }

    /// Meanwhile a user may have been taken out of the room, or muted there.
    fn send_late(
        &mut self,
        caller: &Caller,
        spot: Spot,
        saying: Saying,
        at: &mut Moment<'_>,
    ) -> Result<Outcome, Refusal> {
        let key = match spot {
            Spot::Room { key, born } => {
                let session = self.sessions.get(caller.session);
                let is_in = session.is_some_and(|session| session.rooms.contains(&key));
                if !is_in || self.rooms.get(key).born != born {
                    return Err(refused(ErrorCode::NotMember, "you are not in that room any more"));
                }
                key
            }
            Spot::With(other) => self.direct_room(caller, &other, at)?,
        };
        self.check_speech(key, &caller.who.user, at)?;
        self.place_late(key, &caller.who.clone(), saying, caller.connection, at)
    }

    pub(super) fn refused(&mut self, open: Open, no: No<'_>, at: &mut Moment<'_>) {
        let connection = open.connection;
        let (No::Said(reason) | No::Unheard(reason)) = no;
        // Who is not let in goes by the reason: an answer may come another time.
        let (refusal, cause) = match no {
            No::Said(reason) => (refused(ErrorCode::Unauthorized, reason), Some(Cause::Unauthorized)),
            No::Unheard(reason) => unheard(reason),
        };
        let no = || refused(ErrorCode::Refused, reason);
        match open.waiting {
            Waiting::Admit { .. } | Waiting::Enter { .. } => {
                at.push(Effect::Denied { connection, reason: reason.to_owned() });
            }
            Waiting::Hello { id, .. } => {
                self.rejected(connection, id, (refusal, cause), at);
            }
            Waiting::Refresh { id } => self.go_on(connection, id, Err(refusal), at),
            Waiting::Join { id, .. } | Waiting::Call { id } => self.go_on(connection, id, Err(no()), at),
            Waiting::Send { saying, .. } => {
                if self.connections.get(&connection).is_some_and(|known| known.is_talk()) {
                    return self.go_on(connection, saying.id, Err(no()), at);
                }
                let error = Error::new(ErrorCode::Refused, format!("a message was refused: {reason}"));
                self.tell_refused(connection, error, at);
                self.release(connection, at);
            }
        }
    }

    /// Who a v1 connection is that waited for the host.
    fn caller(&self, connection: ConnectionId, id: Option<u64>) -> Option<Caller> {
        let known = self.connections.get(&connection)?;
        Some(Caller { connection, id, session: known.session()?, who: known.who.clone()? })
    }

    /// Answers a v1 connection that waited for the host, and goes on with it.
    fn go_on(
        &mut self,
        connection: ConnectionId,
        id: Option<u64>,
        result: Result<Outcome, Refusal>,
        at: &mut Moment<'_>,
    ) {
        // Who is about to be closed is answered no more.
        if self.connections.get(&connection).is_none_or(|known| known.is_gone()) {
            return;
        }
        let flow = self.settle(connection, id, result, at);
        self.read_on(connection, flow, at);
    }

    /// Has a v1 connection read that was held.
    fn read_on(&self, connection: ConnectionId, flow: Flow, at: &mut Moment<'_>) {
        // A long reply has seen to it already.
        if flow == Flow::Go {
            at.push(Effect::Release { connection, at_ms: at.now.ticks_ms });
        }
    }

    /// Lets a held connection go on, at the rate of its user.
    fn release(&mut self, connection: ConnectionId, at: &mut Moment<'_>) {
        let Some(known) = self.connections.get(&connection) else { return };
        let user = known.who.as_ref().and_then(|who| self.users.get(&who.user));
        let sent = user.map_or(&known.sent, |user| &user.sent);
        let at_ms = sent.bucket.next_at_ms(self.settings.message_rate, at.now.ticks_ms);
        at.push(Effect::Release { connection, at_ms });
    }
}

/// Why what was asked for is not to be.
#[derive(Clone, Copy, Debug)]
pub(super) enum No<'a> {
    /// The host's words.
    Said(&'a str),
    /// The host did not hear the question, or did not answer in time.
    Unheard(&'a str),
}

/// A verdict that fits its question.
enum Checked {
    Yes,
    Is(Given),
    Rewritten(String),
    Said(String),
    No(String),
}

fn wrong_verdict(verdict: &Verdict, question: &str) -> Error {
    let name = match verdict {
        Verdict::Allow => "allow",
        Verdict::AllowAs(_) => "allow_as",
        Verdict::Rewrite(_) => "rewrite",
        Verdict::Answer(_) => "answer",
        Verdict::Refuse(_) => "refuse",
    };
    Error::new(ErrorCode::WrongVerdict, format!("{name} does not answer the question {question}"))
}
