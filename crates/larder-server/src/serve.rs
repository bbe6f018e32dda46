//! The life of one connection.
//!
//! Requests that can be answered at once are, from the bytes of the socket to the bytes of the answer. All others go through hyper: one
//! at a time as long as it is beyond doubt where each head ends, so that the connection comes back; else for good.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::Poll;

use http::{Request, Response, Version};
use hyper::body::Incoming;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio_rustls::TlsAcceptor;

use crate::app::{Backend, Door};
use crate::body::ReplyBody;
use crate::connection::{OpenConnection, Order};
use crate::episode;
use crate::fast::{Fast, Next};
use crate::io::{MarkedIo, Transport};
use crate::request::Client;
use crate::server::{Shared, UNSENT};

/// What the requests of one connection share; an `Arc` of its own keeps counters off other cores.
pub(crate) struct Context<B> {
    pub(crate) shared: Arc<Shared<B>>,
    pub(crate) open: OpenConnection,
    pub(crate) peer: IpAddr,
    /// Who asks in a request that says nothing about that.
    pub(crate) client: Client,
    /// No further request is to be begun.
    is_draining: AtomicBool,
    engine: Handle,
}

impl<B: Backend> Context<B> {
    pub(crate) fn new(
        shared: Arc<Shared<B>>,
        open: OpenConnection,
        peer: SocketAddr,
        engine: Handle,
    ) -> Self {
        let peer = peer.ip().to_canonical();
        let client = shared.app.plain_client(peer);
        Self { shared, open, peer, client, is_draining: AtomicBool::new(false), engine }
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.load(Relaxed)
    }

    /// Answers a request that hyper has read.
    ///
    /// The answer is waited for here, but whatever it starts (fetches, reads of the disk, timers) belongs to the engine's runtime.
    pub(crate) async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<ReplyBody>, Infallible> {
        let in_flight = self.open.state().begin_request(request.version() >= Version::HTTP_2);
        let door = Door { peer: self.peer, encrypted: self.shared.tls.is_some(), local: &self.shared.local };
        let answer = self.shared.app.answer(request, door, Some((self.open.state(), in_flight)));
        let mut answer = pin!(answer);
        let reply = poll_fn(|task| {
            let _entered = self.engine.enter();
            answer.as_mut().poll(task)
        });
        Ok(reply.await)
    }
}

/// Serves a connection until it ends, or the sweep has had enough of it.
pub(crate) async fn serve<B: Backend>(context: Context<B>, stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let _ = socket2::SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT);
    let context = Arc::new(context);
    let mut life = pin!(live(&context, stream));
    poll_fn(|task| {
        let state = context.open.state();
        match state.order(task.waker()) {
            Order::GoOn => {}
            Order::Drain => context.is_draining.store(true, Relaxed),
            Order::Cut => return Poll::Ready(()),
        }
        let polled = life.as_mut().poll(task);
        if polled.is_pending() {
            state.note_looked();
        }
        polled
    })
    .await;
}

async fn live<B: Backend>(context: &Arc<Context<B>>, stream: TcpStream) {
    let Some(transport) = handshake(context, stream).await else { return };
    let mut io = MarkedIo::new(transport, Arc::clone(context.open.state()));
    let mut fast = Fast::default();
    if !io.speaks_http2() {
        loop {
            match fast.run(&mut io, context).await {
                Next::Close => {
                    let _gone = io.shutdown().await;
                    return;
                }
                Next::Broken => return,
                Next::One { len } => {
                    let rest = fast.take_rest();
                    let Some(back) = Box::pin(episode::one(io, rest, len, context)).await else { return };
                    io = back.io;
                    fast.give_back(back.rest);
                }
                Next::ForGood => break,
            }
        }
    }
    Box::pin(episode::for_good(io, fast.take_rest(), context)).await;
}

/// Brings TLS up where it is wanted; nothing when it fails.
async fn handshake<B: Backend>(context: &Context<B>, stream: TcpStream) -> Option<Transport> {
    let Some(tls) = context.shared.tls.as_ref() else { return Some(Transport::Plain(stream)) };
    match Box::pin(TlsAcceptor::from(tls.config()).accept(stream)).await {
        Ok(stream) => Some(Transport::Encrypted(Box::new(stream))),
        Err(error) => {
            tracing::debug!(peer = %context.peer, %error, "TLS handshake failed");
            None
        }
    }
}
