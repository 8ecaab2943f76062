//! Whether the pods of a node find other places.

use super::world_of;
use crate::fixtures::{container, node, pod};
use cloudoptim_core::guard::Placement;
use cloudoptim_core::knowledge::Knowledge;
use cloudoptim_core::model::{Cluster, OwnerRef};
use cloudoptim_core::scheduling::Elsewhere;

/// Two pods of 1.5 CPU on `a`; `b` and `c` have 2 CPU each, of which `b` has
/// taken some.
fn cluster(taken: &str) -> Cluster {
    let large = || container("c", "1500m", "64Mi");
    world_of(
        ["a", "b", "c"]
            .map(|name| node(name, "2", "8Gi"))
            .map(|mut n| {
                if n.meta.name == "a" {
                    n.unschedulable = true;
                }
                n
            })
            .to_vec(),
        vec![
            pod("n", "web", "web-1", "a", large()),
            pod("n", "web", "web-2", "a", large()),
            pod("n", "db", "db-1", "b", container("c", taken, "64Mi")),
        ],
    )
}

fn answer(cluster: &Cluster) -> Result<(), String> {
    Elsewhere.fits_elsewhere(cluster, &"a".into())
}

#[test]
fn every_pod_needs_a_place_beside_those_that_went_before() {
    assert_eq!(answer(&cluster("100m")), Ok(()));
    let error = answer(&cluster("600m")).unwrap_err();
    assert_eq!(error, "pod n/web-2 fits on no other node");
}

#[test]
fn pods_that_end_with_their_node_need_none() {
    let mut full = cluster("2");
    for pod in full.pods.value_mut().unwrap() {
        if pod.node() == Some(&"a".into()) {
            pod.meta.owners = vec![OwnerRef {
                kind: "DaemonSet".to_owned(),
                name: "agent".to_owned(),
                controller: true,
                ..OwnerRef::default()
            }];
        }
    }
    assert_eq!(answer(&full), Ok(()));
}

#[test]
fn what_is_not_known_whole_fits_nowhere() {
    let known = cluster("100m");
    for part in ["nodes", "pods"] {
        let mut unknown = known.clone();
        match part {
            "nodes" => unknown.nodes = Knowledge::default(),
            _ => unknown.pods = Knowledge::default(),
        }
        let error = answer(&unknown).unwrap_err();
        assert_eq!(error, format!("the {part} are not known whole"));
    }
    let error = Elsewhere.fits_elsewhere(&known, &"z".into()).unwrap_err();
    assert_eq!(error, "node z is not there");
}
