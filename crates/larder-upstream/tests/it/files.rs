//! File trees as upstreams.

use larder_module::ObjectKind;
use larder_upstream::{FetchCause, Resume, SmallReply, UpstreamKind, Wanted};

use crate::support::{go_mod, info, module, pool, soon, version};

fn tree() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("example.com/a/@v");
    fs_err::create_dir_all(&at).unwrap();
    for (name, body) in [
        ("list", "v1.0.0\njunk\n"),
        ("v1.0.0.info", r#"{"Version":"v1.0.0"}"#),
        ("v1.0.0.mod", "module example.com/a\n"),
        ("v1.0.0.zip", "PK not a zip but long enough"),
    ] {
        fs_err::write(at.join(name), body).unwrap();
    }
    folder
}

fn url(folder: &tempfile::TempDir) -> String {
    format!("file://{}", folder.path().display())
}

#[tokio::test]
async fn a_tree_is_read_as_the_go_command_reads_it() {
    let folder = tree();
    let upstream = pool().at(&url(&folder)).unwrap();
    assert_eq!(upstream.kind(), UpstreamKind::File);
    assert_eq!(upstream.folder(), Some(folder.path()));
    for wanted in [Wanted::List(module()), info(), go_mod()] {
        assert!(upstream.small(&wanted, None, soon()).await.is_ok(), "{wanted}");
    }
    let missing = [
        Wanted::Latest(module()),
        Wanted::List("example.com/b".parse().unwrap()),
        Wanted::Query { module: module(), query: "master".parse().unwrap() },
    ];
    for wanted in missing {
        let error = upstream.small(&wanted, None, soon()).await.unwrap_err();
        assert_eq!(error.cause, FetchCause::Absent { status: None }, "{wanted}");
    }
    fs_err::write(folder.path().join("example.com/a/@latest"), r#"{"Version":"v1.0.0"}"#).unwrap();
    assert!(upstream.small(&Wanted::Latest(module()), None, soon()).await.is_ok());
}

#[tokio::test]
async fn only_a_missing_file_is_absence() {
    let folder = tree();
    let at = folder.path().join("example.com/a/@v");
    fs_err::create_dir_all(at.join("v1.1.0.info")).unwrap();
    fs_err::write(at.join("v1.2.0.info"), "").unwrap();
    fs_err::write(at.join("v1.3.0.mod"), "x".repeat(5000)).unwrap();
    let upstream = pool().at(&url(&folder)).unwrap();
    let ask = async |version: &str, kind| {
        let of = larder_module::ModuleVersion::parse("example.com/a", version).unwrap();
        upstream.small(&Wanted::Object { of, kind }, None, soon()).await.unwrap_err().cause
    };
    assert!(matches!(ask("v1.1.0", ObjectKind::Info).await, FetchCause::Io { .. }), "a folder");
    assert!(matches!(ask("v1.2.0", ObjectKind::Info).await, FetchCause::BadContent(_)), "empty");
    assert!(matches!(ask("v1.3.0", ObjectKind::Mod).await, FetchCause::TooLarge { .. }));
    // A file where a folder should be.
    fs_err::write(folder.path().join("example.com/file"), "").unwrap();
    let wanted = Wanted::List("example.com/file".parse().unwrap());
    assert!(matches!(upstream.small(&wanted, None, soon()).await.unwrap_err().cause, FetchCause::Io { .. }));
    // A tree that isn't mounted.
    let gone = pool().at(&format!("file://{}/not-mounted", folder.path().display())).unwrap();
    let error = gone.small(&info(), None, soon()).await.unwrap_err();
    assert!(matches!(error.cause, FetchCause::Io { .. }), "{error}");
}

#[tokio::test]
async fn an_unchanged_file_is_not_sent_again() {
    let folder = tree();
    let upstream = pool().at(&url(&folder)).unwrap();
    let wanted = Wanted::List(module());
    let SmallReply::Fresh(fresh) = upstream.small(&wanted, None, soon()).await.unwrap() else {
        panic!("nothing was known")
    };
    let again = upstream.small(&wanted, Some(&fresh.validators), soon()).await.unwrap();
    assert!(matches!(again, SmallReply::NotModified));
    fs_err::write(folder.path().join("example.com/a/@v/list"), "v1.0.0\nv1.1.0\n").unwrap();
    let changed = upstream.small(&wanted, Some(&fresh.validators), soon()).await.unwrap();
    assert!(matches!(changed, SmallReply::Fresh(_)));
}

#[tokio::test]
async fn zips_and_their_rests() {
    let folder = tree();
    let upstream = pool().at(&url(&folder)).unwrap();
    let mut body = upstream.zip(&version(), None).await.unwrap();
    assert_eq!(body.declared_len(), Some(28));
    let whole = body.next().await.unwrap().unwrap();
    assert!(body.next().await.unwrap().is_none());
    let resume = Resume { offset: 10, validators: body.validators().clone() };
    let mut rest = upstream.zip(&version(), Some(&resume)).await.unwrap();
    assert_eq!(rest.offset(), 10);
    assert_eq!(rest.next().await.unwrap().unwrap(), whole.slice(10..));
    fs_err::write(folder.path().join("example.com/a/@v/v1.0.0.zip"), "PK another one").unwrap();
    assert_eq!(upstream.zip(&version(), Some(&resume)).await.unwrap().offset(), 0, "it is another file now");
}

#[tokio::test]
async fn no_path_leaves_the_tree() {
    let folder = tree();
    fs_err::write(folder.path().join("secret"), "canary").unwrap();
    let upstream = pool().at(&format!("{}/example.com", url(&folder))).unwrap();
    for path in ["/../secret", "/a/../../secret", "/a/@v/..", "/./../secret", "/a\\..\\secret"] {
        let error = upstream.raw(path, 100, soon()).await.unwrap_err();
        assert!(matches!(error.cause, FetchCause::Io { .. }), "{path}: {error}");
    }
    fs_err::create_dir_all(folder.path().join("sumdb/sum.example.com")).unwrap();
    fs_err::write(folder.path().join("sumdb/sum.example.com/supported"), "").unwrap();
    let upstream = pool().at(&url(&folder)).unwrap();
    assert!(upstream.raw("/sumdb/sum.example.com/supported", 100, soon()).await.unwrap().is_empty());
}
