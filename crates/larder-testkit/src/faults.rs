//! What can go wrong with an upstream, as data.
//!
//! A fault replaces or spoils the right answer to a request. Most are played on the bare connection, because an
//! HTTP library would refuse to be this wrong.

use std::time::Duration;

/// The kinds of requests that faults can be aimed at.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Endpoint {
    /// `@v/list`
    List,
    /// `@latest`
    Latest,
    /// `@v/<canonical version>.info`
    Info,
    /// `@v/<version>.mod`
    Mod,
    /// `@v/<version>.zip`
    Zip,
    /// `@v/<branch, prefix or commit>.info`
    Query,
    /// Everything below `/sumdb/`.
    Checksum,
    /// Anything else.
    Other,
}

impl Endpoint {
    /// The five kinds that every fault table goes through.
    pub const FIVE: [Self; 5] = [Self::List, Self::Latest, Self::Info, Self::Mod, Self::Zip];

    /// Returns the kind of a request path.
    pub fn of(path: &str) -> Self {
        if path.starts_with("/sumdb/") {
            return Self::Checksum;
        }
        if path.ends_with("/@v/list") {
            return Self::List;
        }
        if path.ends_with("/@latest") {
            return Self::Latest;
        }
        let Some((_, file)) = path.split_once("/@v/") else {
            return Self::Other;
        };
        match file.rsplit_once('.') {
            Some((version, "info")) if looks_canonical(version) => Self::Info,
            Some((_, "info")) => Self::Query,
            Some((_, "mod")) => Self::Mod,
            Some((_, "zip")) => Self::Zip,
            _ => Self::Other,
        }
    }
}

fn looks_canonical(version: &str) -> bool {
    version.starts_with('v')
        && version.split(['-', '+']).next().is_some_and(|core| core.matches('.').count() == 2)
}

/// One way for an upstream to fail.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// An error status with a short plain text.
    Status(u16),
    /// A status with a `Retry-After` of so many seconds.
    RetryAfter(u16, u64),
    /// A status with a body of one's own.
    StatusWithBody(u16, String),
    /// Nothing listens on the port. It can't be aimed at one endpoint: see [`crate::RunningUpstream::cut`].
    Refused,
    /// The connection is reset before any byte of an answer.
    Reset,
    /// The connection is closed before any byte of an answer.
    Closed,
    /// The connection is closed in the middle of the head.
    ClosedInHead,
    /// The body ends early although a length was promised.
    TruncatedLength,
    /// The body ends early, without the last chunk.
    TruncatedChunked,
    /// The connection is reset in the middle of the body.
    ResetInBody,
    /// Nothing is ever answered.
    StallBeforeHead,
    /// The head comes, the body doesn't.
    StallBeforeBody,
    /// The body stops in the middle.
    StallInBody,
    /// A login page with status 200.
    HtmlOk,
    /// A page of HTML with the content type that was expected.
    HtmlDisguised,
    /// Bytes that only begin like a zip; for other endpoints, noise.
    BrokenZip,
    /// A good zip of another module; for other endpoints, the other module's file.
    OtherModule,
    /// The right file with one byte changed.
    FlippedByte,
    /// A redirect to itself.
    RedirectLoop,
    /// Redirects that never repeat and never end.
    RedirectForever,
    /// A redirect to a place of one's own.
    RedirectTo(String),
    /// The right answer, so many bytes at a time with a pause between.
    Drip(usize, Duration),
    /// An `.info` that names another version.
    WrongVersion,
    /// Status 200 with nothing.
    EmptyBody,
    /// More bytes than the promised length.
    OverlongBody,
    /// A body that never ends, status 200.
    EndlessBody,
    /// A body that never ends, with this status.
    EndlessError(u16),
    /// Promises a length beyond every limit, then sends without end.
    HugeLength,
    /// 204 with no content.
    NoContent,
    /// 206 with the first half, unasked.
    PartialContent,
    /// 304, unasked.
    NotModified,
    /// Not HTTP at all.
    Garbage,
    /// A head that never ends.
    EndlessHead,
    /// `Content-Encoding: gzip`, unasked, expanding a thousandfold.
    GzipBomb,
    /// The right answer with an error status.
    RightBodyWrongStatus(u16),
}

impl Fault {
    /// Reports whether this fault says "there is no such thing", truthfully or not.
    pub fn is_absence(&self) -> bool {
        matches!(
            self,
            Self::Status(404 | 410)
                | Self::StatusWithBody(404 | 410, _)
                | Self::RightBodyWrongStatus(404 | 410)
                | Self::EndlessError(404 | 410)
        )
    }

    /// Reports whether the right bytes arrive in the end.
    pub fn is_only_slow(&self) -> bool {
        matches!(self, Self::Drip(..))
    }

    /// The table that the suites go through, each with a name to print.
    pub fn table() -> Vec<(&'static str, Self)> {
        vec![
            ("status 400", Self::Status(400)),
            ("status 401", Self::Status(401)),
            ("status 403", Self::Status(403)),
            ("status 404", Self::Status(404)),
            ("status 410", Self::Status(410)),
            ("status 429", Self::Status(429)),
            ("status 500", Self::Status(500)),
            ("status 503", Self::RetryAfter(503, 1)),
            ("refused", Self::Refused),
            ("reset", Self::Reset),
            ("closed", Self::Closed),
            ("closed in the head", Self::ClosedInHead),
            ("truncated, length", Self::TruncatedLength),
            ("truncated, chunked", Self::TruncatedChunked),
            ("reset in the body", Self::ResetInBody),
            ("stalled before the head", Self::StallBeforeHead),
            ("stalled before the body", Self::StallBeforeBody),
            ("stalled in the body", Self::StallInBody),
            ("HTML 200", Self::HtmlOk),
            ("HTML in disguise", Self::HtmlDisguised),
            ("broken zip", Self::BrokenZip),
            ("another module's file", Self::OtherModule),
            ("flipped byte", Self::FlippedByte),
            ("redirect loop", Self::RedirectLoop),
            ("redirects without end", Self::RedirectForever),
            ("drip", Self::Drip(64, Duration::from_millis(2))),
            ("wrong version", Self::WrongVersion),
            ("empty body", Self::EmptyBody),
            ("over-long body", Self::OverlongBody),
            ("endless body", Self::EndlessBody),
            ("endless 404", Self::EndlessError(404)),
            ("endless 500", Self::EndlessError(500)),
            ("huge length", Self::HugeLength),
            ("status 204", Self::NoContent),
            ("status 206", Self::PartialContent),
            ("status 304", Self::NotModified),
            ("not HTTP", Self::Garbage),
            ("endless head", Self::EndlessHead),
            ("gzip bomb", Self::GzipBomb),
        ]
    }
}

/// Where and how often a fault strikes.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) path: Option<String>,
    pub(crate) left: Option<usize>,
    pub(crate) fault: Fault,
}

impl Rule {
    /// Returns the fault when the rule strikes, counting it.
    pub(crate) fn strike(&mut self, path: &str) -> Option<Fault> {
        // Where `RedirectForever` has led so far.
        let path = path.trim_end_matches("/more");
        let aimed = self.endpoint.is_none_or(|endpoint| endpoint == Endpoint::of(path))
            && self.path.as_deref().is_none_or(|wanted| wanted == path);
        if !aimed || self.left == Some(0) {
            return None;
        }
        if let Some(left) = &mut self.left {
            *left -= 1;
        }
        Some(self.fault.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::Endpoint;

    #[test]
    fn request_paths_have_a_kind() {
        for (path, kind) in [
            ("/example.com/a/@v/list", Endpoint::List),
            ("/example.com/a/@latest", Endpoint::Latest),
            ("/example.com/a/@v/v1.0.0.info", Endpoint::Info),
            ("/example.com/a/@v/v2.0.0+incompatible.info", Endpoint::Info),
            ("/example.com/a/@v/v0.0.0-20240101000000-0123456789ab.info", Endpoint::Info),
            ("/example.com/a/@v/main.info", Endpoint::Query),
            ("/example.com/a/@v/v1.2.info", Endpoint::Query),
            ("/example.com/a/@v/v1.0.0.mod", Endpoint::Mod),
            ("/example.com/a/@v/v1.0.0.zip", Endpoint::Zip),
            ("/sumdb/sum.example.com/latest", Endpoint::Checksum),
            ("/", Endpoint::Other),
        ] {
            assert_eq!(Endpoint::of(path), kind, "{path}");
        }
    }
}
