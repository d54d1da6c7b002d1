//! Starts a program on a core of its own, and ends it with all that it started.
//!
//! This program is started again as a launcher, which settles itself on its core, in a session of its own, and then
//! becomes the program that is wanted. So its process id stays, and nothing else is ever ended by mistake.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, setsid};

use crate::load::raise_descriptor_limit;

/// A program that runs, with its children in the same session. It ends when this is dropped.
pub(crate) struct Running {
    child: Child,
}

impl Running {
    /// Starts a program on a core; what it says goes to `log`.
    pub(crate) fn start(core: usize, words: &[String], log: &Path) -> Result<Running, String> {
        let log = File::create(log).map_err(|error| format!("{}: {error}", log.display()))?;
        let errors = log.try_clone().map_err(|error| error.to_string())?;
        let mut command = launcher(core, words)?;
        let command = command.stdin(Stdio::null()).stdout(log).stderr(errors);
        let child = command.spawn().map_err(|error| format!("{}: {error}", words.join(" ")))?;
        Ok(Running { child })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until it ends by itself. Gives whether it did.
    pub(crate) fn wait(&mut self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        while !self.has_ended() {
            if Instant::now() > end {
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        true
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for signal in [Signal::SIGTERM, Signal::SIGKILL] {
            if self.has_ended() {
                return;
            }
            // Its own session, hence its own group; before it has that, it is only itself.
            let id = Pid::from_raw(self.child.id() as i32);
            if killpg(id, signal).is_err() {
                let _ = nix::sys::signal::kill(id, signal);
            }
            self.wait(Duration::from_secs(3));
        }
    }
}

/// `launch CORE PROGRAM…`: this program, that will become the other one.
fn launcher(core: usize, words: &[String]) -> Result<Command, String> {
    let own = std::env::current_exe().map_err(|error| format!("this program: {error}"))?;
    let mut command = Command::new(own);
    command.arg("launch").arg(core.to_string()).args(words).env("NODE_ENV", "production");
    Ok(command)
}

/// Settles on a core and becomes the program that the words name; comes back only if that fails.
pub(crate) fn become_program(words: &[String]) -> bool {
    let [core, program, rest @ ..] = words else {
        eprintln!("launch CORE PROGRAM…");
        return false;
    };
    let _ = setsid();
    // If whoever started us is ended, so is this: Ctrl-C does not reach another session.
    let _ = set_pdeathsig(Signal::SIGKILL);
    let mut cores = CpuSet::new();
    let is_pinned = core
        .parse()
        .is_ok_and(|core| cores.set(core).is_ok() && sched_setaffinity(Pid::from_raw(0), &cores).is_ok());
    if !is_pinned {
        eprintln!("core {core} cannot be had; the figures say less");
    }
    raise_descriptor_limit();
    // A session of its own is scheduled as one thing: before others, where we may ask for that.
    let _ = std::fs::write("/proc/self/autogroup", "-20");
    let error = Command::new(program).args(rest).exec();
    eprintln!("{program}: {error}");
    false
}

/// Waits for a program; one that takes too long is ended.
pub(crate) fn ended_in_time(mut child: Child, limit: Duration) -> Result<ExitStatus, String> {
    let end = Instant::now() + limit;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_millis(50)),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("took longer than {} s", limit.as_secs()));
            }
            Err(error) => return Err(error.to_string()),
        }
    }
}
