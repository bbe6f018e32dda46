//! What goes wrong around git, and that the next question is answered all the same.

mod support;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use larder_direct::HostToken;
use larder_direct::git::Repository;
use larder_testkit::GitServer;
use larder_testkit::git_server::{GitFault, Stage, Strangers};
use larder_upstream::{DirectFaultKind, Secret};
use support::{Lab, NAME};

/// Fills the lab's repository with one version and returns its commit.
fn fill(forge: &GitServer) -> String {
    let mut source = forge.repository(NAME);
    let first = source.files(&[("go.mod", "module m\n"), ("a.go", "package a\n")]);
    source.tag("v1.0.0", first);
    source.hash(first)
}

/// Writes a program that stands for git: the real one, unless `$1` and further arguments hold a word.
fn fake_git(folder: &Path, word: &str, instead: &str) -> PathBuf {
    let real = larder_testkit::settings::search_path()
        .into_iter()
        .map(|folder| folder.join("git"))
        .find(|path| path.exists())
        .expect("git is on the machine");
    let path = folder.join("fake-git");
    let script = format!(
        "#!/bin/sh\ncase \" $* \" in *\" {word} \"*) {instead} ;; esac\nexec {} \"$@\"\n",
        real.display()
    );
    fs_err::write(&path, script).expect("a temporary folder");
    fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("a temporary folder");
    path
}

fn is_running(pid: &str) -> bool {
    fs_err::read_to_string(format!("/proc/{}/stat", pid.trim())).is_ok_and(|stat| !stat.contains(") Z "))
}

/// Waits until a process is gone; reaping those of a dropped run is nobody's to await.
fn wait_until_gone(pid: &str) -> bool {
    let end = Instant::now() + Duration::from_secs(10);
    while Instant::now() < end {
        if !is_running(pid) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

#[tokio::test]
async fn a_git_that_hangs_is_ended_with_all_that_it_started() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let pids = place.path().join("pids");
    let instead =
        format!("sleep 600 & echo $! > {0}; echo $$ >> {0}; trap '' TERM; wait; sleep 600", pids.display());
    let program = fake_git(place.path(), "ls-remote", &instead);
    let lab = Lab::start_with(|settings| {
        settings.program = program;
        settings.network_deadline = Duration::from_millis(500);
    });
    let error = lab.repository().stat("v1.0.0").await.expect_err("it hangs");
    assert_eq!(error.kind, DirectFaultKind::TimedOut, "{error:?}");
    for pid in fs_err::read_to_string(pids).expect("pids").lines() {
        assert!(wait_until_gone(pid));
    }
    let counts = lab.mirrors.run_counts();
    assert_eq!((counts.running, counts.waiting, counts.killed), (0, 0, 1), "{counts:?}");
}

#[test]
fn whoever_goes_away_leaves_no_process_behind_when_all_is_dropped() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let pids = place.path().join("pids");
    fs_err::write(&pids, "").expect("a temporary folder");
    let program =
        fake_git(place.path(), "ls-remote", &format!("sleep 600 & echo $! > {}; wait", pids.display()));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let lab = Lab::start_with(|settings| settings.program = program);
    let repository = lab.repository();
    let watched = pids.clone();
    runtime.block_on(async move {
        let asking = tokio::spawn(async move { repository.stat("v1.0.0").await });
        while fs_err::read_to_string(&watched).expect("pids").is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        asking.abort();
    });
    drop(runtime);
    assert!(wait_until_gone(&fs_err::read_to_string(pids).expect("pids")));
}

#[tokio::test]
async fn a_git_that_floods_or_dies_is_no_absence() {
    let place = tempfile::tempdir().expect("a temporary folder");
    for (instead, kind) in [
        ("yes 0123456789012345678901234567890123456789 refs/tags/x", DirectFaultKind::Broken),
        ("head -c 400000 /dev/zero; sleep 600", DirectFaultKind::Broken),
        ("head -c 9000000 /dev/urandom >&2; exit 128", DirectFaultKind::Broken),
        ("kill -SEGV $$; sleep 1", DirectFaultKind::Broken),
        ("exit 1", DirectFaultKind::Broken),
    ] {
        let program = fake_git(place.path(), "ls-remote", instead);
        let lab = Lab::start_with(|settings| settings.program = program);
        let error = lab.repository().stat("v1.0.0").await.expect_err(instead);
        assert_eq!(error.kind, kind, "{instead}: {error:?}");
        assert!(error.said.unwrap_or_default().len() < 1000);
    }
    let lab = Lab::start_with(|settings| settings.program = place.path().join("none"));
    let error = lab.repository().stat("v1.0.0").await.expect_err("no git");
    assert_eq!(error.kind, DirectFaultKind::Broken);
    assert!(error.text.contains("Larder needs git"), "{error}");
}

#[tokio::test]
async fn a_git_that_fails_on_the_history_is_no_absence() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let full = "echo 'fatal: unable to write file: No space left on device' >&2; exit 128";
    for (word, instead, kind) in [
        ("rev-parse", "kill -KILL $$; sleep 1", DirectFaultKind::Broken),
        ("update-ref", full, DirectFaultKind::StorageFull),
        ("update-ref", "kill -KILL $$; sleep 1", DirectFaultKind::Broken),
    ] {
        let program = fake_git(place.path(), word, instead);
        let lab = Lab::start_with(|settings| settings.program = program);
        let mut source = lab.forge.repository(NAME);
        let first = source.files(&[("a.go", "package a\n")]);
        source.files(&[("b.go", "package b\n")]);
        let hash = source.hash(first);
        let error = lab.repository().stat(&hash[..12]).await.expect_err(instead);
        assert_eq!(error.kind, kind, "{word}: {instead}: {error:?}");
    }
}

#[tokio::test]
async fn a_name_that_was_not_looked_at_any_more_stands_for_nothing() {
    let lab = Lab::start();
    let hash = fill(&lab.forge);
    let mut source = lab.forge.repository(NAME);
    let second = source.files(&[("go.mod", "module other\n")]);
    source.annotated_tag("v1.1.0", second);
    let other = source.hash(second);
    let repository = lab.repository();
    repository.stat("v1.1.0").await.expect("a version");
    let names = lab.mirror_folders().remove(0).join("refs/larder/c");
    let said = fs_err::read_to_string(names.join(&other)).expect("a name");
    assert_eq!(said.trim_end(), other, "the commit, not the tag's own object");
    // As if the tag had moved between listing and fetch, and the server had been killed right after the fetch.
    fs_err::write(names.join(&hash), format!("{other}\n")).expect("own file");
    works(&repository, &hash).await;
}

#[tokio::test]
async fn too_many_at_once_are_turned_away() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let program = fake_git(place.path(), "ls-remote", "sleep 600");
    let lab = Lab::start_with(|settings| {
        settings.program = program;
        settings.processes = 1;
        settings.network_deadline = Duration::from_secs(2);
    });
    let mut asking = tokio::task::JoinSet::new();
    for number in 0..100 {
        let repository = lab.repository_of(&format!("git.corp.example/team/r{number}"));
        asking.spawn(async move { repository.stat("v1.0.0").await.expect_err("it hangs").kind });
    }
    let kinds = asking.join_all().await;
    assert!(
        kinds.contains(&DirectFaultKind::Saturated) && kinds.contains(&DirectFaultKind::TimedOut),
        "{kinds:?}"
    );
    assert_eq!(lab.mirrors.run_counts().waiting, 0);
}

async fn works(repository: &Repository, hash: &str) {
    let commit = repository.stat("v1.0.0").await.expect("a version");
    assert_eq!(commit.hash, hash);
    let file = repository.read_file(hash, "go.mod", 100).await.expect("a file");
    assert_eq!(file.as_deref(), Some(&b"module m\n"[..]));
    repository.archive(hash, "", 1 << 20).await.expect("an archive");
}

#[tokio::test]
async fn a_damaged_mirror_is_made_anew() {
    let lab = Lab::start();
    let hash = fill(&lab.forge);
    let repository = lab.repository();
    works(&repository, &hash).await;
    let mirror = lab.mirror_folders().remove(0);
    let each_file = |folder: &str, what: &dyn Fn(&Path)| {
        for entry in fs_err::read_dir(mirror.join(folder)).expect("a folder").flatten() {
            if entry.path().is_file() {
                fs_err::set_permissions(entry.path(), std::fs::Permissions::from_mode(0o644))
                    .expect("own file");
                what(&entry.path());
            }
        }
    };
    let damages: &[(&str, &dyn Fn())] = &[
        ("an empty pack", &|| each_file("objects/pack", &|path| fs_err::write(path, "").expect("own file"))),
        ("no packs", &|| each_file("objects/pack", &|path| fs_err::remove_file(path).expect("own file"))),
        ("garbage in packs", &|| {
            each_file("objects/pack", &|path| {
                let mut bytes = fs_err::read(path).expect("own file");
                let middle = bytes.len() / 2;
                bytes[middle..].fill(0xa5);
                fs_err::write(path, bytes).expect("own file");
            });
        }),
        ("cut packs", &|| {
            each_file("objects/pack", &|path| {
                let bytes = fs_err::read(path).expect("own file");
                fs_err::write(path, &bytes[..bytes.len() / 3]).expect("own file");
            });
        }),
        ("a broken configuration", &|| fs_err::write(mirror.join("config"), "[core\nx").expect("own file")),
        ("no HEAD", &|| fs_err::remove_file(mirror.join("HEAD")).expect("own file")),
        ("an empty reference", &|| {
            fs_err::write(mirror.join("refs/larder/c").join(&hash), "").expect("own file");
        }),
        ("a broken shallow file", &|| fs_err::write(mirror.join("shallow"), "nonsense\n").expect("own file")),
        ("no marker", &|| fs_err::remove_file(mirror.join("larder")).expect("own file")),
        ("nothing at all", &|| fs_err::remove_dir_all(&mirror).expect("own folder")),
    ];
    for (name, damage) in damages {
        damage();
        let fresh = lab.mirrors.repository(&support::place(&lab.forge.url(NAME))).expect("a URL");
        larder_testkit::settings::say(name);
        works(&fresh, &hash).await;
    }
}

#[tokio::test]
async fn what_a_killed_fetch_left_is_swept() {
    let lab = Lab::start();
    let hash = fill(&lab.forge);
    let repository = lab.repository();
    works(&repository, &hash).await;
    let mirror = lab.mirror_folders().remove(0);
    let left = [
        "shallow.lock",
        "config.lock",
        "packed-refs.lock",
        "objects/pack/tmp_pack_x",
        "objects/pack/pack-1.pack",
        "refs/larder/c/x.lock",
        "objects/ab/tmp_obj_x",
        "objects/pack/pack-2.keep",
        ".trash-x/mirror",
        ".making-x/config",
    ];
    for folder in ["objects/ab", ".trash-x", ".making-x"] {
        fs_err::create_dir_all(mirror.join(folder)).expect("own folder");
    }
    for name in left {
        fs_err::write(mirror.join(name), "left").expect("own file");
    }
    let mut source = lab.forge.repository(NAME);
    let second = source.files_on("other", &[("b.go", "package b\n")]);
    source.tag("v1.1.0", second);
    source.save();
    repository.stat("v1.1.0").await.expect("a version");
    for name in left {
        assert!(!mirror.join(name).exists(), "{name}");
    }
}

#[tokio::test]
async fn a_forge_that_fails_is_unreachable_and_the_next_question_works() {
    let lab = Lab::start_with(|settings| settings.network_deadline = Duration::from_secs(5));
    let hash = fill(&lab.forge);
    let repository = lab.repository();
    for (stage, fault, kind) in [
        (Stage::Advertisement, GitFault::Status(500, "boom".into()), DirectFaultKind::Unreachable),
        (Stage::Advertisement, GitFault::Status(503, "later".into()), DirectFaultKind::Unreachable),
        (Stage::Advertisement, GitFault::Status(404, "no".into()), DirectFaultKind::Absent),
        (Stage::Advertisement, GitFault::Status(403, "no".into()), DirectFaultKind::CredentialsRefused),
        (Stage::Advertisement, GitFault::Hang, DirectFaultKind::TimedOut),
        (Stage::Listing, GitFault::Cut(10), DirectFaultKind::Unreachable),
        (Stage::Fetch, GitFault::Cut(100), DirectFaultKind::Unreachable),
        (Stage::Fetch, GitFault::Stall(100), DirectFaultKind::TimedOut),
        (Stage::Fetch, GitFault::Status(502, "boom".into()), DirectFaultKind::Unreachable),
    ] {
        lab.forge.fault(NAME, Some(stage), fault.clone(), None);
        let error = repository.stat("v1.0.0").await.expect_err("a fault");
        assert_eq!(error.clone().in_public().kind, kind, "{fault:?}: {error:?}");
        lab.forge.heal();
    }
    works(&repository, &hash).await;
}

/// Knows one new place.
#[derive(Debug)]
struct Moved(String);

impl larder_direct::git::Follow for Moved {
    fn follow<'a>(
        &'a self,
        place: &'a larder_direct::discover::RepositoryPlace,
        _: bool,
    ) -> larder_direct::git::Following<'a> {
        let mut place = place.clone();
        place.url.clone_from(&self.0);
        Box::pin(std::future::ready(Ok(place)))
    }
}

#[tokio::test]
async fn git_follows_no_redirects_but_larder_does() {
    let lab = Lab::start();
    let hash = fill(&lab.forge);
    let old = "git.corp.example/old/repo";
    lab.forge.fault(old, None, GitFault::Redirect(lab.forge.url(NAME)), None);
    let error = lab.repository_of(old).stat("v1.0.0").await.expect_err("nobody follows");
    assert_eq!(error.kind, DirectFaultKind::Unreachable, "{error:?}");
    assert_eq!(lab.forge.traffic(NAME).advertisements, 0);
    let follower: std::sync::Arc<dyn larder_direct::git::Follow> =
        std::sync::Arc::new(Moved(lab.forge.url(NAME)));
    lab.mirrors.set_follower(std::sync::Arc::downgrade(&follower));
    let repository = lab.repository_of(old);
    works(&repository, &hash).await;
    assert_eq!(repository.url(), lab.forge.url(old), "it keeps its name");
}

#[tokio::test]
async fn ssh_is_told_apart_too() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let forge = GitServer::start();
    let hash = fill(&forge);
    let server = match larder_testkit::SshServer::start(forge.root(), &["git.corp.example"]) {
        Ok(server) => server,
        Err(reason) => return larder_testkit::settings::skipped("ssh", &reason),
    };
    let mut settings = support::settings(folder.path());
    settings.environment.push(("GIT_SSH_COMMAND".into(), server.command().into()));
    let mirrors = larder_direct::git::Mirrors::new(std::sync::Arc::new(settings));
    let url = server.url("git.corp.example", NAME);
    let repository = mirrors.repository(&support::place(&url)).expect("a URL");
    server.forget_host_key();
    let error = repository.stat("v1.0.0").await.expect_err("an unknown host");
    assert_eq!(error.kind, DirectFaultKind::Unreachable, "{error:?}");
    assert!(error.text.contains("host key") && error.said.expect("a quotation").contains("host key"));
    server.expect_other_host_key();
    let error = repository.stat("v1.0.0").await.expect_err("another host");
    assert!(error.kind == DirectFaultKind::Unreachable && error.text.contains("host key"), "{error:?}");
    server.trust_host_key();
    server.revoke_key();
    let error = repository.stat("v1.0.0").await.expect_err("a revoked key");
    assert_eq!(error.kind, DirectFaultKind::CredentialsRefused, "{error:?}");
    server.allow_key();
    works(&repository, &hash).await;
    let none = mirrors
        .repository(&support::place(&server.url("git.corp.example", "git.corp.example/none")))
        .expect("a URL");
    let error = none.stat("v1.0.0").await.expect_err("no such repository");
    assert_eq!(error.kind, DirectFaultKind::Absent, "{error:?}");
}

#[tokio::test]
async fn hosts_that_cannot_be_had_are_unreachable() {
    let lab = Lab::start_with(|settings| settings.certificate_authorities.clear());
    fill(&lab.forge);
    let error = lab.repository().stat("v1.0.0").await.expect_err("an unknown authority");
    assert!(error.kind == DirectFaultKind::Unreachable && error.text.contains("TLS"), "{error:?}");
    let refusing = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback").local_addr().expect("bound");
    for (url, word) in [
        (format!("https://{refusing}/team/repo"), "no connection"),
        ("https://none.invalid/team/repo".to_owned(), "resolved"),
    ] {
        let repository = lab.mirrors.repository(&support::place(&url)).expect("a URL");
        let error = repository.stat("v1.0.0").await.expect_err(&url);
        assert_eq!(error.kind, DirectFaultKind::Unreachable, "{error:?}");
        assert!(error.text.contains(word), "{error:?}");
    }
}

#[tokio::test]
async fn a_full_disk_is_named_and_the_next_fetch_works() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let full = place.path().join("full");
    fs_err::write(&full, "").expect("a temporary folder");
    let instead = format!(
        "test -e {} && echo left > $GIT_DIR/objects/pack/tmp_pack_x && \
         echo 'fatal: write error: No space left on device' >&2 && exit 128",
        full.display()
    );
    let program = fake_git(place.path(), "fetch", &instead);
    let lab = Lab::start_with(|settings| settings.program = program);
    let hash = fill(&lab.forge);
    let repository = lab.repository();
    let error = repository.stat("v1.0.0").await.expect_err("no room");
    assert_eq!(error.kind, DirectFaultKind::StorageFull, "{error:?}");
    assert!(lab.mirror_folders().iter().all(|mirror| !mirror.join("objects/pack/tmp_pack_x").exists()));
    fs_err::remove_file(&full).expect("a temporary folder");
    works(&repository, &hash).await;
}

#[tokio::test]
async fn many_packs_get_one_index() {
    let lab = Lab::start();
    let mut source = lab.forge.repository(NAME);
    for number in 0..17 {
        let mark = source.files(&[("a.go", &format!("package a // {number}\n"))]);
        source.tag(&format!("v1.{number}.0"), mark);
    }
    source.save();
    let repository = lab.repository();
    for number in 0..17 {
        repository.stat(&format!("v1.{number}.0")).await.expect("a version");
    }
    let mirror = lab.mirror_folders().remove(0);
    assert!(mirror.join("objects/pack/multi-pack-index").exists());
    repository.archive("v1.3.0", "", 1 << 20).await.expect("an archive");
}

#[tokio::test]
async fn the_repository_around_the_data_folder_is_not_asked() {
    let around = tempfile::tempdir().expect("a temporary folder");
    let made = larder_testkit::git::command(around.path()).args(["init", "--quiet", "."]).status();
    assert!(made.expect("git is on the machine").success());
    let lab = Lab::start_with(|settings| settings.mirrors = around.path().join("data/mirrors"));
    let hash = fill(&lab.forge);
    let config = format!("[url \"https://evil.invalid/\"]\n\tinsteadOf = {}\n", lab.forge);
    fs_err::write(around.path().join(".git/config"), config).expect("a temporary folder");
    assert_eq!(lab.mirrors.rewritten(&lab.forge.url(NAME)).await.expect("an answer"), lab.forge.url(NAME));
    works(&lab.repository(), &hash).await;
    let config = format!(
        "[url \"https://evil.invalid/\"]\n\tinsteadOf = {}\n[protocol \"git\"]\n\tallow = always\n",
        lab.forge
    );
    fs_err::write(lab.folder.path().join("gitconfig"), config).expect("a temporary folder");
    // The operator's own, once it is read again.
    let fresh = Lab::start_with(|settings| {
        settings.environment.retain(|(name, _)| name != "GIT_CONFIG_GLOBAL");
        settings.environment.push(("GIT_CONFIG_GLOBAL".into(), lab.folder.path().join("gitconfig").into()));
    });
    let rewritten = fresh.mirrors.rewritten(&lab.forge.url(NAME)).await.expect("an answer");
    assert!(rewritten.starts_with("https://evil.invalid/"), "{rewritten}");
    assert_eq!(fresh.mirrors.allowed_protocols().await.expect("an answer"), ["git"]);
}

#[tokio::test]
async fn logins_are_told_apart() {
    let lab = Lab::start();
    fill(&lab.forge);
    lab.forge.protect("git.corp.example/team", "robot", "hunter2", Strangers::Challenged);
    let error = lab.repository().stat("v1.0.0").await.expect_err("no login");
    assert_eq!(error.kind, DirectFaultKind::LoginNeeded, "{error:?}");

    let token = |secret: &str, forge: &GitServer| HostToken {
        host: forge.address().to_string(),
        user: "robot".to_owned(),
        secret: Secret::new(secret),
    };
    for (secret, strangers, private, expected) in [
        ("hunter2", Strangers::Challenged, true, None),
        ("wrong-secret", Strangers::Challenged, true, Some(DirectFaultKind::CredentialsRefused)),
        ("hunter2", Strangers::Denied, true, None),
        ("wrong-secret", Strangers::Denied, false, Some(DirectFaultKind::CredentialsRefused)),
        ("", Strangers::Denied, true, Some(DirectFaultKind::LoginNeeded)),
        ("", Strangers::Denied, false, Some(DirectFaultKind::Absent)),
    ] {
        let lab = Lab::start();
        fill(&lab.forge);
        lab.forge.protect("git.corp.example/team", "robot", "hunter2", strangers);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut settings = support::settings(folder.path());
        settings.certificate_authorities = vec![lab.forge.authority_file()];
        if private {
            settings.private = larder_module::pattern::Patterns::parse("git.corp.example");
        }
        if !secret.is_empty() {
            settings.tokens.push(token(secret, &lab.forge));
        }
        let mirrors = larder_direct::git::Mirrors::new(std::sync::Arc::new(settings));
        let repository = mirrors.repository(&support::place(&lab.forge.url(NAME))).expect("a URL");
        let outcome = repository.stat("v1.0.0").await;
        let case = format!("{secret:?} {strangers:?} {private}");
        match (outcome, expected) {
            (Ok(_), None) => {}
            (Err(error), Some(kind)) => {
                let error = if private { error } else { error.in_public() };
                assert_eq!(error.kind, kind, "{case}: {error:?}");
                let all = format!("{error:?}");
                assert!(secret.is_empty() || !all.contains(secret), "{all}");
            }
            (outcome, expected) => panic!("{case}: {outcome:?} instead of {expected:?}"),
        }
    }
}

#[tokio::test]
async fn a_login_in_the_url_is_used_and_never_shown() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let seen = place.path().join("seen");
    let program = fake_git(place.path(), "ls-remote", &format!("echo \"$*\" >> {}", seen.display()));
    let lab = Lab::start_with(|settings| settings.program = program);
    let hash = fill(&lab.forge);
    lab.forge.protect("git.corp.example/team", "robot", "hunter2", Strangers::Challenged);
    let url = lab.forge.url(NAME).replace("https://", "https://robot:hunter2@");
    let repository = lab.mirrors.repository(&support::place(&url)).expect("a URL");
    assert_eq!(repository.url(), lab.forge.url(NAME));
    works(&repository, &hash).await;
    let arguments = fs_err::read_to_string(seen).expect("arguments");
    assert!(!arguments.contains("hunter2"), "{arguments}");
    let mirror = lab.mirror_folders().remove(0);
    for name in ["config", "larder"] {
        assert!(!fs_err::read_to_string(mirror.join(name)).expect("a file").contains("hunter2"));
    }
}

#[tokio::test]
async fn mirrors_keep_their_budget() {
    let lab = Lab::start_with(|settings| settings.budget = 1 << 20);
    let mut random = larder_testkit::rng::Rng::new(3);
    for number in 0..4 {
        let name = format!("git.corp.example/team/r{number}");
        let mut source = lab.forge.repository(&name);
        let commit = larder_testkit::git::Commit::on("main").file("a", random.bytes(400_000)).file(
            "go.mod",
            "module m
",
        );
        let first = source.commit(commit);
        source.tag("v1.0.0", first);
        source.save();
        lab.repository_of(&name).stat("v1.0.0").await.expect("a version");
    }
    let end = Instant::now() + Duration::from_secs(10);
    while lab.mirror_folders().len() > 2 && Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(lab.mirror_folders().len() < 4, "{:?}", lab.mirror_folders());
    for number in 0..4 {
        let repository = lab.repository_of(&format!("git.corp.example/team/r{number}"));
        let file = repository.read_file("v1.0.0", "go.mod", 100).await.expect("a file");
        assert_eq!(file.as_deref(), Some(&b"module m\n"[..]));
    }
}

#[tokio::test]
async fn a_repository_may_not_fill_the_disk() {
    let lab = Lab::start_with(|settings| settings.repository_limit = 1 << 20);
    let mut source = lab.forge.repository(NAME);
    let mut random = larder_testkit::rng::Rng::new(1);
    let noise = random.bytes(3 << 20);
    let first = source.commit(larder_testkit::git::Commit::on("main").file("big", &noise));
    source.tag("v1.0.0", first);
    let small = source.commit(larder_testkit::git::Commit::on("small").orphan().file("go.mod", "module m\n"));
    source.tag("v1.1.0", small);
    source.save();
    let repository = lab.repository();
    let error = repository.stat("v1.0.0").await.expect_err("too large");
    assert_eq!(error.kind, DirectFaultKind::StorageFull, "{error:?}");
    repository.stat("v1.1.0").await.expect("a small one");
    let mirror = lab.mirror_folders().remove(0);
    let left: Vec<_> = fs_err::read_dir(mirror.join("objects/pack")).expect("a folder").flatten().collect();
    assert!(left.iter().all(|entry| !entry.file_name().to_string_lossy().starts_with("tmp_")), "{left:?}");
}

#[tokio::test]
async fn many_questions_cost_one_clones_worth_of_traffic() {
    let lab = Lab::start_with(|settings| settings.processes = 8);
    let mut source = lab.forge.repository(NAME);
    let mut random = larder_testkit::rng::Rng::new(2);
    let noise = random.bytes(2 << 20);
    for number in 0..10 {
        let commit = larder_testkit::git::Commit::on("main")
            .file("big", &noise)
            .file("a.go", format!("package a // {number}\n"));
        let mark = source.commit(commit);
        source.tag(&format!("v1.{number}.0"), mark);
    }
    source.save();
    let mut asking = tokio::task::JoinSet::new();
    for number in 0..100 {
        let repository = lab.repository();
        asking.spawn(async move {
            let version = format!("v1.{}.0", number % 10);
            let commit = repository.stat(&version).await.expect("a version");
            repository.archive(&commit.hash, "", 1 << 30).await.expect("an archive").len
        });
    }
    assert!(asking.join_all().await.iter().all(|len| *len > 2 << 20));
    let traffic = lab.forge.traffic(NAME);
    assert!(traffic.bytes < (2 << 20) * 13 / 10, "{traffic:?}");
    assert!(traffic.fetches <= 4, "{traffic:?}");
}
