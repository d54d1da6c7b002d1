//! Whether a request is a WebSocket handshake, and a right one.

use tungstenite::handshake::derive_accept_key;

use super::request::Request;
use super::response::{Refusal, shown};
use crate::wire::deflate::Agreed;

/// What a right handshake asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Upgrade {
    /// The answer's `Sec-WebSocket-Accept`.
    pub(crate) accept: String,
    /// The subprotocols offered, in the client's order, each a token and none twice.
    pub(crate) protocols: Vec<String>,
    /// What [`negotiate`](crate::wire::deflate::negotiate) agreed to, if it was asked: [`check_upgrade`]
    /// does not.
    pub(crate) deflate: Option<Agreed>,
}

/// Whether the request wants a WebSocket, be it a right handshake or not: `Upgrade` names it.
pub(crate) fn is_upgrade(request: &Request) -> bool {
    request.list("upgrade").any(|token| token.eq_ignore_ascii_case("websocket"))
}

/// Judges a handshake by everything but where it comes from.
///
/// # Errors
/// 405 with `Allow`: not GET. 426 with the version that is spoken: another `Sec-WebSocket-Version`, or not
/// exactly one. 400: HTTP/1.0; `Connection` without `upgrade`; `Upgrade` to anything else or
/// more; not exactly one `Sec-WebSocket-Key` of 16 bytes; subprotocols that are no tokens or named twice.
///
/// Source: RFC 6455 §4.2.1, §4.4.
pub(crate) fn check_upgrade(request: &Request) -> Result<Upgrade, Refusal> {
    if request.method != "GET" {
        return Err(Refusal {
            headers: vec![("Allow", "GET".into())],
            ..Refusal::new(405, format!("a WebSocket handshake is a GET, not {}", shown(&request.method)))
        });
    }
    if !request.http11 {
        return Err(Refusal::new(400, "a WebSocket handshake needs HTTP/1.1"));
    }
    if !request.list("connection").any(|token| token.eq_ignore_ascii_case("upgrade")) {
        return Err(Refusal::new(400, "a WebSocket handshake needs the header Connection: Upgrade"));
    }
    let mut wanted = request.list("upgrade");
    match (wanted.next(), wanted.next()) {
        (Some(token), None) if token.eq_ignore_ascii_case("websocket") => {}
        _ => {
            return Err(Refusal::new(
                400,
                "a WebSocket handshake needs the header Upgrade: websocket and no other",
            ));
        }
    }
    let mut versions = request.all("sec-websocket-version");
    match (versions.next(), versions.next()) {
        (Some(VERSION), None) => {}
        (version, _) => {
            return Err(Refusal {
                headers: vec![("Sec-WebSocket-Version", VERSION.into()), ("Upgrade", "websocket".into())],
                ..Refusal::new(
                    426,
                    format!(
                        "Sec-WebSocket-Version is {}; it must be {VERSION}, once",
                        shown(version.unwrap_or(""))
                    ),
                )
            });
        }
    }
    let mut keys = request.all("sec-websocket-key");
    let accept = match (keys.next(), keys.next()) {
        (Some(key), None) if is_key(key) => derive_accept_key(key.as_bytes()),
        _ => {
            return Err(Refusal::new(
                400,
                "a WebSocket handshake needs exactly one Sec-WebSocket-Key, 16 bytes in base64",
            ));
        }
    };
    Ok(Upgrade { accept, protocols: protocols(request)?, deflate: None })
}

fn protocols(request: &Request) -> Result<Vec<String>, Refusal> {
    let mut protocols: Vec<String> = Vec::new();
    for name in request.list("sec-websocket-protocol") {
        if !name.bytes().all(is_token_byte) {
            return Err(Refusal::new(
                400,
                format!("Sec-WebSocket-Protocol names {}, which is no token", shown(name)),
            ));
        }
        if protocols.iter().any(|other| other == name) {
            return Err(Refusal::new(400, format!("Sec-WebSocket-Protocol names {} twice", shown(name))));
        }
        protocols.push(name.into());
    }
    Ok(protocols)
}

/// Base64 of 16 bytes: 22 letters and two `=`. The four bits that are too many in the last letter may be
/// anything (RFC 4648 §3.5 leaves it open), since nobody decodes the key.
fn is_key(key: &str) -> bool {
    key.strip_suffix("==").is_some_and(|letters| {
        letters.len() == 22
            && letters.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(&byte))
    })
}

/// RFC 9110 §5.6.2.
pub(in crate::wire) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// RFC 6455 §4.1.
const VERSION: &str = "13";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::handshake::parse_request;

    /// The RFC's example with one header replaced, or left out where `value` is empty, or added.
    fn handshake(name: &str, values: &[&str]) -> Request {
        let mut headers = vec![
            ("Host", "server.example"),
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("Sec-WebSocket-Version", "13"),
        ];
        headers.retain(|(other, _)| *other != name);
        headers.extend(values.iter().map(|value| (name, *value)));
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        parse_request(format!("GET /chat HTTP/1.1\r\n{lines}\r\n").as_bytes()).unwrap()
    }

    #[test]
    fn the_example_of_the_rfc_is_accepted() {
        let request = handshake("Origin", &["http://example.com"]);
        assert!(is_upgrade(&request));
        let upgrade = check_upgrade(&request).unwrap();
        assert_eq!(upgrade.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert!(upgrade.protocols.is_empty());
    }

    #[test]
    fn each_header_of_a_handshake_is_held_to_its_rule() {
        let key = "AQIDBAUGBwgJCgsMDQ4PEC==";
        for (name, values, status) in [
            ("Connection", &["upgrade"][..], None),
            ("Connection", &["keep-alive, UPGRADE"], None),
            ("Connection", &["keep-alive", "Upgrade"], None),
            ("Connection", &["keep-alive"], Some(400)),
            ("Connection", &["upgrade-insecure"], Some(400)),
            ("Connection", &[], Some(400)),
            ("Upgrade", &["WebSocket"], None),
            ("Upgrade", &["websocket,"], None),
            ("Upgrade", &["websocket, h2c"], Some(400)),
            ("Upgrade", &["websocket", "h2c"], Some(400)),
            ("Upgrade", &["websocket", "websocket"], Some(400)),
            ("Upgrade", &["h2c"], Some(400)),
            ("Upgrade", &["websocket/13"], Some(400)),
            ("Upgrade", &[], Some(400)),
            ("Sec-WebSocket-Version", &["8"], Some(426)),
            ("Sec-WebSocket-Version", &["13, 8"], Some(426)),
            ("Sec-WebSocket-Version", &["13", "13"], Some(426)),
            ("Sec-WebSocket-Version", &["013"], Some(426)),
            ("Sec-WebSocket-Version", &[""], Some(426)),
            ("Sec-WebSocket-Version", &[], Some(426)),
            ("Sec-WebSocket-Key", &[key], None),
            ("Sec-WebSocket-Key", &[key, key], Some(400)),
            ("Sec-WebSocket-Key", &[], Some(400)),
            ("Sec-WebSocket-Key", &[""], Some(400)),
            ("Sec-WebSocket-Key", &["AQ=="], Some(400)),
            ("Sec-WebSocket-Key", &["AQIDBAUGBwgJCgsMDQ4PEBE=="], Some(400)),
            ("Sec-WebSocket-Key", &["AQIDBAUGBwgJCgsMDQ4P"], Some(400)),
            ("Sec-WebSocket-Key", &["AQIDBAUGBwgJCgsMDQ4PEBE="], Some(400)),
            ("Sec-WebSocket-Key", &["AQIDBAUGBwgJCgsMDQ4P===="], Some(400)),
            ("Sec-WebSocket-Key", &["AQIDBAUGBwgJCgsMDQ4P-_=="], Some(400)),
            ("Sec-WebSocket-Protocol", &["chat"], None),
            ("Sec-WebSocket-Protocol", &["a b"], Some(400)),
            ("Sec-WebSocket-Protocol", &["a, b, a"], Some(400)),
            ("Sec-WebSocket-Protocol", &["a", "a"], Some(400)),
            ("Sec-WebSocket-Protocol", &["a;q=1"], Some(400)),
        ] {
            let got = check_upgrade(&handshake(name, values)).err().map(|refusal| refusal.status);
            assert_eq!(got, status, "{name}: {values:?}");
        }
    }

    #[test]
    fn a_refused_version_and_method_say_what_would_be_right() {
        let refusal = check_upgrade(&handshake("Sec-WebSocket-Version", &["8"])).unwrap_err();
        assert!(refusal.headers.contains(&("Sec-WebSocket-Version", "13".into())));
        assert!(refusal.headers.contains(&("Upgrade", "websocket".into())));
        for method in ["POST", "HEAD", "OPTIONS", "get"] {
            let request = Request { method: method.into(), ..handshake("Origin", &[]) };
            let refusal = check_upgrade(&request).unwrap_err();
            assert_eq!((refusal.status, refusal.headers), (405, vec![("Allow", "GET".into())]));
        }
        let old = Request { http11: false, ..handshake("Origin", &[]) };
        assert_eq!(check_upgrade(&old).unwrap_err().status, 400);
    }

    #[test]
    fn subprotocols_keep_the_clients_order_over_several_lines() {
        let upgrade =
            check_upgrade(&handshake("Sec-WebSocket-Protocol", &["b, klatsch.v1,, ", "a"])).unwrap();
        assert_eq!(upgrade.protocols, ["b", "klatsch.v1", "a"]);
    }

    #[test]
    fn a_request_without_upgrade_to_websocket_is_for_pages() {
        assert!(!is_upgrade(&handshake("Upgrade", &[])));
        assert!(!is_upgrade(&handshake("Upgrade", &["h2c"])));
        assert!(is_upgrade(&handshake("Upgrade", &["h2c, websocket"])));
    }
}
