//! The README's snippets are programs: they are taken out, compiled, run, and say what they promise.
//!
//! A fence of "```rust run", "```c run" or "```js run" marks one. Its comments `// prints: …` are the lines
//! that it must write to stdout, in their order; then it must end by itself. The one in Rust lives in a fresh
//! project outside the workspace, which depends on the crate as anybody's project would.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use klatsch_tests::place::{built, cargo, compile_c, install_addon, root, succeeds};

#[derive(Debug, PartialEq, Eq)]
struct Snippet {
    language: String,
    code: String,
    /// The lines that it must print.
    prints: Vec<String>,
}

const LANGUAGES: [&str; 3] = ["rust", "c", "js"];

#[test]
fn the_readme_has_a_runnable_snippet_in_each_language() {
    let snippets = snippets(&readme());
    for language in LANGUAGES {
        let here = snippets.iter().filter(|snippet| snippet.language == language).count();
        assert!(here > 0, "README.md has no \"```{language} run\"");
    }
    for snippet in snippets {
        assert!(LANGUAGES.contains(&snippet.language.as_str()), "who runs {:?}?", snippet.language);
        assert!(!snippet.prints.is_empty(), "it promises nothing (// prints: …):\n{}", snippet.code);
    }
}

#[test]
fn the_readmes_rust_runs_in_a_fresh_project_outside_the_workspace() {
    let project = fresh_folder("rust");
    let snippets = in_language("rust");
    for (number, snippet) in snippets.iter().enumerate() {
        write(&project.join(format!("src/bin/snippet-{number}.rs")), &snippet.code);
    }
    // The profile of the workspace, so that the dependencies in its folder fit; the lock file, so that nothing is
    // downloaded. `[workspace]`: it is nobody's member.
    write(
        &project.join("Cargo.toml"),
        &format!(
            "[package]\nname = \"fresh\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
             [dependencies]\nklatsch = {{ path = {:?} }}\n\
             tokio = {{ version = \"1\", default-features = false, features = [\"rt\", \"net\", \"time\"] }}\n\n\
             [profile.dev]\nopt-level = 1\ndebug = \"line-tables-only\"\n\n[workspace]\n",
            root().join("core")
        ),
    );
    std::fs::copy(root().join("Cargo.lock"), project.join("Cargo.lock")).expect("the lock file is copied");
    let mut cargo = cargo();
    let folder = built().parent().expect("debug is in target").to_path_buf();
    cargo.args(["build", "--offline", "--target-dir"]).arg(&folder).current_dir(&project);
    succeeds(&mut cargo);
    for (number, snippet) in snippets.iter().enumerate() {
        keeps_its_promise(snippet, &mut Command::new(built().join(format!("snippet-{number}"))));
    }
}

#[test]
fn the_readmes_c_compiles_without_a_warning_and_runs() {
    let folder = fresh_folder("c");
    for (number, snippet) in in_language("c").iter().enumerate() {
        let (source, program) = (folder.join(format!("{number}.c")), folder.join(number.to_string()));
        write(&source, &snippet.code);
        compile_c(&source, &program);
        keeps_its_promise(snippet, &mut Command::new(program));
    }
}

#[test]
fn the_readmes_javascript_runs_where_the_package_is_installed() {
    let folder = fresh_folder("js");
    let modules = folder.join("node_modules");
    std::fs::create_dir_all(&modules).expect("a folder can be made");
    std::os::unix::fs::symlink(root().join("node"), modules.join("klatsch"))
        .expect("the package can be linked");
    install_addon();
    for (number, snippet) in in_language("js").iter().enumerate() {
        let kind = if snippet.code.contains("require(") { "cjs" } else { "mjs" };
        let source = folder.join(format!("{number}.{kind}"));
        write(&source, &snippet.code);
        let mut node = Command::new("node");
        keeps_its_promise(snippet, node.arg(source).current_dir(&folder));
    }
}

#[test]
fn a_snippet_is_what_stands_between_marked_fences() {
    let readme = "# x\n```rust\nnot run\n```\n```rust run\nfn main() {} // prints: one\n// prints: two three\n```\n\
                  ```sh\nls\n```\n```c run\nint main;\n```\n";
    let found = snippets(readme);
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].prints, ["one", "two three"]);
    assert_eq!(found[1], Snippet { language: "c".into(), code: "int main;\n".into(), prints: Vec::new() });
}

#[test]
fn a_promise_that_is_not_kept_is_noticed() {
    let prints = |lines: &[&str]| lines.iter().map(|&line| line.to_owned()).collect::<Vec<_>>();
    assert!(prints_all(&prints(&["a", "b"]), "a\nx\nb\n"));
    assert!(!prints_all(&prints(&["b", "a"]), "a\nb\n"), "the order counts");
    assert!(!prints_all(&prints(&["a", "a"]), "a\nb\n"));
}

fn in_language(language: &str) -> Vec<Snippet> {
    let found: Vec<_> =
        snippets(&readme()).into_iter().filter(|snippet| snippet.language == language).collect();
    assert!(!found.is_empty(), "README.md has no \"```{language} run\"");
    found
}

fn snippets(readme: &str) -> Vec<Snippet> {
    let mut found = Vec::new();
    let mut lines = readme.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let code: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        if let Some(language) = info.strip_suffix(" run") {
            let prints =
                code.iter().filter_map(|line| Some(line.split_once("// prints: ")?.1.to_owned())).collect();
            found.push(Snippet { language: language.to_owned(), code: code.join("\n") + "\n", prints });
        }
    }
    found
}

/// Runs a snippet to its end, which it must find by itself, and looks at what it printed.
fn keeps_its_promise(snippet: &Snippet, program: &mut Command) {
    let (output, words) = run(program);
    assert!(
        prints_all(&snippet.prints, &output),
        "it must print {:?}, and printed:\n{output}{words}",
        snippet.prints
    );
}

/// Whether these lines stand in the output, in their order.
fn prints_all(lines: &[String], output: &str) -> bool {
    let mut printed = output.lines();
    lines.iter().all(|line| printed.any(|printed| printed == line))
}

fn run(program: &mut Command) -> (String, String) {
    let mut child =
        program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    let until = Instant::now() + DEADLINE;
    while child.try_wait().expect("a child can be waited for").is_none() {
        if Instant::now() > until {
            child.kill().expect("a child can be ended");
            let output = child.wait_with_output().expect("a child can be waited for");
            panic!("it does not end by itself; it printed:\n{}", String::from_utf8_lossy(&output.stdout));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = child.wait_with_output().expect("a child can be waited for");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{}: {words}", output.status);
    (String::from_utf8_lossy(&output.stdout).into_owned(), words)
}

/// An empty folder outside the workspace: always the same for the same workspace, so that cargo knows what it
/// built there last time.
fn fresh_folder(name: &str) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    root().hash(&mut hasher);
    let folder = std::env::temp_dir().join(format!("klatsch-fresh-{:016x}", hasher.finish())).join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).expect("the last time's folder can go");
    }
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    folder
}

fn write(file: &Path, text: &str) {
    std::fs::create_dir_all(file.parent().expect("a file is in a folder")).expect("a folder can be made");
    std::fs::write(file, text).expect("a file can be written");
}

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).expect("there is a README.md")
}

const DEADLINE: Duration = Duration::from_secs(30);
