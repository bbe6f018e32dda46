//! What an upstream was asked: requests and bytes by kind, objects asked twice, and the order of it all.

use std::collections::HashMap;
use std::time::Instant;

use serde_json::{Value, json};

/// One answered request.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The number of the connection, counted from the start.
    pub connection: u64,
    /// When it was asked.
    pub asked: Instant,
    /// When its answer was on its way.
    pub ended: Instant,
    /// The path.
    pub path: String,
    /// The status.
    pub status: u16,
    /// The body's length.
    pub bytes: u64,
}

/// Everything since the last reset.
#[derive(Debug)]
pub struct Counts {
    since: Instant,
    answered: Vec<Answered>,
    in_flight: u64,
    most_in_flight: u64,
    connections: u64,
}

impl Default for Counts {
    fn default() -> Self {
        Self { since: Instant::now(), answered: Vec::new(), in_flight: 0, most_in_flight: 0, connections: 0 }
    }
}

impl Counts {
    /// Forgets all, except for what is in flight.
    pub fn reset(&mut self) {
        *self = Self { in_flight: self.in_flight, ..Self::default() };
    }

    /// Counts a connection.
    pub fn connected(&mut self) {
        self.connections += 1;
    }

    /// Counts a request that begins.
    pub fn asked(&mut self) {
        self.in_flight += 1;
        self.most_in_flight = self.most_in_flight.max(self.in_flight);
    }

    /// Counts a request that ended.
    pub fn answered(&mut self, answered: Answered) {
        self.in_flight -= 1;
        self.answered.push(answered);
    }

    /// Returns the sums as JSON.
    pub fn summary(&self) -> Value {
        let mut kinds: HashMap<&str, (u64, u64)> = HashMap::new();
        let mut objects: HashMap<&str, u64> = HashMap::new();
        for one in &self.answered {
            let sums = kinds.entry(kind_of(&one.path)).or_default();
            sums.0 += 1;
            sums.1 += one.bytes;
            *objects.entry(&one.path).or_default() += 1;
        }
        let kinds: serde_json::Map<String, Value> = kinds
            .into_iter()
            .map(|(kind, (requests, bytes))| (kind.to_owned(), json!({"requests": requests, "bytes": bytes})))
            .collect();
        json!({
            "requests": self.answered.len(),
            "bytes": self.answered.iter().map(|one| one.bytes).sum::<u64>(),
            "not_found": self.answered.iter().filter(|one| one.status == 404).count(),
            "repeated": objects.values().filter(|count| **count > 1).count(),
            "kinds": kinds,
            "connections": self.connections,
            "most_in_flight": self.most_in_flight,
        })
    }

    /// Returns a line for each request, in the order in which they were asked: connection, milliseconds from the reset to
    /// the request, milliseconds it took, status, bytes, path.
    pub fn log(&self) -> String {
        let mut answered: Vec<&Answered> = self.answered.iter().collect();
        answered.sort_by_key(|one| one.asked);
        answered
            .into_iter()
            .map(|one| {
                let at = one.asked.saturating_duration_since(self.since).as_secs_f64() * 1e3;
                let took = one.ended.saturating_duration_since(one.asked).as_secs_f64() * 1e3;
                format!("{} {at:.1} {took:.1} {} {} {}\n", one.connection, one.status, one.bytes, one.path)
            })
            .collect()
    }
}

/// Names what a path asks for.
fn kind_of(path: &str) -> &'static str {
    let endings =
        [("/@v/list", "list"), ("/@latest", "latest"), (".info", "info"), (".mod", "mod"), (".zip", "zip")];
    if path.starts_with("/-/sumdb/") {
        return "sumdb";
    }
    endings.iter().find(|(end, _)| path.ends_with(end)).map_or("other", |(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::{Answered, Counts};

    #[test]
    fn an_object_asked_twice_is_seen() {
        let mut counts = Counts::default();
        for path in ["/example.com/m/@v/v1.0.0.mod", "/example.com/m/@v/v1.0.0.mod", "/example.com/m/@v/list"]
        {
            counts.asked();
            let now = Instant::now();
            let path = path.to_owned();
            counts.answered(Answered { connection: 1, asked: now, ended: now, path, status: 200, bytes: 7 });
        }
        let summary = counts.summary();
        assert_eq!(summary["repeated"], 1);
        assert_eq!(summary["kinds"]["mod"]["bytes"], 14);
        assert_eq!(counts.log().lines().count(), 3);
    }
}
