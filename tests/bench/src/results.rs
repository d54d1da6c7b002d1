//! What came out: every run as a line of JSON, written as soon as it is over.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

/// One run of one case against one server.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Run {
    pub(crate) case: String,
    pub(crate) server: String,
    /// What was wrong; empty: nothing.
    pub(crate) words: String,
    pub(crate) figures: BTreeMap<String, f64>,
}

/// What is known so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Results {
    pub(crate) runs: Vec<Run>,
    /// The machine and the versions: what, and which.
    pub(crate) about: BTreeMap<String, String>,
}

impl Results {
    /// Reads a file of lines; one that is not there holds nothing.
    ///
    /// # Errors
    /// The line that cannot be read.
    pub(crate) fn read(file: &Path) -> Result<Results, String> {
        let mut results = Results::default();
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(results),
            Err(error) => return Err(format!("{}: {error}", file.display())),
        };
        for (at, line) in text.lines().enumerate() {
            results
                .take(line)
                .ok_or_else(|| format!("{}:{}: no line of this bench", file.display(), at + 1))?;
        }
        Ok(results)
    }

    fn take(&mut self, line: &str) -> Option<()> {
        let value: Value = serde_json::from_str(line).ok()?;
        if let Some(about) = value.get("about") {
            let pairs = about.as_object()?.iter();
            self.about
                .extend(pairs.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))));
            return Some(());
        }
        let text = |key: &str| Some(value.get(key)?.as_str()?.to_owned());
        let figures = value.get("figures")?.as_object()?.iter();
        self.runs.push(Run {
            case: text("case")?,
            server: text("server")?,
            words: text("words")?,
            figures: figures.filter_map(|(name, value)| Some((name.clone(), value.as_f64()?))).collect(),
        });
        Some(())
    }

    /// Adds a run, here and at the end of the file.
    pub(crate) fn add(&mut self, run: Run, file: &Path) -> Result<(), String> {
        append(
            file,
            &json!({
                "case": run.case, "server": run.server, "words": run.words, "figures": run.figures
            }),
        )?;
        self.runs.push(run);
        Ok(())
    }

    /// Says what was measured with, here and at the end of the file.
    pub(crate) fn tell(&mut self, about: BTreeMap<String, String>, file: &Path) -> Result<(), String> {
        append(file, &json!({ "about": about }))?;
        self.about.extend(about);
        Ok(())
    }

    /// The median of a figure over the runs that went well.
    pub(crate) fn median(&self, case: &str, server: &str, figure: &str) -> Option<f64> {
        let runs = self.runs.iter().filter(|run| run.case == case && run.server == server);
        let well = runs.filter(|run| run.words.is_empty());
        let mut values: Vec<f64> = well.filter_map(|run| run.figures.get(figure).copied()).collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        match values.len() {
            0 => None,
            count if count % 2 == 0 => Some(f64::midpoint(values[middle - 1], values[middle])),
            _ => Some(values[middle]),
        }
    }

    /// How many runs there were, and how many of them went well.
    pub(crate) fn count(&self, case: &str, server: &str) -> (usize, usize) {
        let runs: Vec<&Run> =
            self.runs.iter().filter(|run| run.case == case && run.server == server).collect();
        (runs.len(), runs.iter().filter(|run| run.words.is_empty()).count())
    }
}

fn append(file: &Path, line: &Value) -> Result<(), String> {
    let words = |error| format!("{}: {error}", file.display());
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(words)?;
    }
    let mut file = OpenOptions::new().create(true).append(true).open(file).map_err(words)?;
    file.write_all(format!("{line}\n").as_bytes()).map_err(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(value: f64, words: &str) -> Run {
        Run {
            case: "fan100".into(),
            server: "floor".into(),
            words: words.into(),
            figures: BTreeMap::from([("ns_per_delivery".into(), value)]),
        }
    }

    #[test]
    fn the_median_leaves_out_what_went_wrong() {
        let mut results = Results::default();
        assert_eq!(results.median("fan100", "floor", "ns_per_delivery"), None);
        results.runs = vec![run(1.0, ""), run(9.0, ""), run(2.0, ""), run(1000.0, "lost one")];
        assert_eq!(results.median("fan100", "floor", "ns_per_delivery"), Some(2.0));
        assert_eq!(results.count("fan100", "floor"), (4, 3));
        results.runs.push(run(4.0, ""));
        assert_eq!(results.median("fan100", "floor", "ns_per_delivery"), Some(3.0));
    }

    #[test]
    fn what_is_written_is_read_back() {
        let folder = std::env::temp_dir().join(format!("klatsch-bench-results-{}", std::process::id()));
        let file = folder.join("results.jsonl");
        let mut results = Results::default();
        assert_eq!(Results::read(&file), Ok(Results::default()));
        results.tell(BTreeMap::from([("kernel".into(), "6".into())]), &file).unwrap();
        results.add(run(1.5, ""), &file).unwrap();
        results.add(run(2.5, "lost \"one\""), &file).unwrap();
        assert_eq!(Results::read(&file), Ok(results));
        std::fs::write(&file, "nonsense\n").unwrap();
        assert!(Results::read(&file).unwrap_err().contains(":1:"));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
