//! The benchmark harness: `cargo run --release -p cloudoptim-benches -- help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    cloudoptim_benches::cli::main(std::env::args().skip(1).collect())
}
