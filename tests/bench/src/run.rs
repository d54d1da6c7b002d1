//! Goes through cases and servers: a fresh server each time, the load against it, a line of what came out.

use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::args::{self, Command, Plan};
use crate::cases::{Case, Way};
use crate::install;
use crate::launch::Running;
use crate::load::spec::{Dialect, Pattern, Spec};
use crate::report;
use crate::results::{Results, Run};
use crate::servers::{Needs, Place, Server};
use crate::table;

/// Does what the command line says. Gives whether all went well.
pub(crate) fn run(words: &[String]) -> bool {
    let outcome = match args::parse(words) {
        Ok(Command::Help) => {
            print!("{}", args::help());
            Ok(true)
        }
        Ok(Command::Table { file, write }) => shown(&file, write),
        Ok(Command::Run(plan)) => measure(&plan),
        Err(words) => Err(words),
    };
    outcome.unwrap_or_else(|words| {
        eprintln!("klatsch-bench: {words}");
        false
    })
}

/// Prints the tables of a file of results.
fn shown(file: &Path, write: bool) -> Result<bool, String> {
    let results = Results::read(file)?;
    print!("{}", table::text(&results));
    if write {
        report::write(&results)?;
    }
    Ok(true)
}

fn measure(plan: &Plan) -> Result<bool, String> {
    let place = place(plan)?;
    let out = plan.out.clone().unwrap_or_else(|| place.work.join(format!("results-{}.jsonl", unix_s())));
    let mut results = Results::read(&out)?;
    let servers = prepared(plan, &place);
    if servers.is_empty() {
        return Err("nothing is left to be measured".into());
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if cores < 2 {
        eprintln!("   only one core: server and load share it, and the figures say little");
    }
    results.tell(report::about(&place), &out)?;
    eprintln!("   results: {}", out.display());
    let mut is_well = true;
    for _ in 0..plan.repetitions {
        for case in &plan.cases {
            // One server after the other inside a case, so that a slow hour of the machine meets them all.
            for server in servers.iter().filter(|server| server.is_in(case)) {
                let run = tried(plan, &place, case, server);
                is_well &= run.words.is_empty();
                show(&run, case);
                results.add(run, &out)?;
            }
        }
    }
    println!("{}", table::text(&results));
    if plan.write {
        report::write(&results)?;
    }
    // Whatever failed has been told; if this fails, it stays.
    let _ = std::fs::remove_dir_all(&place.logs);
    Ok(is_well)
}

fn place(plan: &Plan) -> Result<Place, String> {
    let bench = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let own = std::env::current_exe().map_err(|error| format!("this program: {error}"))?;
    // target/PROFILE/klatsch-bench, or one deeper for a test.
    let target = own.ancestors().nth(2).ok_or("this program is in no folder of cargo's")?;
    let work = target.join("bench");
    let logs = work.join(format!("logs-{}", std::process::id()));
    std::fs::create_dir_all(&logs).map_err(|error| format!("{}: {error}", logs.display()))?;
    let engine = plan.engine.clone().unwrap_or_else(|| target.join("release/klatsch"));
    let place = Place { bench, work, logs, engine };
    install::certificate(&place)?;
    Ok(place)
}

/// The servers that can be run.
fn prepared(plan: &Plan, place: &Place) -> Vec<&'static Server> {
    let takes_part = |server: &&&Server| plan.cases.iter().any(|case| server.is_in(case));
    let servers: Vec<&'static Server> = plan.servers.iter().filter(takes_part).copied().collect();
    let needs: Vec<Needs> = servers.iter().map(|server| server.needs).collect();
    let failed = install::prepare(place, &needs, plan.engine.is_some());
    for (need, words) in &failed {
        eprintln!("   LEFT OUT, {need:?}: {words}");
    }
    servers.into_iter().filter(|server| !failed.iter().any(|(need, _)| *need == server.needs)).collect()
}

/// One run, and a second one if that fails: a port may be taken between choosing and listening, and others may use the
/// machine.
fn tried(plan: &Plan, place: &Place, case: &Case, server: &Server) -> Run {
    let mut words = String::new();
    for _ in 0..ATTEMPTS {
        match once(plan, place, case, server) {
            Ok((said, figures)) if said.is_empty() => {
                return Run { case: case.name.into(), server: server.name.into(), words: said, figures };
            }
            Ok((said, _)) | Err(said) => words = said,
        }
    }
    Run { case: case.name.into(), server: server.name.into(), words, figures: BTreeMap::new() }
}

fn once(
    plan: &Plan,
    place: &Place,
    case: &Case,
    server: &Server,
) -> Result<(String, BTreeMap<String, f64>), String> {
    let port = free_port()?;
    let log = place.logs.join("server.log");
    let mut running = Running::start(plan.cores.0, &server.command(place, case, port), &log)?;
    wait_until_it_listens(&mut running, port, &log)?;
    let load = Spec {
        port,
        pid: running.pid(),
        dialect: if case.way == Way::V1 { Dialect::V1 } else { server.dialect },
        certificate: if case.way == Way::Tls { place.certificate() } else { String::new() },
        deflate: case.way == Way::Deflate,
        pattern: pattern(plan, case),
    };
    let own = std::env::current_exe().map_err(|error| format!("this program: {error}"))?;
    let mut words = vec![own.display().to_string(), "load".into()];
    words.extend(load.words());
    let heard = place.logs.join("load.log");
    let mut running_load = Running::start(plan.cores.1, &words, &heard)?;
    let limit = Duration::from_secs_f64(LOAD_LIMIT_S + load.pattern.warmup_s + load.pattern.measured_s);
    if !running_load.wait(limit) {
        return Err(format!("the load took longer than {} s", limit.as_secs()));
    }
    let said = std::fs::read_to_string(&heard).map_err(|error| format!("{}: {error}", heard.display()))?;
    let (words, figures) = answer(&said).ok_or_else(|| format!("the load said {:?}", tail(&said)))?;
    match running.has_ended() {
        true => Err(format!("the server ended in the middle: {}; {words}", tail_of(&log))),
        false => Ok((words, figures)),
    }
}

/// The case's pattern, for as long as the command line says, if it does.
fn pattern(plan: &Plan, case: &Case) -> Pattern {
    let Some(measured_s) = plan.measured_s else { return case.load };
    Pattern { measured_s, warmup_s: case.load.warmup_s.min(measured_s), ..case.load }
}

/// The last line of what the load says.
fn answer(said: &str) -> Option<(String, BTreeMap<String, f64>)> {
    let value: Value = serde_json::from_str(said.lines().next_back()?).ok()?;
    let figures = value.get("figures")?.as_object()?.iter();
    let figures = figures.filter_map(|(name, value)| Some((name.clone(), value.as_f64()?))).collect();
    Some((value.get("words")?.as_str()?.to_owned(), figures))
}

fn free_port() -> Result<u16, String> {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    port.map(|address| address.port()).map_err(|error| format!("a free port: {error}"))
}

fn wait_until_it_listens(running: &mut Running, port: u16, log: &Path) -> Result<(), String> {
    let end = Instant::now() + START_LIMIT;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if running.has_ended() || Instant::now() > end {
            return Err(format!("the server did not start: {}", tail_of(log)));
        }
        std::thread::sleep(Duration::from_millis(30));
    }
    // What it still does after it listens is no part of any case.
    std::thread::sleep(Duration::from_millis(400));
    Ok(())
}

fn show(run: &Run, case: &Case) {
    let figures = case.figures.iter().filter_map(|figure| {
        let value = run.figures.get(figure.name)?;
        Some(format!("{} {:.*}", figure.title, figure.digits, value / figure.divisor))
    });
    let figures: Vec<String> = figures.collect();
    let util = |name: &str| run.figures.get(name).map_or(String::new(), |load| format!(" {load:.2}"));
    let loads = format!("{}{}", util("server_load"), util("client_load"));
    eprintln!("   {:12}{:14}{}  {}{loads}", run.case, run.server, run.words, figures.join(", "));
}

fn tail_of(log: &Path) -> String {
    tail(&std::fs::read_to_string(log).unwrap_or_default())
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().rev().take(4).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" / ")
}

fn unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

const ATTEMPTS: usize = 2;

/// A server may need so long to listen.
const START_LIMIT: Duration = Duration::from_secs(20);

/// The load may need so much longer than it measures: for connecting, and for what is under way at the end.
const LOAD_LIMIT_S: f64 = 150.0;
