//! Rules of the layer: verification.

use super::Rule;

pub(super) const RULES: &[Rule] = &[];
