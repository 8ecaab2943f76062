//! Checks of nodes.

use super::act::{Act, answer, cluster_of, is_conflict, permit, shown};
use crate::decision::{Action, Launch, Owner, PodMove};
use crate::guard::lookup::ends_with_its_node;
use crate::model::{ClusterUid, NodeName};
use crate::plan::Precondition;
use crate::providers::{ClusterIdentity, NodeActuator, NodeSource, PodSource, STEP_KEY};
use std::collections::BTreeSet;

fn another_node(cluster: &ClusterUid, node: &NodeName) -> Option<Precondition> {
    Some(Precondition::NodeIs {
        cluster: cluster.clone(),
        node: node.clone(),
        uid: "another-uid".into(),
        instance: None,
    })
}

async fn is_listed(provider: &impl NodeSource, node: &NodeName) -> bool {
    let found = shown(provider.list_nodes().await, |n| {
        (n.meta.name == node.as_str()).then_some(())
    });
    found.is_some()
}

fn launch_of(cluster: &ClusterUid, launch: &Launch, count: u32) -> Action {
    let mut launch = launch.clone();
    launch.count = count;
    Action::LaunchNodes {
        cluster: cluster.clone(),
        launch: Box::new(launch),
    }
}

/// Nodes asked for twice under one key are launched once, carry the key, and
/// look as asked for; a group is raised only from the size that is stated. For a
/// provider whose nodes carry the key, not only their claims or instances. The
/// launch is of two nodes.
///
/// # Panics
/// When that is not so.
pub async fn launches_once<P: ClusterIdentity + NodeSource + NodeActuator>(
    provider: &P,
    launch: &Launch,
) {
    let cluster = cluster_of(provider).await;
    assert_eq!(launch.count, 2, "a launch of two nodes must be prepared");
    let name = "launch";
    let permit = permit(name, launch_of(&cluster, launch, 2), Vec::new());
    let see = async || {
        let nodes = answer(provider.list_nodes().await);
        let ours = nodes
            .items()
            .iter()
            .filter(|n| n.meta.label(STEP_KEY) == Some(permit.key()));
        (nodes.items().len(), ours.count())
    };
    let (before, ours) = see().await;
    Act {
        name,
        action: launch_of(&cluster, launch, 2),
        other: launch_of(&cluster, launch, 3),
        unmet: None,
    }
    .happens_once(async |p| provider.launch_nodes(p, launch).await, see)
    .await;
    assert_eq!(see().await, (before + 2, ours + 2));
    let nodes = answer(provider.list_nodes().await);
    let ours = nodes.items().iter();
    for node in ours.filter(|n| n.meta.label(STEP_KEY) == Some(permit.key())) {
        for (key, value) in launch.shape.iter().flat_map(|s| &s.labels) {
            assert_eq!(node.meta.label(key), Some(value.as_str()), "{key}");
        }
    }
    if launch.group_size.is_some() {
        // It is two larger by now.
        let again = permit_of("launch from another size", &cluster, launch);
        is_conflict("launch", provider.launch_nodes(&again, launch).await);
        assert_eq!(
            see().await,
            (before + 2, ours_of(provider, permit.key()).await)
        );
    }
}

fn permit_of(name: &str, cluster: &ClusterUid, launch: &Launch) -> crate::guard::Permit {
    permit(name, launch_of(cluster, launch, launch.count), Vec::new())
}

async fn ours_of(provider: &impl NodeSource, key: &str) -> usize {
    let nodes = answer(provider.list_nodes().await);
    let ours = nodes.items().iter();
    ours.filter(|n| n.meta.label(STEP_KEY) == Some(key)).count()
}

/// What was launched and runs no pod is removed once, and nothing else is. The
/// launch is prepared by this check; no pod comes to its nodes meanwhile.
///
/// # Panics
/// When that is not so.
pub async fn releases_once<P: ClusterIdentity + NodeSource + NodeActuator>(
    provider: &P,
    launch: &Launch,
) {
    let cluster = cluster_of(provider).await;
    let all = async || {
        let nodes = answer(provider.list_nodes().await);
        let names = nodes.items().iter().map(|n| n.meta.name.clone());
        names.collect::<BTreeSet<_>>()
    };
    let before = all().await;
    let launched = permit_of("launch to release", &cluster, launch);
    answer(provider.launch_nodes(&launched, launch).await);
    assert_ne!(all().await, before, "the launch does not show");
    let release = |key: &str| Action::ReleaseNodes {
        cluster: cluster.clone(),
        launch: Box::new(launch.clone()),
        key: key.to_owned(),
    };
    let key = launched.key();
    Act {
        name: "release",
        action: release(key),
        other: release("another"),
        unmet: None,
    }
    .happens_once(async |p| provider.release_nodes(p, launch, key).await, all)
    .await;
    assert_eq!(all().await, before);
}

/// A node is cordoned and uncordoned, each once, and one that is cordoned
/// already stays so; a node that is not there is not found.
///
/// # Panics
/// When that is not so.
pub async fn cordons_and_uncordons<P: ClusterIdentity + NodeSource + NodeActuator>(
    provider: &P,
    node: &NodeName,
) {
    let cluster = cluster_of(provider).await;
    let cordon = |node: &NodeName| Action::CordonNode {
        cluster: cluster.clone(),
        node: node.clone(),
    };
    let uncordon = |node: &NodeName| Action::UncordonNode {
        cluster: cluster.clone(),
        node: node.clone(),
    };
    let see = async || {
        shown(provider.list_nodes().await, |n| {
            (n.meta.name == node.as_str()).then_some(n.unschedulable)
        })
    };
    Act {
        name: "cordon",
        action: cordon(node),
        other: uncordon(node),
        unmet: another_node(&cluster, node),
    }
    .happens_once(async |p| provider.cordon_node(p, node).await, see)
    .await;
    let again = permit("cordon a cordoned node", cordon(node), Vec::new());
    answer(provider.cordon_node(&again, node).await);
    assert_eq!(see().await, Some(true));
    Act {
        name: "uncordon",
        action: uncordon(node),
        other: cordon(node),
        unmet: another_node(&cluster, node),
    }
    .happens_once(async |p| provider.uncordon_node(p, node).await, see)
    .await;
    assert_eq!(see().await, Some(false));
    let nowhere = NodeName::new("no-such-node");
    let nothing = |name, action| Act {
        name,
        action,
        other: cordon(node),
        unmet: None,
    };
    nothing("cordon nothing", cordon(&nowhere))
        .finds_nothing(async |p| provider.cordon_node(p, &nowhere).await)
        .await;
    nothing("uncordon nothing", uncordon(&nowhere))
        .finds_nothing(async |p| provider.uncordon_node(p, &nowhere).await)
        .await;
}

/// The pods that are named, and no others, leave the node once. One that is not
/// named is there too.
///
/// # Panics
/// When that is not so.
pub async fn drains_once<P: ClusterIdentity + NodeSource + PodSource + NodeActuator>(
    provider: &P,
    node: &NodeName,
    moves: &[PodMove],
) {
    let cluster = cluster_of(provider).await;
    let drain = |node: &NodeName, moves: &[PodMove]| Action::DrainNode {
        cluster: cluster.clone(),
        node: node.clone(),
        moves: moves.to_vec(),
    };
    let see = async || {
        let pods = answer(provider.list_pods().await);
        let on = pods.items().iter().filter(|p| p.node() == Some(node));
        on.map(|p| p.meta.uid.clone()).collect::<BTreeSet<_>>()
    };
    let before = see().await;
    let leaving: BTreeSet<_> = moves.iter().map(|m| m.uid.clone()).collect();
    assert!(
        leaving.is_subset(&before),
        "the pods that move must be prepared"
    );
    let stay = &before - &leaving;
    assert!(!stay.is_empty(), "a pod that stays must be prepared");
    Act {
        name: "drain",
        action: drain(node, moves),
        other: drain(node, &[]),
        unmet: another_node(&cluster, node),
    }
    .happens_once(async |p| provider.drain_node(p, node, moves).await, see)
    .await;
    assert_eq!(see().await, stay);
    let nowhere = NodeName::new("no-such-node");
    Act {
        name: "drain nothing",
        action: drain(&nowhere, &[]),
        other: drain(node, &[]),
        unmet: None,
    }
    .finds_nothing(async |p| provider.drain_node(p, &nowhere, &[]).await)
    .await;
}

/// A node with pods that do not end with it is not removed through its owner,
/// even with a permit that says nothing about them.
///
/// # Panics
/// When it is.
pub async fn leaves_nodes_with_pods<P: ClusterIdentity + NodeSource + PodSource + NodeActuator>(
    provider: &P,
    node: &NodeName,
    via: &Owner,
) {
    let cluster = cluster_of(provider).await;
    assert!(is_listed(provider, node).await, "{node} must be prepared");
    let stays = shown(provider.list_pods().await, |p| {
        (p.node() == Some(node) && !ends_with_its_node(p)).then_some(())
    });
    assert!(stays.is_some(), "a pod of {node} must be prepared");
    let remove = Action::RemoveNode {
        cluster,
        node: node.clone(),
        instance: None,
        via: via.clone(),
    };
    let permit = permit("remove a node with pods", remove, Vec::new());
    is_conflict("remove", provider.remove_node(&permit, node, via).await);
    assert!(is_listed(provider, node).await);
}

/// A node without pods is removed once.
///
/// # Panics
/// When that is not so.
pub async fn removes_once<P: ClusterIdentity + NodeSource + NodeActuator>(
    provider: &P,
    node: &NodeName,
    via: &Owner,
) {
    let cluster = cluster_of(provider).await;
    let remove = |node: &NodeName| Action::RemoveNode {
        cluster: cluster.clone(),
        node: node.clone(),
        instance: None,
        via: via.clone(),
    };
    let nowhere = NodeName::new("no-such-node");
    Act {
        name: "remove",
        action: remove(node),
        other: remove(&nowhere),
        unmet: another_node(&cluster, node),
    }
    .happens_once(
        async |p| provider.remove_node(p, node, via).await,
        async || is_listed(provider, node).await,
    )
    .await;
    Act {
        name: "remove nothing",
        action: remove(&nowhere),
        other: remove(node),
        unmet: None,
    }
    .finds_nothing(async |p| provider.remove_node(p, &nowhere, via).await)
    .await;
}

/// The object of a node is deleted once, if it is the one that the plan saw.
///
/// # Panics
/// When that is not so.
pub async fn deletes_node_object_once<P: ClusterIdentity + NodeSource + NodeActuator>(
    provider: &P,
    node: &NodeName,
) {
    let cluster = cluster_of(provider).await;
    let uid = shown(provider.list_nodes().await, |n| {
        (n.meta.name == node.as_str()).then(|| n.meta.uid.clone())
    });
    let Some(uid) = uid else {
        panic!("{node} must be prepared")
    };
    let delete = |node: &NodeName| Action::DeleteNodeObject {
        cluster: cluster.clone(),
        node: node.clone(),
        uid: uid.clone(),
    };
    let nowhere = NodeName::new("no-such-node");
    Act {
        name: "delete a node object",
        action: delete(node),
        other: delete(&nowhere),
        unmet: another_node(&cluster, node),
    }
    .happens_once(
        async |p| provider.delete_node_object(p, node).await,
        async || is_listed(provider, node).await,
    )
    .await;
    Act {
        name: "delete no node object",
        action: delete(&nowhere),
        other: delete(node),
        unmet: None,
    }
    .finds_nothing(async |p| provider.delete_node_object(p, &nowhere).await)
    .await;
}
