//! One part of a snapshot while files come in.

use super::broken::{self, Failure};
use super::log::Log;
use super::report::Broken;
use crate::knowledge::{Gap, Knowledge, Provenance};
use crate::model::{
    CsiNode, EndpointSlice, Event, HorizontalPodAutoscaler, Lease, LimitRange, Namespace, Node,
    NodeClaim, NodePool, ObjectMeta, PersistentVolume, PersistentVolumeClaim, Pod,
    PodDisruptionBudget, PriorityClass, ResourceQuota, RuntimeClass, ScaledObject, Service,
    StorageClass, VerticalPodAutoscaler, VolumeAttachment, VolumeSnapshot, Workload,
};
use serde::de::DeserializeOwned;

/// Items with what is known about their completeness.
#[derive(Debug)]
pub(super) struct Slot<T> {
    pub(super) items: Vec<T>,
    pub(super) seen: Seen,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            seen: Seen::default(),
        }
    }
}

/// How a part came in.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// In a list.
    pub(super) listed: bool,
    /// As single objects.
    pub(super) single: bool,
    /// The list says that it goes on.
    pub(super) paged: bool,
    pub(super) broken: u64,
    pub(super) first: Option<String>,
}

/// Where an object stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) file: &'a str,
    pub(super) kind: &'a str,
    /// The field of its id, for objects without metadata.
    pub(super) id_field: Option<&'a str>,
}

impl<T> Slot<T> {
    /// Reads one object into the slot; `problem` names a required field that
    /// it lacks.
    pub(super) fn read<R: DeserializeOwned>(
        &mut self,
        place: Place<'_>,
        text: &str,
        report: &mut Log,
        convert: impl FnOnce(R) -> T,
        problem: impl FnOnce(&T) -> Option<&'static str>,
    ) {
        let result = broken::read_noting::<R>(text, report.unread.as_mut())
            .map(|(raw, skipped)| (convert(raw), skipped))
            .and_then(|(item, skipped)| match problem(&item) {
                None => Ok((item, skipped)),
                Some(field) => Err(Failure {
                    field: field.to_owned(),
                    message: "missing or empty".to_owned(),
                }),
            });
        match result {
            Ok((item, skipped)) => {
                self.items.push(item);
                report.count(place.kind);
                report.skip_fields(place.kind, skipped);
            }
            Err(failure) => self.fail(place, text, report, failure),
        }
    }

    /// Notes an object that could not be read.
    pub(super) fn fail(
        &mut self,
        place: Place<'_>,
        text: &str,
        report: &mut Log,
        failure: Failure,
    ) {
        let (namespace, name) = broken::identity(text, place.id_field);
        let object = Broken {
            file: place.file.to_owned(),
            kind: place.kind.to_owned(),
            namespace,
            name,
            field: failure.field,
            message: failure.message,
        };
        self.seen.broken = self.seen.broken.saturating_add(1);
        self.seen.first.get_or_insert_with(|| object.to_string());
        report.break_off(object);
    }
}

/// What holds for all parts of one side.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    /// The caller states that the files are complete.
    pub(super) complete: bool,
    /// Files that could not be read at all, with the first.
    pub(super) unreadable: Option<(u64, String)>,
    /// Why nothing of this side can be complete.
    pub(super) obstacle: Option<Gap>,
    pub(super) provenance: Provenance,
}

impl Seen {
    /// Why the part is not complete; `None` when it is.
    fn gap(&self, standing: &Standing) -> Option<Gap> {
        if self.broken > 0 {
            return Some(Gap::Broken {
                count: self.broken,
                first: self.first.clone().unwrap_or_default(),
            });
        }
        if let Some((count, first)) = &standing.unreadable {
            return Some(Gap::Broken {
                count: *count,
                first: first.clone(),
            });
        }
        if self.paged {
            return Some(Gap::OutOfScope {
                what: "the pages after the first".to_owned(),
            });
        }
        if !standing.complete || !self.listed {
            return Some(Gap::CompletenessNotStated);
        }
        standing.obstacle.clone()
    }

    /// The part with what is known about it.
    pub(super) fn knowledge<T>(&self, value: T, standing: &Standing) -> Knowledge<T> {
        let present = self.listed || self.single;
        match self.gap(standing) {
            Some(gap @ Gap::Broken { .. }) if !present => Knowledge::unknown(gap),
            _ if !present => Knowledge::default(),
            Some(gap) => Knowledge::partial(value, gap, standing.provenance.clone()),
            None => Knowledge::complete(value, standing.provenance.clone()),
        }
    }
}

/// A Kubernetes object.
pub(super) trait HasMeta {
    fn meta(&self) -> &ObjectMeta;
}

macro_rules! has_meta {
    ($($kind:ident),* $(,)?) => {
        $(impl HasMeta for $kind {
            fn meta(&self) -> &ObjectMeta {
                &self.meta
            }
        })*
    };
}

has_meta!(
    CsiNode,
    EndpointSlice,
    Event,
    HorizontalPodAutoscaler,
    Lease,
    LimitRange,
    Namespace,
    Node,
    NodeClaim,
    NodePool,
    PersistentVolume,
    PersistentVolumeClaim,
    Pod,
    PodDisruptionBudget,
    PriorityClass,
    ResourceQuota,
    RuntimeClass,
    ScaledObject,
    Service,
    StorageClass,
    VerticalPodAutoscaler,
    VolumeAttachment,
    VolumeSnapshot,
    Workload,
);

/// The field that an object must have and lacks.
pub(super) fn nameless<T: HasMeta>(object: &T) -> Option<&'static str> {
    object.meta().name.is_empty().then_some("metadata.name")
}

/// Takes out objects that came twice and counts them. Of two, the one
/// with the larger resource version stays, else the later one. Returns the
/// kind of the first two that differ while nothing tells which is newer.
pub(super) fn without_duplicates<T: HasMeta + PartialEq>(
    mut items: Vec<T>,
    kind: impl Fn(&T) -> String,
    duplicates: &mut u64,
) -> (Vec<T>, Option<String>) {
    let version =
        |object: &T| -> Option<u64> { object.meta().resource_version.as_ref()?.parse().ok() };
    let same = |a: &T, b: &T| {
        let (ma, mb) = (a.meta(), b.meta());
        ma.name == mb.name && ma.namespace == mb.namespace && kind(a) == kind(b)
    };
    // Stable: among equals the order of the files stays.
    items.sort_by(|a, b| {
        let (ma, mb) = (a.meta(), b.meta());
        (&ma.namespace, &ma.name)
            .cmp(&(&mb.namespace, &mb.name))
            .then_with(|| kind(a).cmp(&kind(b)))
    });
    let mut out: Vec<T> = Vec::with_capacity(items.len());
    let mut unclear = None;
    for object in items {
        let Some(last) = out.last_mut().filter(|last| same(last, &object)) else {
            out.push(object);
            continue;
        };
        *duplicates = duplicates.saturating_add(1);
        let newer = match (version(last), version(&object)) {
            (Some(old), Some(new)) => new >= old,
            _ => {
                if *last != object {
                    unclear.get_or_insert_with(|| kind(&object));
                }
                true
            }
        };
        if newer {
            *last = object;
        }
    }
    (out, unclear)
}
