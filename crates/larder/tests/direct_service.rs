//! `direct` as a service: what `larder serve` shows of repositories besides their modules.

use std::time::Duration;

use larder_testkit::git_server::Strangers;
use larder_testkit::{GitServer, Larder, LarderProcess};

const BINARY: &str = env!("CARGO_BIN_EXE_larder");
const LIB: &str = "git.corp.example/team/lib";

fn forge() -> GitServer {
    let forge = GitServer::start();
    publish(&forge, "v1.0.0", "package lib\n");
    forge
}

/// Tags a commit with this file; a tag that exists is moved.
fn publish(forge: &GitServer, tag: &str, text: &str) -> String {
    let mut lib = forge.repository(LIB);
    let commit = lib.files(&[("go.mod", "module git.corp.example/team/lib\n\ngo 1.21\n"), ("lib.go", text)]);
    lib.tag(tag, commit);
    lib.save();
    lib.hash(commit)
}

/// A Larder that finds the team's repositories at the forge, and keeps no answer for long.
fn larder(forge: &GitServer, more: &str) -> Larder {
    let (url, authority) = (forge.url("git.corp.example/team/{1}"), forge.authority_file());
    Larder::new(BINARY).upstream("off").env("GOSUMDB", "off").config(&format!(
        "[answers]\nfresh = \"0s\"\nnegative = \"0s\"\n[upstream]\nca = [\"{}\"]\n\
         [[route]]\nmatch = [\"git.corp.example\"]\nchain = \"direct\"\nprivate = true\n\
         [[repository]]\nmatch = [\"git.corp.example/team/*\"]\nurl = \"{url}\"\n[git]\nrefs = \"0s\"\n{more}",
        authority.display()
    ))
}

fn said(larder: &LarderProcess, path: &str) -> (u16, String) {
    let response = larder.get(path);
    let text = response.text();
    assert!(text.lines().count() <= 8 && text.len() <= 600 || response.status == 200, "{text}");
    (response.status, text)
}

#[test]
fn a_tag_that_moved_is_found_and_its_version_kept() {
    let forge = forge();
    let prepared = larder(&forge, "");
    let mut running = prepared.start();
    let zip = running.get(&format!("/{LIB}/@v/v1.0.0.zip"));
    assert_eq!(zip.status, 200, "{}", zip.text());
    let info = running.get(&format!("/{LIB}/@v/v1.0.0.info")).text();
    assert_eq!(running.get("/-/api/v1/findings").text(), "{\"findings\":[]}\n");

    let moved = publish(&forge, "v1.0.0", "package lib // something else\n");
    for _ in 0..3 {
        assert_eq!(running.get(&format!("/{LIB}/@v/list")).text().trim(), "v1.0.0");
    }
    let warned = running.wait_for_line(Duration::from_secs(20), |line| line.contains("keeps its bytes"));
    let warned = warned.expect("the log says that the tag moved");
    let was = info.split("\"Hash\":\"").nth(1).and_then(|rest| rest.get(..40)).expect("a commit").to_owned();
    for part in [LIB, "v1.0.0", "refs/tags/v1.0.0", &was, &moved] {
        assert!(warned.contains(part), "{part}: {warned}");
    }
    let findings = running.get("/-/api/v1/findings").text();
    for part in ["\"kind\":\"tag-moved\"", "\"subject\":\"git.corp.example/team/lib@v1.0.0\"", &was, &moved] {
        assert!(findings.contains(part), "{part}: {findings}");
    }
    assert_eq!(findings.matches("tag-moved").count(), 1, "{findings}");
    let metrics = running.get("/-/metrics").text();
    for line in ["larder_events_total{event=\"tag-moved\"} 1", "larder_git_running 0", "larder_git_mirrors 1"]
    {
        assert!(metrics.lines().any(|found| found == line), "{line}:\n{metrics}");
    }
    assert!(!metrics.contains("corp"), "the metrics name nothing private");
    assert_eq!(running.get(&format!("/{LIB}/@v/v1.0.0.zip")).body, zip.body);
    // What is fetched later belongs to the same commit.
    assert_eq!(running.get(&format!("/{LIB}/@v/v1.0.0.mod")).status, 200);

    assert!(running.terminate(Duration::from_secs(20)).expect("it stops").success());
    let verified = prepared.run(&["verify", "--data", &prepared.data().to_string_lossy()]);
    let text = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(verified.status.success() && text.contains(&was) && text.contains(&moved), "{text}");
    let again = prepared.start();
    assert_eq!(again.get(&format!("/{LIB}/@v/list")).status, 200);
    assert_eq!(again.get("/-/api/v1/findings").text().matches("tag-moved").count(), 1);
}

#[test]
fn a_version_is_of_one_commit_even_if_its_tag_moves_between_its_files() {
    let forge = forge();
    let running = larder(&forge, "").start();
    let info = running.get(&format!("/{LIB}/@v/v1.0.0.info"));
    assert_eq!(info.status, 200, "{}", info.text());
    publish(&forge, "v1.0.0", "package lib // something else\n");
    let zip = running.get(&format!("/{LIB}/@v/v1.0.0.zip"));
    assert_eq!(zip.status, 200, "{}", zip.text());
    let at_first = larder(&self::forge(), "").start().get(&format!("/{LIB}/@v/v1.0.0.zip"));
    assert_eq!(zip.body, at_first.body, "info and zip are of different commits");
}

#[test]
fn a_netrc_line_is_a_login_even_for_a_forge_that_asks_for_none() {
    for (password, list, absent) in [("canary", 200, 404), ("canary-old", 502, 502), ("", 403, 403)] {
        let forge = forge();
        forge.protect("git.corp.example/team", "robot", "canary", Strangers::Denied);
        let prepared = larder(&forge, "");
        let line = match password {
            "" => "machine elsewhere.example login robot password canary\n".to_owned(),
            _ => format!("machine {} login robot password {password}\n", forge.address()),
        };
        fs_err::write(prepared.folder().join("home/.netrc"), line).expect("a temporary folder");
        let running = prepared.start();
        let (status, text) = said(&running, &format!("/{LIB}/@v/list"));
        assert_eq!(status, list, "{password}: {text}");
        let (status, text) = said(&running, "/git.corp.example/team/none/@v/list");
        assert_eq!(status, absent, "{password}: {text}");
        assert!(!running.log().concat().contains("canary"));
    }
}

#[test]
fn what_is_wrong_is_said_and_has_its_status() {
    let forge = forge();
    let list = format!("/{LIB}/@v/list");
    forge.protect("git.corp.example/team", "robot", "canary", Strangers::Challenged);
    let running = larder(&forge, "").start();
    let (status, text) = said(&running, &list);
    assert!(status == 403 && text.contains("asks for a login that Larder does not have"), "{text}");
    assert!(text.contains("\n| "), "the forge's words are missing: {text}");
    assert!(text.contains("docs/private-modules.md"), "{text}");

    // Who hides from strangers has not said that there is nothing.
    let (status, text) = said(&running, "/git.corp.example/team/none/@v/list");
    assert_eq!(status, 403, "{text}");

    let running = larder(&forge, "program = \"/nowhere/git\"\n").start();
    let (status, text) = said(&running, &list);
    assert!(status == 502 && text.contains("/nowhere/git"), "{status} {text}");
    let log = running.log().join("\n");
    assert!(log.contains("there is no program /nowhere/git"), "{log}");

    let running = larder(&forge, "").env("GOVCS", "git.corp.example:off").start();
    let (status, text) = said(&running, &list);
    assert!(status == 403 && text.contains("GOVCS"), "{status} {text}");

    let refused = larder(&forge, "").env("GOVCS", "git.corp.example").try_start().expect_err("refused");
    assert!(refused.contains("GOVCS"), "{refused}");
}
