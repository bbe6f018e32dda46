//! The netrc file: which machines have a login. The logins themselves are not kept.

use std::path::PathBuf;

use super::NetrcFacts;
use crate::System;

/// Returns the file that `NETRC` names, else `~/.netrc`; none without a home folder.
pub(crate) fn path(system: &System) -> Option<PathBuf> {
    system.variable("NETRC").map(PathBuf::from).or_else(|| Some(system.home()?.join(".netrc")))
}

/// Reads it; where there is none that somebody names, there is nothing to know.
pub(super) fn read(system: &System) -> Option<NetrcFacts> {
    let path = path(system)?;
    let mut facts = NetrcFacts { path: path.to_string_lossy().into_owned(), ..NetrcFacts::default() };
    match fs_err::read(system.path(&path)) {
        Ok(bytes) => parse(&String::from_utf8_lossy(&bytes), &mut facts),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            // Nobody has to have a netrc; one that is named and missing is worth knowing.
            system.variable("NETRC")?;
            facts.problem = Some("no such file".to_owned());
        }
        Err(error) => facts.problem = Some(error.kind().to_string()),
    }
    Some(facts)
}

fn parse(text: &str, facts: &mut NetrcFacts) {
    for machine in larder_module::netrc::machines(text) {
        let list = if machine.is_complete() { &mut facts.machines } else { &mut facts.incomplete };
        list.push(machine.name.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_without_a_password_are_told_apart() {
        let mut facts = NetrcFacts::default();
        let text = "machine git.corp.example login a password b\nmachine x.example\n  login a\nmachine\ty.example:8443 login a password b\nmacdef m\nmachine no.example login a password b\n\ndefault\nmachine z.example login a password b";
        parse(text, &mut facts);
        assert_eq!(facts.machines, ["git.corp.example", "y.example:8443"]);
        assert_eq!(facts.incomplete, ["x.example"]);
    }
}
