//! Checks of instances and tags.

use super::act::{Act, answer, cloud_of, is_conflict, permit, shown};
use crate::decision::{Action, Owner};
use crate::model::{Instance, InstanceId, InstanceState};
use crate::plan::Precondition;
use crate::providers::{
    CloudIdentity, InstanceActuator, InstanceSource, NodeSource, ProviderError, TagActuator,
    VolumeSource,
};

async fn state(provider: &impl InstanceSource, id: &InstanceId) -> Option<InstanceState> {
    let look = |i: &Instance| (i.id == *id).then_some(i.state);
    shown(provider.list_instances().await, look)
}

/// An instance that is listed is described by its id, with its two protection
/// flags; one that is not there is not found.
///
/// # Panics
/// When that is not so.
pub async fn describes_what_it_lists(provider: &impl InstanceSource, id: &InstanceId) {
    let listed = state(provider, id).await;
    assert!(listed.is_some(), "{id} must be prepared");
    let one = answer(provider.describe_instance(id).await);
    assert_eq!((&one.id, Some(one.state)), (id, listed));
    assert!(
        one.termination_protected.is_some() && one.stop_protected.is_some(),
        "{id} does not say whether it is protected"
    );
    let nowhere = provider.describe_instance(&"i-no-such".into()).await;
    assert!(
        matches!(nowhere, Err(ProviderError::NotFound { .. })),
        "{nowhere:?}"
    );
}

/// A running instance is stopped, started and terminated, each once.
///
/// # Panics
/// When that is not so.
pub async fn stops_starts_and_terminates<P: CloudIdentity + InstanceSource + InstanceActuator>(
    provider: &P,
    id: &InstanceId,
    via: &Owner,
) {
    let (account, region) = cloud_of(provider).await;
    let stop = |id: &InstanceId| Action::StopInstance {
        account: account.clone(),
        region: region.clone(),
        instance: id.clone(),
    };
    let start = |id: &InstanceId| Action::StartInstance {
        account: account.clone(),
        region: region.clone(),
        instance: id.clone(),
    };
    let terminate = |id: &InstanceId| Action::TerminateInstance {
        account: account.clone(),
        region: region.clone(),
        instance: id.clone(),
        via: via.clone(),
    };
    let is = |state| {
        Some(Precondition::InstanceIs {
            instance: id.clone(),
            launched_at: None,
            state,
        })
    };
    let (nowhere, see) = (InstanceId::new("i-no-such"), async || {
        state(provider, id).await
    });
    let running = see().await;
    assert_eq!(running, Some(InstanceState::Running), "{id} must run");
    Act {
        name: "stop",
        action: stop(id),
        other: stop(&nowhere),
        unmet: is(InstanceState::Stopped),
    }
    .happens_once(async |p| provider.stop_instance(p, id).await, see)
    .await;
    let stopped = [InstanceState::Stopping, InstanceState::Stopped].map(Some);
    assert!(stopped.contains(&see().await), "{id} does not stop");
    Act {
        name: "start",
        action: start(id),
        other: stop(id),
        unmet: is(InstanceState::Running),
    }
    .happens_once(async |p| provider.start_instance(p, id).await, see)
    .await;
    let started = [InstanceState::Pending, InstanceState::Running].map(Some);
    assert!(started.contains(&see().await), "{id} does not start");
    Act {
        name: "terminate",
        action: terminate(id),
        other: terminate(&nowhere),
        unmet: is(InstanceState::Stopped),
    }
    .happens_once(async |p| provider.terminate_instance(p, id, via).await, see)
    .await;
    let gone = [InstanceState::ShuttingDown, InstanceState::Terminated].map(Some);
    let left = see().await;
    assert!(left.is_none() || gone.contains(&left), "{id} does not end");
    let gone = |name, action| Act {
        name,
        action,
        other: stop(id),
        unmet: None,
    };
    gone("stop nothing", stop(&nowhere))
        .finds_nothing(async |p| provider.stop_instance(p, &nowhere).await)
        .await;
    gone("start nothing", start(&nowhere))
        .finds_nothing(async |p| provider.start_instance(p, &nowhere).await)
        .await;
    gone("terminate nothing", terminate(&nowhere))
        .finds_nothing(async |p| provider.terminate_instance(p, &nowhere, via).await)
        .await;
}

/// An instance that is protected against both, or that one of `nodes` runs on,
/// is neither stopped nor terminated, through its owner.
///
/// # Panics
/// When it is.
pub async fn leaves_instances_that_are_protected_or_nodes<
    P: CloudIdentity + InstanceSource + InstanceActuator,
>(
    provider: &P,
    nodes: &impl NodeSource,
    id: &InstanceId,
    via: &Owner,
) {
    let (account, region) = cloud_of(provider).await;
    let before = state(provider, id).await;
    let one = answer(provider.describe_instance(id).await);
    let both = (one.stop_protected, one.termination_protected);
    let node = shown(nodes.list_nodes().await, |n| {
        (n.instance_id().as_ref() == Some(id)).then_some(())
    });
    assert!(
        both == (Some(true), Some(true)) || node.is_some(),
        "{id} must be protected, or a node"
    );
    let stop = Action::StopInstance {
        account: account.clone(),
        region: region.clone(),
        instance: id.clone(),
    };
    let stop = permit("stop what is to be left", stop, Vec::new());
    is_conflict("stop", provider.stop_instance(&stop, id).await);
    let terminate = Action::TerminateInstance {
        account,
        region,
        instance: id.clone(),
        via: via.clone(),
    };
    let terminate = permit("terminate what is to be left", terminate, Vec::new());
    let result = provider.terminate_instance(&terminate, id, via).await;
    is_conflict("terminate", result);
    assert_eq!(state(provider, id).await, before);
}

/// A tag of an instance or volume that does not have it is set, and taken away.
///
/// # Panics
/// When that is not so.
pub async fn tags_and_untags<P: CloudIdentity + InstanceSource + VolumeSource + TagActuator>(
    provider: &P,
    resource: &str,
) {
    let (account, region) = cloud_of(provider).await;
    let key = "cloudoptim/conformance";
    let tag = |resource: &str, from: Option<&str>, to: Option<&str>| Action::Tag {
        account: account.clone(),
        region: region.clone(),
        resource: resource.to_owned(),
        key: key.to_owned(),
        from: from.map(str::to_owned),
        to: to.map(str::to_owned),
    };
    let see = async || {
        let of_instance = shown(provider.list_instances().await, |i| {
            (i.id.as_str() == resource).then(|| i.tags.get(key).cloned())
        });
        let of_volume = shown(provider.list_volumes().await, |v| {
            (v.id.as_str() == resource).then(|| v.tags.get(key).cloned())
        });
        let found = of_instance.or(of_volume);
        match found {
            Some(value) => value,
            None => panic!("{resource} must be prepared"),
        }
    };
    assert_eq!(see().await, None, "{resource} must not have the tag");
    let unmet = Some(Precondition::TagIs {
        resource: resource.to_owned(),
        key: key.to_owned(),
        value: Some("another value".to_owned()),
    });
    for (name, from, to) in [("tag", None, Some("on")), ("untag", Some("on"), None)] {
        Act {
            name,
            action: tag(resource, from, to),
            other: tag(resource, from, Some("something else")),
            unmet: unmet.clone(),
        }
        .happens_once(
            async |p| provider.tag(p, resource, key, to.map(str::to_owned)).await,
            see,
        )
        .await;
        assert_eq!(see().await.as_deref(), to, "{name}");
    }
    let nowhere = "i-no-such";
    Act {
        name: "tag nothing",
        action: tag(nowhere, None, Some("on")),
        other: tag(resource, None, None),
        unmet: None,
    }
    .finds_nothing(async |p| provider.tag(p, nowhere, key, Some("on".to_owned())).await)
    .await;
}
