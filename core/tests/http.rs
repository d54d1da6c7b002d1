//! What is answered to requests, right ones and wrong ones: real HTTP, with words that say what would be right.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;

use common::{Client, DEADLINE, exchange, host};
use klatsch::{Event, Options};

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

/// An upgrade request, with one thing changed or added.
fn upgrade(path: &str, without: &str, with: &str) -> String {
    let headers = [
        "Host: localhost",
        "Connection: keep-alive, Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ];
    let kept: String = headers
        .iter()
        .filter(|header| without.is_empty() || !header.starts_with(without))
        .map(|header| format!("{header}\r\n"))
        .collect();
    format!("GET {path} HTTP/1.1\r\n{kept}{with}\r\n")
}

#[test]
fn the_page_and_its_files_are_served_and_nothing_else() {
    let host = host(Options::new().path("/chat&more"));
    for (path, kind) in [
        ("/", "text/html"),
        ("/chat.js", "text/javascript"),
        ("/klatsch.js", "text/javascript"),
        ("/style.css", "text/css"),
        ("/icon.svg", "image/svg"),
    ] {
        let answer = exchange(host.address, get(path).as_bytes());
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{path}: {answer}");
        assert!(answer.contains(kind) && answer.contains("X-Content-Type-Options: nosniff"));
        assert!(answer.contains("default-src 'none'") && !answer.contains("unsafe-inline"));
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let length = format!("Content-Length: {}", body.len());
        assert!(head.contains(&length), "{path}: {head}");
        let head_only = exchange(host.address, get(path).replace("GET", "HEAD").as_bytes());
        assert_eq!(head_only, format!("{head}\r\n\r\n"));
    }
    let page = exchange(host.address, get("/").as_bytes());
    assert!(page.contains(r#"data-chat-path="/chat&amp;more""#), "{page}");
    for path in ["/..", "/../Cargo.toml", "/%2e%2e/x", "/style.css/", "/index.html%00", "//etc/passwd"] {
        assert!(exchange(host.address, get(path).as_bytes()).starts_with("HTTP/1.1 404 "), "{path}");
    }
    assert!(exchange(host.address, get("/chat&more").as_bytes()).starts_with("HTTP/1.1 426 "));
    let posted = exchange(host.address, get("/").replace("GET", "DELETE").as_bytes());
    assert!(posted.starts_with("HTTP/1.1 405 ") && posted.contains("Allow: GET, HEAD"), "{posted}");
}

#[test]
fn a_host_that_wants_no_page_has_none() {
    let host = host(Options::new().page(false));
    let answer = exchange(host.address, get("/").as_bytes());
    assert!(answer.starts_with("HTTP/1.1 426 ") && answer.contains("Upgrade: websocket"), "{answer}");
}

#[test]
fn every_wrong_request_gets_its_status_and_words() {
    let mut host = host(Options::new());
    for (request, status, word) in [
        (upgrade("/", "", "Origin: https://evil.example\r\n"), 403, "allow_origin"),
        (upgrade("/", "Host", "Host: attacker.test\r\n"), 421, "allow_host"),
        (upgrade("/", "Sec-WebSocket-Version", "Sec-WebSocket-Version: 8\r\n"), 426, "13"),
        (upgrade("/", "Sec-WebSocket-Key", ""), 400, "Sec-WebSocket-Key"),
        (upgrade("/", "Host", ""), 400, "Host"),
        (upgrade("/", "", "Host: localhost\r\n"), 400, "Host"),
        (upgrade("/", "", "Sec-WebSocket-Protocol: mqtt, other\r\n"), 400, "supported"),
        (upgrade("/nowhere", "", ""), 404, "path"),
        (upgrade("/?room=%ff", "", ""), 400, "room"),
        (upgrade("/", "", &format!("X: {}\r\n", "x".repeat(9_000))), 431, "8"),
        (upgrade("/", "", "").replace("GET", "POST"), 405, "GET"),
        ("hello\r\n\r\n".to_owned(), 400, ""),
    ] {
        let answer = exchange(host.address, request.as_bytes());
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}\n{answer}");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("Connection: close") && body.contains(word), "{request}\n{answer}");
        let Event::Refused { error, .. } = host.event_of("refused") else { unreachable!() };
        assert!(error.message().contains(&status.to_string()), "{error}");
    }
    assert!(Client::try_connect(host.address, "/", &[]).is_ok(), "the next client is served");
}

#[test]
fn pages_of_this_machine_are_welcome_until_the_host_says_who_is() {
    let open = host(Options::new());
    for origin in ["http://localhost:8080", "http://127.0.0.1", "http://[::1]:3000", "file://", "null"] {
        assert!(Client::try_connect(open.address, "/", &[("Origin", origin)]).is_ok(), "{origin}");
    }
    let listed = host(Options::new().allow_origin("https://chat.example"));
    for (origin, welcome) in [
        ("https://chat.example", true),
        ("null", false),
        ("http://localhost:8080", false),
        ("file://", false),
    ] {
        assert_eq!(
            Client::try_connect(listed.address, "/", &[("Origin", origin)]).is_ok(),
            welcome,
            "{origin}"
        );
    }
    // Behind a proxy on this machine, strangers come over loopback too.
    for headers in [
        [("Host", "chat.example"), ("Origin", "null")],
        [("X-Forwarded-For", "203.0.113.9"), ("Origin", "http://localhost")],
    ] {
        let proxied = host(Options::new().allow_host("chat.example"));
        assert_eq!(Client::try_connect(proxied.address, "/", &headers).err(), Some(403), "{headers:?}");
    }
    let own = format!("http://{}", listed.address);
    assert!(Client::try_connect(listed.address, "/", &[("Origin", &own)]).is_ok());
    let strict = host(Options::new().require_origin(true));
    assert_eq!(Client::try_connect(strict.address, "/", &[]).err(), Some(403));
}

#[test]
fn what_follows_the_request_at_once_is_not_lost() {
    let host = host(Options::new());
    let mut stream = TcpStream::connect(host.address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut bytes = upgrade("/", "", "").into_bytes();
    bytes.extend_from_slice(&[0x81, 0x83, 0, 0, 0, 0, b'A', b'n', b'n']);
    stream.write_all(&bytes).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\"}") {
        let mut buffer = [0; 1024];
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "{}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&buffer[..count]);
    }
    let text = String::from_utf8_lossy(&answer);
    assert!(text.starts_with("HTTP/1.1 101 ") && text.contains(r#"{"type":"color","data":""#), "{text}");
}

#[test]
fn one_address_has_so_many_connections_and_another_still_comes_in() {
    let host = host(Options::new().max_address_connection_count(3));
    let three: Vec<Client> = (0..3).map(|_| host.client("/")).collect();
    assert_eq!(Client::try_connect(host.address, "/", &[]).err(), Some(429));
    drop(three);
    let until = std::time::Instant::now() + DEADLINE;
    while Client::try_connect(host.address, "/", &[]).is_err() {
        assert!(std::time::Instant::now() < until, "places are given back");
    }
}

#[test]
fn a_full_house_answers_503_and_the_nameless_make_place() {
    // Place is made in the shard that has the fewest connections; so that it is known whose, there is one.
    let host = host(Options::new().max_connection_count(4).shard_count(1));
    let mut named: Vec<Client> = (0..3).map(|n| host.named("/", &format!("n{n}"))).collect();
    let _nameless = host.client("/");
    assert_eq!(Client::try_connect(host.address, "/", &[]).err(), Some(503));
    named.truncate(2);
    let mut nameless = loop {
        if let Ok(client) = Client::try_connect(host.address, "/", &[]) {
            break client;
        }
    };
    let mut first = _nameless;
    // Two of four places are held by connections without a name now: the older makes place.
    assert!(Client::try_connect(host.address, "/", &[]).is_ok());
    assert_eq!(first.closed().0, 1013);
    nameless.say("I stay");
    assert!(nameless.hear().contains("color"));
}

#[test]
fn a_slow_request_is_cut_and_nobody_else_waits_for_it() {
    let host = host(Options::new().handshake_timeout_ms(200));
    let mut slow = TcpStream::connect(host.address).unwrap();
    slow.set_read_timeout(Some(DEADLINE)).unwrap();
    slow.write_all(b"GET / HT").unwrap();
    host.named("/", "Ann");
    assert_eq!(slow.read_to_end(&mut Vec::new()).unwrap(), 0);
}

#[test]
fn those_who_only_begin_a_request_make_place_for_who_goes_on() {
    let options = Options::new().max_handshake_count(20).handshake_timeout_ms(600_000).shard_count(1);
    let mut host = host(options);
    let idlers: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut stream = TcpStream::connect(host.address).unwrap();
            stream.write_all(b"GET / HT").unwrap();
            stream
        })
        .collect();
    // Cut, as long as nobody has taken long.
    let until = std::time::Instant::now() + DEADLINE;
    loop {
        let mut stream = TcpStream::connect(host.address).unwrap();
        let mut answer = [0; 12];
        let asked = stream.write_all(upgrade("/", "", "").as_bytes());
        if asked.and_then(|()| stream.read_exact(&mut answer)).is_ok() {
            assert_eq!(&answer, b"HTTP/1.1 101");
            break;
        }
        assert!(std::time::Instant::now() < until, "nobody makes place");
    }
    let Event::Degraded { error } = host.event_of("degraded") else { unreachable!() };
    assert!(error.message().contains("max_handshake_count"), "{error}");
    host.named("/", "Ann");
    drop(idlers);
}

#[test]
fn an_adopted_socket_is_served_like_any_other() {
    let mut host = host(Options::new());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let client = std::thread::spawn(move || Client::connect(address, "/?room=adopted"));
    let (mut socket, _) = listener.accept().unwrap();
    let mut read = vec![0; 20];
    socket.read_exact(&mut read).unwrap();
    host.engine.adopt(socket, &read).unwrap();
    let mut client = client.join().unwrap();
    client.say("Ann");
    assert!(client.hear().contains("color"));
    let Event::Joined { room, .. } = host.event_of("joined") else { unreachable!() };
    assert_eq!(room.as_str(), "adopted");
    let refused = host.engine.adopt(std::net::UdpSocket::bind("127.0.0.1:0").unwrap(), b"").unwrap_err();
    assert_eq!(refused.code(), klatsch::ErrorCode::CannotAdopt);
    let refused = host.engine.adopt(listener, b"").unwrap_err();
    assert_eq!(refused.code(), klatsch::ErrorCode::CannotAdopt);
}

#[test]
fn a_unix_socket_can_be_adopted_too() {
    let mut host = host(Options::new());
    let (mut ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    host.engine.adopt(theirs, upgrade("/", "", "").as_bytes()).unwrap();
    let Event::Connected { address, .. } = host.event_of("connected") else { unreachable!() };
    assert_eq!(address, None);
    let mut answer = [0; 12];
    ours.set_read_timeout(Some(DEADLINE)).unwrap();
    ours.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 101");
}

#[test]
fn any_stream_can_be_adopted_and_is_dropped_with_its_connection() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let mut host = host(Options::new());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (mut ours, theirs) = tokio::io::duplex(1_000);
        host.engine.adopt_stream(theirs, upgrade("/", "", "").as_bytes()).unwrap();
        let mut answer = [0; 12];
        ours.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 101");
        // A long message passes, a little at a time.
        let text = "x".repeat(10_000);
        ours.write_all(&masked(b"Ann")).await.unwrap();
        ours.write_all(&masked(text.as_bytes())).await.unwrap();
        let mut seen = Vec::new();
        while !String::from_utf8_lossy(&seen).contains(&text) {
            let mut buffer = [0; 512];
            let count = ours.read(&mut buffer).await.unwrap();
            assert!(count > 0, "it ended");
            seen.extend_from_slice(&buffer[..count]);
        }
        let stop = host.engine.stop(DEADLINE);
        // The close frame, and then the end.
        while ours.read(&mut [0; 512]).await.unwrap() > 0 {}
        drop(ours);
        stop.await.unwrap();
    });
    let Event::Disconnected { .. } = host.event_of("disconnected") else { unreachable!() };
}

/// A text frame as a client sends it, with a mask of zeros.
fn masked(text: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x81];
    match text.len() {
        len @ 0..126 => frame.push(0x80 | len as u8),
        len => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(len as u16).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(text);
    frame
}
