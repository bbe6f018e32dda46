//! The page of findings: what was kept because somebody may have to answer for it, as JSON.

use std::time::UNIX_EPOCH;

use larder_cache::Finding;
use larder_module::time::Timestamp;
use serde::Serialize;

/// The most findings on the page.
pub(crate) const SHOWN: usize = 200;

#[derive(Serialize)]
struct Page<'a> {
    findings: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    id: i64,
    at: String,
    kind: &'a str,
    subject: &'a str,
    detail: &'a str,
}

/// Renders the page; findings come newest first.
pub(crate) fn render(findings: &[Finding]) -> String {
    let page = Page { findings: findings.iter().map(entry).collect() };
    serde_json::to_string(&page).unwrap_or_default() + "\n"
}

fn entry(finding: &Finding) -> Entry<'_> {
    let since = finding.at.duration_since(UNIX_EPOCH).unwrap_or_default();
    Entry {
        id: finding.id,
        at: Timestamp::from_unix(i64::try_from(since.as_secs()).unwrap_or(i64::MAX)).to_string(),
        kind: &finding.kind,
        subject: &finding.subject,
        detail: &finding.detail,
    }
}
