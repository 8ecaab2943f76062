//! Who may launch nodes, and which labels these would have.

use crate::catalog::InstanceTypeInfo;
use crate::model::{
    ARCH_LABEL, CapacityType, Cloud, Cluster, InstanceType, Labels, NODE_GROUP_LABEL,
    NODE_POOL_LABEL, NodePool, Operator, Requirement, Taint, TaintEffect, ZONE_ID_LABEL,
    ZONE_LABEL, ZoneId, ZoneName,
};
use crate::model::{NodeSelectorTerm, PodSpec};

const CAPACITY_LABEL: &str = "karpenter.sh/capacity-type";

/// A node pool of Karpenter or a managed node group.
#[derive(Debug)]
pub(super) struct Launcher<'a> {
    pub(super) name: String,
    pub(super) spot: bool,
    pub(super) on_demand: bool,
    karpenter: bool,
    requirements: &'a [Requirement],
    labels: &'a Labels,
    taints: Vec<&'a Taint>,
    /// Types of a node group; any that the requirements allow when `None`.
    types: Option<&'a [InstanceType]>,
}

/// Whether a node pool may launch on spot: Karpenter launches on demand only
/// unless a pool names spot.
pub(crate) fn names_spot(pool: &NodePool) -> bool {
    let capacity = pool.requirements.iter().find(|r| r.key == CAPACITY_LABEL);
    capacity.is_some_and(|r| r.matches(Some("spot")))
}

/// Reads who may launch in a cluster, in name order.
pub(super) fn launchers<'a>(cluster: &'a Cluster, cloud: Option<&'a Cloud>) -> Vec<Launcher<'a>> {
    let pools = cluster.node_pools.items().iter().map(|pool| {
        let capacity = pool.requirements.iter().find(|r| r.key == CAPACITY_LABEL);
        let on_demand = capacity.map(|r| r.matches(Some("on-demand")));
        Launcher {
            name: format!("node pool {}", pool.meta.name),
            spot: names_spot(pool),
            on_demand: on_demand.unwrap_or(true),
            karpenter: true,
            requirements: &pool.requirements,
            labels: &pool.labels,
            taints: hard(&pool.taints),
            types: None,
        }
    });
    let groups = cloud
        .into_iter()
        .flat_map(|c| c.node_groups.items())
        .filter(|g| g.cluster == cluster.name)
        .map(|group| Launcher {
            name: format!("node group {}", group.name),
            spot: group.capacity_type == CapacityType::Spot,
            on_demand: group.capacity_type == CapacityType::OnDemand,
            karpenter: false,
            requirements: &[],
            labels: &group.labels,
            taints: hard(&group.taints),
            types: Some(&group.instance_types),
        });
    let mut all: Vec<_> = pools.chain(groups).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

fn hard(taints: &[Taint]) -> Vec<&Taint> {
    taints
        .iter()
        .filter(|t| t.effect != TaintEffect::PreferNoSchedule)
        .collect()
}

impl Launcher<'_> {
    /// Labels of a node of this type in this zone, or `None` when the launcher
    /// would not make one.
    pub(super) fn labels(
        &self,
        info: &InstanceTypeInfo,
        region: &str,
        zone: (&ZoneName, &ZoneId),
        capacity: CapacityType,
    ) -> Option<Labels> {
        if self.types.is_some_and(|types| !types.contains(&info.name)) {
            return None;
        }
        let arch = info.architecture.label();
        let mut labels = Labels::new();
        let mut set = |key: &str, value: &str| {
            labels.insert(key.to_owned(), value.to_owned());
        };
        set("node.kubernetes.io/instance-type", info.name.as_str());
        set("beta.kubernetes.io/instance-type", info.name.as_str());
        set(ARCH_LABEL, arch);
        set("beta.kubernetes.io/arch", arch);
        set("kubernetes.io/os", "linux");
        set("beta.kubernetes.io/os", "linux");
        set("topology.kubernetes.io/region", region);
        set(ZONE_LABEL, zone.0.as_str());
        set(ZONE_ID_LABEL, zone.1.as_str());
        set("topology.ebs.csi.aws.com/zone", zone.0.as_str());
        if self.karpenter {
            set(CAPACITY_LABEL, capacity.label());
            set("karpenter.k8s.aws/instance-category", info.category());
            set("karpenter.k8s.aws/instance-family", info.family());
            set("karpenter.k8s.aws/instance-size", info.size());
            set("karpenter.k8s.aws/instance-cpu", &info.vcpu.to_string());
            let mib = info.memory.mib().to_string();
            set("karpenter.k8s.aws/instance-memory", &mib);
            if let Some(generation) = info.generation() {
                let generation = generation.to_string();
                set("karpenter.k8s.aws/instance-generation", &generation);
            }
            let pool = self.name.trim_start_matches("node pool ");
            set(NODE_POOL_LABEL, pool);
        } else {
            let group = self.name.trim_start_matches("node group ");
            set(NODE_GROUP_LABEL, group);
            let word = if capacity == CapacityType::Spot {
                "SPOT"
            } else {
                "ON_DEMAND"
            };
            set("eks.amazonaws.com/capacityType", word);
        }
        labels.extend(self.labels.iter().map(|(k, v)| (k.clone(), v.clone())));
        for requirement in self.requirements {
            match labels.get(&requirement.key) {
                Some(value) if !requirement.matches(Some(value)) => return None,
                Some(_) => {}
                // A label of the pool's own: its nodes get the only value.
                None => match (requirement.operator, requirement.values.as_slice()) {
                    (Operator::In, [only]) => {
                        labels.insert(requirement.key.clone(), only.clone());
                    }
                    (Operator::NotIn | Operator::DoesNotExist, _) => {}
                    // What a type has under a label that is not known here
                    // cannot be told, so it is not used.
                    _ => return None,
                },
            }
        }
        Some(labels)
    }

    /// Whether a pod tolerates the taints of its nodes.
    pub(super) fn tolerated_by(&self, spec: &PodSpec) -> bool {
        self.taints
            .iter()
            .all(|taint| spec.tolerations.iter().any(|t| taint.tolerated_by(t)))
    }
}

/// Whether a node with these labels meets the pod's selector and required
/// affinity.
pub(super) fn selects(spec: &PodSpec, labels: &Labels) -> bool {
    let selector = spec
        .node_selector
        .iter()
        .all(|(key, value)| labels.get(key) == Some(value));
    let term = |term: &NodeSelectorTerm| {
        // A term without any requirement, or on a node's name, matches no new node.
        term.match_fields.is_empty()
            && !term.match_expressions.is_empty()
            && term
                .match_expressions
                .iter()
                .all(|r| r.matches(labels.get(&r.key).map(String::as_str)))
    };
    selector
        && spec
            .required_node_affinity
            .as_ref()
            .is_none_or(|terms| terms.iter().any(term))
}
