//! Values of `GOPROXY` that are wrong in themselves.

use larder_testkit::lab::Case;

use crate::{Scenario, one, scenario};

fn setting(case: &mut Case<'_>, value: &str, says: &str) {
    case.checksums(&one());
    case.env("GOPROXY", value);
    case.download("example.com/ok@v1.0.0");
    case.prints(&[says]);
}

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario("P01", "scheme-missing", |case| {
        setting(case, "goproxy", "invalid proxy URL missing scheme: goproxy")
    }),
    scenario("P01", "capital-direct", |case| {
        setting(case, "DIRECT", "invalid proxy URL missing scheme: DIRECT")
    }),
    scenario("P01", "folder", |case| setting(case, "/srv/goproxy", "invalid proxy URL")),
    scenario("P01", "ftp", |case| {
        setting(case, "ftp://proxy.example.com", "invalid proxy URL scheme (must be https, http, file)")
    }),
    scenario("P01", "relative-file", |case| {
        setting(case, "file://./mirror", "invalid file:// proxy URL with non-path elements")
    }),
    scenario("P01", "one-slash", |case| setting(case, "http:/proxy.example.com", "no Host in request URL")),
    scenario("P01", "second-entry", |case| {
        setting(case, "https://proxy.example.com,goproxy,direct", "invalid proxy URL missing scheme")
    }),
    scenario("P02", "quotes", |case| {
        setting(case, "\"https://proxy.example.com\"", "first path segment in URL cannot contain colon");
    }),
    scenario("P02", "hash-in-password", |case| {
        setting(case, "https://dev:pa#ss@proxy.example.com", "invalid port \":pa\" after host");
    }),
    scenario("P02", "percent-in-password", |case| {
        setting(case, "https://dev:100%zz@proxy.example.com", "invalid URL escape \"%zz\"");
    }),
    scenario("P03", "semicolon", |case| {
        let url = case.proxy(&one());
        // As servers do that don't know such a path.
        case.env("GOPROXY", &format!("{url};direct"));
        case.download("example.com/ok@v1.0.0");
        case.prints(&[";direct/example.com/ok/@v/v1.0.0.info: 404 Not Found"]);
        case.log_may_say = vec![];
    }),
    scenario("P03", "full-width-comma", |case| {
        let url = case.proxy(&one());
        case.env("GOPROXY", &format!("{url}，direct"));
        case.download("example.com/ok@v1.0.0");
        case.prints(&["%EF%BC%8Cdirect/example.com/ok", "，direct/example.com/ok"]);
    }),
    scenario("P04", "comma-only", |case| {
        setting(case, ",", "GOPROXY list is not the empty string, but contains no entries")
    }),
    scenario("P04", "blank", |case| {
        setting(case, " ", "GOPROXY list is not the empty string, but contains no entries")
    }),
    scenario("P08", "login-in-the-clear", |case| {
        setting(case, "http://dev:secret@proxy.example.com", "refusing to pass credentials to insecure URL");
    }),
];
