//! HTTP/2, and TLS that offers it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use larder_cache::{Body, Content, Served};

use super::Running;
use super::fake::{Fake, INFO, file_of, memory, zip_bytes};
use crate::{ServerSettings, TlsFiles};

fn client() -> reqwest::ClientBuilder {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder().no_proxy().tls_backend_preconfigured(tls)
}

#[tokio::test]
async fn http_2_by_prior_knowledge() {
    let fake = Arc::new(Fake::new());
    let server = Running::plain(&fake);
    let client = client().http2_prior_knowledge().build().expect("a client");
    let get = |path: &str| client.get(format!("{}{path}", server.url)).send();
    let got = get("/example.com/a/@latest").await.expect("answered");
    assert_eq!(got.version(), http::Version::HTTP_2);
    assert_eq!(got.text().await.expect("whole"), INFO);
    let zips = (0..20).map(|_| async {
        let got = get("/example.com/a/@v/v1.0.0.zip").await.expect("answered");
        assert!(got.bytes().await.expect("whole") == zip_bytes());
    });
    futures_util::future::join_all(zips).await;
    assert_eq!(get("/example.com/none/@latest").await.expect("answered").status(), 404);
    let posted = client.post(format!("{}/", server.url)).body("x").send().await.expect("answered");
    assert_eq!(posted.status(), 405);
    let body = client.get(format!("{}/", server.url)).body("x").send().await.expect("answered");
    assert_eq!(body.status(), 400);
    let head =
        client.head(format!("{}/example.com/a/@v/v1.0.0.zip", server.url)).send().await.expect("answered");
    assert_eq!(head.headers()["content-length"], "1000000");
}

#[tokio::test]
async fn a_body_that_fails_resets_the_stream() {
    let short = file_of(&vec![7; 3_000_000]);
    let fake = Arc::new(Fake::new().on("/example.com/broken/@v/v1.0.0.zip", move || {
        let body = Body::File { file: Arc::clone(&short), len: 9_000_000 };
        Ok(Served { body, ..memory(Content::Zip, "", false) })
    }));
    let server = Running::plain(&fake);
    let client = client().http2_prior_knowledge().build().expect("a client");
    let get = |path: &str| client.get(format!("{}{path}", server.url)).send();
    let got = get("/example.com/broken/@v/v1.0.0.zip").await.expect("a head");
    assert_eq!(got.status(), 200);
    assert!(got.bytes().await.is_err());
    let got = get("/example.com/a/@latest").await.expect("the connection is still good");
    assert_eq!(got.status(), 200);
}

#[tokio::test]
async fn tls_offers_both_protocols() {
    let folder = tempfile::tempdir().expect("folder");
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("certificate");
    let files = TlsFiles { certificate: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
    fs_err::write(&files.certificate, made.cert.pem()).expect("written");
    fs_err::write(&files.key, made.signing_key.serialize_pem()).expect("written");
    let settings = ServerSettings { tls: Some(files), ..ServerSettings::default() };
    let server = Running::start(&Arc::new(Fake::new()), settings);
    let url = format!("https://localhost:{}", server.address.port());
    for (alpn, version) in [("h2", http::Version::HTTP_2), ("http/1.1", http::Version::HTTP_11)] {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(made.cert.der().clone()).expect("a root");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        let client = reqwest::Client::builder()
            .no_proxy()
            .resolve("localhost", server.address)
            .tls_backend_preconfigured(tls)
            .build()
            .expect("a client");
        let got = client.get(format!("{url}/example.com/a/@v/v1.0.0.zip")).send().await.expect("answered");
        assert_eq!(got.version(), version);
        assert!(got.bytes().await.expect("whole") == zip_bytes());
        let page = client.get(&url).send().await.expect("answered").text().await.expect("whole");
        assert!(page.contains(&format!("GOPROXY={url}<")), "{page}");
    }
}

/// A frame of a type, with flags, on a stream.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// Sends the preface and then `attack`, until the server has had enough.
fn flood(server: &Running, attack: impl Iterator<Item = Vec<u8>>) -> bool {
    let mut stream = TcpStream::connect(server.address).expect("connected");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("set");
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").expect("sent");
    stream.write_all(&frame(4, 0, 0, &[])).expect("sent");
    for bytes in attack {
        if stream.write_all(&bytes).is_err() {
            return true;
        }
    }
    loop {
        match stream.read(&mut [0; 65_536]) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

#[test]
fn t_28_floods_of_resets_and_continuations_end_the_connection() {
    let fake = Arc::new(Fake::new());
    let server = Running::plain(&fake);
    // :method GET, :scheme http, :path /example.com/..., :authority h
    let mut head = vec![0x82, 0x86, 0x04, 29];
    head.extend_from_slice(b"/slow.example.com/s/@v/v1.mod");
    head.extend_from_slice(&[0x41, 1, b'h']);
    let resets = (0..50_000_u32).map(|n| {
        let stream = n * 2 + 1;
        let mut pair = frame(1, 0x5, stream, &head);
        pair.extend(frame(3, 0, stream, &8_u32.to_be_bytes()));
        pair
    });
    assert!(flood(&server, resets), "rapid resets");
    let first = std::iter::once(frame(1, 0x1, 1, &head));
    let filler: Vec<u8> =
        [0x00, 1, b'x', 100].into_iter().chain([b'y'; 100]).collect::<Vec<u8>>().repeat(100);
    let endless = first.chain((0..2_000).map(|_| frame(9, 0, 1, &filler)));
    assert!(flood(&server, endless), "endless continuations");
    assert!(flood(&server, (0..200_000).map(|_| frame(6, 0, 0, &[0; 7]))), "malformed pings");
    let got = larder_testkit::client::get(&server.url, "/example.com/a/@latest").expect("answered");
    assert_eq!(got.status, 200, "others are served");
}
