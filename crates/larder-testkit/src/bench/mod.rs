//! What the benchmarks in `bench/` ask and are asked by, apart from the programs that are compared.
//!
//! Client and servers share the machine's few cores, so both halves are kept as cheap as they can be: one thread,
//! keep-alive, nothing built twice.

pub mod client;
pub mod counts;
pub mod filler;
pub mod load;
pub mod server;
pub mod tree;
