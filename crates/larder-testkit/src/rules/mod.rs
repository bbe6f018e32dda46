//! Larder's rules of Go as a program that answers JSON lines, to be put side by side with Go's own.
//!
//! A line `{"id":1,"op":"check_path","in":["example.com/a"]}` is answered by `{"id":1,"ok":true,"out":...}` or
//! `{"id":1,"ok":false,"err":"..."}`. Lines that are no such thing are answered too: the asker has to be able to
//! count. What `out` looks like is whatever a Go program over golang.org/x/mod would naturally write; rules that only
//! pass or fail have `null` there.

mod archive_cases;
mod archives;
mod cases;
mod folder_cases;
mod folders;
mod names;
pub mod raw_zip;
#[rustfmt::skip]
mod tables;
mod zip_cases;
pub mod zip_table;

pub use folder_cases::unlock;

use crate::Rng;
use serde_json::{Map, Value, json};
use std::{
    io::{self, BufRead, BufReader, Read, Write},
    path::Path,
};

/// A question to put to both programs.
#[derive(Clone, Debug)]
pub struct Question {
    /// The operation's name.
    pub operation: &'static str,
    /// What it is asked about.
    pub inputs: Vec<String>,
}

impl Question {
    fn new<T: Into<String>>(operation: &'static str, inputs: impl IntoIterator<Item = T>) -> Self {
        Self { operation, inputs: inputs.into_iter().map(Into::into).collect() }
    }

    /// Returns the question as a line, without its end.
    pub fn line(&self, id: usize) -> String {
        json!({"id": id, "op": self.operation, "in": self.inputs}).to_string()
    }
}

/// Returns questions about everything: tables by hand, then mutations up to `count`; zips are written to `folder`.
pub fn questions(rng: &mut Rng, count: usize, folder: &Path) -> Vec<Question> {
    let mut questions = archive_cases::questions(rng, folder);
    questions.extend(cases::questions(rng, count));
    questions
}

/// Returns questions about making zips: of so many folders, which are written below `folder`, and of four times as many listings.
pub fn questions_about_folders(rng: &mut Rng, folder: &Path, count: usize) -> Vec<Question> {
    folder_cases::questions(rng, folder, count)
}

/// Returns questions about every character there is.
pub fn questions_about_characters() -> impl Iterator<Item = Question> {
    (char::MIN..=char::MAX).flat_map(cases::about)
}

/// The answer to one question.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Passed, with what came out; or not, with the reason.
    pub verdict: Result<Value, String>,
    /// What comes out even so: of operations that report all they find.
    pub out_anyway: Option<Value>,
}

impl Answer {
    /// Returns the answer of a rule that passed.
    pub fn pass(out: impl Into<Value>) -> Self {
        Self { verdict: Ok(out.into()), out_anyway: None }
    }

    /// Returns the answer of a rule that was broken.
    pub fn fail(reason: impl ToString) -> Self {
        Self { verdict: Err(reason.to_string()), out_anyway: None }
    }

    /// Returns the answer of a rule that was broken and reports all it found.
    pub fn fail_with(reason: impl ToString, out: impl Into<Value>) -> Self {
        Self { verdict: Err(reason.to_string()), out_anyway: Some(out.into()) }
    }
}

impl<T: Into<Value>, E: ToString> From<Result<T, E>> for Answer {
    fn from(outcome: Result<T, E>) -> Self {
        match outcome {
            Ok(out) => Self::pass(out),
            Err(reason) => Self::fail(reason),
        }
    }
}

/// Answers one question.
pub fn answer(operation: &str, inputs: &[String]) -> Answer {
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let answer = names::answer(operation, &inputs)
        .or_else(|| archives::answer(operation, &inputs))
        .or_else(|| folders::answer(operation, &inputs));
    answer.unwrap_or_else(|| Answer::fail("unknown op"))
}

/// Returns the answer that stands for a wrong number of inputs.
fn wrong_inputs(operation: &str) -> Answer {
    Answer::fail(format!("wrong number of inputs for {operation}"))
}

/// Answers line after line until the input ends.
///
/// # Errors
///
/// Fails when reading or writing fails.
pub fn run(input: impl Read, mut output: impl Write) -> io::Result<()> {
    let mut input = BufReader::new(input);
    let mut replies = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            return output.flush();
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        serde_json::to_writer(&mut replies, &answer_line(&line))?;
        replies.push(b'\n');
        // Whoever waits for an answer before asking again must get it; whoever does not is served in bulk.
        if input.buffer().is_empty() {
            output.write_all(&replies)?;
            output.flush()?;
            replies.clear();
        }
    }
}

fn answer_line(line: &[u8]) -> Value {
    let text = replace_lone_surrogates(&larder_module::unicode::lossy(line));
    let question: Value = match serde_json::from_str(&text) {
        Ok(question) => question,
        Err(error) => return reply(Value::Null, Answer::fail(format!("malformed line: {error}"))),
    };
    let id = question.get("id").cloned().unwrap_or_default();
    let operation = question.get("op").and_then(Value::as_str);
    let answer = match (operation, read_inputs(question.get("in"))) {
        (Some(operation), Some(inputs)) => answer(operation, &inputs),
        (None, _) => Answer::fail("malformed line: no op"),
        (_, None) => Answer::fail("malformed line: in is not a list of strings"),
    };
    reply(id, answer)
}

fn read_inputs(inputs: Option<&Value>) -> Option<Vec<String>> {
    match inputs {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(Value::String(input)) => Some(vec![input.clone()]),
        Some(Value::Array(inputs)) => inputs.iter().map(|input| input.as_str().map(str::to_owned)).collect(),
        Some(_) => None,
    }
}

fn reply(id: Value, answer: Answer) -> Value {
    let mut reply = Map::new();
    reply.insert("id".into(), id);
    reply.insert("ok".into(), answer.verdict.is_ok().into());
    match answer.verdict {
        Ok(out) => reply.insert("out".into(), out),
        Err(reason) => reply.insert("err".into(), reason.into()),
    };
    if let Some(out) = answer.out_anyway {
        reply.insert("out".into(), out);
    }
    Value::Object(reply)
}

/// Replaces escapes of lone surrogates by that of U+FFFD, as Go reads them; the JSON reader here refuses them.
fn replace_lone_surrogates(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        result.push_str(before);
        let length = match (surrogate(escape), surrogate(escape.get(6..).unwrap_or_default())) {
            (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => 12,
            (Some(_), _) => {
                result.push_str("\\ufffd");
                rest = &escape[6..];
                continue;
            }
            // The backslash and what it escapes.
            (None, _) => escape.chars().take(2).map(char::len_utf8).sum(),
        };
        result.push_str(&escape[..length]);
        rest = &escape[length..];
    }
    result + rest
}

fn surrogate(escape: &str) -> Option<u32> {
    let digits = escape.strip_prefix("\\u")?.get(..4)?;
    let is_hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let code = u32::from_str_radix(digits, 16).ok().filter(|_| is_hexadecimal)?;
    (0xd800..0xe000).contains(&code).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(line: &str) -> String {
        let mut output = Vec::new();
        run(line.as_bytes(), &mut output).expect("memory");
        String::from_utf8(output).expect("JSON")
    }

    #[test]
    fn questions_and_answers() {
        assert_eq!(
            ask(r#"{"id":1,"op":"check_path","in":["example.com/a"]}"#),
            "{\"id\":1,\"ok\":true,\"out\":null}\n"
        );
        assert_eq!(
            ask(r#"{"id":"x","op":"semver_compare","in":["v1.0.0","v2.0.0"]}"#),
            "{\"id\":\"x\",\"ok\":true,\"out\":-1}\n"
        );
        assert_eq!(
            ask(r#"{"id":2,"op":"semver_major","in":"v2.1.0"}"#),
            "{\"id\":2,\"ok\":true,\"out\":\"v2\"}\n"
        );
        assert_eq!(
            ask(r#"{"id":3,"op":"nonsense","in":[]}"#),
            "{\"err\":\"unknown op\",\"id\":3,\"ok\":false}\n"
        );
        assert_eq!(ask("\n \n"), "");
    }

    #[test]
    fn malformed_lines_are_answered() {
        let lines = "{\n[]\n{\"id\":1}\n{\"id\":1,\"op\":\"check_path\",\"in\":[1]}\n{\"id\":1,\"op\":\"check\",\"in\":[]}\n\u{0}\n";
        let answers = ask(lines);
        assert_eq!(answers.lines().count(), 6);
        assert!(answers.lines().all(|line| line.contains("\"ok\":false")));
    }

    #[test]
    fn lone_surrogates_read_as_in_go() {
        for (text, expected) in [
            (r"a\ud800b", r"a\ufffdb"),
            (r"\ud83d\ude00", r"\ud83d\ude00"),
            (r"\ude00\ud83d", r"\ufffd\ufffd"),
            (r"\\ud800", r"\\ud800"),
            (r"\ud8", r"\ud8"),
            ("\\", "\\"),
            ("\\é", "\\é"),
        ] {
            assert_eq!(replace_lone_surrogates(text), expected);
        }
    }
}
