//! What acting needs, as manifests and as questions, and a policy that keeps it
//! within bounds even where a role allows more.

use super::super::Reviewer;
use super::super::permission::Permission;
use super::super::preflight::{Check, ask};
use super::super::rbac::{ReadRole, Subject, quoted, write_role};
use cloudoptim_core::engines::EngineId;
use cloudoptim_core::model::NamespacedName;
use std::collections::{BTreeMap, BTreeSet};

/// A role for acting.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ActRole {
    /// Name of the roles, of their bindings, and of the policy.
    pub name: String,
    /// Who gets it.
    pub subject: Subject,
    /// Engines whose plans it carries out. Default: all.
    pub engines: Vec<EngineId>,
    /// Namespaces whose workloads and services it may change. Default: none, so
    /// that nobody opts in by forgetting.
    pub namespaces: Vec<String>,
    /// Lease that is held while it acts. Default: none.
    pub lease: Option<NamespacedName>,
    /// ConfigMap that stops all work:
    /// [`ConfigMapSwitch`](crate::k8s::ConfigMapSwitch). Default: none.
    pub kill_switch: Option<NamespacedName>,
}

impl ActRole {
    /// For all engines, in no namespace.
    pub fn new(name: impl Into<String>, subject: Subject) -> Self {
        Self {
            name: name.into(),
            subject,
            engines: EngineId::ALL.to_vec(),
            namespaces: Vec::new(),
            lease: None,
            kill_switch: None,
        }
    }

    /// The ConfigMap of that name in that namespace stops all work.
    #[must_use]
    pub fn with_kill_switch(mut self, namespace: &str, name: &str) -> Self {
        self.kill_switch = Some(NamespacedName::new(namespace, name));
        self
    }

    /// The lease of that name in that namespace.
    #[must_use]
    pub fn with_lease(mut self, namespace: &str, name: &str) -> Self {
        self.lease = Some(NamespacedName::new(namespace, name));
        self
    }

    /// For those engines only.
    #[must_use]
    pub fn for_engines(mut self, engines: &[EngineId]) -> Self {
        self.engines = engines.to_vec();
        self
    }

    /// Workloads and services of those namespaces.
    #[must_use]
    pub fn in_namespaces(mut self, namespaces: &[String]) -> Self {
        self.namespaces = namespaces.to_vec();
        self
    }
}

/// Verb, group and resource.
type Right = (&'static str, &'static str, &'static str);

/// On nodes, and on pods in whichever namespace.
fn on_cluster(engine: EngineId) -> &'static [Right] {
    match engine {
        EngineId::BinPacking => &[
            ("patch", "", "nodes"),
            ("create", "", "pods/eviction"),
            // Those marked, for `release`.
            ("list", "", "nodes"),
            ("list", "", "pods"),
            ("list", "policy", "poddisruptionbudgets"),
            ("delete", "karpenter.sh", "nodeclaims"),
        ],
        EngineId::Spot => &[
            ("patch", "", "nodes"),
            ("create", "", "pods/eviction"),
            // Those marked, for `release`.
            ("list", "", "nodes"),
            ("list", "", "pods"),
            ("list", "policy", "poddisruptionbudgets"),
        ],
        _ => &[],
    }
}

/// What is changed is read right before, by name.
fn read_before((verb, group, resource): &Right) -> Option<Permission> {
    let whole = resource.split('/').next().unwrap_or(resource);
    (*verb != "list").then(|| Permission::new("get", group, whole))
}

/// In each namespace that opted in.
fn in_namespace(engine: EngineId) -> &'static [Right] {
    match engine {
        EngineId::Rightsizing | EngineId::Oom => &[
            ("patch", "apps", "daemonsets"),
            ("patch", "apps", "deployments"),
            ("patch", "apps", "statefulsets"),
            ("patch", "batch", "cronjobs"),
        ],
        EngineId::OfficeHours => &[
            ("patch", "apps", "deployments"),
            ("patch", "apps", "deployments/scale"),
            ("patch", "apps", "statefulsets"),
            ("patch", "apps", "statefulsets/scale"),
            ("patch", "batch", "cronjobs"),
            ("patch", "keda.sh", "scaledobjects"),
        ],
        EngineId::Spot => &[
            ("patch", "apps", "deployments"),
            ("patch", "apps", "statefulsets"),
        ],
        EngineId::Network => &[
            ("patch", "", "services"),
            ("patch", "apps", "deployments"),
            ("patch", "apps", "statefulsets"),
        ],
        _ => &[],
    }
}

/// Events of what is in no namespace are in this one.
const EVENTS_OF_NODES: &str = "default";

pub(super) fn needed(role: &ActRole) -> BTreeMap<Permission, BTreeSet<EngineId>> {
    let mut out: BTreeMap<Permission, BTreeSet<EngineId>> = BTreeMap::new();
    let of = |(verb, group, resource): &Right| Permission::new(verb, group, resource);
    let event = |namespace: &str| {
        Permission::new("create", "events.k8s.io", "events").in_namespace(namespace)
    };
    for engine in &role.engines {
        let mut add = |permission| {
            out.entry(permission).or_default().insert(*engine);
        };
        for right in on_cluster(*engine) {
            add(of(right));
            add(event(EVENTS_OF_NODES));
            read_before(right).into_iter().for_each(&mut add);
        }
        for namespace in &role.namespaces {
            for right in in_namespace(*engine) {
                add(of(right).in_namespace(namespace));
                add(event(namespace));
                let read = read_before(right).map(|r| r.in_namespace(namespace));
                read.into_iter().for_each(&mut add);
            }
        }
    }
    if out.is_empty() {
        return out;
    }
    // Who acts makes sure which cluster it is, and that nobody else does.
    let mut all = vec![Permission::new("get", "", "namespaces").named("kube-system")];
    if let Some(lease) = &role.lease {
        let on = |verb| {
            Permission::new(verb, "coordination.k8s.io", "leases").in_namespace(&lease.namespace)
        };
        all.extend([
            on("create"),
            on("get").named(&lease.name),
            on("update").named(&lease.name),
        ]);
    }
    if let Some(NamespacedName { namespace, name }) = &role.kill_switch {
        let get = Permission::new("get", "", "configmaps");
        all.push(get.in_namespace(namespace).named(name));
    }
    for permission in all {
        out.insert(permission, role.engines.iter().copied().collect());
    }
    out
}

/// The manifests of a role, in YAML: exactly what acting for its engines takes,
/// with what a [`ClusterActuator`](super::ClusterActuator) reads right before an
/// act, so that its reader may be of the same user. What plans and guards read
/// is in [`read_manifests`](crate::k8s::read_manifests). No pod is deleted, and nothing in a namespace that is not named is changed
/// except by evicting pods.
///
/// ```
/// use cloudoptim_aws::k8s::Subject;
/// use cloudoptim_aws::k8s::act::{ActRole, act_manifests};
///
/// let subject = Subject::User("cloudoptim-act".to_owned());
/// let yaml = act_manifests(&ActRole::new("cloudoptim-act", subject));
/// assert!(yaml.contains("pods/eviction"));
/// assert!(!yaml.contains("deployments"), "no namespace has opted in");
/// ```
pub fn act_manifests(role: &ActRole) -> String {
    let mut places: BTreeMap<Option<String>, BTreeSet<Permission>> = BTreeMap::new();
    for permission in needed(role).into_keys() {
        let place = permission.namespace.clone();
        places.entry(place).or_default().insert(permission);
    }
    let named = ReadRole::new(role.name.as_str(), role.subject.clone());
    let mut out = String::new();
    for (place, permissions) in &places {
        write_role(&mut out, &named, place.as_deref(), permissions);
    }
    out
}

/// Asks for every permission that acting in that role takes, in order. To be
/// asked as the user that acts. Its events are not needed to act: a role without
/// them acts in silence. What admission says is in
/// [`rehearse_act`](super::rehearse_act).
pub async fn preflight_act(reviewer: &dyn Reviewer, role: &ActRole) -> Vec<Check> {
    let mut checks = Vec::new();
    for (permission, engines) in needed(role) {
        let grant = ask(reviewer, &permission).await;
        checks.push(Check {
            permission,
            engines: engines.into_iter().collect(),
            grant,
        });
    }
    checks
}

/// What must hold of a change, in CEL, and what is said when it does not.
const RULES: &[(&str, &str)] = &[
    (
        "(request.resource.resource in ['nodes', 'services', 'deployments', 'statefulsets', 'daemonsets', 'cronjobs', 'scaledobjects'] && request.operation == 'UPDATE' && variables.part in ['', 'scale']) || (request.resource.resource == 'pods' && variables.part == 'eviction' && request.operation == 'CREATE') || (request.resource.resource == 'pods' && variables.part == 'resize' && request.operation == 'UPDATE') || (request.resource.resource == 'nodeclaims' && request.operation == 'DELETE') || (request.resource.group == 'events.k8s.io' && request.resource.resource == 'events' && request.operation == 'CREATE' && object.?reportingController.orValue('') == 'cloudoptim') || variables.lease || request.resource.group == 'authorization.k8s.io'",
        "only nodes, workloads and services are changed, pods evicted and resized, node claims deleted and events of ours told",
    ),
    (
        "!(request.?namespace.orValue('') in ['kube-system', 'kube-public', 'kube-node-lease'])",
        "nothing in a namespace of the system",
    ),
    (
        "request.operation != 'UPDATE' || variables.part != '' || (object.metadata.?labels.orValue({}) == oldObject.metadata.?labels.orValue({}) && object.metadata.?finalizers.orValue([]) == oldObject.metadata.?finalizers.orValue([]) && object.metadata.?ownerReferences.orValue([]) == oldObject.metadata.?ownerReferences.orValue([]))",
        "of the metadata only annotations",
    ),
    (
        "request.operation != 'UPDATE' || variables.part != '' || (variables.now.all(k, k in variables.ours || k.startsWith('cloudoptim/') || (k in variables.then && variables.then[k] == variables.now[k])) && variables.then.all(k, k in variables.ours || k.startsWith('cloudoptim/') || k in variables.now))",
        "of the annotations only our own",
    ),
    (
        "request.operation != 'UPDATE' || variables.part != '' || (object.spec.all(k, k in variables.fields || (k in oldObject.spec && oldObject.spec[k] == object.spec[k])) && oldObject.spec.all(k, k in variables.fields || k in object.spec))",
        "of the specification only what is scheduled, how many, and how large",
    ),
    (
        "request.operation != 'UPDATE' || variables.part != '' || request.resource.resource != 'nodes' || (object.spec.?taints.orValue([]).all(t, (t.key.startsWith('cloudoptim/') && t.effect != 'NoExecute') || t in oldObject.spec.?taints.orValue([])) && oldObject.spec.?taints.orValue([]).all(t, t.key.startsWith('cloudoptim/') || t in object.spec.?taints.orValue([])))",
        "of the taints only our own, and none that drives pods out",
    ),
    (
        "request.operation != 'UPDATE' || variables.part != '' || !(request.resource.resource in ['deployments', 'statefulsets', 'daemonsets']) || (object.spec.template.?metadata.orValue({}) == oldObject.spec.template.?metadata.orValue({}) && object.spec.template.spec.all(k, k in ['containers', 'initContainers', 'affinity'] || (k in oldObject.spec.template.spec && oldObject.spec.template.spec[k] == object.spec.template.spec[k])) && oldObject.spec.template.spec.all(k, k in ['initContainers', 'affinity'] || k in object.spec.template.spec) && [[object.spec.template.spec.containers, oldObject.spec.template.spec.containers], [object.spec.template.spec.?initContainers.orValue([]), oldObject.spec.template.spec.?initContainers.orValue([])]].all(pair, pair[0].size() == pair[1].size() && pair[0].all(c, pair[1].exists(o, o.name == c.name && c.all(k, k == 'resources' || (k in o && o[k] == c[k])) && o.all(k, k == 'resources' || k in c)))))",
        "of a template only requests, limits and affinity",
    ),
    (
        "request.operation != 'UPDATE' || request.resource.resource != 'cronjobs' || object.spec.jobTemplate == oldObject.spec.jobTemplate || object.spec.jobTemplate.spec.template.spec.containers.all(c, oldObject.spec.jobTemplate.spec.template.spec.containers.exists(o, o.name == c.name && c.all(k, k == 'resources' || (k in o && o[k] == c[k]))))",
        "of a job's template only requests and limits",
    ),
];

/// What the rules refer to, by name.
const VARIABLES: &[(&str, &str)] = &[
    ("part", "request.?subResource.orValue('')"),
    (
        "now",
        "object == null ? {} : object.metadata.?annotations.orValue({})",
    ),
    (
        "then",
        "oldObject == null ? {} : oldObject.metadata.?annotations.orValue({})",
    ),
    (
        "ours",
        "['autoscaling.keda.sh/paused-replicas', 'autoscaling.keda.sh/paused', 'service.kubernetes.io/topology-mode']",
    ),
    (
        "fields",
        "{'nodes': ['unschedulable', 'taints'], 'services': ['trafficDistribution'], 'cronjobs': ['suspend', 'jobTemplate'], 'leases': ['holderIdentity', 'leaseDurationSeconds', 'leaseTransitions', 'acquireTime', 'renewTime']}[?request.resource.resource].orValue(['replicas', 'template'])",
    ),
];

/// A ValidatingAdmissionPolicy with its binding, in YAML: whatever a role allows
/// it, the subject may change nothing but what acting is made of.
///
/// | of | what |
/// | --- | --- |
/// | nodes | `unschedulable`, taints and annotations of ours |
/// | workloads | replicas, suspension, requests and limits, affinity, annotations of ours |
/// | services | `trafficDistribution`, annotations of ours |
/// | pods | eviction, requests and limits in place |
/// | node claims | deletion |
/// | events | those that we report |
/// | the role's lease | all but its name |
///
/// Nothing in the namespaces of the system. It needs Kubernetes 1.30.
pub fn act_policy(role: &ActRole) -> String {
    let is_subject = match &role.subject {
        Subject::User(name) => format!("request.userInfo.username == {}", cel(name)),
        Subject::Group(name) => format!("{} in request.userInfo.groups", cel(name)),
        Subject::ServiceAccount { namespace, name } => {
            let user = format!("system:serviceaccount:{namespace}:{name}");
            format!("request.userInfo.username == {}", cel(&user))
        }
    };
    let name = quoted(&role.name);
    let mut out = format!(
        "---\napiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicy\nmetadata:\n  name: {name}\nspec:\n  failurePolicy: Fail\n  matchConstraints:\n    resourceRules:\n    - apiGroups: [\"*\"]\n      apiVersions: [\"*\"]\n      operations: [\"*\"]\n      resources: [\"*/*\"]\n  matchConditions:\n  - name: acts\n    expression: {}\n  variables:\n",
        text(&is_subject)
    );
    let lease = match &role.lease {
        None => "false".to_owned(),
        Some(lease) => format!(
            "request.resource.group == 'coordination.k8s.io' && request.resource.resource == 'leases' && request.operation in ['CREATE', 'UPDATE'] && request.?namespace.orValue('') == {} && object.metadata.?name.orValue('') == {}",
            cel(&lease.namespace),
            cel(&lease.name)
        ),
    };
    let lease = ("lease", lease.as_str());
    for (name, expression) in VARIABLES.iter().chain([&lease]) {
        out += &format!("  - name: {name}\n    expression: {}\n", text(expression));
    }
    out += "  validations:\n";
    for (expression, message) in RULES {
        out += &format!(
            "  - expression: {}\n    message: {}\n",
            text(expression),
            text(message)
        );
    }
    out += &format!(
        "---\napiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicyBinding\nmetadata:\n  name: {name}\nspec:\n  policyName: {name}\n  validationActions: [Deny]\n"
    );
    out
}

/// JSON strings are YAML strings.
fn text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// And CEL strings.
fn cel(text: &str) -> String {
    self::text(text)
}
