//! A command that somebody runs through Larder: its signals, and its end.
//!
//! It stays in Larder's own process group, so that the keys of the terminal reach it without our doing: ctrl-c, and ctrl-z with all that
//! a shell does about it. What only Larder gets is passed on.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::process::Signal as Name;
use tokio::process::Child;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Outcome;
use crate::render;

/// Exit codes of a shell for a command that can't be run.
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;

/// Says that a command can't be run, with the code that a shell would give.
pub(crate) fn cant_be_run(command: &[OsString], error: &std::io::Error) -> Outcome {
    let name = command.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    render::note(format_args!("error: {} can't be run: {error}", name.escape_debug()));
    Outcome::Code(if error.kind() == ErrorKind::NotFound { NOT_FOUND } else { NOT_EXECUTABLE })
}

/// Returns the code that a shell would give for this end.
pub(crate) fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}

/// The signals that are passed on.
pub(crate) struct Signals {
    interrupt: Option<Signal>,
    terminate: Option<Signal>,
    hang_up: Option<Signal>,
    quit: Option<Signal>,
    user_1: Option<Signal>,
    user_2: Option<Signal>,
    from_terminal: bool,
    interrupted: bool,
}

impl Signals {
    /// Begins to receive them; made before the command starts, so that none is lost between.
    ///
    /// What whoever started Larder wants ignored (`nohup`, a job in the background of a script) stays ignored, also by the command:
    /// it would not inherit that from a process that takes the signal.
    pub(crate) fn new() -> std::io::Result<Self> {
        let ignored = ignored();
        let listen = |name: Name, kind| {
            let is_ignored = ignored >> (name.as_raw() - 1) & 1 == 1;
            if is_ignored { Ok(None) } else { signal(kind).map(Some) }
        };
        Ok(Self {
            interrupt: listen(Name::INT, SignalKind::interrupt())?,
            terminate: listen(Name::TERM, SignalKind::terminate())?,
            hang_up: listen(Name::HUP, SignalKind::hangup())?,
            quit: listen(Name::QUIT, SignalKind::quit())?,
            user_1: listen(Name::USR1, SignalKind::user_defined1())?,
            user_2: listen(Name::USR2, SignalKind::user_defined2())?,
            from_terminal: is_in_foreground(),
            interrupted: false,
        })
    }

    /// Waits for the end of a command and passes on what it doesn't get by itself.
    pub(crate) async fn wait_for(&mut self, child: &mut Child) -> std::io::Result<ExitStatus> {
        loop {
            tokio::select! {
                status = child.wait() => return status,
                signal = self.next() => pass_on(child, signal),
            }
        }
    }

    /// Waits for a signal that the command has to get from us.
    async fn next(&mut self) -> Name {
        loop {
            let name = tokio::select! {
                () = received(&mut self.interrupt) => Name::INT,
                () = received(&mut self.terminate) => Name::TERM,
                () = received(&mut self.hang_up) => Name::HUP,
                () = received(&mut self.quit) => Name::QUIT,
                () = received(&mut self.user_1) => Name::USR1,
                () = received(&mut self.user_2) => Name::USR2,
            };
            // The terminal sends these to the whole group, so the command has the first one already.
            let from_keyboard = self.from_terminal && matches!(name, Name::INT | Name::QUIT);
            if !from_keyboard || self.interrupted {
                return name;
            }
            self.interrupted = true;
        }
    }
}

async fn received(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// Reports whether a key of the terminal reaches the command directly.
fn is_in_foreground() -> bool {
    let is_ours = |group: std::io::Result<rustix::process::Pid>| {
        group.is_ok_and(|group| group == rustix::process::getpgrp())
    };
    is_ours(rustix::termios::tcgetpgrp(std::io::stdin()).map_err(Into::into))
        || is_ours(fs_err::File::open("/dev/tty").and_then(|tty| Ok(rustix::termios::tcgetpgrp(tty.file())?)))
}

/// Returns the set of ignored signals, the first in the lowest bit.
#[cfg(target_os = "linux")]
fn ignored() -> u64 {
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(not(target_os = "linux"))]
fn ignored() -> u64 {
    0
}

fn pass_on(child: &Child, signal: Name) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        // It may have ended just now.
        let _gone = rustix::process::kill_process(pid, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_ends_as_in_a_shell() {
        assert_eq!(exit_code(ExitStatus::from_raw(0)), 0);
        assert_eq!(exit_code(ExitStatus::from_raw(3 << 8)), 3);
        assert_eq!(exit_code(ExitStatus::from_raw(15)), 143);
    }
}
