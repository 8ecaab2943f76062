//! What a world is made of, and worlds drawn from a seed.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// The region of every generated node.
pub const REGION: &str = "eu-central-1";

/// A node as kwok takes it on: it becomes ready by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSpec {
    /// Its name.
    pub name: String,
    /// The EC2 instance type.
    pub instance_type: String,
    /// The availability zone.
    pub zone: String,
    /// `on-demand` or `spot`.
    pub capacity_type: String,
    /// Capacity and allocatable, in thousandths of a CPU.
    pub milli_cpu: u64,
    /// Capacity and allocatable, in MiB.
    pub memory_mib: u64,
    /// How many pods fit.
    pub pods: u32,
    /// Further labels.
    pub labels: BTreeMap<String, String>,
    /// The provider id, `aws:///zone/instance-id`.
    pub provider_id: String,
}

impl NodeSpec {
    /// The node's document.
    #[must_use]
    pub fn document(&self) -> Value {
        let mut labels = self.labels.clone();
        for (name, value) in [
            ("kubernetes.io/hostname", &self.name),
            ("node.kubernetes.io/instance-type", &self.instance_type),
            ("topology.kubernetes.io/zone", &self.zone),
            ("karpenter.sh/capacity-type", &self.capacity_type),
        ] {
            labels.insert(name.to_owned(), value.clone());
        }
        for (name, value) in [
            ("topology.kubernetes.io/region", REGION),
            ("kubernetes.io/arch", "amd64"),
            ("kubernetes.io/os", "linux"),
            ("type", "kwok"),
        ] {
            labels.insert(name.to_owned(), value.to_owned());
        }
        let capacity = json!({
            "cpu": format!("{}m", self.milli_cpu),
            "memory": format!("{}Mi", self.memory_mib),
            "pods": self.pods.to_string(),
            "ephemeral-storage": "100Gi",
        });
        json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": self.name, "labels": labels},
            "spec": {"providerID": self.provider_id},
            "status": {
                "capacity": capacity, "allocatable": capacity,
                "nodeInfo": {
                    "architecture": "amd64", "operatingSystem": "linux", "osImage": "", "kernelVersion": "",
                    "machineID": "", "systemUUID": "", "bootID": "", "containerRuntimeVersion": "",
                    "kubeletVersion": "kwok", "kubeProxyVersion": "",
                },
            },
        })
    }
}

/// What makes the pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkloadKind {
    /// A Deployment.
    Deployment,
    /// A StatefulSet, whose pods start all at once and keep their names.
    StatefulSet,
}

/// A disruption budget of a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Budget {
    /// `maxUnavailable`, a number or a percentage.
    MaxUnavailable(String),
    /// `minAvailable`, a number or a percentage.
    MinAvailable(String),
}

/// A workload, with a budget if it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkloadSpec {
    /// What makes its pods.
    pub kind: WorkloadKind,
    /// Its namespace.
    pub namespace: String,
    /// Its name, also the value of its pods' label `app`.
    pub name: String,
    /// How many pods.
    pub replicas: u32,
    /// A pod's request, in thousandths of a CPU.
    pub milli_cpu: u64,
    /// A pod's request, in MiB.
    pub memory_mib: u64,
    /// The topology key over which its pods must be spread evenly.
    pub spread: Option<String>,
    /// The topology key of a domain in which no two of its pods may be.
    pub apart: Option<String>,
    /// The topology key over which all of its pods must share one domain.
    pub together: Option<String>,
    /// The name of its priority class.
    pub priority_class: Option<String>,
    /// Its budget.
    pub budget: Option<Budget>,
    /// Its pods' grace when they are deleted, in seconds.
    pub grace_seconds: u32,
    /// Labels of its pods, beside `app`.
    pub pod_labels: BTreeMap<String, String>,
    /// Annotations of its pods.
    pub pod_annotations: BTreeMap<String, String>,
    /// Finalizers of its pods: one that is deleted stays until somebody takes
    /// them away.
    pub pod_finalizers: Vec<String>,
}

impl WorkloadSpec {
    /// A Deployment of small pods without constraints.
    #[must_use]
    pub fn deployment(namespace: &str, name: &str, replicas: u32) -> Self {
        Self {
            kind: WorkloadKind::Deployment,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            replicas,
            milli_cpu: 100,
            memory_mib: 128,
            spread: None,
            apart: None,
            together: None,
            priority_class: None,
            budget: None,
            grace_seconds: 30,
            pod_labels: BTreeMap::new(),
            pod_annotations: BTreeMap::new(),
            pod_finalizers: Vec::new(),
        }
    }

    /// A StatefulSet of small pods without constraints.
    #[must_use]
    pub fn stateful_set(namespace: &str, name: &str, replicas: u32) -> Self {
        Self {
            kind: WorkloadKind::StatefulSet,
            ..Self::deployment(namespace, name, replicas)
        }
    }

    /// With a budget.
    #[must_use]
    pub fn with_budget(mut self, budget: Budget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Where it is made.
    #[must_use]
    pub fn path(&self) -> String {
        let resource = match self.kind {
            WorkloadKind::Deployment => "deployments",
            WorkloadKind::StatefulSet => "statefulsets",
        };
        format!("/apis/apps/v1/namespaces/{}/{resource}", self.namespace)
    }

    /// The workload's document.
    #[must_use]
    pub fn document(&self) -> Value {
        let selector = json!({"matchLabels": {"app": self.name}});
        let mut pod = json!({
            "terminationGracePeriodSeconds": self.grace_seconds,
            "containers": [{
                "name": "main", "image": "example.test/main:1",
                "resources": {"requests": {
                    "cpu": format!("{}m", self.milli_cpu), "memory": format!("{}Mi", self.memory_mib),
                }},
            }],
        });
        if let Some(key) = &self.spread {
            pod["topologySpreadConstraints"] = json!([{
                "maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": selector,
            }]);
        }
        if let Some(key) = &self.apart {
            pod["affinity"] = json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
                {"topologyKey": key, "labelSelector": selector},
            ]}});
        }
        if let Some(key) = &self.together {
            pod["affinity"]["podAffinity"] = json!({"requiredDuringSchedulingIgnoredDuringExecution": [
                {"topologyKey": key, "labelSelector": selector},
            ]});
        }
        if let Some(class) = &self.priority_class {
            pod["priorityClassName"] = json!(class);
        }
        let mut labels = self.pod_labels.clone();
        labels.insert("app".to_owned(), self.name.clone());
        let mut metadata = json!({"labels": labels, "annotations": self.pod_annotations});
        if !self.pod_finalizers.is_empty() {
            metadata["finalizers"] = json!(self.pod_finalizers);
        }
        let mut spec = json!({
            "replicas": self.replicas, "selector": selector, "template": {"metadata": metadata, "spec": pod},
        });
        let kind = match self.kind {
            WorkloadKind::Deployment => "Deployment",
            WorkloadKind::StatefulSet => {
                spec["serviceName"] = json!(self.name);
                spec["podManagementPolicy"] = json!("Parallel");
                "StatefulSet"
            }
        };
        json!({
            "apiVersion": "apps/v1", "kind": kind,
            "metadata": {"name": self.name, "namespace": self.namespace}, "spec": spec,
        })
    }

    /// How many of its pods must stay healthy by its budget, as the disruption
    /// controller counts: a percentage of the replicas is rounded up.
    #[must_use]
    pub fn desired_healthy(&self) -> Option<u64> {
        let replicas = u64::from(self.replicas);
        let scaled = |amount: &str| match amount.strip_suffix('%') {
            Some(percent) => {
                let percent: u64 = percent.parse().ok()?;
                Some((percent * replicas).div_ceil(100))
            }
            None => amount.parse().ok(),
        };
        match self.budget.as_ref()? {
            Budget::MinAvailable(amount) => scaled(amount),
            Budget::MaxUnavailable(amount) => Some(replicas.saturating_sub(scaled(amount)?)),
        }
    }

    /// The document of its budget.
    #[must_use]
    pub fn budget_document(&self) -> Option<Value> {
        let (field, amount) = match self.budget.as_ref()? {
            Budget::MaxUnavailable(amount) => ("maxUnavailable", amount),
            Budget::MinAvailable(amount) => ("minAvailable", amount),
        };
        let amount = amount
            .parse::<u32>()
            .map_or_else(|_| json!(amount), |number| json!(number));
        Some(json!({
            "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": {field: amount, "selector": {"matchLabels": {"app": self.name}}},
        }))
    }
}

/// Everything that a world has in the beginning.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorldSpec {
    /// Nodes.
    pub nodes: Vec<NodeSpec>,
    /// Workloads; their namespaces come along.
    pub workloads: Vec<WorkloadSpec>,
    /// Priority classes with their values.
    pub priority_classes: BTreeMap<String, i32>,
}

/// Instance types with thousandths of a CPU and MiB, less what the system keeps
/// on EKS, and with the pods that their network interfaces allow.
const INSTANCE_TYPES: [(&str, u64, u64, u32); 4] = [
    ("m5.xlarge", 3_920, 15_000, 58),
    ("m5.2xlarge", 7_910, 31_000, 58),
    ("c5.xlarge", 3_920, 7_000, 58),
    ("r5.xlarge", 3_920, 31_000, 58),
];

impl WorldSpec {
    /// So many nodes in three zones and so many pods on them, asking for about
    /// half of what there is. The same arguments give the same world.
    ///
    /// A third of the workloads are StatefulSets, a third are spread over the
    /// zones, some may not share a node, four in five have a budget, and some
    /// have a priority.
    #[must_use]
    pub fn generate(seed: u64, nodes: usize, pods: usize) -> Self {
        let mut random = Random(seed);
        let mut spec = Self {
            priority_classes: BTreeMap::from([
                ("important".to_owned(), 1_000),
                ("spare".to_owned(), -10),
            ]),
            ..Self::default()
        };
        for index in 0..nodes {
            spec.nodes.push(random.node(index));
        }
        let cpu: u64 = spec.nodes.iter().map(|node| node.milli_cpu).sum();
        let memory: u64 = spec.nodes.iter().map(|node| node.memory_mib).sum();
        let count = pods.max(1) as u64;
        // A mean request of this makes half of all capacity.
        let (milli_cpu, memory_mib) = ((cpu / 2 / count).max(10), (memory / 2 / count).max(16));
        let mut left = u32::try_from(pods).unwrap_or(u32::MAX);
        let mut index = 0;
        while left > 0 {
            let workload = random.workload(index, left, nodes, milli_cpu, memory_mib);
            left -= workload.replicas;
            spec.workloads.push(workload);
            index += 1;
        }
        spec
    }

    /// How many pods the workloads have.
    #[must_use]
    pub fn pods(&self) -> u64 {
        self.workloads
            .iter()
            .map(|workload| u64::from(workload.replicas))
            .sum()
    }
}

/// SplitMix64: small, seeded, and the same everywhere.
struct Random(u64);

impl Random {
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to `below`, which is above 0.
    const fn below(&mut self, below: u64) -> u64 {
        self.next() % below
    }

    fn node(&mut self, index: usize) -> NodeSpec {
        let drawn = usize::try_from(self.below(INSTANCE_TYPES.len() as u64)).unwrap_or_default();
        let (instance_type, milli_cpu, memory_mib, pods) = INSTANCE_TYPES[drawn];
        let zone = format!("{REGION}{}", ["a", "b", "c"][index % 3]);
        let capacity_type = if self.below(3) == 0 {
            "spot"
        } else {
            "on-demand"
        };
        NodeSpec {
            name: format!("node-{index:04}"),
            instance_type: instance_type.to_owned(),
            provider_id: format!("aws:///{zone}/i-0{:016x}", self.next()),
            zone,
            capacity_type: capacity_type.to_owned(),
            milli_cpu,
            memory_mib,
            pods,
            labels: BTreeMap::new(),
        }
    }

    fn workload(
        &mut self,
        index: usize,
        left: u32,
        nodes: usize,
        cpu: u64,
        memory: u64,
    ) -> WorkloadSpec {
        let namespace = format!("team-{}", self.below(4));
        let most = u64::from(left).min(10 + nodes as u64 / 2);
        let replicas = u32::try_from(1 + self.below(most)).unwrap_or(1);
        let mut workload =
            WorkloadSpec::deployment(&namespace, &format!("app-{index:03}"), replicas);
        if self.below(3) == 0 {
            workload.kind = WorkloadKind::StatefulSet;
        }
        // From half the mean to one and a half of it.
        workload.milli_cpu = cpu / 2 + self.below(cpu + 1);
        workload.memory_mib = memory / 2 + self.below(memory + 1);
        match self.below(6) {
            0 | 1 => workload.spread = Some("topology.kubernetes.io/zone".to_owned()),
            // Half of the nodes, so that there is always another one.
            2 if u64::from(replicas) <= nodes as u64 / 2 => {
                workload.apart = Some("kubernetes.io/hostname".to_owned());
            }
            _ => {}
        }
        workload.priority_class = match self.below(8) {
            0 => Some("important".to_owned()),
            1 => Some("spare".to_owned()),
            _ => None,
        };
        workload.budget = match self.below(5) {
            0 => None,
            1 => Some(Budget::MinAvailable("50%".to_owned())),
            2 => Some(Budget::MaxUnavailable("1".to_owned())),
            _ => Some(Budget::MaxUnavailable("10%".to_owned())),
        };
        workload.grace_seconds = [1, 5, 30][usize::try_from(self.below(3)).unwrap_or_default()];
        workload
    }
}

#[cfg(test)]
mod tests {
    use super::{Budget, WorkloadSpec, WorldSpec};

    #[test]
    fn a_budget_in_percent_is_rounded_up_both_ways() {
        let desired = |budget| {
            let workload = WorkloadSpec::deployment("shop", "web", 7).with_budget(budget);
            workload.desired_healthy()
        };
        let text = |amount: &str| amount.to_owned();
        assert_eq!(desired(Budget::MinAvailable(text("50%"))), Some(4));
        assert_eq!(desired(Budget::MaxUnavailable(text("10%"))), Some(6));
        assert_eq!(desired(Budget::MaxUnavailable(text("50%"))), Some(3));
        assert_eq!(desired(Budget::MinAvailable(text("5"))), Some(5));
        assert_eq!(desired(Budget::MaxUnavailable(text("9"))), Some(0));
        let free = WorkloadSpec::deployment("shop", "web", 7);
        assert_eq!(free.desired_healthy(), None);
    }

    #[test]
    fn the_same_seed_gives_the_same_world_and_another_another() {
        let world = WorldSpec::generate(7, 20, 120);
        assert_eq!(world, WorldSpec::generate(7, 20, 120));
        assert_ne!(world, WorldSpec::generate(8, 20, 120));
        assert_eq!((world.nodes.len(), world.pods()), (20, 120));
    }

    #[test]
    fn a_world_fits_into_its_nodes_with_room_for_one_more_third() {
        for seed in 0..50 {
            let world = WorldSpec::generate(seed, 30, 300);
            let all: u64 = world.nodes.iter().map(|node| node.milli_cpu).sum();
            let asked: u64 = world
                .workloads
                .iter()
                .map(|w| w.milli_cpu * u64::from(w.replicas))
                .sum();
            assert!(asked * 4 <= all * 3, "seed {seed}: {asked} of {all}");
        }
    }
}
