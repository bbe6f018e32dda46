//! What an upstream is asked for, and the path that says it.

use std::fmt;

use larder_module::{ModulePath, ModuleVersion, ObjectKind, Query};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// One thing of the `GOPROXY` protocol.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Wanted {
    /// The version list of a module.
    List(ModulePath),
    /// The latest version of a module.
    Latest(ModulePath),
    /// What a query resolves to.
    Query {
        /// The module.
        module: ModulePath,
        /// The query.
        query: Query,
    },
    /// One file of a version. Zips are too large for memory and have a way of their own.
    Object {
        /// The version.
        of: ModuleVersion,
        /// Which file.
        kind: ObjectKind,
    },
}

/// What Go leaves as it is in a path segment.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'=')
    .remove(b':')
    .remove(b'@')
    .remove(b'/');

impl Wanted {
    /// Returns the module.
    pub fn module(&self) -> &ModulePath {
        match self {
            Self::List(module) | Self::Latest(module) | Self::Query { module, .. } => module,
            Self::Object { of, .. } => of.module(),
        }
    }

    /// Returns the path below an upstream's URL, with a leading slash, in Go's escaping but not yet percent-encoded.
    pub fn path(&self) -> String {
        let module = self.module().escaped();
        match self {
            Self::List(_) => format!("/{module}/@v/list"),
            Self::Latest(_) => format!("/{module}/@latest"),
            Self::Query { query, .. } => format!("/{module}/@v/{}.info", query.escaped()),
            Self::Object { of, kind } => {
                format!("/{module}/@v/{}.{}", of.version().escaped(), kind.extension())
            }
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.path())
    }
}

/// Percent-encodes a path as the go command does, `!` included.
pub(crate) fn percent_encode(path: &str) -> String {
    utf8_percent_encode(path, SEGMENT).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_go_command() {
        let of = ModuleVersion::parse("github.com/BurntSushi/toml", "v1.4.0").unwrap();
        let module = of.module().clone();
        let table = [
            (Wanted::List(module.clone()), "/github.com/%21burnt%21sushi/toml/@v/list"),
            (Wanted::Latest(module.clone()), "/github.com/%21burnt%21sushi/toml/@latest"),
            (
                Wanted::Query { module, query: "Feature".parse().unwrap() },
                "/github.com/%21burnt%21sushi/toml/@v/%21feature.info",
            ),
            (Wanted::Object { of, kind: ObjectKind::Zip }, "/github.com/%21burnt%21sushi/toml/@v/v1.4.0.zip"),
        ];
        for (wanted, expected) in table {
            assert_eq!(percent_encode(&wanted.path()), expected);
        }
        let of = ModuleVersion::parse("example.com/a", "v2.0.0+incompatible").unwrap();
        let wanted = Wanted::Object { of, kind: ObjectKind::Mod };
        assert_eq!(percent_encode(&wanted.path()), "/example.com/a/@v/v2.0.0+incompatible.mod");
    }
}
