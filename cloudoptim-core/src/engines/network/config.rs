//! Settings.

use crate::engines::{EngineError, EngineId};
use crate::model::MicroUsdPerMonth;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Settings of the engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// How much more than the mean the busiest endpoint may get after a
    /// change, in percent, 0 to 100. Default 20.
    pub max_overload_percent: u32,
    /// The same for a service whose replicas an autoscaler steers. Default 10.
    pub max_overload_percent_autoscaled: u32,
    /// Ready endpoints that each zone with endpoints must have, at least 1.
    /// Default 3.
    pub min_endpoints_per_zone: u32,
    /// Zones in which a routed service must have endpoints, at least 1.
    /// Default 2.
    pub min_zones: u32,
    /// A change that saves less is not worth its review. Default $1 a month.
    pub min_saves_per_month: MicroUsdPerMonth,
    /// Whether topology mode Auto may be set where preferring the same zone
    /// would overload an endpoint. Default true.
    pub topology_auto: bool,
    /// Whether a workload that runs in one zone may be moved to another.
    /// Default true.
    pub zone_moves: bool,
    /// Annotation of a service or workload that keeps the engine off it, with
    /// the value `true` or a comma-separated list that names `network`.
    /// Default `cloudoptim/opt-out`.
    pub opt_out_annotation: String,
    /// Names of containers that route for their pod, past the service.
    pub mesh_containers: BTreeSet<String>,
    /// Words in the names of images whose clients keep their connections or
    /// choose the replica themselves.
    pub own_routing_images: BTreeSet<String>,
}

impl Default for Config {
    fn default() -> Self {
        let set = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect();
        Self {
            // Both from Kubernetes' KEP-2433: hints are withheld when a zone
            // would be overloaded by 20 % or has too few endpoints; three
            // endpoints a zone is its documented rule of thumb.
            max_overload_percent: 20,
            min_endpoints_per_zone: 3,
            // The tolerance of the horizontal autoscaler: it sees the mean of
            // the pods and lets a tenth pass, so a hotter zone stays unseen.
            max_overload_percent_autoscaled: 10,
            // One zone may fail.
            min_zones: 2,
            min_saves_per_month: MicroUsdPerMonth(1_000_000),
            topology_auto: true,
            zone_moves: true,
            opt_out_annotation: "cloudoptim/opt-out".to_owned(),
            mesh_containers: set(&["istio-proxy", "linkerd-proxy", "consul-dataplane", "envoy"]),
            own_routing_images: set(&[
                "cassandra",
                "clickhouse",
                "cockroach",
                "elasticsearch",
                "etcd",
                "kafka",
                "mariadb",
                "memcached",
                "mongo",
                "mongodb",
                "mysql",
                "nats",
                "opensearch",
                "postgres",
                "postgresql",
                "rabbitmq",
                "redis",
                "scylla",
                "valkey",
                "zookeeper",
            ]),
        }
    }
}

impl Config {
    /// Sets [`max_overload_percent`](Self::max_overload_percent).
    #[must_use]
    pub const fn with_max_overload_percent(mut self, percent: u32) -> Self {
        self.max_overload_percent = percent;
        self
    }

    /// Sets [`max_overload_percent_autoscaled`](Self::max_overload_percent_autoscaled).
    #[must_use]
    pub const fn with_max_overload_percent_autoscaled(mut self, percent: u32) -> Self {
        self.max_overload_percent_autoscaled = percent;
        self
    }

    /// Sets [`min_endpoints_per_zone`](Self::min_endpoints_per_zone).
    #[must_use]
    pub const fn with_min_endpoints_per_zone(mut self, endpoints: u32) -> Self {
        self.min_endpoints_per_zone = endpoints;
        self
    }

    /// Sets [`min_zones`](Self::min_zones).
    #[must_use]
    pub const fn with_min_zones(mut self, zones: u32) -> Self {
        self.min_zones = zones;
        self
    }

    /// Sets [`min_saves_per_month`](Self::min_saves_per_month).
    #[must_use]
    pub const fn with_min_saves_per_month(mut self, money: MicroUsdPerMonth) -> Self {
        self.min_saves_per_month = money;
        self
    }

    /// Sets [`topology_auto`](Self::topology_auto).
    #[must_use]
    pub const fn with_topology_auto(mut self, allowed: bool) -> Self {
        self.topology_auto = allowed;
        self
    }

    /// Sets [`zone_moves`](Self::zone_moves).
    #[must_use]
    pub const fn with_zone_moves(mut self, allowed: bool) -> Self {
        self.zone_moves = allowed;
        self
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`EngineError::BadSetting`] for the first value out of range.
    pub fn validate(&self) -> Result<(), EngineError> {
        let bad = |message: String| {
            Err(EngineError::BadSetting {
                engine: EngineId::Network,
                message,
            })
        };
        for (name, value) in [
            ("max_overload_percent", self.max_overload_percent),
            (
                "max_overload_percent_autoscaled",
                self.max_overload_percent_autoscaled,
            ),
        ] {
            if value > 100 {
                return bad(format!("{name} must be at most 100, got {value}"));
            }
        }
        for (name, value) in [
            ("min_endpoints_per_zone", self.min_endpoints_per_zone),
            ("min_zones", self.min_zones),
        ] {
            if value == 0 {
                return bad(format!("{name} must be at least 1, got 0"));
            }
        }
        if self.min_saves_per_month.0 < 0 {
            return bad(format!(
                "min_saves_per_month must not be negative, got {}",
                self.min_saves_per_month
            ));
        }
        // Readers keep only annotations on a list; another one would be
        // dropped on the way, and nobody would be left out.
        if !self.opt_out_annotation.starts_with("cloudoptim/") {
            return bad(format!(
                "opt_out_annotation must start with cloudoptim/, got {:?}",
                self.opt_out_annotation
            ));
        }
        Ok(())
    }
}
