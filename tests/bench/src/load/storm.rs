//! Everybody drops at once and comes back to a room in which much was said meanwhile: how long until all are whole, and
//! what it costs. Every client looks at every position that it gets.

use std::os::fd::AsFd;
use std::time::Instant;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use serde_json::{Value, json};

use super::Outcome;
use super::client::{Client, MOST_AT_ONCE, Stage};
use super::frame::{self, CLOSE, PING, PONG, TEXT};
use super::histogram::Histogram;
use super::spec::Spec;
use crate::process::{cpu_s, resident_bytes, tree};

/// The clients, the last of whom is the one that talks.
struct Storm {
    port: u16,
    epoll: Epoll,
    clients: Vec<Client>,
    members: Vec<Member>,
    start: Instant,
    wire: Vec<u8>,
    buffer: Vec<u8>,
    events: Vec<EpollEvent>,
    /// How many have come in, or come back, and are whole.
    ready: usize,
    /// Which of the talker's messages have been answered.
    answered: usize,
    lost: u64,
    doubled: u64,
    times: Histogram,
    came_bytes: u64,
}

/// What a client knows.
#[derive(Clone, Default)]
struct Member {
    session: String,
    epoch: u64,
    /// Of the newest record that it has.
    offset: u64,
    is_ready: bool,
}

pub(super) fn run(spec: &Spec) -> Outcome {
    let pids = tree(spec.pid);
    let missed = spec.pattern.prefill;
    let mut storm = Storm::new(spec)?;
    let talker = storm.clients.len() - 1;
    storm.open_all(0..talker + 1)?;
    let full_bytes = resident_bytes(&pids);
    for at in 0..talker {
        storm.clients[at].cut();
        storm.members[at].is_ready = false;
    }
    storm.ready = 1;
    storm.talk(talker, missed)?;
    let (began, before_cpu_s, before_bytes) = (storm.now(), cpu_s(&pids), storm.came_bytes);
    storm.open_all(0..talker)?;
    let (whole_ns, cpu_s) = (storm.now() - began, cpu_s(&pids) - before_cpu_s);
    let came_bytes = storm.came_bytes - before_bytes;
    // They hear what is said now, and each once.
    storm.talk(talker, 1)?;
    let end = storm.now() + LIMIT_NS;
    let newest = storm.members[talker].offset;
    while storm.members.iter().any(|member| member.offset < newest) {
        storm.turn()?;
        if storm.now() > end {
            break;
        }
    }
    let behind = |member: &Member| newest.saturating_sub(member.offset);
    let lost = storm.lost + storm.members.iter().map(behind).sum::<u64>();
    let clients = talker as f64;
    let figures = vec![
        ("whole_ms", whole_ns as f64 / 1e6),
        ("us_per_resume", cpu_s * 1e6 / clients),
        ("resume_p50_us", storm.times.quantile_us(0.5)),
        ("resume_p99_us", storm.times.quantile_us(0.99)),
        ("lost", lost as f64),
        ("doubled", storm.doubled as f64),
        ("came_bytes", came_bytes as f64 / clients),
        ("grown_bytes", resident_bytes(&pids) - full_bytes),
    ];
    let words = match (lost, storm.doubled) {
        (0, 0) => String::new(),
        (lost, doubled) => format!("{lost} records were lost and {doubled} doubled"),
    };
    Ok((words, figures))
}

impl Storm {
    fn new(spec: &Spec) -> Result<Storm, String> {
        let count = spec.pattern.clients + 1;
        Ok(Storm {
            port: spec.port,
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(|error| format!("epoll: {error}"))?,
            clients: (0..count).map(|at| Client::new((at % SOURCES) as u8, false)).collect(),
            members: vec![Member::default(); count],
            start: Instant::now(),
            wire: vec![0; MOST_AT_ONCE],
            buffer: vec![0; MOST_AT_ONCE],
            events: vec![EpollEvent::empty(); 4096],
            ready: 0,
            answered: 0,
            lost: 0,
            doubled: 0,
            times: Histogram::new(),
            came_bytes: 0,
        })
    }

    fn now(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    /// Has these clients come in, or come back, as many at once as the listener's queue takes.
    fn open_all(&mut self, all: std::ops::Range<usize>) -> Result<(), String> {
        let (before, wanted, end) = (self.ready, all.len(), self.now() + LIMIT_NS);
        let mut opened = 0;
        while self.ready - before < wanted {
            while opened < wanted && opened - (self.ready - before) < COMING_AT_ONCE {
                self.open(all.start + opened)?;
                opened += 1;
            }
            self.turn()?;
            if self.now() > end {
                return Err(format!("{} of {wanted} clients are whole", self.ready - before));
            }
        }
        Ok(())
    }

    fn open(&mut self, at: usize) -> Result<(), String> {
        let now = self.now();
        let client = &mut self.clients[at];
        client.connect(self.port, None, now)?;
        let event = EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT, at as u64);
        let socket = client.socket.as_ref().ok_or("the client has no socket")?;
        self.epoll.add(socket.as_fd(), event).map_err(|error| format!("epoll: {error}"))
    }

    /// One client says so many messages, a few at a time.
    fn talk(&mut self, talker: usize, count: usize) -> Result<(), String> {
        let (first, end) = (self.answered, self.now() + LIMIT_NS);
        let mut said = 0;
        while self.answered < first + count {
            while said < count && said < self.answered - first + UNANSWERED {
                let mid = format!("s{}", first + said);
                self.say(
                    talker,
                    &json!({ "id": TALK_ID, "do": "send", "room": ROOM, "mid": mid, "text": TEXT_64 }),
                )?;
                said += 1;
            }
            self.turn()?;
            if self.now() > end {
                return Err("what is said is not answered".into());
            }
        }
        Ok(())
    }

    fn say(&mut self, at: usize, document: &Value) -> Result<(), String> {
        frame::write_final(self.clients[at].out(), TEXT, MASK, document.to_string().as_bytes());
        self.flush(at)
    }

    fn flush(&mut self, at: usize) -> Result<(), String> {
        let client = &mut self.clients[at];
        let is_flushed = client.flush().map_err(|error| format!("send: {error}"))?;
        if client.waits_to_write == is_flushed {
            client.waits_to_write = !is_flushed;
            let mut wanted = EpollFlags::EPOLLIN;
            wanted.set(EpollFlags::EPOLLOUT, !is_flushed);
            let socket = client.socket.as_ref().ok_or("the client has no socket")?;
            let mut event = EpollEvent::new(wanted, at as u64);
            self.epoll.modify(socket.as_fd(), &mut event).map_err(|error| format!("epoll: {error}"))?;
        }
        Ok(())
    }

    fn turn(&mut self) -> Result<(), String> {
        let mut events = std::mem::take(&mut self.events);
        let count = self.epoll.wait(&mut events, EpollTimeout::from(20_u8));
        for event in &events[..count.map_err(|error| format!("epoll: {error}"))?] {
            let at = event.data() as usize;
            if self.clients[at].socket.is_none() {
                continue;
            }
            if event.events().contains(EpollFlags::EPOLLOUT) {
                if self.clients[at].stage == Stage::Connecting {
                    self.request(at);
                }
                self.flush(at)?;
            }
            if event.events().contains(EpollFlags::EPOLLIN) {
                self.readable(at)?;
            }
        }
        self.events = events;
        Ok(())
    }

    fn request(&mut self, at: usize) {
        let request = format!(
            "GET / HTTP/1.1\r\nHost: localhost:{}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: klatsch.v1\r\n\r\n",
            self.port
        );
        self.clients[at].stage = Stage::Opening;
        self.clients[at].out().extend_from_slice(request.as_bytes());
    }

    fn readable(&mut self, at: usize) -> Result<(), String> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let read =
            self.clients[at].read(&mut buffer, &mut self.wire).map_err(|error| format!("read: {error}"))?;
        if let Some((len, came)) = read {
            if came == 0 {
                return Err("the server ended a connection".into());
            }
            self.came_bytes += came as u64;
            let used = self.understand(at, &buffer[..len])?;
            self.clients[at].tail.extend_from_slice(&buffer[used..len]);
        }
        self.buffer = buffer;
        Ok(())
    }

    fn understand(&mut self, at: usize, bytes: &[u8]) -> Result<usize, String> {
        let mut used = 0;
        if self.clients[at].stage == Stage::Opening {
            let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(0) };
            if !bytes.starts_with(b"HTTP/1.1 101") {
                return Err(String::from_utf8_lossy(&bytes[..end]).into_owned());
            }
            used = end + 4;
            self.clients[at].stage = Stage::Named;
            self.hello(at)?;
        }
        while let Some(frame) = frame::read(&bytes[used..]) {
            used += frame.len;
            match frame.opcode {
                PING => frame::write_final(self.clients[at].out(), PONG, MASK, frame.payload),
                CLOSE => return Err(format!("closed: {:?}", String::from_utf8_lossy(frame.payload))),
                _ => {
                    let document: Value =
                        serde_json::from_slice(frame.payload).map_err(|error| format!("no JSON: {error}"))?;
                    self.heard(at, &document)?;
                }
            }
        }
        self.flush(at)?;
        Ok(used)
    }

    fn hello(&mut self, at: usize) -> Result<(), String> {
        let member = &self.members[at];
        let mut hello = json!({ "id": HELLO_ID, "do": "hello" });
        if !member.session.is_empty() {
            let seen = json!({ ROOM: { "epoch": member.epoch, "offset": member.offset } });
            hello["resume"] = json!({ "session": member.session, "rooms": seen });
        }
        self.say(at, &hello)
    }

    fn heard(&mut self, at: usize, document: &Value) -> Result<(), String> {
        if document["error"].is_object() {
            return Err(format!("refused: {document}"));
        }
        let ok = &document["ok"];
        match document["id"].as_u64() {
            Some(HELLO_ID) => {
                ok["session"].as_str().unwrap_or_default().clone_into(&mut self.members[at].session);
                match &ok["rooms"][ROOM] {
                    Value::Null => {
                        self.say(at, &json!({ "id": JOIN_ID, "do": "join", "room": ROOM, "history": 0 }))?;
                    }
                    room => self.back(at, room)?,
                }
            }
            Some(JOIN_ID) => {
                let member = &mut self.members[at];
                member.epoch = ok["epoch"].as_u64().unwrap_or(0);
                member.offset = ok["offset"].as_u64().unwrap_or(0);
                self.whole(at);
            }
            Some(TALK_ID) => self.answered += 1,
            _ if document["on"] == "message" => self.record(at, document),
            _ => {}
        }
        Ok(())
    }

    /// A client has what it missed.
    fn back(&mut self, at: usize, room: &Value) -> Result<(), String> {
        let records = room["records"].as_array().filter(|_| room["recovered"] == true);
        for record in records.ok_or_else(|| format!("not recovered: {room}"))? {
            self.record(at, record);
        }
        if room["more"] == true {
            return Err("more was missed than one reply holds".into());
        }
        self.whole(at);
        Ok(())
    }

    fn record(&mut self, at: usize, record: &Value) {
        let member = &mut self.members[at];
        let offset = record["offset"].as_u64().unwrap_or(0);
        match offset.checked_sub(member.offset) {
            None | Some(0) => self.doubled += 1,
            Some(1) => member.offset = offset,
            Some(step) => {
                self.lost += step - 1;
                member.offset = offset;
            }
        }
    }

    fn whole(&mut self, at: usize) {
        if !std::mem::replace(&mut self.members[at].is_ready, true) {
            self.ready += 1;
            let took = self.now() - self.clients[at].born;
            self.clients[at].stage = Stage::Joined;
            self.times.add(took);
        }
    }
}

const ROOM: &str = "lobby";
const HELLO_ID: u64 = 1;
const JOIN_ID: u64 = 2;
const TALK_ID: u64 = 3;
const MASK: [u8; 4] = [1, 2, 3, 4];
const TEXT_64: &str = "sixty-four bytes of text, as in the other cases of this bench...";
/// As many as a client may have.
const UNANSWERED: usize = 8;
/// How many addresses the clients come from.
const SOURCES: usize = 50;
/// A listener's queue is no longer: more at once would wait for the kernel's second try, a second later.
const COMING_AT_ONCE: usize = 512;
const LIMIT_NS: u64 = 60_000_000_000;
