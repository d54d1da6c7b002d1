//! A chat server inside a Rust program: it greets who comes in and prints what is going on.
//! Run it with `cargo run -p klatsch --example chat [ADDRESS:PORT]`, and open its address in a browser.

use std::error::Error;
use std::thread;
use std::time::Duration;

use klatsch::{Engine, Event, Options};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:1337".into());
    let engine = Engine::new(Options::new().listen(address))?;
    let mut events = engine.events()?;
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    engine.start()?;

    let stopper = engine.clone();
    thread::spawn(move || {
        signals.forever().next();
        if let Err(error) = stopper.stop_blocking(Duration::from_secs(5)) {
            eprintln!("stop: {error}");
        }
    });

    while let Some(event) = events.next_blocking() {
        match event {
            Event::Started { addresses } => {
                for address in addresses {
                    println!("listening on http://{address}");
                }
            }
            Event::Joined { room, name, member_count, .. } => {
                println!("+ {name} joined {room} ({member_count} here)");
                if let Err(error) = engine.broadcast(&room, &format!("Welcome, {name}!")) {
                    eprintln!("broadcast: {error}");
                }
            }
            Event::Left { room, name, member_count, .. } => {
                println!("- {name} left {room} ({member_count} here)");
            }
            Event::Message { message, .. } => println!("{} {}: {}", message.room, message.name, message.text),
            Event::Stopped => break,
            _ => {}
        }
    }
    println!("stopped");
    Ok(())
}
