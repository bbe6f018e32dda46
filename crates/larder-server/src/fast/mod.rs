//! Requests that can be answered at once, without hyper.
//!
//! Of a build farm's requests nearly all are for what is at hand. Reading such a request with a parser for all of HTTP and writing its
//! answer header by header costs more than the kernel's part. So heads of which there is no doubt are read here, out of a buffer that the
//! thread's connections share, and answered with bytes composed earlier: small bodies in one write with their head, also several of them
//! when a client sends ahead; files by the kernel itself. Limits, marks, log lines and headers are those of the other path.

mod desk;
mod head;
mod send;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll, ready};
use std::time::Instant;

use http::{Method, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use self::desk::{DESK, Dates, Desk};
use self::head::{Head, Reading};
use self::send::{Large, Unsent};
use crate::access_log::{Line, RequestLog};
use crate::app::{AtOnce, AtOnceBody, Backend};
use crate::io::MarkedIo;
use crate::log_form;
use crate::serve::Context;

/// The largest body that is copied behind its head; larger ones are sent from where they lie.
const COPIED: usize = 16 << 10;
/// With so many bytes of answers to one client they are sent before more are composed.
const ENOUGH: usize = 64 << 10;

/// How a connection goes on.
#[derive(Debug)]
pub(crate) enum Next {
    /// The client or the server has had enough.
    Close,
    /// An answer could not be finished: the client must see that.
    Broken,
    /// Hyper is to answer one request, the first bytes of the rest.
    One {
        /// How many bytes its head has.
        len: usize,
    },
    /// Hyper is to serve the connection from here on.
    ForGood,
}

/// A step of a connection.
enum Step {
    Large(Box<Large>),
    Next(Next),
}

/// What a connection keeps between its requests: nothing, most of the time.
#[derive(Default)]
pub(crate) struct Fast {
    /// Bytes that were read and not answered.
    rest: Vec<u8>,
    /// They have not been looked at yet, or not all of them.
    has_news: bool,
    /// Answers that the socket has not taken yet.
    out: Vec<u8>,
    sent: usize,
    has_flushed: bool,
    /// What comes when they have left.
    step: Option<Step>,
    unsent: Unsent,
}

impl Fast {
    /// Answers requests until one comes that has to be answered in another way.
    pub(crate) async fn run<B: Backend>(&mut self, io: &mut MarkedIo, context: &Arc<Context<B>>) -> Next {
        loop {
            let step = std::future::poll_fn(|task| self.poll_step(io, context, task)).await;
            match step {
                Step::Next(next) => {
                    if let Some(socket) = io.socket() {
                        self.unsent.reset(socket);
                    }
                    return next;
                }
                Step::Large(large) => {
                    if let Err(error) = large.send(io, context, &mut self.unsent).await {
                        tracing::trace!(peer = %context.peer, %error, "connection ended early");
                        return Next::Broken;
                    }
                }
            }
        }
    }

    /// Returns the bytes that were read and not answered.
    pub(crate) fn take_rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.rest)
    }

    /// Takes bytes that somebody else has read.
    pub(crate) fn give_back(&mut self, rest: Vec<u8>) {
        self.has_news = !rest.is_empty();
        self.rest = rest;
    }

    fn poll_step<B: Backend>(
        &mut self,
        io: &mut MarkedIo,
        context: &Arc<Context<B>>,
        task: &mut Task<'_>,
    ) -> Poll<Step> {
        DESK.with_borrow_mut(|desk| {
            loop {
                if ready!(self.poll_send(io, task)).is_err() {
                    return Poll::Ready(Step::Next(Next::Broken));
                }
                if let Some(step) = self.step.take() {
                    return Poll::Ready(step);
                }
                if self.has_news {
                    self.answer_rest(context, desk);
                } else {
                    let mut input = ReadBuf::new(&mut desk.input);
                    let end = match Pin::new(&mut *io).poll_read(task, &mut input) {
                        Poll::Ready(Ok(())) => input.filled().len(),
                        Poll::Ready(Err(_)) => return Poll::Ready(Step::Next(Next::Broken)),
                        // What had arrived by now is still answered.
                        Poll::Pending if context.is_draining() && !io.has_unread() => {
                            return Poll::Ready(Step::Next(Next::Close));
                        }
                        Poll::Pending => return Poll::Pending,
                    };
                    if end == 0 {
                        // Half a head is for hyper to complain about.
                        let next = if self.rest.is_empty() { Next::Close } else { Next::ForGood };
                        return Poll::Ready(Step::Next(next));
                    }
                    self.answer_news(context, desk, end);
                }
                self.send_first(io, task, &mut desk.out);
            }
        })
    }

    /// Answers what was just read.
    fn answer_news<B: Backend>(&mut self, context: &Arc<Context<B>>, desk: &mut Desk, end: usize) {
        if self.rest.is_empty() {
            let used = self.answer(context, &desk.input[..end], &mut desk.out, &mut desk.dates);
            self.rest.extend_from_slice(&desk.input[used..end]);
            self.consider_rest(context);
        } else {
            self.rest.extend_from_slice(&desk.input[..end]);
            self.answer_rest(context, desk);
        }
    }

    /// Answers what was kept.
    fn answer_rest<B: Backend>(&mut self, context: &Arc<Context<B>>, desk: &mut Desk) {
        self.has_news = false;
        let mut rest = std::mem::take(&mut self.rest);
        let used = self.answer(context, &rest, &mut desk.out, &mut desk.dates);
        if used < rest.len() {
            rest.drain(..used);
            self.rest = rest;
        }
        self.consider_rest(context);
    }

    fn consider_rest<B: Backend>(&mut self, context: &Arc<Context<B>>) {
        if self.rest.is_empty() || self.has_news || self.step.is_some() {
            return;
        }
        if self.rest.len() > context.shared.limits.head_bytes {
            self.step = Some(Step::Next(Next::ForGood));
        } else {
            context.open.state().note_read();
        }
    }

    /// Answers the requests of `bytes` in order until one needs more than a few copied bytes; returns how far it came.
    fn answer<B: Backend>(
        &mut self,
        context: &Arc<Context<B>>,
        bytes: &[u8],
        out: &mut Vec<u8>,
        dates: &mut Dates,
    ) -> usize {
        let mut used = 0;
        while used < bytes.len() && self.step.is_none() {
            if out.len() >= ENOUGH {
                self.has_news = true;
                break;
            }
            let head = match head::read(&bytes[used..]) {
                Reading::Partial => break,
                Reading::Head(head) if head.len <= context.shared.limits.head_bytes => head,
                Reading::Head(_) | Reading::Odd => {
                    self.step = Some(Step::Next(Next::ForGood));
                    break;
                }
            };
            let Some(ready) = find(context, &head) else {
                self.step = Some(Step::Next(Next::One { len: head.len }));
                break;
            };
            used += head.len;
            self.step = ready.answer(context, &head, out, dates);
            self.has_news = self.step.is_some() && used < bytes.len();
        }
        used
    }

    /// Sends answers from where they were composed. What the socket does not take becomes the connection's own.
    fn send_first(&mut self, io: &mut MarkedIo, task: &mut Task<'_>, out: &mut Vec<u8>) {
        if out.is_empty() {
            return;
        }
        let sent = match Pin::new(&mut *io).poll_write(task, out) {
            Poll::Ready(Ok(sent)) => sent,
            // The next attempt meets the same error.
            Poll::Ready(Err(_)) | Poll::Pending => 0,
        };
        if sent < out.len() {
            self.out.extend_from_slice(&out[sent..]);
        }
        self.has_flushed = io.socket().is_some();
        out.clear();
        out.shrink_to(2 * ENOUGH);
    }

    fn poll_send(&mut self, io: &mut MarkedIo, task: &mut Task<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.out.len() {
            let sent = ready!(Pin::new(&mut *io).poll_write(task, &self.out[self.sent..]))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += sent;
        }
        if self.sent > 0 {
            self.out = Vec::new();
            self.sent = 0;
        }
        if !self.has_flushed {
            ready!(Pin::new(io).poll_flush(task))?;
            self.has_flushed = true;
        }
        Poll::Ready(Ok(()))
    }
}

/// An answer, and when its making began.
struct Found {
    answer: AtOnce,
    begun: Option<Instant>,
}

fn find<B: Backend>(context: &Context<B>, head: &Head<'_>) -> Option<Found> {
    // The last answer of a connection says that it is.
    if !head.is_plain || context.is_draining() {
        return None;
    }
    let app = &context.shared.app;
    let begun = app.access_log().is_on().then(Instant::now);
    let answer = app.at_once(head.path, context.client, context.open.state().id)?;
    Some(Found { answer, begun })
}

impl Found {
    /// Composes a small answer; a large one is what comes next.
    fn answer<B: Backend>(
        self,
        context: &Context<B>,
        head: &Head<'_>,
        out: &mut Vec<u8>,
        dates: &mut Dates,
    ) -> Option<Step> {
        let Self { answer: AtOnce { head: wire, body, outcome }, begun } = self;
        let (app, state) = (&context.shared.app, context.open.state());
        let id = app.next_id();
        let date = dates.date(state.coarse_ms());
        let method = if head.is_head { Method::HEAD } else { Method::GET };
        app.metrics.answered(StatusCode::OK);
        let copied: &[u8] = match &body {
            _ if head.is_head => &[],
            AtOnceBody::Memory(bytes) if bytes.len() <= COPIED => bytes,
            AtOnceBody::Memory(_) | AtOnceBody::File { .. } => {
                let mut bytes = Vec::with_capacity(1 << 10);
                wire.push(&id, date, &mut bytes);
                let line = begun.map(|begun| Line {
                    log: app.access_log().clone(),
                    id,
                    client: context.client.address,
                    method,
                    uri: head.path.parse().unwrap_or_default(),
                    status: StatusCode::OK,
                    outcome,
                    upstream: None,
                    begun,
                    broke_off: None,
                });
                let log = RequestLog::new(line, &app.metrics);
                return Some(Step::Large(Box::new(Large::new(bytes, body, state.begin_request(false), log))));
            }
        };
        wire.push(&id, date, out);
        out.extend_from_slice(copied);
        state.note_answered();
        let bytes = copied.len() as u64;
        app.metrics.sent(bytes);
        if let Some(begun) = begun {
            app.access_log().line(&log_form::Facts {
                id: id.as_str(),
                client: context.client.address,
                method: &method,
                path: head.path,
                status: StatusCode::OK,
                bytes,
                duration: begun.elapsed(),
                outcome,
                upstream: None,
                broke_off: None,
            });
        }
        None
    }
}
