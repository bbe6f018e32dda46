//! The object store on disk and the index beside it.
//!
//! An object (`.info`, `.mod` or `.zip` of one version) is a file in the layout of the go command's own download cache.
//! Its bytes never change once it is there, it is there whole or not at all, and no step of making it so is skipped:
//! staging, sync, a rename that replaces nothing, sync of the folder. A SQLite index beside the objects remembers their
//! digests, upstreams' answers and what went wrong; losing it loses no object.
//!
//! All calls block but those that say otherwise; an asynchronous caller runs them on threads made for that. Time comes from the clock in
//! [`StoreOptions`]. Several processes may share one data folder, of which one may serve.

mod ahead;
mod durable;
mod error;
mod fail;
mod index;
mod key;
mod layout;
mod object;
mod opening;
mod publish;
mod quarantine;
mod scrub;
mod staging;
mod sumfiles;
mod versions;
mod walk;

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use larder_module::path::ModulePath;
use larder_module::request::ObjectKind;
use larder_module::version::{ModuleVersion, Version};
use tracing::warn;

pub use ahead::Unused;
pub use error::StoreError;
pub use fail::{FailPoint, FailPointError, Step};
pub use index::IndexState;
pub use index::answers::{AnswerKey, AnswerRow, Question};
pub use index::journal::{Cause, Event};
pub use key::ObjectKey;
pub use object::{Examined, Marks, ObjectRow, Publication, Published, Soundness, StoredObject, Verification};
pub use scrub::{Problem, Recorded, Records, ScrubOptions, ScrubReport};
pub use staging::Staging;
pub use sumfiles::Swap;

use crate::durable::Disk;
use crate::index::Index;
use crate::index::later::Later;
use crate::layout::Layout;
use crate::staging::StagingFolder;

/// A source of wall time.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// How many rows the index keeps of what is no object.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Answers with a body.
    pub answers: u32,
    /// Answers that say that there is no such thing.
    pub absences: u32,
    /// Causes of failed fetches.
    pub causes: u32,
    /// How long a cause is kept.
    pub cause_age: Duration,
    /// Audit events.
    pub events: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            answers: 200_000,
            absences: 50_000,
            causes: 10_000,
            cause_age: Duration::from_secs(24 * 60 * 60),
            events: 100_000,
        }
    }
}

/// How to open a store.
#[derive(Clone)]
pub struct StoreOptions {
    /// The data folder; it is created when missing.
    pub root: PathBuf,
    /// Refuse to open while another process has the folder open so. For the server.
    pub exclusive: bool,
    /// Where the time comes from.
    pub clock: Clock,
    /// Bounds on the index.
    pub limits: Limits,
    /// Where tests let the store fail.
    pub fail_point: Option<FailPoint>,
}

impl StoreOptions {
    /// Returns options for a shared store with the usual limits.
    pub fn new(root: impl Into<PathBuf>, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self {
            root: root.into(),
            exclusive: false,
            clock: Arc::new(clock),
            limits: Limits::default(),
            fail_point: None,
        }
    }

    /// Returns the same options for the one server of the folder.
    #[must_use]
    pub fn exclusive(mut self) -> Self {
        self.exclusive = true;
        self
    }
}

impl fmt::Debug for StoreOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("StoreOptions")
            .field("root", &self.root)
            .field("exclusive", &self.exclusive)
            .field("limits", &self.limits)
            .field("fail_point", &self.fail_point)
            .finish_non_exhaustive()
    }
}

/// What opening a store found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Opening {
    /// What became of the index.
    pub index: IndexState,
    /// Files that dead processes had left in staging.
    pub swept: u64,
}

/// A handle on the store. Clones share everything.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) layout: Layout,
    pub(crate) disk: Disk,
    pub(crate) index: Arc<Index>,
    /// Changes of the index that nobody waits for.
    later: Later,
    pub(crate) staging: StagingFolder,
    clock: Clock,
    limits: Limits,
    opening: Opening,
    /// Counts what was added to the index, to prune it now and then.
    added: std::sync::atomic::AtomicU64,
    /// Keeps many first readers of one object from all hashing it.
    comparing: [Mutex<()>; 16],
    _serve_lock: Option<File>,
}

impl fmt::Debug for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Store").field(&self.0.layout.root).finish()
    }
}

/// Additions to the index between two prunings.
const PRUNE_EVERY: u64 = 1_000;

impl Store {
    /// Opens the store in a data folder, making what is missing. Looks at nothing that grows with the store.
    ///
    /// # Errors
    ///
    /// Fails when the folder can't be written, or another server owns it.
    pub fn open(options: StoreOptions) -> Result<Self, StoreError> {
        let layout = Layout::below(&options.root);
        let disk = Disk::new(options.fail_point);
        for folder in [&layout.root, &layout.modules, &layout.staging, &layout.quarantine] {
            durable::create_skeleton(folder)?;
        }
        let serve_lock = if options.exclusive { Some(opening::lock_for_serving(&layout)?) } else { None };
        opening::refuse_split_folder(&layout)?;
        let (staging, swept) = StagingFolder::open(&disk, &layout.staging)?;
        opening::refuse_full_disk(&disk, &staging)?;
        let (index, state) = Index::open(&disk, &layout.index)?;
        if let IndexState::Replaced { why, aside } = &state {
            warn!(
                why,
                "the index was no use ({why}); it is now {} and an empty one was made. No object is lost: each is \
                 checked again before it is first served",
                aside.display()
            );
        }
        let index = Arc::new(index);
        Ok(Self(Arc::new(Inner {
            layout,
            disk,
            later: Later::start(Arc::clone(&index))?,
            index,
            staging,
            clock: options.clock,
            limits: options.limits,
            opening: Opening { index: state, swept },
            added: std::sync::atomic::AtomicU64::new(0),
            comparing: Default::default(),
            _serve_lock: serve_lock,
        })))
    }

    /// Returns what opening found.
    #[must_use]
    pub fn opening(&self) -> &Opening {
        &self.0.opening
    }

    /// Returns the data folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.0.layout.root
    }

    /// Returns the folder that works as `GOPROXY=file://...`.
    #[must_use]
    pub fn modules_folder(&self) -> &Path {
        &self.0.layout.modules
    }

    /// Reports whether something could be stored now, by doing so.
    ///
    /// # Errors
    ///
    /// Fails when the disk is full, read-only or broken.
    pub fn writable(&self) -> Result<(), StoreError> {
        // A whole block, because a few bytes may fit into what the file system has anyway.
        self.stage(None)?.write(&[0; 4096])
    }

    // --- objects ---

    /// Opens an object. The caller must not serve one without an index row before having examined it, nor one that was
    /// not [compared](Self::compare) in this process.
    ///
    /// # Errors
    ///
    /// Fails when the file is there but can't be opened, or is none.
    pub fn object(&self, key: &ObjectKey) -> Result<Option<StoredObject>, StoreError> {
        let folder = key.folder(&self.0.layout.modules);
        let Some((file, metadata)) = object::open_regular(&folder.join(key.file_name()))? else {
            return Ok(None);
        };
        Ok(Some(StoredObject {
            size: metadata.len(),
            modified: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            identity: object::identity(&metadata),
            row: self.0.index.object(key),
            marks: object::read_marks(&folder, key),
            file,
        }))
    }

    /// Opens an object and compares it with its row on its first opening in this process. A damaged one is put into
    /// quarantine and counts as absent, so that it is fetched again.
    ///
    /// # Errors
    ///
    /// Fails when the file is there but can't be read, or can't be moved away.
    pub fn sound_object(&self, key: &ObjectKey) -> Result<Option<StoredObject>, StoreError> {
        let Some(object) = self.object(key)? else { return Ok(None) };
        match self.compare(key, &object)? {
            Soundness::Sound | Soundness::Unknown => Ok(Some(object)),
            Soundness::Damaged { expected, found } => {
                let reason = format!(
                    "its bytes changed on the disk: SHA-256 is {}, was {} when it was stored",
                    hex(&found),
                    hex(&expected)
                );
                self.quarantine(key, &object, &reason)?;
                Ok(None)
            }
        }
    }

    /// Compares an object's bytes with its row, once for each object and process; later calls cost nothing.
    ///
    /// # Errors
    ///
    /// Fails when the file can't be read.
    pub fn compare(&self, key: &ObjectKey, object: &StoredObject) -> Result<Soundness, StoreError> {
        let Some(row) = &object.row else { return Ok(Soundness::Unknown) };
        if row.size == object.size && self.0.index.was_compared(row.id) {
            return Ok(Soundness::Sound);
        }
        let slot = usize::try_from(row.id.number.unsigned_abs()).unwrap_or(0) % self.0.comparing.len();
        let _one_at_a_time = self.0.comparing[slot].lock().unwrap_or_else(PoisonError::into_inner);
        if row.size == object.size && self.0.index.was_compared(row.id) {
            return Ok(Soundness::Sound);
        }
        let (found, size) = object::hash_file(&object.file, Path::new(&key.relative_path()))?;
        if found == row.sha256 && size == row.size {
            self.0.index.mark_compared(row.id);
            Ok(Soundness::Sound)
        } else {
            Ok(Soundness::Damaged { expected: row.sha256, found })
        }
    }

    /// Writes down what examining an object found that had no row or was marked unverified: row, marks, version list.
    ///
    /// # Errors
    ///
    /// Fails when the object can't be read. A disk that takes no writes is no failure; the row is then remembered.
    pub fn record_examined(
        &self,
        key: &ObjectKey,
        object: &StoredObject,
        examined: &Examined,
    ) -> Result<ObjectRow, StoreError> {
        let (sha256, _) = object::hash_file(&object.file, Path::new(&key.relative_path()))?;
        publish::record_examined(self, key, object, sha256, examined)
    }

    /// Begins to stage bytes. With a declared length the room for it is reserved now or not at all.
    ///
    /// # Errors
    ///
    /// Fails when the disk is full or can't be written.
    pub fn stage(&self, declared_len: Option<u64>) -> Result<Staging, StoreError> {
        Staging::create(self, declared_len)
    }

    /// Moves an object aside that was found to be wrong; reports whether it was still the stored one.
    ///
    /// # Errors
    ///
    /// Fails when the disk refuses to move it.
    pub fn quarantine(
        &self,
        key: &ObjectKey,
        wrong: &StoredObject,
        reason: &str,
    ) -> Result<bool, StoreError> {
        quarantine::quarantine(self, key, wrong, reason)
    }

    /// Returns the versions of a module that are stored with a `.mod`, pseudo-versions included, in semver order.
    ///
    /// # Errors
    ///
    /// Fails when the folder can't be read.
    pub fn versions(&self, module: &ModulePath) -> Result<Vec<Version>, StoreError> {
        self.versions_with(module, ObjectKind::Mod)
    }

    /// Returns the versions of a module that are stored with a kind of file, in semver order.
    ///
    /// # Errors
    ///
    /// Fails when the folder can't be read.
    pub fn versions_with(&self, module: &ModulePath, kind: ObjectKind) -> Result<Vec<Version>, StoreError> {
        versions::stored(&self.0.layout.modules, module, kind)
    }

    /// Reports whether a `.mod` or `.zip` of any version of a module is stored.
    ///
    /// # Errors
    ///
    /// Fails when the folder can't be read.
    pub fn has_module(&self, module: &ModulePath) -> Result<bool, StoreError> {
        versions::has_module(&self.0.layout.modules, module)
    }

    // --- answers, causes, events ---

    /// Returns an answer.
    #[must_use]
    pub fn answer(&self, key: &AnswerKey) -> Option<AnswerRow> {
        self.0.index.read(|connection| index::answers::get(connection, key)).flatten()
    }

    /// Keeps an answer. Returns at once: it can be read soon, or never when the index can't be written.
    pub fn put_answer(&self, key: &AnswerKey, answer: AnswerRow) {
        let key = key.clone();
        self.0.later.push(answer.size(), move |connection| index::answers::put(connection, &key, &answer));
        self.prune_now_and_then();
    }

    /// Forgets that there positively is no such thing. Returns at once, as [`Self::put_answer`] does.
    pub fn forget_absence(&self, key: &AnswerKey) {
        let key = key.clone();
        self.0.later.push(0, move |connection| index::answers::forget_absence(connection, &key));
    }

    /// Forgets every answer about a module.
    pub fn forget_answers(&self, module: &ModulePath) {
        self.flush();
        let module = module.clone();
        self.0.index.write(move |connection| index::answers::forget(connection, &module));
    }

    /// Keeps why a fetch failed. Returns at once, as [`Self::put_answer`] does.
    pub fn put_cause(&self, cause: Cause) {
        let size = cause.wanted.len() + cause.upstream.len() + cause.detail.len();
        self.0.later.push(size, move |connection| index::journal::put_cause(connection, &cause));
        self.prune_now_and_then();
    }

    /// Returns why fetches of a module failed within the last day, newest first.
    #[must_use]
    pub fn causes(&self, module: &ModulePath) -> Vec<Cause> {
        let since = self.oldest_cause();
        self.0.index.read(|connection| index::journal::causes(connection, module, since)).unwrap_or_default()
    }

    /// Forgets why fetches of a module failed.
    pub fn forget_causes(&self, module: &ModulePath) {
        self.flush();
        let module = module.clone();
        self.0.index.write(move |connection| index::journal::forget_causes(connection, &module));
    }

    /// Keeps an event for whoever has to answer for it. Returns at once, as [`Self::put_answer`] does.
    pub fn record_event(&self, kind: &str, subject: &str, detail: &str) {
        let at = self.now();
        let texts = [kind, subject, detail].map(str::to_owned);
        self.0.later.push(subject.len() + detail.len(), move |connection| {
            let [kind, subject, detail] = &texts;
            index::journal::put_event(connection, at, kind, subject, detail)
        });
        self.prune_now_and_then();
    }

    /// Keeps an event unless the newest one of its kind and subject says the same; reports whether it was news.
    pub fn record_change(&self, kind: &str, subject: &str, detail: &str) -> bool {
        self.flush();
        let newest = self.0.index.read(|connection| index::journal::newest_detail(connection, kind, subject));
        if newest.flatten().is_some_and(|newest| newest == detail) {
            return false;
        }
        self.record_event(kind, subject, detail);
        true
    }

    /// Waits until everything that was handed over so far is written, as far as the index can be.
    pub fn flush(&self) {
        self.0.later.flush();
    }

    /// Returns the newest events, newest first.
    #[must_use]
    pub fn events(&self, limit: u32) -> Vec<Event> {
        self.flush();
        self.0.index.read(|connection| index::journal::events(connection, limit)).unwrap_or_default()
    }

    /// Drops what is older or more than the limits allow. It happens by itself now and then.
    pub fn prune(&self) {
        self.prune_later();
        self.flush();
    }

    // --- checksum databases ---

    /// Reads a file of a checksum database's verified copy, such as `lookup/...`, `tile/...` or `latest`.
    ///
    /// # Errors
    ///
    /// Fails when the name can't be one, or the file can't be read.
    pub fn checksum_file(&self, database: &str, file: &str) -> Result<Option<Vec<u8>>, StoreError> {
        sumfiles::read(self, database, file)
    }

    /// Writes files of a checksum database's verified copy, each whole or not at all. They are durable afterwards.
    ///
    /// # Errors
    ///
    /// Fails when a name can't be one, or the disk can't be written.
    pub fn put_checksum_files(&self, database: &str, files: &[(&str, &[u8])]) -> Result<(), StoreError> {
        sumfiles::write(self, database, files)
    }

    /// Replaces a file of a checksum database, such as its newest tree head, if it still is what the caller thinks.
    ///
    /// # Errors
    ///
    /// Fails when the name can't be one, or the disk can't be written.
    pub fn swap_checksum_file(
        &self,
        database: &str,
        file: &str,
        expected: Option<&[u8]>,
        new: &[u8],
    ) -> Result<Swap, StoreError> {
        sumfiles::swap(self, database, file, expected, new)
    }

    /// Hands over the names of a checksum database's files below a folder such as `lookup`, until told to stop.
    ///
    /// # Errors
    ///
    /// Fails when a folder can't be read.
    pub fn walk_checksum_files(
        &self,
        database: &str,
        below: &str,
        each: &mut dyn FnMut(&str) -> bool,
    ) -> Result<(), StoreError> {
        sumfiles::walk(self, database, below, each)
    }

    /// Returns the names of the checksum databases of which anything is stored.
    ///
    /// # Errors
    ///
    /// Fails when a folder can't be read.
    pub fn checksum_databases(&self) -> Result<Vec<String>, StoreError> {
        sumfiles::databases(self)
    }

    /// Returns what the stored records of checksum databases say about a version, for [`ScrubOptions::records`].
    #[must_use]
    pub fn recorded(&self, of: &ModuleVersion) -> Option<Recorded> {
        sumfiles::recorded(self, of)
    }

    // --- scrub ---

    /// Reads the whole store again and puts what is wrong into quarantine. See [`ScrubOptions`].
    ///
    /// # Errors
    ///
    /// Fails when a folder or file can't be read, or a wrong one can't be moved away.
    pub fn scrub(
        &self,
        options: &ScrubOptions<'_>,
        progress: &mut dyn FnMut(&ScrubReport) -> std::ops::ControlFlow<()>,
    ) -> Result<ScrubReport, StoreError> {
        scrub::scrub(self, options, progress)
    }

    /// Fills the index with rows for those objects that can be proven from the store alone.
    ///
    /// # Errors
    ///
    /// Fails as [`Self::scrub`] does.
    pub fn rebuild_index(
        &self,
        records: &Records<'_>,
        progress: &mut dyn FnMut(&ScrubReport) -> std::ops::ControlFlow<()>,
    ) -> Result<ScrubReport, StoreError> {
        scrub::scrub(self, &ScrubOptions { records, resume: false, add_rows: true }, progress)
    }

    // --- within the crate ---

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }

    pub(crate) fn now(&self) -> SystemTime {
        (self.0.clock)()
    }

    fn oldest_cause(&self) -> SystemTime {
        self.now().checked_sub(self.0.limits.cause_age).unwrap_or(SystemTime::UNIX_EPOCH)
    }

    fn prune_later(&self) {
        let limits = self.0.limits.clone();
        let oldest = self.oldest_cause();
        self.0.later.push(0, move |connection| {
            index::answers::prune(connection, limits.answers, limits.absences)?;
            index::journal::prune_causes(connection, oldest, limits.causes)?;
            index::journal::prune_events(connection, limits.events)
        });
    }

    fn prune_now_and_then(&self) {
        let added = self.0.added.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if added % PRUNE_EVERY == PRUNE_EVERY - 1 {
            self.prune_later();
        }
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
