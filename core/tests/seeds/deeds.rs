//! What may happen in a story: what its people do, and what befalls their lines and the engine.

use klatsch::client::chat::{Act, Post, Request};
use klatsch::sim::{LineId, Link, Restart, Sim};

use klatsch::{Moderation, Role, UserId};
use serde_json::{Value, json};

use super::{Story, Who, is_direct};

impl Story {
    pub(super) fn act(&mut self) {
        let at = self.sim.random(self.actors.len() as u64) as usize;
        let name = self.actors[at].name.clone();
        match self.sim.random(100) {
            0..2 => self.host_moderates(at),
            2..45 => self.say(at),
            45..47 => self.block(at),
            47..60 => self.change(at),
            60..64 => {
                let room = self.a_room();
                self.tell(&format!("{name} joins {room}"));
                self.join(at, &room);
            }
            64..67 => self.leave(at),
            67..73 => self.on_line(at, "breaks", |sim, line| sim.cut(line)),
            73..76 => self.on_line(at, "hangs", |sim, line| sim.hang(line)),
            76..79 => self.on_line(at, "is healed", |sim, line| sim.heal(line)),
            79..82 => self.on_line(at, "is slow", |sim, line| {
                let rate = sim.random(3_000);
                sim.slow(line, Some(rate));
            }),
            82..85 => self.on_line(at, "is fast again", |sim, line| sim.slow(line, None)),
            85..88 => self.take_over(at),
            88..92 => {
                let room = self.a_room();
                self.said_count += 1;
                let text = format!("the host says {}", self.said_count);
                if self.sim.broadcast(&room, &text).is_ok() {
                    self.sim.checker().expect("it is watched").host_said(&text);
                    self.tell(&format!("the host says something in {room}"));
                }
            }
            92..94 if self.may_restart => {
                let how = match self.sim.random(2) {
                    0 => Restart::clean().grace_ms(1_000),
                    _ => Restart::crash(),
                };
                let how = match self.may_lose {
                    true => how.losing(self.sim.random(4)),
                    false => how,
                };
                self.tell(&format!("{how:?}"));
                self.sim.restart(how);
            }
            94..95 if self.may_lose => {
                let count = 1 + self.sim.random(4);
                if self.sim.lose(count).is_ok() {
                    self.tell(&format!("every log loses its newest {count} records"));
                }
            }
            95..100 => self.moderate(at),
            _ => {}
        }
    }

    /// Somebody hides another from themselves, or no longer.
    fn block(&mut self, at: usize) {
        let other = self.sim.random(self.actors.len() as u64) as usize;
        let on = self.sim.random(3) > 0;
        let Some(user) = self.user(other).filter(|_| other != at) else { return };
        let words =
            format!("{} {} {user}", self.actors[at].name, if on { "blocks" } else { "no longer blocks" });
        self.tell(&words);
        match &mut self.actors[at].who {
            Who::Plain(person) => person.block(&mut self.sim, &user, on),
            Who::Own(client) => {
                let client = *client;
                self.sim.request(client, Request::Block { user, on });
            }
        }
    }

    /// Somebody does something in a room, who may have no role for it.
    fn moderate(&mut self, at: usize) {
        let (room, act) = (self.room_of(at), self.an_act());
        let Some(act) = act else { return };
        let name = self.actors[at].name.clone();
        self.tell(&format!("{name} wants {act:?} in {room}"));
        match &mut self.actors[at].who {
            Who::Plain(person) => {
                let seconds = |seconds: &Option<u64>| seconds.map_or(Value::Null, Value::from);
                let fields = match &act {
                    Act::Kick { user } => vec![("user", json!(user))],
                    Act::Mute { user, seconds: for_s } => {
                        vec![("user", json!(user)), ("seconds", seconds(for_s))]
                    }
                    Act::Slow { seconds } => vec![("value", json!(seconds))],
                    Act::Topic { topic } => vec![("value", json!(topic))],
                    Act::Role { user, role } => vec![("user", json!(user)), ("value", json!(role))],
                    Act::Clear { user } => vec![("user", json!(user))],
                    _ => return,
                };
                person.moderate(&mut self.sim, &room, name_of(&act), &fields);
            }
            Who::Own(client) => {
                let client = *client;
                self.sim.request(client, Request::Moderate { room, act });
            }
        }
    }

    /// The host does something in a room.
    fn host_moderates(&mut self, at: usize) {
        let room = self.a_room();
        let Some(user) = self.user(at) else { return };
        match self.sim.random(6) {
            0 => {
                self.tell(&format!("the host takes {user} out of {room}"));
                drop(self.sim.leave(&room, &user));
            }
            1 => {
                self.tell(&format!("the host puts {user} into {room}"));
                drop(self.sim.join(&room, &user));
            }
            at => {
                let owner = Act::Role { user, role: "owner".into() };
                let act = if at < 4 { Some(owner) } else { self.an_act() };
                let Some(act) = act else { return };
                self.tell(&format!("the host does {act:?} in {room}"));
                let id = |user: &str| UserId::new(user).expect("the engine named it");
                let act = match act {
                    Act::Kick { user } => Moderation::Kick { user: id(&user) },
                    Act::Mute { user, seconds } => Moderation::Mute { user: id(&user), seconds },
                    Act::Slow { seconds } => Moderation::Slow { seconds },
                    Act::Topic { topic } => Moderation::Topic { topic: topic.into() },
                    Act::Role { user, role } => {
                        let role = Role::ALL.into_iter().find(|known| known.name() == role);
                        Moderation::Role { user: id(&user), role: role.expect("it is one") }
                    }
                    Act::Clear { user } => Moderation::Clear { user: user.map(|user| id(&user)) },
                    _ => return,
                };
                drop(self.sim.moderate(&room, act));
            }
        }
    }

    /// Something to do to a room, or to somebody.
    fn an_act(&mut self) -> Option<Act> {
        let other = self.sim.random(self.actors.len() as u64) as usize;
        let user = self.user(other)?;
        self.said_count += 1;
        Some(match self.sim.random(8) {
            0 | 1 => Act::Kick { user },
            2 => Act::Mute { user, seconds: Some(self.sim.random(6)) },
            3 => Act::Slow { seconds: self.sim.random(3) },
            4 => Act::Topic { topic: format!("topic {}", self.said_count) },
            5 => Act::Clear { user: Some(user).filter(|_| self.said_count.is_multiple_of(3)) },
            _ => {
                let role = ["owner", "moderator", "moderator", "member"][self.sim.random(4) as usize];
                Act::Role { user, role: role.into() }
            }
        })
    }

    pub(super) fn join(&mut self, at: usize, room: &str) {
        let actor = &mut self.actors[at];
        if actor.rooms.iter().any(|known| known == room) {
            return;
        }
        actor.rooms.push(room.to_owned());
        actor.last_told.remove(room);
        match &mut actor.who {
            Who::Plain(person) => person.join(room),
            Who::Own(client) => {
                let client = *client;
                let asked = Request::Join { room: room.into(), history: None, since: None };
                let request = self.sim.request(client, asked);
                self.actors[at].joins.insert(request, room.to_owned());
            }
        }
    }

    fn leave(&mut self, at: usize) {
        let actor = &mut self.actors[at];
        if actor.rooms.len() < 2 {
            return;
        }
        let room = actor.rooms.remove(0);
        match &mut actor.who {
            Who::Plain(person) => person.leave(&mut self.sim, &room),
            Who::Own(client) => {
                let client = *client;
                self.sim.request(client, Request::Leave { room: room.clone() });
            }
        }
        let name = self.actors[at].name.clone();
        self.tell(&format!("{name} leaves {room}"));
    }

    fn say(&mut self, at: usize) {
        self.said_count += 1;
        let long = match self.sim.random(10) {
            0 => "x".repeat(self.sim.random(4_000) as usize),
            _ => String::new(),
        };
        let (name, text) = (
            self.actors[at].name.clone(),
            format!("{} says {} {long}", self.actors[at].name, self.said_count),
        );
        let text = text.trim_end().to_owned();
        if self.sim.random(8) == 0 {
            return self.say_to_one(at, &text);
        }
        let room = self.room_of(at);
        self.tell(&format!("{name} says {} in {room}", self.said_count));
        match &mut self.actors[at].who {
            Who::Plain(person) => person.send(&room, &text),
            Who::Own(client) => {
                let client = *client;
                self.sim.request(client, Request::Send(Post::to_room(room, text)));
            }
        }
        self.wake(at);
    }

    /// Writes to another user alone, if it is known who that is.
    fn say_to_one(&mut self, at: usize, text: &str) {
        let other = self.sim.random(self.actors.len() as u64) as usize;
        let Some(user) = self.user(other).filter(|_| other != at) else { return };
        let words = format!("{} says {} to {user}", self.actors[at].name, self.said_count);
        self.tell(&words);
        match &mut self.actors[at].who {
            Who::Plain(person) => person.send_to(&user, text),
            Who::Own(client) => {
                let client = *client;
                self.sim.request(client, Request::Send(Post::to_user(user, text)));
            }
        }
        self.wake(at);
    }

    pub(super) fn user(&self, at: usize) -> Option<String> {
        match &self.actors[at].who {
            Who::Plain(person) => person.user.clone(),
            Who::Own(client) => self.sim.machine(*client).me().map(|me| me.user.clone()),
        }
    }

    /// One of the rooms that somebody has, direct ones too.
    fn room_of(&mut self, at: usize) -> String {
        let actor = &self.actors[at];
        let mut rooms = actor.rooms.clone();
        match &actor.who {
            Who::Plain(person) => {
                rooms.extend(person.rooms.keys().filter(|name| is_direct(name)).cloned());
            }
            Who::Own(client) => {
                let held = self.sim.machine(*client).rooms().map(|(name, _)| name);
                rooms.extend(held.filter(|name| is_direct(name)).map(str::to_owned));
            }
        }
        let index = self.sim.random(rooms.len() as u64) as usize;
        rooms.swap_remove(index)
    }

    fn change(&mut self, at: usize) {
        let back = self.sim.random(3) as usize;
        let what = ["edit", "delete", "react", "react"][self.sim.random(4) as usize];
        self.said_count += 1;
        let (name, text) = (self.actors[at].name.clone(), format!("edited {}", self.said_count));
        let room = self.room_of(at);
        self.tell(&format!("{name} changes a message in {room}: {what}"));
        match &mut self.actors[at].who {
            Who::Plain(person) => person.change_one(&room, back, what, &text),
            Who::Own(client) => {
                let client = *client;
                let machine = self.sim.machine(client);
                let Some((state, me)) = machine.room(&room).zip(machine.me()) else { return };
                let mine = |message: &&std::sync::Arc<klatsch::client::chat::Message>| {
                    (what == "react" || message.user == me.user) && message.text.is_some()
                };
                let Some(offset) =
                    state.messages().rev().filter(mine).nth(back).map(|found| found.position.offset)
                else {
                    return;
                };
                let request = match what {
                    "edit" => Request::Edit { room, offset, text },
                    "delete" => Request::Delete { room, offset, reason: None },
                    _ => {
                        Request::React {
                            room, offset, emoji: "👍".into(), add: text.len().is_multiple_of(2)
                        }
                    }
                };
                self.sim.request(client, request);
            }
        }
        self.wake(at);
    }

    pub(super) fn wake(&mut self, at: usize) {
        if let Who::Plain(person) = &mut self.actors[at].who {
            person.wake(&mut self.sim);
        }
    }

    fn on_line(&mut self, at: usize, what: &str, act: impl FnOnce(&mut Sim, LineId)) {
        let Some(line) = self.line(at) else { return };
        let name = self.actors[at].name.clone();
        self.tell(&format!("the line of {name} ({line}) {what}"));
        act(&mut self.sim, line);
    }

    /// Two tries of one session at once.
    fn take_over(&mut self, at: usize) {
        if matches!(self.actors[at].who, Who::Own(client) if self.sim.machine(client).me().is_none()) {
            return;
        }
        let name = self.actors[at].name.clone();
        self.tell(&format!("{name} tries twice"));
        match &mut self.actors[at].who {
            Who::Plain(person) => person.take_over(&mut self.sim),
            Who::Own(client) => {
                // The newer one is the user from now on.
                if let Ok(twin) = self.sim.twin(*client, Link::new()) {
                    *client = twin;
                    self.actors[at].joins.clear();
                    self.actors[at].last_told.clear();
                    // A join that was under way is the first one's alone.
                    for room in std::mem::take(&mut self.actors[at].rooms) {
                        self.join(at, &room);
                    }
                }
            }
        }
    }
}

fn name_of(act: &Act) -> &'static str {
    match act {
        Act::Kick { .. } => "kick",
        Act::Mute { .. } => "mute",
        Act::Slow { .. } => "slow",
        Act::Topic { .. } => "topic",
        Act::Role { .. } => "role",
        _ => "clear",
    }
}
