//! Repositories on a forge, asked as the go command would: what names mean, what files hold, how much is fetched.

mod support;

use std::io::Read as _;
use std::time::Duration;

use larder_testkit::git::Commit;
use larder_upstream::DirectFaultKind;
use support::{Lab, NAME};

#[tokio::test]
async fn names_are_resolved_by_the_go_commands_rules() {
    let lab = Lab::start();
    let mut source = lab.forge.repository(NAME);
    let first = source.files(&[("go.mod", "module m\n"), ("a.go", "package a\n")]);
    source.tag("v1.0.0", first);
    let second = source.files(&[("a.go", "package a // 2\n")]);
    source.annotated_tag("v1.1.0", second);
    source.tag("v1.1.0-same", second);
    let third = source.files(&[("a.go", "package a // 3\n")]);
    let side = source.commit(Commit::on("v1.0.0").parent(first).file("b.go", "package a\n"));
    let loose = source.commit(Commit::detached().parent(first).file("c.go", "package a\n"));
    source.tag("v1.0.1", loose);
    let (first, second, third, side, loose) =
        (source.hash(first), source.hash(second), source.hash(third), source.hash(side), source.hash(loose));
    let repository = lab.repository();

    let tags = repository.tags("v").await.expect("tags");
    let names: Vec<&str> = tags.names().collect();
    assert_eq!(names, ["v1.0.0", "v1.0.1", "v1.1.0", "v1.1.0-same"]);
    assert_eq!(tags.commit("v1.1.0").as_deref(), Some(second.as_str()), "an annotated tag is its commit");

    // A tag comes before a branch of the same name.
    let commit = repository.stat("v1.0.0").await.expect("a tag");
    assert_eq!((commit.hash.as_str(), commit.version.as_str()), (first.as_str(), "v1.0.0"));
    assert_eq!(commit.reference.as_deref(), Some("refs/tags/v1.0.0"));
    assert_eq!(commit.short, first[..12]);
    assert_eq!(commit.time, larder_testkit::git::FIRST_TIME);

    let commit = repository.stat("v1.1.0").await.expect("an annotated tag");
    assert_eq!((commit.hash.as_str(), commit.version.as_str()), (second.as_str(), "v1.1.0"));
    assert_eq!(commit.tags, ["v1.1.0", "v1.1.0-same"]);

    let commit = repository.stat("main").await.expect("a branch");
    assert_eq!((&commit.hash, &commit.version), (&third, &third));
    assert_eq!(commit.reference.as_deref(), Some("refs/heads/main"));
    let commit = repository.latest().await.expect("the default branch");
    assert_eq!((commit.hash.as_str(), commit.reference.as_deref()), (third.as_str(), Some("HEAD")));

    // The tip of a branch by its hash: the go command finds the reference.
    let commit = repository.stat(&side[..12]).await.expect("a prefix");
    assert_eq!(
        (commit.hash.as_str(), commit.reference.as_deref()),
        (side.as_str(), Some("refs/heads/v1.0.0"))
    );
    let commit = repository.stat(&third).await.expect("the tip of HEAD");
    assert_eq!(commit.reference, None);
    let commit = repository.stat("v1.0.1").await.expect("a tag on no branch");
    assert_eq!(commit.hash, loose);

    for absent in [
        "v9.9.9",
        "none",
        "123456",
        "0123456789ab",
        "-x",
        "v1.0.0 ",
        "\u{1b}[0m",
        "refs/tags/v1.0.0",
        "HEAD~1",
    ] {
        let error = repository.stat(absent).await.expect_err(absent);
        assert_eq!(error.kind, DirectFaultKind::Absent, "{absent}: {error}");
        assert!(!error.text.contains('\u{1b}'));
    }
}

#[tokio::test]
async fn a_commit_inside_history_is_found_but_not_one_that_no_reference_leads_to() {
    let lab = Lab::start();
    let mut source = lab.forge.repository(NAME);
    let first = source.files(&[("a.go", "package a\n")]);
    let second = source.files(&[("a.go", "package a // 2\n")]);
    let hidden = source.commit(Commit::detached().parent(first).file("evil.go", "package a\n"));
    let (first, _, hidden) = (source.hash(first), source.hash(second), source.hash(hidden));
    source.git(&["update-ref", "refs/pull/1/head", &hidden]);
    source.git(&["config", "uploadpack.allowAnySHA1InWant", "true"]);
    let repository = lab.repository();
    let commit = repository.stat(&first[..9]).await.expect("an ancestor");
    assert_eq!((commit.hash.as_str(), commit.reference), (first.as_str(), None));
    let error = repository.stat(&hidden).await.expect_err("a proposal is no part of the repository");
    assert_eq!(error.kind, DirectFaultKind::Absent);
    assert_eq!(
        repository.read_file(&first, "a.go", 100).await.expect("a file").as_deref(),
        Some(&b"package a\n"[..])
    );
}

#[tokio::test]
async fn files_are_raw_and_limited() {
    let lab = Lab::start();
    let mut source = lab.forge.repository(NAME);
    let commit = Commit::on("main")
        .file(".gitattributes", "*.mod text eol=crlf\n")
        .file("go.mod", "module m\n")
        .file("sub/x y.txt", "spaces\n")
        .symlink("link.mod", "go.mod")
        .submodule("elsewhere", &"1".repeat(40))
        .file("absent.mod", "module m // missing")
        .file("empty", "");
    let mark = source.commit(commit);
    source.tag("v1.0.0", mark);
    source.save();
    let repository = lab.repository();
    let read = async |path: &str, limit| repository.read_file("v1.0.0", path, limit).await;
    assert_eq!(read("go.mod", 9).await.expect("read").as_deref(), Some(&b"module m\n"[..]));
    assert_eq!(read("go.mod", 8).await.expect_err("too large").kind, DirectFaultKind::Invalid);
    assert_eq!(read("sub/x y.txt", 100).await.expect("read").as_deref(), Some(&b"spaces\n"[..]));
    assert_eq!(read("link.mod", 100).await.expect("read").as_deref(), Some(&b"go.mod"[..]));
    let odd = read("absent.mod", 100).await.expect("read");
    assert_eq!(odd.as_deref(), Some(&b"module m // missing"[..]), "it ends like git's word for no file");
    assert_eq!(read("empty", 0).await.expect("read").as_deref(), Some(&b""[..]));
    for absent in ["none", "sub", "elsewhere", "", "/etc/passwd", "../go.mod", "go.mod\nHEAD", "-x"] {
        assert_eq!(read(absent, 1000).await.expect("no failure"), None, "{absent}");
    }
}

#[tokio::test]
async fn an_archive_has_the_go_commands_bytes() {
    let lab = Lab::start();
    let mut source = lab.forge.repository(NAME);
    let commit = Commit::on("main")
        .file(".gitattributes", "*.txt text eol=crlf\n*.id ident\nleft.out export-ignore\n*.sub export-subst\n*.bin filter=lfs diff=lfs merge=lfs -text\n")
        .file("a.txt", "one\ntwo\n")
        .file("a.id", "$Id$\n")
        .file("left.out", "kept\n")
        .file("x.sub", "$Format:%H$\n")
        .file("big.bin", "version https://git-lfs.github.com/spec/v1\n")
        .file("sub/b.txt", "b\n");
    let mark = source.commit(commit);
    source.tag("v1.0.0", mark);
    source.save();
    let repository = lab.repository();
    let archive = repository.archive("v1.0.0", "", 1 << 20).await.expect("an archive");
    let files = unzip(archive.file);
    let file = |name: &str| {
        let found = files.iter().find(|(known, _)| known == &format!("{}{name}", archive.prefix));
        found.unwrap_or_else(|| panic!("{name} in {files:?}")).1.clone()
    };
    assert_eq!(file("a.txt"), "one\r\ntwo\r\n");
    assert!(file("a.id").starts_with("$Id: "));
    assert_eq!(file("left.out"), "kept\n");
    assert_eq!(file("x.sub"), "$Format:%H$\n");
    assert!(file("big.bin").starts_with("version https://git-lfs"));

    let archive = repository.archive("v1.0.0", "sub", 1 << 20).await.expect("an archive");
    let names: Vec<String> = unzip(archive.file).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["prefix/", "prefix/sub/", "prefix/sub/b.txt"]);
    let error = repository.archive("v1.0.0", "none", 1 << 20).await.expect_err("no such folder");
    assert_eq!(error.kind, DirectFaultKind::Absent, "{error:?}");
    let error = repository.archive("v1.0.0", "", 100).await.expect_err("too much");
    assert_eq!(error.kind, DirectFaultKind::Invalid, "{error:?}");
}

#[tokio::test]
async fn the_highest_tag_before_a_commit_is_found() {
    let lab = Lab::start();
    let mut source = lab.forge.repository(NAME);
    let first = source.files(&[("a.go", "1\n")]);
    source.tag("v1.0.0", first);
    source.tag("v0.9.0", first);
    source.tag("sub/v1.5.0", first);
    let second = source.files(&[("a.go", "2\n")]);
    source.annotated_tag("v1.2.0", second);
    let side = source.commit(Commit::on("side").parent(first).file("s", "s\n"));
    source.tag("v1.9.0", side);
    let tip = source.files(&[("a.go", "3\n")]);
    let (first, tip) = (source.hash(first), source.hash(tip));
    let repository = lab.repository();
    let all = |_: &str| true;
    assert_eq!(repository.recent_tag(&tip, "", &all).await.expect("a tag").as_deref(), Some("v1.2.0"));
    assert_eq!(
        repository.recent_tag("main", "sub/", &all).await.expect("a tag").as_deref(),
        Some("sub/v1.5.0")
    );
    assert_eq!(repository.recent_tag(&tip, "none/", &all).await.expect("nothing"), None);
    let small = |tag: &str| tag.starts_with("v0.");
    assert_eq!(repository.recent_tag(&tip, "", &small).await.expect("a tag").as_deref(), Some("v0.9.0"));
    for (revision, tag, expected) in [
        (tip.as_str(), "v1.2.0", true),
        ("main", "v1.0.0", true),
        ("v1.2.0", "v1.2.0", true),
        (&tip, "v1.9.0", false),
        (&first, "v1.2.0", false),
        (&tip, "v7.0.0", false),
    ] {
        assert_eq!(
            repository.descends_from(revision, tag).await.expect("an answer"),
            expected,
            "{revision} {tag}"
        );
    }
}

#[tokio::test]
async fn history_stays_whole_when_more_commits_are_fetched() {
    let lab = Lab::start();
    let mut remote = lab.forge.repository(NAME);
    let first = remote.files(&[("a.txt", "1")]);
    remote.tag("v1.0.0", first);
    let second = remote.files(&[("a.txt", "2")]);
    remote.tag("middle", second);
    let third = remote.files(&[("a.txt", "3")]);
    remote.branch("tip", third);
    remote.save();
    let repository = lab.repository();
    assert!(repository.descends_from("tip", "v1.0.0").await.expect("an answer"));
    repository.stat("middle").await.expect("a tag");
    assert!(repository.descends_from("tip", "v1.0.0").await.expect("an answer"));
    assert!(repository.descends_from("middle", "v1.0.0").await.expect("an answer"));
}

#[tokio::test]
async fn a_tag_published_a_moment_ago_is_found_within_the_freshness() {
    let lab = Lab::start_with(|settings| settings.refs_freshness = Duration::from_secs(3600));
    let mut source = lab.forge.repository(NAME);
    let first = source.files(&[("a.go", "1\n")]);
    source.tag("v1.0.0", first);
    source.save();
    let repository = lab.repository();
    repository.stat("v1.0.0").await.expect("a tag");
    let second = source.files(&[("a.go", "2\n")]);
    source.tag("v1.1.0", second);
    let second = source.hash(second);
    assert_eq!(repository.stat("v1.1.0").await.expect("the new tag").hash, second);
    let listings = lab.forge.traffic(NAME).listings;
    repository.tags("").await.expect("from memory");
    repository.stat("v1.0.0").await.expect("from memory");
    repository.stat("v1.1.0").await.expect("from memory");
    assert_eq!(lab.forge.traffic(NAME).listings, listings);
}

#[tokio::test]
async fn sha256_repositories_work_too() {
    let lab = Lab::start();
    let mut source = lab.forge.repository_as(NAME, larder_testkit::git::ObjectFormat::Sha256);
    let first = source.files(&[("go.mod", "module m\n")]);
    source.tag("v1.0.0", first);
    let tip = source.files(&[("a", "a\n")]);
    let (first, tip) = (source.hash(first), source.hash(tip));
    let repository = lab.repository();
    assert_eq!(repository.stat("v1.0.0").await.expect("a tag").hash, first);
    assert_eq!(repository.stat(&first[..12]).await.expect("a prefix").short, first[..12]);
    let tag = repository.recent_tag(&tip, "", &|_| true).await.expect("a tag");
    assert_eq!(tag.as_deref(), Some("v1.0.0"));
    repository.archive(&tip, "", 1 << 20).await.expect("an archive");
}

#[tokio::test]
async fn a_tag_of_what_is_no_commit_is_no_version() {
    let lab = Lab::start();
    let mut source = lab.forge.repository(NAME);
    let first = source.files(&[("go.mod", "module m\n")]);
    source.tag("v1.0.0", first);
    source.save();
    source.git(&["update-ref", "refs/tags/v1.1.0", "v1.0.0^{tree}"]);
    source.git(&["update-ref", "refs/tags/v1.2.0", "v1.0.0:go.mod"]);
    source.git(&["tag", "-a", "-m", "notes", "v1.3.0", "v1.0.0^{tree}"]);
    source.git(&["tag", "-a", "-m", "notes", "v1.4.0", "v1.0.0"]);
    source.git(&["tag", "-a", "-m", "a tag of a tag", "v1.5.0", "v1.4.0"]);
    let repository = lab.repository();
    let good = repository.stat("v1.0.0").await.expect("a version");
    for tag in ["v1.1.0", "v1.2.0", "v1.3.0"] {
        let error = repository.stat(tag).await.expect_err(tag);
        assert_eq!(error.kind, DirectFaultKind::Absent, "{tag}: {error:?}");
    }
    assert_eq!(repository.stat("v1.5.0").await.expect("a version").hash, good.hash);
    let tag = repository.recent_tag("main", "", &|_| true).await.expect("a tag");
    assert_eq!(tag.as_deref(), Some("v1.5.0"));
    assert_eq!(lab.mirrors.run_counts().killed, 0);
}

#[tokio::test]
async fn an_empty_repository_has_no_versions() {
    let lab = Lab::start();
    lab.forge.repository(NAME).save();
    let repository = lab.repository();
    assert!(repository.tags("").await.expect("an answer").names().next().is_none());
    assert_eq!(repository.latest().await.expect_err("nothing").kind, DirectFaultKind::Absent);
    assert_eq!(repository.stat("v1.0.0").await.expect_err("nothing").kind, DirectFaultKind::Absent);
}

#[tokio::test]
async fn history_comes_without_files_where_the_server_can_leave_them_out() {
    for (filter, most) in [("true", 300_000), ("false", 10_000_000)] {
        let lab = Lab::start();
        let mut source = lab.forge.repository(NAME);
        source.git(&["config", "uploadpack.allowFilter", filter]);
        let mut random = larder_testkit::rng::Rng::new(4);
        let first = source.files(&[("go.mod", "module m\n")]);
        source.tag("v1.0.0", first);
        let mut marks = Vec::new();
        for _ in 0..10 {
            marks.push(source.commit(Commit::on("main").file("big", random.bytes(200_000))));
        }
        source.tag("v1.1.0", marks[3]);
        let (middle, tip) = (source.hash(marks[5]), source.hash(marks[9]));
        let repository = lab.repository();
        assert_eq!(
            repository.recent_tag(&tip, "", &|_| true).await.expect("a tag").as_deref(),
            Some("v1.1.0")
        );
        assert!(repository.descends_from("main", "v1.0.0").await.expect("an answer"));
        let traffic = lab.forge.traffic(NAME);
        assert!(traffic.bytes < most, "{filter}: {traffic:?}");
        let commit = repository.stat(&middle[..12]).await.expect("a commit inside");
        assert_eq!(commit.hash, middle);
        let archive = repository.archive(&middle, "", 1 << 30).await.expect("an archive");
        assert!(archive.len > 200_000);
        let after = lab.forge.traffic(NAME);
        if filter == "false" {
            assert_eq!(after.fetches, traffic.fetches, "all is here: {after:?}");
        } else {
            assert!(after.bytes < traffic.bytes + 250_000, "{after:?}");
        }
        assert_eq!(
            repository.recent_tag(&middle, "", &|_| true).await.expect("a tag").as_deref(),
            Some("v1.1.0")
        );
    }
}

#[tokio::test]
async fn a_server_that_gives_no_commits_by_hash_gives_everything() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let old = place.path().join("old-git");
    // The protocol of old servers, which give nothing that they don't list.
    let script = "#!/bin/sh\nfor word; do shift; [ \"$word\" = protocol.version=2 ] && word=protocol.version=0; set -- \"$@\" \"$word\"; done\n\
                  exec git \"$@\"\n";
    fs_err::write(&old, script).expect("a temporary folder");
    fs_err::set_permissions(&old, std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("a temporary folder");
    let lab = Lab::start_with(|settings| settings.program = old);
    let mut source = lab.forge.repository(NAME);
    let first = source.files(&[("go.mod", "module m\n")]);
    let second = source.files(&[("a", "a\n")]);
    let (first, _) = (source.hash(first), source.hash(second));
    let repository = lab.repository();
    assert_eq!(repository.stat(&first).await.expect("a commit").hash, first);
    repository.archive(&first, "", 1 << 20).await.expect("an archive");
}

/// Reads a zip whose files are stored without compression.
fn unzip(mut file: std::fs::File) -> Vec<(String, String)> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).expect("a file");
    let number = |at: usize, length: usize| {
        bytes[at..at + length].iter().rev().fold(0usize, |sum, byte| sum << 8 | usize::from(*byte))
    };
    let mut found = Vec::new();
    let mut at = 0;
    while bytes[at..].starts_with(b"PK\x03\x04") {
        let (size, name, extra) = (number(at + 18, 4), number(at + 26, 2), number(at + 28, 2));
        let text =
            |from: usize, length: usize| String::from_utf8_lossy(&bytes[from..from + length]).into_owned();
        let content = at + 30 + name + extra;
        found.push((text(at + 30, name), text(content, size)));
        at = content + size;
    }
    found
}
