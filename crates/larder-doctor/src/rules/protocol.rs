//! Rules of the layer: protocol.

use super::Rule;

pub(super) const RULES: &[Rule] = &[];
