//! Start, stop, drop, and what is left behind: nothing.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::time::{Duration, Instant};

use common::process::alone;
use common::{Client, DEADLINE, host};
use klatsch::{Engine, ErrorCode, Event, Options};

fn engine() -> Engine {
    Engine::new(Options::new().listen("127.0.0.1:0")).unwrap()
}

/// Threads of engines and open sockets of this process. The tests that count run in a process of their own
/// (see `alone`), because others start engines too.
#[cfg(target_os = "linux")]
fn left_behind() -> (usize, usize) {
    let threads = std::fs::read_dir("/proc/self/task")
        .unwrap()
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .filter(|name| name.trim() == "klatsch")
        .count();
    let descriptors = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok())
        .filter(|target| !target.to_string_lossy().contains("/proc/"))
        .count();
    (threads, descriptors)
}

#[test]
#[cfg(target_os = "linux")]
fn stop_leaves_no_thread_and_no_descriptor() {
    if !alone("stop_leaves_no_thread_and_no_descriptor") {
        return;
    }
    let before = left_behind();
    for round in 0..5 {
        let host = host(Options::new());
        let mut clients: Vec<Client> = (0..5).map(|n| host.named("/", &format!("n{n}"))).collect();
        clients[0].say("hello");
        assert!(left_behind().0 > before.0);
        host.stop();
        let closes = clients.iter_mut().map(Client::closed);
        assert!(closes.into_iter().all(|(code, _)| code == 1001));
        drop((clients, host));
        assert_eq!(left_behind(), before, "round {round}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_dropped_engine_ends_by_itself() {
    if !alone("a_dropped_engine_ends_by_itself") {
        return;
    }
    let before = left_behind();
    let mut host = host(Options::new());
    let mut ann = host.named("/", "Ann");
    drop(host.engine);
    assert_eq!(ann.closed().0, 1001);
    while host.events.next_blocking().is_some() {}
    assert!(host.events.is_closed());
    drop((ann, host.events));
    let until = Instant::now() + DEADLINE;
    while left_behind() != before {
        assert!(Instant::now() < until, "{:?} {before:?}", left_behind());
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn the_engine_writes_nothing_to_the_hosts_output() {
    if std::env::var_os("KLATSCH_ALONE").is_none() {
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["the_engine_writes_nothing_to_the_hosts_output", "--exact", "--nocapture"])
            .env("KLATSCH_ALONE", "1")
            .output()
            .unwrap();
        let words = String::from_utf8_lossy(&child.stdout);
        let (_, written) = words.split_once("<begin>").unwrap();
        let (written, _) = written.split_once("<end>").unwrap();
        assert_eq!((written, String::from_utf8_lossy(&child.stderr).as_ref()), ("", ""));
        return;
    }
    print!("<begin>");
    let host = host(Options::new());
    let mut ann = host.named("/", "Ann");
    ann.say("hello");
    ann.hear();
    let _ = Client::try_connect(host.address, "/nowhere", &[]);
    host.stop();
    print!("<end>");
}

#[test]
fn start_again_works_and_the_logs_are_still_there() {
    let engine = engine();
    let mut events = engine.events().unwrap();
    let first = engine.start().unwrap();
    let one = engine.broadcast("lobby", "one").unwrap();
    engine.stop_blocking(DEADLINE).unwrap();
    assert!(engine.addresses().is_empty());
    let second = engine.start().unwrap();
    assert_eq!(engine.addresses(), second);
    let two = engine.broadcast("lobby", "two").unwrap();
    assert_eq!((two.epoch, two.offset), (one.epoch, one.offset + 1));
    assert!(Client::connect(second[0], "/").hear().contains(r#""text":"one""#));
    engine.stop_blocking(DEADLINE).unwrap();
    let kinds: Vec<&str> = events.drain(99).iter().map(Event::kind).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "started").count(), 2, "{first:?} {kinds:?}");
    assert_eq!(kinds.last(), Some(&"stopped"));
}

#[test]
fn stop_is_at_once_when_nobody_is_connected_and_may_be_called_again() {
    let engine = engine();
    engine.stop_blocking(DEADLINE).unwrap();
    engine.start().unwrap();
    let start = Instant::now();
    engine.stop_blocking(Duration::from_secs(60)).unwrap();
    engine.stop_blocking(Duration::from_secs(60)).unwrap();
    assert!(start.elapsed() < DEADLINE);
}

#[test]
fn a_peer_that_does_not_go_is_cut_when_the_grace_is_over_and_a_second_stop_shortens_it() {
    let host = host(Options::new().close_timeout_ms(600_000));
    let ann = host.named("/", "Ann");
    let engine = host.engine.clone();
    let stopping = engine.stop(Duration::from_secs(600));
    assert_eq!(engine.rooms().unwrap_err().code(), ErrorCode::NotRunning);
    assert_eq!(engine.start().unwrap_err().code(), ErrorCode::AlreadyRunning);
    engine.stop_blocking(Duration::from_millis(50)).unwrap();
    block_on(stopping).unwrap();
    drop(ann);
}

#[test]
fn several_engines_live_in_one_process() {
    let (one, two) = (host(Options::new()), host(Options::new()));
    let (mut ann, mut bob) = (one.named("/", "Ann"), two.named("/", "Bob"));
    ann.say("in one");
    assert!(ann.hear().contains("in one"));
    bob.hears_nothing();
    one.stop();
    bob.say("still here");
    assert!(bob.hear().contains("still here"));
}

#[test]
fn an_address_in_use_is_named() {
    let one = host(Options::new());
    let error = Engine::new(Options::new().listen(one.address.to_string())).unwrap().start().unwrap_err();
    assert_eq!(error.code(), ErrorCode::CannotListen);
    assert!(error.message().contains(&one.address.to_string()), "{error}");
    let wrong = Engine::new(Options::new().listen("example.org:80")).unwrap_err();
    assert_eq!(wrong.code(), ErrorCode::InvalidOption);
}

#[test]
fn everything_works_inside_a_runtime_of_the_hosts_own() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let engine = engine();
        let mut events = engine.events().unwrap();
        let addresses = engine.start().unwrap();
        let client = std::thread::spawn(move || Client::connect(addresses[0], "/"));
        let mut seen = Vec::new();
        while seen.last() != Some(&"connected") {
            let next = std::future::poll_fn(|context| {
                futures_core::Stream::poll_next(std::pin::Pin::new(&mut events), context)
            });
            seen.push(tokio::time::timeout(DEADLINE, next).await.unwrap().unwrap().kind());
        }
        assert_eq!(seen, ["started", "connected"]);
        drop(client.join().unwrap());
        tokio::time::timeout(DEADLINE, engine.stop(Duration::from_secs(5))).await.unwrap().unwrap();
        engine.start().unwrap();
        drop(engine);
        drop(events);
    });
    drop(runtime);
}

#[test]
fn waiting_for_oneself_is_refused() {
    let engine = engine();
    let mut events = engine.events().unwrap();
    let (tx, rx) = std::sync::mpsc::channel();
    let other = engine.clone();
    // Called on the engine's thread for what happens there.
    events.on_ready(move || {
        let _ = tx.send(other.stop_blocking(Duration::ZERO).map_err(|error| error.code()));
    });
    engine.start().unwrap();
    let first = rx.recv_timeout(DEADLINE);
    assert!(matches!(first, Ok(Err(ErrorCode::Deadlock) | Ok(()))), "{first:?}");
    engine.stop_blocking(DEADLINE).unwrap();
}

/// Drives a future on this thread, without a runtime.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::sync::Arc::new(Unpark(std::thread::current())).into();
    let mut context = std::task::Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            std::task::Poll::Ready(output) => return output,
            std::task::Poll::Pending => std::thread::park_timeout(DEADLINE),
        }
    }
}
