//! The zoo of constraints: what every pod asks for, whether it moves, where it
//! goes, and what its three budgets allow.

use super::*;
use cloudoptim_core::input::{InputOptions, Loader};
use cloudoptim_core::scheduling::movability::{MovePolicy, Movers};
use cloudoptim_core::scheduling::{
    Budgets, EvictionRefusal, InfeasibleResize, Movability, Pin, TakenOff, effective_request,
};

const HOST: &str = "ip-10-0-1-10.ec2.internal";

fn zoo() -> Cluster {
    let mut options = InputOptions::default();
    options.complete = true;
    options.taken_at = Some(at("2026-05-01T12:00Z"));
    let mut loader = Loader::new(options);
    let bytes = include_bytes!("../testdata/scheduling/constraint_zoo.json");
    loader.add("constraint_zoo.json", bytes);
    let mut snapshot = loader.finish().unwrap().snapshot;
    let mut zoo = snapshot.clusters.remove(0);
    let parts = cluster();
    zoo.workloads = parts.workloads;
    zoo.claims = parts.claims;
    zoo.storage_classes = parts.storage_classes;
    zoo.csi_nodes = parts.csi_nodes;
    zoo.volume_attachments = parts.volume_attachments;
    zoo.namespaces = parts.namespaces;
    zoo.node_pools = parts.node_pools;
    // Three zones of amd64, one arm64 node on demand with 8 cores, and one
    // with a GPU, huge pages and a taint. All pods of the zoo stand on the
    // first, which is large enough for them.
    let mut nodes = Vec::new();
    for (name, zone) in [
        (HOST, "us-east-1a"),
        ("b", "us-east-1b"),
        ("c", "us-east-1c"),
        ("arm", "us-east-1a"),
        ("gpu", "us-east-1b"),
    ] {
        let (cores, memory) = if name == HOST {
            ("64", "256Gi")
        } else {
            ("8", "32Gi")
        };
        let mut n = node(name, cores, memory);
        n.meta.labels.insert(ZONE_LABEL.into(), zone.into());
        n.allocatable.ephemeral_storage = crate::fixtures::bytes("17Gi");
        n.allocatable.extended.insert("hugepages-2Mi".into(), 0);
        if name == "arm" {
            n.meta.labels.insert(ARCH_LABEL.into(), "arm64".into());
            n.meta
                .labels
                .insert("karpenter.k8s.aws/instance-cpu".into(), "8".into());
        }
        if name == "gpu" {
            let extended = &mut n.allocatable.extended;
            extended.insert("hugepages-2Mi".into(), 128 << 20);
            extended.insert("nvidia.com/gpu".into(), 1);
            n.taints.push(Taint {
                key: "nvidia.com/gpu".into(),
                value: "present".into(),
                effect: TaintEffect::NoSchedule,
            });
        }
        nodes.push(n);
    }
    zoo.nodes = complete(nodes);
    zoo
}

fn zoo_pod<'c>(zoo: &'c Cluster, name: &str) -> &'c Pod {
    zoo.pods
        .items()
        .iter()
        .find(|p| p.meta.name == name)
        .unwrap_or_else(|| panic!("{name}"))
}

#[test]
fn every_pod_of_the_zoo_asks_for_what_is_written_here() {
    let zoo = zoo();
    let mib = |n: u64| n << 20;
    for (name, cpu, memory) in [
        ("spread", 500, 128_974_848),
        ("anti", 100, 129_000_000),
        ("node-affinity", 100, mib(128)),
        ("do-not-disrupt", 100, mib(128)),
        ("not-safe-to-evict", 100, mib(128)),
        ("static-mirror", 100, mib(128)),
        ("daemon", 100, mib(128)),
        ("bare-pod", 100, mib(128)),
        ("init-max", 2000, mib(1024)),
        ("native-sidecar", 170, mib(104)),
        ("overhead", 350, mib(248)),
        ("pod-level-resources", 1000, mib(1024)),
        ("limits-only", 2000, mib(1024)),
        ("resized", 300, mib(256)),
        ("ephemeral-and-hugepages", 1000, mib(1024)),
        ("local-storage", 100, mib(128)),
        ("completed", 100, mib(128)),
        ("terminating", 100, mib(128)),
        ("pending-gated", 100, mib(128)),
    ] {
        let request = effective_request(zoo_pod(&zoo, name), InfeasibleResize::Drop);
        assert_eq!((request.cpu.0, request.memory.0), (cpu, memory), "{name}");
        assert_eq!(request.pods, 1, "{name}");
    }
    let of = |name| effective_request(zoo_pod(&zoo, name), InfeasibleResize::Drop);
    assert_eq!(of("limits-only").extended["nvidia.com/gpu"], 1);
    assert_eq!(
        of("ephemeral-and-hugepages").extended["hugepages-2Mi"],
        mib(64)
    );
    // 500m of storage is half a byte, and half a byte is one.
    assert_eq!(of("ephemeral-and-hugepages").ephemeral_storage, Bytes(1));
}

#[test]
fn every_pod_of_the_zoo_moves_or_stays_as_written_here() {
    let zoo = zoo();
    let movers = Movers::new(&zoo, at("2026-05-01T12:00Z"), MovePolicy::default());
    let said = |name: &str| match movers.judge(zoo_pod(&zoo, name)) {
        Movability::NeverMoves { why } => why
            .iter()
            .map(|pin| match pin {
                Pin::Annotation { key, .. } => key.rsplit('/').next().unwrap().to_owned(),
                other => format!("{other:?}")
                    .split([' ', '{'])
                    .next()
                    .unwrap()
                    .to_owned(),
            })
            .collect::<Vec<_>>()
            .join(" "),
        other => format!("{other:?}"),
    };
    // All pods of the zoo but three have no controller.
    for name in [
        "spread",
        "anti",
        "node-affinity",
        "bare-pod",
        "init-max",
        "native-sidecar",
        "overhead",
        "pod-level-resources",
        "limits-only",
        "resized",
        "ephemeral-and-hugepages",
        "pending-gated",
    ] {
        assert_eq!(said(name), "Bare", "{name}");
    }
    assert_eq!(said("do-not-disrupt"), "do-not-disrupt Bare");
    assert_eq!(said("not-safe-to-evict"), "safe-to-evict Bare");
    assert_eq!(said("local-storage"), "Bare HostPath");
    assert_eq!(said("static-mirror"), "Stays { why: Mirror }");
    assert_eq!(said("daemon"), "Stays { why: DaemonSet }");
    assert_eq!(said("completed"), "NotCounted");
    assert_eq!(said("terminating"), "Leaving { placed_again: false }");
}

/// A pod, and what each node says.
type Answer<'t> = (&'t str, Vec<(&'t str, Vec<&'t str>)>);

/// Every refusal of a node, as sentences.
fn sentences(world: &World<'_>, namespace: &str, pod: &str, node: &str) -> Vec<String> {
    let pod = world.pod_id(namespace, pod).unwrap();
    let node = world.node_id(&NodeName::new(node)).unwrap();
    let refusals = world.check(pod, node).err().map_or_else(Vec::new, |r| r.0);
    assert_eq!(world.fits(pod, node), refusals.is_empty());
    refusals.iter().map(ToString::to_string).collect()
}

#[test]
fn every_pod_of_the_zoo_goes_where_is_written_here() {
    let zoo = zoo();
    let world = World::new(&zoo, &[]);
    let taint = "the taint nvidia.com/gpu=present is not tolerated";
    let anywhere = || -> Vec<(&str, Vec<&str>)> {
        vec![
            (HOST, vec![]),
            ("b", vec![]),
            ("c", vec![]),
            ("arm", vec![]),
            ("gpu", vec![taint]),
        ]
    };
    let on_all = |why: &[&'static str], on_gpu: &[&'static str]| -> Vec<(&str, Vec<&str>)> {
        let mut all: Vec<_> = [HOST, "b", "c", "arm"]
            .iter()
            .map(|n| (*n, why.to_vec()))
            .collect();
        all.push(("gpu", on_gpu.to_vec()));
        all
    };
    let no_gpu = "1 of nvidia.com/gpu needed, 0 free";
    let no_pages = "67108864 of hugepages-2Mi needed, 0 free";
    let claim = "claim data-0 does not exist";
    let gate = "the scheduling gate example.com/hold holds it back";
    let wants_arm = "the node selector wants kubernetes.io/arch=arm64, not amd64";
    let wants_cores = "no term of the node affinity holds: \
        karpenter.sh/capacity-type not in (spot) and karpenter.k8s.aws/instance-cpu > 7 \
        or eks.amazonaws.com/capacityType exists";
    let two_in_a = "topology.kubernetes.io/zone=us-east-1a would hold 2, \
        the emptiest domain 0: more than 1 apart";
    let avoided = format!("1 pods in kubernetes.io/hostname={HOST} avoid it");
    let avoids = format!("1 pods that it avoids are in kubernetes.io/hostname={HOST}");
    let selected = vec![wants_arm, wants_cores];
    let answers: Vec<Answer<'_>> = vec![
        // Anti carries app=web too: the pods of web are two, in one zone, and a
        // second there would be 2 to 0. Its spread over hosts is soft.
        (
            "spread",
            vec![
                (HOST, vec![avoided.as_str(), two_in_a]),
                ("b", vec![]),
                ("c", vec![]),
                ("arm", vec![two_in_a]),
                ("gpu", vec![taint]),
            ],
        ),
        // What it prefers about zones refuses nothing.
        (
            "anti",
            vec![
                (HOST, vec![avoids.as_str()]),
                ("b", vec![]),
                ("c", vec![]),
                ("arm", vec![]),
                ("gpu", vec![taint]),
            ],
        ),
        (
            "node-affinity",
            vec![
                (HOST, selected.clone()),
                ("b", selected.clone()),
                ("c", selected.clone()),
                ("arm", vec![]),
                ("gpu", [selected, vec![taint]].concat()),
            ],
        ),
        // What says that a pod must not move does not say where it could be.
        ("do-not-disrupt", anywhere()),
        ("not-safe-to-evict", anywhere()),
        ("static-mirror", anywhere()),
        // It tolerates everything.
        ("daemon", on_all(&[], &[])),
        ("bare-pod", anywhere()),
        ("init-max", anywhere()),
        ("native-sidecar", anywhere()),
        ("overhead", anywhere()),
        ("pod-level-resources", anywhere()),
        ("limits-only", on_all(&[no_gpu], &[taint])),
        ("resized", anywhere()),
        ("ephemeral-and-hugepages", on_all(&[no_pages], &[taint])),
        ("local-storage", on_all(&[claim], &[taint, claim])),
        ("terminating", anywhere()),
        ("pending-gated", on_all(&[gate], &[taint, gate])),
    ];
    for (name, nodes) in &answers {
        let namespace = if *name == "static-mirror" {
            "kube-system"
        } else {
            "demo"
        };
        for (node, want) in nodes {
            let mut got = sentences(&world, namespace, name, node);
            let mut want = want.clone();
            got.sort();
            want.sort_unstable();
            assert_eq!(got, want, "{name} on {node}");
        }
    }
    // What has ended is not in the world, and all others have an answer.
    assert_eq!(world.pod_id("demo", "completed"), None);
    assert_eq!(answers.len(), world.pods().count());
    assert_eq!(answers.len() + 1, zoo.pods.items().len());
}

/// The zoo with one of its budgets, its pods ready or not, and the status of
/// the budget believed or not.
fn with_budget(name: &str, ready: Option<bool>, fresh: bool) -> Cluster {
    let mut zoo = zoo();
    let budgets = zoo.disruption_budgets.value_mut().unwrap();
    budgets.retain(|b| b.meta.name == name);
    assert_eq!(budgets.len(), 1, "{name}");
    if !fresh {
        budgets[0].meta.generation = Some(2);
        budgets[0].observed_generation = Some(1);
    }
    for p in zoo.pods.value_mut().unwrap() {
        p.status.ready = ready;
    }
    zoo
}

/// What the budget says to each pod in turn: each eviction is spent.
fn evicted(c: &Cluster, pods: &[&str]) -> Vec<String> {
    let mut budgets = Budgets::new(c, at("2026-05-01T12:00Z"));
    let said = pods
        .iter()
        .map(|name| match budgets.take(zoo_pod(c, name)) {
            Ok(()) => "goes".to_owned(),
            Err(why) => why.to_string(),
        });
    said.collect()
}

#[test]
fn the_budgets_of_the_zoo_together_block_web_and_let_the_others_go() {
    let zoo = with_budgets_and_ready_pods();
    let budgets = Budgets::new(&zoo, at("2026-05-01T12:00Z"));
    let named = |names: [&str; 3]| names.map(|n| NamespacedName::new("demo", n)).to_vec();
    for p in zoo.pods.items() {
        let got = budgets.can_evict(p);
        match p.meta.name.as_str() {
            // The API refuses pods of several budgets, whatever these say.
            "spread" | "anti" => {
                let budgets = named(["all-pods", "pct", "zero"]);
                assert_eq!(got, Err(EvictionRefusal::SeveralBudgets { budgets }));
            }
            name => assert_eq!(got, Ok(()), "{name}"),
        }
    }
    // Outside the namespace there is no budget; inside, one for all.
    let off = |name| budgets.taken_off(zoo_pod(&zoo, name));
    assert_eq!(off("static-mirror"), TakenOff::Nothing);
    let several = EvictionRefusal::SeveralBudgets {
        budgets: named(["all-pods", "pct", "zero"]),
    };
    assert_eq!(off("spread"), TakenOff::Refused(several));
    assert_eq!(off("completed"), TakenOff::Nothing);
    assert_eq!(off("terminating"), TakenOff::Nothing);
    assert_eq!(off("pending-gated"), TakenOff::Nothing);
    let budget = NamespacedName::new("demo", "all-pods");
    let allowed = 3;
    assert_eq!(off("bare-pod"), TakenOff::Budget { budget, allowed });
}

fn with_budgets_and_ready_pods() -> Cluster {
    let mut zoo = zoo();
    for p in zoo.pods.value_mut().unwrap() {
        p.status.ready = Some(true);
    }
    zoo
}

#[test]
fn the_budgets_of_the_zoo_alone_allow_what_their_status_says() {
    // One of three may go, by its status.
    let pct = with_budget("pct", Some(true), true);
    assert_eq!(
        evicted(&pct, &["spread", "anti", "bare-pod"]),
        [
            "goes",
            "budget demo/pct allows none now: 2 healthy, 2 must stay",
            "goes", // not of web
        ]
    );
    // AlwaysAllow: pods that are not ready go, and nothing is spent.
    let pct = with_budget("pct", None, true);
    assert_eq!(evicted(&pct, &["spread", "anti"]), ["goes", "goes"]);

    let zero = with_budget("zero", Some(true), true);
    let never = "budget demo/zero never allows one: 3 pods, 3 must stay";
    assert_eq!(evicted(&zero, &["spread", "anti"]), [never, never]);
    // The default for pods that are not ready: they go while the budget is
    // healthy, and three of three are.
    let zero = with_budget("zero", Some(false), true);
    assert_eq!(evicted(&zero, &["spread", "anti"]), ["goes", "goes"]);

    let all = with_budget("all-pods", Some(true), true);
    assert_eq!(
        evicted(&all, &["spread", "anti", "bare-pod", "overhead", "daemon"]),
        [
            "goes",
            "goes",
            "goes",
            "budget demo/all-pods allows none now: 7 healthy, 7 must stay",
            "budget demo/all-pods allows none now: 7 healthy, 7 must stay",
        ]
    );
}

#[test]
fn the_budgets_of_the_zoo_allow_nothing_where_their_status_is_old() {
    // Web has no controller, so nobody expects a pod of it: none may go.
    for name in ["pct", "zero"] {
        let c = with_budget(name, Some(true), false);
        let never = format!("budget demo/{name} never allows one: 0 pods, 0 must stay");
        assert_eq!(evicted(&c, &["spread"]), [never]);
    }
    // The DaemonSet of the daemon is not in the documents.
    let all = with_budget("all-pods", Some(true), false);
    let unknown = "what budget demo/all-pods allows is not known: the scale of DaemonSet agent";
    assert_eq!(evicted(&all, &["bare-pod"]), [unknown]);
}
