//! Clients that other people wrote, against the engine. npm's `ws` and `websocket` always; with `KLATSCH_INTEROP=all`
//! in the environment also Node's own, Python's `websockets`, `aiohttp` and `websocket-client`, and the JDK's, which
//! are not compiled in without it. What each is put through stands in `tests/interop/README.md`.
#![allow(clippy::unwrap_used)] // A helper that panics fails its test.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

use klatsch::{Engine, Options};
use klatsch_tests::place::{built, root};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

#[test]
fn npm_ws_and_the_engine_understand_each_other() {
    understands(Command::new("node").arg(script("ws.mjs")));
}

#[test]
fn npm_websocket_and_the_engine_understand_each_other() {
    understands(Command::new("node").arg(script("websocket.mjs")));
}

#[cfg(interop_all)]
mod on_demand {
    use klatsch_tests::place::python;

    use super::*;

    #[test]
    fn nodes_own_client_and_the_engine_understand_each_other() {
        understands(Command::new("node").arg("--experimental-websocket").arg(script("node_own.mjs")));
    }

    #[test]
    fn pythons_websockets_and_the_engine_understand_each_other() {
        understands(Command::new(python()).arg(script("websockets_client.py")));
    }

    #[test]
    fn pythons_aiohttp_and_the_engine_understand_each_other() {
        understands(Command::new(python()).arg(script("aiohttp_client.py")));
    }

    #[test]
    fn pythons_websocket_client_and_the_engine_understand_each_other() {
        understands(Command::new(python()).arg(script("websocket_client.py")));
    }

    #[test]
    fn the_jdks_client_and_the_engine_understand_each_other() {
        understands(Command::new("java").arg(script("JdkClient.java")));
    }
}

/// Runs a client against the echo example and against an engine with the default limits, over `ws` and over `wss`.
fn understands(client: &Command) {
    let options = || Options::new().listen("127.0.0.1:0").raw("/", "").tutorial(false);
    talks(client, "ws", &[], options(), None);
    let Certificate { cert, key, ca } = certificate();
    let tls = ["--tls".as_ref(), cert.as_os_str(), key.as_os_str()];
    talks(client, "wss", &tls, options().tls_files(cert, key), Some(ca));
}

fn talks(client: &Command, scheme: &str, words: &[&OsStr], small: Options, ca: Option<&Path>) {
    let echo = Echo::start(words);
    assert!(echo.url.starts_with(&format!("{scheme}://")), "{}", echo.url);
    let small = Engine::new(small).unwrap();
    let address = small.start().unwrap()[0];
    let mut run = Command::new(client.get_program());
    run.args(client.get_args())
        .args([format!("{}/", echo.url), format!("{scheme}://{address}/")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(ca) = ca {
        // Node's own client takes it from the environment alone.
        run.arg(ca).env("NODE_EXTRA_CA_CERTS", ca);
    }
    let mut client = Program(run.spawn().unwrap_or_else(|error| panic!("{run:?}: {error}")));
    let words = [text_of(client.0.stdout.take().unwrap()), text_of(client.0.stderr.take().unwrap())];
    // The client has a deadline for each wait and for all; this one is for a client that hangs all the same.
    let words = words.map(|text| text.recv_timeout(DEADLINE).expect("the client ends in time"));
    let status = client.0.wait().unwrap();
    assert!(status.success() && words[0].starts_with("ok "), "{status}\n{}{}", words[0], words[1]);
    print!("{scheme} {}", words[0]);
}

/// `examples/rust/echo.rs`, with raised limits.
struct Echo {
    url: String,
    _program: Program,
}

impl Echo {
    fn start(words: &[&OsStr]) -> Echo {
        let mut program = Command::new(built().join("examples/echo"));
        program.arg("127.0.0.1:0").args(words).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut program =
            Program(program.spawn().expect("the examples are built: cargo build --workspace --examples"));
        let mut stdout = BufReader::new(program.0.stdout.take().unwrap());
        let (sender, first) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            stdout.read_line(&mut line).is_ok_and(|_| sender.send(line).is_ok())
        });
        let line = first.recv_timeout(DEADLINE).expect("the echo example starts in time");
        let url = line.trim().strip_prefix("listening on ").expect("it says where it listens").to_owned();
        Echo { url, _program: program }
    }
}

/// Files of a certificate for 127.0.0.1, its key, and the authority that signed it, whom only these tests know.
struct Certificate {
    cert: PathBuf,
    key: PathBuf,
    ca: PathBuf,
}

fn certificate() -> &'static Certificate {
    static CERTIFICATE: OnceLock<Certificate> = OnceLock::new();
    CERTIFICATE.get_or_init(|| {
        let mut authority = CertificateParams::default();
        authority.distinguished_name.push(DnType::CommonName, "Klatsch's tests");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let authority_key = KeyPair::generate().unwrap();
        let ca = authority.self_signed(&authority_key).unwrap().pem();
        let mut server = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        server.distinguished_name.push(DnType::CommonName, "127.0.0.1");
        server.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().unwrap();
        let cert = server.signed_by(&key, &Issuer::new(authority, authority_key)).unwrap().pem();
        // One folder for each process, which no other test writes to.
        let folder = built().join("interop-tls").join(std::process::id().to_string());
        std::fs::create_dir_all(&folder).unwrap();
        let file = |name: &str, pem: String| {
            let file = folder.join(name);
            std::fs::write(&file, pem).unwrap();
            file
        };
        Certificate {
            cert: file("cert.pem", cert),
            key: file("key.pem", key.serialize_pem()),
            ca: file("ca.pem", ca),
        }
    })
}

/// Ends with the test at the latest.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// All that comes out of a pipe until it is closed.
fn text_of(mut pipe: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, text) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        sender.send(String::from_utf8_lossy(&bytes).into_owned())
    });
    text
}

fn script(name: &str) -> PathBuf {
    root().join("tests/interop").join(name)
}

const DEADLINE: Duration = Duration::from_secs(90);
