//! Questions as they come from the chain, answered from a forge on loopback: what is asked of it, what is shared, what stays.

mod support;

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use larder_direct::{Direct, DirectSettings, RepositoryRule};
use larder_module::info::Info;
use larder_module::pattern::Patterns;
use larder_module::{ModuleVersion, ObjectKind, dirhash};
use larder_testkit::git_server::{GitFault, Stage};
use larder_testkit::{GitRepository, GitServer, Mark};
use larder_upstream::{
    DirectErrand, DirectFaultKind, FetchCause, Refusal, UpstreamSettings, Upstreams, VersionControl as _,
    Wanted,
};
use support::{NAME, Noted};
use tokio::time::Instant;

/// A forge, one repository, and `direct` in front of it.
struct Scene {
    folder: tempfile::TempDir,
    forge: GitServer,
    repository: GitRepository,
    noted: Arc<Noted>,
}

impl Scene {
    fn new() -> Self {
        let forge = GitServer::start();
        let repository = forge.repository(NAME);
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self { folder, forge, repository, noted: Arc::default() }
    }

    /// Commits a module and tags it.
    fn release(&mut self, version: &str, text: &str) -> Mark {
        let go_mod = format!("module {NAME}\n\ngo 1.21\n");
        let mark = self.repository.files(&[("go.mod", &go_mod), ("a.go", text)]);
        self.repository.tag(version, mark);
        self.repository.save();
        mark
    }

    /// Starts a process's worth of state on the same folder.
    fn direct(&self, change: impl FnOnce(&mut DirectSettings)) -> Direct {
        let mut settings = support::settings(self.folder.path());
        settings.certificate_authorities = vec![self.forge.authority_file()];
        settings.observer = Arc::<Noted>::clone(&self.noted);
        let url = format!("https://{}/{{host}}/{{path}}.git", self.forge.address());
        settings.repositories = vec![RepositoryRule { pattern: "git.corp.example/*/*".to_owned(), url }];
        change(&mut settings);
        let mut upstreams = UpstreamSettings::default();
        upstreams.tls.native_roots = false;
        let upstreams = Upstreams::new(upstreams).expect("no TLS to set up");
        Direct::new(settings, upstreams).expect("nothing to set up")
    }

    fn moved(&self) -> Vec<(String, Option<String>)> {
        let moved = std::mem::take(&mut *self.noted.0.lock().expect("no test panics with it"));
        moved.into_iter().map(|moved| (moved.was, moved.now)).collect()
    }
}

fn version(version: &str) -> ModuleVersion {
    ModuleVersion::parse(NAME, version).expect("a version")
}

async fn small(direct: &Direct, wanted: &Wanted) -> Result<Bytes, Refusal> {
    direct.small(wanted, DirectErrand::default(), Instant::now() + Duration::from_secs(60)).await
}

async fn object(direct: &Direct, of: &str, kind: ObjectKind) -> Result<Bytes, Refusal> {
    small(direct, &Wanted::Object { of: version(of), kind }).await
}

async fn list(direct: &Direct) -> String {
    let wanted = Wanted::List(version("v1.0.0").module().clone());
    String::from_utf8(small(direct, &wanted).await.expect("a list").to_vec()).expect("text")
}

async fn zip(direct: &Direct, of: &str) -> Result<Vec<u8>, Refusal> {
    let (mut file, len) = direct.zip(&version(of), DirectErrand::default()).await?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).expect("it is at its start");
    assert_eq!(bytes.len() as u64, len);
    Ok(bytes)
}

fn hash_in(info: &[u8]) -> String {
    let info = Info::parse(info).expect("an .info");
    let origin = info.origin.expect("an origin");
    origin["Hash"].as_str().expect("a hash").to_owned()
}

fn kind(refusal: &Refusal) -> Option<DirectFaultKind> {
    match &refusal.cause {
        FetchCause::Direct(fault) => Some(fault.kind),
        _ => None,
    }
}

#[tokio::test]
async fn a_stranger_who_asks_for_a_private_module_of_an_absent_repository_learns_nothing() {
    let scene = Scene::new();
    let direct = scene.direct(|settings| settings.private = Patterns::parse("git.corp.example/*/*/secret"));
    for (module, errand, expected) in [
        ("git.corp.example/team/none", false, DirectFaultKind::Absent),
        ("git.corp.example/team/none/open", false, DirectFaultKind::Absent),
        ("git.corp.example/team/none/secret", false, DirectFaultKind::LoginNeeded),
        ("git.corp.example/team/none/secret/more", false, DirectFaultKind::LoginNeeded),
        ("git.corp.example/team/none/open", true, DirectFaultKind::LoginNeeded),
    ] {
        let of = ModuleVersion::parse(module, "v1.0.0").expect("a version");
        let errand = DirectErrand { private: errand };
        let deadline = Instant::now() + Duration::from_secs(60);
        for wanted in
            [Wanted::List(of.module().clone()), Wanted::Object { of: of.clone(), kind: ObjectKind::Info }]
        {
            let refusal = direct.small(&wanted, errand, deadline).await.expect_err("there is nothing");
            assert_eq!(kind(&refusal), Some(expected), "{module} {wanted:?} {refusal:?}");
        }
        let refusal = direct.zip(&of, errand).await.expect_err("there is nothing");
        assert_eq!(kind(&refusal), Some(expected), "{module} {refusal:?}");
    }
}

#[tokio::test]
async fn the_files_of_a_version_cost_one_listing_and_one_fetch() {
    let mut scene = Scene::new();
    scene.release("v1.0.0", "package a\n");
    scene.release("v1.1.0", "package a // better\n");
    let direct = scene.direct(|_| {});
    let info = object(&direct, "v1.0.0", ObjectKind::Info).await.expect("an .info");
    let go_mod = object(&direct, "v1.0.0", ObjectKind::Mod).await.expect("a .mod");
    let zip = zip(&direct, "v1.0.0").await.expect("a zip");
    assert!(info.starts_with(br#"{"Version":"v1.0.0","Time":"2024-01-01T12:00:00Z","Origin":{"VCS":"git","#));
    assert_eq!(go_mod, format!("module {NAME}\n\ngo 1.21\n"));
    assert!(dirhash::hash_zip(zip.as_slice(), zip.len() as u64).is_ok());
    assert_eq!(list(&direct).await, "v1.0.0\nv1.1.0\n");
    let traffic = scene.forge.traffic(NAME);
    assert_eq!(traffic.fetches, 1, "{traffic:?}");
    // One for `ls-remote`, one that begins the fetch.
    assert!(traffic.listings <= 2, "{traffic:?}");
    assert_eq!(self::zip(&direct, "v1.0.0").await.expect("a zip"), zip, "made again, byte by byte the same");
}

#[tokio::test]
async fn equal_questions_share_the_work() {
    let mut scene = Scene::new();
    scene.release("v1.0.0", "package a\n");
    let direct = Arc::new(scene.direct(|_| {}));
    let asks = (0..20).map(|number| {
        let direct = Arc::clone(&direct);
        tokio::spawn(async move {
            match number % 3 {
                0 => object(&direct, "v1.0.0", ObjectKind::Info).await.map(drop),
                1 => object(&direct, "v1.0.0", ObjectKind::Mod).await.map(drop),
                _ => zip(&direct, "v1.0.0").await.map(drop),
            }
        })
    });
    for ask in asks.collect::<Vec<_>>() {
        ask.await.expect("no panic").expect("an answer");
    }
    let traffic = scene.forge.traffic(NAME);
    assert_eq!(traffic.fetches, 1, "{traffic:?}");
}

#[tokio::test]
async fn work_goes_on_after_the_deadline() {
    let mut scene = Scene::new();
    scene.release("v1.0.0", "package a\n");
    let direct = scene.direct(|_| {});
    scene.forge.fault(NAME, Some(Stage::Fetch), GitFault::Delay(Duration::from_millis(500)), Some(1));
    let wanted = Wanted::Object { of: version("v1.0.0"), kind: ObjectKind::Info };
    let soon = Instant::now() + Duration::from_millis(1);
    let refusal = direct.small(&wanted, DirectErrand::default(), soon).await.expect_err("no time");
    assert!(matches!(refusal.cause, FetchCause::DeadlinePassed { .. }), "{refusal:?}");
    assert!(small(&direct, &wanted).await.is_ok());
    assert_eq!(scene.forge.traffic(NAME).fetches, 1, "the second ask joined the first");
}

#[tokio::test]
async fn a_version_stays_what_it_was_when_its_tag_moves() {
    let mut scene = Scene::new();
    let first = scene.release("v1.0.0", "package a\n");
    let old = scene.repository.hash(first);
    let always = |settings: &mut DirectSettings| settings.refs_freshness = Duration::ZERO;
    let direct = scene.direct(always);
    let info = object(&direct, "v1.0.0", ObjectKind::Info).await.expect("an .info");
    assert_eq!(hash_in(&info), old);

    let second = scene.release("v1.0.0", "package a // better\n");
    let new = scene.repository.hash(second);
    list(&direct).await;
    list(&direct).await;
    assert_eq!(scene.moved(), [(old.clone(), Some(new.clone()))], "told once");
    assert_eq!(object(&direct, "v1.0.0", ObjectKind::Info).await.expect("an .info"), info);
    let kept = zip(&direct, "v1.0.0").await.expect("a zip");
    let of = |needle: &str| {
        let archive = larder_module::zip::Archive::open(kept.as_slice(), kept.len() as u64).expect("a zip");
        let entry = archive.entries().iter().find(|entry| archive.name(entry).ends_with(b"a.go"));
        entry.map(|entry| entry.declared_size()) == Some(i64::try_from(needle.len()).expect("small"))
    };
    assert!(of("package a\n"), "the zip is of the commit that the .info named");

    // Another process knows it too, and doesn't tell it again.
    drop(direct);
    let direct = scene.direct(always);
    list(&direct).await;
    assert_eq!(scene.moved(), []);
    assert_eq!(hash_in(&object(&direct, "v1.0.0", ObjectKind::Info).await.expect("an .info")), old);
    drop(direct);

    // `main` still leads to the old commit, so it can be had again after the mirror is gone.
    fs_err::remove_dir_all(scene.folder.path().join("mirrors")).expect("mirrors");
    let direct = scene.direct(always);
    assert_eq!(hash_in(&object(&direct, "v1.0.0", ObjectKind::Info).await.expect("an .info")), old);
    let main =
        Wanted::Query { module: version("v1.0.0").module().clone(), query: "main".parse().expect("a query") };
    let main = small(&direct, &main).await.expect("an answer");
    assert!(main.starts_with(br#"{"Version":"v1.0.1-0."#), "the tag isn't on that commit here: {main:?}");

    // Once nothing leads to it, nothing else is served in its place.
    drop(direct);
    scene.repository.save();
    scene.repository.git(&["update-ref", "refs/heads/main", &orphan(&scene.repository)]);
    scene.repository.git(&["update-ref", "refs/tags/v1.0.0", "refs/heads/main"]);
    fs_err::remove_dir_all(scene.folder.path().join("mirrors")).expect("mirrors");
    let direct = scene.direct(always);
    let refusal = object(&direct, "v1.0.0", ObjectKind::Info).await.expect_err("it is gone");
    assert_eq!(kind(&refusal), Some(DirectFaultKind::Refused), "{refusal:?}");
    assert_eq!(list(&direct).await, "v1.0.0\n");
    assert_eq!(scene.moved().len(), 1, "moved again");
}

/// Makes a commit without parents from the files of `main`.
fn orphan(repository: &GitRepository) -> String {
    repository.git(&["commit-tree", "-m", "anew", "main^{tree}"])
}

#[tokio::test]
async fn what_is_not_there_is_absent() {
    let mut scene = Scene::new();
    scene.release("v1.0.0", "package a\n");
    let direct = scene.direct(|_| {});
    let refusal = object(&direct, "v1.0.1", ObjectKind::Info).await.expect_err("no such tag");
    assert_eq!(kind(&refusal), Some(DirectFaultKind::Absent));
    let FetchCause::Direct(fault) = refusal.cause else { panic!("told by version control") };
    let start = format!("{NAME}@v1.0.1: invalid version: unknown revision v1.0.1 in https://");
    assert!(fault.text.starts_with(&start), "{}", fault.text);
    let refusal = zip(&direct, "v1.0.1").await.expect_err("no such tag");
    assert_eq!(kind(&refusal), Some(DirectFaultKind::Absent));
    let below = Wanted::Latest(format!("{NAME}/pkg").parse().expect("a path"));
    let refusal = small(&direct, &below).await.expect_err("no module");
    assert_eq!(kind(&refusal), Some(DirectFaultKind::Absent));
}
