//! Settings of Go, of the shell, of the container: rules that know what each value means and where it is from.
//!
//! A setting that is merely unusual is nobody's cause: most of these rules speak only when something failed, or when a value
//! makes every download fail.

mod goproxy;
mod intent;
mod layers;
mod module_mode;
mod network;
mod patterns;
mod scope;
mod toolchain;
mod trust;

use super::{Rule, rule};

pub(super) const RULES: &[Rule] = &[
    rule("F01", layers::shadowed),
    rule("F02", scope::wrong_user),
    rule("F03", layers::file_syntax),
    rule("F04", layers::distribution_defaults),
    rule("F05", patterns::no_match),
    rule("F06", layers::unknown_variable),
    rule("F07", module_mode::module_mode),
    rule("F08", module_mode::flags),
    rule("F09", trust::insecure_misused),
    rule("F10", scope::container),
    rule("F11", scope::shell),
    rule("F12", module_mode::no_module_here),
    rule("F13", toolchain::unavailable),
    rule("F14", toolchain::needs_checksums),
    rule("F15", toolchain::too_old),
    rule("F16", module_mode::unparsable),
    rule("F17", patterns::private_hides_proxy),
    rule("P01", goproxy::invalid_url),
    rule("P02", goproxy::junk),
    rule("P03", goproxy::separator),
    rule("P04", goproxy::empty),
    rule("P08", goproxy::login_refused),
    rule("N24", network::not_applied),
    rule("N25", network::exemption),
    rule("V07", trust::invalid_database),
    rule("G11", trust::version_control_refused),
];
