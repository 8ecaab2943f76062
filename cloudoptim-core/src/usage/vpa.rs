//! The decaying histogram of the Kubernetes Vertical Pod Autoscaler.
//!
//! Formulas after `pkg/recommender/util/{histogram,decaying_histogram,
//! histogram_options}.go` and `model/{aggregations_config,container}.go` of
//! kubernetes/autoscaler, as of August 2026.

use crate::model::VpaPercentiles;

/// Seconds after which a sample counts half: 24 h for both metrics.
const HALF_LIFE_SECONDS: f64 = 86_400.0;
/// Length of a memory aggregation interval: one peak each.
pub(super) const MEMORY_INTERVAL_SECONDS: i64 = 86_400;
/// Weight of a CPU sample. It was the request once; now it is a constant.
pub(super) const CPU_SAMPLE_WEIGHT: f64 = 0.1;
/// Weight of a memory peak.
pub(super) const MEMORY_SAMPLE_WEIGHT: f64 = 1.0;
/// A lighter bucket counts as empty.
const EPSILON: f64 = 0.001 * CPU_SAMPLE_WEIGHT;
/// Each bucket is 5 % wider than the one before.
const RATIO: f64 = 1.05;
/// Half lives that the reference may lie behind the newest sample.
const MAX_EXPONENT: f64 = 100.0;

/// Buckets whose width grows by 5 %: bucket `n` starts at
/// `first × (1.05ⁿ − 1) ÷ 0.05`.
///
/// | CPU (`first` 0.01 core) | starts at |
/// | --- | --- |
/// | bucket 0 | 0 |
/// | bucket 1 | 0.01 core |
/// | bucket 2 | 0.0205 core |
#[derive(Debug, Clone)]
pub(super) struct Histogram {
    first: f64,
    weights: Vec<f64>,
    total: f64,
    reference_seconds: i64,
}

impl Histogram {
    /// CPU in cores, up to 1000, with samples from `first_at` to `last_at`.
    pub(super) fn cpu(first_at: i64, last_at: i64) -> Self {
        Self::new(1000.0, 0.01, first_at, last_at)
    }

    /// Memory in bytes, up to 10¹², with samples from `first_at` to `last_at`.
    pub(super) fn memory(first_at: i64, last_at: i64) -> Self {
        Self::new(1e12, 1e7, first_at, last_at)
    }

    fn new(max: f64, first: f64, first_at: i64, last_at: i64) -> Self {
        let buckets = ((max * (RATIO - 1.0) / first + 1.0).ln() / RATIO.ln()).ceil() as usize + 1;
        // The recommender keeps the reference at a multiple of the half life,
        // and moves it on when the exponent grows too large.
        let half = HALF_LIFE_SECONDS as i64;
        let oldest = last_at.saturating_sub(half * MAX_EXPONENT as i64);
        let reference_seconds = first_at.max(oldest).div_euclid(half) * half;
        Self {
            first,
            weights: vec![0.0; buckets],
            total: 0.0,
            reference_seconds,
        }
    }

    fn bucket(&self, value: f64) -> usize {
        if value < self.first {
            return 0;
        }
        let n = (value * (RATIO - 1.0) / self.first + 1.0).ln() / RATIO.ln();
        (n as usize).min(self.weights.len().saturating_sub(1))
    }

    fn start(&self, bucket: usize) -> f64 {
        if bucket == 0 {
            return 0.0;
        }
        self.first * (RATIO.powf(bucket as f64) - 1.0) / (RATIO - 1.0)
    }

    /// Adds a sample.
    pub(super) fn add(&mut self, value: f64, weight: f64, at_seconds: i64) {
        let age = at_seconds.saturating_sub(self.reference_seconds) as f64;
        let weight = weight * (age / HALF_LIFE_SECONDS).exp2();
        let bucket = self.bucket(value);
        if let Some(have) = self.weights.get_mut(bucket) {
            *have += weight;
            self.total += weight;
        }
    }

    /// The end of the bucket in which the share `percentile` (0 to 1) of the
    /// weight is reached; of the last bucket the start. 0 when empty.
    pub(super) fn percentile(&self, percentile: f64) -> f64 {
        let full = |w: &f64| *w >= EPSILON;
        let Some(min) = self.weights.iter().position(full) else {
            return 0.0;
        };
        let max = self.weights.iter().rposition(full).unwrap_or(min);
        let threshold = percentile * self.total;
        let mut sum = 0.0;
        let mut bucket = min;
        for weight in self.weights.iter().take(max).skip(min) {
            sum += weight;
            if sum >= threshold {
                break;
            }
            bucket += 1;
        }
        self.start(bucket.saturating_add(1).min(self.weights.len() - 1))
    }

    /// The three percentiles, `scale` units to one of the histogram's.
    pub(super) fn percentiles(&self, scale: f64, history_milli_days: u64) -> VpaPercentiles {
        // Rounded, where the recommender cuts off: bucket ends come out of
        // powers that miss whole numbers by a hair.
        let at = |p: f64| (self.percentile(p) * scale).round() as u64;
        VpaPercentiles {
            p50: at(0.5),
            p90: at(0.9),
            p95: at(0.95),
            history_milli_days,
        }
    }
}

/// Days of history by the recommender's confidence, in thousandths: the lesser
/// of the span of CPU samples and their number at one a minute.
pub(super) fn history_milli_days(first_at: i64, last_at: i64, samples: u64) -> u64 {
    let span = u64::try_from(last_at.saturating_sub(first_at)).unwrap_or(0);
    let by_span = span.saturating_mul(1000) / 86_400;
    let by_count = samples.saturating_mul(1000) / 1440;
    by_span.min(by_count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_those_of_the_recommender() {
        // Worked from the documented formula: 0.01 × (1.05ⁿ − 1) ÷ 0.05.
        let cpu = Histogram::cpu(0, 0);
        assert_eq!(cpu.weights.len(), 175 + 1);
        assert_eq!(cpu.bucket(0.0), 0);
        assert_eq!(cpu.bucket(0.0099), 0);
        assert_eq!(cpu.bucket(0.0101), 1);
        assert!((cpu.start(1) - 0.01).abs() < 1e-12);
        assert!((cpu.start(2) - 0.0205).abs() < 1e-12);
        assert_eq!(cpu.bucket(5_000.0), cpu.weights.len() - 1);
        let memory = Histogram::memory(0, 0);
        assert_eq!(memory.bucket(1.5e7), 1);
        assert!((memory.start(1) - 1e7).abs() < 1e-3);
    }

    #[test]
    fn a_percentile_is_the_end_of_its_bucket() {
        let mut cpu = Histogram::cpu(0, 0);
        for _ in 0..9 {
            cpu.add(0.005, CPU_SAMPLE_WEIGHT, 0);
        }
        cpu.add(0.015, CPU_SAMPLE_WEIGHT, 0);
        assert!((cpu.percentile(0.5) - 0.01).abs() < 1e-12);
        assert!((cpu.percentile(0.95) - 0.0205).abs() < 1e-12);
        assert_eq!(Histogram::cpu(0, 0).percentile(0.9), 0.0);
    }

    #[test]
    fn a_sample_loses_half_of_its_weight_in_a_day() {
        // One old sample at twice the weight balances one that is a day newer:
        // the median threshold is met by the lower bucket alone.
        let day = 86_400;
        let mut even = Histogram::cpu(0, day);
        even.add(0.005, 2.0, 0);
        even.add(0.5, 1.0, day);
        assert!((even.percentile(0.5) - 0.01).abs() < 1e-12);
        let mut newer = Histogram::cpu(0, day);
        newer.add(0.005, 1.9, 0);
        newer.add(0.5, 1.0, day);
        assert!(newer.percentile(0.5) > 0.5);
    }

    #[test]
    fn confidence_is_the_lesser_of_span_and_count() {
        assert_eq!(history_milli_days(0, 7 * 86_400, 7 * 1440), 7000);
        assert_eq!(history_milli_days(0, 7 * 86_400, 672), 466);
        assert_eq!(history_milli_days(0, 43_200, 5_000), 500);
    }
}
