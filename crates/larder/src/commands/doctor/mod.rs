//! `larder doctor`: why a module download fails.
//!
//! The commands here collect facts, have them judged, and show the report in the form that was asked for; what is shown
//! has gone through a [`Redactor`] first, whatever the form.

mod bundle;
mod catalogue;
mod explain;
mod log;
mod look;
mod mirrors;
mod place;
mod recipe;
mod run;

use std::collections::BTreeMap;
use std::time::Duration;

use larder_doctor::catalogue::Language;
use larder_doctor::probe::Budget;
use larder_doctor::redact::Redactor;
use larder_doctor::{Facts, Look, Subject, diagnose};

use super::Outcome;
use crate::cli::doctor::{Doctor, DoctorCommand, Form, Lang, Reach, ReportFormat};
use crate::config::Environment;
use crate::render;

/// Runs one of the doctor's commands.
pub(crate) fn run(asked: Doctor, environment: &Environment) -> Result<(), Outcome> {
    let desk = Desk::new(asked.form, asked.reach, environment);
    match (asked.command, asked.subject) {
        (None, subject) => look::run(&desk, subject.as_deref()),
        (Some(_), Some(subject)) => Err(Outcome::Usage {
            error: format!("`{subject}` stands before the name of a command"),
            hint: Some("`larder help doctor` shows what can follow".to_owned()),
        }),
        (Some(command), None) => match command {
            DoctorCommand::Log { file } => log::run(&desk, file.as_deref()),
            DoctorCommand::Explain { subject, pattern, paths, probe } => {
                explain::run(&desk, &explain::Question { subject, pattern, paths, probe })
            }
            DoctorCommand::Run { command } => run::run(&desk, &command),
            DoctorCommand::Mirrors { urls } => mirrors::run(&desk, &urls),
            DoctorCommand::Recipe(wishes) => recipe::run(&desk, &wishes),
            DoctorCommand::List => catalogue::list(&desk),
            DoctorCommand::Show { id } => catalogue::show(&desk, &id),
        },
    }
}

/// What every command of the doctor has at hand.
pub(crate) struct Desk<'a> {
    pub(crate) form: Form,
    pub(crate) reach: Reach,
    pub(crate) language: Language,
    pub(crate) environment: &'a Environment,
}

impl<'a> Desk<'a> {
    fn new(form: Form, reach: Reach, environment: &'a Environment) -> Self {
        let language = match form.lang {
            Some(Lang::En) => Language::English,
            Some(Lang::Zh) => Language::Chinese,
            None => language_of(environment),
        };
        Self { form, reach, language, environment }
    }

    /// Returns how far the network may be asked.
    fn budget(&self) -> Option<Budget> {
        let time = Duration::from_secs(self.reach.timeout);
        (!self.reach.no_network && self.shares_network()).then(|| Budget { time, ..Budget::default() })
    }

    fn look(&self, subject: Option<Subject>) -> Look {
        Look { subject, network: self.budget(), repeat: self.reach.repeat }
    }

    /// Judges, shows, keeps the bundle, and says how it ended.
    fn conclude(&self, facts: &Facts, show: impl FnOnce(String)) -> Result<(), Outcome> {
        let report = diagnose(facts, self.language);
        let (found, riddle) = (report.found_anything(), report.is_riddle());
        let mut redactor = self.redactor(facts);
        let shown = redactor.report(report);
        show(match self.form.format {
            ReportFormat::Text => render::doctor::text(&shown, self.language),
            ReportFormat::Json => render::doctor::json(&shown),
            ReportFormat::Markdown => render::doctor::markdown(&shown, self.language),
        });
        match &self.form.bundle {
            Some(file) => bundle::write(self, facts, file)?,
            None if riddle => render::note(render::doctor::words(self.language).offer_bundle),
            None => {}
        }
        if found { Err(Outcome::Found) } else { Ok(()) }
    }

    /// Returns who cleans what is shown: always of secrets, of names where that was asked for.
    fn redactor(&self, facts: &Facts) -> Redactor {
        let environment = self.environment_map();
        let redactor = Redactor::of(&environment).learning(facts);
        if self.form.share { redactor.sharing(facts, &environment) } else { redactor }
    }

    fn environment_map(&self) -> BTreeMap<String, String> {
        self.environment.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

/// Splits `MODULE[@VERSION]`.
fn subject(text: &str) -> Result<Subject, Outcome> {
    let (module, version) = match text.split_once('@') {
        Some((module, version)) => (module, Some(version.to_owned())),
        None => (text, None),
    };
    if module.is_empty() || version.as_deref() == Some("") || text.starts_with('-') {
        return Err(Outcome::Usage {
            error: format!("`{text}` is no module path"),
            hint: Some("write it as `example.com/m` or `example.com/m@v1.2.3`".to_owned()),
        });
    }
    Ok(Subject { module: module.to_owned(), version })
}

/// Returns the language of the locale: the first of these variables that is set decides.
fn language_of(environment: &Environment) -> Language {
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(|name| environment.non_empty(name));
    if locale.is_some_and(|locale| locale.to_ascii_lowercase().starts_with("zh")) {
        Language::Chinese
    } else {
        Language::English
    }
}

/// Runs what has to wait for the network.
fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Outcome> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Outcome::usage(&error, None))?;
    let result = runtime.block_on(work);
    // A look-up that hangs in a thread of its own must not hold up the end.
    runtime.shutdown_background();
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variable_of_the_locale_that_is_set_decides() {
        for (variables, chinese) in [
            ([("LC_ALL", ""), ("LANG", "zh_CN.UTF-8")], true),
            ([("LC_ALL", "C"), ("LANG", "zh_CN.UTF-8")], false),
            ([("LC_MESSAGES", "zh_TW"), ("LANG", "en_US.UTF-8")], true),
            ([("LANGUAGE", "zh"), ("LANG", "de_DE")], false),
        ] {
            let language = language_of(&Environment::from(variables));
            assert_eq!(language == Language::Chinese, chinese, "{variables:?}");
        }
    }

    #[test]
    fn a_subject_is_a_path_and_perhaps_a_version() {
        let read = subject("example.com/m@feature/x").expect("a subject");
        assert_eq!((read.module.as_str(), read.version.as_deref()), ("example.com/m", Some("feature/x")));
        assert!(subject("example.com/m").expect("a subject").version.is_none());
        for text in ["@v1", "example.com/m@", ""] {
            assert!(subject(text).is_err(), "{text}");
        }
    }
}
