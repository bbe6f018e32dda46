//! Lines that a terminal has broken at its right edge: all of one length, and none longer.

use super::blocks::speaks;
use super::prefixes::stripped;

/// Widths of terminals, at which one full line is proof enough.
const USUAL: &[usize] = &[80, 100, 120, 132, 160];
/// How much of a log is looked at to find its width.
const SAMPLE: usize = 64 * 1024;
/// How long a joined line may become.
const LONGEST: usize = 8 * 1024;

/// Joins lines that are as long as the screen was wide.
#[derive(Debug, Default)]
pub(super) struct Unwrap {
    width: Option<usize>,
    held: Option<(usize, String)>,
}

impl Unwrap {
    /// Looks for the width of the screen in the beginning of a log.
    pub(super) fn for_log(beginning: &[u8]) -> Self {
        let sample = &beginning[..beginning.len().min(SAMPLE)];
        let lines = || sample.split(|byte| *byte == b'\n').map(columns);
        let longest = lines().max().unwrap_or(0);
        let full = lines().filter(|length| *length == longest).count();
        let wrapped = USUAL.contains(&longest) || (full > 2 && (60..=300).contains(&longest));
        Self { width: wrapped.then_some(longest), held: None }
    }

    /// Takes a line; hands out what is whole.
    pub(super) fn feed(&mut self, number: usize, line: &str, mut whole: impl FnMut(usize, &str)) {
        let Some(width) = self.width else { return whole(number, line) };
        let full = line.chars().count() == width;
        match self.held.take() {
            None if !full => whole(number, line),
            None => self.held = Some((number, line.to_owned())),
            Some((first, text)) if begins(line) || text.len() > LONGEST => {
                whole(first, &text);
                if full {
                    self.held = Some((number, line.to_owned()));
                } else {
                    whole(number, line);
                }
            }
            Some((first, text)) if full => self.held = Some((first, text + line)),
            Some((first, text)) => whole(first, &(text + line)),
        }
    }

    /// Hands out what is held back.
    pub(super) fn end(&mut self, mut whole: impl FnMut(usize, &str)) {
        if let Some((number, text)) = self.held.take() {
            whole(number, &text);
        }
    }
}

/// Counts the characters of a line.
fn columns(line: &[u8]) -> usize {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    line.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

/// Reports whether a line is the beginning of something and no rest.
fn begins(line: &str) -> bool {
    line.trim().is_empty()
        || line.starts_with('\t')
        || speaks(line.trim_start())
        || stripped(line).text.len() != line.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unwrapped(log: &str) -> Vec<String> {
        let mut unwrap = Unwrap::for_log(log.as_bytes());
        let mut found = Vec::new();
        for (number, line) in log.lines().enumerate() {
            unwrap.feed(number, line, |_, text| found.push(text.to_owned()));
        }
        unwrap.end(|_, text| found.push(text.to_owned()));
        found
    }

    #[test]
    fn full_lines_go_on_in_the_next() {
        let long = "go: ".to_owned() + &"x".repeat(180);
        let log = format!("{}\n{}\n{}\ngo: next\n", &long[..80], &long[80..160], &long[160..]);
        assert_eq!(unwrapped(&log), [long.as_str(), "go: next"]);
        let log = format!("{}\n\tdetail\nshort\n", &long[..80]);
        assert_eq!(unwrapped(&log), [&long[..80], "\tdetail", "short"]);
        let log = format!("{}\nshort\n", &long[..79]);
        assert_eq!(unwrapped(&log), [&long[..79], "short"]);
    }
}
