//! The checksum database as the go command asks it: through the first proxy of the chain that carries it, else by itself.
//!
//! What it answers is checked with the key that `GOSUMDB` names, and against the newest tree that this user's go command
//! has seen. A path that a setting calls private is never looked up.

use larder_module::sumdb::{SignedHead, Tile, TilePlan, Verifier, record, tile, verify};
use larder_module::{defaults, escape};
use url::Url;

use super::chain::{Hop, Whom};
use super::http::{Answer, Ask, Client};
use super::{Part, RequestProbe};
use crate::System;
use crate::settings::SettingFacts;
use crate::symptom::{Endpoint, Stage, Symptom, Trouble};

/// The database that `GOSUMDB` names.
#[derive(Clone, Debug)]
pub(super) struct Database {
    pub(super) name: String,
    key: Verifier,
    /// The URL that `GOSUMDB` gives; else proxies are asked first.
    fixed: Option<Url>,
    /// Where this user's go command keeps the newest tree head.
    latest: Option<std::path::PathBuf>,
}

impl Database {
    /// Reads the setting; none if it is off or can't be read.
    pub(super) fn of(system: &System, settings: &SettingFacts) -> Option<Self> {
        let value = match settings.value("GOSUMDB") {
            "" => defaults::GOSUMDB.to_owned(),
            value if value == defaults::GOSUMDB_ALIAS => {
                format!("{} {}", defaults::GOSUMDB, defaults::GOSUMDB_ALIAS_URL)
            }
            value => value.to_owned(),
        };
        let mut words = value.split_whitespace();
        let first = words.next().filter(|first| *first != "off")?;
        let key = Verifier::parse(defaults::known_gosumdb_key(first).unwrap_or(first)).ok()?;
        let fixed = match words.next() {
            Some(text) => Some(Url::parse(text).ok()?),
            None => None,
        };
        let name = key.name().to_owned();
        let go_path = settings.go_path(system);
        let latest = go_path.map(|folder| folder.join("pkg/sumdb").join(&name).join("latest"));
        words.next().is_none().then_some(Self { name, key, fixed, latest })
    }

    fn own_url(&self) -> Option<Url> {
        self.fixed.clone().or_else(|| Url::parse(&format!("https://{}", self.name)).ok())
    }
}

/// What was asked of the database, and what went wrong.
#[derive(Debug, Default)]
pub(super) struct Looked {
    pub(super) requests: Vec<RequestProbe>,
    pub(super) symptoms: Vec<Symptom>,
    /// The zip's hash and the go.mod's.
    pub(super) sums: Option<(String, Option<String>)>,
}

/// One look-up.
pub(super) struct LookUp<'a> {
    pub(super) client: &'a Client,
    pub(super) system: &'a System,
    pub(super) database: &'a Database,
    pub(super) chain: &'a [Hop],
    pub(super) module: &'a str,
    pub(super) version: &'a str,
    /// Nothing is known to be wrong if the module isn't there: it is asked about for its own sake only.
    pub(super) harmless: bool,
    /// Nobody is asked whom the go command would not ask.
    pub(super) confined: bool,
}

impl LookUp<'_> {
    /// Looks the module up as the go command would, and by itself if that fails.
    pub(super) async fn run(&self) -> Looked {
        let mut looked = Looked::default();
        let base = match &self.database.fixed {
            Some(url) => Ok(Some(url.clone())),
            None => self.supporting(&mut looked).await,
        };
        let Ok(through) = base else {
            self.by_itself(&mut looked).await;
            return looked;
        };
        let is_own = through.is_none() || self.database.fixed.is_some();
        let Some(base) = through.or_else(|| self.database.own_url()) else { return looked };
        let good = self.look_up(&base, Part::Decides, &mut looked).await;
        if !good && !is_own {
            self.by_itself(&mut looked).await;
        }
        looked
    }

    /// Finds the first proxy that carries the database; fails where the go command gives up.
    async fn supporting(&self, looked: &mut Looked) -> Result<Option<Url>, ()> {
        for (at, hop) in self.chain.iter().enumerate() {
            let Whom::Web(base) = &hop.whom else {
                match &hop.whom {
                    Whom::Files(_) => continue,
                    _ => return Ok(None),
                }
            };
            let base = below(base, &format!("/sumdb/{}", self.database.name));
            let url = below(&base, "/supported");
            let mut answer = self.ask(format!("GOPROXY entry {}", at + 1), url, "supported").await;
            answer.probe.entry = Some(at);
            let status = answer.probe.status;
            let goes_on = matches!(status, Some(404 | 410)) || (hop.pipe && status != Some(200));
            if status.is_some() && status != Some(200) {
                answer.probe.trouble = status.map(|code| Trouble::Status { code });
            }
            answer.probe.part = if goes_on { Part::Passes } else { Part::Decides };
            let failed = answer.probe.trouble.clone().filter(|_| !goes_on);
            let symptom = failed.map(|trouble| self.symptom("supported", &answer.probe, trouble));
            looked.requests.push(answer.probe);
            if answer.out_of_time {
                return Err(());
            }
            if let Some(symptom) = symptom {
                looked.symptoms.push(symptom);
                return Err(());
            }
            if status == Some(200) {
                return Ok(Some(base));
            }
        }
        Ok(None)
    }

    async fn by_itself(&self, looked: &mut Looked) {
        if self.confined {
            return;
        }
        if let Some(own) = self.database.own_url() {
            self.look_up(&own, Part::Compares, looked).await;
        }
    }

    /// Looks up at one place, and reports whether all was well.
    async fn look_up(&self, base: &Url, part: Part, looked: &mut Looked) -> bool {
        let Ok(escaped) = escape::escape_path(self.module) else { return true };
        let Ok(version) = escape::escape_version(self.version) else { return true };
        let url = below(base, &format!("/lookup/{escaped}@{version}"));
        let mut answer = self.ask("checksum database".to_owned(), url, "lookup").await;
        answer.probe.part = part;
        if answer.out_of_time {
            looked.requests.push(answer.probe);
            return true;
        }
        if let Some(code) = answer.probe.status.filter(|code| *code != 200) {
            answer.probe.trouble = Some(Trouble::Status { code });
        }
        if answer.probe.trouble.is_none() {
            let checked = self.check(base, &answer.body, part, looked).await;
            match checked {
                Ok((zip, go_mod)) => {
                    answer.probe.h1 = Some(zip.clone());
                    if part == Part::Decides {
                        looked.sums = Some((zip, go_mod));
                    }
                }
                Err(trouble) => answer.probe.trouble = Some(trouble),
            }
        }
        let trouble = answer.probe.trouble.clone();
        if let Some(trouble) =
            trouble.clone().filter(|trouble| part == Part::Decides && !self.is_harmless(trouble))
        {
            looked.symptoms.push(self.symptom("lookup", &answer.probe, trouble));
        }
        looked.requests.push(answer.probe);
        trouble.is_none()
    }

    fn is_harmless(&self, trouble: &Trouble) -> bool {
        self.harmless && matches!(trouble, Trouble::Status { code: 404 | 410 })
    }

    async fn ask(&self, role: String, url: Url, what: &str) -> Answer {
        let mut answer = self.client.ask(&Ask { role, url, agent: None, limit: 1 << 20 }).await;
        answer.probe.endpoint = Endpoint::Other;
        answer.probe.checksum_database = Some(what.to_owned());
        answer.probe.module = Some(self.module.to_owned());
        answer.probe.version = Some(self.version.to_owned());
        answer
    }

    /// Checks the answer to a look-up as the go command does.
    async fn check(
        &self,
        base: &Url,
        body: &[u8],
        part: Part,
        looked: &mut Looked,
    ) -> Result<(String, Option<String>), Trouble> {
        let bad = |text: &str| Trouble::BadAnswer { text: text.to_owned() };
        let record = record::parse_lookup(body).map_err(|_| bad("malformed record data"))?;
        let head = SignedHead::open(&record.head_note, &self.database.key)
            .map_err(|_| bad("reading tree note: note has no verifiable signatures"))?;
        let line = |version: &str| {
            let beginning = format!("{} {version} ", self.module);
            record.text.lines().find_map(|line| line.strip_prefix(&beginning)).map(str::to_owned)
        };
        let zip = line(self.version).ok_or_else(|| bad("checksum missing from sumdb response"))?;
        if part == Part::Decides {
            self.check_history(base, &head, looked).await?;
        }
        Ok((zip, line(&format!("{}/go.mod", self.version))))
    }

    /// Compares the head with the newest one that this user's go command knows.
    async fn check_history(&self, base: &Url, seen: &SignedHead, looked: &mut Looked) -> Result<(), Trouble> {
        let Some(path) = &self.database.latest else { return Ok(()) };
        let Ok(bytes) = fs_err::read(self.system.path(path)) else { return Ok(()) };
        let Ok(known) = SignedHead::open(&bytes, &self.database.key) else { return Ok(()) };
        let (older, newer) = match verify::compare_heads(&known, seen) {
            Err(_) => return Err(misbehaviour(&known, seen)),
            Ok(verify::HeadOrder::Same) => return Ok(()),
            Ok(verify::HeadOrder::Newer) => (&known, seen),
            Ok(verify::HeadOrder::Older) => (seen, &known),
        };
        let Ok(mut plan) = TilePlan::new(newer.head(), tile::DEFAULT_HEIGHT) else { return Ok(()) };
        if older.size() == 0 || plan.want_older(older.size()).is_err() {
            return Ok(());
        }
        let Some(tiles) = self.tiles(base, plan.tiles(), looked).await else { return Ok(()) };
        match plan.authenticate(tiles) {
            Ok(tiles) => match verify::check_consistency(&tiles, older, newer) {
                Err(verify::ConsistencyError::Misbehaviour(_)) => Err(misbehaviour(older, newer)),
                _ => Ok(()),
            },
            // The newer tree's own tiles don't add up to its root: another tree is served than the one that was signed.
            Err(_) => Err(misbehaviour(older, newer)),
        }
    }

    /// Fetches tiles side by side; none if one can't be had, which then says nothing about the tree.
    async fn tiles(&self, base: &Url, tiles: &[Tile], looked: &mut Looked) -> Option<Vec<Vec<u8>>> {
        let asks = tiles.iter().map(|tile| async move {
            let url = below(base, &format!("/{}", tile.path()));
            self.ask("checksum database".to_owned(), url, "tile").await
        });
        let answers = futures_util::future::join_all(asks).await;
        let mut bodies = Vec::new();
        let mut all = true;
        for answer in answers {
            all &= answer.probe.status == Some(200) && answer.whole;
            if answer.probe.status != Some(200) {
                looked.requests.push(answer.probe);
            }
            bodies.push(answer.body);
        }
        all.then_some(bodies)
    }

    fn symptom(&self, what: &str, probe: &RequestProbe, trouble: Trouble) -> Symptom {
        let words = super::words::words(&probe.url, &trouble);
        let text = match &trouble {
            Trouble::Said => probe.body.clone(),
            _ => format!("verifying {}@{}: {words}", self.module, self.version),
        };
        Symptom {
            stage: Stage::ChecksumDatabase(what.to_owned()),
            ..super::words::symptom(probe, trouble, text)
        }
    }
}

fn misbehaviour(one: &SignedHead, other: &SignedHead) -> Trouble {
    let note = |head: &SignedHead| super::http::shown(head.note()).trim_end().replace('\n', "\n\t");
    Trouble::BadAnswer {
        text: format!(
            "go.sum database server misbehavior detected!\nold database:\n\t{}\nnew database:\n\t{}",
            note(one),
            note(other)
        ),
    }
}

/// Appends to the path of a URL, encoded as the go command does: only where something stands before it.
fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    let before = base.path().trim_end_matches('/');
    let path = if before.is_empty() { path.to_owned() } else { super::words::percent(path) };
    url.set_path(&format!("{before}{path}"));
    url
}
