//! Proxies that answer wrongly.

use larder_testkit::lab::Answer;

use crate::{Scenario, one, scenario};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario("P12", "too-many-requests", |case| {
        case.broken_proxy(&one(), |request| {
            request.path.ends_with(".zip").then(|| Answer::status(429, "slow down\n"))
        });
        case.download("example.com/ok@v1.0.0");
        case.prints(&["429 Too Many Requests"]);
    }),
    scenario("P14", "login-page", |case| {
        case.broken_proxy(&one(), |_| {
            Some(Answer::page("<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>\n"))
        });
        case.download("example.com/ok@v1.0.0");
        case.prints(&["invalid character '<' looking for beginning of value"]);
    }),
];
