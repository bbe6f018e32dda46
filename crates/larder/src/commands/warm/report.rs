//! What a run of `larder warm` says at its end.

use larder_module::ObjectKind;
use serde_json::{Value, json};

use super::Ending;
use super::tally::{Failed, bytes, counted};
use crate::cli::warm::Warm;
use crate::config::Config;
use crate::render;

/// Lines of an upstream's own words that are shown.
const MOST_LINES: usize = 8;
/// Versions of a chain of requirements that are shown at either end.
const ENDS_OF_CHAIN: usize = 2;

/// Prints it for people: totals on standard output, failures on standard error.
pub(crate) fn text(ending: &Ending, asked: &Warm, config: &Config) {
    for (name, of) in &ending.resolved {
        if *name != of.to_string() {
            render::line(format_args!("{name} is {of}"));
        }
    }
    let tally = &ending.tally;
    if asked.dry_run {
        left_out(ending);
    } else {
        render::line(format_args!(
            "{}, {}: {} fetched ({}), {} stored already, in {:.1} s",
            counted(tally.zips, "module", "modules"),
            counted(tally.mods, "go.mod file", "go.mod files"),
            counted(tally.fetched.files, "file", "files"),
            bytes(tally.fetched.bytes),
            tally.stored.files,
            tally.elapsed.as_secs_f64(),
        ));
        for (source, amount) in &tally.sources {
            render::line(format_args!("  {} ({}) from {source}", amount.files, bytes(amount.bytes)));
        }
    }
    if tally.unstored.files > 0 {
        render::note(format_args!(
            "warning: {} could not be stored: is the disk full?",
            counted(tally.unstored.files, "file", "files")
        ));
    }
    match &asked.to {
        None => render::line(format_args!("store: {}/modules", config.text("data"))),
        Some(_) => render::line("store: that of the Larder that was asked"),
    }
    if ending.interrupted {
        render::note("interrupted: the same command goes on from here");
    }
    failures(&ending.failures);
}

fn left_out(ending: &Ending) {
    let mut missing = 0_u64;
    for ((of, kind), stored) in &ending.left_out {
        if *stored != Some(true) {
            missing += 1;
            if *kind == ObjectKind::Zip {
                render::line(format_args!("would fetch {of}"));
            }
        }
    }
    let zips = ending.left_out.iter().filter(|((_, kind), _)| *kind == ObjectKind::Zip).count();
    render::line(format_args!(
        "{}, {} read; {} would be fetched, {} are stored already",
        counted(zips as u64, "module", "modules"),
        counted(ending.tally.mods, "go.mod file", "go.mod files"),
        counted(missing, "file", "files"),
        ending.left_out.len() as u64 - missing,
    ));
}

fn failures(failures: &[Failed]) {
    if failures.is_empty() {
        return;
    }
    let count = counted(failures.len() as u64, "thing", "things");
    render::note(format_args!("\nerror: {count} could not be had as wanted"));
    for failed in failures {
        render::note(format_args!("  {} {}", failed.of, failed.file));
        if !failed.required_by.is_empty() {
            render::note(format_args!("    required by {}", chain(&failed.required_by)));
        }
        for line in failed.lines.iter().take(MOST_LINES) {
            render::note(format_args!("    {line}"));
        }
    }
}

/// Writes a chain of requirements; of a long one, its ends.
fn chain(required_by: &[String]) -> String {
    if required_by.len() <= 2 * ENDS_OF_CHAIN + 1 {
        return required_by.join(" > ");
    }
    let (head, rest) = required_by.split_at(ENDS_OF_CHAIN);
    let (middle, tail) = rest.split_at(rest.len() - ENDS_OF_CHAIN);
    format!("{} > ... {} more ... > {}", head.join(" > "), middle.len(), tail.join(" > "))
}

/// Returns it for programs.
pub(crate) fn json(ending: &Ending, asked: &Warm, config: &Config) -> Value {
    let mut report = ending.tally.as_json();
    let resolved: serde_json::Map<String, Value> =
        ending.resolved.iter().map(|(name, of)| (name.clone(), of.to_string().into())).collect();
    let failures: Vec<Value> = ending.failures.iter().map(Failed::as_json).collect();
    let left_out: Vec<Value> = ending
        .left_out
        .iter()
        .map(|((of, kind), stored)| json!({"of": of.to_string(), "file": format!(".{}", kind.extension()), "stored": stored}))
        .collect();
    let store = if asked.to.is_some() { Value::Null } else { config.text("data").into() };
    if let Some(fields) = report.as_object_mut() {
        fields.insert("resolved".to_owned(), resolved.into());
        fields.insert("failures".to_owned(), failures.into());
        fields.insert("interrupted".to_owned(), ending.interrupted.into());
        fields.insert("dry_run".to_owned(), asked.dry_run.into());
        fields.insert("left_out".to_owned(), left_out.into());
        fields.insert("to".to_owned(), asked.to.as_deref().map(without_login).into());
        fields.insert("store".to_owned(), store);
    }
    report
}

/// Returns a URL without the login in it.
pub(super) fn without_login(url: &str) -> String {
    let parsed = url::Url::parse(url).ok().and_then(|mut parsed| {
        parsed.set_username("").and_then(|()| parsed.set_password(None)).ok()?;
        Some(parsed.to_string())
    });
    // Whatever it is that has no place for a login, one would stand before this.
    parsed.unwrap_or_else(|| url.rsplit('@').next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_keep_their_ends() {
        let names = |count: usize| (1..=count).map(|n| format!("m{n}")).collect::<Vec<_>>();
        assert_eq!(chain(&names(3)), "m1 > m2 > m3");
        assert_eq!(chain(&names(9)), "m1 > m2 > ... 5 more ... > m8 > m9");
    }

    #[test]
    fn logins_are_not_printed() {
        assert_eq!(without_login("https://me:canary@proxy.example.com/go"), "https://proxy.example.com/go");
        assert_eq!(without_login("me:canary@proxy.example.com"), "proxy.example.com");
    }
}
