//! Serves until a signal says stop.

use std::io::Write;
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;

use klatsch::{Engine, Limits};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::args::Serve;
use crate::{BAD_USAGE, CANNOT_SERVE, complain, log, say};

/// Starts the engine, says where it listens, and returns when a signal has stopped it.
pub(crate) fn run(serve: &Serve) -> ExitCode {
    log::start(serve.log);
    raise_descriptor_limit();
    let engine = match serve.options().and_then(Engine::new) {
        Ok(engine) => engine,
        Err(error) => {
            complain(&error.message());
            return ExitCode::from(BAD_USAGE);
        }
    };
    if serve.limits == Limits::LoadTest {
        say(&format!("limits load-test: {} are lifted; never for a public server", LIFTED.join(" and ")));
    }
    match start_and_wait(&engine, serve) {
        Ok(()) => ExitCode::SUCCESS,
        Err(words) => {
            complain(&words);
            ExitCode::from(CANNOT_SERVE)
        }
    }
}

fn start_and_wait(engine: &Engine, serve: &Serve) -> Result<(), String> {
    let scheme = if serve.is_secure() { "https" } else { "http" };
    // Before the start, so that a signal never finds the engine running and nobody to hear it.
    let signal = signals(engine)?;
    let addresses = engine.start().map_err(|error| error.message())?;
    let mut stdout = std::io::stdout().lock();
    for address in addresses {
        // A stdout that nobody reads any more is no reason not to serve.
        let _ = writeln!(stdout, "listening on {scheme}://{address}");
    }
    // The engine lists TCP alone: a path is where it was said to be.
    for path in serve.listen.iter().filter(|address| address.starts_with("unix:")) {
        let _ = writeln!(stdout, "listening on {path}");
    }
    let _ = stdout.flush();
    drop(stdout);
    say("open it in a browser; Ctrl-C stops it");

    // An error would mean that the thread is gone: then nothing could stop the server but this.
    let _ = signal.recv();
    tracing::info!("stopping; a second signal stops at once");
    engine.stop_blocking(GRACE).map_err(|error| error.message())
}

/// Tells of the first SIGTERM or Ctrl-C; a further one ends the grace of the stopping that the first began.
fn signals(engine: &Engine) -> Result<mpsc::Receiver<()>, String> {
    let mut signals =
        Signals::new([SIGTERM, SIGINT]).map_err(|error| format!("cannot listen for signals: {error}"))?;
    let (first, heard) = mpsc::channel();
    let engine = engine.clone();
    std::thread::Builder::new()
        .name("klatsch-signals".into())
        .spawn(move || {
            let mut signals = signals.forever();
            if signals.next().is_some() && first.send(()).is_ok() {
                for _ in signals {
                    // The stopping is hurried by the call; whoever waits for its end is in `start_and_wait`.
                    drop(engine.stop(Duration::ZERO));
                }
            }
        })
        .map_err(|error| format!("cannot start a thread: {error}"))?;
    Ok(heard)
}

/// Takes as many descriptors as the system lets a process have: each connection is one.
fn raise_descriptor_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| match soft < hard {
        true => setrlimit(Resource::RLIMIT_NOFILE, hard, hard),
        false => Ok(()),
    });
    if let Err(error) = raised {
        tracing::warn!("cannot raise the limit of descriptors: {error}");
    }
}

/// How long clients have to take their leave.
const GRACE: Duration = Duration::from_secs(30);

/// The options that [`Limits::LoadTest`] lifts.
const LIFTED: [&str; 2] = ["message_rate", "max_address_connection_count"];

#[cfg(test)]
mod tests {
    use klatsch::Options;

    use super::*;

    #[test]
    fn the_limits_that_are_named_as_lifted_are_the_lifted_ones() {
        let mut by_name = Options::new();
        for name in LIFTED {
            by_name.set_number(name, 0).unwrap();
        }
        let by_preset = Options::new().limits(Limits::LoadTest);
        assert_eq!(format!("{by_name:?}"), format!("{by_preset:?}"));
    }
}
