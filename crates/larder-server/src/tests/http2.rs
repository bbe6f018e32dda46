//! HTTP/2, and TLS that offers it.

use std::sync::Arc;

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
