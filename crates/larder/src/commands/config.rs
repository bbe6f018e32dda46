//! `larder config`: every value in force, and who set it.

use serde_json::json;

use super::Outcome;
use crate::cli::Format;
use crate::config::{Config, Proof, SecretSource};
use crate::render;

/// Prints the effective configuration.
pub(crate) fn run(config: &Config, format: Format) -> Result<(), Outcome> {
    match format {
        Format::Text => text(config),
        Format::Json => render::json(&as_json(config)),
    }
    Ok(())
}

fn text(config: &Config) {
    let header = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
    let mut rows = vec![header(["SETTING", "VALUE", "ORIGIN"])];
    rows.extend(
        config.values().map(|(setting, value)| {
            vec![setting.key.to_owned(), shown(&value.text), value.origin.to_string()]
        }),
    );
    rows.extend(
        config
            .go
            .iter()
            .map(|(name, value)| vec![(*name).to_owned(), shown(&value.text), value.origin.to_string()]),
    );
    render::table(&rows);
    render::line("");
    let mut rows =
        vec![["ROUTE", "CHAIN", "PRIVATE", "VERIFY", "PREFETCH", "ORIGIN"].map(str::to_owned).to_vec()];
    rows.extend(config.routes.iter().map(|route| {
        let private = if route.private { "yes" } else { "no" };
        vec![
            route.patterns.clone(),
            without_secrets(&route.chain),
            private.to_owned(),
            if route.private { "no, private".to_owned() } else { route.verify.clone() },
            route.prefetch.clone(),
            route.origin.to_string(),
        ]
    }));
    render::table(&rows);
    for credential in &config.credentials {
        render::line(format_args!(
            "credential for {}: {} ({})",
            credential.url,
            proof(&credential.proof),
            credential.origin
        ));
    }
    for repository in &config.repositories {
        render::line(format_args!(
            "repository of {}: {} ({})",
            repository.patterns.join(","),
            repository.url,
            repository.origin
        ));
    }
    for notice in &config.notices {
        render::note(format_args!("note: {notice}"));
    }
}

fn as_json(config: &Config) -> serde_json::Value {
    let setting = |key: &str, value: &crate::config::Value, about: &str, variable: Option<String>| {
        json!({
            "name": key, "value": without_secrets(&value.text), "origin": value.origin.to_string(),
            "about": about, "environment": variable,
        })
    };
    let settings: Vec<_> = config
        .values()
        .map(|(row, value)| setting(row.key, value, row.about, Some(row.variable())))
        .chain(config.go.iter().map(|(name, value)| setting(name, value, "one of Go's settings", None)))
        .collect();
    let routes: Vec<_> = config
        .routes
        .iter()
        .map(|route| {
            json!({
                "match": route.patterns, "chain": without_secrets(&route.chain), "private": route.private,
                "verify": route.verify, "prefetch": route.prefetch, "origin": route.origin.to_string(),
            })
        })
        .collect();
    let credentials: Vec<_> = config
        .credentials
        .iter()
        .map(|one| json!({"url": one.url, "proof": proof(&one.proof), "origin": one.origin.to_string()}))
        .collect();
    let repositories: Vec<_> = config
        .repositories
        .iter()
        .map(|one| json!({"match": one.patterns, "url": one.url, "origin": one.origin.to_string()}))
        .collect();
    json!({
        "settings": settings, "routes": routes, "credentials": credentials, "repositories": repositories,
        "notices": config.notices,
    })
}

fn shown(text: &str) -> String {
    if text.is_empty() { "(none)".to_owned() } else { without_secrets(text) }
}

fn proof(proof: &Proof) -> String {
    match proof {
        Proof::Password { user, secret } => format!("user {user}, password from {}", secret_place(secret)),
        Proof::Token(secret) => format!("token from {}", secret_place(secret)),
        Proof::Certificate { chain, key } => {
            format!("certificate {}, key {}", chain.display(), key.display())
        }
    }
}

fn secret_place(secret: &SecretSource) -> String {
    match secret {
        SecretSource::File(path) => format!("file {}", path.display()),
        SecretSource::Environment(name) => format!("environment {name}"),
    }
}

/// Replaces the login of every URL in a chain.
pub(crate) fn without_secrets(text: &str) -> String {
    larder_doctor::settings::with_logins_as(text, "[redacted]@")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_chains_are_not_shown() {
        let chain = "https://ci:hunter2@proxy.example.com/go|http://tok@b.example.com,direct";
        assert_eq!(
            without_secrets(chain),
            "https://[redacted]@proxy.example.com/go|http://[redacted]@b.example.com,direct"
        );
        assert_eq!(without_secrets("a/b@c"), "a/b@c");
    }
}
