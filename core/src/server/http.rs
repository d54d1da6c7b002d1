//! The chat page, the chat client for pages of one's own, and plain HTTP answers.
//!
//! One request to a connection: the answer says `Connection: close`.

use crate::wire::handshake::{Refusal, Request, refusal_response};

use super::admission::Decision;

/// The files of the chat page and the chat client, built into the library.
#[derive(Debug)]
pub(crate) struct Site {
    index: String,
    chat_path: String,
}

struct File<'a> {
    content_type: &'static str,
    body: &'a str,
}

impl Site {
    /// `chat_path`: where the page finds the WebSocket.
    pub(crate) fn new(chat_path: &str) -> Site {
        // A path has no quote, no blank and no control character (see the options), but may have & and <.
        let escaped = chat_path.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
        let index = include_str!("../../web/index.html").replacen(
            r#"data-chat-path="/""#,
            &format!(r#"data-chat-path="{escaped}""#),
            1,
        );
        Site { index, chat_path: chat_path.to_owned() }
    }

    /// Answers a request that is no upgrade.
    pub(crate) fn answer(&self, request: &Request) -> Decision {
        let Some(file) = self.file(&request.path) else {
            return Decision::Answer(match request.path == self.chat_path {
                true => refuse(426, "the chat is here, for WebSockets; its page is at /"),
                false => refuse(404, "there is nothing here; the chat page is at /"),
            });
        };
        if !matches!(request.method.as_str(), "GET" | "HEAD") {
            let reason = format!("{} is not possible here; use GET", shown(&request.method));
            let headers = vec![("Allow", "GET, HEAD".to_owned())];
            return Decision::Answer(refusal_response(&Refusal { status: 405, reason, headers }));
        }
        let mut answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n{SAFETY}\r\n",
            file.content_type,
            file.body.len()
        )
        .into_bytes();
        if request.method == "GET" {
            answer.extend_from_slice(file.body.as_bytes());
        }
        Decision::Answer(answer)
    }

    fn file(&self, path: &str) -> Option<File<'_>> {
        let (content_type, body) = match path {
            "/" | "/index.html" => ("text/html; charset=utf-8", self.index.as_str()),
            "/chat.js" => ("text/javascript; charset=utf-8", include_str!("../../web/chat.js")),
            "/klatsch.js" => ("text/javascript; charset=utf-8", include_str!("../../web/klatsch.js")),
            "/style.css" => ("text/css; charset=utf-8", include_str!("../../web/style.css")),
            "/icon.svg" => ("image/svg+xml", include_str!("../../web/icon.svg")),
            _ => return None,
        };
        Some(File { content_type, body })
    }
}

/// An answer with this status and these words.
pub(crate) fn refuse(status: u16, reason: &str) -> Vec<u8> {
    let headers = match status {
        426 => vec![("Upgrade", "websocket".to_owned()), ("Sec-WebSocket-Version", "13".to_owned())],
        _ => Vec::new(),
    };
    refusal_response(&Refusal { status, reason: reason.to_owned(), headers })
}

/// A method as it may stand in an answer.
fn shown(method: &str) -> String {
    method.chars().take(16).filter(char::is_ascii_graphic).collect()
}

/// Nothing but the page's own files runs in the page, nothing frames it, and it is asked for anew each time.
const SAFETY: &str = "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n\
    X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n\
    Cross-Origin-Resource-Policy: same-origin\r\nCache-Control: no-cache\r\n";
