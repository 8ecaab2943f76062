//! Reasons.

use crate::model::{InstanceId, MicroUsdPerMonth, NodeName, SnapshotId, VolumeState};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why the zombie-volume engine decided as it did.
///
/// The first reason of a decision settles it; those after it are evidence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "code", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// A part of the snapshot is missing or may have holes.
    PartMissing {
        /// Which part.
        part: String,
        /// What it is instead of complete.
        state: String,
    },
    /// It is being made, deleted, broken, or in a state that is not stated.
    NotSettled {
        /// State.
        state: VolumeState,
    },
    /// It is attached, or on its way there or back.
    Attached {
        /// Instance.
        instance: InstanceId,
        /// State of the attachment.
        state: String,
    },
    /// It is in use, by whom is not stated.
    InUse,
    /// It is attached to a stopped instance and paid for in full.
    AttachedToStopped {
        /// Instance.
        instance: InstanceId,
    },
    /// An instance lists it among its disks.
    ListedByInstance {
        /// Instance.
        instance: InstanceId,
    },
    /// Several instances may attach it; one of them may be elsewhere.
    MultiAttach,
    /// Its size or type is being changed.
    BeingModified {
        /// State of the change.
        state: String,
    },
    /// It is on an outpost, which is paid for as a whole.
    OnOutpost,
    /// The provider manages it.
    ManagedByProvider {
        /// By whom.
        by: String,
    },
    /// A claim is bound to its persistent volume.
    Claimed {
        /// Cluster.
        cluster: String,
        /// Claim.
        claim: String,
    },
    /// The claim belongs to a StatefulSet, which comes back to it.
    StatefulSetClaim {
        /// Cluster.
        cluster: String,
        /// Claim.
        claim: String,
        /// Set.
        set: String,
        /// Replicas now.
        replicas: u32,
    },
    /// A CronJob mounts the claim when it runs.
    CronJobClaim {
        /// Cluster.
        cluster: String,
        /// Claim.
        claim: String,
        /// CronJob.
        cron_job: String,
    },
    /// The workload that uses it was put to sleep and will wake.
    Asleep {
        /// Cluster.
        cluster: String,
        /// Workload.
        workload: String,
    },
    /// A persistent volume is bound to a claim that is not there: the cluster
    /// has not settled it.
    ClaimLost {
        /// Cluster.
        cluster: String,
        /// Persistent volume.
        persistent_volume: String,
    },
    /// Its claim is gone, and its policy says to keep it.
    ReleasedRetained {
        /// Cluster.
        cluster: String,
        /// Persistent volume.
        persistent_volume: String,
        /// Claim that it had.
        claim: String,
    },
    /// Its claim is gone, and the cluster deletes it itself.
    ReleasedToDelete {
        /// Cluster.
        cluster: String,
        /// Persistent volume.
        persistent_volume: String,
    },
    /// A persistent volume offers it to whoever claims it.
    StaticVolume {
        /// Cluster.
        cluster: String,
        /// Persistent volume.
        persistent_volume: String,
    },
    /// Its persistent volume failed or is pending.
    PersistentVolumeUnsettled {
        /// Cluster.
        cluster: String,
        /// Persistent volume.
        persistent_volume: String,
    },
    /// Its tags name a claim that exists and has no volume yet.
    ClaimWaits {
        /// Cluster.
        cluster: String,
        /// Claim.
        claim: String,
    },
    /// Its tags name a claim that a StatefulSet would make.
    StatefulSetTemplate {
        /// Cluster.
        cluster: String,
        /// Claim.
        claim: String,
        /// Set.
        set: String,
    },
    /// Its tags name a cluster that is not in the snapshot.
    ForeignCluster {
        /// Cluster.
        cluster: String,
        /// Tag.
        tag: String,
    },
    /// A cluster made it, and nothing says which.
    ClusterNotNamed {
        /// Tag.
        tag: String,
    },
    /// An attachment object of a cluster names its persistent volume.
    AttachmentObject {
        /// Cluster.
        cluster: String,
        /// Persistent volume.
        persistent_volume: String,
        /// Node.
        node: NodeName,
        /// It is done, not under way.
        attached: bool,
    },
    /// A snapshot object of its claim is not ready yet.
    ClaimBeingCopied {
        /// Cluster.
        cluster: String,
        /// Claim.
        claim: String,
        /// Snapshot object.
        snapshot: String,
    },
    /// Its key cannot be used, so no snapshot of it could be read again.
    KeyUnusable {
        /// Key.
        key: String,
        /// State of the key.
        state: String,
    },
    /// Evidence: nobody asked for the state of its key, but a snapshot under
    /// it was completed of late.
    KeyWorked {
        /// Key.
        key: String,
        /// Snapshot.
        snapshot: SnapshotId,
        /// When it was started.
        at: DateTime<Utc>,
    },
    /// It holds the state of a self-managed control plane.
    ControlPlane {
        /// Tag.
        tag: String,
    },
    /// A backup tool made or keeps it.
    Backup {
        /// Tag.
        tag: String,
    },
    /// A tag protects it.
    ProtectedByTag {
        /// Tag.
        tag: String,
    },
    /// A stack or a state file holds it and would miss it.
    ManagedByTool {
        /// Tag.
        tag: String,
    },
    /// A lifecycle policy takes snapshots of it.
    SnapshotPolicy {
        /// Snapshot.
        snapshot: SnapshotId,
        /// Tag of the snapshot.
        tag: String,
    },
    /// A snapshot of it is being taken.
    SnapshotInProgress {
        /// Snapshot.
        snapshot: SnapshotId,
    },
    /// An image was made of it.
    ImageSource {
        /// Snapshot behind the image.
        snapshot: SnapshotId,
    },
    /// It is unattached now, and no ledger says for how long.
    NeverObserved,
    /// It has been seen unattached, but not long or often enough.
    WithinGrace {
        /// Since when without a hole.
        since: DateTime<Utc>,
        /// Observations.
        observations: u32,
        /// Days that it takes.
        grace_days: u16,
    },
    /// The observations have a hole in which it may have been attached.
    ObservationGap {
        /// The longest hole, in minutes.
        minutes: u64,
        /// The longest that counts.
        max_minutes: u32,
    },
    /// It has been unattached for the whole grace.
    GraceElapsed {
        /// Since when.
        since: DateTime<Utc>,
        /// Observations.
        observations: u32,
    },
    /// Evidence: no cluster has ever said that it made it.
    NoClusterTag,
    /// Evidence: a cluster of the snapshot made it, and has forgotten it.
    ForgottenBy {
        /// Cluster.
        cluster: String,
        /// Claim that it was made for, where tagged.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        claim: Option<String>,
    },
    /// Evidence: a completed snapshot of it exists.
    HasSnapshot {
        /// The newest.
        snapshot: SnapshotId,
    },
    /// Evidence: it is the only copy, until the snapshot that is taken first.
    LastCopy,
    /// Evidence: it was made from a snapshot, as root disks are that an
    /// instance left behind.
    MadeFromSnapshot {
        /// Snapshot.
        snapshot: SnapshotId,
    },
    /// What it costs, and what its snapshot costs at most.
    Worth {
        /// The volume.
        volume: MicroUsdPerMonth,
        /// A snapshot of all of it: snapshots are incremental, so a bound.
        snapshot_at_most: MicroUsdPerMonth,
    },
    /// A snapshot of it may cost as much as the volume.
    SnapshotCostsMore {
        /// The volume.
        volume: MicroUsdPerMonth,
        /// A snapshot of all of it.
        snapshot_at_most: MicroUsdPerMonth,
    },
    /// Nobody lists its price.
    PriceUnknown {
        /// Of what.
        of: String,
    },
    /// The same size and speed costs less as gp3.
    Gp3IsCheaper {
        /// As it is.
        gp2: MicroUsdPerMonth,
        /// As gp3 with at least its operations and throughput.
        gp3: MicroUsdPerMonth,
    },
    /// So many suspects at once say more about the input than about them.
    Suspicious {
        /// Suspects.
        suspects: u64,
        /// Out of how many.
        population: u64,
        /// The most that is believed.
        limit: u64,
    },
    /// More acts than a run may do: none is done.
    CapExceeded {
        /// Acts that are due.
        due: u64,
        /// Acts that a run may do.
        cap: u64,
    },
}

impl Reason {
    /// Every code, as in JSON.
    pub const CODES: &[&str] = &[
        "part_missing",
        "not_settled",
        "attached",
        "in_use",
        "attached_to_stopped",
        "listed_by_instance",
        "multi_attach",
        "being_modified",
        "on_outpost",
        "managed_by_provider",
        "claimed",
        "stateful_set_claim",
        "cron_job_claim",
        "asleep",
        "claim_lost",
        "released_retained",
        "released_to_delete",
        "static_volume",
        "persistent_volume_unsettled",
        "claim_waits",
        "stateful_set_template",
        "foreign_cluster",
        "cluster_not_named",
        "attachment_object",
        "claim_being_copied",
        "key_unusable",
        "key_worked",
        "control_plane",
        "backup",
        "protected_by_tag",
        "managed_by_tool",
        "snapshot_policy",
        "snapshot_in_progress",
        "image_source",
        "never_observed",
        "within_grace",
        "observation_gap",
        "grace_elapsed",
        "no_cluster_tag",
        "forgotten_by",
        "has_snapshot",
        "last_copy",
        "made_from_snapshot",
        "worth",
        "snapshot_costs_more",
        "price_unknown",
        "gp3_is_cheaper",
        "suspicious",
        "cap_exceeded",
    ];
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PartMissing { part, state } => write!(f, "{part} is {state}"),
            Self::NotSettled { state } => write!(f, "it is {}", word(*state)),
            Self::Attached { instance, state } => write!(f, "it is {state} to {instance}"),
            Self::InUse => f.write_str("it is in use"),
            Self::AttachedToStopped { instance } => {
                write!(f, "it is attached to {instance}, which is stopped")
            }
            Self::ListedByInstance { instance } => write!(f, "{instance} lists it as a disk"),
            Self::MultiAttach => f.write_str("several instances may attach it"),
            Self::BeingModified { state } => write!(f, "it is being changed: {state}"),
            Self::OnOutpost => f.write_str("it is on an outpost"),
            Self::ManagedByProvider { by } => write!(f, "it is managed by {by}"),
            Self::Claimed { cluster, claim } => write!(f, "claim {claim} of {cluster} holds it"),
            Self::StatefulSetClaim {
                cluster,
                claim,
                set,
                replicas,
            } => write!(
                f,
                "claim {claim} of {cluster} holds it for StatefulSet {set}, now at {replicas}"
            ),
            Self::CronJobClaim {
                cluster,
                claim,
                cron_job,
            } => write!(
                f,
                "CronJob {cron_job} of {cluster} mounts its claim {claim}"
            ),
            Self::Asleep { cluster, workload } => {
                write!(f, "{workload} of {cluster} sleeps and will want it back")
            }
            Self::ClaimLost {
                cluster,
                persistent_volume,
            } => write!(
                f,
                "{persistent_volume} of {cluster} is bound to a claim that is not there"
            ),
            Self::ReleasedRetained {
                cluster,
                persistent_volume,
                claim,
            } => write!(
                f,
                "{persistent_volume} of {cluster} keeps it on purpose after claim {claim}"
            ),
            Self::ReleasedToDelete {
                cluster,
                persistent_volume,
            } => write!(f, "{persistent_volume} of {cluster} deletes it by itself"),
            Self::StaticVolume {
                cluster,
                persistent_volume,
            } => write!(f, "{persistent_volume} of {cluster} offers it to claims"),
            Self::PersistentVolumeUnsettled {
                cluster,
                persistent_volume,
            } => write!(
                f,
                "{persistent_volume} of {cluster} is neither free nor bound"
            ),
            Self::ClaimWaits { cluster, claim } => {
                write!(f, "claim {claim} of {cluster} waits for a volume")
            }
            Self::StatefulSetTemplate {
                cluster,
                claim,
                set,
            } => write!(f, "StatefulSet {set} of {cluster} makes the claim {claim}"),
            Self::ForeignCluster { cluster, tag } => write!(
                f,
                "tag {tag} names {cluster}, which the snapshot does not hold"
            ),
            Self::ClusterNotNamed { tag } => {
                write!(f, "tag {tag} says that a cluster made it, and not which")
            }
            Self::AttachmentObject {
                cluster,
                persistent_volume,
                node,
                attached,
            } => write!(
                f,
                "an attachment of {cluster} {} {persistent_volume} to {node}",
                if *attached { "ties" } else { "is to tie" }
            ),
            Self::ClaimBeingCopied {
                cluster,
                claim,
                snapshot,
            } => write!(
                f,
                "snapshot {snapshot} of claim {claim} in {cluster} is not ready"
            ),
            Self::KeyUnusable { key, state } => {
                write!(f, "its key {key} is {state}, so a snapshot is no way back")
            }
            Self::KeyWorked { key, snapshot, at } => write!(
                f,
                "nobody asked for the state of its key {key}; {snapshot} was made with it at {at}"
            ),
            Self::ControlPlane { tag } => write!(f, "tag {tag} says that a control plane uses it"),
            Self::Backup { tag } => write!(f, "tag {tag} says that it is a backup"),
            Self::ProtectedByTag { tag } => write!(f, "the tag {tag} protects it"),
            Self::ManagedByTool { tag } => write!(f, "tag {tag} says that a tool manages it"),
            Self::SnapshotPolicy { snapshot, tag } => {
                write!(f, "a policy takes snapshots of it ({snapshot}, tag {tag})")
            }
            Self::SnapshotInProgress { snapshot } => write!(f, "{snapshot} is being taken of it"),
            Self::ImageSource { snapshot } => write!(f, "an image was made of it ({snapshot})"),
            Self::NeverObserved => {
                f.write_str("it is unattached now, and no ledger says for how long")
            }
            Self::WithinGrace {
                since,
                observations,
                grace_days,
            } => write!(
                f,
                "unattached since {since} in {observations} observations; it takes {grace_days} days"
            ),
            Self::ObservationGap {
                minutes,
                max_minutes,
            } => write!(
                f,
                "nobody looked for {minutes} minutes, and a hole of more than {max_minutes} starts the grace anew"
            ),
            Self::GraceElapsed {
                since,
                observations,
            } => write!(f, "unattached since {since} in {observations} observations"),
            Self::NoClusterTag => f.write_str("no cluster says that it made it"),
            Self::ForgottenBy { cluster, claim } => match claim {
                Some(claim) => write!(
                    f,
                    "{cluster} made it for claim {claim} and has forgotten it"
                ),
                None => write!(f, "{cluster} made it and has forgotten it"),
            },
            Self::HasSnapshot { snapshot } => write!(f, "{snapshot} is a copy of it"),
            Self::LastCopy => f.write_str("it is the only copy, until its snapshot is taken"),
            Self::MadeFromSnapshot { snapshot } => {
                write!(
                    f,
                    "made from {snapshot}, perhaps a disk that an instance left behind"
                )
            }
            Self::Worth {
                volume,
                snapshot_at_most,
            } => write!(
                f,
                "it costs {volume}, its snapshot at most {snapshot_at_most}"
            ),
            Self::SnapshotCostsMore {
                volume,
                snapshot_at_most,
            } => write!(
                f,
                "it costs {volume}, and its snapshot may cost {snapshot_at_most}"
            ),
            Self::PriceUnknown { of } => write!(f, "nobody lists the price of {of}"),
            Self::Gp3IsCheaper { gp2, gp3 } => {
                write!(
                    f,
                    "as gp3 of the same speed it costs {gp3} instead of {gp2}"
                )
            }
            Self::Suspicious {
                suspects,
                population,
                limit,
            } => write!(
                f,
                "{suspects} of {population} are suspects, and more than {limit} is taken for a fault of the input"
            ),
            Self::CapExceeded { due, cap } => {
                write!(
                    f,
                    "{due} deletions are due, and a run may do {cap}: none is done"
                )
            }
        }
    }
}

const fn word(state: VolumeState) -> &'static str {
    match state {
        VolumeState::Creating => "being made",
        VolumeState::Available => "available",
        VolumeState::InUse => "in use",
        VolumeState::Deleting => "being deleted",
        VolumeState::Deleted => "deleted",
        VolumeState::Error => "broken",
        VolumeState::Unknown => "in a state that is not stated",
    }
}
