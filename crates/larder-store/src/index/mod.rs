//! The SQLite index beside the objects.
//!
//! It makes things quick and visible, and nothing depends on it: an object without a row is examined again, an answer
//! without a row is asked again. So nothing here returns an error. What can't be read counts as absent, what can't be
//! written is said in the log, and a file that can't be used is set aside for a fresh one, also in the middle of the
//! work.

pub(crate) mod answers;
pub(crate) mod journal;
mod objects;
mod schema;
mod time;
mod writer;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use rusqlite::{Connection, ErrorCode};
use tracing::warn;

pub(crate) use objects::NewRow;

use self::writer::{Change, Writer};
use crate::durable::Disk;
use crate::error::StoreError;
use crate::key::ObjectKey;
use crate::object::ObjectRow;

/// Idle connections kept for readers.
const IDLE_READERS: usize = 8;
/// Rows remembered while the index can't be written, so that hits stay cheap on a full disk.
const UNSAVED_ROWS: usize = 65_536;

/// What opening the index found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum IndexState {
    /// The index of an earlier run.
    Opened,
    /// There was none, so an empty one was made.
    Created,
    /// The file was no usable index; it was set aside and an empty one made.
    Replaced {
        /// What was wrong with it.
        why: String,
        /// Where it is now.
        aside: PathBuf,
    },
}

#[derive(Debug)]
pub(crate) struct Index {
    path: PathBuf,
    disk: Disk,
    /// Grows whenever the file is replaced; connections of an earlier generation are thrown away.
    generation: AtomicU64,
    writer: RwLock<Writer>,
    readers: Mutex<Vec<(u64, Connection)>>,
    unsaved: Mutex<HashMap<ObjectKey, ObjectRow>>,
    /// One bit for each row whose object was compared with it in this process.
    compared: Mutex<Vec<u64>>,
    /// Gives ids to rows that the file could not take. Negative, so they never meet one of the file's.
    unsaved_ids: AtomicU64,
}

impl Index {
    /// Opens the index, making a fresh one when there is none or the file can't be used.
    pub(crate) fn open(disk: &Disk, path: &Path) -> Result<(Self, IndexState), StoreError> {
        let (connection, state) = open_or_replace(disk, path)?;
        let writer = Writer::start(connection, disk.clone(), path.to_path_buf())
            .map_err(|error| StoreError::from_io("start the thread of", path, error))?;
        let index = Self {
            path: path.to_path_buf(),
            disk: disk.clone(),
            generation: AtomicU64::new(0),
            writer: RwLock::new(writer),
            readers: Mutex::new(Vec::new()),
            unsaved: Mutex::new(HashMap::new()),
            compared: Mutex::new(Vec::new()),
            unsaved_ids: AtomicU64::new(1),
        };
        Ok((index, state))
    }

    /// Reads something; a failure reads as nothing.
    pub(crate) fn read<T>(&self, query: impl Fn(&Connection) -> rusqlite::Result<T>) -> Option<T> {
        let generation = self.generation.load(Ordering::Acquire);
        match self.try_read(generation, &query) {
            Ok(value) => Some(value),
            Err(error) if is_broken(&error) => {
                self.recover(generation, &error);
                let generation = self.generation.load(Ordering::Acquire);
                self.try_read(generation, &query).inspect_err(report_read).ok()
            }
            Err(error) => {
                report_read(&error);
                None
            }
        }
    }

    /// Makes a change and waits for its commit; says whether it went in.
    pub(crate) fn write(
        &self,
        change: impl Fn(&Connection) -> rusqlite::Result<i64> + Send + Clone + 'static,
    ) -> Option<i64> {
        let generation = self.generation.load(Ordering::Acquire);
        let outcome = match self.apply(Box::new(change.clone())) {
            Err(error) if is_broken(&error) => {
                self.recover(generation, &error);
                self.apply(Box::new(change))
            }
            outcome => outcome,
        };
        outcome.inspect_err(|error| warn!(error = %error, "the index could not be written: {error}")).ok()
    }

    pub(crate) fn object(&self, key: &ObjectKey) -> Option<ObjectRow> {
        self.read(|connection| objects::get(connection, key))
            .flatten()
            .or_else(|| lock(&self.unsaved).get(key).cloned())
    }

    /// Writes the row of an object whose bytes were just looked at, and remembers that they were.
    pub(crate) fn put_object(&self, row: NewRow) -> ObjectRow {
        let change = {
            let row = row.clone();
            move |connection: &Connection| objects::put(connection, &row)
        };
        match self.write(change) {
            Some(id) => {
                lock(&self.unsaved).remove(&row.key);
                self.mark_compared(id);
                row.into_row(id)
            }
            None => {
                let number = self.unsaved_ids.fetch_add(1, Ordering::Relaxed);
                let key = row.key.clone();
                let row = row.into_row(-i64::try_from(number).unwrap_or(i64::MAX));
                let mut unsaved = lock(&self.unsaved);
                if unsaved.len() < UNSAVED_ROWS {
                    unsaved.insert(key, row.clone());
                }
                row
            }
        }
    }

    pub(crate) fn delete_object(&self, key: &ObjectKey) {
        lock(&self.unsaved).remove(key);
        self.delete_name(key.relative_path());
    }

    pub(crate) fn delete_name(&self, name: String) {
        self.write(move |connection| objects::delete(connection, &name));
    }

    pub(crate) fn names_after(&self, id: i64, limit: u32) -> Vec<(i64, String)> {
        self.read(|connection| objects::names_after(connection, id, limit)).unwrap_or_default()
    }

    /// Reports whether this process has compared the object of a row with it.
    pub(crate) fn was_compared(&self, id: i64) -> bool {
        // A row that never reached the file was made from bytes seen by this process.
        let Ok(id) = usize::try_from(id) else { return true };
        lock(&self.compared).get(id / 64).is_some_and(|word| word & (1 << (id % 64)) != 0)
    }

    pub(crate) fn mark_compared(&self, id: i64) {
        let Ok(id) = usize::try_from(id) else { return };
        let mut compared = lock(&self.compared);
        if compared.len() <= id / 64 {
            compared.resize(id / 64 + 1, 0);
        }
        compared[id / 64] |= 1 << (id % 64);
    }

    fn apply(&self, change: Change) -> rusqlite::Result<i64> {
        self.writer.read().unwrap_or_else(PoisonError::into_inner).apply(change)
    }

    fn try_read<T>(
        &self,
        generation: u64,
        query: &impl Fn(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let idle = {
            let mut readers = lock(&self.readers);
            readers.retain(|(made_for, _)| *made_for == generation);
            readers.pop()
        };
        let (_, connection) = match idle {
            Some(reader) => reader,
            None => (generation, schema::open_reader(&self.path)?),
        };
        let value = query(&connection)?;
        let mut readers = lock(&self.readers);
        if readers.len() < IDLE_READERS {
            readers.push((generation, connection));
        }
        Ok(value)
    }

    /// Puts a fresh index in the place of one that turned out to be broken or was deleted, once for each generation.
    fn recover(&self, broken: u64, error: &rusqlite::Error) {
        let mut writer = self.writer.write().unwrap_or_else(PoisonError::into_inner);
        if self.generation.load(Ordering::Acquire) != broken {
            return;
        }
        warn!(error = %error, "the index can't be used any more and is opened anew: {error}");
        let opened = if damages(error) && is_still_broken(&self.path) {
            replace(&self.disk, &self.path, &error.to_string()).map(|(connection, _)| connection)
        } else {
            open_or_replace(&self.disk, &self.path).map(|(connection, _)| connection)
        };
        let started = opened.map_err(|error| error.to_string()).and_then(|connection| {
            Writer::start(connection, self.disk.clone(), self.path.clone()).map_err(|error| error.to_string())
        });
        match started {
            Ok(fresh) => {
                *writer = fresh;
                lock(&self.readers).clear();
                lock(&self.compared).clear();
                self.generation.store(broken + 1, Ordering::Release);
            }
            Err(error) => warn!(error = %error, "no index could be opened: {error}"),
        }
    }
}

fn open_or_replace(disk: &Disk, path: &Path) -> Result<(Connection, IndexState), StoreError> {
    let state = if path.exists() { IndexState::Opened } else { IndexState::Created };
    match schema::open_writer(path) {
        Ok(connection) => Ok((connection, state)),
        Err(schema::OpenFailure::Sqlite(error)) if !is_broken(&error) => Err(unusable(path, &error)),
        Err(failure) => replace(disk, path, &failure.to_string()),
    }
}

/// Sets an unusable index aside and makes an empty one. The lock keeps two processes from setting aside each other's.
fn replace(disk: &Disk, path: &Path, why: &str) -> Result<(Connection, IndexState), StoreError> {
    let folder = path.parent().unwrap_or(path);
    let _lock = disk.lock_folder(folder)?;
    if let Ok(connection) = schema::open_writer(path)
        && is_sound(&connection)
    {
        return Ok((connection, IndexState::Opened));
    }
    let aside = path.with_extension("db.broken");
    for suffix in ["-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        disk.remove(Path::new(&name))?;
    }
    if path.exists() {
        disk.replace(path, &aside)?;
    }
    let connection = schema::open_writer(path).map_err(|failure| match failure {
        schema::OpenFailure::Sqlite(error) => unusable(path, &error),
        newer @ schema::OpenFailure::Newer { .. } => {
            StoreError::from_io("open", path, std::io::Error::other(newer))
        }
    })?;
    Ok((connection, IndexState::Replaced { why: why.to_owned(), aside }))
}

/// Reports whether the whole file reads well. It takes a while on a big one, so it is asked only about a suspect.
fn is_sound(connection: &Connection) -> bool {
    connection
        .query_row("PRAGMA quick_check(1)", (), |row| row.get::<_, String>(0))
        .is_ok_and(|verdict| verdict == "ok")
}

fn is_still_broken(path: &Path) -> bool {
    schema::open_reader(path).map_or(true, |connection| !is_sound(&connection))
}

/// Reports whether a failure means that the file is no index any more, as opposed to a full disk or a held lock.
fn is_broken(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(failure, message) => match failure.code {
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => true,
            // The file was deleted under us, or another process made it anew.
            ErrorCode::CannotOpen | ErrorCode::Unknown => {
                message.as_deref().is_none_or(|text| !text.contains("disk is full"))
            }
            ErrorCode::ReadOnly => failure.extended_code == rusqlite::ffi::SQLITE_READONLY_DBMOVED,
            _ => false,
        },
        // A column that holds another type than any row of ours.
        rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..) => true,
        rusqlite::Error::InvalidQuery => true,
        _ => false,
    }
}

/// Reports whether a failure speaks of wrong bytes in the file, so that it has to go.
fn damages(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => {
            matches!(failure.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        }
        _ => false,
    }
}

fn unusable(path: &Path, error: &rusqlite::Error) -> StoreError {
    let path = path.to_path_buf();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::NoSpace { path },
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            StoreError::Denied { path }
        }
        _ => {
            let source = std::io::Error::other(error.to_string());
            StoreError::Io { action: "open", path, source }
        }
    }
}

fn report_read(error: &rusqlite::Error) {
    warn!(error = %error, "the index could not be read: {error}");
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
