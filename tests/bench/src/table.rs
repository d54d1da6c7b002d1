//! The results as tables: ratios, goals, and every case by itself. Markdown, so that they can stand in a document.

use std::fmt::Write;

use crate::cases::{Bound, CASES, Case, Figure, Goal, Of};
use crate::results::Results;
use crate::servers::{SERVERS, Server};

/// All tables.
pub(crate) fn text(results: &Results) -> String {
    let mut out = ratios(results);
    out.push_str(&dialects(results));
    out.push_str(&goals(results));
    for case in CASES {
        out.push_str(&details(results, case));
    }
    out
}

/// The table of ratios: cases down, servers across; each cell is so many times the bare loop, and so many times Bun.
fn ratios(results: &Results) -> String {
    let is_there = |server: &&Server| {
        CASES.iter().any(|case| {
            case.figures.iter().any(|figure| {
                figure.is_compared && results.median(case.name, server.name, figure.name).is_some()
            })
        })
    };
    let servers: Vec<&Server> = SERVERS.iter().filter(is_there).collect();
    if servers.is_empty() {
        return String::new();
    }
    let mut out = String::from(
        "### Ratios\n\nTimes the bare loop / times Bun, of the same figure in the same run.\n\n",
    );
    let names: Vec<&str> = servers.iter().map(|server| server.name).collect();
    let _ = writeln!(out, "| case | bare loop | {} |", names.join(" | "));
    let _ = writeln!(out, "|{}", " --- |".repeat(names.len() + 2));
    for case in CASES {
        for figure in case.figures.iter().filter(|figure| figure.is_compared) {
            let value = |server: &str| results.median(case.name, server, figure.name);
            let cells: Vec<String> = servers
                .iter()
                .map(|server| ratio_cell(value(server.name), value("floor"), value("bun")))
                .collect();
            if cells.iter().any(|cell| cell != NOTHING) && case.tutorial().is_none() {
                let floor = value("floor").map_or(NOTHING.into(), |floor| shown(floor, figure));
                let _ =
                    writeln!(out, "| {}, {} | {floor} | {} |", case.name, figure.title, cells.join(" | "));
            }
        }
    }
    out.push('\n');
    out
}

fn ratio_cell(value: Option<f64>, floor: Option<f64>, bun: Option<f64>) -> String {
    let times = |base: Option<f64>| match (value, base) {
        (Some(value), Some(base)) if base > 0.0 => round(value / base),
        _ => NOTHING.into(),
    };
    match value {
        Some(_) => format!("{} / {}", times(floor), times(bun)),
        None => NOTHING.into(),
    }
}

/// What `klatsch.v1` costs beside the tutorial's texts, of the same engine in the same run.
fn dialects(results: &Results) -> String {
    let mut rows = String::new();
    for case in CASES {
        let Some(tutorial) = case.tutorial() else { continue };
        for figure in case.figures {
            let value = |case: &Case| results.median(case.name, "klatsch", figure.name);
            if let (Some(plain), Some(v1)) = (value(tutorial), value(case))
                && plain > 0.0
            {
                let (times, plain, v1) = (round(v1 / plain), shown(plain, figure), shown(v1, figure));
                let _ = writeln!(rows, "| {}, {} | {plain} | {v1} | {times} |", case.name, figure.title);
            }
        }
    }
    match rows.is_empty() {
        true => rows,
        false => format!(
            "### `klatsch.v1` beside the tutorial's texts\n\nThis engine, the same load in the same run.\n\n\
             | case | tutorial | `klatsch.v1` | times |\n| --- | --- | --- | --- |\n{rows}\n"
        ),
    }
}

/// What Klatsch is to reach, and what it does reach.
fn goals(results: &Results) -> String {
    let mut out = String::new();
    for case in CASES {
        for goal in case.goals {
            if let Some((meaning, reached, is_met)) = judged(results, case, goal) {
                let verdict = if is_met { "yes" } else { "**no**" };
                let _ = writeln!(out, "| {} | {meaning} | {reached} | {verdict} |", case.name);
            }
        }
    }
    for twin in SERVERS.iter().filter(|server| server.is_twin) {
        for case in CASES.iter().filter(|case| twin.is_in(case)) {
            let value = |server: &str| results.median(case.name, server, "ns_per_delivery");
            if let (Some(twin_value), Some(own)) = (value(twin.name), value("klatsch")) {
                let ratio = twin_value / own;
                let verdict = if ratio <= TWIN_LIMIT { "yes" } else { "**no**" };
                let _ = writeln!(
                    out,
                    "| {} | {}: ns per delivery ≤ {TWIN_LIMIT} × klatsch | {ratio:.2} | {verdict} |",
                    case.name, twin.name
                );
            }
        }
    }
    match out.is_empty() {
        true => out,
        false => {
            format!("### Goals\n\n| case | goal | klatsch | reached |\n| --- | --- | --- | --- |\n{out}\n")
        }
    }
}

/// A goal in words, the figure as the goal counts it, and whether it is met; `None` when something was not measured.
fn judged(results: &Results, case: &Case, goal: &Goal) -> Option<(String, String, bool)> {
    let figure = case.figures.iter().find(|figure| figure.name == goal.figure)?;
    let own = results.median(case.name, "klatsch", goal.figure)?;
    let base = match goal.of {
        Of::Number => 1.0,
        Of::Server(server) => results.median(case.name, server, goal.figure)?,
        Of::Case(other) => results.median(other, "klatsch", goal.figure)?,
        Of::BestPeer => {
            let peers =
                SERVERS.iter().filter(|server| !server.name.starts_with("klatsch") && server.name != "floor");
            let values = peers.filter_map(|peer| results.median(case.name, peer.name, goal.figure));
            values.min_by(f64::total_cmp)?
        }
    };
    let reached = own / base;
    let (sign, is_met) = match goal.bound {
        Bound::AtMost => ("≤", reached <= goal.limit),
        Bound::AtLeast => ("≥", reached >= goal.limit),
    };
    let (limit, of, reached) = match goal.of {
        Of::Number => (shown(goal.limit, figure), String::new(), shown(reached, figure)),
        Of::Server(server) => (round(goal.limit), format!(" × {server}"), round(reached)),
        Of::Case(other) => (round(goal.limit), format!(" × {other}"), round(reached)),
        Of::BestPeer => (round(goal.limit), " × the best peer".into(), round(reached)),
    };
    Some((format!("{} {sign} {limit}{of}", figure.title), reached, is_met))
}

/// Every figure of a case, and what went wrong.
fn details(results: &Results, case: &Case) -> String {
    let mut rows = String::new();
    let mut failures = String::new();
    for server in SERVERS {
        let (count, well) = results.count(case.name, server.name);
        if count == 0 {
            continue;
        }
        let value = |figure: &Figure| results.median(case.name, server.name, figure.name);
        let cells: Vec<String> = case
            .figures
            .iter()
            .map(|figure| value(figure).map_or(NOTHING.into(), |value| shown(value, figure)))
            .collect();
        let _ = writeln!(rows, "| {} | {} | {well}/{count} |", server.name, cells.join(" | "));
        let runs = results.runs.iter().filter(|run| run.case == case.name && run.server == server.name);
        for run in runs.filter(|run| !run.words.is_empty()) {
            let _ = writeln!(failures, "- {}: {}", server.name, run.words.replace('|', "/"));
        }
    }
    if rows.is_empty() {
        return String::new();
    }
    let titles: Vec<&str> = case.figures.iter().map(|figure| figure.title).collect();
    let mut out = format!(
        "### {}\n\n{}.\n\n| server | {} | runs well |\n",
        case.name,
        capital(case.meaning),
        titles.join(" | ")
    );
    let _ = writeln!(out, "|{}", " --- |".repeat(titles.len() + 2));
    out.push_str(&rows);
    if !failures.is_empty() {
        let _ = write!(out, "\nWhat went wrong, and was left out:\n\n{failures}");
    }
    out.push('\n');
    out
}

fn shown(value: f64, figure: &Figure) -> String {
    format!("{:.*}", figure.digits, value / figure.divisor)
}

/// A ratio, with as many digits as it deserves.
fn round(ratio: f64) -> String {
    match ratio {
        ratio if ratio < 0.1 => format!("{ratio:.3}"),
        ratio if ratio < 10.0 => format!("{ratio:.2}"),
        ratio => format!("{ratio:.0}"),
    }
}

fn capital(words: &str) -> String {
    let mut chars = words.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

const NOTHING: &str = "–";

/// How much a delivery may cost in another host, compared with the command.
const TWIN_LIMIT: f64 = 1.05;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::results::Run;

    fn results(runs: &[(&str, &str, f64, &str)]) -> Results {
        let run = |&(case, server, value, words): &(&str, &str, f64, &str)| Run {
            case: case.into(),
            server: server.into(),
            words: words.into(),
            figures: BTreeMap::from([("ns_per_delivery".into(), value)]),
        };
        Results { runs: runs.iter().map(run).collect(), about: BTreeMap::new() }
    }

    #[test]
    fn nothing_measured_gives_no_table() {
        assert_eq!(text(&Results::default()), "");
    }

    #[test]
    fn ratios_are_to_the_bare_loop_and_to_bun() {
        let text = text(&results(&[
            ("fan100", "klatsch", 100.0, ""),
            ("fan100", "floor", 200.0, ""),
            ("fan100", "bun", 400.0, ""),
        ]));
        assert!(
            text.contains("| fan100, ns per delivery | 200 | 0.50 / 0.25 | 1.00 / 0.50 | 2.00 / 1.00 |"),
            "{text}"
        );
        assert!(text.contains("| fan100 | ns per delivery ≤ 1.00 × floor | 0.50 | yes |"), "{text}");
    }

    #[test]
    fn klatsch_v1_stands_beside_the_tutorial() {
        let both = [("fan100", "klatsch", 100.0, ""), ("fan100-v1", "klatsch", 150.0, "")];
        let text = text(&results(&both));
        assert!(text.contains("| fan100-v1, ns per delivery | 100 | 150 | 1.50 |"), "{text}");
        assert_eq!(dialects(&results(&both[1..])), "", "there is nothing to stand beside");
    }

    #[test]
    fn a_goal_that_is_missed_is_said_so() {
        let text = text(&results(&[("fan100", "klatsch", 300.0, ""), ("fan100", "floor", 200.0, "")]));
        assert!(text.contains("| fan100 | ns per delivery ≤ 1.00 × floor | 1.50 | **no** |"), "{text}");
        assert!(!text.contains("× bun"), "Bun was not measured: {text}");
    }

    #[test]
    fn what_went_wrong_is_told_and_left_out() {
        let text = text(&results(&[("fan100", "ws", 1.0, "12 deliveries missing")]));
        assert!(text.contains("| ws | – | – | – | – | 0/1 |"), "{text}");
        assert!(text.contains("- ws: 12 deliveries missing"), "{text}");
    }
}
