//! A go command, Larder and an upstream on a long link, with a made-up clock.
//!
//! The client asks in the recorded order, as many at a time as the go command does: two, and one while it asks for the `.info` of what it
//! downloads. It unpacks a zip before it goes on. Every request of the upstream takes as long as any other.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap, HashMap, HashSet},
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use larder_module::{request::ObjectKind, version::ModuleVersion};

use super::world::{Ask, World};
use crate::prefetch::predict::{Predictor, SessionKey};

type Key = (ModuleVersion, ObjectKind);

/// How the world behaves, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    pub(super) delay: u64,
    /// The most prefetches at a time.
    pub(super) streams: usize,
    /// What unpacking a million bytes takes the client.
    pub(super) unpack: u64,
    /// What a request takes between the client and Larder.
    pub(super) hop: u64,
    pub(super) predict: bool,
}

impl Setting {
    /// 100 ms to the upstream, and nobody in between.
    pub(super) fn direct() -> Self {
        Self { delay: 100_000, streams: 32, unpack: 35_000, hop: 500, predict: false }
    }

    /// The same with Larder.
    pub(super) fn ahead() -> Self {
        Self { predict: true, ..Self::direct() }
    }
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    pub(super) time: u64,
    pub(super) requests: usize,
    pub(super) bytes: u64,
    pub(super) wasted: Vec<(String, &'static str, u64)>,
    /// How many files were fetched twice.
    pub(super) repeated: usize,
    /// What the client asked for that nobody had foreseen.
    pub(super) blind: Vec<String>,
    /// When the client asked for its first and last file of a kind.
    pub(super) phases: std::collections::BTreeMap<&'static str, (u64, u64)>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wasted: u64 = self.wasted.iter().map(|(_, _, bytes)| bytes).sum();
        let seconds = Duration::from_micros(self.time).as_secs_f64();
        write!(
            f,
            "{seconds:.2} s, {} requests ({} in vain), {:.1} MB ({:.1} in vain), {} unforeseen",
            self.requests,
            self.wasted.len(),
            megabytes(self.bytes),
            megabytes(wasted),
            self.blind.len()
        )
    }
}

/// How one outcome is to another.
pub(super) struct Compared<'a> {
    pub(super) direct: &'a Outcome,
    pub(super) ahead: &'a Outcome,
}

impl Compared<'_> {
    /// How many times as fast, in hundredths.
    pub(super) fn speed(&self) -> u64 {
        self.direct.time * 100 / self.ahead.time.max(1)
    }

    /// How many per cent more requests.
    pub(super) fn requests(&self) -> usize {
        (self.ahead.requests - self.direct.requests) * 100 / self.direct.requests.max(1)
    }

    /// How many per mille more bytes.
    pub(super) fn bytes(&self) -> u64 {
        (self.ahead.bytes - self.direct.bytes) * 1000 / self.direct.bytes.max(1)
    }
}

impl fmt::Display for Compared<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (speed, requests, bytes) = (self.speed(), self.requests(), self.bytes());
        write!(
            f,
            "{}.{:02} times as fast, {requests} % more requests, {bytes} per mille more bytes",
            speed / 100,
            speed % 100
        )
    }
}

fn megabytes(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes / 1000).unwrap_or(u32::MAX)) / 1000.0
}

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Event {
    /// The upstream answered.
    Arrived(Key),
    /// The client of this number has an answer in its hands, and is done with it.
    Served(usize, usize),
}

struct Client<'a> {
    asks: &'a [Ask],
    /// Numbers connections, and clients for that matter.
    base: u64,
    next: usize,
    busy: BTreeSet<usize>,
    zips: HashSet<&'a ModuleVersion>,
    downloads: bool,
    end: u64,
}

struct Simulation<'a> {
    world: &'a World,
    setting: Setting,
    start: Instant,
    now: u64,
    events: BinaryHeap<Reverse<(u64, Event)>>,
    stored: HashSet<Key>,
    flying: HashSet<Key>,
    fetched: HashSet<Key>,
    ahead: HashSet<Key>,
    asked: HashSet<Key>,
    facts: HashSet<Key>,
    waiting: HashMap<Key, Vec<(usize, usize)>>,
    queue: BTreeSet<(u32, u64, Key)>,
    queued: u64,
    reasons: HashMap<Key, String>,
    predictor: Predictor,
    outcome: Outcome,
}

/// Plays a client's requests to a predictor.
pub(super) fn play(world: &World, asks: &[Ask], setting: Setting) -> Outcome {
    play_together(world, &[asks], setting)
}

/// Plays several clients at once behind one address.
pub(super) fn play_together(world: &World, sequences: &[&[Ask]], setting: Setting) -> Outcome {
    let mut simulation = Simulation {
        world,
        setting,
        start: Instant::now(),
        now: 0,
        events: BinaryHeap::new(),
        stored: HashSet::new(),
        flying: HashSet::new(),
        fetched: HashSet::new(),
        ahead: HashSet::new(),
        asked: HashSet::new(),
        facts: HashSet::new(),
        waiting: HashMap::new(),
        queue: BTreeSet::new(),
        queued: 0,
        reasons: HashMap::new(),
        predictor: Predictor::default(),
        outcome: Outcome::default(),
    };
    let mut clients: Vec<Client<'_>> = sequences
        .iter()
        .zip(1..)
        .map(|(asks, number)| Client {
            asks,
            base: number * 1000,
            next: 0,
            busy: BTreeSet::new(),
            zips: HashSet::new(),
            downloads: asks.iter().any(|ask| ask.kind == ObjectKind::Info)
                && asks.first().is_some_and(|ask| ask.kind == ObjectKind::Mod),
            end: 0,
        })
        .collect();
    simulation.run(&mut clients);
    simulation.outcome.time = clients.iter().map(|client| client.end).max().unwrap_or_default();
    simulation.finish()
}

impl<'a> Simulation<'a> {
    fn run(&mut self, clients: &mut [Client<'a>]) {
        for number in 0..clients.len() {
            self.advance(clients, number);
        }
        while let Some(Reverse((time, event))) = self.events.pop() {
            self.now = time;
            match event {
                Event::Arrived(key) => self.arrived(key, clients),
                Event::Served(number, place) => {
                    let client = &mut clients[number];
                    client.busy.remove(&place);
                    client.end = time;
                    self.advance(clients, number);
                }
            }
        }
    }

    fn advance(&mut self, clients: &mut [Client<'a>], number: usize) {
        loop {
            let client = &mut clients[number];
            let Some(ask) = client.asks.get(client.next) else { return };
            let limit = if ask.kind == ObjectKind::Info && client.downloads { 1 } else { 2 };
            // A build asks for the go.mod file of what it has unpacked.
            let waits = client.busy.iter().any(|place| {
                let busy = &client.asks[*place];
                busy.of == ask.of || (client.downloads && busy.kind != ask.kind)
            });
            if client.busy.len() >= limit || waits {
                return;
            }
            let place = client.next;
            client.next += 1;
            client.busy.insert(place);
            client.zips.insert(&ask.of);
            let key = SessionKey {
                connection: client.base + ask.connection,
                client: std::net::Ipv4Addr::LOCALHOST.into(),
                private_ok: true,
            };
            self.ask(number, place, ask, key);
        }
    }

    fn ask(&mut self, number: usize, place: usize, ask: &Ask, session: SessionKey) {
        let key = (ask.of.clone(), ask.kind);
        self.asked.insert(key.clone());
        let phase = self.outcome.phases.entry(key.1.extension()).or_insert((self.now, 0));
        phase.1 = self.now;
        if self.stored.contains(&key) {
            self.serve(number, place, &key);
        } else {
            self.waiting.entry(key.clone()).or_default().push((number, place));
            if self.flying.insert(key.clone()) {
                self.outcome.blind.push(format!("{}.{}", key.0, key.1));
                self.fetch(key.clone());
            }
        }
        if self.setting.predict {
            let now = self.start + Duration::from_micros(self.now);
            self.predictor.asked(session, &ask.of, ask.kind, now);
            self.take_wishes();
        }
    }

    fn serve(&mut self, number: usize, place: usize, key: &Key) {
        let work = match key.1 {
            ObjectKind::Zip => {
                self.world.size(&key.0, key.1).unwrap_or_default() * self.setting.unpack / 1_000_000
            }
            _ => 0,
        };
        self.events.push(Reverse((self.now + self.setting.hop + work, Event::Served(number, place))));
    }

    fn fetch(&mut self, key: Key) {
        self.outcome.requests += 1;
        self.outcome.repeated += usize::from(!self.fetched.insert(key.clone()));
        self.outcome.bytes += self.world.size(&key.0, key.1).unwrap_or_default();
        self.events.push(Reverse((self.now + self.setting.delay, Event::Arrived(key))));
    }

    fn arrived(&mut self, key: Key, clients: &mut [Client<'a>]) {
        self.flying.remove(&key);
        self.ahead.remove(&key);
        self.stored.insert(key.clone());
        for (number, place) in self.waiting.remove(&key).unwrap_or_default() {
            self.serve(number, place, &key);
        }
        if self.facts.contains(&key) {
            self.tell(&key);
        }
        self.take_wishes();
        let _ = clients;
    }

    fn tell(&mut self, key: &Key) {
        match key.1 {
            ObjectKind::Mod => match self.world.mods.get(&key.0) {
                Some((_, facts)) => self.predictor.learned(&key.0, facts),
                None => self.predictor.gone(&key.0, key.1),
            },
            ObjectKind::Zip => {
                if let Some((_, facts)) = self.world.zips.get(&key.0) {
                    self.predictor.unpacked(&key.0, Arc::clone(facts));
                }
            }
            ObjectKind::Info => {}
        }
    }

    fn take_wishes(&mut self) {
        loop {
            let wishes = self.predictor.wishes();
            if wishes.is_empty() {
                break;
            }
            for wish in wishes {
                let key = (wish.of, wish.kind);
                if wish.facts {
                    self.facts.insert(key.clone());
                }
                if self.stored.contains(&key) {
                    self.tell(&key);
                } else if !self.flying.contains(&key) {
                    self.queued += 1;
                    self.reasons.insert(key.clone(), format!("{:?}", wish.why));
                    self.queue.insert((wish.rank, self.queued, key));
                }
            }
        }
        while self.ahead.len() < self.setting.streams
            && let Some((_, _, key)) = self.queue.pop_first()
        {
            if !self.stored.contains(&key) && self.flying.insert(key.clone()) {
                self.ahead.insert(key.clone());
                self.fetch(key);
            }
        }
    }

    fn finish(mut self) -> Outcome {
        for (of, kind) in self.stored.difference(&self.asked) {
            let size = self.world.size(of, *kind).unwrap_or_default();
            let why = &self.reasons[&(of.clone(), *kind)];
            self.outcome.wasted.push((format!("{of}.{kind} ({why})"), kind.extension(), size));
        }
        self.outcome.wasted.sort();
        self.outcome
    }
}
