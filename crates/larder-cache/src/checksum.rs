//! The checksum database service: confirms hashes on the way in, and serves clients what it verified.
//!
//! Nobody is believed, neither proxy nor database nor our own disk: a record counts when tiles prove that it stands in
//! the tree whose head the pinned key signed, and a head counts when it continues the one that is kept. The pure
//! verifier in `larder-module` judges; here bytes are brought, kept and handed out.
//!
//! | file | subject |
//! |---|---|
//! | `gosumdb` | which database: `GOSUMDB` as the go command reads it |
//! | `source` | who is asked, in which order |
//! | `database` | look-ups |
//! | `heads` | the one head that counts, and how it moves |
//! | `recovery` | doing without that head's file |
//! | `tiles` | bringing tiles, and proving with them |
//! | `files` | the verified copy on disk |
//! | `serve` | what clients get |

mod database;
mod files;
mod flights;
mod gosumdb;
mod heads;
mod recovery;
mod serve;
mod source;
mod tiles;
mod trouble;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use larder_module::{
    defaults,
    dirhash::H1,
    path::ModulePath,
    pattern::Patterns,
    sumdb::verify::{AuthenticRecord, LineError},
    version::ModuleVersion,
};
use larder_store::Store;
use larder_upstream::{Chain, Deadline, FetchError, Upstreams};
use tokio::time::Instant;
use tracing::warn;

pub use gosumdb::{DatabaseAddress, Gosumdb, GosumdbError};

use crate::Journal;
use database::{Database, LookupFailure};

/// The longest list of patterns that still fits into a line for a client.
const LONGEST_LIST: usize = 120;
/// How long something that may be served unconfirmed waits for the database.
const MOMENT: Duration = Duration::from_secs(2);
/// How long such things don't wait at all after one did in vain.
const SILENCE: Duration = Duration::from_secs(10);

/// Which hash of a version is meant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum What {
    /// The hash of the zip.
    Zip,
    /// The hash of the go.mod.
    Mod,
}

/// What a check found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// The database has the very same hash.
    Match,
    /// The module is not to be looked up (`GONOSUMDB`, a private route, `GOSUMDB=off`).
    NotApplicable,
}

/// Why a hash could not be confirmed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ChecksumFailure {
    /// The database has another hash.
    #[error("{database} says {expected}, the upstream sent {got}")]
    Mismatch {
        /// The database's name.
        database: String,
        /// Its hash.
        expected: H1,
        /// The hash of what came.
        got: H1,
    },
    /// The database positively doesn't know the version.
    #[error("{database} does not know it: {said}")]
    Unknown {
        /// The database's name.
        database: String,
        /// What it said.
        said: String,
        /// How long ago it said so, if not just now.
        learned: Option<Duration>,
    },
    /// The database can't be asked, through no proxy and not directly.
    #[error("{database} can't be asked")]
    Unavailable {
        /// The database's name.
        database: String,
        /// Each attempt, in order; none when the time was over before one ended.
        attempts: Arc<Vec<FetchError>>,
    },
    /// What came is not what the database's key signed, or contradicts what it signed before.
    #[error("{database}: {detail}")]
    Security {
        /// The database's name.
        database: String,
        /// What is wrong.
        detail: String,
        /// Sources that failed otherwise.
        attempts: Arc<Vec<FetchError>>,
    },
}

/// What may be set about checksum databases.
#[derive(Clone, Debug)]
pub struct ChecksumSettings {
    /// The database that confirms, `None` for `GOSUMDB=off`.
    ///
    /// Toolchains are confirmed in any case, without one by the public database.
    pub database: Option<DatabaseAddress>,
    /// Modules that are not looked up: `GONOSUMDB`.
    pub skip: Patterns,
    /// Modules of private routes: not looked up, and never named to anybody.
    pub private: Patterns,
    /// How long the newest head counts as the newest, for `/latest`.
    pub head_freshness: Duration,
    /// How long "not known" is remembered; at most a minute, since versions get published.
    pub unknown_freshness: Duration,
    /// How long one source may take for one answer: a proxy and the database itself have to fit into a client's wait.
    pub ask_limit: Duration,
    /// How long a proxy is left alone that could not say whether it carries the database.
    pub doubt_freshness: Duration,
    /// How long a client waits for a status; what it waited for goes on.
    pub status_budget: Duration,
    /// How long after it was seen a newer head is checked when nobody waits for it.
    pub audit_delay: Duration,
    /// Who is told of every request to the database.
    pub journal: Option<Arc<dyn Journal>>,
}

impl ChecksumSettings {
    /// Returns the defaults for a database.
    #[must_use]
    pub fn new(database: Option<DatabaseAddress>) -> Self {
        Self {
            database,
            skip: Patterns::parse(""),
            private: Patterns::parse(""),
            head_freshness: Duration::from_secs(10),
            unknown_freshness: Duration::from_secs(60),
            ask_limit: Duration::from_secs(15),
            doubt_freshness: Duration::from_secs(2),
            status_budget: Duration::from_secs(34),
            audit_delay: Duration::from_secs(2),
            journal: None,
        }
    }
}

/// Every checksum database that is known here.
pub struct ChecksumDatabases {
    settings: ChecksumSettings,
    /// Confirms modules; also served to clients.
    main: Option<Arc<Database>>,
    /// Confirms toolchains where there is no other.
    toolchains: Option<Arc<Database>>,
    /// Since when it has been known that the database leaves its clients waiting.
    silent: Mutex<Option<Instant>>,
}

impl fmt::Debug for ChecksumDatabases {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ChecksumDatabases").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl ChecksumDatabases {
    /// Opens the databases; nothing is read or asked before the first question.
    #[must_use]
    pub fn new(settings: ChecksumSettings, store: &Store, upstreams: &Upstreams) -> Self {
        let open = |address: &DatabaseAddress| {
            let direct = upstreams.at(&address.direct_url());
            if let Err(error) = &direct {
                warn!(database = address.name(), %error, "the checksum database itself can't be asked: {error}");
            }
            Arc::new(Database::new(address.clone(), direct.ok(), settings.clone(), store.clone()))
        };
        let main = settings.database.as_ref().map(open);
        let toolchains = main.is_none().then(|| open(&DatabaseAddress::public()));
        Self { settings, main, toolchains, silent: Mutex::default() }
    }

    /// Returns the name of the database that confirms modules.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.main.as_deref().map(Database::name)
    }

    /// Confirms a hash.
    ///
    /// The chain is the one that the module comes from: its proxies are asked first. The look-up outlives the
    /// deadline, so that whoever asks again finds its result.
    ///
    /// # Errors
    ///
    /// Fails when the hash is wrong, unknown, or can't be confirmed.
    pub async fn verify(
        &self,
        of: &ModuleVersion,
        what: What,
        hash: &H1,
        chain: &Chain,
        deadline: Deadline,
    ) -> Result<Verdict, ChecksumFailure> {
        let Some(database) = self.confirming(of) else { return Ok(Verdict::NotApplicable) };
        match tokio::time::timeout_at(deadline, database.record(of, chain)).await {
            Ok(Ok(known)) => compare(database.name(), &known.record, of, what, hash),
            Ok(Err(failure)) => Err(into_checksum_failure(failure, database.name().to_owned())),
            Err(_) => Err(no_answer(database.name())),
        }
    }

    /// Confirms the hash of something that may be served unconfirmed: waits a moment for an answer, and not even that
    /// while the database is known to be silent. The look-up goes on.
    ///
    /// # Errors
    ///
    /// Fails when the hash is wrong, unknown, or can't be confirmed so soon.
    pub async fn verify_soon(
        &self,
        of: &ModuleVersion,
        what: What,
        hash: &H1,
        chain: &Chain,
    ) -> Result<Verdict, ChecksumFailure> {
        if self.silence().is_some_and(|since| since.elapsed() < SILENCE) {
            return self.verify_held(of, what, hash).await;
        }
        let began = Instant::now();
        let verdict = self.verify(of, what, hash, chain, began + MOMENT).await;
        let is_silent =
            began.elapsed() >= MOMENT && matches!(verdict, Err(ChecksumFailure::Unavailable { .. }));
        *self.silent.lock().unwrap_or_else(PoisonError::into_inner) = is_silent.then(Instant::now);
        verdict
    }

    /// Confirms a hash by what is held here; nobody is asked.
    ///
    /// # Errors
    ///
    /// Fails when the hash is wrong, or no proven record of the version is held.
    pub async fn verify_held(
        &self,
        of: &ModuleVersion,
        what: What,
        hash: &H1,
    ) -> Result<Verdict, ChecksumFailure> {
        let Some(database) = self.confirming(of) else { return Ok(Verdict::NotApplicable) };
        let held = match database.held_record(of).await {
            Some(known) => Some(known),
            None => database.held_aside(of).await,
        };
        match held {
            Some(known) => compare(database.name(), &known.record, of, what, hash),
            None => Err(no_answer(database.name())),
        }
    }

    fn silence(&self) -> Option<Instant> {
        *self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports whether a proven record of a version is in memory.
    pub(crate) fn has_record(&self, of: &ModuleVersion) -> bool {
        self.confirming(of).is_some_and(|database| database.has_record(of))
    }

    /// Starts a look-up whose result will be wanted, so that it runs beside the download.
    pub async fn look_up_ahead(&self, of: &ModuleVersion, chain: &Chain) {
        if let Some(database) = self.confirming(of) {
            let _ = database.record(of, chain).await;
        }
    }

    /// Forgets which versions of a module the databases did not know.
    pub(crate) fn forget_unknown(&self, module: &ModulePath) {
        for database in self.main.iter().chain(&self.toolchains) {
            database.forget_unknown(module);
        }
    }

    /// Waits until everything verified is on the disk.
    pub async fn flush(&self) {
        for database in self.main.iter().chain(&self.toolchains) {
            database.flush().await;
        }
    }

    /// The database that confirms a version, if any may be asked about it.
    fn confirming(&self, of: &ModuleVersion) -> Option<&Arc<Database>> {
        if is_toolchain(of) {
            return self.main.as_ref().or(self.toolchains.as_ref());
        }
        self.main.as_ref().filter(|_| !self.is_hidden(of))
    }

    /// The database that clients may ask for under that name.
    fn served(&self, name: &str) -> Option<&Arc<Database>> {
        self.main.as_ref().filter(|database| database.name() == name)
    }

    /// Reports whether a module's name stays inside. A toolchain's is no secret.
    fn is_hidden(&self, of: &ModuleVersion) -> bool {
        let module = of.module().as_str();
        !is_toolchain(of) && (self.settings.skip.matches(module) || self.settings.private.matches(module))
    }

    /// The patterns that a client has to keep from the database: all that it may read, or the one in question if they
    /// are many.
    fn hidden_patterns(&self, of: &ModuleVersion, may_read_all: bool) -> String {
        let fits = |pattern: &&str| Patterns::parse(pattern).matches(of.module().as_str());
        if !may_read_all {
            return self.settings.skip.iter().find(fits).unwrap_or_default().to_owned();
        }
        let mut all: Vec<&str> = Vec::new();
        for pattern in self.settings.private.iter().chain(self.settings.skip.iter()) {
            if !all.contains(&pattern) {
                all.push(pattern);
            }
        }
        let list = all.join(",");
        if list.len() <= LONGEST_LIST {
            return list;
        }
        all.into_iter().find(fits).map_or(list, str::to_owned)
    }
}

fn is_toolchain(of: &ModuleVersion) -> bool {
    of.module().as_str() == defaults::TOOLCHAIN_MODULE
}

fn into_checksum_failure(failure: LookupFailure, database: String) -> ChecksumFailure {
    match failure {
        LookupFailure::Unknown { said, at } => {
            let age = at.elapsed();
            let said = said.said.clone().unwrap_or_else(|| said.to_string());
            let learned = (age >= Duration::from_secs(1)).then_some(age);
            ChecksumFailure::Unknown { database, said, learned }
        }
        LookupFailure::Unavailable(attempts) => ChecksumFailure::Unavailable { database, attempts },
        LookupFailure::Refused { what, attempts } => {
            ChecksumFailure::Security { database, detail: what, attempts }
        }
        LookupFailure::NotHeld => ChecksumFailure::Unavailable { database, attempts: Arc::default() },
    }
}

fn no_answer(database: &str) -> ChecksumFailure {
    ChecksumFailure::Unavailable { database: database.to_owned(), attempts: Arc::default() }
}

fn compare(
    database: &str,
    record: &AuthenticRecord,
    of: &ModuleVersion,
    what: What,
    hash: &H1,
) -> Result<Verdict, ChecksumFailure> {
    let (module, version) = (of.module().as_str(), of.version().as_str());
    let line = match what {
        What::Zip => record.zip_h1(module, version),
        What::Mod => record.go_mod_h1(module, version),
    };
    let database = database.to_owned();
    match line {
        Ok(expected) if expected == *hash => Ok(Verdict::Match),
        Ok(expected) => Err(ChecksumFailure::Mismatch { database, expected, got: *hash }),
        Err(error) => Err(no_line(database, &error)),
    }
}

/// A record that was proven and yet does not say what it should: silence is never taken for consent.
fn no_line(database: String, error: &LineError) -> ChecksumFailure {
    ChecksumFailure::Security { database, detail: error.to_string(), attempts: Arc::default() }
}
