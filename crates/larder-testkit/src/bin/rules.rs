//! Answers questions about Go's rules, one JSON line each; see [`larder_testkit::rules`].

use std::io;

fn main() -> io::Result<()> {
    larder_testkit::rules::run(io::stdin().lock(), io::stdout().lock())
}
