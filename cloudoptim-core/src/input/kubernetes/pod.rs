//! Pods and pod templates.

use super::super::runtime_memory;
use super::super::wire::{Problem, clean, resource_list};
use super::common::{annotations, meta, node_term, node_terms, selector, some, tolerations};
use super::wire;
use crate::model::{
    Container, ContainerResources, ContainerStatus, HostPort, Pod, PodAffinityTerm, PodPhase,
    PodSpec, PodStatus, PodTemplate, PodVolume, PodVolumeSource, PreferredNodeTerm,
    PreferredPodTerm, ResizePolicy, Termination, TopologySpread, WhenUnsatisfiable,
};

pub(super) fn pod(wire: wire::PodObject) -> Result<Pod, Problem> {
    Ok(Pod {
        meta: meta(wire.metadata)?,
        spec: spec(wire.spec.unwrap_or_default()).map_err(|p| p.within("spec"))?,
        status: status(wire.status.unwrap_or_default()).map_err(|p| p.within("status"))?,
    })
}

pub(super) fn template(wire: wire::Template) -> Result<PodTemplate, Problem> {
    let meta = wire.metadata.unwrap_or_default();
    Ok(PodTemplate {
        labels: meta.labels.unwrap_or_default(),
        annotations: annotations(meta.annotations),
        spec: spec(wire.spec.unwrap_or_default()).map_err(|p| p.within("spec"))?,
    })
}

fn spec(wire: wire::Spec) -> Result<PodSpec, Problem> {
    let affinity = wire.affinity.unwrap_or_default();
    let node = affinity.node_affinity.unwrap_or_default();
    let with = affinity.pod_affinity.unwrap_or_default();
    let against = affinity.pod_anti_affinity.unwrap_or_default();
    let in_affinity = |p: Problem| p.within("affinity");
    let mut resource_claims: Vec<String> = wire
        .resource_claims
        .into_iter()
        .flatten()
        .filter_map(|c| c.name)
        .collect();
    let mut containers = Vec::new();
    for (index, container) in wire.containers.into_iter().flatten().enumerate() {
        claims(&container, &mut resource_claims);
        containers.push(
            self::container(container).map_err(|p| p.within(&format!("containers[{index}]")))?,
        );
    }
    let mut init_containers = Vec::new();
    for (index, container) in wire.init_containers.into_iter().flatten().enumerate() {
        claims(&container, &mut resource_claims);
        init_containers.push(
            self::container(container)
                .map_err(|p| p.within(&format!("initContainers[{index}]")))?,
        );
    }
    resource_claims.sort();
    resource_claims.dedup();
    Ok(PodSpec {
        node_name: some(wire.node_name).map(Into::into),
        node_selector: wire.node_selector.unwrap_or_default(),
        required_node_affinity: node
            .required_during_scheduling_ignored_during_execution
            .map(node_terms)
            .transpose()
            .map_err(in_affinity)?,
        preferred_node_affinity: node
            .preferred_during_scheduling_ignored_during_execution
            .into_iter()
            .flatten()
            .map(|p| {
                Ok(PreferredNodeTerm {
                    weight: p.weight.unwrap_or_default(),
                    term: node_term(p.preference.unwrap_or_default())?,
                })
            })
            .collect::<Result<_, Problem>>()
            .map_err(in_affinity)?,
        required_pod_affinity: pod_terms(with.required_during_scheduling_ignored_during_execution)?,
        preferred_pod_affinity: preferred(
            with.preferred_during_scheduling_ignored_during_execution,
        )?,
        required_pod_anti_affinity: pod_terms(
            against.required_during_scheduling_ignored_during_execution,
        )?,
        preferred_pod_anti_affinity: preferred(
            against.preferred_during_scheduling_ignored_during_execution,
        )?,
        topology_spread: wire
            .topology_spread_constraints
            .into_iter()
            .flatten()
            .map(spread)
            .collect::<Result<_, _>>()
            .map_err(|p| p.within("topologySpreadConstraints"))?,
        tolerations: tolerations(wire.tolerations)?,
        containers,
        init_containers,
        resources: wire
            .resources
            .map(container_resources)
            .transpose()?
            .filter(|r| *r != ContainerResources::default()),
        overhead: match wire.overhead {
            Some(map) => Some(resource_list(Some(&map)).map_err(|p| p.within("overhead"))?),
            None => None,
        },
        devices: None,
        volumes: wire.volumes.into_iter().flatten().map(volume).collect(),
        host_network: wire.host_network.unwrap_or_default(),
        priority: wire.priority,
        priority_class: some(wire.priority_class_name),
        runtime_class: some(wire.runtime_class_name),
        termination_grace_seconds: wire.termination_grace_period_seconds,
        scheduler_name: some(wire.scheduler_name).filter(|s| s != "default-scheduler"),
        scheduling_gates: wire
            .scheduling_gates
            .into_iter()
            .flatten()
            .filter_map(|g| g.name)
            .collect(),
        resource_claims,
        os: wire.os.and_then(|os| os.name),
        restart_policy: some(wire.restart_policy),
    })
}

fn claims(container: &wire::Container, into: &mut Vec<String>) {
    let claims = container
        .resources
        .iter()
        .filter_map(|r| r.claims.as_ref())
        .flatten();
    into.extend(claims.filter_map(|c| c.name.clone()));
}

fn container(wire: wire::Container) -> Result<Container, Problem> {
    let env = wire.env.unwrap_or_default();
    let (command, args) = (
        wire.command.unwrap_or_default(),
        wire.args.unwrap_or_default(),
    );
    let runtime_memory = runtime_memory::settings(
        env.iter()
            .filter_map(|e| Some((e.name.as_deref()?, e.value.as_deref()?))),
        command.iter().chain(&args).map(String::as_str),
    );
    Ok(Container {
        name: wire.name.unwrap_or_default(),
        image: wire.image.unwrap_or_default(),
        resources: container_resources(wire.resources.unwrap_or_default())?,
        restarts_always: wire.restart_policy.as_deref() == Some("Always"),
        host_ports: wire
            .ports
            .into_iter()
            .flatten()
            .filter_map(|p| {
                Some(HostPort {
                    port: p.host_port.filter(|port| *port > 0)?,
                    protocol: some(p.protocol).unwrap_or_else(|| "TCP".to_owned()),
                    ip: p.host_ip.unwrap_or_default(),
                })
            })
            .collect(),
        runtime_memory,
        resize_policy: wire
            .resize_policy
            .into_iter()
            .flatten()
            .map(|r| ResizePolicy {
                resource: r.resource_name.unwrap_or_default(),
                restarts_container: r.restart_policy.as_deref() == Some("RestartContainer"),
            })
            .collect(),
    })
}

fn container_resources(wire: wire::Resources) -> Result<ContainerResources, Problem> {
    Ok(ContainerResources {
        requests: resource_list(wire.requests.as_ref())
            .map_err(|p| p.within("resources.requests"))?,
        limits: resource_list(wire.limits.as_ref()).map_err(|p| p.within("resources.limits"))?,
    })
}

fn pod_terms(list: Option<Vec<wire::PodTerm>>) -> Result<Vec<PodAffinityTerm>, Problem> {
    list.into_iter().flatten().map(pod_term).collect()
}

fn pod_term(wire: wire::PodTerm) -> Result<PodAffinityTerm, Problem> {
    Ok(PodAffinityTerm {
        selector: wire.label_selector.map(selector).transpose()?,
        topology_key: wire.topology_key.unwrap_or_default(),
        namespaces: wire.namespaces.unwrap_or_default(),
        namespace_selector: wire.namespace_selector.map(selector).transpose()?,
        match_label_keys: wire.match_label_keys.unwrap_or_default(),
        mismatch_label_keys: wire.mismatch_label_keys.unwrap_or_default(),
    })
}

fn preferred(list: Option<Vec<wire::PreferredPod>>) -> Result<Vec<PreferredPodTerm>, Problem> {
    list.into_iter()
        .flatten()
        .map(|p| {
            Ok(PreferredPodTerm {
                weight: p.weight.unwrap_or_default(),
                term: pod_term(p.pod_affinity_term.unwrap_or_default())?,
            })
        })
        .collect()
}

fn spread(wire: wire::Spread) -> Result<TopologySpread, Problem> {
    let honour = |text: Option<String>| text.map(|t| t == "Honor");
    Ok(TopologySpread {
        max_skew: wire.max_skew.unwrap_or(1).max(1),
        topology_key: wire.topology_key.unwrap_or_default(),
        when_unsatisfiable: match wire.when_unsatisfiable.as_deref() {
            Some("ScheduleAnyway") => WhenUnsatisfiable::ScheduleAnyway,
            None | Some("DoNotSchedule") => WhenUnsatisfiable::DoNotSchedule,
            Some(other) => {
                let message = format!("unknown value {other:?}");
                return Err(Problem::new("whenUnsatisfiable", message));
            }
        },
        selector: wire.label_selector.map(selector).transpose()?,
        min_domains: wire.min_domains,
        honour_node_affinity: honour(wire.node_affinity_policy),
        honour_node_taints: honour(wire.node_taints_policy),
        match_label_keys: wire.match_label_keys.unwrap_or_default(),
    })
}

fn volume(wire: wire::PodVolume) -> PodVolume {
    let source = if let Some(claim) = wire.persistent_volume_claim {
        PodVolumeSource::Claim {
            name: claim.claim_name,
        }
    } else if wire.ephemeral.is_some() {
        PodVolumeSource::Ephemeral
    } else if let Some(dir) = wire.empty_dir {
        PodVolumeSource::EmptyDir {
            in_memory: dir.medium == "Memory",
        }
    } else if wire.host_path.is_some() {
        PodVolumeSource::HostPath
    } else if wire.csi.is_some() {
        PodVolumeSource::Other {
            driver: "csi".to_owned(),
        }
    } else if wire.nfs.is_some() {
        PodVolumeSource::Other {
            driver: "nfs".to_owned(),
        }
    } else if wire.aws_elastic_block_store.is_some() {
        PodVolumeSource::Other {
            driver: "awsElasticBlockStore".to_owned(),
        }
    } else if wire.config_map.is_some()
        || wire.secret.is_some()
        || wire.projected.is_some()
        || wire.downward_api.is_some()
    {
        PodVolumeSource::Stateless
    } else {
        PodVolumeSource::Other {
            driver: "unknown".to_owned(),
        }
    };
    PodVolume {
        name: wire.name,
        source,
    }
}

fn status(wire: wire::PodStatus) -> Result<PodStatus, Problem> {
    let conditions = wire.conditions.unwrap_or_default();
    let condition = |name: &str| conditions.iter().find(|c| c.kind.as_deref() == Some(name));
    let is = |c: &wire::Condition, status: &str| c.status.as_deref() == Some(status);
    let ready = condition("Ready");
    let unschedulable = condition("PodScheduled")
        .filter(|c| is(c, "False"))
        .and_then(|c| c.message.clone().or_else(|| c.reason.clone()));
    let resize_pending = condition("PodResizePending")
        .filter(|c| is(c, "True"))
        .and_then(|c| c.reason.clone())
        .or_else(|| some(wire.resize).filter(|r| r != "InProgress"));
    Ok(PodStatus {
        phase: match wire.phase.as_deref() {
            Some("Pending") => PodPhase::Pending,
            Some("Running") => PodPhase::Running,
            Some("Succeeded") => PodPhase::Succeeded,
            Some("Failed") => PodPhase::Failed,
            _ => PodPhase::Unknown,
        },
        reason: some(wire.reason),
        message: some(wire.message).map(|m| clean(&m)),
        started_at: wire.start_time,
        ready: ready.and_then(|c| match c.status.as_deref() {
            Some("True") => Some(true),
            Some("False") => Some(false),
            _ => None,
        }),
        ready_since: ready.and_then(|c| c.last_transition_time),
        nominated_node: some(wire.nominated_node_name).map(Into::into),
        qos_class: some(wire.qos_class),
        unschedulable: unschedulable.map(|m| clean(&m)),
        resize_pending,
        resources: wire
            .resources
            .map(container_resources)
            .transpose()?
            .filter(|r| *r != ContainerResources::default()),
        allocated: match wire.allocated_resources {
            Some(map) => Some(resource_list(Some(&map))?),
            None => None,
        },
        ip: some(wire.pod_ip),
        containers: statuses(wire.container_statuses).map_err(|p| p.within("containerStatuses"))?,
        init_containers: statuses(wire.init_container_statuses)
            .map_err(|p| p.within("initContainerStatuses"))?,
    })
}

fn statuses(list: Option<Vec<wire::ContainerStatus>>) -> Result<Vec<ContainerStatus>, Problem> {
    list.into_iter()
        .flatten()
        .map(|s| {
            let state = s.state.unwrap_or_default();
            Ok(ContainerStatus {
                name: s.name.unwrap_or_default(),
                container_id: some(s.container_id),
                ready: s.ready.unwrap_or_default(),
                restart_count: s.restart_count.unwrap_or_default(),
                running_since: state.running.and_then(|r| r.started_at),
                waiting: state.waiting.map(|w| w.reason.unwrap_or_default()),
                terminated: state.terminated.map(termination),
                last_terminated: s.last_state.and_then(|s| s.terminated).map(termination),
                resources: s.resources.map(container_resources).transpose()?,
                allocated: match s.allocated_resources {
                    Some(map) => Some(resource_list(Some(&map))?),
                    None => None,
                },
            })
        })
        .collect()
}

fn termination(wire: wire::Terminated) -> Termination {
    Termination {
        reason: wire.reason.unwrap_or_default(),
        exit_code: wire.exit_code.unwrap_or_default(),
        started_at: wire.started_at,
        finished_at: wire.finished_at,
        container_id: some(wire.container_id),
    }
}
