//! The client's side of the opening handshake: a request's bytes, and the judgement of its answer.
//!
//! As strict as the server's side: an answer that is not exactly the one to this request opens nothing.

use tungstenite::handshake::derive_accept_key;

use super::request::{MAX_HEAD_BYTES, MAX_HEADER_COUNT};
use super::response::shown;
use super::upgrade::is_token_byte;
use crate::wire::deflate::{Accepted, OFFER, read_accepted};

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    /// `host` or `host:port`, as the `Host` header has it.
    pub(crate) host: String,
    /// The path and the query, beginning with `/`.
    pub(crate) target: String,
    /// 16 bytes, new and unpredictable for each handshake.
    pub(crate) key: [u8; 16],
    /// Subprotocols in the order of preference, each a token.
    pub(crate) protocols: Vec<String>,
    /// Headers besides those of every handshake.
    pub(crate) headers: Vec<(String, String)>,
    /// Whether permessage-deflate is offered.
    pub(crate) deflate: bool,
}

/// The right answer to an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    /// The subprotocol that the server chose among those offered.
    pub(crate) protocol: Option<String>,
    /// What the server made of the offer of permessage-deflate; `None`: nothing is compressed.
    pub(crate) deflate: Option<Accepted>,
    /// Bytes of the answer; what follows are frames.
    pub(crate) len: usize,
}

/// Why there is no WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The server's answer is right HTTP, and no.
    Status {
        /// Its status, and the words behind it.
        status: u16,
        phrase: String,
        /// Where in the answer its body begins and how long it is said to be, where that is plain text.
        text: Option<(usize, u64)>,
    },
    /// The offer cannot be made, or the answer is wrong: in words.
    Wrong(String),
}

/// Writes the request.
///
/// # Errors
/// [`Refused::Wrong`]: a host, target, subprotocol or header that would break the request's form, or a header that the
/// handshake itself writes.
///
/// Source: RFC 6455 §4.1.
pub(crate) fn handshake_request(offer: &Offer) -> Result<Vec<u8>, Refused> {
    let is_visible = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_visible(&offer.host) {
        return Err(wrong("the host", &offer.host));
    }
    if !is_visible(&offer.target) || !offer.target.starts_with('/') || offer.target.contains('#') {
        return Err(wrong("the target", &offer.target));
    }
    let mut out = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\n",
        offer.target,
        offer.host,
        base64(&offer.key)
    );
    for (at, name) in offer.protocols.iter().enumerate() {
        if name.is_empty() || !name.bytes().all(is_token_byte) || offer.protocols[..at].contains(name) {
            return Err(wrong("the subprotocol", name));
        }
    }
    if !offer.protocols.is_empty() {
        out.push_str(&format!("Sec-WebSocket-Protocol: {}\r\n", offer.protocols.join(", ")));
    }
    if offer.deflate {
        out.push_str(&format!("Sec-WebSocket-Extensions: {OFFER}\r\n"));
    }
    for (name, value) in &offer.headers {
        let is_ours = OWN_HEADERS.iter().any(|own| own.eq_ignore_ascii_case(name));
        if name.is_empty() || !name.bytes().all(is_token_byte) || is_ours {
            return Err(wrong("the header", name));
        }
        if value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
            // It may be a secret.
            return Err(Refused::Wrong(format!("the header {name} has a control character in its value")));
        }
        out.push_str(&format!("{name}: {value}\r\n"));
    }
    out.push_str("\r\n");
    Ok(out.into_bytes())
}

/// Judges the answer in the first bytes that the server sent; `None` while it is not complete: ask again
/// with more.
///
/// # Errors
/// [`Refused::Status`]: an HTTP answer other than 101. [`Refused::Wrong`]: no HTTP/1.1, over 8 KiB or 64 headers;
/// `Upgrade` and `Connection` that are not exactly one upgrade to `websocket`; not exactly one right
/// `Sec-WebSocket-Accept`; a subprotocol that was not offered, or several; an extension that was not offered, or
/// with parameters that it must not have.
///
/// Source: RFC 6455 §4.1, the client's requirements for the answer.
pub(crate) fn read_answer(bytes: &[u8], offer: &Offer) -> Result<Option<Opened>, Refused> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADER_COUNT];
    let mut parsed = httparse::Response::new(&mut headers);
    let head = &bytes[..bytes.len().min(MAX_HEAD_BYTES)];
    let len = match parsed.parse(head) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) if head.len() < MAX_HEAD_BYTES => return Ok(None),
        Ok(httparse::Status::Partial) => return Err(Refused::Wrong("the answer's head has no end".into())),
        Err(error) => return Err(Refused::Wrong(format!("the answer is not HTTP: {error}"))),
    };
    let mut lines = head[..len].split_inclusive(|&byte| byte == b'\n');
    if lines.any(|line| !line.ends_with(b"\r\n")) {
        return Err(Refused::Wrong("a line of the answer does not end with CR LF".into()));
    }
    let all = |name: &str| -> Vec<String> {
        let named = parsed.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
        named.map(|header| String::from_utf8_lossy(header.value.trim_ascii()).into_owned()).collect()
    };
    // A proxy that stands in front may be as old as it likes to say no.
    if parsed.code != Some(101) {
        let is_text = all("content-type").iter().any(|kind| kind.starts_with("text/plain"));
        let text_len = all("content-length").first().and_then(|len| len.parse().ok()).filter(|_| is_text);
        return Err(Refused::Status {
            status: parsed.code.unwrap_or_default(),
            phrase: parsed.reason.unwrap_or_default().into(),
            text: text_len.map(|text_len| (len, text_len)),
        });
    }
    if parsed.version != Some(1) {
        return Err(Refused::Wrong("the answer is not HTTP/1.1".into()));
    }
    let upgrade = all("upgrade");
    if upgrade.len() != 1 || !upgrade[0].eq_ignore_ascii_case("websocket") {
        return Err(wrong("Upgrade of the answer", &upgrade.join(", ")));
    }
    let connection = all("connection").join(",");
    if !connection.split(',').any(|token| token.trim().eq_ignore_ascii_case("upgrade")) {
        return Err(wrong("Connection of the answer", &connection));
    }
    let accept = all("sec-websocket-accept");
    if accept.len() != 1 || accept[0] != derive_accept_key(base64(&offer.key).as_bytes()) {
        return Err(wrong("Sec-WebSocket-Accept of the answer", &accept.join(", ")));
    }
    let extensions = all("sec-websocket-extensions");
    let deflate = read_accepted(&extensions).filter(|accepted| accepted.is_none() || offer.deflate);
    let Some(deflate) = deflate else {
        return Err(wrong("Sec-WebSocket-Extensions of the answer", &extensions.join(", ")));
    };
    let mut protocols = all("sec-websocket-protocol");
    let protocol = protocols.pop();
    if !protocols.is_empty() || protocol.as_ref().is_some_and(|name| !offer.protocols.contains(name)) {
        return Err(wrong("Sec-WebSocket-Protocol of the answer", protocol.as_deref().unwrap_or_default()));
    }
    Ok(Some(Opened { protocol, deflate, len }))
}

fn wrong(what: &str, value: &str) -> Refused {
    Refused::Wrong(format!("{what} is {}, which is wrong here", shown(value)))
}

/// RFC 4648 §4.
fn base64(bytes: &[u8; 16]) -> String {
    let mut out = String::with_capacity(24);
    for chunk in bytes.chunks(3) {
        let group =
            chunk.iter().chain(&[0; 2]).take(3).fold(0, |group, &byte| group << 8 | usize::from(byte));
        for place in 0..4 {
            let letter = ALPHABET[group >> (18 - 6 * place) & 63];
            out.push(if place <= chunk.len() { letter.into() } else { '=' });
        }
    }
    out
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// What the handshake writes itself.
const OWN_HEADERS: [&str; 9] = [
    "Host",
    "Upgrade",
    "Connection",
    "Sec-WebSocket-Version",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Extensions",
    "Content-Length",
    "Transfer-Encoding",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::deflate::negotiate;
    use crate::wire::handshake::{HeadScan, check_upgrade, parse_request, switching_protocols};

    fn offer() -> Offer {
        Offer {
            host: "server.example:8080".into(),
            target: "/chat?room=lobby".into(),
            // The example of RFC 6455 §1.3.
            key: *b"the sample nonce",
            protocols: vec!["klatsch.v1".into(), "other".into()],
            headers: vec![("Origin".into(), "http://server.example:8080".into())],
            deflate: false,
        }
    }

    #[test]
    fn the_key_of_the_rfcs_example_is_written_as_there() {
        assert_eq!(base64(b"the sample nonce"), "dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(base64(&[0xff; 16]), "/////////////////////w==");
    }

    #[test]
    fn client_and_server_agree_about_a_handshake() {
        let request = handshake_request(&offer()).unwrap();
        let len = HeadScan::default().find(&request).unwrap();
        assert_eq!(len, Some(request.len()));
        let request = parse_request(&request).unwrap();
        assert_eq!((request.path.as_str(), request.query.as_str()), ("/chat", "room=lobby"));
        assert_eq!(request.header("origin"), Some("http://server.example:8080"));
        let upgrade = check_upgrade(&request).unwrap();
        assert_eq!(upgrade.protocols, offer().protocols);
        for chosen in [None, Some("other")] {
            let mut answer = switching_protocols(&upgrade, chosen);
            let len = answer.len();
            for cut in 0..len {
                assert_eq!(read_answer(&answer[..cut], &offer()), Ok(None));
            }
            answer.extend(b"\x81\x02hi");
            let opened = read_answer(&answer, &offer()).unwrap().unwrap();
            assert_eq!((opened.protocol.as_deref(), opened.len), (chosen, len));
            assert_eq!(opened.deflate, None);
        }
    }

    #[test]
    fn client_and_server_agree_about_compression() {
        let offer = Offer { deflate: true, ..offer() };
        let request = handshake_request(&offer).unwrap();
        let request = parse_request(&request).unwrap();
        let mut upgrade = check_upgrade(&request).unwrap();
        upgrade.deflate = negotiate(&request.all("sec-websocket-extensions").collect::<Vec<_>>()).unwrap();
        let answer = switching_protocols(&upgrade, None);
        let opened = read_answer(&answer, &offer).unwrap().unwrap();
        assert!(opened.deflate.unwrap().client_no_context_takeover, "the engine imposes it");
        let unasked = read_answer(&answer, &Offer { deflate: false, ..offer });
        assert!(matches!(unasked, Err(Refused::Wrong(words)) if words.contains("Extensions")));
    }

    #[test]
    fn each_header_of_an_answer_is_held_to_its_rule() {
        let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
        for (name, values, right) in [
            ("Upgrade", &["WebSocket"][..], true),
            ("Upgrade", &[], false),
            ("Upgrade", &["h2c"], false),
            ("Upgrade", &["websocket, h2c"], false),
            ("Upgrade", &["websocket", "websocket"], false),
            ("Connection", &["keep-alive, UPGRADE"], true),
            ("Connection", &["keep-alive", "upgrade"], true),
            ("Connection", &["close"], false),
            ("Connection", &[], false),
            ("Sec-WebSocket-Accept", &[accept], true),
            ("Sec-WebSocket-Accept", &[accept, accept], false),
            ("Sec-WebSocket-Accept", &["S3pPLMBiTxaQ9kYGzzhZRbK+xOo="], false),
            ("Sec-WebSocket-Accept", &[], false),
            ("Sec-WebSocket-Protocol", &["other"], true),
            ("Sec-WebSocket-Protocol", &["Other"], false),
            ("Sec-WebSocket-Protocol", &["unknown"], false),
            ("Sec-WebSocket-Protocol", &["klatsch.v1", "other"], false),
            ("Sec-WebSocket-Protocol", &["klatsch.v1, other"], false),
            ("Sec-WebSocket-Extensions", &["permessage-deflate"], false),
            ("X-Other", &["anything"], true),
        ] {
            let mut headers =
                vec![("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept)];
            headers.retain(|(other, _)| *other != name);
            headers.extend(values.iter().map(|value| (name, *value)));
            let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let answer = format!("HTTP/1.1 101 Switching Protocols\r\n{lines}\r\n");
            let judged = read_answer(answer.as_bytes(), &offer());
            assert_eq!(judged.is_ok(), right, "{name}: {values:?}");
            assert!(
                right || matches!(&judged, Err(Refused::Wrong(words)) if words.contains(name)),
                "{judged:?}"
            );
        }
    }

    #[test]
    fn an_answer_other_than_101_is_told_by_its_status_and_no_http_by_words() {
        for (answer, want) in [
            ("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", Some((403, "Forbidden", None))),
            ("HTTP/1.1 200 OK\r\n\r\n", Some((200, "OK", None))),
            ("HTTP/1.0 502 \r\n\r\n", Some((502, "", None))),
            (
                "HTTP/1.1 403 No\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 9\r\n\r\nbecause",
                Some((403, "No", Some((79, 9)))),
            ),
            (
                "HTTP/1.1 403 No\r\nContent-Type: text/html\r\nContent-Length: 9\r\n\r\n<p>no",
                Some((403, "No", None)),
            ),
            ("HTTP/1.0 101 Switching Protocols\r\n\r\n", None),
            ("SSH-2.0-OpenSSH\r\n", None),
            ("HTTP/1.1 101 Switching Protocols\nUpgrade: websocket\n\n", None),
        ] {
            match (read_answer(answer.as_bytes(), &offer()), want) {
                (Err(Refused::Status { status, phrase, text }), Some(wanted)) => {
                    assert_eq!((status, phrase.as_str(), text), wanted);
                }
                (Err(Refused::Wrong(_)), None) => {}
                (judged, _) => panic!("{answer:?}: {judged:?}"),
            }
        }
        let endless = format!("HTTP/1.1 101 Switching Protocols\r\nA: {}", "a".repeat(MAX_HEAD_BYTES));
        assert!(matches!(read_answer(endless.as_bytes(), &offer()), Err(Refused::Wrong(_))));
    }

    #[test]
    fn what_would_break_the_request_is_not_written() {
        let header =
            |name: &str, value: &str| Offer { headers: vec![(name.into(), value.into())], ..offer() };
        for bad in [
            Offer { host: String::new(), ..offer() },
            Offer { host: "a b".into(), ..offer() },
            Offer { target: "chat".into(), ..offer() },
            Offer { target: "/a b".into(), ..offer() },
            Offer { target: "/a#b".into(), ..offer() },
            Offer { target: "/\r\nX: y".into(), ..offer() },
            Offer { protocols: vec!["a b".into()], ..offer() },
            Offer { protocols: vec!["a".into(), "a".into()], ..offer() },
            Offer { protocols: vec![String::new()], ..offer() },
            header("X Y", "z"),
            header("X", "y\r\nZ: z"),
            header("sec-websocket-key", "AAAA"),
        ] {
            assert!(matches!(handshake_request(&bad), Err(Refused::Wrong(_))), "{bad:?}");
        }
    }
}
