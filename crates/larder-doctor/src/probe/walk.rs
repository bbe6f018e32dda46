//! The walk: the requests that the go command would make for a module, over the whole chain.

use std::time::Duration;

use futures_util::future::join_all;

use super::chain::{Plan, Whom};
use super::compare::compare;
use super::dial::Dialer;
use super::http::{Ask, Client, printable, shown};
use super::login::Logins;
use super::module::{ModuleWalk, SAMPLE, SAMPLE_VERSION};
use super::sumdb::{Database, LookUp, Looked};
use super::words::{symptom, words};
use super::{Part, ProbeFacts, RequestProbe, offset};
use crate::project::ProjectFacts;
use crate::report::Skipped;
use crate::settings::SettingFacts;
use crate::symptom::{Endpoint, Symptom, Trouble};
use crate::{GoVersion, Subject, System};

/// What a walk is about, and what it may look at.
#[derive(Clone, Copy, Debug)]
pub struct Errand<'a> {
    /// The place where the download fails.
    pub system: &'a System,
    /// Its settings.
    pub settings: &'a SettingFacts,
    /// Its project, if there is one.
    pub project: Option<&'a ProjectFacts>,
    /// The client, as far as it is known.
    pub go: Option<GoVersion>,
    /// What is asked about.
    pub subject: Option<&'a Subject>,
    /// Modules that the project needs and the module cache lacks, asked about where there is no subject: path, version.
    /// None if that is not known, or there is no project: then something harmless is asked for.
    pub missing: Option<&'a [(String, String)]>,
    /// How far it may go.
    pub budget: Budget,
}

/// How far a walk may go.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// How long it may take in all.
    pub time: Duration,
    /// The largest zip that is read whole.
    pub zip_bytes: u64,
    /// How many missing modules are asked about.
    pub modules: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { time: Duration::from_secs(15), zip_bytes: 32 << 20, modules: 5 }
    }
}

/// What a walk brings home.
#[derive(Clone, Debug, Default)]
pub struct Walked {
    /// What was measured.
    pub facts: ProbeFacts,
    /// What went wrong on the way that the go command takes.
    pub symptoms: Vec<Symptom>,
}

/// Asks what the go command would ask, each entry of the chain by itself, side by side.
pub async fn walk(errand: &Errand<'_>) -> Walked {
    let until = tokio::time::Instant::now() + errand.budget.time;
    let plan = Plan::of(errand.settings);
    let mut walked = Walked::default();
    walked.facts.chain = plan.probes();
    if plan.entries.is_empty() {
        walked.skip("requests", "the go command can't read GOPROXY");
        return walked;
    }
    let targets = targets(errand);
    if targets.is_empty() && errand.missing.is_some() {
        walked.skip("requests", "the project needs nothing that the module cache lacks");
        return walked;
    }
    let logins = Logins::of(errand.system, errand.settings);
    let dialer = Dialer::new(errand.system, until);
    let client = Client::new(dialer, logins, errand.go, until, errand.system.now);
    let database = Database::of(errand.system, errand.settings);
    let module = ModuleWalk { errand, plan: &plan, client: &client, database: database.as_ref() };
    if targets.is_empty() {
        walked.add(sample(&module).await);
    } else {
        let walks = targets.iter().map(|(path, version)| module.run(path, version.as_deref()));
        for one in join_all(walks).await {
            walked.add(one);
        }
    }
    if !walked.symptoms.is_empty() || walked.facts.requests.iter().any(|probe| probe.trouble.is_some()) {
        let compared = compare(&client, &plan, &walked.facts.requests).await;
        walked.facts.requests.extend(compared);
    }
    walked.facts.larders = ask_larders(&client, &plan, &walked.facts.requests, &targets).await;
    walked.facts.hosts = client.dialer.hosts().await;
    walked.facts.netrc.clone_from(&client.logins.netrc);
    walked.facts.clock_offsets = clock_offsets(&walked.facts.requests, &client);
    walked
}

impl Walked {
    fn skip(&mut self, id: &str, why: &str) {
        self.facts.skipped.push(Skipped { id: id.to_owned(), why: why.to_owned() });
    }

    fn add(&mut self, other: Self) {
        self.facts.requests.extend(other.facts.requests);
        self.facts.git.extend(other.facts.git);
        self.facts.skipped.extend(other.facts.skipped);
        for symptom in other.symptoms {
            // A host that can't be reached fails for every module alike.
            let is_known = |known: &Symptom| {
                known.trouble == symptom.trouble
                    && known.host() == symptom.host()
                    && is_about_a_host(&symptom)
            };
            if !self.symptoms.iter().any(is_known) {
                self.symptoms.push(symptom);
            }
        }
    }
}

fn is_about_a_host(symptom: &Symptom) -> bool {
    !matches!(
        symptom.trouble,
        Trouble::Status { .. }
            | Trouble::BadAnswer { .. }
            | Trouble::BadZip { .. }
            | Trouble::OtherVersion { .. }
            | Trouble::Mismatch { .. }
            | Trouble::Command { .. }
            | Trouble::Said
    )
}

/// Returns the modules to ask about.
fn targets(errand: &Errand<'_>) -> Vec<(String, Option<String>)> {
    if let Some(subject) = errand.subject {
        return vec![(subject.module.clone(), subject.version.clone())];
    }
    let missing = errand.missing.unwrap_or_default();
    missing
        .iter()
        .take(errand.budget.modules)
        .map(|(path, version)| (path.clone(), Some(version.clone())))
        .collect()
}

/// Asks each entry for something harmless. What only this module lacks there is nothing wrong.
async fn sample(module: &ModuleWalk<'_>) -> Walked {
    let mut walked = Walked::default();
    let webs = module.plan.entries.iter().enumerate().filter(|(_, hop)| matches!(hop.whom, Whom::Web(_)));
    let asks = webs.map(|(at, hop)| async move {
        let (mut probe, _) = module.ask(at, hop, SAMPLE, Endpoint::List, None).await;
        probe.part = if at == 0 { Part::Decides } else { Part::NotReached };
        probe
    });
    let lookup = async {
        match module.database.filter(|_| !module.plan.is_private(SAMPLE)) {
            Some(database) => {
                let chain = &module.plan.entries;
                let (client, system) = (module.client, module.errand.system);
                let (module, version) = (SAMPLE, SAMPLE_VERSION);
                LookUp { client, system, database, chain, module, version, harmless: true, confined: true }
                    .run()
                    .await
            }
            None => Looked::default(),
        }
    };
    let (probes, looked) = futures_util::future::join(join_all(asks), lookup).await;
    for probe in probes {
        let trouble = probe.trouble.clone().filter(|trouble| {
            !matches!(trouble, Trouble::Status { code: 403 | 404 | 410 }) && probe.part == Part::Decides
        });
        if let Some(trouble) = trouble {
            let text = format!("module {SAMPLE}: {}", words(&probe.url, &trouble));
            walked.symptoms.push(symptom(&probe, trouble, text));
        }
        walked.facts.requests.push(probe);
    }
    walked.facts.requests.extend(looked.requests);
    walked.symptoms.extend(looked.symptoms);
    walked
}

/// Asks each Larder among the entries for its own view of the module; older ones have none.
async fn ask_larders(
    client: &Client,
    plan: &Plan,
    requests: &[RequestProbe],
    targets: &[(String, Option<String>)],
) -> Vec<(String, String)> {
    let Some((module, version)) = targets.first() else { return Vec::new() };
    let larders = plan.entries.iter().enumerate().filter_map(|(at, hop)| {
        let Whom::Web(base) = &hop.whom else { return None };
        let is_larder = requests.iter().any(|probe| {
            let names_it =
                |name: &str| probe.header(name).is_some_and(|value| value.to_lowercase().contains("larder"));
            probe.entry == Some(at)
                && probe.part != Part::NotReached
                && (names_it("cache-status") || names_it("via") || names_it("server"))
        });
        is_larder.then_some((at, base))
    });
    let asks = larders.map(|(at, base)| async move {
        let mut url = base.clone();
        url.set_path(&format!("{}/-/api/v1/explain", base.path().trim_end_matches('/')));
        url.query_pairs_mut().clear().append_pair("module", module);
        if let Some(version) = version {
            url.query_pairs_mut().append_pair("version", version);
        }
        let name = printable(base);
        let role = format!("GOPROXY entry {}", at + 1);
        let answer = client.ask(&Ask { role, url, agent: None, limit: 16 << 10 }).await;
        (answer.probe.status == Some(200)).then(|| (name, explained(&answer.body)))
    });
    join_all(asks).await.into_iter().flatten().collect()
}

/// Puts a Larder's explanation into a line; what can't be read is shown as it is.
fn explained(body: &[u8]) -> String {
    let Ok(page) = serde_json::from_slice::<serde_json::Value>(body) else { return shown(body) };
    let texts = |values: &serde_json::Value, name: &str| -> Vec<String> {
        let values = values.as_array().map(Vec::as_slice).unwrap_or_default();
        let text = |value: &serde_json::Value| {
            let inner = if name.is_empty() { value } else { &value[name] };
            inner.as_str().map(|text| shown(text.as_bytes()))
        };
        values.iter().filter_map(text).collect()
    };
    let mut parts = Vec::new();
    if let Some(route) = page["route"]["name"].as_str() {
        parts.push(format!("route {}", shown(route.as_bytes())));
    }
    let chain = texts(&page["chain"], "upstream");
    if !chain.is_empty() {
        parts.push(format!("asks {}", chain.join(", ")));
    }
    if let Some(stored) = page["stored_versions"].as_u64() {
        parts.push(format!("{stored} versions stored"));
    }
    parts.extend(texts(&page["causes"], "").into_iter().take(3));
    parts.join("; ")
}

/// Compares our clock with the `Date` of fresh answers, one a host.
fn clock_offsets(requests: &[RequestProbe], client: &Client) -> Vec<(String, i64)> {
    let mut offsets: Vec<(String, i64)> = Vec::new();
    for probe in requests.iter().filter(|probe| probe.header("age").is_none()) {
        let (started, since) = client.started;
        let Some(seconds) = probe.header("date").and_then(|date| offset(date, started + since.elapsed()))
        else {
            continue;
        };
        let asked = probe.hops.last().unwrap_or(&probe.url);
        let Some(host) = asked.split_once("://").and_then(|(_, rest)| rest.split('/').next()) else {
            continue;
        };
        if !offsets.iter().any(|(known, _)| known == host) {
            offsets.push((host.to_owned(), seconds));
        }
    }
    offsets
}

#[cfg(test)]
mod tests {
    use super::explained;

    #[test]
    fn a_larder_is_quoted_in_a_line() {
        let page = br#"{"module":"example.com/a","route":{"name":"others"},"chain":[{"upstream":"proxy.example.com"}],
            "stored_versions":2,"causes":["asked 40 s ago: proxy.example.com: timed out"]}"#;
        let expected = "route others; asks proxy.example.com; 2 versions stored; asked 40 s ago: proxy.example.com: timed out";
        assert_eq!(explained(page), expected);
        assert_eq!(explained(b"not \x1b[31mJSON"), "not JSON");
        assert_eq!(explained(b"[]"), "");
    }
}
