//! The tutorial's chat on axum, in the shape of its own chat example: a task that sends and one that receives for each
//! connection, and tokio's broadcast channel between them.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::get;
use axum::serve::ListenerExt;
use bytes::Bytes;
use chat::{COLORS, History, color_json, escaped, message_json, now_ms, port};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpListener;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::mpsc;

struct Room {
    said: broadcast::Sender<Utf8Bytes>,
    /// The history, and how many have come.
    log: Mutex<(History, usize)>,
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let room = Arc::new(Room { said: broadcast::channel(1024).0, log: Mutex::default() });
    let app = Router::new().route("/", get(upgrade)).with_state(room);
    let listener = TcpListener::bind(("127.0.0.1", port())).await?;
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, app).await
}

async fn upgrade(upgrade: WebSocketUpgrade, State(room): State<Arc<Room>>) -> Response {
    upgrade.on_upgrade(|socket| client(socket, room))
}

/// One connection, until it ends.
async fn client(socket: WebSocket, room: Arc<Room>) {
    let (sink, stream) = socket.split();
    let (own, own_messages) = mpsc::channel(4);
    let heard = room.said.subscribe();
    let history = room.log.lock().unwrap_or_else(PoisonError::into_inner).0.json();
    let mut sending = tokio::spawn(send(sink, history, heard, own_messages));
    let mut receiving = tokio::spawn(receive(stream, room, own));
    tokio::select! {
        _ = &mut sending => receiving.abort(),
        _ = &mut receiving => sending.abort(),
    }
}

async fn send(
    mut sink: SplitSink<WebSocket, Message>,
    history: Option<Vec<u8>>,
    mut heard: broadcast::Receiver<Utf8Bytes>,
    mut own: mpsc::Receiver<String>,
) -> Option<()> {
    if let Some(history) = history {
        sink.send(Message::text(String::from_utf8(history).ok()?)).await.ok()?;
    }
    loop {
        let message = tokio::select! {
            said = heard.recv() => match said {
                Ok(text) => Message::Text(text),
                Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => return None,
            },
            text = own.recv() => Message::text(text?),
        };
        sink.send(message).await.ok()?;
    }
}

async fn receive(
    mut stream: SplitStream<WebSocket>,
    room: Arc<Room>,
    own: mpsc::Sender<String>,
) -> Option<()> {
    let mut user: Option<(Vec<u8>, &'static str)> = None;
    while let Some(Ok(message)) = stream.next().await {
        let Message::Text(text) = message else { continue };
        match &user {
            None => {
                let color = {
                    let mut log = room.log.lock().unwrap_or_else(PoisonError::into_inner);
                    log.1 += 1;
                    COLORS[log.1 % COLORS.len()]
                };
                user = Some((escaped(text.as_bytes()), color));
                own.send(color_json(color)).await.ok()?;
            }
            Some((name, color)) => {
                let json = Bytes::from(message_json(now_ms(), text.as_bytes(), name, color));
                let text = Utf8Bytes::try_from(json.clone()).ok()?;
                let mut log = room.log.lock().unwrap_or_else(PoisonError::into_inner);
                log.0.push(json);
                let _ = room.said.send(text);
            }
        }
    }
    None
}
