//! Certificates: which one a client gets, what is wrong with some, and how they change while the engine runs.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::path::{Path, PathBuf};

use common::host;
use common::tls::{Pair, VERSIONS, config, connect, hear_until, pair, session, tcp, wss, wss_of};
use klatsch::{Engine, ErrorCode, Event, Options};
use tungstenite::Message;

/// A folder for certificates, gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("tls-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn write(&self, pair: &Pair) -> [PathBuf; 2] {
        let paths = [self.0.join("cert.pem"), self.0.join("key.pem")];
        std::fs::write(&paths[0], &pair.cert).unwrap();
        std::fs::write(&paths[1], &pair.key).unwrap();
        paths
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_certificate_follows_the_name_and_the_first_is_for_all_others() {
    let pairs = [pair(&["one.example"]), pair(&["two.example", "*.two.example"]), pair(&["three.example"])];
    let options = pairs
        .iter()
        .fold(Options::new(), |options, pair| options.tls_pem(pair.cert.as_str(), pair.key.as_str()));
    let host = host(options);
    for (name, index) in [
        ("one.example", 0),
        ("two.example", 1),
        ("a.two.example", 1),
        ("THREE.example", 2),
        ("unknown.example", 0),
        // An address is no name that a client sends.
        ("127.0.0.1", 0),
    ] {
        let trusted = pairs.iter().collect::<Vec<_>>();
        let mut session = session(config(&trusted, &VERSIONS), name);
        let mut socket = tcp(&host);
        // A certificate for another name ends the handshake on the client's side, after it came.
        while session.is_handshaking() && session.complete_io(&mut socket).is_ok() {}
        let shown = session.peer_certificates().map(|chain| chain[0].clone());
        match index {
            0 if name != "one.example" => {
                let error = connect(&host, config(&trusted, &VERSIONS), name).unwrap_err().to_string();
                assert!(error.contains("one.example"), "{name}: {error}");
            }
            _ => assert_eq!(shown, Some(pairs[index].der()), "{name}"),
        }
    }
}

#[test]
fn a_new_certificate_is_shown_at_once_and_nobody_is_dropped() {
    let [old, new, other] = [(); 3].map(|()| pair(&["localhost"]));
    let folder = Folder::new("reload");
    let [cert, key] = folder.write(&old);
    let mut host = host(Options::new().tls_files(&cert, &key).message_rate(0));
    let mut stays = wss(&host, &old);
    stays.send(Message::text("Ann")).unwrap();
    hear_until(&mut stays, "color");
    let mut talk = |text: &str| {
        stays.send(Message::text(text)).unwrap();
        hear_until(&mut stays, text);
    };

    folder.write(&new);
    let still_old = connect(&host, config(&[&old], &VERSIONS), "localhost");
    assert!(still_old.is_ok(), "nothing is read before it is asked for");
    host.engine.reload_tls().unwrap();
    talk("after the reload");
    wss(&host, &new);
    assert!(connect(&host, config(&[&old], &VERSIONS), "localhost").is_err(), "the old one is seen no more");

    for (cert_text, key_text, word) in [
        ("no PEM at all", &new.key[..], "cert.pem"),
        (&new.cert[..], "", "key.pem"),
        (&new.cert[..], &other.key[..], "is not that of"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", &new.key[..], "cert.pem"),
    ] {
        std::fs::write(&cert, cert_text).unwrap();
        std::fs::write(&key, key_text).unwrap();
        let error = host.engine.reload_tls().unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidOption);
        assert!(error.message().contains(word), "{error}");
        let Event::Degraded { error: told } = host.event_of("degraded") else { unreachable!() };
        assert!(told.message().contains(&error.message()) && told.message().contains("stay"), "{told}");
        talk(word);
        wss(&host, &new);
    }
    std::fs::remove_file(&cert).unwrap();
    assert!(host.engine.reload_tls().unwrap_err().message().contains("cannot be read"));
}

#[test]
fn certificates_change_under_load_and_every_client_gets_in() {
    let pairs = [(); 2].map(|()| pair(&["localhost"]));
    let folder = Folder::new("load");
    let [cert, key] = folder.write(&pairs[0]);
    let host = host(Options::new().tls_files(&cert, &key).message_rate(0).max_address_connection_count(0));
    let (host, pairs) = (&host, &pairs);
    let done = &std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let clients = (0..3).map(|n| {
            scope.spawn(move || {
                let trusted: Vec<&Pair> = pairs.iter().collect();
                let mut stays = wss_of(host, &trusted);
                stays.send(Message::text(format!("stays{n}"))).unwrap();
                hear_until(&mut stays, "color");
                let mut count = 0;
                while count < 5 || !done.load(std::sync::atomic::Ordering::Relaxed) {
                    let text = format!("{n} says {count}.");
                    stays.send(Message::text(text.as_str())).unwrap();
                    hear_until(&mut stays, &text);
                    let mut new = wss_of(host, &trusted);
                    new.close(None).unwrap();
                    count += 1;
                }
                count
            })
        });
        let clients: Vec<_> = clients.collect();
        for round in 0..20 {
            folder.write(&pairs[round % 2]);
            host.engine.reload_tls().unwrap();
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        for client in clients {
            assert!(client.join().unwrap() >= 5);
        }
    });
}

#[test]
fn wrong_files_are_refused_at_the_start_by_their_names() {
    let [one, other] = [(); 2].map(|()| pair(&["localhost"]));
    let folder = Folder::new("wrong");
    let [cert, key] = folder.write(&one);
    let start = |options: Options| {
        let error = Engine::new(options.listen("127.0.0.1:0")).unwrap().start().unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidOption);
        error.message()
    };
    let missing = folder.0.join("missing.pem");
    for (options, word) in [
        (Options::new().tls_files(&missing, &key), "missing.pem"),
        (Options::new().tls_files(&cert, &missing), "missing.pem"),
        (Options::new().tls_files(&key, &key), "no certificate"),
        (Options::new().tls_files(&cert, &cert), "no private key"),
        (Options::new().tls_files(&cert, &key).tls_files(&missing, &key), "missing.pem"),
        (Options::new().tls_pem(one.cert.as_str(), other.key.as_str()), "tls_pem"),
        (Options::new().tls_pem("", one.key.as_str()), "tls_pem"),
    ] {
        let words = start(options);
        assert!(words.contains(word), "{words}");
    }
    let plain = host(Options::new());
    assert_eq!(plain.engine.reload_tls().unwrap_err().code(), ErrorCode::InvalidArgument);
    let of_text = host(one.options());
    of_text.engine.reload_tls().unwrap();
    of_text.stop();
    assert_eq!(of_text.engine.reload_tls().unwrap_err().code(), ErrorCode::NotRunning);
}
