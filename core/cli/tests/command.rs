//! The `klatsch` command as a person meets it: its output, its exit codes, its signals.
#![allow(clippy::unwrap_used)] // A helper that panics fails its test.

use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tungstenite::{Message, WebSocket};

/// How long anything may take before the test fails.
const DEADLINE: Duration = Duration::from_secs(20);

/// What stopping at once may take: far less than the grace of 30 seconds that connected clients get.
const AT_ONCE: Duration = Duration::from_secs(3);

/// A running server. It is killed when the test ends, however it ends.
struct Server {
    child: Child,
    stdout: mpsc::Receiver<String>,
    stderr: mpsc::Receiver<String>,
}

impl Server {
    fn start(flags: &[&str]) -> Server {
        let mut child = Command::new(env!("CARGO_BIN_EXE_klatsch"))
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Server { child, stdout: lines(stdout), stderr: lines(stderr) }
    }

    /// The next address it prints, without the scheme.
    fn address(&self) -> String {
        let line = self.stdout.recv_timeout(DEADLINE).expect("a line on stdout");
        let address = line.strip_prefix("listening on http://");
        address.unwrap_or_else(|| panic!("not an address: {line:?}")).to_owned()
    }

    /// Waits for a line on stderr with these words in it.
    fn hear_on_stderr(&self, words: &str) {
        let until = Instant::now() + DEADLINE;
        let mut heard = Vec::new();
        while let Ok(line) = self.stderr.recv_timeout(until.saturating_duration_since(Instant::now())) {
            if line.contains(words) {
                return;
            }
            heard.push(line);
        }
        panic!("{words:?} is not on stderr: {heard:#?}");
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Waits for its end.
    fn end(&mut self) -> ExitStatus {
        let until = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(output: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

fn connect(address: &str, path: &str) -> WebSocket<TcpStream> {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    tungstenite::client(format!("ws://{address}{path}"), stream).unwrap().0
}

fn ran(flags: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_klatsch")).args(flags).stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn it_prints_its_address_and_how_to_go_on() {
    let server = Server::start(&["serve", "--listen", "127.0.0.1:0"]);
    let address = server.address();
    assert!(address.starts_with("127.0.0.1:") && !address.ends_with(":0"), "{address}");
    server.hear_on_stderr("open it in a browser; Ctrl-C stops it");
}

#[test]
fn each_listener_has_its_line() {
    let server = Server::start(&["--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0"]);
    let addresses = [server.address(), server.address()];
    assert_ne!(addresses[0], addresses[1]);
    for address in addresses {
        TcpStream::connect(address).unwrap();
    }
}

#[test]
fn it_serves_the_chat() {
    let server = Server::start(&["serve", "--listen", "127.0.0.1:0"]);
    let mut ann = connect(&server.address(), "/?room=den");
    ann.send(Message::text("Ann")).unwrap();
    assert!(ann.read().unwrap().to_text().unwrap().starts_with(r#"{"type":"color","data":""#));
    ann.send(Message::text("hello")).unwrap();
    let message = ann.read().unwrap();
    assert!(message.to_text().unwrap().contains(r#""text":"hello","author":"Ann""#), "{message}");
}

#[test]
fn a_number_option_reaches_the_engine() {
    let server = Server::start(&["--listen", "127.0.0.1:0", "--history", "1"]);
    let address = server.address();
    let mut ann = connect(&address, "/");
    for text in ["Ann", "one", "two"] {
        ann.send(Message::text(text)).unwrap();
        ann.read().unwrap();
    }
    let history = connect(&address, "/").read().unwrap();
    assert_eq!(history.to_text().unwrap().matches("author").count(), 1, "{history}");
}

#[test]
fn a_signal_ends_it_at_once_when_nobody_is_connected() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut server = Server::start(&["--listen", "127.0.0.1:0"]);
        server.address();
        let start = Instant::now();
        server.signal(signal);
        assert!(server.end().success());
        assert!(start.elapsed() < AT_ONCE, "{signal}: {:?}", start.elapsed());
    }
}

#[test]
fn a_second_signal_does_not_wait_for_a_client_that_stays() {
    let mut server = Server::start(&["--listen", "127.0.0.1:0", "--close-timeout-ms", "60000"]);
    let mut ann = connect(&server.address(), "/");
    server.signal(Signal::SIGTERM);
    // The farewell is here, and is never answered.
    ann.get_mut().peek(&mut [0]).unwrap();
    assert!(server.child.try_wait().unwrap().is_none(), "a client is still there");
    let start = Instant::now();
    server.signal(Signal::SIGTERM);
    assert!(server.end().success());
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
}

#[test]
fn a_port_in_use_ends_it_with_words() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = ran(&["serve", "--listen", &address]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout), "");
    let words = text(&output.stderr);
    assert!(words.contains("klatsch: ") && words.contains(&address) && words.contains("in use"), "{words}");
}

#[test]
fn a_certificate_that_is_not_there_ends_it_with_its_name() {
    let output = ran(&["--listen", "127.0.0.1:0", "--tls-cert", "/nowhere/cert.pem", "--tls-key", "key.pem"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("/nowhere/cert.pem"), "{}", text(&output.stderr));
}

#[test]
fn what_makes_no_sense_ends_with_2_and_words() {
    for (flags, expected) in [
        (&["--histroy", "5"][..], "--history"),
        (&["--history", "lots"], "from 0 to 10000"),
        (&["--listen", "example.org:80"], "IP:PORT"),
        (&["--path", "chat"], "begins with /"),
        (&["--allow-origin", "chat.example"], "https://"),
        (&["dance"], "serve"),
    ] {
        let output = ran(flags);
        assert_eq!(output.status.code(), Some(2), "{flags:?}");
        assert_eq!(text(&output.stdout), "", "{flags:?}");
        let words = text(&output.stderr);
        assert!(words.starts_with("klatsch: ") && words.contains(expected), "{flags:?}: {words}");
        assert_eq!(words.lines().count(), 1, "{words}");
    }
}

#[test]
fn the_help_lists_every_option_with_its_default() {
    let output = ran(&["--help"]);
    assert!(output.status.success());
    let help = text(&output.stdout);
    for option in klatsch::NUMBER_OPTIONS {
        assert!(help.contains(&format!("\n  --{} N\n", option.name.replace('_', "-"))), "{}", option.name);
    }
    for flag in ["listen", "limits", "path", "raw", "allow-origin", "allow-host", "log", "help", "version"] {
        assert!(help.contains(&format!("\n  --{flag}")), "{flag}");
    }
}

#[test]
fn the_version_is_the_packages() {
    assert_eq!(text(&ran(&["--version"]).stdout), concat!("klatsch ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn load_test_limits_are_named_aloud() {
    let server = Server::start(&["--listen", "127.0.0.1:0", "--limits", "load-test"]);
    server.hear_on_stderr("message_rate and max_address_connection_count are lifted");
}

#[test]
fn the_log_says_what_is_asked_for() {
    let mut server = Server::start(&["--listen", "127.0.0.1:0", "--log", "error"]);
    server.address();
    server.signal(Signal::SIGTERM);
    assert!(server.end().success());
    let lines: Vec<String> = server.stderr.iter().collect();
    assert_eq!(lines, ["open it in a browser; Ctrl-C stops it"]);
}
