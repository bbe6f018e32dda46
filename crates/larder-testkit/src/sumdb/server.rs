//! The HTTP face of a fake checksum database, on loopback.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::{FakeSumdb, Outage};

/// A fake checksum database that listens; it stops when dropped.
pub struct RunningSumdb {
    sumdb: FakeSumdb,
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl FakeSumdb {
    /// Serves the database on a free loopback port.
    ///
    /// # Panics
    ///
    /// If no port can be had.
    pub async fn start(self) -> RunningSumdb {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a loopback port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let sumdb = self.clone();
        let accepting = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(converse(self.clone(), stream));
            }
        });
        RunningSumdb { sumdb, address, accepting }
    }

    async fn respond(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, std::io::Error> {
        let (delay, outage) = {
            let state = self.state();
            (state.delay, state.outage)
        };
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let decoded = request.uri().path().replace("%21", "!").replace("%2B", "+").replace("%40", "@");
        let path = decoded.strip_prefix(&format!("/sumdb/{}", self.name())).unwrap_or(&decoded);
        match outage {
            Some(Outage::Closed) => return Err(std::io::Error::other("closed on purpose")),
            Some(Outage::Hang) => std::future::pending::<()>().await,
            _ => {}
        }
        let reply = self.answer(path);
        let mut response = Response::new(Full::new(Bytes::from(reply.body)));
        *response.status_mut() = hyper::StatusCode::from_u16(reply.status).unwrap_or_default();
        Ok(response)
    }
}

async fn converse(sumdb: FakeSumdb, stream: TcpStream) -> Result<(), Infallible> {
    // Small answers in both directions: without this each waits for an acknowledgement.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let sumdb = sumdb.clone();
        async move { sumdb.respond(request).await }
    });
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    Ok(())
}

impl RunningSumdb {
    /// The database behind it.
    pub fn sumdb(&self) -> &FakeSumdb {
        &self.sumdb
    }

    /// The address, as the database's own URL and as that of a proxy that carries it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What `GOSUMDB` has to say for asking it directly: key and URL.
    pub fn gosumdb(&self) -> String {
        format!("{} {}", self.sumdb.verifier_key(), self.url())
    }

    /// Closes the port and every connection.
    pub fn stop(&self) {
        self.accepting.abort();
    }
}

impl std::ops::Deref for RunningSumdb {
    type Target = FakeSumdb;

    fn deref(&self) -> &FakeSumdb {
        &self.sumdb
    }
}

impl Drop for RunningSumdb {
    fn drop(&mut self) {
        self.stop();
    }
}
