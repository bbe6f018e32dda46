//! Go's rules for the entries of `GOPROXY`: who is asked, in which order, and whose answer counts.
//!
//! They are pure, so that what the doctor marks as decisive can be tested against what the go command does.

use larder_module::goproxy::{Entry, ProxyList, Separator};
use larder_module::pattern::match_prefix_patterns;
use url::Url;

use super::{ChainProbe, Part, RequestProbe};
use crate::settings::SettingFacts;
use crate::symptom::{Endpoint, Trouble};

/// Whom to ask, and about whose names nobody.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The entries of `GOPROXY`; empty if the go command can't read the list.
    pub(super) entries: Vec<Hop>,
    no_proxy: String,
    no_sumdb: String,
    private: String,
    pub(super) insecure: String,
}

/// One entry.
#[derive(Clone, Debug)]
pub(super) struct Hop {
    /// Whom it asks.
    pub(super) whom: Whom,
    /// Whether the next one is asked after any failure.
    pub(super) pipe: bool,
}

/// Whom an entry asks.
#[derive(Clone, Debug)]
pub(super) enum Whom {
    /// A proxy over HTTP.
    Web(Url),
    /// A file tree.
    Files(std::path::PathBuf),
    /// The repository itself.
    Direct,
    /// Nobody.
    Off,
}

impl Plan {
    pub(super) fn of(settings: &SettingFacts) -> Self {
        let private = settings.value("GOPRIVATE").to_owned();
        let or_private = |name: &str| match settings.value(name) {
            "" => private.clone(),
            value => value.to_owned(),
        };
        let list = match settings.value("GOPROXY") {
            "" => larder_module::defaults::GOPROXY,
            value => value,
        };
        Self {
            entries: hops(list),
            no_proxy: or_private("GONOPROXY"),
            no_sumdb: or_private("GONOSUMDB"),
            insecure: settings.value("GOINSECURE").to_owned(),
            private,
        }
    }

    /// Reports whether the path goes to its repository whatever `GOPROXY` says.
    pub(super) fn bypasses_proxies(&self, path: &str) -> bool {
        match_prefix_patterns(&self.no_proxy, path)
    }

    /// Reports whether no checksum database may hear of the path.
    pub(super) fn bypasses_sumdb(&self, path: &str) -> bool {
        match_prefix_patterns(&self.no_sumdb, path)
    }

    /// Reports whether any setting calls the path private: then nobody is asked whom the go command would not ask.
    pub(super) fn is_private(&self, path: &str) -> bool {
        [&self.no_proxy, &self.no_sumdb, &self.private].iter().any(|globs| match_prefix_patterns(globs, path))
    }

    pub(super) fn probes(&self) -> Vec<ChainProbe> {
        let last = self.entries.len().saturating_sub(1);
        let separator = |at: usize, pipe: bool| match (at == last, pipe) {
            (true, _) => "",
            (false, true) => "|",
            (false, false) => ",",
        };
        self.entries
            .iter()
            .enumerate()
            .map(|(at, hop)| ChainProbe { name: hop.name(), separator: separator(at, hop.pipe).to_owned() })
            .collect()
    }
}

impl Hop {
    /// Returns its name without a login.
    pub(super) fn name(&self) -> String {
        match &self.whom {
            Whom::Web(url) => super::http::printable(url).trim_end_matches('/').to_owned(),
            Whom::Files(path) => format!("file://{}", path.display()),
            Whom::Direct => "direct".to_owned(),
            Whom::Off => "off".to_owned(),
        }
    }

    /// Reports whether the entry's host is known to be inside by its name alone.
    pub(super) fn is_inside(&self) -> bool {
        match &self.whom {
            Whom::Web(url) => match url.host() {
                Some(url::Host::Domain(name)) => !name.contains('.'),
                Some(url::Host::Ipv4(address)) => larder_upstream::not_public(address.into()).is_some(),
                Some(url::Host::Ipv6(address)) => larder_upstream::not_public(address.into()).is_some(),
                None => false,
            },
            Whom::Files(_) => true,
            Whom::Direct | Whom::Off => false,
        }
    }
}

fn hops(list: &str) -> Vec<Hop> {
    let Ok(list) = ProxyList::parse(list) else { return Vec::new() };
    let hop = |entry: &Entry| match entry {
        Entry::Direct => Some(Whom::Direct),
        Entry::Off => Some(Whom::Off),
        Entry::Url(text) => {
            let url = Url::parse(text).ok()?;
            match url.scheme() {
                "file" => url.to_file_path().ok().map(Whom::Files),
                _ => Some(Whom::Web(url)),
            }
        }
    };
    list.entries()
        .iter()
        .filter_map(|known| Some(Hop { whom: hop(&known.entry)?, pipe: known.separator == Separator::Pipe }))
        .collect()
}

/// How an entry answered one question, as far as the order of entries is concerned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    /// It has it.
    Has,
    /// It says that there is no such thing.
    Absent,
    /// Anything else.
    Failed,
    /// It was not asked.
    Unknown,
}

impl Outcome {
    /// Says how the go command takes an answer: what came with a 200 counts, but for JSON that it reads at once.
    pub(super) fn of(probe: &RequestProbe) -> Self {
        let reads_at_once = matches!(probe.endpoint, Endpoint::Info | Endpoint::Latest);
        match (&probe.trouble, probe.status) {
            (None, None) => Self::Unknown,
            (None, Some(_)) => Self::Has,
            (Some(Trouble::Status { code: 404 | 410 }), _) => Self::Absent,
            (Some(Trouble::FileTrouble { text, .. }), _) if text.contains("no such file") => Self::Absent,
            (Some(Trouble::BadAnswer { .. } | Trouble::BadZip { .. }), Some(200)) if !reads_at_once => {
                Self::Has
            }
            (Some(_), _) => Self::Failed,
        }
    }

    /// Reports whether the go command goes on to the next entry.
    pub(super) fn goes_on(self, pipe: bool) -> bool {
        match self {
            Self::Has => false,
            Self::Absent => true,
            Self::Failed => pipe,
            Self::Unknown => false,
        }
    }
}

/// Says what part each entry's answer to one question plays.
///
/// Where no entry has it, the go command's error is that of the last entry that said anything else than "absent", else the last.
pub(super) fn parts(answers: &[(Outcome, bool)]) -> Vec<Part> {
    let mut parts = vec![Part::NotReached; answers.len()];
    let mut speaks = None;
    for (at, (outcome, pipe)) in answers.iter().enumerate() {
        parts[at] = Part::Passes;
        let is_louder = match (speaks, *outcome) {
            (_, Outcome::Has | Outcome::Failed) | (None, _) => true,
            (Some(known), Outcome::Absent) => {
                let (known, _): (Outcome, bool) = answers[known];
                known != Outcome::Failed
            }
            (Some(_), Outcome::Unknown) => false,
        };
        if is_louder {
            speaks = Some(at);
        }
        if !outcome.goes_on(*pipe) {
            break;
        }
    }
    if let Some(at) = speaks {
        parts[at] = Part::Decides;
    }
    parts
}

/// Returns how many entries the go command would ask this question, the last of them included.
pub(super) fn reached(answers: &[(Outcome, bool)]) -> usize {
    answers.iter().position(|(outcome, pipe)| !outcome.goes_on(*pipe)).map_or(answers.len(), |last| last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::GoSetting;

    fn settings(values: &[(&str, &str)]) -> SettingFacts {
        SettingFacts {
            go: values
                .iter()
                .map(|(name, value)| GoSetting {
                    name: (*name).to_owned(),
                    value: (*value).to_owned(),
                    ..GoSetting::default()
                })
                .collect(),
            ..SettingFacts::default()
        }
    }

    #[test]
    fn the_answer_that_counts() {
        use Outcome::{Absent, Failed, Has};
        use Part::{Decides, NotReached, Passes};
        type Line = (&'static [(Outcome, bool)], &'static [Part]);
        let table: &[Line] = &[
            (&[(Has, false), (Has, false)], &[Decides, NotReached]),
            (&[(Absent, false), (Has, false)], &[Passes, Decides]),
            (&[(Failed, false), (Has, false)], &[Decides, NotReached]),
            (&[(Failed, true), (Has, false)], &[Passes, Decides]),
            (&[(Failed, true), (Absent, false)], &[Decides, Passes]),
            (&[(Absent, false), (Absent, false)], &[Passes, Decides]),
        ];
        for (answers, expected) in table {
            assert_eq!(parts(answers), *expected, "{answers:?}");
        }
    }

    #[test]
    fn private_names_are_known() {
        let plan = Plan::of(&settings(&[
            ("GOPROXY", "http://proxy|https://proxy.example.com/go/,direct"),
            ("GOPRIVATE", "git.corp.example"),
            ("GONOPROXY", "none"),
        ]));
        assert!(!plan.bypasses_proxies("git.corp.example/m"));
        assert!(plan.bypasses_sumdb("git.corp.example/m") && plan.is_private("git.corp.example/m/x"));
        assert!(!plan.is_private("example.com/m"));
        let names: Vec<_> = plan.probes().into_iter().map(|entry| (entry.name, entry.separator)).collect();
        let expected = [("http://proxy", "|"), ("https://proxy.example.com/go", ","), ("direct", "")];
        assert_eq!(names, expected.map(|(name, after)| (name.to_owned(), after.to_owned())));
        assert!(plan.entries[0].is_inside() && !plan.entries[1].is_inside());
    }
}
