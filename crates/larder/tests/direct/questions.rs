//! What can be asked about a module, and what an answer is.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A question about a module.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Asks {
    /// `@v/list`.
    List,
    /// `@latest`.
    Latest,
    /// The `.info` of something that isn't a canonical version.
    Query(String),
    /// The three files of a canonical version.
    Version(String),
}

/// A question with its module and the repository that it is about.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Question {
    /// The repository, so that the reference can ask about each in a fresh state.
    pub(crate) repository: String,
    /// The module path.
    pub(crate) module: String,
    /// What is asked.
    pub(crate) asks: Asks,
}

impl fmt::Display for Question {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.asks {
            Asks::List => write!(formatter, "{} list", self.module),
            Asks::Latest => write!(formatter, "{}@latest", self.module),
            Asks::Query(query) => write!(formatter, "{}@{query} (query)", self.module),
            Asks::Version(version) => write!(formatter, "{}@{version}", self.module),
        }
    }
}

/// An answer, or that there is none.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) enum Answer {
    /// The versions of a list, in its order.
    List(Vec<String>),
    /// `Version`, `Time` and `Origin`.
    Info(Value),
    /// The files of a version; the later ones are missing where an error came first.
    Files {
        /// `Version`, `Time` and `Origin` of the `.info`.
        info: Value,
        /// The hash of the `.mod`.
        go_mod: Option<String>,
        /// The hash of the zip's content.
        zip: Option<String>,
    },
    /// Nothing; the text is for people.
    Refused(String),
}

impl Answer {
    /// Reports whether another answer means the same as that of the go command: refusals may be worded differently.
    pub(crate) fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Refused(_), Self::Refused(_)) => true,
            // The version is refused at its zip. Who refuses it at its .mod already, which is larger than a .mod may be, says the same.
            (
                Self::Files { info: one, zip: None, .. },
                Self::Files { info: other, go_mod: None, zip: None },
            ) => one == other,
            (one, other) => one == other,
        }
    }
}

impl Answer {
    /// Reports whether two answers name the same version, as a client of a proxy sees them: it works out `@latest` and `v1` by itself, from
    /// the list, and doesn't keep where the answer comes from.
    pub(crate) fn names_the_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Info(one), Self::Info(other)) => {
                one["Version"] == other["Version"] && one["Time"] == other["Time"]
            }
            (one, other) => one.equals(other),
        }
    }
}

/// All answers of one side.
pub(crate) type Answers = BTreeMap<String, Answer>;

/// Keeps of an `.info` what the suite compares.
pub(crate) fn info_fields(all: &Value) -> Value {
    let kept = ["Version", "Time", "Origin"];
    let members = kept.iter().filter_map(|name| Some(((*name).to_owned(), all.get(name)?.clone())));
    Value::Object(members.collect())
}
