//! What somebody who means harm costs the others: times, for the promises whose order and memory the tests hold.
//!
//! The server runs with its ordinary limits here. Each attack ends with how busy the server is once it is over.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::client::open_socket;
use super::frame;
use super::spec::{Mode, Spec};
use super::{Figures, Outcome};
use crate::process::{cpu_s, tree};

pub(super) fn run(spec: &Spec) -> Outcome {
    let pids = tree(spec.pid);
    let mut figures = match spec.pattern.mode {
        Mode::Slowloris => slowloris(spec)?,
        Mode::Headers => headers(spec, &pids)?,
        Mode::Fragments => fragments(spec, &pids)?,
        _ => one_address(spec)?,
    };
    std::thread::sleep(SETTLE);
    let (before, start) = (cpu_s(&pids), Instant::now());
    std::thread::sleep(Duration::from_secs_f64(spec.pattern.measured_s));
    let busy = (cpu_s(&pids) - before) / start.elapsed().as_secs_f64();
    figures.push(("idle_percent", busy * 100.0));
    figures.push(("good_after_ms", good_client(spec, "/")?));
    Ok((String::new(), figures))
}

/// So many clients send half a request and wait. How long does a good client take to come in meanwhile?
fn slowloris(spec: &Spec) -> Result<Figures, String> {
    let mut held = Vec::new();
    let mut times = Vec::new();
    for at in 0..spec.pattern.clients + GOOD_CLIENTS {
        if at < spec.pattern.clients {
            held.push(half_request(spec, (at / 50) as u8)?);
        }
        // The last ones come in among all the others.
        if at >= spec.pattern.clients {
            times.push(good_client(spec, "/")?);
        }
    }
    Ok(good_figures(times))
}

/// One address connects again and again, far over its limit. How long does another one take to come in meanwhile?
fn one_address(spec: &Spec) -> Result<Figures, String> {
    let mut held = Vec::new();
    let mut times = Vec::new();
    for at in 0..spec.pattern.clients {
        held.push(whole_request(spec)?);
        if held.len() > HELD {
            held.remove(HELD / 2);
        }
        if at % (spec.pattern.clients / GOOD_CLIENTS).max(1) == 0 {
            times.push(good_client(spec, "/")?);
        }
    }
    Ok(good_figures(times))
}

/// A request that is all header, byte by byte. What does it cost, and what does twice as much of it?
fn headers(spec: &Spec, pids: &[u32]) -> Result<Figures, String> {
    let cost_us = |bytes: usize| -> Result<f64, String> {
        let request = [&b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: "[..], &vec![b'x'; bytes]].concat();
        let before = cpu_s(pids);
        for _ in 0..spec.pattern.clients {
            let mut stream = connect(spec, 0)?;
            // The server ends it when it has seen enough.
            let taken = request.chunks(1).take_while(|byte| stream.write_all(byte).is_ok()).count();
            if taken == request.len() {
                let _ = stream.read(&mut [0; 1024]);
            }
        }
        Ok((cpu_s(pids) - before) * 1e6 / spec.pattern.clients as f64)
    };
    // The first time costs more.
    cost_us(16 * 1024)?;
    let (one, two) = (cost_us(32 * 1024)?, cost_us(64 * 1024)?);
    Ok(vec![("us_per_connection", two), ("ratio_of_double", two / one)])
}

/// A message in very many fragments. What does it cost, and what does it in twice as many?
fn fragments(spec: &Spec, pids: &[u32]) -> Result<Figures, String> {
    let cost_us = |count: usize| -> Result<f64, String> {
        let piece = vec![b'x'; MESSAGE_BYTES / count];
        let mut message = Vec::new();
        for at in 0..count {
            let first = if at == 0 { 1 } else { 0 } | if at + 1 == count { 0x80 } else { 0 };
            frame::write(&mut message, first, [1, 2, 3, 4], &piece);
        }
        frame::write_final(&mut message, frame::PING, [1, 2, 3, 4], b"done?");
        let before = cpu_s(pids);
        for _ in 0..spec.pattern.clients {
            let mut stream = connect(spec, 0)?;
            opened(&mut stream, spec, "/raw")?;
            stream.write_all(&message).map_err(|error| format!("fragments: {error}"))?;
            // The pong comes when the message is whole.
            let mut pong = [0; 7];
            stream.read_exact(&mut pong).map_err(|error| format!("no pong: {error}"))?;
            if pong[0] != 0x8a {
                return Err(format!("not a pong: {pong:?}"));
            }
        }
        Ok((cpu_s(pids) - before) * 1e6 / spec.pattern.clients as f64)
    };
    cost_us(1000)?;
    let (one, two) = (cost_us(15_000)?, cost_us(30_000)?);
    Ok(vec![("us_per_message", two), ("ratio_of_double", two / one)])
}

fn good_figures(mut times: Vec<f64>) -> Figures {
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() as f64 * share) as usize).min(times.len() - 1)];
    vec![("good_p50_ms", at(0.5)), ("good_p99_ms", at(0.99)), ("good_max_ms", at(1.0))]
}

/// How many milliseconds a client of good will takes to have its WebSocket. If it is turned away it tries again.
fn good_client(spec: &Spec, path: &str) -> Result<f64, String> {
    let start = Instant::now();
    loop {
        let outcome = connect(spec, GOOD_SOURCE)
            .and_then(|mut stream| opened(&mut stream, spec, path).map(|()| stream));
        match outcome {
            Ok(_) => return Ok(start.elapsed().as_secs_f64() * 1000.0),
            Err(words) if start.elapsed() > PATIENCE => return Err(format!("a good client: {words}")),
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

fn connect(spec: &Spec, source: u8) -> Result<TcpStream, String> {
    let words = |error| format!("connect: {error}");
    let socket = open_socket(spec.port, source, None).map_err(words)?;
    socket.set_nonblocking(false).map_err(words)?;
    socket.set_linger(Some(Duration::ZERO)).map_err(words)?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).map_err(words)?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(words)?;
    // It was opened without waiting; to write waits until it is there.
    while let Err(error) = stream.peer_addr() {
        match error.kind() {
            ErrorKind::NotConnected => std::thread::sleep(Duration::from_micros(50)),
            _ => return Err(words(error)),
        }
    }
    Ok(stream)
}

/// Opens a WebSocket on a connection.
fn opened(stream: &mut TcpStream, spec: &Spec, path: &str) -> Result<(), String> {
    stream.write_all(request(spec, path).as_bytes()).map_err(|error| format!("request: {error}"))?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0; 1];
        stream.read_exact(&mut byte).map_err(|error| format!("answer: {error}"))?;
        head.push(byte[0]);
    }
    match head.starts_with(b"HTTP/1.1 101") {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned()),
    }
}

/// A client that has sent half a request.
fn half_request(spec: &Spec, source: u8) -> Result<TcpStream, String> {
    let mut stream = connect(spec, source)?;
    // The server may have cut it already, which is its right.
    let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n");
    Ok(stream)
}

/// A client that has sent a whole request and does not wait for the answer.
fn whole_request(spec: &Spec) -> Result<TcpStream, String> {
    let mut stream = connect(spec, 0)?;
    let _ = stream.write_all(request(spec, "/").as_bytes());
    Ok(stream)
}

fn request(spec: &Spec, path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost:{}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        spec.port
    )
}

/// The good clients' address; the others come from those below it.
const GOOD_SOURCE: u8 = 200;

/// How many good clients are timed.
const GOOD_CLIENTS: usize = 200;

/// How many connections one address keeps trying to hold.
const HELD: usize = 400;

/// Bytes of a message in fragments: below the largest that the server takes.
const MESSAGE_BYTES: usize = 60_000;

const PATIENCE: Duration = Duration::from_secs(10);

/// What an attack has left behind may take so long to be put away: the longest of the server's own deadlines.
const SETTLE: Duration = Duration::from_secs(6);
