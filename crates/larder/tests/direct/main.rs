//! Modules straight from git: Larder's answers against those of the real go command, over the same repositories.
//!
//! Everything runs in a network namespace in which the hosts of `world` lead to a forge on loopback.

mod questions;
mod record;
mod reference;
mod subject;
mod world;

use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

use larder_testkit::{GitServer, GoCommand, SshServer, namespace, settings};

use crate::questions::{Answer, Answers, Question};
use crate::reference::Reference;
use crate::subject::Subject;
use crate::world::{HOSTS, World};

/// What a client of any proxy works out otherwise than in direct mode: from the list, in which `v2.0.0+incompatible` is missing because
/// `v1.5.0` has a go.mod. In direct mode it looks at the tags that begin with `v2.` and sees no `v1.5.0`.
const OTHERWISE_AS_A_CLIENT: &str = "git.corp.example/team/incompatible-modules@v2 (query)";

/// What git and the go command need to trust the forge.
fn trust(server: &GitServer) -> Vec<(String, String)> {
    let file = server.authority_file().to_string_lossy().into_owned();
    ["SSL_CERT_FILE", "GIT_SSL_CAINFO"].map(|name| (name.to_owned(), file.clone())).into()
}

#[test]
fn answers_over_https_are_the_go_commands() {
    let test = "answers_over_https_are_the_go_commands";
    if !namespace::inside(test, HOSTS) {
        return;
    }
    let server = GitServer::start_named(HOSTS);
    let started = Instant::now();
    let world = World::whole(&server);
    settings::say(&format!("{} repositories built in {:.1?}", world.repositories(), started.elapsed()));
    let stage = Stage::new(test, &server, &[]);
    let expected = stage.recorded("https", &world);
    stage.compare(&world, &expected);
}

#[test]
fn answers_over_ssh_are_the_go_commands() {
    let test = "answers_over_ssh_are_the_go_commands";
    if !namespace::inside(test, HOSTS) {
        return;
    }
    let server = GitServer::start_named(HOSTS);
    let ssh = match SshServer::start(server.root(), &["git.corp.example"]) {
        Ok(ssh) => ssh,
        Err(why) => return settings::skipped(test, &why),
    };
    let world = World::over_ssh(&server);
    let stage = Stage::new(test, &server, &[("GIT_SSH_COMMAND".to_owned(), ssh.command())]);
    let expected = stage.recorded("ssh", &world);
    stage.compare(&world, &expected);
}

/// `LARDER_MIRRORS` names a folder of repositories: every tag of each of them.
#[test]
fn answers_about_local_mirrors_are_the_go_commands() {
    let test = "answers_about_local_mirrors_are_the_go_commands";
    let Some(folder) = settings::machine("LARDER_MIRRORS") else { return };
    if !namespace::inside(test, HOSTS) {
        return;
    }
    let server = GitServer::start_named(HOSTS);
    let world = World::of_mirrors(&server, Path::new(&folder));
    let stage = Stage::new(test, &server, &[]);
    let Some(reference) = &stage.reference else { return };
    let expected = reference.answer_quickly(&world.questions());
    stage.compare(&world, &expected);
}

/// The two who are asked.
struct Stage<'a> {
    server: &'a GitServer,
    extra: Vec<(String, String)>,
    go: Option<GoCommand>,
    reference: Option<Reference>,
}

impl<'a> Stage<'a> {
    fn new(test: &str, server: &'a GitServer, extra: &[(String, String)]) -> Self {
        let environment: Vec<_> = trust(server).into_iter().chain(extra.iter().cloned()).collect();
        let go = reference::go();
        if go.is_none() {
            settings::skipped(test, "there is no go command: only its kept answers are compared");
        }
        let reference = go.clone().map(|go| Reference::direct(go, &environment));
        Self { server, extra: extra.to_vec(), go, reference }
    }

    /// Returns what the go command answers, and fails if that has changed since it was kept.
    fn recorded(&self, name: &str, world: &World<'_>) -> Answers {
        let started = Instant::now();
        let (expected, changed) = record::answers(name, &world.questions(), self.reference.as_ref());
        settings::say(&format!("the go command answered in {:.1?}", started.elapsed()));
        assert!(changed.is_empty(), "the go command answers otherwise than before:\n{}", changed.join("\n"));
        expected
    }

    /// Asks Larder everything, and fails at any difference.
    fn compare(&self, world: &World<'_>, expected: &Answers) {
        let questions = world.questions();
        let started = Instant::now();
        let subject = Subject::start(HOSTS, &self.server.authority_file().to_string_lossy(), &self.extra);
        let found = subject.answer(&questions);
        settings::say(&format!("Larder answered in {:.1?}", started.elapsed()));
        let mut differences = differences("LARDER", &questions, expected, &found, Answer::equals);
        if let Some(go) = self.go.clone() {
            let started = Instant::now();
            let mut client = Reference::through(go, subject.url(), HOSTS).answer_quickly(&questions);
            client.remove(OTHERWISE_AS_A_CLIENT);
            settings::say(&format!("the go command asked Larder everything in {:.1?}", started.elapsed()));
            differences.extend(self::differences(
                "CLIENT",
                &questions,
                expected,
                &client,
                Answer::names_the_same,
            ));
        }
        let compared =
            questions.iter().filter(|question| expected.contains_key(&question.to_string())).count();
        settings::say(&format!(
            "{} repositories, {compared} questions, {} differences",
            world.repositories(),
            differences.len()
        ));
        assert!(differences.is_empty(), "{}\n\nLarder's log:\n{}", differences.join("\n"), subject.log());
    }
}

fn differences(
    who: &str,
    questions: &[Question],
    expected: &Answers,
    found: &Answers,
    equals: impl Fn(&Answer, &Answer) -> bool,
) -> Vec<String> {
    let mut differences = Vec::new();
    for question in questions.iter().map(ToString::to_string) {
        let (Some(expected), Some(found)) = (expected.get(&question), found.get(&question)) else { continue };
        if !equals(expected, found) {
            let mut text = format!("DIFFERENT {question}\n");
            let _ = writeln!(text, "  DIRECT: {}", serde_json::to_string(expected).expect("text"));
            let _ = write!(text, "  {who}: {}", serde_json::to_string(found).expect("text"));
            differences.push(text);
        }
    }
    differences
}
