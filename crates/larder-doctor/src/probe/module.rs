//! One module over the chain: its version is chosen, its files are asked for, at each entry by itself.
//!
//! Where a setting calls the path private, or the chain leads from inside to outside, entries are asked one after the
//! other and only as far as the go command would go: a look at a failure must not tell anybody a name.

use futures_util::future::join_all;
use larder_module::{escape, pattern::match_prefix_patterns, semver};

use super::chain::{self, Hop, Outcome, Plan, Whom};
use super::http::{Answer, Ask, Client};
use super::judge::{About, NO_FOLDER, judge};
use super::premises::{Query, refused, said};
use super::sumdb::{Database, LookUp};
use super::walk::{Errand, Walked};
use super::words::{percent, symptom, words};
use super::{Part, RequestProbe, files, git, goimport};
use crate::report::Skipped;
use crate::symptom::{Endpoint, Source, Stage, Symptom, Trouble};

/// A well-known module that tells nobody anything.
pub(super) const SAMPLE: &str = "golang.org/x/text";
/// One of its versions.
pub(super) const SAMPLE_VERSION: &str = "v0.3.0";

/// A walk for one module.
pub(super) struct ModuleWalk<'a> {
    pub(super) errand: &'a Errand<'a>,
    pub(super) plan: &'a Plan,
    pub(super) client: &'a Client,
    pub(super) database: Option<&'a Database>,
}

/// What an entry said about the versions of a module.
struct Choice {
    probes: Vec<RequestProbe>,
    outcome: Outcome,
    version: Option<String>,
}

impl ModuleWalk<'_> {
    /// Walks for a module, or for the module that holds a package.
    pub(super) async fn run(&self, path: &str, version: Option<&str>) -> Walked {
        let mut walked = self.module(path, version, true).await;
        let is_absent = walked.facts.requests.iter().any(|probe| {
            probe.entry.is_some() && matches!(probe.trouble, Some(Trouble::Status { code: 404 | 410 }))
        });
        if walked.symptoms.is_empty() || !is_absent || self.errand.subject.is_none() {
            return walked;
        }
        // It may be a package: the go command asks for every path above it, too.
        for parent in parents(path).take(3) {
            let above = self.module(parent, version, false).await;
            let is_there = above.facts.requests.iter().any(|probe| {
                probe.endpoint == Endpoint::Mod && probe.part == Part::Decides && probe.status == Some(200)
            });
            if is_there {
                // What is wrong there is what the go command says.
                walked.facts.requests.extend(above.facts.requests);
                walked.symptoms = above.symptoms;
                break;
            }
        }
        walked
    }

    async fn module(&self, path: &str, version: Option<&str>, may_go_direct: bool) -> Walked {
        let mut walked = Walked::default();
        let bypasses = self.plan.bypasses_proxies(path);
        if let Some(symptom) = refused(path, version, !bypasses && self.proxies().next().is_some()) {
            walked.symptoms.push(symptom);
            return walked;
        }
        if bypasses {
            self.direct(path, version, &mut walked).await;
            if let Some(version) = version.filter(|version| is_canonical(version)) {
                self.verify(path, version, &mut walked).await;
            }
            return walked;
        }
        let chosen = match version.filter(|version| is_canonical(version)) {
            Some(version) => Some(version.to_owned()),
            None => match self.choose(path, version, &mut walked).await {
                Ok(chosen) => Some(chosen),
                Err(goes_direct) => {
                    if goes_direct && may_go_direct {
                        self.direct(path, version, &mut walked).await;
                    }
                    None
                }
            },
        };
        let Some(chosen) = chosen else { return walked };
        let ((), verified) = {
            let mut verified = Walked::default();
            let files = self.files(path, &chosen, may_go_direct, &mut walked);
            let sums = self.verify(path, &chosen, &mut verified);
            let ((), ()) = futures_util::future::join(files, sums).await;
            ((), verified)
        };
        let lookups = verified.facts.requests.len();
        walked.facts.requests.extend(verified.facts.requests);
        // Without the module, what its checksums say is no concern.
        if walked.symptoms.is_empty() || lookups == 0 {
            walked.symptoms.extend(verified.symptoms);
        }
        walked.facts.skipped.extend(verified.facts.skipped);
        self.compare_hashes(path, &chosen, &mut walked);
        walked
    }

    /// Reports whether entries are asked one after the other, as far as the go command goes.
    fn is_careful(&self, path: &str) -> bool {
        let mut places = self.proxies().map(|(_, hop)| hop.is_inside());
        let first = places.next();
        self.plan.is_private(path) || places.any(|place| Some(place) != first)
    }

    /// Returns the entries that are proxies or trees, with their numbers.
    fn proxies(&self) -> impl Iterator<Item = (usize, &Hop)> {
        self.plan
            .entries
            .iter()
            .enumerate()
            .filter(|(_, hop)| matches!(hop.whom, Whom::Web(_) | Whom::Files(_)))
    }

    /// Notes that the chain ends here without anybody who has it.
    fn turned_off(&self, path: &str, version: Option<&str>, walked: &mut Walked) {
        let is_off = self.plan.entries.last().is_some_and(|hop| matches!(hop.whom, Whom::Off));
        if is_off && !self.is_cached(path, version) {
            let name = version.map_or_else(|| path.to_owned(), |version| format!("{path}@{version}"));
            let text = format!("{name}: module lookup disabled by GOPROXY=off");
            walked.symptoms.push(said(Stage::Resolution, path, version, text));
        }
    }

    /// Reports whether the go command has the version already.
    fn is_cached(&self, path: &str, version: Option<&str>) -> bool {
        let folder = self.errand.settings.module_cache(self.errand.system);
        let file = version.and_then(|version| file(path, Endpoint::Zip, Some(version)));
        let (Some(folder), Some(file)) = (folder, file) else { return false };
        self.errand.system.path(folder.join("cache/download").join(file.trim_start_matches('/'))).is_file()
    }

    fn ends_direct(&self) -> bool {
        self.plan.entries.last().is_some_and(|hop| matches!(hop.whom, Whom::Direct))
    }

    /// Chooses the version that a query means; fails with whether the repository itself is asked next.
    async fn choose(&self, path: &str, query: Option<&str>, walked: &mut Walked) -> Result<String, bool> {
        let mut choices = Vec::new();
        if self.is_careful(path) {
            for (at, hop) in self.proxies() {
                let choice = self.choice(at, hop, path, query).await;
                let goes_on = choice.outcome.goes_on(hop.pipe);
                choices.push((at, hop.pipe, choice));
                if !goes_on {
                    break;
                }
            }
        } else {
            let asked = self
                .proxies()
                .map(|(at, hop)| async move { (at, hop.pipe, self.choice(at, hop, path, query).await) });
            choices = join_all(asked).await;
        }
        let outcomes: Vec<_> = choices.iter().map(|(_, pipe, choice)| (choice.outcome, *pipe)).collect();
        let parts = chain::parts(&outcomes);
        let reached = chain::reached(&outcomes);
        let exhausted =
            outcomes.get(reached.wrapping_sub(1)).is_none_or(|(outcome, pipe)| outcome.goes_on(*pipe));
        let mut version = None;
        let mut failed = None;
        for ((_, _, choice), part) in choices.into_iter().zip(parts) {
            for mut probe in choice.probes {
                if probe.part != Part::Compares {
                    probe.part = part;
                }
                // An empty list and no @latest is "no matching versions" to the go command, whatever is wrong with either.
                let is_silent = choice.outcome == Outcome::Failed
                    && match probe.endpoint {
                        Endpoint::List => Outcome::of(&probe) == Outcome::Has,
                        Endpoint::Latest => Outcome::of(&probe) == Outcome::Absent,
                        _ => false,
                    };
                if part == Part::Decides
                    && probe.part != Part::Compares
                    && failed.is_none()
                    && choice.outcome != Outcome::Has
                    && !is_silent
                {
                    failed = probe.trouble.clone().map(|trouble| {
                        let text = format!("module {path}: {}", words(&probe.url, &trouble));
                        symptom(&probe, trouble, text)
                    });
                }
                walked.facts.requests.push(probe);
            }
            if part == Part::Decides {
                version = choice.version;
                if version.is_none() && failed.is_none() && choice.outcome == Outcome::Failed {
                    failed = Some(no_match(path, query));
                }
            }
        }
        let goes_direct = exhausted && self.ends_direct();
        if let Some(version) = version {
            return Ok(version);
        }
        if !goes_direct {
            walked.symptoms.extend(failed);
            if exhausted {
                self.turned_off(path, query, walked);
            }
        }
        Err(goes_direct)
    }

    /// Asks one entry which version a query means.
    async fn choice(&self, at: usize, hop: &Hop, path: &str, query: Option<&str>) -> Choice {
        let query = Query::of(query);
        if let Query::Revision(revision) = query {
            let (probe, version) = self.ask(at, hop, path, Endpoint::Info, Some(revision)).await;
            return Choice { outcome: Outcome::of(&probe), version, probes: vec![probe] };
        }
        let list = self.ask(at, hop, path, Endpoint::List, None);
        let latest = self.ask(at, hop, path, Endpoint::Latest, None);
        let ((list, listed), (mut latest, newest)) = futures_util::future::join(list, latest).await;
        let listed = listed.and_then(|listed| query.choose(&listed));
        // @latest is only asked where the list is empty, and only for the newest version.
        let newest = newest.filter(|_| query == Query::Latest);
        let outcome = match Outcome::of(&list) {
            Outcome::Has if listed.is_some() || newest.is_some() => Outcome::Has,
            // An empty list is no "not found": the go command stays with this entry.
            Outcome::Has => Outcome::Failed,
            other => other,
        };
        if listed.is_some() || query != Query::Latest || matches!(outcome, Outcome::Absent) {
            latest.part = Part::Compares;
        }
        let version = listed.or(newest).filter(|_| outcome == Outcome::Has);
        Choice { outcome, version, probes: vec![list, latest] }
    }

    /// Asks for the three files of a version.
    async fn files(&self, path: &str, version: &str, may_go_direct: bool, walked: &mut Walked) {
        let endpoints = [Endpoint::Info, Endpoint::Mod, Endpoint::Zip];
        let careful = self.is_careful(path);
        let columns = join_all(endpoints.map(|endpoint| self.column(path, version, endpoint, careful)));
        let (columns, lists) = futures_util::future::join(columns, self.lists(path, careful)).await;
        walked.facts.requests.extend(lists);
        let mut direct = false;
        for column in columns {
            let outcomes: Vec<_> =
                column.iter().map(|(pipe, probe, _)| (Outcome::of(probe), *pipe)).collect();
            let parts = chain::parts(&outcomes);
            let goes_direct =
                self.ends_direct() && outcomes.iter().all(|(outcome, pipe)| outcome.goes_on(*pipe));
            direct |= goes_direct;
            for ((_, mut probe, named), part) in column.into_iter().zip(parts) {
                probe.part = part;
                if part == Part::Decides && probe.trouble.is_none() {
                    walked.symptoms.extend(self.content(path, version, &probe, named.as_deref()));
                }
                let trouble = probe.trouble.clone().filter(|_| part == Part::Decides && !goes_direct);
                let trouble = trouble.filter(|_| !self.is_not_wanted(&probe));
                if let Some(trouble) = trouble.filter(|trouble| !self.is_known(trouble, &probe, walked)) {
                    let text = format!("{path}@{version}: {}", words(&probe.url, &trouble));
                    walked.symptoms.push(symptom(&probe, trouble, text));
                }
                walked.facts.requests.push(probe);
            }
        }
        if direct && may_go_direct {
            self.direct(path, Some(version), walked).await;
        }
        if self.proxies().next().is_none() {
            self.turned_off(path, Some(version), walked);
        }
    }

    /// Says what the content of a good answer shows: another path in go.mod, a package that is not there.
    fn content(
        &self,
        path: &str,
        version: &str,
        probe: &RequestProbe,
        named: Option<&str>,
    ) -> Option<Symptom> {
        let text = match (probe.endpoint, named?) {
            (Endpoint::Mod, declared) if declared != path && !self.is_replacement(path) => format!(
                "{path}@{version}: parsing go.mod:\n\tmodule declares its path as: {declared}\n\t        but was required as: {path}"
            ),
            (Endpoint::Zip, NO_FOLDER) => {
                let package = self.errand.subject.map_or(path, |subject| subject.module.as_str());
                format!("module {path}@{version} found, but does not contain package {package}")
            }
            _ => return None,
        };
        Some(Symptom { url: Some(probe.url.clone()), ..said(Stage::Resolution, path, Some(version), text) })
    }

    /// Reports whether the project uses the module in place of another.
    fn is_replacement(&self, path: &str) -> bool {
        let replaces = self.errand.project.map(|project| project.replaces.as_slice()).unwrap_or_default();
        replaces.iter().any(|(_, by, _)| by.split(['@', ' ']).next() == Some(path))
    }

    /// Asks for the lists as well, if somebody asks about a version: it may be missing there.
    async fn lists(&self, path: &str, careful: bool) -> Vec<RequestProbe> {
        let is_asked = self.errand.subject.is_some_and(|subject| subject.version.is_some());
        if !is_asked || careful {
            return Vec::new();
        }
        let asks = self.proxies().map(|(at, hop)| async move {
            let (mut probe, _) = self.ask(at, hop, path, Endpoint::List, None).await;
            probe.part = Part::Compares;
            probe
        });
        join_all(asks).await
    }

    /// Reports whether a build does without this file: a tree that was made from a module cache has an .info of those
    /// versions only that somebody asked for by name.
    fn is_not_wanted(&self, probe: &RequestProbe) -> bool {
        self.errand.subject.is_none()
            && probe.endpoint == Endpoint::Info
            && matches!(probe.trouble, Some(Trouble::FileTrouble { .. }))
    }

    /// Reports whether an earlier file failed at the same place in the same way.
    fn is_known(&self, trouble: &Trouble, probe: &RequestProbe, walked: &Walked) -> bool {
        let same_kind = |known: &Trouble| std::mem::discriminant(known) == std::mem::discriminant(trouble);
        let is_about_a_file = matches!(trouble, Trouble::BadAnswer { .. } | Trouble::BadZip { .. });
        !is_about_a_file
            && walked.symptoms.iter().any(|known| {
                let same_place = known.host() == host_of(&probe.url);
                same_place && same_kind(&known.trouble) && known.module == probe.module
            })
    }

    /// Asks every entry for one file.
    async fn column(
        &self,
        path: &str,
        version: &str,
        endpoint: Endpoint,
        careful: bool,
    ) -> Vec<(bool, RequestProbe, Option<String>)> {
        let ask = |(at, hop): (usize, &Hop)| {
            let hop = hop.clone();
            async move {
                let (probe, named) = self.ask(at, &hop, path, endpoint, Some(version)).await;
                (hop.pipe, probe, named)
            }
        };
        if !careful {
            return join_all(self.proxies().map(ask)).await;
        }
        let mut column = Vec::new();
        for entry in self.proxies() {
            let (pipe, probe, named) = ask(entry).await;
            let goes_on = Outcome::of(&probe).goes_on(pipe);
            column.push((pipe, probe, named));
            if !goes_on {
                break;
            }
        }
        column
    }

    /// Asks one entry for one file, and judges what comes.
    pub(super) async fn ask(
        &self,
        at: usize,
        hop: &Hop,
        path: &str,
        endpoint: Endpoint,
        version: Option<&str>,
    ) -> (RequestProbe, Option<String>) {
        let Some(file) = file(path, endpoint, version) else { return <_>::default() };
        let limit = if endpoint == Endpoint::Zip { self.errand.budget.zip_bytes } else { 4 << 20 };
        let mut answer = match &hop.whom {
            Whom::Web(base) => {
                let mut url = base.clone();
                url.set_path(&format!("{}{}", base.path().trim_end_matches('/'), percent(&file)));
                url.set_fragment(None);
                let role = format!("GOPROXY entry {}", at + 1);
                self.client.ask(&Ask { role, url, agent: None, limit }).await
            }
            Whom::Files(tree) => files::read(self.errand.system, tree, &file, limit),
            Whom::Direct | Whom::Off => Answer::default(),
        };
        answer.probe.entry = Some(at);
        let package = self.errand.subject.map_or("", |subject| subject.module.as_str());
        let folder = package.strip_prefix(path).and_then(|rest| rest.strip_prefix('/'));
        let named = judge(About { endpoint, module: path, version, folder }, &mut answer);
        (answer.probe, named)
    }

    /// Goes where the go command goes without a proxy.
    async fn direct(&self, path: &str, version: Option<&str>, walked: &mut Walked) {
        let insecure = match_prefix_patterns(&self.plan.insecure, path);
        let found = goimport::find(self.client, path, insecure).await;
        walked.facts.requests.extend(found.requests);
        walked.symptoms.extend(found.symptoms);
        let Some((system, repository)) = found.repository else { return };
        if system != "git" {
            let why = format!("{path} is kept with {system}, which the doctor does not run");
            walked.facts.skipped.push(Skipped { id: "git".to_owned(), why });
            return;
        }
        let limit = git::limit(self.client.until);
        let (known, listed) = futures_util::future::join(
            git::version(self.errand.system, limit),
            git::list(self.errand.system, &repository, version, limit),
        )
        .await;
        let (listed, has_version) = listed;
        let failed = listed.status != Some(0);
        let absent = version.filter(|_| has_version == Some(false));
        if failed || absent.is_some() {
            let (trouble, text) = match absent {
                Some(version) => {
                    (Trouble::Said, format!("{path}@{version}: invalid version: unknown revision {version}"))
                }
                None => {
                    let status = listed
                        .status
                        .map_or_else(|| "could not run".to_owned(), |code| format!("exit status {code}"));
                    let trouble = Trouble::Command { line: listed.command.clone(), status: listed.status };
                    (
                        trouble,
                        format!("{path}: {}: {status}:\n\t{}", listed.command, listed.said.join("\n\t")),
                    )
                }
            };
            walked.symptoms.push(Symptom {
                source: Source::Probe { name: "git".to_owned() },
                stage: if absent.is_some() { Stage::Resolution } else { Stage::VersionControl },
                module: Some(path.to_owned()),
                version: version.map(str::to_owned),
                url: Some(super::git::without_login(&[&repository])),
                trouble,
                text,
                detail: listed.said.clone(),
                ..Symptom::default()
            });
        }
        walked.facts.git.push(known);
        walked.facts.git.push(listed);
    }

    /// Asks the checksum database, where the go command would.
    async fn verify(&self, path: &str, version: &str, walked: &mut Walked) {
        let Some(database) = self.database else { return };
        if self.plan.bypasses_sumdb(path) {
            return;
        }
        let sums = self.errand.project.map(|project| project.sums.as_slice()).unwrap_or_default();
        let has = |wanted: &str| sums.iter().any(|(module, known, _)| module == path && known == wanted);
        if has(version) && has(&format!("{version}/go.mod")) {
            let why = format!("go.sum already has {path} {version}");
            walked.facts.skipped.push(Skipped { id: "checksum database".to_owned(), why });
            return;
        }
        let looked = LookUp {
            client: self.client,
            system: self.errand.system,
            database,
            chain: &self.plan.entries,
            module: path,
            version,
            harmless: false,
            confined: self.is_careful(path),
        }
        .run()
        .await;
        walked.facts.requests.extend(looked.requests);
        walked.symptoms.extend(looked.symptoms);
    }

    /// Compares what was downloaded with go.sum, else with the checksum database.
    fn compare_hashes(&self, path: &str, version: &str, walked: &mut Walked) {
        let decisive = |endpoint: Endpoint| {
            walked
                .facts
                .requests
                .iter()
                .find(|probe| probe.endpoint == endpoint && probe.part == Part::Decides && probe.h1.is_some())
                .filter(|probe| probe.module.as_deref() == Some(path))
        };
        let record = walked.facts.requests.iter().find(|probe| {
            let is_lookup = probe.checksum_database.as_deref() == Some("lookup");
            is_lookup && probe.part == Part::Decides && probe.trouble.is_none()
        });
        let sums = self.errand.project.map(|project| project.sums.as_slice()).unwrap_or_default();
        let mut found = Vec::new();
        for (endpoint, name) in
            [(Endpoint::Mod, format!("{version}/go.mod")), (Endpoint::Zip, version.to_owned())]
        {
            let Some(probe) = decisive(endpoint) else { continue };
            let beginning = format!("{path} {name} ");
            let known = sums.iter().find(|(module, known, _)| module == path && *known == name);
            let expected = match (known, record) {
                (Some((_, _, h1)), _) => Some((h1.clone(), "go.sum".to_owned())),
                (None, Some(record)) => record.body.lines().find_map(|line| {
                    let h1 = line.strip_prefix(&beginning)?.to_owned();
                    Some((h1, host_of(&record.url).unwrap_or("checksum database").to_owned()))
                }),
                (None, None) => None,
            };
            let Some((expected, by)) = expected else { continue };
            let downloaded = probe.h1.clone().unwrap_or_default();
            if downloaded == expected {
                continue;
            }
            let go_mod = endpoint == Endpoint::Mod;
            let file = if go_mod { "/go.mod" } else { "" };
            let text = format!(
                "verifying {path}@{version}{file}: checksum mismatch\n\tdownloaded: {downloaded}\n\t{by}: {expected}"
            );
            let trouble = Trouble::Mismatch { go_mod, downloaded, expected, by };
            found.push(Symptom { stage: Stage::Verification, ..symptom(probe, trouble, text) });
        }
        walked.symptoms.extend(found);
    }
}

fn no_match(path: &str, query: Option<&str>) -> Symptom {
    let query = query.unwrap_or("latest");
    Symptom {
        source: Source::Probe { name: "http".to_owned() },
        stage: Stage::Resolution,
        module: Some(path.to_owned()),
        version: Some(query.to_owned()),
        trouble: Trouble::Said,
        text: format!("module {path}: no matching versions for query \"{query}\""),
        ..Symptom::default()
    }
}

/// Reports whether the go command takes a version as it is instead of asking what it means.
pub(super) fn is_canonical(version: &str) -> bool {
    let core = version.strip_suffix("+incompatible").unwrap_or(version);
    !core.is_empty() && semver::canonical(core) == core
}

/// Returns the file of a module that an entry is asked for, or nothing where Go would not ask.
pub(super) fn file(path: &str, endpoint: Endpoint, version: Option<&str>) -> Option<String> {
    let module = escape::escape_path(path).ok()?;
    let version = match version {
        Some(version) => escape::escape_version(version).ok()?,
        None => String::new(),
    };
    Some(match endpoint {
        Endpoint::List => format!("/{module}/@v/list"),
        Endpoint::Latest => format!("/{module}/@latest"),
        Endpoint::Info => format!("/{module}/@v/{version}.info"),
        Endpoint::Mod => format!("/{module}/@v/{version}.mod"),
        Endpoint::Zip => format!("/{module}/@v/{version}.zip"),
        Endpoint::Other => return None,
    })
}

/// Iterates over the paths above one that could be modules, the longest first.
fn parents(path: &str) -> impl Iterator<Item = &str> {
    let mut rest = path;
    std::iter::from_fn(move || {
        rest = rest.rsplit_once('/')?.0;
        Some(rest)
    })
    .filter(|path| larder_module::path::check_path(path).is_ok() && path.contains('.'))
}

fn host_of(url: &str) -> Option<&str> {
    url.split_once("://")?.1.split('/').next()
}
