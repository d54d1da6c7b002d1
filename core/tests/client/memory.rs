//! What a server can make the client hold.

use std::io::Write;

use klatsch::client::Options;

use crate::common::process::{alone, resident};
use crate::peers::{Server, code, frame, read_frame, run, soon};

const PINGS: u32 = 2_000_000;

#[test]
fn a_server_that_pings_without_end_and_reads_nothing_costs_no_memory() {
    if !alone("memory::a_server_that_pings_without_end_and_reads_nothing_costs_no_memory") {
        return;
    }
    let server = Server::start(|mut stream| {
        let before = resident();
        let mut bytes = Vec::new();
        for number in 0..PINGS {
            bytes.extend(frame(0x89, &number.to_be_bytes()));
            if bytes.len() > 60_000 || number == PINGS - 1 {
                stream.write_all(&bytes).unwrap();
                bytes.clear();
            }
        }
        let grown = resident().saturating_sub(before);
        assert!(grown < 4 << 20, "{grown} bytes");
        // All was read, or it would not have been taken; and the newest is answered, whatever became of the others.
        let mut last = 0;
        while last < PINGS - 1 {
            let (first, payload) = read_frame(&mut stream);
            assert_eq!(first, 0x8a);
            let number = u32::from_be_bytes(payload.try_into().unwrap());
            assert!(number >= last, "in order");
            last = number;
        }
        stream.write_all(&frame(0x88, &code(1000, ""))).unwrap();
        assert_eq!(read_frame(&mut stream), (0x88, code(1000, "")));
    });
    run(async {
        let mut socket = server.connect(Options::new()).await;
        assert!(soon(socket.next()).await.is_none());
    });
    server.done();
}
