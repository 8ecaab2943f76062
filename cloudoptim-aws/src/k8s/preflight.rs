//! What the caller may do, asked before it matters.

use super::client::Reviewer;
use super::permission::{Permission, needed};
use cloudoptim_core::engines::EngineId;
use cloudoptim_core::input::redact_message;
use cloudoptim_core::providers::ProviderError;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Whether a permission is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grant {
    /// The server says so.
    Granted,
    /// The server says that it is not.
    Denied,
    /// Nobody knows, and why. It is not a yes.
    Unverified {
        /// Why.
        why: String,
    },
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Granted => f.write_str("granted"),
            Self::Denied => f.write_str("denied"),
            Self::Unverified { why } => write!(f, "unverified: {why}"),
        }
    }
}

/// One permission and whether it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Check {
    /// Permission.
    pub permission: Permission,
    /// Engines that need it.
    pub engines: Vec<EngineId>,
    /// Whether it is there.
    pub grant: Grant,
}

/// Asks for every permission that reading for those engines takes, in order.
/// With `namespaces`, what lives in namespaces is asked for only there.
///
/// A permission on a kind that the cluster does not have is asked for, too: it
/// may have that kind tomorrow.
pub async fn preflight_read(
    reviewer: &dyn Reviewer,
    engines: &[EngineId],
    namespaces: &[String],
) -> Vec<Check> {
    let needed = needed(engines, namespaces);
    let asked = needed.into_iter().map(|(permission, engines)| async move {
        let grant = ask(reviewer, &permission).await;
        Check {
            permission,
            engines: engines.into_iter().collect(),
            grant,
        }
    });
    let asked: Vec<_> = asked.collect();
    futures_util::stream::iter(asked)
        .buffered(4)
        .collect()
        .await
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Question<'a> {
    api_version: &'a str,
    kind: &'a str,
    spec: QuestionSpec<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct QuestionSpec<'a> {
    resource_attributes: Attributes<'a>,
}

#[derive(Serialize)]
struct Attributes<'a> {
    verb: &'a str,
    group: &'a str,
    resource: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subresource: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}

#[derive(Deserialize)]
struct Answer {
    status: AnswerStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnswerStatus {
    allowed: bool,
    #[serde(default)]
    evaluation_error: String,
}

/// Asks for one permission.
pub(super) async fn ask(reviewer: &dyn Reviewer, permission: &Permission) -> Grant {
    let (resource, subresource) = match permission.resource.split_once('/') {
        Some((resource, sub)) => (resource, Some(sub)),
        None => (permission.resource.as_str(), None),
    };
    // The server takes the namespace of a namespace to be its own name.
    let is_namespace = permission.group.is_empty() && resource == "namespaces";
    let own = permission.name.as_deref().filter(|_| is_namespace);
    let question = Question {
        api_version: "authorization.k8s.io/v1",
        kind: "SelfSubjectAccessReview",
        spec: QuestionSpec {
            resource_attributes: Attributes {
                verb: &permission.verb,
                group: &permission.group,
                resource,
                subresource,
                namespace: permission.namespace.as_deref().or(own),
                name: permission.name.as_deref(),
            },
        },
    };
    let unverified = |why: String| Grant::Unverified { why };
    let body = match serde_json::to_vec(&question) {
        Ok(body) => body,
        Err(error) => return unverified(error.to_string()),
    };
    let body = match reviewer.review(body).await {
        Ok(body) => body,
        Err(error) => return unverified(told(&error)),
    };
    match serde_json::from_slice::<Answer>(&body) {
        Ok(Answer { status }) if status.allowed => Grant::Granted,
        Ok(Answer { status }) if status.evaluation_error.is_empty() => Grant::Denied,
        // An authorizer failed: its yes or no is missing from the answer.
        Ok(Answer { status }) => unverified(redact_message(&status.evaluation_error)),
        Err(_) => unverified("the answer is no access review".to_owned()),
    }
}

pub(super) fn told(error: &ProviderError) -> String {
    match &error.call().source {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
