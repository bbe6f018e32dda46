//! What the go command says in fixed words, by the part of it that speaks; and a quick look for lines worth reading.

use std::sync::OnceLock;

use crate::symptom::{Endpoint, Stage};

/// Fixed words, and what was being done when they are said. The first that occurs counts.
pub(super) static PHRASES: &[(&str, Stage)] = &[
    // The machine.
    ("too many open files", Stage::Unknown),
    ("epollcreate failed with", Stage::Unknown),
    // Settings.
    ("invalid proxy URL", Stage::Settings),
    ("invalid file:// proxy URL", Stage::Settings),
    ("no Host in request URL", Stage::Settings),
    ("unsupported protocol scheme", Stage::Settings),
    ("first path segment in URL cannot contain colon", Stage::Settings),
    ("\" after host", Stage::Settings),
    ("invalid URL escape", Stage::Settings),
    ("net/url: invalid", Stage::Settings),
    ("invalid character \" \" in host name", Stage::Settings),
    ("GOPROXY list is not the empty string", Stage::Settings),
    ("missing GOSUMDB", Stage::Settings),
    ("invalid GOSUMDB", Stage::Settings),
    ("malformed verifier id", Stage::Settings),
    ("refusing to pass credentials to insecure URL", Stage::Settings),
    ("does not override conflicting OS environment variable", Stage::Settings),
    ("unknown go command variable", Stage::Settings),
    ("modules disabled by GO111MODULE", Stage::Settings),
    ("GO111MODULE=off", Stage::Settings),
    ("unknown environment setting GO111MODULE", Stage::Settings),
    ("parsing $GOFLAGS", Stage::Settings),
    ("GOMODCACHE entry is relative", Stage::Settings),
    ("GOPATH entry", Stage::Settings),
    ("GOPATH set to GOROOT", Stage::Settings),
    ("module cache not found: neither GOMODCACHE nor GOPATH is set", Stage::Settings),
    ("cannot find GOROOT directory", Stage::Settings),
    ("build cache is required", Stage::Settings),
    ("malformed entry in GOVCS", Stage::Settings),
    ("malformed GOVCS", Stage::Settings),
    ("no longer supported; use GOINSECURE", Stage::Settings),
    ("refusing to use HTTP_PROXY value in CGI environment", Stage::Settings),
    ("invalid GOTOOLCHAIN", Stage::Toolchain),
    ("toolchain not available", Stage::Toolchain),
    ("invalid toolchain", Stage::Toolchain),
    ("in PATH", Stage::Toolchain),
    ("requires go >= ", Stage::Toolchain),
    ("requires go 1.", Stage::Toolchain),
    ("is not supported by", Stage::Toolchain),
    ("newer Go version", Stage::Toolchain),
    ("module requires Go 1.", Stage::Toolchain),
    ("invalid go version", Stage::Project),
    ("unknown directive: toolchain", Stage::Project),
    ("exec go1.", Stage::Toolchain),
    // The project.
    ("errors parsing go.mod", Stage::Project),
    ("error parsing go.mod", Stage::Project),
    ("errors parsing go.work", Stage::Project),
    ("unknown directive", Stage::Project),
    ("go.mod file not found", Stage::Project),
    ("cannot find main module", Stage::Project),
    ("no modules specified", Stage::Project),
    ("ignoring go.mod in system temp root", Stage::Project),
    ("go.mod exists but should not", Stage::Project),
    ("requires a version when current directory is not in a module", Stage::Project),
    ("does not contain main module", Stage::Project),
    ("does not contain modules listed in go.work", Stage::Project),
    ("outside main module", Stage::Project),
    ("outside available modules", Stage::Project),
    ("malformed go.sum", Stage::Project),
    ("wrong number of fields", Stage::Project),
    ("missing go.sum entry", Stage::Project),
    ("updates to go.mod needed", Stage::Project),
    ("updates to go.sum needed", Stage::Project),
    ("updating go.sum", Stage::Project),
    ("updating go.mod", Stage::Project),
    ("inconsistent vendoring", Stage::Project),
    ("lookup disabled by -mod=vendor", Stage::Project),
    ("module due to -mod=vendor", Stage::Project),
    ("using the vendor directory", Stage::Project),
    ("can't resolve module using the vendor directory", Stage::Project),
    ("lookup disabled by -mod=readonly", Stage::Project),
    ("is explicitly required in go.mod, but", Stage::Project),
    ("is not one of the workspace modules", Stage::Project),
    ("listed in go.work", Stage::Project),
    ("when in workspace mode", Stage::Project),
    ("run in workspace mode", Stage::Project),
    ("invalid GOWORK", Stage::Project),
    ("path provided to GOWORK", Stage::Project),
    ("-mod may only be set to", Stage::Project),
    ("replacement directory", Stage::Project),
    ("(replaced by ", Stage::Project),
    ("is replaced but not required", Stage::Project),
    ("used for two different module paths", Stage::Project),
    // The cache.
    ("lookup disabled by GOPROXY=off", Stage::Resolution),
    ("could not create module cache", Stage::ModuleCache),
    ("detected dubious ownership", Stage::VersionControl),
    ("error obtaining VCS status", Stage::VersionControl),
    ("dir has been modified", Stage::ModuleCache),
    ("zip has been modified", Stage::ModuleCache),
    ("missing ziphash", Stage::ModuleCache),
    ("clean -modcache cannot be used", Stage::ModuleCache),
    // Verification.
    ("checksum database disabled by GOSUMDB=off", Stage::Verification),
    ("checksum missing from sumdb response", Stage::Verification),
    ("server misbehavior detected", Stage::Verification),
    ("malformed record data", Stage::Verification),
    ("no verifiable signatures", Stage::Verification),
    ("invalid signature for key", Stage::Verification),
    ("inconsistent tile", Stage::Verification),
    ("reading tree note", Stage::Verification),
    ("invalid verifier", Stage::Verification),
    ("SECURITY ERROR", Stage::Verification),
    // Version control.
    ("GOVCS disallows using", Stage::VersionControl),
    ("no go-import meta tag", Stage::GoImport),
    ("did not match import path", Stage::GoImport),
    ("multiple meta tags match", Stage::GoImport),
    ("unknown vcs", Stage::GoImport),
    ("unknown version control system", Stage::GoImport),
    ("invalid repo root", Stage::GoImport),
    ("disagree about go-import", Stage::GoImport),
    ("missing Git command", Stage::VersionControl),
    ("missing Mercurial command", Stage::VersionControl),
    ("missing Subversion command", Stage::VersionControl),
    ("unable to resolve git version", Stage::VersionControl),
    ("could not read Username", Stage::VersionControl),
    ("could not read Password", Stage::VersionControl),
    ("Authentication failed for", Stage::VersionControl),
    ("Host key verification failed", Stage::VersionControl),
    ("Permission denied (publickey", Stage::VersionControl),
    ("Could not read from remote repository", Stage::VersionControl),
    ("unable to access 'http", Stage::VersionControl),
    ("unknown option", Stage::VersionControl),
    ("terminal prompts disabled", Stage::VersionControl),
    // Versions and packages.
    ("no matching versions for query", Stage::Resolution),
    ("unknown revision", Stage::Resolution),
    ("invalid pseudo-version", Stage::Resolution),
    ("module path must match major version", Stage::Resolution),
    ("should be v0 or v1, not v", Stage::Resolution),
    ("is not a compatible version", Stage::Resolution),
    ("disallowed version string", Stage::Resolution),
    ("invalid version", Stage::Resolution),
    ("malformed module path", Stage::Resolution),
    ("malformed import path", Stage::Resolution),
    ("missing dot in first path element", Stage::Resolution),
    ("invalid github.com import path", Stage::Resolution),
    ("invalid module path", Stage::Resolution),
    ("invalid import path", Stage::Resolution),
    ("declares its path as", Stage::Resolution),
    ("unexpected module path", Stage::Resolution),
    ("but does not contain package", Stage::Resolution),
    ("no required module provides package", Stage::Resolution),
    ("cannot find module providing package", Stage::Resolution),
    ("cannot find module for path", Stage::Resolution),
    ("module providing package", Stage::Resolution),
    ("missing module line", Stage::Resolution),
    ("parsing go.mod: go.mod:", Stage::Resolution),
    ("ambiguous import", Stage::Resolution),
    ("case-insensitive import collision", Stage::Resolution),
    ("missing module declaration", Stage::Resolution),
    ("missing Bazaar command", Stage::VersionControl),
    ("missing Fossil command", Stage::VersionControl),
    ("retracted by module author", Stage::Resolution),
    ("is deprecated: ", Stage::Resolution),
    ("excluded by go.mod", Stage::Resolution),
    ("excluded by exclude directive", Stage::Resolution),
    ("version constraints conflict", Stage::Resolution),
    ("is not in GOROOT", Stage::Resolution),
    ("is not in std", Stage::Resolution),
    ("cannot find package", Stage::Resolution),
    ("not a known dependency", Stage::Resolution),
    ("no module provides package", Stage::Resolution),
    ("no Go files in", Stage::Resolution),
    ("is not a main package", Stage::Resolution),
    ("go.mod file, so", Stage::Resolution),
    ("missing go.mod", Stage::Resolution),
    ("parsing go.mod: ", Stage::Project),
    ("unrecognized import path", Stage::GoImport),
    ("invalid response from proxy", Stage::Proxy(Endpoint::Other)),
];

/// Beginnings of what else can be an error: requests, sockets, files, programs.
static OTHERS: &[&str] = &[
    "Get \"",
    "Get http",
    "Head \"",
    "reading http",
    "reading file:",
    "read \"",
    "read http",
    "unexpected status (",
    "proxy returned info",
    "unexpected end of JSON",
    "invalid character",
    "dial tcp",
    "dial udp",
    "lookup ",
    "read tcp",
    "write tcp",
    "proxyconnect",
    "x509:",
    "tls:",
    "TLS handshake timeout",
    "EOF",
    "stream error",
    "http2:",
    "connection reset",
    "connection refused",
    "i/o timeout",
    "no such host",
    "server misbehaving",
    "network is unreachable",
    "no route to host",
    "server gave HTTP response",
    "malformed HTTP",
    "stopped after 10 redirects",
    "redirected from secure",
    "missing Location header",
    "connectex:",
    "wsarecv:",
    "wsasend:",
    "getaddrinfow:",
    "verifying ",
    "checksum mismatch",
    "unrecognized import path",
    "exit status",
    "exec: \"",
    "fatal: ",
    "zip: ",
    "gzip: ",
    "reading ...",
    "zip for ",
    "-> unzip",
    "unzip ",
    "create zip",
    "zip file too large",
    "source tree too large",
    "no space left on device",
    "No space left on device",
    "Read-only file system",
    "permission denied",
    "Permission denied",
    "read-only file system",
    "no such file or directory",
    "too many open files",
    "operation not permitted",
    "not a directory",
    "is a directory",
    "function not implemented",
    "no locks available",
    "not supported",
    "quota exceeded",
    "input/output error",
    "Access is denied",
    "not enough space on the disk",
    "being used by another process",
    "cannot find the",
    "Incorrect function",
    "epollcreate failed",
    "Too Many Requests",
    "server response:",
    "# cd ",
    "downloaded: h1:",
];

/// Reports whether a line may hold an error of the go command or of what it calls.
pub(super) fn worth_reading(text: &str) -> bool {
    let table = table();
    let bytes = text.as_bytes();
    let mut word_before = false;
    for (at, byte) in bytes.iter().enumerate() {
        let begins = !word_before || !byte.is_ascii_alphanumeric();
        word_before = byte.is_ascii_alphanumeric();
        if !begins {
            continue;
        }
        let candidates = &table[usize::from(*byte)];
        if !candidates.is_empty() && candidates.iter().any(|word| bytes[at..].starts_with(word.as_bytes())) {
            return true;
        }
    }
    // Windows in other languages than English: the call's name is what can be told.
    !text.is_ascii() && text.contains(": \u{62d2}\u{7edd}\u{8bbf}\u{95ee}")
}

fn table() -> &'static [Vec<&'static str>] {
    static TABLE: OnceLock<Vec<Vec<&'static str>>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut table = vec![Vec::new(); 256];
        for word in PHRASES.iter().map(|(word, _)| *word).chain(OTHERS.iter().copied()) {
            table[usize::from(word.as_bytes()[0])].push(word);
        }
        table
    })
}

/// Finds the first fixed words that a text has.
pub(super) fn phrase(text: &str) -> Option<&'static Stage> {
    PHRASES.iter().find(|(words, _)| text.contains(words)).map(|(_, stage)| stage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_with_an_error_are_read() {
        assert!(worth_reading("go: example.com/m@v1: Get \"https://x\": EOF"));
        assert!(worth_reading("web: dial tcp 1.2.3.4:443"));
        assert!(!worth_reading("go: downloading example.com/m v1.0.0"));
        assert!(!worth_reading("ok  \texample.com/m\t0.3s"));
    }
}
