//! Which repository holds a module: explicit mappings, well-known hosts, paths with a `.git` element, go-import pages.
//!
//! The order and the verdicts are the go command's (`RepoRootForImportPath`), with the operator's mappings ahead of everything.
//! What strangers say here decides whom Larder connects to next, so every answer passes `asked::Judge` before anybody acts on it.

mod asked;
mod clone_url;
mod go_import;
mod html;
mod mapping;
mod memo;
mod moved;
mod names;
mod page;

use std::sync::Arc;
use std::time::Duration;

use larder_module::ModulePath;
use larder_module::hosting::{Told, told_at_last, told_by};
use larder_upstream::{Credential, Credentials, DirectFaultKind, ListedHosts, Origin, Secret, Upstreams};
use url::Url;

pub use self::asked::{Asking, Git};
pub use self::mapping::RuleError;
pub use larder_module::govcs::{Govcs, GovcsError};

use self::asked::{Judge, refused};
use self::clone_url::{CloneUrl, is_system};
use self::go_import::GoImport;
use self::memo::{Keep, Memo};
use self::page::{Errand, Pages};
use crate::error::DirectError;
use crate::settings::{DirectSettings, HostToken};

/// Where a module's code is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// A git repository.
    Repository(RepositoryPlace),
    /// A module proxy (go-import of kind `mod`), asked instead.
    Proxy {
        /// The root path that the page named.
        root: String,
        /// The proxy's URL.
        url: String,
    },
}

/// A git repository and the part of the module namespace that it holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RepositoryPlace {
    /// The module path prefix of the repository's root.
    pub root: String,
    /// The clone URL as found; user info may be in it, so it is never printed as it is.
    pub url: String,
    /// The folder of the repository that stands for the root (go-import's fourth field), usually empty.
    pub subdirectory: String,
    /// Plain http (and file, git) may be used, because the path is listed as insecure or the mapping says so.
    pub insecure: bool,
    /// The addresses that git must use, already judged; empty where git may resolve by itself (listed hosts, ssh, forward proxies).
    pub pinned: Vec<std::net::SocketAddr>,
}

/// Finds repositories and remembers them.
#[derive(Debug)]
pub struct Discovery {
    settings: Arc<DirectSettings>,
    listed: ListedHosts,
    git: Arc<dyn Git>,
    pages: Pages,
    judge: Judge,
    /// The URLs that work for paths with a `.git` element, by root.
    schemes: Memo<String>,
}

/// More pages of parents than this are not asked for because a page asks for a login.
const MOST_PARENTS: usize = 8;
/// Roots with a `.git` element that are remembered.
const MOST_SCHEMES: usize = 10_000;

impl Discovery {
    /// Builds it.
    pub fn new(settings: Arc<DirectSettings>, upstreams: Upstreams, git: Arc<dyn Git>) -> Self {
        let listed = listed_hosts(&settings);
        let tokens = credentials(&settings.tokens);
        let freshness = settings.root_freshness;
        let pages =
            Pages::new(upstreams.clone(), listed.clone(), tokens, settings.network_deadline, freshness);
        let judge = Judge::new(upstreams, listed.clone(), freshness);
        let keep = Keep {
            good: freshness,
            absence: freshness.min(Duration::from_secs(30)),
            failure: freshness.min(Duration::from_secs(5)),
            through_outages: Duration::from_secs(86_400),
        };
        let schemes = Memo::new(keep, MOST_SCHEMES);
        Self { settings, listed, git, pages, judge, schemes }
    }

    /// Finds the place of a module path.
    ///
    /// Mappings, well-known hosts and paths with a `.git` element need no page. Otherwise the path's own page decides, as for the go
    /// command, for a path below a known root may be a repository of its own; but where that page wants a login or can't be
    /// had, the path is answered from the root above it.
    ///
    /// # Errors
    ///
    /// Fails with absence only if the host positively said that there is nothing, or Go's rules do.
    pub async fn find(&self, module: &ModulePath, private: bool) -> Result<Place, DirectError> {
        let path = module.as_str();
        let errand = Errand { private, insecure: self.settings.insecure.matches(path) };
        let place = match self.mapped(path)? {
            Some(place) => Place::Repository(place),
            None => match told_by(path) {
                Told::Impossible(reason) => {
                    return Err(DirectError::new(DirectFaultKind::Invalid, format!("{path}: {reason}")));
                }
                Told::Everything { root, system, repository, any_scheme } => {
                    self.check_system(system, &root, path)?;
                    let url = match any_scheme {
                        true => self.working_url(&root, &repository, errand).await?,
                        false => format!("https://{repository}"),
                    };
                    Place::Repository(place(root, url, errand.insecure))
                }
                Told::Nothing => self.by_pages(path, errand).await?,
            },
        };
        match place {
            Place::Repository(place) => {
                self.judge.pass(place, self.git.as_ref()).await.map(Place::Repository)
            }
            proxy @ Place::Proxy { .. } => Ok(proxy),
        }
    }

    /// Returns the hosts that the operator named without wildcard, wherever that was.
    pub fn listed(&self) -> &ListedHosts {
        &self.listed
    }

    /// Applies the first mapping that matches.
    fn mapped(&self, path: &str) -> Result<Option<RepositoryPlace>, DirectError> {
        let mut found = self.settings.repositories.iter().filter_map(|rule| rule.repository(path));
        let Some((root, url)) = found.next() else { return Ok(None) };
        self.check_system("git", &root, path)?;
        // The operator wrote the scheme, so it is meant.
        let plain = CloneUrl::parse(&url).is_ok_and(|url| !url.scheme().is_secure());
        let insecure = plain || self.settings.insecure.matches(path);
        Ok(Some(place(root, url, insecure)))
    }

    /// Refuses to carry a private name to a host that the operator hasn't named: the page's word is not enough for that.
    fn check_privacy(&self, url: &str, page: &str, path: &str, errand: Errand) -> Result<(), DirectError> {
        if !errand.private {
            return Ok(());
        }
        // Read as those who connect read it: what looks like user info before the host can be all of a URL.
        let parsed = Url::parse(url).ok();
        let Some((parsed, host)) = parsed.as_ref().and_then(|url| Some((url, url.host_str()?))) else {
            return Err(refused(format!("{page} leads to what is no URL")));
        };
        let below = parsed.path();
        let own = path.split('/').next().is_some_and(|own| own.eq_ignore_ascii_case(host));
        let named = self.listed.lists(parsed);
        if own || named || self.settings.private.matches(&format!("{host}{below}")) {
            return Ok(());
        }
        Err(refused(format!(
            "{page} leads to {host}, which isn't asked about private modules; to allow it, name {host} in a private pattern, \
             a route or a [[repository]]"
        )))
    }

    /// Refuses what `GOVCS` forbids and what isn't git.
    fn check_system(&self, system: &str, root: &str, path: &str) -> Result<(), DirectError> {
        let private = self.settings.private.matches(root);
        if !self.settings.govcs.allows(system, root, private) {
            let what = if private { "private" } else { "public" };
            return Err(refused(format!("GOVCS disallows using {system} for {what} {root}")));
        }
        match system {
            "git" => Ok(()),
            other => Err(refused(format!(
                "{path} is in a {} repository ({root}), and Larder fetches git only; chain a module proxy that has it",
                system_name(other)
            ))),
        }
    }

    /// Finds the first scheme by which a repository answers, as the go command does for paths with a `.git` element.
    async fn working_url(&self, root: &str, repository: &str, errand: Errand) -> Result<String, DirectError> {
        let schemes: &[&str] = match errand.insecure {
            true => &["git", "https", "http", "git+ssh", "ssh"],
            false => &["https", "git+ssh", "ssh"],
        };
        let class = if errand.private { 'p' } else { ' ' };
        let find = || async {
            let mut telling = None;
            for scheme in schemes {
                let url = format!("{scheme}://{repository}");
                match self.try_url(root, &url, errand).await {
                    Ok(()) => return Ok(url),
                    // What https says is what most users can do something about.
                    Err(error) if *scheme == "https" => telling = Some(error),
                    Err(error) => telling = telling.or(Some(error)),
                }
            }
            Err(telling.unwrap_or_else(|| refused(format!("no protocol for {root}"))))
        };
        self.schemes.get(&format!("{class}{}{root}", errand.insecure), find).await
    }

    async fn try_url(&self, root: &str, url: &str, errand: Errand) -> Result<(), DirectError> {
        let place = place(root.to_owned(), url.to_owned(), errand.insecure);
        let place = self.judge.pass(place, self.git.as_ref()).await?;
        self.git.answers(&place).await
    }

    async fn by_pages(&self, path: &str, errand: Errand) -> Result<Place, DirectError> {
        let error = match self.by_own_page(path, errand).await {
            Ok(place) => return Ok(place),
            Err(error) => error,
        };
        if let Told::Everything { root, system, .. } = told_at_last(path) {
            self.check_system(system, &root, path)?;
        }
        self.by_parents(path, errand, &error).await.ok_or(error)
    }

    async fn by_own_page(&self, path: &str, errand: Errand) -> Result<Place, DirectError> {
        let page = self.pages.of(path, errand).await?;
        let tag = page.tag_for(path)?;
        // Who is in charge of `host/user/x` doesn't speak for all of `host`: the root has to say the same.
        if tag.prefix != path {
            let root = self.pages.of(&tag.prefix, errand).await?;
            if root.tag_for(path).ok() != Some(tag) {
                let text = format!("{} and {} disagree about where {} is", page.url, root.url, tag.prefix);
                return Err(DirectError::new(DirectFaultKind::Invalid, text));
            }
        }
        self.by_tag(tag, &page.url, path, errand)
    }

    fn by_tag(&self, tag: &GoImport, page: &str, path: &str, errand: Errand) -> Result<Place, DirectError> {
        let invalid = |reason: &str| {
            DirectError::new(DirectFaultKind::Invalid, format!("{page}: its go-import tag {reason}"))
        };
        if tag.subdirectory.starts_with(['/', '-']) {
            return Err(invalid("names a sub-directory that begins with a slash or a dash"));
        }
        match tag.repository.split_once("://") {
            Some(("file", _)) => return Err(invalid("names a file URL")),
            Some((scheme, _)) if !scheme.is_empty() => {}
            _ => return Err(invalid("names a repository without a scheme")),
        }
        self.check_privacy(&tag.repository, page, path, errand)?;
        if tag.system == "mod" {
            let scheme = tag.repository.split("://").next();
            if scheme != Some("https") && !(errand.insecure && scheme == Some("http")) {
                let root = &tag.prefix;
                return Err(refused(format!(
                    "the module proxy that {page} names for {root} isn't reached by https"
                )));
            }
            return Ok(Place::Proxy { root: tag.prefix.clone(), url: tag.repository.clone() });
        }
        if !is_system(&tag.system) {
            return Err(invalid("names a version control system that nobody knows"));
        }
        self.check_system(&tag.system, &tag.prefix, path)?;
        let found = place(tag.prefix.clone(), tag.repository.clone(), errand.insecure);
        Ok(Place::Repository(RepositoryPlace { subdirectory: tag.subdirectory.clone(), ..found }))
    }

    /// Finds a root above a path whose own page wants a login or can't be had.
    ///
    /// Forges hide what they don't know, too, and the go command asks for every prefix of a package path: without this, one such
    /// answer ends a `go get` whose module is right there.
    async fn by_parents(&self, path: &str, errand: Errand, error: &DirectError) -> Option<Place> {
        let may_ask = match error.kind {
            DirectFaultKind::LoginNeeded | DirectFaultKind::CredentialsRefused => true,
            _ if error.is_outage() => false,
            _ => return None,
        };
        let mut left = if may_ask { MOST_PARENTS } else { 0 };
        let parents = std::iter::successors(parent_of(path), |path| parent_of(path));
        for parent in parents {
            if self.pages.known(parent, errand).is_none() {
                if left == 0 {
                    continue;
                }
                left -= 1;
            }
            if let Ok(place) = self.by_own_page(parent, errand).await {
                return Some(place);
            }
        }
        None
    }
}

fn parent_of(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(parent, _)| parent)
}

fn place(root: String, url: String, insecure: bool) -> RepositoryPlace {
    RepositoryPlace { root, url, subdirectory: String::new(), insecure, pinned: Vec::new() }
}

fn system_name(system: &str) -> &str {
    match system {
        "hg" => "Mercurial",
        "svn" => "Subversion",
        "bzr" => "Bazaar",
        "fossil" => "Fossil",
        other => other,
    }
}

/// Returns the hosts that the operator named without wildcard, wherever that was.
fn listed_hosts(settings: &DirectSettings) -> ListedHosts {
    let patterns = settings.private.iter().filter_map(|pattern| pattern.split('/').next());
    let plain = patterns.filter(|host| !host.contains(['*', '?', '[', '\\'])).map(str::to_owned);
    let mapped = settings.repositories.iter().flat_map(crate::settings::RepositoryRule::hosts);
    ListedHosts::new(settings.listed_hosts.iter().cloned().chain(plain).chain(mapped))
}

fn credentials(tokens: &[HostToken]) -> Credentials {
    tokens.iter().fold(Credentials::new(), |credentials, token| {
        let url = Url::parse(&format!("https://{}", token.host)).ok();
        let credential =
            Credential::Basic { user: Secret::new(token.user.clone()), password: token.secret.clone() };
        match url.as_ref().and_then(Origin::of_url) {
            Some(origin) => credentials.with_configured(origin, credential),
            None => credentials,
        }
    })
}
