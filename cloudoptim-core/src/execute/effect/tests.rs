use super::*;
use crate::decision::Owner;
use crate::knowledge::{Knowledge, Provenance};
use crate::model::{
    Cloud, Container, ContainerStatus, Instance, MilliCpu, NamespacedName, Node, ObjectMeta,
};
use chrono::DateTime;

fn known<T>(items: Vec<T>) -> Knowledge<Vec<T>> {
    Knowledge::complete(items, Provenance::new("test", "c"))
}

fn asks(cpu: u64) -> ContainerResources {
    let mut resources = ContainerResources::default();
    resources.requests.cpu = Some(MilliCpu(cpu));
    resources
}

/// A pod that asks for `specified`, and of which the kubelet says `has`.
fn after(specified: u64, has: Option<u64>, pending: Option<&str>) -> Effect {
    let mut pod = Pod {
        meta: ObjectMeta {
            namespace: "shop".to_owned(),
            name: "web-1".to_owned(),
            uid: "u1".into(),
            ..ObjectMeta::default()
        },
        ..Pod::default()
    };
    pod.spec.containers = vec![Container {
        name: "main".to_owned(),
        resources: asks(specified),
        ..Container::default()
    }];
    pod.status.resize_pending = pending.map(str::to_owned);
    pod.status.containers = vec![ContainerStatus {
        name: "main".to_owned(),
        resources: has.map(asks),
        ..ContainerStatus::default()
    }];
    let world = Snapshot {
        clusters: vec![Cluster {
            uid: "c1".into(),
            pods: known(vec![pod]),
            ..Cluster::default()
        }],
        ..Snapshot::new(DateTime::UNIX_EPOCH)
    };
    let resize = Action::ResizePod {
        cluster: "c1".into(),
        pod: NamespacedName::new("shop", "web-1"),
        uid: "u1".into(),
        container: "main".to_owned(),
        from: Box::new(asks(100)),
        to: Box::new(asks(200)),
    };
    effect(&resize, "key", &world)
}

#[test]
fn a_resize_is_done_when_the_kubelet_says_so() {
    assert_eq!(after(200, Some(200), None), Effect::Done);
    assert_eq!(after(100, Some(100), None), Effect::NotDone);
    for (specified, has, pending, said) in [
        (200, Some(100), None, "under way"),
        (200, None, None, "does not say"),
        (200, Some(100), Some("Deferred"), "Deferred"),
        (200, Some(200), Some("Infeasible"), "Infeasible"),
        (300, Some(300), None, "neither"),
    ] {
        match after(specified, has, pending) {
            Effect::Unclear(what) => assert!(what.contains(said), "{what}"),
            effect => panic!("{specified} {has:?} {pending:?}: {effect:?}"),
        }
    }
}

#[test]
fn a_node_is_gone_with_its_instance_where_an_account_is_looked_at() {
    let action = Action::RemoveNode {
        cluster: "c".into(),
        node: "n1".into(),
        via: Owner::NodeClaim {
            name: "n1".to_owned(),
        },
        instance: Some("i-1".into()),
    };
    let world = |nodes: &[&str], instances: Option<InstanceState>| {
        let mut world = Snapshot::new(DateTime::UNIX_EPOCH);
        let node = |name: &&str| Node {
            meta: ObjectMeta {
                name: (*name).into(),
                ..ObjectMeta::default()
            },
            ..Node::default()
        };
        world.clusters.push(Cluster {
            uid: "c".into(),
            nodes: known(nodes.iter().map(node).collect()),
            ..Cluster::default()
        });
        world.clouds.extend(instances.map(|state| Cloud {
            instances: known(vec![Instance {
                id: "i-1".into(),
                state,
                ..Instance::default()
            }]),
            ..Cloud::default()
        }));
        effect(&action, "key", &world)
    };
    assert_eq!(world(&["n1"], None), Effect::NotDone);
    assert_eq!(world(&["n2"], None), Effect::Done);
    let gone = Some(InstanceState::Terminated);
    assert_eq!(world(&["n2"], gone), Effect::Done);
    let runs = Some(InstanceState::Running);
    assert!(matches!(world(&["n2"], runs), Effect::Unclear(_)));
}
