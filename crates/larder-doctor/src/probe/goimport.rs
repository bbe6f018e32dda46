//! Where a path's repository is, when the go command goes there by itself: the page with `?go-get=1`.

use larder_module::hosting::{Told, has_path_prefix, told_at_last, told_by};
use url::Url;

use super::http::{Ask, Client};
use super::{Part, RequestProbe};
use crate::symptom::{Stage, Symptom, Trouble};

/// What is known about a path's repository.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) requests: Vec<RequestProbe>,
    pub(super) symptoms: Vec<Symptom>,
    /// The system, and the repository's URL.
    pub(super) repository: Option<(String, String)>,
}

/// Finds the repository of a path as the go command does.
pub(super) async fn find(client: &Client, path: &str, insecure: bool) -> Found {
    match told_by(path) {
        Told::Everything { system, repository, .. } => {
            let url = if repository.contains("://") { repository } else { format!("https://{repository}") };
            return Found { repository: Some((system.to_owned(), url)), ..Found::default() };
        }
        Told::Impossible(why) => {
            let mut found = Found::default();
            found.symptoms.push(failed(&RequestProbe::default(), path, Trouble::Said, why.to_owned()));
            return found;
        }
        Told::Nothing => {}
    }
    let mut found = page(client, path, "https").await;
    if found.repository.is_none() && insecure {
        let plain = page(client, path, "http").await;
        found.requests.extend(plain.requests);
        if plain.repository.is_some() {
            found.repository = plain.repository;
            found.symptoms.clear();
        }
    }
    if let (None, Told::Everything { system, repository, .. }) = (&found.repository, told_at_last(path)) {
        found.repository = Some((system.to_owned(), format!("https://{repository}")));
        found.symptoms.clear();
    }
    found
}

async fn page(client: &Client, path: &str, scheme: &str) -> Found {
    let mut found = Found::default();
    let Ok(url) = Url::parse(&format!("{scheme}://{path}?go-get=1")) else { return found };
    let mut answer =
        client.ask(&Ask { role: "go-import".to_owned(), url, agent: None, limit: 1 << 20 }).await;
    answer.probe.module = Some(path.to_owned());
    answer.probe.url = answer.probe.url.replace("?...", "?go-get=1");
    answer.probe.part = Part::Decides;
    let tags = tags_of(&String::from_utf8_lossy(&answer.body));
    let judged = match (answer.probe.trouble.clone(), answer.probe.status) {
        (Some(trouble), _) => Err((trouble, None)),
        (None, None) => {
            found.requests.push(answer.probe);
            return found;
        }
        (None, Some(status)) => choose(&tags, path, &answer.probe.url, status),
    };
    match judged {
        Ok(repository) => found.repository = Some(repository),
        Err((trouble, text)) => {
            let text = text.unwrap_or_else(|| super::words::words(&answer.probe.url, &trouble));
            answer.probe.trouble = Some(trouble.clone());
            found.symptoms.push(failed(&answer.probe, path, trouble, text));
        }
    }
    found.requests.push(answer.probe);
    found
}

/// Chooses the tag for a path; else says what the go command would say.
fn choose(
    tags: &[Tag],
    path: &str,
    url: &str,
    status: u16,
) -> Result<(String, String), (Trouble, Option<String>)> {
    let bad = |text: String| (Trouble::BadAnswer { text: text.clone() }, Some(text));
    let fitting: Vec<_> = tags.iter().filter(|tag| has_path_prefix(path, &tag.prefix)).collect();
    match fitting.as_slice() {
        [tag] => {
            if !tag.repository.contains("://") {
                return Err(bad(format!("{url}: invalid repo root \"{}\": no scheme", tag.repository)));
            }
            if !["bzr", "fossil", "git", "hg", "svn", "mod"].contains(&tag.system.as_str()) {
                return Err(bad(format!("{url}: unknown vcs \"{}\"", tag.system)));
            }
            Ok((tag.system.clone(), tag.repository.clone()))
        }
        [] if status != 200 => Err((Trouble::Status { code: status }, None)),
        [] if tags.is_empty() => Err(bad(format!("parse {url}: no go-import meta tags ()"))),
        [] => {
            let prefixes: Vec<_> = tags.iter().map(|tag| tag.prefix.as_str()).collect();
            let text = format!("meta tag {} did not match import path {path}", prefixes.join(", "));
            Err(bad(format!("parse {url}: no go-import meta tags ({text})")))
        }
        _ => Err(bad(format!("multiple meta tags match import path \"{path}\""))),
    }
}

fn failed(probe: &RequestProbe, path: &str, trouble: Trouble, text: String) -> Symptom {
    let text = format!("unrecognized import path \"{path}\": {text}");
    Symptom { stage: Stage::GoImport, ..super::words::symptom(probe, trouble, text) }
}

/// A `go-import` tag.
#[derive(Debug, Eq, PartialEq)]
struct Tag {
    prefix: String,
    system: String,
    repository: String,
}

/// Reads the tags of a page's head. Broken markup may hide more from the go command than from this reader.
fn tags_of(page: &str) -> Vec<Tag> {
    let head = page.split("</head").next().unwrap_or(page);
    head.split('<')
        .filter(|element| {
            element.len() > 5 && element.is_char_boundary(5) && element[..5].eq_ignore_ascii_case("meta ")
        })
        .filter_map(|element| {
            let element = element.split('>').next()?;
            (attribute(element, "name")? == "go-import").then_some(())?;
            let content = attribute(element, "content")?;
            let mut words = content.split_whitespace().map(str::to_owned);
            Some(Tag { prefix: words.next()?, system: words.next()?, repository: words.next()? })
        })
        .collect()
}

fn attribute<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    let mut from = 0;
    while let Some(at) = element[from..].find(name) {
        let start = from + at;
        let rest = element[start + name.len()..].trim_start();
        let is_word = element[..start].ends_with(|c: char| c.is_whitespace());
        if let Some(value) = rest.strip_prefix('=').filter(|_| is_word) {
            let value = value.trim_start();
            return match value.chars().next()? {
                quote @ ('"' | '\'') => value[1..].split(quote).next(),
                _ => value.split(|c: char| c.is_whitespace() || c == '/').next(),
            };
        }
        from = start + name.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://example.com/m?go-get=1";

    #[test]
    fn the_tag_for_a_path_is_chosen_as_go_does() {
        let page = "<html><head><meta charset=utf-8><META name=\"go-import\" content=\"example.com/m git https://git.example.com/m\">\
                    <meta content='example.com/o git https://git.example.com/o' name='go-import'/></head><body>";
        let tags = tags_of(page);
        assert_eq!(tags.len(), 2);
        let expected = ("git".to_owned(), "https://git.example.com/m".to_owned());
        assert_eq!(choose(&tags, "example.com/m/sub", URL, 200).unwrap(), expected);
        let said = |path: &str, tags: &[Tag], status: u16| {
            let (trouble, text) = choose(tags, path, URL, status).unwrap_err();
            text.unwrap_or_else(|| format!("{trouble:?}"))
        };
        assert!(said("example.com/x", &tags, 200).contains("did not match import path"));
        assert!(said("example.com/x", &[], 200).contains("no go-import meta tags ()"));
        assert!(said("example.com/x", &[], 404).contains("404"));
        let twice = tags_of(
            "<meta name=go-import content=\"a git https://x\"><meta name=go-import content=\"a git https://y\">",
        );
        assert!(said("a", &twice, 200).contains("multiple meta tags"));
    }
}
