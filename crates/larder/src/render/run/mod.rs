//! The report of a run as one page: what was asked of whom, when, and what was waited for.
//!
//! The page holds everything in itself, loads nothing and runs nothing: it can be kept as a build's artefact and opened years later.
//! Names in it are strangers' words, so nothing of them becomes markup.

mod waterfall;

use std::fmt::Write as _;

use crate::commands::run::account::{Account, Asked, Brought, kind_of, lines, plain, seconds, size};

/// The rows of one list at most; what is beyond is counted.
const MOST_ROWS: usize = 5_000;
/// How many of the longest waits are listed.
const LONGEST: usize = 25;

/// What is known of a run besides its account.
#[derive(Debug)]
pub(crate) struct Facts {
    /// The command as it was typed, more or less.
    pub(crate) command: String,
    /// How it ended.
    pub(crate) ending: String,
    /// The version of Larder.
    pub(crate) version: &'static str,
}

/// Renders the page.
pub(crate) fn page(account: &Account, facts: &Facts) -> String {
    let mut out = String::with_capacity(64 << 10);
    let command = escaped(&facts.command);
    let _infallible = write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>larder run: {command}</title>\n<style>\n{}</style>\n</head>\n<body>\n\
         <h1>Where the time of <code>{command}</code> went</h1>\n<p class=\"dim\">{}, {}; larder {}</p>\n",
        include_str!("page.css"),
        seconds(account.ended - account.began),
        escaped(&facts.ending),
        escaped(facts.version),
    );
    for line in lines(account) {
        let _infallible = writeln!(out, "<p>{}</p>", escaped(&line));
    }
    providers(&mut out, account);
    waits(&mut out, account);
    waterfall::sections(&mut out, account);
    failures(&mut out, account);
    vain(&mut out, account);
    out.push_str("</body>\n</html>\n");
    out
}

fn providers(out: &mut String, account: &Account) {
    out.push_str(
        "<h2>Who provided what</h2>\n<div class=\"scroll\"><table><tr><th>Upstream</th><th class=\"n\">Files</th>\
         <th class=\"n\">Bytes</th><th class=\"n\">Ahead</th><th class=\"n\">In vain</th><th class=\"n\">Not there</th>\
         <th class=\"n\">Failed</th><th class=\"n\">Waited for</th></tr>\n",
    );
    for (name, share) in &account.shares {
        let of_it = || account.brought.iter().filter(|one| one.fetch.upstream.as_str() == name);
        let vain = of_it().filter(|one| one.in_vain && one.fetch.failure.is_none()).count();
        let absent = of_it().filter(|one| one.fetch.is_absence).count();
        let failed = of_it().filter(|one| one.fetch.failure.is_some() && !one.fetch.is_absence).count();
        let _infallible = writeln!(
            out,
            "<tr><td class=\"path\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{vain}</td><td class=\"n\">{absent}</td><td class=\"n\">{failed}</td><td class=\"n\">{}</td></tr>",
            escaped(name),
            share.files,
            size(share.bytes),
            share.ahead,
            seconds(share.waited),
        );
    }
    let stored: u64 = account.asked.iter().filter(|ask| ask.is_stored()).map(|ask| ask.bytes).sum();
    let _infallible = writeln!(
        out,
        "<tr><td>the store, from earlier runs</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
         <td></td><td></td><td></td><td></td><td></td></tr>\n</table></div>",
        account.from_store,
        size(stored),
    );
}

fn waits(out: &mut String, account: &Account) {
    let mut waits: Vec<&Asked> = account.asked.iter().filter(|ask| ask.waited_for.is_some()).collect();
    if waits.is_empty() {
        return;
    }
    waits.sort_by_key(|ask| std::cmp::Reverse(ask.ended - ask.began));
    out.push_str(
        "<h2>What was waited for longest</h2>\n<div class=\"scroll\"><table><tr><th>File</th><th>Of whom</th>\
         <th class=\"n\">Began at</th><th class=\"n\">Waited</th></tr>\n",
    );
    for ask in waits.into_iter().take(LONGEST) {
        let _infallible = writeln!(
            out,
            "<tr><td class=\"path\">{}</td><td class=\"path\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            escaped(&plain(&ask.path)),
            escaped(ask.waited_for.as_deref().unwrap_or_default()),
            seconds(ask.began - account.began),
            waterfall::milliseconds(ask.ended - ask.began),
        );
    }
    out.push_str("</table></div>\n");
}

fn failures(out: &mut String, account: &Account) {
    let failed: Vec<&Brought> =
        account.brought.iter().filter(|one| one.fetch.failure.is_some() && !one.fetch.is_absence).collect();
    if failed.is_empty() {
        return;
    }
    out.push_str("<h2>What failed</h2>\n<div class=\"scroll\"><table><tr><th>File</th><th>Why</th></tr>\n");
    for one in failed.iter().take(MOST_ROWS) {
        let _infallible = writeln!(
            out,
            "<tr><td class=\"path\">{}</td><td class=\"path\">{}</td></tr>",
            escaped(&plain(&one.fetch.path)),
            escaped(one.fetch.failure.as_deref().unwrap_or_default()),
        );
    }
    out.push_str("</table></div>\n");
    beyond(out, failed.len());
}

fn vain(out: &mut String, account: &Account) {
    let mut vain: Vec<&Brought> =
        account.brought.iter().filter(|one| one.in_vain && one.fetch.failure.is_none()).collect();
    if vain.is_empty() {
        return;
    }
    vain.sort_by_key(|one| std::cmp::Reverse(one.fetch.bytes));
    let _infallible = writeln!(
        out,
        "<h2>What was fetched in vain</h2>\n<p class=\"dim\">The command never asked for these {} files, {} in all. They stay in the \
         store.</p>\n<div class=\"scroll\"><table><tr><th>File</th><th>Kind</th><th class=\"n\">Bytes</th></tr>",
        vain.len(),
        size(account.vain_bytes),
    );
    for one in vain.iter().take(MOST_ROWS) {
        let _infallible = writeln!(
            out,
            "<tr><td class=\"path\">{}</td><td>{}</td><td class=\"n\">{}</td></tr>",
            escaped(&plain(&one.fetch.path)),
            kind_of(&one.fetch.path),
            size(one.fetch.bytes),
        );
    }
    out.push_str("</table></div>\n");
    beyond(out, vain.len());
}

fn beyond(out: &mut String, rows: usize) {
    if rows > MOST_ROWS {
        let _infallible = writeln!(out, "<p class=\"dim\">and {} more</p>", rows - MOST_ROWS);
    }
}

/// Returns a stranger's text as HTML text, also fit for an attribute in double quotes. What moves a cursor or turns the direction
/// of writing is shown, not done.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => {
                out.extend(letter.escape_unicode());
            }
            letter if letter.is_control() => out.extend(letter.escape_default()),
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests;
