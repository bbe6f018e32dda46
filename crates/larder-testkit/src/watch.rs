//! What a program under test did to the machine: what it gave git to read, which processes that started, which files are new.
//!
//! Git keeps the account itself: the recorder stands in front of it, writes down the arguments word for word and asks git and all
//! that it starts for their own record of children. A second look goes through the kernel's lists, for what git knows nothing of.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often the kernel's lists are looked at.
const LOOK: Duration = Duration::from_millis(3);

/// Writes a program in shell.
pub fn script(file: &Path, text: &str) {
    fs_err::write(file, format!("#!/bin/sh\n{text}\n")).expect("a temporary folder");
    fs_err::set_permissions(file, std::fs::Permissions::from_mode(0o755)).expect("our own file");
}

/// A git that writes down what it is given.
#[derive(Debug)]
pub struct GitRecorder {
    folder: PathBuf,
}

/// A process that git started, by its own account.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Started {
    /// Git's name for the occasion, such as `hook`, `transport/ssh` or `remote-https`.
    pub class: String,
    /// Whether a shell was to read the words.
    pub shell: bool,
    /// The words.
    pub arguments: Vec<String>,
}

impl GitRecorder {
    /// Makes one in a folder that doesn't exist.
    pub fn new(folder: &Path) -> Self {
        for name in ["runs", "children", "ssh"] {
            fs_err::create_dir_all(folder.join(name)).expect("a temporary folder");
        }
        let made = Self { folder: folder.to_owned() };
        let shown = folder.display();
        // One file for each process; only what the shell does itself, so that it starts nothing.
        script(
            &made.program(),
            &format!(
                "for word do printf '%s\\0' \"$word\"; done >>'{shown}/runs/'$$\n\
                 GIT_TRACE2_EVENT='{shown}/children'\nexport GIT_TRACE2_EVENT\nexec git \"$@\""
            ),
        );
        script(
            &made.ssh(),
            &format!(
                "for word do printf '%s\\0' \"$word\"; done >>'{shown}/ssh/'$$\necho 'no route' >&2\nexit 255"
            ),
        );
        made
    }

    /// Returns the program to name as git.
    pub fn program(&self) -> PathBuf {
        self.folder.join("git-recorder")
    }

    /// Returns a program to name as ssh, which reaches nobody.
    pub fn ssh(&self) -> PathBuf {
        self.folder.join("ssh-recorder")
    }

    /// Returns the arguments of each run of git.
    pub fn runs(&self) -> Vec<Vec<String>> {
        words(&self.folder.join("runs"))
    }

    /// Returns the arguments of each run of ssh.
    pub fn ssh_runs(&self) -> Vec<Vec<String>> {
        words(&self.folder.join("ssh"))
    }

    /// Returns every process that git and its own programs started.
    pub fn started(&self) -> BTreeSet<Started> {
        let mut started = BTreeSet::new();
        for file in files(&self.folder.join("children")) {
            let text = String::from_utf8_lossy(&fs_err::read(file).expect("a record")).into_owned();
            let events = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
            for event in events.filter(|event| event["event"] == "child_start") {
                let argument = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
                started.insert(Started {
                    class: argument(&event["child_class"]),
                    shell: event["use_shell"] == true,
                    arguments: event["argv"].as_array().into_iter().flatten().map(argument).collect(),
                });
            }
        }
        started
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    fs_err::read_dir(folder).expect("our own folder").flatten().map(|entry| entry.path()).collect()
}

fn words(folder: &Path) -> Vec<Vec<String>> {
    let read = |file: PathBuf| {
        let bytes = fs_err::read(file).expect("a record");
        let words = bytes.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned());
        let mut words: Vec<String> = words.collect();
        // Behind the last zero is nothing.
        words.pop();
        words
    };
    files(folder).into_iter().map(read).collect()
}

/// Returns everything in a folder, links not followed: what it is and how large. Folders that aren't there hold nothing.
pub fn listing(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut left = vec![folder.to_owned()];
    while let Some(next) = left.pop() {
        for entry in fs_err::read_dir(&next).into_iter().flatten().flatten() {
            let path = entry.path();
            // It may be gone by now.
            let Ok(metadata) = fs_err::symlink_metadata(&path) else { continue };
            let kind =
                if metadata.is_dir() { "folder".to_owned() } else { format!("{} bytes", metadata.len()) };
            if metadata.is_dir() {
                left.push(path.clone());
            }
            found.insert(path, kind);
        }
    }
    found
}

/// Returns the processes whose working folder lies in a folder, or whose arguments or environment name it, but not `except`.
pub fn processes_about(folder: &Path, except: &[u32]) -> Vec<(u32, String)> {
    let needle = folder.to_string_lossy().into_owned();
    let mut found = Vec::new();
    for entry in fs_err::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(id) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        if except.contains(&id) || id == std::process::id() {
            continue;
        }
        let read = |name: &str| {
            let mut bytes = Vec::new();
            // It may be gone by now.
            fs_err::File::open(entry.path().join(name))
                .and_then(|mut file| file.read_to_end(&mut bytes))
                .ok();
            String::from_utf8_lossy(&bytes).replace('\0', " ")
        };
        let place = fs_err::read_link(entry.path().join("cwd")).unwrap_or_default();
        let arguments = read("cmdline");
        if place.starts_with(folder) || arguments.contains(&needle) || read("environ").contains(&needle) {
            // What has ended and waits to be reaped has no arguments.
            found.push((id, arguments));
        }
    }
    found.retain(|(_, arguments)| !arguments.is_empty());
    found
}

/// Waits until a condition holds; reports whether it did in time.
pub fn eventually(limit: Duration, condition: impl Fn() -> bool) -> bool {
    let end = Instant::now() + limit;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Looks at the descendants of a process until it is asked what it saw.
#[derive(Debug)]
pub struct Descendants {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<BTreeSet<String>>>,
}

impl Descendants {
    /// Begins.
    pub fn of(process: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut seen = BTreeSet::new();
            while !stopped.load(Ordering::Relaxed) {
                look(process, &mut seen);
                std::thread::sleep(LOOK);
            }
            seen
        });
        Self { stop, thread: Some(thread) }
    }

    /// Ends, and returns the programs that were seen.
    pub fn seen(mut self) -> BTreeSet<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map(|thread| thread.join().expect("it only looks")).unwrap_or_default()
    }
}

impl Drop for Descendants {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn look(process: u32, seen: &mut BTreeSet<String>) {
    let mut left = vec![process];
    while let Some(id) = left.pop() {
        let tasks = fs_err::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
        for task in tasks {
            let children = fs_err::read_to_string(task.path().join("children")).unwrap_or_default();
            left.extend(children.split_whitespace().filter_map(|text| text.parse::<u32>().ok()));
        }
        if id != process
            && let Ok(program) = std::fs::read_link(format!("/proc/{id}/exe"))
        {
            // A program that was built anew meanwhile is called deleted.
            let name = program.file_name().map(|name| name.to_string_lossy().into_owned());
            seen.extend(name.map(|name| name.trim_end_matches(" (deleted)").to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_is_given_and_starts_is_written_down() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let recorder = GitRecorder::new(&folder.path().join("recorder"));
        let mut command = crate::git::command(folder.path());
        let mut other = std::process::Command::new(recorder.program());
        other.args(["-c", "alias.x=!true 'a b'", "x", "two\nlines"]).current_dir(folder.path()).env_clear();
        other.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        assert!(other.status().expect("a program").success());
        assert_eq!(recorder.runs(), [["-c", "alias.x=!true 'a b'", "x", "two\nlines"]]);
        let started = recorder.started();
        assert!(
            started.iter().any(|started| started.shell && started.arguments[0] == "true 'a b'"),
            "{started:?}"
        );
        assert!(command.arg("version").output().expect("git").status.success());
    }
}
