//! Rows about answers: what upstreams said that may change (`@v/list`, `@latest`, what a query means now).
//!
//! A found answer has no age limit, because the last thing that an upstream said is served when it is gone. Both kinds
//! are bounded in number; those confirmed longest ago go first.

use std::time::SystemTime;

use bytes::Bytes;
use larder_module::path::ModulePath;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::time::{from_millis, to_millis};

/// What was asked.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Question {
    /// `@v/list`.
    List,
    /// `@latest`.
    Latest,
    /// `@v/<query>.info` for something that is no version of its own.
    Query(String),
}

impl AnswerRow {
    /// Returns how many bytes its texts have.
    pub(crate) fn size(&self) -> usize {
        let texts = [&self.etag, &self.last_modified, &self.note].into_iter().flatten();
        self.body.as_ref().map_or(0, Bytes::len) + self.source.len() + texts.map(String::len).sum::<usize>()
    }
}

impl Question {
    /// The number never changes its meaning.
    fn columns(&self) -> (i64, &str) {
        match self {
            Self::List => (1, ""),
            Self::Latest => (2, ""),
            Self::Query(query) => (3, query),
        }
    }
}

/// The name of an answer.
///
/// The chain belongs to it: what one chain of upstreams said is never given to those who would ask another one.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct AnswerKey {
    /// The module that was asked about.
    pub module: ModulePath,
    /// What was asked.
    pub question: Question,
    /// The chain that was asked, in a printable form that holds no credentials.
    pub chain: String,
}

/// What was answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AnswerRow {
    /// The body; nothing means that there is positively no such thing.
    pub body: Option<Bytes>,
    /// The upstream's `ETag`, to ask again cheaply.
    pub etag: Option<String>,
    /// The upstream's `Last-Modified`, likewise.
    pub last_modified: Option<String>,
    /// The upstream that answered, printable.
    pub source: String,
    /// Whatever the engine wants to find again, such as what the upstream said about an absence.
    pub note: Option<String>,
    /// When the body came.
    pub fetched_at: SystemTime,
    /// When the upstream last confirmed it.
    pub checked_at: SystemTime,
}

pub(crate) fn put(connection: &Connection, key: &AnswerKey, answer: &AnswerRow) -> rusqlite::Result<i64> {
    let (what, query) = key.question.columns();
    connection
        .prepare_cached(
            "INSERT INTO answers (module, what, query, chain, body, etag, last_modified, source, note,
                                  fetched_at, checked_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
             ON CONFLICT (module, what, query, chain) DO UPDATE SET
                 body = excluded.body, etag = excluded.etag, last_modified = excluded.last_modified,
                 source = excluded.source, note = excluded.note, fetched_at = excluded.fetched_at,
                 checked_at = excluded.checked_at",
        )?
        .execute(params![
            key.module.as_str(),
            what,
            query,
            key.chain,
            answer.body.as_deref(),
            answer.etag,
            answer.last_modified,
            answer.source,
            answer.note,
            to_millis(answer.fetched_at),
            to_millis(answer.checked_at),
        ])?;
    Ok(0)
}

pub(crate) fn get(connection: &Connection, key: &AnswerKey) -> rusqlite::Result<Option<AnswerRow>> {
    let (what, query) = key.question.columns();
    connection
        .prepare_cached(
            "SELECT body, etag, last_modified, source, note, fetched_at, checked_at FROM answers
             WHERE module = ?1 AND what = ?2 AND query = ?3 AND chain = ?4",
        )?
        .query_row(params![key.module.as_str(), what, query, key.chain], read)
        .optional()
}

pub(crate) fn forget(connection: &Connection, module: &ModulePath) -> rusqlite::Result<i64> {
    let count =
        connection.prepare_cached("DELETE FROM answers WHERE module = ?1")?.execute([module.as_str()])?;
    Ok(i64::try_from(count).unwrap_or(i64::MAX))
}

/// Forgets that there is no such thing; an answer that was found stays.
pub(crate) fn forget_absence(connection: &Connection, key: &AnswerKey) -> rusqlite::Result<i64> {
    let (what, query) = key.question.columns();
    connection
        .prepare_cached(
            "DELETE FROM answers
             WHERE module = ?1 AND what = ?2 AND query = ?3 AND chain = ?4 AND body IS NULL",
        )?
        .execute(params![key.module.as_str(), what, query, key.chain])?;
    Ok(0)
}

/// Keeps at most so many answers, absences counted apart so that a flood of them drives out nothing that was found.
pub(crate) fn prune(connection: &Connection, found: u32, absent: u32) -> rusqlite::Result<i64> {
    let mut removed = 0;
    for (is_absent, limit) in [(false, found), (true, absent)] {
        removed += connection
            .prepare_cached(
                "DELETE FROM answers WHERE id IN (
                     SELECT id FROM answers WHERE (body IS NULL) = ?1
                     ORDER BY checked_at DESC LIMIT -1 OFFSET ?2)",
            )?
            .execute(params![is_absent, limit])?;
    }
    Ok(i64::try_from(removed).unwrap_or(i64::MAX))
}

fn read(row: &Row<'_>) -> rusqlite::Result<AnswerRow> {
    Ok(AnswerRow {
        body: row.get::<_, Option<Vec<u8>>>(0)?.map(Bytes::from),
        etag: row.get(1)?,
        last_modified: row.get(2)?,
        source: row.get(3)?,
        note: row.get(4)?,
        fetched_at: from_millis(row.get(5)?),
        checked_at: from_millis(row.get(6)?),
    })
}
