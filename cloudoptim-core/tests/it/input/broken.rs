//! Documents that are cut or wrong: a clear error, no panic, and nothing of
//! them is complete.

use super::{ALL, cluster, complete, list, load_with, options, pod, stored, text};
use cloudoptim_core::input::Loaded;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::OnceLock;

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

/// At most this many items of a list: enough of each form, and quick to read.
const ITEMS: usize = 3;

fn shortened(mut value: Value) -> Value {
    for list in [
        "items",
        "Reservations",
        "Volumes",
        "Snapshots",
        "AutoScalingGroups",
    ] {
        if let Some(items) = value.get_mut(list).and_then(Value::as_array_mut) {
            items.truncate(ITEMS);
        }
    }
    value
}

/// The first objects of every document of the sample cluster.
fn shop() -> BTreeMap<String, Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data/shop");
    let mut out = BTreeMap::new();
    for folder in ["k8s", "aws"] {
        for file in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = file.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            let mut text = String::new();
            if bytes.starts_with(&[0x1f, 0x8b]) {
                flate2::read::GzDecoder::new(bytes.as_slice())
                    .read_to_string(&mut text)
                    .unwrap();
            } else {
                text = String::from_utf8(bytes).unwrap();
            }
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let value: Value = serde_json::from_str(&text).unwrap();
            out.insert(format!("shop/{name}"), shortened(value));
        }
    }
    assert!(out.len() > 30, "{:?}", out.keys());
    out
}

/// Documents that neither the records nor the sample cluster hold.
fn constructed() -> BTreeMap<String, Value> {
    let meta = json!({"name": "x", "namespace": "n", "creationTimestamp": "2026-11-22T02:00:00Z"});
    let object = |version: &str, kind: &str, rest: Value| {
        let mut object = json!({"apiVersion": version, "kind": kind, "metadata": meta});
        object
            .as_object_mut()
            .unwrap()
            .extend(rest.as_object().unwrap().clone());
        json!({"apiVersion": version, "kind": format!("{kind}List"), "items": [object]})
    };
    let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"});
    [
        (
            "vpa.json",
            object(
                "autoscaling.k8s.io/v1",
                "VerticalPodAutoscaler",
                json!({"spec": {"targetRef": target, "updatePolicy": {"updateMode": "Auto"}},
                    "status": {"recommendation": {"containerRecommendations": [
                        {"containerName": "c", "target": {"cpu": "25m", "memory": "262144k"},
                         "lowerBound": {"cpu": "25m"}, "upperBound": {"memory": "1Gi"}}]}}}),
            ),
        ),
        (
            "scaledobjects.json",
            object(
                "keda.sh/v1alpha1",
                "ScaledObject",
                json!({"spec": {"scaleTargetRef": {"name": "web"}, "minReplicaCount": 0,
                    "maxReplicaCount": 9, "triggers": [{"type": "cron", "metadata":
                        {"timezone": "Europe/Berlin", "start": "0 8 * * *", "end": "0 18 * * *",
                         "desiredReplicas": "3"}}]}}),
            ),
        ),
        (
            "top.json",
            json!({"kind": "PodMetricsList", "apiVersion": "metrics.k8s.io/v1beta1",
                "metadata": {}, "items": [{"metadata": meta,
                "timestamp": "2026-11-22T02:29:33Z", "window": "14.5s",
                "containers": [{"name": "c", "usage": {"cpu": "12345678n", "memory": "21472Ki"}}]}]}),
        ),
        (
            "volumesnapshots.json",
            object(
                "snapshot.storage.k8s.io/v1",
                "VolumeSnapshot",
                json!({"spec": {"source": {"persistentVolumeClaimName": "c"}},
                    "status": {"readyToUse": true, "restoreSize": "8Gi"}}),
            ),
        ),
        (
            "runtimeclasses.json",
            object(
                "node.k8s.io/v1",
                "RuntimeClass",
                json!({"handler": "kata", "overhead": {"podFixed": {"memory": "120Mi", "cpu": "250m"}},
                    "scheduling": {"nodeSelector": {"kata": "true"}, "tolerations":
                        [{"key": "kata", "operator": "Exists"}]}}),
            ),
        ),
        (
            "subnets.json",
            json!({"Subnets": [{"SubnetId": "subnet-1", "VpcId": "vpc-1",
                "AvailabilityZone": "us-east-1a", "AvailabilityZoneId": "use1-az4",
                "AvailableIpAddressCount": 251, "OwnerId": "111122223333",
                "Tags": [{"Key": "k", "Value": "v"}]}]}),
        ),
        (
            "spot-requests.json",
            json!({"SpotInstanceRequests": [{"SpotInstanceRequestId": "sir-1",
                "InstanceId": "i-1", "State": "active", "Type": "one-time",
                "Status": {"Code": "fulfilled"}, "CreateTime": "2026-11-22T02:00:00Z",
                "LaunchSpecification": {"InstanceType": "m6i.large"}, "LaunchedAvailabilityZone":
                "us-east-1a", "Tags": []}]}),
        ),
    ]
    .map(|(name, value)| (format!("constructed/{name}"), value))
    .into()
}

fn documents() -> &'static [(String, Value)] {
    static DOCUMENTS: OnceLock<Vec<(String, Value)>> = OnceLock::new();
    DOCUMENTS.get_or_init(|| {
        let stored = ALL.iter().map(|name| {
            let value = serde_json::from_str(&text(name)).unwrap();
            ((*name).to_owned(), value)
        });
        stored.chain(shop()).chain(constructed()).collect()
    })
}

fn any_document() -> impl Strategy<Value = &'static (String, Value)> {
    (0..documents().len()).prop_map(|n| &documents()[n])
}

/// Kinds as reports name them, with whether their part is complete.
fn parts(loaded: &Loaded) -> Vec<(&'static [&'static str], bool)> {
    let mut out = Vec::new();
    macro_rules! part {
        ($of:expr; $($field:ident: [$($kind:literal),+]),* $(,)?) => {
            $(out.push((&[$($kind),+][..], $of.$field.is_complete()));)*
        };
    }
    for c in &loaded.snapshot.clusters {
        part!(c;
            nodes: ["Node"], pods: ["Pod"],
            workloads: ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob"],
            disruption_budgets: ["PodDisruptionBudget"], persistent_volumes: ["PersistentVolume"],
            claims: ["PersistentVolumeClaim"], storage_classes: ["StorageClass"],
            csi_nodes: ["CSINode"], volume_attachments: ["VolumeAttachment"],
            volume_snapshots: ["VolumeSnapshot"], services: ["Service"],
            endpoint_slices: ["EndpointSlice"],
            horizontal_autoscalers: ["HorizontalPodAutoscaler"],
            vertical_autoscalers: ["VerticalPodAutoscaler"], scaled_objects: ["ScaledObject"],
            limit_ranges: ["LimitRange"], resource_quotas: ["ResourceQuota"],
            priority_classes: ["PriorityClass"], runtime_classes: ["RuntimeClass"],
            node_pools: ["NodePool"], node_claims: ["NodeClaim"], leases: ["Lease"],
            events: ["Event"], namespaces: ["Namespace"], usage: ["UsageSeries", "PodMetrics"],
            traffic: ["TrafficEdge"],
        );
    }
    for c in &loaded.snapshot.clouds {
        part!(c;
            instances: ["Instance"], volumes: ["Volume"], ebs_snapshots: ["Snapshot"],
            auto_scaling_groups: ["AutoScalingGroup", "WarmPool"], node_groups: ["NodeGroup"],
            cluster_records: ["Cluster"], zones: ["AvailabilityZone"], subnets: ["Subnet"],
            spot_requests: ["SpotInstanceRequest"],
        );
    }
    out
}

#[test]
fn every_document_is_read_whole_before_it_is_broken() {
    let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
    let pods = list(json!([pod("a")]));
    for (name, value) in documents() {
        let text = value.to_string();
        let files: &[(&str, &[u8])] = &[("pods.json", &pods), (name, text.as_bytes())];
        let loaded = load_with(complete(), files).unwrap();
        assert_eq!(loaded.report.broken, [], "{name}");
        for (kind, n) in loaded.report.kinds {
            *kinds.entry(kind).or_default() += n;
        }
    }
    // Every kind that a part holds is in some document, and so is broken below.
    let empty = load_with(complete(), &[("x", &list(json!([pod("a")])))]).unwrap();
    let mut cloud = empty.clone();
    cloud.snapshot.clouds.push(Default::default());
    let all = parts(&cloud).into_iter().flat_map(|(kinds, _)| kinds);
    // A warm pool is counted with its group, and traffic is no JSON.
    let missing: Vec<_> = all
        .filter(|kind| !kinds.contains_key(**kind))
        .filter(|kind| !["WarmPool", "TrafficEdge"].contains(kind))
        .collect();
    assert_eq!(missing, Vec::<&&str>::new(), "{kinds:?}");
}

const TRAFFIC: &str = "from_namespace,from_workload,from_zone_id,to_namespace,to_workload,\
    to_zone_id,bytes_per_day\nshop,web,use1-az1,shop,db,use1-az4,2207930400\n\
    shop,web,use1-az1,shop,cache,use1-az6,1471953600\n";

#[test]
fn traffic_cut_at_any_byte_is_no_other_traffic() {
    let whole = load_with(complete(), &[("t.csv", TRAFFIC.as_bytes())]).unwrap();
    let edges = cluster(&whole).traffic.items().to_vec();
    assert_eq!(edges.len(), 2);
    let pods = list(json!([pod("a")]));
    for end in 0..TRAFFIC.len() {
        let cut = &TRAFFIC[..end];
        let files: &[(&str, &[u8])] = &[("pods.json", &pods), ("t.csv", cut.as_bytes())];
        let loaded = load_with(complete(), files).unwrap();
        let found = cluster(&loaded).traffic.items();
        assert!(found.iter().all(|edge| edges.contains(edge)), "{cut}");
        // Only between two lines does nothing tell that more was to come.
        let between = cut.ends_with('\n');
        assert_eq!(cluster(&loaded).traffic.is_complete(), between, "{cut}");
    }
}

#[test]
fn a_cell_of_traffic_of_a_wrong_type_is_named_by_its_line() {
    for (wrong, field) in [
        ("2207930400", "bytes_per_day"),
        ("use1-az1", "zone"),
        ("use1-az4", "zone"),
    ] {
        for junk in ["", "\"\""] {
            let text = TRAFFIC.replacen(wrong, junk, 1);
            let loaded = load_with(complete(), &[("t.csv", text.as_bytes())]).unwrap();
            let broken = &loaded.report.broken[0];
            assert_eq!(
                (broken.name.as_str(), broken.field.as_str()),
                ("line 2", field)
            );
            assert!(!cluster(&loaded).traffic.is_complete());
        }
    }
    for junk in ["many", "-1", "1e9", "1.5", "18446744073709551616", "1,2"] {
        let text = TRAFFIC.replacen("2207930400", junk, 1);
        let loaded = load_with(complete(), &[("t.csv", text.as_bytes())]).unwrap();
        assert_eq!(loaded.report.broken[0].name, "line 2", "{junk}");
        assert!(!cluster(&loaded).traffic.is_complete(), "{junk}");
    }
}

/// The small documents at every byte, not at some.
#[test]
fn a_small_document_cut_at_any_byte_is_refused() {
    let pods = list(json!([pod("a")]));
    for (name, value) in constructed() {
        let text = value.to_string();
        for end in 1..text.len() {
            let cut = &text.as_bytes()[..end];
            let files: &[(&str, &[u8])] = &[("pods.json", &pods), (&name, cut)];
            let loaded = load_with(complete(), files).unwrap();
            assert!(loaded.report.files[1].refused.is_some(), "{name} at {end}");
            let whole = parts(&loaded).into_iter().filter(|(_, complete)| *complete);
            assert_eq!(whole.count(), 0, "{name} at {end}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_document_cut_anywhere_is_refused_and_nothing_is_complete(
        document in any_document(), cut in any::<prop::sample::Index>(),
    ) {
        let (name, value) = document;
        let text = value.to_string();
        let mut end = cut.index(text.len() - 1).max(1);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let pods = list(json!([pod("a")]));
        let files: &[(&str, &[u8])] = &[("whole.json", &pods), (name, &text.as_bytes()[..end])];
        let loaded = load_with(complete(), files).unwrap();
        // The last byte of a document closes it, so what is cut is no JSON.
        prop_assert!(loaded.report.files[1].refused.is_some());
        for (kinds, complete) in parts(&loaded) {
            prop_assert!(!complete, "{kinds:?} of {name} cut at {end}");
        }
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
        document in any_document(), place in any::<prop::sample::Index>(),
        wrong in prop::sample::select(vec![
            json!(null), json!(true), json!(-1), json!(1e300), json!("canary"), json!([]),
            json!({}), json!([1, "canary", null]), json!({"canary": ["canary"]}),
        ]),
    ) {
        let (name, value) = document;
        let mut value = value.clone();
        let mut all = Vec::new();
        places(&value, "", &mut all);
        let at = all[place.index(all.len())].clone();
        *value.pointer_mut(&at).unwrap() = wrong;
        let result = load_with(complete(), &[(name, value.to_string().as_bytes())]);
        if let Ok(loaded) = result {
            for b in &loaded.report.broken {
                prop_assert!(!b.message.contains("canary"), "{name} {at}: {b}");
            }
            for (kinds, complete) in parts(&loaded) {
                let broken = loaded.report.broken.iter().any(|b| kinds.contains(&b.kind.as_str()));
                prop_assert!(!(broken && complete), "{kinds:?} of {name} with {at} wrong");
            }
        }
    }

    #[test]
    fn any_bytes_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = load_with(options(), &[("x", &bytes)]);
    }
}
