//! The rules: pure functions over facts, one for each cause of the catalogue.
//!
//! Adding a cause means one entry in a table below, its words in the catalogue, and its fixtures (`tests/fixtures/ID/`:
//! `fires*` and `near*`, each a `.log` as somebody would paste it or a `.json` of [`Facts`]).

mod cache;
mod configuration;
mod go_sum;
mod network;
mod protocol;
mod resolution;
mod sayings;
mod verification;
mod version_control;

use crate::Facts;
use crate::finding::{CauseId, Match};

/// One rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The cause that it knows.
    pub cause: CauseId,
    /// Looks for it.
    pub decide: fn(&Facts) -> Vec<Match>,
}

/// Makes a table's line.
const fn rule(cause: &'static str, decide: fn(&Facts) -> Vec<Match>) -> Rule {
    Rule { cause: CauseId(cause), decide }
}

/// Iterates over all rules.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    [
        network::RULES,
        protocol::RULES,
        cache::RULES,
        go_sum::RULES,
        verification::RULES,
        configuration::RULES,
        version_control::RULES,
        resolution::RULES,
    ]
    .into_iter()
    .flatten()
}
