//! The module cache, the disk under it, vendor and workspaces: what lies here and gets in the way.

mod local;
mod place;
mod stale;

use super::{Rule, rule};

pub(super) const RULES: &[Rule] = &[
    rule("C01", place::not_permitted),
    rule("C02", place::full),
    rule("C03", place::no_place),
    rule("C04", place::locked),
    rule("C05", stale::zip_corrupt),
    rule("C06", stale::mod_corrupt),
    rule("C07", stale::folder_edited),
    rule("C08", place::not_deletable),
    rule("C09", place::foreign_repositories),
    rule("C10", stale::stale_list),
    rule("C11", stale::negative_memory),
    rule("C12", local::vendor_inconsistent),
    rule("C13", local::vendor_hides_network),
    rule("C14", local::vendor_ignored),
    rule("C15", local::workspace_shadow),
    rule("C16", local::offline_incomplete),
];
