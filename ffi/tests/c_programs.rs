//! Programs in C on the library as it is installed: what they promise is said in `tests/c`.

// The helpers of tests are tests.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;
use std::{env, fs};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const STRICT: [&str; 4] = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Where cargo put the two libraries: beside the tests.
fn built() -> PathBuf {
    let test = env::current_exe().expect("a test knows where it is");
    test.parent().expect("it is in a folder").to_owned()
}

fn scratch() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}

/// Runs a tool to its end; where it is not installed, the words name its Debian package.
fn run(package: &str, command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|cause| {
        let tool = command.get_program().display();
        panic!("{tool}: {cause}. Install it: apt-get install {package}")
    });
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{said}{complained}", output.status);
    output
}

/// The library as `package.sh` installs it.
fn prefix() -> &'static Path {
    static PREFIX: OnceLock<PathBuf> = OnceLock::new();
    PREFIX.get_or_init(|| {
        let prefix = scratch().join("installed");
        let script = repository().join("ffi/package.sh");
        run("binutils", Command::new(script).arg(&prefix).arg("dev").env("KLATSCH_BUILT", built()));
        prefix
    })
}

fn compiler(tool: &str, standard: &str) -> Command {
    let mut command = Command::new(tool);
    command.arg(format!("-std={standard}")).args(STRICT).arg("-g");
    command.arg("-I").arg(prefix().join("include"));
    command
}

fn shared(command: &mut Command) {
    let lib = prefix().join("lib");
    command.arg("-L").arg(&lib).arg("-lklatsch").arg(format!("-Wl,-rpath,{}", lib.display()));
}

/// Compiles a program of `tests/c` against the shared library.
fn program(name: &str) -> PathBuf {
    let to = scratch().join(name);
    let mut command = compiler("gcc", "c11");
    command.args(["-D_GNU_SOURCE", "-pthread", "-o"]).arg(&to);
    command.arg(repository().join("tests/c").join(name).with_extension("c"));
    shared(&mut command);
    run("gcc", &mut command);
    to
}

fn succeeds(name: &str) {
    run("", &mut Command::new(program(name)));
}

fn memcheck() -> Command {
    let mut command = Command::new("valgrind");
    command.args([
        "--quiet",
        "--error-exitcode=9",
        "--leak-check=full",
        "--errors-for-leak-kinds=definite",
        "--show-leak-kinds=definite",
    ]);
    command.env("RUST_BACKTRACE", "0");
    command
}

#[test]
fn the_header_compiles_alone_in_every_standard() {
    for (tool, package, language, standards) in [
        ("gcc", "gcc", "c", &["c99", "c11", "c17"][..]),
        ("g++", "g++", "c++", &["c++11", "c++17", "c++20"][..]),
    ] {
        for standard in standards {
            let mut command = compiler(tool, standard);
            command.args(["-fsyntax-only", "-x", language]).arg(prefix().join("include/klatsch.h"));
            // "#pragma once in main file" and its like are about headers as such.
            run(package, &mut command);
        }
    }
}

#[test]
fn a_program_in_cpp_embeds_the_engine() {
    let to = scratch().join("plain");
    let mut command = compiler("g++", "c++17");
    command.arg(repository().join("tests/c/plain.cpp")).arg("-o").arg(&to);
    shared(&mut command);
    run("g++", &mut command);
    run("", &mut Command::new(to));
}

fn symbols(arguments: &[&str], library: &str) -> Vec<String> {
    let output = run("binutils", Command::new("nm").args(arguments).arg(prefix().join("lib").join(library)));
    let text = String::from_utf8(output.stdout).unwrap();
    // "ADDRESS TYPE NAME"; an archive's members have lines of their own.
    let mut names: Vec<String> =
        text.lines().filter_map(|line| line.split(' ').nth(2)).map(str::to_owned).collect();
    names.sort();
    names
}

#[test]
fn both_libraries_export_the_listed_symbols_and_nothing_else() {
    let list = fs::read_to_string(repository().join("ffi/symbols.txt")).unwrap();
    let list: Vec<&str> = list.lines().collect();
    assert_eq!(symbols(&["-D", "--defined-only"], "libklatsch.so.0"), list);
    assert_eq!(symbols(&["-g", "--defined-only"], "libklatsch.a"), list);
}

#[test]
fn the_shared_library_has_a_name_of_its_own() {
    let mut command = Command::new("readelf");
    let output = run("binutils", command.arg("-d").arg(prefix().join("lib/libklatsch.so.0")));
    assert!(String::from_utf8_lossy(&output.stdout).contains("[libklatsch.so.0]"));
}

#[test]
fn pkg_config_finds_an_installation_that_was_moved() {
    let moved = scratch().join("moved to");
    let _ = fs::remove_dir_all(&moved);
    run("coreutils", Command::new("cp").arg("-R").arg(prefix()).arg(&moved));
    let mut command = Command::new("pkg-config");
    command.args(["--cflags", "--libs", "klatsch"]).env("PKG_CONFIG_PATH", moved.join("lib/pkgconfig"));
    let flags = String::from_utf8(run("pkg-config", &mut command).stdout).unwrap();
    assert!(
        flags.contains("-lklatsch") && flags.contains("moved\\ to/lib/pkgconfig/../../include"),
        "{flags}"
    );
}

#[test]
fn bad_arguments_are_refused_and_never_followed() {
    succeeds("arguments");
}

#[test]
fn engines_start_stop_and_are_freed_in_any_order() {
    succeeds("lifecycle");
}

#[test]
fn every_call_on_a_running_engine_does_what_the_header_says() {
    succeeds("calls");
}

#[test]
fn events_come_by_a_descriptor_too() {
    succeeds("descriptor");
}

#[test]
fn tls_is_spoken_in_c() {
    succeeds("tls");
}

#[test]
fn the_limit_that_is_set_in_c_is_the_limit_that_is_kept() {
    succeeds("limit");
}

#[test]
fn questions_are_answered_in_c() {
    succeeds("questions");
}

#[test]
fn a_v1_client_and_a_host_in_c_get_what_the_header_says() {
    succeeds("people");
}

#[test]
fn receipts_and_figures_tell_in_c_who_reads_too_slowly() {
    succeeds("slow");
}

#[test]
fn a_callback_may_call_anything() {
    succeeds("reentrant");
}

#[test]
fn threads_of_the_host_may_race() {
    run("", Command::new(program("races")).arg("400"));
}

#[test]
fn a_forked_child_is_told_so() {
    succeeds("fork");
}

#[test]
fn the_hosts_signals_stay_the_hosts() {
    succeeds("signals");
}

#[test]
fn two_copies_of_the_library_can_be_loaded_and_unloaded() {
    let first = prefix().join("lib/libklatsch.so.0");
    let second = scratch().join("libcopy.so");
    fs::copy(&first, &second).unwrap();
    run("", Command::new(program("unload")).args([first, second]));
}

#[test]
fn no_program_leaks_or_misuses_memory() {
    for name in [
        "arguments",
        "lifecycle",
        "calls",
        "descriptor",
        "questions",
        "people",
        "reentrant",
        "slow",
        "tls",
        "limit",
    ] {
        run("valgrind", memcheck().arg(program(name)));
    }
    run("valgrind", memcheck().arg(program("races")).arg("40"));
}

/// The chat example, running, with what it has said.
struct Chat {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Chat {
    fn start(mut command: Command) -> Chat {
        let spawned = command.arg("127.0.0.1:0").stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = spawned.unwrap_or_else(|cause| {
            panic!("{}: {cause}. Install it: apt-get install valgrind", command.get_program().display())
        });
        let lines = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        Chat { child, lines }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Ends it by a signal, gives the rest of what it says.
    fn end(mut self, signal: Signal) -> Vec<String> {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
        rest.lines().map(str::to_owned).collect()
    }
}

impl Drop for Chat {
    fn drop(&mut self) {
        // Only where the test has failed is it still there.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Comes in as Ann, is welcomed, says one thing and hears it.
fn visit(address: &str) {
    let mut ann = TcpStream::connect(address).unwrap();
    ann.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let request = format!(
        "GET /?room=lobby HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    ann.write_all(request.as_bytes()).unwrap();
    ann.write_all(b"\x81\x83\0\0\0\0Ann").unwrap();
    hear(&mut ann, "Welcome, Ann!");
    ann.write_all(b"\x81\x82\0\0\0\0hi").unwrap();
    hear(&mut ann, "\"text\":\"hi\"");
}

fn hear(from: &mut TcpStream, part: &str) {
    let mut heard = String::new();
    let mut bytes = [0; 4096];
    while !heard.contains(part) {
        let count = from.read(&mut bytes).unwrap();
        assert!(count > 0, "the connection ended after {heard:?}");
        heard.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
}

/// Compiles the example by its own second line.
fn chat_example() -> PathBuf {
    static CHAT: OnceLock<PathBuf> = OnceLock::new();
    let compile = || {
        let text = fs::read_to_string(repository().join("examples/c/chat.c")).unwrap();
        let line = text.lines().nth(1).unwrap();
        let (_, command) = line.split_once("&& ").expect("package.sh first");
        let (command, _) = command.split_once(" -o chat").expect("then the compiler");
        let to = scratch().join("chat");
        let mut words = command.split(' ');
        let mut compile = Command::new(words.next().unwrap());
        for word in words {
            compile.arg(word.replace("out/", &format!("{}/", prefix().display())));
        }
        run("gcc", compile.args(STRICT).arg("-g").arg("-o").arg(&to).current_dir(repository()));
        to
    };
    CHAT.get_or_init(compile).clone()
}

fn chat_with_a_visit(command: Command, signal: Signal) {
    let mut chat = Chat::start(command);
    let first = chat.line();
    let address = first.strip_prefix("listening on http://").unwrap_or_else(|| panic!("{first:?}"));
    visit(address);
    let mut said: Vec<String> = (0..4).map(|_| chat.line()).collect();
    said.extend(chat.end(signal));
    let want = [
        "+ Ann joined lobby (1 here)",
        "lobby Host: Welcome, Ann!",
        "lobby Ann: hi",
        "- Ann left lobby (0 here)",
        "stopped",
    ];
    assert_eq!(said, want);
}

#[test]
fn the_chat_example_says_what_happens_and_stops_on_a_signal() {
    chat_with_a_visit(Command::new(chat_example()), Signal::SIGTERM);
    chat_with_a_visit(Command::new(chat_example()), Signal::SIGINT);
}

#[test]
fn the_chat_example_says_why_it_cannot_start() {
    let output = Command::new(chat_example()).arg("nowhere").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains("nowhere") && words.contains("IP:PORT"), "{words}");
}

#[test]
fn the_chat_example_leaks_nothing() {
    let mut command = memcheck();
    command.arg(chat_example());
    chat_with_a_visit(command, Signal::SIGTERM);
}

#[test]
fn the_scenario_driver_answers_each_line() {
    let to = scratch().join("host");
    let mut command = compiler("gcc", "c11");
    command.arg(repository().join("tests/drivers/host.c")).arg("-o").arg(&to);
    shared(&mut command);
    run("gcc", &mut command);
    let mut child =
        Command::new(to).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it was compiled");
    let lines = "option\tlisten\t127.0.0.1:0\noption\traw\t/echo\t\noption\thistory\t5\nnew\nstart\n\
                 broadcast\tlobby\ta\\tb\\\\c\\nd\nsend\tlobby\tbot\thello\nrooms\nhistory\tlobby\t0\t9\n\
                 member_count\tnosuch\nanswer\t1\tallow\ntell_all\tbinary\t00ff\nnosuch\nstop\t0\nquit\n";
    child.stdin.take().expect("stdin is a pipe").write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let (events, replies): (Vec<&str>, Vec<&str>) =
        text.lines().partition(|line| line.starts_with("event\t"));
    assert_eq!(replies[..4], ["ok"; 4]);
    assert!(replies[4].starts_with("ok\t127.0.0.1:"), "{}", replies[4]);
    assert_eq!(replies[5..7], ["ok\t1", "ok\t2"]);
    assert_eq!(replies[7], "ok\tlobby\t0\t2");
    assert_eq!(replies[8], "ok\t1\tHost\ta\\tb\\\\c\\nd\t2\tbot\thello");
    assert!(replies[9].starts_with("error\tunknown_room\t"), "{}", replies[9]);
    assert!(replies[10].starts_with("error\tunknown_question\t"), "{}", replies[10]);
    assert_eq!(replies[11], "ok");
    assert!(replies[12].starts_with("error\tinvalid_argument\t"), "{}", replies[12]);
    assert_eq!(replies[13..], ["ok"]);
    assert!(events[0].starts_with("event\tstarted\t127.0.0.1:"), "{}", events[0]);
    assert_eq!(
        events[1..],
        [
            "event\tmessage\t\tlobby\t1\thost\tHost\ta\\tb\\\\c\\nd",
            "event\tmessage\t\tlobby\t2\tbot\tbot\thello",
            "event\tstopped"
        ]
    );
}
