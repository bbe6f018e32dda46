//! What was found out, for a while: concurrent questions share one answer, and memory is bounded.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::error::DirectError;

/// How long answers are kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keep {
    /// Good ones.
    pub(super) good: Duration,
    /// Absence.
    pub(super) absence: Duration,
    /// All other failures.
    pub(super) failure: Duration,
    /// For so long after it was learned, a good answer goes before an outage.
    pub(super) through_outages: Duration,
}

/// Answers by key.
#[derive(Debug)]
pub(super) struct Memo<V> {
    keep: Keep,
    most: usize,
    entries: Mutex<HashMap<String, Entry<V>>>,
}

/// A good answer and when it was learned.
type Learned<V> = Option<(V, Instant)>;
type Cell<V> = Arc<OnceCell<Kept<V>>>;

#[derive(Debug)]
struct Entry<V> {
    cell: Cell<V>,
    /// The last one.
    good: Learned<V>,
}

#[derive(Debug)]
struct Kept<V> {
    answer: Result<V, DirectError>,
    /// When a good answer was learned; it may be older than the last question.
    learned: Instant,
    until: Instant,
}

impl<V: Clone> Memo<V> {
    pub(super) fn new(keep: Keep, most: usize) -> Self {
        Self { keep, most: most.max(2), entries: Mutex::default() }
    }

    /// Returns the answer that is known, or has it found out; others who ask meanwhile wait for the same one. Whoever
    /// finds out may go away: the next in line begins anew.
    pub(super) async fn get<Finding>(
        &self,
        key: &str,
        find: impl FnOnce() -> Finding + Send,
    ) -> Result<V, DirectError>
    where
        Finding: Future<Output = Result<V, DirectError>> + Send,
    {
        let (cell, good) = self.cell(key);
        let kept = cell
            .get_or_init(|| async {
                let found = find().await;
                self.kept(found, good)
            })
            .await;
        if let (Ok(value), Ok(mut entries)) = (&kept.answer, self.entries.lock())
            && let Some(entry) = entries.get_mut(key).filter(|entry| entry.good.is_none())
        {
            entry.good = Some((value.clone(), kept.learned));
        }
        kept.answer.clone()
    }

    /// Returns the answer if it is known already.
    pub(super) fn known(&self, key: &str) -> Option<V> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = entries.get(key)?.cell.get()?;
        kept.answer.as_ref().ok().cloned()
    }

    fn kept(&self, found: Result<V, DirectError>, good: Learned<V>) -> Kept<V> {
        let now = Instant::now();
        let error = match found {
            Ok(value) => return Kept { answer: Ok(value), learned: now, until: now + self.keep.good },
            Err(error) => error,
        };
        let keep = if error.is_absence() { self.keep.absence } else { self.keep.failure };
        let still_good = good.filter(|(_, learned)| learned.elapsed() < self.keep.through_outages);
        match still_good {
            Some((value, learned)) if error.is_outage() => {
                Kept { answer: Ok(value), learned, until: now + keep }
            }
            Some(_) | None => Kept { answer: Err(error), learned: now, until: now + keep },
        }
    }

    fn cell(&self, key: &str) -> (Cell<V>, Learned<V>) {
        let now = Instant::now();
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if !entries.contains_key(key) {
            self.make_room(&mut entries, now);
        }
        let entry =
            entries.entry(key.to_owned()).or_insert_with(|| Entry { cell: Arc::default(), good: None });
        if let Some(kept) = entry.cell.get()
            && kept.until <= now
        {
            entry.cell = Arc::default();
            // What is learned now replaces what was learned then.
            let good = entry.good.take();
            return (Arc::clone(&entry.cell), good);
        }
        (Arc::clone(&entry.cell), entry.good.clone())
    }

    /// Drops what is over; if that isn't enough, half of what nobody waits for.
    fn make_room(&self, entries: &mut HashMap<String, Entry<V>>, now: Instant) {
        if entries.len() < self.most {
            return;
        }
        entries.retain(|_, entry| entry.cell.get().is_none_or(|kept| kept.until > now));
        let mut odd = false;
        if entries.len() >= self.most {
            entries.retain(|_, entry| {
                odd = !odd;
                odd || Arc::strong_count(&entry.cell) > 1
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use larder_upstream::DirectFaultKind;

    use super::*;

    const KEEP: Keep = Keep {
        good: Duration::from_secs(60),
        absence: Duration::from_secs(10),
        failure: Duration::from_secs(2),
        through_outages: Duration::from_secs(600),
    };

    fn failure(kind: DirectFaultKind) -> Result<u32, DirectError> {
        Err(DirectError::new(kind, "no"))
    }

    #[tokio::test(start_paused = true)]
    async fn answers_are_shared_and_kept() {
        let memo = Arc::new(Memo::new(KEEP, 10));
        let asked = Arc::new(AtomicUsize::new(0));
        let ask = || {
            let (memo, asked) = (Arc::clone(&memo), Arc::clone(&asked));
            async move {
                memo.get("a", || async {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    Ok(asked.fetch_add(1, Ordering::SeqCst))
                })
                .await
            }
        };
        let impatient = tokio::time::timeout(Duration::from_millis(1), ask()).await;
        assert!(impatient.is_err());
        let many: Vec<_> = (0..50).map(|_| tokio::spawn(ask())).collect();
        for one in many {
            assert_eq!(one.await.unwrap().unwrap(), 0);
        }
        tokio::time::advance(Duration::from_secs(59)).await;
        assert_eq!((ask().await.unwrap(), memo.known("a")), (0, Some(0)));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(ask().await.unwrap(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_good_answer_lasts_through_an_outage_but_not_through_absence() {
        let memo = Memo::new(KEEP, 10);
        let ask = |answer: Result<u32, DirectError>| memo.get("a", || async { answer });
        assert_eq!(ask(Ok(1)).await.unwrap(), 1);
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(ask(failure(DirectFaultKind::Unreachable)).await.unwrap(), 1);
        assert_eq!(ask(Ok(2)).await.unwrap(), 1, "not asked again at once");
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(ask(Ok(2)).await.unwrap(), 2);
        tokio::time::advance(Duration::from_secs(61)).await;
        assert!(ask(failure(DirectFaultKind::Absent)).await.unwrap_err().is_absence());
        tokio::time::advance(Duration::from_secs(11)).await;
        assert!(ask(failure(DirectFaultKind::Unreachable)).await.unwrap_err().is_outage());
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(ask(Ok(3)).await.unwrap(), 3);
        for _ in 0..10 {
            tokio::time::advance(Duration::from_secs(61)).await;
            let _ = ask(failure(DirectFaultKind::TimedOut)).await;
        }
        tokio::time::advance(Duration::from_secs(61)).await;
        assert!(ask(failure(DirectFaultKind::TimedOut)).await.is_err(), "not for ever");
    }

    #[tokio::test]
    async fn memory_is_bounded() {
        let memo = Memo::new(KEEP, 100);
        for number in 0..10_000_u32 {
            memo.get(&number.to_string(), || async { Ok(number) }).await.unwrap();
            assert!(memo.entries.lock().unwrap().len() <= 100);
        }
    }
}
