use super::*;
use crate::wire::testing::Random;

/// What a server does with these bytes: find the end, then read.
fn receive(bytes: &[u8]) -> Result<Request, Refusal> {
    match HeadScan::default().find(bytes)? {
        Some(end) => parse_request(&bytes[..end]),
        None => panic!("the head of {:?} has no end", String::from_utf8_lossy(bytes)),
    }
}

fn status(bytes: &[u8]) -> Option<u16> {
    receive(bytes).err().map(|refusal| refusal.status)
}

#[test]
fn a_request_is_read_with_its_path_query_and_headers() {
    let request = receive(
        b"GET /a/b?room=x&y HTTP/1.1\r\nHost: h:1\r\nX-A:  1 \t\r\nx-a: 2\r\nB: \xe9\t\xc3\xa9\r\n\r\n",
    )
    .unwrap();
    assert_eq!((request.method.as_str(), request.path.as_str()), ("GET", "/a/b"));
    assert_eq!((request.query.as_str(), request.http11), ("room=x&y", true));
    assert_eq!(request.header("x-a"), Some("1"));
    assert_eq!(request.all("x-a").collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(request.header("b"), Some("\u{fffd}\té"));
    assert_eq!(request.header("X-A"), None);
    let names: Vec<&str> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["host", "x-a", "x-a", "b"]);
    assert!(!receive(b"GET / HTTP/1.0\r\nHost: h\r\n\r\n").unwrap().http11);
}

#[test]
fn what_has_two_readings_is_refused() {
    for (bytes, want) in [
        ("GET / HTTP/1.1\r\nHost: h\r\n\r\n", None),
        // The request line.
        ("GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n", Some(400)),
        ("GET h:80 HTTP/1.1\r\nHost: h\r\n\r\n", Some(400)),
        ("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", Some(400)),
        ("GET /#a HTTP/1.1\r\nHost: h\r\n\r\n", Some(400)),
        ("GET /ä HTTP/1.1\r\nHost: h\r\n\r\n", Some(400)),
        ("GET / HTTP/1.1 \r\nHost: h\r\n\r\n", Some(400)),
        ("GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", Some(400)),
        ("GET  / HTTP/1.1\r\nHost: h\r\n\r\n", Some(400)),
        ("GET /\r\nHost: h\r\n\r\n", Some(400)),
        ("GET / HTTP/2.0\r\nHost: h\r\n\r\n", Some(400)),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Some(400)),
        ("GET / http/1.1\r\nHost: h\r\n\r\n", Some(400)),
        ("G(T / HTTP/1.1\r\nHost: h\r\n\r\n", Some(400)),
        ("\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", Some(400)),
        ("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", Some(400)),
        // Lines.
        ("GET / HTTP/1.1\nHost: h\n\n", Some(400)),
        ("GET / HTTP/1.1\r\nHost: h\n\r\n", Some(400)),
        ("GET / HTTP/1.1\r\nHost: h\r\n\n", Some(400)),
        ("GET / HTTP/1.1\r\nHost: h\rA: b\r\n\r\n", Some(400)),
        ("GET / HTTP/1.1\r\nHost: h\r\r\n\r\n", Some(400)),
        ("GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n", Some(400)),
        ("GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n\tc\r\n\r\n", Some(400)),
        ("GET / HTTP/1.1\r\n Host: h\r\n\r\n", Some(400)),
        ("GET / HTTP/1.1\r\nHost : h\r\n\r\n", Some(400)),
        ("GET / HTTP/1.1\r\nHost: h\r\nA\t: b\r\n\r\n", Some(400)),
        ("GET / HTTP/1.1\r\nHost: h\r\n: b\r\n\r\n", Some(400)),
        ("GET / HTTP/1.1\r\nHost: h\r\nA\r\n\r\n", Some(400)),
        ("GET / HTTP/1.1\r\nHost: h\r\nA: b\0\r\n\r\n", Some(400)),
        ("GET / HTTP/1.1\r\nHost: h\r\nA: \u{1b}[2J\r\n\r\n", Some(400)),
        ("GET / HTTP/1.1\r\nHost: h\r\nA: \u{7f}\r\n\r\n", Some(400)),
        ("GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n", Some(400)),
        // Host.
        ("GET / HTTP/1.1\r\n\r\n", Some(400)),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", Some(400)),
        ("GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", Some(400)),
        ("GET / HTTP/1.1\r\nHost: h\r\nhost: g\r\n\r\n", Some(400)),
        ("GET / HTTP/1.1\r\nHost: h, g\r\n\r\n", Some(400)),
        ("GET / HTTP/1.1\r\nHost: a@h\r\n\r\n", Some(400)),
        ("GET / HTTP/1.1\r\nHost: h/\r\n\r\n", Some(400)),
        ("GET / HTTP/1.1\r\nHost: h:\r\n\r\n", Some(400)),
        ("GET / HTTP/1.1\r\nHost: h:99999\r\n\r\n", Some(400)),
        ("GET / HTTP/1.1\r\nHost: h:+1\r\n\r\n", Some(400)),
        ("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", Some(400)),
        ("GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n", Some(400)),
        ("GET / HTTP/1.1\r\nHost: ::1\r\n\r\n", Some(400)),
        ("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", None),
        // Bodies.
        ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", None),
        ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", Some(413)),
        ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551616\r\n\r\n", Some(413)),
        ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: +0\r\n\r\n", Some(400)),
        ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\n", Some(400)),
        ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 0, 0\r\n\r\n", Some(400)),
        ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n", Some(400)),
        ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n", Some(400)),
        ("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", Some(400)),
        ("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: identity\r\n\r\n", Some(400)),
        ("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n", Some(400)),
    ] {
        assert_eq!(status(bytes.as_bytes()), want, "{bytes:?}");
    }
}

#[test]
fn every_byte_of_a_head_is_looked_at_once() {
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(7_000));
    let mut scan = HeadScan::default();
    for len in 1..=head.len() {
        let before = scan.seen;
        let end = scan.find(&head.as_bytes()[..len]).unwrap();
        assert_eq!((before, scan.seen), (len - 1, len), "one byte came and one was looked at");
        assert_eq!(end, (len == head.len()).then_some(len));
    }
}

#[test]
fn the_end_of_the_head_is_the_same_in_whatever_pieces_it_comes() {
    let head = b"GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n";
    // Frames sent behind the request are not the head's affair, line feeds and NUL in them neither.
    let bytes = [&head[..], b"\x81\x80\0\0\0\0\n\0"].concat();
    assert_eq!(HeadScan::default().find(&bytes).unwrap(), Some(head.len()));
    let mut scan = HeadScan::default();
    for len in 0..head.len() {
        assert_eq!(scan.find(&head[..len]).unwrap(), None, "{len} bytes");
        assert_eq!(scan.seen, len);
    }
    assert_eq!(scan.find(&bytes).unwrap(), Some(head.len()));
}

#[test]
fn the_limits_of_the_head_hold_to_the_byte_and_the_header() {
    let padded = |len: usize| {
        let frame = "GET / HTTP/1.1\r\nHost: h\r\nA: \r\n\r\n";
        frame.replace("A: ", &format!("A: {}", "x".repeat(len - frame.len())))
    };
    for (len, want) in
        [(MAX_HEAD_BYTES, None), (MAX_HEAD_BYTES + 1, Some(431)), (20 * MAX_HEAD_BYTES, Some(431))]
    {
        assert_eq!(status(padded(len).as_bytes()), want, "{len} bytes");
    }
    // At the limit, without waiting for more.
    let endless = vec![b'a'; MAX_HEAD_BYTES];
    assert_eq!(HeadScan::default().find(&endless[..MAX_HEAD_BYTES - 1]).unwrap(), None);
    assert_eq!(HeadScan::default().find(&endless).unwrap_err().status, 431);

    for (count, want) in [(MAX_HEADER_COUNT, None), (MAX_HEADER_COUNT + 1, Some(431)), (1_000, Some(431))] {
        let lines = "A: b\r\n".repeat(count - 1);
        let bytes = format!("GET / HTTP/1.1\r\nHost: h\r\n{lines}\r\n");
        assert_eq!(status(bytes.as_bytes()), want, "{count} headers");
    }
    // What was not scanned before is held to the count too.
    let lines = "A: b\r\n".repeat(MAX_HEADER_COUNT);
    let unscanned = format!("GET / HTTP/1.1\r\nHost: h\r\n{lines}\r\n");
    assert_eq!(parse_request(unscanned.as_bytes()).unwrap_err().status, 431);
}

#[test]
fn a_tls_client_is_told_at_its_first_byte_that_the_port_is_plain() {
    let refusal = HeadScan::default().find(b"\x16").unwrap_err();
    assert!(refusal.status == 400 && refusal.reason.contains("ws://"), "{}", refusal.reason);
}

#[test]
fn a_head_that_cannot_become_right_is_refused_before_its_end() {
    for bytes in
        ["GET /\0", "GET / HTTP/1.1\n", "GET / HTTP/1.1\r\nA: \u{1b}", "GET / HTTP/1.1\rH", "\r\n", "\n"]
    {
        let (last, before) = bytes.as_bytes().split_last().unwrap();
        let mut scan = HeadScan::default();
        assert_eq!(scan.find(before), Ok(None), "{bytes:?}");
        assert_eq!(scan.find(bytes.as_bytes()).unwrap_err().status, 400, "{bytes:?} at {last}");
    }
}

#[test]
fn a_head_that_is_cut_short_is_refused() {
    for bytes in ["", "GET", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: h\r\n"] {
        assert_eq!(parse_request(bytes.as_bytes()).unwrap_err().status, 400, "{bytes:?}");
    }
}

#[test]
fn query_values_are_decoded_and_wrong_ones_refused() {
    for (query, want) in [
        ("room=lobby", Some(Ok("lobby"))),
        ("room=a+b%20c", Some(Ok("a b c"))),
        ("room=%C3%A9%2B", Some(Ok("é+"))),
        ("x=1&room=a&room=b", Some(Ok("a"))),
        ("r%6fom=a", Some(Ok("a"))),
        ("%zz=1&room=a", Some(Ok("a"))),
        ("room=a=b", Some(Ok("a=b"))),
        ("room", Some(Ok(""))),
        ("room=", Some(Ok(""))),
        ("room=a;b", Some(Ok("a;b"))),
        ("", None),
        ("rooms=a&Room=b", None),
        ("&&=", None),
        ("room=%", Some(Err(400))),
        ("room=%4", Some(Err(400))),
        ("room=%4x", Some(Err(400))),
        ("room=%+1", Some(Err(400))),
        ("room=%ff", Some(Err(400))),
        ("room=%ed%a0%80", Some(Err(400))),
    ] {
        let got = query_value(query, "room").map(|value| value.map_err(|refusal| refusal.status));
        assert_eq!(got, want.map(|value| value.map(String::from)), "{query}");
    }
}

#[test]
fn random_requests_never_panic_and_never_have_two_hosts() {
    let parts: &[&[u8]] = &[
        b"GET ",
        b"/ ",
        b"/?a=%",
        b"HTTP/1.1",
        b"\r\n",
        b"\r\n",
        b"\n",
        b"Host: h",
        b"Host:",
        b"[",
        b":",
        b" ",
        b"A: b\r\n",
        b"\0",
        b"\xff",
        b"Content-Length: 0",
        b"\r\n\r\n",
    ];
    let mut random = Random(3);
    let mut read = 0;
    for _ in 0..30_000 {
        let mut bytes = b"GET / HTTP/1.1\r\nHost: h\r\n".repeat(random.below(2));
        for _ in 0..random.below(8) {
            bytes.extend_from_slice(parts[random.below(parts.len())]);
        }
        bytes.extend_from_slice(b"\r\n");
        if let Ok(request) = parse_request(&bytes) {
            assert_eq!(request.all("host").count(), 1);
            read += 1;
        }
        if let Ok(Some(end)) = HeadScan::default().find(&bytes) {
            assert!(bytes[..end].ends_with(b"\r\n\r\n"));
        }
    }
    assert!(read > 1_000, "{read} of the requests were right");
}
