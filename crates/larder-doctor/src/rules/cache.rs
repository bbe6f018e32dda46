//! Rules of the layer: cache.

use super::Rule;

pub(super) const RULES: &[Rule] = &[];
