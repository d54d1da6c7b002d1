//! When there are no descriptors left, and when there are again.

use std::fs::File;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use klatsch::{Event, Options};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};

use crate::common::process::{alone, idle_percent};
use crate::common::{Client, DEADLINE, host};

#[test]
fn out_of_descriptors_accepting_rests_the_others_are_served_and_it_recovers_each_time() {
    if !alone(
        "descriptors::out_of_descriptors_accepting_rests_the_others_are_served_and_it_recovers_each_time",
    ) {
        return;
    }
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let mut host = host(Options::new().max_address_connection_count(0).handshake_timeout_ms(600_000));
    let mut ann = host.named("/", "Ann");
    for round in 0..2 {
        // The clients' own descriptors lie above the limit, so that the engine's end is the one that meets it.
        let below: Vec<File> = (0..LIMIT).map(|_| File::open("/dev/null").unwrap()).collect();
        let crowd: Vec<Socket> =
            (0..600).map(|_| Socket::new(Domain::IPV4, Type::STREAM, None).unwrap()).collect();
        drop(below);
        setrlimit(Resource::RLIMIT_NOFILE, LIMIT, hard).unwrap();
        for socket in &crowd {
            socket.connect_timeout(&host.address.into(), DEADLINE).unwrap();
        }
        let Event::Degraded { error } = host.event_of("degraded") else { unreachable!() };
        assert!(error.message().contains("open files"), "{error}");
        let percent = idle_percent();
        assert!(percent < 20, "round {round}: {percent} % of a processor while it cannot accept");
        ann.say("is anybody there?");
        assert!(ann.hear().contains("is anybody there?"));
        let again = host.events.drain(usize::MAX).iter().filter(|event| event.kind() == "degraded").count();
        assert_eq!(again, 0, "round {round}: one event for the whole episode");
        drop(crowd);
        let start = Instant::now();
        // This end needs a descriptor too, and the engine has all of them until it has noticed who is gone.
        let stream = loop {
            match TcpStream::connect(host.address) {
                Ok(stream) => break stream,
                Err(error) => assert!(start.elapsed() < DEADLINE, "{error}"),
            }
            std::thread::yield_now();
        };
        let mut bob = Client::over(stream, "localhost", "/?room=next", &[]).unwrap();
        bob.say("Bob");
        assert!(bob.hear().contains("color"));
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
        setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
    }
}

const LIMIT: u64 = 256;
