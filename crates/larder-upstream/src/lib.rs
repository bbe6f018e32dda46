//! Whom a module may be asked from: proxies, file trees, their chain, credentials and limits.
