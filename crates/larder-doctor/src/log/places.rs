//! The names in an error: modules with versions, chains of requirements, packages, and what a URL asks for.

use crate::symptom::Endpoint;

/// Finds every `M@V`.
pub(super) fn versions(text: &str) -> Vec<(String, String)> {
    text.split([' ', '\t', '(', ')', '"', '\'', ','])
        .filter_map(|word| {
            let word = word.trim_end_matches([':', ';', '.']);
            let (module, version) = word.split_once('@')?;
            let version = version.strip_suffix("/go.mod").unwrap_or(version);
            let version = version.split(':').next()?;
            (is_path(module) && !version.is_empty() && !version.contains(['/', '\\'])
                || is_path(module) && slashed(version))
            .then(|| (module.to_owned(), version.to_owned()))
        })
        .collect()
}

/// A branch may have slashes, a file in the module cache begins with a version.
fn slashed(version: &str) -> bool {
    version.contains('/') && !version.starts_with('v') && !version.contains('\\') && !version.contains(".git")
}

fn is_path(text: &str) -> bool {
    !text.is_empty()
        && !text.contains([':', '\\', '='])
        && !text.starts_with(['/', '.', '-', '$'])
        && text.contains(['/', '.'])
        && text.starts_with(|char: char| char.is_ascii_alphanumeric())
}

/// Finds those that require the module, the main module first.
pub(super) fn required_by(text: &str) -> Vec<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    words
        .iter()
        .enumerate()
        .filter(|(_, word)| matches!(**word, "requires" | "requires:"))
        .filter_map(|(at, _)| {
            words[..at]
                .iter()
                .rev()
                .take(4)
                .find(|word| word.split_once('@').is_some_and(|(module, _)| is_path(module)))
        })
        .map(|word| word.trim_end_matches(':').to_owned())
        .collect()
}

/// Finds the packages of a chain of imports, the importing ones only.
pub(super) fn importers(text: &str) -> Vec<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let imports = |at: usize| {
        words.get(at + 1) == Some(&"imports")
            || (words.get(at + 1) == Some(&"tested") && words.get(at + 2) == Some(&"by"))
    };
    words
        .iter()
        .enumerate()
        .filter(|(at, word)| imports(*at) && !word.ends_with(".test"))
        .map(|(_, word)| (*word).to_owned())
        .collect()
}

/// Leaves of the importing packages those that are not of the main module.
pub(super) fn foreign(importers: &mut Vec<String>, downloaded: impl Fn(&str) -> bool) {
    let Some(main) = importers.first().cloned() else { return };
    if downloaded(&main) {
        return;
    }
    let root = |path: &str| path.split('/').take(3).collect::<Vec<_>>().join("/");
    let main = root(&main);
    importers.retain(|path| root(path) != main && !path.starts_with(&format!("{main}/")));
}

/// Finds the module of `module M: `.
pub(super) fn module(text: &str) -> Option<String> {
    text.match_indices("module ").find_map(|(at, mark)| {
        let word = text[at + mark.len()..].split([' ', ':', ',', ';']).next()?;
        is_path(word).then(|| word.to_owned())
    })
}

/// Finds the package that was wanted.
pub(super) fn package(text: &str) -> Option<String> {
    let marks = [
        "import path \"",
        "provides package ",
        "providing package ",
        "contain package ",
        "find package \"",
        "find package ",
        "package ",
    ];
    marks.iter().find_map(|mark| {
        let (_, rest) = text.split_once(mark)?;
        let word = rest.trim_start_matches('"').split([' ', ':', '"', ';', ',']).next()?;
        (!word.is_empty() && !word.starts_with('.') && word.bytes().all(|byte| !matches!(byte, b'(' | b')')))
            .then(|| word.to_owned())
    })
}

/// Finds a URL that no request names: the proxy of an answer, the page of a parse.
pub(super) fn other_url(text: &str) -> Option<String> {
    let (_, rest) = [
        "from proxy \"",
        "parse \"",
        "parse ",
        "unable to access '",
        "for '",
        "repository '",
        "insecure URL: ",
    ]
    .iter()
    .find_map(|mark| text.split_once(mark))?;
    let url = rest.split(['"', '\'', ' ']).next()?.trim_end_matches(':');
    (url.contains("://") || url.contains("?go-get=1")).then(|| url.to_owned())
}

/// Tells which file of a module proxy a URL asks for.
pub(super) fn endpoint(url: &str) -> Endpoint {
    let path = url.split(['?', '#']).next().unwrap_or("");
    match path.rsplit(['/', '.']).next() {
        Some("list") => Endpoint::List,
        Some("info") => Endpoint::Info,
        Some("mod") => Endpoint::Mod,
        Some("zip") => Endpoint::Zip,
        _ if path.ends_with("/@latest") => Endpoint::Latest,
        _ => Endpoint::Other,
    }
}

/// Tells what the checksum database was asked, if a URL is one of its.
pub(super) fn checksum_database(url: &str, verifying: bool) -> Option<String> {
    let path = url.split_once("://")?.1;
    let operation = ["lookup", "tile"].iter().find(|operation| path.contains(&format!("/{operation}/")));
    match operation {
        Some(operation)
            if verifying || path.contains("/sumdb/") || path.contains('@') || *operation == "tile" =>
        {
            Some((*operation).to_owned())
        }
        _ if path.ends_with("/supported") && path.contains("/sumdb/") => Some("supported".to_owned()),
        _ if path.ends_with("/latest")
            && (verifying || path.contains("/sumdb/"))
            && !path.ends_with("/@latest") =>
        {
            Some("latest".to_owned())
        }
        _ if path.contains("/sumdb/") => Some(String::new()),
        _ => None,
    }
}

/// Finds the module, and the version if there is one, that a URL asks for.
pub(super) fn of_url(url: &str) -> Option<(String, Option<String>)> {
    let path = url.split_once("://")?.1.split(['?', '#']).next()?;
    if let Some((_, rest)) = path.split_once("/lookup/") {
        let (module, version) = rest.split_once('@')?;
        return Some((unescaped(module), Some(unescaped(version))));
    }
    if url.contains("go-get=1") {
        return None;
    }
    let (before, version) = match path.split_once("/@v/") {
        Some((before, file)) => {
            let version = file.rsplit_once('.').filter(|(_, kind)| matches!(*kind, "info" | "mod" | "zip"));
            (before, version.map(|(version, _)| unescaped(version)))
        }
        None => (path.strip_suffix("/@latest")?, None),
    };
    // The module begins at the first element with a dot after the host; what comes before belongs to the proxy's address.
    let elements: Vec<&str> = before.split('/').collect();
    let from_file = url.starts_with("file:");
    let first = elements
        .iter()
        .enumerate()
        .skip(usize::from(!from_file))
        .find(|(_, element)| element.contains('.'))?
        .0;
    Some((unescaped(&elements[first..].join("/")), version))
}

/// Undoes `!x` for capitals, and `%21`.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let text = text.replace("%21", "!");
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            '!' => out.extend(chars.next().map(|char| char.to_ascii_uppercase())),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found() {
        assert_eq!(
            versions(
                "go: example.com/a@v1.0.0 requires example.com/b@v1.1.0/go.mod: x git@git.corp.example:a/b"
            ),
            [
                ("example.com/a".to_owned(), "v1.0.0".to_owned()),
                ("example.com/b".to_owned(), "v1.1.0".to_owned())
            ]
        );
        assert_eq!(
            required_by(
                "go: example.com/a@upgrade (v1.0.0) requires example.com/b@v1 requires example.com/c@v2: x"
            ),
            ["example.com/a@upgrade", "example.com/b@v1"]
        );
        assert_eq!(
            of_url("https://proxy.example.com/api/go/github.com/!azure/x/@v/v1.0.0.info"),
            Some(("github.com/Azure/x".to_owned(), Some("v1.0.0".to_owned())))
        );
        assert_eq!(
            of_url("https://sum.example.com/lookup/example.com/m@v1.0.0"),
            Some(("example.com/m".to_owned(), Some("v1.0.0".to_owned())))
        );
        assert_eq!(endpoint("https://p/m/@v/list"), Endpoint::List);
        assert_eq!(
            package("x: unrecognized import path \"example.com/m\": y").as_deref(),
            Some("example.com/m")
        );
    }
}
