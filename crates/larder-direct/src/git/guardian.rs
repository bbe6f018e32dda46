//! Nothing that git started outlives the server, not even when the server is killed.
//!
//! A server that is killed can't end its children, and a git whose forge hangs notices nothing by itself. So a second, idle process
//! of Larder's own program is told of every process group that starts and ends; when the pipe to it breaks, because the server is
//! gone, it ends those that are left. (The kernel's signal on the death of a parent would reach git, but none of the programs
//! that git runs, and goes by thread, not by process.)

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

/// How long groups have between being asked to end and being ended.
const GRACE: Duration = Duration::from_secs(1);

/// Knows which process groups are running, and tells the guarding process.
#[derive(Debug)]
pub(super) struct Guardian {
    /// The program with its arguments that runs [`guard`]; without one, nobody guards.
    command: Vec<OsString>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: BTreeSet<i32>,
    process: Option<Child>,
}

impl Guardian {
    pub(super) fn new(command: Vec<OsString>) -> Self {
        Self { command, state: Mutex::default() }
    }

    /// Takes a group under guard.
    pub(super) fn watch(&self, group: Pid) {
        let number = group.as_raw_nonzero().get();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.running.insert(number);
        if self.command.is_empty() || state.say(&format!("+{number}\n")) {
            return;
        }
        // The first one, or the guarding process is gone: a new one is told of all.
        state.process = self.start();
        let all: String = state.running.iter().map(|number| format!("+{number}\n")).collect();
        state.say(&all);
    }

    /// Lets a group go that has ended.
    pub(super) fn forget(&self, group: Pid) {
        let number = group.as_raw_nonzero().get();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.running.remove(&number);
        state.say(&format!("-{number}\n"));
    }

    fn start(&self) -> Option<Child> {
        let (program, arguments) = self.command.split_first()?;
        let started = Command::new(program)
            .args(arguments)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A key pressed at the server's terminal is not meant for it.
            .process_group(0)
            .spawn();
        let started = started.and_then(|child| {
            if let Some(stdin) = &child.stdin {
                // A guarding process that was stopped must not stop the server.
                rustix::io::ioctl_fionbio(stdin, true)?;
            }
            Ok(child)
        });
        started
            .inspect_err(|error| {
                tracing::warn!(%error, "nobody guards the runs of git: if the server is killed, they end by themselves only");
            })
            .ok()
    }
}

impl State {
    /// Tells the guarding process, and reports whether there is one.
    fn say(&mut self, line: &str) -> bool {
        let Some(stdin) = self.process.as_mut().and_then(|process| process.stdin.as_mut()) else {
            return false;
        };
        let heard = stdin.write_all(line.as_bytes()).is_ok();
        if !heard {
            if let Some(process) = &mut self.process {
                // It is gone, or doesn't listen.
                process.kill().ok();
            }
            self.end();
        }
        heard
    }

    fn end(&mut self) {
        if let Some(mut process) = self.process.take() {
            drop(process.stdin.take());
            // It is on its way out by itself.
            process.wait().ok();
        }
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        self.state.get_mut().unwrap_or_else(PoisonError::into_inner).end();
    }
}

/// Is the guarding process: reads which process groups run (`+12` and `-12`, a line each) until the input ends, then ends what is left.
pub fn guard(input: impl Read) {
    let mut running = BTreeSet::new();
    for line in BufReader::new(input).lines().map_while(Result::ok) {
        let Some((sign, Ok(number))) =
            line.split_at_checked(1).map(|(sign, rest)| (sign, rest.parse::<i32>()))
        else {
            continue;
        };
        match sign {
            "+" => running.insert(number),
            "-" => running.remove(&number),
            _ => false,
        };
    }
    // Group 1 and below are never one of git's.
    let groups: Vec<Pid> =
        running.into_iter().filter(|number| *number > 1).filter_map(Pid::from_raw).collect();
    if groups.is_empty() {
        return;
    }
    for signal in [Signal::TERM, Signal::KILL] {
        for group in &groups {
            // It may be gone by now.
            kill_process_group(*group, signal).ok();
        }
        if signal == Signal::TERM {
            std::thread::sleep(GRACE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper() -> (Child, Pid) {
        let child =
            Command::new("sleep").arg("600").process_group(0).spawn().expect("sleep is on the machine");
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a process number");
        (child, pid)
    }

    #[test]
    fn what_runs_when_the_input_ends_is_ended_and_nothing_else() {
        let ((mut left, left_pid), (mut done, done_pid)) = (sleeper(), sleeper());
        let told = format!(
            "+{0}\n+{1}\nnoise\n\u{e4}\n+1\n+-5\n+0\n-{1}\n",
            left_pid.as_raw_nonzero(),
            done_pid.as_raw_nonzero()
        );
        guard(told.as_bytes());
        assert!(!left.wait().expect("an end").success());
        assert!(done.try_wait().expect("a process").is_none(), "a group that ended is not touched");
        done.kill().expect("a process");
        done.wait().expect("an end");
    }

    #[test]
    fn the_guarding_process_is_told_of_all_even_if_it_had_to_be_started_again() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let heard = folder.path().join("heard");
        let script = format!(
            "read first; echo \"$first\" >> {0}; read second; echo \"$second\" >> {0}",
            heard.display()
        );
        let guardian = Guardian::new(vec!["/bin/sh".into(), "-c".into(), script.into()]);
        let (ten, twenty) = (Pid::from_raw(10).expect("a number"), Pid::from_raw(20).expect("a number"));
        guardian.watch(ten);
        guardian.watch(twenty);
        drop(guardian);
        assert_eq!(fs_err::read_to_string(heard).expect("heard"), "+10\n+20\n");
    }
}
