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
use tokio::process::Command;

use super::{Desk, Outcome, block_on};
use crate::commands::child::{Signals, cant_be_run, exit_code};
use crate::render;

/// How much of what was said is kept: the end of it.
const KEPT: usize = 1 << 20;

/// How long a process that the command left behind may hold standard error open.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Runs the command, and explains its failure.
pub(super) fn run(desk: &Desk<'_>, command: &[OsString]) -> Result<(), Outcome> {
    let Ended { status, said } = match block_on(watch(command))? {
        Ok(ended) => ended,
        Err(error) => return Err(cant_be_run(command, &error)),
    };
    if status.success() {
        return Ok(());
    }
    diagnose(desk, said, status.signal().is_some())?;
    Err(Outcome::Code(exit_code(status)))
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
    let status = signals.wait_for(&mut child).await?;
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

#[cfg(test)]
mod tests {
    use super::*;

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
