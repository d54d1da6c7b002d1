//! What one run of the load does, and with whom: words `key=value` that the runner writes and the load reads.

use std::fmt::Display;
use std::str::FromStr;

/// One run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spec {
    /// The server's port on 127.0.0.1.
    pub(crate) port: u16,
    /// The server's process; 0: measure none.
    pub(crate) pid: u32,
    pub(crate) dialect: Dialect,
    /// The certificate to trust, in PEM; empty: no TLS.
    pub(crate) certificate: String,
    /// Offer permessage-deflate.
    pub(crate) deflate: bool,
    pub(crate) pattern: Pattern,
}

/// What a run does, whoever the server is. Whatever a mode does not know stays unread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pattern {
    pub(crate) mode: Mode,
    pub(crate) clients: usize,
    /// The first so many clients talk.
    pub(crate) senders: usize,
    /// The last so many clients never read once they are in.
    pub(crate) slow: usize,
    /// Bytes of a message's text.
    pub(crate) size: usize,
    /// Messages that each sender keeps under way until everybody has them; read when `rate` is 0.
    pub(crate) window: u32,
    /// Messages a second, of all senders together.
    pub(crate) rate: f64,
    pub(crate) warmup_s: f64,
    pub(crate) measured_s: f64,
    /// Messages said before the first client of a churn comes, or while those of a storm are away.
    pub(crate) prefill: usize,
}

/// What the clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Stay, and some talk.
    Fanout,
    /// Stay and are silent.
    Idle,
    /// Come, take a name, and leave.
    Churn,
    /// Drop all at once, and come back.
    Storm,
    /// Attack: see `attack.rs`.
    Slowloris,
    Headers,
    Fragments,
    OneAddress,
}

/// How the server wants to be talked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// The tutorial's texts in WebSocket frames.
    Tutorial,
    /// The same, as events of Socket.IO 4.
    SocketIo,
    /// Klatsch's own, with positions and replies.
    V1,
}

const MODES: [(&str, Mode); 8] = [
    ("fanout", Mode::Fanout),
    ("idle", Mode::Idle),
    ("churn", Mode::Churn),
    ("storm", Mode::Storm),
    ("slowloris", Mode::Slowloris),
    ("headers", Mode::Headers),
    ("fragments", Mode::Fragments),
    ("one-address", Mode::OneAddress),
];

const DIALECTS: [(&str, Dialect); 3] =
    [("tutorial", Dialect::Tutorial), ("socket.io", Dialect::SocketIo), ("klatsch.v1", Dialect::V1)];

impl Pattern {
    /// A run of no length with nobody in it.
    pub(crate) const fn new(mode: Mode) -> Pattern {
        Pattern {
            mode,
            clients: 0,
            senders: 0,
            slow: 0,
            size: 64,
            window: 1,
            rate: 0.0,
            warmup_s: 0.7,
            measured_s: 0.0,
            prefill: 0,
        }
    }
}

impl Spec {
    /// The words that [`Spec::read`] makes the same of.
    pub(crate) fn words(&self) -> Vec<String> {
        let name = |found: Option<&str>| found.unwrap_or_default().to_owned();
        let pattern = &self.pattern;
        let mode = MODES.iter().find(|(_, mode)| *mode == pattern.mode).map(|(name, _)| *name);
        let dialect = DIALECTS.iter().find(|(_, dialect)| *dialect == self.dialect).map(|(name, _)| *name);
        let pairs: [(&str, String); 15] = [
            ("mode", name(mode)),
            ("port", self.port.to_string()),
            ("pid", self.pid.to_string()),
            ("dialect", name(dialect)),
            ("certificate", self.certificate.clone()),
            ("deflate", self.deflate.to_string()),
            ("clients", pattern.clients.to_string()),
            ("senders", pattern.senders.to_string()),
            ("slow", pattern.slow.to_string()),
            ("size", pattern.size.to_string()),
            ("window", pattern.window.to_string()),
            ("rate", pattern.rate.to_string()),
            ("warmup_s", pattern.warmup_s.to_string()),
            ("measured_s", pattern.measured_s.to_string()),
            ("prefill", pattern.prefill.to_string()),
        ];
        pairs.into_iter().map(|(key, value)| format!("{key}={value}")).collect()
    }

    /// Reads a run's words; what is not said is as in [`Pattern::new`].
    ///
    /// # Errors
    /// The word that makes no sense.
    pub(crate) fn read(words: &[String]) -> Result<Spec, String> {
        let mut spec = Spec {
            port: 0,
            pid: 0,
            dialect: Dialect::Tutorial,
            certificate: String::new(),
            deflate: false,
            pattern: Pattern::new(Mode::Fanout),
        };
        for word in words {
            let (key, value) = word.split_once('=').ok_or_else(|| format!("{word:?} is no key=value"))?;
            let pattern = &mut spec.pattern;
            match key {
                "mode" => pattern.mode = named(&MODES, word, value)?,
                "dialect" => spec.dialect = named(&DIALECTS, word, value)?,
                "port" => spec.port = number(word, value)?,
                "pid" => spec.pid = number(word, value)?,
                "certificate" => spec.certificate = value.to_owned(),
                "deflate" => spec.deflate = number(word, value)?,
                "clients" => pattern.clients = number(word, value)?,
                "senders" => pattern.senders = number(word, value)?,
                "slow" => pattern.slow = number(word, value)?,
                "size" => pattern.size = number(word, value)?,
                "window" => pattern.window = number(word, value)?,
                "rate" => pattern.rate = number(word, value)?,
                "warmup_s" => pattern.warmup_s = number(word, value)?,
                "measured_s" => pattern.measured_s = number(word, value)?,
                "prefill" => pattern.prefill = number(word, value)?,
                _ => return Err(format!("{word:?}: there is no {key:?}")),
            }
        }
        Ok(spec)
    }
}

fn number<T: FromStr<Err: Display>>(word: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|error| format!("{word:?}: {error}"))
}

fn named<T: Copy>(names: &[(&str, T)], word: &str, value: &str) -> Result<T, String> {
    let found = names.iter().find(|(name, _)| *name == value);
    found.map(|(_, named)| *named).ok_or_else(|| format!("{word:?} is none of its kind"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for (_, mode) in MODES {
            let pattern = Pattern {
                clients: 3,
                senders: 4,
                slow: 5,
                size: 6,
                window: 7,
                rate: 8.5,
                warmup_s: 9.25,
                measured_s: 10.0,
                prefill: 11,
                ..Pattern::new(mode)
            };
            let spec = Spec {
                port: 1,
                pid: 2,
                dialect: Dialect::SocketIo,
                certificate: "a b=c.pem".into(),
                deflate: true,
                pattern,
            };
            assert_eq!(Spec::read(&spec.words()), Ok(spec));
        }
    }

    #[test]
    fn a_word_that_makes_no_sense_is_named() {
        for word in ["clients", "clients=many", "mode=dance", "color=red"] {
            assert!(Spec::read(&[word.to_owned()]).unwrap_err().contains(word), "{word}");
        }
    }
}
