use std::time::Duration;

use larder_cache::{Answered, Content, Fetched};
use larder_upstream::UpstreamName;
use tokio::time::Instant;
use url::Url;

use super::*;
use crate::commands::run::notes::Events;

struct Story {
    began: Instant,
    events: Events,
}

impl Story {
    fn new() -> Self {
        Self { began: Instant::now(), events: Events::default() }
    }

    fn at(&self, milliseconds: u64) -> Instant {
        self.began + Duration::from_millis(milliseconds)
    }

    fn asked(mut self, path: &str, from: u64, to: u64, outcome: &'static str) -> Self {
        self.events.answers.push(Answered {
            path: path.to_owned(),
            content: Content::Zip,
            by_client: true,
            began: self.at(from),
            ended: self.at(to),
            outcome,
            failed: !matches!(outcome, "hit" | "miss"),
            is_arriving: false,
            bytes: Some(1_000),
        });
        self
    }

    fn fetched(mut self, path: &str, host: &str, from: u64, to: u64, failure: Option<&str>) -> Self {
        let url = Url::parse(&format!("https://{host}")).expect("a URL");
        self.events.fetches.push(Fetched {
            path: path.to_owned(),
            upstream: UpstreamName::of_url(&url),
            wanted: self.at(from),
            began: self.at(from),
            first_byte: None,
            ended: self.at(to),
            bytes: if failure.is_some() { 0 } else { 1_000_000 },
            failure: failure.map(str::to_owned),
            is_absence: failure == Some("absent"),
        });
        self
    }

    fn account(self, to: u64) -> Account {
        let end = self.at(to);
        Account::of(self.events, self.began, end)
    }
}

const A: &str = "/example.com/!a/@v/v1.0.0.zip";
const B: &str = "/example.com/b/@v/v1.0.0.zip";
const C: &str = "/example.com/c/@v/v1.0.0.zip";
const D: &str = "/example.com/d/@v/v1.0.0.mod";

fn account() -> Account {
    Story::new()
        .fetched(A, "one.example.com", 0, 100, None)
        .fetched(B, "one.example.com", 50, 90, Some("absent"))
        .fetched(B, "two.example.com", 100, 400, None)
        .fetched(C, "one.example.com", 0, 300, None)
        .fetched("/lookup/example.com/b@v1.0.0", "sum.example.com", 390, 700, None)
        .asked(A, 50, 100, "miss")
        .asked(B, 50, 450, "miss")
        .asked(D, 460, 460, "hit")
        .asked("/example.com/e/@v/list", 500, 500, "absent")
        .account(800)
}

#[test]
fn two_lines_say_where_everything_came_from_and_who_was_waited_for() {
    assert_eq!(
        lines(&account()),
        [
            "4 asked for: 1 from https://one.example.com (1.0 MB, 1 of them ahead), 1 from https://two.example.com (1.0 MB), \
             1 from the store, 1 not found; 1 (1.0 MB) in vain",
            "waited 0.4 s of 0.8 s: 0.4 s for https://two.example.com, 0.1 s for https://one.example.com; longest 0.4 s for \
             example.com/b/@v/v1.0.0.zip",
        ]
    );
    let proof = "/sumdb/sum.example.com/lookup/example.com/b@v1.0.0";
    let proven = Story::new().asked(D, 0, 0, "hit").asked(proof, 0, 0, "hit").account(40);
    assert_eq!(lines(&proven)[0], "1 asked for: 1 from the store", "proofs are no files");
    let unproven = Story::new().asked(D, 0, 0, "hit").asked(proof, 0, 0, "unreachable").account(40);
    assert_eq!(lines(&unproven)[0], "2 asked for: 1 from the store, 1 failed");
    assert_eq!(lines(&Story::new().account(40)), ["nothing was asked for", "waited for nobody in 0.0 s"]);
}

#[test]
fn waits_are_counted_on_the_clock_and_for_whoever_they_were() {
    let account = account();
    assert_eq!(account.waited, Duration::from_millis(400), "two that wait at once wait once");
    let waited: Vec<_> = account.asked.iter().map(|ask| ask.waited_for.as_deref()).collect();
    assert_eq!(waited, [Some("https://one.example.com"), Some("https://two.example.com"), None, None]);
    let database = Story::new()
        .fetched(B, "two.example.com", 0, 20, None)
        .fetched("/sumdb/sum.example.com/tile/8/0/001", "one.example.com", 20, 300, None)
        .asked(B, 0, 300, "miss")
        .account(300);
    assert_eq!(database.asked[0].waited_for.as_deref(), Some("https://one.example.com"));
    assert_eq!(database.vain_files, 0, "proofs are never in vain");
}

#[test]
fn a_page_holds_everything_in_itself_and_no_stranger_writes_in_it() {
    let evil = "/example.com/x\"><script>alert(1)</script>/@v/v1.0.0.zip\u{202e}\u{7}";
    let mut story = Story::new()
        .fetched(evil, "one.example.com", 0, 10, Some("<img src=x onerror='y'>"))
        .asked(evil, 0, 10, "bad-upstream")
        .fetched(A, "one.example.com", 0, 90, None);
    story.events.answers[0].failed = true;
    let facts = Facts {
        command: "go build </title><b>".to_owned(),
        ending: "exit code 1".to_owned(),
        version: "0.0.0",
    };
    let page = page(&story.account(100), &facts);
    for bad in [
        "<script",
        "<img",
        "</title><b>",
        "\u{202e}",
        "\u{7}",
        "src=",
        "href=",
        "url(",
        "@import",
        "http-equiv=\"refresh",
    ] {
        let found = page.matches(bad).count();
        // What is escaped may stand there as text.
        let harmless = if bad == "src=" { page.matches("&lt;img src=x").count() } else { 0 };
        assert_eq!(found, harmless, "{bad} in {page}");
    }
    assert!(page.contains("example.com/A/@v/v1.0.0.zip"), "names as people know them");
    assert!(page.contains("prefers-color-scheme: dark") && page.contains("default-src 'none'"));
    assert!(page.contains("fetched in vain") && page.contains("What failed"));
}

#[test]
fn every_request_has_its_bar_within_the_scale() {
    let facts = Facts { command: "go".to_owned(), ending: "exit code 0".to_owned(), version: "0.0.0" };
    let page = page(&account(), &facts);
    assert_eq!(page.matches("<b class=\"a\"").count() - 1, 1, "one was ahead, one came from the store");
    assert_eq!(page.matches("<b class=\"v\"").count(), 1);
    assert_eq!(page.matches("<b class=\"p\"").count(), 1);
    assert_eq!(page.matches("<b class=\"f\"").count(), 1);
    assert_eq!(page.matches("<b class=\"l\"").count(), 1);
    assert_eq!(page.matches("<b class=\"w t\"").count(), 3, "one for each request that was waited for");
    assert!(page.contains("left:14.29%;width:42.86%"), "the scale ends with the last request");
    assert!(page.contains("the command went on for 100 ms after it"));
}
