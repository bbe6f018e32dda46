//! Settings of Go, of the shell, of the project.

use crate::{Scenario, one, scenario};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario("F07", "modules-off", |case| {
        case.proxy(&one());
        case.env("GO111MODULE", "off");
        case.go(&["mod", "download"]);
        case.prints(&["modules disabled by GO111MODULE=off"]);
    }),
    scenario("F12", "no-go-mod", |case| {
        case.proxy(&one());
        case.go(&["mod", "tidy"]);
        case.prints(&["go.mod file not found in current directory or any parent"]);
    }),
];
