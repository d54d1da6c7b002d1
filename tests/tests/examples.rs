//! The chat of `examples/` is one program in three languages: the same order, the same output.
#![allow(clippy::unwrap_used)] // A helper that panics fails its test.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use klatsch_tests::place::{built, compile_c, install_addon, root};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tungstenite::{Message, WebSocket};

#[test]
fn the_rust_chat_runs() {
    says_what_happens(&mut Command::new(built().join("examples/chat")));
}

#[test]
fn the_c_chat_compiles_and_runs() {
    let program = built().join("example-chat-c");
    compile_c(&root().join("examples/c/chat.c"), &program);
    says_what_happens(&mut Command::new(program));
}

#[test]
fn the_node_chat_runs() {
    install_addon();
    // Where `npm install` would put the package: the example asks for it by its name.
    let folder = built().join("example-chat-node");
    let modules = folder.join("node_modules");
    std::fs::create_dir_all(&modules).unwrap();
    let _ = std::fs::remove_file(modules.join("klatsch"));
    std::os::unix::fs::symlink(root().join("node"), modules.join("klatsch")).unwrap();
    std::fs::copy(root().join("examples/node/chat.mjs"), folder.join("chat.mjs")).unwrap();
    says_what_happens(Command::new("node").arg(folder.join("chat.mjs")));
}

#[test]
fn each_is_a_screenful_and_says_how_to_run_it() {
    for (file, most) in [("rust/chat.rs", 60), ("c/chat.c", 80), ("node/chat.mjs", 60)] {
        let text = std::fs::read_to_string(root().join("examples").join(file)).unwrap();
        assert!(text.lines().count() <= most, "{file} has {} lines", text.lines().count());
        assert!(text.lines().take(2).all(|line| line.starts_with("//")), "{file} begins with two comments");
    }
}

/// Chats a little with the program, and ends it as Ctrl-C would.
fn says_what_happens(program: &mut Command) {
    let mut chat = Chat::start(program);
    let listening = chat.line();
    let address = listening.strip_prefix("listening on http://").expect("an address");
    let mut ann = connect(address);
    ann.send(Message::text("Ann")).unwrap();
    hear(&mut ann, r#""text":"Welcome, Ann!""#);
    ann.send(Message::text("hi")).unwrap();
    hear(&mut ann, r#""text":"hi","author":"Ann""#);
    ann.close(None).unwrap();
    while ann.read().is_ok() {}
    let lines =
        ["+ Ann joined den (1 here)", "den Host: Welcome, Ann!", "den Ann: hi", "- Ann left den (0 here)"];
    for line in lines {
        assert_eq!(chat.line(), line);
    }
    kill(Pid::from_raw(i32::try_from(chat.child.id()).unwrap()), Signal::SIGINT).unwrap();
    assert_eq!(chat.line(), "stopped");
    assert!(chat.lines.recv_timeout(DEADLINE).is_err(), "that was the last line");
    assert!(chat.child.wait().unwrap().success());
}

struct Chat {
    child: Child,
    lines: Receiver<String>,
}

impl Chat {
    fn start(program: &mut Command) -> Chat {
        let mut child =
            program.arg("127.0.0.1:0").stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            stdout.lines().map_while(Result::ok).all(|line| sender.send(line).is_ok());
        });
        Chat { child, lines }
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(DEADLINE).expect("a line on stdout")
    }
}

impl Drop for Chat {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn connect(address: &str) -> WebSocket<TcpStream> {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    tungstenite::client(format!("ws://{address}/?room=den"), stream).unwrap().0
}

/// Reads until a frame has these words.
fn hear(client: &mut WebSocket<TcpStream>, words: &str) {
    while !client.read().unwrap().to_text().unwrap().contains(words) {}
}

const DEADLINE: Duration = Duration::from_secs(20);
