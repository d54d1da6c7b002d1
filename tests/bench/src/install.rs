//! Builds and installs what is to be measured. What cannot be had is said, and its servers are left out.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::launch::ended_in_time;
use crate::servers::{Needs, Place};

/// Makes what these servers need. Gives what could not be made, with its words.
pub(crate) fn prepare(place: &Place, needs: &[Needs], is_engine_given: bool) -> Vec<(Needs, String)> {
    let mut failed = Vec::new();
    let every = [Needs::Engine, Needs::NodeDoor, Needs::CDoor, Needs::NodePeers, Needs::RustPeers];
    for need in every.into_iter().filter(|need| needs.contains(need)) {
        let made = match need {
            Needs::Engine if is_engine_given => Ok(()),
            Needs::Engine => cargo(place, &["-p", "klatsch-cli"]),
            Needs::NodeDoor => node_door(place),
            Needs::CDoor => c_door(place),
            Needs::NodePeers => npm(place),
            Needs::RustPeers => rust_peers(place),
        };
        if let Err(words) = made {
            failed.push((need, words));
        }
    }
    failed
}

/// A certificate for `localhost`, and its key, unless an earlier run has made them: another one may be running.
pub(crate) fn certificate(place: &Place) -> Result<(), String> {
    if Path::new(&place.certificate()).exists() && Path::new(&place.key()).exists() {
        return Ok(());
    }
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
    let made = made.map_err(|error| format!("certificate: {error}"))?;
    let files = [(place.certificate(), made.cert.pem()), (place.key(), made.signing_key.serialize_pem())];
    for (file, pem) in files {
        std::fs::write(&file, pem).map_err(|error| format!("{file}: {error}"))?;
    }
    Ok(())
}

fn cargo(place: &Place, words: &[&str]) -> Result<(), String> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    command.args(["build", "--release"]).args(words).current_dir(&place.bench);
    // What cargo says about us would make some build scripts run again.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    done(place, "cargo", &mut command)
}

/// The npm package, copied beside the results, so that the one in the checkout stays as it is.
fn node_door(place: &Place) -> Result<(), String> {
    cargo(place, &["-p", "klatsch-node"])?;
    let (source, target) = (place.bench.join("../../node"), place.work.join("node/klatsch"));
    copy(&source, &target)?;
    let library = built(place, &format!("libklatsch_node{}", std::env::consts::DLL_SUFFIX));
    let mut node = Command::new("node");
    done(place, "node-door", node.arg(target.join("build.mjs")).env("KLATSCH_NATIVE", library))
}

/// The C program, with the static library in it, as `ffi/package.sh` lays it out.
fn c_door(place: &Place) -> Result<(), String> {
    cargo(place, &["--lib", "-p", "klatsch-ffi"])?;
    let prefix = place.work.join("c");
    let mut package = Command::new("sh");
    package.arg(place.bench.join("../../ffi/package.sh")).arg(&prefix);
    done(place, "package", package.env("KLATSCH_BUILT", built(place, "")))?;
    let mut cc = Command::new("cc");
    cc.args(["-O2", "-o"]).arg(prefix.join("klatsch-c")).arg(place.bench.join("peers/c/klatsch.c"));
    cc.arg("-I").arg(prefix.join("include")).arg(prefix.join("lib/libklatsch.a")).args(["-lgcc_s", "-lm"]);
    done(place, "cc", &mut cc)
}

fn npm(place: &Place) -> Result<(), String> {
    let folder = place.bench.join("peers/node");
    let changed = |file: &str| folder.join(file).metadata().and_then(|metadata| metadata.modified()).ok();
    let installed = changed("node_modules/.package-lock.json");
    if installed.is_some() && installed >= changed("package-lock.json") {
        return Ok(());
    }
    done(place, "npm", Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&folder))
}

fn rust_peers(place: &Place) -> Result<(), String> {
    let manifest = place.bench.join("peers/rust/Cargo.toml").display().to_string();
    let target = place.work.join("rust").display().to_string();
    cargo(place, &["--locked", "--manifest-path", &manifest, "--target-dir", &target])
}

/// Something that cargo has built for release; nothing: the folder.
fn built(place: &Place, name: &str) -> PathBuf {
    place.work.join("../release").join(name)
}

/// Copies a folder, but not what was installed or built in it.
fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let words = |error| format!("{}: {error}", from.display());
    std::fs::create_dir_all(to).map_err(words)?;
    for entry in std::fs::read_dir(from).map_err(words)?.flatten() {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_file() {
            std::fs::copy(&source, &target).map_err(words)?;
        } else if entry.file_name() != "node_modules" && entry.file_name() != "prebuilds" {
            copy(&source, &target)?;
        }
    }
    Ok(())
}

/// Runs a program to its end. What it says is kept, and shown if it fails.
fn done(place: &Place, name: &str, command: &mut Command) -> Result<(), String> {
    let log = place.logs.join(format!("install-{name}.log"));
    let file = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
    let errors = file.try_clone().map_err(|error| error.to_string())?;
    let words: Vec<_> = std::iter::once(command.get_program()).chain(command.get_args()).collect();
    let words = words.join(std::ffi::OsStr::new(" ")).to_string_lossy().into_owned();
    eprintln!("   {words}");
    let child = command.stdin(Stdio::null()).stdout(file).stderr(errors).spawn();
    let child = child.map_err(|error| format!("{words}: {error}"))?;
    match ended_in_time(child, BUILD_LIMIT) {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            let last: Vec<&str> = said.lines().rev().take(12).collect();
            Err(format!("{words}: {status}\n{}", last.into_iter().rev().collect::<Vec<_>>().join("\n")))
        }
        Err(words_of_time) => Err(format!("{words}: {words_of_time}")),
    }
}

/// A release build from nothing takes some minutes; a slow machine takes more.
const BUILD_LIMIT: Duration = Duration::from_secs(3600);
