//! What a run comes to: who provided what, who was waited for, and what nobody asked for.
//!
//! Everything is worked out from the journal. A fetch that began before the command asked for the same thing was made ahead; one
//! that it never asked for was in vain. Waits are counted on the clock: two requests that wait for the same second wait one second.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use larder_cache::{Answered, Content, Fetched};
use tokio::time::Instant;

use super::notes::Events;

/// Shorter waits are work, not waiting.
const LEAST_WAIT: Duration = Duration::from_millis(1);

/// Where an answer came from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Source {
    /// It was there when the run began.
    Store,
    /// It was fetched in this run, by this upstream.
    Upstream(String),
    /// There is no such thing.
    Absent,
    /// It failed.
    Failed,
}

/// One request of the command.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) source: Source,
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    pub(crate) bytes: u64,
    pub(crate) outcome: &'static str,
    /// Whom it waited for, if it waited.
    pub(crate) waited_for: Option<String>,
}

impl Asked {
    /// Reports whether it counts among what the command asked for: proofs do only where they were missing.
    fn counts(&self) -> bool {
        self.source == Source::Failed || !proves(&self.path)
    }

    /// Reports whether it was there when the run began.
    pub(crate) fn is_stored(&self) -> bool {
        self.source == Source::Store
    }
}

/// One request to an upstream.
#[derive(Clone, Debug)]
pub(crate) struct Brought {
    pub(crate) fetch: Fetched,
    /// It was under way, or there, before the command asked for it.
    pub(crate) ahead: bool,
    /// The command never asked for it.
    pub(crate) in_vain: bool,
    /// It belongs to a checksum database.
    pub(crate) proves: bool,
}

/// What one upstream did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Share {
    pub(crate) files: usize,
    pub(crate) bytes: u64,
    pub(crate) ahead: usize,
    /// How many of these files nobody asked for.
    pub(crate) vain: usize,
    pub(crate) vain_bytes: u64,
    pub(crate) waited: Duration,
}

/// The account of a run.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    pub(crate) asked: Vec<Asked>,
    pub(crate) brought: Vec<Brought>,
    pub(crate) shares: BTreeMap<String, Share>,
    pub(crate) from_store: usize,
    pub(crate) absent: usize,
    pub(crate) failed: usize,
    pub(crate) vain_files: usize,
    pub(crate) vain_bytes: u64,
    pub(crate) waited: Duration,
}

impl Account {
    /// Works it out.
    pub(crate) fn of(events: Events, began: Instant, ended: Instant) -> Self {
        let Events { answers, fetches } = events;
        let by_path = by_path(&fetches);
        let firsts = first_asked(&answers);
        let mut asked: Vec<Asked> = answers.iter().map(|answer| judge(answer, &by_path, ended)).collect();
        asked.sort_by_key(|asked| asked.began);
        for ask in &mut asked {
            ask.waited_for = waited_for(ask, &by_path, &fetches);
        }
        let mut brought: Vec<Brought> = fetches.into_iter().map(|fetch| place(fetch, &firsts)).collect();
        brought.sort_by_key(|brought| brought.fetch.began);
        Self::summed(began, ended, asked, brought)
    }

    fn summed(began: Instant, ended: Instant, asked: Vec<Asked>, brought: Vec<Brought>) -> Self {
        let mut shares = BTreeMap::<String, Share>::new();
        let (mut vain_files, mut vain_bytes) = (0, 0);
        for one in brought.iter().filter(|one| one.fetch.failure.is_none() && !one.proves) {
            let share = shares.entry(one.fetch.upstream.to_string()).or_default();
            share.files += 1;
            share.bytes += one.fetch.bytes;
            share.ahead += usize::from(one.ahead);
            if one.in_vain {
                share.vain += 1;
                share.vain_bytes += one.fetch.bytes;
                vain_files += 1;
                vain_bytes += one.fetch.bytes;
            }
        }
        let mut waits = HashMap::<&str, Vec<(Instant, Instant)>>::new();
        for ask in &asked {
            if let Some(name) = &ask.waited_for {
                waits.entry(name).or_default().push((ask.began, ask.ended));
            }
        }
        let waited = on_the_clock(waits.values().flatten().copied().collect());
        for (name, spans) in waits {
            shares.entry(name.to_owned()).or_default().waited = on_the_clock(spans);
        }
        let count =
            |source: &Source| asked.iter().filter(|ask| ask.counts() && ask.source == *source).count();
        Self {
            began,
            ended,
            from_store: count(&Source::Store),
            absent: count(&Source::Absent),
            failed: count(&Source::Failed),
            asked,
            brought,
            shares,
            vain_files,
            vain_bytes,
            waited,
        }
    }

    /// Returns the request that waited longest.
    pub(crate) fn longest_wait(&self) -> Option<&Asked> {
        let waits = self.asked.iter().filter(|ask| ask.waited_for.is_some());
        waits.max_by_key(|ask| ask.ended - ask.began)
    }
}

type ByPath = HashMap<String, Vec<(Instant, Instant, String, bool)>>;

/// Orders fetches by what they were for: when they began and ended, who was asked, and whether it was of use.
fn by_path(fetches: &[Fetched]) -> ByPath {
    let mut found = ByPath::new();
    for fetch in fetches {
        let entry = (fetch.began, fetch.ended, fetch.upstream.to_string(), fetch.failure.is_none());
        found.entry(fetch.path.clone()).or_default().push(entry);
    }
    found
}

fn first_asked(answers: &[Answered]) -> HashMap<String, Instant> {
    let mut firsts = HashMap::<String, Instant>::new();
    for answer in answers {
        let first = firsts.entry(answer.path.clone()).or_insert(answer.began);
        *first = (*first).min(answer.began);
    }
    firsts
}

fn judge(answer: &Answered, by_path: &ByPath, end: Instant) -> Asked {
    let fetches = by_path.get(&answer.path);
    let useful = fetches.and_then(|fetches| fetches.iter().rev().find(|(.., is_useful)| *is_useful));
    let source = match (answer.failed, useful) {
        (true, _) if answer.outcome == "absent" => Source::Absent,
        (true, _) => Source::Failed,
        (false, Some((_, _, upstream, _))) => Source::Upstream(upstream.clone()),
        (false, None) => Source::Store,
    };
    // The body of what was still arriving ended when its fetch did.
    let arrived = useful.map(|(_, ended, ..)| *ended).filter(|_| answer.is_arriving);
    let ended = arrived.map_or(answer.ended, |arrived| arrived.max(answer.ended).min(end));
    Asked {
        path: answer.path.clone(),
        source,
        began: answer.began,
        ended,
        bytes: answer.bytes.unwrap_or(0),
        outcome: answer.outcome,
        waited_for: None,
    }
}

/// Finds out whom a request waited for: who was being asked for the same thing at the time, else a checksum database.
fn waited_for(ask: &Asked, by_path: &ByPath, fetches: &[Fetched]) -> Option<String> {
    if ask.ended - ask.began < LEAST_WAIT {
        return None;
    }
    let overlap =
        |began: Instant, ended: Instant| ended.min(ask.ended).saturating_duration_since(began.max(ask.began));
    let own = by_path.get(&ask.path).into_iter().flatten();
    let longest = own
        .map(|(began, ended, upstream, _)| (overlap(*began, *ended), upstream))
        .filter(|(time, _)| !time.is_zero())
        .max_by_key(|(time, _)| *time);
    let own_time = longest.map_or(Duration::ZERO, |(time, _)| time);
    let proofs = fetches.iter().filter(|fetch| proves(&fetch.path));
    let proof = proofs
        .map(|fetch| (overlap(fetch.began, fetch.ended), &fetch.upstream))
        .filter(|(time, _)| *time > own_time)
        .max_by_key(|(time, _)| *time);
    match (proof, longest) {
        (Some((_, database)), _) => Some(database.to_string()),
        (None, Some((_, upstream))) => Some(upstream.clone()),
        (None, None) => None,
    }
}

fn place(fetch: Fetched, firsts: &HashMap<String, Instant>) -> Brought {
    let first = firsts.get(&fetch.path);
    let proves = proves(&fetch.path);
    Brought {
        ahead: !proves && first.is_none_or(|first| fetch.began < *first),
        in_vain: !proves && first.is_none(),
        proves,
        fetch,
    }
}

/// Reports whether a path is one of a checksum database: a proxy's copy, or the database itself.
fn proves(path: &str) -> bool {
    ["/sumdb/", "/lookup/", "/tile/", "/latest"].iter().any(|start| path.starts_with(start))
}

/// Returns how long at least one of these times ran.
fn on_the_clock(mut spans: Vec<(Instant, Instant)>) -> Duration {
    spans.sort_unstable();
    let mut sum = Duration::ZERO;
    let mut covered: Option<Instant> = None;
    for (began, ended) in spans {
        let from = covered.map_or(began, |covered| began.max(covered));
        sum += ended.saturating_duration_since(from);
        covered = Some(covered.map_or(ended, |covered| covered.max(ended)));
    }
    sum
}

/// The two lines that end a run.
pub(crate) fn lines(account: &Account) -> [String; 2] {
    [what_came_from_where(account), how_long_was_waited(account)]
}

fn what_came_from_where(account: &Account) -> String {
    if account.asked.is_empty() && account.brought.is_empty() {
        return "nothing was asked for".to_owned();
    }
    let mut parts = Vec::new();
    for (name, share) in account.shares.iter().filter(|(_, share)| share.files > share.vain) {
        // What nobody asked for was fetched ahead, too.
        let ahead = match share.ahead.saturating_sub(share.vain) {
            0 => String::new(),
            ahead => format!(", {ahead} of them ahead"),
        };
        let (files, bytes) = (share.files - share.vain, share.bytes - share.vain_bytes);
        parts.push(format!("{files} from {name} ({}{ahead})", size(bytes)));
    }
    let others =
        [(account.from_store, "from the store"), (account.absent, "not found"), (account.failed, "failed")];
    parts.extend(
        others.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")),
    );
    let vain = match account.vain_files {
        0 => String::new(),
        files => format!("; {files} ({}) in vain", size(account.vain_bytes)),
    };
    let counted = account.asked.iter().filter(|ask| ask.counts());
    let distinct = counted.map(|ask| &ask.path).collect::<HashSet<_>>().len();
    format!("{distinct} asked for: {}{vain}", parts.join(", "))
}

fn how_long_was_waited(account: &Account) -> String {
    let whole = seconds(account.ended - account.began);
    let mut waits: Vec<_> = account.shares.iter().filter(|(_, share)| !share.waited.is_zero()).collect();
    waits.sort_by_key(|(_, share)| std::cmp::Reverse(share.waited));
    if waits.is_empty() {
        return format!("waited for nobody in {whole}");
    }
    let each: Vec<_> =
        waits.iter().map(|(name, share)| format!("{} for {name}", seconds(share.waited))).collect();
    let longest = account.longest_wait().map_or_else(String::new, |ask| {
        format!("; longest {} for {}", seconds(ask.ended - ask.began), plain(&ask.path))
    });
    format!("waited {} of {whole}: {}{longest}", seconds(account.waited), each.join(", "))
}

/// Returns a path as people know it: without the leading slash and Go's escaping, and with nothing that moves a cursor.
pub(crate) fn plain(path: &str) -> String {
    let mut text = String::new();
    let mut upper = false;
    for letter in path.trim_start_matches('/').chars() {
        match letter {
            '!' => upper = true,
            letter if upper => {
                text.extend(letter.to_uppercase());
                upper = false;
            }
            letter if letter.is_control() => text.extend(letter.escape_default()),
            letter => text.push(letter),
        }
    }
    text
}

/// Returns a number of bytes for people.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1_000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1e3;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1e3;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// Returns a duration for people.
pub(crate) fn seconds(duration: Duration) -> String {
    match duration.as_secs() {
        0..60 => format!("{:.1} s", duration.as_secs_f64()),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

/// Reports whether a path names a file of a version that never changes.
pub(crate) fn kind_of(path: &str) -> &'static str {
    match path.rsplit_once('.') {
        _ if proves(path) => "sumdb",
        Some((_, "info")) => Content::Info.label(),
        Some((_, "mod")) => Content::Mod.label(),
        Some((_, "zip")) => Content::Zip.label(),
        _ if path.ends_with("/@v/list") => Content::List.label(),
        _ => Content::Latest.label(),
    }
}
