//! What a run of git says: where it goes, and how much of it is kept.

use std::fs::File;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::Semaphore;

use super::Stopped;

/// What is kept of standard error: its beginning and its end.
const STDERR_HEAD: usize = 16 << 10;
const STDERR_TAIL: usize = 16 << 10;
/// From this size on, what git says goes into memory one run at a time.
const LARGE: usize = 1 << 20;

/// Where standard output goes.
pub(in crate::git) enum Output<'a> {
    /// Into memory, up to a limit.
    Memory(usize),
    /// What `cat-file --batch` says of one object into memory, up to a limit, which the size in its first line is held to at once.
    Object(usize),
    /// Into a file, up to a limit.
    File(&'a File, u64),
    /// Line by line to a function that says whether it wants more, up to a limit.
    Lines(usize, &'a mut (dyn FnMut(&[u8]) -> bool + Send)),
}

/// Takes in standard output.
pub(super) struct Sink<'a> {
    output: Output<'a>,
    pub(super) memory: Vec<u8>,
    pub(super) count: u64,
}

impl<'a> Sink<'a> {
    pub(super) fn new(output: Output<'a>) -> Self {
        Self { output, memory: Vec::new(), count: 0 }
    }

    fn take(&mut self, chunk: &[u8]) -> Option<Stopped> {
        self.count += chunk.len() as u64;
        if let (Output::Object(limit), true) = (&self.output, self.memory.is_empty()) {
            match object_length(chunk) {
                Some(length) if length > *limit => return Some(Stopped::Flood),
                length => self.memory.reserve_exact(length.unwrap_or_default()),
            }
        }
        match &mut self.output {
            Output::File(..) => None,
            Output::Memory(limit) | Output::Object(limit) => {
                if self.memory.len() + chunk.len() > *limit {
                    return Some(Stopped::Flood);
                }
                grow(&mut self.memory, chunk.len(), *limit);
                self.memory.extend_from_slice(chunk);
                None
            }
            Output::Lines(limit, each) => {
                if self.count > *limit as u64 {
                    return Some(Stopped::Flood);
                }
                let mut rest = chunk;
                while let Some(at) = rest.iter().position(|byte| *byte == b'\n') {
                    let wants_more = if self.memory.is_empty() {
                        each(&rest[..at])
                    } else {
                        self.memory.extend_from_slice(&rest[..at]);
                        let line = std::mem::take(&mut self.memory);
                        each(&line)
                    };
                    if !wants_more {
                        return Some(Stopped::Enough);
                    }
                    rest = &rest[at + 1..];
                }
                self.memory.extend_from_slice(rest);
                (self.memory.len() > 64 << 10).then_some(Stopped::Flood)
            }
        }
    }
}

/// Reads from the first line of what `cat-file --batch` says (`HASH blob SIZE`) how much it is going to say.
fn object_length(said: &[u8]) -> Option<usize> {
    let end = said.iter().position(|byte| *byte == b'\n')?;
    let size = said[..end].rsplit(|byte| *byte == b' ').next()?;
    let size: usize = std::str::from_utf8(size).ok()?.parse().ok()?;
    size.checked_add(end + 2)
}

/// Makes room for more in steps of a quarter and never beyond the limit: doubling would take three times what git says.
fn grow(memory: &mut Vec<u8>, more: usize, limit: usize) {
    let needed = memory.len() + more;
    if needed > memory.capacity() {
        let step = memory.capacity() + memory.capacity() / 4;
        memory.reserve_exact(step.clamp(needed, limit.max(needed)) - memory.len());
    }
}

pub(super) async fn read_output(
    stdout: Option<impl AsyncRead + Unpin>,
    sink: &mut Sink<'_>,
    large: &Semaphore,
) -> Result<(), Stopped> {
    let Some(mut stdout) = stdout else { return Ok(()) };
    let mut chunk = vec![0; 64 << 10];
    let mut turn = None;
    loop {
        if turn.is_none() && sink.memory.capacity() > LARGE {
            // Nobody closes it.
            turn = large.acquire().await.ok();
        }
        match stdout.read(&mut chunk).await {
            Ok(0) | Err(_) => return Ok(()),
            Ok(length) => sink.take(&chunk[..length]).map_or(Ok(()), Err)?,
        }
    }
}

/// The beginning and the end of standard error.
#[derive(Default)]
pub(super) struct Said {
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl Said {
    pub(super) async fn read(&mut self, stderr: Option<impl AsyncRead + Unpin>) {
        let Some(mut stderr) = stderr else { return };
        let mut chunk = vec![0; 8 << 10];
        while let Ok(length @ 1..) = stderr.read(&mut chunk).await {
            let room = (STDERR_HEAD - self.head.len()).min(length);
            self.head.extend_from_slice(&chunk[..room]);
            self.tail.extend_from_slice(&chunk[room..length]);
            let surplus = self.tail.len().saturating_sub(STDERR_TAIL);
            self.tail.drain(..surplus);
        }
    }

    pub(super) fn into_text(self) -> String {
        let mut text = String::from_utf8_lossy(&self.head).into_owned();
        if !self.tail.is_empty() {
            text.push('\n');
            text.push_str(&String::from_utf8_lossy(&self.tail));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_has_room_for_itself_at_once_or_none() {
        for (said, length) in [
            (&b"0123 blob 5\nabc"[..], Some(18)),
            (b"0123 tree 0\n\n", Some(13)),
            (b"refs/x:go.mod missing\n", None),
            (b"a b 7", None),
            (b"0123 blob 99999999999999999999999\n", None),
        ] {
            assert_eq!(object_length(said), length, "{}", String::from_utf8_lossy(said));
        }
        let mut sink = Sink::new(Output::Object(1 << 20));
        assert_eq!(sink.take(b"0123 blob 1000000\nabc"), None);
        assert!(sink.memory.capacity() >= 1_000_019);
        let mut sink = Sink::new(Output::Object(1 << 20));
        assert_eq!(sink.take(b"0123 blob 1048577\nabc"), Some(Stopped::Flood));
        assert_eq!(sink.memory.capacity(), 0);
    }
}
