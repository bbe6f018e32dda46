//! The checksum database service against a database that can be made to lie, to fail and to vanish.

#![expect(clippy::print_stdout, reason = "seeds and figures are for whoever reads the test's output")]

mod attacks;
mod client;
mod copies;
mod live;
mod outages;
mod real_go;
mod service;
mod stage;
