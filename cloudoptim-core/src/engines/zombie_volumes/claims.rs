//! What clusters say about volumes: persistent volumes, claims, templates, sleepers.

use super::Reason;
use crate::engines::observed::cluster_name;
use crate::ledger::Ledgers;
use crate::model::{
    Cluster, NamespacedName, PersistentVolume, PersistentVolumeClaim, PodVolumeSource, PvPhase,
    PvSource, ReclaimPolicy, Snapshot, VolumeId, Workload, WorkloadKind,
};
use std::collections::BTreeMap;

/// Volumes by who refers to them.
pub(super) struct Claims<'a> {
    by_volume: BTreeMap<VolumeId, (&'a Cluster, &'a PersistentVolume)>,
    snapshot: &'a Snapshot,
    ledgers: &'a Ledgers,
}

/// The volume of a persistent volume, by whatever driver and in whatever form
/// its handle is written (`vol-…`, `aws://us-east-1a/vol-…`).
fn volume_of(pv: &PersistentVolume) -> Option<VolumeId> {
    let handle = match &pv.source {
        PvSource::Ebs { volume } => volume.as_str(),
        PvSource::Other { handle, .. } => handle,
        _ => return None,
    };
    let last = handle.rsplit('/').next()?;
    last.starts_with("vol-").then(|| VolumeId::new(last))
}

impl<'a> Claims<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, ledgers: &'a Ledgers) -> Self {
        let mut by_volume = BTreeMap::new();
        for cluster in &snapshot.clusters {
            for pv in cluster.persistent_volumes.items() {
                if let Some(volume) = volume_of(pv) {
                    by_volume.entry(volume).or_insert((cluster, pv));
                }
            }
        }
        Self {
            by_volume,
            snapshot,
            ledgers,
        }
    }

    /// The persistent volume that is this volume, by handle.
    pub(super) fn of(&self, volume: &VolumeId) -> Option<(&'a Cluster, &'a PersistentVolume)> {
        self.by_volume.get(volume).copied()
    }

    /// The persistent volume of that name, where its source does not say more.
    pub(super) fn named(
        &self,
        cluster: &str,
        pv: &str,
    ) -> Option<(&'a Cluster, &'a PersistentVolume)> {
        self.clusters(cluster).find_map(|c| {
            let mut all = c.persistent_volumes.items().iter();
            let pv = all.find(|p| p.meta.name == pv && volume_of(p).is_none())?;
            Some((c, pv))
        })
    }

    pub(super) fn clusters(&self, name: &str) -> impl Iterator<Item = &'a Cluster> + use<'a> {
        let name = name.to_owned();
        self.snapshot
            .clusters
            .iter()
            .filter(move |c| c.name == name)
    }

    /// Why the volume of a persistent volume stays.
    pub(super) fn hold(&self, cluster: &Cluster, pv: &PersistentVolume) -> Reason {
        let name = cluster_name(cluster).to_owned();
        let persistent_volume = pv.meta.name.clone();
        let claim = pv.claim.as_ref();
        match (pv.phase, claim) {
            (PvPhase::Bound, Some(claim)) => {
                let lost = cluster.claims.is_complete()
                    && find(cluster, &claim.namespace, &claim.name).is_none();
                if lost {
                    return Reason::ClaimLost {
                        cluster: name,
                        persistent_volume,
                    };
                }
                self.user(cluster, &claim.namespace, &claim.name)
            }
            (PvPhase::Released, _) if pv.reclaim_policy == ReclaimPolicy::Retain => {
                Reason::ReleasedRetained {
                    cluster: name,
                    persistent_volume,
                    claim: claim.map(ToString::to_string).unwrap_or_default(),
                }
            }
            (PvPhase::Released, _) => Reason::ReleasedToDelete {
                cluster: name,
                persistent_volume,
            },
            (PvPhase::Available, _) => Reason::StaticVolume {
                cluster: name,
                persistent_volume,
            },
            _ => Reason::PersistentVolumeUnsettled {
                cluster: name,
                persistent_volume,
            },
        }
    }

    /// An attachment object that names the persistent volume, done or under
    /// way: somebody has it, or is about to.
    pub(super) fn attached(&self, cluster: &Cluster, pv: &str) -> Option<Reason> {
        let mut all = cluster.volume_attachments.items().iter();
        let attachment = all.find(|a| a.volume_name.as_deref() == Some(pv))?;
        Some(Reason::AttachmentObject {
            cluster: cluster_name(cluster).to_owned(),
            persistent_volume: pv.to_owned(),
            node: attachment.node.clone(),
            attached: attachment.attached,
        })
    }

    /// Who uses a claim.
    fn user(&self, cluster: &Cluster, namespace: &str, claim: &str) -> Reason {
        let name = cluster_name(cluster).to_owned();
        let full = format!("{namespace}/{claim}");
        if let Some(workload) = self.sleeper(cluster, namespace, claim) {
            return Reason::Asleep {
                cluster: name,
                workload,
            };
        }
        if let Some(set) = template_of(cluster, namespace, claim) {
            return Reason::StatefulSetClaim {
                cluster: name,
                claim: full,
                set: set.meta.name.clone(),
                replicas: set.replicas.unwrap_or_default(),
            };
        }
        let cron = cluster
            .workloads
            .items()
            .iter()
            .find(|w| w.kind == WorkloadKind::CronJob && mounts(w, namespace, claim));
        match cron {
            Some(cron) => Reason::CronJobClaim {
                cluster: name,
                claim: full,
                cron_job: cron.meta.name.clone(),
            },
            None => Reason::Claimed {
                cluster: name,
                claim: full,
            },
        }
    }

    /// Why a volume stays whose tags name a claim of a cluster that has no
    /// persistent volume for it.
    pub(super) fn wanted(&self, cluster: &Cluster, namespace: &str, claim: &str) -> Option<Reason> {
        let name = cluster_name(cluster).to_owned();
        let full = format!("{namespace}/{claim}");
        let existing = find(cluster, namespace, claim);
        if existing.is_some_and(|c| c.volume_name.is_some()) {
            // The claim has another volume by now.
            return None;
        }
        if existing.is_some() {
            return Some(Reason::ClaimWaits {
                cluster: name,
                claim: full,
            });
        }
        if let Some(workload) = self.sleeper(cluster, namespace, claim) {
            return Some(Reason::Asleep {
                cluster: name,
                workload,
            });
        }
        template_of(cluster, namespace, claim).map(|set| Reason::StatefulSetTemplate {
            cluster: name,
            claim: full,
            set: set.meta.name.clone(),
        })
    }

    /// A sleeping workload that mounts the claim or makes it from a template.
    fn sleeper(&self, cluster: &Cluster, namespace: &str, claim: &str) -> Option<String> {
        let asleep = self.ledgers.asleep.as_deref().unwrap_or_default();
        let workloads = cluster.workloads.items();
        asleep
            .iter()
            .filter(|a| a.cluster == cluster.uid && a.workload.namespace == namespace)
            .find(|a| {
                // The set may be gone from the list: its name is enough.
                let by_name = a.workload.kind == WorkloadKind::StatefulSet
                    && split_ordinal(claim)
                        .is_some_and(|rest| rest.ends_with(&format!("-{}", a.workload.name)));
                by_name
                    || workloads
                        .iter()
                        .any(|w| w.reference() == a.workload && mounts(w, namespace, claim))
            })
            .map(|a| a.workload.to_string())
    }
}

/// A snapshot object of the claim that is not ready: the volume is its source.
pub(super) fn being_copied(cluster: &Cluster, claim: &NamespacedName) -> Option<Reason> {
    let mut all = cluster.volume_snapshots.items().iter();
    let copy = all.find(|s| {
        s.meta.namespace == claim.namespace
            && s.claim_name.as_deref() == Some(claim.name.as_str())
            && s.ready != Some(true)
    })?;
    Some(Reason::ClaimBeingCopied {
        cluster: cluster_name(cluster).to_owned(),
        claim: claim.to_string(),
        snapshot: copy.meta.name.clone(),
    })
}

fn find<'a>(
    cluster: &'a Cluster,
    namespace: &str,
    claim: &str,
) -> Option<&'a PersistentVolumeClaim> {
    let mut claims = cluster.claims.items().iter();
    claims.find(|c| c.meta.namespace == namespace && c.meta.name == claim)
}

/// `data-web` of `data-web-3`.
fn split_ordinal(claim: &str) -> Option<&str> {
    let (rest, ordinal) = claim.rsplit_once('-')?;
    (!ordinal.is_empty() && ordinal.bytes().all(|b| b.is_ascii_digit())).then_some(rest)
}

/// The StatefulSet whose template makes a claim of that name:
/// `<template>-<set>-<ordinal>`, whatever its replicas are now.
fn template_of<'a>(cluster: &'a Cluster, namespace: &str, claim: &str) -> Option<&'a Workload> {
    let rest = split_ordinal(claim)?;
    cluster
        .workloads
        .items()
        .iter()
        .filter(|w| w.kind == WorkloadKind::StatefulSet && w.meta.namespace == namespace)
        .find(|w| {
            w.claim_templates
                .iter()
                .any(|t| rest == format!("{}-{}", t.name, w.meta.name))
        })
}

fn mounts(workload: &Workload, namespace: &str, claim: &str) -> bool {
    workload.meta.namespace == namespace
        && workload.template.as_ref().is_some_and(|t| {
            t.spec
                .volumes
                .iter()
                .any(|v| matches!(&v.source, PodVolumeSource::Claim { name } if name == claim))
        })
}
