//! Tests of the harness: its readers, its judge, its command line.

#![allow(clippy::unwrap_used)] // helpers of tests may, as tests may

mod agreement;
mod baselines;
mod certificate;
mod checker;
mod cli;
mod consolidate;
mod launches;
mod launches_on_spot;
mod oracle;
mod readers;
mod repack_certificate;
mod stock;
mod zone_oracle;

use std::fs;
use std::path::PathBuf;

/// An empty folder of a test's own.
pub(crate) fn folder(test: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Compressed text.
pub(crate) fn gzip(text: &str) -> Vec<u8> {
    use std::io::Write;
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(text.as_bytes()).unwrap();
    out.finish().unwrap()
}
