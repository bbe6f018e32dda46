//! `GOSUMDB` as the go command reads it.

use larder_module::{
    defaults,
    sumdb::note::{Verifier, VerifierError},
};

/// What `GOSUMDB` says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Gosumdb {
    /// `off`: nothing is looked up, toolchains excepted.
    Off,
    /// A database.
    Database(DatabaseAddress),
}

/// A checksum database: whose signature counts, and where it is asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DatabaseAddress {
    verifier: Verifier,
    url: Option<String>,
}

/// Why a text is no `GOSUMDB`.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum GosumdbError {
    /// There is nothing in it.
    #[error("GOSUMDB is empty: it is `off`, or `name`, `name+hash+key` or either with a URL behind it")]
    Missing,
    /// There are more than two words.
    #[error("GOSUMDB has more than two fields: it is a key and, behind a space, a URL")]
    TooManyFields,
    /// The first word is neither a database whose key is known nor a verifier key.
    #[error("`{text}` in GOSUMDB is neither a database whose key is known nor a verifier key")]
    Key {
        /// The word.
        text: String,
        /// What is wrong with it as a key.
        #[source]
        source: VerifierError,
    },
    /// The key's name can't be the start of a URL.
    #[error("`{0}` can't be a checksum database's name: it is a host, with a path behind it perhaps")]
    Name(String),
    /// The second word is no URL that can be asked.
    #[error("`{0}` in GOSUMDB is not a URL that can be asked (http, https or file)")]
    Url(String),
}

impl Gosumdb {
    /// Reads `off`, `name`, `name+hash+key`, and either of the latter with a URL behind a space.
    ///
    /// # Errors
    ///
    /// Fails where the go command would refuse every look-up.
    pub fn parse(text: &str) -> Result<Self, GosumdbError> {
        // As Go: `off` is the whole text or it is a name like any other.
        if text == "off" {
            return Ok(Self::Off);
        }
        let (key, url) = if text == defaults::GOSUMDB_ALIAS {
            (defaults::GOSUMDB, Some(defaults::GOSUMDB_ALIAS_URL))
        } else {
            let mut words = text.split_whitespace();
            let key = words.next().ok_or(GosumdbError::Missing)?;
            let url = words.next();
            if words.next().is_some() {
                return Err(GosumdbError::TooManyFields);
            }
            (key, url)
        };
        let known = defaults::known_gosumdb_key(key).unwrap_or(key);
        let verifier =
            Verifier::parse(known).map_err(|source| GosumdbError::Key { text: key.to_owned(), source })?;
        if !is_valid_name(verifier.name()) {
            return Err(GosumdbError::Name(verifier.name().to_owned()));
        }
        let url = url.map(|url| check_url(url).map(str::to_owned)).transpose()?;
        Ok(Self::Database(DatabaseAddress { verifier, url }))
    }
}

impl DatabaseAddress {
    /// Returns the public database that the go command uses where nothing is set.
    ///
    /// # Panics
    ///
    /// Never: the built-in key is tested.
    #[must_use]
    pub fn public() -> Self {
        match Gosumdb::parse(defaults::GOSUMDB) {
            Ok(Gosumdb::Database(address)) => address,
            Ok(Gosumdb::Off) | Err(_) => unreachable!("the built-in checksum database is well-formed"),
        }
    }

    /// Returns the name, as in `/sumdb/<name>/`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.verifier.name()
    }

    /// Returns the one key whose signatures count.
    #[must_use]
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Returns the URL that is asked instead of proxies, if one is set.
    ///
    /// Like the go command: with a URL, neither the proxies of a chain nor `https://<name>` are asked.
    #[must_use]
    pub fn explicit_url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// Returns the URL of the database itself.
    #[must_use]
    pub fn direct_url(&self) -> String {
        self.url.clone().unwrap_or_else(|| format!("https://{}", self.name()))
    }
}

/// A host, perhaps with a port, perhaps with a path: what stays itself when read as a URL behind `https://`.
fn is_valid_name(name: &str) -> bool {
    let (host, path) = name.split_once('/').unwrap_or((name, "x"));
    let is_host = |letter: char| letter.is_ascii_alphanumeric() || ".-_~:[]".contains(letter);
    let is_path = |letter: char| letter.is_ascii_alphanumeric() || ".-_~$&,/:;=@".contains(letter);
    let plain_elements = path.split('/').all(|element| !matches!(element, "" | "." | ".."));
    !host.is_empty() && host.chars().all(is_host) && path.chars().all(is_path) && plain_elements
}

fn check_url(url: &str) -> Result<&str, GosumdbError> {
    let error = || GosumdbError::Url(without_user_info(url));
    let (scheme, rest) = url.split_once("://").ok_or_else(error)?;
    let askable = matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https" | "file");
    if askable && !rest.is_empty() { Ok(url) } else { Err(error()) }
}

/// A URL in an error message must not show a password.
fn without_user_info(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            format!("{scheme}://{}", rest.rsplit_once('@').map_or(rest, |(_, rest)| rest))
        }
        None => url.rsplit_once('@').map_or(url, |(_, rest)| rest).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> DatabaseAddress {
        match Gosumdb::parse(text) {
            Ok(Gosumdb::Database(address)) => address,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn known_names_bring_their_key() {
        let public = DatabaseAddress::public();
        assert_eq!(public.name(), defaults::GOSUMDB);
        assert_eq!(public.explicit_url(), None);
        assert_eq!(public.direct_url(), format!("https://{}", defaults::GOSUMDB));
        let elsewhere = address(&format!(" {}  https://sums.example.com/x ", defaults::GOSUMDB));
        assert_eq!(elsewhere.verifier(), public.verifier());
        assert_eq!(elsewhere.direct_url(), "https://sums.example.com/x");
    }

    #[test]
    fn the_alias_is_the_public_database_elsewhere() {
        let alias = address(defaults::GOSUMDB_ALIAS);
        assert_eq!(alias.verifier(), DatabaseAddress::public().verifier());
        assert_eq!(alias.explicit_url(), Some(defaults::GOSUMDB_ALIAS_URL));
        // With a URL of its own the alias is a name whose key nobody knows.
        let with_url = format!("{} https://sums.example.com", defaults::GOSUMDB_ALIAS);
        assert!(matches!(Gosumdb::parse(&with_url), Err(GosumdbError::Key { .. })));
    }

    #[test]
    fn own_databases_may_have_slashes() {
        let fake = larder_testkit::sumdb::FakeSumdb::new("sums.example.com/go/private", 1);
        let own = address(&fake.verifier_key());
        assert_eq!(own.name(), "sums.example.com/go/private");
        assert_eq!(own.direct_url(), "https://sums.example.com/go/private");
        for name in
            ["sums.example.com/", "sums.example.com//x", "/x", "a?b", "a#b", "a/../b", "user@host", "a/%41"]
        {
            let fake = larder_testkit::sumdb::FakeSumdb::new(name, 1);
            assert_eq!(
                Gosumdb::parse(&fake.verifier_key()),
                Err(GosumdbError::Name(name.to_owned())),
                "{name}"
            );
        }
    }

    #[test]
    fn off_is_exact_and_the_rest_is_refused() {
        assert_eq!(Gosumdb::parse("off"), Ok(Gosumdb::Off));
        assert_eq!(Gosumdb::parse(""), Err(GosumdbError::Missing));
        assert_eq!(Gosumdb::parse(" \t"), Err(GosumdbError::Missing));
        assert!(matches!(Gosumdb::parse("off "), Err(GosumdbError::Key { .. })));
        assert!(matches!(Gosumdb::parse("sums.example.com"), Err(GosumdbError::Key { .. })));
        let three = format!("{} a b", defaults::GOSUMDB);
        assert_eq!(Gosumdb::parse(&three), Err(GosumdbError::TooManyFields));
        let no_scheme = format!("{} user:canary@sums.example.com", defaults::GOSUMDB);
        let error = Gosumdb::parse(&no_scheme).unwrap_err();
        assert_eq!(error, GosumdbError::Url("sums.example.com".to_owned()));
    }
}
