//! Pages that strangers name, and the network that they must not reach.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use larder_upstream::{
    Credential, Credentials, DirectFaultKind, FetchCause, ForwardProxy, ForwardProxySettings, ListedHosts,
    LookUp, LookingUp, Origin, Page, PageFailure, PageRequest, RedirectFault, Secret, UpstreamSettings,
    Upstreams,
};
use url::Url;

use crate::support::{Server, info, quick, reply, send, soon, version};

/// Names for servers of this test, and a record of what was looked up.
#[derive(Clone, Debug, Default)]
struct Names {
    known: Vec<(String, Vec<SocketAddr>)>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Names {
    fn with(mut self, host: &str, addresses: &[SocketAddr]) -> Self {
        self.known.push((host.to_owned(), addresses.to_vec()));
        self
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl LookUp for Names {
    fn look_up<'a>(&'a self, host: &'a str) -> LookingUp<'a> {
        self.asked.lock().unwrap().push(host.to_owned());
        let found = self.known.iter().find(|(name, _)| name == host.trim_end_matches('.'));
        let found = found.map(|(_, addresses)| addresses.clone()).ok_or_else(|| "no such name".to_owned());
        Box::pin(async move { found })
    }
}

fn settings(names: &Names) -> UpstreamSettings {
    UpstreamSettings { look_up: Some(Arc::new(names.clone())), ..quick() }
}

/// Fetches a page by plain http: `insecure`, where nobody answers by https.
async fn page(pool: &Upstreams, url: &str, listed: &[&str]) -> Result<Page, PageFailure> {
    ask(pool, url, listed, false, &Credentials::new()).await
}

async fn ask(
    pool: &Upstreams,
    url: &str,
    listed: &[&str],
    private: bool,
    tokens: &Credentials,
) -> Result<Page, PageFailure> {
    let url = Url::parse(url).unwrap();
    let listed = ListedHosts::new(listed);
    let request = PageRequest {
        url: &url,
        private,
        insecure: true,
        listed: &listed,
        tokens,
        limit: 1000,
        deadline: soon(),
    };
    pool.page(request).await
}

fn refused(failure: &PageFailure) -> &str {
    match &failure.cause {
        FetchCause::Direct(fault) if fault.kind == DirectFaultKind::Refused => &fault.text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_page_of_a_refusal_counts_and_is_cut() {
    let server = Server::start(|head, _| match head.path() {
        "/m?go-get=1" => reply(404, "", "<html>here it is"),
        "/long?go-get=1" => reply(200, "", "x".repeat(5000)),
        "/short?go-get=1" => {
            vec![send("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nbegun"), crate::support::Step::Close]
        }
        "/nowhere?go-get=1" => reply(302, "", "the page itself"),
        _ => reply(500, "Content-Type: text/plain\r\n", "out of order"),
    })
    .await;
    let names = Names::default().with("code.example.com", &[server.address]);
    let pool = Upstreams::new(settings(&names)).unwrap();
    let get = |path: &str| {
        let (pool, url) = (pool.clone(), format!("http://code.example.com{path}?go-get=1"));
        async move { page(&pool, &url, &["code.example.com"]).await.unwrap() }
    };
    let found = get("/m").await;
    assert_eq!(found.refusal, Some(FetchCause::Absent { status: Some(404) }));
    assert_eq!(
        (&found.body[..], found.url.as_str()),
        (&b"<html>here it is"[..], "http://code.example.com/m")
    );
    let found = get("/long").await;
    assert_eq!((found.body.len(), found.broken), (1000, None));
    let found = get("/short").await;
    assert_eq!(found.body, "begun");
    assert!(matches!(found.broken, Some(FetchCause::Truncated { .. })), "{:?}", found.broken);
    assert_eq!(get("/nowhere").await.body, "the page itself");
    let found = get("/x").await;
    assert!(matches!(found.refusal, Some(FetchCause::Status { status: 500, .. })));
    assert_eq!(found.said.as_deref(), Some("out of order"));
}

#[tokio::test]
async fn unlisted_hosts_are_not_asked_inside() {
    let server = Server::start(|_, _| reply(200, "", "")).await;
    let public: SocketAddr = "8.8.8.8:0".parse().unwrap();
    let names = Names::default()
        .with("inside.example.com", &[server.address])
        .with("mixed.example.com", &[public, server.address]);
    let pool = Upstreams::new(settings(&names)).unwrap();
    let port = server.address.port();
    for host in [
        "inside.example.com".to_owned(),
        "inside.example.com.".to_owned(),
        "mixed.example.com".to_owned(),
        format!("127.0.0.1:{port}"),
        format!("2130706433:{port}"),
        format!("0x7f.1:{port}"),
        format!("[::ffff:127.0.0.1]:{port}"),
        format!("8.8.8.8@127.0.0.1:{port}"),
        "169.254.169.254".to_owned(),
    ] {
        let failure = page(&pool, &format!("http://{host}/m?go-get=1"), &[]).await.unwrap_err();
        assert!(refused(&failure).contains("not asked"), "{host}");
    }
    assert_eq!(server.connections(), 0);
    // The operator's word counts.
    page(&pool, "http://inside.example.com/m?go-get=1", &["inside.example.com"]).await.unwrap();
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_redirect_leads_nobody_inside() {
    let inside = Server::start(|_, _| reply(200, "", "secret")).await;
    let port = inside.address.port();
    let door = Server::start(move |head, _| {
        let to = match head.path() {
            "/name" => "http://inside.example.com/".to_owned(),
            "/literal" => format!("http://127.0.0.1:{port}/"),
            "/decimal" => format!("http://2130706433:{port}/"),
            _ => format!("http://[::1]:{port}/"),
        };
        reply(302, &format!("Location: {to}\r\n"), "")
    })
    .await;
    let names = Names::default()
        .with("door.example.com", &[door.address])
        .with("inside.example.com", &[inside.address]);
    let pool = Upstreams::new(settings(&names)).unwrap();
    for path in ["/name", "/literal", "/decimal", "/six"] {
        let url = format!("http://door.example.com{path}");
        let failure = page(&pool, &url, &["door.example.com"]).await.unwrap_err();
        assert!(refused(&failure).contains("not asked"), "{path}");
    }
    assert_eq!(inside.connections(), 0);
}

/// Says something else each time it is asked.
#[derive(Debug)]
struct Turncoat(Mutex<Vec<SocketAddr>>);

impl LookUp for Turncoat {
    fn look_up<'a>(&'a self, _: &'a str) -> LookingUp<'a> {
        let mut answers = self.0.lock().unwrap();
        let next = if answers.len() > 1 { answers.remove(0) } else { answers[0] };
        Box::pin(async move { Ok(vec![next]) })
    }
}

#[tokio::test]
async fn a_name_that_changes_its_mind_is_judged_each_time() {
    let server = Server::start(|_, _| reply(200, "", "")).await;
    let public: SocketAddr = "8.8.8.8:443".parse().unwrap();
    let look_up = Turncoat(Mutex::new(vec![public, server.address]));
    let pool = Upstreams::new(UpstreamSettings { look_up: Some(Arc::new(look_up)), ..quick() }).unwrap();
    // What was judged is what is connected to: the addresses come back for git to be pinned to.
    let url = Url::parse("https://turncoat.example.com/repo").unwrap();
    assert_eq!(pool.public_addresses(&url).await.unwrap(), [public]);
    assert!(pool.public_addresses(&url).await.is_err());
    let failure = page(&pool, "http://turncoat.example.com/m", &[]).await.unwrap_err();
    assert!(refused(&failure).contains("127.0.0.1"));
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn behind_a_forward_proxy_only_listed_hosts_are_asked() {
    let proxy = Server::start(|_, _| reply(200, "", "through the proxy")).await;
    let forward = ForwardProxySettings { http: proxy.url(), https: proxy.url(), none: String::new() };
    let names = Names::default();
    let pool =
        Upstreams::new(UpstreamSettings { forward_proxy: ForwardProxy::new(&forward), ..settings(&names) })
            .unwrap();
    let failure = page(&pool, "http://code.example.com/m", &[]).await.unwrap_err();
    assert!(refused(&failure).contains("forward proxy"));
    assert!(pool.public_addresses(&Url::parse("https://code.example.com/m").unwrap()).await.is_err());
    assert!(pool.is_proxied(&Url::parse("https://code.example.com/m").unwrap()));
    assert_eq!(proxy.requests(), 0);
    let found = page(&pool, "http://code.example.com/m", &["code.example.com"]).await.unwrap();
    assert_eq!(found.body, "through the proxy");
    assert_eq!(names.asked(), [""; 0], "names are the proxy's business");
}

#[tokio::test]
async fn private_pages_stay_at_their_host_or_at_listed_ones() {
    let other = Server::start(|_, _| reply(200, "", "elsewhere")).await;
    let server = Server::start(|head, _| match head.path() {
        "/a" => reply(302, "Location: /b\r\n", ""),
        "/b" => reply(200, "", "here"),
        _ => reply(302, "Location: http://other.example.com/secret/name\r\n", ""),
    })
    .await;
    let names = Names::default()
        .with("git.corp.example", &[server.address])
        .with("other.example.com", &[other.address]);
    let pool = Upstreams::new(settings(&names)).unwrap();
    let nobody = Credentials::new();
    let here = ask(&pool, "http://git.corp.example/a", &["git.corp.example"], true, &nobody).await.unwrap();
    assert_eq!(here.body, "here");
    let failure =
        ask(&pool, "http://git.corp.example/c", &["git.corp.example"], true, &nobody).await.unwrap_err();
    assert_eq!(failure.cause, FetchCause::Redirect(RedirectFault::PrivateElsewhere));
    assert_eq!(other.connections(), 0);
    let listed = ["git.corp.example", "other.example.com"];
    assert_eq!(
        ask(&pool, "http://git.corp.example/c", &listed, true, &nobody).await.unwrap().body,
        "elsewhere"
    );
}

#[tokio::test]
async fn tokens_are_for_their_host_by_https() {
    let server = Server::start(|_, _| reply(200, "", "")).await;
    let names = Names::default().with("git.corp.example", &[server.address]);
    let pool = Upstreams::new(settings(&names)).unwrap();
    let origin = Origin::of_url(&Url::parse("https://git.corp.example").unwrap()).unwrap();
    let credential = Credential::Basic { user: Secret::new("robot"), password: Secret::new("canary") };
    let tokens = Credentials::new().with_configured(origin, credential);
    let found = ask(&pool, "http://git.corp.example/a", &["git.corp.example"], true, &tokens).await.unwrap();
    assert!(!found.authenticated);
    assert_eq!(server.heads()[0].header("authorization"), None);
}

#[tokio::test]
async fn ten_redirects_are_too_many_as_for_the_go_command() {
    let server = Server::start(|head, _| {
        let left: u32 = head.path().trim_start_matches('/').parse().unwrap();
        if left == 0 {
            reply(200, "", "at last")
        } else {
            reply(302, &format!("Location: /{}\r\n", left - 1), "")
        }
    })
    .await;
    let names = Names::default().with("code.example.com", &[server.address]);
    let pool = Upstreams::new(settings(&names)).unwrap();
    let get = |count: u32| {
        let (pool, url) = (pool.clone(), format!("http://code.example.com/{count}"));
        async move { page(&pool, &url, &["code.example.com"]).await }
    };
    assert_eq!(get(9).await.unwrap().body, "at last");
    assert_eq!(get(10).await.unwrap_err().cause, FetchCause::Redirect(RedirectFault::TooMany(9)));
}

#[tokio::test]
async fn a_proxy_that_a_page_named_is_guarded_too() {
    let server = Server::start(|head, _| reply(200, "", crate::support::good_body(head.path()))).await;
    let names = Names::default().with("proxy.example.com", &[server.address]);
    let pool = Upstreams::new(settings(&names)).unwrap();
    let at = |listed: &[&str]| {
        pool.guarded_at("http://proxy.example.com", false, &ListedHosts::new(listed)).unwrap()
    };
    let failure = at(&[]).small(&info(), None, soon()).await.unwrap_err();
    assert!(matches!(&failure.cause, FetchCause::Direct(fault) if fault.kind == DirectFaultKind::Refused));
    assert!(at(&[]).zip(&version(), None).await.is_err());
    assert_eq!(server.connections(), 0);
    at(&["proxy.example.com"]).small(&info(), None, soon()).await.unwrap();
    assert!(pool.guarded_at("file:///srv", false, &ListedHosts::default()).is_err());
    assert!(pool.states().is_empty(), "strangers' proxies are not kept");
}
