//! Names, routes, connections, TLS, forward proxies: why there is no HTTP answer.

use super::{Rule, rule};
use crate::Facts;
use crate::finding::{CauseId, Evidence, Match};
use crate::symptom::Trouble;

pub(super) const RULES: &[Rule] = &[rule("N01", no_such_host)];

/// A resolver says that the name has no address.
fn no_such_host(facts: &Facts) -> Vec<Match> {
    facts
        .symptoms()
        .filter_map(|(index, symptom)| match &symptom.trouble {
            Trouble::NoSuchHost { host, server } => Some(
                Match::of(CauseId("N01"), host)
                    .sure(0.9)
                    .explains(index)
                    .with("host", host)
                    .with("server", server.clone().unwrap_or_default())
                    .because(Evidence::new(format!("look-up of {host}"), &symptom.text, symptom.seen())),
            ),
            _ => None,
        })
        .collect()
}
