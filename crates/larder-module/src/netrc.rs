//! netrc files, as the go command reads them.
//!
//! Oddities included: words are read in pairs, a line that ends in a lone `default` ends the file, a macro ends at an empty line.

/// What a file says of one `machine`. No `Debug`: nobody is to print a password by accident.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
pub struct Machine<'a> {
    /// The machine as it is written.
    pub name: &'a str,
    /// Who one is there; empty if the file doesn't say.
    pub login: &'a str,
    /// The password; empty if the file doesn't say.
    pub password: &'a str,
}

impl Machine<'_> {
    /// Reports whether it has a login and a password; the go command has no use for the others.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        !self.login.is_empty() && !self.password.is_empty()
    }
}

/// Returns the machines of a file in their order, those that are not complete among them.
#[must_use]
pub fn machines(text: &str) -> Vec<Machine<'_>> {
    let mut machines = Vec::new();
    let mut open: Option<Machine<'_>> = None;
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
                ("machine", _) => machines.extend(open.replace(Machine { name: pair[1], ..<_>::default() })),
                ("login", Some(machine)) => machine.login = pair[1],
                ("password", Some(machine)) => machine.password = pair[1],
                ("macdef", _) => in_macro = true,
                _ => {}
            }
            machines.extend(open.take_if(|machine| machine.is_complete()));
        }
        if rest == ["default"] {
            break;
        }
    }
    machines.extend(open);
    machines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_and_what_they_lack() {
        let text = "login no password one machine a.example.com login a password b login late password late\n\
            machine half.example.com\n  login a\nmachine\tb.example.com:8443 password b login a\nmacdef m\n\
            machine no.example.com login a password b\n\nmachine none.example.com odd machine c.example.com\ndefault\n\
            machine no.example.com login a password b";
        let read: Vec<_> = machines(text).iter().map(|one| (one.name, one.login, one.password)).collect();
        assert_eq!(
            read,
            [
                ("a.example.com", "a", "b"),
                ("half.example.com", "a", ""),
                ("b.example.com:8443", "a", "b"),
                ("none.example.com", "", ""),
            ],
            "an odd word turns the pairs of its line round"
        );
    }
}
