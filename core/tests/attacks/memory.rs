//! What strangers can make the engine hold, each in a process of its own.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use klatsch::{Event, Options};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::common::process::{alone, resident};
use crate::common::raw::{claim, frame, open, serves_the_next};
use crate::common::{Client, host};

#[test]
fn claimed_lengths_cost_no_memory() {
    if !alone("memory::claimed_lengths_cost_no_memory") {
        return;
    }
    // Two thousand times 48 MiB is claimed, where half a gigabyte is all there can be.
    setrlimit(Resource::RLIMIT_AS, 512 << 20, 512 << 20).unwrap();
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    let count = usize::try_from(hard / 2).unwrap().saturating_sub(50).min(2_000);
    let host = host(Options::new().max_message_bytes(64 << 20).max_address_connection_count(0));
    serves_the_next(&host);
    let before = resident();
    let streams: Vec<TcpStream> = (0..count)
        .map(|_| {
            let mut stream = open(&host);
            stream.write_all(&[claim(48 << 20), vec![1]].concat()).unwrap();
            stream
        })
        .collect();
    serves_the_next(&host);
    let each = resident().saturating_sub(before) / streams.len();
    assert!(each <= 8 * 1024, "{each} bytes a claim");
}

#[test]
fn a_ping_flood_that_never_reads_is_closed_and_costs_no_memory() {
    if !alone("memory::a_ping_flood_that_never_reads_is_closed_and_costs_no_memory") {
        return;
    }
    let mut host = host(Options::new());
    let mut stream = open(&host);
    let before = resident();
    let flood = frame(0x89, &[7; 100]).repeat(1_000);
    // The server stops reading it long before two million; then writing fails or would block.
    stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    for _ in 0..2_000 {
        if stream.write_all(&flood).is_err() {
            break;
        }
    }
    let Event::Disconnected { code, .. } = host.event_of("disconnected") else { unreachable!() };
    assert_eq!(code, 1008);
    assert!(resident().saturating_sub(before) < 4 << 20, "{} bytes", resident() - before);
    serves_the_next(&host);
}

#[test]
fn readers_that_never_read_are_closed_and_the_others_get_everything() {
    if !alone("memory::readers_that_never_read_are_closed_and_the_others_get_everything") {
        return;
    }
    let options = Options::new()
        .write_timeout_ms(2_000)
        .message_rate(0)
        .max_text_bytes(4_096)
        .event_queue_bytes(65_536);
    let mut host = host(options);
    let slow: Vec<Client> = (0..10)
        .map(|n| {
            let client = host.named("/", &format!("slow{n}"));
            socket2::SockRef::from(client.socket.get_ref()).set_recv_buffer_size(4_096).unwrap();
            client
        })
        .collect();
    let mut quick = host.named("/", "Quick");
    let text = "x".repeat(4_000);
    let before = resident();
    for n in 0..4_000 {
        quick.say(&format!("{n} {text}"));
        while !quick.hear().contains(&format!(r#""text":"{n} "#)) {}
    }
    for _ in &slow {
        let Event::Disconnected { code, reason, .. } = host.event_of("disconnected") else { unreachable!() };
        assert_eq!((code, reason.contains("write_timeout_ms")), (1006, true), "{reason}");
    }
    // The log of the room itself holds up to 4,000 records of 4 KiB.
    let grown = resident().saturating_sub(before);
    assert!(grown < 16_800_000 + 10 * 65_536 + (8 << 20), "{grown} bytes");
    assert_eq!(host.engine.member_count("lobby").unwrap(), 1);
}

#[test]
fn messages_that_are_never_finished_hold_no_more_than_what_came() {
    if !alone("memory::messages_that_are_never_finished_hold_no_more_than_what_came") {
        return;
    }
    let host = host(Options::new().max_address_connection_count(0));
    serves_the_next(&host);
    let before = resident();
    let streams: Vec<TcpStream> = (0..200)
        .map(|_| {
            let mut stream = open(&host);
            let pieces = [frame(0x02, &[7; 1_000]), frame(0x00, &[7; 1_000]).repeat(59)].concat();
            stream.write_all(&pieces).unwrap();
            // The answer says that all before it has been read.
            stream.write_all(&frame(0x89, b"read")).unwrap();
            stream.read_exact(&mut [0; 6]).unwrap();
            stream
        })
        .collect();
    let each = resident().saturating_sub(before) / streams.len();
    assert!(each <= 2 * 65_536, "{each} bytes each");
}
