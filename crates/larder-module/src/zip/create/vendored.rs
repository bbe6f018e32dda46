//! Which files belong to vendored packages, which hangs on the go line of the module.
//!
//! Until 1.23 Go counted the wrong number of bytes below a nested `vendor` folder, and packed `vendor/modules.txt`. Hashes of modules
//! that say so are kept by keeping both mistakes.

use crate::gomod::GoMod;

/// How vendored packages are recognised.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum VendorRule {
    /// As up to Go 1.23, and without a go line that counts.
    #[default]
    Until123,
    /// As from Go 1.24 on, its release candidates included.
    Since124,
}

impl VendorRule {
    /// Reads the rule from a go.mod; one that can't be read has no go line.
    pub(super) fn of(go_mod: &[u8]) -> Self {
        let version = GoMod::parse_outline(go_mod, 0).ok().and_then(|file| file.go);
        match version.is_some_and(|version| is_since_124(&version)) {
            true => Self::Since124,
            false => Self::Until123,
        }
    }

    /// Reports whether a file belongs to a vendored package: one in a folder below `vendor`.
    pub(super) fn is_vendored(self, name: &[u8]) -> bool {
        const FOLDER: &[u8] = b"/vendor/";
        if self == Self::Since124 && name == b"vendor/modules.txt" {
            return true;
        }
        let start = if name.starts_with(&FOLDER[1..]) {
            FOLDER.len() - 1
        } else if let Some(at) = name.windows(FOLDER.len()).position(|window| window == FOLDER) {
            match self {
                // The mistake: counted from the name's beginning.
                Self::Until123 => FOLDER.len(),
                Self::Since124 => at + FOLDER.len(),
            }
        } else {
            return false;
        };
        name[start..].contains(&b'/')
    }
}

/// Reports whether a go line's version is of language 1.24 or later.
///
/// A go.mod may hold some that aren't versions to Go's toolchain, such as `1.24rc01` or `1.24.0rc1`: those count as none.
fn is_since_124(version: &str) -> bool {
    let Some((major, rest)) = take_number(version) else {
        return false;
    };
    let Some((minor, rest)) = rest.strip_prefix('.').and_then(take_number) else {
        return is_more(major, "1") && rest.is_empty();
    };
    let is_version = match rest.strip_prefix('.') {
        Some(patch) => is_number(patch),
        None => {
            let number = rest.trim_start_matches(|c: char| c.is_ascii_lowercase());
            rest.is_empty() || (number.len() < rest.len() && (number.is_empty() || is_number(number)))
        }
    };
    is_version && (is_more(major, "1") || (major == "1" && (minor == "24" || is_more(minor, "24"))))
}

/// Splits off a number without leading zeros.
fn take_number(text: &str) -> Option<(&str, &str)> {
    let (number, rest) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
    let is_number = number == "0" || !(number.is_empty() || number.starts_with('0'));
    is_number.then_some((number, rest))
}

fn is_number(text: &str) -> bool {
    take_number(text).is_some_and(|(_, rest)| rest.is_empty())
}

/// Compares numbers of any length.
fn is_more(a: &str, b: &str) -> bool {
    (a.len(), a) > (b.len(), b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use VendorRule::{Since124, Until123};

    #[test]
    fn files_of_vendored_packages() {
        for (name, until_123, since_124) in [
            ("vendor/foo/foo.go", true, true),
            ("pkg/vendor/foo/foo.go", true, true),
            ("longpackagename/vendor/foo/foo.go", true, true),
            ("vendor/vendor.go", false, false),
            ("vendor/foo/modules.txt", true, true),
            ("modules.txt", false, false),
            ("vendor/amodules.txt", false, false),
            ("vendor/modules.txt", false, true),
            ("pkg/vendor/modules.txt", true, false),
            ("pkg/vendor/vendor.go", true, false),
            ("longpackagename/vendor/vendor.go", true, false),
            // The first eight bytes are skipped wherever the folder stands.
            ("p/vendor/x.go", true, false),
            ("/vendor/x.go", false, false),
            ("a/b/vendor/c/vendor/x.go", true, true),
            ("vendor", false, false),
            ("xvendor/a/b", false, false),
            ("a/vendorx/b/c", false, false),
        ] {
            assert_eq!(Until123.is_vendored(name.as_bytes()), until_123, "{name}");
            assert_eq!(Since124.is_vendored(name.as_bytes()), since_124, "{name}");
        }
    }

    #[test]
    fn the_go_line_decides() {
        for (line, rule) in [
            ("", Until123),
            ("go 1.9", Until123),
            ("go 1.23", Until123),
            ("go 1.23.9", Until123),
            ("go 1.24rc1", Since124),
            ("go 1.24", Since124),
            ("go 1.24.0", Since124),
            ("go 1.25", Since124),
            ("go 1.100", Since124),
            ("go 2.0", Since124),
            ("go 1.99999999999999999999", Since124),
            // The lenient reading cuts these after the minor version.
            ("go v1.24.1", Since124),
            ("go 1.24.x", Since124),
            // Go lines, but no Go versions.
            ("go 1.24.0rc1", Until123),
            ("go 1.24rc01", Until123),
            ("go 1.24\ngo 1.24", Until123),
            ("unknown \"", Until123),
        ] {
            let go_mod = format!("module example.com/m\n{line}\n");
            assert_eq!(VendorRule::of(go_mod.as_bytes()), rule, "{line}");
        }
    }
}
