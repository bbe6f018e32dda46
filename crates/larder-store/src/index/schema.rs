//! The tables, and how an older index becomes a current one.
//!
//! The index is a convenience: an index that can't be read, was made by a newer Larder, or is simply gone gives way to an
//! empty one, and no object is lost. So migrations may be blunt.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

/// One entry for each step of `user_version`.
const MIGRATIONS: [&str; 2] = [
    "
CREATE TABLE objects (
    -- Never used twice, because processes remember ids whose bytes they have compared.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    size INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    h1 TEXT,
    source TEXT NOT NULL,
    first_seen INTEGER NOT NULL,
    verified INTEGER NOT NULL,
    -- A digest of the row, so that a rotten index can't condemn a good object.
    seal BLOB NOT NULL
) STRICT;
CREATE TABLE answers (
    id INTEGER PRIMARY KEY,
    module TEXT NOT NULL,
    what INTEGER NOT NULL,
    query TEXT NOT NULL,
    chain TEXT NOT NULL,
    body BLOB,
    etag TEXT,
    last_modified TEXT,
    source TEXT NOT NULL,
    note TEXT,
    fetched_at INTEGER NOT NULL,
    checked_at INTEGER NOT NULL,
    UNIQUE (module, what, query, chain)
) STRICT;
CREATE INDEX answers_by_age ON answers (body IS NULL, checked_at);
CREATE TABLE causes (
    id INTEGER PRIMARY KEY,
    module TEXT NOT NULL,
    wanted TEXT NOT NULL,
    upstream TEXT NOT NULL,
    detail TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX causes_by_module ON causes (module, at);
CREATE INDEX causes_by_age ON causes (at);
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
",
    "
CREATE TABLE ahead (
    -- The object's. An id is never used twice, so a mark can't pass to another object.
    id INTEGER PRIMARY KEY,
    since INTEGER NOT NULL
) STRICT;
",
];

/// Why an index file can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenFailure {
    #[error("it was made by a newer larder (version {found}, this one knows {known})")]
    Newer { found: i64, known: i64 },
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

/// Opens the index for writing, creating or migrating it.
pub(crate) fn open_writer(path: &Path) -> Result<Connection, OpenFailure> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    let _mode: String = connection.query_row("PRAGMA journal_mode = WAL", (), |row| row.get(0))?;
    connection.execute_batch(
        // A power cut may cost the last rows, which costs a second look at their objects, and never the file's shape.
        "PRAGMA synchronous = NORMAL;
         PRAGMA journal_size_limit = 16777216;
         PRAGMA cache_size = -2048;
         PRAGMA temp_store = MEMORY;",
    )?;
    migrate(&mut connection)?;
    Ok(connection)
}

/// Opens the index for reading. Never creates it: an empty file would look like an index without rows.
pub(crate) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -512;")?;
    Ok(connection)
}

fn migrate(connection: &mut Connection) -> Result<(), OpenFailure> {
    let known = MIGRATIONS.len() as i64;
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let found: i64 = transaction.query_row("PRAGMA user_version", (), |row| row.get(0))?;
    if found > known {
        return Err(OpenFailure::Newer { found, known });
    }
    for migration in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(migration)?;
    }
    if found != known {
        transaction.pragma_update(None, "user_version", known)?;
    }
    // Touches every table, so that a file of another kind, or half of one, shows here and not in the middle of a request.
    for table in ["objects", "answers", "causes", "events", "meta", "ahead"] {
        transaction.query_row(
            &format!("SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT 1)"),
            (),
            |_| Ok(()),
        )?;
    }
    transaction.commit()?;
    Ok(())
}
