//! What the API server says it was asked.

use std::io;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

/// What is logged: of the plane's own programs and its world makers the
/// changes, without bodies; of everyone else reads without, and all else with
/// bodies.
pub(super) const POLICY: &str = r#"{
  "apiVersion": "audit.k8s.io/v1", "kind": "Policy",
  "omitStages": ["RequestReceived"],
  "rules": [
    {"level": "None", "nonResourceURLs": ["/healthz*", "/livez*", "/readyz*", "/openapi*", "/version"]},
    {"level": "None", "userGroups": ["cloudoptim:testing"], "verbs": ["get", "list", "watch"]},
    {"level": "None", "userGroups": ["cloudoptim:testing"],
     "resources": [{"group": "", "resources": ["events", "nodes/status"]}, {"group": "events.k8s.io"}, {"group": "coordination.k8s.io"}]},
    {"level": "None", "users": ["system:apiserver"]},
    {"level": "Metadata", "userGroups": ["cloudoptim:testing"]},
    {"level": "Metadata", "verbs": ["get", "list", "watch"]},
    {"level": "RequestResponse"}
  ]
}"#;

/// One request that the API server answered.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AuditEvent {
    /// Its id; a watch has one event when it starts and one when it ends.
    #[serde(rename = "auditID")]
    pub audit_id: String,
    /// `ResponseStarted` (watches), `ResponseComplete` or `Panic`.
    pub stage: String,
    /// The verb: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: String,
    /// The path and query.
    #[serde(rename = "requestURI")]
    pub uri: String,
    /// Who asked.
    pub user: AuditUser,
    /// The user that was asked for, when `user` impersonates.
    #[serde(default)]
    pub impersonated_user: Option<AuditUser>,
    /// The user agent, empty when none was sent.
    #[serde(default)]
    pub user_agent: String,
    /// What it was about; none for paths that are no resource.
    #[serde(default)]
    pub object_ref: Option<ObjectRef>,
    /// The answer's status, at most without its details.
    #[serde(default)]
    response_status: Option<Status>,
    /// The body of the request, where logged.
    #[serde(default)]
    pub request_object: Option<Value>,
    /// The body of the answer, where logged.
    #[serde(default)]
    pub response_object: Option<Value>,
    /// When it came, to the microsecond.
    pub request_received_timestamp: String,
    /// When it reached its stage, so that a request that is complete was
    /// answered then; to the microsecond.
    #[serde(default)]
    pub stage_timestamp: String,
    /// What admission and authorisation noted.
    #[serde(default)]
    pub annotations: std::collections::BTreeMap<String, String>,
}

/// Who asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct AuditUser {
    /// The user's name.
    #[serde(default)]
    pub username: String,
    /// The user's groups.
    #[serde(default)]
    pub groups: Vec<String>,
}

/// The object of a request. What a request does not name is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ObjectRef {
    /// The resource, such as `pods`.
    pub resource: String,
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// The uid, where the request or the answer names it.
    pub uid: String,
    /// The API group; empty for the core group.
    pub api_group: String,
    /// The API version.
    pub api_version: String,
    /// The resource version, where the request names it.
    pub resource_version: String,
    /// The subresource, such as `eviction`.
    pub subresource: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Status {
    #[serde(default)]
    code: Option<u16>,
    #[serde(default)]
    reason: Option<String>,
}

impl AuditEvent {
    /// The HTTP status of the answer.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        self.response_status.as_ref()?.code
    }

    /// The reason of a refusal, such as `Forbidden`.
    #[must_use]
    pub fn refusal(&self) -> Option<&str> {
        self.response_status.as_ref()?.reason.as_deref()
    }

    /// `resource` or `resource/subresource`, empty for paths that are none.
    #[must_use]
    pub fn target(&self) -> String {
        match &self.object_ref {
            None => String::new(),
            Some(object) if object.subresource.is_empty() => object.resource.clone(),
            Some(object) => format!("{}/{}", object.resource, object.subresource),
        }
    }

    /// Whether the verb is one that may change something.
    #[must_use]
    pub fn is_change(&self) -> bool {
        !matches!(
            self.verb.as_str(),
            "get" | "list" | "watch" | "head" | "options"
        )
    }

    /// Whether it is a change that is to be checked and not stored.
    #[must_use]
    pub fn is_dry_run(&self) -> bool {
        self.uri
            .split_once('?')
            .is_some_and(|(_, query)| query.split('&').any(|pair| pair.starts_with("dryRun=")))
            || self.request_object.as_ref().is_some_and(|object| {
                [
                    object.get("dryRun"),
                    object.pointer("/deleteOptions/dryRun"),
                ]
                .into_iter()
                .flatten()
                .any(|value| value.as_array().is_some_and(|values| !values.is_empty()))
            })
    }

    /// Whether it is a question that is asked by creating something: a review
    /// of access, of a token or of oneself.
    #[must_use]
    pub fn is_review(&self) -> bool {
        self.object_ref
            .as_ref()
            .is_some_and(|object| object.resource.ends_with("reviews"))
    }

    /// Whether the answer says that something has been changed and stored.
    #[must_use]
    pub fn changed_something(&self) -> bool {
        self.is_change()
            && !self.is_dry_run()
            && !self.is_review()
            && self.code().is_some_and(|code| (200..300).contains(&code))
    }
}

/// Reads the whole lines of the log; the last may still be being written.
pub(super) fn read(path: &Path) -> io::Result<Vec<AuditEvent>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    text.split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
        .map(|line| serde_json::from_str(line).map_err(io::Error::from))
        .collect()
}
