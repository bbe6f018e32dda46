use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use larder_testkit::certificates::Authority;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::*;

/// A file system of its own, whose hosts file sends a few names to this machine.
pub(in crate::probe) struct Place {
    folder: tempfile::TempDir,
    environment: BTreeMap<String, String>,
}

impl Place {
    pub(in crate::probe) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs_err::create_dir_all(folder.path().join("etc")).expect("a temporary folder");
        let hosts = "127.0.0.1 proxy.example.com forward.example.com\n";
        fs_err::write(folder.path().join("etc/hosts"), hosts).expect("a temporary folder");
        fs_err::write(folder.path().join("etc/resolv.conf"), "nameserver 127.0.0.1")
            .expect("a temporary folder");
        Self { folder, environment: BTreeMap::new() }
    }

    fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.insert(name.to_owned(), value.into());
        self
    }

    pub(in crate::probe) fn trusting(self, authority: &Authority) -> Self {
        authority.write(&self.folder.path().join("ca.pem"));
        self.set("SSL_CERT_FILE", "/ca.pem")
    }

    pub(in crate::probe) fn network(&self) -> Network {
        Network::read(&System {
            environment: self.environment.clone(),
            folder: Path::new("/").to_owned(),
            root: self.folder.path().to_owned(),
            now: clock(),
        })
    }

    pub(in crate::probe) async fn opens(&self, scheme: &str, port: u16) -> Opened {
        let target = Target {
            role: "GOPROXY entry 1".to_owned(),
            scheme: scheme.to_owned(),
            host: "proxy.example.com".to_owned(),
            port,
        };
        open(&self.network(), &target, Instant::now() + Duration::from_secs(5)).await
    }
}

#[expect(clippy::disallowed_methods, reason = "certificates are made for today")]
fn clock() -> SystemTime {
    SystemTime::now()
}

/// Starts a server that does the same with every connection.
pub(in crate::probe) async fn server<F: Future<Output = ()> + Send>(
    serve: impl Fn(TcpStream) -> F + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            serve(stream).await;
        }
    });
    address
}

async fn tls_server(authority: &Authority, names: &[&str]) -> SocketAddr {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let acceptor = TlsAcceptor::from(authority.server(&names));
    server(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let mut buffer = [0; 64];
                while let Ok(1..) = stream.read(&mut buffer).await {
                    let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
                }
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_trusted_server_yields_a_connection_and_its_chain() {
    let authority = Authority::new("Example CA");
    let address = tls_server(&authority, &["proxy.example.com"]).await;
    let opened = Place::new().trusting(&authority).opens("https", address.port()).await;
    let mut wire = opened.wire.unwrap_or_else(|| panic!("{:?}", opened.probe));
    let tls = opened.probe.tls.expect("a handshake");
    assert_eq!((tls.version.as_deref(), tls.authorities, tls.chain.len()), (Some("TLS 1.3"), Some(1), 1));
    assert!(tls.chain[0].issuer.contains("Example CA") && !tls.chain[0].self_signed, "{:?}", tls.chain);
    assert_eq!(tls.chain[0].names, ["proxy.example.com"]);
    wire.io.write_all(b"GET / HTTP/1.1\r\n\r\n").await.expect("it is open");
    let mut start = [0; 12];
    wire.io.read_exact(&mut start).await.expect("it answers");
    assert_eq!(&start, b"HTTP/1.1 204");
    assert_eq!(opened.probe.dns[0].server, "hosts file");
}

#[tokio::test]
async fn certificates_are_judged_in_gos_order_with_the_chain_kept() {
    let (known, other) = (Authority::new("Example CA"), Authority::new("Other CA"));
    let address = tls_server(&other, &["proxy.example.com"]).await;
    let opened = Place::new().trusting(&known).opens("https", address.port()).await;
    assert!(opened.wire.is_none());
    assert!(matches!(opened.probe.trouble, Some(Trouble::UnknownAuthority { .. })), "{:?}", opened.probe);
    assert_eq!(opened.probe.tls.expect("a handshake").chain.len(), 1);

    let address = tls_server(&other, &["git.corp.example"]).await;
    let opened = Place::new().trusting(&known).opens("https", address.port()).await;
    let expected = Trouble::WrongName {
        valid_for: "git.corp.example".to_owned(),
        wanted: "proxy.example.com".to_owned(),
    };
    assert_eq!(opened.probe.trouble, Some(expected), "the name is judged before the signer");
}

#[tokio::test]
async fn broken_handshakes_are_named() {
    let https = |address: SocketAddr| async move {
        Place::new().opens("https", address.port()).await.probe.trouble.expect("it fails")
    };
    let http = server(|mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    })
    .await;
    assert_eq!(https(http).await, Trouble::NotTls { http: true });
    let ssh = server(|mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(b"SSH-2.0-example\r\n").await;
    })
    .await;
    assert_eq!(https(ssh).await, Trouble::NotTls { http: false });
    let closes = server(|mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
    })
    .await;
    assert_eq!(https(closes).await, Trouble::ClosedEarly { handshake: true });
    let resets = server(|mut stream| async move {
        let _ = stream.read(&mut [0; 16]).await;
        #[expect(deprecated, reason = "a reset is wanted, and nothing waits for it")]
        let _ = stream.set_linger(Some(Duration::ZERO));
    })
    .await;
    assert_eq!(https(resets).await, Trouble::Reset { address: None, handshake: true });
    let free = TcpListener::bind("127.0.0.1:0").await.expect("loopback").local_addr().expect("it is bound");
    assert!(matches!(https(free).await, Trouble::ConnectRefused { .. }));
}

#[tokio::test]
async fn forward_proxies_are_asked_to_connect() {
    let denies = server(|mut stream| async move {
        let mut buffer = [0; 4096];
        let length = stream.read(&mut buffer).await.unwrap_or(0);
        let asked = String::from_utf8_lossy(&buffer[..length]).into_owned();
        let reply = if asked.contains("Proxy-Authorization: Basic dTpw\r\n") {
            "HTTP/1.1 403 Forbidden\r\n\r\n"
        } else {
            "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Negotiate\r\n\r\n"
        };
        let _ = stream.write_all(reply.as_bytes()).await;
    })
    .await;
    let through = |login: &str| {
        let value = format!("http://{login}forward.example.com:{}", denies.port());
        async move { Place::new().set("HTTPS_PROXY", value).opens("https", 443).await.probe }
    };
    let probe = through("").await;
    let text = "Proxy Authentication Required".to_owned();
    assert_eq!(probe.connect, Some((407, format!("{text}; Proxy-Authenticate: Negotiate"))));
    assert_eq!(probe.trouble, Some(Trouble::ConnectDenied { code: Some(407), text }));
    let probe = through("u:p@").await;
    assert_eq!(probe.trouble, Some(Trouble::ConnectDenied { code: Some(403), text: "Forbidden".to_owned() }));
    assert!(!probe.forward_proxy.expect("there is one").contains("u:p"));
    let probe =
        Place::new().set("https_proxy", "http://forward.example.com:1").opens("https", 443).await.probe;
    let Some(Trouble::ForwardProxy { inner }) = probe.trouble else { panic!("{probe:?}") };
    assert!(matches!(*inner, Trouble::ConnectRefused { .. }));
}
