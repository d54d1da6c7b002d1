//! The way to an open WebSocket, and the errors on it.

use std::io::Write;
use std::net::TcpListener;

use klatsch::client::{Options, WebSocket};
use klatsch::{Error, ErrorCode};

use crate::common::tls::pair;
use crate::common::{DEADLINE, host};
use crate::peers::{Echo, Server, hear, read_head, read_request, run, soon, wait_for_the_end};

async fn refusal(url: &str, options: &Options) -> Error {
    soon(WebSocket::connect(url, options)).await.expect_err("it must not open")
}

#[test]
fn the_request_has_the_path_the_query_the_headers_the_origin_and_what_is_offered() {
    let (told, request) = std::sync::mpsc::channel();
    let server = Server::before_the_handshake(move |mut stream| told.send(read_head(&mut stream)).unwrap());
    let options = Options::new()
        .subprotocol("v8")
        .subprotocol("v9")
        .origin("https://chat.example")
        .header("Authorization", "Bearer abc");
    run(refusal(&format!("{}raw?room=den&x=%20y", server.url), &options));
    let request = request.recv_timeout(DEADLINE).unwrap();
    let host = server.url.trim_start_matches("ws://").trim_end_matches('/').to_owned();
    for line in [
        "GET /raw?room=den&x=%20y HTTP/1.1".to_owned(),
        format!("Host: {host}"),
        "Sec-WebSocket-Protocol: v8, v9".to_owned(),
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, \
         permessage-deflate; client_max_window_bits; client_no_context_takeover"
            .to_owned(),
        "Origin: https://chat.example".to_owned(),
        "Authorization: Bearer abc".to_owned(),
    ] {
        assert!(request.lines().any(|sent| sent == line), "{line} is not in {request}");
    }
    server.done();
}

#[test]
fn the_subprotocol_is_what_the_server_chose_among_those_offered() {
    let host = host(klatsch::Options::new().raw("/raw", "v9"));
    run(async {
        let url = format!("ws://{}/raw", host.address);
        let options = Options::new().subprotocol("v8").subprotocol("v9");
        let socket = soon(WebSocket::connect(&url, &options)).await.unwrap();
        assert_eq!(socket.subprotocol(), Some("v9"));
        assert_eq!(refusal(&url, &Options::new().subprotocol("v8")).await.http_status(), Some(400));
    });
    host.stop();
}

#[test]
fn a_refused_handshake_tells_the_servers_status_and_words() {
    let host = host(klatsch::Options::new());
    run(async {
        let at = |path: &str| format!("ws://{}{path}", host.address);
        let foreign = Options::new().origin("https://evil.example");
        let error = refusal(&at("/"), &foreign).await;
        assert_eq!((error.code(), error.http_status()), (ErrorCode::HandshakeRefused, Some(403)));
        assert!(
            error.message().contains("403 Forbidden: ") && error.message().contains("allow_origin"),
            "{error}"
        );
        let error = refusal(&at("/nowhere"), &Options::new()).await;
        assert_eq!(error.http_status(), Some(404), "{error}");
    });
    host.stop();
}

#[test]
fn words_that_never_come_do_not_cost_the_status() {
    let server = Server::before_the_handshake(|mut stream| {
        read_request(&mut stream);
        let head =
            "HTTP/1.1 503 Down\r\nContent-Type: text/plain\r\nContent-Length: 99\r\n\r\nback\r\n\x1b[2Jsoon";
        stream.write_all(head.as_bytes()).unwrap();
        wait_for_the_end(&mut stream);
    });
    let error = run(refusal(&server.url, &Options::new()));
    assert_eq!(error.http_status(), Some(503));
    assert!(error.message().ends_with("answered 503 Down: back   [2Jsoon"), "{:?}", error.message());
    server.done();
}

#[test]
fn an_answer_that_is_none_opens_nothing() {
    for (answer, words) in [
        ("", "ended the connection"),
        ("SSH-2.0-OpenSSH_9\r\n", "not HTTP"),
        ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", "Accept"),
    ] {
        let server = Server::before_the_handshake(move |mut stream| {
            read_request(&mut stream);
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let error = run(refusal(&server.url, &Options::new()));
        assert_eq!((error.code(), error.http_status()), (ErrorCode::HandshakeRefused, None));
        assert!(error.message().contains(words), "{error}");
        server.done();
    }
}

#[test]
fn no_key_comes_twice_and_frames_behind_the_answer_are_read() {
    let keys: Vec<String> = (0..3)
        .map(|_| {
            let (told, key) = std::sync::mpsc::channel();
            let server = Server::before_the_handshake(move |mut stream| {
                let key = read_request(&mut stream);
                let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
                told.send(key).unwrap();
                let answer = format!(
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Accept: {accept}\r\n\r\n\u{1}\u{2}he\u{0}\u{1}l"
                );
                let mut bytes = answer.into_bytes();
                bytes.extend(b"\x80\x02lo");
                stream.write_all(&bytes).unwrap();
                wait_for_the_end(&mut stream);
            });
            run(async {
                let mut socket = server.connect(Options::new().close_timeout_ms(1)).await;
                assert_eq!(hear(&mut socket).await, "hello".into());
                let _ = soon(socket.close(1000, "")).await;
            });
            server.done();
            key.recv_timeout(DEADLINE).unwrap()
        })
        .collect();
    assert!(keys[0] != keys[1] && keys[1] != keys[2], "{keys:?}");
}

#[test]
fn nobody_there_and_no_such_host_cannot_be_connected_to() {
    // A port that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    run(async {
        for url in
            [format!("ws://{address}/"), format!("wss://{address}/"), "ws://no-such-host.invalid/".into()]
        {
            // Where there is no resolver, the answer about the name may take for ever.
            let error = refusal(&url, &Options::new().connect_timeout_ms(2_000)).await;
            assert_eq!(error.code(), ErrorCode::CannotConnect, "{error}");
        }
    });
}

#[test]
fn a_name_with_two_addresses_is_reached_at_the_one_that_listens() {
    // `localhost` is ::1 too on most machines, where nobody listens on this port.
    let echo = Echo::start(klatsch::Options::new());
    run(async {
        let url = format!("ws://localhost:{}/", echo.address.port());
        let socket = soon(WebSocket::connect(&url, &Options::new())).await.unwrap();
        assert_eq!(socket.peer(), echo.address);
    });
}

#[test]
fn a_certificate_of_another_name_or_authority_is_not_trusted() {
    let right = pair(&["localhost"]);
    let other = pair(&["localhost"]);
    let echo = Echo::start(right.options());
    run(async {
        for (name, trusted) in [("127.0.0.1", &right), ("localhost", &other)] {
            let url = format!("wss://{name}:{}/", echo.address.port());
            let options = Options::new().system_roots(false).root_pem(trusted.cert.as_str());
            let error = refusal(&url, &options).await;
            assert_eq!(error.code(), ErrorCode::CannotConnect, "{error}");
            assert!(error.message().contains("certificate"), "{error}");
        }
        let url = format!("wss://localhost:{}/", echo.address.port());
        let error = refusal(&url, &Options::new().system_roots(false)).await;
        assert_eq!(error.code(), ErrorCode::InvalidOption, "nobody is trusted: {error}");
    });
}

#[test]
fn wrong_urls_and_options_are_refused_before_anything_is_sent() {
    run(async {
        for url in ["http://127.0.0.1:1/", "ws://ann@127.0.0.1:1/", "ws://127.0.0.1:1/#x"] {
            assert_eq!(refusal(url, &Options::new()).await.code(), ErrorCode::InvalidArgument, "{url}");
        }
        for options in [
            Options::new().max_message_bytes(1),
            Options::new().subprotocol("a b"),
            Options::new().subprotocol("a").subprotocol("a"),
            Options::new().header("Host", "other"),
            Options::new().header("X-Y", "a\r\nb: c"),
            Options::new().origin("a\nb"),
        ] {
            let error = refusal("ws://127.0.0.1:1/", &options).await;
            assert_eq!(error.code(), ErrorCode::InvalidOption, "{options:?}");
        }
    });
}
