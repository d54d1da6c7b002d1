//! The tutorial's chat on tokio-tungstenite: a task per connection, and tokio's broadcast channel between them.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use chat::{COLORS, History, color_json, escaped, message_json, now_ms, port};
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

struct Room {
    said: broadcast::Sender<Utf8Bytes>,
    /// The history, and how many have come.
    log: Mutex<(History, usize)>,
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port())).await?;
    let room = Arc::new(Room { said: broadcast::channel(1024).0, log: Mutex::default() });
    loop {
        let (stream, _) = listener.accept().await?;
        let room = room.clone();
        tokio::spawn(async move { client(stream, &room).await });
    }
}

/// One connection, until it ends.
async fn client(stream: TcpStream, room: &Room) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut socket = tokio_tungstenite::accept_async(stream).await.ok()?;
    let mut heard = room.said.subscribe();
    let history = room.log.lock().unwrap_or_else(PoisonError::into_inner).0.json();
    if let Some(history) = history {
        socket.send(Message::text(String::from_utf8(history).ok()?)).await.ok()?;
    }
    let mut user: Option<(Vec<u8>, &'static str)> = None;
    loop {
        tokio::select! {
            message = socket.next() => match (message?.ok()?, &user) {
                (Message::Text(name), None) => {
                    let color = {
                        let mut log = room.log.lock().unwrap_or_else(PoisonError::into_inner);
                        log.1 += 1;
                        COLORS[log.1 % COLORS.len()]
                    };
                    user = Some((escaped(name.as_bytes()), color));
                    socket.send(Message::text(color_json(color))).await.ok()?;
                }
                (Message::Text(text), Some((name, color))) => {
                    let json = Bytes::from(message_json(now_ms(), text.as_bytes(), name, color));
                    let text = Utf8Bytes::try_from(json.clone()).ok()?;
                    let mut log = room.log.lock().unwrap_or_else(PoisonError::into_inner);
                    log.0.push(json);
                    let _ = room.said.send(text);
                }
                (Message::Close(_), _) => {
                    let _ = socket.next().await;
                    return None;
                }
                _ => {}
            },
            said = heard.recv() => match said {
                Ok(text) => socket.send(Message::Text(text)).await.ok()?,
                Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => return None,
            },
        }
    }
}
