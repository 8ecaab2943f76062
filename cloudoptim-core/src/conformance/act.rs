//! What holds for every act.

use crate::decision::Action;
use crate::guard::Permit;
use crate::knowledge::Knowledge;
use crate::model::{AccountId, ClusterUid, Region};
use crate::plan::{Fingerprint, Precondition, StepId};
use crate::providers::{CloudIdentity, ClusterIdentity, ProviderError};
use std::fmt::Debug;

/// A permit outside the guard chain, for checks of this module only. Its key is
/// of the name and the resource, so that a check can run on several.
pub(super) fn permit(name: &str, action: Action, preconditions: Vec<Precondition>) -> Permit {
    let plan = Fingerprint("conformance".to_owned());
    let step = StepId(format!("{name}: {}", action.resource()));
    Permit::unguarded(&plan, step, action, preconditions)
}

/// The answer of a call that has to succeed.
pub(super) fn answer<T>(result: Result<T, ProviderError>) -> T {
    match result {
        Ok(answer) => answer,
        Err(error) => panic!("{error}"),
    }
}

pub(super) async fn cloud_of(provider: &impl CloudIdentity) -> (AccountId, Region) {
    answer(provider.cloud().await)
}

pub(super) async fn cluster_of(provider: &impl ClusterIdentity) -> ClusterUid {
    answer(provider.cluster_uid().await)
}

/// What a list shows of the first item that `look` knows.
pub(super) fn shown<T, S>(
    list: Result<Knowledge<Vec<T>>, ProviderError>,
    look: impl FnMut(&T) -> Option<S>,
) -> Option<S> {
    answer(list).items().iter().find_map(look)
}

pub(super) fn is_conflict(what: &str, result: Result<(), ProviderError>) {
    assert!(
        matches!(result, Err(ProviderError::Conflict { .. })),
        "{what}: {result:?} instead of a conflict"
    );
}

pub(super) fn is_not_found(what: &str, result: Result<(), ProviderError>) {
    assert!(
        matches!(result, Err(ProviderError::NotFound { .. })),
        "{what}: {result:?} instead of not found"
    );
}

/// One act.
pub(super) struct Act<'a> {
    /// Names it in permits and messages; no two of a resource are alike.
    pub(super) name: &'a str,
    pub(super) action: Action,
    /// An act for which a permit does not do.
    pub(super) other: Action,
    /// Something that is not so. `None` for an act that has no precondition.
    pub(super) unmet: Option<Precondition>,
}

impl Act<'_> {
    /// Not with a permit for another act, not when a precondition does not
    /// hold; else it shows, and when asked for again nothing happens.
    pub(super) async fn happens_once<S: PartialEq + Debug>(
        &self,
        act: impl AsyncFn(&Permit) -> Result<(), ProviderError>,
        state: impl AsyncFn() -> S,
    ) {
        let name = self.name;
        let before = state().await;
        let step = format!("{name} with a permit for another act");
        let other = permit(&step, self.other.clone(), Vec::new());
        is_conflict(&step, act(&other).await);
        assert_eq!(state().await, before, "{step}");
        if let Some(unmet) = &self.unmet {
            let step = format!("{name} although {unmet} does not hold");
            let stale = permit(&step, self.action.clone(), vec![unmet.clone()]);
            is_conflict(&step, act(&stale).await);
            assert_eq!(state().await, before, "{step}");
        }
        let permit = permit(name, self.action.clone(), Vec::new());
        let result = act(&permit).await;
        assert!(result.is_ok(), "{name}: {result:?}");
        let after = state().await;
        assert_ne!(after, before, "{name} does not show");
        let again = act(&permit).await;
        assert!(
            matches!(again, Ok(()) | Err(ProviderError::NotFound { .. })),
            "{name} again: {again:?}"
        );
        assert_eq!(state().await, after, "{name} again");
    }

    /// With a precondition that holds it is done.
    pub(super) async fn happens_as_seen(
        &self,
        seen: Precondition,
        act: impl AsyncFn(&Permit) -> Result<(), ProviderError>,
    ) {
        let step = format!("{} when {seen}", self.name);
        let permit = permit(&step, self.action.clone(), vec![seen]);
        let result = act(&permit).await;
        assert!(result.is_ok(), "{step}: {result:?}");
    }

    /// An answer that it is not there.
    pub(super) async fn finds_nothing(
        &self,
        act: impl AsyncFn(&Permit) -> Result<(), ProviderError>,
    ) {
        let permit = permit(self.name, self.action.clone(), Vec::new());
        is_not_found(self.name, act(&permit).await);
    }
}
