//! The netrc file: which machines have a login. The logins themselves are not kept.

use super::NetrcFacts;
use crate::System;

/// Reads the file that `NETRC` names, else `~/.netrc`; none without a home folder.
pub(super) fn read(system: &System) -> Option<NetrcFacts> {
    let path = match system.variable("NETRC") {
        Some(path) => path.into(),
        None => system.home()?.join(".netrc"),
    };
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

/// Reads words in pairs as the go command does: a line that ends in a lone `default` ends the file, a macro ends at an
/// empty line.
fn parse(text: &str, facts: &mut NetrcFacts) {
    let mut open: Option<(String, bool, bool)> = None;
    let mut in_macro = false;
    for line in text.split('\n') {
        if in_macro {
            in_macro = !line.is_empty();
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let pairs = words.chunks_exact(2);
        let rest = pairs.remainder();
        for pair in pairs {
            match (pair[0], &mut open) {
                ("machine", _) => {
                    facts.incomplete.extend(open.take().map(|(machine, ..)| machine));
                    open = Some((pair[1].to_owned(), false, false));
                }
                ("login", Some((_, login, _))) => *login = true,
                ("password", Some((.., password))) => *password = true,
                ("macdef", _) => in_macro = true,
                _ => {}
            }
            if let Some((machine, ..)) = open.take_if(|(_, login, password)| *login && *password) {
                facts.machines.push(machine);
            }
        }
        if rest == ["default"] {
            break;
        }
    }
    facts.incomplete.extend(open.map(|(machine, ..)| machine));
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
