//! What the operating system says of this process.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use cloudoptim_core::providers::{Clock, Deadline};
use std::fs;
use std::sync::Arc;
use std::time::Instant;

/// The largest resident size since the start, or since [`reset_peak`], in MB
/// (10⁶ bytes); `None` where the system does not tell.
pub fn peak_rss_mb() -> Option<f64> {
    status_mb("VmHWM:")
}

/// The resident size now, in MB (10⁶ bytes).
pub fn rss_mb() -> Option<f64> {
    status_mb("VmRSS:")
}

/// Starts the measuring of the peak anew, so that an instance's figure is not
/// that of a larger one before it. What the allocator kept of that one still
/// counts. Does nothing where the system has no such thing.
pub fn reset_peak() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// Seconds that the calling thread has spent on a processor: on a machine that
/// is shared, what a measurement without the others would come near.
pub fn cpu_seconds() -> Option<f64> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: f64 = text.split_whitespace().next()?.parse().ok()?;
    Some(nanoseconds / 1e9)
}

/// The one-minute load of the machine, so that times can be judged.
pub fn load_average() -> Option<f64> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

fn status_mb(field: &str) -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with(field))?;
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

/// A deadline so many milliseconds from now.
pub fn deadline_in(milliseconds: u32) -> Deadline {
    let clock = Arc::new(Watch::start());
    Deadline::after(clock, TimeDelta::milliseconds(i64::from(milliseconds)))
}

#[async_trait]
impl Clock for Watch {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + self.monotonic()
    }

    fn monotonic(&self) -> TimeDelta {
        TimeDelta::from_std(self.0.elapsed()).unwrap_or(TimeDelta::MAX)
    }

    async fn sleep(&self, span: TimeDelta) {
        std::thread::sleep(span.to_std().unwrap_or_default());
    }
}
