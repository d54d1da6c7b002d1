//! What reading one masked text frame costs, in instructions, ours beside tungstenite's `WebSocketContext`.
//!
//! Run: `cargo run --release --manifest-path tests/callgrind/Cargo.toml`. It runs itself under valgrind, each case with
//! two numbers of frames, and divides what more frames cost by how many more there were, so that starting up counts
//! for nothing. Instructions do not depend on what else the machine does.
//!
//! Both sides are given their bytes by one copy into the buffer they read from, as a socket gives them, and both
//! give back a whole, checked text.

use std::hint::black_box;
use std::io::{self, ErrorKind, Read, Write};
use std::process::Command;

use klatsch::testing::Texts;
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};

/// One case: what comes with each read.
struct Case {
    name: &'static str,
    text_bytes: usize,
    frames_per_read: usize,
}

const CASES: [Case; 3] = [
    Case { name: "a text of 28 bytes in each read", text_bytes: 28, frames_per_read: 1 },
    Case { name: "64 texts of 28 bytes in each read", text_bytes: 28, frames_per_read: 64 },
    Case { name: "a text of 1,000 bytes in each read", text_bytes: 1_000, frames_per_read: 1 },
];
const SIDES: [&str; 2] = ["klatsch", "tungstenite"];

fn main() {
    let words: Vec<String> = std::env::args().collect();
    match &words[1..] {
        [side, case, reads] => {
            let case = &CASES[case.parse::<usize>().expect("the number of a case")];
            read(side, case, reads.parse().expect("a number of reads"));
        }
        _ => compare(&words[0]),
    }
}

/// Prints the table.
fn compare(program: &str) {
    println!("instructions per frame               {:>12} {:>12}", SIDES[0], SIDES[1]);
    for (number, case) in CASES.iter().enumerate() {
        let [ours, theirs] = SIDES.map(|side| {
            let few = instructions(program, side, number, READS);
            let many = instructions(program, side, number, 2 * READS);
            (many - few) / (READS * case.frames_per_read) as u64
        });
        println!("{:<36} {ours:>12} {theirs:>12}", case.name);
    }
}

/// How many instructions this program executes in all, by callgrind's count.
fn instructions(program: &str, side: &str, case: usize, reads: usize) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", program, side])
        .args([case.to_string(), reads.to_string()])
        .output()
        .expect("valgrind is installed");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}");
    let count = words.lines().find_map(|line| line.split_once("Collected : "));
    let count = count.and_then(|(_, count)| count.trim().parse().ok());
    count.unwrap_or_else(|| panic!("valgrind counted nothing:\n{words}"))
}

/// Reads so many times the frames of a case, as one of the sides.
fn read(side: &str, case: &Case, reads: usize) {
    let text: String = ('a'..='z').cycle().take(case.text_bytes).collect();
    let bytes = masked(text.as_bytes()).repeat(case.frames_per_read);
    let texts = if side == SIDES[0] { ours(&bytes, reads) } else { theirs(&bytes, reads) };
    assert_eq!(texts, (reads * case.frames_per_read, reads * case.frames_per_read * case.text_bytes));
}

/// The number of texts and of their bytes.
fn ours(bytes: &[u8], reads: usize) -> (usize, usize) {
    let mut buffer = vec![0; 64 << 10];
    let mut reader = Texts::default();
    let mut found = (0, 0);
    for _ in 0..reads {
        buffer[..bytes.len()].copy_from_slice(black_box(bytes));
        reader.read(&mut buffer[..bytes.len()], |text| {
            found = (found.0 + 1, found.1 + black_box(text).len());
        });
    }
    found
}

fn theirs(bytes: &[u8], reads: usize) -> (usize, usize) {
    // It clears as much of its buffer before each read: as little as does.
    let config = WebSocketConfig::default().read_buffer_size(bytes.len());
    let mut context = WebSocketContext::new(Role::Server, Some(config));
    let mut socket = Socket { left: &[] };
    let mut found = (0, 0);
    for _ in 0..reads {
        socket.left = bytes;
        loop {
            match context.read(&mut socket) {
                Ok(message) => {
                    let text = message.to_text().expect("every frame is a text");
                    found = (found.0 + 1, found.1 + black_box(text).len());
                }
                Err(tungstenite::Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
    }
    found
}

/// Gives the bytes that are left, and would block then.
struct Socket<'a> {
    left: &'a [u8],
}

impl Read for Socket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let (now, later) = self.left.split_at(self.left.len().min(buffer.len()));
        buffer[..now.len()].copy_from_slice(black_box(now));
        self.left = later;
        Ok(now.len())
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A final text frame as a client sends it.
fn masked(payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![0x81];
    match payload.len() {
        len @ 0..126 => frame.push(0x80 | len as u8),
        len => {
            frame.push(0xfe);
            frame.extend_from_slice(&u16::try_from(len).expect("cases are short").to_be_bytes());
        }
    }
    frame.extend_from_slice(&MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

const READS: usize = 1_000;
