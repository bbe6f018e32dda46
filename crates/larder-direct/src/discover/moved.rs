//! Where a repository has moved to.
//!
//! git is not allowed to follow redirects: it would follow them anywhere. So they are followed here, each hop judged as those of
//! pages are, and the place where they end is judged as if it had been found there.

use larder_upstream::{DirectFaultKind, PageRequest};
use tokio::time::Instant;
use url::Url;

use super::asked::refused;
use super::page::no_page;
use super::{Discovery, RepositoryPlace};
use crate::error::DirectError;

/// What a git client asks for first, by http.
const FIRST: &str = "/info/refs";
const QUERY: &str = "service=git-upload-pack";

impl Discovery {
    /// Follows the redirects of a repository's URL.
    ///
    /// # Errors
    ///
    /// Fails when they lead nowhere, or to where Larder must not go.
    pub async fn moved(
        &self,
        place: &RepositoryPlace,
        private: bool,
    ) -> Result<RepositoryPlace, DirectError> {
        let url = first_request(&place.url).ok_or_else(|| {
            refused(format!("{} has no URL that redirects could be followed from", place.root))
        })?;
        let landed =
            self.pages.landing(&url, private, place.insecure).await.map_err(|failure| no_page(&failure))?;
        let to = repository_of(&landed).ok_or_else(|| {
            let text = format!("{} is redirected to what is no git repository", place.root);
            DirectError::new(DirectFaultKind::Unreachable, text)
        })?;
        let place = RepositoryPlace { url: to, pinned: Vec::new(), ..place.clone() };
        self.judge.pass(place, self.git.as_ref()).await
    }
}

impl super::page::Pages {
    async fn landing(
        &self,
        url: &Url,
        private: bool,
        insecure: bool,
    ) -> Result<Url, larder_upstream::PageFailure> {
        let request = PageRequest {
            url,
            private,
            insecure,
            listed: &self.listed,
            tokens: &self.tokens,
            limit: 1,
            deadline: Instant::now() + self.patience,
        };
        Ok(self.upstreams.page(request).await?.landed)
    }
}

fn first_request(repository: &str) -> Option<Url> {
    let mut url = Url::parse(repository).ok().filter(|url| matches!(url.scheme(), "https" | "http"))?;
    // Whoever leads elsewhere isn't told who asks.
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    url.set_path(&format!("{}{FIRST}", url.path().trim_end_matches('/')));
    url.set_query(Some(QUERY));
    Some(url)
}

fn repository_of(landed: &Url) -> Option<String> {
    let mut url = landed.clone();
    let path = url.path().strip_suffix(FIRST)?.to_owned();
    url.set_path(&path);
    url.set_query(None);
    url.set_fragment(None);
    Some(url.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_become_requests_and_back() {
        let url = first_request("https://me:hush@git.corp.example/team/repo.git/").expect("a request");
        assert_eq!(url.as_str(), "https://git.corp.example/team/repo.git/info/refs?service=git-upload-pack");
        assert_eq!(repository_of(&url).as_deref(), Some("https://git.corp.example/team/repo.git"));
        let login = Url::parse("https://git.corp.example/login?next=/team/repo").expect("a URL");
        assert_eq!(repository_of(&login), None);
        assert_eq!(first_request("ssh://git@git.corp.example/team/repo"), None);
    }
}
