//! Sends every message back as it came, over the raw dialect: for testers of the WebSocket layer.
//! Run: cargo run --release --example echo -- 127.0.0.1:9001

use klatsch::{Engine, Event, Limits, Options};

fn main() -> Result<(), klatsch::Error> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".into());
    let options = Options::new()
        .listen(address)
        .raw("/", "")
        .tutorial(false)
        .page(false)
        .limits(Limits::LoadTest)
        .max_message_bytes(64 << 20)
        .max_fragment_count(1_000_000)
        .max_assembly_ms(600_000)
        .outbox_bytes(256 << 20)
        .deflate_min_bytes(1)
        .control_rate(1_000_000)
        .control_burst(1_000_000);
    let engine = Engine::new(options)?;
    let mut events = engine.events()?;
    println!("listening on ws://{}", engine.start()?[0]);
    while let Some(event) = events.next_blocking() {
        match event {
            // A message that finds no place is tried again: an echo loses nothing.
            Event::Received { connection, payload } => {
                while let Err(error) = engine.tell(connection, payload.clone()) {
                    if error.code() != klatsch::ErrorCode::Busy {
                        break;
                    }
                    std::thread::yield_now();
                }
            }
            Event::Error { error } => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
