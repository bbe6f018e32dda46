//! What tells whether a body is still the same.

use http::{HeaderMap, HeaderValue, header};

/// An entity tag and a modification time, as an upstream gave them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Validators {
    /// The `ETag`, quotes and weakness mark included.
    pub etag: Option<String>,
    /// `Last-Modified`.
    pub last_modified: Option<String>,
}

impl Validators {
    /// Reads the validators of an answer.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let text =
            |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).map(str::to_owned);
        Self { etag: text(header::ETAG), last_modified: text(header::LAST_MODIFIED) }
    }

    /// Reports whether there are none.
    pub fn is_empty(&self) -> bool {
        self.etag.is_none() && self.last_modified.is_none()
    }

    /// Adds the condition "only if it has changed".
    pub(crate) fn if_changed(&self, headers: &mut HeaderMap) {
        let condition = match (&self.etag, &self.last_modified) {
            (Some(etag), _) => (header::IF_NONE_MATCH, etag),
            (None, Some(time)) => (header::IF_MODIFIED_SINCE, time),
            (None, None) => return,
        };
        if let Ok(value) = HeaderValue::from_str(condition.1) {
            headers.insert(condition.0, value);
        }
    }

    /// Returns what may stand in `If-Range`: a strong entity tag, else a time.
    pub(crate) fn for_range(&self) -> Option<HeaderValue> {
        let strong = self.etag.as_deref().filter(|etag| !etag.starts_with("W/"));
        HeaderValue::from_str(strong.or(self.last_modified.as_deref())?).ok()
    }
}
