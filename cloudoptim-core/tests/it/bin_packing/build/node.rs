//! Nodes and their pools.

use super::super::NOW;
use super::{number, pairs, push, taint, zone};
use crate::cases::Line;
use crate::fixtures::*;
use chrono::TimeDelta;
use cloudoptim_core::model::*;

pub(super) fn add_node(line: &Line, cluster: &mut Cluster, cloud: &mut Cloud) {
    let name = line.word(1);
    let mut n = node(name, line.word(2), line.word(3));
    let zone = zone(line.get("zone").unwrap_or("a"));
    n.provider_id = Some(format!("aws:///{zone}/i-{name}"));
    n.meta.created_at = Some(at(NOW) - TimeDelta::minutes(number(line, "age").unwrap_or(600)));
    let mut label = |key: &str, value: &str| {
        n.meta.labels.insert(key.to_owned(), value.to_owned());
    };
    label(ZONE_LABEL, &zone);
    match line.get("type").unwrap_or("m6i.xlarge") {
        "-" => {}
        name => label(INSTANCE_TYPE_LABEL, name),
    }
    if line.has("spot") {
        label("karpenter.sh/capacity-type", "spot");
    }
    if line.has("reserved") {
        label("karpenter.sh/capacity-type", "reserved");
    }
    for kind in ["auto", "fargate"] {
        if line.has(kind) {
            label("eks.amazonaws.com/compute-type", kind);
        }
    }
    if let Some(group) = line.get("group") {
        label(NODE_GROUP_LABEL, group);
    }
    let by_group = line.get("group").or(line.get("asg")).is_some();
    if !by_group && !line.has("unowned") {
        label(NODE_POOL_LABEL, line.get("pool").unwrap_or("main"));
        let claim = NodeClaim {
            meta: meta("", &format!("main-{name}")),
            node_name: Some(NodeName::new(name)),
            provider_id: n.provider_id.clone(),
            ..Default::default()
        };
        push(&mut cluster.node_claims, claim);
    }
    if let Some(group) = line.get("asg") {
        let groups = cloud.auto_scaling_groups.value_mut().unwrap();
        let found = groups.iter_mut().find(|g| g.name == group);
        let found = found.unwrap_or_else(|| panic!("asg {group} comes first"));
        found.instances.push(GroupInstance {
            instance: format!("i-{name}").into(),
            lifecycle: "InService".to_owned(),
            ..Default::default()
        });
    }
    if let Some(reservation) = line.get("in") {
        let instance = Instance {
            id: n.instance_id().unwrap(),
            instance_type: n.instance_type().unwrap().into(),
            state: InstanceState::Running,
            zone: n.zone_name(),
            capacity_reservation: Some(format!("cr-{reservation}")),
            ..Default::default()
        };
        push(&mut cloud.instances, instance);
    }
    if let Some(text) = line.get("label") {
        n.meta.labels.extend(pairs(text));
    }
    if let Some(text) = line.get("ann") {
        n.meta.annotations.extend(pairs(text));
    }
    n.taints.extend(line.get("taint").map(taint));
    n.unschedulable = line.has("cordoned");
    if line.has("not-ready") {
        n.conditions.clear();
    }
    if line.has("deleting") {
        n.meta.deleted_at = Some(at(NOW));
    }
    n.allocatable.pods = number(line, "pods").unwrap_or(110);
    if let Some(gpus) = number(line, "gpu") {
        n.allocatable
            .extended
            .insert("nvidia.com/gpu".to_owned(), gpus);
    }
    if let Some(limit) = number(line, "ebs") {
        let driver = CsiDriver {
            name: "ebs.csi.aws.com".to_owned(),
            attach_limit: Some(limit),
        };
        let csi = CsiNode {
            meta: meta("", name),
            drivers: vec![driver],
        };
        push(&mut cluster.csi_nodes, csi);
    }
    push(&mut cluster.nodes, n);
}

pub(super) fn add_pool(line: &Line, cluster: &mut Cluster) {
    let budget = line.get("budget").map(|nodes| DisruptionBudget {
        nodes: nodes.to_owned(),
        schedule: line.get("schedule").map(str::to_owned),
        duration: line.get("duration").map(str::to_owned),
        reasons: line.get("reason").map(str::to_owned).into_iter().collect(),
    });
    let pool = NodePool {
        meta: meta("", line.word(1)),
        consolidation_policy: line.get("policy").map(str::to_owned),
        consolidate_after: line.get("after").map(str::to_owned),
        budgets: budget.into_iter().collect(),
        startup_taints: line.get("startup").map(taint).into_iter().collect(),
        ..Default::default()
    };
    let mut pool = pool;
    let nodes = number(line, "nodes").map(|n| ("nodes".to_owned(), n));
    let limits = ResourceList {
        cpu: line.get("cpu").map(cpu),
        memory: line.get("memory").map(bytes),
        extended: nodes.into_iter().collect(),
        ..Default::default()
    };
    pool.limits = (limits != ResourceList::default()).then_some(limits);
    if let Some(types) = line.get("types") {
        pool.requirements.push(Requirement {
            key: INSTANCE_TYPE_LABEL.to_owned(),
            operator: Operator::In,
            values: types.split(',').map(str::to_owned).collect(),
        });
    }
    let capacity: &[&str] = match (line.has("spot"), line.has("spot-only")) {
        (true, _) => &["spot", "on-demand"],
        (_, true) => &["spot"],
        _ if line.has("reserved") => &["on-demand", "reserved"],
        _ => &[],
    };
    if !capacity.is_empty() {
        pool.requirements.push(Requirement {
            key: "karpenter.sh/capacity-type".to_owned(),
            operator: Operator::In,
            values: capacity.iter().map(ToString::to_string).collect(),
        });
    }
    pool.taints.extend(line.get("taint").map(taint));
    pool.labels
        .extend(line.get("label").into_iter().flat_map(pairs));
    push(&mut cluster.node_pools, pool);
}
