//! The load: many clients in one thread, which check what they get and measure what it costs the server.
//!
//! [`spec`] says what a run does. [`client`] is one socket, [`speak`] what a client says and understands on it (where it
//! is `klatsch.v1`, [`converse`]), [`checks`] the book of who has which message. [`fanout`], [`idle`], [`churn`], [`storm`] and [`attack`] are the
//! runs.

pub(crate) mod spec;

mod attack;
mod checks;
mod churn;
mod client;
mod converse;
mod fanout;
mod frame;
mod histogram;
mod idle;
mod speak;
mod storm;

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Instant;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Map, Value, json};

use checks::Checks;
use client::{Client, MOST_AT_ONCE, Stage};
use converse::Room;
use histogram::Histogram;
use spec::{Mode, Spec};

use crate::process;

/// What a run found out: names and numbers.
pub(crate) type Figures = Vec<(&'static str, f64)>;

/// Does one run and prints what it found as one line of JSON: `ok`, `words`, `figures`.
pub(crate) fn run(words: &[String]) -> bool {
    let outcome = Spec::read(words).and_then(|spec| {
        raise_descriptor_limit();
        match spec.pattern.mode {
            Mode::Fanout => fanout::run(Load::new(spec)?),
            Mode::Idle => idle::run(Load::new(spec)?),
            Mode::Churn => churn::run(Load::new(spec)?),
            Mode::Storm => storm::run(&spec),
            _ => attack::run(&spec),
        }
    });
    let (words, figures) = match &outcome {
        Ok((words, figures)) => (words.as_str(), figures.as_slice()),
        Err(words) => (words.as_str(), &[][..]),
    };
    let figures: Map<String, Value> =
        figures.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    println!("{}", json!({ "ok": words.is_empty(), "words": words, "figures": figures }));
    words.is_empty()
}

/// What a run ends with: what went wrong, in words, or nothing; and the figures.
type Outcome = Result<(String, Figures), String>;

/// All clients, and what they have in common.
struct Load {
    spec: Spec,
    /// The server and its children.
    pids: Vec<u32>,
    tls: Option<Arc<ClientConfig>>,
    epoll: Epoll,
    clients: Vec<Client>,
    checks: Checks,
    /// What the clients of `klatsch.v1` have in common.
    room: Room,
    start: Instant,
    /// Messages are being said: what comes is looked at.
    is_running: bool,
    joined: usize,
    failed: usize,
    first_words: String,
    /// Clients that have something to send.
    dirty: Vec<usize>,
    /// Clients of a churn whose session is over.
    done: Vec<usize>,
    /// Sessions of a churn that went as they should, and how long they took.
    sessions: Histogram,
    session_count: u64,
    received_bytes: u64,
    reads: u64,
    pings: u64,
    mask: u32,
    buffer: Vec<u8>,
    encrypted: Vec<u8>,
    events: Vec<EpollEvent>,
}

impl Load {
    fn new(spec: Spec) -> Result<Load, String> {
        if spec.port == 0 || spec.pattern.clients == 0 || spec.pattern.slow >= spec.pattern.clients {
            return Err("port and clients are needed, and one that reads".into());
        }
        let readers = spec.pattern.clients - spec.pattern.slow;
        let nonce = std::time::SystemTime::now();
        let nonce = nonce.duration_since(std::time::UNIX_EPOCH).map_or(1, |since| since.as_micros() as u64);
        // A churn uses many addresses, since each connection leaves a port in use for a while.
        let sources = if spec.pattern.mode == Mode::Churn {
            200
        } else {
            spec.pattern.clients / CLIENTS_OF_AN_ADDRESS + 1
        };
        let mut clients: Vec<Client> =
            (0..spec.pattern.clients).map(|at| Client::new((at % sources) as u8, at >= readers)).collect();
        if spec.deflate {
            for client in clients.iter_mut().step_by(WITNESS_EVERY) {
                client.inflater = Some(Box::new(flate2::Decompress::new(false)));
            }
        }
        Ok(Load {
            pids: if spec.pid > 0 { process::tree(spec.pid) } else { Vec::new() },
            tls: tls(&spec.certificate)?,
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(|error| format!("epoll: {error}"))?,
            checks: Checks::new(nonce, spec.pattern.clients, readers, spec.pattern.senders.max(1)),
            clients,
            room: Room::default(),
            start: Instant::now(),
            is_running: false,
            joined: 0,
            failed: 0,
            first_words: String::new(),
            dirty: Vec::new(),
            done: Vec::new(),
            sessions: Histogram::new(),
            session_count: 0,
            received_bytes: 0,
            reads: 0,
            pings: 0,
            mask: nonce as u32 | 1,
            buffer: vec![0; MOST_AT_ONCE],
            encrypted: vec![0; MOST_AT_ONCE],
            events: vec![EpollEvent::empty(); 4096],
            spec,
        })
    }

    /// Nanoseconds since the load began.
    fn now(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    /// Something went wrong with a client; the first words are kept.
    fn fail(&mut self, words: String) {
        self.failed += 1;
        if self.first_words.is_empty() {
            self.first_words = words;
        }
    }

    /// A client begins to connect.
    fn open(&mut self, at: usize) -> Result<(), String> {
        let now = self.now();
        let client = &mut self.clients[at];
        client.connect(self.spec.port, self.tls.as_ref(), now)?;
        let event = EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT, at as u64);
        self.epoll.add(descriptor(client)?, event).map_err(|error| format!("epoll: {error}"))
    }

    /// Opens clients until all are in, so many at a time.
    fn connect_all(&mut self, limit_s: u64) -> Result<(), String> {
        let end = self.now() + limit_s * 1_000_000_000;
        let wanted = self.clients.len();
        let mut next = 0;
        while self.joined < wanted {
            while next < wanted && next - self.joined < CONNECTING_AT_ONCE {
                self.open(next)?;
                next += 1;
            }
            self.turn(200)?;
            if self.failed > 0 || self.now() > end {
                return Err(format!("{} of {wanted} joined; {}", self.joined, self.first_words));
            }
        }
        Ok(())
    }

    /// Waits for what sockets have, at most so long, and does it.
    fn turn(&mut self, most_ms: u16) -> Result<(), String> {
        let mut events = std::mem::take(&mut self.events);
        let count = self.epoll.wait(&mut events, EpollTimeout::from(most_ms));
        let count = match count {
            Ok(count) => count,
            Err(nix::errno::Errno::EINTR) => 0,
            Err(error) => return Err(format!("epoll: {error}")),
        };
        for event in &events[..count] {
            let at = event.data() as usize;
            self.ready(at, event.events());
        }
        self.events = events;
        self.beat();
        self.flush_dirty();
        Ok(())
    }

    /// Turns for so long.
    fn turn_for(&mut self, seconds: f64) -> Result<(), String> {
        let end = self.now() + (seconds * 1e9) as u64;
        while self.now() < end {
            self.turn(20)?;
        }
        Ok(())
    }

    fn ready(&mut self, at: usize, events: EpollFlags) {
        let broken = events.intersects(EpollFlags::EPOLLERR | EpollFlags::EPOLLHUP);
        let client = &mut self.clients[at];
        if client.socket.is_none() {
            return;
        }
        if client.is_slow && client.stage == Stage::Joined {
            if broken {
                // The server has had enough of it, as it should.
                client.cut();
            }
            return;
        }
        if events.contains(EpollFlags::EPOLLOUT) {
            if client.stage == Stage::Connecting {
                let error = client.socket.as_ref().and_then(|socket| socket.take_error().ok().flatten());
                if let Some(error) = error {
                    client.cut();
                    self.done.push(at);
                    return self.fail(format!("connect: {error}"));
                }
                self.request(at);
            } else {
                self.flush(at);
            }
        }
        if events.contains(EpollFlags::EPOLLIN) || broken {
            self.readable(at);
        }
    }

    fn readable(&mut self, at: usize) {
        let mut buffer = std::mem::take(&mut self.buffer);
        match self.clients[at].read(&mut buffer, &mut self.encrypted) {
            Ok(None) => {}
            Ok(Some((_, 0))) => self.ended(at, "the server ended it"),
            Ok(Some((len, came))) => {
                self.received_bytes += came as u64;
                self.reads += 1;
                let used = self.understand(at, &buffer[..len]);
                let client = &mut self.clients[at];
                if client.socket.is_some() {
                    client.tail.extend_from_slice(&buffer[used..len]);
                    if client.tls_wants_write() {
                        self.flush(at);
                    }
                }
            }
            Err(error) => self.ended(at, &error.to_string()),
        }
        self.buffer = buffer;
    }

    /// A connection is over, and nobody said good-bye.
    fn ended(&mut self, at: usize, words: &str) {
        let stage = self.clients[at].stage;
        self.clients[at].cut();
        self.done.push(at);
        self.fail(format!("{words} ({stage:?})"));
    }

    fn flush(&mut self, at: usize) {
        if self.clients[at].stage == Stage::Connecting {
            return;
        }
        let is_flushed = match self.clients[at].flush() {
            Ok(is_flushed) => is_flushed,
            Err(error) => return self.ended(at, &format!("send: {error}")),
        };
        if self.clients[at].waits_to_write == is_flushed {
            self.clients[at].waits_to_write = !is_flushed;
            self.watch(at);
        }
    }

    fn flush_dirty(&mut self) {
        while let Some(at) = self.dirty.pop() {
            self.flush(at);
        }
    }

    /// Tells the kernel what this client waits for.
    fn watch(&mut self, at: usize) {
        let client = &self.clients[at];
        let mut wanted = EpollFlags::empty();
        wanted.set(EpollFlags::EPOLLIN, !(client.is_slow && client.stage == Stage::Joined));
        wanted.set(EpollFlags::EPOLLOUT, client.waits_to_write);
        let mut event = EpollEvent::new(wanted, at as u64);
        let changed = descriptor(client)
            .and_then(|fd| self.epoll.modify(fd, &mut event).map_err(|error| format!("epoll: {error}")));
        if let Err(words) = changed {
            self.fail(words);
        }
    }

    fn pids(&self) -> &[u32] {
        &self.pids
    }
}

fn descriptor(client: &Client) -> Result<BorrowedFd<'_>, String> {
    client.socket.as_ref().map(AsFd::as_fd).ok_or_else(|| "the client has no socket".into())
}

/// TLS that trusts one certificate, as `localhost`.
fn tls(certificate: &str) -> Result<Option<Arc<ClientConfig>>, String> {
    if certificate.is_empty() {
        return Ok(None);
    }
    let words = |error: &dyn std::fmt::Display| format!("{certificate}: {error}");
    let trusted = CertificateDer::from_pem_file(certificate).map_err(|error| words(&error))?;
    let mut roots = RootCertStore::empty();
    roots.add(trusted).map_err(|error| words(&error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| words(&error))?;
    Ok(Some(Arc::new(builder.with_root_certificates(roots).with_no_client_auth())))
}

/// As many descriptors as this process may have.
pub(crate) fn raise_descriptor_limit() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Where it may not, the run says how far it came.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// How many clients come from one address; each has its own ports.
const CLIENTS_OF_AN_ADDRESS: usize = 8000;

/// How many clients are on their way in at once.
const CONNECTING_AT_ONCE: usize = 64;

/// Where messages come deflated, one client in so many inflates them; the others count.
const WITNESS_EVERY: usize = 32;
