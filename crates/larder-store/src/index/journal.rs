//! Rows about what happened: why fetches failed lately, and events that somebody may have to answer for.

use std::time::SystemTime;

use larder_module::path::ModulePath;
use rusqlite::{Connection, OptionalExtension, params};

use super::time::{from_millis, to_millis};

/// Causes of one module that are kept.
const CAUSES_OF_A_MODULE: u32 = 16;

/// Why a fetch failed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cause {
    /// The module.
    pub module: ModulePath,
    /// What of it was wanted, such as `v1.0.0.zip` or `list`.
    pub wanted: String,
    /// The upstream that failed, printable.
    pub upstream: String,
    /// What went wrong, in the words or encoding of the caller; no secrets.
    pub detail: String,
    /// When.
    pub at: SystemTime,
}

/// Something that has to be visible afterwards: a checksum mismatch, a quarantined object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    /// Grows with each event.
    pub id: i64,
    /// When.
    pub at: SystemTime,
    /// What kind of event, such as `checksum-mismatch`.
    pub kind: String,
    /// What it is about, such as `example.com/a@v1.0.0.zip`.
    pub subject: String,
    /// The evidence.
    pub detail: String,
}

pub(crate) fn put_cause(connection: &Connection, cause: &Cause) -> rusqlite::Result<i64> {
    connection
        .prepare_cached(
            "INSERT INTO causes (module, wanted, upstream, detail, at) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            cause.module.as_str(),
            cause.wanted,
            cause.upstream,
            cause.detail,
            to_millis(cause.at)
        ])?;
    connection
        .prepare_cached(
            "DELETE FROM causes WHERE id IN (
                 SELECT id FROM causes WHERE module = ?1 ORDER BY at DESC, id DESC LIMIT -1 OFFSET ?2)",
        )?
        .execute(params![cause.module.as_str(), CAUSES_OF_A_MODULE])?;
    Ok(0)
}

/// The causes of a module since a moment, newest first.
pub(crate) fn causes(
    connection: &Connection,
    module: &ModulePath,
    since: SystemTime,
) -> rusqlite::Result<Vec<Cause>> {
    connection
        .prepare_cached(
            "SELECT wanted, upstream, detail, at FROM causes WHERE module = ?1 AND at >= ?2
             ORDER BY at DESC, id DESC",
        )?
        .query_map(params![module.as_str(), to_millis(since)], |row| {
            Ok(Cause {
                module: module.clone(),
                wanted: row.get(0)?,
                upstream: row.get(1)?,
                detail: row.get(2)?,
                at: from_millis(row.get(3)?),
            })
        })?
        .collect()
}

pub(crate) fn forget_causes(connection: &Connection, module: &ModulePath) -> rusqlite::Result<i64> {
    let count =
        connection.prepare_cached("DELETE FROM causes WHERE module = ?1")?.execute([module.as_str()])?;
    Ok(i64::try_from(count).unwrap_or(i64::MAX))
}

pub(crate) fn prune_causes(connection: &Connection, before: SystemTime, limit: u32) -> rusqlite::Result<i64> {
    connection.prepare_cached("DELETE FROM causes WHERE at < ?1")?.execute([to_millis(before)])?;
    connection
        .prepare_cached(
            "DELETE FROM causes WHERE id IN (SELECT id FROM causes ORDER BY at DESC LIMIT -1 OFFSET ?1)",
        )?
        .execute([limit])?;
    Ok(0)
}

pub(crate) fn put_event(
    connection: &Connection,
    at: SystemTime,
    kind: &str,
    subject: &str,
    detail: &str,
) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("INSERT INTO events (at, kind, subject, detail) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![to_millis(at), kind, subject, detail])?;
    Ok(connection.last_insert_rowid())
}

/// The newest events, newest first.
pub(crate) fn events(connection: &Connection, limit: u32) -> rusqlite::Result<Vec<Event>> {
    connection
        .prepare_cached("SELECT id, at, kind, subject, detail FROM events ORDER BY id DESC LIMIT ?1")?
        .query_map([limit], |row| {
            Ok(Event {
                id: row.get(0)?,
                at: from_millis(row.get(1)?),
                kind: row.get(2)?,
                subject: row.get(3)?,
                detail: row.get(4)?,
            })
        })?
        .collect()
}

/// What the newest event of a kind says about a subject.
pub(crate) fn newest_detail(
    connection: &Connection,
    kind: &str,
    subject: &str,
) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached(
            "SELECT detail FROM events WHERE kind = ?1 AND subject = ?2 ORDER BY id DESC LIMIT 1",
        )?
        .query_row([kind, subject], |row| row.get(0))
        .optional()
}

pub(crate) fn prune_events(connection: &Connection, limit: u32) -> rusqlite::Result<i64> {
    let count = connection
        .prepare_cached("DELETE FROM events WHERE id <= (SELECT max(id) FROM events) - ?1")?
        .execute([limit])?;
    Ok(i64::try_from(count).unwrap_or(i64::MAX))
}
