//! Comparing module proxies from here: what each can do, and how fast.
//!
//! Proxies are asked one after the other, for side by side they would share the link and each look slow. Within one, the same
//! harmless public module is asked about; private names never leave.

use serde::Serialize;
use tokio::time::Instant;
use url::Url;

use super::dial::Dialer;
use super::http::{Answer, Ask, Client, printable};
use super::login::Logins;
use super::module::SAMPLE;
use super::sumdb::Database;
use super::words::words;
use crate::settings::SettingFacts;
use crate::symptom::Trouble;
use crate::{GoVersion, System};
use larder_module::{defaults, semver};

/// How much of a zip is read to see how fast bytes come.
const SAMPLE_BYTES: u64 = 4 << 20;
/// A path that nobody has a module at.
const ABSENT: &str = "example.com/no-such-module";
/// A toolchain that every mirror of toolchains has.
const TOOLCHAIN: &str = "v0.0.1-go1.21.0.linux-amd64";

/// What a proxy was found to do.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Mirror {
    /// Its URL, without a login.
    pub url: String,
    /// Why it can't be used, in words; none if it answers well.
    pub trouble: Option<String>,
    /// Until the first byte of an answer on an open connection, the median of three.
    pub latency_ms: Option<u64>,
    /// Until the first answer, with look-up, connection and handshake.
    pub first_ms: Option<u64>,
    /// Bytes per second of a zip.
    pub throughput: Option<u64>,
    /// The latest version that it knows of the sample.
    pub latest: Option<String>,
    /// Whether another proxy knows a later one.
    pub behind: bool,
    /// Whether it passes the checksum database on; none if there is none to pass on.
    pub checksum_database: Option<bool>,
    /// Whether it has toolchains.
    pub toolchains: Option<bool>,
    /// The status for what does not exist: 404 and 410 let the go command go on after a comma.
    pub absent: Option<u16>,
}

/// The comparison, and the `GOPROXY` it speaks for.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Comparison {
    /// The proxies in the order in which they were named.
    pub mirrors: Vec<Mirror>,
    /// The value to set; none if no proxy can be used.
    pub goproxy: Option<String>,
}

/// Compares proxies within `until`.
pub async fn compare(
    system: &System,
    settings: &SettingFacts,
    go: Option<GoVersion>,
    urls: &[Url],
    until: Instant,
) -> Comparison {
    let logins = Logins::of(system, settings);
    let client = Client::new(Dialer::new(system, until), logins, go, until, system.now);
    let database = Database::of(system, settings);
    let mut mirrors = Vec::with_capacity(urls.len());
    for url in urls {
        mirrors.push(measured(&client, url, database.as_ref().map(|database| database.name.as_str())).await);
    }
    mark_behind(&mut mirrors);
    let goproxy = chosen(&mirrors);
    Comparison { mirrors, goproxy }
}

struct Asker<'a> {
    client: &'a Client,
    base: &'a Url,
}

impl Asker<'_> {
    async fn get(&self, path: &str, limit: u64) -> Answer {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/{path}", self.base.path().trim_end_matches('/')));
        self.client.ask(&Ask { role: "mirror".to_owned(), url, agent: None, limit }).await
    }
}

async fn measured(client: &Client, base: &Url, database: Option<&str>) -> Mirror {
    let ask = Asker { client, base };
    let mut mirror = Mirror { url: printable(base), ..Mirror::default() };
    let list = format!("{SAMPLE}/@v/list");
    let first = ask.get(&list, 1 << 20).await;
    if let Some(trouble) = trouble_of_list(&first) {
        mirror.trouble = Some(trouble);
        return mirror;
    }
    mirror.first_ms = Some(first.probe.first_byte_ms);
    let mut times = Vec::new();
    for _ in 0..3 {
        times.push(ask.get(&list, 1 << 20).await.probe.first_byte_ms);
    }
    times.sort_unstable();
    mirror.latency_ms = times.get(1).copied();
    let latest = ask.get(&format!("{SAMPLE}/@latest"), 64 << 10).await;
    mirror.latest = version_of(&latest.body).or_else(|| newest(&first.body));
    if let Some(version) = &mirror.latest {
        let zip = ask.get(&format!("{SAMPLE}/@v/{version}.zip"), SAMPLE_BYTES).await;
        mirror.throughput = throughput(&zip);
    }
    if let Some(name) = database {
        let answer = ask.get(&format!("sumdb/{name}/supported"), 1 << 10).await;
        mirror.checksum_database = answer.probe.status.map(|status| status == 200);
    }
    let toolchain = ask.get(&format!("{}/@v/{TOOLCHAIN}.mod", defaults::TOOLCHAIN_MODULE), 64 << 10).await;
    mirror.toolchains =
        toolchain.probe.status.map(|status| status == 200 && toolchain.body.starts_with(b"module "));
    mirror.absent = ask.get(&format!("{ABSENT}/@v/list"), 64 << 10).await.probe.status;
    mirror
}

fn trouble_of_list(answer: &Answer) -> Option<String> {
    if let Some(trouble) = &answer.probe.trouble {
        return Some(words(&answer.probe.url, trouble));
    }
    match answer.probe.status {
        _ if answer.out_of_time => Some("the time was over before it answered".to_owned()),
        Some(200) if newest(&answer.body).is_some() => None,
        Some(200) => Some(format!("answers {SAMPLE}/@v/list with something that is no list of versions")),
        Some(code) => Some(words(&answer.probe.url, &Trouble::Status { code })),
        None => Some("no answer".to_owned()),
    }
}

fn newest(list: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(list).ok()?;
    let release = |version: &&str| semver::is_valid(version) && semver::prerelease(version).is_empty();
    text.lines().filter(release).max_by(|a, b| semver::compare(a, b)).map(str::to_owned)
}

fn version_of(info: &[u8]) -> Option<String> {
    let info: serde_json::Value = serde_json::from_slice(info).ok()?;
    info.get("Version")?.as_str().filter(|version| semver::is_valid(version)).map(str::to_owned)
}

fn throughput(zip: &Answer) -> Option<u64> {
    let milliseconds = zip.probe.total_ms.saturating_sub(zip.probe.first_byte_ms).max(1);
    (zip.probe.status == Some(200) && zip.probe.received > 0)
        .then(|| zip.probe.received * 1000 / milliseconds)
}

fn mark_behind(mirrors: &mut [Mirror]) {
    let newest =
        mirrors.iter().filter_map(|mirror| mirror.latest.clone()).max_by(|a, b| semver::compare(a, b));
    for mirror in mirrors {
        mirror.behind = mirror.latest != newest && mirror.latest.is_some();
    }
}

/// Chooses the two best and `direct` after them.
///
/// After a pipe any failure leads on, which is right for public mirrors: they fail, and public names are no secret. One that
/// is behind comes after one that is not, for the first list that is had counts and none are merged; one that keeps the
/// checksum database from going through comes after one that passes it on.
fn chosen(mirrors: &[Mirror]) -> Option<String> {
    let mut usable: Vec<&Mirror> = mirrors.iter().filter(|mirror| mirror.trouble.is_none()).collect();
    usable.sort_by_key(|mirror| {
        let moves_on = matches!(mirror.absent, Some(404 | 410));
        (
            mirror.behind,
            mirror.checksum_database == Some(false),
            !moves_on,
            mirror.latency_ms.unwrap_or(u64::MAX),
        )
    });
    usable.dedup_by(|a, b| a.url == b.url);
    let best: Vec<&str> = usable.iter().take(2).map(|mirror| mirror.url.trim_end_matches('/')).collect();
    (!best.is_empty()).then(|| best.into_iter().chain(["direct"]).collect::<Vec<_>>().join("|"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mirror(url: &str, latency_ms: u64) -> Mirror {
        Mirror {
            url: url.to_owned(),
            latency_ms: Some(latency_ms),
            latest: Some("v1.2.0".to_owned()),
            checksum_database: Some(true),
            absent: Some(404),
            ..Mirror::default()
        }
    }

    #[test]
    fn the_nearest_that_is_up_to_date_comes_first() {
        let mut all = [
            mirror("https://far.example.com", 90),
            mirror("https://near.example.com/", 9),
            mirror("https://old.example.com", 1),
        ];
        all[2].latest = Some("v1.1.0".to_owned());
        mark_behind(&mut all);
        assert_eq!(all.iter().map(|one| one.behind).collect::<Vec<_>>(), [false, false, true]);
        assert_eq!(chosen(&all).as_deref(), Some("https://near.example.com|https://far.example.com|direct"));
        all[0].trouble = Some("no answer".to_owned());
        assert_eq!(chosen(&all).as_deref(), Some("https://near.example.com|https://old.example.com|direct"));
        all[1].checksum_database = Some(false);
        all[2].behind = false;
        assert_eq!(chosen(&all).as_deref(), Some("https://old.example.com|https://near.example.com|direct"));
    }

    #[test]
    fn no_usable_proxy_means_no_line() {
        let gone = Mirror { trouble: Some("no answer".to_owned()), ..Mirror::default() };
        assert_eq!(chosen(&[gone]), None);
    }

    #[test]
    fn pages_are_no_lists() {
        assert_eq!(newest(b"<html>v1</html>"), None);
        assert_eq!(newest(b"v1.0.0\nv1.10.0\nv1.9.0\nv2.0.0-rc1\n").as_deref(), Some("v1.10.0"));
        assert_eq!(version_of(b"{\"Version\":\"v1.0.0\"}").as_deref(), Some("v1.0.0"));
        assert_eq!(version_of(b"<html>"), None);
    }
}
