//! Small objects for tests: only what matters is said.

use chrono::{DateTime, Utc};
use cloudoptim_core::knowledge::{Knowledge, Provenance};
use cloudoptim_core::model::*;

/// An instant, as `2026-11-22T02:30Z` or with seconds.
pub(crate) fn at(text: &str) -> DateTime<Utc> {
    let full = if text.len() == 17 {
        format!("{}:00Z", &text[..16])
    } else {
        text.to_owned()
    };
    DateTime::parse_from_rfc3339(&full)
        .unwrap_or_else(|e| panic!("{text}: {e}"))
        .with_timezone(&Utc)
}

/// A complete part.
pub(crate) fn complete<T>(items: Vec<T>) -> Knowledge<Vec<T>> {
    Knowledge::complete(items, Provenance::new("test", "test"))
}

/// A quantity of bytes, as `2Gi`.
pub(crate) fn bytes(text: &str) -> Bytes {
    Quantity::parse(text)
        .and_then(Quantity::as_bytes)
        .unwrap_or_else(|e| panic!("{e}"))
}

/// A quantity of CPU, as `250m`.
pub(crate) fn cpu(text: &str) -> MilliCpu {
    Quantity::parse(text)
        .and_then(Quantity::as_milli_cpu)
        .unwrap_or_else(|e| panic!("{e}"))
}

/// Metadata with a uid made of namespace and name.
pub(crate) fn meta(namespace: &str, name: &str) -> ObjectMeta {
    ObjectMeta {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        uid: Uid::new(format!("uid-{namespace}-{name}")),
        created_at: Some(at("2026-01-01T00:00Z")),
        ..Default::default()
    }
}

/// A controlling owner.
pub(crate) fn owner(kind: &str, name: &str, uid: &str) -> OwnerRef {
    OwnerRef {
        api_version: "apps/v1".to_owned(),
        kind: kind.to_owned(),
        name: name.to_owned(),
        uid: Uid::new(uid),
        controller: true,
    }
}

/// A ready node of the zone `us-east-1a`.
pub(crate) fn node(name: &str, cpu_text: &str, memory: &str) -> Node {
    let mut meta = meta("", name);
    for (key, value) in [
        (HOSTNAME_LABEL, name),
        (ZONE_LABEL, "us-east-1a"),
        (ARCH_LABEL, "amd64"),
        ("kubernetes.io/os", "linux"),
        ("karpenter.sh/capacity-type", "on-demand"),
    ] {
        meta.labels.insert(key.to_owned(), value.to_owned());
    }
    let mut allocatable = Resources::new(cpu(cpu_text), bytes(memory));
    allocatable.pods = 110;
    Node {
        meta,
        provider_id: Some(format!("aws:///us-east-1a/i-{name}")),
        capacity: allocatable.clone(),
        allocatable,
        conditions: vec![NodeCondition {
            name: "Ready".to_owned(),
            status: ConditionStatus::True,
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// A container with requests.
pub(crate) fn container(name: &str, cpu_text: &str, memory: &str) -> Container {
    let mut c = Container {
        name: name.to_owned(),
        ..Default::default()
    };
    c.resources.requests.cpu = Some(cpu(cpu_text));
    c.resources.requests.memory = Some(bytes(memory));
    c
}

/// A ready pod of the ReplicaSet `<app>-1` on a node, labelled `app=<app>`.
pub(crate) fn pod(namespace: &str, app: &str, name: &str, on: &str, c: Container) -> Pod {
    let mut meta = meta(namespace, name);
    meta.labels.insert("app".to_owned(), app.to_owned());
    meta.owners.push(owner(
        "ReplicaSet",
        &format!("{app}-1"),
        &format!("uid-{namespace}-{app}-1"),
    ));
    let status = ContainerStatus {
        name: c.name.clone(),
        ready: true,
        ..Default::default()
    };
    Pod {
        meta,
        spec: PodSpec {
            node_name: Some(NodeName::new(on)),
            containers: vec![c],
            ..Default::default()
        },
        status: PodStatus {
            phase: PodPhase::Running,
            ready: Some(true),
            containers: vec![status],
            ..Default::default()
        },
    }
}

/// A Deployment and its ReplicaSet with one template.
pub(crate) fn deployment(namespace: &str, app: &str, replicas: u32, c: Container) -> [Workload; 2] {
    let mut top = Workload {
        meta: meta(namespace, app),
        kind: WorkloadKind::Deployment,
        replicas: Some(replicas),
        current_replicas: Some(replicas),
        ready_replicas: Some(replicas),
        updated_replicas: Some(replicas),
        observed_generation: Some(1),
        update_strategy: Some("RollingUpdate".to_owned()),
        ..Default::default()
    };
    top.meta.generation = Some(1);
    let labels = Labels::from([("app".to_owned(), app.to_owned())]);
    top.selector = Some(LabelSelector {
        match_labels: labels.clone(),
        ..Default::default()
    });
    let spec = PodSpec {
        containers: vec![c],
        ..Default::default()
    };
    top.template = Some(PodTemplate {
        labels,
        spec,
        ..Default::default()
    });
    let mut set = Workload {
        kind: WorkloadKind::ReplicaSet,
        ..top.clone()
    };
    set.meta = meta(namespace, &format!("{app}-1"));
    set.meta
        .owners
        .push(owner("Deployment", app, &format!("uid-{namespace}-{app}")));
    [top, set]
}

/// A cluster `c1` of `111122223333` in `us-east-1` with complete, empty
/// parts: a test fills what it needs.
pub(crate) fn cluster() -> Cluster {
    Cluster {
        uid: "c1".into(),
        name: "test".to_owned(),
        account: Some("111122223333".into()),
        region: Some("us-east-1".into()),
        nodes: complete(vec![]),
        pods: complete(vec![]),
        workloads: complete(vec![]),
        disruption_budgets: complete(vec![]),
        persistent_volumes: complete(vec![]),
        claims: complete(vec![]),
        storage_classes: complete(vec![]),
        csi_nodes: complete(vec![]),
        volume_attachments: complete(vec![]),
        volume_snapshots: complete(vec![]),
        services: complete(vec![]),
        endpoint_slices: complete(vec![]),
        horizontal_autoscalers: complete(vec![]),
        vertical_autoscalers: complete(vec![]),
        scaled_objects: complete(vec![]),
        limit_ranges: complete(vec![]),
        resource_quotas: complete(vec![]),
        priority_classes: complete(vec![]),
        runtime_classes: complete(vec![]),
        node_pools: complete(vec![]),
        node_claims: complete(vec![]),
        leases: complete(vec![]),
        events: complete(vec![]),
        namespaces: complete(vec![]),
        ..Default::default()
    }
}

/// The account and region of [`cluster`], with complete, empty parts.
pub(crate) fn cloud() -> Cloud {
    let zone = |name: &str, id: &str| Zone {
        name: name.into(),
        id: id.into(),
        kind: "availability-zone".to_owned(),
    };
    Cloud {
        account: "111122223333".into(),
        region: "us-east-1".into(),
        instances: complete(vec![]),
        volumes: complete(vec![]),
        ebs_snapshots: complete(vec![]),
        auto_scaling_groups: complete(vec![]),
        node_groups: complete(vec![]),
        cluster_records: complete(vec![]),
        zones: complete(vec![
            zone("us-east-1a", "use1-az4"),
            zone("us-east-1b", "use1-az6"),
            zone("us-east-1c", "use1-az1"),
        ]),
        subnets: complete(vec![]),
        quotas: complete(vec![]),
        spot_requests: complete(vec![]),
        commitments: complete(vec![]),
        prices: complete(vec![]),
    }
}

/// Both, at a moment, with the cluster expected.
pub(crate) fn snapshot(now: &str, cluster: Cluster, cloud: Cloud) -> Snapshot {
    let mut snapshot = Snapshot::new(at(now));
    snapshot.expected_clusters = complete(vec![ExpectedCluster {
        name: cluster.name.clone(),
        uid: Some(cluster.uid.clone()),
    }]);
    snapshot.clusters.push(cluster);
    snapshot.clouds.push(cloud);
    snapshot.normalize();
    snapshot
}
