//! Loading documents: what is odd in recorded ones, what is kept, what is known.

mod broken;
mod odd;
mod recorded;
mod usage;

use cloudoptim_core::input::{InputError, InputOptions, Loaded, Loader};
use cloudoptim_core::knowledge::Gap;
use cloudoptim_core::model::{Bytes, Cluster, TakenAtBasis, WorkloadKind};
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
    // Nor into what is kept of the document itself.
    let kept = cloudoptim_core::input::redacted(&file).unwrap();
    assert!(!kept.contains("hunter2") && !kept.contains("AKIA"), "{kept}");
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

/// The fields of an object that nothing reads, at any depth, each counts as one.
#[test]
fn fields_that_nothing_reads_are_counted_by_kind() {
    let pod = |name: &str| {
        json!({"apiVersion": "v1", "kind": "Pod", "later": {"a": {"b": 1}},
        "metadata": {"name": name, "namespace": "n", "selfLink": "/x"},
        "spec": {"dnsPolicy": "Default", "enableServiceLinks": true, "containers": [
            {"name": "c", "image": "i", "imagePullPolicy": "Always"}]},
        "status": {"phase": "Running", "qosClass": "Burstable"}})
    };
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
        "data": {"a": "b"}, "type": "Opaque"});
    let mut broken = pod("b");
    broken["spec"]["priority"] = json!("high");
    let volumes = json!({"Volumes": [{"VolumeId": "vol-1", "Encrypted": true, "Sse": {"Type": "x"}}],
        "ResponseMetadata": {}});
    let series = json!({"status": "success", "data": {"resultType": "vector", "result": [
        {"metric": {"namespace": "n", "pod": "p", "container": "c"}, "value": [0, "1"],
         "histogram": [0, {}]}]}});
    let traffic = "bytes_per_day,from_namespace,from_workload,from_zone_id,to_namespace,\
                   to_workload,to_zone_id,port,protocol\n1,a,b,z,c,d,z,80,tcp\n2,a,b,z,c,d,z,80,tcp\n";
    let files = [
        list(json!([pod("a"), pod("c"), broken, secret])),
        volumes.to_string().into_bytes(),
        series.to_string().into_bytes(),
        traffic.as_bytes().to_vec(),
    ];
    let mut loader = Loader::new(options());
    for file in &files {
        loader.add("cpu", file);
    }
    let report = loader.finish().unwrap().report;
    // Of a pod: later, selfLink, dnsPolicy, enableServiceLinks and the image's
    // policy; of the volume: Sse. The broken pod and the secret do not count.
    let skipped: Vec<(&str, u64)> = report
        .skipped_fields
        .iter()
        .map(|(kind, n)| (kind.as_str(), *n))
        .collect();
    assert_eq!(
        skipped,
        [
            ("Pod", 2 * 5),
            ("TrafficEdge", 2 * 2),
            ("UsageSeries", 1),
            ("Volume", 1)
        ]
    );
}

/// Documents of EC2 and others that no engine reads: each is skipped and
/// counted, and the file says so; nothing of them is taken for something else.
#[test]
fn documents_without_a_reader_are_skipped_and_counted() {
    let documents = [
        (
            "network-interfaces.json",
            json!({"NetworkInterfaces": [
            {"NetworkInterfaceId": "eni-1", "Attachment": {"InstanceId": "i-1"},
             "AvailabilityZone": "us-east-1a"}]}),
        ),
        (
            "spot-price-history.json",
            json!({"SpotPriceHistory": [
            {"AvailabilityZone": "us-east-1a", "InstanceType": "m5.large", "SpotPrice": "0.04",
             "ProductDescription": "Linux/UNIX", "Timestamp": "2021-02-09T01:40:10+00:00"}],
            "NextToken": ""}),
        ),
        (
            "instance-types.json",
            json!({"InstanceTypes": [{"InstanceType": "m5.large"}]}),
        ),
        (
            "metric-statistics.json",
            json!({"Label": "VolumeReadOps", "Datapoints": [
            {"Timestamp": "2017-01-10T19:51:00.000Z", "Maximum": 14.0, "Unit": "Count"}]}),
        ),
        (
            "products.json",
            json!({"product": {"sku": "x", "attributes": {"vcpu": "2"}},
            "terms": {"OnDemand": {}}}),
        ),
    ];
    let mut loader = Loader::new(complete());
    for (name, document) in &documents {
        loader.add(name, document.to_string().as_bytes());
    }
    loader.add("pods.json", &list(json!([pod("a")])));
    let loaded = loader.finish().unwrap();
    let skipped: Vec<(&str, u64)> = loaded
        .report
        .skipped
        .iter()
        .map(|(kind, n)| (kind.as_str(), *n))
        .collect();
    assert_eq!(skipped, [("document of an unknown form", 5)]);
    for file in &loaded.report.files[..documents.len()] {
        assert_eq!(
            (file.holds.as_str(), &file.refused),
            ("nothing that is read", &None),
            "{}",
            file.name
        );
    }
    assert_eq!(kinds(&loaded), [("Pod", 1)]);
    assert!(loaded.snapshot.clouds.is_empty());
    assert!(loaded.report.broken.is_empty());
    // They are no hole in what was read.
    assert!(cluster(&loaded).pods.is_complete());
}
