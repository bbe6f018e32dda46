//! Redirects, and that secrets don't follow them.

use larder_module::goproxy::ProxyList;
use larder_upstream::{
    Credential, Credentials, FetchCause, Origin, RedirectFault, Secret, UpstreamSettings, Upstreams,
};
use url::Url;

use crate::support::{Server, good_body, info, pool, quick, reply, soon, version};

const OWN: &str = "Basic dXNlcjpjYW5hcnk=";

/// A server that sends each path on to where the table says, and answers the others.
async fn server(table: Vec<(&'static str, String)>) -> Server {
    Server::start(move |head, _| match table.iter().find(|(path, _)| head.path().starts_with(path)) {
        Some((_, target)) => reply(302, &format!("Location: {target}\r\n"), "moved"),
        None => reply(200, "", good_body(head.path())),
    })
    .await
}

fn with_user(server: &Server) -> String {
    format!("http://user:canary@{}", server.address)
}

fn authorizations(server: &Server) -> Vec<Option<String>> {
    server.heads().iter().map(|head| head.header("authorization").map(str::to_owned)).collect()
}

fn file() -> &'static str {
    "/example.com/a/@v/v1.0.0.info"
}

#[tokio::test]
async fn redirects_of_each_kind_are_followed() {
    for status in [301, 302, 303, 307, 308] {
        let server = Server::start(move |head, _| match head.path().strip_prefix("/old") {
            Some(rest) => reply(status, &format!("Location: /new{rest}\r\n"), ""),
            None => reply(200, "", good_body(head.path())),
        })
        .await;
        let upstream = pool().at(&format!("{}/old", server.url())).unwrap();
        upstream.small(&info(), None, soon()).await.unwrap();
        upstream.zip(&version(), None).await.unwrap();
        assert_eq!((server.requests(), server.connections()), (4, 1), "{status}");
    }
}

#[tokio::test]
async fn user_info_reaches_its_own_origin_only() {
    let other = server(vec![]).await;
    let first = server(vec![("/example.com", format!("{}{}", other.url(), file()))]).await;
    let upstream = pool().at(&with_user(&first)).unwrap();
    upstream.small(&info(), None, soon()).await.unwrap();
    assert_eq!(authorizations(&first), [Some(OWN.to_owned())]);
    assert_eq!(authorizations(&other), [None], "another port is another origin");

    let same = server(vec![("/example.com", format!("/moved{}", file()))]).await;
    pool().at(&with_user(&same)).unwrap().small(&info(), None, soon()).await.unwrap();
    assert_eq!(authorizations(&same), [Some(OWN.to_owned()), Some(OWN.to_owned())]);
}

#[tokio::test]
async fn user_info_is_not_restored_after_it_was_dropped() {
    // first -> other -> other, and first -> other -> first
    let last = server(vec![]).await;
    let other = server(vec![
        ("/again", format!("/end{}", file())),
        ("/back", format!("{}/end{}", last.url(), file())),
    ])
    .await;
    let again = server(vec![("/example.com", format!("{}/again", other.url()))]).await;
    pool().at(&with_user(&again)).unwrap().small(&info(), None, soon()).await.unwrap();
    assert_eq!(authorizations(&other), [None, None]);

    let other = Server::start(|head, _| {
        let target = head.path().split("to=").nth(1).unwrap_or_default().to_owned();
        reply(302, &format!("Location: {target}\r\n"), "")
    })
    .await;
    let there = other.url();
    let first = Server::start(move |head, _| match head.path().starts_with("/end") {
        true => reply(200, "", good_body(head.path())),
        false => {
            let own = head.header("host").unwrap();
            reply(302, &format!("Location: {there}/?to=http://{own}/end{}\r\n", file()), "")
        }
    })
    .await;
    pool().at(&with_user(&first)).unwrap().small(&info(), None, soon()).await.unwrap();
    assert_eq!(authorizations(&first), [Some(OWN.to_owned()), None], "whoever sent us back chose the path");
    assert_eq!(authorizations(&other), [None]);
}

#[tokio::test]
async fn user_info_of_a_redirect_is_not_used() {
    let other = server(vec![]).await;
    let first =
        server(vec![("/example.com", format!("http://evil:canary@{}{}", other.address, file()))]).await;
    pool().at(&first.url()).unwrap().small(&info(), None, soon()).await.unwrap();
    assert_eq!(authorizations(&other), [None]);
}

#[tokio::test]
async fn configured_credentials_are_chosen_anew_at_each_hop() {
    let origin = |server: &Server| Origin::of_url(&Url::parse(&server.url()).unwrap()).unwrap();
    let third = server(vec![]).await;
    let second = server(vec![("/hop", format!("{}{}", third.url(), file()))]).await;
    let first = server(vec![("/example.com", format!("{}/hop", second.url()))]).await;
    let credentials = Credentials::new()
        .with_configured(origin(&first), Credential::Bearer(Secret::new("canary-one")))
        .with_configured(origin(&third), Credential::Bearer(Secret::new("canary-three")));
    let pool = Upstreams::new(UpstreamSettings { credentials, ..quick() }).unwrap();
    pool.at(&first.url()).unwrap().small(&info(), None, soon()).await.unwrap();
    assert_eq!(authorizations(&first), [Some("Bearer canary-one".to_owned())]);
    assert_eq!(authorizations(&second), [None]);
    assert_eq!(authorizations(&third), [Some("Bearer canary-three".to_owned())]);
}

#[tokio::test]
async fn a_private_upstream_may_not_send_us_elsewhere() {
    // `localhost` and 127.0.0.1 are two hosts to a client.
    let other = server(vec![]).await;
    let elsewhere = format!("http://localhost:{}{}", other.address.port(), file());
    let first = server(vec![("/example.com", elsewhere)]).await;
    let list = ProxyList::parse(&first.url()).unwrap();
    let ask = |pool: Upstreams| {
        let chain = pool.private_chain(&list).unwrap();
        async move { chain.walk(|upstream| async move { upstream.small(&info(), None, soon()).await }).await }
    };
    let failure = ask(pool()).await.unwrap_err();
    assert_eq!(failure.verdict().unwrap().cause, FetchCause::Redirect(RedirectFault::PrivateElsewhere));
    assert_eq!(other.requests(), 0);
    let settings = UpstreamSettings { private_redirect_hosts: vec!["localhost".to_owned()], ..quick() };
    ask(Upstreams::new(settings).unwrap()).await.unwrap();
    assert_eq!(other.requests(), 1);
}

#[tokio::test]
async fn wrong_credentials_are_told_from_missing_ones() {
    let server = Server::start(|head, _| {
        let echo = head.header("authorization").unwrap_or("nothing").to_owned();
        reply(401, "Content-Type: text/plain\r\n", format!("bad login {echo}, password canary"))
    })
    .await;
    let missing = pool().at(&server.url()).unwrap().small(&info(), None, soon()).await.unwrap_err();
    assert_eq!(missing.cause, FetchCause::Denied { status: Some(401) });
    let wrong = pool().at(&with_user(&server)).unwrap().small(&info(), None, soon()).await.unwrap_err();
    assert_eq!(wrong.cause, FetchCause::OwnCredentials { status: 401 });
    let shown = format!("{wrong} {wrong:?} {:?}", wrong.said);
    assert!(!shown.contains("canary") && !shown.contains("dXNlcjpjYW5hcnk"), "{shown}");
    assert!(wrong.said.unwrap().starts_with("bad login Basic ***"));
}

#[tokio::test]
async fn secrets_show_nowhere() {
    let server = Server::start(|_, _| reply(500, "", "https://x:canary@h.example.com/?canary=canary")).await;
    let url = format!("http://canary-user:canary@{}/base?canary=canary", server.address);
    let netrc = "machine h.example.com login canary password canary";
    let credentials = Credentials::new().with_netrc(netrc);
    let settings = UpstreamSettings { credentials, ..quick() };
    let settings_shown = format!("{settings:?}");
    let pool = Upstreams::new(settings).unwrap();
    let chain = pool.chain(&ProxyList::parse(&url).unwrap()).unwrap();
    let failure =
        chain.walk(|upstream| async move { upstream.small(&info(), None, soon()).await }).await.unwrap_err();
    let shown = format!(
        "{settings_shown} {pool:?} {chain} {chain:?} {failure} {failure:?} {:?} {:?} {:?}",
        pool.states(),
        chain.entries(),
        pool.notices()
    );
    assert!(!shown.contains("canary"), "{shown}");
    assert!(shown.contains(&server.address.to_string()));
}

#[tokio::test]
async fn a_failure_behind_a_redirect_names_the_place() {
    let other = Server::start(|_, _| reply(404, "", "")).await;
    let first = server(vec![("/example.com", format!("{}/x?signature=canary", other.url()))]).await;
    let error = pool().at(&first.url()).unwrap().small(&info(), None, soon()).await.unwrap_err();
    assert_eq!(error.redirected_to.as_deref(), Some(other.url().as_str()));
    assert!(
        error.to_string().contains(&format!("(redirected to {})", other.url()))
            && !error.to_string().contains("canary")
    );
}
