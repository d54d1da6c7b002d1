//! Unix sockets as listeners: served like any other, and their files come and go with the engine.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{Client, DEADLINE, next_event};
use klatsch::{Engine, ErrorCode, Event, Options};

/// A path for a socket that is gone with the test.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Place {
        let place = std::env::temp_dir().join(format!("klatsch-{}-{name}.sock", std::process::id()));
        let _ = std::fs::remove_file(&place);
        Place(place)
    }

    fn options(&self) -> Options {
        Options::new().listen(format!("unix:{}", self.0.display()))
    }

    fn try_connect(&self, host: &str, headers: &[(&'static str, &str)]) -> Result<Client, u16> {
        Client::over(UnixStream::connect(&self.0).unwrap(), host, "/", headers)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Why an engine cannot listen on a file, in words.
fn refused(place: &Path) -> String {
    let options = Options::new().listen(format!("unix:{}", place.display()));
    let error = Engine::new(options).unwrap().start().unwrap_err();
    assert_eq!(error.code(), ErrorCode::CannotListen);
    assert!(error.message().contains(&place.display().to_string()), "{error}");
    error.message()
}

#[test]
fn a_unix_socket_is_served_beside_a_port_and_its_peers_have_no_address() {
    let place = Place::new("beside");
    let engine = Engine::new(place.options().listen("127.0.0.1:0").max_address_connection_count(1)).unwrap();
    let mut events = engine.events().unwrap();
    let addresses = engine.start().unwrap();
    assert_eq!((addresses.len(), engine.addresses()), (1, addresses.clone()));
    assert!(matches!(next_event(&mut events), Event::Started { addresses } if addresses.len() == 1));
    let mut ann = Client::connect(addresses[0], "/");
    ann.say("Ann");
    assert!(ann.hear().contains("color"));
    // Two of them: who comes by a Unix socket is not counted per address.
    let mut others =
        [place.try_connect("localhost", &[]).unwrap(), place.try_connect("localhost", &[]).unwrap()];
    others[0].say("Bob");
    others[0].say("through the file");
    assert!(ann.hear().contains("through the file"));
    let mut places = Vec::new();
    while places.len() < 3 {
        if let Event::Connected { address, .. } = next_event(&mut events) {
            places.push(address.is_some());
        }
    }
    assert_eq!(places, [true, false, false]);
    engine.stop_blocking(Duration::from_millis(200)).unwrap();
    assert_eq!(others.map(|mut other| other.closed().0), [1001, 1001]);
}

#[test]
fn a_unix_socket_is_this_machine_to_pages_and_names() {
    let place = Place::new("names");
    let engine = Engine::new(place.options()).unwrap();
    assert_eq!(engine.start().unwrap(), []);
    assert!(place.try_connect("localhost", &[("Origin", "http://localhost:3000")]).is_ok());
    assert_eq!(place.try_connect("attacker.test", &[]).err(), Some(421));
    assert_eq!(place.try_connect("localhost", &[("Origin", "https://evil.example")]).err(), Some(403));
    let proxied = [("Origin", "http://localhost:3000"), ("X-Forwarded-For", "203.0.113.9")];
    assert_eq!(place.try_connect("localhost", &proxied).err(), Some(403));
}

#[test]
fn the_file_goes_when_the_engine_stops_and_comes_when_it_starts_again() {
    let place = Place::new("goes");
    let engine = Engine::new(place.options()).unwrap();
    for _ in 0..2 {
        engine.start().unwrap();
        assert!(place.try_connect("localhost", &[]).is_ok());
        engine.stop_blocking(DEADLINE).unwrap();
        assert!(!place.0.exists());
    }
}

#[test]
fn a_start_that_fails_leaves_no_file() {
    let (place, taken) = (Place::new("fails"), std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let options = place.options().listen(taken.local_addr().unwrap().to_string());
    assert_eq!(Engine::new(options).unwrap().start().unwrap_err().code(), ErrorCode::CannotListen);
    assert!(!place.0.exists());
}

#[test]
fn a_file_on_which_nobody_listens_any_more_is_replaced() {
    let place = Place::new("stale");
    // The standard library leaves its file behind, like a server that was killed.
    drop(UnixListener::bind(&place.0).unwrap());
    assert!(place.0.exists());
    let engine = Engine::new(place.options()).unwrap();
    engine.start().unwrap();
    assert!(place.try_connect("localhost", &[]).is_ok());
}

#[test]
fn what_is_alive_or_no_socket_is_left_alone_and_named() {
    let place = Place::new("alive");
    let alive = UnixListener::bind(&place.0).unwrap();
    assert!(refused(&place.0).contains("another server"));
    assert!(UnixStream::connect(&place.0).is_ok(), "the live one is still there");
    drop(alive);
    std::fs::remove_file(&place.0).unwrap();
    std::fs::write(&place.0, "precious").unwrap();
    assert!(refused(&place.0).contains("no socket"));
    assert_eq!(std::fs::read_to_string(&place.0).unwrap(), "precious");
    refused(Path::new("/nowhere/chat.sock"));
}

#[test]
fn a_file_that_somebody_put_in_its_place_stays() {
    let place = Place::new("replaced");
    let engine = Engine::new(place.options()).unwrap();
    engine.start().unwrap();
    std::fs::remove_file(&place.0).unwrap();
    let other = UnixListener::bind(&place.0).unwrap();
    engine.stop_blocking(DEADLINE).unwrap();
    assert!(UnixStream::connect(&place.0).is_ok());
    drop(other);
}
