//! Who comes: new connections, their requests, and the host's word about them.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::sync::atomic::Ordering;

use mio::net::TcpStream;
use mio::{Interest, Token};

use crate::chat::{Arrival, Given};
use crate::close::Cause;
use crate::error::{Error, ErrorCode};
use crate::event::{Dialect, Event};
use crate::fanout::ShardKey;
use crate::id::ConnectionId;
use crate::wire::handshake::{Refusal, parse_request, refusal_response, switching_protocols};

use super::addresses::AddressKey;
use super::admission::{Decision, Wanted, decide};
use super::budget::Pressure;
use super::compression::Terms;
use super::connection::{Connection, Head, Phase};
use super::shard::{Shard, spare};
use super::shards::{Adopted, Newcomer};
use super::transport::Transport;

impl Shard {
    /// Accepts who waits at the listeners, some at a time.
    pub(super) fn accept(&mut self) {
        for index in 0..self.listeners.len() {
            let listener = &self.listeners[index];
            if !listener.is_ready || listener.resume_ms > self.now.ticks_ms {
                continue;
            }
            for _ in 0..ACCEPTS_PER_TURN {
                match self.listeners[index].socket.accept() {
                    Ok((socket, address)) => self.come_in(socket, address),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        self.listeners[index].is_ready = false;
                        self.can_accept(index);
                        break;
                    }
                    // One connection that was gone again before it was accepted.
                    Err(error)
                        if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted) => {}
                    Err(error) => {
                        self.cannot_accept(index, error);
                        break;
                    }
                }
            }
        }
    }

    /// Descriptors or memory have run out. Whoever waits first is accepted on the spare descriptor and cut, so
    /// that they hear of it; then accepting rests for a while.
    fn cannot_accept(&mut self, index: usize, error: std::io::Error) {
        if self.spare.take().is_some() {
            drop(self.listeners[index].socket.accept());
            self.spare = spare();
        }
        let is_new = !self.listeners.iter().any(|listener| listener.is_failing);
        let listener = &mut self.listeners[index];
        listener.is_failing = true;
        listener.resume_ms = self.now.ticks_ms + ACCEPT_PAUSE_MS;
        if is_new {
            tracing::warn!(%error, "cannot accept connections");
            let words =
                "cannot accept connections; raise the limit of open files, or lower max_connection_count";
            let error = Error::with_source(ErrorCode::System, words, error);
            let _ = self.shared.with(|hub| hub.tell_host(Event::Degraded { error }));
        }
    }

    /// Everybody who waited has been accepted: what had run out is there again.
    fn can_accept(&mut self, index: usize) {
        if std::mem::take(&mut self.listeners[index].is_failing) {
            tracing::info!("can accept connections again");
        }
        if self.spare.is_none() {
            self.spare = spare();
        }
    }

    /// Somebody has come to a listener: the shard with the fewest connections takes them.
    fn come_in(&mut self, socket: TcpStream, address: Option<IpAddr>) {
        let shard = self.shards.census.least();
        let newcomer = Newcomer { socket, address };
        if !self.has_place(shard) {
            return;
        }
        match shard == self.key {
            true => self.welcome(newcomer),
            false => self.shards.hand_over(shard, newcomer),
        }
    }

    /// Welcomes somebody who has come to a listener, where TLS is spoken if the host has certificates.
    pub(super) fn welcome(&mut self, newcomer: Newcomer) {
        let Newcomer { socket, address } = newcomer;
        // No session is a bug of rustls's, for which the connection is cut.
        let session = self.acceptor.as_ref().map(|acceptor| acceptor.session()).transpose();
        let (Ok(session), None) = (session, self.stop_at_ms) else { return self.turn_away() };
        self.begin(Transport::new(socket, session), address, Head::default());
    }

    /// Takes over a socket of the host's.
    pub(super) fn adopt(&mut self, adopted: Adopted) {
        let Adopted { socket, read, bridge } = adopted;
        if self.stop_at_ms.is_some() || !self.has_place(self.key) {
            return;
        }
        if let Some(bridge) = bridge {
            // It ends with either of the two ends, so with the connection, or with the shard's runtime.
            tokio::spawn(bridge);
        }
        let address = socket.peer_addr().ok().map(|address| address.ip());
        let slot = self.connections.vacant_key() as u32;
        let transport = Transport::new(TcpStream::from_std(socket), None);
        self.begin(transport, address, Head { adopted: true, ..Head::default() });
        if self.connections.contains(slot as usize) {
            self.read_head(slot, &read);
        }
    }

    /// Counts one more connection of a shard in, if there may be one. Who is refused for want of place is counted
    /// in too, so that some can be told.
    pub(super) fn has_place(&mut self, shard: ShardKey) -> bool {
        let has_place = (!self.is_crowded() || self.cut_the_oldest())
            && self.shards.census.connection_count() < self.settings.max_connection_count + MAX_REFUSED;
        if has_place {
            self.shards.census.enter(shard);
        }
        has_place
    }

    /// Counts somebody out who is in no slot.
    fn turn_away(&self) {
        self.shards.census.settle();
        self.shards.census.leave(self.key);
    }

    /// Begins a connection that is counted in.
    pub(super) fn begin(&mut self, transport: Transport, address: Option<IpAddr>, mut head: Head) {
        let limit = self.settings.max_connection_count;
        if self.shards.census.connection_count() > limit && !self.make_place() {
            head.refusal = Some(503);
        }
        if self.shards.pressure(self.settings.memory_bytes) > Pressure::None {
            head.refusal = Some(503);
        }
        head.proxied = self.is_proxy(&transport, address);
        // A proxy is not counted itself: its clients are, when it has said who they are.
        let mut counted = None;
        if let Some(address) = address.filter(|_| !head.proxied) {
            let (key, has_too_many) = self.count(address);
            counted = Some(key);
            if has_too_many {
                head.refusal = Some(429);
            }
        }
        if let Some(status) = head.refusal.filter(|_| transport.is_securing()) {
            return self.cut(transport, counted, status);
        }
        head.began_ms = self.now.ticks_ms;
        head.deadline_ms = self.now.ticks_ms + self.settings.handshake_timeout_ms;
        let entry = self.connections.vacant_entry();
        let slot = entry.key();
        entry.insert(Connection::new(transport, head, counted, self.now.ticks_ms));
        match self.watch(slot as u32) {
            Ok(()) => {
                self.note_handshake(slot as u32);
                self.make_ready(slot as u32);
            }
            Err(_) => self.remove(slot as u32),
        }
    }

    /// Cuts who is one too many without an answer, which would cost a TLS handshake.
    fn cut(&self, transport: Transport, counted: Option<AddressKey>, status: u16) {
        if self.is_told(status, counted) {
            let (address, reason) = (transport.peer_addr().ok(), self.full(status).reason);
            tracing::info!(status, reason, ?address, "cut a connection before its TLS handshake");
            let words = format!("a connection was cut before its TLS handshake: {reason}");
            let error = Error::new(ErrorCode::Refused, words);
            let _ =
                self.shared.with(|hub| hub.tell_host(Event::Refused { connection: None, address, error }));
        }
        if let Some(key) = counted {
            self.shards.census.addresses().subtract(key);
        }
        self.turn_away();
    }

    /// Whether the host is told of this refusal.
    fn is_told(&self, status: u16, counted: Option<AddressKey>) -> bool {
        match (status, counted) {
            (429, Some(key)) => self.shards.census.addresses().tells(key, self.now.ticks_ms),
            _ => true,
        }
    }

    /// Has the poll say when a connection's socket can be read from or written to.
    pub(super) fn watch(&mut self, slot: u32) -> std::io::Result<()> {
        let transport = &mut self.connections[slot as usize].transport;
        // Edges, so that a socket that is ready to be written to says so once.
        self.registry.register(transport, Token(slot as usize), Interest::READABLE | Interest::WRITABLE)
    }

    /// Whether there are as many handshakes under way as there may be. The host is told once, until it is quieter.
    fn is_crowded(&self) -> bool {
        let (limit, census) = (self.settings.max_handshake_count, &self.shards.census);
        let count = census.handshake_count();
        if count < limit {
            if count <= limit / 2 && census.told_crowded.load(Ordering::Relaxed) {
                census.told_crowded.store(false, Ordering::Relaxed);
            }
            return false;
        }
        if !census.told_crowded.swap(true, Ordering::Relaxed) {
            let words = format!(
                "{limit} handshakes are under way, as many as max_handshake_count allows: who \
                 takes longest, or comes next, is cut"
            );
            tracing::warn!(words);
            let error = Error::new(ErrorCode::Busy, words);
            let _ = self.shared.with(|hub| hub.tell_host(Event::Degraded { error }));
        }
        true
    }

    /// Cuts the handshake that has taken longest, if it has had its time. Gives whether it did.
    fn cut_the_oldest(&mut self) -> bool {
        while let Some(&(slot, began_ms)) = self.handshakes.front() {
            let phase = self.connections.get(slot as usize).map(|connection| &connection.phase);
            if matches!(phase, Some(Phase::Head(head)) if head.began_ms == began_ms) {
                if self.now.ticks_ms - began_ms < PATIENCE_MS {
                    return false;
                }
                self.handshakes.pop_front();
                self.remove(slot);
                return true;
            }
            self.handshakes.pop_front();
        }
        false
    }

    /// Notes that a handshake has begun, and forgets the oldest that are over.
    fn note_handshake(&mut self, slot: u32) {
        let connections = &self.connections;
        let is_over = |&(slot, began_ms): &(u32, u64)| match connections.get(slot as usize) {
            Some(Connection { phase: Phase::Head(head), .. }) => head.began_ms != began_ms,
            _ => true,
        };
        while self.handshakes.front().is_some_and(is_over) {
            self.handshakes.pop_front();
        }
        self.handshakes.push_back((slot, self.now.ticks_ms));
    }

    /// A connection's handshake is about to be over, whichever way. Comes before its phase is another.
    pub(super) fn settle(&mut self, slot: u32) {
        let phase = self.connections.get(slot as usize).map(|connection| &connection.phase);
        if matches!(phase, Some(Phase::Head(_) | Phase::Asking(_))) {
            self.shards.census.settle();
        }
    }

    /// The TLS handshake is done: the time for the request begins.
    pub(super) fn secured(&mut self, slot: u32) {
        let deadline_ms = self.now.ticks_ms + self.settings.handshake_timeout_ms;
        if let Phase::Head(head) = &mut self.connections[slot as usize].phase {
            head.deadline_ms = deadline_ms;
        }
    }

    /// A request has come without TLS where TLS is spoken.
    pub(super) fn is_plain(&mut self, slot: u32) {
        let reason = "this port speaks TLS: use https:// or wss://".to_owned();
        self.refuse(slot, None, Refusal { status: 400, reason, headers: Vec::new() });
    }

    /// A connection has broken TLS, or found no common ground in its handshake; its transport has told it.
    pub(super) fn broke_tls(&mut self, slot: u32, reason: &str) {
        let deadline_ms = self.now.ticks_ms + self.settings.close_timeout_ms;
        if !matches!(self.connections[slot as usize].phase, Phase::Head(_)) {
            return self.lost(slot, reason);
        }
        self.settle(slot);
        let connection = &mut self.connections[slot as usize];
        let address = connection.peer();
        // What it sends is thrown away, so that a reset does not overtake what it was told.
        connection.phase = Phase::Answered { deadline_ms, shut: false };
        connection.queue_sealed(self.now.ticks_ms);
        let is_sent = connection.outbox.is_none();
        tracing::info!(reason, ?address, "a TLS handshake failed");
        let error = Error::new(ErrorCode::Refused, format!("a TLS handshake failed: {reason}"));
        let _ = self.shared.with(|hub| hub.tell_host(Event::Refused { connection: None, address, error }));
        if is_sent {
            self.drained(slot);
        }
        self.make_ready(slot);
    }

    /// Closes the tutorial connection that has been without a name for longest, if those have more than a
    /// quarter of this shard's places. Gives whether it did.
    fn make_place(&mut self) -> bool {
        let nameless = |connection: &Connection| {
            matches!(connection.phase, Phase::Open)
                && connection.dialect == Dialect::Tutorial
                && !connection.named
        };
        let nameless = self.connections.iter().filter(|(_, connection)| nameless(connection));
        let (count, oldest) = nameless.fold((0, None), |(count, oldest), (slot, connection)| {
            let this = (connection.id, slot as u32);
            (count + 1, Some(oldest.map_or(this, |oldest: (ConnectionId, u32)| oldest.min(this))))
        });
        match oldest {
            Some((_, slot)) if count > self.settings.max_connection_count / self.shards.count() / 4 => {
                self.close_for(slot, Cause::Overload, "others need the place; choose a name to stay");
                true
            }
            _ => false,
        }
    }

    pub(super) fn read_head(&mut self, slot: u32, bytes: &[u8]) {
        let connection = &mut self.connections[slot as usize];
        let Phase::Head(head) = &mut connection.phase else { return };
        head.bytes.extend_from_slice(bytes);
        let (request, len) = match head.scan.find(&head.bytes) {
            Ok(None) => return,
            Ok(Some(len)) => (parse_request(&head.bytes[..len]), len),
            Err(refusal) => (Err(refusal), head.bytes.len()),
        };
        let (refusal, proxied) = (head.refusal, head.proxied);
        let adopted = head.adopted.then(|| connection.transport.local_addr().ok()).flatten();
        let request = match proxied {
            true => request.and_then(|request| self.note_client(slot, request)),
            false => request,
        };
        let decision = match (refusal, request) {
            (Some(status), _) => Decision::Refuse(self.full(status)),
            (None, Ok(request)) => decide(&self.settings.rules, request, adopted),
            (None, Err(refusal)) => Decision::Refuse(refusal),
        };
        match decision {
            Decision::Answer(answer) => self.answer(slot, answer),
            Decision::Refuse(refusal) => self.refuse(slot, None, refusal),
            Decision::Upgrade(mut wanted) => {
                let connection = &mut self.connections[slot as usize];
                if let Phase::Head(head) = &mut connection.phase {
                    wanted.rest = head.bytes.split_off(len);
                }
                self.ask(slot, wanted);
            }
        }
    }

    /// Asks the host about a connection, or lets it in unasked.
    fn ask(&mut self, slot: u32, mut wanted: Box<Wanted>) {
        let now = self.now;
        let (key, dialect) = (self.key, wanted.dialect);
        let Ok(id) = self.shared.with(|hub| hub.number(key, slot, dialect)) else { return self.remove(slot) };
        let connection = &mut self.connections[slot as usize];
        connection.id = id;
        connection.dialect = dialect;
        connection.beat_every(self.settings.heartbeat_interval_ms);
        connection.terms = Terms::of(wanted.upgrade.deflate.as_ref());
        // What a v1 connection's token is, only its first message says.
        if !self.settings.ask_admit || dialect == Dialect::V1 {
            return self.let_in(slot, *wanted, None);
        }
        let (subject, address) = (wanted.subject(), connection.peer());
        connection.phase = Phase::Asking(wanted);
        connection.held = true;
        let _ = self.shared.with(|hub| hub.ask_admit(id, address, subject, now));
    }

    /// The host lets a connection in.
    pub(super) fn admitted(&mut self, slot: u32, id: ConnectionId, given: Option<Given>) {
        if let Some(wanted) = self.asked(slot, id) {
            self.let_in(slot, wanted, given);
        }
    }

    /// The host does not let a connection in.
    pub(super) fn denied(&mut self, slot: u32, id: ConnectionId, reason: String) {
        if self.asked(slot, id).is_some() {
            self.refuse(slot, Some(id), Refusal { status: 403, reason, headers: Vec::new() });
        }
    }

    fn asked(&mut self, slot: u32, id: ConnectionId) -> Option<Wanted> {
        let connection = self.connections.get_mut(slot as usize).filter(|connection| connection.id == id)?;
        match std::mem::replace(&mut connection.phase, Phase::Open) {
            Phase::Asking(wanted) => {
                self.shards.census.settle();
                Some(*wanted)
            }
            other => {
                connection.phase = other;
                None
            }
        }
    }

    fn let_in(&mut self, slot: u32, mut wanted: Wanted, given: Option<Given>) {
        let now = self.now;
        let connection = &mut self.connections[slot as usize];
        let (id, address) = (connection.id, connection.peer());
        let knock = (self.settings.ask_admit && wanted.dialect == Dialect::V1).then(|| wanted.knock());
        let Wanted { upgrade, subprotocol, dialect, room, path, mut rest, .. } = wanted;
        connection.named = given.is_some();
        let arrival = Arrival { connection: id, dialect, room, path, address, given, knock };
        if let Err(error) = self.shared.with(|hub| hub.connect(arrival, now)).and_then(|result| result) {
            let status = match error.code() {
                ErrorCode::Banned | ErrorCode::NotAllowed => 403,
                _ => 503,
            };
            let reason = error.message();
            return self.refuse(slot, Some(id), Refusal { status, reason, headers: Vec::new() });
        }
        tracing::debug!(connection = id.0, "connected");
        self.settle(slot);
        let connection = &mut self.connections[slot as usize];
        connection.phase = Phase::Open;
        connection.held = false;
        connection.heard_ms = now.ticks_ms;
        // With the history that follows it in this turn, in one write.
        self.send_answer(slot, switching_protocols(&upgrade, subprotocol.as_deref()).into());
        if !rest.is_empty() && self.connections.contains(slot as usize) {
            self.read_frames(slot, &mut rest);
        }
        self.make_ready(slot);
    }

    /// Answers that there will be no WebSocket, and tells the host.
    fn refuse(&mut self, slot: u32, id: Option<ConnectionId>, refusal: Refusal) {
        let now = self.now;
        let connection = &mut self.connections[slot as usize];
        let address = connection.peer();
        connection.id = ConnectionId(0);
        let counted = connection.counted;
        if !self.is_told(refusal.status, counted) {
            return self.answer(slot, refusal_response(&refusal));
        }
        tracing::info!(status = refusal.status, reason = refusal.reason, ?address, "refused a connection");
        let words = format!("a connection was answered {}: {}", refusal.status, refusal.reason);
        let error = Error::new(ErrorCode::Refused, words);
        let _ = self.shared.with(|hub| {
            if let Some(id) = id {
                hub.disconnect(id, 0, String::new(), now);
            }
            hub.tell_host(Event::Refused { connection: id, address, error });
        });
        self.answer(slot, refusal_response(&refusal));
    }

    pub(super) fn full(&self, status: u16) -> Refusal {
        let reason = match status {
            429 => format!(
                "this address has {} connections, as many as max_address_connection_count allows; is this a proxy? \
                 Set trusted_proxy to its address, and its clients are counted one by one",
                self.settings.max_address_connection_count
            ),
            _ if self.shards.pressure(self.settings.memory_bytes) > Pressure::None => {
                "memory is short; try again later".to_owned()
            }
            _ => format!(
                "there are {} connections, as many as there may be",
                self.settings.max_connection_count
            ),
        };
        Refusal { status, reason, headers: vec![("Retry-After", "5".to_owned())] }
    }
}

/// Connections accepted from one listener before others have their turn.
const ACCEPTS_PER_TURN: usize = 256;
/// How long a handshake may take in any case, in milliseconds, before it makes place for another.
const PATIENCE_MS: u64 = 1_000;
/// How long accepting rests after it failed, in milliseconds.
const ACCEPT_PAUSE_MS: u64 = 100;
/// Connections over the limit that are answered; more are cut.
const MAX_REFUSED: usize = 64;
