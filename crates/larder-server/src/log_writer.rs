//! Batches of access-log lines, written by a thread of their own.
//!
//! A write per request costs as much as all the rest of answering from memory, and a terminal or pipe that nobody reads
//! would hold requests up. So a request only leaves its line in a buffer; the thread takes what has gathered a few
//! times a second. When it can't keep up, lines are dropped, counted, and the log says how many.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::log_form::{self, LogForm};

/// How long the first line of a batch waits for others.
const GATHER: Duration = Duration::from_millis(50);
/// A batch of so many bytes doesn't wait.
const FULL: usize = 64 << 10;
/// More bytes are not kept.
const MOST: usize = 4 << 20;
/// A buffer that a rush has made larger than this is given back.
const SPARE: usize = 512 << 10;

/// Where the line of each request goes. Clones share one writer, which ends after the last of them.
#[derive(Clone)]
pub struct AccessLog(Option<Arc<Handle>>);

struct Handle(Arc<Shared>);

struct Shared {
    form: LogForm,
    now: fn() -> SystemTime,
    state: Mutex<State>,
    /// There is something to do.
    work: Condvar,
    /// A batch is out.
    written: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<u8>,
    dropped: u64,
    is_writing: bool,
    is_hurried: bool,
    is_closing: bool,
}

impl AccessLog {
    /// Returns a log that keeps nothing.
    #[must_use]
    pub fn off() -> Self {
        Self(None)
    }

    /// Starts a log; `now` is the wall clock for the time stamps.
    ///
    /// # Errors
    ///
    /// Fails when the system has no thread to give.
    pub fn start(
        form: LogForm,
        now: fn() -> SystemTime,
        output: impl Write + Send + 'static,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            form,
            now,
            state: Mutex::default(),
            work: Condvar::new(),
            written: Condvar::new(),
        });
        let writer = Arc::clone(&shared);
        thread::Builder::new().name("access-log".to_owned()).spawn(move || writer.write_batches(output))?;
        Ok(Self(Some(Arc::new(Handle(shared)))))
    }

    /// Waits until every line so far is written, at most `limit`; reports whether they are.
    pub fn flush(&self, limit: Duration) -> bool {
        self.0.as_ref().is_none_or(|handle| handle.0.flush(limit))
    }

    pub(crate) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Leaves a line to be written.
    pub(crate) fn line(&self, facts: &log_form::Facts<'_>) {
        let Some(Handle(shared)) = self.0.as_deref() else { return };
        log_form::with_line(shared.form, (shared.now)(), facts, |line| shared.push(line));
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.lock().is_closing = true;
        self.0.work.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: &[u8]) {
        let mut state = self.lock();
        let before = state.lines.len();
        if before + line.len() > MOST {
            state.dropped += 1;
            return;
        }
        state.lines.extend_from_slice(line);
        let is_news = before == 0 || (before < FULL && state.lines.len() >= FULL);
        drop(state);
        if is_news {
            self.work.notify_one();
        }
    }

    fn flush(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let mut state = self.lock();
        while state.is_writing || !state.lines.is_empty() {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { return false };
            state.is_hurried = true;
            self.work.notify_one();
            state = self.written.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn write_batches(&self, mut output: impl Write) {
        let mut batch = Vec::new();
        while let Some(dropped) = self.take_batch(&mut batch) {
            if dropped > 0 {
                log_form::push_dropped(self.form, (self.now)(), dropped, &mut batch);
            }
            // When the log can't be written there is no place left to say so.
            let _unwritable = output.write_all(&batch).and_then(|()| output.flush());
            batch.clear();
            batch.shrink_to(SPARE);
            self.lock().is_writing = false;
            self.written.notify_all();
        }
    }

    /// Waits for lines and takes them; returns how many were dropped meanwhile, nothing at the end of all.
    fn take_batch(&self, batch: &mut Vec<u8>) -> Option<u64> {
        let state = self.lock();
        let state = self.work.wait_while(state, |state| state.lines.is_empty() && !state.is_closing);
        let state = state.unwrap_or_else(PoisonError::into_inner);
        let may_wait = |state: &mut State| !state.is_closing && !state.is_hurried && state.lines.len() < FULL;
        let waited = self.work.wait_timeout_while(state, GATHER, may_wait);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        if state.lines.is_empty() {
            return None;
        }
        std::mem::swap(&mut state.lines, batch);
        state.is_writing = true;
        state.is_hurried = false;
        Some(std::mem::take(&mut state.dropped))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use http::{Method, StatusCode};

    use super::*;
    use crate::access_log::RequestId;

    /// An output that takes nothing before it is told to.
    struct Held {
        may_write: mpsc::Receiver<()>,
        written: mpsc::Sender<Vec<u8>>,
    }

    impl Write for Held {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _open = self.may_write.recv();
            let _seen = self.written.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn log_one(log: &AccessLog, path: &str) {
        let id = RequestId::of(1);
        log.line(&log_form::Facts {
            id: id.as_str(),
            client: [127, 0, 0, 1].into(),
            method: &Method::GET,
            path,
            status: StatusCode::OK,
            bytes: 3,
            duration: Duration::ZERO,
            outcome: "hit",
            upstream: None,
            broke_off: None,
        });
    }

    #[test]
    fn a_full_log_drops_and_says_so_and_nobody_waits() {
        let (open, may_write) = mpsc::channel();
        let (written, lines) = mpsc::channel();
        let log = AccessLog::start(
            LogForm::Text { colour: false },
            || SystemTime::UNIX_EPOCH,
            Held { may_write, written },
        )
        .expect("a thread");
        let path = format!("/{}", "x".repeat(1 << 20));
        for _ in 0..10 {
            log_one(&log, &path);
        }
        assert!(!log.flush(Duration::from_millis(1)), "nothing can be written");
        drop(open);
        assert!(log.flush(Duration::from_secs(30)));
        drop(log);
        let all: String = lines.iter().map(|bytes| String::from_utf8(bytes).expect("text")).collect();
        let kept = all.lines().filter(|line| line.contains(&path)).count();
        // The batch under way and what one buffer holds.
        assert!((3..10).contains(&kept), "{kept}");
        assert!(all.contains(&format!("{} lines of the access log were dropped", 10 - kept)), "{kept}");
    }

    #[test]
    fn the_last_lines_are_written_when_the_log_ends() {
        let (open, may_write) = mpsc::channel();
        let (written, lines) = mpsc::channel();
        drop(open);
        let log = AccessLog::start(LogForm::Json, || SystemTime::UNIX_EPOCH, Held { may_write, written })
            .expect("a thread");
        log_one(&log, "/last");
        drop(log);
        assert!(lines.iter().any(|bytes| bytes.windows(5).any(|part| part == b"/last")));
    }
}
