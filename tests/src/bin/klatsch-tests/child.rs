//! A program that is run to its end, or to its deadline.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

/// How a program ended.
pub(crate) struct Ended {
    /// Its exit code was 0, and that before its deadline.
    pub(crate) well: bool,
    /// What it wrote to stdout and stderr, line by line; empty when that went to the terminal.
    pub(crate) output: Vec<String>,
    /// How it ended, in words.
    pub(crate) words: String,
}

/// Runs a program and keeps what it writes.
pub(crate) fn run(command: &mut Command, deadline: Duration) -> Ended {
    let name = named(command);
    let mut child = match command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn() {
        Ok(child) => child,
        Err(error) => return cannot_start(&name, &error),
    };
    let (sender, lines) = mpsc::channel();
    read(child.stdout.take().expect("stdout is piped"), sender.clone());
    read(child.stderr.take().expect("stderr is piped"), sender);
    let until = Instant::now() + deadline;
    let mut output = Vec::new();
    let mut gone_since = None;
    loop {
        match lines.recv_timeout(TICK) {
            Ok(line) => output.push(line),
            // Both ends close when the program, and whatever it started, is gone.
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if gone_since.is_none() && matches!(child.try_wait(), Ok(Some(_))) {
            gone_since = Some(Instant::now());
        }
        if gone_since.is_some_and(|since| since.elapsed() > LEFT_BEHIND) {
            let words = format!("{name}: ended, and left something running that holds its output");
            return Ended { well: false, output, words };
        }
        if Instant::now() > until {
            let status = end(child);
            output.extend(lines.try_iter());
            return ended(&name, status, output);
        }
    }
    ended(&name, wait(child, until), output)
}

/// Runs a program that writes to the terminal itself: a long one, to be watched.
pub(crate) fn show(command: &mut Command, deadline: Duration) -> Ended {
    let name = named(command);
    match command.stdin(Stdio::null()).spawn() {
        Ok(child) => ended(&name, wait(child, Instant::now() + deadline), Vec::new()),
        Err(error) => cannot_start(&name, &error),
    }
}

/// The program and its arguments, as a person would type them.
fn named(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| Path::new(word).display().to_string()).collect::<Vec<_>>().join(" ")
}

fn cannot_start(name: &str, error: &std::io::Error) -> Ended {
    Ended { well: false, output: Vec::new(), words: format!("{name}: cannot start: {error}") }
}

/// `status`: `None` when it had to be ended.
fn ended(name: &str, status: Option<ExitStatus>, output: Vec<String>) -> Ended {
    let how =
        status.map_or("was still running at its deadline and was ended".into(), |status| status.to_string());
    Ended { well: status.is_some_and(|status| status.success()), output, words: format!("{name}: {how}") }
}

/// Passes lines on until the pipe is closed by everybody who holds it.
fn read(pipe: impl Read + Send + 'static, lines: Sender<String>) {
    std::thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            let text = String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned();
            if lines.send(text).is_err() {
                break;
            }
            line.clear();
        }
    });
}

fn wait(mut child: Child, until: Instant) -> Option<ExitStatus> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(20)),
            _ => return end(child),
        }
    }
}

/// Ends a program and all that it started. They share our process group, so that Ctrl-C reaches them too; that
/// is why they are looked up one by one.
fn end(mut child: Child) -> Option<ExitStatus> {
    let mut ids = vec![child.id().to_string()];
    let parents = parents();
    let mut next = 0;
    while next < ids.len() {
        let children = parents.iter().filter(|(_, parent)| *parent == ids[next]).map(|(id, _)| id.clone());
        let children: Vec<String> = children.collect();
        ids.extend(children);
        next += 1;
    }
    // Those that are gone already are none of our business, and so are its complaints about them.
    let _ = Command::new("sh").arg("-c").arg(format!("kill -KILL {} 2>/dev/null", ids.join(" "))).status();
    let _ = child.kill();
    let _ = child.wait();
    None
}

/// Every process and its parent; empty where there is no `/proc`.
fn parents() -> Vec<(String, String)> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            // `pid (name) state parent …`; the name may hold anything.
            let parent = stat[stat.rfind(')')? + 1..].split_whitespace().nth(1)?.to_owned();
            Some((entry.file_name().into_string().ok()?, parent))
        })
        .collect()
}

const TICK: Duration = Duration::from_millis(100);

/// How long what a program started may outlive it.
const LEFT_BEHIND: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.arg("-c").arg(script);
        command
    }

    #[test]
    fn what_a_program_writes_is_kept() {
        let ended = run(&mut shell("echo one; echo two >&2; exit 3"), Duration::from_secs(20));
        let mut output = ended.output.clone();
        output.sort();
        assert_eq!(output, ["one", "two"]);
        assert!(!ended.well && ended.words.contains('3'), "{}", ended.words);
    }

    #[test]
    fn a_program_that_hangs_is_ended_with_all_that_it_started() {
        let start = Instant::now();
        let ended = run(&mut shell("sleep 600 & echo $!; wait"), Duration::from_millis(300));
        assert!(!ended.well && ended.words.contains("deadline"), "{}", ended.words);
        assert!(start.elapsed() < Duration::from_secs(60), "the grandchild held the pipe");
        let grandchild = Path::new("/proc").join(&ended.output[0]);
        while grandchild.exists() {
            assert!(start.elapsed() < Duration::from_secs(60), "the grandchild still runs");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn a_program_that_leaves_something_running_fails() {
        let start = Instant::now();
        let ended = run(&mut shell("sleep 30 & echo $!"), Duration::from_secs(60));
        assert!(!ended.well && ended.words.contains("left something running"), "{}", ended.words);
        assert!(start.elapsed() < Duration::from_secs(30), "it was waited for");
        let left = Command::new("kill").arg(&ended.output[0]).status();
        assert!(left.is_ok_and(|status| status.success()), "it was still there");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let ended = run(&mut Command::new("no-such-program"), Duration::from_secs(20));
        assert!(!ended.well && ended.words.starts_with("no-such-program: cannot start"), "{}", ended.words);
    }
}
