//! What a new size does to the process inside.

use super::config::Config;
use super::reason::Reason;
use super::rules::with_margin;
use crate::engines::sizing::{
    SizedResource, defaulted, fixed_heap, is_memory_setting, is_processor_setting, is_share,
};
use crate::model::{Container, ContainerResources, Node, PodSpec, PodVolumeSource};

/// Running pods are resized in place from this minor version on.
const IN_PLACE_MINOR: u32 = 33;
/// A memory limit is lowered in place without a restart from this one on.
const IN_PLACE_LOWER_LIMIT_MINOR: u32 = 34;

/// The least that the runtime's settings need.
pub(super) fn heap(
    config: &Config,
    container: &Container,
) -> Result<Option<(String, u64)>, Vec<Reason>> {
    let mut floor: Option<(String, u64)> = None;
    for setting in &container.runtime_memory {
        if !is_memory_setting(&setting.name) {
            continue;
        }
        match fixed_heap(&setting.name, &setting.value) {
            Some(heap) if !is_share(&setting.name) => {
                let percent = u64::from(config.heap_overhead_percent);
                let bytes = with_margin(heap, percent);
                if floor.as_ref().is_none_or(|(_, most)| bytes > *most) {
                    floor = Some((format!("{}{}", setting.name, setting.value), bytes));
                }
            }
            _ => {
                return Err(vec![Reason::RuntimeHeap {
                    setting: setting.name.clone(),
                    value: setting.value.clone(),
                }]);
            }
        }
    }
    Ok(floor)
}

/// What a lower CPU limit does to the threads of a runtime: most count the
/// processors of their limit, rounded up, when they start.
pub(super) fn processors(container: &Container, to: &ContainerResources) -> Option<Reason> {
    let before = container.resources.limits.cpu?.0;
    let after = to.limits.cpu?.0;
    if after >= before {
        return None;
    }
    let (from, to) = (before.div_ceil(1000), after.div_ceil(1000));
    let mut settings = container.runtime_memory.iter();
    match settings.find(|s| is_processor_setting(&s.name)) {
        Some(fixed) => {
            let count: u64 = fixed.value.parse().ok()?;
            (count > to).then(|| Reason::ProcessorsFixed {
                setting: fixed.name.clone(),
                value: fixed.value.clone(),
            })
        }
        None => (to < from).then_some(Reason::FewerProcessors { from, to }),
    }
}

/// Volumes in memory of a pod whose container gets less memory.
pub(super) fn memory_volumes<'s>(
    spec: &'s PodSpec,
    container: &Container,
    to: &ContainerResources,
) -> impl Iterator<Item = Reason> + 's {
    let lower = |before: Option<u64>, after: Option<u64>| match (before, after) {
        (Some(before), Some(after)) => after < before,
        (None, after) => after.is_some(),
        (Some(_), None) => false,
    };
    let memory = SizedResource::Memory;
    let before = defaulted(container);
    let lowered = memory.of(&before) > memory.of(&to.requests)
        || lower(
            memory.of(&container.resources.limits),
            memory.of(&to.limits),
        );
    let volumes = spec.volumes.iter().filter(move |_| lowered);
    volumes
        .filter(|v| matches!(v.source, PodVolumeSource::EmptyDir { in_memory: true }))
        .map(|v| Reason::MemoryVolume {
            volume: v.name.clone(),
        })
}

/// Whether the running pods could be resized in place, and whether the
/// container's policy would restart it then. `None` where a kubelet is too old
/// or of unknown version.
pub(super) fn in_place(
    kubelet_minor: Option<u32>,
    container: &Container,
    to: &ContainerResources,
) -> Option<Reason> {
    let minor = kubelet_minor.filter(|minor| *minor >= IN_PLACE_MINOR)?;
    let now = &container.resources;
    let changes = |resource: SizedResource| {
        resource.of(&now.requests) != resource.of(&to.requests)
            || resource.of(&now.limits) != resource.of(&to.limits)
    };
    let restarts = |resource: SizedResource| {
        let mut policies = container.resize_policy.iter();
        policies.any(|p| p.resource == resource.as_str() && p.restarts_container)
    };
    let both = [SizedResource::Cpu, SizedResource::Memory];
    // A request or limit cannot be taken away in place.
    let taken_away = both
        .into_iter()
        .any(|r| r.of(&now.limits).is_some() && r.of(&to.limits).is_none());
    let memory = SizedResource::Memory;
    let lower_limit = memory.of(&to.limits) < memory.of(&now.limits);
    let too_old = lower_limit && !restarts(memory) && minor < IN_PLACE_LOWER_LIMIT_MINOR;
    (!taken_away && !too_old).then(|| Reason::ResizableInPlace {
        restarts_container: both.into_iter().any(|r| changes(r) && restarts(r)),
    })
}

/// The oldest kubelet's minor version of Kubernetes 1; `None` when one of them
/// does not say.
pub(super) fn oldest_kubelet(nodes: &[Node]) -> Option<u32> {
    let minors: Option<Vec<u32>> = nodes
        .iter()
        .map(|node| {
            let version = node.kubelet_version.as_deref()?;
            let rest = version.strip_prefix('v')?.strip_prefix("1.")?;
            rest.split('.').next()?.parse().ok()
        })
        .collect();
    minors?.into_iter().min()
}
