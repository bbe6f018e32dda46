//! The forge's loop: accept, decide, answer.

use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use super::{Asked, GitFault, Shared, Stage, backend, pages};

pub(super) type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// Runs the server in the calling thread until the handle is dropped.
pub(super) fn run(
    secure: TcpListener,
    plain: TcpListener,
    tls: Arc<ServerConfig>,
    shared: Arc<Shared>,
    stopped: oneshot::Receiver<()>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let acceptor = TlsAcceptor::from(tls);
        tokio::select! {
            () = accept(secure, Some(acceptor), Arc::clone(&shared)) => {}
            () = accept(plain, None, shared) => {}
            _ = stopped => {}
        }
    });
    runtime.shutdown_background();
}

async fn accept(listener: TcpListener, acceptor: Option<TlsAcceptor>, shared: Arc<Shared>) {
    listener.set_nonblocking(true).expect("sockets can be non-blocking");
    let listener = tokio::net::TcpListener::from_std(listener).expect("inside a runtime");
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let _ = stream.set_nodelay(true);
        let (acceptor, shared) = (acceptor.clone(), Arc::clone(&shared));
        tokio::spawn(async move {
            match acceptor {
                None => connection(stream, shared).await,
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        connection(stream, shared).await;
                    }
                }
            }
        });
    }
}

async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, shared: Arc<Shared>) {
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(answer(request, &shared).await) }
    });
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: Request<Incoming>, shared: &Arc<Shared>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else { return text(400, "the request broke off\n") };
    let body = body.to_bytes();
    let place = Place::of(&parts);
    let (stage, git_path) = stage(&place.path, parts.uri.query().unwrap_or_default(), &parts.headers, &body);
    let name = git_path.as_ref().map_or(place.path.as_str(), |(repository, _)| repository);
    let named = format!("{}/{}", place.host, name.trim_start_matches('/'));
    let repository = pages::repository_of(&shared.root, &named).filter(|found| {
        stage == Stage::Page || found == named.trim_end_matches('/').trim_end_matches(".git")
    });
    let authorization = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (number, refused, struck, page) = {
        let mut state = shared.state();
        let number = state.log.len();
        state.log.push(Asked {
            host: place.host.clone(),
            path: parts.uri.path_and_query().map_or_else(String::new, ToString::to_string),
            stage,
            repository: repository.clone(),
            authorization: authorization.map(str::to_owned),
            status: 0,
        });
        if let Some(repository) = &repository {
            let traffic = state.traffic(repository);
            match stage {
                Stage::Advertisement => traffic.advertisements += 1,
                Stage::Listing => traffic.listings += 1,
                Stage::Fetch => traffic.fetches += 1,
                Stage::Page => {}
            }
        }
        let refused = state.refuse(&named, stage, authorization);
        (number, refused, state.strike(&named, stage), state.page(&named))
    };
    shared.changed.notify_all();
    let right = async {
        if let Some(status) = refused {
            return refusal(status);
        }
        match (stage, &git_path, &repository) {
            (Stage::Page, ..) => {
                let page = page.or_else(|| pages::of_repository(&shared.root, &named, &place.authority));
                page.map_or_else(|| text(404, "no such page\n"), |page| show(&page))
            }
            (_, Some((_, rest)), Some(repository)) => {
                backend::run(shared, &parts, repository, rest, &body).await
            }
            _ => text(404, "no such repository\n"),
        }
    };
    let answer = match struck {
        None => right.await,
        Some((prefix, fault)) => spoil(fault, &prefix, &named, &parts, right).await,
    };
    if let Some(asked) = shared.state().log.get_mut(number) {
        asked.status = answer.status().as_u16();
    }
    shared.changed.notify_all();
    answer
}

async fn spoil(
    fault: GitFault,
    prefix: &str,
    named: &str,
    parts: &http::request::Parts,
    right: impl Future<Output = Response<Body>>,
) -> Response<Body> {
    match fault {
        GitFault::Status(status, said) => text(status, &said),
        GitFault::Hang => std::future::pending().await,
        GitFault::Delay(delay) => {
            tokio::time::sleep(delay).await;
            right.await
        }
        GitFault::Cut(limit) => right.await.map(|body| backend::limited(body, limit, false)),
        GitFault::Stall(limit) => right.await.map(|body| backend::limited(body, limit, true)),
        GitFault::Redirect(target) => {
            let host_path = parts.uri.path_and_query().map_or("", |path| path.as_str());
            let after = named.strip_prefix(prefix).map_or("", |_| {
                let path = prefix.split_once('/').map_or("", |(_, path)| path);
                host_path.trim_start_matches('/').strip_prefix(path).unwrap_or_default()
            });
            moved(&format!("{target}{after}"))
        }
    }
}

/// Which host and path a request names.
struct Place {
    host: String,
    /// Host and port as they stand in the request.
    authority: String,
    /// Without the slash at the begin.
    path: String,
}

impl Place {
    fn of(parts: &http::request::Parts) -> Self {
        let authority =
            parts.headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        let path = decoded(parts.uri.path().trim_start_matches('/'));
        if host == "127.0.0.1" || host == "localhost" {
            let (first, rest) = path.split_once('/').unwrap_or((&path, ""));
            return Self {
                host: first.to_owned(),
                authority: format!("{authority}/{first}"),
                path: rest.to_owned(),
            };
        }
        Self { host: host.to_owned(), authority: authority.to_owned(), path }
    }
}

fn decoded(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Tells what a request wants, and splits the path of a git request into the repository's and git's own part.
fn stage(
    path: &str,
    query: &str,
    headers: &http::HeaderMap,
    body: &Bytes,
) -> (Stage, Option<(String, String)>) {
    let split = |rest: &str| path.strip_suffix(rest).map(|name| (name.to_owned(), rest.to_owned()));
    if query.contains("service=git-") {
        return (Stage::Advertisement, split("/info/refs"));
    }
    if let Some(found) = split("/git-upload-pack") {
        let plain = backend::inflated(headers, body);
        let lists = plain.windows(16).take(64).any(|window| window.starts_with(b"command=ls-refs"));
        return (if lists { Stage::Listing } else { Stage::Fetch }, Some(found));
    }
    (Stage::Page, None)
}

fn show(page: &pages::Page) -> Response<Body> {
    match page.answer() {
        (_, _, Some(target)) => moved(&target),
        (status, body, None) => reply(status, "text/html; charset=utf-8", body),
    }
}

fn refusal(status: u16) -> Response<Body> {
    let mut answer = text(status, if status == 401 { "who are you?\n" } else { "no such repository\n" });
    if status == 401 {
        let value = http::HeaderValue::from_static("Basic realm=\"forge\"");
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
    answer
}

fn moved(target: &str) -> Response<Body> {
    let mut answer = text(302, "");
    if let Ok(value) = http::HeaderValue::from_str(target) {
        answer.headers_mut().insert(header::LOCATION, value);
    }
    answer
}

pub(super) fn text(status: u16, body: &str) -> Response<Body> {
    reply(status, "text/plain; charset=utf-8", body.to_owned())
}

fn reply(status: u16, kind: &str, body: String) -> Response<Body> {
    let body = Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed_unsync();
    let mut answer = Response::new(body);
    *answer.status_mut() = http::StatusCode::from_u16(status).expect("tests use real statuses");
    if let Ok(value) = http::HeaderValue::from_str(kind) {
        answer.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    answer
}
