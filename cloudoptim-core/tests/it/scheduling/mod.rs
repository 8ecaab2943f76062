//! The kube-scheduler's rules: worked cases for each sentence of them, the zoo
//! of constraints with an answer for every pod, and the index against itself
//! rebuilt.

mod affinity;
mod budgets;
mod capacity;
mod index;
mod movability;
mod nodes;
mod preferences;
mod preferences_naive;
mod requests;
mod spread;
mod volumes;
mod zoo;

use crate::fixtures::*;
use cloudoptim_core::model::*;
use cloudoptim_core::scheduling::World;

fn rules(world: &World<'_>, namespace: &str, pod: &str, node: &str) -> Vec<String> {
    let pod = world
        .pod_id(namespace, pod)
        .unwrap_or_else(|| panic!("{pod}"));
    let node = world
        .node_id(&NodeName::new(node))
        .unwrap_or_else(|| panic!("{node}"));
    let refusals = world.check(pod, node).err().map_or_else(Vec::new, |r| r.0);
    assert_eq!(world.fits(pod, node), refusals.is_empty());
    refusals
        .iter()
        .map(|r| {
            let value = serde_json::to_value(r).unwrap();
            value["rule"].as_str().unwrap().to_owned()
        })
        .collect()
}

/// The newcomer: the pod `n/p` of `app`, which stands on no node that is there.
fn newcomer(app: &str) -> Pod {
    pod("n", app, "p", "gone", small())
}

fn small() -> Container {
    container("c", "100m", "64Mi")
}

/// A node in a zone.
fn node_in(name: &str, zone: &str) -> Node {
    let mut n = node(name, "8", "32Gi");
    n.meta.labels.insert(ZONE_LABEL.into(), zone.into());
    n
}

fn world_of(nodes: Vec<Node>, pods: Vec<Pod>) -> Cluster {
    let mut c = cluster();
    c.nodes = complete(nodes);
    c.pods = complete(pods);
    c
}

/// The rules that keep the newcomer from a node, joined.
fn refused(c: &Cluster, node: &str) -> String {
    rules(&World::new(c, &[]), "n", "p", node).join(" ")
}

/// As [`refused`], of the newcomer alone on one node.
fn refused_on(node: Node, newcomer: Pod) -> String {
    let name = node.meta.name.clone();
    refused(&world_of(vec![node], vec![newcomer]), &name)
}

fn requirement(key: &str, operator: Operator, values: &[&str]) -> Requirement {
    Requirement {
        key: key.into(),
        operator,
        values: values.iter().map(|v| (*v).to_owned()).collect(),
    }
}

fn selecting(app: &str) -> Option<LabelSelector> {
    Some(LabelSelector {
        match_labels: Labels::from([("app".to_owned(), app.to_owned())]),
        ..Default::default()
    })
}

fn term(app: &str, key: &str) -> PodAffinityTerm {
    PodAffinityTerm {
        selector: selecting(app),
        topology_key: key.into(),
        ..Default::default()
    }
}

fn label(meta: &mut ObjectMeta, key: &str, value: &str) {
    meta.labels.insert(key.to_owned(), value.to_owned());
}
