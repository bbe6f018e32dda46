//! From the path of a URL to a typed request.
//!
//! The text is decoded once and judged once; storage keys, access checks and upstream URLs are all built from the
//! types that come out, so no two places can read one path differently. Whatever does not parse is refused here,
//! as [`Fault::Malformed`] where the URL itself is wrong and as [`Fault::Absent`] where a sound URL names something
//! that can't exist: the go command moves on to its next proxy only after the latter.

use crate::{
    escape::{self, VersionTextError},
    path::{ModulePath, PathError},
    sumdb::Tile,
    version::{ModuleVersion, Query, Version},
};

/// The kind of an object of a module version.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ObjectKind {
    /// Version and time, as JSON.
    Info,
    /// The go.mod file.
    Mod,
    /// The module's files.
    Zip,
}

impl ObjectKind {
    /// Returns the file name extension, without the dot.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Mod => "mod",
            Self::Zip => "zip",
        }
    }

    fn from_extension(extension: &str) -> Option<Self> {
        [Self::Info, Self::Mod, Self::Zip].into_iter().find(|kind| kind.extension() == extension)
    }
}

impl std::fmt::Display for ObjectKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.extension())
    }
}

/// What a client asks a proxy for.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum ProxyRequest {
    /// `<module>/@v/list`.
    List(ModulePath),
    /// `<module>/@latest`.
    Latest(ModulePath),
    /// `<module>/@v/<query>.info`, where the query is no canonical version or does not fit the path.
    Query {
        /// The module.
        module: ModulePath,
        /// What was asked.
        query: Query,
    },
    /// `<module>/@v/<version>.{info,mod,zip}`.
    Object {
        /// Whose object.
        of: ModuleVersion,
        /// Which of the three.
        kind: ObjectKind,
    },
    /// `sumdb/<database>/...`.
    Checksum {
        /// The database's name, which may hold slashes.
        database: String,
        /// What it is asked.
        request: ChecksumRequest,
    },
}

/// What a client asks a checksum database for.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum ChecksumRequest {
    /// `supported`: does this proxy serve the database?
    Supported,
    /// `latest`: the newest tree head.
    Latest,
    /// `lookup/<module>@<version>`.
    Lookup {
        /// The module.
        module: ModulePath,
        /// Its version.
        version: Version,
    },
    /// `tile/...`.
    Tile(Tile),
}

/// Whose fault a refused request is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The URL is wrong by itself: 400.
    Malformed,
    /// The URL is sound, and nothing can be there: 404.
    Absent,
}

/// A request that is answered without asking anybody.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RequestError {
    /// A `?`.
    #[error("the module proxy protocol has no query strings")]
    QueryString,
    /// A `%` that two hexadecimal digits do not follow.
    #[error("broken percent-encoding")]
    PercentEncoding,
    /// A `%2F`.
    #[error("encoded slash in the path")]
    EncodedSlash,
    /// A backslash, encoded or not.
    #[error("backslash in the path")]
    Backslash,
    /// A NUL byte.
    #[error("NUL byte in the path")]
    Nul,
    /// A `%` that is left after decoding once.
    #[error("percent sign in the path: it is decoded once only")]
    PercentSign,
    /// A byte outside printable ASCII.
    #[error("byte outside printable ASCII in the path")]
    NotAscii,
    /// `//`.
    #[error("empty element (`//`) in the path")]
    EmptyElement,
    /// `.` or `..` as an element.
    #[error("`.` or `..` as an element of the path")]
    DotElement,
    /// Neither `/@v/` nor `/@latest`.
    #[error("no `/@v/` or `/@latest` in the path")]
    NotProxyPath,
    /// A module path that Go refuses.
    #[error(transparent)]
    Module(#[from] PathError),
    /// A version that Go refuses.
    #[error(transparent)]
    Version(#[from] VersionTextError),
    /// A file without extension.
    #[error("no file extension in {0:?}")]
    NoExtension(String),
    /// A file that is neither `.info`, `.mod` nor `.zip`.
    #[error("unexpected file extension {0:?}: it is .info, .mod or .zip")]
    UnknownExtension(String),
    /// `latest`, `upgrade` or `patch`, which the go command resolves by itself.
    #[error("invalid version {0:?}: the name is reserved")]
    Reserved(String),
    /// A `.mod` or `.zip` of something that is no canonical version.
    #[error("unrecognized version {0:?}: a .mod or .zip needs a canonical version")]
    Unrecognized(String),
    /// A `.mod` or `.zip` of a version of another major version than the path.
    #[error("{0}")]
    Misfit(String),
    /// Nothing that a checksum database answers to.
    #[error("no such checksum database endpoint")]
    NoChecksumEndpoint,
    /// A look-up that is not `module@version`.
    #[error("invalid module@version {0:?}")]
    Lookup(String),
    /// A tile that can't exist.
    #[error("invalid tile path {0:?}")]
    Tile(String),
}

impl RequestError {
    /// Returns whose fault it is.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::QueryString
            | Self::PercentEncoding
            | Self::EncodedSlash
            | Self::Backslash
            | Self::Nul
            | Self::PercentSign
            | Self::NotAscii
            | Self::EmptyElement
            | Self::Lookup(_)
            | Self::Tile(_) => Fault::Malformed,
            Self::DotElement
            | Self::NotProxyPath
            | Self::Module(_)
            | Self::Version(_)
            | Self::NoExtension(_)
            | Self::UnknownExtension(_)
            | Self::Reserved(_)
            | Self::Unrecognized(_)
            | Self::Misfit(_)
            | Self::NoChecksumEndpoint => Fault::Absent,
        }
    }
}

impl ProxyRequest {
    /// Reads the path of a URL, percent-encoded as it came; the leading slash may be missing.
    ///
    /// A base path and the prefix `/cached-only` are the caller's to remove.
    ///
    /// # Errors
    ///
    /// Says what is wrong, and by [`RequestError::fault`] whose fault it is.
    pub fn parse(encoded_path: &str) -> Result<Self, RequestError> {
        let decoded = decode(encoded_path)?;
        let path = decoded.strip_prefix('/').unwrap_or(&decoded);
        if path.contains("//") || path.starts_with('/') {
            return Err(RequestError::EmptyElement);
        }
        if path.split('/').any(|element| matches!(element, "." | "..")) {
            return Err(RequestError::DotElement);
        }
        if let Some(rest) = path.strip_prefix("sumdb/") {
            return parse_checksum(rest);
        }
        if let Some((module, file)) = path.split_once("/@v/") {
            return parse_file(module, file);
        }
        match path.strip_suffix("/@latest") {
            Some(module) => Ok(Self::Latest(ModulePath::unescape(module)?)),
            None => Err(RequestError::NotProxyPath),
        }
    }
}

/// Decodes percent-encoding once and refuses every byte that no request of the go command holds.
fn decode(encoded: &str) -> Result<String, RequestError> {
    let mut text = String::with_capacity(encoded.len());
    let mut bytes = encoded.bytes();
    while let Some(byte) = bytes.next() {
        let (byte, was_encoded) = match byte {
            b'?' | b'#' => return Err(RequestError::QueryString),
            b'%' => {
                let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16));
                let (high, low) = (digit(), digit());
                let code = high.zip(low).and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
                (code.ok_or(RequestError::PercentEncoding)?, true)
            }
            plain => (plain, false),
        };
        text.push(match byte {
            b'/' if was_encoded => return Err(RequestError::EncodedSlash),
            b'\\' => return Err(RequestError::Backslash),
            0 => return Err(RequestError::Nul),
            b'%' => return Err(RequestError::PercentSign),
            b' '..=b'~' => char::from(byte),
            _ => return Err(RequestError::NotAscii),
        });
    }
    Ok(text)
}

fn parse_file(module: &str, file: &str) -> Result<ProxyRequest, RequestError> {
    let module = ModulePath::unescape(module)?;
    if file == "list" {
        return Ok(ProxyRequest::List(module));
    }
    let Some((stem, extension)) = file.rsplit_once('.') else {
        return Err(RequestError::NoExtension(file.into()));
    };
    let Some(kind) = ObjectKind::from_extension(extension) else {
        return Err(RequestError::UnknownExtension(extension.into()));
    };
    let text = escape::unescape_version(stem)?;
    if matches!(text.as_str(), "latest" | "upgrade" | "patch") {
        return Err(RequestError::Reserved(text));
    }
    let misfit = match text.parse::<Version>().map(|version| ModuleVersion::new(module.clone(), version)) {
        Ok(Ok(of)) => return Ok(ProxyRequest::Object { of, kind }),
        Ok(Err(misfit)) => Some(misfit),
        Err(_) => None,
    };
    match (kind, misfit) {
        (ObjectKind::Info, _) => Ok(ProxyRequest::Query { module, query: text.parse()? }),
        (ObjectKind::Mod | ObjectKind::Zip, Some(misfit)) => Err(RequestError::Misfit(misfit.to_string())),
        (ObjectKind::Mod | ObjectKind::Zip, None) => Err(RequestError::Unrecognized(text)),
    }
}

/// Reads what follows `sumdb/`.
///
/// Names of databases may hold slashes, so the endpoint is found from its own shape: no look-up ends like a tile
/// or in `/supported` or `/latest`, since its last element holds an `@`.
fn parse_checksum(rest: &str) -> Result<ProxyRequest, RequestError> {
    let answer = |database: &str, request| {
        if database.is_empty() {
            return Err(RequestError::NoChecksumEndpoint);
        }
        Ok(ProxyRequest::Checksum { database: database.into(), request })
    };
    if let Some(database) = rest.strip_suffix("/supported") {
        return answer(database, ChecksumRequest::Supported);
    }
    if let Some(database) = rest.strip_suffix("/latest") {
        return answer(database, ChecksumRequest::Latest);
    }
    if rest.contains('@') {
        let Some((database, wanted)) = rest.split_once("/lookup/") else {
            return Err(RequestError::NoChecksumEndpoint);
        };
        return answer(database, parse_lookup(wanted)?);
    }
    if let Some(at) = rest.rfind("/tile/") {
        let path = &rest[at + 1..];
        let tile = Tile::parse(path).map_err(|_| RequestError::Tile(path.into()))?;
        return answer(&rest[..at], ChecksumRequest::Tile(tile));
    }
    match rest.split_once("/lookup/") {
        Some((_, wanted)) => Err(RequestError::Lookup(wanted.into())),
        None => Err(RequestError::NoChecksumEndpoint),
    }
}

fn parse_lookup(wanted: &str) -> Result<ChecksumRequest, RequestError> {
    let malformed = || RequestError::Lookup(wanted.into());
    let (module, version) = wanted.split_once('@').ok_or_else(malformed)?;
    let module = ModulePath::unescape(module).map_err(|_| malformed())?;
    let version = escape::unescape_version(version).map_err(|_| malformed())?;
    Ok(ChecksumRequest::Lookup { module, version: version.parse().map_err(|_| malformed())? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn describe(path: &str) -> Result<String, RequestError> {
        Ok(match ProxyRequest::parse(path)? {
            ProxyRequest::List(module) => format!("list {module}"),
            ProxyRequest::Latest(module) => format!("latest {module}"),
            ProxyRequest::Query { module, query } => format!("query {module} {query}"),
            ProxyRequest::Object { of, kind } => format!("{kind} {of}"),
            ProxyRequest::Checksum { database, request } => match request {
                ChecksumRequest::Supported => format!("{database}: supported"),
                ChecksumRequest::Latest => format!("{database}: latest"),
                ChecksumRequest::Lookup { module, version } => {
                    format!("{database}: lookup {module} {version}")
                }
                ChecksumRequest::Tile(tile) => format!("{database}: {}", tile.path()),
            },
        })
    }

    // The numbers are those of the conformance table's part A.

    #[test]
    fn requests_a8_a15_a37() {
        for (path, expected) in [
            ("/example.com/a/@v/list", "list example.com/a"),
            ("example.com/a/@latest", "latest example.com/a"),
            ("/github.com/!burnt!sushi/toml/@v/v1.4.0.zip", "zip github.com/BurntSushi/toml@v1.4.0"),
            ("/github.com/%21burnt%21sushi/toml/@v/v1.4.0.mod", "mod github.com/BurntSushi/toml@v1.4.0"),
            ("/example.com/a/%40v/v1.0.0-%21r%21c1.info", "info example.com/a@v1.0.0-RC1"),
            ("/example.com/a/@v/v2.0.0+incompatible.info", "info example.com/a@v2.0.0+incompatible"),
            ("/example.com/a/@v/v2.0.0%2Bincompatible.zip", "zip example.com/a@v2.0.0+incompatible"),
            ("/example.com/a/@v/v2.0.0.info", "query example.com/a v2.0.0"),
            ("/example.com/a/@v/v1.info", "query example.com/a v1"),
            ("/example.com/a/@v/v1.0.0+meta.info", "query example.com/a v1.0.0+meta"),
            ("/example.com/a/@v/master.info", "query example.com/a master"),
            ("/example.com/a/@v/release-1.2.info", "query example.com/a release-1.2"),
            (
                "/gopkg.in/yaml.v1/@v/v0.0.0-20200101000000-abcdef123456.zip",
                "zip gopkg.in/yaml.v1@v0.0.0-20200101000000-abcdef123456",
            ),
            ("/sumdb/sum.example.com/supported", "sum.example.com: supported"),
            ("/sumdb/sum.example.com/a/latest", "sum.example.com/a: latest"),
            (
                "/sumdb/sum.example.com/lookup/example.com/!a@v1.0.0",
                "sum.example.com: lookup example.com/A v1.0.0",
            ),
            (
                "/sumdb/x/y/lookup/example.com/tile/8/0/001@v1.0.0",
                "x/y: lookup example.com/tile/8/0/001 v1.0.0",
            ),
            ("/sumdb/sum.example.com/tile/8/0/x001/234.p/5", "sum.example.com: tile/8/0/x001/234.p/5"),
        ] {
            assert_eq!(describe(path).as_deref(), Ok(expected), "{path}");
        }
    }

    #[test]
    fn malformed_urls_are_400() {
        for path in [
            "/example.com/a/@v/list?x=1",
            "/example.com%2fa/@v/list",
            "/example.com/a/@v/%2e%2e%2f%2e%2e%2fetc.info",
            "/example.com\\a/@v/list",
            "/example.com%5ca/@v/list",
            "/example.com/a%00/@v/list",
            "/example.com/a%2/@v/list",
            "/example.com/a%zz/@v/list",
            "/example.com/a%2541/@v/list",
            "/example.com/%c3%a9/@v/list",
            "/example.com/é/@v/list",
            "/example.com/a%0a/@v/list",
            "/example.com//a/@v/list",
            "//example.com/a/@v/list",
            "/sumdb/sum.example.com/lookup/example.com/a",
            "/sumdb/sum.example.com/lookup/example.com/a@master",
            "/sumdb/sum.example.com/lookup/example.com/A@v1.0.0",
            "/sumdb/sum.example.com/tile/8/0/1",
            "/sumdb/sum.example.com/tile/x",
        ] {
            let error = describe(path).expect_err(path);
            assert_eq!(error.fault(), Fault::Malformed, "{path}: {error}");
        }
    }

    #[test]
    fn sound_urls_of_nothing_are_404_a4_a9_to_a14_a16_a37() {
        for path in [
            "",
            "/",
            "/.",
            "/../example.com/@latest",
            "/example.com/a/../b/@v/list",
            "/example.com/%2e%2e/@latest",
            "/example.com/a/@v/",
            "/example.com/a/",
            "/example.com/@/",
            "/example.com/a",
            "/example.com/a/@latest/",
            "/example.com/a/@v/list/",
            "/example.com/a/@v/foobar",
            "/example.com/a/@v/foo.bar",
            "/example.com/a/@v/v1.0.0.ziphash",
            "/example.com/a/@v/.info",
            "/example.com/a/@v/x/v1.0.0.info",
            "/example.com/A/@v/list",
            "/example.com/!!a/@v/list",
            "/example.com/a!/@v/list",
            "/example.com/a/@v/!!v1.0.0.info",
            "/example.com/a/@v/V1.0.0.info",
            "/foobar/@latest",
            "/example.com/v1/@v/list",
            "/-/healthz/@latest",
            "/example.com/a/@v/latest.info",
            "/example.com/a/@v/upgrade.info",
            "/example.com/a/@v/patch.info",
            "/example.com/a/@v/latest.zip",
            "/example.com/a/@v/master.mod",
            "/example.com/a/@v/v1.zip",
            "/example.com/a/@v/v2.0.0.mod",
            "/example.com/a/v2/@v/v1.0.0.zip",
            "/sumdb/sum.example.com",
            "/sumdb/sum.example.com/",
            "/sumdb/sum.example.com/other",
            "/sumdb/lookup/example.com/a@v1.0.0",
        ] {
            let error = describe(path).expect_err(path);
            assert_eq!(error.fault(), Fault::Absent, "{path}: {error}");
        }
    }
}
