//! Roles for reading, as manifests that an operator reviews and applies.

use super::permission::{Permission, needed};
use cloudoptim_core::engines::EngineId;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Who gets a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A user, as the API server knows it.
    User(String),
    /// A group.
    Group(String),
    /// A service account.
    ServiceAccount {
        /// Namespace.
        namespace: String,
        /// Name.
        name: String,
    },
}

/// A role for reading.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadRole {
    /// Name of the roles and bindings.
    pub name: String,
    /// Who gets it.
    pub subject: Subject,
    /// Engines that are to work with it. Default: all.
    pub engines: Vec<EngineId>,
    /// Namespaces, where not all may be read. Default: all.
    pub namespaces: Vec<String>,
}

impl ReadRole {
    /// For all engines, in all namespaces.
    pub fn new(name: impl Into<String>, subject: Subject) -> Self {
        Self {
            name: name.into(),
            subject,
            engines: EngineId::ALL.to_vec(),
            namespaces: Vec::new(),
        }
    }

    /// For those engines only.
    #[must_use]
    pub fn for_engines(mut self, engines: &[EngineId]) -> Self {
        self.engines = engines.to_vec();
        self
    }

    /// In those namespaces only.
    #[must_use]
    pub fn in_namespaces(mut self, namespaces: &[String]) -> Self {
        self.namespaces = namespaces.to_vec();
        self
    }
}

/// The manifests, in YAML: exactly what is read, and nothing else. No secrets,
/// no config maps, no logs, no proxies, and no verb that changes anything.
///
/// ```
/// use cloudoptim_aws::k8s::{ReadRole, Subject, read_manifests};
///
/// let subject = Subject::User("cloudoptim-read".to_owned());
/// let yaml = read_manifests(&ReadRole::new("cloudoptim-read", subject));
/// assert!(yaml.contains("kind: ClusterRole\n"));
/// assert!(!yaml.contains("secrets"));
/// ```
pub fn read_manifests(role: &ReadRole) -> String {
    let mut places: BTreeMap<Option<String>, BTreeSet<Permission>> = BTreeMap::new();
    for (permission, _) in needed(&role.engines, &role.namespaces) {
        let place = permission.namespace.clone();
        places.entry(place).or_default().insert(permission);
    }
    let mut out = String::new();
    for (place, permissions) in &places {
        write_role(&mut out, role, place.as_deref(), permissions);
    }
    out
}

/// A name as YAML: JSON strings are YAML strings.
pub(super) fn quoted(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b);
    let word = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    let reserved = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    if word && text.bytes().all(plain) && !reserved.contains(&text) {
        return text.to_owned();
    }
    serde_json::Value::from(text).to_string()
}

pub(super) fn write_role(
    out: &mut String,
    role: &ReadRole,
    place: Option<&str>,
    permissions: &BTreeSet<Permission>,
) {
    // Writing to a string cannot fail.
    let mut line = |text: String| {
        let _ = writeln!(out, "{text}");
    };
    let (kind, binding) = match place {
        Some(_) => ("Role", "RoleBinding"),
        None => ("ClusterRole", "ClusterRoleBinding"),
    };
    let head = |kind: &str| {
        let mut lines = vec![
            "---".to_owned(),
            "apiVersion: rbac.authorization.k8s.io/v1".to_owned(),
            format!("kind: {kind}"),
            "metadata:".to_owned(),
            format!("  name: {}", quoted(&role.name)),
        ];
        if let Some(place) = place {
            lines.push(format!("  namespace: {}", quoted(place)));
        }
        lines
    };
    head(kind).into_iter().for_each(&mut line);
    line("rules:".to_owned());
    for ((group, name, verb), resources) in by_rule(permissions) {
        line(format!("- apiGroups: [{}]", serde_json::Value::from(group)));
        line("  resources:".to_owned());
        for resource in resources {
            line(format!("  - {}", quoted(resource)));
        }
        if let Some(name) = name {
            line(format!("  resourceNames: [{}]", quoted(name)));
        }
        line(format!("  verbs: [{verb}]"));
    }
    if place.is_none() {
        line("- apiGroups: [\"authorization.k8s.io\"]".to_owned());
        line("  resources:".to_owned());
        line("  - selfsubjectaccessreviews".to_owned());
        line("  verbs: [create]".to_owned());
    }
    head(binding).into_iter().for_each(&mut line);
    line("roleRef:".to_owned());
    line("  apiGroup: rbac.authorization.k8s.io".to_owned());
    line(format!("  kind: {kind}"));
    line(format!("  name: {}", quoted(&role.name)));
    line("subjects:".to_owned());
    let group = "  apiGroup: rbac.authorization.k8s.io";
    match &role.subject {
        Subject::User(name) => {
            line("- kind: User".to_owned());
            line(group.to_owned());
            line(format!("  name: {}", quoted(name)));
        }
        Subject::Group(name) => {
            line("- kind: Group".to_owned());
            line(group.to_owned());
            line(format!("  name: {}", quoted(name)));
        }
        Subject::ServiceAccount { namespace, name } => {
            line("- kind: ServiceAccount".to_owned());
            line(format!("  namespace: {}", quoted(namespace)));
            line(format!("  name: {}", quoted(name)));
        }
    }
}

type Rule<'p> = (&'p str, Option<&'p str>, &'p str);

fn by_rule(permissions: &BTreeSet<Permission>) -> BTreeMap<Rule<'_>, BTreeSet<&str>> {
    let mut rules: BTreeMap<Rule<'_>, BTreeSet<&str>> = BTreeMap::new();
    for permission in permissions {
        let rule = (
            permission.group.as_str(),
            permission.name.as_deref(),
            permission.verb.as_str(),
        );
        rules.entry(rule).or_default().insert(&permission.resource);
    }
    rules
}
