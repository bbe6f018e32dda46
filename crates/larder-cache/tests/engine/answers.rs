//! Lists, latest versions and queries: fresh, stale, revalidated, or worked out from what is stored.

use std::time::Duration;

use larder_cache::{Access, Outcome, Reason};
use larder_module::request::ObjectKind;
use larder_testkit::{Endpoint, FakeUpstream, Fault, Reply};

use crate::common::{Setup, assert_printable, cached_only, module, read};

const A: &str = "example.com/a";
const LIST: &str = "/example.com/a/@v/list";
const LATEST: &str = "/example.com/a/@latest";
const PSEUDO: &str = "v0.0.0-20240102030405-0123456789ab";

#[tokio::test]
async fn a_list_is_fresh_then_stale_and_asked_again_then_waits() {
    let upstream =
        FakeUpstream::new().module(A, "v1.0.0").module(A, "v1.10.0").module(A, "v1.9.0").start().await;
    let world = Setup::chain(upstream.url()).start();
    let got = world.list(A).await.expect("served");
    assert_eq!((got.text(), got.outcome), ("v1.0.0\nv1.9.0\nv1.10.0", "miss"));
    upstream.add(&larder_testkit::ModuleBuilder::new(A, "v1.11.0"));
    world.clock.advance(Duration::from_secs(59));
    assert_eq!(world.list(A).await.expect("served").outcome, "hit");
    assert_eq!(upstream.requests(LIST), 1);

    world.clock.advance(Duration::from_secs(2));
    let got = world.list(A).await.expect("served");
    assert_eq!((got.text(), got.outcome), ("v1.0.0\nv1.9.0\nv1.10.0", "stale"));
    assert!(upstream.wait_for_requests(LIST, 2, Duration::from_secs(5)).await);
    let mut rounds = 0;
    while world.list(A).await.expect("served").outcome == "stale" {
        tokio::time::sleep(Duration::from_millis(2)).await;
        rounds += 1;
        assert!(rounds < 1_000, "the revalidation never ends");
    }
    let got = world.list(A).await.expect("served");
    assert_eq!((got.text(), got.outcome), ("v1.0.0\nv1.9.0\nv1.10.0\nv1.11.0", "hit"));
    assert_eq!(upstream.requests(LIST), 2);

    // After a week nobody wants last week's list while this week's can be had.
    upstream.add(&larder_testkit::ModuleBuilder::new(A, "v1.12.0"));
    world.clock.advance(Duration::from_secs(7 * 86_400));
    assert!(world.list(A).await.expect("served").text().ends_with("v1.12.0"));
}

#[tokio::test]
async fn freshness_zero_always_asks() {
    let upstream = FakeUpstream::new().module(A, "v1.0.0").start().await;
    let mut setup = Setup::chain(upstream.url());
    setup.adjust = |settings| settings.answer_freshness = Duration::ZERO;
    let world = setup.start();
    for count in 1..4 {
        assert_eq!(world.list(A).await.expect("served").outcome, "miss");
        assert_eq!(upstream.requests(LIST), count);
    }
    upstream.cut();
    assert_eq!(world.list(A).await.expect("served").outcome, "stale");
}

#[tokio::test]
async fn revalidation_uses_the_validators() {
    let upstream = FakeUpstream::new().module(A, "v1.0.0").etags().start().await;
    let world = Setup::chain(upstream.url()).start();
    world.list(A).await.expect("served");
    world.clock.advance(Duration::from_secs(86_400));
    let got = world.list(A).await.expect("served");
    assert_eq!((got.text(), got.outcome), ("v1.0.0", "revalidated"));
    assert!(upstream.log().last().expect("asked").header("if-none-match").is_some());
    assert_eq!(world.list(A).await.expect("served").outcome, "hit");
    // What was learned survives a restart, validators included.
    let world = world.restarted(Setup::chain(upstream.url()));
    assert_eq!(world.list(A).await.expect("served").outcome, "hit");
    world.clock.advance(Duration::from_secs(86_400));
    assert_eq!(world.list(A).await.expect("served").outcome, "revalidated");
}

#[tokio::test]
async fn everything_learned_is_served_stale_when_the_upstream_is_down() {
    let upstream = FakeUpstream::new().module(A, "v1.0.0").query(A, "main", "v1.0.0").start().await;
    let world = Setup::chain(upstream.url()).start();
    world.list(A).await.expect("served");
    world.latest(A).await.expect("served");
    world.query(A, "main").await.expect("served");
    upstream.cut();
    world.clock.advance(Duration::from_secs(86_400));
    for served in [
        world.engine.list(&module(A), &Access::trusted("t")).await,
        world.engine.latest(&module(A), &Access::trusted("t")).await,
        world.engine.query(&module(A), &"main".parse().expect("a query"), &Access::trusted("t")).await,
    ] {
        let served = served.expect("served");
        assert!(matches!(served.outcome, Outcome::Stale { age } if age.as_secs() == 86_400), "{served:?}");
    }
}

#[tokio::test]
async fn junk_lines_and_pseudo_versions_stay_out_of_lists() {
    let body = format!("v1.1.0\n{PSEUDO}\nv1.0.0 2020-01-01T00:00:00Z\nmaster\n\nv2.0.0\nv1.1.0\n");
    let upstream = FakeUpstream::new().reply(LIST, Reply::ok("text/plain", body)).start().await;
    let world = Setup::chain(upstream.url()).start();
    assert_eq!(world.list(A).await.expect("served").text(), "v1.0.0\nv1.1.0");
}

#[tokio::test]
async fn a_module_without_tags_has_an_empty_list() {
    let upstream = FakeUpstream::new().reply(LIST, Reply::ok("text/plain", "")).start().await;
    let world = Setup::chain(upstream.url()).start();
    assert_eq!(world.list(A).await.expect("served").text(), "");
}

#[tokio::test]
async fn a_list_is_the_union_with_what_is_stored() {
    let upstream = FakeUpstream::new().module(A, "v1.0.0").module(A, "v1.1.0").start().await;
    let world = Setup::chain(upstream.url()).start();
    world.settled(A, "v1.0.0", ObjectKind::Mod).await;
    upstream.remove(A, "v1.0.0");
    assert_eq!(world.list(A).await.expect("served").text(), "v1.0.0\nv1.1.0");
    upstream.add(&larder_testkit::ModuleBuilder::new(A, "v1.2.0"));
    world.settled(A, "v1.2.0", ObjectKind::Mod).await;
    let got = world.list(A).await.expect("served");
    assert_eq!((got.text(), got.outcome), ("v1.0.0\nv1.1.0\nv1.2.0", "hit"));
}

#[tokio::test]
async fn latest_is_computed_where_an_upstream_has_none() {
    let upstream = FakeUpstream::new()
        .module(A, "v1.0.0")
        .module(A, "v1.1.0-rc.1")
        .module("example.com/pre", "v0.1.0-rc.1")
        .module("example.com/pre", "v0.1.0-rc.2")
        .module("example.com/untagged", PSEUDO)
        .reply("/example.com/untagged/@v/list", Reply::ok("text/plain", format!("{PSEUDO}\n")))
        .without_latest()
        .start()
        .await;
    let world = Setup::chain(upstream.url()).start();
    for (path, version) in
        [(A, "v1.0.0"), ("example.com/pre", "v0.1.0-rc.2"), ("example.com/untagged", PSEUDO)]
    {
        let got = world.latest(path).await.expect("served");
        assert!(got.text().contains(&format!("{version:?}")), "{path}: {}", got.text());
    }
    let failure = world.latest("example.com/none").await.expect_err("absent");
    assert_eq!(failure.reason, Reason::Absent);
}

#[tokio::test]
async fn a_query_is_answered_and_never_stored_as_an_object() {
    let upstream = FakeUpstream::new().module(A, "v1.2.3").query(A, "main", "v1.2.3").start().await;
    let world = Setup::chain(upstream.url()).start();
    assert!(world.query(A, "main").await.expect("served").text().contains("v1.2.3"));
    assert!(!world.stored(A, "v1.2.3", ObjectKind::Info));
    upstream.set_query(A, "main", "v1.2.3");
    let failure = world.query(A, "nowhere").await.expect_err("absent");
    assert_eq!(failure.reason, Reason::Absent);
}

#[tokio::test]
async fn what_is_stored_answers_when_nothing_was_learned() {
    let upstream = FakeUpstream::new()
        .module(A, "v1.0.0")
        .module(A, "v1.2.0")
        .module(A, "v1.3.0-rc.1")
        .module(A, PSEUDO)
        .start()
        .await;
    let world = Setup::chain(upstream.url()).start();
    for version in ["v1.0.0", "v1.2.0", "v1.3.0-rc.1", PSEUDO] {
        world.settled(A, version, ObjectKind::Mod).await;
    }
    world.settled(A, "v1.2.0", ObjectKind::Info).await;
    upstream.cut();
    let list = world.list(A).await.expect("served");
    assert_eq!((list.text(), list.outcome), ("v1.0.0\nv1.2.0\nv1.3.0-rc.1", "computed"));
    let latest = world.latest(A).await.expect("served");
    assert_eq!(&latest.body[..], &upstream.built(A, "v1.2.0").expect("built").info[..]);
    for (query, version) in [("v1", "v1.2.0"), ("v1.0", "v1.0.0"), ("0123456789ab", PSEUDO)] {
        let got = world.query(A, query).await.expect("served");
        assert!(got.text().contains(version), "{query}: {}", got.text());
    }
    let failure = world.query(A, "main").await.expect_err("nobody knows");
    assert_eq!(failure.reason, Reason::BadUpstream);
    assert_printable(&failure);
    // And with the chain off, as a configuration for no egress has it.
    let world = world.restarted(Setup::chain("off"));
    assert_eq!(world.list(A).await.expect("served").outcome, "computed");
    assert_eq!(world.latest("example.com/none").await.expect_err("off").reason, Reason::LookupsOff);
}

#[tokio::test]
async fn an_info_is_made_up_for_a_stored_version_while_nobody_can_be_asked() {
    let upstream = FakeUpstream::new().module(A, "v1.0.0").start().await;
    let world = Setup::chain(upstream.url()).start();
    world.settled(A, "v1.0.0", ObjectKind::Mod).await;
    world.settled(A, "v1.0.0", ObjectKind::Zip).await;
    upstream.cut();
    let got = world.get(A, "v1.0.0", ObjectKind::Info).await.expect("served");
    assert_eq!((got.text(), got.outcome), (r#"{"Version":"v1.0.0"}"#, "computed"));
    assert!(!world.stored(A, "v1.0.0", ObjectKind::Info));
    upstream.restore();
    assert_eq!(world.get(A, "v1.0.0", ObjectKind::Info).await.expect("served").outcome, "miss");
}

#[tokio::test]
async fn a_repository_that_is_gone_keeps_its_stored_versions() {
    let upstream = FakeUpstream::new().module(A, "v1.0.0").start().await;
    let world = Setup::chain(upstream.url()).start();
    world.settled(A, "v1.0.0", ObjectKind::Mod).await;
    world.list(A).await.expect("served");
    upstream.set_fault_everywhere(Fault::Status(404));
    world.clock.advance(Duration::from_secs(86_400));
    assert_eq!(world.list(A).await.expect("served").text(), "v1.0.0");
    assert!(world.latest(A).await.expect("served").text().contains("v1.0.0"));
    assert_eq!(world.list("example.com/none").await.expect_err("absent").reason, Reason::Absent);
    // With pseudo-versions only, the list is empty and the latest version is the newest of them.
    let b = "example.com/b";
    upstream.heal();
    upstream.add(&larder_testkit::ModuleBuilder::new(b, PSEUDO));
    world.settled(b, PSEUDO, ObjectKind::Mod).await;
    upstream.set_fault_everywhere(Fault::Status(404));
    assert_eq!(world.list(b).await.expect("served").text(), "");
    assert!(world.latest(b).await.expect("served").text().contains(PSEUDO));
}

#[tokio::test]
async fn cached_only_answers_come_from_the_store() {
    let upstream = FakeUpstream::new().module(A, "v1.0.0").start().await;
    let world = Setup::chain(upstream.url()).start();
    let ask = || async { world.engine.list(&module(A), &cached_only()).await };
    assert_eq!(ask().await.expect_err("nothing stored").reason, Reason::CachedOnly);
    assert_eq!(upstream.total(), 0);
    world.settled(A, "v1.0.0", ObjectKind::Mod).await;
    let got = read(ask().await.expect("stored")).await.expect("whole");
    assert_eq!(got.text(), "v1.0.0");
    assert_eq!(upstream.requests(LIST), 0);
}

#[tokio::test]
async fn many_askers_cause_one_request() {
    let upstream = FakeUpstream::new().module(A, "v1.0.0").delay(Duration::from_millis(100)).start().await;
    let world = Setup::chain(upstream.url()).start();
    let askers: Vec<_> = (0..100)
        .map(|_| {
            let engine = std::sync::Arc::clone(&world.engine);
            tokio::spawn(async move { engine.latest(&module(A), &Access::trusted("t")).await.is_ok() })
        })
        .collect();
    for asker in askers {
        assert!(asker.await.expect("no panic"));
    }
    assert_eq!(upstream.requests(LATEST), 1);
}

#[tokio::test]
async fn the_next_upstream_is_asked_after_absence_only() {
    let first = FakeUpstream::new().start().await;
    let second = FakeUpstream::new().module(A, "v1.0.0").start().await;
    let world = Setup::chain(format!("{first},{second}")).start();
    assert_eq!(world.list(A).await.expect("served").text(), "v1.0.0");
    first.set_fault(Endpoint::Latest, Fault::Status(500));
    assert_eq!(world.latest(A).await.expect_err("broken").reason, Reason::BadUpstream);
    assert_eq!(second.requests(LATEST), 0);
}
