//! What a pod asks for, exactly as the kube-scheduler adds it up.
//!
//! The rules are those of `k8s.io/component-helpers/resource` (`PodRequests`
//! with status resources) and of the API server's defaulting.

use crate::model::{
    Container, ContainerStatus, DeviceRequest, LimitRange, Pod, PodSpec, ResourceList, Resources,
    RuntimeClass,
};
use serde::{Deserialize, Serialize};

/// What a resize that the node refused for good (`Infeasible`) still asks for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum InfeasibleResize {
    /// Only what the node holds for it: the kube-scheduler's rule.
    #[default]
    Drop,
    /// What the specification wants too: Karpenter's rule, on the safe side,
    /// because a pod made anew will ask for it.
    Keep,
}

/// What `pod` takes of a node, one pod slot included.
///
/// | container | requests |
/// | --- | --- |
/// | sidecar `mesh` | 50m, 40Mi |
/// | init `i1`, after it | 120m |
/// | main | 100m, 64Mi |
/// | pod | max(120 + 50, 50 + 100) = 170m, max(40, 40 + 64) = 104Mi |
///
/// - Init containers run one by one beside the sidecars that stand before
///   them; sidecars after them do not count.
/// - A resize in place counts with the largest of specification, status and
///   allocation; see [`InfeasibleResize`].
/// - Pod-level requests replace the containers' sum for CPU, memory and huge
///   pages; the overhead of the runtime class is added to either.
/// - Where a request is missing and a limit is there, the limit is the request.
pub fn effective_request(pod: &Pod, infeasible: InfeasibleResize) -> Resources {
    let dropped = infeasible == InfeasibleResize::Drop
        && pod.status.resize_pending.as_deref() == Some("Infeasible");
    let mut total = aggregate(&pod.spec, |container, init| {
        let statuses = if init {
            &pod.status.init_containers
        } else {
            &pod.status.containers
        };
        let status = statuses.iter().find(|s| s.name == container.name);
        in_use(&defaulted(container), status, dropped)
    });
    pod_level(&mut total, &pod.spec, Some(pod), dropped);
    finish(total, pod.spec.overhead.as_ref())
}

/// What a pod made from a template would ask for.
///
/// Templates are not defaulted by the API server as pods are, so it is done
/// here: limits become missing requests, then the `Container` entries of the
/// namespace's limit ranges fill what is still missing (in the order given),
/// then the runtime class brings its overhead.
pub fn template_request(
    spec: &PodSpec,
    limit_ranges: &[&LimitRange],
    runtime_class: Option<&RuntimeClass>,
) -> Resources {
    let spec = admitted(spec, limit_ranges, runtime_class);
    let mut total = aggregate(&spec, |container, _| {
        container.resources.requests.to_resources()
    });
    pod_level(&mut total, &spec, None, false);
    finish(total, spec.overhead.as_ref())
}

/// The specification that the API server would store for a pod of a template:
/// requests from limits, defaults of the limit ranges, and overhead, node
/// selector and tolerations of the runtime class.
#[must_use]
pub fn admitted(
    spec: &PodSpec,
    limit_ranges: &[&LimitRange],
    runtime_class: Option<&RuntimeClass>,
) -> PodSpec {
    let mut spec = spec.clone();
    let items = || {
        limit_ranges
            .iter()
            .flat_map(|range| &range.items)
            .filter(|item| item.kind == "Container")
    };
    for container in spec
        .containers
        .iter_mut()
        .chain(spec.init_containers.iter_mut())
    {
        let resources = &mut container.resources;
        resources.requests = resources.requests.or(&resources.limits);
        for item in items() {
            resources.requests = resources
                .requests
                .or(&item.default_request)
                .or(&item.default_limit);
            resources.limits = resources.limits.or(&item.default_limit);
        }
    }
    if let Some(class) = runtime_class {
        if spec.overhead.is_none() {
            spec.overhead = class.overhead.clone();
        }
        for (key, value) in &class.node_selector {
            spec.node_selector
                .entry(key.clone())
                .or_insert_with(|| value.clone());
        }
        for toleration in &class.tolerations {
            if !spec.tolerations.contains(toleration) {
                spec.tolerations.push(toleration.clone());
            }
        }
    }
    spec
}

/// The shares of devices that a pod asks for.
pub const fn device_request(spec: &PodSpec) -> Option<&DeviceRequest> {
    spec.devices.as_ref()
}

/// A container's requests, with its limits where it states none.
fn defaulted(container: &Container) -> ResourceList {
    container.resources.requests.or(&container.resources.limits)
}

fn in_use(spec: &ResourceList, status: Option<&ContainerStatus>, dropped: bool) -> Resources {
    let held = status.map(|s| (s.resources.as_ref(), s.allocated.as_ref()));
    let Some((resources, allocated)) =
        held.filter(|(resources, allocated)| resources.is_some() || allocated.is_some())
    else {
        return spec.to_resources();
    };
    let mut used = if dropped {
        Resources::default()
    } else {
        spec.to_resources()
    };
    if let Some(resources) = resources {
        used.raise_to(&resources.requests.to_resources());
    }
    if let Some(allocated) = allocated {
        used.raise_to(&allocated.to_resources());
    }
    used
}

/// The larger of all that runs together and each init container with the
/// sidecars before it.
fn aggregate(spec: &PodSpec, request: impl Fn(&Container, bool) -> Resources) -> Resources {
    let mut together = Resources::default();
    for container in &spec.containers {
        together.add(&request(container, false));
    }
    let mut sidecars = Resources::default();
    let mut starting = Resources::default();
    for container in &spec.init_containers {
        if container.restarts_always {
            sidecars.add(&request(container, true));
            starting.raise_to(&sidecars);
        } else {
            // A finished init container is never resized: its status is history.
            let mut at_once = defaulted(container).to_resources();
            at_once.add(&sidecars);
            starting.raise_to(&at_once);
        }
    }
    together.add(&sidecars);
    together.raise_to(&starting);
    together
}

/// Puts pod-level requests in the place of the containers' sum.
fn pod_level(total: &mut Resources, spec: &PodSpec, pod: Option<&Pod>, dropped: bool) {
    let Some(level) = &spec.resources else { return };
    let containers = || spec.containers.iter().chain(&spec.init_containers);
    let stated = |has: fn(&ResourceList) -> bool| {
        has(&level.requests) || (has(&level.limits) && !containers().any(|c| has(&defaulted(c))))
    };
    let wanted = level.requests.or(&level.limits);
    let status = pod.and_then(|p| p.status.resources.as_ref());
    let allocated = pod.and_then(|p| p.status.allocated.as_ref());
    let held = |get: &dyn Fn(&ResourceList) -> Option<u64>| -> Option<u64> {
        status
            .and_then(|s| get(&s.requests))
            .max(allocated.and_then(get))
    };
    let pick = |get: &dyn Fn(&ResourceList) -> Option<u64>| -> u64 {
        let held = held(get);
        match (get(&wanted), held) {
            (_, Some(held)) if dropped => held,
            (wanted, held) => wanted.max(held).unwrap_or(0),
        }
    };
    if stated(|l| l.cpu.is_some()) {
        total.cpu.0 = pick(&|l| l.cpu.map(|v| v.0));
    }
    if stated(|l| l.memory.is_some()) {
        total.memory.0 = pick(&|l| l.memory.map(|v| v.0));
    }
    for name in wanted
        .extended
        .keys()
        .filter(|n| n.starts_with("hugepages-"))
    {
        let has = |l: &ResourceList| l.extended.contains_key(name);
        if has(&level.requests) || !containers().any(|c| has(&defaulted(c))) {
            total
                .extended
                .insert(name.clone(), pick(&|l| l.extended.get(name).copied()));
        }
    }
}

fn finish(mut total: Resources, overhead: Option<&ResourceList>) -> Resources {
    if let Some(overhead) = overhead {
        total.add(&overhead.to_resources());
    }
    total.pods = 1;
    total
}
