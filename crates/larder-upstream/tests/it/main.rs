//! How upstreams behave over real sockets, against servers that are as wrong as real ones.

mod chains;
mod direct;
mod faults;
mod files;
mod forward;
mod pages;
mod pool;
mod redirects;
mod support;
mod tls;
mod zips;
