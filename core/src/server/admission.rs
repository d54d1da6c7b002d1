//! What a request gets: the page, a WebSocket, or words that say why not.

use std::net::{IpAddr, SocketAddr};

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
        }
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
    if let Some(raw) = rules.raw.iter().find(|raw| raw.path == request.path) {
        return match &raw.subprotocol {
            None if upgrade.protocols.is_empty() => Ok((Dialect::Raw, None)),
            Some(name) if upgrade.protocols.contains(name) => Ok((Dialect::Raw, Some(name.clone()))),
            wanted => Err(unknown_protocols(upgrade, wanted.as_deref())),
        };
    }
    if !rules.tutorial || request.path != rules.path {
        let words = match rules.tutorial {
            true => format!("there is no chat on {}; it is on {} (option path)", request.path, rules.path),
            false => {
                format!("nothing is on {}; the options raw and tutorial say what is where", request.path)
            }
        };
        return Err(refusal(404, words));
    }
    match upgrade.protocols.is_empty() {
        true => Ok((Dialect::Tutorial, None)),
        false => Err(unknown_protocols(upgrade, None)),
    }
}

/// PROTOCOL: a list of unknown names only is answered with a body that lists the supported ones.
fn unknown_protocols(upgrade: &Upgrade, supported: Option<&str>) -> Refusal {
    let supported: Vec<&str> = supported.into_iter().collect();
    let body = serde_json::json!({
        "error": "unknown_subprotocol",
        "message": match supported.is_empty() {
            true => "no Sec-WebSocket-Protocol is spoken here; leave the header out",
            false => "the Sec-WebSocket-Protocol offered is not spoken here; offer a supported one",
        },
        "offered": upgrade.protocols,
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
