//! What positively isn't there.
//!
//! The go command asks for every prefix of a package path, and only "no such thing" there lets it go on. So a positive absence stays
//! usable while the chain can't be asked, and a folder of a stored module is inferred to be no module of its own.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use larder_module::{
    path::ModulePath,
    request::ObjectKind,
    version::{ModuleVersion, Version},
    zip::{FolderState, Folders},
};
use larder_store::{AnswerKey, AnswerRow, ObjectKey, Question, Store};
use larder_upstream::{Route, Wanted};
use quick_cache::sync::Cache;

use crate::{
    Failure, Reason,
    aftermath::{describe, wanted_of},
    clock::{Moment, age_text},
    engine::Engine,
    failure::{clean, cut},
};

const REMEMBERED: usize = 16_384;
const LONGEST_NOTE: usize = 300;

/// One positive "no such thing".
#[derive(Clone, Debug)]
struct Absence {
    /// Who said so and in which words.
    note: String,
    learned: SystemTime,
    /// When this process was told; decides freshness.
    asked: Moment,
}

/// The absences at hand; the store has them too.
#[derive(Debug)]
pub(crate) struct Absences {
    /// Nothing means that what the store may still say no longer holds.
    known: Cache<(Wanted, Arc<str>), Option<Arc<Absence>>>,
    folders: Cache<ModuleVersion, Arc<Folders>>,
}

impl Absences {
    pub(crate) fn new() -> Self {
        Self { known: Cache::new(REMEMBERED), folders: Cache::new(64) }
    }

    pub(crate) fn forget_module(&self, module: &ModulePath) {
        self.known.retain(|(wanted, _), _| wanted.module() != module);
    }
}

/// Names what was asked in the store's answers. An object's name holds a slash, which no query can.
pub(crate) fn answer_key(wanted: &Wanted, chain: &str) -> AnswerKey {
    let question = match wanted {
        Wanted::List(_) => Question::List,
        Wanted::Latest(_) => Question::Latest,
        Wanted::Query { query, .. } => Question::Query(query.as_str().to_owned()),
        Wanted::Object { of, kind } => Question::Query(format!("{}/{kind}", of.version())),
    };
    AnswerKey { module: wanted.module().clone(), question, chain: chain.to_owned() }
}

/// Reads an answer where it may block.
pub(crate) async fn read_answer(store: &Store, key: AnswerKey) -> Option<AnswerRow> {
    let store = store.clone();
    tokio::task::spawn_blocking(move || store.answer(&key)).await.ok().flatten()
}

/// Reports whether a cause stands in the words of an absence.
fn said_already(note: &str, line: &str) -> bool {
    line.split_once(" ago: ").is_some_and(|(_, cause)| note.contains(cause))
}

impl Engine {
    /// Returns the absence that is still fresh.
    pub(crate) async fn fresh_absence(&self, route: &Route, wanted: &Wanted) -> Option<Failure> {
        let absence = self.absence(route, wanted).await?;
        let clock = &self.settings.clock;
        if clock.age(absence.asked) >= self.settings.absence_freshness {
            return None;
        }
        // Whatever failed since may be the true reason why it isn't there.
        let since = clock.since(absence.learned) + self.settings.absence_freshness;
        let mut causes = self.causes.recall(&self.store, clock, wanted.module(), since).await;
        causes.retain(|line| !said_already(&absence.note, line));
        Some(self.absent(wanted, &absence, &causes))
    }

    /// Keeps a positive absence that was learned just now.
    pub(crate) fn keep_absence(&self, route: &Route, wanted: &Wanted, failure: &Failure) {
        let chain = route.chain.to_string();
        let note = match failure.lines.get(1..) {
            Some([]) | None => "the upstream".to_owned(),
            Some(lines) => lines.join("; "),
        };
        let now = self.settings.clock.now();
        let absence = Absence {
            note: cut(&clean(&note), LONGEST_NOTE),
            learned: now,
            asked: self.settings.clock.moment(),
        };
        let row = AnswerRow {
            body: None,
            etag: None,
            last_modified: None,
            source: String::new(),
            note: Some(absence.note.clone()),
            fetched_at: now,
            checked_at: now,
        };
        self.store.put_answer(&answer_key(wanted, &chain), row);
        self.absences.known.insert((wanted.clone(), chain.into()), Some(Arc::new(absence)));
    }

    /// Forgets an absence, because the thing came: here at once, in the store soon.
    pub(crate) fn forget_absence(&self, wanted: &Wanted) {
        let routes = self.routes();
        let chain = routes.route(wanted.module().as_str()).chain.to_string();
        let key = (wanted.clone(), Arc::from(chain.as_str()));
        match self.absences.known.get(&key) {
            // The store was just looked into, or is told already.
            Some(None) => return,
            Some(Some(_)) => self.absences.known.insert(key, None),
            None => {}
        }
        self.store.forget_absence(&answer_key(wanted, &chain));
    }

    /// Returns what can be said about absence while the chain can't be asked: what was learned earlier, or what a stored zip shows.
    pub(crate) async fn absence_without_asking(
        &self,
        route: &Route,
        wanted: &Wanted,
        failure: &Failure,
    ) -> Option<Failure> {
        if let Some(absence) = self.absence(route, wanted).await {
            let now = failure.lines.iter().take(2).map(|line| format!("now: {line}")).collect::<Vec<_>>();
            return Some(self.absent(wanted, &absence, &now));
        }
        let version = match wanted {
            Wanted::Object { of, .. } => Some(of.version()),
            Wanted::List(_) | Wanted::Latest(_) | Wanted::Query { .. } => None,
        };
        self.inferred_absence(wanted, version, failure).await
    }

    /// Returns the question that would have to be read in the store, to know whether an object is absent.
    pub(crate) fn unread_absence(&self, route: &Route, key: &ObjectKey) -> Option<AnswerKey> {
        let wanted = wanted_of(key);
        let chain = route.chain.to_string();
        let question = answer_key(&wanted, &chain);
        self.absences.known.get(&(wanted, Arc::from(chain))).is_none().then_some(question)
    }

    /// Takes in what the store says about an object's absence.
    pub(crate) fn note_absence(&self, key: &ObjectKey, question: AnswerKey, row: Option<AnswerRow>) {
        let absence = row.filter(|row| row.body.is_none()).map(|row| Arc::new(self.absence_of(row)));
        self.absences.known.insert((wanted_of(key), Arc::from(question.chain)), absence);
    }

    fn absence_of(&self, row: AnswerRow) -> Absence {
        let age = self.settings.clock.since(row.checked_at);
        Absence {
            note: row.note.unwrap_or_default(),
            learned: row.checked_at,
            asked: self.settings.clock.moment_before(age),
        }
    }

    async fn absence(&self, route: &Route, wanted: &Wanted) -> Option<Arc<Absence>> {
        let chain = route.chain.to_string();
        let key = (wanted.clone(), Arc::from(chain.as_str()));
        if let Some(known) = self.absences.known.get(&key) {
            return known;
        }
        let row = read_answer(&self.store, answer_key(wanted, &chain)).await?;
        if row.body.is_some() {
            return None;
        }
        let absence = Arc::new(self.absence_of(row));
        self.absences.known.insert(key, Some(Arc::clone(&absence)));
        Some(absence)
    }

    fn absent(&self, wanted: &Wanted, absence: &Absence, more: &[String]) -> Failure {
        let age = self.settings.clock.since(absence.learned);
        let mut lines = vec![format!("asked {} ago: {}", age_text(age), absence.note)];
        lines.extend_from_slice(more);
        let headline = format!("not found: {}", describe(wanted));
        Failure::new(Reason::Absent, &headline, &lines, &[]).learned(age)
    }

    /// Infers that a path is a plain folder of a stored module.
    async fn inferred_absence(
        &self,
        wanted: &Wanted,
        version: Option<&Version>,
        failure: &Failure,
    ) -> Option<Failure> {
        let path = wanted.module().as_str();
        let parents = path
            .char_indices()
            .rev()
            .filter(|(_, c)| *c == '/')
            .map(|(at, _)| (&path[..at], &path[at + 1..]));
        for (parent, folder) in parents {
            let Ok(parent) = parent.parse::<ModulePath>() else { continue };
            let Some(of) = self.stored_zip(&parent, version).await else { continue };
            let folders = self.folders(&of).await?;
            if folders.state(folder) != FolderState::Folder {
                return None;
            }
            let lines: Vec<String> = std::iter::once(format!(
                "inferred: `{folder}` is a plain folder of {of}, which is stored here"
            ))
            .chain(failure.lines.iter().take(2).map(|line| format!("now: {line}")))
            .collect();
            let headline = format!("not found: {}", describe(wanted));
            return Some(Failure::new(Reason::Absent, &headline, &lines, &[]).learned(Duration::ZERO));
        }
        None
    }

    /// Returns the stored version with a zip that says most about the asked one: the same, else the newest.
    async fn stored_zip(&self, module: &ModulePath, version: Option<&Version>) -> Option<ModuleVersion> {
        let (store, wanted) = (self.store.clone(), module.clone());
        let versions =
            tokio::task::spawn_blocking(move || store.versions_with(&wanted, ObjectKind::Zip)).await;
        let versions = versions.ok()?.ok()?;
        let chosen = match version {
            Some(version) if versions.contains(version) => version.clone(),
            _ => crate::computed::best(&versions)?,
        };
        ModuleVersion::new(module.clone(), chosen).ok()
    }

    async fn folders(&self, of: &ModuleVersion) -> Option<Arc<Folders>> {
        if let Some(folders) = self.absences.folders.get(of) {
            return Some(folders);
        }
        let (store, wanted) = (self.store.clone(), of.clone());
        let read = move || {
            let object = store.sound_object(&ObjectKey::new(wanted.clone(), ObjectKind::Zip)).ok()??;
            Folders::read(&object.file, object.size, &wanted).ok()
        };
        let folders = Arc::new(tokio::task::spawn_blocking(read).await.ok()??);
        self.absences.folders.insert(of.clone(), Arc::clone(&folders));
        Some(folders)
    }
}
