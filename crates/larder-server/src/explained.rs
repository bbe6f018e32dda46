//! The page that says what this server would do about a module, as JSON.

use larder_cache::{Explained, Hop};
use larder_module::path::ModulePath;
use percent_encoding::percent_decode_str;
use serde::Serialize;

#[derive(Serialize)]
struct Page<'a> {
    module: &'a str,
    route: Route<'a>,
    chain: Vec<Entry<'a>>,
    checksum_database: Option<&'a str>,
    stored_versions: usize,
    causes: &'a [String],
}

#[derive(Serialize)]
struct Route<'a> {
    name: &'a str,
    patterns: &'a [String],
    private: bool,
    verify: &'static str,
}

#[derive(Serialize)]
struct Entry<'a> {
    upstream: &'a str,
    kind: &'static str,
    separator: &'static str,
    breaker: Option<&'static str>,
}

/// Renders the page.
pub(crate) fn render(explained: &Explained) -> String {
    let page = Page {
        module: explained.module.as_str(),
        route: Route {
            name: &explained.route,
            patterns: &explained.patterns,
            private: explained.private,
            verify: explained.verify,
        },
        chain: explained.chain.iter().map(entry).collect(),
        checksum_database: explained.checksum_database.as_deref(),
        stored_versions: explained.stored,
        causes: &explained.causes,
    };
    serde_json::to_string(&page).unwrap_or_default() + "\n"
}

fn entry(hop: &Hop) -> Entry<'_> {
    Entry { upstream: &hop.upstream, kind: hop.kind, separator: hop.separator, breaker: hop.breaker }
}

/// Reads the module out of `module=PATH`; a `version` beside it is of no account.
pub(crate) fn asked_module(query: Option<&str>) -> Option<ModulePath> {
    let mut module = None;
    for (name, value) in query?.split('&').filter_map(|pair| pair.split_once('=')) {
        match name {
            "module" if module.is_none() => module = Some(value),
            "version" => {}
            _ => return None,
        }
    }
    percent_decode_str(module?).decode_utf8().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_is_read_from_the_one_parameter() {
        for (query, expected) in [
            ("module=example.com/Upper", Some("example.com/Upper")),
            ("module=example.com%2Fa", Some("example.com/a")),
            ("module=example.com/a&x=1", None),
            ("module=example.com/a&version=v1.0.0", Some("example.com/a")),
            ("module=example.com/a&module=example.com/b", None),
            ("module=..%2fa", None),
            ("module=%ff", None),
            ("version=v1", None),
            ("", None),
        ] {
            assert_eq!(asked_module(Some(query)).as_ref().map(ModulePath::as_str), expected, "{query}");
        }
        assert_eq!(asked_module(None), None);
    }
}
