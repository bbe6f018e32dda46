//! A web server whose answers can be wrong in every way: by host and path, in the clear and over TLS.
//!
//! It works with blocking sockets and speaks HTTP/1.1 by hand, one request a connection, because libraries refuse to be
//! this wrong.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::certificates::server_builder;
use crate::upstream::{Reply, ReplyBody};

/// A request, as far as anybody here cares.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The host asked for, without port.
    pub host: String,
    /// The path below the site's prefix, with its query, as sent.
    pub path: String,
    /// The headers, names in small letters.
    pub headers: Vec<(String, String)>,
    /// Whether it came over TLS.
    pub tls: bool,
}

impl Request {
    /// Returns the first header of this name (in small letters).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// What the server does about a request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Answers.
    Reply(Reply),
    /// Promises the whole length, sends so many bytes of the body, and closes.
    Cut(Reply, usize),
    /// Sends so many bytes of the body, and then nothing more.
    Stall(Reply, usize),
    /// Sends that many zeros of this type.
    Zeros(String, u64),
    /// Sends exactly these bytes, and closes.
    Raw(Vec<u8>),
    /// Closes without a word.
    Close,
    /// Resets the connection.
    Reset,
    /// Never says anything.
    Silence,
}

impl Answer {
    /// Answers with a status and a plain text.
    pub fn status(status: u16, text: &str) -> Self {
        Self::Reply(Reply::status(status, "text/plain; charset=utf-8", text.to_owned()))
    }

    /// Answers 200 with a page.
    pub fn page(html: &str) -> Self {
        Self::Reply(Reply::ok("text/html; charset=utf-8", html.to_owned()))
    }

    /// Redirects.
    pub fn redirect(target: &str) -> Self {
        Self::Reply(Reply::status(302, "text/plain", "").header("Location", target))
    }
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        Self::Reply(reply)
    }
}

/// Decides about the requests of a site.
pub type Site = Arc<dyn Fn(&Request) -> Answer + Send + Sync>;

#[derive(Default)]
struct State {
    sites: Vec<(String, Site)>,
    certificates: HashMap<String, Arc<CertifiedKey>>,
    log: Vec<Request>,
}

/// A web server with as many addresses as it is given, until the process ends.
#[derive(Clone, Default)]
pub struct WebServer {
    state: Arc<Mutex<State>>,
}

impl fmt::Debug for WebServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("WebServer")
    }
}

impl ResolvesServerCert for WebServer {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let state = self.state.lock().expect("nobody panics holding it");
        hello
            .server_name()
            .and_then(|name| state.certificates.get(name))
            .or_else(|| state.certificates.get(""))
            .cloned()
    }
}

impl WebServer {
    /// Listens in the clear.
    pub fn listen(&self, address: SocketAddr) {
        self.accept(address, None);
    }

    /// Listens for TLS, with the certificate of the name that is asked for.
    pub fn listen_tls(&self, address: SocketAddr) {
        let mut config = server_builder().with_no_client_auth().with_cert_resolver(Arc::new(self.clone()));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        self.listen_tls_as(address, Arc::new(config));
    }

    /// Listens for TLS in a way of one's own.
    pub fn listen_tls_as(&self, address: SocketAddr, config: Arc<ServerConfig>) {
        self.accept(address, Some(config));
    }

    /// Sets the certificate of a name; the empty one is for all others.
    pub fn certificate(&self, name: &str, certificate: Arc<CertifiedKey>) {
        self.state
            .lock()
            .expect("nobody panics holding it")
            .certificates
            .insert(name.to_owned(), certificate);
    }

    /// Sets who answers below `host/prefix`; `*/prefix` is for every host. The latest wins.
    pub fn site(&self, place: &str, site: impl Fn(&Request) -> Answer + Send + Sync + 'static) {
        let place = place.trim_end_matches('/').to_owned();
        self.state.lock().expect("nobody panics holding it").sites.insert(0, (place, Arc::new(site)));
    }

    /// Returns the requests so far, those of one site, as `host/path`.
    pub fn requests(&self, place: &str) -> Vec<String> {
        let state = self.state.lock().expect("nobody panics holding it");
        let all = state.log.iter().map(|request| format!("{}{}", request.host, request.path));
        all.filter(|asked| asked.starts_with(place)).collect()
    }

    fn accept(&self, address: SocketAddr, tls: Option<Arc<ServerConfig>>) {
        let listener = TcpListener::bind(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        let server = self.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (server, tls) = (server.clone(), tls.clone());
                std::thread::spawn(move || {
                    let _ = match tls {
                        None => server.serve(&mut Plain(stream), false),
                        Some(config) => ServerConnection::new(config)
                            .map_err(io::Error::other)
                            .and_then(|tls| server.serve(&mut StreamOwned::new(tls, stream), true)),
                    };
                });
            }
        });
    }

    fn serve(&self, stream: &mut (impl Connection + ?Sized), tls: bool) -> io::Result<()> {
        let request = read_request(stream, tls)?;
        let full = format!("{}{}", request.host, request.path);
        let found = {
            let mut state = self.state.lock().expect("nobody panics holding it");
            state.log.push(request.clone());
            state.sites.iter().find_map(|(place, site)| {
                let of_all = place.strip_prefix('*');
                let rest = of_all
                    .map_or_else(|| full.strip_prefix(place), |prefix| request.path.strip_prefix(prefix))?;
                (rest.is_empty() || rest.starts_with(['/', '?'])).then(|| (Arc::clone(site), rest.to_owned()))
            })
        };
        let Some((site, path)) = found else {
            return send(stream, &Answer::status(404, "404 page not found\n"), &request.method);
        };
        send(stream, &site(&Request { path, ..request.clone() }), &request.method)
    }
}

trait Connection: Read + Write {
    fn socket(&self) -> &TcpStream;
    /// Says goodbye as the protocol wants it.
    fn finish(&mut self) {}
}

struct Plain(TcpStream);

impl Read for Plain {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Plain {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Connection for Plain {
    fn socket(&self) -> &TcpStream {
        &self.0
    }
}

impl Connection for StreamOwned<ServerConnection, TcpStream> {
    fn socket(&self) -> &TcpStream {
        &self.sock
    }

    fn finish(&mut self) {
        self.conn.send_close_notify();
        let _ = self.flush();
    }
}

/// Reads the head of a request; bodies are of no interest here.
fn read_request(stream: &mut (impl Read + ?Sized), tls: bool) -> io::Result<Request> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    while !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
        let length = stream.read(&mut buffer)?;
        if length == 0 || bytes.len() > 1 << 20 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&buffer[..length]);
    }
    let head = String::from_utf8_lossy(&bytes).into_owned();
    let mut lines = head.lines();
    let mut first = lines.next().unwrap_or("").split(' ');
    let method = first.next().unwrap_or("").to_owned();
    let target = first.next().unwrap_or("/").to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    // Through a forward proxy the whole URL is asked for.
    let (authority, path) = match target.split_once("://") {
        Some((_, rest)) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => {
            let host =
                headers.iter().find(|(name, _)| name == "host").map_or("", |(_, value)| value.as_str());
            (host, target.as_str())
        }
    };
    let host = authority.split(':').next().unwrap_or("").to_owned();
    Ok(Request { method, host, path: path.to_owned(), headers: headers.clone(), tls })
}

fn send(stream: &mut (impl Connection + ?Sized), answer: &Answer, method: &str) -> io::Result<()> {
    match answer {
        Answer::Reply(reply) => {
            let body = body_of(reply)?;
            stream.write_all(head_of(reply, body.len()).as_bytes())?;
            if method != "HEAD" && ![204, 304].contains(&reply.status) {
                stream.write_all(&body)?;
            }
            stream.flush()?;
        }
        Answer::Cut(reply, keep) | Answer::Stall(reply, keep) => {
            let body = body_of(reply)?;
            stream.write_all(head_of(reply, body.len()).as_bytes())?;
            stream.write_all(&body[..body.len().min(*keep)])?;
            stream.flush()?;
            if matches!(answer, Answer::Stall(..)) {
                wait_for_end(stream);
            }
        }
        Answer::Zeros(kind, count) => {
            let head = format!(
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {count}\r\n\r\n"
            );
            stream.write_all(head.as_bytes())?;
            io::copy(&mut io::repeat(0).take(*count), stream)?;
        }
        Answer::Raw(bytes) => {
            stream.write_all(bytes)?;
            stream.flush()?;
        }
        Answer::Close => {}
        Answer::Reset => {
            set_socket_linger(stream.socket(), Some(Duration::ZERO))?;
            return Ok(());
        }
        Answer::Silence => wait_for_end(stream),
    }
    stream.finish();
    // Else what the client still sends would turn the end into a reset.
    let _ = stream.socket().shutdown(std::net::Shutdown::Write);
    let _ = stream.socket().set_read_timeout(Some(Duration::from_millis(200)));
    let _ = stream.socket().read(&mut [0; 1024]);
    Ok(())
}

fn wait_for_end(stream: &mut (impl Connection + ?Sized)) {
    let mut socket = stream.socket();
    while matches!(socket.read(&mut [0; 1024]), Ok(1..)) {}
}

fn body_of(reply: &Reply) -> io::Result<Vec<u8>> {
    match &reply.body {
        ReplyBody::Memory(bytes) => Ok(bytes.to_vec()),
        ReplyBody::File(file) => fs_err::read(file),
    }
}

fn head_of(reply: &Reply, length: usize) -> String {
    let reason = http::StatusCode::from_u16(reply.status).ok().and_then(|status| status.canonical_reason());
    let mut head = format!("HTTP/1.1 {} {}\r\nConnection: close\r\n", reply.status, reason.unwrap_or("Odd"));
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if ![204, 304].contains(&reply.status)
        && !reply.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length"))
    {
        head.push_str(&format!("Content-Length: {length}\r\n"));
    }
    head.push_str("\r\n");
    head
}
