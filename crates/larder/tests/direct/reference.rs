//! The reference: the go command with `GOPROXY=direct`.
//!
//! What it answers may depend on what it has fetched before: a commit that it holds already is found without the reference that
//! leads to it, and with more history a pseudo-version may get another base. A user's first question meets an empty cache, and so does
//! each question here: they are dealt into rounds, one question about a repository in each, each round with a cache of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use larder_module::dirhash;
use larder_testkit::GoCommand;
use serde_json::Value;

use crate::questions::{Answer, Answers, Asks, Question, info_fields};

/// Runs of the go command at a time.
const AT_A_TIME: usize = 3;
/// Questions for one run of the go command, which asks some of them one after the other.
const QUESTIONS_A_RUN: usize = 40;

/// A go command and a project to run it in.
pub(crate) struct Reference {
    go: GoCommand,
    project: PathBuf,
}

/// One run: what it asks, all of one sort.
struct Job {
    questions: Vec<Question>,
}

impl Reference {
    /// The go command by itself: it fetches from repositories.
    pub(crate) fn direct(go: GoCommand, environment: &[(String, String)]) -> Self {
        let go = environment.iter().fold(go, |go, (name, value)| go.env(name, value));
        Self::new(go.proxy("direct").env("GOSUMDB", "off"))
    }

    /// The go command as a client of a proxy, with the line that private modules need there and nothing else.
    pub(crate) fn through(go: GoCommand, proxy: &str, hosts: &[&str]) -> Self {
        Self::new(go.proxy(proxy).env("GONOSUMDB", hosts.join(",")))
    }

    fn new(go: GoCommand) -> Self {
        let go = go.env("GOFLAGS", "-mod=mod -modcacherw");
        let project = go.project("asks", &[("go.mod", "module example.com/asks\n\ngo 1.21\n")]);
        Self { go, project }
    }

    /// Answers everything, each question with nothing fetched before.
    pub(crate) fn answer(&self, questions: &[Question]) -> Answers {
        self.answer_in(jobs(questions, true))
    }

    /// Answers questions whose answers don't depend on what was fetched before: about lists and tagged versions, or to a proxy.
    pub(crate) fn answer_quickly(&self, questions: &[Question]) -> Answers {
        self.answer_in(jobs(questions, false))
    }

    fn answer_in(&self, jobs: Vec<Job>) -> Answers {
        let jobs = Mutex::new(jobs);
        let answers = Mutex::new(BTreeMap::new());
        std::thread::scope(|scope| {
            for _ in 0..AT_A_TIME {
                scope.spawn(|| {
                    loop {
                        let Some(job) = jobs.lock().expect("nobody panics holding it").pop() else { return };
                        let found = self.run(&job);
                        answers.lock().expect("nobody panics holding it").extend(found);
                    }
                });
            }
        });
        answers.into_inner().expect("nobody panics holding it")
    }

    fn run(&self, job: &Job) -> Vec<(String, Answer)> {
        let go = self.go.clone().fresh_module_cache();
        let first = &job.questions[0].asks;
        let words: &[&str] = match first {
            Asks::List => &["list", "-m", "-e", "-retracted", "-versions", "-json"],
            Asks::Latest | Asks::Query(_) => &["list", "-m", "-e", "-json"],
            Asks::Version(_) => &["mod", "download", "-json"],
        };
        let named: Vec<String> = job.questions.iter().map(argument).collect();
        let arguments: Vec<&str> = words.iter().copied().chain(named.iter().map(String::as_str)).collect();
        let output = go.run(&self.project, &arguments);
        let found: Result<Vec<Value>, _> =
            serde_json::Deserializer::from_str(&output.stdout).into_iter().collect();
        let found = found.unwrap_or_else(|error| panic!("{error}: {output}"));
        if found.is_empty() {
            return self.apart(job, &output.stderr);
        }
        assert_eq!(found.len(), job.questions.len(), "each question has an answer: {output}");
        let answers = job.questions.iter().map(|question| {
            let found = match &question.asks {
                Asks::Version(version) => found
                    .iter()
                    .find(|found| found["Path"] == *question.module && found["Version"] == *version),
                _ => found
                    .iter()
                    .zip(&named)
                    .find(|(_, name)| **name == argument(question))
                    .map(|(found, _)| found),
            };
            let found = found.unwrap_or_else(|| panic!("{question} is not in {output}"));
            assert_eq!(found["Path"], *question.module, "{output}");
            (question.to_string(), answer(&question.asks, found))
        });
        let answers = answers.collect();
        let _ = fs_err::remove_dir_all(go.module_cache());
        answers
    }
}

impl Reference {
    /// Some words make the go command refuse a whole command line: finds them.
    fn apart(&self, job: &Job, stderr: &str) -> Vec<(String, Answer)> {
        let [question] = job.questions.as_slice() else {
            let (one, other) = job.questions.split_at(job.questions.len() / 2);
            let halves = [one, other].map(|half| Job { questions: half.to_vec() });
            return halves.iter().flat_map(|half| self.run(half)).collect();
        };
        vec![(question.to_string(), Answer::Refused(stderr.trim().to_owned()))]
    }
}

fn argument(question: &Question) -> String {
    match &question.asks {
        Asks::List => question.module.clone(),
        Asks::Latest => format!("{}@latest", question.module),
        Asks::Query(what) | Asks::Version(what) => format!("{}@{what}", question.module),
    }
}

fn answer(asks: &Asks, found: &Value) -> Answer {
    let error =
        found.get("Error").map(|error| error.get("Err").unwrap_or(error).as_str().unwrap_or_default());
    match (asks, error) {
        (Asks::Version(_), _) => files(found, error),
        (_, Some(error)) => Answer::Refused(error.to_owned()),
        (Asks::List, None) => {
            let versions = found["Versions"].as_array().cloned().unwrap_or_default();
            Answer::List(versions.iter().filter_map(|version| version.as_str().map(str::to_owned)).collect())
        }
        (_, None) => Answer::Info(info_fields(found)),
    }
}

fn files(found: &Value, error: Option<&str>) -> Answer {
    let read =
        |name: &str| found[name].as_str().map(|file| fs_err::read(file).expect("go named its own file"));
    let Some(info) = read("Info") else { return Answer::Refused(error.unwrap_or("no .info").to_owned()) };
    let info: Value = serde_json::from_slice(&info).expect("go writes JSON");
    let go_mod = read("GoMod").map(|content| dirhash::hash_mod(&content).to_string());
    let zip = found["Sum"].as_str().filter(|_| error.is_none()).map(str::to_owned);
    Answer::Files { info: info_fields(&info), go_mod, zip }
}

/// Deals the questions into runs.
fn jobs(questions: &[Question], fresh: bool) -> Vec<Job> {
    let mut jobs: Vec<Job> = Vec::new();
    let sorts: [fn(&Asks) -> bool; 3] = [
        |asks| matches!(asks, Asks::Version(_)),
        |asks| matches!(asks, Asks::Latest | Asks::Query(_)),
        |asks| matches!(asks, Asks::List),
    ];
    for sort in sorts {
        let (odd, mut left): (Vec<&Question>, Vec<&Question>) =
            questions.iter().filter(|question| sort(&question.asks)).partition(|question| is_odd(question));
        jobs.extend(odd.iter().map(|question| job(&[*question])));
        while !left.is_empty() {
            let mut seen = BTreeSet::new();
            let (round, rest): (Vec<&Question>, Vec<&Question>) =
                left.into_iter().partition(|question| !fresh || seen.insert(&question.repository));
            jobs.extend(round.chunks(QUESTIONS_A_RUN).map(job));
            left = rest;
        }
    }
    jobs
}

fn job(questions: &[&Question]) -> Job {
    Job { questions: questions.iter().map(|question| (*question).clone()).collect() }
}

/// Reports whether the go command takes it for a mistake on its command line.
fn is_odd(question: &Question) -> bool {
    matches!(&question.asks, Asks::Query(text) if text.starts_with('-'))
}

/// Finds the go command, with a build cache of its own.
pub(crate) fn go() -> Option<GoCommand> {
    GoCommand::find().map(|go| go.build_cache(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("go-build")))
}
