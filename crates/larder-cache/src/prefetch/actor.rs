//! The one task that decides what is fetched ahead, and when.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use larder_module::{path::ModulePath, request::ObjectKind, version::ModuleVersion};
use larder_store::ObjectKey;
use larder_upstream::{Prefetch, Route, Routes, Trail, UpstreamKind};
use tokio::sync::mpsc;

use super::{
    Note, PrefetchSettings,
    budget::{Budget, Share},
    counts::{Counts, WishResult},
    facts::Facts,
    predict::{ModFacts, Predictor, SessionKey, Why, Wish},
    queue::Queue,
};
use crate::{
    Outcome,
    engine::Engine,
    fetch::on_behalf_of,
    flight::{Flight, Phase, Ready},
};

/// A client that has asked for nothing for so long is done.
const IDLE: Duration = Duration::from_secs(60);
/// How often idle clients are looked for, and the index is told what was asked for.
const SWEEP: Duration = Duration::from_secs(1);
/// At every so many of these occasions the store is looked through for what nobody has asked for.
const LOOK_THROUGH: u64 = 3_600;
/// How many notes and results are taken in before anything new begins.
const BATCH: usize = 256;
/// Of how many modules it is remembered that their names are no secret.
const VOUCHED: usize = 100_000;
/// How many files are remembered that could not be read.
const UNREAD: usize = 10_000;

/// What a client may do, and since when it has been silent.
struct Client {
    trail: Trail,
    seen: Instant,
}

/// What became of something that was fetched ahead or followed.
struct Done {
    key: ObjectKey,
    /// What it held of the budget, if it began here.
    share: Option<(Share, SessionKey)>,
    end: Option<End>,
}

struct End {
    facts: Option<Facts>,
    result: WishResult,
}

pub(crate) struct Actor {
    notes: mpsc::Receiver<Note>,
    ends: mpsc::UnboundedReceiver<Done>,
    end: mpsc::UnboundedSender<Done>,
    predictor: Predictor,
    queue: Queue,
    budget: Budget,
    counts: Counts,
    clients: HashMap<SessionKey, Client>,
    /// Modules that may be spoken of to public upstreams: clients asked for them, or public modules name them.
    vouched: HashSet<ModulePath>,
    /// Versions that files name which the checksum database has proven: it may be asked for these before an upstream has said that they exist.
    published: HashSet<ModuleVersion>,
    /// What could not be read: when a client asks for it after all, it is read then.
    unread: HashSet<ObjectKey>,
    sweeps: u64,
}

impl Actor {
    pub(super) fn new(settings: PrefetchSettings, notes: mpsc::Receiver<Note>, counts: Counts) -> Self {
        let (end, ends) = mpsc::unbounded_channel();
        Self {
            notes,
            ends,
            end,
            predictor: Predictor::default(),
            queue: Queue::default(),
            budget: Budget::new(settings),
            counts,
            clients: HashMap::new(),
            vouched: HashSet::new(),
            published: HashSet::new(),
            unread: HashSet::new(),
            sweeps: 0,
        }
    }

    /// Runs until the engine is gone or stops.
    pub(super) async fn run(mut self, engine: Weak<Engine>) {
        let mut sweep = tokio::time::interval(SWEEP);
        sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let mut notes = Vec::new();
            let mut ends = Vec::new();
            let mut tidy = None;
            tokio::select! {
                count = self.notes.recv_many(&mut notes, BATCH) => if count == 0 { return },
                _ = self.ends.recv_many(&mut ends, BATCH) => {}
                _ = sweep.tick() => tidy = Some(self.sweep()),
            }
            let Some(engine) = engine.upgrade() else { return };
            if engine.tasks.closing() {
                return;
            }
            if let Some(look_through) = tidy {
                engine.tidy_later(look_through);
            }
            let routes = engine.routes();
            for note in notes {
                self.noted(&engine, &routes, &note);
            }
            for done in ends {
                self.ended(&engine, &routes, done);
            }
            self.take_wishes(&engine, &routes);
            self.begin(&engine, &routes);
            self.counts.state(self.budget.requests(), self.queue.len(), self.predictor.sessions());
        }
    }

    /// Forgets who is gone; reports whether the store should be looked through in any case.
    fn sweep(&mut self) -> bool {
        let now = Instant::now();
        self.predictor.expire(now);
        self.clients.retain(|_, client| now.duration_since(client.seen) < IDLE);
        self.queue.retain(|session| self.clients.contains_key(session));
        if self.clients.is_empty() {
            self.vouched = HashSet::new();
            self.published = HashSet::new();
            self.unread = HashSet::new();
        }
        self.sweeps += 1;
        self.sweeps % LOOK_THROUGH == 1
    }

    fn noted(&mut self, engine: &Arc<Engine>, routes: &Routes, note: &Note) {
        let module = note.of.module();
        if !routes.route(module.as_str()).private {
            self.vouch(module);
        }
        let now = Instant::now();
        let client = self
            .clients
            .entry(note.session)
            .or_insert_with(|| Client { trail: note.trail.clone(), seen: now });
        client.seen = now;
        self.predictor.asked(note.session, &note.of, note.kind, now);
        // It is under way at last, or there: nothing is left to do but to read it, if that was wanted.
        let key = ObjectKey::new(note.of.clone(), note.kind);
        if self.queue.take_out(&key) == Some(true) || self.unread.remove(&key) {
            let wish = Wish {
                of: note.of.clone(),
                kind: note.kind,
                rank: 0,
                why: Why::Facts,
                facts: true,
                sessions: vec![note.session],
            };
            self.consider(engine, routes, wish);
        }
    }

    fn ended(&mut self, engine: &Engine, routes: &Routes, done: Done) {
        if let Some((share, session)) = &done.share {
            self.budget.give_back(share);
            self.queue.done(session);
        }
        if let (Some(end), true) = (&done.end, done.share.is_some()) {
            self.counts.wish(done.key.kind(), end.result);
        }
        let of = done.key.of();
        match done.end {
            Some(End { facts: Some(Facts::Mod(facts)), .. }) => {
                self.learn(engine, routes, &done.key, facts);
            }
            Some(End { facts: Some(Facts::Zip(facts)), .. }) => self.predictor.unpacked(of, facts),
            Some(End { result: WishResult::Failed, .. }) | None => {
                self.predictor.gone(of, done.key.kind());
                if self.unread.len() < UNREAD {
                    self.unread.insert(done.key);
                }
            }
            Some(End { facts: None, .. }) => {}
        }
    }

    /// Tells the predictor what a go.mod file says.
    ///
    /// A private module's file may name another private module that no route knows to be private, and a public upstream must not hear of
    /// it. So of what private modules name, only such public modules count that have been spoken of in public.
    fn learn(&mut self, engine: &Engine, routes: &Routes, key: &ObjectKey, mut facts: ModFacts) {
        let is_private = |module: &ModulePath| routes.route(module.as_str()).private;
        if is_private(key.of().module()) {
            let vouched = &self.vouched;
            let may_follow = |module: &ModulePath| is_private(module) || vouched.contains(module);
            facts.requires.retain(|required| may_follow(required.of.module()));
        } else {
            for required in &facts.requires {
                self.vouch(required.of.module());
            }
            if engine.is_proven(key.of()) && self.published.len() < VOUCHED {
                self.published.extend(facts.requires.iter().map(|required| required.of.clone()));
            }
        }
        self.predictor.learned(key.of(), &facts);
    }

    fn vouch(&mut self, module: &ModulePath) {
        if self.vouched.len() < VOUCHED && !self.vouched.contains(module) {
            self.vouched.insert(module.clone());
        }
    }

    fn take_wishes(&mut self, engine: &Arc<Engine>, routes: &Routes) {
        loop {
            let wishes = self.predictor.wishes();
            if wishes.is_empty() {
                return;
            }
            for wish in wishes {
                self.consider(engine, routes, wish);
            }
        }
    }

    /// Takes a wish up as its route allows.
    fn consider(&mut self, engine: &Arc<Engine>, routes: &Routes, wish: Wish) {
        let route = routes.route(wish.of.module().as_str());
        let session = wish.sessions.iter().find(|session| session.private_ok || !route.private);
        let key = ObjectKey::new(wish.of, wish.kind);
        let Some(session) = session.filter(|_| is_allowed(route, key.kind())) else {
            return self.predictor.gone(key.of(), key.kind());
        };
        if self.find(engine, &key, wish.facts) {
            return;
        }
        match first_upstream(route) {
            Some(upstream) => {
                self.queue.push(key, wish.facts, wish.rank, *session, upstream);
            }
            None => self.predictor.gone(key.of(), key.kind()),
        }
    }

    /// Reports whether nothing need be fetched, because it is at hand or under way; then it is read, if that is wanted.
    fn find(&self, engine: &Arc<Engine>, key: &ObjectKey, facts: bool) -> bool {
        let following = match engine.at_hand.peek(key) {
            Some(ready) => Following::There(ready),
            None => match engine.board.find(key) {
                Some(flight) => Following::UnderWay(flight),
                None => return false,
            },
        };
        if facts {
            self.follow(engine, key.clone(), following, true, None);
        }
        true
    }

    /// Begins whatever there is room for.
    fn begin(&mut self, engine: &Arc<Engine>, routes: &Routes) {
        while let Some(item) = self.queue.pop(&self.budget) {
            let trail =
                self.clients.get(&item.session).map(|client| client.trail.clone()).unwrap_or_default();
            let (flight, landing) = engine.board.join_ahead(&item.key);
            if let Some(landing) = landing {
                if item.key.kind() == ObjectKind::Mod && self.published.contains(item.key.of()) {
                    let route = on_behalf_of(routes.route(item.key.of().module().as_str()), &trail);
                    let chain = route.chain.wanted_so_soon(flight.urgency());
                    // Beside the file, since what it names can't be fetched before it is confirmed.
                    engine.look_up_ahead(&Route { chain, ..route }, item.key.of());
                }
                let work = Arc::clone(engine).fly(item.key.clone(), landing, trail);
                engine.tasks.spawn_ahead(flight.urgency().clone(), work);
            }
            let zip = (item.key.kind() == ObjectKind::Zip).then(|| Arc::clone(&flight));
            let share = self.budget.take(item.upstream, zip);
            let share = Some((share, item.session));
            self.follow(engine, item.key, Following::UnderWay(flight), item.facts, share);
        }
    }

    /// Waits beside everything else for the end of something, and then says so here.
    fn follow(
        &self,
        engine: &Arc<Engine>,
        key: ObjectKey,
        following: Following,
        facts: bool,
        share: Option<(Share, SessionKey)>,
    ) {
        let mut reporter = Reporter { to: self.end.clone(), done: Some(Done { key, share, end: None }) };
        let engine = Arc::clone(engine);
        tokio::spawn(async move {
            let end = match &reporter.done {
                Some(done) => following.end(&engine, &done.key, facts).await,
                None => None,
            };
            if let Some(done) = &mut reporter.done {
                done.end = end;
            }
        });
    }
}

/// What is waited for.
enum Following {
    There(Ready),
    UnderWay(Arc<Flight>),
}

impl Following {
    async fn end(self, engine: &Engine, key: &ObjectKey, facts: bool) -> Option<End> {
        let (ready, result) = match self {
            Self::There(ready) => (ready, WishResult::Held),
            Self::UnderWay(flight) => {
                let mut phases = flight.follow();
                let phase = phases.wait_for(|phase| matches!(phase, Phase::Done(_))).await.ok()?.clone();
                match phase {
                    Phase::Done(Ok(ready)) => {
                        let result = match (&ready.outcome, flight.urgency().is_now()) {
                            (Outcome::Hit { .. }, _) => WishResult::Held,
                            (_, true) => WishResult::Joined,
                            (_, false) => WishResult::Fetched,
                        };
                        (ready, result)
                    }
                    _ => return Some(End { facts: None, result: WishResult::Failed }),
                }
            }
        };
        let facts = if facts { Facts::read(engine, key, &ready).await } else { None };
        Some(End { facts, result })
    }
}

/// Reports the end of a wish whatever happens, or its share of the budget would be lost.
struct Reporter {
    to: mpsc::UnboundedSender<Done>,
    done: Option<Done>,
}

impl Drop for Reporter {
    fn drop(&mut self) {
        if let Some(done) = self.done.take() {
            // Nobody listens when everything stops.
            drop(self.to.send(done));
        }
    }
}

/// Reports whether a route has files of a kind fetched ahead.
pub(crate) fn is_allowed(route: &Route, kind: ObjectKind) -> bool {
    match route.prefetch {
        Prefetch::Off => false,
        Prefetch::Mods => kind == ObjectKind::Mod,
        Prefetch::Full => true,
    }
}

/// Returns whom a fetch ahead asks first. Version control is asked by nobody who only guesses: see [`larder_upstream::Upstream`].
fn first_upstream(route: &Route) -> Option<Arc<str>> {
    let first = &route.chain.entries().first()?.upstream;
    match first.kind() {
        UpstreamKind::Http | UpstreamKind::File => Some(first.name().to_string().into()),
        UpstreamKind::Direct | UpstreamKind::Off => None,
    }
}
