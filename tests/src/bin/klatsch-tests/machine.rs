//! What the tests need beside Rust, Node and a C compiler: installed, or named.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::child;
use crate::count::Count;

/// Something that the operating system provides.
struct Package {
    /// Debian's name for it.
    name: &'static str,
    /// A program, or a folder, that shows that it is here.
    shown_by: &'static str,
    /// What is left out without it.
    purpose: &'static str,
}

const PACKAGES: [Package; 6] = [
    Package { name: "g++", shown_by: "g++", purpose: "the C header in C++" },
    Package { name: "pkg-config", shown_by: "pkg-config", purpose: "the installed C library" },
    Package { name: "python3-venv", shown_by: "python3", purpose: "the Autobahn suite" },
    Package { name: "chromium", shown_by: "chromium", purpose: "the browser tests" },
    Package { name: "valgrind", shown_by: "valgrind", purpose: "the C example under memcheck" },
    Package {
        name: "fonts-noto-cjk",
        shown_by: "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
        purpose: "the page's Korean and Japanese text, as pictures",
    },
];

/// Installs what is missing; counts a skip for each thing that stays missing.
pub(crate) fn prepare(root: &Path) -> Count {
    let mut count = Count::default();
    if PACKAGES.iter().any(|package| !package.is_here()) {
        install_packages();
    }
    for package in PACKAGES.iter().filter(|package| !package.is_here()) {
        println!("   SKIPPED {}: install the package {}", package.purpose, package.name);
        count += Count::SKIPPED;
    }
    for folder in locked_folders(root) {
        let changed = |file: &str| folder.join(file).metadata().and_then(|metadata| metadata.modified()).ok();
        let installed = changed("node_modules/.package-lock.json");
        if installed.is_none() || installed < changed("package-lock.json") {
            count += npm(&["ci"], &folder);
        }
    }
    // They have no lock file: the package beside them is all they stand on.
    let examples = root.join("examples/node");
    if !examples.join("node_modules/klatsch").exists() {
        count += npm(&["install", "--no-package-lock"], &examples);
    }
    count
}

/// Whether a program is on the `PATH`.
pub(crate) fn has_program(name: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(name).is_file()))
}

impl Package {
    fn is_here(&self) -> bool {
        match self.shown_by.starts_with('/') {
            true => Path::new(self.shown_by).exists(),
            false => has_program(self.shown_by),
        }
    }
}

/// By Debian's own tool, and only as root: else they are named, and their tests counted as skipped.
fn install_packages() {
    let names = PACKAGES.iter().filter(|package| !package.is_here()).map(|package| package.name);
    let names: Vec<&str> = names.collect();
    let is_root = child::run(Command::new("id").arg("-u"), QUICK).output == ["0"];
    if !is_root || !has_program("apt-get") {
        println!("   missing: {0} (on Debian: sudo apt-get install {0})", names.join(" "));
        return;
    }
    println!("   installing {}", names.join(" "));
    for words in
        [&["update", "-q"][..], &[&["install", "-qy", "--no-install-recommends"], &names[..]].concat()]
    {
        let ended =
            child::run(Command::new("apt-get").args(words).env("DEBIAN_FRONTEND", "noninteractive"), LONG);
        if !ended.well {
            println!("{}\n   {}", ended.output.join("\n"), ended.words);
            return;
        }
    }
}

/// Every folder with a lock file of npm, but that of the bench's peers, which only the bench needs.
fn locked_folders(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            if name == "package-lock.json" {
                found.push(folder.clone());
            } else if path.is_dir()
                && !path.is_symlink()
                && name != "node_modules"
                && name != "target"
                && name != ".git"
                && name != "peers"
            {
                folders.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Installs what a folder stands on. No scripts are run: the native half of the package comes from cargo, the
/// browser from the system.
fn npm(words: &[&str], folder: &Path) -> Count {
    println!("   npm {} in {}", words.join(" "), folder.display());
    let quiet = ["--ignore-scripts", "--no-audit", "--no-fund"];
    let ended = child::run(Command::new("npm").args(words).args(quiet).current_dir(folder), LONG);
    if ended.well {
        return Count::default();
    }
    println!("{}\n   FAILED {}", ended.output.join("\n"), ended.words);
    Count::FAILED
}

const QUICK: Duration = Duration::from_secs(30);
const LONG: Duration = Duration::from_secs(15 * 60);
