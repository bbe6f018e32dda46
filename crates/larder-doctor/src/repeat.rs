//! How answers vary when the same is asked several times: what fails now and then shows in no single look.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::probe::{ProbeFacts, RequestProbe};

/// One thing that was asked several times.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Repeated {
    /// What: `tcp proxy.example.com:443`, a URL.
    pub what: String,
    /// How often.
    pub times: u32,
    /// How often it failed.
    pub failed: u32,
    /// The quickest, in milliseconds.
    pub fastest_ms: u64,
    /// The one in the middle.
    pub median_ms: u64,
    /// The slowest.
    pub slowest_ms: u64,
}

/// Returns how each thing went over several walks.
pub(crate) fn compare(walks: &[ProbeFacts]) -> Vec<Repeated> {
    let mut all: BTreeMap<String, Vec<(bool, u64)>> = BTreeMap::new();
    for walk in walks {
        for host in &walk.hosts {
            let worked = host.trouble.is_none();
            let took =
                host.tcp.iter().filter(|probe| probe.trouble.is_none()).map(|probe| probe.milliseconds).min();
            let handshake = host.tls.as_ref().map_or(0, |tls| tls.milliseconds);
            let what = format!("{}://{}:{}", host.scheme, host.host, host.port);
            all.entry(what).or_default().push((worked, took.unwrap_or_default() + handshake));
        }
        for request in &walk.requests {
            all.entry(request.url.clone()).or_default().push((answered(request), request.total_ms));
        }
    }
    all.into_iter().map(|(what, runs)| summary(what, &runs)).collect()
}

/// An absence is an answer; what breaks, or says that something broke, is none.
fn answered(request: &RequestProbe) -> bool {
    request.status.is_some_and(|status| status < 500 && status != 429)
}

fn summary(what: String, runs: &[(bool, u64)]) -> Repeated {
    let mut times: Vec<u64> = runs.iter().filter(|(worked, _)| *worked).map(|(_, took)| *took).collect();
    times.sort_unstable();
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Repeated {
        what,
        times: count(runs.len()),
        failed: count(runs.iter().filter(|(worked, _)| !worked).count()),
        fastest_ms: times.first().copied().unwrap_or_default(),
        median_ms: times.get(times.len() / 2).copied().unwrap_or_default(),
        slowest_ms: times.last().copied().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_now_and_then_is_counted() {
        let walk = |status: u16, took: u64| ProbeFacts {
            requests: vec![RequestProbe {
                url: "https://proxy.example.com/x".to_owned(),
                status: Some(status),
                total_ms: took,
                ..RequestProbe::default()
            }],
            ..ProbeFacts::default()
        };
        let compared = compare(&[walk(200, 5), walk(503, 1), walk(404, 9), walk(200, 7)]);
        let expected = Repeated {
            what: "https://proxy.example.com/x".to_owned(),
            times: 4,
            failed: 1,
            fastest_ms: 5,
            median_ms: 7,
            slowest_ms: 9,
        };
        assert_eq!(compared, [expected]);
    }
}
