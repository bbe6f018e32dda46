//! The waterfall: a row for each request to an upstream, on one scale of time for all.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::time::Duration;

use tokio::time::Instant;

use super::{MOST_ROWS, escaped};
use crate::commands::run::account::{Account, Asked, Brought, plain, size};

const KEY: &str = "\
<div class=\"key\"><span><i class=\"a\"></i>fetched ahead</span><span><i class=\"l\"></i>fetched when it was asked for</span>\
<span><i class=\"v\"></i>fetched in vain</span><span><i class=\"p\"></i>checksum database</span>\
<span><i class=\"f\"></i>failed, or not there</span><span><i class=\"w\"></i>the command waited (below the bar)</span>\
<span class=\"dim\">dotted: waited for its turn</span></div>
<p><label><input type=\"checkbox\" id=\"only-waits\">only what was waited for</label>\
<label><input type=\"checkbox\" id=\"only-vain\">only what was in vain</label></p>
";

/// Writes a section for each upstream, and one for the store.
pub(super) fn sections(out: &mut String, account: &Account) {
    let mut by_upstream = BTreeMap::<&str, Vec<&Brought>>::new();
    for one in &account.brought {
        by_upstream.entry(one.fetch.upstream.as_str()).or_default().push(one);
    }
    out.push_str("<h2>Every request</h2>\n");
    out.push_str(KEY);
    let mut asks = HashMap::<&str, Vec<&Asked>>::new();
    for ask in &account.asked {
        asks.entry(&ask.path).or_default().push(ask);
    }
    let scale = Scale::of(account);
    let after = (account.ended - account.began).saturating_sub(scale.whole);
    if after > scale.whole / 20 {
        let _infallible = writeln!(
            out,
            "<p class=\"dim\">The scale ends with the last request; the command went on for {} after it.</p>",
            milliseconds(after)
        );
    }
    for (name, rows) in by_upstream {
        let bytes: u64 = rows.iter().map(|one| one.fetch.bytes).sum();
        let note = format!("{} requests, {}", rows.len(), size(bytes));
        begin(out, name, &note, &scale, true);
        for one in rows.iter().take(MOST_ROWS) {
            fetch(out, one, asks.get(one.fetch.path.as_str()).map_or(&[], Vec::as_slice), &scale);
        }
        end(out, rows.len());
    }
    let stored: Vec<&Asked> = account.asked.iter().filter(|ask| ask.is_stored()).collect();
    if !stored.is_empty() {
        begin(out, "the store", &format!("{} answers without anybody", stored.len()), &scale, false);
        for ask in stored.iter().take(MOST_ROWS) {
            answer(out, ask, &scale);
        }
        end(out, stored.len());
    }
}

fn begin(out: &mut String, name: &str, note: &str, scale: &Scale, is_open: bool) {
    let open = if is_open { " open" } else { "" };
    let _infallible = write!(
        out,
        "<details{open}><summary>{} <span>{note}</span></summary>\n<div class=\"fall\"><ol>\n\
         <li class=\"scale\"><span></span><div class=\"lane\">",
        escaped(name),
    );
    for part in 0..=4_u32 {
        let time = scale.whole * part / 4;
        let _infallible = write!(out, "<span style=\"left:{}%\">{}</span>", part * 25, milliseconds(time));
    }
    out.push_str("</div><span></span></li>\n");
}

fn end(out: &mut String, rows: usize) {
    out.push_str("</ol></div></details>\n");
    super::beyond(out, rows);
}

fn fetch(out: &mut String, one: &Brought, asks: &[&Asked], scale: &Scale) {
    let fetch = &one.fetch;
    let class = match () {
        () if fetch.failure.is_some() => "f",
        () if one.proves => "p",
        () if one.in_vain => "v",
        () if one.ahead => "a",
        () => "l",
    };
    let waits: Vec<&&Asked> = asks.iter().filter(|ask| ask.waited_for.is_some()).collect();
    let mut row = String::new();
    if !waits.is_empty() {
        row.push_str("waited");
    }
    if one.in_vain {
        row.push_str(" vain");
    }
    open_row(out, &row, &fetch.path);
    if fetch.began - fetch.wanted > Duration::from_millis(1) {
        scale.bar(out, "q", fetch.wanted, fetch.began, "waiting for its turn");
    }
    let title = match (&fetch.failure, fetch.first_byte) {
        (Some(why), _) => why.clone(),
        (None, Some(first)) => {
            format!("first byte after {}", milliseconds(first.saturating_duration_since(fetch.began)))
        }
        (None, None) => String::new(),
    };
    scale.bar(out, class, fetch.began, fetch.ended, &title);
    for wait in waits {
        scale.bar(out, "w t", wait.began, wait.ended, "the command waited");
    }
    close_row(out, fetch.ended - fetch.began, fetch.bytes);
}

fn answer(out: &mut String, ask: &Asked, scale: &Scale) {
    open_row(out, "", &ask.path);
    scale.bar(out, "a", ask.began, ask.ended, ask.outcome);
    close_row(out, ask.ended - ask.began, ask.bytes);
}

fn open_row(out: &mut String, class: &str, path: &str) {
    let name = escaped(&plain(path));
    let _infallible = write!(
        out,
        "<li class=\"{class}\"><span class=\"path\" title=\"{name}\">{name}</span><div class=\"lane\">"
    );
}

fn close_row(out: &mut String, took: Duration, bytes: u64) {
    let _infallible =
        writeln!(out, "</div><span class=\"n\">{} {}</span></li>", milliseconds(took), size(bytes));
}

/// The scale of time.
struct Scale {
    began: Instant,
    whole: Duration,
}

impl Scale {
    /// From the start of the run to the end of the last request; what the command did afterwards would only press the rest together.
    fn of(account: &Account) -> Self {
        let fetched = account.brought.iter().map(|one| one.fetch.ended);
        let last = fetched.chain(account.asked.iter().map(|ask| ask.ended)).max();
        let whole = last.unwrap_or(account.ended).saturating_duration_since(account.began);
        Self { began: account.began, whole: whole.max(Duration::from_millis(1)) }
    }

    fn percent(&self, at: Instant) -> f64 {
        let part = at.saturating_duration_since(self.began).as_secs_f64() / self.whole.as_secs_f64();
        (part * 100.0).clamp(0.0, 100.0)
    }

    fn bar(&self, out: &mut String, class: &str, began: Instant, ended: Instant, title: &str) {
        let (left, right) = (self.percent(began), self.percent(ended));
        let title = if title.is_empty() { String::new() } else { format!(" title=\"{}\"", escaped(title)) };
        let _infallible = write!(
            out,
            "<b class=\"{class}\"{title} style=\"left:{left:.2}%;width:{:.2}%\"></b>",
            (right - left).max(0.0),
        );
    }
}

/// Returns a short duration for people.
pub(super) fn milliseconds(duration: Duration) -> String {
    match duration.as_millis() {
        0..1_000 => format!("{} ms", duration.as_millis()),
        1_000..60_000 => format!("{:.2} s", duration.as_secs_f64()),
        _ => super::seconds(duration),
    }
}
