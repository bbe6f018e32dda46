//! The surface as a whole: in memory where no socket is needed, else on loopback.

mod conformance;
mod corpus;
mod fake;
mod fast;
mod handler;
mod http2;
mod limits;
mod wire;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use self::fake::Fake;
use crate::{AppParts, Server, ServerSettings, StartPageFacts, VersionFacts};

/// What a test puts behind the server.
fn parts(fake: &Arc<Fake>) -> AppParts<Arc<Fake>> {
    AppParts {
        backend: Arc::clone(fake),
        metrics: larder_cache::Metrics::new(),
        version: VersionFacts { name: "larder".into(), version: "0.0.1".into(), revision: None },
        start_page: StartPageFacts { private_patterns: vec!["corp.example.com".into()] },
        instance: larder_upstream::Instance::named("self"),
        id_seed: 1,
        access_log: crate::AccessLog::off(),
    }
}

/// A server on a free port of loopback, in a runtime of its own.
struct Running {
    url: String,
    address: std::net::SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<usize>>,
}

impl Running {
    fn start(fake: &Arc<Fake>, settings: ServerSettings) -> Self {
        Self::with(parts(fake), settings)
    }

    fn with(parts: AppParts<Arc<Fake>>, mut settings: ServerSettings) -> Self {
        settings.listen = "127.0.0.1:0".to_owned();
        let scheme = if settings.tls.is_some() { "https" } else { "http" };
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, address) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async move {
                let server = Server::bind(settings, parts).await.expect("bound");
                ready.send(server.local_address()).expect("the test waits");
                server
                    .run(async {
                        let _ = stopped.await;
                    })
                    .await
            })
        });
        let address = address.recv().expect("an address");
        Self { url: format!("{scheme}://{address}"), address, stop: Some(stop), thread: Some(thread) }
    }

    fn plain(fake: &Arc<Fake>) -> Self {
        Self::start(fake, ServerSettings::default())
    }

    /// Tells the server to stop, without waiting.
    fn tell_to_stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// Waits until the backend was asked this often.
    fn until_asked(&self, fake: &Fake, times: usize) {
        let begun = Instant::now();
        while fake.asked().len() < times {
            assert!(begun.elapsed() < Duration::from_secs(30), "{} of {times}", fake.asked().len());
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits for the end, and returns how many connections were cut.
    fn wait(&mut self) -> usize {
        self.tell_to_stop();
        self.thread.take().expect("waited for once").join().expect("no panic")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.tell_to_stop();
    }
}
