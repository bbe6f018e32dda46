//! Variables that say whether a forward proxy is asked, and a few more ways of the network to fail.

use larder_testkit::Reply;
use larder_testkit::lab::{Answer, Case, FORWARD};

use crate::{Scenario, one, scenario};

/// A download with these variables, through a proxy that works.
fn forward(case: &mut Case<'_>, variables: &[(&str, &str)], says: &str) {
    case.proxy(&one());
    for (name, value) in variables {
        case.env(name, value);
    }
    case.download("example.com/ok@v1.0.0");
    case.prints(&[says]);
}

/// Forbids `socket` (41) from here on, as the profile of a container does: prctl (157) with no new rights (38), then a filter (22, 2).
const CONFINE: &str = r#"
my $filter = pack("SCCL" x 4, 0x20, 0, 0, 0, 0x15, 0, 1, 41, 0x06, 0, 0, 0x00050001, 0x06, 0, 0, 0x7fff0000);
my $program = pack("S x6 P", 4, $filter);
syscall(157, 38, 1, 0, 0, 0) == 0 or die "no new rights: $!";
syscall(157, 22, 2, $program, 0, 0) == 0 or die "filter: $!";
exec @ARGV;
"#;

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario("N24", "only-for-http", |case| {
        case.checksums(&one());
        case.env("GOPROXY", "https://abroad.example.com");
        case.env("HTTP_PROXY", &format!("http://{FORWARD}:3128"));
        case.download("example.com/ok@v1.0.0");
        case.prints(&["network is unreachable"]);
        case.silent_log = true;
        case.live_may_say = vec!["N06"];
    }),
    scenario("N24", "all-proxy", |case| {
        case.checksums(&one());
        case.env("GOPROXY", "https://abroad.example.com");
        case.env("ALL_PROXY", "http://squid.corp.example:3128");
        case.download("example.com/ok@v1.0.0");
        case.prints(&["network is unreachable"]);
        case.silent_log = true;
        case.live_may_say = vec!["N06"];
    }),
    scenario("N24", "cgi", |case| {
        let url = case.proxy(&one()).replace("https://", "http://");
        case.env("GOPROXY", &url);
        case.env("HTTP_PROXY", "http://squid.corp.example:3128");
        case.env("REQUEST_METHOD", "GET");
        case.download("example.com/ok@v1.0.0");
        case.prints(&["refusing to use HTTP_PROXY value in CGI environment"]);
    }),
    scenario("N25", "a-url-in-no-proxy", |case| {
        let variables =
            [("HTTPS_PROXY", "http://squid.corp.example:9"), ("NO_PROXY", "https://proxy.example.com")];
        forward(case, &variables, "proxyconnect tcp: dial tcp");
        case.log_may_say = vec!["N20"];
        case.live_may_say = vec!["N20"];
    }),
    scenario("N25", "semicolons-in-no-proxy", |case| {
        let variables =
            [("HTTPS_PROXY", "http://squid.corp.example:9"), ("NO_PROXY", "corp.example;proxy.example.com")];
        forward(case, &variables, "proxyconnect tcp: dial tcp");
        case.log_may_say = vec!["N20"];
        case.live_may_say = vec!["N20"];
    }),
    scenario("N25", "bypassed-by-mistake", |case| {
        case.checksums(&one());
        case.env("GOPROXY", "https://abroad.example.com");
        case.env("HTTPS_PROXY", "http://squid.corp.example:3128");
        case.env("NO_PROXY", "example.com");
        case.download("example.com/ok@v1.0.0");
        case.prints(&["network is unreachable"]);
        case.silent_log = true;
        case.live_may_say = vec!["N06"];
    }),
    scenario("N27", "sockets-forbidden", |case| {
        forward(case, &[], "socket: operation not permitted");
        if !cfg!(target_arch = "x86_64") || !std::path::Path::new("/usr/bin/perl").exists() {
            case.skip("the filter wants /usr/bin/perl and knows the numbers of x86-64 only");
        }
        case.write("confine.pl", CONFINE);
        let file = case.home().join("confine.pl").to_string_lossy().into_owned();
        case.behind = vec!["/usr/bin/perl".to_owned(), file];
    }),
    scenario("N28", "mod-cut-short", |case| {
        let go_mod = one().get("example.com/ok", "v1.0.0").go_mod.clone();
        case.broken_proxy(&one(), move |request| {
            request.path.ends_with(".mod").then(|| Answer::Cut(Reply::ok("text/plain", go_mod.clone()), 10))
        });
        case.app(&[], &[]);
        case.get("example.com/ok@v1.0.0");
        case.prints(&["unexpected EOF"]);
    }),
];
