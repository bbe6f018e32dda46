//! Asking for go-import pages, and what the answers mean.

use std::sync::Arc;
use std::time::Duration;

use larder_upstream::{
    Credentials, DirectFaultKind, FetchCause, ListedHosts, Page, PageFailure, PageRequest, RedirectFault,
    Upstreams,
};
use tokio::time::Instant;
use url::{Host, Url};

use super::go_import::{GoImport, NoMatch, matching, read_page};
use super::memo::{Keep, Memo};
use crate::error::DirectError;

/// What is read of a page. Its tags stand at its start, and the largest real ones have some hundred KiB.
const PAGE_LIMIT: usize = 1 << 20;
/// Pages that are remembered.
const MOST_PAGES: usize = 8192;
/// Even with a long deadline for git, a page doesn't take longer.
const LONGEST: Duration = Duration::from_secs(60);

/// Who asks for a page, as far as that matters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Errand {
    /// The path is a private name.
    pub(super) private: bool,
    /// Plain http may be used.
    pub(super) insecure: bool,
}

/// All pages, asked and remembered.
#[derive(Debug)]
pub(super) struct Pages {
    pub(super) upstreams: Upstreams,
    pub(super) listed: ListedHosts,
    pub(super) tokens: Credentials,
    pub(super) patience: Duration,
    known: Memo<Arc<Told>>,
}

/// What a page says.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Told {
    /// Where it was asked for, for people.
    pub(super) url: String,
    tags: Vec<GoImport>,
    /// What to say when no tag is meant for a path.
    otherwise: DirectFaultKind,
}

impl Told {
    /// Finds the tag for a path.
    pub(super) fn tag_for(&self, path: &str) -> Result<&GoImport, DirectError> {
        matching(&self.tags, path).map_err(|reason| {
            let kind = match reason {
                NoMatch::Several => DirectFaultKind::Invalid,
                NoMatch::NoTag | NoMatch::Others(_) => self.otherwise,
            };
            DirectError::new(kind, format!("{}: {reason}{}", self.url, hint(kind)))
        })
    }
}

impl Pages {
    pub(super) fn new(
        upstreams: Upstreams,
        listed: ListedHosts,
        tokens: Credentials,
        patience: Duration,
        freshness: Duration,
    ) -> Self {
        let keep = Keep {
            good: freshness,
            absence: freshness.min(Duration::from_secs(30)),
            failure: freshness.min(Duration::from_secs(5)),
            through_outages: freshness.max(Duration::from_secs(86_400)),
        };
        let known = Memo::new(keep, MOST_PAGES);
        Self { upstreams, listed, tokens, patience: patience.min(LONGEST), known }
    }

    /// Returns what the page of a path says.
    pub(super) async fn of(&self, path: &str, errand: Errand) -> Result<Arc<Told>, DirectError> {
        self.known.get(&key(path, errand), || self.ask(path, errand)).await
    }

    /// Returns what the page of a path says, if that is known.
    pub(super) fn known(&self, path: &str, errand: Errand) -> Option<Arc<Told>> {
        self.known.known(&key(path, errand))
    }

    async fn ask(&self, path: &str, errand: Errand) -> Result<Arc<Told>, DirectError> {
        let url = page_url(path)?;
        let request = PageRequest {
            url: &url,
            private: errand.private,
            insecure: errand.insecure,
            listed: &self.listed,
            tokens: &self.tokens,
            limit: PAGE_LIMIT,
            deadline: Instant::now() + self.patience,
        };
        match self.upstreams.page(request).await {
            Ok(page) => judge(page, path, errand),
            Err(failure) => Err(no_page(&failure)),
        }
    }
}

/// Whether http was allowed is part of the question: an answer by http must not serve where only https may.
fn key(path: &str, errand: Errand) -> String {
    let class = match (errand.private, errand.insecure) {
        (false, false) => ' ',
        (false, true) => 'i',
        (true, false) => 'p',
        (true, true) => 'b',
    };
    format!("{class}{path}")
}

fn page_url(path: &str) -> Result<Url, DirectError> {
    let invalid = |reason: &str| DirectError::new(DirectFaultKind::Invalid, format!("{path}: {reason}"));
    let (host, rest) = path.split_once('/').unwrap_or((path, ""));
    if !host.contains('.') {
        return Err(invalid("a module path from version control begins with a host name"));
    }
    let url = Url::parse(&format!("https://{host}/{rest}?go-get=1"))
        .map_err(|_| invalid("its first element is no host name"))?;
    match url.host() {
        Some(Host::Ipv4(address)) if address.to_string() == host => Ok(url),
        Some(Host::Domain(name)) if name == host => Ok(url),
        // A number that could be read as an address (`127.1`), or a name that would be asked under another one.
        Some(_) | None => Err(invalid("its first element is no plain host name")),
    }
}

fn judge(page: Page, path: &str, errand: Errand) -> Result<Arc<Told>, DirectError> {
    let mut found = read_page(&page.body);
    found.keep_for(path);
    // A stranger may be shown a login page, or less than there is.
    let hidden = errand.private && !page.authenticated;
    if found.tags.is_empty() {
        if let Some(cause) = &page.refusal {
            let refused = refusal(&page, cause, hidden);
            return Err(match page.said {
                Some(said) => refused.said(said),
                None => refused,
            });
        }
        if let Some(cause) = &page.broken {
            return Err(DirectError::new(kind_of(cause), format!("{}: {cause}", page.url)));
        }
        if let Some(problem) = found.problem {
            let kind = if hidden { DirectFaultKind::LoginNeeded } else { DirectFaultKind::Absent };
            let text =
                format!("{}: it has no go-import tag that can be read ({problem}){}", page.url, hint(kind));
            return Err(DirectError::new(kind, text));
        }
    }
    let otherwise = if hidden { DirectFaultKind::LoginNeeded } else { DirectFaultKind::Absent };
    Ok(Arc::new(Told { url: page.url, tags: found.tags, otherwise }))
}

/// Turns an answer without tags that is no success into a failure.
fn refusal(page: &Page, cause: &FetchCause, hidden: bool) -> DirectError {
    let kind = match kind_of(cause) {
        DirectFaultKind::Absent if hidden => DirectFaultKind::LoginNeeded,
        DirectFaultKind::LoginNeeded if page.authenticated => DirectFaultKind::CredentialsRefused,
        kind => kind,
    };
    let elsewhere =
        page.redirected_to.as_ref().map_or_else(String::new, |place| format!(" (redirected to {place})"));
    DirectError::new(kind, format!("{}: {cause}{elsewhere}{}", page.url, hint(kind)))
}

pub(super) fn no_page(failure: &PageFailure) -> DirectError {
    let kind = kind_of(&failure.cause);
    let place = failure.redirected_to.as_ref();
    let elsewhere = place.map_or_else(String::new, |place| format!(" (redirected to {place})"));
    DirectError::new(kind, format!("{}: {}{elsewhere}", failure.url, failure.cause))
}

/// Returns what to add where a login could change the answer.
fn hint(kind: DirectFaultKind) -> &'static str {
    if kind == DirectFaultKind::LoginNeeded {
        "; there is no such thing, or it is hidden from those without login: give Larder credentials for that host, \
         or name the repository in a [[repository]]"
    } else {
        ""
    }
}

/// Sorts the causes by what they mean for the module. An outage never means absence.
pub(super) fn kind_of(cause: &FetchCause) -> DirectFaultKind {
    use DirectFaultKind as Kind;
    match cause {
        FetchCause::Absent { .. } => Kind::Absent,
        FetchCause::Denied { .. } => Kind::LoginNeeded,
        FetchCause::OwnCredentials { .. } => Kind::CredentialsRefused,
        FetchCause::Direct(fault) => fault.kind,
        // Most often to a login on another host.
        FetchCause::Redirect(RedirectFault::PrivateElsewhere) => Kind::LoginNeeded,
        FetchCause::Redirect(RedirectFault::Downgrade | RedirectFault::Scheme(_)) => Kind::Refused,
        FetchCause::Redirect(
            RedirectFault::TooMany(_) | RedirectFault::Circle | RedirectFault::NoLocation(_),
        )
        | FetchCause::Loop
        | FetchCause::TooLarge { .. }
        | FetchCause::BadContent(_)
        | FetchCause::Protocol { .. }
        | FetchCause::Changed
        | FetchCause::LookupsOff
        | FetchCause::Io { .. } => Kind::Broken,
        FetchCause::ConnectTimeout { .. }
        | FetchCause::FirstByteTimeout { .. }
        | FetchCause::Stalled { .. }
        | FetchCause::DeadlinePassed { .. } => Kind::TimedOut,
        FetchCause::Saturated => Kind::Saturated,
        FetchCause::RateLimited { .. }
        | FetchCause::Status { .. }
        | FetchCause::Dns { .. }
        | FetchCause::ConnectRefused
        | FetchCause::Unreachable { .. }
        | FetchCause::Tls { .. }
        | FetchCause::ForwardProxy { .. }
        | FetchCause::Reset { .. }
        | FetchCause::ClosedBeforeAnswer
        | FetchCause::Truncated { .. }
        | FetchCause::BreakerOpen { .. } => Kind::Unreachable,
    }
}
