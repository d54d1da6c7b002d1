//! The bare loop: what a chat costs if nothing is checked. One thread, one epoll; each message is built once, and all
//! that could be read in one turn goes to each client in one write.
//!
//! No fragments, no extensions, no heartbeats, no deadlines, no limits but one: a client more than 4 MiB behind is
//! dropped.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;

use chat::{COLORS, History, color_json, escaped, message_json, now_ms, port};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use socket2::{Domain, Socket, Type};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

struct Client {
    stream: TcpStream,
    /// The opening request was answered.
    is_open: bool,
    is_dead: bool,
    /// Its name, escaped, and its colour.
    user: Option<(Vec<u8>, &'static str)>,
    /// What came of a frame that is not whole.
    incoming: Vec<u8>,
    /// What the socket did not take.
    outgoing: Vec<u8>,
}

struct Loop {
    epoll: Epoll,
    /// By the number that epoll knows them by.
    clients: Vec<Option<Box<Client>>>,
    free: Vec<usize>,
    /// Those who hear what is said.
    open: Vec<usize>,
    doomed: Vec<usize>,
    history: History,
    /// The frames of this turn.
    batch: Vec<u8>,
    joined: usize,
}

const LISTENER: u64 = u64::MAX;

fn main() -> std::io::Result<()> {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    listener.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], port())).into())?;
    listener.listen(4096)?;
    listener.set_nonblocking(true)?;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(&listener, EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))?;
    let mut state = Loop {
        epoll,
        clients: Vec::new(),
        free: Vec::new(),
        open: Vec::new(),
        doomed: Vec::new(),
        history: History::default(),
        batch: Vec::new(),
        joined: 0,
    };
    let mut events = vec![EpollEvent::empty(); 1024];
    let mut buffer = vec![0; 65_536];
    loop {
        let count = state.epoll.wait(&mut events, EpollTimeout::NONE).unwrap_or(0);
        let time = now_ms();
        for event in &events[..count] {
            match event.data() {
                LISTENER => state.accept(&listener)?,
                at => state.ready(at as usize, event.events(), &mut buffer, time),
            }
        }
        state.send_batch();
        state.bury();
    }
}

impl Loop {
    fn accept(&mut self, listener: &Socket) -> std::io::Result<()> {
        while let Ok((socket, _)) = listener.accept() {
            socket.set_nonblocking(true)?;
            socket.set_tcp_nodelay(true)?;
            let at = self.free.pop().unwrap_or(self.clients.len());
            self.epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, at as u64))?;
            let client = Some(Box::new(Client {
                stream: TcpStream::from(socket),
                is_open: false,
                is_dead: false,
                user: None,
                incoming: Vec::new(),
                outgoing: Vec::new(),
            }));
            match self.clients.get_mut(at) {
                Some(slot) => *slot = client,
                None => self.clients.push(client),
            }
        }
        Ok(())
    }

    fn ready(&mut self, at: usize, events: EpollFlags, buffer: &mut [u8], time: u64) {
        let Some(client) = self.clients[at].as_deref_mut() else { return };
        if events.contains(EpollFlags::EPOLLOUT) && !client.outgoing.is_empty() {
            let waiting = std::mem::take(&mut client.outgoing);
            let taken = write(client, &waiting);
            client.outgoing.extend_from_slice(&waiting[taken..]);
            if client.outgoing.is_empty() {
                client.outgoing = Vec::new();
                watch(&self.epoll, client, at, EpollFlags::EPOLLIN);
            }
        }
        if events.intersects(EpollFlags::EPOLLIN | EpollFlags::EPOLLERR | EpollFlags::EPOLLHUP) {
            match client.stream.read(buffer) {
                Ok(0) => client.is_dead = true,
                Ok(came) if client.incoming.is_empty() => self.understand(at, &mut buffer[..came], time),
                Ok(came) => {
                    let mut bytes = std::mem::take(&mut client.incoming);
                    bytes.extend_from_slice(&buffer[..came]);
                    self.understand(at, &mut bytes, time);
                }
                Err(error) => client.is_dead = error.kind() != ErrorKind::WouldBlock,
            }
        }
        if self.clients[at].as_ref().is_some_and(|client| client.is_dead) {
            self.doomed.push(at);
        }
    }

    fn understand(&mut self, at: usize, bytes: &mut [u8], time: u64) {
        let Some(client) = self.clients[at].as_deref_mut() else { return };
        let mut used = 0;
        if !client.is_open
            && let Some((len, mut answer)) = handshake(bytes)
        {
            used = len;
            client.is_open = true;
            if let Some(history) = self.history.json() {
                push_frame(&mut answer, 1, &history);
            }
            send(&self.epoll, client, at, &answer);
            self.open.push(at);
        }
        while client.is_open && !client.is_dead {
            let Some((len, opcode, payload)) = next_frame(&mut bytes[used..]) else { break };
            used += len;
            let mut reply = Vec::new();
            match (opcode, &client.user) {
                (1 | 2, None) => {
                    let color = COLORS[self.joined % COLORS.len()];
                    self.joined += 1;
                    client.user = Some((escaped(payload), color));
                    push_frame(&mut reply, 1, color_json(color).as_bytes());
                }
                (1 | 2, Some((name, color))) => {
                    let text = message_json(time, payload, name, color);
                    push_frame(&mut self.batch, 1, &text);
                    self.history.push(text.into());
                }
                (8, _) => {
                    send(&self.epoll, client, at, &[0x88, 2, 3, 232]);
                    client.is_dead = true;
                }
                (9, _) => push_frame(&mut reply, 10, payload),
                _ => {}
            }
            if !reply.is_empty() {
                send(&self.epoll, client, at, &reply);
            }
        }
        if used < bytes.len() && !client.is_dead {
            client.incoming = bytes[used..].to_vec();
        }
    }

    fn send_batch(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        for &at in &self.open {
            if let Some(client) = self.clients[at].as_deref_mut() {
                send(&self.epoll, client, at, &self.batch);
                if client.is_dead {
                    self.doomed.push(at);
                }
            }
        }
        self.batch.clear();
    }

    fn bury(&mut self) {
        for at in self.doomed.drain(..) {
            if self.clients[at].take().is_some() {
                self.free.push(at);
                if let Some(found) = self.open.iter().position(|&open| open == at) {
                    self.open.swap_remove(found);
                }
            }
        }
    }
}

/// Sends now what the socket takes, and keeps the rest for later.
fn send(epoll: &Epoll, client: &mut Client, at: usize, bytes: &[u8]) {
    if client.is_dead {
        return;
    }
    if !client.outgoing.is_empty() {
        client.outgoing.extend_from_slice(bytes);
        client.is_dead = client.outgoing.len() > 4 << 20;
        return;
    }
    let taken = write(client, bytes);
    if taken < bytes.len() && !client.is_dead {
        client.outgoing.extend_from_slice(&bytes[taken..]);
        watch(epoll, client, at, EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT);
    }
}

fn write(client: &mut Client, bytes: &[u8]) -> usize {
    match client.stream.write(bytes) {
        Ok(taken) => taken,
        Err(error) => {
            client.is_dead = error.kind() != ErrorKind::WouldBlock;
            0
        }
    }
}

fn watch(epoll: &Epoll, client: &mut Client, at: usize, events: EpollFlags) {
    if epoll.modify(client.stream.as_fd(), &mut EpollEvent::new(events, at as u64)).is_err() {
        client.is_dead = true;
    }
}

/// The answer to a whole opening request at the front of the bytes, and the request's length.
fn handshake(bytes: &[u8]) -> Option<(usize, Vec<u8>)> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..end]).unwrap_or_default();
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    let mut keys = fields.filter(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"));
    let key = keys.next().map_or("", |(_, key)| key.trim());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        derive_accept_key(key.as_bytes())
    );
    Some((end, answer.into_bytes()))
}

/// The masked frame at the front of the bytes, unmasked where it lies: its length, opcode and payload.
fn next_frame(bytes: &mut [u8]) -> Option<(usize, u8, &[u8])> {
    let &[first, second, ..] = &*bytes else { return None };
    let (header, len) = match second & 0x7f {
        126 => (4, usize::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?))),
        // Nobody here says so much; the load would notice.
        127 => return None,
        len => (2, usize::from(len)),
    };
    let whole = header + 4 + len;
    let (mask, payload) = bytes.get_mut(header..whole)?.split_first_chunk_mut::<4>()?;
    for (at, byte) in payload.iter_mut().enumerate() {
        *byte ^= mask[at & 3];
    }
    Some((whole, first & 0x0f, payload))
}

fn push_frame(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    out.push(0x80 | opcode);
    match payload.len() {
        len @ 0..126 => out.push(len as u8),
        len @ 126..65_536 => {
            out.push(126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}
