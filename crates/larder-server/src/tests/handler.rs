//! The handler in memory, without sockets.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Request, StatusCode, Version};
use http_body_util::{BodyExt, Empty};
use larder_cache::{Body, Content, Failure, Outcome, Reason, Served};

use super::fake::{self, Fake, INFO, memory};
use super::parts;
use crate::app::{App, Door};
use crate::{AccessLog, AppParts, LogForm, ServerSettings};

/// A reply that was read to its end.
pub(super) struct Got {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Got {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("text")
    }
}

/// An app over a fake backend.
pub(super) struct Harness {
    pub(super) fake: Arc<Fake>,
    app: Arc<App<Arc<Fake>>>,
    peer: std::net::IpAddr,
}

impl Harness {
    pub(super) fn new() -> Self {
        Self::with(Fake::new(), ServerSettings::default())
    }

    pub(super) fn with(fake: Fake, settings: ServerSettings) -> Self {
        Self::logged(fake, settings, AccessLog::off())
    }

    fn logged(fake: Fake, settings: ServerSettings, access_log: AccessLog) -> Self {
        let fake = Arc::new(fake);
        let app = App::new(AppParts { access_log, ..parts(&fake) }, &settings);
        Self { fake, app, peer: [127, 0, 0, 1].into() }
    }

    pub(super) fn from(mut self, peer: &str) -> Self {
        self.peer = peer.parse().expect("address");
        self
    }

    pub(super) async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Got {
        let mut request = Request::builder().method(method).uri(path).header("host", "proxy.example.com");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Empty::<bytes::Bytes>::new()).expect("a request")).await
    }

    pub(super) async fn send(&self, request: Request<Empty<bytes::Bytes>>) -> Got {
        let door = Door { peer: self.peer, encrypted: false, local: "127.0.0.1:3000" };
        let reply = self.app.answer(request, door, None).await;
        let (parts, body) = reply.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes().to_vec();
        Got { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub(super) async fn get(&self, path: &str) -> Got {
        self.ask("GET", path, &[]).await
    }
}

#[tokio::test]
async fn every_reply_carries_a_request_id_and_errors_repeat_it() {
    let harness = Harness::new();
    for path in ["/", "/-/healthz", "/example.com/a/@latest", "/example.com/none/@latest", "/x?y", "/-/none"]
    {
        let got = harness.get(path).await;
        let id = got.header("x-request-id").to_owned();
        assert_eq!(id.len(), 16, "{path}");
        if got.status >= 400 {
            assert!(got.text().ends_with(&format!("request id: {id}\n")), "{path}: {}", got.text());
        }
    }
    assert_eq!(harness.fake.last_access().request_id.len(), 16);
}

#[tokio::test]
async fn errors_are_short_plain_text_that_no_cache_keeps() {
    let long = || {
        let attempts: Vec<String> = (0..30).map(|n| format!("{n}: {}", "x".repeat(200))).collect();
        Err(Failure::new(Reason::BadUpstream, "could not fetch example.com/bad", &attempts, &["ask again"]))
    };
    let harness = Harness::with(Fake::new().on("/example.com/bad/@latest", long), ServerSettings::default());
    let got = harness.get("/example.com/bad/@latest").await;
    assert_eq!(got.status, 502);
    assert_eq!(got.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(got.header("cache-control"), "no-store");
    assert_eq!(got.header("content-length"), got.body.len().to_string());
    let text = got.text();
    assert!(text.len() <= 600 && text.lines().count() <= 8, "{text}");
    assert!(text.starts_with("could not fetch example.com/bad\n"));
}

#[tokio::test]
async fn retry_after_is_whole_seconds_and_never_zero() {
    for (wait, want) in [(0, "1"), (1, "1"), (1000, "1"), (1001, "2"), (30_000, "30")] {
        let reply = move || {
            let retry_after = Duration::from_millis(wait);
            Err(Failure::new(Reason::BreakerOpen { retry_after }, "resting", &[], &[]))
        };
        let harness =
            Harness::with(Fake::new().on("/example.com/b/@latest", reply), ServerSettings::default());
        let got = harness.get("/example.com/b/@latest").await;
        assert_eq!((got.status, got.header("retry-after")), (503, want));
    }
}

#[tokio::test]
async fn cache_status_tells_where_it_came_from() {
    let upstream = larder_upstream::UpstreamName::direct;
    let age = Duration::from_secs;
    for (outcome, status, control) in [
        (Outcome::Hit { age: None }, "Larder; hit", "public, max-age=60"),
        (Outcome::Hit { age: Some(age(20)) }, "Larder; hit; ttl=40", "public, max-age=60"),
        (Outcome::Stale { age: age(90) }, "Larder; hit; ttl=-30; detail=stale", "no-cache"),
        (Outcome::Miss { upstream: upstream() }, "Larder; fwd=uri-miss; stored", "public, max-age=60"),
        (
            Outcome::Revalidated { upstream: upstream() },
            "Larder; fwd=stale; fwd-status=304",
            "public, max-age=60",
        ),
        (
            Outcome::Unstored { upstream: upstream() },
            "Larder; fwd=uri-miss; stored=?0; detail=unstored",
            "public, max-age=60",
        ),
        (Outcome::Computed, "Larder; hit; detail=computed", "no-cache"),
    ] {
        let reply = {
            let outcome = outcome.clone();
            move || Ok(Served { outcome: outcome.clone(), ..memory(Content::List, "v1.0.0\n", false) })
        };
        let harness =
            Harness::with(Fake::new().on("/example.com/o/@v/list", reply), ServerSettings::default());
        let got = harness.get("/example.com/o/@v/list").await;
        assert_eq!(got.header("cache-status"), status, "{outcome:?}");
        assert_eq!(got.header("cache-control"), control, "{outcome:?}");
        let age = outcome.age().map_or_else(String::new, |age| age.as_secs().to_string());
        assert_eq!(got.header("age"), age, "{outcome:?}");
    }
}

#[tokio::test]
async fn what_was_made_up_here_is_never_called_immutable() {
    for (content, private, control) in [
        (Content::Info, false, "no-cache"),
        (Content::Info, true, "private, no-cache"),
        (Content::Latest, false, "no-cache"),
    ] {
        let reply = move || Ok(Served { outcome: Outcome::Computed, ..memory(content, INFO, private) });
        let harness =
            Harness::with(Fake::new().on("/example.com/c/@v/v1.0.0.info", reply), ServerSettings::default());
        for condition in
            [("if-none-match", "\"tag\""), ("if-modified-since", "Tue, 14 Nov 2023 22:13:20 GMT")]
        {
            let got = harness.ask("GET", "/example.com/c/@v/v1.0.0.info", &[condition]).await;
            assert_eq!((got.status, got.text()), (200, INFO.to_owned()));
            assert_eq!(got.header("cache-control"), control);
            assert_eq!((got.header("etag"), got.header("last-modified")), ("", ""));
        }
    }
}

#[tokio::test]
async fn http_1_0_is_answered_only_when_the_whole_is_known() {
    let harness = Harness::new();
    for (version, whole) in [(Version::HTTP_10, true), (Version::HTTP_11, false), (Version::HTTP_2, false)] {
        let request = Request::get("/example.com/a/@v/v1.0.0.zip").version(version);
        let got = harness.send(request.header("host", "h").body(Empty::new()).expect("a request")).await;
        assert_eq!(got.status, 200);
        assert_eq!(harness.fake.last_access().whole_status, whole, "{version:?}");
    }
}

#[tokio::test]
async fn private_modules_are_for_private_clients() {
    let local = Harness::new();
    assert_eq!(local.get("/corp.example.com/p/@v/v1.0.0.info").await.text(), INFO);
    let strange = Harness::new().from("192.0.2.7");
    for path in ["@v/list", "@latest", "@v/v1.0.0.info", "@v/v1.0.0.mod", "@v/v1.0.0.zip", "@v/master.info"] {
        let got = strange.get(&format!("/corp.example.com/p/{path}")).await;
        assert_eq!(got.status, 403, "{path}");
        assert!(got.text().contains("private_clients"), "{path}");
    }
    let page = strange.get("/").await.text();
    assert!(!page.contains("corp.example.com"), "patterns are private names too");
    // A reverse proxy on this machine that nobody declared as trusted speaks for anybody.
    let forwarded = [("x-forwarded-for", "192.0.2.7")];
    assert_eq!(local.ask("GET", "/corp.example.com/p/@latest", &forwarded).await.status, 403);
}

#[tokio::test]
async fn nothing_in_header_or_host_changes_what_a_path_means() {
    // T12: the bytes depend on the path alone.
    let harness = Harness::new();
    let names = [
        "x-original-url",
        "x-rewrite-url",
        "x-http-method-override",
        "x-forwarded-host",
        "x-forwarded-prefix",
        "forwarded",
        "cookie",
        "authorization",
        "accept",
        "accept-encoding",
        "accept-language",
        "origin",
        "user-agent",
        "referer",
        "x-forwarded-scheme",
        "te",
        "pragma",
        "cache-control",
        "x-method-override",
        "content-type",
    ];
    let values =
        ["/example.com/b/@latest", "POST", "evil.example.com", "br, gzip", "no-cache", "*/*", "x=1", "0"];
    for name in names {
        for value in values {
            for path in
                ["/example.com/a/@latest", "/example.com/a/@v/v1.0.0.mod", "/example.com/none/@latest"]
            {
                let plain = harness.get(path).await;
                let got = harness.ask("GET", path, &[(name, value)]).await;
                assert_eq!(got.status, plain.status, "{name}: {value} {path}");
                if got.status == 200 {
                    assert_eq!(got.body, plain.body, "{name}: {value} {path}");
                }
            }
        }
    }
}

#[tokio::test]
async fn conditions_and_ranges_on_files_and_memory() {
    let harness = Harness::new();
    let zip = fake::zip_bytes();
    let path = "/example.com/a/@v/v1.0.0.zip";
    let got = harness.ask("GET", path, &[("range", "bytes=999990-")]).await;
    assert_eq!((got.status, got.header("content-range")), (206, "bytes 999990-999999/1000000"));
    assert_eq!(got.body, zip[999_990..]);
    assert_eq!(got.header("content-length"), "10");
    let got = harness.ask("GET", path, &[("range", "bytes=1000000-")]).await;
    assert_eq!((got.status, got.header("content-range")), (416, "bytes */1000000"));
    let got = harness.ask("GET", path, &[("range", "bytes=0-0,5-6")]).await;
    assert_eq!((got.status, got.body.len()), (200, zip.len()));
    let got = harness.ask("GET", path, &[("range", "bytes=5-9"), ("if-range", "\"other\"")]).await;
    assert_eq!((got.status, got.body.len()), (200, zip.len()));
    let got = harness.ask("HEAD", path, &[("range", "bytes=5-9")]).await;
    assert_eq!((got.status, got.header("content-length"), got.body.len()), (200, "1000000", 0));
    let got = harness.ask("GET", "/example.com/a/@v/v1.0.0.mod", &[("range", "bytes=0-5")]).await;
    assert_eq!((got.status, got.text()), (206, "module".to_owned()));
    for (name, value) in
        [("if-none-match", "\"tag\""), ("if-modified-since", "Tue, 14 Nov 2023 22:13:20 GMT")]
    {
        let got = harness.ask("GET", path, &[(name, value)]).await;
        assert_eq!((got.status, got.body.len(), got.header("etag")), (304, 0, "\"tag\""), "{name}");
        assert!(got.headers.get("content-length").is_none());
    }
    assert_eq!(harness.ask("GET", path, &[("if-match", "\"x\"")]).await.status, 412);
}

#[tokio::test]
async fn pages_of_our_own() {
    let harness = Harness::new();
    let page = harness.get("/").await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    assert!(page.text().contains("GOPROXY=http://proxy.example.com<"));
    assert!(page.text().contains("GONOSUMDB=corp.example.com<"));
    assert_eq!(harness.get("/robots.txt").await.text(), "User-agent: *\nDisallow: /\n");
    assert_eq!(harness.get("/-/version").await.text(), "{\"name\":\"larder\",\"version\":\"0.0.1\"}\n");
    let metrics = harness.get("/-/metrics").await;
    assert!(metrics.header("content-type").starts_with("application/openmetrics-text"));
    assert_eq!(harness.get("/-/style.css").await.header("content-type"), "text/css; charset=utf-8");
    harness.fake.ready.store(false, std::sync::atomic::Ordering::Relaxed);
    let got = harness.get("/-/readyz").await;
    assert_eq!(got.status, StatusCode::INTERNAL_SERVER_ERROR.as_u16());
    assert!(!got.text().contains("/secret"), "paths of the machine stay in the log");
    assert_eq!(harness.get("/-/healthz").await.status, 200, "alive all the same");
    assert!(harness.fake.asked().is_empty(), "no page asks for a module");
}

#[tokio::test]
async fn findings_about_private_modules_are_for_private_clients() {
    let all = Harness::new().get("/-/api/v1/findings").await;
    assert_eq!(
        (all.status, all.header("content-type"), all.header("cache-control")),
        (200, "application/json", "no-store")
    );
    assert_eq!(
        all.text(),
        "{\"findings\":[{\"id\":2,\"at\":\"2023-11-14T22:13:20Z\",\"kind\":\"tag-moved\",\
         \"subject\":\"corp.example.com/a@v1.0.0\",\"detail\":\"a \\\"quoted\\\"\\nword\"},\
         {\"id\":1,\"at\":\"2023-11-14T22:13:20Z\",\"kind\":\"tag-moved\",\
         \"subject\":\"example.com/a@v1.0.0\",\"detail\":\"a \\\"quoted\\\"\\nword\"}]}\n"
    );
    let some = Harness::new().from("192.0.2.7").get("/-/api/v1/findings").await.text();
    assert!(some.contains("\"example.com/a@v1.0.0\"") && !some.contains("corp."), "{some}");
}

#[tokio::test]
async fn a_module_is_explained_to_whoever_may_see_it() {
    let got = Harness::new().get("/-/api/v1/explain?module=example.com/a").await;
    assert_eq!(
        (got.status, got.header("content-type"), got.header("cache-control")),
        (200, "application/json", "no-store")
    );
    assert_eq!(
        got.text(),
        "{\"module\":\"example.com/a\",\"route\":{\"name\":\"others\",\"patterns\":[],\"private\":false,\"verify\":\"required\"},\
         \"chain\":[{\"upstream\":\"proxy.example.com\",\"kind\":\"proxy\",\"separator\":\"\",\"breaker\":\"closed\"}],\
         \"checksum_database\":null,\"stored_versions\":2,\"causes\":[\"asked 40 s ago: proxy.example.com: timed out\"]}\n"
    );
    assert_eq!(Harness::new().get("/-/api/v1/explain?module=a//b").await.status, 400);
    let private = Harness::new().from("192.0.2.7").get("/-/api/v1/explain?module=corp.example.com/p").await;
    assert_eq!(private.status, 403, "private names are for private clients");
}

#[tokio::test]
async fn a_loop_is_named() {
    let got = Harness::new().ask("GET", "/example.com/a/@latest", &[("via", "1.1 larder-self")]).await;
    assert_eq!(got.status, 508);
    assert!(got.text().contains("`chain`"), "{}", got.text());
}

#[tokio::test]
async fn a_kept_failure_says_so() {
    let reply = || {
        let age = Duration::from_secs(40);
        Err(Failure::new(Reason::Absent, "not found: asked 40 s ago", &[], &[]).learned(age))
    };
    let harness = Harness::with(Fake::new().on("/example.com/k/@latest", reply), ServerSettings::default());
    let got = harness.get("/example.com/k/@latest").await;
    assert_eq!((got.status, got.header("cache-status")), (404, "Larder; hit; detail=learned-earlier"));
}

#[tokio::test]
async fn an_empty_file_has_an_empty_body() {
    let empty = fake::file_of(b"");
    let reply = move || {
        let body = Body::File { file: Arc::clone(&empty), len: 0 };
        Ok(Served { body, ..memory(Content::Zip, "", false) })
    };
    let harness =
        Harness::with(Fake::new().on("/example.com/e/@v/v1.0.0.zip", reply), ServerSettings::default());
    let got = harness.get("/example.com/e/@v/v1.0.0.zip").await;
    assert_eq!((got.status, got.header("content-length")), (200, "0"));
}

/// Where a test's log lines go.
#[derive(Clone, Default)]
struct Lines(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn one_log_line_a_request() {
    let lines = Lines::default();
    let now = || std::time::SystemTime::UNIX_EPOCH;
    let log = AccessLog::start(LogForm::Text { colour: false }, now, lines.clone()).expect("a thread");
    let harness = Harness::logged(Fake::new(), ServerSettings::default(), log.clone());
    let zip = harness.get("/github.com/!azure/x/@v/v1.0.0.zip").await;
    let none = harness.ask("HEAD", "/example.com/logged/@latest", &[]).await;
    assert!(log.flush(Duration::from_secs(30)));
    let log = String::from_utf8(lines.0.lock().expect("no panic").clone()).expect("text");
    let log: Vec<&str> = log.lines().collect();
    assert_eq!(log.len(), 2, "{log:?}");
    for (line, id, parts) in [
        (
            log[0],
            zip.header("x-request-id"),
            [
                "GET /github.com/!azure/x/@v/v1.0.0.zip 200",
                "bytes=1000000",
                "outcome=hit",
                "client=127.0.0.1",
            ],
        ),
        (
            log[1],
            none.header("x-request-id"),
            ["HEAD /example.com/logged/@latest 404", "bytes=0", "outcome=absent", "upstream=-"],
        ),
    ] {
        assert!(line.contains(&format!("request_id={id}")), "{line}");
        assert!(parts.iter().all(|part| line.contains(part)), "{line}");
    }
}
