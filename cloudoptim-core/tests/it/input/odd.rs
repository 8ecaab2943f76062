//! What is odd in recorded documents, and what it is read as.

use super::{cluster, complete, kinds, load, load_with, stored};
use cloudoptim_core::input::Loaded;
use cloudoptim_core::knowledge::Gap;
use cloudoptim_core::model::{
    Bytes, Instance, InstanceState, MilliCpu, PodPhase, PvSource, VolumeState, Workload,
};

#[test]
fn a_whole_recorded_cluster_loads_with_exact_counts() {
    let loaded = load(&[
        ("pods.json.gz", &stored("cluster_1_31_pods")),
        ("nodes.json.gz", &stored("cluster_1_31_nodes")),
    ]);
    assert_eq!(kinds(&loaded), [("Node", 1), ("Pod", 24)]);
    assert!(loaded.report.broken.is_empty() && loaded.report.skipped.is_empty());
    let pods = cluster(&loaded).pods.items();
    assert_eq!(pods.len(), 24);
    assert!(pods.iter().any(|p| p.is_mirror()));
    assert_eq!(
        cluster(&loaded).pods.gap(),
        Some(&Gap::CompletenessNotStated)
    );
    assert_eq!(
        cluster(&loaded).workloads.to_string(),
        "unknown: not collected"
    );
}

#[test]
fn the_three_duplicates_of_the_assorted_objects_are_counted_and_the_last_stays() {
    let loaded = load(&[("a.json", &stored("assorted_objects"))]);
    assert_eq!(loaded.report.kinds.values().sum::<u64>(), 50);
    assert_eq!(loaded.report.duplicate_objects, 3);
    let cluster = cluster(&loaded);
    let p1 = |ns: &str| {
        let pods = cluster.pods.items();
        pods.iter()
            .filter(|p| p.meta.name == "p1" && p.meta.namespace == ns)
            .count()
    };
    assert_eq!((p1("default"), p1("ns1")), (1, 1));
    // The two differ and nothing tells which is newer.
    assert!(matches!(
        cluster.pods.gap(),
        Some(Gap::Broken { count: 1, .. })
    ));
    // `"mem"` is not `"memory"`, and a bare number is a quantity.
    let p3 = cluster
        .pods
        .items()
        .iter()
        .find(|p| p.meta.name == "p3")
        .unwrap();
    let limits = &p3.spec.containers[0].resources.limits;
    assert_eq!(limits.cpu, Some(MilliCpu(1000)));
    assert_eq!(
        (limits.memory, limits.extended.get("mem")),
        (None, Some(&(1 << 20)))
    );
    // A node whose spec is null.
    let n3 = cluster
        .nodes
        .items()
        .iter()
        .find(|n| n.meta.name == "n3")
        .unwrap();
    assert!(!n3.unschedulable && n3.taints.is_empty());
}

#[test]
fn odd_pods_and_nodes_read_as_what_they_are() {
    let loaded = load(&[
        ("p.json", &stored("pods_failure_states")),
        ("n.json", &stored("nodes_mixed")),
    ]);
    let cluster = cluster(&loaded);
    let pod = |name: &str| {
        let pods = cluster.pods.items();
        pods.iter().find(|p| p.meta.namespace == name).unwrap()
    };
    // "CrashLoopBackOff" is no phase.
    assert_eq!(pod("default-unhealthy").status.phase, PodPhase::Unknown);
    let oom = &pod("message-oomkill-pod").status;
    assert_eq!(oom.phase, PodPhase::Failed);
    let end = oom.containers[0].terminated.as_ref().unwrap();
    assert_eq!((end.reason.as_str(), end.exit_code), ("OOMKilled", 137));
    let pending = &pod("message-pending-pod-resources").status;
    assert!(
        pending
            .unschedulable
            .as_ref()
            .unwrap()
            .contains("Insufficient nvidia.com/gpu")
    );
    let node = |name: &str| {
        let nodes = cluster.nodes.items();
        nodes.iter().find(|n| n.meta.name == name).unwrap()
    };
    let gpu = &node("ip-172-31-21-92").allocatable;
    assert_eq!(gpu.memory, Bytes(16_064_760 << 10));
    assert_eq!(
        (gpu.pods, gpu.extended.get("nvidia.com/gpu")),
        (110, Some(&1))
    );
    assert_eq!(node("biggernode-3i745").instance_id(), None);
    assert_eq!(loaded.snapshot.clouds, []);
}

#[test]
fn volumes_of_the_zoo_name_their_disks() {
    let loaded = load(&[("z.json", &stored("constraint_zoo"))]);
    assert_eq!(
        kinds(&loaded),
        [
            ("PersistentVolume", 2),
            ("Pod", 19),
            ("PodDisruptionBudget", 3)
        ]
    );
    let volumes = cluster(&loaded).persistent_volumes.items();
    assert!(
        volumes
            .iter()
            .any(|v| matches!(v.source, PvSource::Ebs { .. }))
    );
}

#[test]
fn recorded_aws_answers_are_sorted_into_their_regions() {
    let loaded = load(&[
        ("i.json", &stored("describe-instances")),
        ("v.json", &stored("describe-volumes")),
        ("s.json", &stored("describe-snapshots")),
    ]);
    assert_eq!(
        kinds(&loaded),
        [("Instance", 83), ("Snapshot", 21), ("Volume", 30)]
    );
    let clouds = &loaded.snapshot.clouds;
    let scopes: Vec<String> = clouds.iter().map(|c| c.scope()).collect();
    let account = "123456789012";
    assert_eq!(
        scopes,
        ["", "eu-west-1", "us-east-1", "us-east-2", "us-west-2"].map(|r| format!("{account}/{r}"))
    );
    let states = |state| {
        let all = clouds.iter().flat_map(|c| c.instances.items());
        all.filter(|i| i.state == state).count()
    };
    assert_eq!(states(InstanceState::Running), 55);
    assert_eq!(states(InstanceState::Terminated), 13);
    assert_eq!(states(InstanceState::Stopped), 11);
    let free = clouds.iter().flat_map(|c| c.volumes.items());
    assert_eq!(
        free.filter(|v| v.state == VolumeState::Available).count(),
        12
    );
    // Two instances without state and placement, and snapshots, tell no region.
    assert_eq!(clouds[0].instances.items().len(), 2);
    assert_eq!(clouds[0].ebs_snapshots.items().len(), 21);
}

#[test]
fn documents_of_several_regions_are_never_complete() {
    let loaded = load_with(complete(), &[("i.json", &stored("describe-instances"))]).unwrap();
    assert!(
        loaded
            .snapshot
            .clouds
            .iter()
            .all(|c| !c.instances.is_complete())
    );
}

fn workload<'a>(loaded: &'a Loaded, name: &str) -> &'a Workload {
    let all = cluster(loaded).workloads.items();
    let found = all.iter().find(|w| w.meta.name == name);
    found.unwrap_or_else(|| panic!("{name} is not there"))
}

#[test]
fn a_deployment_with_more_pods_than_it_wants_says_both() {
    let loaded = load(&[("d.json", &stored("deployments"))]);
    assert_eq!(kinds(&loaded), [("Deployment", 10)]);
    // Their status counts a pod that should not be there any more, and is not
    // ready; nothing else says that a rollout is under way.
    let counts = |w: &Workload| {
        (
            w.replicas,
            w.current_replicas,
            w.ready_replicas,
            w.updated_replicas,
        )
    };
    let surplus: Vec<&str> = cluster(&loaded)
        .workloads
        .items()
        .iter()
        .filter(|w| counts(w) == (Some(1), Some(2), Some(1), Some(1)))
        .map(|w| w.meta.name.as_str())
        .collect();
    assert_eq!(
        surplus,
        ["kotsadm-web", "metrics-server", "prometheus-operator"]
    );
    // One is made by a custom resource, which would undo a change.
    let watch = workload(&loaded, "kotsadm-postgres-watch");
    assert_eq!(watch.meta.controller().unwrap().kind, "Database");
    // `maxUnavailable` is 1 here and "25%" elsewhere: both are read.
    let dns = workload(&loaded, "coredns");
    assert_eq!(
        (counts(dns), dns.update_strategy.as_deref()),
        ((Some(2), Some(2), Some(2), Some(2)), Some("RollingUpdate"))
    );
}

#[test]
fn a_stateful_set_with_a_surplus_pod_and_claims_without_a_class() {
    let loaded = load(&[("s.json", &stored("statefulsets"))]);
    assert_eq!(kinds(&loaded), [("StatefulSet", 3)]);
    for name in ["kotsadm-postgres", "alertmanager-prometheus-alertmanager"] {
        let set = workload(&loaded, name);
        assert_eq!(
            (set.replicas, set.current_replicas, set.ready_replicas),
            (Some(1), Some(2), Some(1)),
            "{name}"
        );
    }
    // The template of a claim has a null creation time, a status of its own
    // and no storage class: the default class is not guessed.
    let postgres = workload(&loaded, "kotsadm-postgres");
    let [claim] = postgres.claim_templates.as_slice() else {
        panic!("one claim expected")
    };
    assert_eq!(
        (claim.name.as_str(), claim.storage, &claim.storage_class),
        ("kotsadm-postgres", Some(Bytes(1 << 30)), &None)
    );
    let manager = workload(&loaded, "alertmanager-prometheus-alertmanager");
    assert_eq!(manager.meta.controller().unwrap().kind, "Alertmanager");
    assert_eq!(manager.claim_templates, []);
    // The specification was changed once, and the controller has seen it.
    assert_eq!(
        (manager.meta.generation, manager.observed_generation),
        (Some(2), Some(2))
    );
}

#[test]
fn a_job_is_finished_by_its_condition_whatever_its_counts_say() {
    let loaded = load(&[("j.json", &stored("jobs"))]);
    assert_eq!(kinds(&loaded), [("Job", 3)]);
    let finished = |name: &str| {
        let job = workload(&loaded, name);
        (
            job.finished_at.map(|at| at.to_rfc3339()),
            job.active,
            job.replicas,
        )
    };
    let at = |text: &str| Some(format!("{text}+00:00"));
    // "Complete", with nothing succeeded and one failed.
    assert_eq!(
        finished("contour-certgen-v1.19.1"),
        (at("2021-12-17T18:41:17"), None, Some(1))
    );
    assert_eq!(
        finished("pre-install-job"),
        (at("2021-10-05T19:11:55"), None, Some(1))
    );
    // "Failed", and with a completion time all the same.
    assert_eq!(
        finished("post-install-job"),
        (at("2021-10-05T19:11:55"), None, Some(1))
    );
}

#[test]
fn a_replica_set_without_ready_pods_has_none_and_an_old_one_wants_none() {
    let loaded = load(&[("r.json", &stored("replicasets"))]);
    assert_eq!(kinds(&loaded), [("ReplicaSet", 14)]);
    let counts = |name: &str| {
        let set = workload(&loaded, name);
        (set.replicas, set.current_replicas, set.ready_replicas)
    };
    // A count of zero is left out of the status.
    assert_eq!(
        counts("rook-ceph-mds-rook-shared-fs-b-7895f484f5"),
        (Some(1), Some(1), Some(0))
    );
    // Ready, and not available yet.
    assert_eq!(
        counts("kurl-proxy-kotsadm-cf695877c"),
        (Some(1), Some(1), Some(1))
    );
    // Of two of one deployment, the old one wants and has none.
    let (old, new) = (
        "rook-ceph-crashcollector-kurl-002-66cc8f5556",
        "rook-ceph-crashcollector-kurl-002-8cd7844d6",
    );
    assert_eq!(counts(old), (Some(0), Some(0), Some(0)));
    assert_eq!(counts(new), (Some(1), Some(1), Some(1)));
    let owner = |name: &str| workload(&loaded, name).meta.controller().cloned();
    assert!(owner(old).is_some() && owner(old) == owner(new));
}

#[test]
fn claims_bound_to_volumes_that_no_file_holds_stay_bound() {
    let loaded = load(&[("c.json", &stored("pvcs"))]);
    assert_eq!(kinds(&loaded), [("PersistentVolumeClaim", 2)]);
    let claims = cluster(&loaded).claims.items();
    // Many writers on a class of local paths, which cannot have them.
    let redis = claims
        .iter()
        .find(|c| c.meta.name == "redis-data-redis-replicas-0")
        .unwrap();
    assert_eq!(redis.access_modes, ["ReadWriteMany"]);
    assert_eq!(redis.storage_class.as_deref(), Some("local-path"));
    assert!(claims.iter().all(|c| c.volume_name.is_some()));
    assert!(!cluster(&loaded).persistent_volumes.is_complete());
}

#[test]
fn schedules_in_tags_are_kept_as_written_the_malformed_one_too() {
    let loaded = load(&[("i.json", &stored("offhours-instances"))]);
    assert_eq!(kinds(&loaded), [("Instance", 3)]);
    let [cloud] = loaded.snapshot.clouds.as_slice() else {
        panic!("one cloud expected")
    };
    assert_eq!(cloud.scope(), "123456789012/us-west-2");
    let said = |i: &Instance| {
        (
            i.id.to_string(),
            i.state,
            i.tags.get("custodian_downtime").cloned(),
        )
    };
    let said: Vec<_> = cloud.instances.items().iter().map(said).collect();
    let row = |id: &str, state, tag: Option<&str>| (id.to_owned(), state, tag.map(str::to_owned));
    assert_eq!(
        said,
        [
            row("i-0a619b58a7e704a9f", InstanceState::Running, Some("off")),
            // It ended, and is listed for an hour more.
            row("i-0bfe468063b02d018", InstanceState::Terminated, None),
            // `n` is no day: what reads schedules has to say so.
            row(
                "i-0ee3a9bc2eeed269f",
                InstanceState::Running,
                Some("off=[m-f,8];on=[n-f,5];pz=est")
            ),
        ]
    );
    // An instance that has ended has neither subnet nor address.
    let ended = &cloud.instances.items()[1];
    assert_eq!(ended.zone.as_ref().unwrap().as_str(), "us-west-2c");
}
