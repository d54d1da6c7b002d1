//! The answers to a request: 101, or a refusal that says why.

use super::upgrade::Upgrade;

/// An HTTP answer that is no: its status, words for people (which value, why, which option would
/// allow it), and headers besides the usual ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) reason: String,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Refusal {
    pub(crate) fn new(status: u16, reason: impl Into<String>) -> Refusal {
        Refusal { status, reason: reason.into(), headers: Vec::new() }
    }
}

/// Makes the whole answer: the reason and a line's end as plain text, after which the connection closes.
///
/// Control characters of the reason are escaped, those of a header's value too, so that what a client
/// sent cannot become a header or a second answer.
///
/// Source: RFC 9112 §4, RFC 9110 §15.
pub(crate) fn refusal_response(refusal: &Refusal) -> Vec<u8> {
    let body = format!("{}\n", without_controls(&refusal.reason));
    let mut out = format!(
        "HTTP/1.1 {status} {phrase}\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {len}\r\n\
         Connection: close\r\n\
         X-Content-Type-Options: nosniff\r\n",
        status = refusal.status,
        phrase = phrase(refusal.status),
        len = body.len(),
    );
    for (name, value) in &refusal.headers {
        out.push_str(&format!("{name}: {}\r\n", without_controls(value)));
    }
    out.push_str("\r\n");
    out.push_str(&body);
    out.into_bytes()
}

/// Makes the 101 answer; what follows it on the connection is frames.
///
/// `subprotocol` is one that the client offered, echoed as it was spelled; `None` speaks none. The only
/// extension is the one in `upgrade`.
///
/// Source: RFC 6455 §4.2.2, §9.1.
pub(crate) fn switching_protocols(upgrade: &Upgrade, subprotocol: Option<&str>) -> Vec<u8> {
    let mut out = format!(
        "HTTP/1.1 101 Switching Protocols\r\n\
         Upgrade: websocket\r\n\
         Connection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n",
        upgrade.accept
    );
    if let Some(name) = subprotocol {
        debug_assert!(upgrade.protocols.iter().any(|offered| offered == name), "{name:?} was not offered");
        out.push_str(&format!("Sec-WebSocket-Protocol: {name}\r\n"));
    }
    if let Some(agreed) = &upgrade.deflate {
        out.push_str(&format!("Sec-WebSocket-Extensions: {}\r\n", agreed.response));
    }
    out.push_str("\r\n");
    out.into_bytes()
}

/// A client's text in words for people: quoted, at most 80 characters, what is not printable escaped.
pub(in crate::wire) fn shown(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN_CHARS) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

fn without_controls(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() {
            out.extend(letter.escape_default());
        } else {
            out.push(letter);
        }
    }
    out
}

/// RFC 9110 §15; a status of which the phrase is not known has none, which is allowed.
fn phrase(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        421 => "Misdirected Request",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "",
    }
}

const MAX_SHOWN_CHARS: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::deflate::negotiate;

    #[test]
    fn a_refusal_is_a_whole_http_answer() {
        let refusal = Refusal {
            status: 405,
            reason: "größe".into(),
            headers: vec![("Allow", "GET".into()), ("Retry-After", "5".into())],
        };
        let answer = String::from_utf8(refusal_response(&refusal)).unwrap();
        assert_eq!(
            answer,
            "HTTP/1.1 405 Method Not Allowed\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Length: 8\r\nConnection: close\r\nX-Content-Type-Options: nosniff\r\n\
             Allow: GET\r\nRetry-After: 5\r\n\r\ngröße\n"
        );
    }

    #[test]
    fn every_status_that_is_used_has_its_phrase_and_httparse_reads_it() {
        for status in [400, 401, 403, 404, 405, 408, 413, 421, 426, 429, 431, 500, 503, 418] {
            let answer = refusal_response(&Refusal::new(status, "no"));
            let mut headers = [httparse::EMPTY_HEADER; 8];
            let mut parsed = httparse::Response::new(&mut headers);
            assert!(parsed.parse(&answer).unwrap().is_complete());
            assert_eq!(parsed.code, Some(status));
            assert_eq!(parsed.reason.unwrap().is_empty(), status == 418, "{status}");
        }
    }

    #[test]
    fn what_a_client_sent_cannot_split_the_answer() {
        let refusal = Refusal {
            status: 400,
            reason: "a\r\n\r\nHTTP/1.1 200 OK\0\u{1b}[2J\u{85}".into(),
            headers: vec![("X-Test", "a\r\nb: c".into())],
        };
        let answer = String::from_utf8(refusal_response(&refusal)).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(head.lines().last(), Some("X-Test: a\\r\\nb: c"));
        assert_eq!(body, "a\\r\\n\\r\\nHTTP/1.1 200 OK\\u{0}\\u{1b}[2J\\u{85}\n");
    }

    #[test]
    fn long_and_unprintable_values_are_shown_short_and_escaped() {
        assert_eq!(shown("a\u{202e}b\n"), "\"a\\u{202e}b\\n\"");
        assert_eq!(shown(&"é".repeat(80)), format!("{:?}", "é".repeat(80)));
        assert_eq!(shown(&"é".repeat(81)), format!("{:?}…", "é".repeat(80)));
    }

    #[test]
    fn the_101_answer_echoes_a_subprotocol_only_when_one_is_spoken() {
        let upgrade = Upgrade { accept: "abc=".into(), protocols: vec!["klatsch.v1".into()], deflate: None };
        let plain = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Accept: abc=\r\n";
        assert_eq!(switching_protocols(&upgrade, None), format!("{plain}\r\n").into_bytes());
        assert_eq!(
            switching_protocols(&upgrade, Some("klatsch.v1")),
            format!("{plain}Sec-WebSocket-Protocol: klatsch.v1\r\n\r\n").into_bytes()
        );
    }

    #[test]
    fn the_101_answer_names_the_extension_that_was_agreed() {
        let deflate = negotiate(&["permessage-deflate; client_max_window_bits"]).unwrap();
        let upgrade = Upgrade { accept: "abc=".into(), protocols: vec![], deflate };
        let answer = String::from_utf8(switching_protocols(&upgrade, None)).unwrap();
        let line = "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover";
        assert!(answer.ends_with(&format!("\r\n{line}\r\n\r\n")), "{answer}");
    }
}
