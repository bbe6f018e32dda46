//! Pages that say where a module's code is (`https://example.com/mod?go-get=1`).
//!
//! They are asked with the same connections, credentials and forward proxies as upstreams, but in the go command's manner:
//! the page of a "not found" counts too, a redirect that leads nowhere is the page, and plain http is the second try for paths
//! that are listed as insecure, without credentials.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use std::net::SocketAddr;
use tokio::time::{Instant, sleep, timeout_at};
use url::Url;

use crate::classify;
use crate::clean;
use crate::credentials::Credentials;
use crate::error::FetchCause;
use crate::guard::ListedHosts;
use crate::instance::Trail;
use crate::name::printable_url;
use crate::retry::Attempts;
use crate::transport::{Answer, Failed, Manner, Request, Transport, Until, check_encoding, content_type};
use crate::upstream::Upstreams;
use crate::urgency::Urgency;

/// A page that is to be fetched.
#[derive(Clone, Copy, Debug)]
pub struct PageRequest<'a> {
    /// Where it is, by https.
    pub url: &'a Url,
    /// The path is a private name: redirects stay at its host or go to listed ones.
    pub private: bool,
    /// Plain http may be used if https fails.
    pub insecure: bool,
    /// The hosts that may be at any address.
    pub listed: &'a ListedHosts,
    /// Credentials by origin, ahead of the general ones.
    pub tokens: &'a Credentials,
    /// What is read of the page at most; the rest isn't looked at.
    pub limit: usize,
    /// When the caller's time is over.
    pub deadline: Instant,
}

/// A page, whatever its status.
#[derive(Clone, Debug)]
pub struct Page {
    /// Where it was asked for, without secrets.
    pub url: String,
    /// Why the answer is no success, if it isn't.
    pub refusal: Option<FetchCause>,
    /// Larder told the last host who it is.
    pub authenticated: bool,
    /// Where redirects led, if to another host.
    pub redirected_to: Option<String>,
    /// Where redirects led; the URL that was asked for, if there were none.
    pub landed: Url,
    /// The start of the page.
    pub body: Bytes,
    /// Why the page ends where it does, if it broke off.
    pub broken: Option<FetchCause>,
    /// What it says, if it is short plain text.
    pub said: Option<String>,
}

/// No page came.
#[derive(Clone, Debug)]
pub struct PageFailure {
    /// Where it was asked for, without secrets.
    pub url: String,
    /// Why.
    pub cause: FetchCause,
    /// Where a redirect led, if the failure happened there.
    pub redirected_to: Option<String>,
}

impl Upstreams {
    /// Fetches a page.
    ///
    /// # Errors
    ///
    /// Fails when no answer came; an answer of any status is a page.
    pub async fn page(&self, request: PageRequest<'_>) -> Result<Page, PageFailure> {
        let transport = self.transport();
        let failure = match transport.page(&request, request.url).await {
            Ok(page) => return Ok(page),
            Err(failure) => failure,
        };
        // A host that must not be asked must not be asked by http either.
        let is_rule = matches!(failure.cause, FetchCause::Direct(_));
        if !request.insecure || is_rule || request.deadline <= Instant::now() {
            return Err(failure);
        }
        let mut plain = request.url.clone();
        match plain.set_scheme("http") {
            Ok(()) => transport.page(&request, &plain).await,
            Err(()) => Err(failure),
        }
    }

    /// Looks up the host of a URL that a stranger named, and returns its addresses if all of them are public.
    ///
    /// # Errors
    ///
    /// Fails with a refusal if one isn't, or if a forward proxy would do the look-up.
    pub async fn public_addresses(&self, url: &Url) -> Result<Vec<SocketAddr>, FetchCause> {
        self.transport().public_addresses(url).await
    }

    /// Reports whether a URL is asked through a forward proxy.
    pub fn is_proxied(&self, url: &Url) -> bool {
        self.transport().is_proxied(url)
    }
}

impl Transport {
    async fn page(&self, page: &PageRequest<'_>, url: &Url) -> Result<Page, PageFailure> {
        let mut attempts = Attempts::begin(self.retries, Some(page.deadline));
        loop {
            attempts.count();
            let failed = match self.page_once(page, url).await {
                Ok(page) => return Ok(page),
                Err(failed) => failed,
            };
            match attempts.pause_after(&failed.cause) {
                Some(pause) => sleep(pause).await,
                None => {
                    let Failed { cause, redirected_to, .. } = failed;
                    return Err(PageFailure { url: printable_page(url), cause, redirected_to });
                }
            }
        }
    }

    async fn page_once(&self, page: &PageRequest<'_>, url: &Url) -> Result<Page, Failed> {
        let (trail, urgency) = (Trail::default(), Urgency::now());
        let answer = self
            .send(Request {
                url: url.clone(),
                own: None,
                headers: HeaderMap::new(),
                first_byte: self.timeouts.first_byte,
                deadline: Some(page.deadline),
                private: page.private,
                trail: &trail,
                urgency: &urgency,
                guard: Some(page.listed),
                tokens: Some(page.tokens),
                manner: Manner::Page { plain: page.insecure },
            })
            .await?;
        check_encoding(&answer.response)?;
        let refusal = (answer.response.status().as_u16() != 200).then(|| self.cause_of(&answer));
        let content_type = content_type(&answer.response);
        let Answer { response, permit, authenticated, redirected_to, secrets } = answer;
        let landed = response.url().clone();
        let (body, broken) = self.beginning(response, page.limit, page.deadline).await;
        drop(permit);
        let said = refusal.as_ref().and_then(|_| clean::clean(&body, content_type.as_deref(), &secrets));
        let url = printable_page(url);
        Ok(Page { url, refusal, authenticated, redirected_to, landed, body, broken, said })
    }

    /// Reads the beginning of a body, and says why it ended early.
    async fn beginning(
        &self,
        mut response: reqwest::Response,
        limit: usize,
        deadline: Instant,
    ) -> (Bytes, Option<FetchCause>) {
        let declared = response.content_length();
        let mut body = BytesMut::new();
        let broken = loop {
            let until = Until::new(self.timeouts.between_bytes, Some(deadline));
            match timeout_at(until.at, response.chunk()).await {
                Ok(Ok(Some(piece))) if body.len() + piece.len() >= limit => {
                    body.extend_from_slice(&piece[..limit - body.len()]);
                    break None;
                }
                Ok(Ok(Some(piece))) => body.extend_from_slice(&piece),
                Ok(Ok(None)) => break None,
                Ok(Err(error)) => break Some(classify::in_body(&error, body.len() as u64, declared)),
                Err(_) => break Some(until.stalled(body.len() as u64)),
            }
        };
        (body.freeze(), broken)
    }
}

/// Returns a page's URL for people; the query is always the same and says nothing.
fn printable_page(url: &Url) -> String {
    printable_url(url).trim_end_matches("?...").trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::resolver::{LookUp, LookingUp};
    use crate::settings::{TlsSettings, UpstreamSettings};

    /// Stands for the public internet, which a test can't have.
    const PUBLIC: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

    fn only_public(address: IpAddr) -> Option<&'static str> {
        (address != IpAddr::V4(PUBLIC)).then_some("not the public internet")
    }

    /// First the public address, from then on the other one.
    #[derive(Debug)]
    struct Turncoat {
        port: u16,
        asked: AtomicUsize,
    }

    impl LookUp for Turncoat {
        fn look_up<'a>(&'a self, _: &'a str) -> LookingUp<'a> {
            let first = self.asked.fetch_add(1, Ordering::SeqCst) == 0;
            let address = if first { PUBLIC } else { Ipv4Addr::LOCALHOST };
            Box::pin(async move { Ok(vec![SocketAddr::new(address.into(), self.port)]) })
        }
    }

    async fn serve(listener: TcpListener, body: &'static str, visits: Arc<AtomicUsize>) {
        while let Ok((mut stream, _)) = listener.accept().await {
            visits.fetch_add(1, Ordering::SeqCst);
            let _ = stream.read(&mut [0; 4096]).await;
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        }
    }

    #[tokio::test]
    async fn what_was_judged_is_what_is_connected_to() {
        let outside = TcpListener::bind((PUBLIC, 0)).await.unwrap();
        let port = outside.local_addr().unwrap().port();
        let inside = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        let (seen_outside, seen_inside) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        tokio::spawn(serve(outside, "outside", Arc::clone(&seen_outside)));
        tokio::spawn(serve(inside, "inside", Arc::clone(&seen_inside)));
        let names = Arc::new(Turncoat { port, asked: AtomicUsize::new(0) });
        let look_up: Arc<dyn LookUp> = Arc::<Turncoat>::clone(&names);
        let settings = UpstreamSettings {
            look_up: Some(look_up),
            tls: TlsSettings { native_roots: false, ..TlsSettings::default() },
            ..UpstreamSettings::default()
        };
        let transport = Transport::judging(settings, only_public);
        let url = Url::parse("http://turncoat.example.com/m").unwrap();
        let request = PageRequest {
            url: &url,
            private: false,
            insecure: true,
            listed: &ListedHosts::default(),
            tokens: &Credentials::new(),
            limit: 100,
            deadline: Instant::now() + Duration::from_secs(20),
        };
        assert_eq!(transport.page(&request, &url).await.unwrap().body, "outside");
        assert_eq!(names.asked.load(Ordering::SeqCst), 1, "looked up once, judged and connected to");
        let refused = transport.page(&request, &url).await.unwrap_err();
        assert!(matches!(refused.cause, FetchCause::Direct(_)), "{refused:?}");
        assert_eq!((seen_outside.load(Ordering::SeqCst), seen_inside.load(Ordering::SeqCst)), (1, 0));
    }
}
