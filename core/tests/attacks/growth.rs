//! Twice as much costs twice as much, not four times: the engine's CPU time, in a process of its own.

use std::io::{Read, Write};

use klatsch::Options;

use crate::common::host;
use crate::common::process::{alone, cpu_of, grows_linearly};
use crate::common::raw::{frame, open_at};

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
