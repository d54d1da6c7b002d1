//! The command line.

use std::path::PathBuf;

use lexopt::{Arg, Parser, ValueExt};

use crate::cases::{self, CASES, Case};
use crate::servers::{self, SERVERS, Server};

/// What is wanted.
pub(crate) enum Command {
    Run(Plan),
    /// Print the tables of a file again, and perhaps write them into BENCHMARKS.md.
    Table {
        file: PathBuf,
        write: bool,
    },
    Help,
}

/// What is to be run.
pub(crate) struct Plan {
    pub(crate) servers: Vec<&'static Server>,
    pub(crate) cases: Vec<&'static Case>,
    /// How often each case is run against each server.
    pub(crate) repetitions: usize,
    /// Where the results go, line by line; `None`: `target/bench`, a new file each time.
    pub(crate) out: Option<PathBuf>,
    /// Write the tables into BENCHMARKS.md.
    pub(crate) write: bool,
    /// The command `klatsch`, if it is not to be built.
    pub(crate) engine: Option<PathBuf>,
    /// How long each case is measured; `None`: as the case says.
    pub(crate) measured_s: Option<f64>,
    /// The server's core and the load's.
    pub(crate) cores: (usize, usize),
}

/// Reads the command line.
///
/// # Errors
/// What makes no sense, in words.
pub(crate) fn parse(words: &[String]) -> Result<Command, String> {
    let mut plan = Plan {
        servers: SERVERS.iter().collect(),
        cases: CASES.iter().filter(|case| !case.is_long).collect(),
        repetitions: 1,
        out: None,
        write: false,
        engine: None,
        measured_s: None,
        cores: (0, 1),
    };
    let mut table = None;
    let mut parser = Parser::from_args(words);
    while let Some(arg) = parser.next().map_err(|error| error.to_string())? {
        let Arg::Long(name) = arg else { return Err(format!("what is {arg:?}? --help")) };
        let name = name.to_owned();
        let mut value = || parser.value().and_then(|value| value.string()).map_err(|error| error.to_string());
        match name.as_str() {
            "servers" => plan.servers = named(&value()?, servers::find)?,
            "cases" => plan.cases = named(&value()?, cases::find)?,
            "all" => (plan.cases, plan.repetitions) = (CASES.iter().collect(), 3),
            "reps" => plan.repetitions = number(&value()?)?,
            "seconds" => plan.measured_s = Some(number(&value()?)?),
            "out" => plan.out = Some(value()?.into()),
            "write" => plan.write = true,
            "engine" => plan.engine = Some(value()?.into()),
            "cores" => {
                let cores = value()?;
                let (server, load) = cores.split_once(',').ok_or("--cores SERVER,LOAD, like 0,1")?;
                plan.cores = (number(server)?, number(load)?);
            }
            "table" => table = Some(value()?.into()),
            "help" => return Ok(Command::Help),
            _ => return Err(format!("there is no --{name}; --help shows what there is")),
        }
    }
    Ok(match table {
        Some(file) => Command::Table { file, write: plan.write },
        None => Command::Run(plan),
    })
}

fn named<T>(names: &str, find: fn(&str) -> Option<T>) -> Result<Vec<T>, String> {
    names.split(',').map(|name| find(name).ok_or_else(|| format!("there is no {name:?}; --help"))).collect()
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text:?} is no such number"))
}

/// What `--help` prints.
pub(crate) fn help() -> String {
    let mut out = String::from(HELP);
    out.push_str("\nServers:\n");
    for server in SERVERS {
        out.push_str(&format!("  {:14}{}\n", server.name, server.meaning));
    }
    out.push_str("\nCases (* with --all only):\n");
    for case in CASES {
        let star = if case.is_long { " *" } else { "" };
        out.push_str(&format!("  {:14}{}{star}\n", case.name, case.meaning));
    }
    out
}

const HELP: &str = "\
Runs the same chat against Klatsch and others, and prints a table of ratios.

  make bench                          the quick cases, once: some 20 minutes
  make bench ARGS='--all'             every case three times: some 90 minutes
  make bench ARGS='--servers klatsch,floor --cases fan100,churn'

  --servers A,B    only these
  --cases A,B      only these
  --all            the long cases too, and everything three times
  --reps N         everything so many times; the table shows medians
  --seconds S      measure each case for so long
  --cores S,L      the server's core and the load's, like 0,1 (the default)
  --out FILE       where the results go, a line a run; an earlier file is continued
  --table FILE     measure nothing: print the tables of such a file
  --write          put the tables into BENCHMARKS.md
  --engine FILE    measure this klatsch command, and build none
";

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(words: &[&str]) -> Result<Plan, String> {
        match parse(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>())? {
            Command::Run(plan) => Ok(plan),
            _ => Err("no plan".into()),
        }
    }

    #[test]
    fn servers_and_cases_can_be_chosen() {
        let plan = plan(&["--servers", "floor,ws", "--cases=churn", "--cores", "2,3"]).unwrap();
        assert_eq!(plan.servers.iter().map(|server| server.name).collect::<Vec<_>>(), ["floor", "ws"]);
        assert_eq!(plan.cases.iter().map(|case| case.name).collect::<Vec<_>>(), ["churn"]);
        assert_eq!(plan.cores, (2, 3));
    }

    #[test]
    fn long_cases_are_left_out_unless_all_are_wanted() {
        assert!(plan(&[]).unwrap().cases.iter().all(|case| !case.is_long));
        assert_eq!(plan(&["--all"]).unwrap().cases.len(), CASES.len());
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for words in [&["--servers", "apache"][..], &["--reps", "many"], &["--fast"], &["now"]] {
            let Err(said) = plan(words) else { panic!("{words:?}") };
            assert!(words.iter().any(|word| said.contains(word.trim_start_matches('-'))), "{said}");
        }
    }
}
