//! What a replica asks for, and which part of a node that is.

use crate::model::{PodSpec, ResourceList, Resources};

/// Requests of one pod of a template: the kube-scheduler's sum without what
/// only a running pod knows (a resize under way).
///
/// The larger of each init container beside the sidecars before it, and of all
/// containers with all sidecars; pod-level requests win where set; overhead is
/// added. A limit without a request counts as the request.
pub(super) fn of_template(spec: &PodSpec) -> Resources {
    let of =
        |c: &crate::model::Container| c.resources.requests.or(&c.resources.limits).to_resources();
    let mut sidecars = Resources::default();
    let mut peak = Resources::default();
    for init in &spec.init_containers {
        let mut with = sidecars.clone();
        with.add(&of(init));
        if init.restarts_always {
            sidecars = with.clone();
        }
        peak.raise_to(&with);
    }
    let mut running = sidecars;
    for container in &spec.containers {
        running.add(&of(container));
    }
    running.raise_to(&peak);
    if let Some(pod) = &spec.resources {
        let set = pod.requests.or(&pod.limits);
        running.cpu = set.cpu.unwrap_or(running.cpu);
        running.memory = set.memory.unwrap_or(running.memory);
    }
    if let Some(overhead) = spec.overhead.as_ref().map(ResourceList::to_resources) {
        running.add(&overhead);
    }
    running.pods = 1;
    running
}

/// The largest part of a node that the pod takes, in millionths: of CPU,
/// memory or pod slots. `None` when it does not fit.
pub(super) fn share_ppm(pod: &Resources, node: &Resources) -> Option<u64> {
    if !pod.fits_in(node) {
        return None;
    }
    let part = |need: u64, have: u64| {
        if have == 0 {
            return 0;
        }
        let ppm = (u128::from(need) * 1_000_000).div_ceil(u128::from(have));
        u64::try_from(ppm).unwrap_or(u64::MAX)
    };
    Some(
        part(pod.cpu.0, node.cpu.0)
            .max(part(pod.memory.0, node.memory.0))
            .max(part(pod.pods, node.pods)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Bytes, Container, MilliCpu};

    fn container(cpu: u64) -> Container {
        let mut c = Container::default();
        c.resources.requests.cpu = Some(MilliCpu(cpu));
        c
    }

    #[test]
    fn an_init_container_counts_beside_the_sidecars_before_it() {
        let sidecar = Container {
            restarts_always: true,
            ..container(100)
        };
        let spec = PodSpec {
            init_containers: vec![sidecar, container(1_000)],
            containers: vec![container(300), container(200)],
            ..Default::default()
        };
        assert_eq!(of_template(&spec).cpu, MilliCpu(1_100));
    }

    #[test]
    fn a_share_is_that_of_the_scarcest_resource() {
        let mut node = Resources::new(MilliCpu(4_000), Bytes::from_gib(16));
        node.pods = 58;
        let mut pod = Resources::new(MilliCpu(500), Bytes::from_gib(4));
        pod.pods = 1;
        assert_eq!(share_ppm(&pod, &node), Some(250_000));
        pod.cpu = MilliCpu(5_000);
        assert_eq!(share_ppm(&pod, &node), None);
    }
}
