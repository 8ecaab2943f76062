//! What rightsizing and OOM remediation ask of a cluster: who else sets a
//! workload's size, what its namespace and nodes allow, what its runtime keeps.

use crate::knowledge::{Gap, Knowledge};
use crate::model::{
    Bytes, Cluster, Container, HorizontalPodAutoscaler, OwnerIndex, Pod, PodSpec, ResourceList,
    Resources, ScaledObject, VerticalPodAutoscaler, Workload, WorkloadKind, WorkloadRef,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A resource that is sized.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SizedResource {
    /// CPU in thousandths of a core.
    Cpu,
    /// Memory in bytes.
    Memory,
}

impl SizedResource {
    /// The name that Kubernetes gives it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
        }
    }

    /// An amount as a Kubernetes quantity.
    pub fn show(self, amount: u64) -> String {
        match self {
            Self::Cpu => crate::model::MilliCpu(amount).to_string(),
            Self::Memory => Bytes(amount).to_string(),
        }
    }

    /// Its part of a list.
    pub fn of(self, list: &ResourceList) -> Option<u64> {
        match self {
            Self::Cpu => list.cpu.map(|c| c.0),
            Self::Memory => list.memory.map(|m| m.0),
        }
    }

    /// Sets its part of a list.
    pub fn set(self, list: &mut ResourceList, amount: Option<u64>) {
        match self {
            Self::Cpu => list.cpu = amount.map(crate::model::MilliCpu),
            Self::Memory => list.memory = amount.map(Bytes),
        }
    }
}

impl fmt::Display for SizedResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Parts by name that are not complete, with what they are instead.
pub(super) fn incomplete(parts: &[(&str, &dyn Part)]) -> Vec<(String, String)> {
    parts
        .iter()
        .filter_map(|(name, part)| part.state().map(|state| ((*name).to_owned(), state)))
        .collect()
}

/// A part of a snapshot, whatever it holds.
pub(super) trait Part {
    /// What it is instead of complete.
    fn state(&self) -> Option<String>;
}

impl<T> Part for Knowledge<T> {
    fn state(&self) -> Option<String> {
        (!self.is_complete()).then(|| self.to_string())
    }
}

/// Whether nobody asked for a part.
pub(super) fn not_collected<T>(part: &Knowledge<T>) -> bool {
    matches!(
        part,
        Knowledge::Unknown {
            gap: Gap::NotCollected
        }
    )
}

/// One cluster's workloads with their pods.
pub(super) struct Workloads<'a> {
    pub(super) cluster: &'a Cluster,
    /// Workloads at the top of their chains, or below an owner that is no
    /// workload of ours (an operator's).
    pub(super) sized: BTreeMap<WorkloadRef, &'a Workload>,
    /// Live and finished pods by the workload at the top of their chain; by
    /// the pod's Kubernetes workload when an operator stands above that.
    pub(super) pods: BTreeMap<WorkloadRef, Vec<&'a Pod>>,
}

impl<'a> Workloads<'a> {
    pub(super) fn new(cluster: &'a Cluster) -> Self {
        let known: BTreeMap<WorkloadRef, &Workload> = cluster
            .workloads
            .items()
            .iter()
            .map(|w| (w.reference(), w))
            .collect();
        // Chains that end at what we have a template of: an operator above a
        // Deployment does not make its pods.
        let mut ours = Vec::new();
        let mut sized = BTreeMap::new();
        for w in cluster.workloads.items() {
            let mut chain = Workload {
                kind: w.kind.clone(),
                meta: w.meta.clone(),
                ..Default::default()
            };
            let below = w.meta.controller().is_some_and(|o| {
                let namespace = w.meta.namespace.clone();
                let above = WorkloadRef::new(namespace, o.kind.as_str(), o.name.clone());
                known.contains_key(&above)
            });
            if !below {
                chain.meta.owners.clear();
                if !matches!(w.kind, WorkloadKind::Other(_)) {
                    sized.insert(w.reference(), w);
                }
            }
            ours.push(chain);
        }
        let index = OwnerIndex::of(&ours);
        let mut pods: BTreeMap<WorkloadRef, Vec<&Pod>> = BTreeMap::new();
        for pod in cluster.pods.items() {
            pods.entry(index.top(pod)).or_default().push(pod);
        }
        Self {
            cluster,
            sized,
            pods,
        }
    }

    /// Pods of a workload.
    pub(super) fn pods_of(&self, workload: &WorkloadRef) -> &[&'a Pod] {
        self.pods.get(workload).map_or(&[], Vec::as_slice)
    }

    /// The VPA that sizes a workload, unless it is off.
    pub(super) fn vpa(&self, workload: &WorkloadRef) -> Option<&'a VerticalPodAutoscaler> {
        let all = self.cluster.vertical_autoscalers.items();
        all.iter()
            .find(|v| v.target == *workload && !v.update_mode.eq_ignore_ascii_case("off"))
    }

    /// The autoscaler that steers a workload's replicas by its use of a
    /// resource in percent of the request, with the target.
    pub(super) fn hpa(
        &self,
        workload: &WorkloadRef,
        resource: SizedResource,
    ) -> Option<(&'a HorizontalPodAutoscaler, u32)> {
        let all = self.cluster.horizontal_autoscalers.items();
        all.iter().filter(|h| h.target == *workload).find_map(|h| {
            let metric = h.metrics.iter().find(|m| {
                m.name == resource.as_str()
                    && matches!(m.kind.as_str(), "Resource" | "ContainerResource")
            })?;
            Some((h, metric.target_utilization_percent?))
        })
    }

    /// The scaled object that steers a workload's replicas by a resource.
    pub(super) fn scaled_object(
        &self,
        workload: &WorkloadRef,
        resource: SizedResource,
    ) -> Option<&'a ScaledObject> {
        let all = self.cluster.scaled_objects.items();
        all.iter()
            .find(|s| s.target == *workload && s.triggers.iter().any(|t| t == resource.as_str()))
    }

    /// The strictest `LimitRange` bounds on a container of a namespace.
    pub(super) fn bounds(&self, namespace: &str, resource: SizedResource) -> Bounds {
        let mut bounds = Bounds::default();
        for range in self.cluster.limit_ranges.items() {
            if range.meta.namespace != namespace {
                continue;
            }
            for item in range.items.iter().filter(|i| i.kind == "Container") {
                if let Some(min) = resource.of(&item.min) {
                    bounds.min = Some(bounds.min.map_or(min, |b: u64| b.max(min)));
                }
                if let Some(max) = resource.of(&item.max) {
                    bounds.max = Some(bounds.max.map_or(max, |b: u64| b.min(max)));
                }
                if let Some(r) = item.max_limit_request_ratio_milli.get(resource.as_str()) {
                    bounds.ratio_milli = Some(bounds.ratio_milli.map_or(*r, |b: u64| b.min(*r)));
                }
            }
        }
        bounds
    }

    /// The first quota that `more` of a resource for requests, or for limits,
    /// would exceed, with its name, its cap and its use.
    pub(super) fn quota_exceeded(
        &self,
        namespace: &str,
        resource: SizedResource,
        limits: bool,
        more: u64,
    ) -> Option<(String, u64, u64)> {
        if more == 0 {
            return None;
        }
        let name = resource.as_str();
        let keys = if limits {
            vec![format!("limits.{name}")]
        } else {
            vec![format!("requests.{name}"), name.to_owned()]
        };
        for quota in self.cluster.resource_quotas.items() {
            if quota.meta.namespace != namespace {
                continue;
            }
            for key in &keys {
                let Some(hard) = quota.hard.get(key) else {
                    continue;
                };
                // A quota whose use is not known may be full.
                let used = quota.used.get(key).copied().unwrap_or(*hard);
                if used.saturating_add(more) > *hard {
                    return Some((format!("{}:{key}", quota.meta.name), *hard, used));
                }
            }
        }
        None
    }
}

/// Workloads of a cluster that have something to size: those with a live pod,
/// each once whatever stands between it and its pods, and CronJobs, whose next
/// run has.
pub(crate) fn running_workloads(cluster: &Cluster) -> u64 {
    let workloads = Workloads::new(cluster);
    let running = workloads.sized.iter().filter(|(reference, workload)| {
        let live = || {
            workloads
                .pods_of(reference)
                .iter()
                .any(|p| !p.is_finished())
        };
        workload.kind == WorkloadKind::CronJob || live()
    });
    u64::try_from(running.count()).unwrap_or(u64::MAX)
}

/// What a namespace allows a container.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bounds {
    pub(super) min: Option<u64>,
    pub(super) max: Option<u64>,
    /// Most of limit ÷ request in thousandths.
    pub(super) ratio_milli: Option<u64>,
}

/// Who applies a workload from a repository and would undo a change made in
/// the cluster.
pub(super) fn gitops(workload: &Workload) -> Option<String> {
    let meta = &workload.meta;
    for (key, by) in [
        ("argocd.argoproj.io/tracking-id", "Argo CD"),
        ("argocd.argoproj.io/instance", "Argo CD"),
        ("kustomize.toolkit.fluxcd.io/name", "Flux"),
        ("helm.toolkit.fluxcd.io/name", "Flux"),
    ] {
        if meta.annotation(key).or_else(|| meta.label(key)).is_some() {
            return Some(by.to_owned());
        }
    }
    let managers = ["argocd", "kustomize-controller", "helm-controller"];
    meta.field_managers
        .iter()
        .find(|m| managers.iter().any(|known| m.contains(known)))
        .cloned()
}

/// The Helm release of a workload: its next upgrade brings the old sizes back.
pub(super) fn helm_release(workload: &Workload) -> Option<String> {
    let meta = &workload.meta;
    meta.annotation("meta.helm.sh/release-name")
        .map(str::to_owned)
        .or_else(|| {
            (meta.label("app.kubernetes.io/managed-by") == Some("Helm")).then(|| meta.name.clone())
        })
}

/// A size that a runtime's setting fixes, in bytes. `None` for shares and for
/// what cannot be read.
pub(super) fn fixed_heap(name: &str, value: &str) -> Option<u64> {
    let (digits, unit): (&str, u64) = match name {
        "--max-old-space-size" | "--max_old_space_size" => (value, 1 << 20),
        "DOTNET_GCHeapHardLimit" => {
            let hex = value.trim_start_matches("0x").trim_start_matches("0X");
            return u64::from_str_radix(hex, 16).ok();
        }
        "-Xmx" | "-Xms" | "-XX:MaxHeapSize" | "-XX:MaxRAM" | "GOMEMLIMIT" => {
            let text = value.trim_end_matches(['b', 'B', 'i']);
            let (digits, shift) = match text.chars().last() {
                Some('k' | 'K') => (&text[..text.len() - 1], 10),
                Some('m' | 'M') => (&text[..text.len() - 1], 20),
                Some('g' | 'G') => (&text[..text.len() - 1], 30),
                Some('t' | 'T') => (&text[..text.len() - 1], 40),
                _ => (text, 0),
            };
            (digits, 1 << shift)
        }
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

/// Whether a setting makes the heap a share of the container's memory.
pub(super) fn is_share(name: &str) -> bool {
    matches!(
        name,
        "-XX:MaxRAMPercentage" | "-XX:InitialRAMPercentage" | "DOTNET_GCHeapHardLimitPercent"
    )
}

/// Whether a setting is about memory at all (`GOMAXPROCS` is not).
pub(super) fn is_memory_setting(name: &str) -> bool {
    !is_processor_setting(name) && name != "DOTNET_GCHeapAffinitizeMask"
}

/// Whether a setting fixes how many processors a runtime reckons with.
pub(super) fn is_processor_setting(name: &str) -> bool {
    matches!(name, "GOMAXPROCS" | "-XX:ActiveProcessorCount")
}

/// A container's requests with the API server's defaulting: a limit without a
/// request is the request as well.
pub(super) fn defaulted(container: &Container) -> ResourceList {
    container.resources.requests.or(&container.resources.limits)
}

/// The QoS class of a specification: of CPU and memory alone, as the kubelet
/// computes it.
pub(super) fn qos_class(spec: &PodSpec) -> &'static str {
    let all = || spec.containers.iter().chain(&spec.init_containers);
    let mut any = false;
    let mut guaranteed = true;
    for container in all() {
        let requests = defaulted(container);
        let limits = &container.resources.limits;
        for resource in [SizedResource::Cpu, SizedResource::Memory] {
            let (request, limit) = (resource.of(&requests), resource.of(limits));
            any |= request.is_some_and(|r| r > 0) || limit.is_some_and(|l| l > 0);
            guaranteed &= limit.is_some_and(|l| l > 0) && request == limit;
        }
    }
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

/// What a pod asks for, as the scheduler adds it up: the larger of the running
/// containers and each init container with the sidecars before it, plus the
/// overhead. Pod-level requests win for the resources that they name.
pub(super) fn pod_request(spec: &PodSpec) -> Resources {
    let mut running = Resources::default();
    for container in &spec.containers {
        running.add(&defaulted(container).to_resources());
    }
    let mut sidecars = Resources::default();
    let mut most = Resources::default();
    for container in &spec.init_containers {
        let mut needs = defaulted(container).to_resources();
        if container.restarts_always {
            sidecars.add(&needs);
            most.raise_to(&sidecars);
        } else {
            needs.add(&sidecars);
            most.raise_to(&needs);
        }
    }
    running.add(&sidecars);
    running.raise_to(&most);
    if let Some(pod) = &spec.resources {
        let requests = pod.requests.or(&pod.limits);
        if let Some(cpu) = requests.cpu {
            running.cpu = cpu;
        }
        if let Some(memory) = requests.memory {
            running.memory = memory;
        }
    }
    if let Some(overhead) = &spec.overhead {
        running.add(&overhead.to_resources());
    }
    running.pods = 1;
    running
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heap_settings_are_read_in_the_units_of_their_runtimes() {
        assert_eq!(fixed_heap("-Xmx", "2g"), Some(2 << 30));
        assert_eq!(fixed_heap("-Xmx", "512M"), Some(512 << 20));
        assert_eq!(fixed_heap("-Xmx", "1048576"), Some(1 << 20));
        assert_eq!(fixed_heap("GOMEMLIMIT", "750MiB"), Some(750 << 20));
        assert_eq!(fixed_heap("--max-old-space-size", "1024"), Some(1 << 30));
        assert_eq!(
            fixed_heap("DOTNET_GCHeapHardLimit", "0x10000000"),
            Some(1 << 28)
        );
        assert_eq!(fixed_heap("-XX:MaxRAMPercentage", "75"), None);
        assert_eq!(fixed_heap("-Xmx", "99999999999999g"), None);
        assert_eq!(fixed_heap("-Xmx", "lots"), None);
    }
}
