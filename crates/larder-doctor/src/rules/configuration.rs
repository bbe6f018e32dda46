//! Rules of the layer: configuration.

use super::Rule;

pub(super) const RULES: &[Rule] = &[];
