//! Loading documents: what is odd in recorded ones, what is kept, what is known.

use cloudoptim_core::input::{InputError, InputOptions, Loaded, Loader};
use cloudoptim_core::knowledge::Gap;
use cloudoptim_core::model::{
    Bytes, Cluster, InstanceState, MilliCpu, PodPhase, PvSource, TakenAtBasis, UsageMetric,
    VolumeState, WorkloadKind,
};
use proptest::prelude::*;
use serde_json::{Value, json};

/// A document of `testdata/input`, as it is stored.
pub(crate) fn stored(name: &str) -> Vec<u8> {
    let path = format!(
        "{}/tests/it/testdata/input/{name}.json.gz",
        env!("CARGO_MANIFEST_DIR")
    );
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The text of a document of `testdata/input`.
fn text(name: &str) -> String {
    use std::io::Read;
    let mut out = String::new();
    let bytes = stored(name);
    flate2::read::GzDecoder::new(bytes.as_slice())
        .read_to_string(&mut out)
        .unwrap();
    out
}

const ALL: &[&str] = &[
    "assorted_objects",
    "cluster_1_31_pods",
    "cluster_1_31_nodes",
    "constraint_zoo",
    "deployments",
    "statefulsets",
    "replicasets",
    "jobs",
    "pvcs",
    "nodes_mixed",
    "pods_failure_states",
    "describe-instances",
    "describe-volumes",
    "describe-snapshots",
    "offhours-instances",
    "query_container_cpu_usage_seconds_total_1_31",
    "query_container_memory_working_set_bytes_1_31",
    "range_cpu",
    "range_memory",
];

fn options() -> InputOptions {
    let mut options = InputOptions::default();
    options.taken_at = Some("2026-11-22T02:30:00Z".parse().unwrap());
    options
}

/// The files are stated to be all of cluster `c`.
fn complete() -> InputOptions {
    let mut options = options();
    options.complete = true;
    options.cluster = Some("c".into());
    options
}

fn load_with(options: InputOptions, files: &[(&str, &[u8])]) -> Result<Loaded, InputError> {
    let mut loader = Loader::new(options);
    for (name, bytes) in files {
        loader.add(name, bytes);
    }
    loader.finish()
}

pub(crate) fn load(files: &[(&str, &[u8])]) -> Loaded {
    load_with(options(), files).unwrap()
}

fn cluster(loaded: &Loaded) -> &Cluster {
    &loaded.snapshot.clusters[0]
}

fn kinds(loaded: &Loaded) -> Vec<(&str, u64)> {
    let kinds = &loaded.report.kinds;
    kinds.iter().map(|(k, n)| (k.as_str(), *n)).collect()
}

fn list(items: Value) -> Vec<u8> {
    json!({"apiVersion": "v1", "kind": "List", "items": items})
        .to_string()
        .into_bytes()
}

fn pod(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "n"},
           "spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "1"}}}]}})
}

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

#[test]
fn a_part_is_complete_only_when_stated_and_listed_and_whole() {
    let one = list(json!([pod("a")]));
    let stated = complete();
    let is_complete = |options: &InputOptions, file: &[u8]| {
        let loaded = load_with(options.clone(), &[("x.json", file)]).unwrap();
        cluster(&loaded).pods.is_complete()
    };
    assert!(is_complete(&stated, &one));
    assert!(!is_complete(&options(), &one));
    assert!(
        !is_complete(&stated, pod("a").to_string().as_bytes()),
        "a single object"
    );
    let paged = json!({"kind": "PodList", "apiVersion": "v1", "metadata": {"continue": "x"},
                       "items": [pod("a")]});
    assert!(
        !is_complete(&stated, paged.to_string().as_bytes()),
        "a page"
    );
    let mut broken = pod("b");
    broken["spec"]["containers"][0]["resources"]["requests"]["cpu"] = json!("1gi");
    assert!(
        !is_complete(&stated, &list(json!([pod("a"), broken]))),
        "a broken object"
    );
    let loaded = load_with(stated, &[("a.json", &one), ("b.json", b"{\"kind\":")]).unwrap();
    assert!(
        !cluster(&loaded).pods.is_complete(),
        "a file that is no JSON"
    );
    let provenance = cluster(&loaded).pods.provenance().unwrap();
    assert_eq!(provenance.scope, "cluster:c");
}

#[test]
fn a_broken_object_is_named_by_file_kind_and_field_and_the_rest_loads() {
    let mut broken = pod("b");
    broken["spec"]["containers"][0]["resources"]["requests"]["cpu"] = json!("1gi");
    let loaded = load(&[("x.json", &list(json!([pod("a"), broken, pod("c")])))]);
    assert_eq!(cluster(&loaded).pods.items().len(), 2);
    assert_eq!(
        loaded.report.broken[0].to_string(),
        "x.json: Pod n/b: spec.containers[0].resources.requests.cpu: \
         unknown suffix \"gi\" in quantity \"1gi\""
    );
}

#[test]
fn a_key_that_stands_twice_is_counted_and_the_last_one_wins() {
    let text = br#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"n"},
        "spec":{"nodeName":"one","nodeName":"two"}}"#;
    let loaded = load(&[("x.json", text)]);
    assert_eq!(loaded.report.duplicate_keys, 1);
    let pods = cluster(&loaded).pods.items();
    assert_eq!(pods[0].node().unwrap().as_str(), "two");
}

#[test]
fn an_empty_list_tells_its_kind_by_its_name() {
    let empty = list(json!([]));
    let mut options = complete();
    options.collected = vec!["VolumeSnapshot".into()];
    let files: &[(&str, &[u8])] = &[
        ("k8s/poddisruptionbudgets.json", &empty),
        (
            "x.json",
            br#"{"kind":"PodList","apiVersion":"v1","items":[]}"#,
        ),
    ];
    let loaded = load_with(options, files).unwrap();
    let cluster = cluster(&loaded);
    assert!(cluster.disruption_budgets.is_complete());
    assert!(cluster.pods.is_complete());
    assert!(cluster.volume_snapshots.is_complete());
    assert!(!cluster.nodes.is_complete());
}

#[test]
fn a_kind_that_we_do_not_know_is_a_workload_when_it_holds_pods() {
    let rollout = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
        "metadata": {"name": "web", "namespace": "n"},
        "spec": {"replicas": 3, "template": {"spec": {"containers": [{"name": "c"}]}}}});
    let knative = json!({"apiVersion": "serving.knative.dev/v1", "kind": "Service",
        "metadata": {"name": "k", "namespace": "n"}, "spec": {"template": {}}});
    let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"},
        "data": {"a": "b"}});
    let loaded = load(&[("x.json", &list(json!([rollout, knative, config])))]);
    let workloads = cluster(&loaded).workloads.items();
    assert_eq!(workloads.len(), 1);
    assert_eq!(workloads[0].kind, WorkloadKind::Other("Rollout".into()));
    assert_eq!(workloads[0].replicas, Some(3));
    let skipped: Vec<&str> = loaded.report.skipped.keys().map(String::as_str).collect();
    assert_eq!(skipped, ["ConfigMap", "Service.serving.knative.dev"]);
}

#[test]
fn of_one_object_in_two_files_the_newer_version_stays() {
    let at = |version: &str, node: &str| {
        let mut pod = pod("a");
        pod["metadata"]["resourceVersion"] = json!(version);
        pod["spec"]["nodeName"] = json!(node);
        list(json!([pod]))
    };
    let loaded = load(&[("1.json", &at("900", "new")), ("2.json", &at("899", "old"))]);
    let pods = cluster(&loaded).pods.items();
    assert_eq!(pods.len(), 1);
    assert_eq!(pods[0].node().unwrap().as_str(), "new");
    assert_eq!(
        cluster(&loaded).pods.gap(),
        Some(&Gap::CompletenessNotStated)
    );
}

#[test]
fn files_of_two_clusters_are_refused() {
    let namespace = |uid: &str| {
        list(json!([{"apiVersion": "v1", "kind": "Namespace",
                     "metadata": {"name": "kube-system", "uid": uid}}]))
    };
    let files = [("a", namespace("u1")), ("b", namespace("u2"))];
    let files: Vec<(&str, &[u8])> = files.iter().map(|(n, b)| (*n, b.as_slice())).collect();
    assert!(matches!(
        load_with(options(), &files),
        Err(InputError::SeveralClusters(uids)) if uids == "u1, u2"
    ));
    let mut stated = options();
    stated.cluster = Some("31318151-ddc3-49eb-8d26-f896003fbe2e".into());
    assert!(matches!(
        load_with(stated, &files[..1]),
        Err(InputError::Contradiction { .. })
    ));
}

#[test]
fn accounts_that_contradict_each_other_are_refused() {
    let reservation = |owner: &str, id: &str| {
        json!({"Reservations": [{"OwnerId": owner, "Instances": [{"InstanceId": id}]}]}).to_string()
    };
    let (a, b) = (
        reservation("111111111111", "i-1"),
        reservation("222222222222", "i-2"),
    );
    let files: &[(&str, &[u8])] = &[("a", a.as_bytes()), ("b", b.as_bytes())];
    assert!(matches!(
        load_with(options(), files),
        Err(InputError::SeveralAccounts { .. })
    ));
}

#[test]
fn without_a_stated_time_the_latest_in_the_files_is_taken() {
    let mut pod = pod("a");
    pod["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
    let file = list(json!([pod]));
    let loaded = load_with(InputOptions::default(), &[("x", &file)]).unwrap();
    assert_eq!(
        loaded.snapshot.taken_at.to_rfc3339(),
        "2026-01-01T00:00:00+00:00"
    );
    assert_eq!(
        loaded.snapshot.taken_at_basis,
        TakenAtBasis::LatestTimestamp
    );
    assert_eq!(
        load_with(
            InputOptions::default(),
            &[("x", &list(json!([self::pod("a")])))]
        )
        .unwrap_err(),
        InputError::NoTime
    );
}

#[test]
fn no_secret_gets_into_a_snapshot_a_report_or_an_error() {
    const CANARY: &str = "hunter2-AKIAIOSFODNN7EXAMPLE";
    let file = list(json!([
        {"apiVersion": "v1", "kind": "Pod",
         "metadata": {"name": "a", "namespace": "n", "creationTimestamp": "2026-01-01T00:00:00Z",
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": CANARY,
                            "vault/token": CANARY, "karpenter.sh/do-not-disrupt": "true"}},
         "spec": {"containers": [{"name": "c", "command": ["run", CANARY],
            "args": [format!("--token={CANARY}"), format!("-Xmx{CANARY}"), "-Xmx2g"],
            "env": [{"name": "PASSWORD", "value": CANARY}, {"name": "GOMEMLIMIT", "value": CANARY},
                    {"name": "JAVA_OPTS", "value": format!("-Dpw={CANARY} -Xms1g")}]}]},
         "status": {"message": format!("password={CANARY}"),
            "containerStatuses": [{"name": "c", "state": {"terminated": {"message": CANARY}}}]}},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "b", "namespace": "n"},
         "spec": {"containers": [{"name": "c", "resources": {"requests": {"memory": CANARY}}}]}},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "c", "namespace": "n"},
         "spec": {"priority": CANARY}},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "d", "namespace": "n",
            "creationTimestamp": CANARY}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": CANARY}},
        {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e", "namespace": "n"},
         "reason": "Unhealthy", "message": format!("Readiness probe failed: {CANARY}")},
        {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "f", "namespace": "n"},
         "reason": "Evicted", "message": format!("token: {CANARY}")},
        {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "x"},
         "parameters": {"secret": CANARY, "type": "gp3"}},
    ]));
    let refused = format!("{{\"a\": {CANARY}");
    let loaded = load(&[("x.json", &file), ("y.json", refused.as_bytes())]);
    let all = format!(
        "{} {} {:?} {:?}",
        serde_json::to_string(&loaded.snapshot).unwrap(),
        serde_json::to_string(&loaded.report).unwrap(),
        loaded.snapshot,
        loaded.report,
    );
    assert!(!all.contains("hunter2") && !all.contains("AKIA"), "{all}");
    assert_eq!(loaded.report.broken_count, 3);
    let pod = &cluster(&loaded).pods.items()[0];
    let settings: Vec<String> = pod.spec.containers[0]
        .runtime_memory
        .iter()
        .map(|s| format!("{}{}", s.name, s.value))
        .collect();
    assert_eq!(settings, ["-Xms1g", "-Xmx2g"]);
    assert_eq!(pod.meta.annotations.len(), 1);
}

#[test]
fn control_characters_of_names_are_written_out() {
    let mut evil = pod("a");
    evil["metadata"]["name"] = json!("a\u{1b}[2Jb\n");
    evil["metadata"]["labels"] = json!({"k": "\u{202e}v"});
    let loaded = load(&[("x\u{7}.json", &list(json!([evil])))]);
    let meta = &cluster(&loaded).pods.items()[0].meta;
    assert_eq!(meta.name, "a\\u{1b}[2Jb\\n");
    assert_eq!(meta.label("k"), Some("\\u{202e}v"));
    assert_eq!(loaded.report.files[0].name, "x\\u{7}.json");
}

#[test]
fn bombs_are_refused_with_a_reason() {
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;
    let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
    gz.write_all(&vec![b' '; 3 << 20]).unwrap();
    let bomb = gz.finish().unwrap();
    let mut small = options();
    small.max_bytes = 1 << 20;
    let error = load_with(small, &[("bomb.gz", &bomb)]).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("1048576 bytes after decompression"),
        "{error}"
    );

    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let nested = format!(
        r#"{{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"a"}},"spec":{{"containers":{deep}}}}}"#
    );
    let huge =
        r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"b"},"spec":{"priority":1e999}}"#;
    let quantity = list(
        json!([{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"},
        "status": {"allocatable": {"cpu": "9223372036854775808Ki", "memory": "-1"}}}]),
    );
    let mut loader = Loader::new(options());
    for bytes in [
        deep.as_bytes(),
        nested.as_bytes(),
        huge.as_bytes(),
        &quantity,
    ] {
        loader.add("x.json", bytes);
    }
    let loaded = loader.finish().unwrap();
    assert!(cluster(&loaded).pods.items().is_empty());
    let fields: Vec<&str> = loaded
        .report
        .broken
        .iter()
        .map(|b| b.field.as_str())
        .collect();
    assert!(fields.contains(&"status.allocatable"), "{fields:?}");
}

#[test]
fn other_encodings_and_other_things_are_told_apart() {
    let text = String::from_utf8(list(json!([pod("a")]))).unwrap();
    let mut utf16 = vec![0xff, 0xfe];
    utf16.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    let bom = format!("\u{feff}{text}");
    for bytes in [utf16.as_slice(), bom.as_bytes()] {
        assert_eq!(kinds(&load(&[("x.json", bytes)])), [("Pod", 1)]);
    }
    let loaded = load(&[
        ("a.json", text.as_bytes()),
        ("README.md", b"# about"),
        ("pods.yaml", b"apiVersion: v1\nkind: List\n"),
    ]);
    let refused: Vec<&str> = loaded
        .report
        .files
        .iter()
        .filter_map(|f| f.refused.as_deref())
        .collect();
    assert_eq!(
        refused,
        [
            "not JSON, and not the CSV of traffic",
            "YAML: ask kubectl for -o json"
        ]
    );
    assert!(
        cluster(&loaded)
            .pods
            .to_string()
            .contains("1 unreadable, first: pods.yaml")
    );
}

#[test]
fn warm_instances_join_the_group_that_their_tag_names() {
    let groups = json!({"AutoScalingGroups": [{"AutoScalingGroupName": "burst",
        "AutoScalingGroupARN": "arn:aws:autoscaling:us-east-1:111122223333:x"}]});
    let instances = json!({"Reservations": [{"OwnerId": "111122223333", "Instances": [
        {"InstanceId": "i-1", "Tags": [{"Key": "aws:autoscaling:groupName", "Value": "burst"}]}]}]});
    let warm = json!({"WarmPoolConfiguration": {"MinSize": 1}, "Instances": [
        {"InstanceId": "i-1", "LifecycleState": "Warmed:Running"}]});
    let zones = json!({"AvailabilityZones": [
        {"ZoneName": "us-east-1a", "ZoneId": "use1-az4", "RegionName": "us-east-1"}]});
    let volumes =
        json!({"Volumes": [{"VolumeId": "vol-1", "Size": 8, "AvailabilityZone": "us-east-1a"}]});
    let texts = [groups, instances, warm, zones, volumes].map(|d| d.to_string());
    let mut loader = Loader::new(complete());
    for text in &texts {
        loader.add("x", text.as_bytes());
    }
    let loaded = loader.finish().unwrap();
    let [cloud] = loaded.snapshot.clouds.as_slice() else {
        panic!("one cloud expected");
    };
    assert_eq!(cloud.scope(), "111122223333/us-east-1");
    let group = &cloud.auto_scaling_groups.items()[0];
    assert!(group.has_warm_pool);
    assert_eq!(group.instances[0].lifecycle, "Warmed:Running");
    assert!(cloud.instances.is_complete() && cloud.auto_scaling_groups.is_complete());
    assert_eq!(
        cloud.volumes.items()[0].zone_id.as_ref().unwrap().as_str(),
        "use1-az4"
    );
    assert_eq!(cloud.volumes.items()[0].size, Bytes::from_gib(8));
}

#[test]
fn series_keep_their_holes_and_counters_are_no_usage() {
    let loaded = load_with(
        InputOptions::default(),
        &[
            ("range_cpu.json", &stored("range_cpu")),
            ("range_memory.json", &stored("range_memory")),
            (
                "c.json",
                &stored("query_container_cpu_usage_seconds_total_1_31"),
            ),
            (
                "m.json",
                &stored("query_container_memory_working_set_bytes_1_31"),
            ),
        ],
    )
    .unwrap();
    let series = &loaded.usage.series;
    let demo: Vec<_> = series.iter().filter(|s| s.namespace == "demo").collect();
    assert_eq!(demo.len(), 6);
    assert!(
        demo.iter()
            .all(|s| s.step_seconds == 60 && s.values.len() >= 200)
    );
    // 0.001762 cores use some of two thousandths.
    let first = demo
        .iter()
        .find(|s| s.metric == UsageMetric::CpuMilli)
        .unwrap();
    assert_eq!(first.values[0], Some(2));
    // 58 each: 53 of a pod, 17 of them of a container; 5 of whole nodes.
    let usage = cluster(&loaded).usage.value().unwrap();
    assert_eq!(
        usage.left_out.iter().map(|l| l.count).sum::<u64>(),
        36 + 53 + 10
    );
    assert!(!cluster(&loaded).usage.is_complete());
}

#[test]
fn nan_and_absent_samples_are_holes_and_files_of_one_series_are_joined() {
    let matrix = |values: Value| {
        json!({"status": "success", "data": {"resultType": "matrix", "result": [
            {"metric": {"namespace": "n", "pod": "p", "container": "c"}, "values": values}]}})
        .to_string()
    };
    let one = matrix(json!([[0, "0.1"], [60, "NaN"], [180, "0"]]));
    let two = matrix(json!([[240, "0.2"], [300, "+Inf"]]));
    let loaded = load(&[("cpu1.json", one.as_bytes()), ("cpu2.json", two.as_bytes())]);
    let [series] = loaded.usage.series.as_slice() else {
        panic!("one series expected");
    };
    assert_eq!(
        series.values,
        [Some(100), None, None, Some(0), Some(200), None]
    );
    let failed = br#"{"status":"error","errorType":"timeout","error":"query timed out"}"#;
    let loaded = load(&[("a.json", one.as_bytes()), ("b.json", failed)]);
    assert_eq!(loaded.report.broken[0].message, "the query failed: timeout");
}

/// A list as the metrics server's documentation shows it.
#[test]
fn the_metrics_server_gives_one_sample_per_container() {
    let text = json!({"kind": "PodMetricsList", "apiVersion": "metrics.k8s.io/v1beta1",
        "metadata": {}, "items": [{"metadata": {"name": "web-1", "namespace": "n",
        "creationTimestamp": "2026-11-22T02:29:50Z"}, "timestamp": "2026-11-22T02:29:33Z",
        "window": "14.5s", "containers": [{"name": "web",
        "usage": {"cpu": "12345678n", "memory": "21472Ki"}}]}]})
    .to_string();
    let loaded = load(&[("top.json", text.as_bytes())]);
    let values: Vec<_> = loaded.usage.series.iter().map(|s| s.values[0]).collect();
    assert_eq!(values, [Some(13), Some(21_472 << 10)]);
}

#[test]
fn traffic_is_read_by_its_column_names() {
    let csv = "bytes_per_day,from_namespace,from_workload,from_zone_id,to_namespace,to_workload,to_zone_id\n\
               10,a,w,use1-az1,b,x,use1-az2\nmany,a,w,use1-az1,b,x,use1-az2\n";
    let loaded = load(&[("t.csv", csv.as_bytes())]);
    assert_eq!(cluster(&loaded).traffic.items()[0].bytes_per_day, 10);
    assert_eq!(loaded.report.broken[0].name, "line 3");
    assert!(matches!(
        cluster(&loaded).traffic.gap(),
        Some(Gap::Broken { count: 1, .. })
    ));
}

#[test]
fn the_order_of_files_changes_nothing() {
    let files: Vec<(&str, Vec<u8>)> = ALL.iter().map(|n| (*n, stored(n))).collect();
    let snapshot = |files: &mut dyn Iterator<Item = &(&str, Vec<u8>)>| {
        let mut loader = Loader::new(options());
        for (name, bytes) in files {
            loader.add(name, bytes);
        }
        serde_json::to_string(&loader.finish().unwrap().snapshot).unwrap()
    };
    assert_eq!(
        snapshot(&mut files.iter()),
        snapshot(&mut files.iter().rev())
    );
}

/// Every place of a document, as JSON pointers.
fn places(value: &Value, at: &str, out: &mut Vec<String>) {
    out.push(at.to_owned());
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let key = key.replace('~', "~0").replace('/', "~1");
                places(value, &format!("{at}/{key}"), out);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                places(value, &format!("{at}/{index}"), out);
            }
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_document_cut_anywhere_is_refused_and_nothing_is_complete(
        name in prop::sample::select(ALL), cut in any::<prop::sample::Index>(),
    ) {
        let text = text(name);
        let end = cut.index(text.len() - 1).max(1);
        let bytes = &text.as_bytes()[..end];
        let whole = list(json!([pod("a")]));
        let options = complete();
        let loaded = load_with(options, &[("whole.json", &whole), ("cut.json", bytes)]).unwrap();
        // The last byte of a document closes it, so what is cut is no JSON.
        prop_assert!(loaded.report.files[1].refused.is_some());
        prop_assert!(!cluster(&loaded).pods.is_complete());
    }

    #[test]
    fn a_gzip_cut_anywhere_is_refused(
        name in prop::sample::select(ALL), cut in any::<prop::sample::Index>(),
    ) {
        let bytes = stored(name);
        let end = cut.index(bytes.len() - 1).max(2);
        prop_assert!(load_with(options(), &[("x.json.gz", &bytes[..end])]).is_err());
    }

    #[test]
    fn a_field_of_a_wrong_type_is_no_panic_and_no_complete_part(
        name in prop::sample::select(ALL), place in any::<prop::sample::Index>(),
        wrong in prop::sample::select(vec![
            json!(null), json!(true), json!(-1), json!(1e300), json!("canary"), json!([]),
            json!({}), json!([1, "canary", null]), json!({"canary": ["canary"]}),
        ]),
    ) {
        let mut value: Value = serde_json::from_str(&text(name)).unwrap();
        let mut all = Vec::new();
        places(&value, "", &mut all);
        let at = all[place.index(all.len())].clone();
        *value.pointer_mut(&at).unwrap() = wrong;
        let result = load_with(complete(), &[("x.json", value.to_string().as_bytes())]);
        if let Ok(loaded) = result {
            for b in &loaded.report.broken {
                prop_assert!(!b.message.contains("canary"), "{at}: {b}");
            }
            for cluster in &loaded.snapshot.clusters {
                let broken = |kind: &str| loaded.report.broken.iter().any(|b| b.kind == kind);
                prop_assert!(!(broken("Pod") && cluster.pods.is_complete()), "{at}");
                prop_assert!(!(broken("Node") && cluster.nodes.is_complete()), "{at}");
            }
        }
    }

    #[test]
    fn any_bytes_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = load_with(options(), &[("x", &bytes)]);
    }
}
