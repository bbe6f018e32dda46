//! Ways of asking: at a fixed rate whatever the answers do, as fast as answers come, or as a recorded client did.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::Notify;

use super::client::{Connection, Target};

/// What the answers of a run were.
#[derive(Debug, Default)]
struct Outcome {
    /// Milliseconds.
    latencies: Vec<f64>,
    failed: u64,
    bytes: u64,
}

impl Outcome {
    async fn ask(
        this: &RefCell<Self>,
        connection: &mut Connection,
        path: &str,
        from: Instant,
    ) -> std::io::Result<()> {
        let answer = connection.get(path).await;
        let mut this = this.borrow_mut();
        match &answer {
            Ok(answer) if answer.status == 200 => {
                this.bytes += answer.bytes;
                this.latencies.push(from.elapsed().as_secs_f64() * 1e3);
            }
            _ => this.failed += 1,
        }
        answer.map(|_| ())
    }

    fn summary(&mut self, taken: Duration) -> Value {
        self.latencies.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let index = (self.latencies.len() as f64 * share) as usize;
            self.latencies.get(index.min(self.latencies.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
        };
        json!({
            "answered": self.latencies.len(),
            "failed": self.failed,
            "bytes": self.bytes,
            "seconds": taken.as_secs_f64(),
            "per_second": self.latencies.len() as f64 / taken.as_secs_f64(),
            "p50_ms": at(0.5),
            "p99_ms": at(0.99),
            "p999_ms": at(0.999),
            "most_ms": at(1.0),
        })
    }
}

/// Asks so many times a second over so many connections, and counts from the moment at which each request was due: a
/// server that stalls pays for all that should have been asked in the meantime.
pub async fn open_loop(
    target: &Target,
    paths: Vec<String>,
    rate: f64,
    connections: usize,
    length: Duration,
) -> Value {
    let outcome = Rc::new(RefCell::new(Outcome::default()));
    let due = Rc::new(RefCell::new(VecDeque::<(Instant, usize)>::new()));
    let news = Rc::new(Notify::new());
    let ended = Rc::new(Cell::new(false));
    let paths = Rc::new(paths);
    let mut workers = Vec::new();
    for _ in 0..connections {
        let (outcome, due, news, ended) = (outcome.clone(), due.clone(), news.clone(), ended.clone());
        let (paths, target) = (paths.clone(), target.clone());
        let Ok(mut connection) = target.connect().await else {
            outcome.borrow_mut().failed += 1;
            continue;
        };
        workers.push(tokio::task::spawn_local(async move {
            loop {
                let next = due.borrow_mut().pop_front();
                match next {
                    Some((at, number)) => {
                        let path = &paths[number % paths.len()];
                        if Outcome::ask(&outcome, &mut connection, path, at).await.is_err() {
                            match target.connect().await {
                                Ok(new) => connection = new,
                                Err(_) => return,
                            }
                        }
                    }
                    None if ended.get() => return,
                    None => news.notified().await,
                }
            }
        }));
    }
    let started = Instant::now();
    let total = (rate * length.as_secs_f64()) as usize;
    let mut released = 0;
    while released < total {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let elapsed = started.elapsed().as_secs_f64();
        while released < total && (released as f64) < elapsed * rate {
            let at = started + Duration::from_secs_f64(released as f64 / rate);
            due.borrow_mut().push_back((at, released));
            news.notify_one();
            released += 1;
        }
    }
    ended.set(true);
    // Workers that wait see the end now, those that work see it afterwards.
    news.notify_waiters();
    for worker in workers {
        let _ = tokio::time::timeout(Duration::from_secs(30), worker).await;
    }
    outcome.borrow_mut().summary(started.elapsed())
}

/// Asks over so many connections as fast as answers come; the time counts from when all of them are open.
pub async fn closed_loop(target: &Target, paths: Vec<String>, connections: usize, length: Duration) -> Value {
    let outcome = Rc::new(RefCell::new(Outcome::default()));
    let paths = Rc::new(paths);
    let mut open = Vec::new();
    for _ in 0..connections {
        match target.connect().await {
            Ok(connection) => open.push(connection),
            Err(_) => outcome.borrow_mut().failed += 1,
        }
    }
    let started = Instant::now();
    let mut workers = Vec::new();
    for (number, mut connection) in open.into_iter().enumerate() {
        let (outcome, paths) = (outcome.clone(), paths.clone());
        workers.push(tokio::task::spawn_local(async move {
            for turn in 0.. {
                let path = &paths[(number + turn * connections) % paths.len()];
                let over = started.elapsed() >= length;
                if over || Outcome::ask(&outcome, &mut connection, path, Instant::now()).await.is_err() {
                    return;
                }
            }
        }));
    }
    for worker in workers {
        let _ = worker.await;
    }
    outcome.borrow_mut().summary(started.elapsed())
}

/// A recorded client.
#[derive(Clone, Debug)]
pub struct Sequence {
    /// Its name, for the result.
    pub name: String,
    /// What it asked for, in order.
    pub paths: Vec<String>,
}

/// Plays recorded clients, all at once, each with so many requests in flight.
pub async fn replay(target: &Target, sequences: Vec<Sequence>, in_flight: usize) -> Value {
    let mut running = Vec::new();
    for sequence in sequences {
        let target = target.clone();
        running.push(tokio::task::spawn_local(play(target, sequence, in_flight)));
    }
    let mut results = Vec::new();
    for one in running {
        results.push(one.await.unwrap_or(Value::Null));
    }
    json!({ "sequences": results })
}

async fn play(target: Target, sequence: Sequence, in_flight: usize) -> Value {
    let started = Instant::now();
    let outcome = Rc::new(RefCell::new(Outcome::default()));
    let left = Rc::new(RefCell::new(VecDeque::from(sequence.paths)));
    let mut workers = Vec::new();
    for _ in 0..in_flight {
        let (outcome, left, target) = (outcome.clone(), left.clone(), target.clone());
        workers.push(tokio::task::spawn_local(async move {
            let Ok(mut connection) = target.connect().await else {
                outcome.borrow_mut().failed += 1;
                return;
            };
            loop {
                let Some(path) = left.borrow_mut().pop_front() else {
                    return;
                };
                if Outcome::ask(&outcome, &mut connection, &path, Instant::now()).await.is_err() {
                    return;
                }
            }
        }));
    }
    for worker in workers {
        let _ = worker.await;
    }
    let mut summary = outcome.borrow_mut().summary(started.elapsed());
    summary["name"] = sequence.name.into();
    summary["unasked"] = left.borrow().len().into();
    summary
}

/// Opens connections, asks once over each, and keeps them; at most 64 are opened at a time.
pub async fn crowd(target: &Target, path: &str, size: usize) -> std::io::Result<Vec<Connection>> {
    let mut all = Vec::with_capacity(size);
    while all.len() < size {
        let mut opening = Vec::new();
        for _ in 0..64.min(size - all.len()) {
            let (target, path) = (target.clone(), path.to_owned());
            opening.push(tokio::task::spawn_local(async move {
                let mut connection = target.connect().await?;
                connection.get(&path).await?;
                connection.release();
                Ok::<_, std::io::Error>(connection)
            }));
        }
        for one in opening {
            all.push(one.await.map_err(std::io::Error::other)??);
        }
    }
    Ok(all)
}
