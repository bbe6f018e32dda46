//! `larder doctor list` and `larder doctor show ID`: the catalogue as a manual.

use larder_doctor::catalogue::Catalogue;
use serde_json::json;

use super::{Desk, Outcome};
use crate::cli::doctor::ReportFormat;
use crate::render;

/// Lists every cause.
pub(super) fn list(desk: &Desk<'_>) -> Result<(), Outcome> {
    let catalogue = Catalogue::of(desk.language);
    match desk.form.format {
        ReportFormat::Text => render::line(render::doctor::manual::list(catalogue).trim_end()),
        ReportFormat::Markdown => {
            render::line(render::doctor::manual::markdown_list(catalogue).trim_end());
        }
        ReportFormat::Json => {
            let causes: Vec<_> = catalogue
                .entries()
                .map(|entry| {
                    json!({"id": entry.id, "slug": entry.cause.slug, "layer": entry.cause.layer,
                           "title": render::doctor::manual::plain(&entry.words.title)})
                })
                .collect();
            render::json(&json!({"schema": larder_doctor::SCHEMA, "causes": causes}));
        }
    }
    Ok(())
}

/// Shows one cause.
pub(super) fn show(desk: &Desk<'_>, id: &str) -> Result<(), Outcome> {
    let Some(entry) = Catalogue::of(desk.language).entry(id) else {
        return Err(Outcome::Usage {
            error: format!("there is no cause `{}`", id.escape_default()),
            hint: Some("`larder doctor list` names them all".to_owned()),
        });
    };
    match desk.form.format {
        ReportFormat::Text => {
            render::line(render::doctor::manual::show(&entry, desk.language).trim_end());
        }
        ReportFormat::Markdown => {
            render::line(render::doctor::manual::markdown_show(&entry, desk.language).trim_end());
        }
        ReportFormat::Json => render::json(&render::doctor::manual::json(&entry)),
    }
    Ok(())
}
