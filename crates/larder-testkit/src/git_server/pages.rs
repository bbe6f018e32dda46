//! What the forge says to `?go-get=1`.

use std::path::Path;

/// An answer to `?go-get=1`.
#[derive(Clone, Debug)]
pub enum Page {
    /// A page with `go-import` tags of these contents, such as `git.corp.example/a git https://git.corp.example/a.git`.
    Imports(Vec<String>),
    /// A page of one's own.
    Html(String),
    /// Another status.
    Status(u16, String),
    /// A redirect to another page.
    Redirect(String),
}

impl Page {
    /// Builds a page with one tag.
    pub fn import(root: &str, vcs: &str, url: &str) -> Self {
        Self::Imports(vec![format!("{root} {vcs} {url}")])
    }

    /// Builds a page with one tag that names a folder of the repository.
    pub fn import_folder(root: &str, url: &str, folder: &str) -> Self {
        Self::Imports(vec![format!("{root} git {url} {folder}")])
    }

    /// Returns status, body and the target of a redirect.
    pub(super) fn answer(&self) -> (u16, String, Option<String>) {
        match self {
            Self::Imports(contents) => {
                let tags: String = contents
                    .iter()
                    .map(|content| format!("<meta name=\"go-import\" content=\"{content}\">\n"))
                    .collect();
                let head = format!("<meta charset=\"utf-8\">\n<title>A forge</title>\n{tags}");
                (
                    200,
                    format!("<!DOCTYPE html>\n<html><head>\n{head}</head><body>A forge.</body></html>\n"),
                    None,
                )
            }
            Self::Html(text) => (200, text.clone(), None),
            Self::Status(status, text) => (*status, text.clone(), None),
            Self::Redirect(target) => (302, String::new(), Some(target.clone())),
        }
    }
}

/// Returns the page of the repository that holds `place` (`host/path`).
pub(super) fn of_repository(root: &Path, place: &str, authority: &str) -> Option<Page> {
    let name = repository_of(root, place)?;
    let path = name.split_once('/').map_or("", |(_, path)| path);
    Some(Page::import(&name, "git", &format!("https://{authority}/{path}.git")))
}

/// Finds the repository that a place is or lies in, as `host/path` without `.git`.
pub(super) fn repository_of(root: &Path, place: &str) -> Option<String> {
    let clean = place.split('/').all(|element| !element.is_empty() && element != "." && element != "..");
    if !clean {
        return None;
    }
    let ends = place.match_indices('/').map(|(at, _)| at).chain([place.len()]);
    ends.map(|end| place[..end].trim_end_matches(".git"))
        .filter(|name| name.contains('/'))
        .find(|name| root.join(format!("{name}.git")).is_dir())
        .map(str::to_owned)
}
