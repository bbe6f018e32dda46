//! Larder, asked the same questions: over HTTP, and by the go command as its client.

use std::collections::BTreeMap;
use std::sync::Mutex;

use larder_module::dirhash;
use larder_testkit::client::Response;
use larder_testkit::module::escape;
use larder_testkit::{Larder, LarderProcess};

use crate::questions::{Answer, Answers, Asks, Question, info_fields};

/// Questions at a time.
const AT_A_TIME: usize = 6;

/// A Larder whose chain is `direct`.
pub(crate) struct Subject {
    process: LarderProcess,
    /// Keeps the folders.
    _larder: Larder,
}

impl Subject {
    /// Starts it: all hosts are private, the forge's authority is trusted.
    pub(crate) fn start(hosts: &[&str], authority: &str, environment: &[(String, String)]) -> Self {
        let larder = Larder::new(env!("CARGO_BIN_EXE_larder"))
            .upstream("direct")
            .env("GOPRIVATE", hosts.join(","))
            .config(&format!("[upstream]\nca = [\"{authority}\"]\n"));
        let larder = environment.iter().fold(larder, |larder, (name, value)| larder.env(name, value));
        Self { process: larder.start(), _larder: larder }
    }

    /// Answers everything over HTTP.
    pub(crate) fn answer(&self, questions: &[Question]) -> Answers {
        let left = Mutex::new(questions.iter());
        let answers = Mutex::new(BTreeMap::new());
        std::thread::scope(|scope| {
            for _ in 0..AT_A_TIME {
                scope.spawn(|| {
                    loop {
                        let Some(question) = left.lock().expect("nobody panics holding it").next() else {
                            return;
                        };
                        let answer = self.ask(question);
                        answers
                            .lock()
                            .expect("nobody panics holding it")
                            .insert(question.to_string(), answer);
                    }
                });
            }
        });
        answers.into_inner().expect("nobody panics holding it")
    }

    /// Answers one question over HTTP.
    pub(crate) fn ask(&self, question: &Question) -> Answer {
        let module = escape(&question.module);
        match &question.asks {
            Asks::List => match self.get(&format!("/{module}/@v/list")) {
                Ok(response) => Answer::List(response.text().lines().map(str::to_owned).collect()),
                Err(other) => other,
            },
            Asks::Latest => self.info(&format!("/{module}/@latest")),
            Asks::Query(query) => self.info(&format!("/{module}/@v/{}.info", escape(query))),
            Asks::Version(version) => self.files(&format!("/{module}/@v/{}", escape(version))),
        }
    }

    fn info(&self, path: &str) -> Answer {
        match self.get(path) {
            Ok(response) => match serde_json::from_slice(&response.body) {
                Ok(found) => Answer::Info(info_fields(&found)),
                Err(error) => panic!("{path}: {error}: {}", response.text()),
            },
            Err(other) => other,
        }
    }

    fn files(&self, stem: &str) -> Answer {
        let info = self.info(&format!("{stem}.info"));
        let go_mod = self.get(&format!("{stem}.mod")).map(|found| dirhash::hash_mod(&found.body).to_string());
        let zip = self.get(&format!("{stem}.zip")).map(|found| {
            let length = found.body.len() as u64;
            let hash = dirhash::hash_zip(found.body.as_slice(), length);
            hash.unwrap_or_else(|error| panic!("{stem}.zip: {error}")).to_string()
        });
        match info {
            Answer::Info(info) if info.get("status").is_none() => {
                Answer::Files { info, go_mod: served(go_mod), zip: served(zip) }
            }
            // What isn't a version has no other files either.
            other if go_mod.is_ok() || zip.is_ok() => {
                Answer::Info(serde_json::json!({ "info": other, "mod": served(go_mod), "zip": served(zip) }))
            }
            other => other,
        }
    }

    /// Asks for a path. 403 and 404 are refusals; every other status is an answer that the go command never gives.
    fn get(&self, path: &str) -> Result<Response, Answer> {
        let response = self.process.get(path);
        match response.status {
            200 => Ok(response),
            403 | 404 => Err(Answer::Refused(format!("{}: {}", response.status, response.text().trim()))),
            status => {
                Err(Answer::Info(serde_json::json!({ "status": status, "text": response.text().trim() })))
            }
        }
    }

    /// Returns its URL.
    pub(crate) fn url(&self) -> &str {
        self.process.url()
    }

    /// Returns what it logged.
    pub(crate) fn log(&self) -> String {
        self.process.log().join("\n")
    }
}

/// Keeps a hash, or the status of what is no refusal.
fn served(hash: Result<String, Answer>) -> Option<String> {
    match hash {
        Ok(hash) => Some(hash),
        Err(Answer::Info(broken)) => Some(broken.to_string()),
        Err(_) => None,
    }
}
