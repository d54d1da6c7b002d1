//! Events as JSON: `["kind", {…}]` each, the object with the core's fields in JavaScript's spelling.

use std::net::SocketAddr;

use klatsch::{ConnectionId, Error, Event, Payload, Question, RoomName, Subject, UserId, UserName};

use crate::error;
use crate::json::{self, Object};
use crate::message;

/// Writes one event at the end of `out`.
pub(crate) fn write(out: &mut Vec<u8>, event: &Event) {
    write_pair(out, event.kind(), |object| add_fields(object, event));
}

/// Writes the end of a stop that was asked for: `["stop_done", {"stopped": …}]`, with `error` where it failed.
/// `stopped`: whether the core told its last event, which this stands for.
pub(crate) fn write_stop_done(out: &mut Vec<u8>, stopped: bool, result: &Result<(), Error>) {
    write_pair(out, "stop_done", |object| {
        let object = object.field("stopped", |out| json::display(out, stopped));
        match result {
            Ok(()) => object,
            Err(error) => add_error(object, error),
        }
    });
}

/// Addresses as an array of `"IP:PORT"`.
pub(crate) fn write_addresses(out: &mut Vec<u8>, addresses: &[SocketAddr]) {
    json::array_into(out, addresses, |out, address| json::plain(out, address));
}

fn write_pair(out: &mut Vec<u8>, kind: &str, add: impl FnOnce(Object<'_>) -> Object<'_>) {
    out.push(b'[');
    json::text(out, kind);
    out.push(b',');
    add(Object::new(out)).end();
    out.push(b']');
}

fn add_fields<'out>(object: Object<'out>, event: &Event) -> Object<'out> {
    match event {
        Event::Started { addresses } => object.field("addresses", |out| write_addresses(out, addresses)),
        Event::Connected { connection, dialect, room, path, address } => {
            let object = object.number("connection", connection.0).text("dialect", dialect.name());
            add_address(add_room(object, room.as_ref()).text("path", path), *address)
        }
        Event::Named { connection, user, name, color } => {
            let object = object.number("connection", connection.0);
            object.text("user", user).text("name", name).text("color", color.name())
        }
        Event::Joined { room, connection, user, name, member_count }
        | Event::Left { room, connection, user, name, member_count } => {
            add_presence(object, room, *connection, user, name).number("memberCount", *member_count)
        }
        Event::Message { connection, message } => message::add_message(object, message)
            .maybe_number("connection", connection.map(|connection| connection.0)),
        Event::Away { user, message } => object
            .text("user", user)
            .field("message", |out| message::add_message(Object::new(out), message).end()),
        Event::Received { connection, payload } => {
            add_payload(object.number("connection", connection.0), payload)
        }
        Event::Disconnected { connection, code, reason } => {
            object.number("connection", connection.0).number("code", u64::from(*code)).text("reason", reason)
        }
        Event::Refused { connection, address, error } => {
            let object = object.maybe_number("connection", connection.map(|connection| connection.0));
            add_error(add_address(object, *address), error)
        }
        Event::Question(question) => add_question(object, question),
        Event::Receipt { room, position, connection_count, sent_count, queued_count, lagging_count } => {
            object
                .text("room", room)
                .field("position", |out| message::write_position(out, *position))
                .number("connectionCount", *connection_count)
                .number("sentCount", *sent_count)
                .number("queuedCount", *queued_count)
                .number("laggingCount", *lagging_count)
        }
        Event::Missed { count } => object.number("count", *count),
        Event::Degraded { error } | Event::Error { error } => add_error(object, error),
        // `stopped`, and whatever the core learns to tell before this door does.
        _ => object,
    }
}

fn add_question<'out>(object: Object<'out>, question: &Question) -> Object<'out> {
    let object = object
        .text("subject", question.subject.name())
        .number("id", question.id.0)
        .number("connection", question.connection.0);
    let object = add_address(object, question.address);
    match &question.subject {
        Subject::Admit { dialect, room, path, query, headers, name, token } => {
            add_room(object.text("dialect", dialect.name()), room.as_ref())
                .text("path", path)
                .text("query", query)
                .field("headers", |out| {
                    json::array_into(out, headers, |out, (name, value)| {
                        json::array_into(out, &[name, value], |out, text| json::text(out, text));
                    });
                })
                .maybe_text("name", name.as_deref())
                .maybe_text("token", token.as_deref())
        }
        Subject::MaySend { room, user, name, text } => {
            object.text("room", room).text("user", user).text("name", name).text("text", text)
        }
        Subject::MayJoin { room, user, name } => object
            .text("room", room)
            .text("user", user)
            .maybe_text("name", name.as_ref().map(UserName::as_str)),
        Subject::Call { user, name, method, data } => object
            .text("user", user)
            .text("name", name)
            .text("method", method)
            .field("data", |out| json::display(out, data)),
        // A subject that this door does not know yet: the other half refuses what it has no handler for.
        _ => object,
    }
}

fn add_presence<'out>(
    object: Object<'out>,
    room: &RoomName,
    connection: ConnectionId,
    user: &UserId,
    name: &UserName,
) -> Object<'out> {
    object.text("room", room).number("connection", connection.0).text("user", user).text("name", name)
}

/// `text`, or `binary` in base64: the other half makes one field `data` of both.
fn add_payload<'out>(object: Object<'out>, payload: &Payload) -> Object<'out> {
    match payload {
        Payload::Text(text) => object.text("text", text),
        Payload::Binary(bytes) => object.field("binary", |out| json::base64(out, bytes)),
    }
}

fn add_room<'out>(object: Object<'out>, room: Option<&RoomName>) -> Object<'out> {
    object.maybe_text("room", room.map(RoomName::as_str))
}

fn add_address(object: Object<'_>, address: Option<SocketAddr>) -> Object<'_> {
    object.field("address", |out| match address {
        Some(address) => json::plain(out, address),
        None => out.extend_from_slice(b"null"),
    })
}

fn add_error<'out>(object: Object<'out>, error: &Error) -> Object<'out> {
    object.field("error", |out| error::write(out, error))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use klatsch::{Color, Dialect, ErrorCode, Extras, Message, More, Position, QuestionId, Reaction};
    use serde_json::{Value, json};

    use super::*;

    fn read(event: &Event) -> Value {
        let mut out = Vec::new();
        write(&mut out, event);
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn every_field_of_the_core_is_there_in_javascripts_spelling() {
        let room = RoomName::new("lobby").unwrap();
        let (user, name) = (UserId::new("u7").unwrap(), UserName::new("Ann").unwrap());
        let address: SocketAddr = "127.0.0.1:9".parse().unwrap();
        let connection = ConnectionId(7);
        let message = Message {
            room: room.clone(),
            position: Position { epoch: 5, offset: 1 },
            user: user.clone(),
            name: name.clone(),
            color: Color::Red,
            at_ms: 1_700_000_000_000,
            text: "<b>".into(),
            more: More::default(),
        };
        let mut extras = Extras::default();
        (extras.reply_to, extras.revision, extras.is_deleted) = (Some(4), 2, true);
        extras.data = Some(r#"{"x":[1.50]}"#.into());
        extras.reactions = vec![Reaction { emoji: "👍".into(), users: vec![user.clone()] }];
        let whole = Message { more: More::new(extras), ..message.clone() };
        let error = || Error::new(ErrorCode::Refused, "no");
        for (event, right) in [
            (Event::Started { addresses: vec![address] }, json!(["started", {"addresses": ["127.0.0.1:9"]}])),
            (
                Event::Connected {
                    connection,
                    dialect: Dialect::Raw,
                    room: None,
                    path: "/x".into(),
                    address: None,
                },
                json!(["connected", {"connection": 7, "dialect": "raw", "room": null, "path": "/x",
                    "address": null}]),
            ),
            (
                Event::Named { connection, user: user.clone(), name: name.clone(), color: Color::Plum },
                json!(["named", {"connection": 7, "user": "u7", "name": "Ann", "color": "plum"}]),
            ),
            (
                Event::Left {
                    room: room.clone(),
                    connection,
                    user: user.clone(),
                    name: name.clone(),
                    member_count: 3,
                },
                json!(["left", {"room": "lobby", "connection": 7, "user": "u7", "name": "Ann",
                    "memberCount": 3}]),
            ),
            (
                Event::Message { connection: None, message: Arc::new(message) },
                json!(["message", {"connection": null, "room": "lobby", "position": {"epoch": 5, "offset": 1},
                    "user": "u7", "name": "Ann", "color": "red", "atMs": 1_700_000_000_000_u64, "text": "<b>"}]),
            ),
            (
                Event::Away { user: UserId::new("bob-1").unwrap(), message: Arc::new(whole) },
                json!(["away", {"user": "bob-1", "message": {"room": "lobby",
                    "position": {"epoch": 5, "offset": 1}, "user": "u7", "name": "Ann", "color": "red",
                    "atMs": 1_700_000_000_000_u64, "text": "<b>", "replyTo": 4, "data": {"x": [1.5]},
                    "revision": 2, "deleted": true, "reactions": [{"emoji": "👍", "users": ["u7"]}]}}]),
            ),
            (
                Event::Received { connection, payload: Payload::Binary(vec![0, 255]) },
                json!(["received", {"connection": 7, "binary": "AP8="}]),
            ),
            (
                Event::Disconnected { connection, code: 1006, reason: String::new() },
                json!(["disconnected", {"connection": 7, "code": 1006, "reason": ""}]),
            ),
            (
                Event::Refused { connection: None, address: Some(address), error: error() },
                json!(["refused", {"connection": null, "address": "127.0.0.1:9",
                    "error": {"code": "refused", "message": "no"}}]),
            ),
            (
                Event::Question(Question {
                    id: QuestionId(4),
                    connection,
                    address: None,
                    subject: Subject::Admit {
                        dialect: Dialect::Tutorial,
                        room: Some(room.clone()),
                        path: "/".into(),
                        query: "room=lobby".into(),
                        headers: vec![("host".into(), "x".into())],
                        name: None,
                        token: Some("t0k3n".into()),
                    },
                }),
                json!(["question", {"subject": "admit", "id": 4, "connection": 7, "address": null,
                    "dialect": "tutorial", "room": "lobby", "path": "/", "query": "room=lobby",
                    "headers": [["host", "x"]], "name": null, "token": "t0k3n"}]),
            ),
            (
                Event::Receipt {
                    room: room.clone(),
                    position: Position { epoch: 5, offset: 2 },
                    connection_count: 10,
                    sent_count: 5,
                    queued_count: 3,
                    lagging_count: 1,
                },
                json!(["receipt", {"room": "lobby", "position": {"epoch": 5, "offset": 2},
                    "connectionCount": 10, "sentCount": 5, "queuedCount": 3, "laggingCount": 1}]),
            ),
            (
                Event::Question(Question {
                    id: QuestionId(5),
                    connection,
                    address: Some(address),
                    subject: Subject::MaySend { room, user, name, text: "hi".into() },
                }),
                json!(["question", {"subject": "may_send", "id": 5, "connection": 7,
                    "address": "127.0.0.1:9", "room": "lobby", "user": "u7", "name": "Ann", "text": "hi"}]),
            ),
            (
                Event::Question(Question {
                    id: QuestionId(6),
                    connection,
                    address: None,
                    subject: Subject::MayJoin {
                        room: RoomName::new("den").unwrap(),
                        user: UserId::new("u7").unwrap(),
                        name: None,
                    },
                }),
                json!(["question", {"subject": "may_join", "id": 6, "connection": 7, "address": null,
                    "room": "den", "user": "u7", "name": null}]),
            ),
            (
                Event::Question(Question {
                    id: QuestionId(7),
                    connection,
                    address: None,
                    subject: Subject::Call {
                        user: UserId::new("u7").unwrap(),
                        name: UserName::new("Ann").unwrap(),
                        method: "weather".into(),
                        data: "[\"Wien\", null]".into(),
                    },
                }),
                json!(["question", {"subject": "call", "id": 7, "connection": 7, "address": null,
                    "user": "u7", "name": "Ann", "method": "weather", "data": ["Wien", null]}]),
            ),
            (Event::Missed { count: 12 }, json!(["missed", {"count": 12}])),
            (
                Event::Degraded { error: error() },
                json!(["degraded", {"error": {"code": "refused", "message": "no"}}]),
            ),
            (Event::Stopped, json!(["stopped", {}])),
        ] {
            assert_eq!(read(&event), right);
        }
    }
}
