//! One module for each command. A command prints what it found and says how it ended; only `main` exits.

pub(crate) mod child;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod doctor;
pub(crate) mod hash;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod verify;
pub(crate) mod warm;

use std::error::Error;
use std::process::ExitCode;

use crate::config::Problem;
use crate::render;

/// How a command ended when it did not end well.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The command ran and found something; it has said so itself.
    Found,
    /// The command that was run for somebody ended with this code.
    Code(u8),
    /// The configuration has these mistakes.
    Configuration(Vec<Problem>),
    /// The command can't work like this: what is wrong, and what to do.
    Usage { error: String, hint: Option<String> },
}

impl Outcome {
    /// Makes a usage error of any error, its causes on one line.
    pub(crate) fn usage(error: &dyn Error, hint: impl Into<Option<String>>) -> Self {
        Self::Usage { error: chain(error), hint: hint.into() }
    }

    /// Prints the ending to standard error and returns the exit code.
    pub(crate) fn report(self) -> ExitCode {
        match self {
            Self::Found => ExitCode::from(1),
            Self::Code(code) => ExitCode::from(code),
            Self::Configuration(problems) => {
                for problem in &problems {
                    render::note(format_args!("error: {problem}"));
                }
                render::note(
                    "hint: `larder config` shows every setting; `larder help serve` says where they come from",
                );
                ExitCode::from(2)
            }
            Self::Usage { error, hint } => {
                match hint {
                    Some(hint) => render::note(format_args!("error: {error}; {hint}")),
                    None => render::note(format_args!("error: {error}")),
                }
                ExitCode::from(2)
            }
        }
    }
}

/// Returns an error and its causes on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
