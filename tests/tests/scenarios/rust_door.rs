//! The Rust door: the crate itself.

use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use klatsch::{
    Admission, ConnectionId, Engine, Error, Event, Limits, Moderation, NUMBER_OPTIONS, Options, Payload,
    QuestionId, Role, RoomOptions, Subject, UserId, Verdict,
};
use klatsch_tests::driver::{Door, Fields, Refusal};
use klatsch_tests::scenario::from_hex;

#[derive(Default)]
pub(crate) struct RustDoor {
    options: Options,
    engine: Option<Engine>,
    events: Option<Receiver<Fields>>,
}

impl Door for RustDoor {
    fn call(&mut self, command: &[&str]) -> Result<Fields, Refusal> {
        self.carry_out(command)
            .map_err(|error| Refusal { code: error.code().name().into(), words: error.message() })
    }

    fn event(&mut self, deadline: Duration) -> Option<Fields> {
        self.events.as_ref()?.recv_timeout(deadline).ok()
    }
}

impl RustDoor {
    fn carry_out(&mut self, command: &[&str]) -> Result<Fields, Error> {
        match command {
            ["option", name, values @ ..] => self.set(name, values)?,
            ["new"] => self.make()?,
            _ => return self.call_engine(command),
        }
        Ok(Fields::new())
    }

    fn set(&mut self, name: &str, values: &[&str]) -> Result<(), Error> {
        let options = std::mem::take(&mut self.options);
        let on = values == ["true"];
        self.options = match (name, values) {
            ("listen", [address]) => options.listen(*address),
            ("path", [path]) => options.path(*path),
            ("raw", [path, subprotocol]) => options.raw(*path, *subprotocol),
            ("allow_origin", [origin]) => options.allow_origin(*origin),
            ("allow_host", [host]) => options.allow_host(*host),
            ("trusted_proxy", [network]) => options.trusted_proxy(*network),
            ("host_name", [host_name]) => options.host_name(*host_name),
            ("host_color", [color]) => options.host_color(*color),
            ("reserve_name", [name]) => options.reserve_name(*name),
            ("limits", [limits]) => options.limits(Limits::from_name(limits)?),
            ("adopt_only", [_]) => options.adopt_only(on),
            ("tutorial", [_]) => options.tutorial(on),
            ("v1", [_]) => options.v1(on),
            ("accept_unknown_subprotocol", [_]) => options.accept_unknown_subprotocol(on),
            ("restarts", [_]) => options.restarts(on),
            ("page", [_]) => options.page(on),
            ("require_origin", [_]) => options.require_origin(on),
            ("ask_admit", [_]) => options.ask_admit(on),
            ("ask_may_send", [_]) => options.ask_may_send(on),
            ("receipts", [_]) => options.receipts(on),
            ("ask_may_join", [_]) => options.ask_may_join(on),
            ("ask_call", [_]) => options.ask_call(on),
            ("repeat_given_names", [_]) => options.repeat_given_names(on),
            (_, [value]) if NUMBER_OPTIONS.iter().any(|option| option.name == name) => {
                let mut options = options;
                options.set_number(name, value.parse().expect("a number option has a number"))?;
                options
            }
            _ => panic!("there is no option {name} with {values:?}"),
        };
        Ok(())
    }

    fn make(&mut self) -> Result<(), Error> {
        let engine = Engine::new(self.options.clone())?;
        let mut events = engine.events()?;
        let (sender, receiver) = mpsc::channel();
        // It ends with the engine.
        std::thread::spawn(move || {
            while let Some(event) = events.next_blocking() {
                if sender.send(fields(&event)).is_err() {
                    break;
                }
            }
        });
        self.engine = Some(engine);
        self.events = Some(receiver);
        Ok(())
    }

    fn call_engine(&self, command: &[&str]) -> Result<Fields, Error> {
        let engine = self.engine.as_ref().expect("the engine is made before it is used");
        let mut reply = Fields::new();
        match command {
            ["start"] => reply.extend(engine.start()?.iter().map(ToString::to_string)),
            ["stop", grace] => engine.stop_blocking(Duration::from_millis(number(grace)))?,
            ["broadcast", room, text] => reply.push(engine.broadcast(room, text)?.offset.to_string()),
            ["send", room, user, text] => reply.push(engine.send(room, user, text)?.offset.to_string()),
            ["edit", room, offset, text] => {
                reply.push(engine.edit(room, number(offset), text)?.offset.to_string());
            }
            ["delete", room, offset] => reply.push(engine.delete(room, number(offset))?.offset.to_string()),
            ["broadcast_all", text] => engine.broadcast_all(text)?,
            ["tell", connection, kind, data] => engine.tell(id(connection), payload(kind, data))?,
            ["tell_room", room, kind, data] => engine.tell_room(room, payload(kind, data))?,
            ["tell_all", kind, data] => engine.tell_all(payload(kind, data))?,
            ["kick", connection, reason] => engine.kick(id(connection), reason)?,
            ["tell_user", user, text] => engine.tell_user(user, text)?,
            ["moderate", room, act, user, value] => {
                reply.push(engine.moderate(room, moderation(act, user, value)?)?.offset.to_string());
            }
            ["join", room, user] => engine.join(room, user)?,
            ["leave", room, user] => engine.leave(room, user)?,
            ["set_room", room, private, read_only, max_member_count, history_kept] => {
                let options = RoomOptions {
                    private: given(private).map(|on| on == "true"),
                    read_only: given(read_only).map(|on| on == "true"),
                    max_member_count: given(max_member_count).map(number),
                    history_kept: given(history_kept).map(number),
                };
                engine.set_room(room, &options)?;
            }
            ["ticket", ttl_ms, admission @ ..] => {
                reply.push(engine.ticket(read_admission(admission), number(ttl_ms))?);
            }
            ["ban", user, seconds] => engine.ban(user, given(seconds).map(number))?,
            ["ban_address", address, seconds] => {
                let address = address.parse().expect("an address is an IP address");
                engine.ban_address(address, given(seconds).map(number))?;
            }
            ["rooms"] => {
                for room in engine.rooms()? {
                    reply.extend([room.name.to_string(), room.member_count.to_string()]);
                    reply.push(room.position.offset.to_string());
                }
            }
            ["members", room] => {
                for member in engine.members(room)? {
                    reply.extend([member.user.to_string(), member.name.to_string()]);
                    reply.extend([member.color.to_string(), member.connection_count.to_string()]);
                }
            }
            ["member_count", room] => reply.push(engine.member_count(room)?.to_string()),
            ["history", room, before, limit] => {
                for message in engine.history(room, number(before), number(limit))? {
                    reply.push(message.position.offset.to_string());
                    reply.extend([message.name.to_string(), message.text]);
                }
            }
            ["stats"] => {
                let stats = engine.stats()?;
                reply.extend([stats.connection_count.to_string(), stats.handshake_count.to_string()]);
                reply.extend([stats.lagging_count.to_string(), stats.room_count.to_string()]);
            }
            ["answer", question, verdict @ ..] => {
                engine.answer(QuestionId(number(question)), read_verdict(verdict))?;
            }
            _ => panic!("there is no command {command:?}"),
        }
        Ok(reply)
    }
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is no number"))
}

fn id(text: &str) -> ConnectionId {
    ConnectionId(number(text))
}

fn payload(kind: &str, data: &str) -> Payload {
    match kind {
        "text" => data.into(),
        "binary" => from_hex(data).expect("bytes are in hexadecimal").into(),
        _ => panic!("there is no payload {kind:?}"),
    }
}

/// `None`: it is left out.
fn given(field: &str) -> Option<&str> {
    Some(field).filter(|field| !field.is_empty())
}

fn read_admission(fields: &[&str]) -> Admission {
    let [user, name, role, rooms, expires_at_ms] = fields else { panic!("no admission: {fields:?}") };
    Admission {
        user: given(user).map(str::to_owned),
        name: (*name).to_owned(),
        role: given(role).map(|role| Role::from_name(role).expect("a role")).unwrap_or_default(),
        rooms: given(rooms).map_or(Vec::new(), |rooms| rooms.split(',').map(str::to_owned).collect()),
        expires_at_ms: given(expires_at_ms).map(number),
    }
}

fn moderation(act: &str, user: &str, value: &str) -> Result<Moderation, Error> {
    let seconds = given(value);
    let whom = || UserId::new(user);
    Ok(match act {
        "kick" => Moderation::Kick { user: whom()? },
        "mute" => Moderation::Mute { user: whom()?, seconds: seconds.map(number) },
        "ban" => Moderation::Ban { user: whom()?, seconds: seconds.map(number) },
        "unban" => Moderation::Unban { user: whom()? },
        "slow" => Moderation::Slow { seconds: number(value) },
        "topic" => Moderation::Topic { topic: value.into() },
        "role" => Moderation::Role { user: whom()?, role: Role::from_name(value).expect("a role") },
        "clear" => Moderation::Clear { user: given(user).map(UserId::new).transpose()? },
        _ => panic!("there is no act {act}"),
    })
}

fn read_verdict(fields: &[&str]) -> Verdict {
    match fields {
        ["allow"] => Verdict::Allow,
        ["allow_as", admission @ ..] => Verdict::AllowAs(read_admission(admission)),
        ["answer", data] => Verdict::Answer((*data).to_owned()),
        ["rewrite", text] => Verdict::Rewrite((*text).to_owned()),
        ["refuse", reason] => Verdict::Refuse((*reason).to_owned()),
        _ => panic!("there is no verdict {fields:?}"),
    }
}

/// An event as every door's driver writes it.
fn fields(event: &Event) -> Fields {
    let mut fields = vec![event.kind().to_owned()];
    match event {
        Event::Started { addresses } => fields.extend(addresses.iter().map(ToString::to_string)),
        Event::Connected { connection, dialect, room, path, .. } => {
            let room = room.as_ref().map(ToString::to_string).unwrap_or_default();
            fields.extend([connection.to_string(), dialect.name().into(), room, path.clone()]);
        }
        Event::Named { connection, user, name, color } => {
            fields.extend([connection.to_string(), user.to_string(), name.to_string(), color.to_string()]);
        }
        Event::Joined { room, connection, user, name, member_count }
        | Event::Left { room, connection, user, name, member_count } => {
            fields.extend([room.to_string(), connection.to_string(), user.to_string()]);
            fields.extend([name.to_string(), member_count.to_string()]);
        }
        Event::Message { connection, message } => {
            fields.push(connection.map(|connection| connection.to_string()).unwrap_or_default());
            fields.extend([message.room.to_string(), message.position.offset.to_string()]);
            fields.extend([message.user.to_string(), message.name.to_string(), message.text.clone()]);
        }
        Event::Away { user, message } => {
            fields.extend([user.to_string(), message.name.to_string(), message.text.clone()]);
        }
        Event::Received { connection, payload } => {
            fields.push(connection.to_string());
            fields.extend(match payload {
                Payload::Text(text) => ["text".to_owned(), text.clone()],
                Payload::Binary(bytes) => {
                    ["binary".to_owned(), bytes.iter().map(|byte| format!("{byte:02x}")).collect()]
                }
            });
        }
        Event::Disconnected { connection, code, reason } => {
            fields.extend([connection.to_string(), code.to_string(), reason.clone()]);
        }
        Event::Refused { connection, error, .. } => {
            fields.push(connection.map(|connection| connection.to_string()).unwrap_or_default());
            fields.push(error.code().name().to_owned());
        }
        Event::Question(question) => {
            fields.extend([question.id.0.to_string(), question.subject.name().into()]);
            fields.push(question.connection.to_string());
            match &question.subject {
                Subject::Admit { dialect, room, path, name, token, .. } => {
                    let room = room.as_ref().map(ToString::to_string).unwrap_or_default();
                    fields.extend([dialect.name().into(), room, path.clone()]);
                    fields.extend([name.clone().unwrap_or_default(), token.clone().unwrap_or_default()]);
                }
                Subject::MayJoin { room, user, name } => {
                    fields.extend([room.to_string(), user.to_string()]);
                    fields.push(name.as_ref().map(ToString::to_string).unwrap_or_default());
                }
                Subject::Call { user, name, method, data } => {
                    fields.extend([user.to_string(), name.to_string(), method.clone(), data.clone()]);
                }
                Subject::MaySend { room, user, name, text } => {
                    fields.extend([room.to_string(), user.to_string(), name.to_string(), text.clone()]);
                }
                other => panic!("the scenarios do not know the question {other:?}"),
            }
        }
        Event::Receipt { room, position, connection_count, sent_count, queued_count, lagging_count } => {
            fields.extend([room.to_string(), position.offset.to_string()]);
            let counts = [connection_count, sent_count, queued_count, lagging_count];
            fields.extend(counts.map(ToString::to_string));
        }
        Event::Missed { count } => fields.push(count.to_string()),
        Event::Degraded { error } | Event::Error { error } => fields.push(error.code().name().into()),
        Event::Stopped => {}
        other => panic!("the scenarios do not know the event {other:?}"),
    }
    fields
}
