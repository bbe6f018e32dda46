//! Which versions and packages there are.

use crate::{Scenario, one, scenario};

pub(crate) const SCENARIOS: &[Scenario] = &[scenario("R01", "no-such-major", |case| {
    case.proxy(&one());
    case.app(&[], &[]);
    case.get("example.com/ok@v9");
    case.prints(&["no matching versions for query"]);
})];
