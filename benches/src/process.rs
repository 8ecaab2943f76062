//! What the operating system says of this process.

use std::fs;
use std::time::Instant;

/// The largest resident size so far, in MB (10⁶ bytes); `None` where the
/// system does not tell.
pub fn peak_rss_mb() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some((kib * 1024.0 / 1e6 * 10.0).round() / 10.0)
}

/// A stopwatch. The core never reads a clock; a harness has to.
#[derive(Debug, Clone, Copy)]
pub struct Watch(Instant);

impl Watch {
    /// Starts now.
    #[allow(clippy::disallowed_methods)] // measuring is what a harness is for
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Seconds since the start.
    pub fn seconds(self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}
