//! Documents of a made-up cluster, of any size, as `kubectl get` prints them.
//!
//! Sizes come from a trace, the shape of an object from the Kubernetes API: a
//! pod has what the pods of a managed cluster have (probes, a log shipper
//! without requests, projected service-account token, tolerations, conditions,
//! container statuses), 6.5 kB without white space. Nothing in it is of a real
//! cluster. Same arguments, same bytes.

use crate::sample::Random;
use serde_json::{Value, json};
use std::io::{self, Write};

/// What a cluster is made of.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// Pods.
    pub pods: Vec<Pod>,
    /// How many nodes.
    pub nodes: usize,
    /// Their type.
    pub node_type: NodeType,
    /// Zone names and ids that they are spread over in turn.
    pub zones: Vec<(String, String)>,
    /// Seed of uids, addresses and times.
    pub seed: u64,
    /// Whether objects carry `managedFields`.
    pub managed_fields: bool,
    /// Without white space, as the API server answers; else as `kubectl` prints.
    pub compact: bool,
}

/// What a pod asks for. Pods of one workload are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Number of the workload.
    pub workload: usize,
    /// CPU in millicores.
    pub cpu_milli: u64,
    /// Memory in MiB.
    pub memory_mib: u64,
}

/// An instance type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeType {
    /// Its name.
    pub name: String,
    /// Virtual CPUs.
    pub vcpu: u64,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Allocatable CPU in millicores.
    pub alloc_cpu_milli: u64,
    /// Allocatable memory in MiB.
    pub alloc_memory_mib: u64,
    /// Pod slots.
    pub alloc_pods: u64,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Pods that stand on a node.
    pub placed: usize,
    /// Pods that fit nowhere and wait.
    pub pending: usize,
    /// Deployments, each with one replica set.
    pub workloads: usize,
    /// Bytes of the smallest pod without white space.
    pub pod_bytes_min: usize,
    /// Bytes of all pods as they are printed.
    pub pod_bytes_printed: usize,
}

/// The first node with room for each pod, in the order given.
#[must_use]
pub fn first_fit(pods: &[Pod], nodes: usize, node_type: &NodeType) -> Vec<Option<usize>> {
    let has = (
        node_type.alloc_cpu_milli,
        node_type.alloc_memory_mib,
        node_type.alloc_pods,
    );
    let mut free = vec![has; nodes];
    pods.iter()
        .map(|pod| {
            let at = free.iter().position(|(cpu, memory, slots)| {
                pod.cpu_milli <= *cpu && pod.memory_mib <= *memory && *slots > 0
            })?;
            free[at].0 -= pod.cpu_milli;
            free[at].1 -= pod.memory_mib;
            free[at].2 -= 1;
            Some(at)
        })
        .collect()
}

/// Writes a `List` with namespaces, nodes, deployments, replica sets, pods and
/// disruption budgets.
///
/// # Errors
/// Those of `out`.
pub fn write(cluster: &Cluster, out: &mut dyn Write) -> io::Result<Written> {
    let mut random = Random::new(cluster.seed);
    let places = first_fit(&cluster.pods, cluster.nodes, &cluster.node_type);
    let mut list = List {
        out,
        first: true,
        managed_fields: cluster.managed_fields,
        compact: cluster.compact,
    };
    list.out
        .write_all(b"{\n    \"apiVersion\": \"v1\",\n    \"items\": [")?;
    for name in namespaces() {
        list.item(namespace(&name, &mut random))?;
    }
    for number in 0..cluster.nodes {
        list.item(node(cluster, number, &mut random))?;
    }
    // One workload for each pod of the trace that was drawn.
    let count = cluster.pods.iter().map(|p| p.workload + 1).max();
    let mut sizes: Vec<Option<(&Pod, usize)>> = vec![None; count.unwrap_or(0)];
    for pod in &cluster.pods {
        sizes[pod.workload].get_or_insert((pod, 0)).1 += 1;
    }
    let mut written = Written {
        pod_bytes_min: usize::MAX,
        ..Written::default()
    };
    let mut owners: Vec<Option<Owner>> = vec![None; sizes.len()];
    for (pod, replicas) in sizes.iter().flatten() {
        let owner = Owner::new(pod.workload, &mut random);
        list.item(deployment(&owner, pod, *replicas))?;
        list.item(replica_set(&owner, pod, *replicas))?;
        owners[pod.workload] = Some(owner);
        written.workloads += 1;
    }
    for (pod, place) in cluster.pods.iter().zip(places) {
        let Some(owner) = &owners[pod.workload] else {
            continue;
        };
        match place {
            Some(_) => written.placed += 1,
            None => written.pending += 1,
        }
        let (compact, printed) = list.item(pod_object(owner, pod, place, &mut random))?;
        written.pod_bytes_min = written.pod_bytes_min.min(compact);
        written.pod_bytes_printed += printed;
    }
    // Behind the pods, whose names come from the same stream of chances.
    for ((_, replicas), owner) in sizes.iter().flatten().zip(owners.iter().flatten()) {
        list.item(budget(owner, *replicas, &mut random))?;
    }
    list.out.write_all(
        b"\n    ],\n    \"kind\": \"List\",\n    \"metadata\": {\n        \"resourceVersion\": \"\"\n    }\n}\n",
    )?;
    if cluster.pods.is_empty() {
        written.pod_bytes_min = 0;
    }
    Ok(written)
}

/// Prints items one by one, so that the list is never whole in memory.
struct List<'a> {
    out: &'a mut dyn Write,
    first: bool,
    managed_fields: bool,
    compact: bool,
}

impl List<'_> {
    /// Prints an item; its bytes without white space and as printed.
    fn item(&mut self, mut object: Value) -> io::Result<(usize, usize)> {
        if self.managed_fields {
            let fields = managed_fields(&object);
            object["metadata"]["managedFields"] = fields;
        }
        let compact = serde_json::to_string(&object)?;
        let length = compact.len();
        let mut printed = if self.compact {
            compact
        } else {
            let mut text = Vec::new();
            let form = serde_json::ser::PrettyFormatter::with_indent(b"    ");
            let mut printer = serde_json::Serializer::with_formatter(&mut text, form);
            serde::Serialize::serialize(&object, &mut printer)?;
            // Strings hold no bare newline, so every one starts a line.
            String::from_utf8_lossy(&text).replace('\n', "\n        ")
        };
        let before = match (self.first, self.compact) {
            (true, true) => "",
            (false, true) => ",",
            (true, false) => "\n        ",
            (false, false) => ",\n        ",
        };
        printed.insert_str(0, before);
        self.first = false;
        self.out.write_all(printed.as_bytes())?;
        Ok((length, printed.len()))
    }
}

/// The fields of an object as one manager's, in the form of the API server.
fn managed_fields(object: &Value) -> Value {
    fn owned(value: &Value) -> Value {
        match value {
            Value::Object(map) => map
                .iter()
                .map(|(key, value)| (format!("f:{key}"), owned(value)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
            _ => json!({}),
        }
    }
    let entry = |manager: &str, part: &str| {
        let time = object["metadata"]["creationTimestamp"].clone();
        let fields = json!({ format!("f:{part}"): owned(&object[part]) });
        json!({
            "apiVersion": object["apiVersion"], "fieldsType": "FieldsV1", "fieldsV1": fields,
            "manager": manager, "operation": "Update", "time": time,
        })
    };
    json!([
        entry("kube-controller-manager", "spec"),
        entry("kubelet", "status")
    ])
}

fn namespaces() -> Vec<String> {
    let teams = (0..TEAMS).map(team);
    ["kube-system".to_owned(), "default".to_owned()]
        .into_iter()
        .chain(teams)
        .collect()
}

const TEAMS: usize = 20;

fn team(number: usize) -> String {
    format!("team-{number:02}")
}

fn hex(random: &mut Random, digits: usize) -> String {
    let mut text = String::new();
    while text.len() < digits {
        text.push_str(&format!("{:016x}", random.next_u64()));
    }
    text.truncate(digits);
    text
}

fn uid(random: &mut Random) -> String {
    let h = hex(random, 32);
    format!(
        "{}-{}-4{}-a{}-{}",
        &h[..8],
        &h[8..12],
        &h[13..16],
        &h[17..20],
        &h[20..]
    )
}

/// A random name's end, of the letters that Kubernetes uses.
fn suffix(random: &mut Random, length: usize) -> String {
    let letters = b"bcdfghjklmnpqrstvwxz2456789";
    (0..length)
        .map(|_| char::from(letters[random.below(letters.len())]))
        .collect()
}

/// A time in the three weeks before the documents were taken.
fn time(random: &mut Random) -> String {
    let (day, rest) = (1 + random.below(21), random.below(86_400));
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("2026-11-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

fn node_name(number: usize) -> String {
    format!("ip-{}.ec2.internal", node_ip(number).replace('.', "-"))
}

fn node_ip(number: usize) -> String {
    format!("10.40.{}.{}", number / 250, number % 250 + 4)
}

fn namespace(name: &str, random: &mut Random) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {
            "creationTimestamp": "2026-11-01T00:00:00Z",
            "labels": { "kubernetes.io/metadata.name": name },
            "name": name, "resourceVersion": "31", "uid": uid(random),
        },
        "spec": { "finalizers": ["kubernetes"] },
        "status": { "phase": "Active" },
    })
}

fn node(cluster: &Cluster, number: usize, random: &mut Random) -> Value {
    let kind = &cluster.node_type;
    let (zone, zone_id) = &cluster.zones[number % cluster.zones.len()];
    let region = zone.trim_end_matches(|c: char| c.is_ascii_lowercase());
    let (name, ip) = (node_name(number), node_ip(number));
    let instance = format!("i-0{}", hex(random, 16));
    let condition = |kind: &str, status: &str, reason: &str, message: &str| {
        json!({
            "lastHeartbeatTime": "2026-11-22T02:29:30Z",
            "lastTransitionTime": "2026-11-01T00:10:00Z",
            "message": message, "reason": reason, "status": status, "type": kind,
        })
    };
    let images: Vec<Value> = (0..20)
        .map(|_| {
            json!({
                "names": [format!("registry.example.com/app@sha256:{}", hex(random, 64))],
                "sizeBytes": 10_000_000 + random.below(400_000_000),
            })
        })
        .collect();
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {
            "annotations": {
                "alpha.kubernetes.io/provided-node-ip": ip,
                "csi.volume.kubernetes.io/nodeid": format!("{{\"ebs.csi.aws.com\":\"{instance}\"}}"),
                "node.alpha.kubernetes.io/ttl": "0",
                "volumes.kubernetes.io/controller-managed-attach-detach": "true",
            },
            "creationTimestamp": "2026-11-01T00:10:00Z",
            "labels": {
                "beta.kubernetes.io/arch": "amd64", "beta.kubernetes.io/os": "linux",
                "eks.amazonaws.com/capacityType": "ON_DEMAND",
                "eks.amazonaws.com/nodegroup": "general",
                "kubernetes.io/arch": "amd64", "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "node.kubernetes.io/instance-type": kind.name,
                "topology.k8s.aws/zone-id": zone_id,
                "topology.kubernetes.io/region": region,
                "topology.kubernetes.io/zone": zone,
            },
            "name": name, "resourceVersion": random.below(1 << 24).to_string(), "uid": uid(random),
        },
        "spec": { "providerID": format!("aws:///{zone}/{instance}") },
        "status": {
            "addresses": [
                { "address": ip, "type": "InternalIP" },
                { "address": name, "type": "InternalDNS" },
                { "address": name, "type": "Hostname" },
            ],
            "allocatable": {
                "cpu": format!("{}m", kind.alloc_cpu_milli), "ephemeral-storage": "95491281146",
                "hugepages-1Gi": "0", "hugepages-2Mi": "0",
                "memory": format!("{}Ki", kind.alloc_memory_mib * 1024),
                "pods": kind.alloc_pods.to_string(),
            },
            "capacity": {
                "cpu": kind.vcpu.to_string(), "ephemeral-storage": "104779756Ki",
                "hugepages-1Gi": "0", "hugepages-2Mi": "0",
                "memory": format!("{}Ki", kind.memory_mib * 1024),
                "pods": kind.alloc_pods.to_string(),
            },
            "conditions": [
                condition("MemoryPressure", "False", "KubeletHasSufficientMemory",
                    "kubelet has sufficient memory available"),
                condition("DiskPressure", "False", "KubeletHasNoDiskPressure",
                    "kubelet has no disk pressure"),
                condition("PIDPressure", "False", "KubeletHasSufficientPID",
                    "kubelet has sufficient PID available"),
                condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
            ],
            "daemonEndpoints": { "kubeletEndpoint": { "Port": 10250 } },
            "images": images,
            "nodeInfo": {
                "architecture": "amd64", "bootID": uid(random),
                "containerRuntimeVersion": "containerd://2.1.5",
                "kernelVersion": "6.12.46-66.121.amzn2023.x86_64", "kubeProxyVersion": "",
                "kubeletVersion": "v1.36.2-eks-3cfe0ce", "machineID": hex(random, 32),
                "operatingSystem": "linux", "osImage": "Amazon Linux 2023.9.20261027",
                "systemUUID": uid(random),
            },
        },
    })
}

/// The workload of a pod.
#[derive(Debug, Clone)]
struct Owner {
    app: String,
    namespace: String,
    hash: String,
    deployment_uid: String,
    replica_set_uid: String,
    created: String,
}

impl Owner {
    fn new(workload: usize, random: &mut Random) -> Self {
        Self {
            app: format!("service-{workload:05}"),
            namespace: team(workload % TEAMS),
            hash: suffix(random, 10),
            deployment_uid: uid(random),
            replica_set_uid: uid(random),
            created: time(random),
        }
    }

    fn replica_set(&self) -> String {
        format!("{}-{}", self.app, self.hash)
    }

    fn labels(&self) -> Value {
        json!({
            "app.kubernetes.io/component": "backend", "app.kubernetes.io/instance": self.app,
            "app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/name": self.app,
            "app.kubernetes.io/part-of": self.namespace, "app.kubernetes.io/version": "2026.11.3",
            "helm.sh/chart": "service-3.14.2", "pod-template-hash": self.hash,
        })
    }

    fn selector(&self) -> Value {
        json!({ "matchLabels": { "app.kubernetes.io/instance": self.app } })
    }

    fn annotations(&self) -> Value {
        json!({
            "checksum/config": self.deployment_uid.replace('-', "").repeat(2),
            "kubectl.kubernetes.io/default-container": self.app,
            "kubectl.kubernetes.io/restartedAt": self.created,
            "prometheus.io/path": "/metrics", "prometheus.io/port": "9090",
            "prometheus.io/scrape": "true",
        })
    }

    fn template(&self, pod: &Pod) -> Value {
        json!({
            "metadata": { "annotations": self.annotations(), "labels": self.labels() },
            "spec": spec(self, pod),
        })
    }
}

fn spec(owner: &Owner, pod: &Pod) -> Value {
    let probe = |path: &str, delay: u32| {
        json!({
            "failureThreshold": 3,
            "httpGet": { "path": path, "port": "http", "scheme": "HTTP" },
            "initialDelaySeconds": delay, "periodSeconds": 10, "successThreshold": 1,
            "timeoutSeconds": 2,
        })
    };
    let field = |name: &str, path: &str| {
        json!({
            "name": name,
            "valueFrom": { "fieldRef": { "apiVersion": "v1", "fieldPath": path } },
        })
    };
    let secret = |name: &str, key: &str| {
        let from = format!("{}-credentials", owner.app);
        json!({ "name": name, "valueFrom": { "secretKeyRef": { "key": key, "name": from } } })
    };
    let security = json!({
        "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] },
        "readOnlyRootFilesystem": true, "runAsNonRoot": true,
    });
    json!({
        "affinity": { "podAntiAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": [{
            "podAffinityTerm": {
                "labelSelector": owner.selector(), "topologyKey": "kubernetes.io/hostname",
            },
            "weight": 100,
        }] } },
        "automountServiceAccountToken": true,
        "containers": [
            {
                "env": [
                    field("POD_NAME", "metadata.name"), field("POD_NAMESPACE", "metadata.namespace"),
                    field("POD_IP", "status.podIP"), field("NODE_NAME", "spec.nodeName"),
                    { "name": "LOG_LEVEL", "value": "info" },
                    { "name": "HTTP_PORT", "value": "8080" },
                    { "name": "OTEL_SERVICE_NAME", "value": owner.app },
                    secret("DATABASE_URL", "database-url"),
                ],
                "envFrom": [{ "configMapRef": { "name": format!("{}-settings", owner.app) } }],
                "image": format!("registry.example.com/{}/{}:2026.11.3", owner.namespace, owner.app),
                "imagePullPolicy": "IfNotPresent",
                "lifecycle": { "preStop": { "sleep": { "seconds": 10 } } },
                "livenessProbe": probe("/healthz", 20), "name": owner.app,
                "ports": [
                    { "containerPort": 8080, "name": "http", "protocol": "TCP" },
                    { "containerPort": 9090, "name": "metrics", "protocol": "TCP" },
                ],
                "readinessProbe": probe("/readyz", 5),
                "resources": resources(pod), "securityContext": security,
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
                "volumeMounts": [
                    { "mountPath": "/etc/service", "name": "settings", "readOnly": true },
                    { "mountPath": "/tmp", "name": "scratch" },
                    { "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
                      "name": "kube-api-access", "readOnly": true },
                ],
            },
            {
                "env": [field("NODE_NAME", "spec.nodeName"), { "name": "SINK", "value": "kinesis" }],
                "image": "registry.example.com/platform/log-shipper:1.9.4",
                "imagePullPolicy": "IfNotPresent", "name": "log-shipper", "resources": {},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
                "volumeMounts": [
                    { "mountPath": "/tmp", "name": "scratch", "readOnly": true },
                    { "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
                      "name": "kube-api-access", "readOnly": true },
                ],
            },
        ],
        "dnsPolicy": "ClusterFirst", "enableServiceLinks": false,
        "preemptionPolicy": "PreemptLowerPriority", "priority": 0, "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": { "fsGroup": 10001, "seccompProfile": { "type": "RuntimeDefault" } },
        "serviceAccount": owner.app, "serviceAccountName": owner.app,
        "terminationGracePeriodSeconds": 45,
        "tolerations": [
            { "effect": "NoExecute", "key": "node.kubernetes.io/not-ready", "operator": "Exists",
              "tolerationSeconds": 300 },
            { "effect": "NoExecute", "key": "node.kubernetes.io/unreachable",
              "operator": "Exists", "tolerationSeconds": 300 },
        ],
        "volumes": [
            { "configMap": { "defaultMode": 420, "name": format!("{}-files", owner.app) },
              "name": "settings" },
            { "emptyDir": { "sizeLimit": "1Gi" }, "name": "scratch" },
            { "name": "kube-api-access", "projected": { "defaultMode": 420, "sources": [
                { "serviceAccountToken": { "expirationSeconds": 3607, "path": "token" } },
                { "configMap": { "items": [{ "key": "ca.crt", "path": "ca.crt" }],
                                 "name": "kube-root-ca.crt" } },
                { "downwardAPI": { "items": [{
                    "fieldRef": { "apiVersion": "v1", "fieldPath": "metadata.namespace" },
                    "path": "namespace" }] } },
            ] } },
        ],
    })
}

fn resources(pod: &Pod) -> Value {
    let memory = format!("{}Mi", pod.memory_mib);
    json!({
        "limits": { "memory": memory },
        "requests": { "cpu": format!("{}m", pod.cpu_milli), "memory": memory },
    })
}

fn deployment(owner: &Owner, pod: &Pod, replicas: usize) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {
            "annotations": {
                "deployment.kubernetes.io/revision": "3",
                "meta.helm.sh/release-name": owner.app,
                "meta.helm.sh/release-namespace": owner.namespace,
            },
            "creationTimestamp": owner.created, "generation": 3, "labels": owner.labels(),
            "name": owner.app, "namespace": owner.namespace, "resourceVersion": "90210",
            "uid": owner.deployment_uid,
        },
        "spec": {
            "progressDeadlineSeconds": 600, "replicas": replicas, "revisionHistoryLimit": 10,
            "selector": owner.selector(),
            "strategy": { "rollingUpdate": { "maxSurge": "25%", "maxUnavailable": "25%" },
                          "type": "RollingUpdate" },
            "template": owner.template(pod),
        },
        "status": {
            "availableReplicas": replicas, "observedGeneration": 3, "readyReplicas": replicas,
            "replicas": replicas, "updatedReplicas": replicas,
        },
    })
}

fn replica_set(owner: &Owner, pod: &Pod, replicas: usize) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "annotations": { "deployment.kubernetes.io/revision": "3" },
            "creationTimestamp": owner.created, "generation": 1, "labels": owner.labels(),
            "name": owner.replica_set(), "namespace": owner.namespace,
            "ownerReferences": [{
                "apiVersion": "apps/v1", "blockOwnerDeletion": true, "controller": true,
                "kind": "Deployment", "name": owner.app, "uid": owner.deployment_uid,
            }],
            "resourceVersion": "90211", "uid": owner.replica_set_uid,
        },
        "spec": { "replicas": replicas, "selector": owner.selector(),
                  "template": owner.template(pod) },
        "status": {
            "availableReplicas": replicas, "fullyLabeledReplicas": replicas,
            "observedGeneration": 1, "readyReplicas": replicas, "replicas": replicas,
        },
    })
}

/// One replica at a time, as charts of many services have it.
fn budget(owner: &Owner, replicas: usize, random: &mut Random) -> Value {
    json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {
            "creationTimestamp": owner.created, "generation": 1, "labels": owner.labels(),
            "name": owner.app, "namespace": owner.namespace, "resourceVersion": "90212",
            "uid": uid(random),
        },
        "spec": { "maxUnavailable": 1, "selector": owner.selector() },
        "status": {
            "currentHealthy": replicas, "desiredHealthy": replicas.saturating_sub(1),
            "disruptionsAllowed": 1, "expectedPods": replicas, "observedGeneration": 1,
        },
    })
}

fn pod_object(owner: &Owner, pod: &Pod, place: Option<usize>, random: &mut Random) -> Value {
    let created = time(random);
    let mut spec = spec(owner, pod);
    let condition = |kind: &str| {
        json!({
            "lastProbeTime": null, "lastTransitionTime": created, "observedGeneration": 1,
            "status": "True", "type": kind,
        })
    };
    let status = match place {
        Some(node) => {
            spec["nodeName"] = node_name(node).into();
            let mut status = |name: &str, image: String, resources: Value| {
                json!({
                    "allocatedResources": resources["requests"],
                    "containerID": format!("containerd://{}", hex(random, 64)),
                    "image": image,
                    "imageID": format!("registry.example.com/app@sha256:{}", hex(random, 64)),
                    "lastState": {}, "name": name, "ready": true, "resources": resources,
                    "restartCount": 0, "started": true,
                    "state": { "running": { "startedAt": created } },
                })
            };
            let image = format!(
                "registry.example.com/{}/{}:2026.11.3",
                owner.namespace, owner.app
            );
            let shipper = "registry.example.com/platform/log-shipper:1.9.4".to_owned();
            let containers = [
                status(&owner.app, image, resources(pod)),
                status("log-shipper", shipper, json!({})),
            ];
            let ip = format!(
                "10.{}.{}.{}",
                64 + random.below(64),
                random.below(256),
                1 + random.below(254)
            );
            json!({
                "conditions": [
                    condition("PodReadyToStartContainers"), condition("Initialized"),
                    condition("Ready"), condition("ContainersReady"), condition("PodScheduled"),
                ],
                "containerStatuses": containers,
                "hostIP": node_ip(node), "hostIPs": [{ "ip": node_ip(node) }],
                "observedGeneration": 1, "phase": "Running", "podIP": ip,
                "podIPs": [{ "ip": ip }], "qosClass": "Burstable", "startTime": created,
            })
        }
        None => json!({
            "conditions": [{
                "lastProbeTime": null, "lastTransitionTime": created,
                "message": "0 nodes are available: insufficient cpu.", "observedGeneration": 1,
                "reason": "Unschedulable", "status": "False", "type": "PodScheduled",
            }],
            "observedGeneration": 1, "phase": "Pending", "qosClass": "Burstable",
        }),
    };
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "annotations": owner.annotations(), "creationTimestamp": created,
            "generateName": format!("{}-", owner.replica_set()), "generation": 1,
            "labels": owner.labels(),
            "name": format!("{}-{}", owner.replica_set(), suffix(random, 5)),
            "namespace": owner.namespace,
            "ownerReferences": [{
                "apiVersion": "apps/v1", "blockOwnerDeletion": true, "controller": true,
                "kind": "ReplicaSet", "name": owner.replica_set(), "uid": owner.replica_set_uid,
            }],
            "resourceVersion": random.below(1 << 24).to_string(), "uid": uid(random),
        },
        "spec": spec, "status": status,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use cloudoptim_core::input::{InputOptions, Loader};

    fn small(seed: u64) -> Cluster {
        let pods = [(0, 3_000, 100), (1, 1_500, 9_000), (0, 3_000, 100)];
        Cluster {
            pods: pods
                .map(|(workload, cpu_milli, memory_mib)| Pod {
                    workload,
                    cpu_milli,
                    memory_mib,
                })
                .to_vec(),
            nodes: 2,
            node_type: NodeType {
                name: "m6i.xlarge".to_owned(),
                vcpu: 4,
                memory_mib: 16_384,
                alloc_cpu_milli: 3_920,
                alloc_memory_mib: 14_162,
                alloc_pods: 58,
            },
            zones: vec![("us-east-1a".to_owned(), "use1-az4".to_owned())],
            seed,
            managed_fields: false,
            compact: false,
        }
    }

    #[test]
    fn each_pod_goes_to_the_first_node_with_room() {
        let cluster = small(1);
        let places = first_fit(&cluster.pods, 2, &cluster.node_type);
        assert_eq!(places, [Some(0), Some(1), None]);
    }

    #[test]
    fn the_documents_load_as_the_cluster_that_was_meant() {
        let mut text = Vec::new();
        let cluster = small(1);
        let written = write(&cluster, &mut text).unwrap();
        assert_eq!((written.placed, written.pending), (2, 1));
        let mut loader = Loader::new(InputOptions::default());
        loader.add("dump.json", &text);
        let loaded = loader.finish().unwrap();
        assert_eq!(loaded.report.broken, []);
        let read = &loaded.snapshot.clusters[0];
        assert_eq!(read.nodes.items().len(), 2);
        assert_eq!(read.pods.items().len(), 3);
        let asked: u64 = read
            .pods
            .items()
            .iter()
            .map(|p| {
                cloudoptim_core::scheduling::effective_request(
                    p,
                    cloudoptim_core::scheduling::InfeasibleResize::Drop,
                )
                .cpu
                .0
            })
            .sum();
        assert_eq!(asked, 7_500);
    }

    #[test]
    fn a_pod_is_as_long_as_real_ones_are() {
        let written = write(&small(1), &mut io::sink()).unwrap();
        assert!(written.pod_bytes_min >= 6_144 || written.pending > 0);
        let mut placed = small(1);
        placed.pods.truncate(2);
        let written = write(&placed, &mut io::sink()).unwrap();
        assert!(written.pod_bytes_min >= 6_144, "{written:?}");
    }

    #[test]
    fn a_seed_gives_the_same_bytes_and_another_one_others() {
        let text = |seed| {
            let mut text = Vec::new();
            write(&small(seed), &mut text).unwrap();
            text
        };
        assert_eq!(text(1), text(1));
        assert_ne!(text(1), text(2));
    }
}
