//! Whether a workload can lose a replica at two minutes' notice.

use super::config::Config;
use super::reason::Reason;
use super::requests;
use crate::model::{
    Cluster, IntOrPercent, Labels, NodeSelectorTerm, OwnerIndex, Pod, PodDisruptionBudget, PodSpec,
    PodVolumeSource, Resources, Workload, WorkloadKind, WorkloadRef,
};
use crate::policy::Policy;
use std::collections::BTreeMap;

/// A workload with what hangs on it.
#[derive(Debug, Default)]
pub(super) struct Candidate<'a> {
    pub(super) workload: Option<&'a Workload>,
    pub(super) pods: Vec<&'a Pod>,
    /// A Deployment or the like of this owner was seen, so the owner is an
    /// operator's object.
    pub(super) owns_workloads: bool,
}

impl<'a> Candidate<'a> {
    /// The template's specification, or a pod's where there is none.
    pub(super) fn spec(&self) -> Option<&'a PodSpec> {
        let template = self.workload.and_then(|w| w.template.as_ref());
        template
            .map(|t| &t.spec)
            .or_else(|| self.pods.first().map(|p| &p.spec))
    }

    fn labels(&self) -> Option<&'a Labels> {
        let template = self.workload.and_then(|w| w.template.as_ref());
        template
            .map(|t| &t.labels)
            .or_else(|| self.pods.first().map(|p| &p.meta.labels))
    }
}

/// What is left of a workload that can run on spot.
#[derive(Debug)]
pub(super) struct Fit {
    pub(super) replicas: u32,
    /// Replicas that must stay whatever pool is lost.
    pub(super) minimum: u32,
    pub(super) requests: Resources,
}

/// Annotations that forbid to disrupt a pod, with the value that allows it.
const GUARDS: [(&str, &str); 4] = [
    ("karpenter.sh/do-not-disrupt", "false"),
    ("cluster-autoscaler.kubernetes.io/safe-to-evict", "true"),
    ("autoscaling.cast.ai/removal-disabled", "false"),
    (
        "descheduler.alpha.kubernetes.io/prefer-no-eviction",
        "false",
    ),
];

/// Labels of nodes with local disks: Karpenter's and EKS Auto Mode's.
const LOCAL_DISK_LABELS: [&str; 2] = [
    "karpenter.k8s.aws/instance-local-nvme",
    "eks.amazonaws.com/instance-local-nvme",
];

/// The workloads of a cluster with what hangs on them.
pub(super) fn candidates(cluster: &Cluster) -> BTreeMap<WorkloadRef, Candidate<'_>> {
    let owners = OwnerIndex::new(cluster);
    let mut all: BTreeMap<WorkloadRef, Candidate<'_>> = BTreeMap::new();
    for workload in cluster.workloads.items() {
        let reference = workload.reference();
        let top = owners.top_of(workload);
        if top == reference {
            all.entry(reference).or_default().workload = Some(workload);
        } else if matches!(top.kind, WorkloadKind::Other(_)) {
            all.entry(top).or_default().owns_workloads = true;
        }
    }
    for pod in cluster.pods.items() {
        if !pod.is_finished() && !pod.is_terminating() && !pod.is_mirror() {
            all.entry(owners.top(pod)).or_default().pods.push(pod);
        }
    }
    all
}

/// Replicas of each suitable workload that may stand on spot wherever that is:
/// when all of them are lost at once, its minimum is left, and its base on
/// demand in any case.
pub(crate) fn most_on_spot(
    config: &Config,
    policy: &Policy,
    cluster: &Cluster,
) -> BTreeMap<WorkloadRef, u32> {
    let budgets: Vec<_> = cluster.disruption_budgets.items().iter().collect();
    let all = candidates(cluster).into_iter();
    let suitable = all.filter_map(|(reference, candidate)| {
        let fit = judge(config, policy, &reference, &candidate, &budgets).ok()?;
        let stay = fit.minimum.max(config.on_demand_base_of(fit.replicas));
        Some((reference, fit.replicas.saturating_sub(stay)))
    });
    suitable.collect()
}

/// Judges a workload: every reason that speaks against spot, or what it needs.
pub(super) fn judge(
    config: &Config,
    policy: &Policy,
    reference: &WorkloadRef,
    candidate: &Candidate<'_>,
    budgets: &[&PodDisruptionBudget],
) -> Result<Fit, Vec<Reason>> {
    let mut reasons = Vec::new();
    if policy.protects(&reference.namespace) {
        reasons.push(Reason::ProtectedNamespace {
            namespace: reference.namespace.clone(),
        });
    }
    reasons.extend(annotations(config, candidate));
    reasons.extend(kind(reference, candidate));
    let Some(spec) = candidate.spec() else {
        reasons.push(Reason::NoTemplate);
        return Err(reasons);
    };
    let is_set = matches!(
        reference.kind,
        WorkloadKind::Deployment | WorkloadKind::ReplicaSet | WorkloadKind::StatefulSet
    );
    let replicas = candidate.workload.and_then(|w| w.replicas);
    if is_set {
        match replicas {
            None => reasons.push(Reason::ReplicasUnknown),
            Some(replicas) if replicas < config.min_replicas => {
                reasons.push(Reason::TooFewReplicas {
                    replicas,
                    min: config.min_replicas,
                });
            }
            Some(_) => {}
        }
    }
    reasons.extend(pod(config, spec));
    let rollout = candidate.workload.and_then(Workload::rollout_finished);
    if rollout == Some(false) {
        reasons.push(Reason::RolloutInProgress);
    }
    let replicas = replicas.unwrap_or(0);
    let mut minimum = replicas / 2 + 1;
    if is_set {
        let matching: Vec<_> = budgets
            .iter()
            .filter(|b| b.meta.namespace == reference.namespace)
            .filter(|b| match (&b.selector, candidate.labels()) {
                (Some(selector), Some(labels)) => selector.matches(labels),
                _ => false,
            })
            .collect();
        match matching.as_slice() {
            [] if config.require_budget => reasons.push(Reason::NoBudget),
            [] => {}
            [budget] => {
                reasons.extend(budget_reason(budget));
                minimum = declared_minimum(budget, replicas).unwrap_or(minimum);
            }
            several => reasons.push(Reason::SeveralBudgets {
                budgets: u32::try_from(several.len()).unwrap_or(u32::MAX),
            }),
        }
    }
    let requests = requests::of_template(spec);
    if requests.cpu.0 == 0 && requests.memory.0 == 0 {
        reasons.push(Reason::NoRequests);
    }
    if reasons.is_empty() {
        Ok(Fit {
            replicas,
            minimum,
            requests,
        })
    } else {
        Err(reasons)
    }
}

fn annotations(config: &Config, candidate: &Candidate<'_>) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let own = candidate.workload.map(|w| &w.meta.annotations);
    let template = candidate
        .workload
        .and_then(|w| w.template.as_ref())
        .map(|t| &t.annotations);
    let pods = candidate.pods.iter().map(|p| &p.meta.annotations);
    let on_pods: Vec<&Labels> = template.into_iter().chain(pods).collect();
    let opted = own
        .into_iter()
        .chain(on_pods.iter().copied())
        .find_map(|a| a.get(&config.opt_out_annotation))
        .filter(|value| {
            value
                .split(',')
                .any(|word| matches!(word.trim(), "true" | "spot"))
        });
    if let Some(value) = opted {
        reasons.push(Reason::OptedOut {
            annotation: config.opt_out_annotation.clone(),
            value: value.clone(),
        });
    }
    for (key, allows) in GUARDS {
        let guarded = on_pods
            .iter()
            .filter_map(|a| a.get(key))
            .any(|value| value != allows);
        if guarded {
            reasons.push(Reason::DoNotDisrupt {
                annotation: key.to_owned(),
            });
        }
    }
    reasons
}

fn kind(reference: &WorkloadRef, candidate: &Candidate<'_>) -> Option<Reason> {
    match &reference.kind {
        WorkloadKind::Deployment | WorkloadKind::ReplicaSet => None,
        WorkloadKind::StatefulSet => Some(Reason::StatefulSet),
        WorkloadKind::DaemonSet => Some(Reason::DaemonSet),
        WorkloadKind::Job | WorkloadKind::CronJob => Some(Reason::BatchWork {
            kind: reference.kind.to_string(),
        }),
        WorkloadKind::Pod => Some(Reason::BarePod),
        WorkloadKind::Other(_) if candidate.owns_workloads => Some(Reason::OperatorOwned {
            owner: reference.clone(),
        }),
        WorkloadKind::Other(kind) => Some(Reason::UnknownController { kind: kind.clone() }),
    }
}

fn pod(config: &Config, spec: &PodSpec) -> Vec<Reason> {
    let mut reasons = Vec::new();
    for volume in &spec.volumes {
        match volume.source {
            PodVolumeSource::Claim { .. } | PodVolumeSource::Ephemeral => {
                reasons.push(Reason::HoldsVolume {
                    volume: volume.name.clone(),
                });
            }
            PodVolumeSource::HostPath => reasons.push(Reason::HostPath {
                volume: volume.name.clone(),
            }),
            _ => {}
        }
    }
    let grace = spec.termination_grace_seconds.unwrap_or(30);
    if grace > i64::from(config.longest_grace_seconds()) {
        reasons.push(Reason::GraceTooLong {
            seconds: grace,
            max: config.longest_grace_seconds(),
        });
    }
    let class = spec.priority_class.as_deref().unwrap_or_default();
    // Above a thousand million only the system's own classes are allowed.
    if class.contains("critical") || spec.priority.is_some_and(|p| p >= 1_000_000_000) {
        reasons.push(Reason::CriticalPriority {
            class: class.to_owned(),
        });
    }
    let containers = spec.containers.iter().chain(&spec.init_containers);
    let device = containers
        .flat_map(|c| {
            let resources = &c.resources;
            resources
                .requests
                .extended
                .keys()
                .chain(resources.limits.extended.keys())
        })
        .find(|name| !name.starts_with("hugepages-"))
        .cloned()
        .or_else(|| spec.devices.as_ref().map(|_| "devices".to_owned()))
        .or_else(|| spec.resource_claims.first().cloned());
    if let Some(resource) = device.filter(|_| !config.accelerators) {
        reasons.push(Reason::Accelerator { resource });
    }
    let windows = spec.os.as_deref() == Some("windows")
        || spec
            .node_selector
            .get("kubernetes.io/os")
            .is_some_and(|os| os == "windows");
    if windows {
        reasons.push(Reason::Windows);
    }
    if let Some(label) = local_disk(spec) {
        reasons.push(Reason::NeedsLocalDisk {
            label: label.to_owned(),
        });
    }
    reasons
}

/// The first label by which every place that the pod allows has local disks.
fn local_disk(spec: &PodSpec) -> Option<&'static str> {
    let of_term = |term: &NodeSelectorTerm| {
        LOCAL_DISK_LABELS.into_iter().find(|label| {
            let mut asked = term.match_expressions.iter();
            asked.any(|r| r.key == *label && !r.matches(None))
        })
    };
    let selected = LOCAL_DISK_LABELS
        .into_iter()
        .find(|label| spec.node_selector.contains_key(*label));
    selected.or_else(|| {
        let terms = spec.required_node_affinity.as_deref()?;
        let labels: Option<Vec<_>> = terms.iter().map(of_term).collect();
        labels?.into_iter().next()
    })
}

fn budget_reason(budget: &PodDisruptionBudget) -> Option<Reason> {
    let name = budget.meta.name.clone();
    let current = match (budget.observed_generation, budget.meta.generation) {
        (Some(seen), Some(newest)) => seen >= newest,
        _ => true,
    };
    match budget.disruptions_allowed {
        Some(0) if current => Some(Reason::BudgetAllowsNone { budget: name }),
        Some(_) if current => None,
        _ => Some(Reason::BudgetUnknown { budget: name }),
    }
}

/// Replicas that a budget wants to stay, of `replicas`; percentages round up,
/// as Kubernetes rounds them. `None` when it states neither bound.
pub(super) fn declared_minimum(budget: &PodDisruptionBudget, replicas: u32) -> Option<u32> {
    let count = |value: IntOrPercent| match value {
        IntOrPercent::Count(count) => count,
        IntOrPercent::Percent(percent) => {
            let share = (u64::from(replicas) * u64::from(percent)).div_ceil(100);
            u32::try_from(share).unwrap_or(u32::MAX)
        }
    };
    match (budget.min_available, budget.max_unavailable) {
        (Some(least), _) => Some(count(least)),
        (None, Some(most)) => Some(replicas.saturating_sub(count(most))),
        (None, None) => None,
    }
}
