//! The client: the suite is its server, and every message is sent back as it came.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use klatsch::Payload;
use klatsch::client::{Options, WebSocket};
use klatsch_tests::place::root;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::{judge, python, set};

#[test]
fn every_case_has_the_verdict_that_is_expected_of_the_client() {
    let mut suite = Command::new(python())
        .arg(root().join("tests/autobahn/serve.py"))
        .arg(set())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut complaints = suite.stderr.take().unwrap();
    let complaints = std::thread::spawn(move || {
        let mut text = String::new();
        complaints.read_to_string(&mut text).map(|_| text)
    });
    let mut told = BufReader::new(suite.stdout.take().unwrap());
    let mut url = String::new();
    told.read_line(&mut url).unwrap();
    let url = url.trim().to_owned();

    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let ran = runtime.block_on(async {
        let count = case_count(&url).await?;
        timeout(DEADLINE, all_cases(&url, count)).await.map_err(|_| "the cases take too long")?;
        // This ends the suite, which may have no time for a closing handshake.
        let _ = visit(&format!("{url}/updateReports?agent={AGENT}")).await;
        Ok::<_, Failed>(())
    });
    if ran.is_err() {
        // A suite that waits for a client that is gone would wait for ever.
        let _ = suite.kill();
    }
    let mut verdicts = String::new();
    told.read_to_string(&mut verdicts).unwrap();
    let status = suite.wait().unwrap();
    let complaints = complaints.join().unwrap().unwrap();
    ran.unwrap_or_else(|error| panic!("{error}\n{complaints}"));
    assert!(status.success(), "the suite did not run to its end ({status}):\n{complaints}");
    judge(&verdicts, &complaints);
}

type Failed = Box<dyn std::error::Error>;

async fn case_count(url: &str) -> Result<usize, Failed> {
    let mut socket = WebSocket::connect(&format!("{url}/getCaseCount"), &options()).await?;
    match timeout(DEADLINE, socket.next()).await? {
        Some(Ok(Payload::Text(count))) => Ok(count.parse()?),
        other => Err(format!("instead of a number of cases: {other:?}").into()),
    }
}

/// Runs them all, some at the same time.
async fn all_cases(url: &str, count: usize) {
    let next = Arc::new(AtomicUsize::new(1));
    let mut running = JoinSet::new();
    for _ in 0..CONCURRENCY {
        let (url, next) = (url.to_owned(), next.clone());
        running.spawn(async move {
            loop {
                let case = next.fetch_add(1, Ordering::Relaxed);
                if case > count {
                    return;
                }
                // How a case ends is for the suite to judge.
                let _ = visit(&format!("{url}/runCase?case={case}&agent={AGENT}")).await;
            }
        });
    }
    while running.join_next().await.is_some() {}
}

/// Sends everything back until the connection ends.
async fn visit(url: &str) -> Result<(), Failed> {
    let mut socket = WebSocket::connect(url, &options()).await?;
    while let Some(message) = socket.next().await {
        socket.send(message?).await?;
    }
    Ok(())
}

fn options() -> Options {
    Options::new()
        .max_message_bytes(64 << 20)
        .max_fragment_count(1_000_000)
        .max_assembly_ms(600_000)
        .deflate_min_bytes(1)
}

const AGENT: &str = "klatsch";
const CONCURRENCY: usize = 4;
const DEADLINE: Duration = Duration::from_secs(3_600);
