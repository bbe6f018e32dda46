//! The go command's built-in defaults, and names of public services: the only place where they stand.

/// `GOPROXY` where nothing sets it.
pub const GOPROXY: &str = "https://proxy.golang.org,direct";

/// `GOSUMDB` where nothing sets it: the name of the public checksum database.
pub const GOSUMDB: &str = "sum.golang.org";

/// The value of `GOSUMDB` that stands for the public checksum database at [`GOSUMDB_ALIAS_URL`].
pub const GOSUMDB_ALIAS: &str = "sum.golang.google.cn";

/// Where [`GOSUMDB_ALIAS`] reaches the public checksum database.
pub const GOSUMDB_ALIAS_URL: &str = "https://sum.golang.google.cn";

/// `GOVCS` where nothing sets it, and what follows every value of it.
pub const GOVCS: &str = "private:all,public:git|hg";

/// The checksum databases whose key the go command knows, as (name, key).
pub const KNOWN_GOSUMDB: &[(&str, &str)] =
    &[(GOSUMDB, "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8")];

/// The module that toolchains are downloaded as; it is always verified.
pub const TOOLCHAIN_MODULE: &str = "golang.org/toolchain";

/// Public module proxies that are proposed, after a look at them, where the public one is far or blocked.
pub const PUBLIC_MIRRORS: &[&str] = &["https://goproxy.cn", "https://goproxy.io"];

/// Returns the key of a checksum database that the go command knows by name.
#[must_use]
pub fn known_gosumdb_key(name: &str) -> Option<&'static str> {
    KNOWN_GOSUMDB.iter().find(|(known, _)| *known == name).map(|(_, key)| *key)
}
