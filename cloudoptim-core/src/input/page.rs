//! One page of a list, as the API server answers it.

use super::InputError;
use super::document::{self, Document};
use super::kinds::Objects;
use super::log::Log;
use super::meta::RawListMeta;
use super::raw::N;
use super::slot::Slot;
use crate::model::{
    CsiNode, EndpointSlice, Event, HorizontalPodAutoscaler, Lease, LimitRange, Namespace, Node,
    NodeClaim, NodePool, PersistentVolume, PersistentVolumeClaim, Pod, PodDisruptionBudget,
    PriorityClass, ResourceQuota, RuntimeClass, ScaledObject, Service, StorageClass,
    VerticalPodAutoscaler, VolumeAttachment, VolumeSnapshot, Workload,
};

mod sealed {
    use super::super::{kinds, slot};

    /// What was read.
    pub struct Objects(pub(super) kinds::Objects);

    /// What was read of one kind.
    pub struct Slot<T>(pub(super) slot::Slot<T>);

    /// A kind with a slot among the objects that are read.
    pub trait Slotted: Sized {
        /// Takes what was read of it.
        fn take(objects: Objects) -> Slot<Self>;
    }
}

/// A kind of object that the API server lists.
pub trait Listed: sealed::Slotted {
    /// Kinds that a list of it may have, without `List`: of a workload, several.
    const KINDS: &'static [&'static str];
}

macro_rules! listed {
    ($($kind:ident: $slot:ident [$($name:literal),*];)*) => {
        $(
            impl sealed::Slotted for $kind {
                fn take(objects: sealed::Objects) -> sealed::Slot<Self> {
                    sealed::Slot(objects.0.$slot)
                }
            }

            impl Listed for $kind {
                const KINDS: &'static [&'static str] = &[$($name),*];
            }
        )*
    };
}

listed! {
    Node: nodes ["Node"];
    Pod: pods ["Pod"];
    Workload: workloads ["CronJob", "DaemonSet", "Deployment", "Job", "ReplicaSet", "StatefulSet"];
    PodDisruptionBudget: disruption_budgets ["PodDisruptionBudget"];
    PersistentVolume: persistent_volumes ["PersistentVolume"];
    PersistentVolumeClaim: claims ["PersistentVolumeClaim"];
    StorageClass: storage_classes ["StorageClass"];
    CsiNode: csi_nodes ["CSINode"];
    VolumeAttachment: volume_attachments ["VolumeAttachment"];
    VolumeSnapshot: volume_snapshots ["VolumeSnapshot"];
    Service: services ["Service"];
    EndpointSlice: endpoint_slices ["EndpointSlice"];
    HorizontalPodAutoscaler: horizontal_autoscalers ["HorizontalPodAutoscaler"];
    VerticalPodAutoscaler: vertical_autoscalers ["VerticalPodAutoscaler"];
    ScaledObject: scaled_objects ["ScaledObject"];
    LimitRange: limit_ranges ["LimitRange"];
    ResourceQuota: resource_quotas ["ResourceQuota"];
    PriorityClass: priority_classes ["PriorityClass"];
    RuntimeClass: runtime_classes ["RuntimeClass"];
    NodePool: node_pools ["NodePool"];
    NodeClaim: node_claims ["NodeClaim"];
    Lease: leases ["Lease"];
    Event: events ["Event"];
    Namespace: namespaces ["Namespace"];
}

/// What one page of a list holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page<T> {
    /// Objects that could be read, in the order of the page.
    pub items: Vec<T>,
    /// How many could not.
    pub broken: u64,
    /// The first of them: which, where and why, without its text.
    pub first_broken: Option<String>,
    /// Token of the next page; `None` when this is the last.
    pub next: Option<String>,
    /// How many objects the pages after this one hold, where the server knows.
    pub remaining: Option<u64>,
    /// Resource version of the list, where it is a number: they count up over
    /// all objects of the server's store.
    pub revision: Option<u64>,
}

/// Reads one page of a list, such as a `PodList`, with the readers that a
/// [`Loader`](super::Loader) has. `name` stands in what is said of broken objects.
///
/// # Errors
/// [`InputError::Nothing`] when it is no list of that kind, or not all of one:
/// what could be read as an empty list has to say that it is a list.
///
/// ```
/// use cloudoptim_core::input::page;
/// use cloudoptim_core::model::Node;
///
/// let body = br#"{"kind":"NodeList","apiVersion":"v1","metadata":{"continue":"abc"},
///     "items":[{"metadata":{"name":"a"}}]}"#;
/// let nodes = page::<Node>("nodes", body)?;
/// assert_eq!(nodes.items[0].meta.name, "a");
/// assert_eq!(nodes.next.as_deref(), Some("abc"));
/// assert!(page::<Node>("nodes", br#"{"kind":"Status","apiVersion":"v1"}"#).is_err());
/// # Ok::<(), cloudoptim_core::input::InputError>(())
/// ```
pub fn page<T: Listed>(name: &str, bytes: &[u8]) -> Result<Page<T>, InputError> {
    let refused = |why: &str| InputError::Nothing(format!("{name}: {why}"));
    let text = document::text(bytes, u64::MAX).map_err(|why| refused(&why))?;
    let documents = document::documents(&text).map_err(|why| refused(&why))?;
    let [document] = documents.as_slice() else {
        return Err(refused("several documents"));
    };
    let (listed, meta) = head::<T>(document).map_err(|why| refused(&why))?;
    let mut log = Log::default();
    let mut objects = Objects::default();
    objects.read(name, document, &mut log);
    let Slot { items, seen } = T::take(sealed::Objects(objects)).0;
    let read = u64::try_from(items.len()).unwrap_or(u64::MAX);
    if read.saturating_add(seen.broken) != listed {
        return Err(refused("a list of several kinds"));
    }
    Ok(Page {
        items,
        broken: seen.broken,
        first_broken: seen.first,
        next: meta.token.some(),
        remaining: u64::try_from(meta.remaining.0).ok().filter(|n| *n > 0),
        revision: meta.version.some().and_then(|version| version.parse().ok()),
    })
}

/// How many objects a list holds and what it says of itself, if it is one of
/// that kind.
fn head<T: Listed>(document: &Document<'_>) -> Result<(u64, RawListMeta), String> {
    let top = &document.top;
    let kind = top.string("kind").unwrap_or_default();
    let of = kind.strip_suffix("List").unwrap_or_default();
    if !T::KINDS.contains(&of) {
        return Err(format!("no list of {}", T::KINDS.join(" or ")));
    }
    let items = top.list("items").ok_or("a list without items")?;
    let meta = match top.member("metadata") {
        Some(meta) => serde_json::from_str::<N<RawListMeta>>(meta.get())
            .map_err(|_| "metadata: not that of a list")?,
        None => return Err("a list without metadata".to_owned()),
    };
    Ok((u64::try_from(items.len()).unwrap_or(u64::MAX), meta.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pods(body: &str) -> Result<Page<Pod>, String> {
        page::<Pod>("pods", body.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_no_whole_list_is_not_read_as_an_empty_one() {
        for body in [
            "",
            "<html>",
            "{}",
            r#"{"kind":"PodList","apiVersion":"v1","metadata":{}}"#,
            r#"{"kind":"PodList","apiVersion":"v1","items":[]}"#,
            r#"{"kind":"PodList","apiVersion":"v1","metadata":{},"items":[{"metadata":"#,
            r#"{"kind":"NodeList","apiVersion":"v1","metadata":{},"items":[]}"#,
            r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure"}"#,
            r#"{"kind":"List","apiVersion":"v1","metadata":{},"items":[]}"#,
            r#"{"kind":"PodList","apiVersion":"else/v1","metadata":{},"items":[{"metadata":{"name":"a"}}]}"#,
        ] {
            assert!(pods(body).is_err(), "{body}");
        }
        let none = pods(r#"{"kind":"PodList","apiVersion":"v1","metadata":{},"items":null}"#);
        assert_eq!(none.map(|page| page.items.len()), Ok(0));
    }

    #[test]
    fn a_broken_object_is_counted_and_the_rest_is_read() {
        let page = pods(
            r#"{"kind":"PodList","apiVersion":"v1","metadata":{"remainingItemCount":7,"continue":"t"},
                "items":[{"metadata":{"name":"a"}},{"metadata":{"name":"b"},"spec":7}]}"#,
        )
        .expect("a list");
        assert_eq!((page.items.len(), page.broken), (1, 1));
        assert_eq!(page.remaining, Some(7));
        assert!(
            page.first_broken
                .is_some_and(|first| first.contains("Pod b: spec"))
        );
    }

    #[test]
    fn each_kind_of_workload_is_a_list_of_workloads() {
        for kind in Workload::KINDS {
            let group = match *kind {
                "Job" | "CronJob" => "batch",
                _ => "apps",
            };
            let body = format!(
                r#"{{"kind":"{kind}List","apiVersion":"{group}/v1","metadata":{{}},"items":[{{"metadata":{{"name":"a"}}}}]}}"#
            );
            let page = page::<Workload>("workloads", body.as_bytes()).expect("a list");
            assert_eq!(page.items[0].kind.to_string(), *kind);
        }
    }
}
