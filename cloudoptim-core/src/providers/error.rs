//! One error, sorted by what a caller can do about it.

use chrono::TimeDelta;
use std::error::Error;
use std::fmt;

/// Which call failed.
#[derive(Debug, Default)]
pub struct Call {
    /// Provider, such as `ec2` or `kubernetes`.
    pub provider: String,
    /// Operation, such as `DeleteVolume`.
    pub operation: String,
    /// Resource, where the call was about one.
    pub resource: Option<String>,
    /// The provider's own error. It never holds a credential.
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl Call {
    /// A call of that provider.
    pub fn new(provider: impl Into<String>, operation: impl Into<String>) -> Self {
        Self {
            provider: provider.into(),
            operation: operation.into(),
            ..Self::default()
        }
    }

    /// About that resource.
    #[must_use]
    pub fn on(mut self, resource: impl Into<String>) -> Self {
        self.resource = Some(resource.into());
        self
    }

    /// Because of that error.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.provider, self.operation)?;
        match &self.resource {
            Some(resource) => write!(f, " {resource}"),
            None => Ok(()),
        }
    }
}

/// Why a provider could not do what it was asked.
///
/// Sorted by what the caller can do: nothing more to do (`NotFound`), read again
/// (`Conflict`), ask for rights, log in, wait, ask for something else, find out.
#[derive(Debug)]
#[non_exhaustive]
pub enum ProviderError {
    /// It does not exist.
    NotFound {
        /// Call.
        call: Box<Call>,
    },
    /// It is no longer what the caller took it for. Nothing was changed.
    Conflict {
        /// Call.
        call: Box<Call>,
    },
    /// The caller may not. Nothing was changed.
    PermissionDenied {
        /// The permission that is missing, such as `ec2:DeleteVolume`.
        permission: String,
        /// Call.
        call: Box<Call>,
    },
    /// The provider does not know the caller. Nothing was changed.
    Unauthenticated {
        /// Call.
        call: Box<Call>,
    },
    /// Too many calls. Nothing was changed.
    Throttled {
        /// When to ask again, where the provider says so.
        retry_after: Option<TimeDelta>,
        /// Call.
        call: Box<Call>,
    },
    /// The provider has none left. Nothing was changed.
    InsufficientCapacity {
        /// Call.
        call: Box<Call>,
    },
    /// No answer, or the answer that the service is down. For a change that
    /// means: **nobody knows whether it was made.**
    Unavailable {
        /// Call.
        call: Box<Call>,
    },
    /// The provider cannot do that at all. Nothing was changed.
    NotSupported {
        /// Call.
        call: Box<Call>,
    },
    /// Anything else. Nobody knows whether a change was made.
    Other {
        /// Call.
        call: Box<Call>,
    },
}

impl ProviderError {
    /// The call that failed.
    pub const fn call(&self) -> &Call {
        match self {
            Self::NotFound { call }
            | Self::Conflict { call }
            | Self::PermissionDenied { call, .. }
            | Self::Unauthenticated { call }
            | Self::Throttled { call, .. }
            | Self::InsufficientCapacity { call }
            | Self::Unavailable { call }
            | Self::NotSupported { call }
            | Self::Other { call } => call,
        }
    }

    /// Whether the same call may succeed later without anybody's doing. For a
    /// change, find out first whether it was made: see [`Self::is_ambiguous`].
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Throttled { .. } | Self::Unavailable { .. })
    }

    /// Whether a change may have been made all the same.
    pub const fn is_ambiguous(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Other { .. })
    }
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let call = self.call();
        match self {
            Self::NotFound { .. } => write!(f, "{call}: not found"),
            Self::Conflict { .. } => write!(f, "{call}: changed since it was read"),
            Self::PermissionDenied { permission, .. } => {
                write!(f, "{call}: permission {permission} is missing")
            }
            Self::Unauthenticated { .. } => write!(f, "{call}: not authenticated"),
            Self::Throttled {
                retry_after: Some(after),
                ..
            } => write!(f, "{call}: throttled for {} s", after.num_seconds()),
            Self::Throttled { .. } => write!(f, "{call}: throttled"),
            Self::InsufficientCapacity { .. } => write!(f, "{call}: insufficient capacity"),
            Self::Unavailable { .. } => write!(f, "{call}: unavailable"),
            Self::NotSupported { .. } => write!(f, "{call}: not supported"),
            Self::Other { .. } => write!(f, "{call}: failed"),
        }
    }
}

impl Error for ProviderError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.call()
            .source
            .as_deref()
            .map(|source| source as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> Box<Call> {
        Box::new(Call::new("ec2", "DeleteVolume").on("vol-1").because("boom"))
    }

    #[test]
    fn an_error_names_the_call_and_keeps_its_source() {
        let error = ProviderError::PermissionDenied {
            permission: "ec2:DeleteVolume".to_owned(),
            call: call(),
        };
        assert_eq!(
            error.to_string(),
            "ec2 DeleteVolume vol-1: permission ec2:DeleteVolume is missing"
        );
        assert_eq!(error.source().map(ToString::to_string), Some("boom".into()));
    }

    #[test]
    fn only_an_answer_says_that_nothing_was_changed() {
        let throttled = ProviderError::Throttled {
            retry_after: None,
            call: call(),
        };
        let unavailable = ProviderError::Unavailable { call: call() };
        let conflict = ProviderError::Conflict { call: call() };
        assert!(throttled.is_retryable() && !throttled.is_ambiguous());
        assert!(unavailable.is_retryable() && unavailable.is_ambiguous());
        assert!(!conflict.is_retryable() && !conflict.is_ambiguous());
    }
}
