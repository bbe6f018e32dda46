//! Who of `GOPROXY` is asked: private patterns, then the entries in their order, and what lets the go command go on.

use larder_module::goproxy::{Entry, ProxyList, Separator};
use serde::Serialize;
use url::Url;

use super::{Decision, Role, Route, Work, host_of, pattern, repository};
use crate::settings::without_login;

/// One of those who are asked.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Station {
    /// The entry of `GOPROXY`, from 1; none for what a private pattern sends to its repository.
    pub entry: Option<usize>,
    /// Who it is.
    pub whom: Whom,
    /// Whether the next one is asked after this one said that there is no such thing.
    pub after_absence: bool,
    /// Whether the next one is asked after this one failed in any other way.
    pub after_failure: bool,
}

/// Who is asked.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Whom {
    /// A proxy or a tree of files, by its URL without a login.
    Proxy(String),
    /// The module's own repository.
    Direct,
    /// Nobody: look-ups fail here.
    Off,
}

pub(super) fn decide(work: &mut Work<'_>, path: &str) -> Route {
    let list = match ProxyList::parse(work.value("GOPROXY")) {
        Ok(list) => list,
        Err(fault) => {
            work.step(Decision::BadChain { fault: fault.to_string() }, &["GOPROXY"]);
            return Route::Refused;
        }
    };
    let private = pattern::first_match(work.value("GONOPROXY"), path);
    let stations = if let Some(pattern) = private {
        work.step(Decision::Private { pattern }, &["GONOPROXY"]);
        repository::decide(work, path, true);
        vec![Station { entry: None, whom: Whom::Direct, after_absence: false, after_failure: false }]
    } else {
        let near = pattern::patterns(work.value("GONOPROXY"), path);
        work.step(Decision::NotPrivate { near }, &["GONOPROXY"]);
        walk(work, path, &list)
    };
    Route::Asked { path: path.to_owned(), stations }
}

fn walk(work: &mut Work<'_>, path: &str, list: &ProxyList) -> Vec<Station> {
    let mut stations = Vec::new();
    for (index, one) in list.entries().iter().enumerate() {
        let (entry, last) = (index + 1, one.separator == Separator::End);
        let after_failure = one.separator == Separator::Pipe;
        let whom = match &one.entry {
            Entry::Url(url) => {
                proxy(work, url, entry, one.separator);
                Whom::Proxy(without_login(url))
            }
            Entry::Direct => {
                work.step(Decision::DirectEntry { entry }, &["GOPROXY"]);
                repository::decide(work, path, entry == 1);
                Whom::Direct
            }
            Entry::Off => {
                work.step(Decision::OffEntry { entry }, &["GOPROXY"]);
                Whom::Off
            }
        };
        stations.push(Station { entry: Some(entry), whom, after_absence: !last, after_failure });
    }
    stations
}

fn proxy(work: &mut Work<'_>, url: &str, entry: usize, separator: Separator) {
    let forward_proxy = forward_proxy(work, url);
    work.step(
        Decision::Proxy {
            entry,
            url: without_login(url),
            after_absence: separator != Separator::End,
            after_failure: separator == Separator::Pipe,
            last: separator == Separator::End,
            forward_proxy,
        },
        &["GOPROXY"],
    );
    work.login(url);
    if !url.starts_with("file:") {
        work.leak(host_of(url), Role::Proxy, entry == 1, true);
    }
}

/// Returns the forward proxy on the way to a URL, without its login.
pub(super) fn forward_proxy(work: &Work<'_>, url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let proxies = work.settings.network.forward_proxy();
    proxies.for_url(&url).map(|proxy| without_login(proxy.as_str()).trim_end_matches('/').to_owned())
}
