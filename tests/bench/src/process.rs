//! What a process and its children have used so far: the kernel's own account.

use std::fs;

use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;

/// The process and all that descend from it.
pub(crate) fn tree(pid: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let parents: Vec<(u32, u32)> = entries
        .filter_map(|entry| {
            let child = entry.file_name().to_str()?.parse().ok()?;
            Some((child, stat(child)?.get(1)?.parse().ok()?))
        })
        .collect();
    let mut found = vec![pid];
    let mut next = 0;
    while next < found.len() {
        let parent = found[next];
        let children = parents.iter().filter(|(_, its_parent)| *its_parent == parent);
        found.extend(children.map(|(child, _)| *child));
        next += 1;
    }
    found
}

/// Seconds that these processes have run, to the nanosecond, in threads that have ended too.
pub(crate) fn cpu_s(pids: &[u32]) -> f64 {
    let times = pids.iter().filter_map(|&pid| {
        let clock = clock_getcpuclockid(Pid::from_raw(pid as i32)).ok()?;
        let time = clock.now().ok()?;
        Some(time.tv_sec() as f64 + time.tv_nsec() as f64 / 1e9)
    });
    times.sum()
}

/// Bytes of these processes that are in memory.
pub(crate) fn resident_bytes(pids: &[u32]) -> f64 {
    let kilobytes = pids.iter().filter_map(|pid| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.split_ascii_whitespace().next()?.parse::<f64>().ok()
    });
    kilobytes.sum::<f64>() * 1024.0
}

/// The words of `/proc/PID/stat` behind the name, which may hold anything: the state first, then the parent.
fn stat(pid: u32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(stat[stat.rfind(')')? + 1..].split_ascii_whitespace().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_seen_to_work() {
        let pids = tree(std::process::id());
        let before = cpu_s(&pids);
        let start = std::time::Instant::now();
        while cpu_s(&pids) < before + 0.02 {
            assert!(start.elapsed().as_secs() < 60, "working costs no time");
        }
        assert!(resident_bytes(&pids) > 100_000.0);
    }

    #[test]
    fn a_child_belongs_to_its_parent() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        assert!(tree(std::process::id()).contains(&child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
