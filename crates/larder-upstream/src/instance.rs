//! Finding out that a request has come back to where it started.
//!
//! Two proxies that name each other as upstream would wait for each other until both time out. Every
//! request that Larder sends carries a `Via` entry (RFC 9110 section 7.6.3) with a random name of this
//! process; whoever passes the header on, another Larder included, brings it back to us, and the server
//! answers such a request at once with [`Instance::loop_text`] and status 508.
//!
//! Many proxies don't pass the header on. A silent upstream is therefore asked for a module that only this process
//! can know of; if that request arrives here ([`Instance::recognizes`]), the upstream leads back to us.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{HeaderMap, HeaderValue, header};

/// The name of this process among proxies. Clones are the same instance.
#[derive(Clone)]
pub struct Instance {
    name: Arc<str>,
    /// The numbers of the probes that have come back.
    returned: Arc<Mutex<BTreeSet<u64>>>,
}

/// The host part of the modules that probes ask for; the top-level domain is reserved for names that don't exist.
const PROBE_HOST: &str = "loop-check.invalid";
/// More probes than this are not remembered: whoever knows our name could make them up.
const MOST_PROBES: usize = 1024;

impl Instance {
    /// The status that answers a request which has come back.
    pub const LOOP_STATUS: u16 = 508;

    /// Makes up a new name.
    pub fn random() -> Self {
        Self::named(&format!("{:016x}{:016x}", crate::random::number(), crate::random::number()))
    }

    /// Returns the instance of that id; ids are letters, digits and dashes.
    pub fn named(id: &str) -> Self {
        let id: String = id.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        Self { name: format!("larder-{id}").into(), returned: Arc::default() }
    }

    /// Returns the name as it stands in `Via`.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// Reports whether a module path is that of a probe which this process has sent, and takes note of its return.
    ///
    /// The server asks this of every module path before it looks anything up.
    pub fn recognizes(&self, module: &str) -> bool {
        let number = module
            .strip_prefix(PROBE_HOST)
            .and_then(|rest| rest.strip_prefix('/')?.strip_prefix(self.as_str())?.strip_prefix('/'))
            .and_then(|number| number.parse().ok());
        let Some(number) = number else { return false };
        let mut returned = self.returned();
        if returned.len() < MOST_PROBES {
            returned.insert(number);
        }
        true
    }

    /// Returns the path of a probe's request.
    pub(crate) fn probe_path(&self, number: u64) -> String {
        format!("/{PROBE_HOST}/{}/{number}/@v/list", self.as_str())
    }

    /// Reports whether a probe has come back, and forgets it.
    pub(crate) fn has_returned(&self, number: u64) -> bool {
        self.returned().remove(&number)
    }

    fn returned(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.returned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports whether a request with these headers has already passed through this process.
    pub fn has_seen(&self, headers: &HeaderMap) -> bool {
        headers
            .get_all(header::VIA)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|entry| entry.split_whitespace().nth(1) == Some(self.as_str()))
    }

    /// Returns what to tell a client whose request has come back.
    pub fn loop_text(&self) -> String {
        "this request has come back to the Larder that sent it: its chain of upstreams leads to itself\n\
         take Larder's own address out of the upstreams, here and in the proxy that passed the request on"
            .to_owned()
    }
}

impl fmt::Debug for Instance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)
    }
}

impl PartialEq for Instance {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Instance {}

/// The proxies that a client's request has come through, to be passed on with the requests it causes.
///
/// Without it a loop over two Larders would stay hidden: the second one would only tell its own name.
#[derive(Clone, Debug, Default)]
pub struct Trail(Option<HeaderValue>);

impl Trail {
    /// A trail longer than this is cut: it is foreign text that is sent on.
    const LONGEST: usize = 1024;

    /// Reads the trail from a client's request.
    pub fn of(headers: &HeaderMap) -> Self {
        let text = headers
            .get_all(header::VIA)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect::<Vec<_>>()
            .join(", ");
        if text.is_empty() || text.len() > Self::LONGEST {
            return Self(None);
        }
        Self(HeaderValue::from_str(&text).ok())
    }

    /// Reports whether it came through another Larder, which fetches ahead by itself.
    pub fn names_larder(&self) -> bool {
        let text = self.0.as_ref().and_then(|value| value.to_str().ok()).unwrap_or_default();
        text.split(',')
            .any(|entry| entry.split_whitespace().nth(1).is_some_and(|name| name.starts_with("larder-")))
    }

    /// Returns the `Via` value of a request that `instance` sends because of this trail.
    pub(crate) fn via(&self, instance: &Instance) -> HeaderValue {
        let own = format!("1.1 {}", instance.as_str());
        let whole = match self.0.as_ref().and_then(|value| value.to_str().ok()) {
            Some(before) => format!("{before}, {own}"),
            None => own,
        };
        HeaderValue::from_str(&whole).unwrap_or_else(|_| HeaderValue::from_static("1.1 larder"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_over_other_proxies_is_seen() {
        let (first, second) = (Instance::random(), Instance::random());
        assert_ne!(first, second);
        let mut headers = HeaderMap::new();
        assert!(!first.has_seen(&headers));
        headers.append(header::VIA, HeaderValue::from_static("1.0 fred, 1.1 nginx (a comment)"));
        let via = Trail::of(&headers).via(&first);
        headers.insert(header::VIA, via);
        assert!(first.has_seen(&headers) && !second.has_seen(&headers));
        let via = Trail::of(&headers).via(&second);
        headers.insert(header::VIA, via);
        assert!(first.has_seen(&headers) && second.has_seen(&headers));
    }

    #[test]
    fn probes_are_recognized() {
        let own = Instance::random();
        let path = own.probe_path(7);
        let module = path.strip_prefix('/').unwrap().strip_suffix("/@v/list").unwrap();
        assert!(module.parse::<larder_module::ModulePath>().is_ok(), "{module}");
        for other in
            ["example.com/a", PROBE_HOST, "loop-check.invalid/larder-other/7", "loop-check.invalid/x", ""]
        {
            assert!(!own.recognizes(other), "{other}");
        }
        assert!(own.recognizes(module));
        assert!(own.clone().has_returned(7) && !own.has_returned(7) && !own.has_returned(8));
    }

    #[test]
    fn a_long_trail_is_not_passed_on() {
        let mut headers = HeaderMap::new();
        headers.append(header::VIA, HeaderValue::from_str(&"1.1 x, ".repeat(1000)).unwrap());
        assert_eq!(Trail::of(&headers).via(&Instance::named("a")), "1.1 larder-a");
    }
}
