//! Large bodies: shown while they arrive, never whole unless they are good.

use std::{
    io::{Read, Write},
    sync::Arc,
    time::Duration,
};

use crate::common::{Setup, World, assert_printable, of, read};
use larder_cache::{Access, Body, Reason};
use larder_module::request::ObjectKind;
use larder_testkit::{Endpoint, FakeUpstream, Fault, ModuleBuilder, Reply, Rng, RunningUpstream};

const A: &str = "example.com/a";
const V: &str = "v1.0.0";
const ZIP: &str = "/example.com/a/@v/v1.0.0.zip";

fn large(seed: u64) -> ModuleBuilder {
    ModuleBuilder::new(A, V).file("data.bin", Rng::new(seed).bytes(4 << 20))
}

async fn stage(upstream: FakeUpstream) -> (RunningUpstream, World) {
    let upstream = upstream.start().await;
    let world = Setup::chain(upstream.url()).start();
    (upstream, world)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn followers_stream_while_bytes_arrive() {
    let (upstream, world) = stage(FakeUpstream::new().with(&large(1)).rate(6 << 20)).await;
    let built = upstream.built(A, V).expect("built");
    let served = world.engine.object(&of(A, V), ObjectKind::Zip, &Access::trusted("a")).await.expect("begun");
    let Body::Growing(mut first) = served.body else { panic!("{served:?} is not growing") };
    assert_eq!(first.len(), Some(built.zip.len() as u64));
    let piece = first.next().await.expect("no abort").expect("bytes");
    assert_eq!(&piece[..], &built.zip[..piece.len()]);
    assert!(!world.stored(A, V, ObjectKind::Zip), "bytes came before the whole was there");
    // One who leaves in the middle hurts nobody.
    drop(first);
    let followers: Vec<_> = (0..20)
        .map(|_| {
            let engine = Arc::clone(&world.engine);
            tokio::spawn(async move {
                let access = Access::trusted("follower");
                let served = engine.object(&of(A, V), ObjectKind::Zip, &access).await.expect("joined");
                read(served).await.expect("whole").body
            })
        })
        .collect();
    for follower in followers {
        assert!(follower.await.expect("no panic") == built.zip, "other bytes");
    }
    assert_eq!(upstream.requests(ZIP), 1);
    world.settled(A, V, ObjectKind::Zip).await;
}

#[tokio::test]
async fn a_client_that_sees_no_cut_waits_for_the_whole() {
    let (upstream, world) = stage(FakeUpstream::new().with(&large(2))).await;
    let careful = Access { whole_status: true, ..Access::trusted("old") };
    let served = world.engine.object(&of(A, V), ObjectKind::Zip, &careful).await.expect("served");
    assert!(matches!(served.body, Body::File { .. }), "{served:?}");
    assert!(read(served).await.expect("whole").body == upstream.built(A, V).expect("built").zip);
}

/// A zip whose last bytes are wrong: everything but the held-back piece looks right.
fn with_bad_tail(zip: &[u8]) -> Vec<u8> {
    let mut bad = zip.to_vec();
    let place = bad.len() - 40;
    bad[place] ^= 0xff;
    bad
}

#[tokio::test]
async fn a_bad_tail_breaks_the_connection_and_the_next_asker_is_told() {
    let built = large(3).build();
    let bad = Reply::ok("application/zip", with_bad_tail(&built.zip));
    let (upstream, world) = stage(FakeUpstream::new().with(&large(3)).reply(ZIP, bad)).await;
    let served = world.engine.object(&of(A, V), ObjectKind::Zip, &Access::trusted("a")).await.expect("begun");
    assert!(matches!(served.body, Body::Growing(_)));
    assert!(read(served).await.is_none(), "a bad body was completed");
    let failure = world.get(A, V, ObjectKind::Zip).await.expect_err("bad");
    assert_eq!(failure.reason, Reason::BadUpstream);
    assert_printable(&failure);
    assert!(failure.text().contains(&upstream.host()), "{failure:?}");
    assert!(!world.stored(A, V, ObjectKind::Zip));
    upstream.set_reply(ZIP, Reply::ok("application/zip", built.zip.clone()));
    assert!(world.get(A, V, ObjectKind::Zip).await.expect("good now").body == built.zip);
}

#[tokio::test]
async fn a_body_that_breaks_off_for_good_is_cut_and_then_explained() {
    for fault in [Fault::TruncatedLength, Fault::TruncatedChunked, Fault::ResetInBody] {
        let (upstream, world) = stage(FakeUpstream::new().with(&large(4))).await;
        upstream.set_fault(Endpoint::Zip, fault.clone());
        match world.engine.object(&of(A, V), ObjectKind::Zip, &Access::trusted("a")).await {
            Ok(served) => assert!(read(served).await.is_none(), "{fault:?}"),
            Err(failure) => assert_eq!(failure.reason, Reason::BadUpstream, "{fault:?}"),
        }
        let failure = world.get(A, V, ObjectKind::Zip).await.expect_err("still broken");
        assert_eq!(failure.reason, Reason::BadUpstream, "{fault:?}");
        upstream.heal();
        let built = upstream.built(A, V).expect("built");
        assert!(world.get(A, V, ObjectKind::Zip).await.expect("good now").body == built.zip, "{fault:?}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_once_is_mended_unseen() {
    for (ranges, fault) in
        [(true, Fault::TruncatedLength), (false, Fault::TruncatedLength), (false, Fault::ResetInBody)]
    {
        let mut upstream = FakeUpstream::new().with(&large(5)).fault_times(Endpoint::Zip, fault.clone(), 1);
        if ranges {
            upstream = upstream.etags().ranges();
        }
        let (upstream, world) = stage(upstream).await;
        let built = upstream.built(A, V).expect("built");
        let got = world.get(A, V, ObjectKind::Zip).await.expect("mended");
        assert!(got.body == built.zip, "{fault:?}, ranges {ranges}");
        assert_eq!(upstream.requests(ZIP), 2);
    }
}

#[tokio::test]
async fn the_next_upstream_must_bring_the_same_bytes() {
    let first =
        FakeUpstream::new().with(&large(6)).fault(Endpoint::Zip, Fault::TruncatedLength).start().await;
    let same = FakeUpstream::new().with(&large(6)).start().await;
    let world = Setup::chain(format!("{first}|{same}")).start();
    assert!(
        world.get(A, V, ObjectKind::Zip).await.expect("whole").body == same.built(A, V).expect("built").zip
    );

    let other = FakeUpstream::new().with(&large(7)).start().await;
    let world = Setup::chain(format!("{first}|{other}")).start();
    let served = world.engine.object(&of(A, V), ObjectKind::Zip, &Access::trusted("a")).await.expect("begun");
    assert!(read(served).await.is_none(), "a body of two halves was completed");
    // What is fetched anew has not been shown to anybody, so the second upstream's own bytes are fine.
    assert!(
        world.get(A, V, ObjectKind::Zip).await.expect("whole").body == other.built(A, V).expect("built").zip
    );
}

#[tokio::test]
async fn a_slow_large_body_has_a_status_early() {
    let (_upstream, world) = stage(FakeUpstream::new().with(&large(8)).rate(1 << 20)).await;
    let began = std::time::Instant::now();
    let served = world.engine.object(&of(A, V), ObjectKind::Zip, &Access::trusted("a")).await.expect("begun");
    assert!(matches!(served.body, Body::Growing(_)));
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

/// Starts an upstream that answers every request with these bytes and then closes; returns its URL.
fn raw_upstream(answer: Vec<u8>) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut asked = Vec::new();
            let mut buffer = [0; 1024];
            while !asked.ends_with(b"\r\n\r\n") {
                match stream.read(&mut buffer) {
                    Ok(count) if count > 0 => asked.extend_from_slice(&buffer[..count]),
                    _ => break,
                }
            }
            let _gone = stream.write_all(&answer);
        }
    });
    url
}

#[tokio::test]
async fn a_length_that_was_declared_in_vain_is_forgotten() {
    let built = large(9).build();
    let declared = built.zip.len() + 12_345;
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/zip\r\n";
    let first = [format!("{head}Content-Length: {declared}\r\n\r\n").as_bytes(), &built.zip[..1000]].concat();
    let length = format!("{:x}\r\n", built.zip.len());
    let second = [head, "Transfer-Encoding: chunked\r\n\r\n", &length].concat().into_bytes().into_iter();
    let second: Vec<u8> = second.chain(built.zip.iter().copied()).chain(*b"\r\n0\r\n\r\n").collect();
    let world = Setup::chain(format!("{}|{}", raw_upstream(first), raw_upstream(second))).start();
    let served = world.engine.object(&of(A, V), ObjectKind::Zip, &Access::trusted("a")).await.expect("begun");
    let len = served.body.len();
    assert!(len.is_none() || len == Some(built.zip.len() as u64), "{len:?} promised");
    assert!(read(served).await.expect("whole").body == built.zip);
}
