//! Pages of foreign sites, and sites that point their own name here.

use std::net::TcpListener;

use klatsch::{Engine, Options};

use crate::common::raw::{UPGRADE, frame, serves_the_next};
use crate::common::{Client, Host, exchange, host};

/// What is answered to a handshake under this name by a page of these origins.
fn status(host: &Host, name: &str, origins: &[&str]) -> u16 {
    let headers: String = origins.iter().map(|origin| format!("Origin: {origin}\r\n")).collect();
    let request = UPGRADE
        .replace("Host: localhost", &format!("Host: {name}"))
        .replace("\r\n\r\n", &format!("\r\n{headers}\r\n"));
    // A close frame behind it, so that a connection that was let in ends too.
    let bytes = [request.as_bytes(), &frame(0x88, b"")].concat();
    let answer = exchange(host.address, &bytes);
    let status = answer[9..12].parse().unwrap();
    if status == 403 && origins.len() == 1 {
        assert!(answer.contains("allow_origin"), "{answer}");
    }
    if status == 421 {
        assert!(answer.contains("allow_host"), "{answer}");
    }
    status
}

#[test]
fn no_page_of_a_foreign_site_opens_a_websocket() {
    let host = host(Options::new().allow_host("chat.example").allow_origin("https://good.example"));
    for origin in [
        "https://evil.example",
        "null",
        "file://",
        "http://203.0.113.9",
        "http://[2001:db8::1]",
        "http://127.0.0.1",
        "http://localhost:1337",
        "https://good.example.evil.com",
        "https://evilgood.example",
        "https://a.good.example",
        "https://*.good.example",
        "https://good.example:444",
        "http://good.example",
        "https://good.example.",
        "https://good.example/",
        "https://user@good.example",
        "https://good.example https://good.example",
        "https://good.example,https://evil.example",
        "https://chat.example:8443",
        "http://chat.example:443",
        "https://chat.example.evil.com",
        "https://evilchat.example",
        "https://sub.chat.example",
        "chat.example",
        "//chat.example",
        "ftp://chat.example",
        "chrome-extension://chat.example",
        "*",
        "",
        "http://good.example%00.evil.com",
        "https://GOOD.EXAMPLE.EVIL.COM",
    ] {
        assert_eq!(status(&host, "chat.example", &[origin]), 403, "{origin}");
    }
    for origin in
        ["https://good.example", "HTTPS://Good.Example:443", "https://chat.example", "http://chat.example"]
    {
        assert_eq!(status(&host, "chat.example", &[origin]), 101, "{origin}");
        assert_eq!(status(&host, "chat.example", &[origin, origin]), 403, "twice {origin}");
        assert_eq!(
            status(&host, "chat.example", &[origin, "https://evil.example"]),
            403,
            "{origin} and another"
        );
    }
    assert_eq!(status(&host, "chat.example", &[]), 101, "what is no page");
    assert!(Client::try_connect(host.address, "/", &[("Host", "chat.example")]).is_ok());
}

#[test]
fn no_origin_outside_the_list_is_ever_let_in() {
    let host = host(Options::new().allow_host("chat.example").allow_origin("https://good.example"));
    let inside = [
        "https://good.example",
        "https://good.example:443",
        "http://chat.example",
        "http://chat.example:80",
        "https://chat.example",
        "https://chat.example:443",
    ];
    let pieces = [
        "https",
        "http",
        "://",
        "good",
        "chat",
        ".",
        "example",
        "evil",
        ":",
        "443",
        "80",
        "@",
        "null",
        "*",
        "localhost",
        "/",
        "[::1]",
    ];
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    for _ in 0..400 {
        let mut origin = String::new();
        // Half of them begin right.
        if seed & 1 == 0 {
            origin.push_str(inside[(seed >> 8) as usize % inside.len()]);
        }
        for _ in 0..(seed >> 3) % 5 + 1 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            origin.push_str(pieces[(seed >> 20) as usize % pieces.len()]);
        }
        if !inside.contains(&origin.as_str()) {
            assert_eq!(status(&host, "chat.example", &[&origin]), 403, "{origin}");
        }
    }
}

#[test]
fn a_site_that_points_its_own_name_at_this_machine_is_not_answered() {
    let host = host(Options::new());
    for name in [
        "attacker.test",
        "attacker.test:1337",
        "localhost.attacker.test",
        "127.0.0.1.attacker.test",
        "0.0.0.0",
        "2130706433",
    ] {
        let own = format!("http://{name}");
        assert_eq!(status(&host, name, &[&own]), 421, "{name}");
        assert_eq!(status(&host, name, &[]), 421, "{name}");
        let page = exchange(host.address, format!("GET / HTTP/1.1\r\nHost: {name}\r\n\r\n").as_bytes());
        assert!(page.starts_with("HTTP/1.1 421 "), "the page neither: {page}");
    }
    for name in ["localhost", "localhost:9", "127.0.0.1:1337", "[::1]", "app.localhost"] {
        assert_eq!(status(&host, name, &[]), 101, "{name}");
    }
    serves_the_next(&host);
}

#[test]
fn a_connection_that_was_handed_over_may_come_under_any_name_until_names_are_listed() {
    for (options, want) in [(Options::new(), None), (Options::new().allow_host("chat.example"), Some(421))] {
        let engine = Engine::new(options.adopt_only(true)).unwrap();
        engine.start().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client =
            std::thread::spawn(move || Client::try_connect(address, "/", &[("Host", "any.example")]).err());
        engine.adopt(listener.accept().unwrap().0, b"").unwrap();
        assert_eq!(client.join().unwrap(), want);
    }
}
