//! Rules of direct mode: go-import pages, git and its network, `GOVCS`.

use super::Rule;

pub(super) const RULES: &[Rule] = &[];
