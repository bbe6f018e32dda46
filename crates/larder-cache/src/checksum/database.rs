//! One checksum database: look-ups that end in a record proven to stand in the signed log.

use std::sync::Arc;

use futures_util::FutureExt;
use larder_module::{
    path::ModulePath,
    sumdb::{
        note::Verifier,
        record::{Lookup, format_lookup, parse_lookup},
        tree::SignedHead,
        verify::{AuthenticRecord, HeadOrder, compare_heads},
    },
    version::ModuleVersion,
};
use larder_store::Store;
use larder_upstream::{Chain, FetchError, Turns, Upstream, UpstreamName, Urgency};
use quick_cache::sync::Cache;
use tokio::time::Instant;
use tracing::{debug, error, warn};

use super::{
    ChecksumSettings,
    files::{Files, lookup_path},
    flights::Flights,
    gosumdb::DatabaseAddress,
    heads::Heads,
    source::{Source, Sources},
    tiles::{Proven, Reach, Tiles, Wanted},
    trouble::Trouble,
};

/// How many records are kept in memory, a few hundred bytes each.
const KEPT_RECORDS: usize = 8_192;
/// How many "not known" answers are remembered.
const KEPT_UNKNOWN: usize = 8_192;
/// How many look-ups may be on their way at a time.
const LOOKUPS: usize = 64;
/// How many others may be that no client waits for.
const LOOKUPS_AHEAD: usize = 48;
/// How many reports are remembered so as not to repeat them.
const KEPT_REPORTS: usize = 256;

/// A record that was proven, and the head under which it was.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) record: AuthenticRecord,
    pub(super) head: SignedHead,
    /// Who sent it, unless it was stored.
    pub(super) from: Option<UpstreamName>,
    /// It was proven under another head than the one that counts.
    pub(super) is_aside: bool,
}

/// A look-up that failed, for everyone who waited for it.
#[derive(Clone, Debug)]
pub(super) enum LookupFailure {
    /// The database positively does not know the version.
    Unknown {
        /// The answer.
        said: Box<FetchError>,
        /// When it came.
        at: Instant,
    },
    /// Nobody could be asked.
    Unavailable(Arc<Vec<FetchError>>),
    /// What came was refused.
    Refused {
        /// What is wrong.
        what: String,
        /// Who failed besides.
        attempts: Arc<Vec<FetchError>>,
    },
    /// It is not in the store, and nobody was to be asked.
    NotHeld,
}

impl LookupFailure {
    /// The failure for want of everything: of somebody to ask, or of an answer.
    pub(super) fn nothing(asked: Option<&Chain>) -> Self {
        match asked {
            Some(_) => Self::Unavailable(Arc::default()),
            None => Self::NotHeld,
        }
    }
}

/// One database with everything that is known of it.
pub(super) struct Database {
    address: DatabaseAddress,
    pub(super) settings: ChecksumSettings,
    pub(super) files: Files,
    pub(super) tiles: Tiles,
    pub(super) heads: Heads,
    pub(super) sources: Sources,
    records: Cache<ModuleVersion, Arc<Known>>,
    unknown: Cache<ModuleVersion, (Instant, Box<FetchError>)>,
    flights: Arc<Flights<ModuleVersion, Result<Arc<Known>, LookupFailure>>>,
    pub(super) refreshes: Arc<Flights<(), Result<(), LookupFailure>>>,
    slots: Turns,
    reported: Cache<String, ()>,
}

impl Database {
    pub(super) fn new(
        address: DatabaseAddress,
        direct: Option<Upstream>,
        settings: ChecksumSettings,
        store: Store,
    ) -> Self {
        let files = Files::new(store, address.name());
        let ask_proxies = address.explicit_url().is_none();
        Self {
            sources: Sources::new(address.name(), direct, ask_proxies, &settings),
            tiles: Tiles::new(files.clone()),
            files,
            heads: Heads::default(),
            records: Cache::new(KEPT_RECORDS),
            unknown: Cache::new(KEPT_UNKNOWN),
            flights: Arc::default(),
            refreshes: Arc::default(),
            slots: Turns::new(LOOKUPS, LOOKUPS_AHEAD),
            reported: Cache::new(KEPT_REPORTS),
            settings,
            address,
        }
    }

    pub(super) fn name(&self) -> &str {
        self.address.name()
    }

    pub(super) fn verifier(&self) -> &Verifier {
        self.address.verifier()
    }

    /// Returns the proven record of a version, from here or, once for all who ask, from a source.
    pub(super) async fn record(
        self: &Arc<Self>,
        of: &ModuleVersion,
        chain: &Chain,
    ) -> Result<Arc<Known>, LookupFailure> {
        if let Some(known) = self.records.get(of) {
            return Ok(known);
        }
        let (database, chain, wanted) = (Arc::clone(self), chain.clone(), of.clone());
        let urgency = chain.urgency().clone();
        let work = move |urgency: Urgency| async move { database.find(&wanted, &chain, &urgency).await };
        let lost = || LookupFailure::Unavailable(Arc::default());
        self.flights
            .join_as(&urgency, of.clone(), |shared| work(shared).boxed())
            .await
            .unwrap_or_else(|| Err(lost()))
    }

    /// Reports whether the proven record of a version is in memory.
    pub(super) fn has_record(&self, of: &ModuleVersion) -> bool {
        self.records.peek(of).is_some()
    }

    /// Returns the proven record of a version if it is in memory or stored.
    pub(super) async fn held_record(&self, of: &ModuleVersion) -> Option<Arc<Known>> {
        if let Some(known) = self.records.get(of) {
            return Some(known);
        }
        let bytes = self.files.read(lookup_path(of)).await?;
        match self.prove_stored(of, &bytes).await {
            Ok(known) => {
                self.records.insert(of.clone(), Arc::clone(&known));
                Some(known)
            }
            Err(trouble) => {
                warn!(database = self.name(), %of, ?trouble, "the stored look-up of {of} can't be proven here");
                None
            }
        }
    }

    /// Proves a look-up from the disk anew: what lies there may have been damaged, or put there by somebody else.
    async fn prove_stored(&self, of: &ModuleVersion, bytes: &[u8]) -> Result<Arc<Known>, Trouble> {
        let lookup = parse_lookup(bytes).map_err(|_| Trouble::NotHeld)?;
        let seen = SignedHead::open(&lookup.head_note, self.verifier()).map_err(|_| Trouble::NotHeld)?;
        let head = match self.head().await {
            Some(head) if u64::try_from(lookup.id).is_ok_and(|id| id < head.size()) => head,
            _ => self.advance(&seen, None).await?,
        };
        let proven = self.tiles.prove(head.head(), Wanted::record(lookup.id), Reach::Here).await?;
        let record = proven.record(lookup.id, &lookup.text).map_err(|_| Trouble::NotHeld)?;
        if !names(&record, of) {
            return Err(Trouble::NotHeld);
        }
        self.tiles.keep(&proven);
        Ok(Arc::new(Known { record, head, from: None, is_aside: false }))
    }

    async fn find(
        self: Arc<Self>,
        of: &ModuleVersion,
        chain: &Chain,
        urgency: &Urgency,
    ) -> Result<Arc<Known>, LookupFailure> {
        if let Some(known) = self.held_record(of).await {
            return Ok(known);
        }
        if let Some((at, said)) = self.unknown.get(of) {
            if at.elapsed() < self.settings.unknown_freshness {
                return Err(LookupFailure::Unknown { said, at });
            }
            self.unknown.remove(of);
        }
        let _slot = self.slots.take(urgency).await;
        let mut refusals = Refusals::default();
        // One proxy's 404 is not the database's: the others and the database itself come after it and may know better.
        let mut unknown = None;
        for source in self.sources.of(chain) {
            match self.sources.carries(&source).await {
                Ok(true) => {}
                Ok(false) => continue,
                Err(error) => {
                    refusals.attempts.push(error);
                    continue;
                }
            }
            match self.ask(of, &source).await {
                Ok(known) => {
                    self.records.insert(of.clone(), Arc::clone(&known));
                    return Ok(known);
                }
                Err(Trouble::Unknown(said)) => {
                    unknown = Some(said);
                }
                Err(trouble) => {
                    if refusals.add(self.name(), trouble) {
                        break;
                    }
                }
            }
        }
        if let Some(what) = &refusals.what {
            self.report("checksum-refused", format!("{of}: {what}"));
        } else if let Some(said) = unknown {
            // The last word counts, which is the database's own where it can be reached. Behind a firewall only a proxy's
            // can be had, and refusing is the safe side: "can't be asked" lets some routes serve what is unverified.
            let at = Instant::now();
            self.unknown.insert(of.clone(), (at, said.clone()));
            return Err(LookupFailure::Unknown { said, at });
        }
        let failure = refusals.into_failure();
        match (&failure, self.held_aside(of).await) {
            (LookupFailure::Unavailable(_), Some(known)) => Ok(known),
            _ => Err(failure),
        }
    }

    /// Asks one source and proves what it says.
    async fn ask(self: &Arc<Self>, of: &ModuleVersion, source: &Source) -> Result<Arc<Known>, Trouble> {
        let path = lookup_path(of);
        let answer = source.small(&path).await.map_err(|error| match error.is_absence() {
            true => Trouble::Unknown(Box::new(error)),
            false => Trouble::from(error),
        })?;
        let lookup = parse_lookup(&answer)
            .map_err(|error| source.unusable(&path, format!("no checksum record ({error})")))?;
        let seen = SignedHead::open(&lookup.head_note, self.verifier())
            .map_err(|error| Trouble::forged(source.name(), with_cause(&error)))?;
        if u64::try_from(lookup.id).is_ok_and(|id| id >= seen.size()) || lookup.id < 0 {
            let what =
                format!("record {} can't be in the tree of {} records it came with", lookup.id, seen.size());
            return Err(Trouble::forged(source.name(), what));
        }
        let head = match self.head().await {
            Some(head) if u64::try_from(lookup.id).is_ok_and(|id| id < head.size()) => head,
            _ => self.advance(&seen, Some(source)).await?,
        };
        let (record, proven) = self.prove_lookup(&lookup, &seen, &head, source).await?;
        if !names(&record, of) {
            let what = format!("record {} is not of {of}", record.id());
            return Err(Trouble::forged(source.name(), what));
        }
        debug!(database = self.name(), %of, id = record.id(), "verified the checksum record of {of}");
        self.tiles.keep(&proven);
        let stored = format_lookup(record.id(), record.text(), head.note());
        self.files.write_lookup(of, Arc::new(proven), stored).await;
        Ok(Arc::new(Known { record, head, from: Some(source.name().clone()), is_aside: false }))
    }

    /// Proves that the record stands in the kept tree and that the head it came with tells the same history.
    async fn prove_lookup(
        self: &Arc<Self>,
        lookup: &Lookup,
        seen: &SignedHead,
        head: &SignedHead,
        source: &Source,
    ) -> Result<(AuthenticRecord, Proven), Trouble> {
        let order = compare_heads(head, seen).map_err(|fork| self.fork(&fork, Some(source)))?;
        let older = (order == HeadOrder::Older && !self.is_confirmed(seen)).then(|| seen.size());
        let wanted = Wanted { older, ..Wanted::record(lookup.id) };
        let proven = match self.tiles.prove(head.head(), wanted, Reach::Both(source)).await {
            // The older head is checked for evidence only: the record has to fit the kept tree in any case.
            Err(Trouble::Fetch(_)) if older.is_some() => {
                self.tiles.prove(head.head(), Wanted::record(lookup.id), Reach::Both(source)).await?
            }
            Ok(proven) if older.is_some() => {
                self.check_consistent(&proven, seen, head, Some(source))?;
                proven
            }
            proven => proven?,
        };
        match proven.record(lookup.id, &lookup.text) {
            Ok(record) => {
                if order == HeadOrder::Newer {
                    self.audit_later(seen, source);
                }
                Ok((record, proven))
            }
            Err(error) => {
                // A text that the kept tree does not have may stand in another tree that was signed as well.
                self.advance(seen, Some(source)).await?;
                Err(Trouble::forged(source.name(), error.to_string()))
            }
        }
    }

    /// Logs and records that somebody lied, once for each lie: clients ask for the same again and again.
    pub(super) fn report(&self, kind: &'static str, detail: String) {
        if self.reported.get(&detail).is_some() {
            return;
        }
        error!(database = self.name(), kind, "SECURITY: refused what was said for {}: {detail}", self.name());
        self.files.record_event(kind, &detail);
        self.reported.insert(detail, ());
    }

    pub(super) fn forget_unknown(&self, module: &ModulePath) {
        self.unknown.retain(|of, _| of.module() != module);
    }

    /// Waits until everything verified is on the disk.
    pub(super) async fn flush(&self) {
        self.files.flush().await;
    }
}

/// What the sources of one question got wrong.
#[derive(Default)]
pub(super) struct Refusals {
    attempts: Vec<FetchError>,
    what: Option<String>,
}

impl Refusals {
    /// Notes a trouble; reports whether asking on is pointless.
    pub(super) fn add(&mut self, database: &str, trouble: Trouble) -> bool {
        match trouble {
            Trouble::Fetch(error) | Trouble::Unknown(error) => self.attempts.push(*error),
            Trouble::Forged { by, what } => {
                self.what.get_or_insert_with(|| format!("{by}: {what}"));
            }
            Trouble::Fork { by } => {
                let by = by.map_or_else(String::new, |by| format!(" (seen at {by})"));
                self.what = Some(format!(
                    "{database} signed two histories that contradict each other{by}; the evidence is in Larder's log"
                ));
                return true;
            }
            Trouble::NotHeld | Trouble::Broken => {}
        }
        false
    }

    pub(super) fn attempt(&mut self, error: FetchError) {
        self.attempts.push(error);
    }

    pub(super) fn into_failure(self) -> LookupFailure {
        let attempts = Arc::new(self.attempts);
        match self.what {
            Some(what) => LookupFailure::Refused { what, attempts },
            None => LookupFailure::Unavailable(attempts),
        }
    }
}

/// Reports whether the proven text has a line for exactly this module and version.
pub(super) fn names(record: &AuthenticRecord, of: &ModuleVersion) -> bool {
    let (module, version) = (of.module().as_str(), of.version().as_str());
    record.zip_h1(module, version).is_ok() || record.go_mod_h1(module, version).is_ok()
}

/// One line out of an error and its causes.
fn with_cause(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
