//! What is measured: each server, what it needs, and how it is started.

use std::path::PathBuf;

use crate::cases::{Case, Way};
use crate::load::spec::{Dialect, Mode};

/// One server.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) meaning: &'static str,
    pub(crate) needs: Needs,
    pub(crate) dialect: Dialect,
    ways: &'static [Way],
    /// It is another host of the same engine: compared in the first cases only.
    pub(crate) is_twin: bool,
}

/// What has to be built or installed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    Engine,
    /// The npm package, with the engine in it.
    NodeDoor,
    /// A C program with the engine in it.
    CDoor,
    NodePeers,
    RustPeers,
}

/// Where everything is.
pub(crate) struct Place {
    /// `tests/bench`.
    pub(crate) bench: PathBuf,
    /// Where the bench builds what is its own: `target/bench`.
    pub(crate) work: PathBuf,
    /// What the programs of this run say, for as long as it runs.
    pub(crate) logs: PathBuf,
    /// The command `klatsch`.
    pub(crate) engine: PathBuf,
}

const EVERY_WAY: &[Way] = &[Way::Plain, Way::V1, Way::Tls, Way::Deflate, Way::Guarded];
const COMPARED_WAYS: &[Way] = &[Way::Plain, Way::Tls, Way::Deflate];
const PLAIN: &[Way] = &[Way::Plain];

const fn peer(name: &'static str, meaning: &'static str, needs: Needs) -> Server {
    Server { name, meaning, needs, dialect: Dialect::Tutorial, ways: PLAIN, is_twin: false }
}

/// Every server, in the order it is run and shown.
pub(crate) const SERVERS: &[Server] = &[
    Server { ways: EVERY_WAY, ..peer("klatsch", "this engine, by its command", Needs::Engine) },
    Server { is_twin: true, ..peer("klatsch-node", "this engine in a Node script", Needs::NodeDoor) },
    Server { is_twin: true, ..peer("klatsch-c", "this engine in a C program", Needs::CDoor) },
    peer("floor", "a bare epoll loop that does the same work and checks nothing", Needs::RustPeers),
    Server { ways: COMPARED_WAYS, ..peer("bun", "Bun.serve with a topic", Needs::NodePeers) },
    Server { ways: COMPARED_WAYS, ..peer("ws", "npm ws on Node", Needs::NodePeers) },
    peer("websocket", "npm websocket on Node, the tutorial's own", Needs::NodePeers),
    Server {
        dialect: Dialect::SocketIo,
        ..peer("socket.io", "npm socket.io on Node, by WebSocket only", Needs::NodePeers)
    },
    peer("tungstenite", "tokio-tungstenite and a broadcast channel", Needs::RustPeers),
    peer("axum", "axum's WebSocket and a broadcast channel", Needs::RustPeers),
];

/// The server of this name.
pub(crate) fn find(name: &str) -> Option<&'static Server> {
    SERVERS.iter().find(|server| server.name == name)
}

impl Server {
    /// Whether it takes part in a case.
    pub(crate) fn is_in(&self, case: &Case) -> bool {
        self.ways.contains(&case.way)
            && (case.only.is_empty() || case.only.contains(&self.name))
            && (!self.is_twin || TWIN_CASES.contains(&case.name))
    }

    /// The words that start it on a port.
    pub(crate) fn command(&self, place: &Place, case: &Case, port: u16) -> Vec<String> {
        let (cert, key) = (place.certificate(), place.key());
        let (peers, work) = (place.bench.join("peers"), &place.work);
        let port_word = port.to_string();
        // What a peer is told beside its port.
        let way = match case.way {
            Way::Tls => vec!["tls".into(), cert.clone(), key.clone()],
            Way::Deflate => vec!["deflate".into()],
            Way::Plain | Way::V1 | Way::Guarded => Vec::new(),
        };
        let program = |path: PathBuf| path.display().to_string();
        let script = |name: &str| program(peers.join("node").join(name));
        let mut words: Vec<String> = match self.name {
            "klatsch" => return klatsch(place, case, port),
            "klatsch-node" => {
                return vec![
                    "node".into(),
                    script("klatsch.mjs"),
                    port_word,
                    program(work.join("node/klatsch")),
                ];
            }
            "klatsch-c" => return vec![program(work.join("c/klatsch-c")), port_word],
            "bun" => vec![script("node_modules/bun/bin/bun.exe"), script("bun.js")],
            "ws" | "websocket" | "socket.io" => vec!["node".into(), script(&format!("{}.js", self.name))],
            name => vec![program(work.join("rust/release").join(name))],
        };
        words.push(port_word);
        words.extend(way);
        words
    }
}

/// The command of this engine; what is limited per user and address is lifted, but for attacks.
fn klatsch(place: &Place, case: &Case, port: u16) -> Vec<String> {
    let listen = format!("127.0.0.1:{port}");
    let mut words = vec![place.engine.display().to_string()];
    words.extend(["serve", "--listen", &listen, "--log", "error"].map(str::to_owned));
    let (cert, key) = (place.certificate(), place.key());
    let more: &[&str] = match case.way {
        Way::Guarded if case.load.mode == Mode::Fragments => {
            &["--raw", "/raw", "--max-fragment-count", "1000000"]
        }
        Way::Guarded => &[],
        Way::Tls => &["--limits", "load-test", "--tls-cert", &cert, "--tls-key", &key],
        Way::Plain | Way::V1 | Way::Deflate => {
            &["--limits", "load-test", "--max-handshake-count", "4096", "--max-connection-count", "19500"]
        }
    };
    words.extend(more.iter().map(|&word| word.to_owned()));
    words
}

impl Place {
    /// The certificate of the peers and of the engine, for `localhost`.
    pub(crate) fn certificate(&self) -> String {
        self.work.join("cert.pem").display().to_string()
    }

    pub(crate) fn key(&self) -> String {
        self.work.join("key.pem").display().to_string()
    }
}

/// The cases in which the engine's hosts are compared.
const TWIN_CASES: &[&str] = &["fan100", "fan1000"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::CASES;

    #[test]
    fn klatsch_is_in_every_case() {
        let klatsch = find("klatsch").unwrap();
        assert!(CASES.iter().all(|case| klatsch.is_in(case)));
        assert!(TWIN_CASES.iter().all(|name| crate::cases::find(name).is_some()));
    }

    #[test]
    fn a_server_without_tls_is_in_no_case_with_it() {
        let floor = find("floor").unwrap();
        assert!(!CASES.iter().any(|case| case.way != Way::Plain && floor.is_in(case)));
    }
}
