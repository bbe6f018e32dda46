//! Which objects were fetched before anybody asked for them, and still wait for somebody who does.

use std::time::SystemTime;

use rusqlite::{Connection, params};

use super::time::{from_millis, to_millis};

/// An object that nobody has asked for, by its name.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) since: SystemTime,
}

/// Marks an object. Its row is there already; one without a row needs no mark, for it was not fetched by this index's store.
pub(crate) fn mark(connection: &Connection, name: &str, since: SystemTime) -> rusqlite::Result<i64> {
    let count = connection
        .prepare_cached("INSERT OR IGNORE INTO ahead (id, since) SELECT id, ?2 FROM objects WHERE name = ?1")?
        .execute(params![name, to_millis(since)])?;
    Ok(i64::try_from(count).unwrap_or(i64::MAX))
}

/// Takes the mark off; says how many there were: one or none.
pub(crate) fn clear(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    let count = connection
        .prepare_cached("DELETE FROM ahead WHERE id = (SELECT id FROM objects WHERE name = ?1)")?
        .execute([name])?;
    Ok(i64::try_from(count).unwrap_or(i64::MAX))
}

/// Lists what is marked, oldest first.
pub(crate) fn all(connection: &Connection) -> rusqlite::Result<Vec<Row>> {
    connection
        .prepare_cached(
            "SELECT objects.name, objects.size, ahead.since FROM ahead JOIN objects ON objects.id = ahead.id
             ORDER BY ahead.id",
        )?
        .query_map((), |row| {
            let size: i64 = row.get(1)?;
            let size = u64::try_from(size).unwrap_or_default();
            Ok(Row { name: row.get(0)?, size, since: from_millis(row.get(2)?) })
        })?
        .collect()
}
