//! What a journal is told: who asked, who was asked, and how both ended.

use std::{
    net::IpAddr,
    sync::{Arc, LazyLock, Mutex},
};

use larder_cache::{Access, Answered, Fetched, Journal, Session};
use larder_module::request::ObjectKind;
use larder_testkit::FakeUpstream;

use crate::common::{Setup, of};

#[derive(Debug, Default)]
struct Notes {
    answered: Mutex<Vec<Answered>>,
    fetched: Mutex<Vec<Fetched>>,
}

impl Journal for Notes {
    fn answered(&self, answer: Answered) {
        self.answered.lock().expect("no panic").push(answer);
    }

    fn fetched(&self, fetch: Fetched) {
        self.fetched.lock().expect("no panic").push(fetch);
    }
}

static NOTES: LazyLock<Arc<Notes>> = LazyLock::new(Arc::default);

#[tokio::test]
async fn a_journal_is_told_of_every_answer_and_of_every_upstream_that_was_asked() {
    const A: &str = "example.com/A";
    let empty = FakeUpstream::new().start().await;
    let upstream = FakeUpstream::new().module(A, "v1.0.0").start().await;
    let mut setup = Setup::chain(format!("{},{}", empty.url(), upstream.url()));
    setup.adjust = |settings| settings.journal = Some(Arc::<Notes>::clone(&NOTES));
    let world = setup.start();
    let session = Session { connection: 1, client: IpAddr::from([127, 0, 0, 1]) };
    let client = Access { session: Some(session), ..Access::trusted("test") };

    world.get(A, "v1.0.0", ObjectKind::Zip).await.expect("served");
    world.settled(A, "v1.0.0", ObjectKind::Zip).await;
    world.get_as(A, "v1.0.0", ObjectKind::Zip, &client).await.expect("served");
    world.engine.object(&of(A, "v1.1.0"), ObjectKind::Mod, &client).await.expect_err("absent");
    world.list(A).await.expect("a list");

    let answers = NOTES.answered.lock().expect("no panic");
    let of_client: Vec<_> = answers
        .iter()
        .filter(|answer| answer.by_client)
        .map(|answer| (answer.path.as_str(), answer.outcome, answer.failed))
        .collect();
    assert_eq!(
        of_client,
        [("/example.com/!a/@v/v1.0.0.zip", "hit", false), ("/example.com/!a/@v/v1.1.0.mod", "absent", true)]
    );
    assert!(answers.iter().all(|answer| answer.began <= answer.ended));

    let fetches = NOTES.fetched.lock().expect("no panic");
    let zips: Vec<_> = fetches.iter().filter(|fetch| fetch.path.ends_with(".zip")).collect();
    let [refused, brought] = zips[..] else { panic!("{zips:?}") };
    assert!(refused.is_absence && refused.failure.is_some() && refused.upstream.as_str() == empty.url());
    assert!(brought.failure.is_none() && brought.upstream.as_str() == upstream.url());
    assert_eq!(brought.bytes, upstream.built(A, "v1.0.0").expect("built").zip.len() as u64);
    let first = brought.first_byte.expect("it was seen");
    assert!(refused.ended <= brought.began && brought.wanted <= brought.began);
    assert!(brought.began <= first && first <= brought.ended);
    assert!(fetches.iter().any(|fetch| fetch.path == "/example.com/!a/@v/list" && fetch.failure.is_none()));
}
