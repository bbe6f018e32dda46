//! The one head that counts, and how it moves.
//!
//! It moves only forward, only to heads that provably continue it, and only by compare-and-swap on the disk, because
//! other processes may verify against the same store. Before it moves, the tiles at the old head's edge are brought in
//! the width that the new tree gives them: whatever could be proven under the old head, of records and of still older
//! heads, can then be proven under the new one without asking anybody.

use std::sync::{
    Arc, Mutex, PoisonError, RwLock,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use larder_module::sumdb::{
    tree::{SignedHead, TreeHead},
    verify::{ConsistencyError, HeadOrder, Misbehaviour, check_consistency, compare_heads},
};
use larder_store::Swap;
use quick_cache::sync::Cache;
use tokio::{sync::OnceCell, time::Instant};
use tracing::warn;

use super::{
    database::Database,
    recovery::OtherHeads,
    source::Source,
    tiles::{Proven, Reach, Wanted},
    trouble::Trouble,
};

/// How many older heads that were found to belong to the log are remembered.
const CONFIRMED_HEADS: usize = 2_048;
/// How often the swap is tried when other processes keep moving the head.
const SWAPS: usize = 8;

/// The state of the head.
pub(super) struct Heads {
    kept: RwLock<Option<Kept>>,
    loaded: OnceCell<()>,
    turn: tokio::sync::Mutex<()>,
    /// The largest head that somebody waits for, so that one advance serves all.
    largest: Mutex<Option<SignedHead>>,
    confirmed: Cache<TreeHead, ()>,
    is_auditing: AtomicBool,
    /// Where the file of the head was lost.
    pub(super) others: OtherHeads,
}

#[derive(Clone)]
struct Kept {
    signed: SignedHead,
    /// When it was learned from the database, not from the disk.
    learned: Option<Instant>,
    /// What the disk has, which lags behind while it can't be written.
    on_disk: Option<Bytes>,
}

impl Default for Heads {
    fn default() -> Self {
        Self {
            kept: RwLock::default(),
            loaded: OnceCell::new(),
            turn: tokio::sync::Mutex::default(),
            largest: Mutex::default(),
            confirmed: Cache::new(CONFIRMED_HEADS),
            is_auditing: AtomicBool::new(false),
            others: OtherHeads::default(),
        }
    }
}

impl Heads {
    fn kept(&self) -> Option<Kept> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, kept: Kept) {
        *self.kept.write().unwrap_or_else(PoisonError::into_inner) = Some(kept);
    }

    fn want(&self, head: &SignedHead) {
        let mut largest = self.largest.lock().unwrap_or_else(PoisonError::into_inner);
        if largest.as_ref().is_none_or(|largest| largest.size() < head.size()) {
            *largest = Some(head.clone());
        }
    }

    fn take_largest(&self) -> Option<SignedHead> {
        self.largest.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Database {
    /// Returns the head that counts, reading it from the disk the first time.
    pub(super) async fn head(&self) -> Option<SignedHead> {
        self.heads.loaded.get_or_init(|| self.load_head()).await;
        self.heads.kept().map(|kept| kept.signed)
    }

    /// Returns when the head was last heard of from the database itself.
    pub(super) fn head_learned(&self) -> Option<Instant> {
        self.heads.kept()?.learned
    }

    /// Notes that the database has just confirmed the head to be its newest.
    pub(super) fn confirm_head(&self) {
        // In place: whoever moves the head meanwhile must not find it set back.
        if let Some(kept) = self.heads.kept.write().unwrap_or_else(PoisonError::into_inner).as_mut() {
            kept.learned = Some(Instant::now());
        }
    }

    async fn load_head(&self) {
        let on_disk = self.files.read_latest().await;
        let signed = on_disk.as_deref().map(|note| SignedHead::open(note, self.verifier()));
        let signed = match signed {
            Some(Ok(signed)) => Some(signed),
            Some(Err(error)) => {
                warn!(database = self.name(), %error, "the stored tree head is damaged: {error}");
                self.recover_head().await
            }
            None => self.recover_head().await,
        };
        if let Some(signed) = signed {
            self.heads.set(Kept { signed, learned: None, on_disk });
        }
    }

    /// Moves the head so far that `to` is it or lies in its past, and returns it.
    ///
    /// Whoever waits meanwhile is served by the same step: it goes to the largest head that was asked for.
    pub(super) async fn advance(
        &self,
        to: &SignedHead,
        source: Option<&Source>,
    ) -> Result<SignedHead, Trouble> {
        self.heads.want(to);
        let turn = self.heads.turn.lock().await;
        let mut head = self.head().await;
        if head.as_ref().is_none_or(|head| head.size() < to.size()) {
            let target = self.heads.take_largest().filter(|largest| largest.size() > to.size());
            head = Some(match target {
                Some(target) => match self.step(&target, source).await {
                    Ok(head) => head,
                    // Another one's head must not spoil this one's.
                    Err(_) => self.step(to, source).await?,
                },
                None => self.step(to, source).await?,
            });
        }
        drop(turn);
        let head = head.ok_or(Trouble::Broken)?;
        self.check_older(to, &head, source).await?;
        Ok(head)
    }

    /// Checks that the tree of `older` is how the tree of `head` began.
    pub(super) async fn check_older(
        &self,
        older: &SignedHead,
        head: &SignedHead,
        source: Option<&Source>,
    ) -> Result<(), Trouble> {
        let order = compare_heads(head, older).map_err(|fork| self.fork(&fork, source))?;
        if order == HeadOrder::Same || self.is_confirmed(older) {
            return Ok(());
        }
        let proven =
            self.tiles.prove(head.head(), Wanted::older(older.size()), Reach::source(source)).await?;
        self.check_consistent(&proven, older, head, source)
    }

    pub(super) fn check_consistent(
        &self,
        proven: &Proven,
        older: &SignedHead,
        head: &SignedHead,
        source: Option<&Source>,
    ) -> Result<(), Trouble> {
        match check_consistency(proven, older, head) {
            Ok(()) => {
                self.heads.confirmed.insert(*older.head(), ());
                Ok(())
            }
            Err(ConsistencyError::Misbehaviour(fork)) => Err(self.fork(&fork, source)),
            Err(ConsistencyError::Verify(_)) => Err(Trouble::Broken),
        }
    }

    /// Reports whether a head is known to lie in the log's past.
    pub(super) fn is_confirmed(&self, older: &SignedHead) -> bool {
        self.heads.confirmed.get(older.head()).is_some()
    }

    /// Takes one step, from the kept head to a larger one.
    async fn step(&self, to: &SignedHead, source: Option<&Source>) -> Result<SignedHead, Trouble> {
        let kept = self.heads.kept();
        let lagging =
            kept.as_ref().and_then(|kept| SignedHead::open(kept.on_disk.as_deref()?, self.verifier()).ok());
        let wanted = Wanted {
            older: kept.as_ref().map(|kept| kept.signed.size()),
            oldest: lagging.as_ref().map(SignedHead::size).filter(|size| *size <= to.size()),
            ..Wanted::default()
        };
        let proven = self.tiles.prove(to.head(), wanted, Reach::source(source)).await?;
        if let Some(kept) = &kept {
            self.check_consistent(&proven, &kept.signed, to, source)?;
        }
        let proven = Arc::new(proven);
        self.tiles.keep(&proven);
        let on_disk = kept.and_then(|kept| kept.on_disk);
        self.swap_head(to, proven, on_disk, source).await
    }

    /// Puts a head that continues the kept one on the disk, unless somebody else has put a newer one there.
    async fn swap_head(
        &self,
        to: &SignedHead,
        proven: Arc<Proven>,
        mut on_disk: Option<Bytes>,
        source: Option<&Source>,
    ) -> Result<SignedHead, Trouble> {
        let note = Bytes::copy_from_slice(to.note());
        for _ in 0..SWAPS {
            let swap = self.files.replace_head(Arc::clone(&proven), on_disk.clone(), note.clone()).await;
            match swap {
                Ok(Swap::Swapped) => return Ok(self.set_head(to, Some(note))),
                Ok(Swap::Conflict(found)) => {
                    on_disk = found.map(Bytes::from);
                    if let Some(theirs) = self.head_of_others(to, on_disk.as_deref(), source).await? {
                        return Ok(self.set_head(&theirs, on_disk));
                    }
                }
                Err(error) => {
                    warn!(database = self.name(), %error, "the verified tree head could not be stored: {error}");
                    break;
                }
            }
        }
        Ok(self.set_head(to, on_disk))
    }

    fn set_head(&self, signed: &SignedHead, on_disk: Option<Bytes>) -> SignedHead {
        self.heads.set(Kept { signed: signed.clone(), learned: Some(Instant::now()), on_disk });
        signed.clone()
    }

    /// Judges a head that another process stored: returned when it is at least as new as ours.
    async fn head_of_others(
        &self,
        ours: &SignedHead,
        found: Option<&[u8]>,
        source: Option<&Source>,
    ) -> Result<Option<SignedHead>, Trouble> {
        let Some(Ok(theirs)) = found.map(|note| SignedHead::open(note, self.verifier())) else {
            return Ok(None);
        };
        if theirs.size() >= ours.size() {
            self.check_older(ours, &theirs, source).await?;
            return Ok(Some(theirs));
        }
        self.check_older(&theirs, ours, source).await?;
        Ok(None)
    }

    /// Records the evidence of a fork. The kept head stays where it is.
    pub(super) fn fork(&self, evidence: &Misbehaviour, source: Option<&Source>) -> Trouble {
        let by = source.map(|source| source.name().clone());
        self.report("checksum-fork", describe(evidence));
        Trouble::Fork { by }
    }

    /// Checks, a moment later and at most once at a time, a newer head that nobody had to wait for.
    pub(super) fn audit_later(self: &Arc<Self>, seen: &SignedHead, source: &Source) {
        self.heads.want(seen);
        if self.heads.is_auditing.swap(true, Ordering::AcqRel) {
            return;
        }
        let (database, source, seen) = (Arc::clone(self), source.clone(), seen.clone());
        tokio::spawn(async move {
            tokio::time::sleep(database.settings.audit_delay).await;
            database.heads.is_auditing.store(false, Ordering::Release);
            // Forks are recorded where they are found; a source that does not answer now is asked by the next.
            let _ = database.advance(&seen, Some(&source)).await;
        });
    }
}

/// The evidence as text that anyone can check without asking the database again.
fn describe(evidence: &Misbehaviour) -> String {
    match evidence {
        Misbehaviour::Fork(fork) => {
            let proof: Vec<String> = fork.proof.iter().map(ToString::to_string).collect();
            format!(
                "{evidence}\nroot of the newer tree at the older size: {}\nproof: {}",
                fork.found,
                proof.join(" ")
            )
        }
        Misbehaviour::Rollback { .. } => evidence.to_string(),
    }
}
