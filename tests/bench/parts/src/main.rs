//! What the parts of the engine cost by themselves: `make bench-parts`.
//!
//! Each line is a part with so many bytes, or messages, of work. Frames hold a text of 64 bytes, as in the bench of the
//! whole.

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use klatsch::testing::{Texts, parts};
use klatsch::{Color, Message, More, Position, RoomName, UserId, UserName};

fn main() {
    divan::main();
}

/// A client's frames to texts, 1,000 at once: the header, the mask, UTF-8.
#[divan::bench(args = [64, 1024])]
fn read_frames(bencher: Bencher<'_, '_>, len: usize) {
    let frames = client_frame(&text(len)).repeat(FRAMES);
    bencher.counter(ItemsCount::new(FRAMES)).with_inputs(|| frames.clone()).bench_values(|mut frames| {
        let mut count = 0;
        Texts::default().read(black_box(&mut frames), |_| count += 1);
        assert_eq!(count, FRAMES);
    });
}

/// Texts to the server's frames, 1,000 of them.
#[divan::bench(args = [64, 1024])]
fn write_frames(bencher: Bencher<'_, '_>, len: usize) {
    let text = text(len);
    let mut out = Vec::with_capacity((len + 16) * FRAMES);
    bencher.counter(ItemsCount::new(FRAMES)).bench_local(|| {
        out.clear();
        for _ in 0..FRAMES {
            parts::write_text(&mut out, black_box(text.as_bytes()));
        }
        out.len()
    });
}

/// A message to the tutorial's JSON.
#[divan::bench(args = [64, 1024])]
fn encode(bencher: Bencher<'_, '_>, len: usize) {
    let message = message(&text(len));
    let mut out = Vec::new();
    bencher.counter(ItemsCount::new(1usize)).bench_local(|| {
        out.clear();
        parts::encode(black_box(&message), &mut out);
        out.len()
    });
}

/// What a turn has for a room, deflated once for all its readers: so many messages.
#[divan::bench(args = [1, 10, 80])]
fn deflate(bencher: Bencher<'_, '_>, messages: usize) {
    let mut frames = Vec::new();
    for at in 0..messages {
        let mut json = Vec::new();
        parts::encode(&message(&text(64)[at % 16..]), &mut json);
        parts::write_text(&mut frames, &json);
    }
    let mut batches = parts::Batches::new(LEVEL);
    let mut out = Vec::new();
    bencher.counter(ItemsCount::new(messages)).counter(BytesCount::new(frames.len())).bench_local(|| {
        out.clear();
        batches.deflate(black_box(&frames), &mut out);
        out.len()
    });
}

/// A turn of a room with so many members, without the sends: 32 messages of 150 bytes for each.
#[divan::bench(args = [1, 100, 1000])]
fn turn(bencher: Bencher<'_, '_>, members: u32) {
    const MESSAGES: usize = 32;
    let mut room = parts::Room::new(members);
    let mut frame = Vec::new();
    parts::write_text(&mut frame, text(150).as_bytes());
    bencher.counter(ItemsCount::new(MESSAGES * members as usize)).bench_local(|| {
        let bytes = room.turn(black_box(&frame), MESSAGES);
        assert_eq!(bytes, frame.len() * MESSAGES * members as usize);
    });
}

/// Prose of so many bytes.
fn text(len: usize) -> String {
    PROSE.chars().cycle().take(len).collect()
}

fn message(text: &str) -> Message {
    Message {
        room: RoomName::new("lobby").expect("it is a name"),
        position: Position { epoch: 1_700_000_000_000, offset: 7 },
        user: UserId::new("user00001").expect("it is an id"),
        name: UserName::new("user00001").expect("it is a name"),
        color: Color::Green,
        at_ms: 1_700_000_000_000,
        text: text.to_owned(),
        more: More::default(),
    }
}

/// A text as a client sends it.
fn client_frame(text: &str) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut out = vec![0x81];
    match text.len() {
        len @ 0..126 => out.push(0x80 | len as u8),
        len => {
            out.push(0xfe);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
    }
    out.extend_from_slice(&MASK);
    out.extend(text.bytes().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
    out
}

const FRAMES: usize = 1000;

/// As `server/compression.rs` has it.
const LEVEL: u32 = 1;

const PROSE: &str = "so I tried the new build on the old laptop last night and it went fine until the cache filled up \
again; did anybody look at the logs from tuesday, they show the same thing about an hour before the restart. ";
