//! The fake upstream's loop: accept, read a request, choose the answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio_rustls::rustls::ServerConfig;

use super::wire::{self, Connection, Flow, Request};
use super::{Command, Logged, Reply, ReplyBody, Served, Shared, State};
use crate::module::{BuiltModule, ModuleBuilder, escape, sha256_hex, unescape};
use crate::{Endpoint, Fault};

/// Runs the server in the calling thread until the handle is dropped.
pub(super) fn run(
    listener: std::net::TcpListener,
    inbox: UnboundedReceiver<Command>,
    shared: Arc<Shared>,
    tls: Option<Arc<ServerConfig>>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(accept(listener, inbox, shared, tls));
    runtime.shutdown_background();
}

async fn accept(
    listener: std::net::TcpListener,
    mut inbox: UnboundedReceiver<Command>,
    shared: Arc<Shared>,
    tls: Option<Arc<ServerConfig>>,
) {
    let address = listener.local_addr().expect("a bound socket has an address");
    listener.set_nonblocking(true).expect("sockets can be non-blocking");
    let mut listener = Some(TcpListener::from_std(listener).expect("inside a runtime"));
    let mut reserved: Option<TcpSocket> = None;
    let (hang_up, watch_hang_up) = watch::channel(0_u64);
    loop {
        tokio::select! {
            accepted = accept_one(listener.as_ref()) => {
                let Some(stream) = accepted else { continue };
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let task = connection(stream, tls.clone(), Arc::clone(&shared));
                let mut ended = watch_hang_up.clone();
                ended.mark_unchanged();
                tokio::spawn(async move {
                    tokio::select! {
                        () = task => {}
                        _ = ended.changed() => {}
                    }
                });
            }
            command = inbox.recv() => match command {
                None => return,
                Some(Command::Hang(done)) => {
                    hang_up.send_modify(|round| *round += 1);
                    tokio::task::yield_now().await;
                    let _ = done.send(());
                }
                Some(Command::Cut(done)) => {
                    hang_up.send_modify(|round| *round += 1);
                    drop(listener.take());
                    // Holding the port without listening refuses connections and keeps others from taking it.
                    reserved = reserved.or_else(|| Some(bind(address)));
                    tokio::task::yield_now().await;
                    let _ = done.send(());
                }
                Some(Command::Restore(done)) => {
                    if let Some(socket) = reserved.take() {
                        listener = Some(socket.listen(4096).expect("the port is ours"));
                    }
                    let _ = done.send(());
                }
            },
        }
    }
}

fn bind(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("a fresh socket takes options");
    // The port was ours a moment ago, but on a busy machine somebody's outgoing connection may pass through it.
    for _ in 0..1_000 {
        match socket.bind(address) {
            Ok(()) => return socket,
            Err(_) => std::thread::sleep(std::time::Duration::from_millis(10)),
        }
    }
    panic!("{address} stayed taken for ten seconds");
}

async fn accept_one(listener: Option<&TcpListener>) -> Option<tokio::net::TcpStream> {
    match listener {
        Some(listener) => listener.accept().await.ok().map(|(stream, _)| stream),
        None => std::future::pending().await,
    }
}

async fn connection(stream: tokio::net::TcpStream, tls: Option<Arc<ServerConfig>>, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let Some(mut connection) = Connection::open(stream, tls).await else { return };
    while let Some(request) = connection.read_request().await {
        let (delay, rate, fault, reply) = decide(&shared, &request);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let flow = match fault {
            Some(fault) => {
                let other = other_file(&request.path);
                wire::play(&mut connection, &request, fault, reply, other, &shared.bytes)
                    .await
                    .unwrap_or(Flow::Close)
            }
            None => wire::send(&mut connection, &request, reply, rate, &shared.bytes).await,
        };
        if matches!(flow, Flow::Close) {
            return;
        }
    }
}

type Decision = (std::time::Duration, Option<u64>, Option<Fault>, Reply);

fn decide(shared: &Shared, request: &Request) -> Decision {
    shared.total.fetch_add(1, Ordering::SeqCst);
    let mut state = shared.state();
    *state.counts.entry(request.path.clone()).or_default() += 1;
    state.log.push(Logged {
        method: request.method.clone(),
        path: request.path.clone(),
        headers: request.headers.clone(),
    });
    let fault = state.strike(&request.path);
    let reply = answer(&state, request);
    (state.delay, state.rate, fault, reply)
}

fn answer(state: &State, request: &Request) -> Reply {
    if let Some(required) = &state.required_authorization
        && request.header("authorization") != Some(required)
    {
        return Reply::status(401, "text/plain", "who are you?\n").header("WWW-Authenticate", "Basic");
    }
    let reply = find(state, &request.path);
    conditions(state, request, reply)
}

/// Applies `If-None-Match` and `Range` where they are switched on.
fn conditions(state: &State, request: &Request, reply: Reply) -> Reply {
    let ReplyBody::Memory(body) = &reply.body else { return reply };
    if reply.status != 200 {
        return reply;
    }
    let etag = format!("\"{}\"", &sha256_hex(body)[..16]);
    if state.etags && request.header("if-none-match") == Some(&etag) {
        return Reply {
            status: 304,
            headers: vec![("ETag".to_owned(), etag)],
            body: ReplyBody::Memory(Bytes::new()),
        };
    }
    let wants = request.header("range").and_then(first_byte).filter(|first| *first < body.len());
    let same = request.header("if-range").is_none_or(|tag| tag == etag);
    let mut reply = match wants {
        Some(first) if state.offers_ranges && same => {
            let range = format!("bytes {first}-{}/{}", body.len() - 1, body.len());
            let rest = body.slice(first..);
            Reply { status: 206, headers: reply.headers.clone(), body: ReplyBody::Memory(rest) }
                .header("Content-Range", &range)
        }
        _ => reply,
    };
    if state.etags {
        reply = reply.header("ETag", &etag);
    }
    if state.offers_ranges { reply.header("Accept-Ranges", "bytes") } else { reply }
}

fn first_byte(range: &str) -> Option<usize> {
    range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
}

pub(super) fn find(state: &State, path: &str) -> Reply {
    if let Some(reply) = state.replies.get(path) {
        return reply.clone();
    }
    for (prefix, handler) in &state.handlers {
        if let Some(rest) = path.strip_prefix(prefix.as_str())
            && rest.starts_with('/')
        {
            return handler(rest).unwrap_or_else(|| Reply::not_found(path));
        }
    }
    module_file(state, path).unwrap_or_else(|| Reply::not_found(path.trim_start_matches('/')))
}

fn module_file(state: &State, path: &str) -> Option<Reply> {
    let path = path.replace("%21", "!");
    let path = path.strip_prefix('/')?;
    if let Some(module) = path.strip_suffix("/@latest") {
        if state.no_latest {
            return None;
        }
        let served = served(state, module)?;
        let latest = served.versions.values().max_by(|a, b| rank(&a.version).cmp(&rank(&b.version)))?;
        return Some(Reply::ok("application/json", latest.info.clone()));
    }
    let (module, file) = path.split_once("/@v/")?;
    let served = served(state, module)?;
    if file == "list" {
        let list: String =
            served.versions.keys().filter(|version| !is_pseudo(version)).map(|v| format!("{v}\n")).collect();
        return Some(Reply::ok("text/plain; charset=utf-8", list));
    }
    let (escaped, extension) = file.rsplit_once('.')?;
    let version = served.versions.keys().find(|version| escape(version) == escaped);
    let Some(version) = version else {
        let target = served.queries.iter().find(|(query, _)| escape(query) == escaped)?.1;
        let info = served.versions.get(target).map_or_else(
            || Bytes::from(format!("{{\"Version\":{target:?},\"Time\":\"2024-01-02T03:04:05Z\"}}")),
            |built| built.info.clone(),
        );
        return (extension == "info").then(|| Reply::ok("application/json", info));
    };
    let built = &served.versions[version];
    match extension {
        "info" => Some(Reply::ok("application/json", built.info.clone())),
        "mod" => Some(Reply::ok("text/plain; charset=utf-8", built.go_mod.clone())),
        "zip" => Some(Reply::ok("application/zip", built.zip.clone())),
        _ => None,
    }
}

fn served<'a>(state: &'a State, escaped: &str) -> Option<&'a Served> {
    state.modules.get(&unescape(escaped))
}

/// Orders versions well enough for a fake: releases first, then by number, then by text.
fn rank(version: &str) -> (bool, Vec<u64>, String) {
    let core = version.trim_start_matches('v').split(['-', '+']).next().unwrap_or("");
    let numbers = core.split('.').map(|number| number.parse().unwrap_or(0)).collect();
    (!version.contains('-'), numbers, version.to_owned())
}

fn is_pseudo(version: &str) -> bool {
    let version = version.trim_end_matches("+incompatible");
    let mut parts = version.rsplit('-');
    let revision = parts.next().unwrap_or("");
    let time = parts.next().unwrap_or("");
    let time = time.rsplit('.').next().unwrap_or("");
    revision.len() == 12 && time.len() == 14 && time.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns the file of an unrelated module that has the same kind as the one asked for.
fn other_file(path: &str) -> BuiltOther {
    let built: BuiltModule = ModuleBuilder::new("example.net/unrelated", "v9.9.9").build();
    match Endpoint::of(path) {
        Endpoint::Mod => BuiltOther { content_type: "text/plain", body: built.go_mod },
        Endpoint::Zip => BuiltOther { content_type: "application/zip", body: built.zip },
        _ => BuiltOther { content_type: "application/json", body: built.info },
    }
}

/// A file that doesn't belong to the request.
pub(super) struct BuiltOther {
    pub(super) content_type: &'static str,
    pub(super) body: Bytes,
}

#[cfg(test)]
mod tests {
    use super::{is_pseudo, rank};

    #[test]
    fn releases_rank_above_pre_releases() {
        assert!(rank("v1.0.0") > rank("v2.0.0-rc.1"));
        assert!(rank("v1.10.0") > rank("v1.9.0"));
    }

    #[test]
    fn pseudo_versions_are_told_apart() {
        assert!(is_pseudo("v0.0.0-20240101000000-0123456789ab"));
        assert!(is_pseudo("v1.2.4-0.20240101000000-0123456789ab"));
        assert!(!is_pseudo("v1.2.3-beta"));
    }
}
