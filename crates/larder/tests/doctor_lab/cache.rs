//! The module cache, the disk, vendored modules, workspaces.

use crate::{Scenario, one, scenario};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario("C01", "owned-by-root", |case| {
        case.proxy(&one());
        case.without_rights();
        case.prelude = "mkdir -p \"$CASE/home/go\"; chown 0:0 \"$CASE/home/go\"".to_owned();
        case.download("example.com/ok@v1.0.0");
        case.prints(&["permission denied"]);
    }),
    scenario("C02", "disk-full", |case| {
        case.proxy(&one());
        case.prelude =
            "mkdir -p \"$CASE/home/go\"; mount -t tmpfs -o size=4k tmpfs \"$CASE/home/go\"".to_owned();
        case.download("example.com/ok@v1.0.0");
        case.prints(&["no space left on device"]);
    }),
];
