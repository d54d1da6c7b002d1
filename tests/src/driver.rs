//! A door to an engine, as the scenarios use it: calls with fields, events with fields.
//!
//! Every door answers to the same commands ([`Door::call`]) with the same fields, so that one scenario runs through all of
//! them. The doors of other languages are programs that read a command a line on stdin and write replies
//! and events to stdout, fields apart by tabs; [`Driver`] speaks with such a program.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command as Program, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

/// The fields of a command, a reply or an event.
pub type Fields = Vec<String>;

/// Why a call failed: the code's name and the words for people.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Refusal {
    pub code: String,
    pub words: String,
}

/// What every door can do.
pub trait Door {
    /// Carries out one command and gives the reply's fields, without `ok`. `command[0]` is its name:
    ///
    /// | command | reply |
    /// | --- | --- |
    /// | `option NAME VALUE…` (the Rust door's name; `raw` has PATH and SUBPROTOCOL) | |
    /// | `new` · `start` | · addresses |
    /// | `stop GRACE_MS` | |
    /// | `broadcast ROOM TEXT` · `send ROOM USER TEXT` | offset |
    /// | `edit ROOM OFFSET TEXT` · `delete ROOM OFFSET` | offset |
    /// | `broadcast_all TEXT` | |
    /// | `tell CONNECTION KIND DATA` · `tell_room ROOM KIND DATA` · `tell_all KIND DATA` (`text`, or `binary` in hexadecimal) | |
    /// | `kick CONNECTION REASON` · `tell_user USER TEXT` | |
    /// | `moderate ROOM ACT USER VALUE` (seconds, topic or role; empty: none, for good) | offset |
    /// | `join ROOM USER` · `leave ROOM USER` | |
    /// | `set_room ROOM PRIVATE READ_ONLY MAX_MEMBER_COUNT HISTORY_KEPT` (empty: as it is) | |
    /// | `ticket TTL_MS USER NAME ROLE ROOMS EXPIRES_AT_MS` (rooms with commas; empty: left out) | ticket |
    /// | `ban USER SECONDS` · `ban_address ADDRESS SECONDS` (empty: for good) | |
    /// | `rooms` | (name, member count, offset)… |
    /// | `members ROOM` | (user, name, color, connection count)… |
    /// | `member_count ROOM` | count |
    /// | `history ROOM BEFORE LIMIT` | (offset, name, text)… |
    /// | `stats` | connection count, handshake count, lagging count, room count |
    /// | `answer QUESTION VERDICT…` (`allow`, `allow_as USER NAME ROLE ROOMS EXPIRES_AT_MS`, `rewrite TEXT`, `answer JSON`, `refuse REASON`) | |
    ///
    /// # Errors
    /// The engine's own error.
    ///
    /// # Panics
    /// When the door itself is broken: it answers nothing, or nonsense.
    fn call(&mut self, command: &[&str]) -> Result<Fields, Refusal>;

    /// Waits for the next event and gives its fields, `event[0]` being its kind; `None` when the time is over.
    ///
    /// | event | fields |
    /// | --- | --- |
    /// | `started` | addresses |
    /// | `connected` | connection, dialect, room or empty, path |
    /// | `named` | connection, user, name, color |
    /// | `joined`, `left` | room, connection, user, name, member count |
    /// | `message` | connection or empty, room, offset, user, name, text |
    /// | `away` | user, the author's name, text |
    /// | `received` | connection, `text` or `binary`, data |
    /// | `disconnected` | connection, code, reason |
    /// | `refused` | connection or empty, code name |
    /// | `question` | id, `admit`, connection, dialect, room, path, name, token |
    /// | | id, `may_join`, connection, room, user, name |
    /// | | id, `may_send`, connection, room, user, name, text |
    /// | | id, `call`, connection, user, name, method, data |
    /// | `receipt` | room, offset, connection count, sent count, queued count, lagging count |
    /// | `missed` | count |
    /// | `degraded`, `error` | code name |
    /// | `stopped` | |
    fn event(&mut self, deadline: Duration) -> Option<Fields>;
}

/// A door that is a program of its own.
#[derive(Debug)]
pub struct Driver {
    child: Child,
    stdin: ChildStdin,
    replies: Receiver<Fields>,
    events: Receiver<Fields>,
}

impl Driver {
    /// Starts the program.
    ///
    /// # Errors
    /// The operating system's.
    pub fn start(program: &mut Program) -> std::io::Result<Driver> {
        let mut child = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdin = child.stdin.take().expect("stdin is piped");
        let stdout = child.stdout.take().expect("stdout is piped");
        let (reply, replies) = mpsc::channel();
        let (event, events) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let mut fields: VecDeque<String> = line.split('\t').map(unescaped).collect();
                // Whoever no longer listens has ended the scenario.
                let _ = if fields[0] == "event" {
                    fields.pop_front();
                    event.send(fields.into())
                } else {
                    reply.send(fields.into())
                };
            }
        });
        Ok(Driver { child, stdin, replies, events })
    }
}

impl Door for Driver {
    fn call(&mut self, command: &[&str]) -> Result<Fields, Refusal> {
        let line = command.iter().map(|field| escaped(field)).collect::<Vec<_>>().join("\t");
        writeln!(self.stdin, "{line}").expect("the driver reads its commands");
        self.stdin.flush().expect("the driver reads its commands");
        let mut reply = match self.replies.recv_timeout(REPLY_DEADLINE) {
            Ok(reply) => reply,
            Err(RecvTimeoutError::Timeout) => panic!("the driver did not answer {line:?}"),
            Err(RecvTimeoutError::Disconnected) => {
                panic!("the driver ended at {line:?}: {:?}", self.child.wait())
            }
        };
        match reply[0].as_str() {
            "ok" => Ok(reply.split_off(1)),
            "error" if reply.len() == 3 => Err(Refusal { code: reply[1].clone(), words: reply[2].clone() }),
            _ => panic!("the driver answered {line:?} with {reply:?}"),
        }
    }

    fn event(&mut self, deadline: Duration) -> Option<Fields> {
        self.events.recv_timeout(deadline).ok()
    }
}

impl Drop for Driver {
    /// Lets the program end by itself, which is where it would show that something keeps it alive.
    fn drop(&mut self) {
        let asked = writeln!(self.stdin, "quit").and_then(|()| self.stdin.flush());
        let ended = asked.is_ok() && matches!(self.events_end(), Err(RecvTimeoutError::Disconnected));
        if !ended {
            // It hangs, or is gone already.
            let _ = self.child.kill();
        }
        let status = self.child.wait();
        if !std::thread::panicking() {
            assert!(ended, "the driver did not end after quit");
            assert!(status.as_ref().is_ok_and(|status| status.success()), "the driver ended with {status:?}");
        }
    }
}

impl Driver {
    /// Waits until the program has closed its stdout.
    fn events_end(&self) -> Result<(), RecvTimeoutError> {
        loop {
            self.events.recv_timeout(REPLY_DEADLINE)?;
        }
    }
}

fn escaped(field: &str) -> String {
    field.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n")
}

fn unescaped(field: &str) -> String {
    let mut text = String::with_capacity(field.len());
    let mut chars = field.chars();
    while let Some(char) = chars.next() {
        text.push(match char {
            '\\' => match chars.next() {
                Some('t') => '\t',
                Some('n') => '\n',
                Some(other) => other,
                None => '\\',
            },
            other => other,
        });
    }
    text
}

/// How long a call may take. No call blocks on the network but `stop`, whose grace in scenarios is short.
const REPLY_DEADLINE: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_survives_the_way_through_a_line() {
        for field in ["", "plain", "a\tb\nc\\d", "\\t", "\\\\n\t"] {
            assert!(!escaped(field).contains(['\t', '\n']));
            assert_eq!(unescaped(&escaped(field)), field);
        }
    }
}
