//! Going through the machine's forward proxy.

use larder_upstream::{FetchCause, ForwardProxy, ForwardProxySettings, Upstreams};

use crate::support::{Server, good_body, info, quick, reply, soon};

fn through(server: &Server, none: &str) -> Upstreams {
    let forward_proxy = ForwardProxy::new(&ForwardProxySettings {
        http: format!("user:canary@{}", server.address),
        https: format!("http://user:canary@{}", server.address),
        none: none.to_owned(),
    });
    Upstreams::new(larder_upstream::UpstreamSettings { forward_proxy, ..quick() }).unwrap()
}

#[tokio::test]
async fn plain_requests_are_handed_to_the_forward_proxy() {
    let server = Server::start(|head, _| reply(200, "", good_body(head.path()))).await;
    let upstream = through(&server, "").at("http://proxy.example.com/go").unwrap();
    upstream.small(&info(), None, soon()).await.unwrap();
    let head = server.heads().remove(0);
    assert_eq!(head.path(), "http://proxy.example.com/go/example.com/a/@v/v1.0.0.info");
    assert_eq!(head.header("proxy-authorization"), Some("Basic dXNlcjpjYW5hcnk="));
    assert_eq!(head.header("authorization"), None);
}

#[tokio::test]
async fn loopback_and_exempt_hosts_are_asked_directly() {
    let forward = Server::start(|_, _| reply(500, "", "")).await;
    let direct = Server::start(|head, _| reply(200, "", good_body(head.path()))).await;
    let pool = through(&forward, "nowhere.invalid");
    pool.at(&direct.url()).unwrap().small(&info(), None, soon()).await.unwrap();
    let error = pool.at("https://nowhere.invalid").unwrap().small(&info(), None, soon()).await.unwrap_err();
    assert!(matches!(error.cause, FetchCause::Dns { .. }), "{error}");
    assert_eq!(forward.requests(), 0);
}

#[tokio::test]
async fn a_forward_proxy_that_refuses_is_named_without_its_password() {
    for (status, https) in [(407, false), (407, true), (403, true), (502, true)] {
        let server = Server::start(move |_, _| reply(status, "", "no")).await;
        let url = if https { "https://proxy.example.com" } else { "http://proxy.example.com" };
        let error = through(&server, "").at(url).unwrap().small(&info(), None, soon()).await.unwrap_err();
        let FetchCause::ForwardProxy { proxy, .. } = &error.cause else { panic!("{status}: {error:?}") };
        assert_eq!(*proxy, server.url());
        assert!(!format!("{error} {error:?}").contains("canary"));
        if https {
            assert!(server.heads()[0].0.starts_with("CONNECT proxy.example.com:443 "));
        }
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let forward_proxy = ForwardProxy::new(&ForwardProxySettings {
        http: address.to_string(),
        ..ForwardProxySettings::default()
    });
    let pool = Upstreams::new(larder_upstream::UpstreamSettings { forward_proxy, ..quick() }).unwrap();
    let error = pool.at("http://proxy.example.com").unwrap().small(&info(), None, soon()).await.unwrap_err();
    assert_eq!(
        error.cause,
        FetchCause::ForwardProxy {
            proxy: format!("http://{address}"),
            reason: "connection refused".to_owned()
        }
    );
}
