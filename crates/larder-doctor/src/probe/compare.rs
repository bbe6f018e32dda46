//! Questions that the go command would not ask and that tell causes apart: another User-Agent, another spelling, another
//! module, another place. Each follows a failure, so a healthy chain never gets one.

use futures_util::future::join_all;
use url::Url;

use super::chain::{Hop, Plan, Whom};
use super::http::{Ask, Client, printable};
use super::judge::{About, judge};
use super::module::{SAMPLE, file};
use super::words::percent;
use super::{Part, RequestProbe};
use crate::symptom::{Endpoint, Trouble};

/// A User-Agent that no filter takes for a program.
const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0";
/// How the go command named itself up to 1.26, and since 1.27.
const AGENTS: [&str; 2] = ["Go-http-client/1.1", "GoCommand/1 (+https://go.dev/cmd/go)"];
/// Where artifact managers keep proxies.
const PLACES: [&str; 4] = ["", "/go", "/goproxy", "/proxy"];

/// Asks what the failures among `requests` call for.
pub(super) async fn compare(client: &Client, plan: &Plan, requests: &[RequestProbe]) -> Vec<RequestProbe> {
    let mut asks = Vec::new();
    for (at, hop) in plan.entries.iter().enumerate() {
        let Whom::Web(base) = &hop.whom else { continue };
        let failed: Vec<_> = requests
            .iter()
            .filter(|probe| probe.entry == Some(at) && probe.part != Part::NotReached && is_failure(probe))
            .collect();
        for probe in failed.iter().filter(|probe| looks_filtered(probe)).take(1) {
            let others = [BROWSER].into_iter().chain(AGENTS).filter(|agent| *agent != probe.agent);
            asks.extend(others.map(|agent| (at, again(probe, hop), Some(agent), probe.endpoint)));
        }
        for probe in failed.iter().filter(|probe| is_absent(probe) && probe.url.contains("%21")).take(1) {
            let url = again(probe, hop).and_then(|url| Url::parse(&url.as_str().replace("%21", "!")).ok());
            asks.push((at, url, None, probe.endpoint));
        }
        if failed
            .iter()
            .any(|probe| is_absent(probe) || matches!(probe.trouble, Some(Trouble::BadAnswer { .. })))
        {
            let own = base.path().trim_end_matches('/').to_owned();
            for place in std::iter::once(own.as_str()).chain(PLACES.into_iter().filter(|place| *place != own))
            {
                let mut url = base.clone();
                url.set_path(&format!(
                    "{place}{}",
                    percent(&file(SAMPLE, Endpoint::List, None).unwrap_or_default())
                ));
                if place != own {
                    url.set_query(None);
                }
                asks.push((at, Some(url), None, Endpoint::List));
            }
        }
    }
    let asked = asks.into_iter().filter_map(|(at, url, agent, endpoint)| Some((at, url?, agent, endpoint)));
    join_all(asked.map(|(at, url, agent, endpoint)| async move {
        let ask = Ask { role: format!("GOPROXY entry {}", at + 1), url, agent, limit: 64 << 10 };
        let mut answer = client.ask(&ask).await;
        let about = Url::parse(&answer.probe.url).map(|url| printable(&url)).unwrap_or_default();
        let known = requests.iter().find(|probe| probe.url.replace("%21", "!") == about.replace("%21", "!"));
        let module = known.and_then(|probe| probe.module.clone()).unwrap_or_else(|| SAMPLE.to_owned());
        let version = known.and_then(|probe| probe.version.clone());
        judge(About { endpoint, module: &module, version: version.as_deref(), folder: None }, &mut answer);
        answer.probe.entry = Some(at);
        answer.probe.part = Part::Compares;
        answer.probe
    }))
    .await
}

fn is_failure(probe: &RequestProbe) -> bool {
    probe.trouble.is_some() && probe.checksum_database.is_none() && probe.part != Part::Compares
}

fn is_absent(probe: &RequestProbe) -> bool {
    matches!(probe.trouble, Some(Trouble::Status { code: 404 | 410 }))
}

/// Reports whether a filter could have answered instead of the proxy.
fn looks_filtered(probe: &RequestProbe) -> bool {
    match probe.trouble {
        Some(Trouble::Status { code }) => matches!(code, 400 | 403 | 406 | 418 | 429 | 444 | 503),
        Some(Trouble::BadAnswer { .. }) => super::judge::is_page(probe.body.as_bytes()),
        Some(Trouble::ClosedEarly { .. } | Trouble::Reset { .. }) => probe.status.is_none(),
        _ => false,
    }
}

/// Returns the URL of an earlier question, with the login and the query of its entry.
fn again(probe: &RequestProbe, hop: &Hop) -> Option<Url> {
    let Whom::Web(base) = &hop.whom else { return None };
    let asked = Url::parse(&probe.url).ok()?;
    let mut url = base.clone();
    url.set_path(asked.path());
    Some(url)
}
