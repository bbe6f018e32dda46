//! One forward proxy that plays the whole world: it writes down who is asked, and answers as it was told.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use larder_testkit::BuiltModule;

/// What somebody was asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Event {
    /// A tunnel to a host: all of https, whatever is asked for inside.
    Tunnel(String),
    /// A module's file.
    Module(String),
    /// Whether it passes on questions to a checksum database.
    Supported(String),
    /// A question to a checksum database, through a proxy.
    Lookup(String),
    /// A question to the checksum database itself.
    Database(String),
    /// A go-import page.
    Page(String),
}

/// How a proxy answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manners {
    /// The status for files of modules; 200 serves them.
    pub(crate) module: u16,
    /// The status for `supported`.
    pub(crate) supported: u16,
}

/// The world.
pub(crate) struct Recorder {
    address: SocketAddr,
    events: Arc<Mutex<Vec<Event>>>,
    stop: Arc<AtomicBool>,
}

impl Recorder {
    pub(crate) fn start(manners: BTreeMap<String, Manners>, modules: Vec<BuiltModule>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("it listens");
        let events = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let world = Arc::new(World { manners, modules, events: Arc::clone(&events) });
        let stopped = Arc::clone(&stop);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let world = Arc::clone(&world);
                std::thread::spawn(move || {
                    let _ = world.answer(&stream);
                });
            }
        });
        Self { address, events, stop }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns who was asked, in the order in which each was asked first.
    pub(crate) fn events(&self) -> Vec<Event> {
        let mut seen = Vec::new();
        for event in self.events.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            if !seen.contains(event) {
                seen.push(event.clone());
            }
        }
        seen
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

struct World {
    manners: BTreeMap<String, Manners>,
    modules: Vec<BuiltModule>,
    events: Arc<Mutex<Vec<Event>>>,
}

impl World {
    fn answer(&self, stream: &TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream).lines();
        let first = lines.next().transpose()?.unwrap_or_default();
        while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
        let mut words = first.split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let (status, body) = if method == "CONNECT" {
            let host = target.strip_suffix(":443").unwrap_or(target);
            self.note(Event::Tunnel(host.to_owned()));
            (403, Vec::new())
        } else {
            let rest = target.strip_prefix("http://").unwrap_or(target);
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            self.file(host, path)
        };
        let head = format!(
            "HTTP/1.1 {status} Status\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        let mut stream = stream;
        stream.write_all(head.as_bytes())?;
        stream.write_all(&body)
    }

    fn file(&self, host: &str, path: &str) -> (u16, Vec<u8>) {
        let manners = self.manners.get(host).copied();
        let host = host.to_owned();
        if path.contains("sumdb/") {
            if path.ends_with("/supported") {
                self.note(Event::Supported(host));
                return (manners.map_or(404, |one| one.supported), Vec::new());
            }
            self.note(Event::Lookup(host));
            return (404, Vec::new());
        }
        if path.starts_with("lookup/") || path.starts_with("tile/") || path == "latest" {
            self.note(Event::Database(host));
            return (404, Vec::new());
        }
        if path.contains("go-get=1") {
            self.note(Event::Page(host));
            return (404, Vec::new());
        }
        self.note(Event::Module(host));
        match manners.map_or(404, |one| one.module) {
            200 => self.serve(path),
            status => (status, Vec::new()),
        }
    }

    fn serve(&self, path: &str) -> (u16, Vec<u8>) {
        for module in &self.modules {
            for (kind, bytes) in [("info", &module.info), ("mod", &module.go_mod), ("zip", &module.zip)] {
                // A proxy may have a base path, and the client writes `!` as `%21`.
                if format!("/{path}").replace("%21", "!").ends_with(&module.url_path(kind)) {
                    return (200, bytes.to_vec());
                }
            }
        }
        (404, Vec::new())
    }

    fn note(&self, event: Event) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }
}
