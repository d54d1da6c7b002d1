//! What a request gets: the page, a WebSocket, or words that say why not.

use std::net::{IpAddr, SocketAddr};

use crate::chat::Knock;
use crate::dialect::v1;
use crate::event::{Dialect, Subject};
use crate::id::RoomName;
use crate::options::RawPath;
use crate::wire::deflate::negotiate;
use crate::wire::handshake::{
    HostPolicy, OriginPolicy, Refusal, Request, Upgrade, check_host, check_origin, check_upgrade, is_upgrade,
    query_value,
};

use super::http::{Site, refuse};

/// What the host's options say about who may come in.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) path: String,
    pub(crate) raw: Vec<RawPath>,
    pub(crate) tutorial: bool,
    pub(crate) v1: bool,
    pub(crate) accept_unknown_subprotocol: bool,
    pub(crate) allow_origin: Vec<String>,
    pub(crate) allow_host: Vec<String>,
    pub(crate) require_origin: bool,
    pub(crate) deflate: bool,
    /// Where the engine listens.
    pub(crate) bound: Vec<IpAddr>,
    /// It listens, and on loopback and Unix sockets only.
    pub(crate) is_local: bool,
    pub(crate) site: Option<Site>,
}

/// What a request gets.
#[derive(Debug)]
pub(crate) enum Decision {
    /// This HTTP answer.
    Answer(Vec<u8>),
    /// This HTTP answer, and the host hears of it.
    Refuse(Refusal),
    /// A WebSocket.
    Upgrade(Box<Wanted>),
}

/// A WebSocket that somebody wants and may have, if the host agrees.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) upgrade: Upgrade,
    pub(crate) subprotocol: Option<String>,
    pub(crate) dialect: Dialect,
    pub(crate) room: Option<RoomName>,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: Vec<(String, String)>,
    /// What came behind the request.
    pub(crate) rest: Vec<u8>,
}

impl Wanted {
    /// What the host is asked about it. Only the question needs the headers from here on.
    pub(crate) fn subject(&mut self) -> Subject {
        Subject::Admit {
            dialect: self.dialect,
            room: self.room.clone(),
            path: self.path.clone(),
            query: self.query.clone(),
            headers: std::mem::take(&mut self.headers),
            name: None,
            token: None,
        }
    }

    /// What its hello will be judged by. Only that needs the headers and the query from here on.
    pub(crate) fn knock(&mut self) -> Box<Knock> {
        Box::new(Knock {
            path: self.path.clone(),
            query: std::mem::take(&mut self.query),
            headers: std::mem::take(&mut self.headers),
        })
    }
}

/// Decides about a request. `adopted`: it came to a server of the host's own, on this address.
pub(crate) fn decide(rules: &Rules, request: Request, adopted: Option<SocketAddr>) -> Decision {
    match upgrade(rules, &request, adopted) {
        Ok(None) => match &rules.site {
            Some(site) => site.answer(&request),
            None => Decision::Answer(refuse(426, WEBSOCKETS_ONLY)),
        },
        Ok(Some(mut wanted)) => {
            wanted.headers = request.headers;
            wanted.path = request.path;
            wanted.query = request.query;
            Decision::Upgrade(Box::new(wanted))
        }
        Err(refusal) => Decision::Refuse(refusal),
    }
}

fn upgrade(rules: &Rules, request: &Request, adopted: Option<SocketAddr>) -> Result<Option<Wanted>, Refusal> {
    check_host(request, &host_policy(rules, adopted.is_some()))?;
    if !is_upgrade(request) {
        return Ok(None);
    }
    let mut upgrade = check_upgrade(request)?;
    check_origin(request, &origin_policy(rules, request, adopted))?;
    let (dialect, subprotocol) = dialect(rules, request, &upgrade)?;
    if rules.deflate {
        let offers: Vec<&str> = request.all("sec-websocket-extensions").collect();
        upgrade.deflate = negotiate(&offers)?;
    }
    let named = query_value(&request.query, "room").transpose()?;
    let room = match (dialect, named) {
        // It joins its rooms when it is in.
        (Dialect::V1, _) => None,
        (_, Some(name)) => Some(RoomName::new(&name).map_err(|error| refusal(400, error.message()))?),
        (Dialect::Tutorial, None) => {
            Some(RoomName::new(LOBBY).map_err(|error| refusal(400, error.message()))?)
        }
        (Dialect::Raw, None) => None,
    };
    Ok(Some(Wanted {
        upgrade,
        subprotocol,
        dialect,
        room,
        path: String::new(),
        query: String::new(),
        headers: Vec::new(),
        rest: Vec::new(),
    }))
}

/// Names are held to loopback only where everybody who can connect is on this machine: there a page of a
/// stranger's could otherwise reach the engine under a name of its own.
fn host_policy(rules: &Rules, adopted: bool) -> HostPolicy {
    match (rules.allow_host.is_empty(), rules.is_local && !adopted) {
        (false, _) => HostPolicy::Listed(rules.allow_host.clone()),
        (true, true) => HostPolicy::Loopback { bound: rules.bound.clone() },
        (true, false) => HostPolicy::Any,
    }
}

/// Pages of this machine are welcome where nobody but this machine can be meant: the connection came over
/// loopback, under a name of loopback, and not through a proxy. A host that lists origins has said who is.
fn origin_policy(rules: &Rules, request: &Request, adopted: Option<SocketAddr>) -> OriginPolicy {
    let over_loopback = match adopted {
        None => rules.is_local,
        Some(local) => local.ip().to_canonical().is_loopback(),
    };
    let loopback = over_loopback
        && rules.allow_origin.is_empty()
        && check_host(request, &HostPolicy::Loopback { bound: Vec::new() }).is_ok()
        && request.header("x-forwarded-for").or(request.header("forwarded")).is_none();
    OriginPolicy { loopback, allowed: rules.allow_origin.clone(), require: rules.require_origin }
}

fn dialect(
    rules: &Rules,
    request: &Request,
    upgrade: &Upgrade,
) -> Result<(Dialect, Option<String>), Refusal> {
    let offered = &upgrade.protocols;
    if let Some(raw) = rules.raw.iter().find(|raw| raw.path == request.path) {
        return match &raw.subprotocol {
            None if offered.is_empty() => Ok((Dialect::Raw, None)),
            Some(name) if offered.contains(name) => Ok((Dialect::Raw, Some(name.clone()))),
            wanted => Err(unknown_protocols(offered, wanted.as_deref(), wanted.is_none())),
        };
    }
    if !rules.tutorial && !rules.v1 || request.path != rules.path {
        let words = match rules.tutorial || rules.v1 {
            true => format!("there is no chat on {}; it is on {} (option path)", request.path, rules.path),
            false => {
                format!("nothing is on {}; the options raw, tutorial and v1 say what is where", request.path)
            }
        };
        return Err(refusal(404, words));
    }
    let v1 = rules.v1.then_some(v1::SUBPROTOCOL);
    if let Some(name) = v1.filter(|name| offered.iter().any(|other| other == name)) {
        return Ok((Dialect::V1, Some(name.to_owned())));
    }
    match rules.tutorial && (offered.is_empty() || rules.accept_unknown_subprotocol) {
        true => Ok((Dialect::Tutorial, None)),
        false => Err(unknown_protocols(offered, v1, rules.tutorial)),
    }
}

/// PROTOCOL: a list of unknown names only is answered with a body that lists the supported ones. `or_none`: a request
/// that offers nothing is right too.
fn unknown_protocols(offered: &[String], supported: Option<&str>, or_none: bool) -> Refusal {
    let supported: Vec<&str> = supported.into_iter().collect();
    let body = serde_json::json!({
        "error": "unknown_subprotocol",
        "message": match (supported.is_empty(), or_none) {
            (true, _) => "no Sec-WebSocket-Protocol is spoken here; leave the header out",
            (false, true) => {
                "no Sec-WebSocket-Protocol offered is spoken here; offer a supported one, or leave the header out"
            }
            (false, false) => {
                "the Sec-WebSocket-Protocol offered is not spoken here; offer a supported one"
            }
        },
        "offered": offered,
        "supported": supported,
    });
    refusal(400, body.to_string())
}

fn refusal(status: u16, reason: String) -> Refusal {
    Refusal { status, reason, headers: Vec::new() }
}

/// The room of those who name none.
const LOBBY: &str = "lobby";
const WEBSOCKETS_ONLY: &str = "only WebSockets are served here";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::handshake::parse_request;

    /// What a WebSocket request for `target` gets that offers these subprotocols.
    fn offered(rules: &Rules, target: &str, offer: &str) -> Result<(Dialect, Option<String>, bool), String> {
        let offer = match offer.is_empty() {
            true => String::new(),
            false => format!("Sec-WebSocket-Protocol: {offer}\r\n"),
        };
        let head = format!(
            "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{offer}\r\n"
        );
        match decide(rules, parse_request(head.as_bytes()).unwrap(), None) {
            Decision::Upgrade(wanted) => Ok((wanted.dialect, wanted.subprotocol, wanted.room.is_some())),
            Decision::Refuse(refusal) => Err(format!("{} {}", refusal.status, refusal.reason)),
            Decision::Answer(_) => panic!("{target} is no page"),
        }
    }

    fn rules() -> Rules {
        Rules {
            path: "/chat".into(),
            raw: vec![RawPath { path: "/game".into(), subprotocol: Some("game.v1".into()) }],
            tutorial: true,
            v1: true,
            accept_unknown_subprotocol: false,
            allow_origin: Vec::new(),
            allow_host: Vec::new(),
            require_origin: false,
            deflate: false,
            bound: Vec::new(),
            is_local: true,
            site: None,
        }
    }

    #[test]
    fn what_is_spoken_is_what_is_offered_and_switched_on() {
        let v1 = || Ok((Dialect::V1, Some("klatsch.v1".to_owned()), false));
        let tutorial = || Ok((Dialect::Tutorial, None, true));
        let all = rules();
        for offer in ["klatsch.v1", "mqtt, klatsch.v1", "klatsch.v1, mqtt"] {
            assert_eq!(offered(&all, "/chat", offer), v1(), "{offer}");
            // It joins its rooms when it is in.
            assert_eq!(offered(&all, "/chat?room=den", offer), v1(), "{offer}");
        }
        assert_eq!(offered(&all, "/chat", ""), tutorial());
        let game = Ok((Dialect::Raw, Some("game.v1".to_owned()), false));
        assert_eq!(offered(&all, "/game", "klatsch.v1, game.v1"), game);
        assert!(offered(&all, "/other", "klatsch.v1").unwrap_err().starts_with("404 there is no chat"));
        let talk = Rules { tutorial: false, ..rules() };
        assert_eq!(offered(&talk, "/chat", "klatsch.v1"), v1());
        let classic = Rules { v1: false, ..rules() };
        assert_eq!(offered(&classic, "/chat", ""), tutorial());
        let neither = Rules { tutorial: false, v1: false, ..rules() };
        assert!(offered(&neither, "/chat", "klatsch.v1").unwrap_err().starts_with("404 nothing is on"));
    }

    #[test]
    fn who_offers_unknown_names_only_is_told_the_supported_ones_or_is_a_tutorial_client() {
        let listed = |rules: &Rules, target: &str, offer: &str| {
            let words = offered(rules, target, offer).unwrap_err();
            let body: serde_json::Value = serde_json::from_str(words.strip_prefix("400 ").unwrap()).unwrap();
            (body["supported"].to_string(), body["message"].to_string().contains("leave the header out"))
        };
        let v1 = || r#"["klatsch.v1"]"#.to_owned();
        assert_eq!(listed(&rules(), "/chat", "mqtt, klatsch.v2"), (v1(), true));
        assert_eq!(listed(&rules(), "/game", "klatsch.v1"), (r#"["game.v1"]"#.to_owned(), false));
        let talk = Rules { tutorial: false, accept_unknown_subprotocol: true, ..rules() };
        assert_eq!(listed(&talk, "/chat", ""), (v1(), false));
        assert_eq!(listed(&talk, "/chat", "mqtt"), (v1(), false));
        let classic = Rules { v1: false, ..rules() };
        assert_eq!(listed(&classic, "/chat", "klatsch.v1"), ("[]".to_owned(), true));
        let lenient = Rules { accept_unknown_subprotocol: true, ..rules() };
        assert_eq!(offered(&lenient, "/chat", "mqtt, other"), Ok((Dialect::Tutorial, None, true)));
        assert_eq!(offered(&lenient, "/chat", "mqtt, klatsch.v1").map(|wanted| wanted.0), Ok(Dialect::V1));
        assert!(offered(&lenient, "/game", "mqtt").unwrap_err().starts_with("400"));
    }
}
