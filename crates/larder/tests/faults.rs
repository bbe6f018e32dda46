//! Every fault of an upstream, at every endpoint: never a wrong 404, never wrong bytes, always a status in time and
//! a text that names who failed and how.
//!
//! Each cell of the table has an upstream and a route of its own, so that one cell's breaker doesn't answer for
//! another, and all cells run at once, so that the stalls are waited for together.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use larder_testkit::client::Response;
use larder_testkit::upstream::{latest_path, list_path};
use larder_testkit::{
    BuiltModule, Endpoint, FakeUpstream, Fault, LarderProcess, ModuleBuilder, RunningUpstream, Scenario,
    settings,
};

const BINARY: &str = env!("CARGO_BIN_EXE_larder");

/// One fault at one endpoint.
struct Cell {
    name: &'static str,
    fault: Fault,
    endpoint: Endpoint,
    upstream: RunningUpstream,
    right: BuiltModule,
}

impl Cell {
    fn new(number: usize, name: &'static str, fault: Fault, endpoint: Endpoint, size: usize) -> Self {
        let path = format!("example.com/cell{number}/m");
        // Half a megabyte of one letter would deflate to nothing; the content has to be incompressible.
        let data = larder_testkit::Rng::new(number as u64).bytes(size);
        let module =
            ModuleBuilder::new(&path, "v1.1.0").file("m.go", "package m\n").file("testdata/d.bin", data);
        let upstream = FakeUpstream::new()
            .module(&path, "v1.0.0")
            .with(&module)
            .fault(endpoint, fault.clone())
            .start_blocking();
        if fault == Fault::Refused {
            upstream.cut();
        }
        let right = upstream.built(&path, "v1.1.0").expect("it was just added");
        Self { name, fault, endpoint, upstream, right }
    }

    fn heal(&self) {
        self.upstream.heal();
        self.upstream.restore();
    }

    fn path(&self) -> String {
        match self.endpoint {
            Endpoint::List => list_path(&self.right.path),
            Endpoint::Latest => latest_path(&self.right.path),
            Endpoint::Mod => self.right.url_path("mod"),
            Endpoint::Zip => self.right.url_path("zip"),
            _ => self.right.url_path("info"),
        }
    }

    fn route(&self) -> String {
        format!("[[route]]\nmatch = [{:?}]\nchain = {:?}\n\n", self.right.path, self.upstream.url())
    }

    /// Reports whether a body is what a healthy upstream's answer leads to.
    fn is_right(&self, body: &[u8]) -> bool {
        match self.endpoint {
            Endpoint::List => String::from_utf8_lossy(body).lines().eq(["v1.0.0", "v1.1.0"]),
            Endpoint::Latest => contains(body, "\"v1.1.0\""),
            Endpoint::Mod => body == self.right.go_mod.as_ref(),
            Endpoint::Zip => body == self.right.zip.as_ref(),
            _ => contains(body, "\"v1.1.0\"") && contains(body, "2024-01-02T03:04:05Z"),
        }
    }

    /// Reports whether nobody could know that this answer is wrong: it is well-formed, and no checksum covers it.
    fn is_undetectable(&self) -> bool {
        match (&self.fault, self.endpoint) {
            (Fault::FlippedByte, Endpoint::List | Endpoint::Latest | Endpoint::Info) => true,
            (Fault::WrongVersion | Fault::OtherModule, Endpoint::Latest) => true,
            (Fault::EmptyBody, Endpoint::List) => true, // a module with no tagged version looks so
            _ => false,
        }
    }

    /// Reports whether only the checksum database can tell that this is wrong.
    fn is_mismatch(&self) -> bool {
        self.endpoint == Endpoint::Mod && matches!(self.fault, Fault::FlippedByte | Fault::OtherModule)
    }

    /// Returns what is wrong with an answer, if anything.
    fn judge(&self, answer: &Result<Response, std::io::Error>, limit: Duration) -> Option<String> {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return Some(format!("no answer: {error}")),
        };
        if answer.head_after > limit && !self.fault.is_only_slow() {
            return Some(format!("a status only after {:?}", answer.head_after));
        }
        match answer.status {
            200 if !answer.complete => None, // the client sees the cut
            200 if self.is_right(&answer.body) || self.is_undetectable() => None,
            200 => Some(format!("200 with wrong bytes: {:?}", shortened(answer))),
            404 | 410 if self.fault.is_absence() => None,
            403 | 429 | 500..=599 if answer.status != 500 => self.judge_text(answer),
            other => Some(format!("status {other}: {}", answer.text())),
        }
    }

    fn judge_text(&self, answer: &Response) -> Option<String> {
        let text = answer.text();
        let mut wrong = String::new();
        if !text.contains(&self.upstream.host()) {
            let _ = write!(wrong, "the text doesn't name the upstream; ");
        }
        let own_words = cause_words(&self.fault);
        // Whatever a file has in place of what was asked for, this is how it is said.
        let words = [own_words, &["unusable"]].concat();
        if !words.iter().any(|word| text.to_lowercase().contains(word)) {
            let _ = write!(wrong, "the text names none of {words:?}; ");
        }
        let plain = answer.header("content-type").is_some_and(|kind| kind.starts_with("text/plain"));
        let trimmed = text.trim_end_matches('\n');
        let shown = plain
            && answer.body.len() <= 600
            && trimmed.lines().count() <= 8
            && trimmed.lines().all(|line| !line.trim().is_empty())
            && trimmed.chars().all(|c| c == '\n' || !c.is_control())
            && std::str::from_utf8(&answer.body).is_ok();
        if !shown {
            let _ = write!(wrong, "the go command would not show the text; ");
        }
        (!wrong.is_empty()).then(|| format!("{wrong}{} {text:?}", answer.status))
    }
}

fn contains(body: &[u8], text: &str) -> bool {
    String::from_utf8_lossy(body).contains(text)
}

fn shortened(answer: &Response) -> String {
    answer.text().chars().take(80).collect()
}

/// Words one of which the text has to hold, in small letters.
fn cause_words(fault: &Fault) -> &'static [&'static str] {
    match fault {
        Fault::Status(400) => &["400"],
        Fault::Status(401) => &["401"],
        Fault::Status(403) => &["403"],
        Fault::Status(404) | Fault::EndlessError(404) => &["404"],
        Fault::Status(410) => &["410"],
        Fault::Status(429) => &["429", "rate"],
        Fault::Status(500) | Fault::EndlessError(500) => &["500"],
        Fault::Status(503) | Fault::RetryAfter(503, _) => &["503"],
        Fault::NoContent => &["204"],
        Fault::PartialContent => &["206", "partial"],
        Fault::NotModified => &["304"],
        Fault::Refused => &["refused"],
        Fault::Reset | Fault::ResetInBody => &["reset", "closed", "broke", "cut", "ended"],
        Fault::Closed | Fault::ClosedInHead => &["closed", "ended", "reset", "broke", "cut", "without"],
        Fault::TruncatedLength | Fault::TruncatedChunked => {
            &["truncated", "broke off", "early", "cut", "short", "ended"]
        }
        Fault::StallBeforeHead | Fault::StallBeforeBody | Fault::StallInBody => {
            &["timed out", "time-out", "timeout", "within", "stalled", "stopped moving", "still fetching"]
        }
        Fault::HtmlOk | Fault::HtmlDisguised => &["html", "page"],
        Fault::RedirectLoop | Fault::RedirectForever => &["redirect"],
        Fault::EmptyBody => &["empty", "no version", "names no", "nothing", "zip"],
        Fault::EndlessBody | Fault::HugeLength => &["large", "larger", "limit", "more than", "longer"],
        Fault::Garbage | Fault::EndlessHead => &["http", "head", "malformed", "invalid", "understood"],
        _ => &[
            "zip", "version", "module", "checksum", "json", "valid", "line", "gzip", "encod", "list", "more",
        ],
    }
}

/// Short limits, so that a stall costs seconds; the defaults in the long run.
fn with_limits(scene: &Scenario, config: &str) -> (LarderProcess, Duration) {
    let larder = scene
        .larder
        .clone()
        .config(config)
        .env("LARDER_ANSWERS_NEGATIVE", "1s")
        .env("LARDER_LOG_REQUESTS", "true");
    if settings::long() {
        return (larder.start(), Duration::from_secs(35));
    }
    let larder = larder
        .env("LARDER_LIMITS_CONNECT", "2s")
        .env("LARDER_LIMITS_FIRST_BYTE", "2s")
        .env("LARDER_LIMITS_FIRST_BYTE_ZIP", "2s")
        .env("LARDER_LIMITS_BETWEEN_BYTES", "2s")
        .env("LARDER_LIMITS_CLIENT_WAIT", "8s")
        .env("LARDER_LIMITS_ZIP", "8MiB");
    // The client's wait, and a margin for a machine that does many things at once.
    (larder.start(), Duration::from_secs(13))
}

/// Runs all cells at once and returns what went wrong.
fn run(cells: &[Cell], larder: &LarderProcess, limit: Duration) -> Vec<String> {
    let ask = |cell: &Cell| {
        let answer = larder.try_get(&cell.path());
        let wrong = cell.judge(&answer, limit);
        let summary = answer.map_or_else(
            |error| error.to_string(),
            |answer| {
                format!("{} {:.1}s {:?}", answer.status, answer.head_after.as_secs_f64(), shortened(&answer))
            },
        );
        (summary, wrong)
    };
    let mut table = BTreeMap::new();
    std::thread::scope(|scope| {
        let running: Vec<_> = cells.iter().map(|cell| (cell, scope.spawn(move || ask(cell)))).collect();
        for (cell, thread) in running {
            table.insert(format!("{:24} {:?}", cell.name, cell.endpoint), thread.join().expect("no panic"));
        }
    });
    let mut problems = Vec::new();
    for (cell, (summary, wrong)) in table {
        settings::say(&format!("{cell:32} {summary}"));
        if let Some(wrong) = wrong {
            problems.push(format!("{cell}: {wrong}"));
        }
    }
    problems
}

/// After the fault is over, the right bytes come within a short time.
fn recover(cells: &[Cell], larder: &LarderProcess) -> Vec<String> {
    cells.iter().for_each(Cell::heal);
    let end = Instant::now() + Duration::from_secs(if settings::long() { 150 } else { 45 });
    // A checksum mismatch is believed for a minute, which only the long run waits for.
    let waits = |cell: &&Cell| !cell.is_undetectable() && (settings::long() || !cell.is_mismatch());
    let mut left: Vec<&Cell> = cells.iter().filter(waits).collect();
    let mut last = String::new();
    while !left.is_empty() && Instant::now() < end {
        left.retain(|cell| {
            let answer = larder.try_get(&cell.path());
            let right =
                answer.as_ref().is_ok_and(|a| a.status == 200 && a.complete && cell.is_right(&a.body));
            if !right {
                last = format!("{:?}", answer.map(|a| (a.status, a.text())));
            }
            !right
        });
        if !left.is_empty() {
            std::thread::sleep(Duration::from_millis(200));
        }
    }
    left.iter().map(|cell| format!("{} {:?} did not recover: {last}", cell.name, cell.endpoint)).collect()
}

fn scene_of(cells: &[Cell]) -> (Scenario, String) {
    let scene = Scenario::new(BINARY, FakeUpstream::new());
    for cell in cells {
        let of_cell = cell.upstream.built(&cell.right.path, "v1.0.0");
        for built in of_cell.iter().chain([&cell.right]) {
            scene.sumdb.record(&built.path, &built.version, &built.h1, &built.mod_h1);
        }
    }
    let routes = cells.iter().map(Cell::route).collect();
    (scene, routes)
}

#[test]
fn every_fault_at_every_endpoint() {
    let table = Fault::table();
    assert!(table.len() >= 18);
    let cells: Vec<Cell> = table
        .into_iter()
        .flat_map(|(name, fault)| Endpoint::FIVE.map(|endpoint| (name, fault.clone(), endpoint)))
        .enumerate()
        .map(|(number, (name, fault, endpoint))| Cell::new(number, name, fault, endpoint, 20_000))
        .collect();
    let (scene, routes) = scene_of(&cells);
    let (larder, limit) = with_limits(&scene, &routes);
    let problems = run(&cells, &larder, limit);
    assert!(problems.is_empty(), "{} of {} cells:\n{}", problems.len(), cells.len(), problems.join("\n"));
    let stuck = recover(&cells, &larder);
    assert!(stuck.is_empty(), "{}", stuck.join("\n"));
    let peak = larder.memory("VmHWM") >> 20;
    assert!(peak < 256, "the peak of memory was {peak} MiB");
}

/// Zips that are streamed while they arrive: the last piece is held back, so a bad one never completes.
#[test]
fn a_large_zip_that_fails_never_completes() {
    let faults = [
        ("truncated, length", Fault::TruncatedLength),
        ("truncated, chunked", Fault::TruncatedChunked),
        ("reset in the body", Fault::ResetInBody),
        ("stalled in the body", Fault::StallInBody),
        ("flipped byte", Fault::FlippedByte),
        ("broken zip", Fault::BrokenZip),
        ("another module's file", Fault::OtherModule),
        ("over-long body", Fault::OverlongBody),
        ("status 206", Fault::PartialContent),
        ("huge length", Fault::HugeLength),
        ("endless body", Fault::EndlessBody),
    ];
    let cells: Vec<Cell> = faults
        .into_iter()
        .enumerate()
        .map(|(number, (name, fault))| Cell::new(number, name, fault, Endpoint::Zip, 3 << 20))
        .collect();
    let (scene, routes) = scene_of(&cells);
    let (larder, limit) = with_limits(&scene, &routes);
    let problems = run(&cells, &larder, limit);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    for cell in &cells {
        // The next request says what happened, or has the right bytes.
        let again = larder.try_get(&cell.path());
        if let Some(wrong) = cell.judge(&again, limit) {
            panic!("{} asked again: {wrong}", cell.name);
        }
    }
    let stuck = recover(&cells, &larder);
    assert!(stuck.is_empty(), "{}", stuck.join("\n"));
}

#[test]
fn a_comma_moves_on_only_after_absence_and_a_bar_always() {
    for (fault, comma_moves_on) in [
        (Fault::Status(404), true),
        (Fault::Status(410), true),
        (Fault::Status(403), false),
        (Fault::Status(500), false),
        (Fault::Reset, false),
        (Fault::HtmlOk, false),
    ] {
        for separator in [',', '|'] {
            let first = FakeUpstream::new().fault_everywhere(fault.clone()).start_blocking();
            let scene = Scenario::new(BINARY, FakeUpstream::new().module("example.com/a", "v1.0.0"));
            let chain = format!("{first}{separator}{}", scene.upstream);
            let larder = scene.larder.clone().upstream(chain).env("LARDER_UPSTREAM_RETRIES", "0").start();
            scene.upstream.forget();
            let answer = larder.get("/example.com/a/@v/v1.0.0.info");
            let moves_on = comma_moves_on || separator == '|';
            assert_eq!(
                answer.status == 200,
                moves_on,
                "{fault:?} {separator}: {} {}",
                answer.status,
                answer.text()
            );
            let asked = scene.upstream.requests("/example.com/a/@v/v1.0.0.info");
            assert_eq!(asked, usize::from(moves_on), "{fault:?} {separator}");
            assert!(moves_on || !matches!(answer.status, 404 | 410), "{fault:?} {separator}");
        }
    }
}
