//! The page that a browser gets at `/`: what this is, and the lines to paste.
//!
//! No scripts and no inline styles, everything escaped: host names come from headers.

use std::fmt::Write;

use larder_cache::paste::assignment;

use crate::settings::StartPageFacts;

/// What the page may load: its style sheet.
pub(crate) const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The style sheet, at `/-/style.css`.
pub(crate) const STYLE: &str = "\
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:3rem auto;padding:0 1rem}
pre{background:#8882;border-radius:.4rem;padding:.8rem 1rem;overflow-x:auto}
code{font:14px/1.5 ui-monospace,monospace}
.note{border-left:.25rem solid #c80;padding-left:1rem}
";

/// Keeps crawlers away: every path here would cost an upstream something.
pub(crate) const ROBOTS: &str = "User-agent: *\nDisallow: /\n";

/// What one reader of the page gets to see.
pub(crate) struct View<'a> {
    /// Scheme, host and base path, as the reader's go command has to be given them.
    pub(crate) address: &'a str,
    pub(crate) base: &'a str,
    pub(crate) facts: &'a StartPageFacts,
    /// The reader may see private modules, so it may see their patterns too.
    pub(crate) shows_private: bool,
    pub(crate) version: &'a str,
}

/// Renders the page.
pub(crate) fn render(view: &View<'_>) -> String {
    let facts = view.facts;
    let proxy = escape(&assignment("GOPROXY", view.address));
    let base = escape(view.base);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>Larder</title>\n\
         <link rel=\"stylesheet\" href=\"{base}/-/style.css\">\n</head>\n<body>\n\
         <h1>Larder</h1>\n<p>This is a Go module proxy. To build through it, paste into a shell:</p>\n\
         <pre><code>go env -w {proxy}</code></pre>\n\
         <p>or for one shell only:</p>\n<pre><code>export {proxy}</code></pre>\n"
    );
    if view.shows_private && !facts.private_patterns.is_empty() {
        let patterns = escape(&assignment("GONOSUMDB", &facts.private_patterns.join(",")));
        let _ = write!(
            page,
            "<h2>Private modules</h2>\n<p>This server also provides private modules. The public checksum \
             database does not know them, so the go command needs both settings:</p>\n\
             <pre><code>go env -w {proxy} {patterns}</code></pre>\n\
             <p>or for one shell only:</p>\n<pre><code>export {proxy} {patterns}</code></pre>\n\
             <p class=\"note\"><strong>GOPRIVATE alone bypasses Larder</strong>: it also sets GONOPROXY, and the go \
             command then goes straight to the repositories. If GOPRIVATE must stay set, add:</p>\n\
             <pre><code>go env -w GONOPROXY=none</code></pre>\n"
        );
    }
    let _ = write!(
        page,
        "<p>Is it well? <a href=\"{base}/-/healthz\">alive</a>, <a href=\"{base}/-/readyz\">ready</a>, \
         <a href=\"{base}/-/version\">version {}</a>.</p>\n</body>\n</html>\n",
        escape(view.version)
    );
    page
}

fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(address: &str, base: &str, patterns: &[&str], shows_private: bool) -> String {
        let private_patterns = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
        let facts = StartPageFacts { private_patterns };
        render(&View { address, base, facts: &facts, shows_private, version: "<b>1.0" })
    }

    #[test]
    fn the_private_part_is_shown_to_private_clients_only() {
        let none = page("http://h:1", "", &[], true);
        assert!(none.contains("go env -w GOPROXY=http://h:1<"));
        assert!(!none.contains("GONOSUMDB"));
        let patterns = ["corp.example.com", "*.corp"];
        let some = page("http://h:1/x", "/x", &patterns, true);
        let quoted = "GONOSUMDB=&#39;corp.example.com,*.corp&#39;";
        assert!(some.contains(&format!("go env -w GOPROXY=http://h:1/x {quoted}<")));
        assert!(some.contains(&format!("export GOPROXY=http://h:1/x {quoted}<")));
        assert!(some.contains("GOPRIVATE alone bypasses Larder"));
        assert!(some.contains("href=\"/x/-/style.css\""));
        assert!(!page("http://h:1/x", "/x", &patterns, false).contains("corp.example.com"));
    }

    #[test]
    fn nothing_gets_out_of_its_text() {
        let page = page("http://<img src=x>", "", &["<script>alert('1')</script>\"&"], true);
        assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("<b>"));
    }
}
