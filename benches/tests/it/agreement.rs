//! Two judges that share no code: the scheduling rules of the core and the
//! naive one of the harness, asked about every pod on every node of generated
//! clusters.

use cloudoptim_benches::placement::Board;
use cloudoptim_benches::sample::Random;
use cloudoptim_core::knowledge::{Knowledge, Provenance};
use cloudoptim_core::model::*;
use cloudoptim_core::scheduling::World;
use std::collections::{BTreeMap, BTreeSet};

const HOST: &str = "kubernetes.io/hostname";
const ZONE: &str = "topology.kubernetes.io/zone";
const RACK: &str = "example.com/rack";
const APPS: [&str; 3] = ["a", "b", "c"];

pub(crate) fn known<T>(items: Vec<T>) -> Knowledge<Vec<T>> {
    Knowledge::complete(items, Provenance::new("test", "all"))
}

struct Draw(Random);

impl Draw {
    fn one_in(&mut self, n: usize) -> bool {
        self.0.below(n) == 0
    }

    fn of<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.0.below(list.len())].clone()
    }

    fn selector(&mut self) -> Option<LabelSelector> {
        let mut selector = LabelSelector::default();
        match self.0.below(8) {
            0 => return None,
            1 => {}
            2 => {
                let operator = self.of(&[
                    Operator::In,
                    Operator::NotIn,
                    Operator::Exists,
                    Operator::DoesNotExist,
                ]);
                let named = matches!(operator, Operator::In | Operator::NotIn);
                selector.match_expressions.push(Requirement {
                    key: self.of(&["app", "tier"]).to_owned(),
                    operator,
                    values: if named {
                        vec![self.of(&APPS).to_owned()]
                    } else {
                        Vec::new()
                    },
                });
            }
            _ => {
                let app = self.of(&APPS).to_owned();
                selector.match_labels.insert("app".to_owned(), app);
            }
        }
        Some(selector)
    }

    fn term(&mut self) -> PodAffinityTerm {
        let mut term = PodAffinityTerm {
            selector: self.selector(),
            topology_key: self.of(&[HOST, ZONE, ZONE, RACK]).to_owned(),
            ..PodAffinityTerm::default()
        };
        match self.0.below(6) {
            0 => term.namespaces = vec!["one".to_owned()],
            1 => term.namespace_selector = Some(LabelSelector::default()),
            2 => {
                let mut selector = LabelSelector::default();
                selector
                    .match_labels
                    .insert("team".to_owned(), self.of(&["x", "y"]).to_owned());
                term.namespace_selector = Some(selector);
            }
            _ => {}
        }
        if self.one_in(8) {
            term.match_label_keys = vec!["tier".to_owned()];
        } else if self.one_in(8) {
            term.mismatch_label_keys = vec!["tier".to_owned()];
        }
        term
    }

    fn node_terms(&mut self) -> Vec<NodeSelectorTerm> {
        let count = self.0.below(3);
        (0..count)
            .map(|_| {
                let operator = self.of(&[
                    Operator::In,
                    Operator::NotIn,
                    Operator::Exists,
                    Operator::DoesNotExist,
                    Operator::Gt,
                    Operator::Lt,
                ]);
                let (key, values) = match operator {
                    Operator::Gt | Operator::Lt => {
                        ("size", vec![self.of(&["1", "2", "three"]).to_owned()])
                    }
                    Operator::In | Operator::NotIn => {
                        (ZONE, vec![self.of(&["z1", "z2"]).to_owned()])
                    }
                    _ => (RACK, Vec::new()),
                };
                let mut term = NodeSelectorTerm::default();
                if !self.one_in(8) {
                    term.match_expressions.push(Requirement {
                        key: key.to_owned(),
                        operator,
                        values,
                    });
                }
                if self.one_in(8) {
                    term.match_fields.push(Requirement {
                        key: "metadata.name".to_owned(),
                        operator: Operator::In,
                        values: vec![self.of(&["n0", "n1"]).to_owned()],
                    });
                }
                term
            })
            .collect()
    }

    fn node(&mut self, number: usize) -> Node {
        let mut node = Node::default();
        node.meta.name = format!("n{number}");
        node.meta.uid = format!("node-{number}").as_str().into();
        let labels = &mut node.meta.labels;
        labels.insert(HOST.to_owned(), node.meta.name.clone());
        labels.insert("size".to_owned(), (number % 4).to_string());
        if !self.one_in(10) {
            let zone = self.of(&["z1", "z2", "z3"]).to_owned();
            labels.insert(ZONE.to_owned(), zone);
        }
        if !self.one_in(3) {
            labels.insert(RACK.to_owned(), self.of(&["r1", "r2"]).to_owned());
        }
        if self.one_in(4) {
            node.taints.push(Taint {
                key: "only".to_owned(),
                value: self.of(&["gpu", ""]).to_owned(),
                effect: self.of(&[TaintEffect::NoSchedule, TaintEffect::PreferNoSchedule]),
            });
        }
        if self.one_in(12) {
            // As `kubectl cordon` and the node controller leave it.
            node.unschedulable = true;
            node.taints.push(Taint {
                key: "node.kubernetes.io/unschedulable".to_owned(),
                value: String::new(),
                effect: TaintEffect::NoSchedule,
            });
        }
        node.allocatable.cpu = MilliCpu(1_000 + 500 * self.0.below(5) as u64);
        node.allocatable.memory = Bytes((1 << 30) * (1 + self.0.below(4) as u64));
        node.allocatable.ephemeral_storage = Bytes(10 << 30);
        node.allocatable.pods = 3 + self.0.below(6) as u64;
        if self.one_in(3) {
            let extended = &mut node.allocatable.extended;
            extended.insert("example.com/gpu".to_owned(), self.0.below(3) as u64);
        }
        node.capacity = node.allocatable.clone();
        node.conditions.push(NodeCondition {
            name: "Ready".to_owned(),
            status: ConditionStatus::True,
            ..NodeCondition::default()
        });
        node.os = Some("linux".to_owned());
        node
    }

    fn container(&mut self, name: &str) -> Container {
        let mut container = Container {
            name: name.to_owned(),
            ..Container::default()
        };
        let amounts = |draw: &mut Self| ResourceList {
            cpu: (!draw.one_in(5)).then(|| MilliCpu(50 * draw.0.below(12) as u64)),
            memory: (!draw.one_in(5)).then(|| Bytes((64 << 20) * draw.0.below(12) as u64)),
            ..ResourceList::default()
        };
        container.resources.requests = amounts(self);
        if self.one_in(4) {
            container.resources.limits = amounts(self);
        }
        if self.one_in(10) {
            let gpu = "example.com/gpu".to_owned();
            container.resources.requests.extended.insert(gpu.clone(), 1);
            container.resources.limits.extended.insert(gpu, 1);
        }
        if self.one_in(8) {
            container.host_ports.push(HostPort {
                port: self.of(&[80, 81]),
                protocol: self.of(&["TCP", "UDP"]).to_owned(),
                ip: self.of(&["", "0.0.0.0", "10.0.0.1", "10.0.0.2"]).to_owned(),
            });
        }
        container
    }

    fn pod(&mut self, number: usize, nodes: usize) -> Pod {
        let mut pod = Pod::default();
        pod.meta.name = format!("p{number}");
        pod.meta.namespace = self.of(&["one", "two"]).to_owned();
        pod.meta.uid = format!("pod-{number}").as_str().into();
        let app = self.of(&APPS).to_owned();
        pod.meta.labels.insert("app".to_owned(), app);
        if !self.one_in(3) {
            let tier = self.of(&["front", "back"]).to_owned();
            pod.meta.labels.insert("tier".to_owned(), tier);
        }
        pod.status.phase = PodPhase::Running;
        if !self.one_in(6) {
            let node = format!("n{}", self.0.below(nodes));
            pod.spec.node_name = Some(node.as_str().into());
        } else {
            pod.status.phase = PodPhase::Pending;
        }
        let spec = &mut pod.spec;
        spec.containers = vec![self.container("main")];
        if self.one_in(4) {
            let mut init = self.container("init");
            init.host_ports.clear();
            spec.init_containers.push(init);
        }
        if self.one_in(5) {
            let mut sidecar = self.container("sidecar");
            sidecar.restarts_always = true;
            spec.init_containers.push(sidecar);
            if self.one_in(2) {
                let mut last = self.container("last");
                last.host_ports.clear();
                spec.init_containers.push(last);
            }
        }
        if self.one_in(8) {
            spec.overhead = Some(ResourceList {
                cpu: Some(MilliCpu(100)),
                ..ResourceList::default()
            });
        }
        if self.one_in(5) {
            let zone = self.of(&["z1", "z2"]).to_owned();
            spec.node_selector.insert(ZONE.to_owned(), zone);
        }
        if self.one_in(5) {
            spec.required_node_affinity = Some(self.node_terms());
        }
        if self.one_in(4) {
            spec.tolerations.push(Toleration {
                key: self.of(&["only", ""]).to_owned(),
                exists: true,
                effect: self.of(&[None, Some(TaintEffect::NoSchedule)]),
                ..Toleration::default()
            });
        }
        for _ in 0..self.of(&[0, 0, 0, 1, 1, 2]) {
            let spread = TopologySpread {
                max_skew: 1 + self.0.below(2) as u32,
                topology_key: self.of(&[ZONE, ZONE, HOST, RACK]).to_owned(),
                when_unsatisfiable: if self.one_in(5) {
                    WhenUnsatisfiable::ScheduleAnyway
                } else {
                    WhenUnsatisfiable::DoNotSchedule
                },
                selector: self.selector(),
                min_domains: self.of(&[None, None, Some(2), Some(4)]),
                honour_node_affinity: self.of(&[None, Some(true), Some(false)]),
                honour_node_taints: self.of(&[None, Some(true), Some(false)]),
                match_label_keys: if self.one_in(6) {
                    vec!["tier".to_owned()]
                } else {
                    Vec::new()
                },
            };
            let keys = pod.spec.topology_spread.iter();
            // The API server refuses a key twice.
            if !keys.clone().any(|s| s.topology_key == spread.topology_key) {
                pod.spec.topology_spread.push(spread);
            }
        }
        for _ in 0..self.of(&[0, 0, 0, 0, 1, 2]) {
            let term = self.term();
            pod.spec.required_pod_affinity.push(term);
        }
        for _ in 0..self.of(&[0, 0, 0, 0, 1, 2]) {
            let term = self.term();
            pod.spec.required_pod_anti_affinity.push(term);
        }
        pod
    }

    /// Volumes of a pod, each of its own.
    fn volumes(&mut self, pod: &mut Pod, cluster: &mut Parts) {
        for n in 0..self.of(&[0, 0, 0, 1, 2]) {
            let name = format!("{}-{n}", pod.meta.name);
            let mut volume = PersistentVolume::default();
            volume.meta.name = format!("pv-{name}");
            volume.source = PvSource::Ebs {
                volume: format!("vol-{name}").as_str().into(),
            };
            volume.phase = PvPhase::Bound;
            volume.node_affinity = (!self.one_in(4)).then(|| {
                vec![NodeSelectorTerm {
                    match_expressions: vec![Requirement {
                        key: ZONE.to_owned(),
                        operator: Operator::In,
                        values: vec![self.of(&["z1", "z2", "z3"]).to_owned()],
                    }],
                    ..NodeSelectorTerm::default()
                }]
            });
            let mut claim = PersistentVolumeClaim::default();
            claim.meta.name.clone_from(&name);
            claim.meta.namespace.clone_from(&pod.meta.namespace);
            claim.volume_name = Some(volume.meta.name.clone());
            claim.phase = ClaimPhase::Bound;
            claim.access_modes = vec!["ReadWriteOnce".to_owned()];
            pod.spec.volumes.push(PodVolume {
                name: format!("v{n}"),
                source: PodVolumeSource::Claim { name },
            });
            cluster.volumes.push(volume);
            cluster.claims.push(claim);
        }
    }
}

#[derive(Default)]
struct Parts {
    volumes: Vec<PersistentVolume>,
    claims: Vec<PersistentVolumeClaim>,
}

pub(crate) fn cluster(seed: u64) -> Cluster {
    let mut draw = Draw(Random::new(seed));
    let count = 2 + draw.0.below(4);
    let nodes: Vec<Node> = (0..count).map(|n| draw.node(n)).collect();
    let mut parts = Parts::default();
    let pods: Vec<Pod> = (0..4 + draw.0.below(6))
        .map(|n| {
            let mut pod = draw.pod(n, count);
            draw.volumes(&mut pod, &mut parts);
            pod
        })
        .collect();
    let drivers = nodes.iter().map(|node| {
        let mut csi = CsiNode::default();
        csi.meta.name.clone_from(&node.meta.name);
        csi.drivers.push(CsiDriver {
            name: "ebs.csi.aws.com".to_owned(),
            attach_limit: Some(1 + draw.0.below(3) as u32),
        });
        csi
    });
    let drivers: Vec<CsiNode> = drivers.collect();
    let namespaces = [("one", "x"), ("two", "y")].map(|(name, team)| {
        let mut namespace = Namespace::default();
        namespace.meta.name = name.to_owned();
        let labels = &mut namespace.meta.labels;
        labels.insert("team".to_owned(), team.to_owned());
        namespace
    });
    Cluster {
        uid: "cluster".into(),
        nodes: known(nodes),
        pods: known(pods),
        namespaces: known(namespaces.to_vec()),
        persistent_volumes: known(parts.volumes),
        claims: known(parts.claims),
        csi_nodes: known(drivers),
        volume_attachments: known(Vec::new()),
        storage_classes: known(Vec::new()),
        node_pools: known(Vec::new()),
        ..Cluster::default()
    }
}

/// Kinds of refusals with a number of times, so that none is never asked.
type Seen = BTreeMap<String, u32>;

fn compare(cluster: &Cluster, seen: &mut Seen) -> usize {
    let world = World::new(cluster, &[]);
    let board = Board::new(cluster);
    let mut asked = 0;
    for pod in cluster.pods.items() {
        for node in cluster.nodes.items() {
            // On its own node a pod's volumes are attached already, which the
            // scheduler does not count again; the naive judge lifts them too.
            if pod.node() == Some(&node.name()) && !pod.spec.volumes.is_empty() {
                continue;
            }
            let id = world.pod_by_uid(&pod.meta.uid).unwrap();
            let exact = world.check(id, world.node_id(&node.name()).unwrap());
            let naive = board.against(pod.meta.uid.as_str(), &node.meta.name);
            asked += 1;
            assert_eq!(
                exact.is_ok(),
                naive.is_empty(),
                "{} on {}: {exact:?} and {naive:?} in {cluster:#?}",
                pod.meta.name,
                node.meta.name
            );
            let rules: BTreeSet<&str> = naive.iter().map(|v| v.rule.as_str()).collect();
            for rule in rules {
                *seen.entry(rule.to_owned()).or_default() += 1;
            }
            *seen.entry("accepted".to_owned()).or_default() += u32::from(naive.is_empty());
        }
    }
    asked
}

#[test]
fn both_judges_agree_on_a_hundred_thousand_cases() {
    let mut seen = Seen::new();
    let mut asked = 0;
    let mut seed = 0;
    while asked < 100_000 {
        seed += 1;
        asked += compare(&cluster(seed), &mut seen);
    }
    // Each rule was the matter often enough to mean something.
    for rule in [
        "accepted",
        "node selector",
        "node affinity",
        "taint",
        "the node takes no pods",
        "host port",
        "anti-affinity",
        "anti-affinity of another",
        "affinity",
        "spread without its key",
        &format!("spread over {ZONE}"),
        &format!("spread over {HOST}"),
        "zone of a volume",
        "volumes attached",
        "has less cpu than its pods ask for",
        "has less memory than its pods ask for",
        "has less pods than its pods ask for",
        "has less example.com/gpu than its pods ask for",
    ] {
        let times = seen.get(rule).copied().unwrap_or(0);
        assert!(times >= 500, "{rule}: {times} times in {asked}");
    }
}
