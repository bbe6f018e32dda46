//! go.sum and the checksum database.

use crate::{Scenario, one, scenario};

pub(crate) const SCENARIOS: &[Scenario] = &[scenario("V11", "no-go-sum", |case| {
    case.proxy(&one());
    case.app(&[("example.com/ok", "v1.0.0")], &["example.com/ok"]);
    case.go(&["build", "./..."]);
    case.prints(&["missing go.sum entry"]);
})];
