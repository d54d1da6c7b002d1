//! Origins of all kinds beside an oracle that was written from the promise: a page comes in if it is the server's own,
//! listed, or, where the policy says so, of this machine; and no other.

use std::net::Ipv6Addr;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::{OriginPolicy, check_origin};
use crate::wire::handshake::parse_request;

/// Whether a page of this origin may come in under this `Host`.
///
/// Spells out every way to write a welcome origin, where the code takes origins apart and compares the parts.
fn is_welcome(policy: &OriginPolicy, host: &str, origin: &str) -> bool {
    let spelled = without_zeros(&origin.to_ascii_lowercase());
    let is_listed = policy.allowed.iter().any(|allowed| match allowed.as_str() {
        "null" => origin == "null",
        web => spellings(web).contains(&spelled),
    });
    let host = host.to_ascii_lowercase();
    let own = ["http", "https"].map(|scheme| format!("{scheme}://{host}"));
    let is_own = own.iter().any(|own| spellings(own).contains(&spelled));
    is_listed || is_own || (policy.loopback && is_of_this_machine(origin, &spelled))
}

/// An origin with its port and, where that is the scheme's, without it.
fn spellings(origin: &str) -> Vec<String> {
    let port = if origin.starts_with("https") { ":443" } else { ":80" };
    let has_port = origin.rsplit(':').next().is_some_and(|last| last.parse::<u16>().is_ok());
    match origin.strip_suffix(port) {
        Some(short) => vec![origin.to_owned(), short.to_owned()],
        None if has_port => vec![origin.to_owned()],
        None => vec![origin.to_owned(), format!("{origin}{port}")],
    }
}

/// `:0080` is the port 80.
fn without_zeros(origin: &str) -> String {
    match origin.rsplit_once(':') {
        Some((front, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            let digits = port.trim_start_matches('0');
            format!("{front}:{}", if digits.is_empty() { "0" } else { digits })
        }
        _ => origin.to_owned(),
    }
}

fn is_of_this_machine(origin: &str, spelled: &str) -> bool {
    if origin == "null" || origin == "file://" {
        return true;
    }
    let Some(rest) = spelled.strip_prefix("http://").or(spelled.strip_prefix("https://")) else {
        return false;
    };
    let host = match rest.rsplit_once(':') {
        Some((host, port)) if !rest.ends_with(']') => match port.parse::<u16>() {
            Ok(number) if number.to_string() == port => host,
            _ => return false,
        },
        _ => rest,
    };
    let octets: Vec<&str> = host.split('.').collect();
    let is_octet = |part: &&str| part.parse::<u8>().is_ok_and(|octet| octet.to_string() == **part);
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    host == "localhost"
        || host.strip_suffix(".localhost").is_some_and(|name| {
            !name.is_empty()
                && name.chars().all(|char| char.is_ascii_alphanumeric() || "-._~%".contains(char))
        })
        || octets.len() == 4 && octets[0] == "127" && octets.iter().all(is_octet)
        || inner.is_some_and(|inner| inner.parse() == Ok(Ipv6Addr::LOCALHOST))
}

/// Origins that some of the policies and hosts below let in.
const INSIDE: [&str; 12] = [
    "https://good.example",
    "http://good.example:8080",
    "https://xn--gttingen-n4a.example:443",
    "http://chat.example",
    "https://chat.example:443",
    "http://chat.example:8080",
    "https://192.0.2.1",
    "http://localhost:3000",
    "http://app.localhost",
    "http://127.8.9.10:80",
    "https://[::1]:1337",
    "null",
];

fn policies() -> impl Strategy<Value = OriginPolicy> {
    let listed =
        ["https://good.example", "http://good.example:8080", "https://xn--gttingen-n4a.example", "null"];
    (any::<bool>(), any::<bool>(), subsequence(listed.to_vec(), 0..=listed.len())).prop_map(
        |(loopback, require, allowed)| OriginPolicy {
            loopback,
            require,
            allowed: allowed.into_iter().map(str::to_owned).collect(),
        },
    )
}

fn hosts() -> impl Strategy<Value = &'static str> {
    select(vec![
        "chat.example",
        "chat.example:8080",
        "Chat.Example:443",
        "localhost:1337",
        "[::1]:1337",
        "192.0.2.1",
    ])
}

/// What origins are put together from, and what those make of them who mean harm.
fn pieces() -> impl Strategy<Value = String> {
    let words = [
        "http",
        "https",
        "HTTPS",
        "file",
        "ftp",
        "chrome-extension",
        "://",
        ":",
        "/",
        "//",
        ".",
        "..",
        "@",
        "%00",
        "*",
        "?",
        "#",
        " ",
        ",",
        "\\",
        "good",
        "chat",
        "example",
        "evil",
        "com",
        "localhost",
        "127.0.0.1",
        "127.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "192.0.2.1",
        "0",
        "80",
        "443",
        "8080",
        "1337",
        "65536",
        "-1",
        "null",
        "xn--",
    ];
    vec(select(words.to_vec()), 0..9).prop_map(|words| words.concat())
}

fn origins() -> impl Strategy<Value = String> {
    let inside = || select(INSIDE.to_vec()).prop_map(str::to_owned);
    prop_oneof![
        inside(),
        pieces(),
        "[!-~]{0,40}",
        (inside(), pieces()).prop_map(|(front, back)| front + &back),
        (pieces(), inside()).prop_map(|(front, back)| front + &back),
        // One letter of it changed, taken out, or put in.
        (inside(), any::<prop::sample::Index>(), "[!-~]?", any::<bool>()).prop_map(
            |(origin, at, new, keep)| {
                let at = at.index(origin.len());
                let rest = if keep { at } else { at + 1 };
                format!("{}{new}{}", &origin[..at], &origin[rest..])
            }
        ),
    ]
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_origin_outside_the_list_comes_in_and_every_one_inside_does(
        policy in policies(),
        host in hosts(),
        origin in origins(),
    ) {
        let head = format!("GET / HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\n\r\n");
        let result = parse_request(head.as_bytes()).and_then(|request| check_origin(&request, &policy));
        // HTTP takes no notice of blanks around a value.
        let want = is_welcome(&policy, host, origin.trim_matches(' '));
        prop_assert_eq!(result.is_ok(), want, "{:?}", result);
    }

    #[test]
    fn several_origins_never_come_in(
        policy in policies(),
        host in hosts(),
        origins in vec(origins(), 2..4),
    ) {
        let lines: String = origins.iter().map(|origin| format!("Origin: {origin}\r\n")).collect();
        let head = format!("GET / HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n");
        let result = parse_request(head.as_bytes()).and_then(|request| check_origin(&request, &policy));
        prop_assert!(result.is_err());
    }
}

#[test]
fn the_oracle_knows_both_sides() {
    let policy =
        OriginPolicy { loopback: true, require: false, allowed: vec!["https://good.example".into()] };
    for origin in
        ["https://good.example:443", "HTTP://chat.example:080", "http://127.1.2.3:9", "null", "file://"]
    {
        assert!(is_welcome(&policy, "chat.example", origin), "{origin}");
    }
    for origin in
        ["http://good.example", "https://good.example.", "http://chat.example:8080", "http://127.1", ""]
    {
        assert!(!is_welcome(&policy, "chat.example", origin), "{origin}");
    }
}
