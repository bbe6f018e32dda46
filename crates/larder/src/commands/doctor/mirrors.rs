//! `larder doctor mirrors`: module proxies compared from here.

use std::time::Duration;

use larder_doctor::Facts;
use larder_doctor::probe::mirrors::{Comparison, Mirror, compare};
use larder_doctor::settings::{self, SettingFacts};
use larder_module::defaults;
use larder_module::goproxy::{Entry, ProxyList};
use serde_json::json;
use url::Url;

use super::{Desk, Outcome, block_on};
use crate::cli::doctor::ReportFormat;
use crate::render;

/// Compares, and prints a table and the line it speaks for.
pub(super) fn run(desk: &Desk<'_>, named: &[String]) -> Result<(), Outcome> {
    let system = desk.system()?;
    let mut facts = Facts::default();
    settings::collect(&system, &mut facts);
    let settings = facts.settings.unwrap_or_default();
    let urls = if named.is_empty() { usual(&settings) } else { parsed(named)? };
    // One proxy after the other: the time is for each.
    let time = Duration::from_secs(desk.reach.timeout).saturating_mul(u32::try_from(urls.len()).unwrap_or(1));
    let found = block_on(async {
        let until = tokio::time::Instant::now() + time;
        compare(&system, &settings, facts.go, &urls, until).await
    })?;
    match desk.form.format {
        ReportFormat::Text => text(&found),
        ReportFormat::Markdown => markdown(&found),
        ReportFormat::Json => {
            render::json(
                &json!({"schema": larder_doctor::SCHEMA, "mirrors": found.mirrors, "goproxy": found.goproxy}),
            );
        }
    }
    if found.goproxy.is_none() { Err(Outcome::Found) } else { Ok(()) }
}

/// The proxies of `GOPROXY`, then the public ones.
fn usual(settings: &SettingFacts) -> Vec<Url> {
    let mut urls: Vec<Url> = Vec::new();
    let lists = [settings.value("GOPROXY"), defaults::GOPROXY].into_iter();
    for list in lists.filter_map(|list| ProxyList::parse(list).ok()) {
        for entry in list.entries() {
            if let Entry::Url(url) = &entry.entry
                && let Ok(url) = Url::parse(url)
                && url.scheme() != "file"
                && !urls.contains(&url)
            {
                urls.push(url);
            }
        }
    }
    for mirror in defaults::PUBLIC_MIRRORS.iter().filter_map(|text| Url::parse(text).ok()) {
        if !urls.contains(&mirror) {
            urls.push(mirror);
        }
    }
    urls
}

fn parsed(named: &[String]) -> Result<Vec<Url>, Outcome> {
    let wrong = |text: &String| Outcome::Usage {
        error: format!("`{}` is no URL of a module proxy", text.escape_default()),
        hint: Some("write it as https://proxy.example.com".to_owned()),
    };
    named
        .iter()
        .map(|text| match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.host_str().is_some() => Ok(url),
            _ => Err(wrong(text)),
        })
        .collect()
}

const HEAD: [&str; 8] = ["proxy", "first", "then", "speed", "latest", "sumdb", "toolchains", "absent"];

fn row(mirror: &Mirror) -> Vec<String> {
    let time = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value} ms"));
    let yes = |value: Option<bool>| value.map_or("-", |value| if value { "yes" } else { "no" }).to_owned();
    let latest = mirror.latest.clone().unwrap_or_else(|| "-".to_owned());
    vec![
        mirror.url.clone(),
        time(mirror.first_ms),
        time(mirror.latency_ms),
        mirror.throughput.map_or_else(|| "-".to_owned(), speed),
        if mirror.behind { format!("{latest} (behind)") } else { latest },
        yes(mirror.checksum_database),
        yes(mirror.toolchains),
        mirror.absent.map_or_else(|| "-".to_owned(), |status| status.to_string()),
    ]
}

fn speed(bytes: u64) -> String {
    let tenths = bytes / 100_000;
    format!("{}.{} MB/s", tenths / 10, tenths % 10)
}

fn text(found: &Comparison) {
    let mut rows = vec![HEAD.map(str::to_owned).to_vec()];
    rows.extend(found.mirrors.iter().filter(|mirror| mirror.trouble.is_none()).map(row));
    if rows.len() > 1 {
        render::table(&rows);
    }
    for mirror in &found.mirrors {
        if let Some(trouble) = &mirror.trouble {
            render::line(format_args!("{}  can't be used: {trouble}", mirror.url));
        }
    }
    match &found.goproxy {
        Some(value) => {
            render::line(format_args!("\ngo env -w 'GOPROXY={value}'"));
            render::line(
                "the nearest that is up to date, then the next; after a pipe any failure leads on, which is right for\n\
                 public modules; a proxy of a company that guards private names wants a comma, or to stand alone",
            );
        }
        None => render::line("\nno proxy can be used from here; `larder doctor` says why"),
    }
}

fn markdown(found: &Comparison) {
    render::line(format_args!("| {} |\n|{}", HEAD.join(" | "), "---|".repeat(HEAD.len())));
    for mirror in &found.mirrors {
        match &mirror.trouble {
            None => render::line(format_args!("| {} |", row(mirror).join(" | "))),
            Some(trouble) => render::line(format_args!("| {} | can't be used: {trouble} |", mirror.url)),
        }
    }
    if let Some(value) = &found.goproxy {
        render::line(format_args!("\n    go env -w 'GOPROXY={value}'"));
    }
}
