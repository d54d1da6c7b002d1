//! A client of a scenario: a real WebSocket over a real socket, by somebody else's implementation.

use std::collections::VecDeque;
use std::net::TcpStream;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use klatsch_tests::scenario::Payload;
use serde_json::{Value, json};
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{ClientRequestBuilder, Error, Message, WebSocket};

/// How long anything may take before its scenario fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// How long it must be quiet before a client is sure that it hears nothing.
pub(crate) const QUIET: Duration = Duration::from_millis(200);

/// One frame, or the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The answer to a name.
    Color(String),
    /// A message, in the history or live. Author and text are as they were typed.
    Message { shown: bool, author: String, text: String },
    /// The end, with the code and the reason of the close frame; 1006 without one.
    Closed { code: u16, reason: String },
}

/// An answer that is no WebSocket.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: u16,
    pub(crate) body: String,
}

type Opening = Receiver<Result<WebSocket<TcpStream>, Refused>>;

enum Line {
    /// The request is sent, the answer is not here.
    Knocking(Opening),
    Open(Box<WebSocket<TcpStream>>),
    Gone,
}

pub(crate) struct Client {
    /// What it asked for, to do so again.
    pub(crate) path: String,
    pub(crate) subprotocol: Option<String>,
    /// What it called itself, and the color that it got for it.
    pub(crate) name: Option<String>,
    pub(crate) color: Option<String>,
    line: Line,
    /// What came and was not looked at yet.
    waiting: VecDeque<Seen>,
    /// What a v1 client was told about who is there, which comes when it comes, and was not looked at yet.
    presence: VecDeque<Value>,
    /// The ids of a v1 client's requests: the newest, and those that have no reply yet.
    pub(crate) request_id: u64,
    pub(crate) unanswered: VecDeque<u64>,
}

/// What a v1 client gets.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Document {
    Json(Value),
    /// The end, with the code and the reason of the close frame; 1006 without one.
    Closed {
        code: u16,
        reason: String,
    },
}

impl Client {
    /// Sends the request; the answer is waited for elsewhere.
    pub(crate) fn knock(address: &str, path: &str, subprotocol: Option<&str>) -> Client {
        let uri = format!("ws://{address}{path}").parse().expect("a path of a scenario makes a URI");
        let mut request = ClientRequestBuilder::new(uri);
        if let Some(subprotocol) = subprotocol {
            request = request.with_sub_protocol(subprotocol);
        }
        let stream = TcpStream::connect(address).expect("the engine listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a socket takes a deadline");
        let (sender, opening) = mpsc::channel();
        std::thread::spawn(move || {
            let answer = match tungstenite::client(request, stream) {
                Ok((socket, _)) => Ok(socket),
                Err(tungstenite::HandshakeError::Failure(Error::Http(response))) => Err(Refused {
                    status: response.status().as_u16(),
                    body: String::from_utf8_lossy(response.body().as_deref().unwrap_or_default())
                        .into_owned(),
                }),
                Err(error) => Err(Refused { status: 0, body: error.to_string() }),
            };
            // A scenario that failed elsewhere waits for no answer.
            let _ = sender.send(answer);
        });
        Client {
            path: path.to_owned(),
            subprotocol: subprotocol.map(str::to_owned),
            name: None,
            color: None,
            line: Line::Knocking(opening),
            waiting: VecDeque::new(),
            presence: VecDeque::new(),
            request_id: 0,
            unanswered: VecDeque::new(),
        }
    }

    /// Whether it speaks `klatsch.v1`.
    pub(crate) fn is_v1(&self) -> bool {
        self.subprotocol.as_deref() == Some("klatsch.v1")
    }

    /// The next document of a v1 client that is about who is there, or about anything else.
    pub(crate) fn next_document(&mut self, is_presence: bool, deadline: Duration) -> Option<Document> {
        let until = Instant::now() + deadline;
        loop {
            if is_presence && let Some(document) = self.presence.pop_front() {
                return Some(Document::Json(document));
            }
            let document = match self.read(until.saturating_duration_since(Instant::now()))? {
                Incoming::Payload(Payload::Text(text)) => {
                    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
                }
                Incoming::Payload(bytes) => panic!("a chat client got {bytes:?}"),
                Incoming::Closed { code, reason } => return Some(Document::Closed { code, reason }),
            };
            if is_about_presence(&document) {
                self.presence.push_back(document);
            } else if document == json!({}) {
                // A heartbeat.
            } else if is_presence {
                panic!("it gets {document} before it hears who is there");
            } else {
                return Some(Document::Json(document));
            }
        }
    }

    /// Waits for the answer to the request.
    pub(crate) fn answer(&mut self) -> Result<(), Refused> {
        let Line::Knocking(opening) = std::mem::replace(&mut self.line, Line::Gone) else {
            panic!("it does not knock");
        };
        let answer = opening.recv_timeout(DEADLINE);
        let socket = answer.unwrap_or_else(|_| Err(Refused { status: 0, body: "no answer".into() }))?;
        self.line = Line::Open(Box::new(socket));
        Ok(())
    }

    pub(crate) fn send(&mut self, payload: &Payload) {
        let message = match payload {
            Payload::Text(text) => Message::text(text),
            Payload::Bytes(bytes) => Message::binary(bytes.clone()),
        };
        self.socket().send(message).expect("the line is open");
    }

    /// The next thing a chat client sees; `None` when nothing comes for so long.
    pub(crate) fn next_seen(&mut self, deadline: Duration) -> Option<Seen> {
        if self.waiting.is_empty() {
            match self.read(deadline)? {
                Incoming::Payload(Payload::Text(text)) => self.waiting.extend(read_tutorial(&text)),
                Incoming::Payload(bytes) => panic!("a chat client got {bytes:?}"),
                Incoming::Closed { code, reason } => self.waiting.push_back(Seen::Closed { code, reason }),
            }
        }
        self.waiting.pop_front()
    }

    /// Waits for the color; what is said meanwhile is kept.
    pub(crate) fn await_color(&mut self) -> Result<(), String> {
        let mut meanwhile = VecDeque::new();
        let color = loop {
            match self.next_seen(DEADLINE) {
                Some(Seen::Color(color)) => break Ok(color),
                Some(message @ Seen::Message { .. }) => meanwhile.push_back(message),
                other => break Err(format!("wanted a color, got {other:?}")),
            }
        };
        meanwhile.append(&mut self.waiting);
        self.waiting = meanwhile;
        self.color = Some(color?);
        Ok(())
    }

    /// The next whole message of a raw client, or its end.
    pub(crate) fn next_payload(&mut self) -> Option<Result<Payload, (u16, String)>> {
        Some(match self.read(DEADLINE)? {
            Incoming::Payload(payload) => Ok(payload),
            Incoming::Closed { code, reason } => Err((code, reason)),
        })
    }

    /// Whatever comes while it must be quiet.
    pub(crate) fn break_of_silence(&mut self) -> Option<String> {
        if self.is_v1() {
            return self.next_document(false, QUIET).map(|document| format!("{document:?}"));
        }
        match self.waiting.front() {
            Some(seen) => Some(format!("{seen:?}")),
            None => self.read(QUIET).map(|incoming| format!("{incoming:?}")),
        }
    }

    /// The closing handshake, begun here; gives the code of the answer.
    pub(crate) fn leave(&mut self) -> u16 {
        let farewell = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        self.socket().close(Some(farewell)).expect("the line is open");
        loop {
            match self.read(DEADLINE) {
                Some(Incoming::Closed { code, .. }) => return code,
                Some(Incoming::Payload(_)) => {}
                None => return 0,
            }
        }
    }

    /// Cuts the line: no close frame.
    pub(crate) fn drop_line(&mut self) {
        self.line = Line::Gone;
    }

    fn socket(&mut self) -> &mut WebSocket<TcpStream> {
        match &mut self.line {
            Line::Open(socket) => socket,
            _ => panic!("it is not connected"),
        }
    }

    fn read(&mut self, deadline: Duration) -> Option<Incoming> {
        let until = Instant::now() + deadline;
        let Line::Open(socket) = &mut self.line else { return None };
        let end = loop {
            // A deadline of zero would mean none at all.
            let rest = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            socket.get_ref().set_read_timeout(Some(rest)).expect("a socket takes a deadline");
            match socket.read() {
                Ok(Message::Text(text)) => {
                    return Some(Incoming::Payload(Payload::Text(text.as_str().to_owned())));
                }
                Ok(Message::Binary(bytes)) => return Some(Incoming::Payload(Payload::Bytes(bytes.to_vec()))),
                Ok(Message::Close(frame)) => {
                    // Lets the answer go out; an engine that has hung up already does not need it.
                    let _ = socket.flush();
                    let (code, reason) = frame.map_or((1005, String::new()), |frame| {
                        (frame.code.into(), frame.reason.as_str().to_owned())
                    });
                    break Incoming::Closed { code, reason };
                }
                Ok(_) => {}
                Err(Error::Io(error))
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                    ) =>
                {
                    if Instant::now() >= until {
                        return None;
                    }
                }
                Err(error) => break Incoming::Closed { code: 1006, reason: error.to_string() },
            }
        };
        self.line = Line::Gone;
        Some(end)
    }
}

/// Whether a document tells who has come or gone, or how many there are.
pub(crate) fn is_about_presence(document: &Value) -> bool {
    document["on"].as_str().is_some_and(|on| ["join", "leave", "members"].contains(&on))
}

#[derive(Debug)]
enum Incoming {
    Payload(Payload),
    Closed { code: u16, reason: String },
}

/// Reads a frame of the tutorial dialect, which must be exactly as the tutorial's clients know it.
fn read_tutorial(frame: &str) -> Vec<Seen> {
    let value: Value = serde_json::from_str(frame).expect("a frame is JSON");
    let data = &value["data"];
    let (exact, seen) = match value["type"].as_str() {
        Some("color") => (color_frame(data), vec![Seen::Color(text(data))]),
        Some("message") => {
            (format!(r#"{{"type":"message","data":{}}}"#, entry(data)), vec![message(data, false)])
        }
        Some("history") => {
            let entries = data.as_array().expect("a history is a list");
            assert!(!entries.is_empty(), "an empty history is not sent");
            let list = entries.iter().map(entry).collect::<Vec<_>>().join(",");
            let seen = entries.iter().map(|entry| message(entry, true)).collect();
            (format!(r#"{{"type":"history","data":[{list}]}}"#), seen)
        }
        _ => panic!("no frame of the tutorial: {frame}"),
    };
    assert_eq!(frame, exact, "key order and spelling are the tutorial's");
    seen
}

fn color_frame(data: &Value) -> String {
    format!(r#"{{"type":"color","data":{data}}}"#)
}

fn entry(data: &Value) -> String {
    let [time, text, author, color] = ["time", "text", "author", "color"].map(|key| &data[key]);
    format!(r#"{{"time":{time},"text":{text},"author":{author},"color":{color}}}"#)
}

fn message(data: &Value, shown: bool) -> Seen {
    let time = data["time"].as_u64().expect("time is a number");
    assert!(time > 1_600_000_000_000, "time is in Unix milliseconds: {time}");
    assert_ne!(data["color"], json!(""), "everybody has a color");
    Seen::Message { shown, author: unescaped(&text(&data["author"])), text: unescaped(&text(&data["text"])) }
}

fn text(value: &Value) -> String {
    value.as_str().expect("it is a text").to_owned()
}

/// Undoes the escaping of HTML on this edge, and sees to it that there was some.
fn unescaped(html: &str) -> String {
    assert!(!html.contains(['<', '>', '"']), "not escaped: {html:?}");
    let text = html.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
    let again = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    assert_eq!(again, html, "escaped otherwise than & < > \"");
    text
}
