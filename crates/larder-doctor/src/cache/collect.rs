//! Reads the module cache of the failing process, without writing to it.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::entries::{self, Reading};
use super::{CacheFacts, CachedVersion};
use crate::project::writable;
use crate::settings::SettingFacts;
use crate::system::System;

/// Looks at the place, the disks, the locks, and the entries of `wanted` (path and version, the most interesting first).
///
/// Zips are hashed until `budget` bytes were read; the rest is looked at without reading all of it.
#[must_use]
pub fn collect(
    system: &System,
    settings: &SettingFacts,
    wanted: &[(String, String)],
    budget: u64,
) -> CacheFacts {
    let mut facts = CacheFacts::default();
    let Some(folder) = place(system, settings, &mut facts) else { return facts };
    facts.folder = Some(folder.to_string_lossy().into_owned());
    facts.unwritable = first_unwritable(system, &folder.join("cache/download")).or_else(|| {
        settings.go_path(system).and_then(|path| first_unwritable(system, &path.join("pkg/sumdb")))
    });
    facts.disks = disks(system, settings, &folder);
    let real = system.path(&folder);
    let mut reading = Reading::new(&real, budget);
    facts.entries = wanted.iter().filter_map(|(module, version)| reading.entry(module, version)).collect();
    facts.locks = locks(system, &real, &facts.entries);
    facts.vcs_owner = fs_err::metadata(real.join("cache/vcs"))
        .ok()
        .map(|found| found.uid())
        .filter(|owner| *owner != rustix::process::geteuid().as_raw());
    facts
}

/// Returns the folder of the module cache, saying what is wrong with it as a place.
fn place(system: &System, settings: &SettingFacts, facts: &mut CacheFacts) -> Option<PathBuf> {
    let named = settings.value("GOMODCACHE");
    let Some(path) = settings.module_cache(system) else {
        facts.place_problems.push("neither GOMODCACHE nor GOPATH nor HOME is set".to_owned());
        return None;
    };
    if named.is_empty() {
        let go_path = settings.go_path(system)?;
        for (bad, problem) in [(path.starts_with("~"), "starts with ~"), (path.is_relative(), "is relative")]
        {
            if bad {
                facts.place_problems.push(format!("GOPATH={} {problem}", go_path.display()));
                return None;
            }
        }
        return Some(path);
    }
    if path.is_relative() {
        facts.place_problems.push(format!("GOMODCACHE={named} is relative"));
        return None;
    }
    if system.path(&path).is_file() {
        facts.place_problems.push(format!("GOMODCACHE={named} is a file"));
    }
    Some(path)
}

/// Returns the nearest folder at or above `path` that exists, if it can't be written: path, owner, mode, our uid.
fn first_unwritable(system: &System, path: &Path) -> Option<(String, u32, String, u32)> {
    let (shown, real) =
        path.ancestors().map(|above| (above, system.path(above))).find(|(_, real)| real.exists())?;
    if writable(&real) {
        return None;
    }
    let found = fs_err::metadata(&real).ok()?;
    let uid = rustix::process::geteuid().as_raw();
    Some((shown.to_string_lossy().into_owned(), found.uid(), format!("{:o}", found.mode() & 0o7777), uid))
}

fn disks(system: &System, settings: &SettingFacts, folder: &Path) -> Vec<(String, u64, u64)> {
    let build_cache = match settings.value("GOCACHE") {
        "" | "off" => system.home().map(|home| home.join(".cache/go-build")),
        named => Some(PathBuf::from(named)),
    };
    let temporary = PathBuf::from(system.variable("TMPDIR").unwrap_or("/tmp"));
    let mut found = Vec::new();
    for path in [Some(folder.to_owned()), build_cache, Some(temporary)].into_iter().flatten() {
        let Some(there) = path.ancestors().map(|above| system.path(above)).find(|real| real.exists()) else {
            continue;
        };
        if let Ok(disk) = rustix::fs::statvfs(&there) {
            // Where nobody may write, as in an image, nothing is ever free.
            if disk.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY) {
                continue;
            }
            // A file system without a fixed number of inodes says 0 of 0.
            let inodes = if disk.f_files == 0 { u64::MAX } else { disk.f_favail };
            found.push((path.to_string_lossy().into_owned(), disk.f_bavail * disk.f_frsize, inodes));
        }
    }
    found
}

/// Finds the processes that hold lock files of these entries, by /proc/locks.
fn locks(system: &System, cache: &Path, entries: &[CachedVersion]) -> Vec<(String, u32)> {
    let Ok(table) = fs_err::read_to_string(system.path("/proc/locks")) else { return Vec::new() };
    let held: Vec<(u64, u32)> = table.lines().filter_map(held_lock).collect();
    let of_entry =
        |entry: &CachedVersion| entries::download_file(cache, &entry.module, &entry.version, "lock");
    entries
        .iter()
        .filter_map(of_entry)
        .chain([cache.join("cache/lock")])
        .filter_map(|path| {
            let inode = fs_err::metadata(&path).ok()?.ino();
            let (_, holder) = held.iter().find(|(known, _)| *known == inode)?;
            (!is_at_work(system, *holder)).then(|| (path.to_string_lossy().into_owned(), *holder))
        })
        .collect()
}

/// How long a go command may hold a lock before anybody asks what it waits for.
const AT_WORK: u64 = 10 * 60;

/// Reports whether a process is a go command that began a short while ago: an editor's, another build's.
fn is_at_work(system: &System, pid: u32) -> bool {
    let read = |name: String| fs_err::read_to_string(system.path(name)).unwrap_or_default();
    let (stat, uptime) = (read(format!("/proc/{pid}/stat")), read("/proc/uptime".to_owned()));
    age(&stat, &uptime).is_some_and(|(name, seconds)| name == "go" && seconds < AT_WORK)
}

/// Returns the name of a process and the seconds since it began, by its `stat` and the machine's `uptime`.
fn age<'a>(stat: &'a str, uptime: &str) -> Option<(&'a str, u64)> {
    // The kernel counts hundredths of a second here, whatever its clock does.
    const TICKS: u64 = 100;
    let (before, after) = stat.rsplit_once(')')?;
    let (_, name) = before.split_once('(')?;
    let began: u64 = after.split_whitespace().nth(19)?.parse().ok()?;
    let now: u64 = uptime.split(['.', ' ']).next()?.parse().ok()?;
    Some((name, now.saturating_sub(began / TICKS)))
}

/// Reads inode and holder from `1: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF`; waiters (`->`) are no holders.
fn held_lock(line: &str) -> Option<(u64, u32)> {
    let mut words = line.split_whitespace().skip(1);
    let kind = words.next()?;
    if kind == "->" {
        return None;
    }
    let holder = words.nth(2)?.parse().ok()?;
    let inode = words.next()?.rsplit(':').next()?.parse().ok()?;
    Some((inode, holder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holders_of_locks_are_read_and_waiters_are_not() {
        assert_eq!(held_lock("1: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF"), Some((5678, 1234)));
        assert_eq!(held_lock("1: -> FLOCK  ADVISORY  WRITE 99 fe:00:5678 0 EOF"), None);
        assert_eq!(held_lock("garbage"), None);
    }

    #[test]
    fn a_go_command_that_just_began_is_at_work() {
        let stat = "4711 (go) S 1 4711 4711 0 -1 4194304 1 0 0 0 1 2 0 0 20 0 8 0 123400 1 1 1";
        assert_eq!(age(stat, "1300.25 2000.00"), Some(("go", 66)));
        assert_eq!(age("garbage", "1"), None);
    }
}
