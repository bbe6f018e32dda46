//! Reading the whole store again.
//!
//! Disks rot and people edit, so now and then every object is read: against the digest in the index, against the rules
//! for its kind, and against the stored records of the checksum databases. What is wrong goes into quarantine, where
//! its next request finds it absent and fetches it anew. The walk goes in name order and keeps its position, so that a
//! scrub of a large store can be stopped and carried on; it holds one folder's names in memory for each level.

use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;

use fs_err as fs;
use larder_module::dirhash::{H1, hash_mod};
use larder_module::gomod::{self, GoMod};
use larder_module::info::Info;
use larder_module::path::ModulePath;
use larder_module::request::ObjectKind;
use larder_module::version::ModuleVersion;
use larder_module::zip::InspectOptions;
use tracing::warn;

use crate::error::StoreError;
use crate::key::ObjectKey;
use crate::object::{Examined, StoredObject, Verification, hash_file};
use crate::walk::{Found, Position, Walk};
use crate::{Store, hex, publish, versions};

/// Objects between two saves of the position.
const SAVE_EVERY: u64 = 256;
/// Problems named in the report; the rest is counted.
const NAMED_PROBLEMS: usize = 1_000;
/// Rows looked at in one go.
const ROWS_AT_ONCE: u32 = 1_000;
/// No `.mod` or `.info` is larger.
const SMALL_OBJECT: u64 = 16 * 1024 * 1024;

/// What the stored records of checksum databases say about a version.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Recorded {
    /// The hash of the zip.
    pub zip: Option<H1>,
    /// The hash of the `.mod`.
    pub go_mod: Option<H1>,
}

/// Looks up what is recorded about a version; see [`Store::recorded`].
pub type Records<'a> = dyn Fn(&ModuleVersion) -> Option<Recorded> + 'a;

/// How to scrub.
pub struct ScrubOptions<'a> {
    /// What checksum databases say.
    pub records: &'a Records<'a>,
    /// Carry on where the last scrub was stopped.
    pub resume: bool,
    /// Give an index row to objects that have none and can be proven: by a record, or an `.info` by its own content.
    pub add_rows: bool,
}

impl fmt::Debug for ScrubOptions<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ScrubOptions")
            .field("resume", &self.resume)
            .field("add_rows", &self.add_rows)
            .finish_non_exhaustive()
    }
}

/// One thing that a scrub found to be wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// The object, as a path below `<data>/modules`.
    pub object: String,
    /// What is wrong with it.
    pub reason: String,
    /// It lies in quarantine now; otherwise it could not even be read.
    pub quarantined: bool,
}

/// What a scrub found so far.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ScrubReport {
    /// Where the scrub carried on, if it did.
    pub resumed_after: Option<String>,
    /// The last object that was looked at.
    pub position: String,
    /// Objects looked at.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that were wrong.
    pub wrong: u64,
    /// The first of them.
    pub problems: Vec<Problem>,
    /// Good objects that the index doesn't know. The server examines each before it serves it.
    pub without_row: u64,
    /// Index rows that were added.
    pub rows_added: u64,
    /// Index rows that were removed because their objects are gone.
    pub rows_removed: u64,
    /// Marks and version lists that were put right.
    pub repaired: u64,
    /// Files that belong to no object.
    pub strays: u64,
    /// The scrub reached the end.
    pub finished: bool,
}

pub(crate) fn scrub(
    store: &Store,
    options: &ScrubOptions<'_>,
    progress: &mut dyn FnMut(&ScrubReport) -> ControlFlow<()>,
) -> Result<ScrubReport, StoreError> {
    let position = if options.resume { load_position(store) } else { None };
    let mut report = ScrubReport { resumed_after: position.clone(), ..ScrubReport::default() };
    let mut walk = Walk::new(&store.inner().layout.modules, position.as_deref().map(Position::parse));
    while let Some(found) = walk.next()? {
        match found {
            Found::Stray => report.strays += 1,
            Found::EndOfModule(module) => repair_list(store, &module, &mut report),
            Found::Object { key, relative } => {
                scrub_object(store, options, &key, &mut report)?;
                report.position = relative;
                report.objects += 1;
                let stop = progress(&report).is_break();
                if stop || report.objects.is_multiple_of(SAVE_EVERY) {
                    save_position(store, &report.position);
                }
                if stop {
                    return Ok(report);
                }
            }
        }
    }
    remove_dead_rows(store, &mut report);
    report.finished = true;
    store.inner().disk.remove(&store.inner().layout.scrub_position)?;
    // Nothing is left to be stopped.
    let _ = progress(&report);
    Ok(report)
}

/// What looking at one object came to.
enum Judgement {
    /// It is what it should be.
    Good {
        /// Its `h1:`, where it has one.
        h1: Option<H1>,
        /// A checksum record says so.
        recorded: bool,
    },
    Wrong(String),
}

fn scrub_object(
    store: &Store,
    options: &ScrubOptions<'_>,
    key: &ObjectKey,
    report: &mut ScrubReport,
) -> Result<(), StoreError> {
    let object = match store.object(key) {
        Ok(Some(object)) => object,
        // Another process moved it since its folder was read.
        Ok(None) => return Ok(()),
        Err(error) => {
            note(report, key, describe(&error), false);
            return Ok(());
        }
    };
    let path = key.folder(&store.inner().layout.modules).join(key.file_name());
    let (sha256, size) = match hash_file(&object.file, &path) {
        Ok(hashed) => hashed,
        Err(error) => {
            note(report, key, describe(&error), false);
            return Ok(());
        }
    };
    report.bytes += size;
    match judge(key, &object, &sha256, size, (options.records)(key.of())) {
        Judgement::Wrong(reason) => {
            let moved = store.quarantine(key, &object, &reason)?;
            if moved {
                note(report, key, reason, true);
            }
            Ok(())
        }
        Judgement::Good { h1, recorded } => {
            settle(store, options, key, &object, sha256, h1, recorded, report)
        }
    }
}

/// Decides about an object whose digest is known.
fn judge(
    key: &ObjectKey,
    object: &StoredObject,
    sha256: &[u8; 32],
    size: u64,
    recorded: Option<Recorded>,
) -> Judgement {
    if let Some(row) = &object.row
        && (row.sha256 != *sha256 || row.size != size)
    {
        return Judgement::Wrong(format!(
            "its bytes changed on the disk: SHA-256 is {}, was {} when it was stored",
            hex(sha256),
            hex(&row.sha256)
        ));
    }
    let recorded = recorded.unwrap_or_default();
    match key.kind() {
        ObjectKind::Info => judge_info(key, object),
        ObjectKind::Mod => judge_mod(object, recorded.go_mod),
        ObjectKind::Zip => judge_zip(key, object, recorded.zip),
    }
}

fn judge_info(key: &ObjectKey, object: &StoredObject) -> Judgement {
    let content = match small_content(object) {
        Ok(content) => content,
        Err(reason) => return Judgement::Wrong(reason),
    };
    match Info::parse(&content) {
        Ok(info) if info.version == *key.of().version() => Judgement::Good { h1: None, recorded: false },
        Ok(info) => Judgement::Wrong(format!("it names version {}", info.version)),
        Err(error) => Judgement::Wrong(format!("it is no version information: {error}")),
    }
}

fn judge_mod(object: &StoredObject, recorded: Option<H1>) -> Judgement {
    let content = match small_content(object) {
        Ok(content) => content,
        Err(reason) => return Judgement::Wrong(reason),
    };
    let h1 = hash_mod(&content);
    if let Some(recorded) = recorded {
        return compare_with_record(h1, recorded);
    }
    let good = Judgement::Good { h1: Some(h1), recorded: false };
    match GoMod::parse_outline(&content, 0) {
        Ok(GoMod { module: Some(_), .. }) => good,
        // What comes from a repository need not be readable below its module line.
        _ if gomod::module_path(&content).is_some_and(|path| !path.starts_with('(')) => good,
        Ok(_) => Judgement::Wrong("it names no module".to_owned()),
        Err(error) => Judgement::Wrong(format!("it is no go.mod: {error}")),
    }
}

fn judge_zip(key: &ObjectKey, object: &StoredObject, recorded: Option<H1>) -> Judgement {
    let options = InspectOptions::default();
    let h1 = match larder_module::zip::inspect(&object.file, object.size, key.of(), &options) {
        Ok(report) => report.h1,
        Err(error) => return Judgement::Wrong(format!("it breaks the rules for module zips: {error}")),
    };
    match (h1, recorded) {
        (Some(h1), Some(recorded)) => compare_with_record(h1, recorded),
        // Without row and record the mark is all there is; with a row the bytes are proven and the mark is put right.
        (Some(h1), None) => match object.marks.ziphash {
            Some(marked) if marked != h1 && object.row.is_none() => {
                Judgement::Wrong(format!("its hash is {h1}, its .ziphash says {marked}"))
            }
            Some(_) | None => Judgement::Good { h1: Some(h1), recorded: false },
        },
        (None, _) => Judgement::Wrong("it has no hash".to_owned()),
    }
}

fn compare_with_record(found: H1, recorded: H1) -> Judgement {
    if found == recorded {
        Judgement::Good { h1: Some(found), recorded: true }
    } else {
        Judgement::Wrong(format!("its hash is {found}, the checksum database says {recorded}"))
    }
}

fn small_content(object: &StoredObject) -> Result<Vec<u8>, String> {
    use std::os::unix::fs::FileExt as _;
    if object.size > SMALL_OBJECT {
        return Err(format!("it has {} bytes, more than any such file may have", object.size));
    }
    let mut content = vec![0; usize::try_from(object.size).unwrap_or(0)];
    object.file.read_exact_at(&mut content, 0).map_err(|error| format!("it can't be read: {error}"))?;
    Ok(content)
}

/// Brings row and marks of a good object in line with what was found.
#[expect(clippy::too_many_arguments, reason = "one call, everything known about one object")]
fn settle(
    store: &Store,
    options: &ScrubOptions<'_>,
    key: &ObjectKey,
    object: &StoredObject,
    sha256: [u8; 32],
    h1: Option<H1>,
    recorded: bool,
    report: &mut ScrubReport,
) -> Result<(), StoreError> {
    let provable = recorded || key.kind() == ObjectKind::Info;
    let may_add = options.add_rows && provable;
    if object.row.is_none() && !may_add {
        report.without_row += 1;
        return Ok(());
    }
    let confirmed = recorded && object.marks.unverified;
    let mark_is_wrong = key.kind() == ObjectKind::Zip && object.marks.ziphash != h1;
    if object.row.is_some() && !confirmed && !mark_is_wrong {
        return Ok(());
    }
    let (source, before) = match &object.row {
        Some(row) => (row.source.clone(), row.verified),
        None => {
            report.rows_added += 1;
            ("found in the store".to_owned(), Verification::NotApplicable)
        }
    };
    if confirmed || mark_is_wrong {
        report.repaired += 1;
    }
    let verified = if recorded { Verification::Verified } else { before };
    publish::record_examined(store, key, object, sha256, &Examined { h1, source, verified })?;
    Ok(())
}

fn repair_list(store: &Store, module: &ModulePath, report: &mut ScrubReport) {
    let folder = crate::key::version_folder(&store.inner().layout.modules, module);
    let written =
        store.inner().disk.lock_folder(&folder).and_then(|lock| versions::write_list(store, &folder, &lock));
    match written {
        Ok(changed) => report.repaired += u64::from(changed),
        Err(error) => warn!(error = %error, "the version list of {module} could not be checked: {error}"),
    }
}

fn remove_dead_rows(store: &Store, report: &mut ScrubReport) {
    let inner = store.inner();
    let mut last = 0;
    loop {
        let rows = inner.index.names_after(last, ROWS_AT_ONCE);
        let Some((id, _)) = rows.last() else { return };
        last = *id;
        for (_, name) in rows {
            let there = rustix::fs::access(inner.layout.modules.join(&name), rustix::fs::Access::EXISTS);
            if there == Err(rustix::io::Errno::NOENT) {
                inner.index.delete_name(name);
                report.rows_removed += 1;
            }
        }
    }
}

fn note(report: &mut ScrubReport, key: &ObjectKey, reason: String, quarantined: bool) {
    report.wrong += 1;
    if report.problems.len() < NAMED_PROBLEMS {
        report.problems.push(Problem { object: key.relative_path(), reason, quarantined });
    }
}

fn describe(error: &StoreError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

fn load_position(store: &Store) -> Option<String> {
    let text = fs::read_to_string(&store.inner().layout.scrub_position).ok()?;
    let position = text.trim_end_matches('\n');
    (!position.is_empty()).then(|| position.to_owned())
}

/// A position that can't be saved costs repeated work, nothing else.
fn save_position(store: &Store, position: &str) {
    let inner = store.inner();
    let text = format!("{position}\n");
    let target: &Path = &inner.layout.scrub_position;
    if let Err(error) = inner.disk.write_whole(&inner.staging.fresh_path(), target, text.as_bytes()) {
        warn!(error = %error, "the position of the scrub could not be saved: {error}");
    }
}
