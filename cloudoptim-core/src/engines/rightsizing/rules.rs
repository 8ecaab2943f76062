//! The rules that turn usage into a request. Each is a function of the usage
//! of one container; guards come afterwards and are the same for all.

use super::config::Rule;
use crate::engines::sizing::SizedResource;
use crate::model::{UsageStats, VpaPercentiles};

/// Margin of every rule, in percent: the VPA's `recommendation-margin-fraction`,
/// KRR's `memory_buffer_percentage`.
const MARGIN_PERCENT: u64 = 15;
/// The VPA's least CPU of a pod (`pod-recommendation-min-cpu-millicores`).
const VPA_POD_MIN_MILLI: u64 = 25;
/// The VPA's least memory of a pod (`pod-recommendation-min-memory-mb`, which
/// it multiplies by 1024²).
const VPA_POD_MIN_BYTES: u64 = 250 << 20;

/// What a rule wants of one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The request, rounded up to 1m or 1Mi.
    pub(super) target: u64,
    /// The figure that it comes from, such as `p99`.
    pub(super) basis: &'static str,
    /// Its value.
    pub(super) value: u64,
    /// Bounds between which the rule would leave a request.
    pub(super) bounds: Option<(u64, u64)>,
}

/// The request that `rule` wants.
///
/// `runs` asks for the peak: a job's samples are few, and its peak is what a
/// run needs.
pub(super) fn wanted(
    rule: Rule,
    resource: SizedResource,
    stats: &UsageStats,
    containers: u64,
    runs: bool,
) -> Wanted {
    let plain = |basis: &'static str, value: u64, margin: u64| Wanted {
        target: round_up(resource, with_margin(value, margin)),
        basis,
        value,
        bounds: None,
    };
    if runs {
        return plain("the largest run's peak", stats.max, MARGIN_PERCENT);
    }
    match (rule, resource) {
        (Rule::PeakMargin, SizedResource::Cpu) => plain("p99", stats.p99, MARGIN_PERCENT),
        (Rule::PeakMargin | Rule::Krr, SizedResource::Memory) => {
            plain("the maximum", stats.max, MARGIN_PERCENT)
        }
        (Rule::Krr, SizedResource::Cpu) => plain("p95", stats.p95, 0),
        (Rule::Vpa, _) => vpa(resource, &stats.vpa, containers),
    }
}

/// The VPA's target and bounds.
///
/// ```text
/// minimum = pod minimum ÷ containers
/// target  = max(p90 × 1.15, minimum)
/// lower   = max(p50 × 1.15 × (1 + 0.001 ÷ days)⁻², minimum)
/// upper   = max(p95 × 1.15 × (1 + 1 ÷ days), minimum)
/// ```
fn vpa(resource: SizedResource, p: &VpaPercentiles, containers: u64) -> Wanted {
    let pod_min = match resource {
        SizedResource::Cpu => VPA_POD_MIN_MILLI,
        SizedResource::Memory => VPA_POD_MIN_BYTES,
    };
    let least = pod_min / containers.max(1);
    let days = p.history_milli_days as f64 / 1000.0;
    let scaled = |value: u64, factor: f64| {
        let scaled = with_margin(value, MARGIN_PERCENT) as f64 * factor;
        // Without history the upper bound is infinite: a cast holds at the end.
        round_up(resource, (scaled as u64).max(least))
    };
    let (lower, upper) = if days > 0.0 {
        ((1.0 + 0.001 / days).powi(-2), 1.0 + 1.0 / days)
    } else {
        (0.0, f64::INFINITY)
    };
    Wanted {
        target: round_up(resource, with_margin(p.p90, MARGIN_PERCENT).max(least)),
        basis: "p90 of the decaying histogram",
        value: p.p90,
        bounds: Some((scaled(p.p50, lower), scaled(p.p95, upper))),
    }
}

/// `value` and `percent` % of it, rounded up.
pub(super) fn with_margin(value: u64, percent: u64) -> u64 {
    let scaled = u128::from(value) * (100 + u128::from(percent));
    u64::try_from(scaled.div_ceil(100)).unwrap_or(u64::MAX)
}

/// To a whole MiB for memory, at least 1; CPU is whole thousandths already, at
/// least 1.
pub(super) fn round_up(resource: SizedResource, amount: u64) -> u64 {
    match resource {
        SizedResource::Cpu => amount.max(1),
        SizedResource::Memory => crate::model::Bytes(amount.max(1)).ceil_mib().0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn stats() -> UsageStats {
        UsageStats {
            p95: 200,
            p99: 300,
            max: 1000,
            vpa: VpaPercentiles {
                p50: 100,
                p90: 200,
                p95: 400,
                history_milli_days: 500,
            },
            ..Default::default()
        }
    }

    #[test]
    fn each_rule_gives_its_published_figure() {
        let cpu = |rule| wanted(rule, SizedResource::Cpu, &stats(), 1, false).target;
        assert_eq!(cpu(Rule::PeakMargin), 345); // 300 × 1.15
        assert_eq!(cpu(Rule::Krr), 200); // p95 as it is
        assert_eq!(cpu(Rule::Vpa), 230); // 200 × 1.15
        let memory = UsageStats {
            max: 100 * MIB,
            ..stats()
        };
        let of = |rule| wanted(rule, SizedResource::Memory, &memory, 2, false).target;
        assert_eq!(of(Rule::PeakMargin), 115 * MIB);
        assert_eq!(of(Rule::Krr), 115 * MIB);
        // The pod's 250 MiB shared by two containers.
        assert_eq!(of(Rule::Vpa), 125 * MIB);
    }

    #[test]
    fn the_vpas_bounds_follow_its_confidence() {
        // Half a day of history: the upper bound is three times, the lower 0.996.
        let w = wanted(Rule::Vpa, SizedResource::Cpu, &stats(), 1, false);
        assert_eq!(w.bounds, Some((114, 1380)));
        let mut none = stats();
        none.vpa.history_milli_days = 0;
        let w = wanted(Rule::Vpa, SizedResource::Cpu, &none, 1, false);
        assert_eq!(w.bounds, Some((25, u64::MAX)));
    }
}
