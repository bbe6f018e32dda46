//! The index can be lost, broken or replaced at any time, and keeps what is no object within bounds.

mod common;

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use common::*;
use larder_module::request::ObjectKind;
use larder_store::{AnswerKey, AnswerRow, Cause, IndexState, Limits, Question, Store};
use larder_testkit::Rng;

fn answer(body: Option<&'static str>, checked_at: SystemTime) -> AnswerRow {
    AnswerRow {
        body: body.map(Bytes::from),
        etag: Some("\"tag\"".to_owned()),
        last_modified: None,
        source: "https://proxy.example.com".to_owned(),
        note: Some("a note".to_owned()),
        fetched_at: noon(),
        checked_at,
    }
}

fn answer_key(path: &str, question: Question) -> AnswerKey {
    AnswerKey { module: module(path), question, chain: "https://proxy.example.com".to_owned() }
}

#[test]
fn a_deleted_index_costs_no_object() {
    let folder = tempfile::tempdir().unwrap();
    let key = key("example.com/a", "v1.0.0", ObjectKind::Info);
    {
        let store = open(folder.path());
        assert_eq!(store.opening().index, IndexState::Created);
        put(&store, &key, b"{}").unwrap();
    }
    assert_eq!(open(folder.path()).opening().index, IndexState::Opened);
    for name in files_below(folder.path()).iter().filter(|name| name.starts_with("index.db")) {
        fs_err::remove_file(folder.path().join(name)).unwrap();
    }
    let store = open(folder.path());
    assert_eq!(store.opening().index, IndexState::Created);
    let object = store.sound_object(&key).unwrap().unwrap();
    assert!(object.row.is_none(), "it has to be examined again");
}

#[test]
fn an_index_deleted_under_us_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let first = key("example.com/a", "v1.0.0", ObjectKind::Info);
    put(&store, &first, b"{}").unwrap();
    for name in files_below(folder.path()).iter().filter(|name| name.starts_with("index.db")) {
        fs_err::remove_file(folder.path().join(name)).unwrap();
    }
    let other_process = open(folder.path());
    let second = key("example.com/a", "v1.1.0", ObjectKind::Info);
    put(&other_process, &second, b"{}").unwrap();
    // Readers beyond the idle ones open the file again and notice.
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for _ in 0..20 {
                    assert!(store.object(&first).unwrap().is_some());
                }
            });
        }
    });
    let third = key("example.com/a", "v1.2.0", ObjectKind::Info);
    put(&store, &third, b"{}").unwrap();
    assert!(store.sound_object(&third).unwrap().unwrap().row.is_some());
}

#[test]
fn a_file_that_is_no_index_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    fs_err::write(folder.path().join("index.db"), [b'x'; 9_000]).unwrap();
    let store = open(folder.path());
    let IndexState::Replaced { aside, .. } = &store.opening().index else { panic!("{:?}", store.opening()) };
    assert_eq!(fs_err::read(aside).unwrap(), [b'x'; 9_000]);
    let key = key("example.com/a", "v1.0.0", ObjectKind::Info);
    assert!(put(&store, &key, b"{}").unwrap().into_object().row.is_some());
}

#[test]
fn an_index_of_a_newer_larder_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    let connection = rusqlite::Connection::open(folder.path().join("index.db")).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let IndexState::Replaced { why, .. } = open(folder.path()).opening().index.clone() else {
        panic!("a newer index was taken")
    };
    assert!(why.contains("newer"), "{why}");
}

/// Bits flip in the index: whatever is read from it afterwards, every object is still there with its own bytes.
#[test]
fn a_rotten_index_condemns_no_object() {
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let mut rng = Rng::new(seed);
    let keys: Vec<_> =
        (0..60).map(|number| key("example.com/a", &format!("v1.{number}.0"), ObjectKind::Info)).collect();
    for round in 0..25 {
        let folder = quick_folder();
        {
            let store = open(folder.path());
            for key in &keys {
                put(&store, key, key.to_string().as_bytes()).unwrap();
            }
        }
        let path = folder.path().join("index.db");
        let mut bytes = fs_err::read(&path).unwrap();
        for _ in 0..=rng.below(40) {
            let at = rng.below(bytes.len());
            bytes[at] ^= 1 << rng.below(8);
        }
        if rng.one_in(5) {
            bytes.truncate(rng.below(bytes.len()));
        }
        fs_err::write(&path, bytes).unwrap();
        let store = open(folder.path());
        for key in &keys {
            let object = store.sound_object(key).unwrap();
            let object = object.unwrap_or_else(|| panic!("seed {seed}, round {round}: {key} was condemned"));
            assert_eq!(content(&object), key.to_string().as_bytes());
        }
        let new = key("example.com/b", "v1.0.0", ObjectKind::Info);
        put(&store, &new, b"{}").unwrap();
        // Rot that SQLite doesn't notice may hide the row, which costs another examination.
        let object = store.sound_object(&new).unwrap();
        assert!(object.is_some_and(|object| content(&object) == b"{}"), "seed {seed}, round {round}");
    }
}

#[test]
fn answers_are_kept_apart_and_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let list = answer_key("example.com/a", Question::List);
    let latest = answer_key("example.com/a", Question::Latest);
    let query = answer_key("example.com/a", Question::Query("master".to_owned()));
    let mut elsewhere = list.clone();
    elsewhere.chain = "https://other.example.com".to_owned();

    store.put_answer(&list, answer(Some("v1.0.0\n"), noon()));
    store.put_answer(&query, answer(None, noon()));
    store.flush();
    assert_eq!(store.answer(&list), Some(answer(Some("v1.0.0\n"), noon())));
    assert_eq!(store.answer(&query).unwrap().body, None);
    assert_eq!(store.answer(&latest), None);
    assert_eq!(store.answer(&elsewhere), None, "another chain would say something else");

    let later = noon() + Duration::from_secs(60);
    store.put_answer(&list, answer(Some("v1.1.0\n"), later));
    store.flush();
    let found = store.answer(&list).unwrap();
    assert_eq!((found.body.unwrap().as_ref(), found.checked_at), (&b"v1.1.0\n"[..], later));
    store.forget_answers(&module("example.com/a"));
    assert_eq!(store.answer(&list), None);
}

#[test]
fn a_forgotten_absence_takes_no_answer_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let list = answer_key("example.com/a", Question::List);
    let latest = answer_key("example.com/a", Question::Latest);
    store.put_answer(&list, answer(Some("v1.0.0\n"), noon()));
    store.put_answer(&latest, answer(None, noon()));
    store.flush();
    assert!(store.answer(&latest).is_some());
    store.forget_absence(&list);
    store.forget_absence(&latest);
    store.flush();
    assert!(store.answer(&list).is_some());
    assert_eq!(store.answer(&latest), None);
}

/// Another process holds the lock: whoever hands something over goes on at once, and publishers lose a moment.
#[test]
fn a_held_lock_stops_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let before = key("example.com/a", "v1.0.0", ObjectKind::Info);
    put(&store, &before, b"{}").unwrap();
    let other = rusqlite::Connection::open(folder.path().join("index.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let began = std::time::Instant::now();
    let large = AnswerRow { body: Some(vec![b'x'; 100_000].into()), ..answer(None, noon()) };
    for number in 0..2_000 {
        let path = format!("example.com/m{number}");
        store.put_answer(&answer_key(&path, Question::List), large.clone());
        store.put_cause(cause(&path, noon()));
        store.record_event("kind", &path, "detail");
    }
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    std::thread::scope(|scope| {
        for number in 0..100 {
            let store = &store;
            scope.spawn(move || {
                let key = key("example.com/a", &format!("v1.0.{number}"), ObjectKind::Mod);
                put(store, &key, b"module example.com/a\n").unwrap();
            });
        }
    });
    assert!(store.sound_object(&before).unwrap().unwrap().row.is_some());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    other.execute_batch("ROLLBACK").unwrap();
    let list = answer_key("example.com/after", Question::List);
    store.put_answer(&list, answer(Some("v1.0.0\n"), noon()));
    store.flush();
    assert!(store.answer(&list).is_some());
}

#[test]
fn answers_causes_and_events_are_bounded() {
    let folder = quick_folder();
    let mut options = options(folder.path());
    options.limits =
        Limits { answers: 10, absences: 5, causes: 20, cause_age: Duration::from_secs(86_400), events: 7 };
    let store = Store::open(options).unwrap();
    for number in 0..30_u64 {
        let at = noon() - Duration::from_secs(1_000 - number);
        let path = format!("example.com/m{number}");
        store.put_answer(&answer_key(&path, Question::List), answer(Some("v1.0.0\n"), at));
        store.put_answer(&answer_key(&path, Question::Latest), answer(None, at));
        store.put_cause(cause(&path, at));
        store.record_event("kind", &path, "detail");
    }
    store.prune();
    let kept = |question: &Question| {
        (0..30)
            .filter(|number| {
                store.answer(&answer_key(&format!("example.com/m{number}"), question.clone())).is_some()
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(kept(&Question::List), (20..30).collect::<Vec<_>>(), "the newest stay");
    assert_eq!(kept(&Question::Latest), (25..30).collect::<Vec<_>>());
    let causes: usize =
        (0..30).map(|number| store.causes(&module(&format!("example.com/m{number}"))).len()).sum();
    assert_eq!(causes, 20);
    let events = store.events(100);
    assert_eq!(events.len(), 7);
    assert_eq!(events[0].subject, "example.com/m29");
}

fn cause(path: &str, at: SystemTime) -> Cause {
    Cause {
        module: module(path),
        wanted: "v1.0.0.zip".to_owned(),
        upstream: "https://proxy.example.com".to_owned(),
        detail: "it was down".to_owned(),
        at,
    }
}

#[test]
fn causes_are_kept_for_a_day() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let a = module("example.com/a");
    store.put_cause(cause("example.com/a", noon() - Duration::from_secs(25 * 3_600)));
    store.put_cause(cause("example.com/a", noon() - Duration::from_secs(23 * 3_600)));
    store.put_cause(cause("example.com/a", noon()));
    store.put_cause(cause("example.com/b", noon()));
    store.flush();
    let causes = store.causes(&a);
    assert_eq!(
        causes.iter().map(|cause| cause.at).collect::<Vec<_>>(),
        [noon(), noon() - Duration::from_secs(23 * 3_600)]
    );
    for _ in 0..100 {
        store.put_cause(cause("example.com/a", noon()));
    }
    store.flush();
    assert_eq!(store.causes(&a).len(), 16, "one module can't fill the table");
    store.forget_causes(&a);
    assert_eq!(store.causes(&a), []);
    assert_eq!(store.causes(&module("example.com/b")).len(), 1);
}

#[test]
fn two_processes_write_one_index() {
    let folder = tempfile::tempdir().unwrap();
    let stores = [open(folder.path()), open(folder.path()), open(folder.path())];
    std::thread::scope(|scope| {
        for (number, store) in stores.iter().enumerate() {
            scope.spawn(move || {
                for version in 0..20 {
                    let key =
                        key(&format!("example.com/m{number}"), &format!("v1.{version}.0"), ObjectKind::Info);
                    put(store, &key, b"{}").unwrap();
                }
            });
        }
    });
    for number in 0..3 {
        for version in 0..20 {
            let key = key(&format!("example.com/m{number}"), &format!("v1.{version}.0"), ObjectKind::Info);
            assert!(stores[0].object(&key).unwrap().unwrap().row.is_some(), "{key}");
        }
    }
}
