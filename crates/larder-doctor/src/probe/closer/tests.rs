use larder_testkit::certificates::{Authority, Leaf};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;

use super::super::open::tests::{Place, server};
use super::*;

async fn looked_at(place: &Place, port: u16) -> HostProbe {
    let mut probe = place.opens("https", port).await.probe;
    look_closer(&place.network(), &mut probe, Instant::now() + Duration::from_secs(5)).await;
    probe
}

/// Whether a greeting names this host in the clear.
fn names(greeting: &[u8], host: &str) -> bool {
    greeting.windows(host.len()).any(|window| window == host.as_bytes())
}

#[tokio::test]
async fn a_neutral_name_shows_that_the_name_is_the_fault() {
    let authority = Authority::new("Example CA");
    let acceptor = TlsAcceptor::from(authority.server(&[NEUTRAL_NAME.to_owned()]));
    let address = server(move |mut stream| {
        let acceptor = acceptor.clone();
        async move {
            let mut greeting = [0; 8192];
            let length = stream.peek(&mut greeting).await.unwrap_or(0);
            if names(&greeting[..length], "proxy.example.com") {
                let _ = stream.read(&mut [0; 16]).await;
                #[expect(deprecated, reason = "a reset is wanted, and nothing waits for it")]
                let _ = stream.set_linger(Some(Duration::ZERO));
            } else {
                let _ = acceptor.accept(stream).await;
            }
        }
    })
    .await;
    let probe = looked_at(&Place::new(), address.port()).await;
    assert!(matches!(probe.trouble, Some(Trouble::Reset { handshake: true, .. })), "{probe:?}");
    assert_eq!(probe.tls.expect("a handshake").neutral_name.as_deref(), Some("answers"));
}

#[tokio::test]
async fn a_small_greeting_shows_that_large_ones_get_lost() {
    let acceptor = TlsAcceptor::from(Authority::new("Example CA").server(&["proxy.example.com".to_owned()]));
    let address = server(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let mut greeting = [0; 8192];
            // What a path with a smaller MTU would lose.
            if stream.peek(&mut greeting).await.unwrap_or(0) < 1000 {
                let _ = acceptor.accept(stream).await;
            }
        }
    })
    .await;
    let probe = looked_at(&Place::new(), address.port()).await;
    let tls = probe.tls.expect("a handshake");
    assert_eq!(tls.small_greeting.as_deref(), Some("answers"), "{:?}", probe.trouble);
    assert_ne!(tls.neutral_name.as_deref(), Some("answers"));
}

#[tokio::test]
async fn an_old_server_is_known_by_its_answer_to_an_old_greeting() {
    let address = server(|mut stream| async move {
        let mut greeting = [0; 8192];
        let length = stream.read(&mut greeting).await.unwrap_or(0);
        let old = length < 200;
        let reply: &[u8] = if old { &[22, 3, 1, 0, 6, 2, 0, 0, 2, 3, 1] } else { &[21, 3, 1, 0, 2, 2, 70] };
        let _ = stream.write_all(reply).await;
    })
    .await;
    let probe = looked_at(&Place::new(), address.port()).await;
    let expected = Trouble::TlsAlert { text: "protocol version not supported".to_owned() };
    assert_eq!(probe.trouble, Some(expected));
    assert_eq!(probe.tls.expect("a handshake").only_old_version.as_deref(), Some("TLS 1.0"));
}

#[tokio::test]
async fn the_missing_link_and_the_peers_clock_are_asked_for() {
    let authority = Authority::new("Example CA");
    let (intermediate, link) = authority.intermediate("Example Issuing CA");
    let link = link.to_vec();
    let pki = server(move |mut stream| {
        let link = link.clone();
        async move {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(&[b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), link].concat()).await;
        }
    })
    .await;
    let url = format!("http://127.0.0.1:{}/issuing.crt", pki.port());
    let leaf = Leaf::of(&["proxy.example.com".to_owned()]).issuer_url(&url);
    let address = tls(TlsAcceptor::from(intermediate.identity(&leaf).server())).await;
    let probe = looked_at(&Place::new().trusting(&authority), address.port()).await;
    assert!(matches!(probe.trouble, Some(Trouble::UnknownAuthority { .. })), "{probe:?}");
    assert_eq!(probe.tls.expect("a handshake").complete_with_issuer, Some(true));

    let old = Leaf::of(&["proxy.example.com".to_owned()]).years(2020, 2021);
    let address = tls(TlsAcceptor::from(authority.identity(&old).server())).await;
    let probe = looked_at(&Place::new().trusting(&authority), address.port()).await;
    assert!(matches!(probe.trouble, Some(Trouble::NotInValidity { after: true, .. })), "{probe:?}");
    assert!(probe.clock_offset.expect("it tells the time") < -500_000_000);
}

/// A web server that lives in 1994.
async fn tls(acceptor: TlsAcceptor) -> SocketAddr {
    server(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let _ = stream.read(&mut [0; 4096]).await;
                let date = "Date: Sun, 06 Nov 1994 08:49:37 GMT";
                let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\n{date}\r\n\r\n").as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        }
    })
    .await
}
