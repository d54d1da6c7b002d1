//! Twice as much costs twice as much, not four times: the engine's CPU time, in a process of its own.

use std::io::{Read, Write};
use std::net::TcpStream;

use klatsch::Options;

use crate::common::process::{alone, cpu_of, grows_linearly};
use crate::common::{DEADLINE, host};
use crate::raw::{frame, open_at};

#[test]
fn a_head_that_comes_byte_by_byte_costs_what_its_length_says() {
    if !alone("growth::a_head_that_comes_byte_by_byte_costs_what_its_length_says") {
        return;
    }
    let host = host(Options::new());
    let cost = |len: usize| {
        cpu_of(|| {
            for _ in 0..4 {
                let mut stream = TcpStream::connect(host.address).unwrap();
                stream.set_nodelay(true).unwrap();
                stream.set_read_timeout(Some(DEADLINE)).unwrap();
                let start = "GET /none HTTP/1.1\r\nHost: localhost\r\nX: ";
                let head = format!("{start}{}\r\n\r\n", "x".repeat(len - start.len() - 4));
                head.bytes().for_each(|byte| stream.write_all(&[byte]).unwrap());
                let mut answer = String::new();
                stream.read_to_string(&mut answer).unwrap();
                assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
            }
        })
    };
    assert_eq!(grows_linearly(4_000, cost), Ok(()));
}

#[test]
fn a_message_in_so_many_fragments_costs_what_their_number_says() {
    if !alone("growth::a_message_in_so_many_fragments_costs_what_their_number_says") {
        return;
    }
    let host = host(Options::new().raw("/raw", "").max_fragment_count(1_000_000).max_assembly_ms(600_000));
    let cost = |count: usize| {
        let bytes =
            [frame(0x01, b"x"), frame(0x00, b"x").repeat(count - 2), frame(0x80, b"x"), frame(0x88, b"")];
        let mut stream = open_at(&host, "/raw");
        cpu_of(|| {
            stream.write_all(&bytes.concat()).unwrap();
            stream.read_to_end(&mut Vec::new()).unwrap();
        })
    };
    assert_eq!(grows_linearly(30_000, cost), Ok(()));
}
