//! Where things are, and how programs of other languages find the library that cargo built.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The repository.
///
/// # Panics
/// When this package is no folder of it.
pub fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("this package is a folder of the workspace").to_path_buf()
}

/// Where cargo puts what it builds: `target/debug`.
///
/// # Panics
/// When the program that asks is not there itself, or in `deps` beside it.
pub fn built() -> PathBuf {
    let program = std::env::current_exe().expect("the system knows where this program is");
    let folder = program.parent().expect("a program is in a folder");
    let is_test = folder.file_name().is_some_and(|name| name == "deps");
    let folder = if is_test { folder.parent().expect("deps is in a folder") } else { folder };
    folder.to_path_buf()
}

/// The cargo that runs us, without what it says about us: some build scripts run again when that has changed.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// Compiles a C program against the static library, as strictly as the header promises.
///
/// # Panics
/// With the compiler's words when it does not compile.
pub fn compile_c(source: &Path, program: &Path) {
    let mut cc = Command::new("cc");
    cc.args(["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-g", "-pthread", "-o"])
        .arg(program)
        .arg(source)
        .arg("-I")
        .arg(root().join("include"))
        .arg(needed("libklatsch_ffi.a"))
        .args(["-ldl", "-lm"]);
    succeeds(&mut cc);
}

/// Puts the addon that cargo built into the Node package; gives its file, for `KLATSCH_NATIVE`.
///
/// # Panics
/// With words when there is no addon or no Node.
pub fn install_addon() -> &'static Path {
    static ADDON: OnceLock<PathBuf> = OnceLock::new();
    ADDON.get_or_init(|| {
        let addon = needed(&format!("libklatsch_node{}", std::env::consts::DLL_SUFFIX));
        succeeds(Command::new("node").arg(root().join("node/build.mjs")).env("KLATSCH_NATIVE", &addon));
        addon
    })
}

/// A Python that has the packages of `tests/interop/requirements.txt`.
///
/// # Panics
/// When there is no Python with venv and pip, or no registry.
pub fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let folder = built().join("interop-python");
        let python = folder.join("bin/python");
        if !python.exists() {
            succeeds(Command::new("python3").args(["-m", "venv"]).arg(&folder));
        }
        let install = ["-m", "pip", "install", "--quiet", "--requirement"];
        let packages = root().join("tests/interop/requirements.txt");
        succeeds(Command::new(&python).args(install).arg(packages));
        python
    })
}

/// Runs a program to its end.
///
/// # Panics
/// With its words when it cannot be started or fails.
pub fn succeeds(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} cannot start: {error}"));
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{words}", output.status);
}

/// A library of another package, which cargo does not build for this one.
fn needed(name: &str) -> PathBuf {
    let file = built().join(name);
    assert!(file.exists(), "{} is missing: cargo build --workspace", file.display());
    file
}
