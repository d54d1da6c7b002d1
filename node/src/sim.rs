//! The simulator as a class for `sim.js`, which gives it its public face.

use std::cell::{Cell, RefCell};

use klatsch::sim::{LineId, Link, Restart, Seen, Sim, What};
use klatsch::{Error, ErrorCode};
use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;

use crate::error::{Failure, guard};
use crate::json::{self, Object};
use crate::{event, message, options};

/// One simulation. Its lines are known to JavaScript by the order in which they were made.
#[napi]
pub struct NativeSim {
    sim: RefCell<Sim>,
    lines: RefCell<Vec<LineId>>,
    /// A call panicked: every further one is refused.
    broken: Cell<bool>,
}

#[napi]
impl NativeSim {
    /// Makes one of options as JSON text.
    #[napi(constructor)]
    pub fn new(options: String, seed: f64) -> Result<NativeSim, Failure> {
        guard(|| {
            let options = options::read(&options, &[])?;
            let sim = Sim::new(&options, seed as u64).map_err(|error| options::respelt(&error))?;
            Ok(NativeSim { sim: RefCell::new(sim), lines: RefCell::default(), broken: Cell::new(false) })
        })
    }

    /// Opens a line. Gives its number. `bytes_per_second`: negative for as fast as may be.
    #[napi]
    pub fn connect(
        &self,
        path: String,
        subprotocols: Vec<String>,
        min_delay_ms: f64,
        max_delay_ms: f64,
        in_flight_bytes: f64,
        bytes_per_second: f64,
    ) -> Result<u32, Failure> {
        self.call(|sim| {
            let link = Link::new()
                .delay_ms(min_delay_ms as u64, max_delay_ms as u64)
                .in_flight_bytes(in_flight_bytes as usize);
            let link = match bytes_per_second < 0.0 {
                true => link,
                false => link.reads_at(bytes_per_second as u64),
            };
            let subprotocols: Vec<&str> = subprotocols.iter().map(String::as_str).collect();
            let mut lines = self.lines.borrow_mut();
            lines.push(sim.connect(&path, &subprotocols, link));
            Ok(lines.len() as u32 - 1)
        })
    }

    /// See the core.
    #[napi]
    pub fn send_text(&self, line: u32, text: String) -> Result<(), Failure> {
        self.on(line, |sim, line| sim.send(line, &text))
    }

    /// See the core.
    #[napi]
    pub fn send_bytes(&self, line: u32, bytes: Uint8Array) -> Result<(), Failure> {
        self.on(line, |sim, line| sim.send_binary(line, &bytes))
    }

    /// See the core.
    #[napi]
    pub fn close(&self, line: u32, code: u32, reason: String) -> Result<(), Failure> {
        self.on(line, |sim, line| sim.close(line, code as u16, &reason))
    }

    /// See the core.
    #[napi]
    pub fn cut(&self, line: u32) -> Result<(), Failure> {
        self.on(line, |sim, line| sim.cut(line))
    }

    /// See the core.
    #[napi]
    pub fn hang(&self, line: u32) -> Result<(), Failure> {
        self.on(line, |sim, line| sim.hang(line))
    }

    /// See the core.
    #[napi]
    pub fn heal(&self, line: u32) -> Result<(), Failure> {
        self.on(line, |sim, line| sim.heal(line))
    }

    /// See the core; negative: as fast as may be.
    #[napi]
    pub fn slow(&self, line: u32, bytes_per_second: f64) -> Result<(), Failure> {
        self.on(line, |sim, line| {
            sim.slow(line, (bytes_per_second >= 0.0).then_some(bytes_per_second as u64))
        })
    }

    /// See the core.
    #[napi]
    pub fn buffered_bytes(&self, line: u32) -> Result<u32, Failure> {
        self.on(line, |sim, line| u32::try_from(sim.buffered_bytes(line)).unwrap_or(u32::MAX))
    }

    /// See the core.
    #[napi]
    pub fn restart(&self, clean: bool, grace_ms: f64, down_ms: f64) -> Result<(), Failure> {
        self.call(|sim| {
            let how = if clean { Restart::clean() } else { Restart::crash() };
            sim.restart(how.grace_ms(grace_ms as u64).down_ms(down_ms as u64));
            Ok(())
        })
    }

    /// Gives what is seen next as a JSON object, or `null`.
    #[napi]
    pub fn step(&self, until_ms: f64) -> Result<String, Failure> {
        self.call(|sim| {
            Ok(sim.step(until_ms as u64).map_or_else(|| "null".to_owned(), |seen| json_of(&seen)))
        })
    }

    /// See the core.
    #[napi]
    pub fn now_ms(&self) -> Result<f64, Failure> {
        self.call(|sim| Ok(sim.now_ms() as f64))
    }

    /// See the core.
    #[napi]
    pub fn unix_ms(&self) -> Result<f64, Failure> {
        self.call(|sim| Ok(sim.unix_ms() as f64))
    }

    /// A number from 0 to 1, but not 1.
    #[napi]
    pub fn random(&self) -> Result<f64, Failure> {
        self.call(|sim| Ok(sim.random(1 << 53) as f64 / (1_u64 << 53) as f64))
    }

    /// Gives the position as JSON.
    #[napi]
    pub fn broadcast(&self, room: String, text: String) -> Result<String, Failure> {
        self.call(|sim| sim.broadcast(&room, &text).map(message::position))
    }

    /// Gives the position as JSON.
    #[napi]
    pub fn send_as(&self, room: String, user: String, text: String) -> Result<String, Failure> {
        self.call(|sim| sim.send_as(&room, &user, &text).map(message::position))
    }

    /// See the core.
    #[napi]
    pub fn history(&self, room: String, before: f64, limit: f64) -> Result<String, Failure> {
        self.call(|sim| Ok(message::messages(&sim.history(&room, before as u64, limit as u64)?)))
    }

    /// See the core.
    #[napi]
    pub fn members(&self, room: String) -> Result<String, Failure> {
        self.call(|sim| Ok(message::members(&sim.members(&room)?)))
    }

    /// What the host has heard, as a JSON array.
    #[napi]
    pub fn events(&self) -> Result<String, Failure> {
        self.call(|sim| Ok(json::array(&sim.events(), event::write)))
    }

    /// See the core.
    #[napi]
    pub fn watch(&self) -> Result<(), Failure> {
        self.call(|sim| {
            sim.watch();
            Ok(())
        })
    }

    /// Judges these rooms. Gives every fault in words, as a JSON array.
    #[napi]
    pub fn judge(&self, rooms: Vec<String>) -> Result<String, Failure> {
        self.call(|sim| {
            let rooms: Vec<&str> = rooms.iter().map(String::as_str).collect();
            sim.judge(&rooms);
            let faults: Vec<String> = sim.faults().iter().map(ToString::to_string).collect();
            Ok(json::array(&faults, |out, fault| json::text(out, fault)))
        })
    }
}

impl NativeSim {
    /// Does something to a line.
    fn on<T>(&self, line: u32, body: impl FnOnce(&mut Sim, LineId) -> T) -> Result<T, Failure> {
        self.call(|sim| match self.lines.borrow().get(line as usize) {
            Some(line) => Ok(body(sim, *line)),
            None => Err(Error::new(ErrorCode::InvalidArgument, format!("there is no line {line}"))),
        })
    }

    fn call<T>(&self, body: impl FnOnce(&mut Sim) -> Result<T, Error>) -> Result<T, Failure> {
        guard(|| {
            if self.broken.get() {
                let words = "a call panicked before, which is a bug; make another simulation";
                return Err(Error::new(ErrorCode::Internal, words));
            }
            // Stays set when `body` does not return.
            self.broken.set(true);
            let result = body(&mut self.sim.borrow_mut());
            self.broken.set(false);
            result
        })
    }
}

fn json_of(seen: &Seen) -> String {
    let mut out = Vec::new();
    let object = Object::new(&mut out).number("line", seen.line.number()).number("atMs", seen.at_ms);
    match &seen.what {
        What::Opened { subprotocol } => {
            object.text("kind", "opened").text("protocol", subprotocol.as_deref().unwrap_or_default())
        }
        What::Text(text) => object.text("kind", "text").text("text", text),
        What::Binary(bytes) => object.text("kind", "binary").field("bytes", |out| {
            json::array_into(out, bytes, |out, byte| json::number(out, u64::from(*byte)))
        }),
        What::Refused { status, reason } => {
            object.text("kind", "refused").number("status", u64::from(*status)).text("reason", reason)
        }
        What::Closed { code, reason } => {
            object.text("kind", "closed").number("code", u64::from(*code)).text("reason", reason)
        }
        // What a newer core may see is nothing that this half knows how to tell.
        _ => object.text("kind", "other"),
    }
    .end();
    json::finish(out)
}
