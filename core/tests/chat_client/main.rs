//! The chat client against the engine: conversations, lines that are cut, and engines that start again.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../common/mod.rs"]
mod common;

mod cuts;
mod line;
mod talking;

use klatsch::Options;
use klatsch::client::chat::{Event, State};
use klatsch::client::{Chat, ChatOptions};
use tokio::runtime::Builder;
use tokio::time::timeout;

use common::{DEADLINE, Host, host};
use line::Line;

/// Runs a test in a runtime of its own; none of them may take longer than that.
fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { timeout(4 * DEADLINE, test).await.expect("the test ends in time") })
}

/// What must be there at once.
async fn soon<T>(awaited: impl Future<Output = T>) -> T {
    timeout(2 * DEADLINE, awaited).await.expect("it comes in time")
}

/// An engine in which one may say much.
fn engine() -> Host {
    host(options())
}

fn options() -> Options {
    Options::new().message_rate(1_000_000).message_burst(1_000_000).history_kept(100_000)
}

fn chat(host: &Host, name: &str) -> Chat {
    Chat::connect(chat_options(&format!("ws://{}", host.address), name)).unwrap()
}

/// One that comes back soon.
fn chat_options(url: &str, name: &str) -> ChatOptions {
    ChatOptions::new(url).name(name).reconnect_min_ms(10).reconnect_max_ms(40)
}

/// The first event of which this is something.
async fn find<T>(chat: &Chat, want: impl Fn(&Event) -> Option<T>) -> T {
    soon(async {
        loop {
            let event = chat.next().await.expect("the chat goes on");
            if let Some(found) = want(&event) {
                return found;
            }
        }
    })
    .await
}

/// The next text that is said.
async fn hear(chat: &Chat) -> String {
    find(chat, |event| match event {
        Event::Message { message, .. } => message.text.clone(),
        _ => None,
    })
    .await
}

async fn open(chat: &Chat) {
    find(chat, |event| matches!(event, Event::State(State::Open)).then_some(())).await;
}

/// Waits until it is closed for good, and gives the code.
async fn closed(chat: &Chat) -> u16 {
    find(chat, |event| match event {
        Event::State(State::Closed { code, .. }) => Some(*code),
        _ => None,
    })
    .await
}
