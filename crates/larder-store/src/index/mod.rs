//! The SQLite index beside the objects.
//!
//! It makes things quick and visible, and nothing depends on it: an object without a row is examined again, an answer
//! without a row is asked again. So nothing here returns an error. What can't be read counts as absent, what can't be
//! written is said in the log, and a file that can't be used is set aside for a fresh one, also in the middle of the
//! work.

pub(crate) mod ahead;
pub(crate) mod answers;
pub(crate) mod journal;
pub(crate) mod later;
mod objects;
mod schema;
mod time;
mod writer;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use rusqlite::{Connection, ErrorCode};
use tracing::{info, warn};

pub(crate) use objects::NewRow;

use self::writer::{Change, Writer};
use crate::durable::Disk;
use crate::error::StoreError;
use crate::key::ObjectKey;
use crate::object::{FileIdentity, ObjectRow, RowId, identity};

/// Idle connections kept for readers.
const IDLE_READERS: usize = 8;
/// Rows remembered while the index can't be written, so that hits stay cheap on a full disk.
const UNSAVED_ROWS: usize = 65_536;
/// The number of rows that are in no file; SQLite gives none below one.
const UNSAVED: i64 = -1;

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
    /// Grows whenever another file is used; connections of an earlier generation are thrown away.
    generation: AtomicU64,
    /// The file of this generation, to notice when another one lies under the name.
    file: Mutex<Option<FileIdentity>>,
    writer: RwLock<Writer>,
    readers: Mutex<Vec<(u64, Connection)>>,
    unsaved: Mutex<HashMap<ObjectKey, ObjectRow>>,
    /// The last write failed; said once, until one succeeds.
    failing: AtomicBool,
    /// The rows whose objects were compared with them in this process.
    compared: Mutex<Compared>,
}

/// One bit for each row of a generation.
#[derive(Debug, Default)]
struct Compared {
    generation: u64,
    bits: Vec<u64>,
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
            file: Mutex::new(file_under(path)),
            writer: RwLock::new(writer),
            readers: Mutex::new(Vec::new()),
            unsaved: Mutex::new(HashMap::new()),
            failing: AtomicBool::new(false),
            compared: Mutex::new(Compared::default()),
        };
        Ok((index, state))
    }

    /// Reads something; a failure reads as nothing.
    pub(crate) fn read<T>(&self, query: impl Fn(&Connection) -> rusqlite::Result<T>) -> Option<T> {
        self.read_with_generation(|connection, _| query(connection))
    }

    /// Makes a change and waits for its commit; says whether it went in.
    pub(crate) fn write(
        &self,
        change: impl Fn(&Connection) -> rusqlite::Result<i64> + Send + Clone + 'static,
    ) -> Option<i64> {
        self.write_with_generation(change).map(|id| id.number)
    }

    pub(crate) fn object(&self, key: &ObjectKey) -> Option<ObjectRow> {
        self.read_with_generation(|connection, generation| objects::get(connection, generation, key))
            .flatten()
            .or_else(|| lock(&self.unsaved).get(key).cloned())
    }

    /// Writes the row of an object whose bytes were just looked at, and remembers that they were.
    pub(crate) fn put_object(&self, row: NewRow) -> ObjectRow {
        let row = self.save(row);
        if row.id.number != UNSAVED {
            // What a full disk kept out goes in now.
            let unsaved: Vec<_> = lock(&self.unsaved).drain().collect();
            for row in unsaved {
                self.save(NewRow::from(row));
            }
        }
        row
    }

    fn save(&self, row: NewRow) -> ObjectRow {
        let key = row.key.clone();
        let change = {
            let row = row.clone();
            move |connection: &Connection| objects::put(connection, &row)
        };
        match self.write_with_generation(change) {
            Some(id) => {
                lock(&self.unsaved).remove(&key);
                self.mark_compared(id);
                row.into_row(id)
            }
            None => {
                let generation = self.generation.load(Ordering::Acquire);
                let row = row.into_row(RowId { generation, number: UNSAVED });
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
    pub(crate) fn was_compared(&self, id: RowId) -> bool {
        // A row that never reached the file was made from bytes seen by this process.
        let Ok(number) = usize::try_from(id.number) else { return true };
        let compared = lock(&self.compared);
        compared.generation == id.generation
            && compared.bits.get(number / 64).is_some_and(|word| word & (1 << (number % 64)) != 0)
    }

    pub(crate) fn mark_compared(&self, id: RowId) {
        let Ok(number) = usize::try_from(id.number) else { return };
        let mut compared = lock(&self.compared);
        if compared.generation != id.generation {
            return;
        }
        if compared.bits.len() <= number / 64 {
            compared.bits.resize(number / 64 + 1, 0);
        }
        compared.bits[number / 64] |= 1 << (number % 64);
    }

    fn read_with_generation<T>(&self, query: impl Fn(&Connection, u64) -> rusqlite::Result<T>) -> Option<T> {
        let generation = self.generation.load(Ordering::Acquire);
        let outcome = match self.try_read(generation, &query) {
            Err(error) if is_broken(&error) => {
                self.recover(generation, &error);
                self.try_read(self.generation.load(Ordering::Acquire), &query)
            }
            outcome => outcome,
        };
        outcome.inspect_err(|error| warn!(error = %error, "the index could not be read: {error}")).ok()
    }

    fn try_read<T>(
        &self,
        generation: u64,
        query: &impl Fn(&Connection, u64) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let idle = {
            let mut readers = lock(&self.readers);
            readers.retain(|(made_for, _)| *made_for == generation);
            readers.pop()
        };
        let (_, connection) = match idle {
            Some(reader) => reader,
            None => (generation, self.open_reader()?),
        };
        let value = query(&connection, generation)?;
        let mut readers = lock(&self.readers);
        if readers.len() < IDLE_READERS {
            readers.push((generation, connection));
        }
        Ok(value)
    }

    /// Opens one more connection, of the same file that the writer has.
    fn open_reader(&self) -> rusqlite::Result<Connection> {
        let connection = schema::open_reader(&self.path)?;
        let same = file_under(&self.path) == *lock(&self.file);
        // Somebody deleted the file, and another process made a new one.
        if same { Ok(connection) } else { Err(rusqlite::Error::InvalidQuery) }
    }

    fn write_with_generation(
        &self,
        change: impl Fn(&Connection) -> rusqlite::Result<i64> + Send + Clone + 'static,
    ) -> Option<RowId> {
        let generation = self.generation.load(Ordering::Acquire);
        let outcome = match self.apply(Box::new(change.clone())) {
            Err(error) if is_broken(&error) => {
                self.recover(generation, &error);
                self.apply(Box::new(change))
            }
            outcome => outcome,
        };
        match outcome {
            Ok(id) => {
                if self.failing.swap(false, Ordering::Relaxed) {
                    info!("the index can be written again");
                }
                Some(id)
            }
            Err(error) => {
                if !self.failing.swap(true, Ordering::Relaxed) {
                    warn!(error = %error, "the index can't be written; objects are served all the same: {error}");
                }
                None
            }
        }
    }

    fn apply(&self, change: Change) -> rusqlite::Result<RowId> {
        let writer = self.writer.read().unwrap_or_else(PoisonError::into_inner);
        let number = writer.apply(change)?;
        // The generation can't change while the writer is held.
        Ok(RowId { generation: self.generation.load(Ordering::Acquire), number })
    }

    /// Uses a fresh index in the place of one that turned out to be broken or was deleted, once for each generation.
    fn recover(&self, broken: u64, error: &rusqlite::Error) {
        let mut writer = self.writer.write().unwrap_or_else(PoisonError::into_inner);
        if self.generation.load(Ordering::Acquire) != broken {
            return;
        }
        warn!(error = %error, "the index can't be used any more and is opened anew: {error}");
        let opened = if is_damage(error) {
            replace(&self.disk, &self.path, &error.to_string())
        } else {
            open_or_replace(&self.disk, &self.path)
        };
        let started = opened.map_err(|error| error.to_string()).and_then(|(connection, _)| {
            Writer::start(connection, self.disk.clone(), self.path.clone()).map_err(|error| error.to_string())
        });
        match started {
            Ok(fresh) => {
                *writer = fresh;
                *lock(&self.file) = file_under(&self.path);
                lock(&self.readers).clear();
                *lock(&self.compared) = Compared { generation: broken + 1, bits: Vec::new() };
                self.generation.store(broken + 1, Ordering::Release);
            }
            Err(error) => warn!(error = %error, "no index could be opened: {error}"),
        }
    }
}

fn file_under(path: &Path) -> Option<FileIdentity> {
    std::fs::metadata(path).ok().map(|metadata| identity(&metadata))
}

fn open_or_replace(disk: &Disk, path: &Path) -> Result<(Connection, IndexState), StoreError> {
    let state = if path.exists() { IndexState::Opened } else { IndexState::Created };
    match schema::open_writer(path) {
        Ok(connection) => Ok((connection, state)),
        Err(schema::OpenFailure::Sqlite(error)) if !is_damage(&error) => Err(unusable(path, &error)),
        Err(failure) => replace(disk, path, &failure.to_string()),
    }
}

/// Sets an unusable index aside and makes an empty one. The lock keeps two processes from setting aside each other's.
fn replace(disk: &Disk, path: &Path, why: &str) -> Result<(Connection, IndexState), StoreError> {
    let folder = path.parent().unwrap_or(path);
    let _lock = disk.lock_folder(folder)?;
    if let Ok(connection) = schema::open_writer(path) {
        // Another process may have put a good one there already.
        if is_sound(&connection) {
            return Ok((connection, IndexState::Opened));
        }
        // Closing it cleanly leaves no log that would be replayed into the next file.
        drop(connection.close());
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

/// Reports whether a failure means that another file has to be used, as opposed to a full disk or a held lock.
fn is_broken(error: &rusqlite::Error) -> bool {
    is_damage(error)
        || match error {
            // The file was deleted under us, or another one lies under its name.
            rusqlite::Error::SqliteFailure(failure, _) => {
                failure.code == ErrorCode::CannotOpen
                    || failure.extended_code == rusqlite::ffi::SQLITE_READONLY_DBMOVED
            }
            rusqlite::Error::InvalidQuery => true,
            _ => false,
        }
}

/// Reports whether a failure speaks of wrong bytes in the file.
fn is_damage(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => matches!(
            failure.code,
            // The last one means a table or column that isn't there.
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown
        ),
        // A column that holds another type than any row of ours.
        rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..) => true,
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
