//! Rules of the layer: resolution.

use super::Rule;

pub(super) const RULES: &[Rule] = &[];
