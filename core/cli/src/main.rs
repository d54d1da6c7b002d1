//! The `klatsch` command: a chat server in the foreground, on the klatsch engine.
//!
//! [`args`] turns words into what is wanted, [`serve`] does it, [`log`] writes what happens to stderr.
#![forbid(unsafe_code)]

mod args;
mod help;
mod log;
mod serve;

use std::io::Write;
use std::process::ExitCode;

use args::Command;

fn main() -> ExitCode {
    match args::parse(std::env::args_os().skip(1)) {
        Ok(Command::Serve(serve)) => serve::run(&serve),
        Ok(Command::Help) => print(&help::text()),
        Ok(Command::Version) => print(concat!("klatsch ", env!("CARGO_PKG_VERSION"), "\n")),
        Err(words) => {
            complain(&words);
            ExitCode::from(BAD_USAGE)
        }
    }
}

/// Writes to stdout. That nobody reads it any more (`klatsch --help | head -1`) is no failure.
fn print(text: &str) -> ExitCode {
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

/// Says on stderr what is wrong.
fn complain(words: &str) {
    say(&format!("klatsch: {words}"));
}

/// Writes a line for people to stderr; a closed stderr is no failure.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The exit code for a command line that makes no sense.
const BAD_USAGE: u8 = 2;

/// The exit code for a server that could not start.
const CANNOT_SERVE: u8 = 1;
