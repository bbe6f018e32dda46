//! `larder doctor run -- COMMAND...`: run a command, its output untouched, and explain its failure.
//!
//! The command keeps this terminal: its input and standard output are ours. Only standard error goes through here, byte
//! by byte as it comes, because that is where the go command says what failed. Who runs `larder doctor run` in place of the
//! command must get the same exit code and be able to stop it in the same way.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{Cursor, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use larder_doctor::{Facts, Subject, examine, read_log};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Desk, Outcome, block_on};
use crate::render;

/// How much of what was said is kept: the end of it.
const KEPT: usize = 1 << 20;

/// How long a process that the command left behind may hold standard error open.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Exit codes of a shell for a command that can't be run.
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;

/// Runs the command, and explains its failure.
pub(super) fn run(desk: &Desk<'_>, command: &[OsString]) -> Result<(), Outcome> {
    let Ended { status, said } = match block_on(watch(command))? {
        Ok(ended) => ended,
        Err(error) => {
            let name = command.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            render::note(format_args!("error: {} can't be run: {error}", name.escape_debug()));
            let missing = error.kind() == std::io::ErrorKind::NotFound;
            return Err(Outcome::Code(if missing { NOT_FOUND } else { NOT_EXECUTABLE }));
        }
    };
    if status.success() {
        return Ok(());
    }
    diagnose(desk, said, status.signal().is_some())?;
    Err(Outcome::Code(exit_code(status)))
}

/// Returns the code that a shell would give for this end.
fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}

/// Explains what was said, on standard error, from the words and from what can be measured now.
fn diagnose(desk: &Desk<'_>, said: Vec<u8>, stopped: bool) -> Result<(), Outcome> {
    let log = read_log(Cursor::new(said)).map_err(|error| Outcome::usage(&error, None))?;
    let speaks = !log.symptoms.is_empty() || !log.unexplained.is_empty();
    if !speaks {
        // A test failed, or the code doesn't compile, or somebody stopped it: nobody has to look further.
        if !stopped {
            let words = render::doctor::words(desk.language);
            render::note(format_args!("\nlarder doctor: {}", words.other_failure));
        }
        return Ok(());
    }
    let facts = block_on(examine(&desk.system()?, desk.look(subject(&log))))?.with_log(log);
    match desk.conclude(&facts, |text| render::note(format_args!("\n{}", text.trim_end()))) {
        Ok(()) | Err(Outcome::Found) => Ok(()),
        Err(other) => Err(other),
    }
}

/// Returns the module whose download failed first.
fn subject(log: &Facts) -> Option<Subject> {
    log.symptoms.iter().find_map(|symptom| {
        Some(Subject { module: symptom.module.clone()?, version: symptom.version.clone() })
    })
}

struct Ended {
    status: ExitStatus,
    said: Vec<u8>,
}

async fn watch(command: &[OsString]) -> std::io::Result<Ended> {
    let (name, arguments) = command.split_first().ok_or(std::io::ErrorKind::InvalidInput)?;
    // Before the start, so that no signal is lost between.
    let mut signals = Signals::new()?;
    let mut child = Command::new(name)
        .args(arguments)
        .stdin(Stdio::inherit())
        .stdout(Stdio::inherit())
        .stderr(Stdio::piped())
        .spawn()?;
    let kept = Arc::new(Mutex::new(VecDeque::new()));
    let copied = child.stderr.take().map(|errors| {
        let kept = Arc::clone(&kept);
        tokio::spawn(async move { tee(errors, std::io::stderr(), &kept).await })
    });
    let status = loop {
        tokio::select! {
            status = child.wait() => break status?,
            signal = signals.next() => pass_on(&child, signal),
        }
    };
    // A grandchild may hold standard error open for ever; what was said until now is enough then.
    if let Some(copied) = copied {
        let _held_open = tokio::time::timeout(LAST_WORDS, copied).await;
    }
    let said = std::mem::take(&mut *kept.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(Ended { status, said: said.into() })
}

/// Copies as it comes, and keeps the end.
///
/// The copy is raw, not through the writer that takes colours away: it is somebody else's output.
async fn tee(mut from: impl AsyncRead + Unpin, mut to: impl Write, kept: &Mutex<VecDeque<u8>>) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let bytes = &buffer[..count];
        let _closed = to.write_all(bytes).and_then(|()| to.flush());
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(bytes);
        let excess = kept.len().saturating_sub(KEPT);
        kept.drain(..excess);
    }
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
    quit: Signal,
    from_terminal: bool,
    interrupted: bool,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            quit: signal(SignalKind::quit())?,
            from_terminal: is_in_foreground(),
            interrupted: false,
        })
    }

    /// Waits for a signal that the command has to get from us.
    async fn next(&mut self) -> rustix::process::Signal {
        use rustix::process::Signal as Name;
        loop {
            let name = tokio::select! {
                _ = self.interrupt.recv() => Name::INT,
                _ = self.terminate.recv() => Name::TERM,
                _ = self.hang_up.recv() => Name::HUP,
                _ = self.quit.recv() => Name::QUIT,
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

/// Reports whether a key of the terminal reaches the command directly.
fn is_in_foreground() -> bool {
    rustix::termios::tcgetpgrp(std::io::stdin()).is_ok_and(|group| group == rustix::process::getpgrp())
}

fn pass_on(child: &Child, signal: rustix::process::Signal) {
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

    #[tokio::test]
    async fn only_the_end_is_kept() {
        let all = [b"a".repeat(10), vec![b'x'; KEPT]].concat();
        let (kept, mut copy) = (Mutex::new(VecDeque::new()), Vec::new());
        tee(std::io::Cursor::new(&all), &mut copy, &kept).await;
        assert_eq!(copy, all);
        let said = kept.into_inner().expect("no panic");
        assert_eq!(said.len(), KEPT);
        assert_eq!(said[0], b'x');
    }
}
