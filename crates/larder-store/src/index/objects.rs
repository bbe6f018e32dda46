//! Rows about objects.

use std::time::SystemTime;

use larder_module::dirhash::H1;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use sha2::{Digest as _, Sha256};

use super::time::{from_millis, to_millis};
use crate::key::ObjectKey;
use crate::object::{ObjectRow, RowId, Verification};

/// A row that is about to be written.
#[derive(Clone, Debug)]
pub(crate) struct NewRow {
    pub(crate) key: ObjectKey,
    pub(crate) size: u64,
    pub(crate) sha256: [u8; 32],
    pub(crate) h1: Option<H1>,
    pub(crate) source: String,
    pub(crate) first_seen: SystemTime,
    pub(crate) verified: Verification,
}

impl NewRow {
    pub(crate) fn into_row(self, id: RowId) -> ObjectRow {
        ObjectRow {
            id,
            size: self.size,
            sha256: self.sha256,
            h1: self.h1,
            source: self.source,
            first_seen: self.first_seen,
            verified: self.verified,
            is_unused: false,
        }
    }
}

impl From<(ObjectKey, ObjectRow)> for NewRow {
    fn from((key, row): (ObjectKey, ObjectRow)) -> Self {
        Self {
            key,
            size: row.size,
            sha256: row.sha256,
            h1: row.h1,
            source: row.source,
            first_seen: row.first_seen,
            verified: row.verified,
        }
    }
}

/// Writes a row and returns its id. What stood there before goes, and its id with it.
pub(crate) fn put(connection: &Connection, new: &NewRow) -> rusqlite::Result<i64> {
    let name = new.key.relative_path();
    let size = i64::try_from(new.size).unwrap_or(i64::MAX);
    let h1 = new.h1.as_ref().map(ToString::to_string);
    let verified = new.verified.number();
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO objects (name, size, sha256, h1, source, first_seen, verified, seal)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            name,
            size,
            new.sha256,
            h1,
            new.source,
            to_millis(new.first_seen),
            verified,
            seal(&name, size, &new.sha256, h1.as_deref(), verified),
        ])?;
    Ok(connection.last_insert_rowid())
}

/// Reads the row of an object.
pub(crate) fn get(
    connection: &Connection,
    generation: u64,
    key: &ObjectKey,
) -> rusqlite::Result<Option<ObjectRow>> {
    let name = key.relative_path();
    let row = connection
        .prepare_cached(
            "SELECT id, size, sha256, h1, source, first_seen, verified, seal,
                EXISTS (SELECT 1 FROM ahead WHERE ahead.id = objects.id)
             FROM objects WHERE name = ?1",
        )?
        .query_row([&name], |row| read(generation, &name, row))
        .optional()?;
    Ok(row.flatten())
}

/// Removes the row of an object, and its mark.
pub(crate) fn delete(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    super::ahead::clear(connection, name)?;
    let count = connection.prepare_cached("DELETE FROM objects WHERE name = ?1")?.execute([name])?;
    Ok(i64::try_from(count).unwrap_or(i64::MAX))
}

/// The ids and names of the rows after an id, at most `limit`.
pub(crate) fn names_after(
    connection: &Connection,
    id: i64,
    limit: u32,
) -> rusqlite::Result<Vec<(i64, String)>> {
    connection
        .prepare_cached("SELECT id, name FROM objects WHERE id > ?1 ORDER BY id LIMIT ?2")?
        .query_map(params![id, limit], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// A row, unless it isn't what was written.
fn read(generation: u64, name: &str, row: &Row<'_>) -> rusqlite::Result<Option<ObjectRow>> {
    let size: i64 = row.get(1)?;
    let sha256: [u8; 32] = row.get(2)?;
    let h1: Option<String> = row.get(3)?;
    let verified: i64 = row.get(6)?;
    let sealed: Vec<u8> = row.get(7)?;
    if seal(name, size, &sha256, h1.as_deref(), verified) != sealed[..] {
        return Ok(None);
    }
    let parsed = match h1.as_deref().map(str::parse::<H1>) {
        None => None,
        Some(Ok(h1)) => Some(h1),
        Some(Err(_)) => return Ok(None),
    };
    let (Some(verified), Ok(size)) = (Verification::of_number(verified), u64::try_from(size)) else {
        return Ok(None);
    };
    Ok(Some(ObjectRow {
        id: RowId { generation, number: row.get(0)? },
        size,
        sha256,
        h1: parsed,
        source: row.get(4)?,
        first_seen: from_millis(row.get(5)?),
        verified,
        is_unused: row.get(8)?,
    }))
}

/// The first bytes of a digest over what decides trust.
fn seal(name: &str, size: i64, sha256: &[u8; 32], h1: Option<&str>, verified: i64) -> [u8; 8] {
    let mut hasher = Sha256::new();
    hasher.update(name);
    hasher.update([0]);
    hasher.update(size.to_le_bytes());
    hasher.update(sha256);
    hasher.update(h1.unwrap_or(""));
    hasher.update(verified.to_le_bytes());
    let digest: [u8; 32] = hasher.finalize().into();
    let mut seal = [0; 8];
    seal.copy_from_slice(&digest[..8]);
    seal
}
