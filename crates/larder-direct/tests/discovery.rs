//! Which repository holds a module: pages of a forge on loopback, rules, logins, and the network that strangers must not reach.

mod support;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use larder_direct::discover::{Asking, Discovery, Git, Govcs, Place, RepositoryPlace};
use larder_direct::{DirectError, DirectSettings, HostToken, RepositoryRule};
use larder_module::pattern::Patterns;
use larder_testkit::GitServer;
use larder_testkit::git_server::{GitFault, Page, Strangers};
use larder_upstream::{
    DirectFaultKind, LookUp, LookingUp, Retries, Secret, Timeouts, TlsSettings, UpstreamSettings, Upstreams,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// Where names lead, and who was looked up.
#[derive(Clone, Debug, Default)]
struct Names(Arc<Mutex<HashMap<String, Vec<SocketAddr>>>>, Arc<Mutex<Vec<String>>>);

impl Names {
    fn lead(&self, host: &str, address: SocketAddr) {
        self.0.lock().unwrap().entry(host.to_owned()).or_default().push(address);
    }
}

impl LookUp for Names {
    fn look_up<'a>(&'a self, host: &'a str) -> LookingUp<'a> {
        self.1.lock().unwrap().push(host.to_owned());
        let found = self.0.lock().unwrap().get(host).cloned().ok_or_else(|| "no such name".to_owned());
        Box::pin(async move { found })
    }
}

/// A git that was configured by the test.
#[derive(Clone, Debug, Default)]
struct FakeGit {
    rewrites: Vec<(String, String)>,
    allowed: Vec<String>,
    answering: Vec<String>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Git for FakeGit {
    fn rewritten<'a>(&'a self, url: &'a str) -> Asking<'a, String> {
        let found =
            self.rewrites.iter().find_map(|(from, to)| Some(format!("{to}{}", url.strip_prefix(from)?)));
        Box::pin(async move { Ok(found.unwrap_or_else(|| url.to_owned())) })
    }

    fn allows<'a>(&'a self, protocol: &'a str) -> Asking<'a, bool> {
        Box::pin(async move { Ok(self.allowed.iter().any(|allowed| allowed == protocol)) })
    }

    fn answers<'a>(&'a self, place: &'a RepositoryPlace) -> Asking<'a, ()> {
        self.asked.lock().unwrap().push(place.url.clone());
        let kind = if place.url.starts_with("https") {
            DirectFaultKind::LoginNeeded
        } else {
            DirectFaultKind::Unreachable
        };
        let there = self.answering.contains(&place.url);
        Box::pin(async move { if there { Ok(()) } else { Err(DirectError::new(kind, place.url.clone())) } })
    }
}

const HOSTS: &[&str] = &["git.corp.example", "other.example.com", "go.corp.example"];

/// A forge, and what Larder is told about the world.
struct World {
    forge: GitServer,
    folder: tempfile::TempDir,
    names: Names,
    git: FakeGit,
}

impl World {
    fn new() -> Self {
        let forge = GitServer::start_for(HOSTS);
        let names = Names::default();
        for host in HOSTS {
            names.lead(host, forge.address());
        }
        let folder = tempfile::TempDir::with_prefix("larder-discovery-").unwrap();
        Self { forge, folder, names, git: FakeGit::default() }
    }

    fn page(&self, path: &str, tags: &[&str]) {
        self.forge.page(path, Page::Imports(tags.iter().map(|tag| (*tag).to_owned()).collect()));
    }

    fn settings(&self) -> DirectSettings {
        DirectSettings {
            listed_hosts: HOSTS.iter().map(|host| (*host).to_owned()).collect(),
            ..support::settings(self.folder.path())
        }
    }

    fn discovery(&self, adjust: impl FnOnce(&mut DirectSettings)) -> Arc<Discovery> {
        let mut settings = self.settings();
        adjust(&mut settings);
        let root = CertificateDer::from_pem_file(self.forge.authority_file()).unwrap();
        let upstreams = UpstreamSettings {
            tls: TlsSettings { native_roots: false, extra_roots: vec![root], identities: Vec::new() },
            look_up: Some(Arc::new(self.names.clone())),
            timeouts: Timeouts { first_byte: Duration::from_millis(700), ..Timeouts::default() },
            retries: Retries { attempts: 1, ..Retries::default() },
            ..UpstreamSettings::default()
        };
        let upstreams = Upstreams::new(upstreams).unwrap();
        Arc::new(Discovery::new(Arc::new(settings), upstreams, Arc::new(self.git.clone())))
    }

    fn pages_asked(&self) -> Vec<String> {
        self.forge.log().iter().map(|asked| format!("{}{}", asked.host, asked.path)).collect()
    }
}

async fn find(discovery: &Discovery, path: &str) -> Result<Place, DirectError> {
    discovery.find(&path.parse().unwrap(), false).await
}

async fn find_private(discovery: &Discovery, path: &str) -> Result<Place, DirectError> {
    discovery.find(&path.parse().unwrap(), true).await
}

/// `root url [subdirectory]`, or the kind and text of the failure.
fn shown(found: &Result<Place, DirectError>) -> String {
    match found {
        Ok(Place::Repository(place)) => {
            format!("{} {} {}", place.root, place.url, place.subdirectory).trim_end().to_owned()
        }
        Ok(Place::Proxy { root, url }) => format!("{root} mod {url}"),
        Err(error) => format!("{:?}: {error}", error.kind),
    }
}

fn kind(found: &Result<Place, DirectError>) -> DirectFaultKind {
    found.as_ref().unwrap_err().kind
}

#[tokio::test]
async fn pages_lead_to_repositories() {
    let world = World::new();
    world.page("git.corp.example/a", &["git.corp.example/a git https://git.corp.example/x/a.git"]);
    world.page("git.corp.example/a/sub", &["git.corp.example/a git https://git.corp.example/x/a.git"]);
    world.page("git.corp.example/a/own", &["git.corp.example/a/own git https://git.corp.example/own"]);
    world.page("git.corp.example/f", &["git.corp.example/f git https://git.corp.example/x/f go/mod"]);
    world.page(
        "git.corp.example/p",
        &[
            "git.corp.example/p git https://git.corp.example/x",
            "git.corp.example/p mod https://other.example.com/proxy",
        ],
    );
    world.page("git.corp.example/lies", &["git.corp.example git https://other.example.com/evil"]);
    world.page("git.corp.example/", &["git.corp.example git https://git.corp.example/good"]);
    world.page(
        "git.corp.example/two",
        &["git.corp.example/two git https://a.example/x", "git.corp.example git https://a.example/y"],
    );
    world.page("git.corp.example/elsewhere", &["git.corp.example/other git https://a.example/x"]);
    world.forge.page(
        "git.corp.example/hidden",
        Page::Status(
            404,
            "<meta name='go-import' content='git.corp.example/hidden git https://git.corp.example/h'>"
                .to_owned(),
        ),
    );
    world.forge.page(
        "git.corp.example/moved",
        Page::Redirect("https://other.example.com/there?go-get=1".to_owned()),
    );
    world.page("other.example.com/there", &["git.corp.example/moved git https://git.corp.example/m"]);
    let discovery = world.discovery(|_| {});
    for (path, expected) in [
        ("git.corp.example/a", "git.corp.example/a https://git.corp.example/x/a.git"),
        ("git.corp.example/a/sub", "git.corp.example/a https://git.corp.example/x/a.git"),
        ("git.corp.example/a/own", "git.corp.example/a/own https://git.corp.example/own"),
        ("git.corp.example/f", "git.corp.example/f https://git.corp.example/x/f go/mod"),
        ("git.corp.example/p", "git.corp.example/p mod https://other.example.com/proxy"),
        ("git.corp.example/hidden", "git.corp.example/hidden https://git.corp.example/h"),
        ("git.corp.example/moved", "git.corp.example/moved https://git.corp.example/m"),
        (
            "git.corp.example/lies",
            "Invalid: https://git.corp.example/lies and https://git.corp.example disagree about where git.corp.example is",
        ),
        (
            "git.corp.example/two",
            "Invalid: https://git.corp.example/two: more than one of its go-import tags is for that path",
        ),
        (
            "git.corp.example/elsewhere",
            "Absent: https://git.corp.example/elsewhere: its go-import tags are for other paths (git.corp.example/other)",
        ),
        ("git.corp.example/none", "Absent: https://git.corp.example/none: not found there (HTTP 404)"),
    ] {
        assert_eq!(shown(&find(&discovery, path).await), expected, "{path}");
    }
}

#[tokio::test]
async fn what_a_page_must_not_say() {
    let world = World::new();
    for (path, tag, expected) in [
        (
            "hg",
            "hg https://a.example/x",
            "Refused: git.corp.example/hg is in a Mercurial repository (git.corp.example/hg), and Larder fetches git only",
        ),
        (
            "svn",
            "svn https://a.example/x",
            "Refused: GOVCS disallows using svn for public git.corp.example/svn",
        ),
        (
            "cvs",
            "cvs https://a.example/x",
            "Invalid: https://git.corp.example/cvs: its go-import tag names a version control system that nobody knows",
        ),
        (
            "file",
            "git file:///etc",
            "Invalid: https://git.corp.example/file: its go-import tag names a file URL",
        ),
        (
            "scp",
            "git git@a.example:x",
            "Invalid: https://git.corp.example/scp: its go-import tag names a repository without a scheme",
        ),
        (
            "dash",
            "git https://a.example/x -sub",
            "Invalid: https://git.corp.example/dash: its go-import tag names a sub-directory",
        ),
        (
            "slash",
            "git https://a.example/x /sub",
            "Invalid: https://git.corp.example/slash: its go-import tag names a sub-directory",
        ),
        (
            "ext",
            "git ext::sh://x",
            "Refused: the repository of git.corp.example/ext is not asked: a clone URL is one of https or ssh",
        ),
        (
            "option",
            "git ssh://-oProxyCommand=id/x",
            "Refused: the repository of git.corp.example/option is not asked: the host",
        ),
        (
            "plain",
            "git http://git.corp.example/x",
            "Refused: http://git.corp.example/x is not asked: it would be http in the clear",
        ),
        (
            "daemon",
            "git git://git.corp.example/x",
            "Refused: git://git.corp.example/x is not asked: it would be git in the clear",
        ),
        (
            "proxy",
            "mod http://git.corp.example/x",
            "Refused: the module proxy that https://git.corp.example/proxy names",
        ),
    ] {
        world.page(&format!("git.corp.example/{path}"), &[&format!("git.corp.example/{path} {tag}")]);
        let discovery = world.discovery(|_| {});
        let found = shown(&find(&discovery, &format!("git.corp.example/{path}")).await);
        assert!(found.starts_with(expected), "{found}");
    }
}

#[tokio::test]
async fn go_vcs_decides_by_patterns_and_privacy() {
    let world = World::new();
    world.page("git.corp.example/a", &["git.corp.example/a git https://git.corp.example/a"]);
    world.page("git.corp.example/s", &["git.corp.example/s svn https://git.corp.example/s"]);
    let private = |settings: &mut DirectSettings| settings.private = Patterns::parse("git.corp.example");
    let discovery = world.discovery(private);
    let found = shown(&find(&discovery, "git.corp.example/s").await);
    assert!(found.contains("Subversion") && found.contains("git only"), "{found}");
    let discovery = world.discovery(|settings| {
        private(settings);
        settings.govcs = Govcs::parse("private:hg,public:git").unwrap();
        settings.repositories =
            vec![RepositoryRule::parse("git.corp.example/m", "https://git.corp.example/m").unwrap()];
    });
    for path in ["git.corp.example/a", "git.corp.example/m", "git.corp.example/x.git"] {
        let found = shown(&find(&discovery, path).await);
        assert_eq!(found, format!("Refused: GOVCS disallows using git for private {path}"));
    }
}

#[tokio::test]
async fn mappings_and_paths_that_speak_for_themselves_need_no_page() {
    let mut world = World::new();
    let public: SocketAddr = "140.82.121.4:0".parse().unwrap();
    world.names.lead("bitbucket.org", public);
    world.git.answering =
        vec!["https://git.corp.example/team/x".to_owned(), "git+ssh://git.corp.example/only/ssh".to_owned()];
    let discovery = world.discovery(|settings| {
        let rule = |pattern, url| RepositoryRule::parse(pattern, url).unwrap();
        settings.repositories = vec![
            rule("github.com/corp/*", "ssh://git@forge.corp.example:2222/{1}.git"),
            rule("go.corp.example/*/*", "https://git.corp.example/{path}.git"),
            rule("go.corp.example/*", "file:///srv/git/{1}"),
        ];
    });
    for (path, expected) in [
        ("github.com/a/b/c", "github.com/a/b https://github.com/a/b"),
        ("github.com/corp/tool/v2", "github.com/corp/tool ssh://git@forge.corp.example:2222/tool.git"),
        ("go.corp.example/g/p/sub", "go.corp.example/g/p https://git.corp.example/g/p.git"),
        ("go.corp.example/g", "go.corp.example/g file:///srv/git/g"),
        ("git.corp.example/team/x.git/sub", "git.corp.example/team/x.git https://git.corp.example/team/x"),
        (
            "git.corp.example/only/ssh.git",
            "git.corp.example/only/ssh.git git+ssh://git.corp.example/only/ssh",
        ),
        ("git.corp.example/no/one.git", "LoginNeeded: https://git.corp.example/no/one"),
        ("github.com/a", "Invalid: github.com/a: paths of that host look different"),
        ("example.net/a", "Invalid: example.net/a: the go command knows no modules there"),
    ] {
        assert_eq!(shown(&find(&discovery, path).await), expected, "{path}");
    }
    let Ok(Place::Repository(place)) = find(&discovery, "bitbucket.org/a/b").await else { panic!() };
    assert_eq!(place.pinned, ["140.82.121.4:443".parse().unwrap()]);
    assert_eq!(world.forge.log().len(), 0);
    find(&discovery, "git.corp.example/team/x.git").await.unwrap();
    let asked = world.git.asked.lock().unwrap().clone();
    assert_eq!(asked.iter().filter(|url| url.ends_with("/team/x")).count(), 1, "{asked:?}");
}

#[tokio::test]
async fn concurrent_questions_share_one_page() {
    let world = World::new();
    world.page("git.corp.example/a", &["git.corp.example/a git https://git.corp.example/a"]);
    world.page("git.corp.example/a/b", &["git.corp.example/a git https://git.corp.example/a"]);
    let discovery = world.discovery(|_| {});
    let many: Vec<_> = (0..100)
        .map(|number| {
            let discovery = Arc::clone(&discovery);
            let path = if number % 2 == 0 { "git.corp.example/a" } else { "git.corp.example/a/b" };
            tokio::spawn(async move { find(&discovery, path).await })
        })
        .collect();
    for one in many {
        one.await.unwrap().unwrap();
    }
    let mut asked = world.pages_asked();
    asked.sort();
    assert_eq!(asked, ["git.corp.example/a/b?go-get=1", "git.corp.example/a?go-get=1"]);
}

#[tokio::test]
async fn strangers_are_not_told_what_is_absent() {
    for (strangers, to_public) in
        [(Strangers::Denied, DirectFaultKind::Absent), (Strangers::Challenged, DirectFaultKind::LoginNeeded)]
    {
        let world = World::new();
        world.page(
            "git.corp.example/team/a",
            &["git.corp.example/team/a git https://git.corp.example/team/a"],
        );
        let prefix = "git.corp.example/team";
        world.forge.protect(prefix, "robot", "canary", strangers);
        world.forge.protect_pages(prefix);
        let token = |secret: &str| HostToken {
            host: "git.corp.example".to_owned(),
            user: "robot".to_owned(),
            secret: Secret::new(secret),
        };
        let stranger = world.discovery(|_| {});
        assert_eq!(kind(&find(&stranger, "git.corp.example/team/a").await), to_public);
        let private = find_private(&stranger, "git.corp.example/team/a").await;
        assert_eq!(kind(&private), DirectFaultKind::LoginNeeded);
        let text = private.unwrap_err().to_string();
        assert!(text.contains("there is no such thing, or it is hidden"), "{text}");
        let known = world.discovery(|settings| settings.tokens = vec![token("canary")]);
        find_private(&known, "git.corp.example/team/a").await.unwrap();
        assert_eq!(kind(&find_private(&known, "git.corp.example/team/none").await), DirectFaultKind::Absent);
        if strangers == Strangers::Challenged {
            let wrong = world.discovery(|settings| settings.tokens = vec![token("wrong")]);
            let refused = find_private(&wrong, "git.corp.example/team/a").await;
            assert_eq!(kind(&refused), DirectFaultKind::CredentialsRefused);
            assert!(!shown(&refused).contains("wrong"));
        }
    }
}

#[tokio::test]
async fn paths_below_a_root_are_answered_from_it_where_their_page_wants_a_login() {
    let world = World::new();
    world.page("git.corp.example/a", &["git.corp.example/a git https://git.corp.example/x/a.git"]);
    world.forge.page("git.corp.example/a/b/c", Page::Status(401, String::new()));
    world.forge.page("git.corp.example/a/b", Page::Status(403, String::new()));
    world.forge.page("git.corp.example/a/gone", Page::Status(404, String::new()));
    world.forge.page("git.corp.example/a/broken", Page::Status(500, String::new()));
    world.forge.page("go.corp.example/x", Page::Status(401, String::new()));
    let discovery = world.discovery(|_| {});
    let root = "git.corp.example/a https://git.corp.example/x/a.git";
    assert_eq!(shown(&find(&discovery, "git.corp.example/a/b/c").await), root);
    assert_eq!(kind(&find(&discovery, "go.corp.example/x").await), DirectFaultKind::LoginNeeded);
    // As for the go command, where the host says that there is nothing.
    assert_eq!(kind(&find(&discovery, "git.corp.example/a/gone").await), DirectFaultKind::Absent);
    assert_eq!(shown(&find_private(&discovery, "git.corp.example/a/gone").await), root);
    // An outage is answered from what is known, and nobody is asked because of it.
    assert_eq!(shown(&find(&discovery, "git.corp.example/a/broken").await), root);
    let fresh = world.discovery(|_| {});
    assert_eq!(kind(&find(&fresh, "git.corp.example/a/broken").await), DirectFaultKind::Unreachable);
}

#[tokio::test]
async fn an_outage_is_no_absence_and_what_is_known_outlives_it() {
    let world = World::new();
    world.page("git.corp.example/a", &["git.corp.example/a git https://git.corp.example/x/a.git"]);
    let discovery = world.discovery(|settings| settings.root_freshness = Duration::from_millis(1));
    let known = find(&discovery, "git.corp.example/a").await.unwrap();
    for fault in [
        GitFault::Status(503, "down".to_owned()),
        GitFault::Status(429, String::new()),
        GitFault::Cut(3),
        GitFault::Hang,
    ] {
        world.forge.heal();
        world.forge.fault("git.corp.example", None, fault.clone(), None);
        let fresh = world.discovery(|_| {});
        let error = find(&fresh, "git.corp.example/a").await.unwrap_err();
        assert!(error.is_outage() && !error.is_absence(), "{fault:?}: {error:?}");
        assert_eq!(find(&discovery, "git.corp.example/a").await.unwrap(), known);
    }
    let unknown = find(&world.discovery(|_| {}), "nowhere.example.com/a").await.unwrap_err();
    assert!(unknown.is_outage(), "{unknown:?}");
}

#[tokio::test]
async fn strangers_lead_nobody_inside() {
    let mut world = World::new();
    let inside: SocketAddr = world.forge.address();
    for host in ["inside.example.com", "evil.example.com"] {
        world.names.lead(host, inside);
    }
    world.names.lead("mixed.example.com", "8.8.8.8:0".parse().unwrap());
    world.names.lead("mixed.example.com", "10.0.0.1:0".parse().unwrap());
    world.names.lead("public.example.com", "8.8.8.8:0".parse().unwrap());
    let port = inside.port();
    let refused = [
        "https://inside.example.com/x".to_owned(),
        "https://mixed.example.com/x".to_owned(),
        format!("https://127.0.0.1:{port}/x"),
        format!("https://[::1]:{port}/x"),
        "https://169.254.169.254/latest/meta-data".to_owned(),
        "https://2130706433/x".to_owned(),
        "https://0x7f.1/x".to_owned(),
        "https://[::ffff:10.0.0.1]/x".to_owned(),
        "https://public.example.com@127.0.0.1/x".to_owned(),
        "https://public.example.com\\@127.0.0.1/x".to_owned(),
        "https://127.0.0.1./x".to_owned(),
        "ssh://git@public.example.com/x".to_owned(),
        "ssh://git@127.0.0.1/x".to_owned(),
        "git+ssh://public.example.com/x".to_owned(),
    ];
    for (number, url) in refused.iter().enumerate() {
        let path = format!("git.corp.example/m{number}");
        world.page(&path, &[&format!("{path} git {url}")]);
    }
    world.page("git.corp.example/fine", &["git.corp.example/fine git https://public.example.com:8443/x"]);
    world.page("git.corp.example/r", &["git.corp.example/r git https://rewritten.example.com/r"]);
    world.page("git.corp.example/s", &["git.corp.example/s git ssh://git@public.example.com/s"]);
    let discovery = world.discovery(|_| {});
    for (number, url) in refused.iter().enumerate() {
        let found = find(&discovery, &format!("git.corp.example/m{number}")).await;
        assert_eq!(kind(&found), DirectFaultKind::Refused, "{url}: {}", shown(&found));
    }
    let Ok(Place::Repository(place)) = find(&discovery, "git.corp.example/fine").await else { panic!() };
    assert_eq!(place.pinned, ["8.8.8.8:8443".parse().unwrap()]);
    // Pages themselves.
    world.forge.forget();
    for path in ["inside.example.com/x", "mixed.example.com/x", "127.0.0.1/x"] {
        let found = find(&discovery, path).await;
        assert_eq!(kind(&found), DirectFaultKind::Refused, "{path}: {}", shown(&found));
    }
    assert_eq!(kind(&find(&discovery, "0.1/x").await), DirectFaultKind::Invalid);
    assert_eq!(world.forge.log().len(), 0);
    // The operator's own git configuration is the operator's word.
    world.git.rewrites = vec![("https://rewritten.example.com/".to_owned(), "https://127.0.0.1/".to_owned())];
    world.git.allowed = vec!["ssh".to_owned()];
    let discovery = world.discovery(|_| {});
    for path in ["git.corp.example/r", "git.corp.example/s"] {
        let Ok(Place::Repository(place)) = find(&discovery, path).await else { panic!("{path}") };
        assert!(place.pinned.is_empty());
    }
    assert_eq!(kind(&find(&discovery, "git.corp.example/m0").await), DirectFaultKind::Refused);
}

#[tokio::test]
async fn private_names_stay_at_home() {
    let world = World::new();
    world.forge.page(
        "git.corp.example/secret",
        Page::Redirect("https://evil.example.com/secret?go-get=1".to_owned()),
    );
    world.names.lead("evil.example.com", "8.8.8.8:0".parse().unwrap());
    let discovery = world.discovery(|settings| settings.private = Patterns::parse("git.corp.example"));
    let found = find_private(&discovery, "git.corp.example/secret").await;
    assert_eq!(kind(&found), DirectFaultKind::LoginNeeded, "{}", shown(&found));
    assert!(!world.names.1.lock().unwrap().iter().any(|host| host == "evil.example.com"));
    // What a page names is read as whoever connects reads it.
    for (path, tag) in [
        ("m1", "mod https://evil.example.com/m1"),
        ("m2", "mod https://evil.example.com?x@git.corp.example/m2"),
        ("m3", "mod https://evil.example.com\\@git.corp.example/m3"),
        ("m4", "mod https://evil.example.com#@git.corp.example/m4"),
        ("m5", "git https://git.corp.example@evil.example.com/m5"),
    ] {
        world.page(&format!("git.corp.example/{path}"), &[&format!("git.corp.example/{path} {tag}")]);
        let found = find_private(&discovery, &format!("git.corp.example/{path}")).await;
        assert_eq!(kind(&found), DirectFaultKind::Refused, "{tag}: {}", shown(&found));
    }
    assert!(!world.names.1.lock().unwrap().iter().any(|host| host == "evil.example.com"));
    // A listed host is the operator's own.
    world.forge.page(
        "git.corp.example/known",
        Page::Redirect("https://other.example.com/known?go-get=1".to_owned()),
    );
    world.page("other.example.com/known", &["git.corp.example/known git https://git.corp.example/known"]);
    find_private(&discovery, "git.corp.example/known").await.unwrap();
}

#[tokio::test]
async fn plain_http_is_for_insecure_paths_only() {
    let world = World::new();
    world.names.lead("plain.corp.example", world.forge.plain_address());
    world.page("plain.corp.example/a", &["plain.corp.example/a git http://plain.corp.example/a"]);
    let listed = |settings: &mut DirectSettings| settings.listed_hosts.push("plain.corp.example".to_owned());
    let discovery = world.discovery(listed);
    assert!(find(&discovery, "plain.corp.example/a").await.unwrap_err().is_outage());
    assert_eq!(world.forge.log().len(), 0, "nothing in the clear");
    let discovery = world.discovery(|settings| {
        listed(settings);
        settings.insecure = Patterns::parse("plain.corp.example");
    });
    let Ok(Place::Repository(place)) = find(&discovery, "plain.corp.example/a").await else { panic!() };
    assert!(place.insecure && place.url == "http://plain.corp.example/a");
}
