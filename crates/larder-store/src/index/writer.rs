//! The one thread of this process that writes to the index.
//!
//! Callers hand over a change and wait for its commit. Changes that arrive while one batch commits go into the next, so
//! a hundred publishers pay for a handful of transactions, and whoever wrote sees what it wrote. A change that fails is
//! reported and forgotten: a full disk, a lock that is never given back or a broken file must not stop the next one.
//!
//! A lock that another process holds is waited for once; until it is given back, changes fail after a moment.

use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use crate::durable::Disk;
use crate::fail::Step;

/// Most changes in one transaction.
const BATCH: usize = 256;
/// How long another process may hold the lock before a change fails.
const PATIENCE: Duration = Duration::from_secs(2);
/// The same while the lock has not been had since.
const LITTLE_PATIENCE: Duration = Duration::from_millis(20);

/// A change. It may run twice, when a batch fails half-way or the file had to be replaced.
pub(crate) type Change = Box<dyn Fn(&Connection) -> rusqlite::Result<i64> + Send>;

struct Job {
    change: Change,
    reply: SyncSender<rusqlite::Result<i64>>,
}

#[derive(Debug)]
pub(crate) struct Writer {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread on an open index.
    pub(crate) fn start(
        connection: Connection,
        disk: Disk,
        path: std::path::PathBuf,
    ) -> std::io::Result<Self> {
        let (jobs, receiver) = channel();
        let thread = std::thread::Builder::new()
            .name("larder-index".to_owned())
            .spawn(move || run(connection, &receiver, &disk, &path))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Makes a change and waits until it is committed.
    pub(crate) fn apply(&self, change: Change) -> rusqlite::Result<i64> {
        let (reply, answer) = sync_channel(1);
        let sent = self.jobs.as_ref().is_some_and(|jobs| jobs.send(Job { change, reply }).is_ok());
        match sent.then(|| answer.recv()) {
            Some(Ok(outcome)) => outcome,
            // The thread is gone only when it panicked.
            Some(Err(_)) | None => Err(rusqlite::Error::InvalidQuery),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn run(mut connection: Connection, jobs: &Receiver<Job>, disk: &Disk, path: &std::path::Path) {
    let mut patience = PATIENCE;
    while let Ok(first) = jobs.recv() {
        let mut batch = vec![first];
        batch.extend(jobs.try_iter().take(BATCH - 1));
        if let Err(error) = disk.step(Step::Index, path) {
            reply_all(&batch, rusqlite::ffi::SQLITE_FULL, &error.to_string());
            continue;
        }
        // Without it, the connection waits as long as it was opened with.
        drop(connection.busy_timeout(patience));
        let committed = commit(&mut connection, &batch);
        let is_held = committed.as_ref().is_err_and(is_busy);
        patience = if is_held { LITTLE_PATIENCE } else { PATIENCE };
        match committed {
            Ok(outcomes) => {
                for (job, outcome) in batch.iter().zip(outcomes) {
                    // The caller may have given up.
                    drop(job.reply.send(Ok(outcome)));
                }
            }
            // The lock is no fault of any change, and trying each alone would wait for it again and again.
            Err(error) if is_held => reply_all(&batch, rusqlite::ffi::SQLITE_BUSY, &error.to_string()),
            // One bad change spoils a batch, so each gets its own try.
            Err(error) if batch.len() == 1 => drop(batch[0].reply.send(Err(error))),
            Err(_) => {
                for job in &batch {
                    let alone = commit(&mut connection, std::slice::from_ref(job));
                    drop(job.reply.send(alone.map(|outcomes| outcomes[0])));
                }
            }
        }
    }
}

fn commit(connection: &mut Connection, batch: &[Job]) -> rusqlite::Result<Vec<i64>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let outcomes =
        batch.iter().map(|job| (job.change)(&transaction)).collect::<rusqlite::Result<Vec<i64>>>()?;
    transaction.commit()?;
    Ok(outcomes)
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn reply_all(batch: &[Job], code: std::ffi::c_int, message: &str) {
    for job in batch {
        let code = rusqlite::ffi::Error::new(code);
        drop(job.reply.send(Err(rusqlite::Error::SqliteFailure(code, Some(message.to_owned())))));
    }
}
