//! The machine that the tool runs on: disk, memory, processors.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use sysinfo::System;

use super::{GB, Judged, MB, Request, enter, pass, sized};
use crate::database::finding::{Findings, Verdict};

/// Below this a migration beside a running server swaps.
const AVAILABLE_MIN: u64 = 2 * GB;

/// Above this share of its processors a machine has other things to do.
const LOAD_PER_CORE_MAX: f64 = 0.8;

/// What the machine has.
pub(super) struct Machine {
    /// Bytes; of the container where one sets a limit.
    pub(super) memory_total: u64,
    memory_available: u64,
    cores: usize,
    /// Over 1, 5 and 15 minutes.
    load: [f64; 3],
}

impl Machine {
    pub(super) fn read() -> Self {
        let mut system = System::new();
        system.refresh_memory();
        let (mut total, mut available) = (system.total_memory(), system.available_memory());
        if let Some(limits) = system.cgroup_limits().filter(|limits| limits.total_memory < total) {
            total = limits.total_memory;
            available = available.min(total.saturating_sub(limits.rss));
        }
        let load = System::load_average();
        Self {
            memory_total: total,
            memory_available: available,
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            load: [load.one, load.five, load.fifteen],
        }
    }
}

pub(super) fn check(
    findings: &mut Findings,
    machine: &Machine,
    request: &Request,
    data_directory: Option<&Path>,
) {
    disks(findings, request, data_directory);
    let Machine { memory_total, memory_available, cores, load } = machine;
    let judged = memory(*memory_total, *memory_available, request.memory_min);
    enter(findings, ("host", "memory"), judged);
    enter(findings, ("host", "processors"), processors(*cores, *load));
}

/// A file system: bytes free for us, and which one it is.
pub(super) struct Space {
    pub(super) free: u64,
    device: u64,
}

/// The file system that a path is on, or will be on once it is made.
pub(super) fn space(path: &Path) -> std::io::Result<Space> {
    let there = nearest(path)?;
    let device = std::fs::metadata(&there)?.dev();
    let stat = rustix::fs::statvfs(&there)?;
    Ok(Space { free: stat.f_bavail.saturating_mul(stat.f_frsize), device })
}

/// The path, or the nearest one above it that exists.
pub(super) fn nearest(path: &Path) -> std::io::Result<PathBuf> {
    let whole = std::path::absolute(path)?;
    let there = whole.ancestors().find(|above| above.exists());
    Ok(there.unwrap_or(Path::new("/")).to_owned())
}

/// Each file system once. The one with the data decides; where it is not seen, those that are.
fn disks(findings: &mut Findings, request: &Request, data_directory: Option<&Path>) {
    let data =
        data_directory.and_then(|path| Some((path, space(path).ok().filter(|_| path.is_dir())?)));
    let root = space(Path::new("/"));
    let mut devices = Vec::new();
    match &root {
        Ok(root) => {
            let with_data = data.as_ref().is_some_and(|(_, data)| data.device == root.device);
            let place = if with_data { " (the data is on it)" } else { "" };
            let must = data.is_none() || with_data;
            let judged = disk(("Root filesystem", place), root.free, request.disk_min, must);
            enter(findings, ("host", "root disk"), judged);
            devices.push(root.device);
        }
        Err(error) => findings.skip("host", "root disk", error.to_string()),
    }
    let state = request.state_dir.as_path();
    let others = [
        ("disk of the data", "Data directory's filesystem", data.as_ref().map(|(path, _)| *path)),
        ("disk of the state", "State folder's filesystem", Some(state)),
    ];
    for (check, name, path) in others {
        let Some((path, Ok(space))) = path.map(|path| (path, space(path))) else { continue };
        if devices.contains(&space.device) {
            continue;
        }
        devices.push(space.device);
        let must = data.is_none() || check == "disk of the data";
        let place = format!(" ({})", path.display());
        enter(findings, ("host", check), disk((name, &place), space.free, request.disk_min, must));
    }
    if data.is_none() {
        let why = "not seen: on another machine, or hidden from this role";
        findings.skip("host", "disk of the data", why);
    }
}

/// `must`: too little is a failure.
fn disk((name, place): (&str, &str), free: u64, min: u64, must: bool) -> Judged {
    let found = format!("{name} space: {} available{place}", sized(free));
    if free >= min {
        return pass(found);
    }
    let verdict = if must { Verdict::Fail } else { Verdict::Warn };
    (verdict, found, format!("free {} there, or lower --min-disk", sized(min - free + GB / 10)))
}

fn memory(total: u64, available: u64, min: u64) -> Judged {
    let found = format!("Total memory: {}MB, Available: {}MB", total / MB, available / MB);
    match (total >= min, available >= AVAILABLE_MIN) {
        (false, _) => {
            let remedy = format!("use a machine with {}, or lower --min-memory", sized(min));
            (Verdict::Fail, found, remedy)
        }
        (true, false) => (
            Verdict::Warn,
            found,
            format!("stop other work: {} should be free", sized(AVAILABLE_MIN)),
        ),
        (true, true) => pass(found),
    }
}

fn processors(cores: usize, load: [f64; 3]) -> Judged {
    let [one, five, fifteen] = load;
    let found = format!(
        "CPU cores available: {cores}, Load average: {one:.2}, {five:.2}, {fifteen:.2} (1, 5, 15 min)"
    );
    let busy = f64::from(u32::try_from(cores).unwrap_or(u32::MAX)) * LOAD_PER_CORE_MAX;
    if one > busy {
        let remedy =
            format!("wait until the load is below {busy:.1}: figures will be slow till then");
        return (Verdict::Warn, found, remedy);
    }
    pass(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_gigabytes_are_enough_and_a_byte_less_is_not() {
        let judge = |free, must| disk(("Root filesystem", ""), free, 10 * GB, must);
        assert_eq!(judge(25 * GB, true), pass("Root filesystem space: 25GB available"));
        assert_eq!(judge(10 * GB, true).0, Verdict::Pass);
        let (verdict, found, remedy) = judge(10 * GB - 1, true);
        assert_eq!(
            (verdict, found.as_str()),
            (Verdict::Fail, "Root filesystem space: 9.9GB available")
        );
        assert!(remedy.contains("--min-disk"), "{remedy}");
        assert_eq!(judge(GB, false).0, Verdict::Warn);
    }

    #[test]
    fn memory_fails_by_its_total_and_warns_by_what_is_left() {
        let judge = |total, available| memory(total, available, 4 * GB);
        let enough = judge(8 * GB, 4 * GB);
        assert_eq!(enough, pass("Total memory: 8192MB, Available: 4096MB"));
        assert_eq!(judge(4 * GB, 2 * GB).0, Verdict::Pass);
        assert_eq!(judge(4 * GB, 2 * GB - 1).0, Verdict::Warn);
        assert_eq!(judge(4 * GB - 1, 3 * GB).0, Verdict::Fail);
    }

    #[test]
    fn a_load_above_four_fifths_of_the_processors_is_told() {
        assert_eq!(processors(8, [6.4, 0.0, 0.0]).0, Verdict::Pass);
        let (verdict, found, _) = processors(8, [6.41, 1.0, 0.5]);
        assert_eq!(verdict, Verdict::Warn);
        assert!(
            found.starts_with("CPU cores available: 8, Load average: 6.41, 1.00, 0.50"),
            "{found}"
        );
    }

    #[test]
    fn a_path_that_is_not_there_yet_is_looked_for_above() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("not/yet");
        assert_eq!(nearest(&deep).unwrap(), folder.path());
        assert!(space(&deep).unwrap().free > 0);
    }
}
