//! Fakes and drivers for Larder's tests; nothing of it is shipped.

pub mod sumdb;
