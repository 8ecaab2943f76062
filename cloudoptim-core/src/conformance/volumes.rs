//! Checks of volumes.

use super::act::{cloud_of as scope, is_conflict, is_not_found, permit, shown};
use crate::decision::Action;
use crate::model::{VolumeId, VolumeState};
use crate::plan::Precondition;
use crate::providers::{CloudIdentity, ProviderError, STEP_KEY, VolumeActuator, VolumeSource};
use chrono::{DateTime, TimeDelta};

async fn exists(provider: &impl VolumeSource, volume: &VolumeId) -> bool {
    match provider.list_volumes().await {
        Ok(part) => part.items().iter().any(|v| {
            v.id == *volume && !matches!(v.state, VolumeState::Deleting | VolumeState::Deleted)
        }),
        Err(error) => panic!("{error}"),
    }
}

/// A volume is deleted once: asked again under the same key nothing happens,
/// and under another key it is not found.
///
/// # Panics
/// When that is not so.
pub async fn deletes_once<P: CloudIdentity + VolumeSource + VolumeActuator>(
    provider: &P,
    volume: &VolumeId,
) {
    let (account, region) = scope(provider).await;
    let delete = || Action::DeleteVolume {
        account: account.clone(),
        region: region.clone(),
        volume: volume.clone(),
        created_at: None,
    };
    assert!(exists(provider, volume).await, "{volume} must be prepared");
    let first = permit("delete", delete(), Vec::new());
    let result = provider.delete_volume(&first, volume).await;
    assert!(result.is_ok(), "{result:?}");
    assert!(!exists(provider, volume).await);
    let again = provider.delete_volume(&first, volume).await;
    assert!(
        matches!(again, Ok(()) | Err(ProviderError::NotFound { .. })),
        "{again:?}"
    );
    let other = permit("delete again", delete(), Vec::new());
    let other = provider.delete_volume(&other, volume).await;
    assert!(
        matches!(other, Err(ProviderError::NotFound { .. })),
        "{other:?}"
    );
}

/// A permit for one volume does not delete another, nor one for another act.
///
/// # Panics
/// When it does.
pub async fn act_needs_matching_permit<P: CloudIdentity + VolumeSource + VolumeActuator>(
    provider: &P,
    volume: &VolumeId,
) {
    let (account, region) = scope(provider).await;
    let for_another = Action::DeleteVolume {
        account: account.clone(),
        region: region.clone(),
        volume: "vol-another".into(),
        created_at: None,
    };
    let for_a_snapshot = Action::SnapshotVolume {
        account,
        region,
        volume: volume.clone(),
    };
    for (name, action) in [("another", for_another), ("snapshot", for_a_snapshot)] {
        let permit = permit(name, action, Vec::new());
        let result = provider.delete_volume(&permit, volume).await;
        assert!(
            matches!(result, Err(ProviderError::Conflict { .. })),
            "{name}: {result:?}"
        );
        assert!(exists(provider, volume).await, "{name}");
    }
}

/// A volume that is not the one that the plan saw is not deleted.
///
/// # Panics
/// When it is.
pub async fn act_needs_matching_precondition<P: CloudIdentity + VolumeSource + VolumeActuator>(
    provider: &P,
    volume: &VolumeId,
) {
    let (account, region) = scope(provider).await;
    let created_at = Some(DateTime::UNIX_EPOCH - TimeDelta::days(1));
    let delete = Action::DeleteVolume {
        account,
        region,
        volume: volume.clone(),
        created_at,
    };
    let precondition = Precondition::VolumeIsUnattached {
        volume: volume.clone(),
        created_at,
    };
    let permit = permit("stale", delete, vec![precondition]);
    let result = provider.delete_volume(&permit, volume).await;
    assert!(
        matches!(result, Err(ProviderError::Conflict { .. })),
        "{result:?}"
    );
    assert!(exists(provider, volume).await);
}

/// A snapshot asked for twice under one key is made once, and it is complete;
/// none is made with a permit for another act, of a volume that the plan does
/// not know, or of one that is not there.
///
/// # Panics
/// When that is not so.
pub async fn snapshots_once<P: CloudIdentity + VolumeSource + VolumeActuator>(
    provider: &P,
    volume: &VolumeId,
) {
    let (account, region) = scope(provider).await;
    let action = Action::SnapshotVolume {
        account: account.clone(),
        region: region.clone(),
        volume: volume.clone(),
    };
    let stale = Precondition::VolumeIsUnattached {
        volume: volume.clone(),
        created_at: Some(DateTime::UNIX_EPOCH - TimeDelta::days(1)),
    };
    let stale = permit("snapshot of another volume", action.clone(), vec![stale]);
    let result = provider.snapshot_volume(&stale, volume).await;
    is_conflict("a stale snapshot", result);
    let delete = Action::DeleteVolume {
        account: account.clone(),
        region: region.clone(),
        volume: volume.clone(),
        created_at: None,
    };
    let delete = permit("snapshot by a permit to delete", delete, Vec::new());
    let result = provider.snapshot_volume(&delete, volume).await;
    is_conflict("a snapshot by a permit to delete", result);
    let nowhere = VolumeId::new("vol-no-such");
    let of_nothing = Action::SnapshotVolume {
        account,
        region,
        volume: nowhere.clone(),
    };
    let of_nothing = permit("snapshot of nothing", of_nothing, Vec::new());
    let result = provider.snapshot_volume(&of_nothing, &nowhere).await;
    is_not_found("a snapshot of nothing", result);
    let permit = permit("snapshot once", action, Vec::new());
    for _ in 0..2 {
        let result = provider.snapshot_volume(&permit, volume).await;
        assert!(result.is_ok(), "{result:?}");
    }
    let snapshots = match provider.list_snapshots().await {
        Ok(snapshots) => snapshots,
        Err(error) => panic!("{error}"),
    };
    let ours: Vec<_> = snapshots
        .items()
        .iter()
        .filter(|s| s.tags.contains_key(STEP_KEY) && s.volume.as_ref() == Some(volume))
        .collect();
    assert!(
        ours.iter().all(|s| s.tags[STEP_KEY] == permit.key()),
        "{ours:?}"
    );
    assert_eq!(ours.len(), 1, "{ours:?}");
    assert!(ours.iter().all(|s| s.state == "completed"), "{ours:?}");
}

/// A volume that is attached is not deleted, even with a permit that says
/// nothing about it.
///
/// # Panics
/// When it is.
pub async fn leaves_attached_volumes<P: CloudIdentity + VolumeSource + VolumeActuator>(
    provider: &P,
    volume: &VolumeId,
) {
    let (account, region) = scope(provider).await;
    let attached = shown(provider.list_volumes().await, |v| {
        (v.id == *volume).then_some(!v.attachments.is_empty())
    });
    assert_eq!(attached, Some(true), "{volume} must be prepared");
    let delete = Action::DeleteVolume {
        account,
        region,
        volume: volume.clone(),
        created_at: None,
    };
    let permit = permit("delete an attached volume", delete, Vec::new());
    is_conflict("delete", provider.delete_volume(&permit, volume).await);
    assert!(exists(provider, volume).await);
}
