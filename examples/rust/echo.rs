//! Sends every message back as it came, over the raw dialect: for testers of the WebSocket layer.
//! Run: cargo run --release --example echo -- 127.0.0.1:9001 [--tls CERT.pem KEY.pem]

use klatsch::{Engine, Event, Limits, Options};

fn main() -> Result<(), klatsch::Error> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let address = words.first().map_or("127.0.0.1:9001", String::as_str);
    let mut options = Options::new()
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
    let mut scheme = "ws";
    if let [_, flag, cert, key] = words.as_slice()
        && flag == "--tls"
    {
        options = options.tls_files(cert, key);
        scheme = "wss";
    }
    let engine = Engine::new(options)?;
    let mut events = engine.events()?;
    println!("listening on {scheme}://{}", engine.start()?[0]);
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
