//! Who says for whom they speak, and how many connections one address may have.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use klatsch::{Engine, Event, Options};

use crate::common::raw::{UPGRADE, refusal_count, serves_the_next, tcp_from};
use crate::common::{Client, DEADLINE, Host, exchange, host, next_event};

/// The addresses that the host sees of connections that send these `X-Forwarded-For` lines.
fn seen(host: &mut Host, lines: &[&str]) -> Result<String, u16> {
    let headers: String = lines.iter().map(|line| format!("X-Forwarded-For: {line}\r\n")).collect();
    let mut stream = TcpStream::connect(host.address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(UPGRADE.replace("\r\n\r\n", &format!("\r\n{headers}\r\n")).as_bytes()).unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    if &status[9..] != b"101" {
        return Err(String::from_utf8_lossy(&status[9..]).parse().unwrap());
    }
    let Event::Connected { address, .. } = host.event_of("connected") else { unreachable!() };
    Ok(address.unwrap().to_string())
}

#[test]
fn a_forwarded_address_is_believed_of_trusted_proxies_only_and_read_from_the_right() {
    let mut stranger = host(Options::new());
    let own = seen(&mut stranger, &["203.0.113.9"]).unwrap();
    assert!(own.starts_with("127.0.0.1:"), "{own}");
    assert!(seen(&mut stranger, &["<garbage>"]).is_ok(), "what nobody believes nobody judges");

    let mut proxied = host(Options::new().trusted_proxy("127.0.0.0/8").trusted_proxy("10.0.0.0/8"));
    for (lines, want) in [
        (&["203.0.113.9"][..], Ok("203.0.113.9:0")),
        (&["192.0.2.66, 203.0.113.9"], Ok("203.0.113.9:0")),
        (&["<garbage>, 203.0.113.9, 10.1.1.1"], Ok("203.0.113.9:0")),
        (&["192.0.2.66", "203.0.113.9:4711", "10.1.1.1, 127.0.0.1"], Ok("203.0.113.9:4711")),
        (&["10.1.1.1"], Ok("10.1.1.1:0")),
        (&["[2001:db8::7]:443"], Ok("[2001:db8::7]:443")),
        (&["fe80::7%eth0"], Ok("[fe80::7]:0")),
        (&["203.0.113.9, <garbage>"], Err(400)),
        (&["unknown"], Err(400)),
    ] {
        assert_eq!(seen(&mut proxied, lines), want.map(str::to_owned), "{lines:?}");
    }
    assert!(seen(&mut proxied, &[]).unwrap().starts_with("127.0.0.1:"), "the proxy itself");
    serves_the_next(&proxied);
}

#[test]
fn clients_behind_a_trusted_proxy_are_counted_one_by_one_and_by_slash_64() {
    let options = Options::new().trusted_proxy("127.0.0.1").max_address_connection_count(2);
    let mut host = host(options);
    let connect = |host: &Host, client: &str| {
        Client::try_connect(host.address, "/", &[("X-Forwarded-For", client)])
            .map_err(|status| (client.to_owned(), status))
    };
    let mut inside = Vec::new();
    for client in
        ["203.0.113.9", "203.0.113.9", "198.51.100.7", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"]
    {
        inside.push(connect(&host, client).unwrap());
    }
    for client in ["203.0.113.9", "192.0.2.1, 203.0.113.9", "2001:db8::3", "[2001:db8::1]:80"] {
        assert_eq!(connect(&host, client).err().map(|(_, status)| status), Some(429), "{client}");
    }
    let mut told = Vec::new();
    while told.len() < 2 {
        if let Event::Refused { address, error, .. } = host.event() {
            assert!(error.message().contains("trusted_proxy"), "{error}");
            told.push(address.unwrap().ip().to_string());
        }
    }
    assert_eq!(told, ["203.0.113.9", "2001:db8::3"], "one event for each client and minute");
    inside.clear();
    let until = Instant::now() + DEADLINE;
    while connect(&host, "203.0.113.9").is_err() {
        assert!(Instant::now() < until, "places are given back");
    }
}

#[test]
fn a_unix_sockets_peer_is_believed_where_the_host_says_so() {
    let place = std::env::temp_dir().join(format!("klatsch-{}-proxy.sock", std::process::id()));
    for (trusted, want) in [(false, None), (true, Some("203.0.113.9:0"))] {
        let mut options = Options::new().listen(format!("unix:{}", place.display()));
        if trusted {
            options = options.trusted_proxy("unix").max_address_connection_count(1);
        }
        let engine = Engine::new(options).unwrap();
        let mut events = engine.events().unwrap();
        engine.start().unwrap();
        let connect = |headers: &[(&'static str, &str)]| {
            Client::over(UnixStream::connect(&place).unwrap(), "localhost", "/", headers)
        };
        let ann = connect(&[("X-Forwarded-For", "203.0.113.9")]);
        assert!(ann.is_ok());
        let address = loop {
            if let Event::Connected { address, .. } = next_event(&mut events) {
                break address;
            }
        };
        assert_eq!(address.map(|address| address.to_string()).as_deref(), want);
        assert_eq!(connect(&[("X-Forwarded-For", "203.0.113.9")]).err(), trusted.then_some(429));
        // One end of a pair is the host's own making, whatever the host trusts.
        let (ours, theirs) = UnixStream::pair().unwrap();
        engine.adopt(theirs, b"").unwrap();
        assert!(Client::over(ours, "localhost", "/", &[("X-Forwarded-For", "203.0.113.9")]).is_ok());
        engine.stop_blocking(Duration::ZERO).unwrap();
    }
}

#[test]
fn a_line_of_the_proxy_protocol_is_no_request_and_changes_no_address() {
    let mut host = host(Options::new().trusted_proxy("127.0.0.1"));
    for line in [
        "PROXY TCP4 203.0.113.9 127.0.0.1 4711 80\r\n".as_bytes(),
        "PROXY UNKNOWN\r\n".as_bytes(),
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x09\x7f\0\0\x01\x12\x67\0\x50",
    ] {
        let answer = exchange(host.address, &[line, UPGRADE.as_bytes()].concat());
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        let Event::Refused { address, .. } = host.event_of("refused") else { unreachable!() };
        assert_eq!(address.unwrap().ip(), Ipv4Addr::LOCALHOST);
    }
    serves_the_next(&host);
}

#[test]
fn one_address_gets_no_more_than_its_connections_and_another_comes_in_at_once() {
    let mut host = host(Options::new());
    let greedy = Ipv4Addr::new(127, 0, 0, 2);
    let mut inside = Vec::new();
    let mut refused = 0;
    for _ in 0..400 {
        match Client::over(tcp_from(greedy, host.address), "localhost", "/", &[]) {
            Ok(client) => inside.push(client),
            Err(status) => {
                assert_eq!(status, 429);
                refused += 1;
            }
        }
    }
    assert_eq!((inside.len(), refused), (100, 300));
    serves_the_next(&host);
    assert_eq!(refusal_count(&mut host), 1, "one event, not three hundred");
    drop(inside);
    // Everything that was counted is given back: as many come in again.
    let until = Instant::now() + DEADLINE;
    let mut again = Vec::new();
    while again.len() < 100 {
        assert!(Instant::now() < until, "{} came in again", again.len());
        again.extend(Client::over(tcp_from(greedy, host.address), "localhost", "/", &[]).ok());
    }
}

#[test]
fn the_answer_to_one_connection_too_many_asks_whether_it_is_a_proxy() {
    let host = host(Options::new().max_address_connection_count(1));
    let _one = host.client("/");
    let answer = exchange(host.address, UPGRADE.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 429 ") && answer.contains("Retry-After: "), "{answer}");
    assert!(answer.contains("is this a proxy") && answer.contains("trusted_proxy"), "{answer}");
}
