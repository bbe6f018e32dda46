//! Module paths, versions and go-import pages that try to become options, commands, other places or other revisions. Whatever is
//! asked: git gets no such word where it could act on it, nothing is started but git and its own, no file appears outside.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use larder_testkit::git_server::Page;
use larder_testkit::git_stage::{CANARY, GitStage, HOST};
use larder_testkit::watch::Descendants;
use larder_testkit::{GitServer, LarderProcess, client, namespace, settings};

const BINARY: &str = env!("CARGO_BIN_EXE_larder");
const LIB: &str = "git.corp.example/team/lib";

/// Words that mean something to git, a shell, a file system or a URL parser. `CANARY` stands for the file that must not appear.
const WORDS: &[&str] = &[
    "--upload-pack=touch CANARY",
    "--upload-pack=touch\tCANARY;",
    "--exec=touch CANARY",
    "--output=CANARY",
    "--open-files-in-pager=touch CANARY",
    "--remote=.",
    "--config=core.hooksPath=.",
    "-oProxyCommand=touch CANARY",
    "-oProxyCommand=touch${IFS}CANARY",
    "-u",
    "-c",
    "-",
    "--",
    "---",
    "--end-of-options",
    "-h",
    "--help",
    "-v1.0.0",
    "--version",
    "/v1.0.0",
    "/etc/passwd",
    "//v1.0.0",
    "..",
    "../..",
    "../../../../etc/passwd",
    "v1.0.0/../v1.0.0",
    "./v1.0.0",
    "v1.0.0/.",
    "%2e%2e",
    "%2e%2e%2f%2e%2e",
    "%252e%252e",
    "%00",
    "%2fetc%2fpasswd",
    "%",
    "v1.0.0%0a",
    "v1.0.0\0",
    "v1.0.0\n",
    "v1.0.0\r\nHost: x",
    "v1.0.0\t",
    " v1.0.0",
    "v1.0.0 ",
    "\u{1b}[31mv1.0.0",
    "\u{7f}",
    "\u{7}",
    "ext::sh -c touch% CANARY",
    "ext::touch CANARY",
    "fd::17/x",
    "file:///etc",
    "file://localhost/tmp",
    "https://127.0.0.1/x",
    "ssh://-oProxyCommand=touch%20CANARY/x",
    "ssh://x/x",
    "git@x:y",
    "refs/heads/main",
    "refs/tags/v1.0.0",
    "refs/larder/c/x",
    "heads/main",
    "tags/v1.0.0",
    "origin/main",
    "HEAD~1",
    "HEAD^",
    "HEAD^{tree}",
    "HEAD:go.mod",
    "FETCH_HEAD",
    "main~1",
    "main^{tree}",
    "main^{/first}",
    "main..v1.0.0",
    "^main",
    "main@{1}",
    "main@{yesterday}",
    "@{u}",
    "@{-1}",
    "@",
    ":/first",
    ":0:go.mod",
    ":",
    "::",
    "v1.0.0:go.mod",
    "v1.0.0^{}",
    "v1.0.0^{commit}",
    "v1.0.0^0",
    "v1.0.0~0",
    "v1.0.0-0-g1234567",
    "+main",
    "+refs/*:refs/*",
    "*",
    "v1.*",
    "v1.0.?",
    "v1.0.[0-9]",
    "{v1.0.0,main}",
    "!main",
    "$(touch CANARY)",
    "`touch CANARY`",
    ";touch CANARY",
    "|touch CANARY",
    "&touch CANARY&",
    "'touch CANARY'",
    "\"touch CANARY\"",
    "a\\b",
    "v1.0.0\\..\\..",
    "!touch CANARY",
    "%(objectname)",
    "v1.0.0.lock",
    ".git",
    ".git/config",
    "v1.0.0/.git/config",
    "CON",
    "NUL",
    "nul.txt",
    "a~1",
    "\u{ff0d}v1.0.0",
    "\u{2010}\u{2010}upload-pack=x",
    "v1\u{2024}0\u{2024}0",
    "v\u{ff11}.0.0",
    "m\u{430}in",
    "main\u{200b}",
    "\u{202e}niam",
    "e\u{301}",
    "\u{feff}main",
    "\u{fffd}",
    "v1.0.0-20240101000000-111111111111",
    "v0.0.0-99999999999999-111111111111",
    "v0.0.0-20240101000000-zzzzzzzzzzzz",
    "v0.0.0-20240101000000--oProxyComma",
    "v99999999999999999999.0.0",
    "v1.0.0+--upload-pack=x",
    "v1.0.0-+x",
    "v1.0.0-.",
    "v1.0.0-..",
];

fn words() -> Vec<String> {
    let mut words: Vec<String> = WORDS.iter().map(|word| word.replace("CANARY", CANARY)).collect();
    words.extend(["a", "-", "/", "../", "%2e", "\u{e9}", "v1.0.0-"].iter().map(|part| part.repeat(1500)));
    words
}

/// Writes a word into the path of a request: everything that isn't plain is encoded.
fn encoded(word: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~/!$&'()*+,;=:@".contains(byte);
    word.bytes()
        .map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// Every request: each word as version, as part of a path, as host, at each of the endpoints.
fn requests() -> Vec<String> {
    let mut requests = Vec::new();
    for word in words() {
        let code = encoded(&word);
        requests.extend(["info", "mod", "zip"].map(|end| format!("/{LIB}/@v/{code}.{end}")));
        requests.push(format!("/{LIB}/{code}/@v/list"));
        requests.push(format!("/{HOST}/{code}/lib/@v/v1.0.0.info"));
        requests.push(format!("/{HOST}/team/{code}/@latest"));
        requests.push(format!("/{HOST}/team/{code}/@v/v1.0.0.zip"));
        requests.push(format!("/{code}/team/lib/@v/list"));
        // As it stands, where a request can hold it.
        if !word.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            requests.push(format!("/{LIB}/@v/{word}.info"));
            requests.push(format!("/{HOST}/team/{word}/@v/list"));
        }
    }
    requests
}

fn library(forge: &GitServer) {
    let mut lib = forge.repository(LIB);
    let first = lib.files(&[("go.mod", "module git.corp.example/team/lib\n"), ("a.go", "package lib\n")]);
    lib.tag("v1.0.0", first);
    lib.files(&[("a.go", "package lib // first\n")]);
    lib.save();
}

/// Asks for all with a few hands at a time; `judge` sees path, status and text of each answer.
fn ask_all(larder: &LarderProcess, paths: &[String], judge: impl Fn(&str, u16, &str) + Sync) {
    let next = AtomicUsize::new(0);
    let address = client::address_of(larder.url());
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let head =
                        format!("GET {path} HTTP/1.1\r\nHost: larder.example\r\nConnection: close\r\n\r\n");
                    let answer = client::exchange(address, head.as_bytes(), false, Duration::from_secs(60))
                        .unwrap_or_else(|error| panic!("{path:?}: {error}"));
                    judge(path, answer.status, &answer.text());
                }
            });
        }
    });
}

fn only_git(seen: &std::collections::BTreeSet<String>) {
    // The recorder is a shell script, and so is the stand-in for ssh.
    let known = ["larder", "git", "git-remote-http", "git-remote-https", "dash", "sh", "bash", "busybox"];
    assert!(seen.iter().all(|name| known.contains(&name.as_str())), "{seen:?}");
}

fn outside() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn paths_and_versions() {
    let mut stage = GitStage::new(BINARY);
    library(&stage.forge);
    let larder = stage.recorded("refs = \"1m\"").start();
    assert_eq!(larder.get(&format!("/{LIB}/@v/v1.0.0.zip")).status, 200);
    stage.remember_the_world(&[outside()]);
    let watched = Descendants::of(larder.id());
    let requests: Vec<_> = requests().into_iter().step_by(if settings::long() { 1 } else { 2 }).collect();
    assert!(requests.len() >= 500);
    let wrong = Mutex::new(Vec::new());
    ask_all(&larder, &requests, |path, status, text| {
        // A path that is none, a repository that isn't there, or one that the forge may hide.
        // A module without versions has an empty list, as with the go command.
        let empty_list = status == 200 && path.ends_with("/@v/list") && text.is_empty();
        if !empty_list && !matches!(status, 400 | 403 | 404 | 414) {
            let start: String = path.chars().take(200).collect();
            wrong.lock().expect("no panic").push(format!("{status} for {start:?}: {}", text.trim()));
        }
    });
    let wrong = wrong.into_inner().expect("no panic");
    assert!(wrong.is_empty(), "{} wrong answers:\n{}", wrong.len(), wrong.join("\n"));
    settings::say(&format!("{} requests, {} runs of git", requests.len(), stage.recorder.runs().len()));
    only_git(&watched.seen());
    stage.assert_tame();
    stage.assert_same_world();
    assert_eq!(larder.get(&format!("/{LIB}/@v/main.info")).status, 200);
}

#[test]
fn paths_in_mapped_urls() {
    let mut stage = GitStage::new(BINARY);
    let mapping = "[[repository]]\nmatch = [\"git.corp.example/*/*\"]\nurl = \"ssh://git@{host}/{1}/{2}.git\"\n\
                   [[repository]]\nmatch = [\"*.ssh.example/*\"]\nurl = \"ssh://git@{host}/{path}\"\n";
    let larder = stage
        .larder(&stage.recorder.program(), "refs = \"1m\"", mapping)
        .env("GIT_SSH_COMMAND", stage.recorder.ssh().to_string_lossy())
        .start();
    stage.remember_the_world(&[outside()]);
    let watched = Descendants::of(larder.id());
    let mut requests = Vec::new();
    for word in words().into_iter().step_by(if settings::long() { 1 } else { 3 }) {
        let code = encoded(&word);
        requests.push(format!("/{HOST}/team/{code}/@v/list"));
        requests.push(format!("/{HOST}/{code}/lib/@v/v1.0.0.info"));
        requests.push(format!("/{code}.ssh.example/lib/@v/list"));
        requests.push(format!("/{HOST}/team/lib/@v/{code}.info"));
    }
    ask_all(&larder, &requests, |path, status, text| {
        assert!(matches!(status, 400 | 403 | 404 | 414 | 502 | 503 | 504), "{path:?}: {status} {text}");
    });
    settings::say(&format!("{} requests, {} runs of ssh", requests.len(), stage.recorder.ssh_runs().len()));
    assert!(!stage.recorder.ssh_runs().is_empty(), "ssh was never asked");
    only_git(&watched.seen());
    stage.assert_tame();
    stage.assert_same_world();
}

/// What a page may put into its three fields and the folder.
fn pages(path: &str) -> Vec<String> {
    let good = format!("https://{LIB}.git");
    let mut contents = Vec::new();
    for word in words().into_iter().filter(|word| word.len() < 200) {
        let word = word.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
        contents.push(format!("{path} git {word}"));
        contents.push(format!("{path} git https://{HOST}/{word}"));
        contents.push(format!("{path} git https://{word}/team/lib"));
        contents.push(format!("{path} git {good} {word}"));
        contents.push(format!("{word} git {good}"));
        contents.push(format!("{path} {word} {good}"));
    }
    contents
}

#[test]
fn pages_of_a_hostile_forge() {
    if !namespace::inside("pages_of_a_hostile_forge", &[HOST]) {
        return;
    }
    let mut stage = GitStage::with(BINARY, GitServer::start_named(&[HOST]));
    library(&stage.forge);
    let larder = stage
        .larder(&stage.recorder.program(), "refs = \"1m\"", "")
        .env("GIT_SSH_COMMAND", stage.recorder.ssh().to_string_lossy())
        .start();
    assert_eq!(larder.get(&format!("/{LIB}/@v/v1.0.0.zip")).status, 200);
    stage.remember_the_world(&[outside()]);
    let watched = Descendants::of(larder.id());
    let step = if settings::long() { 1 } else { 5 };
    let mut requests = Vec::new();
    for (number, content) in pages("PAGE").into_iter().enumerate().step_by(step) {
        let path = format!("{HOST}/page/p{number}");
        stage.forge.page(&path, Page::Imports(vec![content.replace("PAGE", &path)]));
        requests.push(format!("/{path}/@v/{}", ["list", "v1.0.0.zip", "main.info"][number % 3]));
    }
    let right = AtomicUsize::new(0);
    ask_all(&larder, &requests, |path, status, text| {
        // A folder that is only another way to write the root is right; so is an empty list for a folder without versions.
        if status == 200 {
            right.fetch_add(1, Ordering::Relaxed);
        }
        assert!(matches!(status, 200 | 400 | 403 | 404 | 502 | 504), "{path:?}: {status} {text}");
    });
    settings::say(&format!(
        "{} pages, {right:?} answers, {} runs of git",
        requests.len(),
        stage.recorder.runs().len()
    ));
    only_git(&watched.seen());
    stage.assert_tame();
    stage.assert_same_world();
}
