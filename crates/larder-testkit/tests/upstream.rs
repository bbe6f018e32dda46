//! The fake upstream answers as a module proxy does, counts, and breaks as told.

use std::time::{Duration, Instant};

use larder_testkit::client::{self, get, request};
use larder_testkit::{Endpoint, FakeUpstream, Fault, ModuleBuilder, RunningUpstream};

const MODULE: &str = "example.com/Big/a";

fn upstream() -> RunningUpstream {
    FakeUpstream::new()
        .module(MODULE, "v1.0.0")
        .module(MODULE, "v1.2.0")
        .module(MODULE, "v1.3.0-rc.1")
        .module(MODULE, "v1.2.1-0.20240101000000-0123456789ab")
        .query(MODULE, "main", "v1.2.1-0.20240101000000-0123456789ab")
        .etags()
        .ranges()
        .start_blocking()
}

#[test]
fn it_answers_as_a_proxy_does() {
    let upstream = upstream();
    let list = get(upstream.url(), "/example.com/!big/a/@v/list").unwrap();
    assert_eq!((list.status, list.text().as_str()), (200, "v1.0.0\nv1.2.0\nv1.3.0-rc.1\n"));
    let latest = get(upstream.url(), "/example.com/!big/a/@latest").unwrap();
    assert!(latest.text().contains("\"v1.2.0\""), "{}", latest.text());
    let branch = get(upstream.url(), "/example.com/!big/a/@v/main.info").unwrap();
    assert!(branch.text().contains("0123456789ab"), "{}", branch.text());
    let zip = get(upstream.url(), "/example.com/!big/a/@v/v1.0.0.zip").unwrap();
    assert_eq!(zip.body, upstream.built(MODULE, "v1.0.0").unwrap().zip);
    assert_eq!(get(upstream.url(), "/example.com/!big/a/@v/v9.0.0.zip").unwrap().status, 404);
    assert_eq!(upstream.requests("/example.com/!big/a/@v/v1.0.0.zip"), 1);
    assert_eq!(upstream.total(), 5);
}

#[test]
fn it_knows_conditions_and_ranges() {
    let upstream = upstream();
    let path = "/example.com/!big/a/@v/v1.0.0.zip";
    let whole = get(upstream.url(), path).unwrap();
    let etag = whole.header("etag").unwrap();
    let same = request(upstream.url(), "GET", path, &[("If-None-Match", etag)]).unwrap();
    assert_eq!(same.status, 304);
    let rest = request(upstream.url(), "GET", path, &[("Range", "bytes=10-"), ("If-Range", etag)]).unwrap();
    assert_eq!((rest.status, rest.body.as_slice()), (206, &whole.body[10..]));
    let changed =
        request(upstream.url(), "GET", path, &[("Range", "bytes=10-"), ("If-Range", "\"x\"")]).unwrap();
    assert_eq!((changed.status, changed.body), (200, whole.body));
}

#[test]
fn a_cut_upstream_refuses_until_it_is_restored() {
    let upstream = upstream();
    upstream.cut();
    let error = get(upstream.url(), "/").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    upstream.restore();
    assert_eq!(get(upstream.url(), "/example.com/!big/a/@latest").unwrap().status, 200);
}

#[test]
fn every_fault_of_the_table_shows() {
    let upstream = FakeUpstream::new()
        .with(&ModuleBuilder::new("example.com/a", "v1.0.0").file("data.txt", vec![b'x'; 9000]))
        .start_blocking();
    for (name, fault) in Fault::table() {
        if fault == Fault::Refused {
            continue;
        }
        for (endpoint, path) in [
            (Endpoint::Info, "/example.com/a/@v/v1.0.0.info"),
            (Endpoint::Mod, "/example.com/a/@v/v1.0.0.mod"),
            (Endpoint::Zip, "/example.com/a/@v/v1.0.0.zip"),
        ] {
            upstream.heal();
            let right = get(upstream.url(), path).unwrap();
            upstream.set_fault(endpoint, fault.clone());
            let head = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            let limit = Duration::from_millis(60);
            let answer = limited(&upstream, head.as_bytes(), limit);
            let looks_right = answer
                .is_some_and(|(status, body, complete)| status == 200 && body == right.body && complete);
            let harmless =
                fault.is_only_slow() || (fault == Fault::WrongVersion && endpoint != Endpoint::Info);
            assert!(
                !looks_right || harmless || fault == Fault::OverlongBody,
                "{name} on {endpoint:?} changed nothing"
            );
        }
    }
}

/// Reads for a short while only: endless answers would fill the memory.
fn limited(upstream: &RunningUpstream, head: &[u8], limit: Duration) -> Option<(u16, Vec<u8>, bool)> {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(upstream.address()).unwrap();
    stream.set_read_timeout(Some(limit)).unwrap();
    stream.write_all(head).unwrap();
    let mut taken = std::io::Read::by_ref(&mut stream).take(1 << 20);
    let answer = client::read_response(&mut taken, false, Instant::now()).ok()?;
    Some((answer.status, answer.body, answer.complete))
}

#[test]
fn faults_can_be_counted() {
    let upstream = upstream();
    let path = "/example.com/!big/a/@v/v1.0.0.info";
    upstream.set_fault_on(path, Fault::Status(500), Some(2));
    let statuses: Vec<u16> = (0..3).map(|_| get(upstream.url(), path).unwrap().status).collect();
    assert_eq!(statuses, [500, 500, 200]);
}
