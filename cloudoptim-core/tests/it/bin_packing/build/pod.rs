//! Pods, their workloads and budgets.

use super::super::NOW;
use super::{number, pairs, push, selector};
use crate::cases::Line;
use crate::fixtures::*;
use chrono::TimeDelta;
use cloudoptim_core::model::*;
use std::collections::BTreeMap;

/// One pod, with the workload that makes it counted in `replicas`.
pub(super) fn add_pod(
    line: &Line,
    app: &str,
    name: &str,
    sizes: [&str; 2],
    cluster: &mut Cluster,
    replicas: &mut BTreeMap<(String, String, String), u32>,
) {
    let ns = line.get("ns").unwrap_or("shop");
    let mut p = pod(ns, app, name, "", container("main", sizes[0], sizes[1]));
    let on = line.word(2);
    p.spec.node_name = (on != "-").then(|| NodeName::new(on));
    if on == "-" {
        p.status.phase = PodPhase::Pending;
        p.status.ready = Some(false);
    }
    let kind = line.get("kind").unwrap_or("ReplicaSet");
    p.meta.owners.clear();
    let key = (ns.to_owned(), kind.to_owned(), app.to_owned());
    match kind {
        "Bare" => {}
        "Mirror" => p.meta.owners.push(owner("Node", on, "uid-node")),
        "ReplicaSet" => {
            let uid = format!("uid-{ns}-{app}-1");
            p.meta
                .owners
                .push(owner("ReplicaSet", &format!("{app}-1"), &uid));
            *replicas.entry(key).or_default() += 1;
        }
        kind => {
            p.meta
                .owners
                .push(owner(kind, app, &format!("uid-{ns}-{app}")));
            *replicas.entry(key).or_default() += 1;
        }
    }
    if line.has("not-ready") {
        p.status.ready = Some(false);
    }
    if line.has("leaving") {
        p.meta.deleted_at = Some(at(NOW));
    }
    if line.has("finished") {
        p.status.phase = PodPhase::Succeeded;
        p.status.ready = Some(false);
    }
    if line.has("bound-not-started") {
        p.status.phase = PodPhase::Pending;
        p.status.ready = Some(false);
    }
    p.status.started_at =
        Some(at(NOW) - TimeDelta::minutes(number(line, "started").unwrap_or(300)));
    if let Some(held) = line.get("held") {
        p.status.resize_pending = Some("Infeasible".to_owned());
        let mut allocated = p.spec.containers[0].resources.requests.clone();
        allocated.cpu = Some(cpu(held));
        p.status.containers[0].allocated = Some(allocated);
    }
    p.status.nominated_node = line.get("nominated").map(NodeName::new);
    let spec = &mut p.spec;
    spec.scheduling_gates = line.get("gate").map(str::to_owned).into_iter().collect();
    spec.resource_claims = line.get("devices").map(str::to_owned).into_iter().collect();
    spec.priority = number(line, "priority");
    if let Some(text) = line.get("selector") {
        spec.node_selector.extend(pairs(text));
    }
    if let Some(text) = line.get("not-on") {
        let requirement = Requirement {
            key: HOSTNAME_LABEL.to_owned(),
            operator: Operator::NotIn,
            values: vec![text.to_owned()],
        };
        spec.required_node_affinity = Some(vec![NodeSelectorTerm {
            match_expressions: vec![requirement],
            ..Default::default()
        }]);
    }
    if let Some(key) = line.get("tolerates") {
        spec.tolerations.push(Toleration {
            key: key.to_owned(),
            exists: true,
            seconds: number(line, "for"),
            ..Default::default()
        });
    }
    let near = |app: &str| PodAffinityTerm {
        selector: Some(selector(app)),
        topology_key: HOSTNAME_LABEL.to_owned(),
        ..Default::default()
    };
    if let Some(app) = line.get("avoids") {
        spec.required_pod_anti_affinity.push(near(app));
    }
    if let Some(app) = line.get("near") {
        spec.required_pod_affinity.push(near(app));
    }
    let weight = number(line, "weight").unwrap_or(100);
    if let Some((key, value)) = line.get("rather").and_then(|text| text.split_once(':')) {
        let requirement = Requirement {
            key: key.to_owned(),
            operator: Operator::In,
            values: vec![value.to_owned()],
        };
        spec.preferred_node_affinity.push(PreferredNodeTerm {
            weight,
            term: NodeSelectorTerm {
                match_expressions: vec![requirement],
                ..Default::default()
            },
        });
    }
    let rather = |app: &str| {
        let mut term = near(app);
        term.namespace_selector = line.get("rather-in").map(|team| LabelSelector {
            match_labels: Labels::from([("team".to_owned(), team.to_owned())]),
            ..Default::default()
        });
        PreferredPodTerm { weight, term }
    };
    let (close, apart) = (line.get("rather-near"), line.get("rather-avoids"));
    spec.preferred_pod_affinity.extend(close.map(rather));
    spec.preferred_pod_anti_affinity.extend(apart.map(rather));
    for (word, when) in [
        ("spread", WhenUnsatisfiable::DoNotSchedule),
        ("soft-spread", WhenUnsatisfiable::ScheduleAnyway),
    ] {
        if let Some(by) = line.get(word) {
            spec.topology_spread.push(TopologySpread {
                max_skew: number(line, "skew").unwrap_or(1),
                topology_key: match by {
                    "zone" => ZONE_LABEL,
                    "host" => HOSTNAME_LABEL,
                    other => panic!("{other}"),
                }
                .to_owned(),
                when_unsatisfiable: when,
                selector: Some(selector(app)),
                min_domains: number(line, "domains"),
                honour_node_taints: line.has("heeds-taints").then_some(true),
                ..Default::default()
            });
        }
    }
    spec.termination_grace_seconds = number(line, "grace").or(spec.termination_grace_seconds);
    if let Some(port) = number(line, "port") {
        spec.containers[0].host_ports.push(HostPort {
            port,
            protocol: "TCP".to_owned(),
            ip: String::new(),
        });
    }
    if let Some(gpus) = number(line, "gpu") {
        let extended = &mut spec.containers[0].resources.requests.extended;
        extended.insert("nvidia.com/gpu".to_owned(), gpus);
    }
    // A sidecar and an init container, as `sidecar=<cpu>` and `init=<cpu>`.
    for (word, restarts) in [("sidecar", true), ("init", false)] {
        if let Some(size) = line.get(word) {
            let mut c = container(word, size, "0");
            c.restarts_always = restarts;
            spec.init_containers.push(c);
        }
    }
    if let Some(name) = line.get("claim") {
        spec.volumes.push(PodVolume {
            name: "data".to_owned(),
            source: PodVolumeSource::Claim {
                name: name.to_owned(),
            },
        });
    }
    if let Some(kind) = line.get("volume") {
        let source = match kind {
            "emptydir" => PodVolumeSource::EmptyDir { in_memory: false },
            "memory" => PodVolumeSource::EmptyDir { in_memory: true },
            "hostpath" => PodVolumeSource::HostPath,
            other => panic!("{other}"),
        };
        spec.volumes.push(PodVolume {
            name: "scratch".to_owned(),
            source,
        });
    }
    if let Some(text) = line.get("label") {
        p.meta.labels.extend(pairs(text));
    }
    if let Some(text) = line.get("ann") {
        p.meta.annotations.extend(pairs(text));
    }
    push(&mut cluster.pods, p);
}

pub(super) fn add_workloads(
    cluster: &mut Cluster,
    replicas: BTreeMap<(String, String, String), u32>,
) {
    let workloads = cluster.workloads.value_mut().unwrap();
    for ((ns, kind, app), count) in replicas {
        let mut both = deployment(&ns, &app, count, container("main", "100m", "128Mi"));
        if kind == "ReplicaSet" {
            workloads.extend(both);
        } else {
            both[0].kind = kind.as_str().into();
            workloads.push(both[0].clone());
        }
    }
}

fn share(text: &str) -> IntOrPercent {
    match text.strip_suffix('%') {
        Some(percent) => IntOrPercent::Percent(percent.parse().unwrap()),
        None => IntOrPercent::Count(text.parse().unwrap()),
    }
}

pub(super) fn add_budget(line: &Line, cluster: &mut Cluster) {
    let mut meta = meta(line.get("ns").unwrap_or("shop"), line.word(1));
    meta.generation = Some(2);
    let select = match line.get("app").unwrap_or(line.word(1)) {
        "*" => LabelSelector::default(),
        app => selector(app),
    };
    // A status that is of an older specification is computed anew.
    let stale = line.get("allowed").is_none();
    let budget = PodDisruptionBudget {
        meta,
        selector: Some(select),
        min_available: line.get("min").map(share),
        max_unavailable: line.get("max").map(share),
        unhealthy_policy: match line.get("policy") {
            None => UnhealthyPodEviction::IfHealthyBudget,
            Some("always") => UnhealthyPodEviction::AlwaysAllow,
            Some(_) => UnhealthyPodEviction::Unrecognised,
        },
        disruptions_allowed: number(line, "allowed").or(Some(9)),
        current_healthy: Some(9),
        desired_healthy: Some(9 - number::<u32>(line, "allowed").unwrap_or(9)),
        expected_pods: Some(9),
        observed_generation: Some(if stale { 1 } else { 2 }),
        ..Default::default()
    };
    push(&mut cluster.disruption_budgets, budget);
}
