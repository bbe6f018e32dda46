//! Settings to paste, from what somebody says about their network: for a shell, a Dockerfile, a CI.
//!
//! What decides the form is who serves private modules. A proxy that does must be asked for them, so `GOPRIVATE` must not be
//! set: it makes go bypass every proxy. The checksum database must not be asked, which is what `GONOSUMDB` says. Where git
//! alone serves them, `GOPRIVATE` is right.

mod place;
mod words;

use larder_module::defaults;

use crate::catalogue::Language;

/// What somebody says about their network.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Wishes {
    /// The company's module proxy.
    pub proxy: Option<String>,
    /// It wants a login.
    pub login: bool,
    /// Patterns of private modules, as in `GOPRIVATE`.
    pub private: Vec<String>,
    /// The proxy serves them; else git does.
    pub proxy_serves_private: bool,
    /// Mirrors to use where public hosts are slow or blocked.
    pub mirrors: Vec<String>,
    /// The public checksum database's usual name can't be reached.
    pub database_blocked: bool,
    /// The forward proxy on the way out.
    pub forward_proxy: Option<String>,
    /// Where the settings go.
    pub place: Place,
}

/// Where the settings go.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Place {
    /// A developer's shell.
    #[default]
    Shell,
    /// A Dockerfile.
    Docker,
    /// A workflow of GitHub.
    GithubActions,
    /// A `.gitlab-ci.yml`.
    GitlabCi,
}

/// Lines to paste, each with its reason.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Recipe {
    /// The lines.
    pub lines: Vec<Line>,
    /// What else to know.
    pub notes: Vec<String>,
}

/// A line to paste.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Line {
    /// The text; several lines for a block that belongs together.
    pub text: String,
    /// Why it is there.
    pub reason: String,
}

/// One of Go's settings in a recipe.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Setting {
    name: &'static str,
    value: String,
    reason: Reason,
}

/// Why a setting is there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Reason {
    OneProxy,
    ProxyThenDirect,
    Mirror,
    NoDatabaseForPrivate,
    PrivateByGit,
    DatabaseAlias,
    Outgoing,
    NotOutgoing,
    Login,
    ModulesFirst,
    Cache,
    Unset,
}

/// What is wrong with a wish.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum WishError {
    /// A proxy that is no URL of http or https.
    #[error("`{0}` is no URL of a proxy: write it as https://proxy.example.com")]
    Url(String),
    /// A login in a URL.
    #[error("the URL holds a login, which would stand in files and logs: leave it out and pass --login")]
    LoginInUrl,
    /// A pattern with a blank, a scheme or a comma's neighbour.
    #[error(
        "`{0}` matches nothing: a pattern is a path prefix such as git.corp.example or git.corp.example/team, without scheme and blanks"
    )]
    Pattern(String),
    /// Private modules from a proxy that was not named.
    #[error("a proxy that serves private modules has to be named with --proxy")]
    NoProxy,
}

/// Writes the recipe.
///
/// # Errors
///
/// Says which wish can't be meant.
pub fn recipe(wishes: &Wishes, language: Language) -> Result<Recipe, WishError> {
    check(wishes)?;
    let settings = settings(wishes);
    let mut recipe = place::written(wishes, &settings, language);
    recipe.notes.extend(notes(wishes).into_iter().map(|note| words::note(note, language).to_owned()));
    Ok(recipe)
}

fn check(wishes: &Wishes) -> Result<(), WishError> {
    let urls = wishes.proxy.iter().chain(&wishes.mirrors).chain(&wishes.forward_proxy);
    for text in urls {
        let url = url::Url::parse(text).map_err(|_| WishError::Url(text.clone()))?;
        if !matches!(url.scheme(), "http" | "https")
            || url.host_str().is_none_or(str::is_empty)
            || text.contains([',', '|'])
        {
            return Err(WishError::Url(text.clone()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(WishError::LoginInUrl);
        }
    }
    for pattern in &wishes.private {
        let bad = |char: char| {
            char.is_whitespace()
                || char == ';'
                || char == ','
                || char == '\''
                || char == '"'
                || !char.is_ascii()
        };
        if pattern.is_empty() || pattern.contains("://") || pattern.contains(bad) || pattern.starts_with('.')
        {
            return Err(WishError::Pattern(pattern.clone()));
        }
    }
    if wishes.proxy_serves_private && wishes.proxy.is_none() && !wishes.private.is_empty() {
        return Err(WishError::NoProxy);
    }
    Ok(())
}

fn settings(wishes: &Wishes) -> Vec<Setting> {
    let mut settings = Vec::new();
    let mut set = |name, value: String, reason| settings.push(Setting { name, value, reason });
    match (&wishes.proxy, wishes.mirrors.as_slice()) {
        (Some(proxy), []) => set("GOPROXY", proxy.trim_end_matches('/').to_owned(), Reason::OneProxy),
        (Some(proxy), mirrors) => {
            let all = std::iter::once(proxy).chain(mirrors).map(|url| url.trim_end_matches('/'));
            let list = all.chain(["direct"]).collect::<Vec<_>>().join(",");
            set("GOPROXY", list, Reason::ProxyThenDirect);
        }
        (None, []) => set("GOPROXY", String::new(), Reason::Unset),
        (None, mirrors) => {
            // After a pipe any failure leads on: public mirrors fail, and public names are no secret.
            let list =
                mirrors.iter().map(|url| url.trim_end_matches('/')).chain(["direct"]).collect::<Vec<_>>();
            set("GOPROXY", list.join("|"), Reason::Mirror);
        }
    }
    if !wishes.private.is_empty() {
        let patterns = wishes.private.join(",");
        if wishes.proxy_serves_private {
            set("GONOSUMDB", patterns, Reason::NoDatabaseForPrivate);
        } else {
            set("GOPRIVATE", patterns, Reason::PrivateByGit);
        }
    }
    if wishes.database_blocked {
        set("GOSUMDB", defaults::GOSUMDB_ALIAS.to_owned(), Reason::DatabaseAlias);
    }
    settings
}

/// Something to know beside the lines.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Note {
    PrivateAlone,
    CommaKeepsNames,
    PipeTellsNames,
    BothNetrcForms,
    GitLogin,
}

fn notes(wishes: &Wishes) -> Vec<Note> {
    let mut notes = Vec::new();
    if !wishes.private.is_empty() && wishes.proxy_serves_private {
        notes.push(Note::PrivateAlone);
    }
    if !wishes.private.is_empty() && !wishes.proxy_serves_private {
        notes.push(Note::GitLogin);
    }
    match (&wishes.proxy, wishes.mirrors.is_empty()) {
        (Some(_), false) => notes.push(Note::CommaKeepsNames),
        (None, false) => notes.push(Note::PipeTellsNames),
        _ => {}
    }
    if wishes.login && wishes.proxy.is_some() {
        notes.push(Note::BothNetrcForms);
    }
    notes
}

#[cfg(test)]
mod tests;
