//! Zips: streamed, capped, and taken up again where they broke off.

use std::time::Duration;

use larder_upstream::{FetchCause, FetchError, Resume, UpstreamSettings, Upstreams, Validators, ZipBody};

use crate::support::{Head, Server, Step, pool, quick, reply, send, soon, version};

/// The bytes of the zip of these tests.
fn bytes() -> Vec<u8> {
    b"PK\x03\x04".iter().copied().chain((0..60_000u32).map(|n| (n * 7 % 251) as u8)).collect()
}

async fn read(mut body: ZipBody) -> (Vec<u8>, Option<FetchError>) {
    let mut read = Vec::new();
    loop {
        match body.next().await {
            Ok(Some(piece)) => read.extend_from_slice(&piece),
            Ok(None) => return (read, None),
            Err(error) => return (read, Some(error)),
        }
    }
}

/// Answers a request for the zip, or for its rest when the condition holds, up to position `cut`.
fn serve(head: &Head, etag: &str, cut: usize, then: Step) -> Vec<Step> {
    let bytes = bytes();
    let wanted =
        head.header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    let start = wanted.filter(|_| head.header("if-range") == Some(etag)).unwrap_or(0usize);
    let mut answer = match start {
        0 => format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nETag: {etag}\r\n\r\n", bytes.len()),
        _ => format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes {start}-{}/{}\r\nETag: {etag}\r\n\r\n",
            bytes.len() - start,
            bytes.len() - 1,
            bytes.len()
        ),
    }
    .into_bytes();
    answer.extend_from_slice(&bytes[start..cut.max(start)]);
    let mut steps = vec![Step::Send(answer)];
    if cut < bytes.len() {
        // The client reads what was sent before it sees the end.
        steps.push(Step::Drip(Vec::new(), Duration::ZERO));
        steps.push(then);
    }
    steps
}

#[tokio::test]
async fn a_zip_is_streamed() {
    let server = Server::start(|head, _| serve(head, "\"one\"", bytes().len(), Step::Close)).await;
    let pool = pool();
    let body = pool.at(&server.url()).unwrap().zip(&version(), None).await.unwrap();
    assert_eq!(body.declared_len(), Some(bytes().len() as u64));
    assert_eq!((body.offset(), body.upstream().as_str()), (0, server.url().as_str()));
    assert_eq!(body.validators(), &Validators { etag: Some("\"one\"".to_owned()), last_modified: None });
    assert_eq!(pool.states()[0].in_flight, 1, "a body takes a turn as long as it is read");
    let (read, error) = read(body).await;
    assert!(error.is_none() && read == bytes());
    assert_eq!(pool.states()[0].in_flight, 0);
}

#[tokio::test]
async fn a_zip_that_breaks_off_is_taken_up_again() {
    for then in [Step::Close, Step::Reset] {
        let server = Server::start(move |head, number| {
            serve(head, "\"one\"", [20_000, 40_000, 60_004][number], then.clone())
        })
        .await;
        // One turn only: the broken request must have given its turn back.
        let mut settings = quick();
        settings.concurrency.in_flight = 1;
        let pool = Upstreams::new(settings).unwrap();
        let body = pool.at(&server.url()).unwrap().zip(&version(), None).await.unwrap();
        let (read, error) = read(body).await;
        assert!(error.is_none(), "{error:?}");
        assert!(read == bytes());
        let ranges: Vec<_> =
            server.heads().iter().map(|head| head.header("range").map(str::to_owned)).collect();
        assert_eq!(ranges.len(), 3);
        assert_eq!(ranges[0], None);
        assert!(ranges[1].is_some() && ranges[2].is_some());
    }
}

#[tokio::test]
async fn a_zip_that_changed_meanwhile_is_not_pieced_together() {
    let server = Server::start(|head, number| match number {
        0 => serve(head, "\"one\"", 20_000, Step::Close),
        _ => serve(head, "\"two\"", 60_004, Step::Close),
    })
    .await;
    let body = pool().at(&server.url()).unwrap().zip(&version(), None).await.unwrap();
    let (read, error) = read(body).await;
    assert_eq!(error.unwrap().cause, FetchCause::Changed);
    assert!(read == bytes()[..read.len()]);
}

#[tokio::test]
async fn without_validators_nothing_is_pieced_together() {
    for validator in ["", "ETag: W/\"weak\"\r\n"] {
        let server = Server::start(move |_, _| {
            vec![
                send(&format!("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n{validator}\r\nPK-and-some")),
                Step::Close,
            ]
        })
        .await;
        let body = pool().at(&server.url()).unwrap().zip(&version(), None).await.unwrap();
        let (read, error) = read(body).await;
        let error = error.unwrap();
        assert_eq!(error.cause, FetchCause::Truncated { received: 11, declared: Some(100) });
        assert!(error.cause.is_retryable() && read == b"PK-and-some");
        assert_eq!(server.requests(), 1);
    }
}

#[tokio::test]
async fn a_zip_that_stalls_is_given_up() {
    let server = Server::start(|head, _| serve(head, "\"one\"", 20_000, Step::Stall)).await;
    let body = pool().at(&server.url()).unwrap().zip(&version(), None).await.unwrap();
    let (read, error) = read(body).await;
    let error = error.unwrap();
    assert!(matches!(error.cause, FetchCause::Stalled { received: 20_000, .. }), "{error:?}");
    assert_eq!((read.len(), server.requests()), (20_000, 1), "a time-out is not retried");
}

#[tokio::test]
async fn a_zip_that_drips_is_waited_for() {
    let server = Server::start(|_, _| {
        vec![
            send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n"),
            Step::Drip(b"PK\x03\x04ab".to_vec(), Duration::from_millis(120)),
        ]
    })
    .await;
    let mut settings = quick();
    settings.timeouts.zip_first_byte = Duration::from_millis(500);
    settings.timeouts.between_bytes = Duration::from_millis(500);
    let body =
        Upstreams::new(settings).unwrap().at(&server.url()).unwrap().zip(&version(), None).await.unwrap();
    let (read, error) = read(body).await;
    assert!(error.is_none() && read == b"PK\x03\x04ab", "slower than any limit, but it moves");
}

#[tokio::test]
async fn a_callers_own_resumption() {
    let server = Server::start(|head, _| serve(head, "\"one\"", 60_004, Step::Close)).await;
    let upstream = pool().at(&server.url()).unwrap();
    let validators = Validators { etag: Some("\"one\"".to_owned()), last_modified: None };
    let body = upstream.zip(&version(), Some(&Resume { offset: 30_000, validators })).await.unwrap();
    assert_eq!((body.offset(), body.declared_len()), (30_000, Some(60_004)));
    assert!(read(body).await.0 == bytes()[30_000..]);
    let other = Validators { etag: Some("\"old\"".to_owned()), last_modified: None };
    let body = upstream.zip(&version(), Some(&Resume { offset: 30_000, validators: other })).await.unwrap();
    assert_eq!(body.offset(), 0, "the upstream sends another file from its start");
    assert!(read(body).await.0 == bytes());
}

#[tokio::test]
async fn a_wrong_range_is_not_believed() {
    let validators = Validators { etag: Some("\"one\"".to_owned()), last_modified: None };
    let resume = Resume { offset: 10, validators };
    for range in [
        "bytes 0-19/20",
        "bytes 10-18/20",
        "bytes 11-19/20",
        "10-19/20",
        "bytes */20",
        "bytes 10-99999999999999999999/20",
        "",
    ] {
        let server =
            Server::start(move |_, _| reply(206, &format!("Content-Range: {range}\r\n"), "0123456789")).await;
        let error = pool().at(&server.url()).unwrap().zip(&version(), Some(&resume)).await.unwrap_err();
        assert!(matches!(error.cause, FetchCause::BadContent(_)), "{range}: {error:?}");
    }
}

#[tokio::test]
async fn a_zip_beyond_the_limit_is_cut_off() {
    let limited = || {
        let mut settings: UpstreamSettings = quick();
        settings.limits.zip = 50_000;
        Upstreams::new(settings).unwrap()
    };
    let declared = Server::start(|head, _| serve(head, "\"one\"", 60_004, Step::Close)).await;
    let error = limited().at(&declared.url()).unwrap().zip(&version(), None).await.unwrap_err();
    assert_eq!(error.cause, FetchCause::TooLarge { limit: 50_000 });
    let silent = Server::start(|_, _| {
        vec![send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"), Step::Send(bytes()), Step::Close]
    })
    .await;
    let body = limited().at(&silent.url()).unwrap().zip(&version(), None).await.unwrap();
    assert_eq!(body.declared_len(), None);
    let (read, error) = read(body).await;
    assert_eq!(error.unwrap().cause, FetchCause::TooLarge { limit: 50_000 });
    assert!(read.len() <= 50_000);
}

#[tokio::test]
async fn a_zip_may_take_longer_to_begin_than_other_things() {
    let mut settings = quick();
    settings.timeouts.first_byte = Duration::from_millis(50);
    settings.timeouts.zip_first_byte = Duration::from_secs(5);
    let server = Server::start(|_, _| {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nPK".to_vec();
        vec![Step::Drip(answer, Duration::from_millis(8))]
    })
    .await;
    let upstream = Upstreams::new(settings).unwrap().at(&server.url()).unwrap();
    let small = upstream.small(&crate::support::info(), None, soon()).await.unwrap_err();
    assert!(matches!(small.cause, FetchCause::FirstByteTimeout { .. }), "{small:?}");
    assert!(upstream.zip(&version(), None).await.is_ok());
}
