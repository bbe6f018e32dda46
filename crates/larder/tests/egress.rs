//! Names of private modules stay inside: whatever is asked about them, nobody outside their route hears of it.
//!
//! Everything that could hear something is a recorder: the public proxy with the checksum database behind it, the hosts that pages
//! and redirects point to, a forward proxy, and clients that may not have private modules. Every private name holds a word
//! that nothing else holds.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use larder_testkit::git_server::{GitFault, Page, Stage};
use larder_testkit::module::escape;
use larder_testkit::{FakeUpstream, GitServer, LarderProcess, Scenario, client, namespace, settings};

const BINARY: &str = env!("CARGO_BIN_EXE_larder");
/// In every private name, and nowhere else.
const CANARY: &str = "canary";
/// Private by `GOPRIVATE`, by `GONOPROXY`, by a route.
const PRIVATE: [&str; 3] = ["git.corp.example", "code.corp.example", "src.corp.example"];
/// A public forge that has private repositories below one name.
const SHARED: &str = "github.com";
/// Hosts that no setting names. All of them can be reached.
const FOREIGN: [&str; 4] = ["elsewhere.example", "internal.example", "proxy.example.com", "sum.example.com"];
const VANITY: &str = "vanity.example";
/// Where the foreign hosts are: an address that nothing keeps Larder from asking.
const ABROAD: &str = "93.184.216.34";
const NAMES: usize = 1000;
const STRANGER: (&str, &str) = ("X-Forwarded-For", "203.0.113.7");

fn hosts() -> Vec<&'static str> {
    PRIVATE.into_iter().chain([SHARED, VANITY]).chain(FOREIGN).collect()
}

/// Gives the foreign hosts an address that isn't inside, in the namespace of the test, and listens there.
fn abroad() -> [Recorder; 3] {
    let known = fs_err::read_to_string("/etc/hosts").expect("the namespace has one");
    let mut hosts: Vec<String> = known.lines().map(str::to_owned).collect();
    hosts.retain(|line| !FOREIGN.iter().any(|host| line.ends_with(host)));
    hosts.extend(FOREIGN.map(|host| format!("{ABROAD} {host}")));
    fs_err::write("/etc/hosts", hosts.join("\n") + "\n").expect("the namespace has its own");
    let added = Command::new("ip").args(["address", "add", &format!("{ABROAD}/32"), "dev", "lo"]).status();
    assert!(added.is_ok_and(|status| status.success()), "an address in a namespace of one's own");
    [443, 80, 22].map(|port| Recorder::at(&format!("{ABROAD}:{port}")))
}

/// Takes in all bytes of all connections, and answers each with a refusal.
struct Recorder {
    port: u16,
    heard: Arc<Mutex<Vec<u8>>>,
    connections: Arc<AtomicUsize>,
}

impl Recorder {
    fn start() -> Self {
        Self::at("127.0.0.1:0")
    }

    fn at(address: &str) -> Self {
        let listener = TcpListener::bind(address).expect("the address is this machine's and the port free");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let (heard, connections) = (Arc::<Mutex<Vec<u8>>>::default(), Arc::<AtomicUsize>::default());
        let (all, count) = (Arc::clone(&heard), Arc::clone(&connections));
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::Relaxed);
                let all = Arc::clone(&all);
                std::thread::spawn(move || {
                    let mut buffer = [0; 4096];
                    while let Ok(length @ 1..) = stream.read(&mut buffer) {
                        all.lock().expect("nobody panics holding it").extend_from_slice(&buffer[..length]);
                        // The begin of TLS; whoever speaks it needn't wait for an answer.
                        if buffer[0] == 0x16 {
                            return;
                        }
                        if buffer[..length].ends_with(b"\r\n\r\n") {
                            stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n").ok();
                            return;
                        }
                    }
                });
            }
        });
        Self { port, heard, connections }
    }

    /// Begins anew, and returns how many connections there were.
    fn forget(&self) -> usize {
        self.connections.swap(0, Ordering::Relaxed)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.heard.lock().expect("nobody panics holding it")).to_lowercase()
    }
}

/// Private names of every shape: roots, folders, major versions, upper case, what lies below a repository, what exists.
fn names() -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    // These few cost runs of git: what exists, a well-known host without pages, paths with `.git`.
    for host in PRIVATE {
        names.push(format!("{host}/team/canary-lib0"));
    }
    names.push(format!("{}/team/canary-lib0/sub", PRIVATE[0]));
    names.push(format!("{}/team/canary-lib0/v2", PRIVATE[1]));
    names.push(format!("{}/team/canary-lib1", PRIVATE[1]));
    names.push(format!("{}/team/canary-lib0/canary/below", PRIVATE[2]));
    names.extend((0..2).map(|number| format!("{SHARED}/acme/canary{number}")));
    names.push(format!("{}/team/canary.git/x", PRIVATE[0]));
    for number in names.len()..NAMES {
        let host = PRIVATE[number % PRIVATE.len()];
        names.push(match number / PRIVATE.len() % 6 {
            0 => format!("{host}/canary{number}"),
            1 => format!("{host}/Team/Canary{number}/Sub"),
            2 => format!("{host}/team/canary{number}/v2"),
            3 => format!("{host}/canary{number}/deep/er/path/v3"),
            4 => format!("{host}/imports/canary{number}"),
            _ => format!("{host}/moved/canary{number}"),
        });
    }
    names
}

/// All that can be asked about a module.
fn questions(name: &str) -> Vec<String> {
    let name = escape(name);
    let mut questions: Vec<String> = [
        "list",
        "v1.0.0.info",
        "v1.0.0.mod",
        "v1.0.0.zip",
        "v2.0.0+incompatible.info",
        "v0.0.0-20240101120000-0123456789ab.info",
        "main.info",
        "0123456789ab.info",
        "v1.info",
    ]
    .iter()
    .map(|rest| format!("/{name}/@v/{rest}"))
    .collect();
    questions.push(format!("/{name}/@latest"));
    questions.push(format!("/sumdb/sum.example.com/lookup/{name}@v1.0.0"));
    questions.push(format!("/cached-only/{name}/@v/list"));
    questions.push(format!("/cached-only/{name}/@v/v1.0.0.zip"));
    questions
}

/// The private hosts, with pages that try to lead elsewhere.
fn forge() -> GitServer {
    let forge = GitServer::start_named(&hosts());
    for host in PRIVATE {
        for number in 0..2 {
            let name = format!("{host}/team/canary-lib{number}");
            let mut repository = forge.repository(&name);
            let commit = repository.files(&[
                ("go.mod", &format!("module {name}\n")),
                ("sub/go.mod", &format!("module {name}/sub\n")),
                ("v2/go.mod", &format!("module {name}/v2\n")),
                ("lib.go", "package lib\n"),
            ]);
            for tag in ["v1.0.0", "v2.0.0", "sub/v1.0.0"] {
                repository.tag(tag, commit);
            }
            repository.save();
        }
    }
    for name in names() {
        if name.contains("/imports/") {
            let (system, target) = match name.len() % 2 {
                0 => ("git", format!("https://elsewhere.example/{name}.git")),
                _ => ("mod", "https://proxy.example.com/".to_owned()),
            };
            forge.page(&name, Page::import(&name, system, &target));
        } else if name.contains("/moved/") {
            forge.page(&name, Page::Redirect(format!("https://elsewhere.example/{name}?go-get=1")));
        }
    }
    for setting in ["goprivate", "gonoproxy"] {
        let name = format!("{VANITY}/open-{setting}");
        forge.page(&name, Page::import(&name, "git", &format!("https://elsewhere.example/{setting}.git")));
    }
    // A repository that sends git elsewhere.
    let target = "https://elsewhere.example/canary".to_owned();
    forge.fault(
        "code.corp.example/team/canary-lib1",
        Some(Stage::Advertisement),
        GitFault::Redirect(target),
        None,
    );
    forge
}

/// Asks everything about every name, with a few at a time; returns how often each status came.
fn ask_all(
    larder: &LarderProcess,
    names: &[String],
    of_each: impl Fn(&str) -> Vec<String> + Sync,
) -> BTreeMap<u16, usize> {
    let (next, statuses) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                    for question in of_each(name) {
                        let answer = larder.get(&question);
                        let known = matches!(answer.status, 200 | 403 | 404 | 502 | 503);
                        assert!(known, "{question}: {} {}", answer.status, answer.text());
                        *statuses.lock().expect("no panics").entry(answer.status).or_insert(0) += 1;
                    }
                }
            });
        }
    });
    statuses.into_inner().expect("no panics")
}

/// Asserts that no private name went to a host that isn't its own.
fn nothing_leaked(scene: &Scenario, forge: &GitServer, abroad: &[Recorder]) {
    for recorder in abroad {
        let count = recorder.connections.load(Ordering::Relaxed);
        assert_eq!(count, 0, "port {}: {}", recorder.port, recorder.text());
    }
    let knows = |text: &str| text.to_lowercase().contains(CANARY);
    let upstream = scene.upstream.log().into_iter().filter(|asked| {
        let headers = asked.headers.iter().any(|(_, value)| knows(value) || value.contains("corp.example"));
        headers || knows(&asked.path)
    });
    let upstream: Vec<String> = upstream.map(|asked| asked.path).collect();
    assert!(upstream.is_empty(), "{} requests, such as {}", upstream.len(), upstream[0]);
    let elsewhere: Vec<String> = forge
        .log()
        .into_iter()
        .filter(|asked| FOREIGN.contains(&asked.host.as_str()))
        .map(|asked| format!("{}{}", asked.host, asked.path))
        .collect();
    assert!(elsewhere.is_empty(), "{} requests, such as {}", elsewhere.len(), elsewhere[0]);
}

/// A Larder for which the private hosts are private by one of the go command's settings and a route.
fn scene(forge: &GitServer, setting: &str, more: &str) -> Scenario {
    let mut scene = Scenario::new(BINARY, FakeUpstream::new().module("example.com/public", "v1.0.0"));
    let authority = forge.authority_file();
    scene.larder = scene
        .larder
        .env(setting, "git.corp.example,code.corp.example,github.com/acme")
        .env("LARDER_TRUSTED_PROXIES", "127.0.0.1/32")
        .config(&format!(
            "[upstream]\nca = [\"{}\"]\n\
             [[route]]\nmatch = [\"src.corp.example\"]\nchain = \"direct\"\nprivate = true\n\
             [[route]]\nmatch = [\"vanity.example\"]\nchain = \"direct\"\nverify = \"off\"\n{more}",
            authority.display()
        ));
    scene
}

#[test]
fn private_names_reach_nobody_outside_their_route() {
    if !namespace::inside("private_names_reach_nobody_outside_their_route", &hosts()) {
        return;
    }
    let (forge, abroad) = (forge(), abroad());
    let all = names();
    assert_eq!(all.len(), NAMES);
    let (odd, even): (Vec<_>, Vec<_>) = all.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).unzip();
    for (setting, names) in [("GOPRIVATE", odd), ("GONOPROXY", even)] {
        let scene = scene(&forge, setting, "");
        let larder = scene.larder.start();
        // The recorders aren't deaf.
        assert_eq!(larder.get("/example.com/public/@v/list").status, 200);
        assert!(scene.upstream.log().iter().any(|asked| asked.path.contains("example.com/public")));
        let began = std::time::Instant::now();
        let statuses = ask_all(&larder, &names, questions);
        let private = names.len();
        settings::say(&format!(
            "{private} names, private by {setting}: {statuses:?} in {:?}",
            began.elapsed()
        ));
        nothing_leaked(&scene, &forge, &abroad);
        strangers_learn_nothing(&larder, &names);
        nothing_leaked(&scene, &forge, &abroad);
        // That recorder isn't deaf either: a public name may be followed there.
        larder.get(&format!("/{VANITY}/open-{}/@v/list", setting.to_lowercase()));
        assert!(abroad[0].forget() > 0);
    }
}

/// Asks as a client from an address that may not have private modules.
fn strangers_learn_nothing(larder: &LarderProcess, names: &[String]) {
    let ask = |path: &str| larder.request("GET", path, &[STRANGER]).expect("an answer");
    let mut texts = BTreeMap::<String, String>::new();
    for (number, name) in names.iter().enumerate() {
        let questions = questions(name);
        let chosen = if number < 12 {
            0..questions.len()
        } else {
            number % questions.len()..number % questions.len() + 1
        };
        for at in chosen {
            let answer = ask(&questions[at]);
            if answer.status == 404 && answer.text().contains("invalid: should be") {
                // The question itself is none, whoever asks.
                continue;
            }
            assert_eq!(answer.status, 403, "{}: {}", questions[at], answer.text());
            assert!(answer.text().contains("private_clients"), "{}: {}", questions[at], answer.text());
            // Nothing but the name itself tells what exists from what doesn't.
            let text = answer.text().replace(name.as_str(), "NAME").replace(&escape(name), "NAME");
            let text = text.lines().filter(|line| !line.contains("request")).collect::<Vec<_>>().join("\n");
            let known =
                texts.entry(questions[at].replace(&escape(name), "NAME")).or_insert_with(|| text.clone());
            assert_eq!(*known, text, "{}", questions[at]);
        }
    }
    for page in ["/", "/-/metrics", "/-/version", "/-/api/v1/findings", "/-/healthz", "/-/readyz"] {
        let answer = ask(page);
        let text = format!("{:?}{}", answer.headers, answer.text()).to_lowercase();
        assert!(
            !text.contains(CANARY) && !text.contains("corp.example") && !text.contains("acme"),
            "{page}: {text}"
        );
    }
    let metrics = larder.get("/-/metrics").text().to_lowercase();
    assert!(!metrics.contains(CANARY), "{metrics}");
}

#[test]
fn a_forward_proxy_hears_hosts_and_no_names() {
    if !namespace::inside("a_forward_proxy_hears_hosts_and_no_names", &hosts()) {
        return;
    }
    let (forge, abroad, forward) = (forge(), abroad(), Recorder::start());
    let scene = scene(&forge, "GOPRIVATE", "");
    let proxy = format!("http://127.0.0.1:{}", forward.port);
    let larder = scene.larder.clone().env("HTTPS_PROXY", &proxy).env("HTTP_PROXY", &proxy).start();
    let names: Vec<String> = names().into_iter().step_by(50).collect();
    ask_all(&larder, &names, |name| questions(name).into_iter().take(3).collect());
    let heard = forward.text();
    assert!(heard.contains("connect git.corp.example:443"), "{heard}");
    assert!(!heard.contains(CANARY), "{heard}");
    for host in FOREIGN {
        assert!(!heard.contains(host), "{heard}");
    }
    nothing_leaked(&scene, &forge, &abroad);
}

#[test]
fn pages_and_redirects_lead_to_no_place_inside() {
    if !namespace::inside("pages_and_redirects_lead_to_no_place_inside", &hosts()) {
        return;
    }
    let (forge, inside) = (GitServer::start_named(&hosts()), Recorder::start());
    let port = inside.port;
    let targets = [
        "https://internal.example/a.git".to_owned(),
        format!("https://internal.example:{port}/a.git"),
        format!("https://127.0.0.1:{port}/a.git"),
        format!("https://localhost:{port}/a.git"),
        format!("https://[::1]:{port}/a.git"),
        format!("https://[::ffff:127.0.0.1]:{port}/a.git"),
        format!("https://2130706433:{port}/a.git"),
        format!("https://0x7f.1:{port}/a.git"),
        format!("https://0.0.0.0:{port}/a.git"),
        format!("http://internal.example:{port}/a.git"),
        format!("git://internal.example:{port}/a.git"),
        format!("ssh://git@internal.example:{port}/a.git"),
        format!("ssh://git@127.0.0.1:{port}/a.git"),
        "https://169.254.169.254/latest/meta-data/".to_owned(),
        "https://[fd00:ec2::254]/latest/".to_owned(),
        "https://10.0.0.1/a.git".to_owned(),
        "https://192.168.1.1/a.git".to_owned(),
        "file:///etc/passwd".to_owned(),
        "ext::sh -c id".to_owned(),
    ];
    let mut names = vec!["internal.example/a".to_owned()];
    for (number, target) in targets.iter().enumerate() {
        let name = |kind: &str| format!("{VANITY}/{kind}{number}");
        forge.page(&name("git"), Page::import(&name("git"), "git", target));
        forge.page(&name("mod"), Page::import(&name("mod"), "mod", target));
        forge.page(&name("moved"), Page::Redirect(target.clone()));
        let mut repository = forge.repository(&name("repo"));
        let commit = repository.files(&[("go.mod", &format!("module {}\n", name("repo")))]);
        repository.tag("v1.0.0", commit);
        repository.save();
        let fault = GitFault::Redirect(target.clone());
        if number < 6 || target.contains("169.254") {
            forge.fault(&name("repo"), Some(Stage::Advertisement), fault, None);
            names.push(name("repo"));
        }
        names.extend(["git", "mod", "moved"].map(name));
    }
    let mut open = forge.repository("vanity.example/open");
    let commit = open.files(&[("go.mod", "module vanity.example/open\n")]);
    open.tag("v1.0.0", commit);
    open.save();
    // One host is named, so it may be on loopback; a wildcard names none.
    let routes = "[[route]]\nmatch = [\"*.example\"]\nchain = \"direct\"\nverify = \"off\"\n";
    let scene = scene(&forge, "GOPRIVATE", routes);
    let larder = scene.larder.start();
    assert_eq!(larder.get("/vanity.example/open/@v/list").text().trim(), "v1.0.0");
    for name in names {
        for question in [format!("/{name}/@v/list"), format!("/{name}/@v/v1.0.0.zip")] {
            let answer = larder.get(&question);
            assert!(
                matches!(answer.status, 403 | 404 | 502),
                "{question}: {} {}",
                answer.status,
                answer.text()
            );
            assert!(!answer.text().contains("root:"), "{}", answer.text());
        }
    }
    assert_eq!(inside.connections.load(Ordering::Relaxed), 0, "{}", inside.text());
    let asked = forge.log().into_iter().filter(|asked| asked.host == "internal.example");
    assert_eq!(asked.count(), 0);
    // What the refusal says to somebody who meant it.
    let answer = client::get(larder.url(), "/vanity.example/git0/@v/list").expect("an answer");
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert!(answer.text().contains("without wildcard"), "{}", answer.text());
}
