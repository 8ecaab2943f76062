//! The reads right before an act.

use crate::collect::{Part, read_cloud_part, read_cluster_part};
use crate::decision::Action;
use crate::guard::{Fresh, PartRef, Refusal, ScopeRef, needs, shows};
use crate::plan::{Scope, Step};
use crate::providers::{Clock, ProviderError, Sources};
use std::collections::BTreeSet;

/// Reads what `step` is judged by, and who each handle really talks to.
pub(super) async fn read(
    step: &Step,
    scope: &Scope,
    sources: &Sources,
    clock: &dyn Clock,
) -> Result<Fresh, Refusal> {
    let mut fresh = read_parts(needs(step, scope), sources, clock).await?;
    describe(step, sources, &mut fresh).await?;
    Ok(fresh)
}

/// Reads what shows whether `step` has had its effect, and no more: of a large
/// cluster the rest takes most of the time.
pub(super) async fn read_effect(
    step: &Step,
    scope: &Scope,
    sources: &Sources,
    clock: &dyn Clock,
) -> Result<Fresh, Refusal> {
    read_parts(shows(step, scope), sources, clock).await
}

async fn read_parts(
    parts: Vec<PartRef>,
    sources: &Sources,
    clock: &dyn Clock,
) -> Result<Fresh, Refusal> {
    let mut fresh = Fresh::default();
    let mut begun = Vec::new();
    let mut met: BTreeSet<ScopeRef> = BTreeSet::new();
    for part in parts {
        if met.insert(part.scope.clone()) {
            identify(&part, sources).await?;
        }
        begun.push((part.clone(), clock.monotonic()));
        read_part(&part, sources, &mut fresh)
            .await
            .map_err(|error| Refusal::Unreadable {
                part,
                error: error.to_string(),
            })?;
    }
    fresh.snapshot.taken_at = clock.now();
    let now = clock.monotonic();
    fresh.read_ago = begun
        .into_iter()
        .map(|(part, at)| (part, now - at))
        .collect();
    Ok(fresh)
}

fn no_handle(part: &PartRef) -> Refusal {
    Refusal::NoHandle {
        scope: part.scope.to_string(),
    }
}

async fn identify(part: &PartRef, sources: &Sources) -> Result<(), Refusal> {
    let unreadable = |error: &ProviderError| Refusal::Unreadable {
        part: part.clone(),
        error: error.to_string(),
    };
    let found = match &part.scope {
        ScopeRef::Cloud { account, region } => {
            let handles = sources
                .clouds
                .get(&(account.clone(), region.clone()))
                .ok_or_else(|| no_handle(part))?;
            let (account, region) = handles
                .identity
                .cloud()
                .await
                .map_err(|error| unreadable(&error))?;
            ScopeRef::Cloud { account, region }
        }
        ScopeRef::Cluster { cluster } => {
            let handles = sources
                .clusters
                .get(cluster)
                .ok_or_else(|| no_handle(part))?;
            let cluster = handles
                .identity
                .cluster_uid()
                .await
                .map_err(|error| unreadable(&error))?;
            ScopeRef::Cluster { cluster }
        }
    };
    if found == part.scope {
        Ok(())
    } else {
        Err(Refusal::WrongIdentity {
            expected: part.scope.to_string(),
            found: found.to_string(),
        })
    }
}

async fn read_part(
    part: &PartRef,
    sources: &Sources,
    fresh: &mut Fresh,
) -> Result<(), ProviderError> {
    match &part.scope {
        ScopeRef::Cloud { account, region } => {
            if let Some(handles) = sources.clouds.get(&(account.clone(), region.clone())) {
                read_cloud_part(handles, part.part, fresh.cloud_mut(account, region)).await?;
            }
        }
        ScopeRef::Cluster { cluster } => {
            if let Some(handles) = sources.clusters.get(cluster) {
                read_cluster_part(handles, part.part, fresh.cluster_mut(cluster)).await?;
            }
        }
    }
    Ok(())
}

/// The protection flags of an instance are in no list: they are asked for.
async fn describe(step: &Step, sources: &Sources, fresh: &mut Fresh) -> Result<(), Refusal> {
    let (Action::StopInstance {
        account,
        region,
        instance,
    }
    | Action::TerminateInstance {
        account,
        region,
        instance,
        ..
    }) = &step.action
    else {
        return Ok(());
    };
    let Some(handles) = sources.clouds.get(&(account.clone(), region.clone())) else {
        return Ok(());
    };
    let described = match handles.instances.describe_instance(instance).await {
        Ok(described) => described,
        // The list says so too, or the guards notice that they differ.
        Err(ProviderError::NotFound { .. }) => return Ok(()),
        Err(error) => {
            return Err(Refusal::Unreadable {
                part: PartRef {
                    scope: ScopeRef::Cloud {
                        account: account.clone(),
                        region: region.clone(),
                    },
                    part: Part::Instances,
                },
                error: error.to_string(),
            });
        }
    };
    if let Some(instances) = fresh.cloud_mut(account, region).instances.value_mut() {
        for listed in instances.iter_mut().filter(|i| i.id == *instance) {
            listed.termination_protected = described.termination_protected;
            listed.stop_protected = described.stop_protected;
        }
    }
    Ok(())
}
