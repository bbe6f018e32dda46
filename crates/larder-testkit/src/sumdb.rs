//! A checksum database that tests can bend: a real signed log, and every lie a broken or hostile one could tell.
//!
//! The log is written here a second time, apart from `larder-module`, on purpose: a mistake shared by prover
//! and verifier would cancel out. It is a plain in-memory tree whose levels are kept whole, so that any tile and
//! the root at any size come from a slice. The server answers both as the database itself (`/latest`,
//! `/lookup/...`, `/tile/...`) and as a proxy in front of it (`/sumdb/<name>/...`).

mod log;
mod server;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ed25519_dalek::{Signer, SigningKey};

pub use self::log::FakeLog;
use self::log::{parse_tile_path, sha256};
pub use self::server::RunningSumdb;
use crate::module::unescape;

/// Which tree head a look-up is answered under.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Heads {
    /// The newest head.
    Newest,
    /// A head that is new with every look-up: a filler record is appended each time.
    Growing,
    /// A seeded choice between the oldest head that holds the record and the newest one.
    Mixed,
    /// The oldest head that holds the record.
    Oldest,
}

/// One way in which the database lies.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Forgery {
    /// Flips one bit of one tile, named by its path (`tile/8/0/000.p/3`).
    TileBit {
        /// The tile's path.
        path: String,
        /// The bit, counted from the first byte's lowest.
        bit: usize,
    },
    /// Puts lines between the record and the signed head, as a second paragraph.
    LinesAfterRecord(String),
    /// Puts lines into the text of the (rightly signed) head.
    LinesInHead(String),
    /// Puts lines behind the signatures.
    LinesAfterSignatures(String),
    /// Adds lines to the record's own text, which the tree does not hold.
    LinesInRecord(String),
    /// Answers with the record of another module.
    RecordOf {
        /// The other module's path.
        module: String,
        /// Its version.
        version: String,
    },
    /// Answers with another number for the record.
    RecordId(i64),
    /// Signs heads with a key of the same name that nobody trusts.
    WrongKey,
    /// Leaves the signatures out.
    NoSignature,
    /// Repeats the signature line.
    DoubledSignature,
    /// Damages the signature.
    BrokenSignature,
    /// Answers look-ups with an HTML page and status 200.
    Html,
}

/// A way of not answering.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outage {
    /// This status to everything.
    Status(u16),
    /// The connection is closed without an answer.
    Closed,
    /// Nothing ever comes.
    Hang,
    /// Look-ups answer, tiles have this status.
    Tiles(u16),
}

/// What the fake answers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SumdbReply {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl SumdbReply {
    fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, body: body.into() }
    }

    fn status(status: u16, text: &str) -> Self {
        Self { status, body: text.into() }
    }
}

/// Gives the two hashes of a module version, when there is one: its zip's and its go.mod's.
pub type Hashes = dyn Fn(&str, &str) -> Option<(String, String)> + Send + Sync;

/// A signed checksum database of its own name and key.
#[derive(Clone)]
pub struct FakeSumdb {
    shared: Arc<Shared>,
}

struct Shared {
    name: String,
    key: SigningKey,
    other_key: SigningKey,
    state: Mutex<State>,
}

struct State {
    log: FakeLog,
    records: HashMap<String, u64>,
    on_demand: Option<Arc<Hashes>>,
    heads: Heads,
    random: u64,
    forgery: Option<Forgery>,
    outage: Option<Outage>,
    supported: u16,
    latest_size: Option<u64>,
    delay: Duration,
    partial_tiles: bool,
    requests: Vec<String>,
}

impl FakeSumdb {
    /// Starts an empty database called `name`; the seed makes its key and its choices.
    pub fn new(name: &str, seed: u64) -> Self {
        let secret = |salt: &str| SigningKey::from_bytes(&sha256(&[salt.as_bytes(), &seed.to_le_bytes()]));
        Self {
            shared: Arc::new(Shared {
                name: name.to_owned(),
                key: secret("key"),
                other_key: secret("another key"),
                state: Mutex::new(State {
                    log: FakeLog::default(),
                    records: HashMap::new(),
                    on_demand: None,
                    heads: Heads::Newest,
                    random: seed,
                    forgery: None,
                    outage: None,
                    supported: 200,
                    latest_size: None,
                    delay: Duration::ZERO,
                    partial_tiles: true,
                    requests: Vec::new(),
                }),
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The database's name.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The verifier key, as it stands in `GOSUMDB`.
    pub fn verifier_key(&self) -> String {
        let public = public_with_algorithm(&self.shared.key);
        format!("{}+{:08x}+{}", self.name(), key_hash(self.name(), &public), log::base64(&public))
    }

    /// Adds the record of one module version and returns its number.
    pub fn record(&self, module: &str, version: &str, zip_h1: &str, mod_h1: &str) -> u64 {
        self.record_text(
            module,
            version,
            &format!("{module} {version} {zip_h1}\n{module} {version}/go.mod {mod_h1}\n"),
        )
    }

    /// Adds a record of any text under a module version's name and returns its number.
    pub fn record_text(&self, module: &str, version: &str, text: &str) -> u64 {
        self.state().append(module, version, text)
    }

    /// Makes records when they are asked for, from what `hashes` says; `None` is answered 404.
    pub fn on_demand(
        self,
        hashes: impl Fn(&str, &str) -> Option<(String, String)> + Send + Sync + 'static,
    ) -> Self {
        self.state().on_demand = Some(Arc::new(hashes));
        self
    }

    /// Appends that many records of modules nobody asks for.
    pub fn fill(&self, count: u64) {
        let mut state = self.state();
        for _ in 0..count {
            state.append_filler();
        }
    }

    /// The number of records.
    pub fn size(&self) -> u64 {
        self.state().log.size()
    }

    /// Chooses the heads of look-ups.
    pub fn set_heads(&self, heads: Heads) {
        self.state().heads = heads;
    }

    /// Sets (or, with `None`, ends) the lie that is told.
    pub fn forge(&self, forgery: Option<Forgery>) {
        self.state().forgery = forgery;
    }

    /// Sets (or ends) an outage.
    pub fn set_outage(&self, outage: Option<Outage>) {
        self.state().outage = outage;
    }

    /// Sets the status of `supported`.
    pub fn set_supported(&self, status: u16) {
        self.state().supported = status;
    }

    /// Makes `/latest` answer with the head of an older size: a roll-back (`None` ends it).
    pub fn set_latest_size(&self, size: Option<u64>) {
        self.state().latest_size = size;
    }

    /// Delays each answer.
    pub fn set_delay(&self, delay: Duration) {
        self.state().delay = delay;
    }

    /// Sets whether tiles that have filled up since can still be had in their partial form.
    pub fn set_partial_tiles(&self, kept: bool) {
        self.state().partial_tiles = kept;
    }

    /// Replaces everything behind the first `keep` records by another history under the same key: a fork.
    pub fn fork_at(&self, keep: u64) {
        let mut state = self.state();
        state.log = state.log.prefix(keep);
        state.records.retain(|_, id| *id < keep);
        state.random = state.random.wrapping_add(0x9e37);
        state.append_filler();
    }

    /// The paths that were asked, in order.
    pub fn requests(&self) -> Vec<String> {
        self.state().requests.clone()
    }

    /// Forgets which paths were asked.
    pub fn forget_requests(&self) {
        self.state().requests.clear();
    }

    /// A signed head of the tree's first `size` records.
    pub fn head(&self, size: u64) -> String {
        self.sign(&self.state().head_text(size, ""), None)
    }

    /// Answers a path of the database itself: `/latest`, `/lookup/...`, `/tile/...`.
    ///
    /// For a proxy that carries the database: it strips `/sumdb/<name>` and asks here.
    pub fn answer(&self, path: &str) -> SumdbReply {
        let outage = {
            let mut state = self.state();
            state.requests.push(path.to_owned());
            state.outage
        };
        match (outage, path) {
            (Some(Outage::Status(status)), _) => SumdbReply::status(status, "out of order\n"),
            (Some(Outage::Tiles(status)), path) if path.starts_with("/tile/") => {
                SumdbReply::status(status, "no tiles today\n")
            }
            (_, "/supported") => SumdbReply::status(self.state().supported, ""),
            (_, "/latest") => {
                let state = self.state();
                let size = state.latest_size.unwrap_or_else(|| state.log.size());
                let text = state.head_text(size, "");
                SumdbReply::ok(self.sign(&text, state.forgery.as_ref()))
            }
            (_, path) => match path.strip_prefix("/lookup/") {
                Some(of) => self.lookup(of),
                None => self.state().tile(path),
            },
        }
    }

    fn lookup(&self, of: &str) -> SumdbReply {
        let Some((module, version)) = of.rsplit_once('@') else {
            return SumdbReply::status(400, "invalid module@version syntax\n");
        };
        let (module, version) = (unescape(module), unescape(version));
        let known = self.state().records.contains_key(&format!("{module}@{version}"));
        if !known {
            let hashes = self.state().on_demand.clone();
            let Some((zip, go_mod)) = hashes.and_then(|hashes| hashes(&module, &version)) else {
                return SumdbReply::status(404, &format!("not found: {module}@{version}: no such version\n"));
            };
            self.record(&module, &version, &zip, &go_mod);
        }
        let mut state = self.state();
        if state.heads == Heads::Growing {
            state.append_filler();
        }
        let forgery = state.forgery.clone();
        let mut id = state.records[&format!("{module}@{version}")];
        if let Some(Forgery::RecordOf { module, version }) = &forgery {
            id = state.records[&format!("{module}@{version}")];
        }
        let text = state.log.text(id).to_owned();
        let size = state.choose_head(id);
        drop(state);
        self.lookup_body(id, text, size, forgery.as_ref())
    }

    fn lookup_body(&self, id: u64, mut text: String, size: u64, forgery: Option<&Forgery>) -> SumdbReply {
        let mut number = i64::try_from(id).unwrap_or(i64::MAX);
        let (mut between, mut in_head, mut behind) = ("", "", "");
        match forgery {
            Some(Forgery::Html) => return SumdbReply::ok("<!doctype html><title>Welcome</title>\n"),
            Some(Forgery::LinesAfterRecord(lines)) => between = lines,
            Some(Forgery::LinesInHead(lines)) => in_head = lines,
            Some(Forgery::LinesAfterSignatures(lines)) => behind = lines,
            Some(Forgery::LinesInRecord(lines)) => text.push_str(lines),
            Some(Forgery::RecordId(other)) => number = *other,
            _ => {}
        }
        let gap = if between.is_empty() { "" } else { "\n" };
        let head = self.sign(&self.state().head_text(size, in_head), forgery);
        SumdbReply::ok(format!("{number}\n{text}\n{between}{gap}{head}{behind}"))
    }

    fn sign(&self, text: &str, forgery: Option<&Forgery>) -> String {
        let key = match forgery {
            Some(Forgery::WrongKey) => &self.shared.other_key,
            _ => &self.shared.key,
        };
        let mut signature = key.sign(text.as_bytes()).to_bytes();
        if forgery == Some(&Forgery::BrokenSignature) {
            signature[7] ^= 1;
        }
        // A liar claims the trusted key's hash: only the signature itself tells.
        let hash = key_hash(self.name(), &public_with_algorithm(&self.shared.key));
        let mut bytes = hash.to_be_bytes().to_vec();
        bytes.extend_from_slice(&signature);
        let line = format!("\u{2014} {} {}\n", self.name(), log::base64(&bytes));
        match forgery {
            Some(Forgery::NoSignature) => format!("{text}\n"),
            Some(Forgery::DoubledSignature) => format!("{text}\n{line}{line}"),
            _ => format!("{text}\n{line}"),
        }
    }
}

impl State {
    fn append(&mut self, module: &str, version: &str, text: &str) -> u64 {
        let id = self.log.append(text);
        self.records.insert(format!("{module}@{version}"), id);
        id
    }

    fn append_filler(&mut self) {
        let word = self.next_random();
        self.log.append(&format!("filler.example.com/m{word:016x} v1.0.0 h1:nothing\n"));
    }

    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.random;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn choose_head(&mut self, id: u64) -> u64 {
        let newest = self.log.size();
        match self.heads {
            Heads::Newest | Heads::Growing => newest,
            Heads::Oldest => id + 1,
            Heads::Mixed => id + 1 + self.next_random() % (newest - id),
        }
    }

    fn head_text(&self, size: u64, more: &str) -> String {
        format!("go.sum database tree\n{size}\n{}\n{more}", log::base64(&self.log.root(size)))
    }

    fn tile(&self, path: &str) -> SumdbReply {
        let name = path.trim_start_matches('/');
        let Some(tile) = parse_tile_path(name) else {
            return SumdbReply::status(404, "no such tile\n");
        };
        let Some(mut body) = self.log.tile(&tile, self.partial_tiles) else {
            return SumdbReply::status(404, "no such tile\n");
        };
        if let Some(Forgery::TileBit { path, bit }) = &self.forgery
            && path == name
        {
            body[bit / 8] ^= 1 << (bit % 8);
        }
        SumdbReply::ok(body)
    }
}

fn public_with_algorithm(key: &SigningKey) -> Vec<u8> {
    let mut bytes = vec![1];
    bytes.extend_from_slice(key.verifying_key().as_bytes());
    bytes
}

fn key_hash(name: &str, public: &[u8]) -> u32 {
    let digest = sha256(&[name.as_bytes(), b"\n", public]);
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
}
