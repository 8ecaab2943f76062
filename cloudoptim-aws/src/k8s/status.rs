//! What the API server says when it does not do what it was asked.

use super::target::Target;
use chrono::TimeDelta;
use cloudoptim_core::input::redact_message;
use cloudoptim_core::providers::{Call, ProviderError};
use serde::Deserialize;
use std::error::Error;
use std::fmt;

/// Provider in errors.
pub(super) const PROVIDER: &str = "kubernetes";

/// A refusal of the API server: its `Status`, or the little that an answer of
/// somebody in between says. It is the source of the [`ProviderError`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ApiFailure {
    /// HTTP status code.
    pub code: u16,
    /// Reason, such as `Conflict`; empty where the answer has none.
    pub reason: String,
    /// Message, without what looks like a credential.
    pub message: String,
    /// Resource that the refusal is about, which may be another than asked for:
    /// `poddisruptionbudgets` for an eviction.
    pub kind: String,
    /// Why, in detail.
    pub causes: Vec<Cause>,
    /// When to ask again.
    pub retry_after: Option<TimeDelta>,
}

/// One cause of a refusal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cause {
    /// Reason, such as `DisruptionBudget` or `NamespaceTerminating`.
    pub reason: String,
    /// Field, such as `metadata.uid`.
    pub field: String,
    /// Message, without what looks like a credential.
    pub message: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawStatus {
    kind: String,
    reason: Option<String>,
    message: Option<String>,
    details: Option<RawDetails>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawDetails {
    kind: Option<String>,
    causes: Option<Vec<RawCause>>,
    #[serde(rename = "retryAfterSeconds")]
    retry_after: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawCause {
    reason: Option<String>,
    field: Option<String>,
    message: Option<String>,
}

impl ApiFailure {
    pub(super) fn read(code: u16, retry_after: Option<TimeDelta>, body: &[u8]) -> Self {
        let raw: RawStatus = serde_json::from_slice(body).unwrap_or_default();
        let is_status = raw.kind == "Status";
        let text = |text: Option<String>| redact_message(&text.unwrap_or_default());
        let mut out = Self {
            code,
            retry_after,
            ..Self::default()
        };
        if !is_status {
            // A proxy or a balancer: its page says nothing that helps.
            return out;
        }
        let details = raw.details.unwrap_or_default();
        out.reason = text(raw.reason);
        out.message = text(raw.message);
        out.kind = text(details.kind);
        out.causes = details
            .causes
            .unwrap_or_default()
            .into_iter()
            .take(20)
            .map(|cause| Cause {
                reason: text(cause.reason),
                field: text(cause.field),
                message: text(cause.message),
            })
            .collect();
        if out.retry_after.is_none() {
            out.retry_after = details
                .retry_after
                .filter(|seconds| *seconds > 0)
                .and_then(TimeDelta::try_seconds);
        }
        out
    }

    /// Whether a cause has that reason.
    pub fn has_cause(&self, reason: &str) -> bool {
        self.causes.iter().any(|cause| cause.reason == reason)
    }

    /// Whether a page token is too old, or the list has to be made anew.
    pub fn is_expired(&self) -> bool {
        self.code == 410
    }

    /// The refusal in an error, if that is what it was.
    pub fn of(error: &ProviderError) -> Option<&Self> {
        error.call().source.as_deref()?.downcast_ref()
    }

    /// Sorted by what the caller can do about it.
    pub(super) fn into_error(self, target: &Target) -> ProviderError {
        let mut call = Call::new(target.provider, target.operation());
        call.resource = target.resource();
        let uid = self.causes.iter().any(|c| c.field == "metadata.uid");
        // An eviction that matches several budgets: a 500 that no repeat mends.
        let budgets = self.code == 500
            && self.reason.is_empty()
            && self.message.contains("more than one PodDisruptionBudget");
        // An eviction that its budget refuses, not a role: too many are on their
        // way already.
        let crowded = self.code == 403
            && target.is_eviction()
            && self.kind.starts_with("poddisruptionbudget");
        // A resize that the node has no room for.
        let full = self.code == 403 && self.has_cause("NodeCapacity");
        let ending = self.code == 403 && self.has_cause("NamespaceTerminating");
        let (code, retry_after) = (self.code, self.retry_after);
        let call = Box::new(call.because(self));
        match code {
            401 => ProviderError::Unauthenticated { call },
            403 if crowded => ProviderError::Throttled { retry_after, call },
            403 if full => ProviderError::InsufficientCapacity { call },
            403 if ending => ProviderError::Conflict { call },
            403 => ProviderError::PermissionDenied {
                permission: target.permission(),
                call,
            },
            404 => ProviderError::NotFound { call },
            409 | 410 | 412 => ProviderError::Conflict { call },
            // A patch with the uid of an object that was replaced.
            422 if uid => ProviderError::Conflict { call },
            400 | 405 | 406 | 413 | 415 | 422 | 501 => ProviderError::NotSupported { call },
            429 => ProviderError::Throttled { retry_after, call },
            500 if budgets => ProviderError::NotSupported { call },
            500..=599 => ProviderError::Unavailable { call },
            _ => ProviderError::Other { call },
        }
    }
}

impl fmt::Display for ApiFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}", self.code)?;
        if !self.reason.is_empty() {
            write!(f, " {}", self.reason)?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

impl Error for ApiFailure {}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(code: u16, body: &str) -> ProviderError {
        let target = Target::of(
            &http::Method::POST,
            "/api/v1/namespaces/shop/pods/web-0/eviction",
        );
        ApiFailure::read(code, None, body.as_bytes()).into_error(&target)
    }

    #[test]
    fn three_kinds_of_forbidden_have_three_outcomes() {
        let rbac = sorted(
            403,
            r#"{"kind":"Status","reason":"Forbidden","message":"pods \"web-0\" is forbidden","details":{"name":"web-0","kind":"pods"}}"#,
        );
        assert!(matches!(
            &rbac,
            ProviderError::PermissionDenied { permission, .. } if permission == "create pods/eviction in shop"
        ));
        let crowded = sorted(
            403,
            r#"{"kind":"Status","reason":"Forbidden","message":"DisruptedPods map too big","details":{"kind":"poddisruptionbudget"}}"#,
        );
        assert!(matches!(crowded, ProviderError::Throttled { .. }));
        let ending = sorted(
            403,
            r#"{"kind":"Status","reason":"Forbidden","details":{"kind":"pods","causes":[{"reason":"NamespaceTerminating"}]}}"#,
        );
        assert!(matches!(ending, ProviderError::Conflict { .. }));
    }

    #[test]
    fn budgets_that_may_not_be_listed_are_no_crowd() {
        let target = Target::of(&http::Method::GET, "/apis/policy/v1/poddisruptionbudgets");
        let body = br#"{"kind":"Status","reason":"Forbidden","details":{"group":"policy","kind":"poddisruptionbudgets"}}"#;
        let error = ApiFailure::read(403, None, body).into_error(&target);
        assert!(matches!(
            error,
            ProviderError::PermissionDenied { permission, .. }
                if permission == "list poddisruptionbudgets.policy"
        ));
    }

    #[test]
    fn a_budget_is_told_from_a_busy_server() {
        let budget = sorted(
            429,
            r#"{"kind":"Status","reason":"TooManyRequests","details":{"retryAfterSeconds":10,"causes":[{"reason":"DisruptionBudget","message":"needs 2"}]}}"#,
        );
        let ProviderError::Throttled { retry_after, .. } = &budget else {
            panic!("{budget}");
        };
        assert_eq!(*retry_after, TimeDelta::try_seconds(10));
        let failure = ApiFailure::of(&budget).expect("a source");
        assert!(failure.has_cause("DisruptionBudget"));
        let busy = sorted(429, "too many");
        let failure = ApiFailure::of(&busy).expect("a source");
        assert!(failure.causes.is_empty() && failure.message.is_empty());
    }

    #[test]
    fn codes_are_sorted_by_what_a_caller_can_do() {
        let uid = r#"{"kind":"Status","reason":"Invalid","details":{"causes":[{"field":"metadata.uid"}]}}"#;
        let two = r#"{"kind":"Status","message":"This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.","code":500}"#;
        for (code, body, want) in [
            (401, "", "not authenticated"),
            (404, "", "not found"),
            (409, "", "changed since it was read"),
            (410, "", "changed since it was read"),
            (422, uid, "changed since it was read"),
            (422, "", "not supported"),
            (400, "", "not supported"),
            (500, two, "not supported"),
            (500, "", "unavailable"),
            (504, "", "unavailable"),
            (302, "", "failed"),
        ] {
            let text = sorted(code, body).to_string();
            assert!(text.ends_with(want), "{code}: {text}");
        }
    }
}
