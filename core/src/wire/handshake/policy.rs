//! Who may connect: under which name the engine answers, and whose pages it lets in.
//!
//! Both guard browsers' users: a page of a foreign site must not speak to a chat in their name
//! (cross-site WebSocket hijacking), nor reach one on their own machine under a name that it made
//! point there (DNS rebinding). Neither proves who somebody is: other programs send what they like.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::request::{Request, split_authority};
use super::response::{Refusal, shown};

/// The names in `Host` that are answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HostPolicy {
    Any,
    /// `localhost`, names under it, loopback addresses, and the addresses that are listened on; any port.
    Loopback {
        bound: Vec<IpAddr>,
    },
    /// These, `host` with any port or `host:port` exactly, whatever their case; and loopback's names.
    Listed(Vec<String>),
}

/// The origins whose pages may open a WebSocket, besides those of the name they connect to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OriginPolicy {
    /// Every listener is on loopback: pages from loopback and from files may too.
    pub(crate) loopback: bool,
    /// `scheme://host` or `scheme://host:port`, compared as a whole; `*`: all.
    pub(crate) allowed: Vec<String>,
    /// Whether who sends no `Origin`, which only browsers must, is refused.
    pub(crate) require: bool,
}

/// Judges the name under which the request came.
///
/// # Errors
/// 421, naming `allow_host`.
///
/// Source: RFC 9110 §7.4, §15.5.20.
pub(crate) fn check_host(request: &Request, policy: &HostPolicy) -> Result<(), Refusal> {
    let text = request.header("host").unwrap_or("");
    let is_welcome = match (policy, split_authority(text)) {
        (HostPolicy::Any, _) => true,
        (_, None) => false,
        (HostPolicy::Loopback { bound }, Some((host, _))) => {
            is_loopback(host) || address(host).is_some_and(|address| bound.contains(&address))
        }
        (HostPolicy::Listed(listed), Some((host, _))) => {
            is_loopback(host)
                || listed
                    .iter()
                    .any(|name| name.eq_ignore_ascii_case(host) || name.eq_ignore_ascii_case(text))
        }
    };
    if is_welcome {
        return Ok(());
    }
    Err(Refusal::new(
        421,
        format!(
            "the request's Host is {}, a name that is not served here; the option allow_host adds it",
            shown(text)
        ),
    ))
}

/// Judges whose page opens the WebSocket.
///
/// Origins are equal when scheme, host and port are; a port that is left out is the scheme's. A page is
/// the server's own when its host and port are those of `Host`: its scheme says nothing, since a
/// proxy may have ended TLS.
///
/// # Errors
/// 403: naming `allow_origin`; or `require_origin`, when there is no `Origin`; or when there are several.
///
/// Source: RFC 6454 §4, §7; RFC 6455 §10.2.
pub(crate) fn check_origin(request: &Request, policy: &OriginPolicy) -> Result<(), Refusal> {
    let mut origins = request.all("origin");
    let text = match (origins.next(), origins.next()) {
        (Some(text), None) => text,
        (Some(_), Some(_)) => return Err(Refusal::new(403, "the request has several Origin headers")),
        (None, _) if policy.require => {
            return Err(Refusal::new(
                403,
                "the request has no Origin, and the option require_origin asks for one",
            ));
        }
        (None, _) => return Ok(()),
    };
    let is_welcome = policy.allowed.iter().any(|allowed| allowed == "*" || is_same(allowed, text))
        // What browsers say for a page that was opened from a file.
        || (policy.loopback && (text == NULL || text == "file://"))
        || Origin::parse(text).filter(Origin::is_web).is_some_and(|origin| {
            (policy.loopback && is_loopback(origin.host)) || origin.is_own(request.header("host").unwrap_or(""))
        });
    if is_welcome {
        return Ok(());
    }
    Err(Refusal::new(
        403,
        format!(
            "the page's Origin is {}, which is neither this server's own nor listed; the option allow_origin adds it",
            shown(text)
        ),
    ))
}

/// An origin as browsers write it: `scheme://host` or `scheme://host:port`.
struct Origin<'a> {
    scheme: &'a str,
    host: &'a str,
    /// The scheme's where none is given, `None` where the scheme has none.
    port: Option<u16>,
}

impl<'a> Origin<'a> {
    fn parse(text: &'a str) -> Option<Origin<'a>> {
        let (scheme, authority) = text.split_once("://")?;
        let (host, port) = split_authority(authority)?;
        Some(Origin { scheme, host, port: port.or_else(|| default_port(scheme)) })
    }

    /// A page that a browser loaded from a server.
    fn is_web(&self) -> bool {
        default_port(self.scheme).is_some()
    }

    fn is_own(&self, authority: &str) -> bool {
        split_authority(authority).is_some_and(|(host, port)| {
            host.eq_ignore_ascii_case(self.host) && port.or_else(|| default_port(self.scheme)) == self.port
        })
    }
}

fn is_same(allowed: &str, text: &str) -> bool {
    match (Origin::parse(allowed), Origin::parse(text)) {
        (Some(a), Some(b)) => {
            a.scheme.eq_ignore_ascii_case(b.scheme) && a.host.eq_ignore_ascii_case(b.host) && a.port == b.port
        }
        _ => allowed == NULL && text == NULL,
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    if scheme.eq_ignore_ascii_case("http") {
        Some(80)
    } else if scheme.eq_ignore_ascii_case("https") {
        Some(443)
    } else {
        None
    }
}

/// RFC 6761 §6.3: browsers never ask the DNS for these names, so that nobody can make them point elsewhere.
fn is_loopback(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    host == "localhost"
        || host.strip_suffix(".localhost").is_some_and(|name| !name.is_empty())
        || address(&host).is_some_and(|address| address.is_loopback())
}

/// An address written in full, an IPv6 one in brackets.
fn address(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => host.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

/// RFC 6454 §6.1: the origin of a page that has none to tell, or hides it.
const NULL: &str = "null";

#[cfg(test)]
mod origins;
#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::handshake::parse_request;

    fn request(host: &str, origins: &[&str]) -> Request {
        let lines: String = origins.iter().map(|origin| format!("Origin: {origin}\r\n")).collect();
        parse_request(format!("GET / HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n").as_bytes()).unwrap()
    }

    fn status(result: Result<(), Refusal>, option: &str) -> u16 {
        result.map_or_else(
            |refusal| {
                assert!(refusal.reason.contains(option), "{}", refusal.reason);
                refusal.status
            },
            |()| 101,
        )
    }

    /// Origin, Host, and the answer when listeners are open, when they are on loopback, and when
    /// `https://good.example` is listed.
    const PAIRS: &[(&str, &str, [u16; 3])] = &[
        // The server's own pages.
        ("http://chat.example", "chat.example", [101, 101, 101]),
        ("http://chat.example:80", "chat.example", [101, 101, 101]),
        ("http://chat.example", "chat.example:80", [101, 101, 101]),
        ("https://chat.example", "chat.example", [101, 101, 101]),
        ("https://chat.example", "chat.example:443", [101, 101, 101]),
        ("HTTPS://Chat.Example", "chat.example", [101, 101, 101]),
        ("http://chat.example:8080", "chat.example:8080", [101, 101, 101]),
        ("http://192.0.2.1:8080", "192.0.2.1:8080", [101, 101, 101]),
        ("http://[2001:db8::1]:8080", "[2001:db8::1]:8080", [101, 101, 101]),
        // Another port, or the other scheme's port.
        ("http://chat.example:8081", "chat.example:8080", [403, 403, 403]),
        ("http://chat.example", "chat.example:8080", [403, 403, 403]),
        ("http://chat.example", "chat.example:443", [403, 403, 403]),
        ("https://chat.example", "chat.example:80", [403, 403, 403]),
        // Other names, however much alike.
        ("https://evil.example", "chat.example", [403, 403, 403]),
        ("https://chat.example.evil.com", "chat.example", [403, 403, 403]),
        ("https://evilchat.example", "chat.example", [403, 403, 403]),
        ("https://sub.chat.example", "chat.example", [403, 403, 403]),
        ("https://chat.example.", "chat.example", [403, 403, 403]),
        ("http://203.0.113.9", "chat.example", [403, 403, 403]),
        // The listed origin, and what is not quite it.
        ("https://good.example", "chat.example", [403, 403, 101]),
        ("https://good.example:443", "chat.example", [403, 403, 101]),
        ("http://good.example", "chat.example", [403, 403, 403]),
        ("https://good.example:444", "chat.example", [403, 403, 403]),
        ("https://good.example.evil.com", "chat.example", [403, 403, 403]),
        ("https://evilgood.example", "chat.example", [403, 403, 403]),
        ("https://a.good.example", "chat.example", [403, 403, 403]),
        ("https://*.good.example", "chat.example", [403, 403, 403]),
        // Loopback and files.
        ("http://localhost:3000", "localhost:1337", [403, 101, 403]),
        ("https://localhost", "127.0.0.1:1337", [403, 101, 403]),
        ("http://127.0.0.1:9", "localhost:1337", [403, 101, 403]),
        ("http://127.8.9.10", "localhost:1337", [403, 101, 403]),
        ("http://[::1]:3000", "localhost:1337", [403, 101, 403]),
        ("http://app.localhost", "localhost:1337", [403, 101, 403]),
        ("file://", "localhost:1337", [403, 101, 403]),
        ("null", "localhost:1337", [403, 101, 403]),
        // Not quite loopback.
        ("http://localhost.evil.com", "localhost:1337", [403, 403, 403]),
        ("http://evillocalhost", "localhost:1337", [403, 403, 403]),
        ("http://127.0.0.1.evil.com", "localhost:1337", [403, 403, 403]),
        ("http://128.0.0.1", "localhost:1337", [403, 403, 403]),
        ("chrome-extension://localhost", "localhost:1337", [403, 403, 403]),
        ("file://evil.example", "localhost:1337", [403, 403, 403]),
        ("NULL", "localhost:1337", [403, 403, 403]),
        // No origin at all.
        ("", "chat.example", [403, 403, 403]),
        ("chat.example", "chat.example", [403, 403, 403]),
        ("http://chat.example/", "chat.example", [403, 403, 403]),
        ("http://a@chat.example", "chat.example", [403, 403, 403]),
        ("http://chat.example:", "chat.example", [403, 403, 403]),
        ("http://chat.example:+80", "chat.example", [403, 403, 403]),
        ("http://chat.example:65616", "chat.example", [403, 403, 403]),
        ("http://chat.example http://chat.example", "chat.example", [403, 403, 403]),
        ("http://chat.example, http://evil.example", "chat.example", [403, 403, 403]),
        ("*", "chat.example", [403, 403, 403]),
    ];

    #[test]
    fn no_page_comes_in_but_own_listed_and_local_ones() {
        let policies = [
            OriginPolicy::default(),
            OriginPolicy { loopback: true, ..OriginPolicy::default() },
            OriginPolicy { allowed: vec!["https://good.example".into()], ..OriginPolicy::default() },
        ];
        let all = OriginPolicy { allowed: vec!["*".into()], ..OriginPolicy::default() };
        for &(origin, host, want) in PAIRS {
            let request = request(host, &[origin]);
            let got =
                policies.each_ref().map(|policy| status(check_origin(&request, policy), "allow_origin"));
            assert_eq!(got, want, "{origin} at {host}");
            assert_eq!(check_origin(&request, &all), Ok(()), "{origin} at {host}");
        }
    }

    #[test]
    fn an_extension_that_is_listed_comes_in_and_its_neighbour_does_not() {
        let policy =
            OriginPolicy { allowed: vec!["chrome-extension://abcd".into()], ..OriginPolicy::default() };
        assert_eq!(status(check_origin(&request("x", &["chrome-extension://abcd"]), &policy), "-"), 101);
        assert_eq!(
            status(check_origin(&request("x", &["chrome-extension://abce"]), &policy), "allow_origin"),
            403
        );
        assert_eq!(
            status(check_origin(&request("x", &["moz-extension://abcd"]), &policy), "allow_origin"),
            403
        );
    }

    #[test]
    fn who_sends_no_origin_comes_in_unless_it_is_required() {
        let mut policy = OriginPolicy::default();
        assert_eq!(status(check_origin(&request("x", &[]), &policy), "-"), 101);
        policy.require = true;
        assert_eq!(status(check_origin(&request("x", &[]), &policy), "require_origin"), 403);
        assert_eq!(status(check_origin(&request("x", &["http://x"]), &policy), "-"), 101);
    }

    #[test]
    fn two_origins_are_refused_whatever_is_allowed() {
        let policy = OriginPolicy { loopback: true, allowed: vec!["*".into()], require: false };
        for origins in [["http://x", "http://x"], ["http://x", "http://evil.example"]] {
            assert_eq!(status(check_origin(&request("x", &origins), &policy), "several Origin"), 403);
        }
    }

    #[test]
    fn only_names_that_are_served_are_answered() {
        let loopback =
            HostPolicy::Loopback { bound: vec!["127.0.0.1".parse().unwrap(), "192.0.2.7".parse().unwrap()] };
        let listed = HostPolicy::Listed(vec![
            "chat.example".into(),
            "other.example:8080".into(),
            "[2001:db8::1]".into(),
        ]);
        for (host, on_loopback, when_listed) in [
            ("localhost", 101, 101),
            ("LOCALHOST:1337", 101, 101),
            ("app.localhost:1337", 101, 101),
            ("127.0.0.1:1337", 101, 101),
            ("127.1.2.3", 101, 101),
            ("[::1]:1337", 101, 101),
            ("192.0.2.7:1337", 101, 421),
            ("192.0.2.8:1337", 421, 421),
            ("attacker.test", 421, 421),
            ("attacker.test:1337", 421, 421),
            ("localhost.attacker.test", 421, 421),
            ("127.0.0.1.attacker.test", 421, 421),
            ("notlocalhost", 421, 421),
            (".localhost", 421, 421),
            ("2130706433", 421, 421),
            ("127.1", 421, 421),
            ("0.0.0.0", 421, 421),
            ("chat.example", 421, 101),
            ("Chat.Example:9", 421, 101),
            ("other.example:8080", 421, 101),
            ("other.example:8081", 421, 421),
            ("other.example", 421, 421),
            ("chat.example.attacker.test", 421, 421),
            ("evilchat.example", 421, 421),
            ("[2001:db8::1]:80", 421, 101),
        ] {
            let request = request(host, &[]);
            assert_eq!(status(check_host(&request, &loopback), "allow_host"), on_loopback, "{host}");
            assert_eq!(status(check_host(&request, &listed), "allow_host"), when_listed, "{host}");
            assert_eq!(check_host(&request, &HostPolicy::Any), Ok(()));
        }
    }

    #[test]
    fn a_rebound_name_is_its_own_origin_and_still_refused_by_its_host() {
        let request = request("attacker.test:1337", &["http://attacker.test:1337"]);
        assert_eq!(
            check_origin(&request, &OriginPolicy { loopback: true, ..OriginPolicy::default() }),
            Ok(())
        );
        let policy = HostPolicy::Loopback { bound: vec![] };
        assert_eq!(status(check_host(&request, &policy), "allow_host"), 421);
    }
}
