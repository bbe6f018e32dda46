//! The threads that serve connections, one for each core.
//!
//! Each has a runtime of its own, so that a request that can be answered at once is read, answered and forgotten on one core: no other
//! thread is woken, nothing is stolen. What takes longer runs on the runtime of the engine, and a storm of fetches there takes no turns
//! from the connections here.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// Threads of one lane that may wait for a disk at the same time.
const DISK_THREADS: usize = 16;

type Service = Box<dyn FnOnce(TcpStream) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// A connection on its way to its lane.
struct Arrival {
    stream: std::net::TcpStream,
    service: Service,
    load: Load,
}

/// A place on a lane; given back when dropped.
struct Load(Arc<AtomicUsize>);

impl Drop for Load {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

struct Lane {
    arrivals: mpsc::UnboundedSender<Arrival>,
    load: Arc<AtomicUsize>,
}

/// All of them; the threads end after the last connection and this.
pub(crate) struct Lanes(Vec<Lane>);

impl Lanes {
    /// Starts so many threads, or one for each core.
    pub(crate) fn start(count: usize) -> io::Result<Self> {
        let count = match count {
            0 => thread::available_parallelism().map_or(2, usize::from),
            count => count,
        };
        (0..count).map(Lane::start).collect::<io::Result<_>>().map(Self)
    }

    /// Serves a connection on the lane that has the fewest.
    pub(crate) fn serve<F>(&self, stream: TcpStream, service: impl FnOnce(TcpStream) -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Some(lane) = self.0.iter().min_by_key(|lane| lane.load.load(Relaxed)) else { return };
        // A socket that the runtime can't let go of is closed here.
        let Ok(stream) = stream.into_std() else { return };
        lane.load.fetch_add(1, Relaxed);
        let load = Load(Arc::clone(&lane.load));
        let service: Service = Box::new(move |stream| Box::pin(service(stream)));
        let _ended = lane.arrivals.send(Arrival { stream, service, load });
    }
}

impl Lane {
    fn start(number: usize) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(DISK_THREADS)
            .thread_name("larder-disk")
            // Who has arrived is begun soon, also while many others are being served.
            .global_queue_interval(5)
            .build()?;
        let (arrivals, mut arriving) = mpsc::unbounded_channel::<Arrival>();
        thread::Builder::new().name(format!("larder-serve-{number}")).spawn(move || {
            runtime.block_on(async move {
                while let Some(Arrival { stream, service, load }) = arriving.recv().await {
                    let Ok(stream) = TcpStream::from_std(stream) else { continue };
                    let served = service(stream);
                    tokio::spawn(async move {
                        served.await;
                        drop(load);
                    });
                }
            });
            runtime.shutdown_background();
        })?;
        Ok(Self { arrivals, load: Arc::default() })
    }
}
