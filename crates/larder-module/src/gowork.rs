//! go.work files.

use crate::gomod::{
    GoDebug, GoModError, Replace,
    directive::{self, Dialect, Keep},
};

/// A go.work file.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct GoWork {
    /// The go line.
    pub go: Option<String>,
    /// The toolchain line.
    pub toolchain: Option<String>,
    /// The godebug settings.
    pub godebug: Vec<GoDebug>,
    /// The folders of the modules, as written.
    pub uses: Vec<String>,
    /// The replacements.
    pub replace: Vec<Replace>,
}

impl GoWork {
    /// Reads a go.work file.
    ///
    /// # Errors
    ///
    /// Lists the first lines that the go command would refuse.
    pub fn parse(data: &[u8]) -> Result<Self, GoModError> {
        directive::read(data, Dialect::Work, Keep::Everything).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workspaces() {
        let text = b"go 1.22\ntoolchain go1.22.1\ngodebug default=go1.21\nuse (\n\t.\n\t\"./b c\"\n)\nreplace example.com/a => ./a\n";
        let work = GoWork::parse(text).expect("sound");
        assert_eq!(work.go.as_deref(), Some("1.22"));
        assert_eq!(work.toolchain.as_deref(), Some("go1.22.1"));
        assert_eq!(work.uses, [".", "./b c"]);
        assert_eq!(work.replace.len(), 1);
        for bad in ["module m", "require a v1.0.0", "go 1.21.x", "use a b", "go (\n1.22\n)", "foo"] {
            assert!(GoWork::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
