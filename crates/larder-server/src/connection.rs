//! The state of each connection, and the one sweep that judges them all.
//!
//! A timer per connection would put a timer-wheel operation into every request. Instead the
//! connection leaves marks (plain atomics), and one task looks at all connections twice a second. It
//! cuts what is too slow: a head that does not arrive, a kept-alive connection that rests too long,
//! a reader that does not read. When the connection cap is reached the same marks say who makes room.
//! hyper's own head timer stays off: it would not cover the TLS handshake or an HTTP/2 preface.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;
use tokio::sync::Notify;

use crate::settings::Limits;

/// How often the sweep looks.
pub(crate) const SWEEP: Duration = Duration::from_millis(500);
/// How many connections make room at once when the cap is reached.
const BATCH: usize = 64;
/// How long a connection that was told to go may take to do so.
const GOODBYE: Duration = Duration::from_secs(10);
/// A connection as young as this may still be on the way to its request.
const YOUNG_MS: u64 = 200;

/// Milliseconds since the server began, renewed by each sweep and each accept.
#[derive(Debug)]
pub(crate) struct CoarseClock {
    start: Instant,
    now_ms: AtomicU64,
}

impl CoarseClock {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), now_ms: AtomicU64::new(1) }
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.now_ms.load(Relaxed)
    }

    pub(crate) fn tick(&self) -> u64 {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1);
        self.now_ms.store(now, Relaxed);
        now
    }
}

/// The marks that one connection leaves.
#[derive(Debug)]
pub(crate) struct Connection {
    /// No other connection of this process has it.
    pub(crate) id: u64,
    clock: Arc<CoarseClock>,
    opened_ms: u64,
    /// When the first byte of the head being read arrived; 0 between heads.
    head_ms: AtomicU64,
    idle_ms: AtomicU64,
    /// When the connection's task last ran and found nothing to do.
    looked_ms: AtomicU64,
    in_flight: AtomicU32,
    /// Bodies of which a piece lies ready and the reader has not taken it.
    owed: AtomicU32,
    write_blocked: AtomicBool,
    output: AtomicU8,
    written: AtomicU64,
    requests: AtomicU64,
    multiplexed: AtomicBool,
    /// Touched by the sweep only.
    progress_ms: AtomicU64,
    progress_written: AtomicU64,
    order: AtomicU8,
    task: AtomicWaker,
}

/// What the server wants a connection's task to do.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Order {
    /// Serve.
    GoOn = 0,
    /// Finish what is in flight, then close.
    Drain = 1,
    /// Close now.
    Cut = 2,
}

/// How far the output of a connection is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Output {
    /// What was written has left our buffers.
    Flushed = 0,
    /// Something was written.
    Begun = 1,
    /// Nothing more is to be written.
    Shut = 2,
}

/// Why a connection was cut.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CutReason {
    HeadTooSlow,
    IdleTooLong,
    ReaderTooSlow,
}

impl Connection {
    fn new(id: u64, clock: &Arc<CoarseClock>) -> Self {
        let now = clock.tick();
        Self {
            id,
            clock: Arc::clone(clock),
            opened_ms: now,
            head_ms: AtomicU64::new(0),
            idle_ms: AtomicU64::new(now),
            looked_ms: AtomicU64::new(0),
            in_flight: AtomicU32::new(0),
            owed: AtomicU32::new(0),
            write_blocked: AtomicBool::new(false),
            output: AtomicU8::new(Output::Flushed as u8),
            written: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            multiplexed: AtomicBool::new(false),
            progress_ms: AtomicU64::new(now),
            progress_written: AtomicU64::new(0),
            order: AtomicU8::new(Order::GoOn as u8),
            task: AtomicWaker::new(),
        }
    }

    /// Marks that bytes came in.
    pub(crate) fn note_read(&self) {
        if self.in_flight.load(Relaxed) == 0 && self.head_ms.load(Relaxed) == 0 {
            self.head_ms.store(self.clock.now_ms(), Relaxed);
        }
    }

    /// Marks that the task took what there was and now waits for the client.
    pub(crate) fn note_looked(&self) {
        self.looked_ms.store(self.clock.now_ms(), Relaxed);
    }

    /// Marks that the socket took `bytes`.
    pub(crate) fn note_written(&self, bytes: usize) {
        self.written.fetch_add(bytes as u64, Relaxed);
        if self.write_blocked.load(Relaxed) {
            self.write_blocked.store(false, Relaxed);
        }
    }

    /// Marks that the socket takes nothing now.
    pub(crate) fn note_write_blocked(&self) {
        self.write_blocked.store(true, Relaxed);
    }

    /// Marks that a request head has arrived whole; the guard ends with its response.
    pub(crate) fn begin_request(self: &Arc<Self>, multiplexed: bool) -> InFlight {
        self.in_flight.fetch_add(1, Relaxed);
        self.head_ms.store(0, Relaxed);
        if multiplexed {
            self.multiplexed.store(true, Relaxed);
        }
        self.requests.fetch_add(1, Relaxed);
        InFlight { connection: Arc::clone(self), owes: false }
    }

    /// Marks that a request was answered at once.
    pub(crate) fn note_answered(&self) {
        self.head_ms.store(0, Relaxed);
        self.idle_ms.store(self.clock.now_ms(), Relaxed);
        self.requests.fetch_add(1, Relaxed);
    }

    /// Marks how far the output is; after its end it has ended.
    pub(crate) fn note_output(&self, output: Output) {
        if self.output.load(Relaxed) != Output::Shut as u8 {
            self.output.store(output as u8, Relaxed);
        }
    }

    /// Reports whether everything written has left, and more may be written.
    pub(crate) fn is_output_at_rest(&self) -> bool {
        self.output.load(Relaxed) == Output::Flushed as u8
    }

    /// Returns how many requests were seen.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    /// Reports whether a request is being answered.
    pub(crate) fn is_answering(&self) -> bool {
        self.in_flight.load(Relaxed) > 0
    }

    /// Returns the time that the sweep last told; it changes twice a second.
    pub(crate) fn coarse_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// Reports whether any request was seen.
    pub(crate) fn has_served(&self) -> bool {
        self.requests.load(Relaxed) > 0
    }

    /// Returns the order in force, and wakes `waker` when it changes.
    pub(crate) fn order(&self, waker: &Waker) -> Order {
        self.task.register(waker);
        match self.order.load(Relaxed) {
            0 => Order::GoOn,
            1 => Order::Drain,
            _ => Order::Cut,
        }
    }

    /// Gives an order; reports whether it is news. Orders only get stricter.
    fn give(&self, order: Order) -> bool {
        let news = self.order.fetch_max(order as u8, Relaxed) < order as u8;
        if news {
            self.task.wake();
        }
        news
    }

    fn is_cut(&self) -> bool {
        self.order.load(Relaxed) == Order::Cut as u8
    }

    fn is_readers_turn(&self) -> bool {
        self.owed.load(Relaxed) > 0 || self.write_blocked.load(Relaxed)
    }

    /// Judges the connection at `now` and moves its progress mark.
    fn judge(&self, limits: &Limits, now: u64) -> Option<CutReason> {
        if self.is_readers_turn() {
            return self.judge_reader(limits, now);
        }
        self.progress_ms.store(now, Relaxed);
        self.progress_written.store(self.written.load(Relaxed), Relaxed);
        if self.in_flight.load(Relaxed) > 0 {
            return None;
        }
        let past = |since: u64, limit: Duration| u128::from(now.saturating_sub(since)) > limit.as_millis();
        if let Some(since) = self.half_open_since() {
            return past(since, limits.head_timeout).then_some(CutReason::HeadTooSlow);
        }
        past(self.idle_ms.load(Relaxed), limits.idle_timeout).then_some(CutReason::IdleTooLong)
    }

    /// Reports whether a connection that is past a limit is to be cut without further ado.
    ///
    /// A head counts as late only when the task has looked for it after the limit: on a machine with more to do
    /// than it can, the head may have been there all the time. Asking wakes a task that has not looked yet.
    fn is_overdue(&self, reason: CutReason, limits: &Limits, now: u64) -> bool {
        let idle = Duration::from_millis(now.saturating_sub(self.idle_ms.load(Relaxed)));
        match reason {
            CutReason::HeadTooSlow => {
                let begun = self.half_open_since().unwrap_or(now);
                let waited = self.looked_ms.load(Relaxed).saturating_sub(begun);
                let has_looked = u128::from(waited) > limits.head_timeout.as_millis();
                if !has_looked {
                    self.task.wake();
                }
                has_looked
            }
            CutReason::ReaderTooSlow => true,
            CutReason::IdleTooLong => idle > limits.idle_timeout + GOODBYE,
        }
    }

    fn judge_reader(&self, limits: &Limits, now: u64) -> Option<CutReason> {
        let written = self.written.load(Relaxed);
        let took = written.wrapping_sub(self.progress_written.load(Relaxed));
        let window = limits.write_window;
        if took >= limits.least_rate.saturating_mul(window.as_secs().max(1)) {
            self.progress_ms.store(now, Relaxed);
            self.progress_written.store(written, Relaxed);
            return None;
        }
        let waited = now.saturating_sub(self.progress_ms.load(Relaxed));
        (u128::from(waited) > window.as_millis()).then_some(CutReason::ReaderTooSlow)
    }

    /// Returns since when the client owes a whole head, if it does.
    ///
    /// On HTTP/2 bytes between requests are ordinary (pings, window updates), so there only the time
    /// up to the first request counts.
    fn half_open_since(&self) -> Option<u64> {
        if !self.has_served() {
            return Some(self.opened_ms);
        }
        let head = self.head_ms.load(Relaxed);
        (head != 0 && !self.multiplexed.load(Relaxed)).then_some(head)
    }

    /// Returns how readily this connection makes room: half-open first, then idle, oldest first.
    fn eviction_key(&self, now: u64) -> Option<(bool, u64)> {
        if self.in_flight.load(Relaxed) > 0 || self.is_readers_turn() || self.is_cut() {
            return None;
        }
        let key = match self.half_open_since() {
            Some(since) => (false, since),
            None => (true, self.idle_ms.load(Relaxed)),
        };
        (now.saturating_sub(key.1) >= YOUNG_MS).then_some(key)
    }
}

/// One request between its head and the last byte of its answer.
#[derive(Debug)]
pub(crate) struct InFlight {
    connection: Arc<Connection>,
    owes: bool,
}

impl InFlight {
    /// Marks whether it is the reader's turn: a piece lies ready and waits to be taken.
    pub(crate) fn set_readers_turn(&mut self, owes: bool) {
        if owes == self.owes {
            return;
        }
        self.owes = owes;
        if owes {
            self.connection.owed.fetch_add(1, Relaxed);
        } else {
            self.connection.owed.fetch_sub(1, Relaxed);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.set_readers_turn(false);
        self.connection.head_ms.store(0, Relaxed);
        self.connection.idle_ms.store(self.connection.clock.now_ms(), Relaxed);
        self.connection.in_flight.fetch_sub(1, Relaxed);
    }
}

/// All open connections.
#[derive(Debug)]
pub(crate) struct Connections {
    clock: Arc<CoarseClock>,
    open: Mutex<HashMap<u64, Arc<Connection>>>,
    next: AtomicU64,
    /// Connections that were told to go and have not gone yet.
    leaving: AtomicUsize,
    closed: Notify,
}

impl Connections {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            clock: Arc::new(CoarseClock::new()),
            open: Mutex::new(HashMap::new()),
            next: AtomicU64::new(0),
            leaving: AtomicUsize::new(0),
            closed: Notify::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<Connection>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how many connections are open.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Returns how many connections are open and will stay.
    pub(crate) fn staying(&self) -> usize {
        self.len().saturating_sub(self.leaving.load(Relaxed))
    }

    fn cut(&self, connection: &Connection) -> bool {
        let news = connection.give(Order::Cut);
        if news {
            self.leaving.fetch_add(1, Relaxed);
        }
        news
    }

    /// Registers a new connection; the guard takes it off again.
    pub(crate) fn open(self: &Arc<Self>) -> OpenConnection {
        let id = self.next.fetch_add(1, Relaxed);
        let connection = Arc::new(Connection::new(id, &self.clock));
        self.lock().insert(id, Arc::clone(&connection));
        OpenConnection { id, connection, all: Arc::clone(self) }
    }

    /// Waits until a connection closes.
    pub(crate) async fn one_closes(&self) {
        self.closed.notified().await;
    }

    /// Cuts every connection that is past a limit, and returns how many for each reason.
    pub(crate) fn sweep(&self, limits: &Limits) -> Vec<(CutReason, usize)> {
        let now = self.clock.tick();
        let mut cut: Vec<(CutReason, usize)> = Vec::new();
        for connection in self.lock().values() {
            let Some(reason) = connection.judge(limits, now) else { continue };
            // An idle HTTP/2 client is told first, so that no request of its crosses the close.
            let told = reason == CutReason::IdleTooLong && connection.give(Order::Drain);
            let cut_now = !told && connection.is_overdue(reason, limits, now) && self.cut(connection);
            if told || (cut_now && reason != CutReason::IdleTooLong) {
                count_one(&mut cut, reason);
            }
        }
        cut
    }

    /// Cuts a batch of half-open or idle connections, oldest first, and returns how many.
    pub(crate) fn make_room(&self) -> usize {
        self.make_room_at(self.clock.tick())
    }

    fn make_room_at(&self, now: u64) -> usize {
        let open = self.lock();
        let mut candidates: Vec<((bool, u64), &Arc<Connection>)> = open
            .values()
            .filter_map(|connection| Some((connection.eviction_key(now)?, connection)))
            .collect();
        let batch = BATCH.min(candidates.len());
        if batch == 0 {
            return 0;
        }
        if batch < candidates.len() {
            candidates.select_nth_unstable_by_key(batch - 1, |(key, _)| *key);
        }
        candidates[..batch].iter().filter(|(_, connection)| self.cut(connection)).count()
    }

    /// Cuts every connection that is left.
    pub(crate) fn cut_all(&self) -> usize {
        self.lock().values().filter(|connection| self.cut(connection)).count()
    }

    /// Tells connections to finish; those that have not sent a request yet only when `fresh_too`.
    pub(crate) fn drain(&self, fresh_too: bool) {
        for connection in self.lock().values() {
            if fresh_too || connection.has_served() {
                connection.give(Order::Drain);
            }
        }
    }
}

fn count_one(counts: &mut Vec<(CutReason, usize)>, reason: CutReason) {
    match counts.iter_mut().find(|(known, _)| *known == reason) {
        Some((_, count)) => *count += 1,
        None => counts.push((reason, 1)),
    }
}

/// A connection that is registered while this lives.
#[derive(Debug)]
pub(crate) struct OpenConnection {
    id: u64,
    connection: Arc<Connection>,
    all: Arc<Connections>,
}

impl OpenConnection {
    pub(crate) fn state(&self) -> &Arc<Connection> {
        &self.connection
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.all.lock().remove(&self.id);
        if self.connection.is_cut() {
            self.all.leaving.fetch_sub(1, Relaxed);
        }
        self.all.closed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits::default()
    }

    fn opened() -> (Arc<Connections>, OpenConnection) {
        let all = Connections::new();
        let open = all.open();
        (all, open)
    }

    fn ms(seconds: u64) -> u64 {
        seconds * 1000
    }

    #[test]
    fn a_head_that_does_not_arrive_is_cut_after_ten_seconds() {
        let (_all, open) = opened();
        open.state().note_read();
        assert_eq!(open.state().judge(&limits(), ms(9)), None);
        assert_eq!(open.state().judge(&limits(), ms(11)), Some(CutReason::HeadTooSlow));
    }

    #[test]
    fn a_head_is_late_only_when_it_was_looked_for() {
        let (_all, open) = opened();
        let state = open.state();
        assert!(!state.is_overdue(CutReason::HeadTooSlow, &limits(), ms(11)), "the task never ran");
        state.looked_ms.store(ms(9), Relaxed);
        assert!(!state.is_overdue(CutReason::HeadTooSlow, &limits(), ms(11)), "it may have come since");
        state.looked_ms.store(ms(11), Relaxed);
        assert!(state.is_overdue(CutReason::HeadTooSlow, &limits(), ms(12)));
    }

    #[test]
    fn the_second_head_counts_from_its_first_byte() {
        let (_all, open) = opened();
        let state = open.state();
        drop(state.begin_request(false));
        state.idle_ms.store(ms(5), Relaxed);
        assert_eq!(state.judge(&limits(), ms(100)), None, "idle is not half-open");
        state.head_ms.store(ms(100), Relaxed);
        assert_eq!(state.judge(&limits(), ms(109)), None);
        assert_eq!(state.judge(&limits(), ms(111)), Some(CutReason::HeadTooSlow));
    }

    #[test]
    fn an_idle_connection_goes_after_its_limit() {
        let (_all, open) = opened();
        drop(open.state().begin_request(true));
        open.state().note_read();
        assert_eq!(open.state().judge(&limits(), ms(100)), None, "pings on HTTP/2 are no half head");
        assert_eq!(open.state().judge(&limits(), ms(130)), Some(CutReason::IdleTooLong));
    }

    #[test]
    fn a_request_being_worked_on_is_never_cut() {
        let (_all, open) = opened();
        let _request = open.state().begin_request(false);
        assert_eq!(open.state().judge(&limits(), ms(10_000)), None);
    }

    #[test]
    fn a_reader_below_the_least_rate_is_cut_and_one_above_it_is_not() {
        let (_all, open) = opened();
        let state = open.state();
        let mut request = state.begin_request(false);
        request.set_readers_turn(true);
        let mut now = 1;
        for _ in 0..10 {
            now += ms(59);
            state.note_written(6_000);
            assert_eq!(state.judge(&limits(), now), None);
        }
        state.note_written(5_000);
        assert_eq!(state.judge(&limits(), now + ms(59)), None);
        assert_eq!(state.judge(&limits(), now + ms(61)), Some(CutReason::ReaderTooSlow));
    }

    #[test]
    fn waiting_for_us_is_not_the_readers_fault() {
        let (_all, open) = opened();
        let state = open.state();
        let mut request = state.begin_request(false);
        request.set_readers_turn(true);
        assert_eq!(state.judge(&limits(), ms(50)), None);
        request.set_readers_turn(false);
        assert_eq!(state.judge(&limits(), ms(500)), None);
        request.set_readers_turn(true);
        assert_eq!(state.judge(&limits(), ms(550)), None, "the window starts anew");
    }

    #[test]
    fn room_is_made_by_the_oldest_half_open_and_never_by_the_busy() {
        let all = Connections::new();
        let open: Vec<OpenConnection> = (0..200).map(|_| all.open()).collect();
        let busy: Vec<InFlight> = open[..100].iter().map(|o| o.state().begin_request(false)).collect();
        for (index, one) in open[100..150].iter().enumerate() {
            drop(one.state().begin_request(false));
            one.state().idle_ms.store(index as u64, Relaxed);
        }
        assert_eq!(all.make_room_at(YOUNG_MS / 2), 0, "all are young");
        let now = ms(3600);
        assert_eq!(all.make_room_at(now), 64);
        let cut = |range: std::ops::Range<usize>| open[range].iter().filter(|o| o.state().is_cut()).count();
        assert_eq!(cut(0..100), 0, "busy ones stay");
        assert_eq!(cut(150..200), 50, "half-open ones go first");
        assert_eq!(cut(100..114), 14, "then the longest idle");
        assert_eq!(all.make_room_at(now), 36);
        assert_eq!(all.make_room_at(now), 0);
        drop(busy);
        drop(open);
        assert_eq!(all.len(), 0);
    }
}
