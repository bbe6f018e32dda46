//! What upstreams share: connections, breakers, caps, headers.

use std::time::Duration;

use larder_upstream::{
    BreakerSettings, BreakerState, Concurrency, FetchCause, Instance, SmallReply, Trail, UpstreamSettings,
    Upstreams, Validators, Wanted,
};

use crate::support::{Server, Step, good_body, info, module, pool, quick, reply, soon, version};

#[tokio::test]
async fn connections_are_kept() {
    let server = Server::start(|head, number| match number % 3 {
        2 => reply(404, "", "not found"),
        _ => reply(200, "", good_body(head.path())),
    })
    .await;
    let pool = pool();
    for _ in 0..9 {
        let _ = pool.at(&server.url()).unwrap().small(&info(), None, soon()).await;
    }
    assert_eq!((server.requests(), server.connections()), (9, 1));
}

#[tokio::test]
async fn every_request_says_what_it_is_and_asks_for_plain_bytes() {
    let server = Server::start(|head, _| reply(200, "", good_body(head.path()))).await;
    let pool = pool();
    let upstream = pool.at(&format!("{}/base/?key=value", server.url())).unwrap();
    upstream.small(&info(), None, soon()).await.unwrap();
    let head = server.heads().remove(0);
    assert_eq!(head.path(), "/base/example.com/a/@v/v1.0.0.info?key=value", "the base's path and query stay");
    assert_eq!(head.header("accept-encoding"), Some("identity"));
    assert_eq!(head.header("via"), Some(format!("1.1 {}", pool.instance().as_str()).as_str()));
    assert!(head.header("user-agent").unwrap().starts_with("larder/"));
    assert_eq!(
        (head.header("authorization"), head.header("referer"), head.header("cookie")),
        (None, None, None)
    );
}

#[tokio::test]
async fn a_loop_over_another_proxy_can_be_recognized() {
    let own = Instance::random();
    let settings = UpstreamSettings { instance: own.clone(), ..quick() };
    let pool = Upstreams::new(settings).unwrap();
    // The other proxy passes `Via` on; here it comes straight back.
    let recognizer = own.clone();
    let server = Server::start(move |head, _| {
        let mut headers = http::HeaderMap::new();
        headers.insert("via", head.header("via").unwrap().parse().unwrap());
        match recognizer.has_seen(&headers) {
            true => reply(Instance::LOOP_STATUS, "Content-Type: text/plain\r\n", recognizer.loop_text()),
            false => reply(200, "", good_body(head.path())),
        }
    })
    .await;
    let error = pool.at(&server.url()).unwrap().small(&info(), None, soon()).await.unwrap_err();
    assert_eq!(error.cause, FetchCause::Loop);
    assert!(error.said.unwrap().contains("come back"));

    let mut headers = http::HeaderMap::new();
    headers.insert("via", "1.1 larder-another".parse().unwrap());
    let trail = Trail::of(&headers);
    let chain = crate::support::chain(&pool, &server.url()).on_behalf_of(&trail);
    let _ = chain.walk(|upstream| async move { upstream.small(&info(), None, soon()).await }).await;
    let via = server.heads().last().unwrap().header("via").unwrap().to_owned();
    assert_eq!(via, format!("1.1 larder-another, 1.1 {}", own.as_str()));
}

#[tokio::test]
async fn a_loop_over_a_proxy_that_forwards_no_headers_is_found_out() {
    let own = Instance::random();
    let mut settings = UpstreamSettings { instance: own.clone(), ..quick() };
    settings.timeouts.suspicion = Duration::from_millis(50);
    settings.timeouts.first_byte = Duration::from_secs(20);
    let pool = Upstreams::new(settings).unwrap();
    // What arrives back at Larder's own server is the path alone; a question for a module waits for itself.
    let looping = Server::start(move |head, _| {
        let module =
            head.path().strip_prefix('/').and_then(|path| path.split_once("/@v/")).unwrap_or_default().0;
        match own.recognizes(module) {
            true => reply(Instance::LOOP_STATUS, "", ""),
            false => vec![Step::Stall],
        }
    })
    .await;
    let upstream = pool.at(&looping.url()).unwrap();
    let (file, list, began) = (info(), Wanted::List(module()), std::time::Instant::now());
    let both = tokio::join!(upstream.small(&file, None, soon()), upstream.small(&list, None, soon()));
    for result in [both.0, both.1] {
        assert_eq!(result.unwrap_err().cause, FetchCause::Loop);
    }
    assert!(began.elapsed() < Duration::from_secs(10));
    assert_eq!(looping.requests(), 3, "two questions and one probe");
    assert_eq!(upstream.small(&info(), None, soon()).await.unwrap_err().cause, FetchCause::Loop);
    assert_eq!(looping.requests(), 3, "it is not asked any more");
}

#[tokio::test]
async fn an_upstream_that_is_merely_slow_is_waited_for() {
    let mut settings = quick();
    settings.timeouts.suspicion = Duration::from_millis(10);
    let pool = Upstreams::new(settings).unwrap();
    let slow = Server::start(|head, _| match head.path().starts_with("/loop-check") {
        true => reply(404, "", ""),
        false => {
            let body = good_body(head.path());
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            vec![Step::Drip(answer.into_bytes(), Duration::from_millis(3))]
        }
    })
    .await;
    let upstream = pool.at(&slow.url()).unwrap();
    for _ in 0..2 {
        upstream.small(&info(), None, soon()).await.unwrap();
    }
    assert_eq!(slow.requests(), 3, "one probe is enough for a while");
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let server =
        Server::start(|head, _| match (head.header("if-none-match"), head.header("if-modified-since")) {
            (Some("\"one\""), None) | (None, Some("Sun, 06 Nov 1994 08:49:37 GMT")) => reply(304, "", ""),
            _ => reply(
                200,
                "ETag: \"one\"\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
                good_body(head.path()),
            ),
        })
        .await;
    let upstream = pool().at(&server.url()).unwrap();
    let wanted = Wanted::List(module());
    let SmallReply::Fresh(fresh) = upstream.small(&wanted, None, soon()).await.unwrap() else {
        panic!("nothing known")
    };
    let time_only = Validators { etag: None, ..fresh.validators.clone() };
    for known in [fresh.validators, time_only] {
        let again = upstream.small(&wanted, Some(&known), soon()).await.unwrap();
        assert!(matches!(again, SmallReply::NotModified));
    }
    let other = Validators { etag: Some("\"two\"".to_owned()), last_modified: None };
    assert!(matches!(upstream.small(&wanted, Some(&other), soon()).await.unwrap(), SmallReply::Fresh(_)));
    // Without validators there is no condition, so 304 would be out of place.
    let none = upstream.small(&wanted, Some(&Validators::default()), soon()).await.unwrap();
    assert!(matches!(none, SmallReply::Fresh(_)));
}

#[tokio::test]
async fn a_broken_upstream_is_left_alone_and_found_again() {
    let broken = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let told = std::sync::Arc::clone(&broken);
    let server = Server::start(move |head, _| match told.load(std::sync::atomic::Ordering::Relaxed) {
        true => reply(504, "", "down"),
        false => reply(200, "", good_body(head.path())),
    })
    .await;
    let breaker = BreakerSettings {
        failures: 3,
        first_pause: Duration::from_millis(100),
        longest_pause: Duration::from_millis(200),
        ..BreakerSettings::default()
    };
    let pool = Upstreams::new(UpstreamSettings { breaker, ..quick() }).unwrap();
    let upstream = pool.at(&server.url()).unwrap();
    for _ in 0..3 {
        let cause = upstream.small(&info(), None, soon()).await.unwrap_err().cause;
        assert!(matches!(cause, FetchCause::Status { status: 504, .. }));
    }
    assert_eq!(pool.states()[0].breaker, BreakerState::Open);
    let error = upstream.small(&info(), None, soon()).await.unwrap_err();
    assert!(matches!(&error.cause, FetchCause::BreakerOpen { last, .. } if last.contains("504")), "{error}");
    assert_eq!(error.attempts, 0);
    assert!(upstream.zip(&version(), None).await.is_err());
    assert_eq!(server.requests(), 3, "nothing was sent while it was open");
    broken.store(false, std::sync::atomic::Ordering::Relaxed);
    let found = tokio::time::timeout(Duration::from_secs(5), async {
        while upstream.small(&info(), None, soon()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    found.await.expect("it is found again by itself");
    assert_eq!(pool.states()[0].breaker, BreakerState::Closed);
}

#[tokio::test]
async fn requests_at_a_time_are_capped_and_the_queue_is_bounded() {
    let server = Server::start(|head, _| {
        if head.path().ends_with("list") { vec![Step::Stall] } else { reply(200, "", good_body(head.path())) }
    })
    .await;
    let concurrency = Concurrency {
        in_flight: 2,
        queue: 1,
        longest_wait: Duration::from_secs(5),
        ..Concurrency::default()
    };
    let mut settings = UpstreamSettings { concurrency, ..quick() };
    settings.timeouts.first_byte = Duration::from_secs(1);
    let pool = Upstreams::new(settings).unwrap();
    let upstream = pool.at(&server.url()).unwrap();
    let stalled: Vec<_> = (0..2)
        .map(|_| {
            let upstream = upstream.clone();
            tokio::spawn(async move {
                upstream.small(&Wanted::List(module()), None, soon()).await.unwrap_err().cause
            })
        })
        .collect();
    let waiting = tokio::spawn({
        let upstream = upstream.clone();
        async move {
            while upstream.small(&info(), None, soon()).await.is_err() {
                tokio::task::yield_now().await;
            }
        }
    });
    while pool.states()[0].waiting == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(pool.states()[0].in_flight, 2);
    let error = upstream.small(&info(), None, soon()).await.unwrap_err();
    assert_eq!(error.cause, FetchCause::Saturated);
    for task in stalled {
        assert!(matches!(task.await.unwrap(), FetchCause::FirstByteTimeout { .. }));
    }
    waiting.await.unwrap();
    assert_eq!((pool.states()[0].in_flight, pool.states()[0].waiting), (0, 0), "every turn is given back");
}

#[tokio::test]
async fn retry_after_is_obeyed() {
    let server = Server::start(|head, number| match number {
        0 => reply(503, "Retry-After: 1\r\n", ""),
        _ => reply(200, "", good_body(head.path())),
    })
    .await;
    let began = std::time::Instant::now();
    pool().at(&server.url()).unwrap().small(&info(), None, soon()).await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1));
    let limited = Server::start(|_, _| reply(429, "Retry-After: 60\r\n", "slow down")).await;
    let upstream = pool().at(&limited.url()).unwrap();
    for _ in 0..3 {
        let cause = upstream.small(&info(), None, soon()).await.unwrap_err().cause;
        assert!(matches!(cause, FetchCause::RateLimited { retry_after: Some(_) }), "{cause:?}");
    }
    assert_eq!(limited.requests(), 1, "it asked to be left alone");
}

#[tokio::test]
async fn checksum_databases_are_asked_the_same_way() {
    let server = Server::start(|head, _| match head.path() {
        "/sumdb/sum.example.com/supported" => reply(200, "", ""),
        "/sumdb/sum.example.com/lookup/github.com/%21burnt%21sushi/toml@v1.4.0" => reply(200, "", "record"),
        _ => reply(404, "", ""),
    })
    .await;
    let upstream = pool().at(&server.url()).unwrap();
    assert!(upstream.raw("/sumdb/sum.example.com/supported", 10, soon()).await.unwrap().is_empty());
    let lookup = "/sumdb/sum.example.com/lookup/github.com/!burnt!sushi/toml@v1.4.0";
    assert_eq!(upstream.raw(lookup, 10, soon()).await.unwrap(), "record");
    assert_eq!(upstream.raw(lookup, 3, soon()).await.unwrap_err().cause, FetchCause::TooLarge { limit: 3 });
    assert!(upstream.raw("/sumdb/other/supported", 10, soon()).await.unwrap_err().is_absence());
}
