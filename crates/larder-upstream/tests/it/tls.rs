//! TLS: whom Larder trusts, who it is, and what it says when it fails.

use std::sync::Arc;

use larder_upstream::{
    ClientIdentity, Credentials, FetchCause, Origin, RedirectFault, TlsSettings, UpstreamSettings, Upstreams,
};
use rcgen::{CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{RootCertStore, ServerConfig};
use url::Url;

use crate::support::{Server, Step, good_body, info, quick, reply, soon, version};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn certificate(
    authority: &Authority,
    names: &[&str],
    adjust: impl FnOnce(&mut CertificateParams),
) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let key = KeyPair::generate().unwrap();
    let mut params =
        CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
    adjust(&mut params);
    let signed = params.signed_by(&key, authority).unwrap();
    (vec![signed.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
}

fn server_config(
    authority: &Authority,
    names: &[&str],
    adjust: impl FnOnce(&mut CertificateParams),
) -> ServerConfig {
    let (chain, key) = certificate(authority, names, adjust);
    ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap()
}

fn trusting(authorities: &[&Authority]) -> UpstreamSettings {
    let extra_roots = authorities.iter().map(|authority| authority.der().clone()).collect();
    UpstreamSettings {
        tls: TlsSettings { native_roots: false, extra_roots, identities: Vec::new() },
        ..quick()
    }
}

fn https(server: &Server) -> String {
    format!("https://127.0.0.1:{}", server.address.port())
}

async fn failure(settings: UpstreamSettings, server: &Server) -> FetchCause {
    let upstream = Upstreams::new(settings).unwrap().at(&https(server)).unwrap();
    upstream.small(&info(), None, soon()).await.unwrap_err().cause
}

fn tls_reason(cause: &FetchCause) -> &str {
    match cause {
        FetchCause::Tls { reason } => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_extra_authority_is_trusted() {
    let authority = authority("authority");
    let server = Server::start_tls(server_config(&authority, &["127.0.0.1"], |_| {}), |head, _| {
        reply(200, "", good_body(head.path()))
    })
    .await;
    let upstream = Upstreams::new(trusting(&[&authority])).unwrap().at(&https(&server)).unwrap();
    upstream.small(&info(), None, soon()).await.unwrap();
    upstream.small(&info(), None, soon()).await.unwrap();
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_is_said_in_words() {
    let (known, unknown) = (authority("known"), authority("unknown"));
    let start = async |config| Server::start_tls(config, |_, _| reply(200, "", "")).await;
    let server = start(server_config(&unknown, &["127.0.0.1"], |_| {})).await;
    assert!(
        tls_reason(&failure(trusting(&[&known]), &server).await).contains("authority that is not trusted")
    );
    assert!(
        tls_reason(&failure(trusting(&[]), &server).await).contains("no certificate authority is known here")
    );
    let server = start(server_config(&known, &["other.example.com"], |_| {})).await;
    assert!(tls_reason(&failure(trusting(&[&known]), &server).await).contains("another name"));
    let server = start(server_config(&known, &["127.0.0.1"], |params| {
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    }))
    .await;
    assert!(tls_reason(&failure(trusting(&[&known]), &server).await).contains("expired"));
    let server = start(server_config(&known, &["127.0.0.1"], |params| {
        params.not_before = rcgen::date_time_ymd(4000, 1, 1);
        params.not_after = rcgen::date_time_ymd(4001, 1, 1);
    }))
    .await;
    assert!(tls_reason(&failure(trusting(&[&known]), &server).await).contains("not valid yet"));
}

#[tokio::test]
async fn what_speaks_no_tls_is_named() {
    let authority = authority("authority");
    let plain = Server::start(|_, _| vec![]).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let talkative = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            use tokio::io::AsyncWriteExt as _;
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 4096]).await;
        }
    });
    let upstream =
        Upstreams::new(trusting(&[&authority])).unwrap().at(&format!("https://{talkative}")).unwrap();
    let cause = upstream.small(&info(), None, soon()).await.unwrap_err().cause;
    assert!(tls_reason(&cause).contains("does not speak TLS"), "{cause:?}");
    drop(plain);
}

#[tokio::test]
async fn a_machine_without_authorities_starts_and_asks_plain_upstreams() {
    let pool = Upstreams::new(trusting(&[])).unwrap();
    let server = Server::start(|head, _| reply(200, "", good_body(head.path()))).await;
    pool.at(&server.url()).unwrap().small(&info(), None, soon()).await.unwrap();
    Upstreams::new(UpstreamSettings { tls: TlsSettings::default(), ..quick() }).unwrap();
    let broken = TlsSettings {
        native_roots: false,
        extra_roots: vec![CertificateDer::from(b"no certificate".to_vec())],
        identities: Vec::new(),
    };
    let pool = Upstreams::new(UpstreamSettings { tls: broken, ..quick() }).unwrap();
    assert!(pool.notices()[0].contains("not usable"), "{:?}", pool.notices());
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_its_origin_only() {
    let authority = authority("authority");
    let demanding = || {
        let mut roots = RootCertStore::empty();
        roots.add(authority.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
            Arc::new(roots),
            Arc::clone(&provider),
        )
        .build()
        .unwrap();
        let (chain, key) = certificate(&authority, &["127.0.0.1"], |_| {});
        ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .unwrap()
    };
    let script = |head: &crate::support::Head, _: usize| reply(200, "", good_body(head.path()));
    let (meant, other) =
        (Server::start_tls(demanding(), script).await, Server::start_tls(demanding(), script).await);
    let (chain, key) = certificate(&authority, &["larder"], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let mut settings = trusting(&[&authority]);
    let origin = Origin::of_url(&Url::parse(&https(&meant)).unwrap()).unwrap();
    settings.tls.identities = vec![ClientIdentity { origins: vec![origin], chain, key }];
    let pool = Upstreams::new(settings).unwrap();
    pool.at(&https(&meant)).unwrap().small(&info(), None, soon()).await.unwrap();
    let cause = pool.at(&https(&other)).unwrap().small(&info(), None, soon()).await.unwrap_err().cause;
    assert!(tls_reason(&cause).contains("wants a client certificate"), "{cause:?}");
    assert_eq!(other.requests(), 0);
}

#[tokio::test]
async fn https_does_not_lead_to_http() {
    let authority = authority("authority");
    let plain = Server::start(|head, _| reply(200, "", good_body(head.path()))).await;
    let target = format!("Location: {}/example.com/a/@v/v1.0.0.info\r\n", plain.url());
    let server = Server::start_tls(server_config(&authority, &["127.0.0.1"], |_| {}), move |_, _| {
        reply(302, &target, "")
    })
    .await;
    let cause = failure(trusting(&[&authority]), &server).await;
    assert_eq!(cause, FetchCause::Redirect(RedirectFault::Downgrade));
    assert_eq!(plain.requests(), 0);
}

#[tokio::test]
async fn netrc_is_for_https_and_stays_with_its_machine() {
    let authority = authority("authority");
    let other = Server::start_tls(server_config(&authority, &["127.0.0.1"], |_| {}), |head, _| {
        reply(200, "", good_body(head.path()))
    })
    .await;
    let target = format!("Location: {}/example.com/a/@v/v1.0.0.info\r\n", https(&other));
    let first = Server::start_tls(server_config(&authority, &["127.0.0.1"], |_| {}), move |_, _| {
        reply(302, &target, "")
    })
    .await;
    let (first_port, other_port) = (first.address.port(), other.address.port());
    let netrc = format!(
        "machine 127.0.0.1:{first_port} login one password canary\nmachine 127.0.0.1:{other_port} login two password canary\n"
    );
    let settings =
        UpstreamSettings { credentials: Credentials::new().with_netrc(&netrc), ..trusting(&[&authority]) };
    let pool = Upstreams::new(settings).unwrap();
    pool.at(&https(&first)).unwrap().small(&info(), None, soon()).await.unwrap();
    assert_eq!(first.heads()[0].header("authorization"), Some("Basic b25lOmNhbmFyeQ=="));
    assert_eq!(
        other.heads()[0].header("authorization"),
        None,
        "a redirect does not make us log in elsewhere"
    );
    pool.at(&https(&other)).unwrap().small(&info(), None, soon()).await.unwrap();
    assert_eq!(other.heads()[1].header("authorization"), Some("Basic dHdvOmNhbmFyeQ=="));
    // User info in the URL comes before netrc.
    let named = https(&other).replace("https://", "https://three:canary@");
    pool.at(&named).unwrap().small(&info(), None, soon()).await.unwrap();
    assert_eq!(other.heads()[2].header("authorization"), Some("Basic dGhyZWU6Y2FuYXJ5"));
}

#[tokio::test]
async fn a_body_over_tls_that_is_cut_is_no_end() {
    let authority = authority("authority");
    let server = Server::start_tls(server_config(&authority, &["127.0.0.1"], |_| {}), |_, _| {
        vec![crate::support::send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nPK"), Step::Reset]
    })
    .await;
    let upstream = Upstreams::new(trusting(&[&authority])).unwrap().at(&https(&server)).unwrap();
    let mut body = upstream.zip(&version(), None).await.unwrap();
    assert_eq!(body.next().await.unwrap().unwrap(), "PK");
    let cause = body.next().await.unwrap_err().cause;
    assert!(matches!(cause, FetchCause::Reset { .. } | FetchCause::Truncated { .. }), "{cause:?}");
}

#[tokio::test]
async fn http_2_is_spoken_where_it_is_offered() {
    use http_body_util::Full;
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let authority = authority("authority");
    let mut config = server_config(&authority, &["127.0.0.1"], |_| {});
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let service =
                hyper::service::service_fn(async |request: http::Request<hyper::body::Incoming>| {
                    assert_eq!(request.version(), http::Version::HTTP_2);
                    let body = good_body(request.uri().path());
                    Ok::<_, std::convert::Infallible>(http::Response::new(Full::new(bytes::Bytes::from(
                        body,
                    ))))
                });
            tokio::spawn(
                hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    let upstream =
        Upstreams::new(trusting(&[&authority])).unwrap().at(&format!("https://{address}")).unwrap();
    upstream.small(&info(), None, soon()).await.unwrap();
    let of = version();
    let both = tokio::join!(upstream.zip(&of, None), upstream.zip(&of, None));
    assert!(both.0.is_ok() && both.1.is_ok());
    assert_eq!(connections.load(std::sync::atomic::Ordering::Relaxed), 1);
}
