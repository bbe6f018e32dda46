//! What proxies answer, row by row: `a_N` is row N of the protocol list, `b_N` row N of what Athens does and
//! Larder keeps. Rows about upstreams, storage and verification are tests of the crates that own them.

use larder_cache::{Failure, Reason};
use larder_module::defaults::GOSUMDB;

use super::fake::{Fake, INFO, MOD, zip_bytes};
use super::handler::Harness;
use crate::ServerSettings;

#[tokio::test]
async fn a_1_2_latest_and_head_of_it() {
    let harness = Harness::new();
    let got = harness.get("/example.com/a/@latest").await;
    assert_eq!((got.status, got.text()), (200, INFO.to_owned()));
    assert_eq!(got.header("content-type"), "application/json");
    assert_eq!(got.header("cache-control"), "public, max-age=60");
    let head = harness.ask("HEAD", "/example.com/a/@latest", &[]).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    for name in
        ["content-type", "cache-control", "content-length", "etag", "last-modified", "cache-status", "vary"]
    {
        assert_eq!(head.header(name), got.header(name), "{name}");
    }
}

#[tokio::test]
async fn a_3_other_methods_are_405() {
    let harness = Harness::new();
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "get"] {
        for path in ["/example.com/a/@latest", "/example.com/a/@v/v1.0.0.zip", "/", "/-/healthz"] {
            let got = harness.ask(method, path, &[]).await;
            assert_eq!((got.status, got.header("allow")), (405, "GET, HEAD"), "{method} {path}");
            assert_eq!(got.header("content-type"), "text/plain; charset=utf-8");
        }
    }
    assert!(harness.fake.asked().is_empty());
}

#[tokio::test]
async fn a_4_strange_paths_are_404_and_never_redirected() {
    let harness = Harness::new();
    assert_eq!(harness.get("/").await.status, 200, "`/` is the start page");
    for path in [
        "/.",
        "/..",
        "/../example.com/a/@latest",
        "/example.com/a/../a/@latest",
        "/example.com/a/@latest/",
        "/example.com/a/@v/list/",
        "/example.com/a/",
        "/example.com/./a/@latest",
        "/-",
        "/-/",
        "/%2e%2e/example.com/a/@latest",
    ] {
        let got = harness.get(path).await;
        assert_eq!(got.status, 404, "{path}");
        assert!(got.headers.get("location").is_none(), "{path}");
        assert_eq!(got.header("content-type"), "text/plain; charset=utf-8");
    }
    for path in ["//example.com/a/@latest", "/example.com//a/@latest", "/example.com/a/@v//list"] {
        let got = harness.get(path).await;
        assert!((400..500).contains(&got.status), "{path}: {}", got.status);
    }
    assert!(harness.fake.asked().is_empty());
}

#[tokio::test]
async fn a_5_list() {
    let got = Harness::new().get("/example.com/a/@v/list").await;
    assert_eq!((got.status, got.text()), (200, "v1.0.0\nv1.1.0\n".to_owned()));
    assert_eq!(got.header("content-type"), "text/plain; charset=utf-8");
}

#[tokio::test]
async fn a_6_7_objects_and_their_types() {
    let harness = Harness::new();
    let forever = "public, max-age=31536000, immutable";
    for (kind, content_type, want) in [
        ("info", "application/json", INFO.as_bytes().to_vec()),
        ("mod", "text/plain; charset=utf-8", MOD.as_bytes().to_vec()),
        ("zip", "application/zip", zip_bytes()),
    ] {
        let got = harness.get(&format!("/example.com/a/@v/v1.0.0.{kind}")).await;
        assert_eq!(got.status, 200);
        assert!(got.body == want, "{kind}");
        assert_eq!(got.header("content-type"), content_type);
        assert_eq!(got.header("cache-control"), forever);
        assert_eq!(got.header("content-length"), want.len().to_string());
    }
}

#[tokio::test]
async fn a_8_queries_are_short_lived() {
    let got = Harness::new().get("/example.com/a/@v/master.info").await;
    assert_eq!((got.status, got.header("cache-control")), (200, "public, max-age=60"));
}

#[tokio::test]
async fn a_9_to_14_what_can_not_exist_is_404_without_asking() {
    let harness = Harness::new();
    for (row, path) in [
        (9, "/example.com/a/@v/master.mod"),
        (9, "/example.com/a/@v/master.zip"),
        (10, "/example.com/a/@v/latest.info"),
        (10, "/example.com/a/@v/upgrade.info"),
        (10, "/example.com/a/@v/patch.info"),
        (11, "/example.com/a"),
        (11, "/example.com/a/@/"),
        (12, "/example.com/a/@v/foobar"),
        (12, "/example.com/a/@v/foo.bar"),
        (13, "/example.com/A/@latest"),
        (13, "/example.com/a/@v/!!v1.0.0.info"),
        (13, "/example.com/a!/@latest"),
        (14, "/foobar/@latest"),
    ] {
        let got = harness.get(path).await;
        assert_eq!(got.status, 404, "row {row}: {path}");
        assert_eq!(got.header("content-type"), "text/plain; charset=utf-8", "row 18");
        assert!(got.text().starts_with("not found: "), "row {row}: {}", got.text());
    }
    assert!(harness.get("/example.com/a/@v/foo.bar").await.text().contains("bar"), "row 12 names it");
    assert!(harness.fake.asked().is_empty());
}

#[tokio::test]
async fn a_15_escapes() {
    let harness = Harness::new();
    for path in ["/github.com/!azure/x/@latest", "/github.com/%21azure/x/@latest"] {
        assert_eq!(harness.get(path).await.status, 200, "{path}");
    }
    assert_eq!(harness.fake.asked(), ["/github.com/!azure/x/@latest"; 2]);
}

#[tokio::test]
async fn a_16_path_and_major_must_agree_for_mod_and_zip() {
    let harness = Harness::new();
    for path in ["/example.com/a/@v/v2.0.0.mod", "/example.com/a/@v/v2.0.0.zip"] {
        assert_eq!(harness.get(path).await.status, 404, "{path}");
    }
    assert!(harness.fake.asked().is_empty());
    for path in ["/example.com/a/@v/v2.0.0+incompatible.mod", "/example.com/a/@v/v2.0.0.info"] {
        harness.get(path).await;
    }
    assert_eq!(
        harness.fake.asked(),
        ["/example.com/a/@v/v2.0.0+incompatible.mod", "/example.com/a/@v/v2.0.0.info"]
    );
}

#[tokio::test]
async fn a_21_22_23_29_34_failures_by_fault() {
    for (row, reason, status) in [
        (21, Reason::BadUpstream, 502),
        (22, Reason::UpstreamTimeout, 504),
        (23, Reason::Denied, 403),
        (23, Reason::UpstreamCredentials, 502),
        (29, Reason::StoreBroken, 500),
        (34, Reason::ChecksumMismatch, 403),
        (39, Reason::PrivateClients, 403),
    ] {
        let reply = {
            let reason = reason.clone();
            move || Err(Failure::new(reason.clone(), "it failed", &[], &[]))
        };
        let harness =
            Harness::with(Fake::new().on("/example.com/f/@latest", reply), ServerSettings::default());
        let got = harness.get("/example.com/f/@latest").await;
        assert_eq!((got.status, got.header("cache-control")), (status, "no-store"), "row {row}: {reason:?}");
    }
}

#[tokio::test]
async fn a_28_stored_only_by_header_and_by_prefix() {
    let harness = Harness::new();
    let off = [("Disable-Module-Fetch", "true")];
    let got = harness.ask("GET", "/example.com/a/@v/v1.0.0.info", &off).await;
    assert_eq!((got.status, got.header("vary")), (200, "Disable-Module-Fetch"));
    for (path, headers) in
        [("/example.com/a/@v/v9.0.0.info", &off[..]), ("/cached-only/example.com/a/@v/v9.0.0.info", &[])]
    {
        let got = harness.ask("GET", path, headers).await;
        assert_eq!(got.status, 404, "{path}");
        assert_eq!(got.header("cache-control"), "no-store");
        assert_eq!(got.header("vary"), "Disable-Module-Fetch");
        assert!(harness.fake.last_access().cached_only);
    }
}

#[tokio::test]
async fn a_36_37_checksum_database_paths() {
    let harness = Harness::new();
    let base = format!("/sumdb/{GOSUMDB}");
    for (path, content_type, control) in [
        ("supported", "text/plain; charset=utf-8", "public, max-age=60"),
        ("latest", "text/plain; charset=utf-8", "no-cache"),
        ("lookup/example.com/a@v1.0.0", "text/plain; charset=utf-8", "public, max-age=60"),
        ("tile/8/0/000", "application/octet-stream", "public, max-age=31536000, immutable"),
    ] {
        let got = harness.get(&format!("{base}/{path}")).await;
        assert_eq!((got.status, got.header("content-type")), (200, content_type), "{path}");
        assert_eq!(got.header("cache-control"), control, "{path}");
    }
    assert_eq!(harness.get(&format!("{base}/supported")).await.body.len(), 0);
    assert_eq!(harness.get("/sumdb/other.example.com/supported").await.status, 404, "not known here");
    for path in [base.clone(), format!("{base}/other"), format!("{base}/")] {
        assert_eq!(harness.get(&path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_42_ranges_and_conditions() {
    let harness = Harness::new();
    let path = "/example.com/a/@v/v1.0.0.zip";
    let ask = async |name: &str, value: &str| harness.ask("GET", path, &[(name, value)]).await.status;
    assert_eq!(ask("range", "bytes=0-9").await, 206);
    assert_eq!(ask("range", "bytes=9999999-").await, 416);
    assert_eq!(ask("if-none-match", "\"tag\"").await, 304);
    assert_eq!(ask("if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT").await, 304);
}

#[tokio::test]
async fn a_46_b_6_a_base_path() {
    let settings = ServerSettings { base_path: "/p".parse().expect("fine"), ..ServerSettings::default() };
    let harness = Harness::with(Fake::new(), settings);
    for path in [
        "/p",
        "/p/",
        "/p/-/healthz",
        "/p/example.com/a/@latest",
        "/p/cached-only/example.com/a/@v/v1.0.0.mod",
    ] {
        assert_eq!(harness.get(path).await.status, 200, "{path}");
    }
    for path in ["/", "/-/healthz", "/example.com/a/@latest", "/pp/example.com/a/@latest", "/p/p/-/healthz"] {
        assert_eq!(harness.get(path).await.status, 404, "{path}");
    }
    assert!(harness.get("/p").await.text().contains("GOPROXY=http://proxy.example.com/p<"));
}

#[tokio::test]
async fn a_51_private_answers_are_private() {
    let harness = Harness::new();
    for (path, control) in [
        ("@v/v1.0.0.zip", "private, max-age=31536000, immutable"),
        ("@v/v1.0.0.mod", "private, max-age=31536000, immutable"),
        ("@v/list", "private, max-age=60"),
        ("@latest", "private, max-age=60"),
        ("@v/master.info", "private, max-age=60"),
    ] {
        let got = harness.get(&format!("/corp.example.com/p/{path}")).await;
        assert_eq!((got.status, got.header("cache-control")), (200, control), "{path}");
    }
}

#[tokio::test]
async fn b_1_to_4_health_readiness_version() {
    let harness = Harness::new();
    for method in ["GET", "HEAD"] {
        for path in ["/-/healthz", "/-/readyz"] {
            let got = harness.ask(method, path, &[]).await;
            assert_eq!((got.status, got.body.len()), (200, 0), "{path}");
        }
    }
    let got = harness.get("/-/version").await;
    assert_eq!((got.status, got.header("content-type")), (200, "application/json"));
    assert!(got.text().contains("\"version\":\"0.0.1\""));
    assert_eq!(harness.get("/-/badz").await.status, 404);
    assert_eq!(harness.get("/badz").await.status, 404);
}

#[tokio::test]
async fn b_5_the_start_page_behind_a_proxy() {
    let settings =
        ServerSettings { trusted_proxies: "127.0.0.1".parse().expect("fine"), ..ServerSettings::default() };
    let harness = Harness::with(Fake::new(), settings);
    let forwarded = [("x-forwarded-proto", "https"), ("x-forwarded-host", "go.example.com")];
    let got = harness.ask("GET", "/", &forwarded).await;
    assert_eq!(got.status, 200);
    assert!(got.text().contains("GOPROXY=https://go.example.com<"), "{}", got.text());
    assert!(!got.text().contains("corp.example.com"), "the proxy doesn't say for whom it asks");
    let for_whom = [&forwarded[..], &[("x-forwarded-for", "127.0.0.1")]].concat();
    let got = harness.ask("GET", "/", &for_whom).await;
    assert!(got.text().contains("GONOSUMDB=corp.example.com<"));
    let got = Harness::new().ask("GET", "/", &forwarded).await.text();
    assert!(got.contains("GOPROXY=http://proxy.example.com<"), "nobody may say that unasked");
}

#[tokio::test]
async fn b_23_24_zip_and_head() {
    let harness = Harness::new();
    let get = harness.get("/example.com/a/@v/v1.0.0.zip").await;
    assert_eq!((get.header("etag"), get.header("accept-ranges")), ("\"tag\"", "bytes"));
    for kind in ["zip", "info", "mod"] {
        let path = format!("/example.com/a/@v/v1.0.0.{kind}");
        let (get, head) = (harness.get(&path).await, harness.ask("HEAD", &path, &[]).await);
        assert_eq!((head.status, head.body.len()), (200, 0));
        for name in ["content-type", "content-length", "etag", "cache-control", "accept-ranges"] {
            assert_eq!(head.header(name), get.header(name), "{kind} {name}");
        }
    }
}

#[tokio::test]
async fn b_25_bad_escapes_are_refused_alike_everywhere() {
    let harness = Harness::new();
    for rest in ["@v/list", "@latest", "@v/v1.0.0.info", "@v/v1.0.0.mod", "@v/v1.0.0.zip"] {
        for module in ["github.com/Azure/x", "github.com/azure!/x", "github.com/azure/x!"] {
            assert_eq!(harness.get(&format!("/{module}/{rest}")).await.status, 404, "{module} {rest}");
        }
    }
}

#[tokio::test]
async fn t_1_traversal_never_reaches_the_backend() {
    let harness = Harness::new();
    for path in [
        "/example.com%2Fa/@latest",
        "/example.com%2fa/@latest",
        "/example.com%5Ca/@latest",
        "/example.com\\a/@latest",
        "/example.com/a%00/@latest",
        "/example.com/a/%2e%2e/@latest",
        "/example.com/a/@v/..%2f..%2fetc%2fpasswd",
        "/example.com/a/@v/%252e%252e.info",
        "/example.com/%/@latest",
        "/example.com/%zz/@latest",
        "/example.com/a%e2%84%aa/@latest",
        "/example.com/a/@v/v1.0.0.info%00.zip",
        "/cached-only/../example.com/a/@latest",
        "/example.com/a/@latest?x=1",
        "/example.com/a/@v/list?",
        "/sumdb/../example.com/a/@latest",
        "/example.com/a%20b/@latest",
        "/example.com/a/@v/v1.0.0.zip/..",
        "/%2e/example.com/a/@latest",
    ] {
        let got = harness.get(path).await;
        assert!(matches!(got.status, 400 | 404), "{path}: {}", got.status);
        assert!(!got.text().trim().is_empty(), "{path}");
    }
    assert!(harness.fake.asked().is_empty(), "{:?}", harness.fake.asked());
}
