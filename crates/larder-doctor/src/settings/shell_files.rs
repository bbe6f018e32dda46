//! Start files of shells: what they set, only shells get, and often only interactive ones.

use super::known::KNOWN;
use crate::System;

const FILES: &[&str] =
    &[".bashrc", ".bash_profile", ".profile", ".zshrc", ".zprofile", ".zshenv", ".config/fish/config.fish"];

/// The most bytes of a file that are read.
const MOST: usize = 256 << 10;

/// Returns the settings of Go that a start file makes and that this process does not have.
pub(super) fn read(system: &System) -> Vec<(String, String, String)> {
    let Some(home) = system.home() else { return Vec::new() };
    let mut found = Vec::new();
    for name in FILES {
        let path = home.join(name);
        let Ok(bytes) = fs_err::read(system.path(&path)) else { continue };
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(MOST)]);
        for (name, value) in text.lines().filter_map(setting) {
            if system.variable(name) != Some(value) {
                found.push((path.to_string_lossy().into_owned(), name.to_owned(), value.to_owned()));
            }
        }
    }
    found
}

/// Reads `export NAME=value` and `set -gx NAME value`, values without expansions only.
fn setting(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let (name, value) = match line.strip_prefix("set -gx ").or_else(|| line.strip_prefix("set -Ux ")) {
        Some(rest) => rest.split_once(' ')?,
        None => line.strip_prefix("export ")?.split_once('=')?,
    };
    let known = KNOWN.iter().find(|known| known.name == name.trim())?;
    let value = value.split(" #").next().unwrap_or_default().trim().trim_matches(['"', '\'']);
    (!value.is_empty() && !value.contains(['$', '`'])).then_some((known.name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_start_files() {
        for (line, expected) in [
            (
                "export GOPROXY=https://proxy.example.com # ours",
                Some(("GOPROXY", "https://proxy.example.com")),
            ),
            ("  export GOPRIVATE=\"git.corp.example\"", Some(("GOPRIVATE", "git.corp.example"))),
            ("set -gx GOPROXY direct", Some(("GOPROXY", "direct"))),
            ("export GOPATH=$HOME/go", None),
            ("# export GOPROXY=direct", None),
            ("export PATH=x", None),
        ] {
            assert_eq!(setting(line), expected, "{line}");
        }
    }
}
