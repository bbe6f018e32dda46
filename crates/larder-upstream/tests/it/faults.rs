//! What may go wrong with an upstream, each fault at each endpoint, and the cause that must come of it.

use std::time::{Duration, Instant};

use larder_upstream::{FetchCause, FetchError, RedirectFault};

use crate::support::{Server, Step, good_body, module, pool, reply, send, small_things, soon, version};

type Script = fn(&str) -> Vec<Step>;
type Expected = fn(&FetchCause) -> bool;

fn page() -> &'static str {
    "\n<!DOCTYPE html><html><title>Please log in</title></html>"
}

fn status(code: u16) -> Vec<Step> {
    reply(code, "Content-Type: text/plain; charset=utf-8\r\n", "the upstream's own words")
}

/// Name, script, cause, number of requests, whether it also concerns zips.
const FAULTS: &[(&str, Script, Expected, usize, bool)] = &[
    ("400", |_| status(400), |cause| matches!(cause, FetchCause::Status { status: 400, .. }), 1, true),
    ("401", |_| status(401), |cause| matches!(cause, FetchCause::Denied { status: Some(401) }), 1, true),
    ("403", |_| status(403), |cause| matches!(cause, FetchCause::Denied { status: Some(403) }), 1, true),
    ("404", |_| status(404), |cause| matches!(cause, FetchCause::Absent { status: Some(404) }), 1, true),
    ("410", |_| status(410), |cause| matches!(cause, FetchCause::Absent { status: Some(410) }), 1, true),
    ("418", |_| status(418), |cause| matches!(cause, FetchCause::Status { status: 418, .. }), 1, true),
    ("429", |_| status(429), |cause| matches!(cause, FetchCause::RateLimited { retry_after: None }), 3, true),
    (
        "429 for long",
        |_| reply(429, "Retry-After: 3600\r\n", ""),
        |cause| matches!(cause, FetchCause::RateLimited { retry_after: Some(wait) } if wait.as_secs() == 3600),
        1,
        false,
    ),
    ("451", |_| status(451), |cause| matches!(cause, FetchCause::Status { status: 451, .. }), 1, true),
    ("500", |_| status(500), |cause| matches!(cause, FetchCause::Status { status: 500, .. }), 3, true),
    ("501", |_| status(501), |cause| matches!(cause, FetchCause::Status { status: 501, .. }), 1, true),
    ("502", |_| status(502), |cause| matches!(cause, FetchCause::Status { status: 502, .. }), 3, true),
    ("503", |_| status(503), |cause| matches!(cause, FetchCause::Status { status: 503, .. }), 3, true),
    ("504", |_| status(504), |cause| matches!(cause, FetchCause::Status { status: 504, .. }), 1, true),
    ("508", |_| status(508), |cause| matches!(cause, FetchCause::Loop), 1, true),
    (
        "204",
        |_| vec![send("HTTP/1.1 204 No Content\r\n\r\n")],
        |cause| matches!(cause, FetchCause::BadContent(_)),
        1,
        true,
    ),
    (
        "206 unasked",
        |path| reply(206, "Content-Range: bytes 0-1/2\r\n", good_body(path)),
        |cause| matches!(cause, FetchCause::BadContent(_)),
        1,
        true,
    ),
    (
        "304 unasked",
        |_| vec![send("HTTP/1.1 304 Not Modified\r\n\r\n")],
        |cause| matches!(cause, FetchCause::BadContent(_)),
        1,
        true,
    ),
    (
        "300",
        |_| reply(300, "Location: /elsewhere\r\n", ""),
        |cause| matches!(cause, FetchCause::BadContent(_)),
        1,
        true,
    ),
    (
        "redirect to nowhere",
        |_| reply(302, "", ""),
        |cause| matches!(cause, FetchCause::Redirect(RedirectFault::NoLocation(302))),
        1,
        true,
    ),
    (
        "redirect to itself",
        |path| reply(302, &format!("Location: {path}\r\n"), ""),
        |cause| matches!(cause, FetchCause::Redirect(RedirectFault::Circle)),
        1,
        true,
    ),
    (
        "redirect ever on",
        |path| reply(307, &format!("Location: {path}x\r\n"), ""),
        |cause| matches!(cause, FetchCause::Redirect(RedirectFault::TooMany(10))),
        11,
        true,
    ),
    (
        "redirect to a file",
        |_| reply(301, "Location: file:///etc/passwd\r\n", ""),
        |cause| matches!(cause, FetchCause::Redirect(RedirectFault::Scheme(_))),
        1,
        true,
    ),
    (
        "a page",
        |_| reply(200, "Content-Type: text/html\r\n", page()),
        |cause| matches!(cause, FetchCause::BadContent(_)),
        1,
        true,
    ),
    (
        "a page that says it is text",
        |_| reply(200, "Content-Type: text/plain\r\n", page()),
        |cause| matches!(cause, FetchCause::BadContent(_)),
        1,
        true,
    ),
    (
        "an empty page",
        |_| reply(200, "Content-Type: text/html\r\n", ""),
        |cause| matches!(cause, FetchCause::BadContent(_)),
        1,
        true,
    ),
    (
        "compressed",
        |path| reply(200, "Content-Encoding: gzip\r\n", good_body(path)),
        |cause| matches!(cause, FetchCause::BadContent(_)),
        1,
        true,
    ),
    (
        "too long by its own account",
        |_| vec![send("HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n"), Step::Stall],
        |cause| matches!(cause, FetchCause::TooLarge { .. }),
        1,
        true,
    ),
    ("closed", |_| vec![Step::Close], |cause| matches!(cause, FetchCause::ClosedBeforeAnswer), 3, true),
    (
        "closed in the head",
        |_| vec![send("HTTP/1.1 200 OK\r\nContent-"), Step::Close],
        |cause| matches!(cause, FetchCause::ClosedBeforeAnswer),
        3,
        true,
    ),
    ("reset", |_| vec![Step::Reset], |cause| matches!(cause, FetchCause::Reset { received: 0 }), 3, true),
    (
        "not HTTP",
        |_| vec![send("SSH-2.0-OpenSSH_9.6\r\n"), Step::Close],
        |cause| matches!(cause, FetchCause::Protocol { .. }),
        1,
        true,
    ),
    (
        "truncated",
        |path| cut(path, Step::Close),
        |cause| matches!(cause, FetchCause::Truncated { declared: Some(_), .. }),
        3,
        false,
    ),
    (
        "truncated in chunks",
        |_| vec![send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nv1.0."), Step::Close],
        |cause| matches!(cause, FetchCause::Truncated { declared: None, .. }),
        3,
        false,
    ),
    (
        "reset in the body",
        |path| cut(path, Step::Reset),
        |cause| matches!(cause, FetchCause::Reset { .. }),
        3,
        false,
    ),
    (
        "stalled before the head",
        |_| vec![Step::Stall],
        |cause| matches!(cause, FetchCause::FirstByteTimeout { .. }),
        1,
        true,
    ),
    (
        "stalled in the head",
        |_| vec![send("HTTP/1.1 200"), Step::Stall],
        |cause| matches!(cause, FetchCause::FirstByteTimeout { .. }),
        1,
        true,
    ),
    (
        "stalled in the body",
        |path| cut(path, Step::Stall),
        |cause| matches!(cause, FetchCause::Stalled { .. }),
        1,
        false,
    ),
    (
        "stalled before the body",
        |_| vec![send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), Step::Stall],
        |cause| matches!(cause, FetchCause::Stalled { received: 0, .. }),
        1,
        true,
    ),
];

/// Announces a good body and sends half of it.
fn cut(path: &str, then: Step) -> Vec<Step> {
    let body = good_body(path);
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    vec![send(&head), send(&body[..body.len() / 2]), then]
}

fn check(fault: &str, endpoint: &str, error: &FetchError, expected: Expected, address: &str) {
    assert!(expected(&error.cause), "{fault} at {endpoint}: {:?}", error.cause);
    assert_eq!(error.is_absence(), matches!(fault, "404" | "410"), "{fault} at {endpoint}");
    let text = error.to_string();
    assert!(text.contains(address) && text.contains(endpoint), "{fault}: {text}");
    assert!(text.chars().all(|c| !c.is_control()) && !text.contains('<'), "{fault}: {text}");
    assert!(text.len() < 300, "{text}");
}

#[tokio::test]
async fn every_fault_at_every_endpoint() {
    let pool = pool();
    let mut faults = tokio::task::JoinSet::new();
    for (fault, script, expected, requests, with_zips) in FAULTS {
        for wanted in small_things() {
            let pool = pool.clone();
            faults.spawn(async move {
                let server = Server::start(move |head, _| script(head.path())).await;
                let upstream = pool.at(&server.url()).unwrap();
                let error = upstream.small(&wanted, None, soon()).await.expect_err(fault);
                check(fault, &wanted.path(), &error, *expected, &server.url());
                assert_eq!(server.requests(), *requests, "{fault} at {wanted}");
            });
        }
        if *with_zips {
            let pool = pool.clone();
            faults.spawn(async move {
                let server = Server::start(move |head, _| script(head.path())).await;
                let error = pool.at(&server.url()).unwrap().zip(&version(), None).await.expect_err(fault);
                check(fault, "v1.0.0.zip", &error, *expected, &server.url());
                assert_eq!(server.requests(), *requests, "{fault} at a zip");
            });
        }
    }
    while let Some(result) = faults.join_next().await {
        result.unwrap();
    }
}

#[tokio::test]
async fn nobody_there() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let pool = pool();
    let error = pool.at(&url).unwrap().small(&small_things()[0], None, soon()).await.unwrap_err();
    assert_eq!(error.cause, FetchCause::ConnectRefused);
    assert_eq!(error.to_string(), format!("{url}/example.com/a/@v/list: connection refused (asked 3 times)"));
    let error = pool.at("http://nowhere.invalid").unwrap().zip(&version(), None).await.unwrap_err();
    assert!(matches!(&error.cause, FetchCause::Dns { host, .. } if host == "nowhere.invalid"), "{error:?}");
    assert_eq!(error.attempts, 1);
}

#[tokio::test]
async fn no_connection_within_the_limit() {
    // A listener whose queue is full lets further connections wait.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    for _ in 0..4 {
        waiting.push(
            tokio::time::timeout(Duration::from_millis(50), tokio::net::TcpStream::connect(address)).await,
        );
    }
    let mut settings = crate::support::quick();
    settings.timeouts.connect = Duration::from_millis(200);
    settings.timeouts.first_byte = Duration::from_secs(5);
    let pool = larder_upstream::Upstreams::new(settings).unwrap();
    let upstream = pool.at(&format!("http://{address}")).unwrap();
    let error = upstream.small(&small_things()[0], None, soon()).await.unwrap_err();
    assert_eq!(error.cause, FetchCause::ConnectTimeout { after: Duration::from_millis(200) });
    assert!(error.cause.is_timeout() && error.attempts == 1);
}

#[tokio::test]
async fn a_body_that_drips_is_waited_for_until_the_deadline() {
    let drip = |path: &str, pause: u64| {
        let body = good_body(path);
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        vec![send(&head), Step::Drip(body.as_bytes().to_vec(), Duration::from_millis(pause))]
    };
    let pool = pool();
    let server = Server::start(move |head, _| drip(head.path(), 5)).await;
    let upstream = pool.at(&server.url()).unwrap();
    assert!(upstream.small(&small_things()[3], None, soon()).await.is_ok());
    let slow = Server::start(move |head, _| drip(head.path(), 100)).await;
    let upstream = pool.at(&slow.url()).unwrap();
    let began = Instant::now();
    let deadline = tokio::time::Instant::now() + Duration::from_millis(350);
    let error = upstream.small(&small_things()[3], None, deadline).await.unwrap_err();
    assert!(matches!(error.cause, FetchCause::DeadlinePassed { .. }), "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn what_is_too_large_is_cut_off() {
    let endless = |_: &crate::support::Head, _| {
        let mut steps = vec![send("HTTP/1.1 200 OK\r\n\r\n")];
        steps.extend(std::iter::repeat_n(send(&"v1.0.0\n".repeat(300)), 100));
        steps
    };
    let server = Server::start(endless).await;
    let upstream = pool().at(&server.url()).unwrap();
    let error = upstream.small(&small_things()[0], None, soon()).await.unwrap_err();
    assert_eq!(error.cause, FetchCause::TooLarge { limit: 4096 });
    let many = Server::start(|_, _| reply(200, "", "v1.0.0\n".repeat(101))).await;
    let error = pool().at(&many.url()).unwrap().small(&small_things()[0], None, soon()).await.unwrap_err();
    assert_eq!(error.cause, FetchCause::TooLarge { limit: 100 });
}

#[tokio::test]
async fn an_endless_error_body_is_not_read_to_its_end() {
    let server = Server::start(|_, _| {
        let mut steps = vec![send("HTTP/1.1 404 Not Found\r\n\r\nno such module\n")];
        steps.extend(std::iter::repeat_n(send(&"x".repeat(60_000)), 50));
        steps.push(Step::Stall);
        steps
    })
    .await;
    let began = Instant::now();
    let error = pool().at(&server.url()).unwrap().small(&small_things()[0], None, soon()).await.unwrap_err();
    assert!(error.is_absence());
    assert!(error.said.unwrap().starts_with("no such module\n"));
    assert!(began.elapsed() < Duration::from_millis(1500));
}

#[tokio::test]
async fn the_upstreams_words_are_kept_and_cleaned() {
    for (headers, body, said) in [
        (
            "Content-Type: text/plain\r\n",
            "not found: unknown revision\n",
            Some("not found: unknown revision"),
        ),
        ("", "first\n\nsecond\x1b[31m", Some("first\nsecond [31m")),
        ("Content-Type: text/html\r\n", "<h1>404</h1>", None),
        ("", "<h1>404</h1>", None),
        ("", "", None),
    ] {
        let server = Server::start(move |_, _| reply(404, headers, body)).await;
        let error =
            pool().at(&server.url()).unwrap().small(&small_things()[0], None, soon()).await.unwrap_err();
        assert_eq!(error.said.as_deref(), said);
    }
}

#[tokio::test]
async fn answers_that_are_wrong_in_themselves() {
    for (index, body) in [
        (0, "no versions here\n"),
        (1, "{}"),
        (1, ""),
        (2, r#"{"Version":"v7.0.0"}"#),
        (3, ""),
        (3, r#"{"Version":"v1.0.1"}"#),
        (3, "null"),
        (4, ""),
        (4, "go 1.21\n"),
    ] {
        let server = Server::start(move |_, _| reply(200, "", body)).await;
        let error =
            pool().at(&server.url()).unwrap().small(&small_things()[index], None, soon()).await.unwrap_err();
        assert!(matches!(error.cause, FetchCause::BadContent(_)), "{body}: {error:?}");
        assert_eq!(server.requests(), 1, "asking again would not help");
    }
    let short =
        Server::start(|_, _| vec![send("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nv1.0.0\nv6.6.6\n")])
            .await;
    let reply = pool().at(&short.url()).unwrap().small(&small_things()[0], None, soon()).await.unwrap();
    match reply {
        larder_upstream::SmallReply::Fresh(fresh) => {
            assert_eq!(&fresh.body[..], b"v1.0.0\n", "no byte beyond the length")
        }
        larder_upstream::SmallReply::NotModified => panic!("nothing was known"),
    }
    let _ = module();
}

#[tokio::test]
async fn a_fault_that_passes_is_overcome() {
    for first in
        [vec![Step::Reset], vec![Step::Close], status(503), status(500), cut("/v1.0.0.info", Step::Close)]
    {
        let server = Server::start(move |head, number| match number {
            0 => first.clone(),
            _ => reply(200, "", good_body(head.path())),
        })
        .await;
        let upstream = pool().at(&server.url()).unwrap();
        upstream.small(&small_things()[3], None, soon()).await.unwrap();
        assert_eq!(server.requests(), 2);
    }
}
