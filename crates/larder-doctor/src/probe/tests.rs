//! Walks against fake upstreams.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use larder_testkit::sumdb::FakeSumdb;
use larder_testkit::{FakeUpstream, Fault, ModuleBuilder};

use super::*;
use crate::settings::{GoSetting, SettingFacts};
use crate::symptom::{Stage, Symptom};
use crate::{Subject, System};

fn settings(values: &[(&str, &str)]) -> SettingFacts {
    let go = values.iter().map(|(name, value)| GoSetting {
        name: (*name).to_owned(),
        value: (*value).to_owned(),
        ..GoSetting::default()
    });
    SettingFacts { go: go.collect(), ..SettingFacts::default() }
}

async fn walked(values: &[(&str, &str)], subject: Option<(&str, Option<&str>)>) -> Walked {
    let home = tempfile::tempdir().unwrap();
    let path = larder_testkit::settings::machine("PATH").unwrap_or_default();
    let system = System {
        environment: BTreeMap::from([
            ("HOME".to_owned(), home.path().display().to_string()),
            ("PATH".to_owned(), path),
        ]),
        folder: home.path().to_owned(),
        root: "/".into(),
        now: SystemTime::UNIX_EPOCH + Duration::from_secs(1_780_000_000),
    };
    let settings = settings(values);
    let subject = subject
        .map(|(module, version)| Subject { module: module.to_owned(), version: version.map(str::to_owned) });
    let errand = Errand {
        system: &system,
        settings: &settings,
        project: None,
        go: None,
        subject: subject.as_ref(),
        missing: None,
        budget: Budget { time: Duration::from_secs(6), ..Budget::default() },
    };
    walk(&errand).await
}

const MODULE: &str = "example.com/m";

fn good() -> FakeUpstream {
    FakeUpstream::new().with(&ModuleBuilder::new(MODULE, "v1.0.0"))
}

fn kinds(walked: &Walked) -> Vec<(Stage, Trouble)> {
    walked.symptoms.iter().map(|symptom| (symptom.stage.clone(), symptom.trouble.clone())).collect()
}

fn parts(walked: &Walked, endpoint: Endpoint) -> Vec<Part> {
    walked
        .facts
        .requests
        .iter()
        .filter(|probe| probe.endpoint == endpoint && probe.module.as_deref() == Some(MODULE))
        .map(|probe| probe.part)
        .collect()
}

#[tokio::test]
async fn a_good_chain_has_nothing_to_say() {
    let sumdb = FakeSumdb::new("sum.example.com", 1);
    let upstream = good().sumdb(&sumdb).start_blocking();
    let key = sumdb.verifier_key();
    for version in [Some("v1.0.0"), None, Some("latest")] {
        let walked = walked(&[("GOPROXY", upstream.url()), ("GOSUMDB", &key)], Some((MODULE, version))).await;
        assert_eq!(kinds(&walked), [], "{version:?}");
        let zip = walked.facts.requests.iter().find(|probe| probe.endpoint == Endpoint::Zip).unwrap();
        let lookup = walked
            .facts
            .requests
            .iter()
            .find(|probe| probe.checksum_database.as_deref() == Some("lookup"))
            .unwrap();
        assert!(zip.h1.is_some());
        assert_eq!(zip.h1, lookup.h1);
        assert_eq!(zip.agent, "Go-http-client/1.1");
        assert_eq!(walked.facts.clock_offsets.len(), 0, "the fake sends no date");
    }
}

#[tokio::test]
async fn a_package_is_found_in_its_module() {
    let module = ModuleBuilder::new(MODULE, "v1.0.0").file("sub/pkg/p.go", "package pkg\n");
    let upstream = FakeUpstream::new().with(&module).start_blocking();
    let values = [("GOPROXY", upstream.url()), ("GOSUMDB", "off")];
    let found = walked(&values, Some(("example.com/m/sub/pkg", None))).await;
    assert_eq!(kinds(&found), []);
    let found = walked(&values, Some(("example.com/m/other", None))).await;
    let expected = "module example.com/m@v1.0.0 found, but does not contain package example.com/m/other";
    assert_eq!(found.symptoms[0].text, expected);
}

#[tokio::test]
async fn every_entry_is_asked_and_one_decides() {
    let broken = good().always(403).start_blocking();
    let spare = good().start_blocking();
    let list = format!("{},{}", broken.url(), spare.url());
    let walked = walked(&[("GOPROXY", &list), ("GOSUMDB", "off")], Some((MODULE, Some("v1.0.0")))).await;
    assert_eq!(kinds(&walked), [(Stage::Proxy(Endpoint::Info), Trouble::Status { code: 403 })]);
    assert_eq!(parts(&walked, Endpoint::Mod), [Part::Decides, Part::NotReached]);
    assert!(walked.symptoms[0].text.contains("403 Forbidden"), "{}", walked.symptoms[0].text);
    assert!(
        walked
            .facts
            .requests
            .iter()
            .any(|probe| probe.part == Part::Compares && probe.agent.contains("Mozilla"))
    );
}

#[tokio::test]
async fn private_names_stay_where_the_go_command_leaves_them() {
    let inside = good().start_blocking();
    let outside = good().start_blocking();
    let sumdb = FakeSumdb::new("sum.example.com", 1).start().await;
    let list = format!("{},{}", inside.url(), outside.url());
    let gosumdb = sumdb.gosumdb();
    let values = [("GOPROXY", list.as_str()), ("GOSUMDB", gosumdb.as_str()), ("GONOSUMDB", "example.com")];
    let found = walked(&values, Some((MODULE, Some("v1.0.0")))).await;
    assert_eq!(kinds(&found), []);
    assert_eq!(outside.total(), 0);
    assert_eq!(sumdb.sumdb().requests(), Vec::<String>::new());
    // Without the pattern, the second entry is looked at, too.
    walked(&values[..1], Some((MODULE, Some("v1.0.0")))).await;
    assert!(outside.total() > 0);
}

#[tokio::test]
async fn what_is_served_badly_is_named() {
    for (fault, endpoint, expected) in [
        (Fault::Status(429), larder_testkit::Endpoint::Info, "reading"),
        (Fault::HtmlOk, larder_testkit::Endpoint::Info, "invalid character '<'"),
        (Fault::EmptyBody, larder_testkit::Endpoint::Info, "unexpected end of JSON input"),
        (Fault::WrongVersion, larder_testkit::Endpoint::Info, "instead of requested version"),
        (Fault::HtmlOk, larder_testkit::Endpoint::Zip, "zip: not a valid zip file"),
        (Fault::BrokenZip, larder_testkit::Endpoint::Zip, "zip"),
        (Fault::OtherModule, larder_testkit::Endpoint::Zip, "not below the module's own folder"),
        (Fault::TruncatedLength, larder_testkit::Endpoint::Zip, "unexpected EOF"),
        (Fault::RedirectLoop, larder_testkit::Endpoint::Info, "stopped after 10 redirects"),
        (Fault::NoContent, larder_testkit::Endpoint::Info, "204 No Content"),
        (Fault::Reset, larder_testkit::Endpoint::Mod, "connection reset by peer"),
        (Fault::Closed, larder_testkit::Endpoint::Mod, "EOF"),
        (Fault::Garbage, larder_testkit::Endpoint::Mod, "malformed HTTP response"),
    ] {
        let upstream = good().fault(endpoint, fault.clone()).start_blocking();
        let walked =
            walked(&[("GOPROXY", upstream.url()), ("GOSUMDB", "off")], Some((MODULE, Some("v1.0.0")))).await;
        let texts: Vec<&str> = walked.symptoms.iter().map(|symptom| symptom.text.as_str()).collect();
        assert!(texts.iter().any(|text| text.contains(expected)), "{fault:?}: {texts:?}");
        assert_eq!(texts.len(), 1, "{fault:?}: {texts:?}");
    }
}

#[tokio::test]
async fn a_hash_that_the_database_does_not_know_is_a_mismatch() {
    let sumdb = FakeSumdb::new("sum.example.com", 1);
    let upstream = good().sumdb(&sumdb).fault(larder_testkit::Endpoint::Zip, Fault::FlippedByte);
    let other = ModuleBuilder::new(MODULE, "v1.0.0").file("extra.go", "package m\n").build();
    let upstream = upstream.start_blocking();
    upstream.heal();
    let path = other.url_path("zip");
    upstream.set_reply(&path, larder_testkit::Reply::ok("application/zip", other.zip.clone()));
    let key = sumdb.verifier_key();
    let walked =
        walked(&[("GOPROXY", upstream.url()), ("GOSUMDB", &key)], Some((MODULE, Some("v1.0.0")))).await;
    let found: Vec<&Symptom> = walked.symptoms.iter().collect();
    assert!(
        matches!(found.as_slice(), [Symptom { trouble: Trouble::Mismatch { go_mod: false, .. }, .. }]),
        "{found:?}"
    );
}

#[tokio::test]
async fn databases_that_fail_are_told_apart() {
    let sumdb = FakeSumdb::new("sum.example.com", 1);
    let key = sumdb.verifier_key();
    let upstream = good().sumdb(&sumdb).start_blocking();
    let supported = "/sumdb/sum.example.com/supported";
    for (reply, expected) in [
        (larder_testkit::Reply::status(403, "text/plain", "no"), "reading"),
        (larder_testkit::Reply::ok("text/html", "<html>"), ""),
    ] {
        upstream.set_reply(supported, reply);
        let walked =
            walked(&[("GOPROXY", upstream.url()), ("GOSUMDB", &key)], Some((MODULE, Some("v1.0.0")))).await;
        let texts: Vec<&str> = walked.symptoms.iter().map(|symptom| symptom.text.as_str()).collect();
        assert!(texts.iter().all(|text| text.contains(expected)), "{texts:?}");
        assert_eq!(texts.is_empty(), expected.is_empty());
    }
    let wrong = FakeSumdb::new("sum.example.com", 2).verifier_key();
    let walked =
        walked(&[("GOPROXY", upstream.url()), ("GOSUMDB", &wrong)], Some((MODULE, Some("v1.0.0")))).await;
    assert!(walked.symptoms[0].text.contains("no verifiable signatures"), "{:?}", walked.symptoms);
}

#[tokio::test]
async fn without_a_subject_only_what_tells_nothing_is_asked() {
    let upstream = good().start_blocking();
    let found = walked(&[("GOPROXY", upstream.url()), ("GOSUMDB", "off")], None).await;
    assert_eq!(kinds(&found), []);
    assert!(upstream.log().iter().all(|asked| asked.path.contains("/golang.org/x/text/")));
    let down = walked(&[("GOPROXY", "http://127.0.0.1:9"), ("GOSUMDB", "off")], None).await;
    assert_eq!(down.symptoms.len(), 1, "{:?}", down.symptoms);
}
