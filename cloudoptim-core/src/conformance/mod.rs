//! The suite that every provider must pass.
//!
//! It runs on [`memory`](crate::memory), and on whatever else has the traits: a
//! wrapper, replayed answers, an emulator. Each check is a claim about a
//! provider whose state the caller has prepared, and once per resource, for its
//! permits are used up then; it changes that state, and panics when the claim is
//! false, or when the state is not the prepared one.
//!
//! | trait | checks |
//! | --- | --- |
//! | `CloudIdentity`, `ClusterIdentity` | [`an_account_knows_itself`], [`a_cluster_knows_itself`] |
//! | every list of the sources | [`lists_are_complete_or_say_so`], [`lists_say_the_same_in_any_order`], [`a_failed_list_is_never_a_whole`], [`what_may_not_be_read_whole_is_not_complete`] |
//! | `InstanceSource` | [`describes_what_it_lists`] |
//! | `InstanceActuator` | [`stops_starts_and_terminates`], [`leaves_instances_that_are_protected_or_nodes`] |
//! | `VolumeActuator` | [`deletes_once`], [`snapshots_once`], [`act_needs_matching_permit`], [`act_needs_matching_precondition`], [`leaves_attached_volumes`] |
//! | `TagActuator` | [`tags_and_untags`] |
//! | `NodeActuator` | [`launches_once`], [`releases_once`], [`cordons_and_uncordons`], [`drains_once`], [`leaves_nodes_with_pods`], [`removes_once`], [`deletes_node_object_once`] |
//! | `WorkloadActuator` | [`resizes_once`], [`scales_only_from_what_was_seen`], [`suspends_and_resumes`], [`prefers_a_zone_and_forgets_it`], [`sets_the_spot_share_once`] |
//! | `ObjectActuator` | [`annotates_and_removes`], [`routes_and_forgets`] |
//! | `Journal` | [`keeps_entries_in_order`], [`outlives_its_process`], [`has_one_writer`] |
//! | `Clock`, `KillSwitch` | [`time_never_goes_back`], [`the_brake_says_what_it_is`] |

mod act;
mod clock;
mod instances;
mod journal;
mod nodes;
mod objects;
mod sources;
mod volumes;
mod workloads;

pub use clock::{the_brake_says_what_it_is, time_never_goes_back};
pub use instances::{
    describes_what_it_lists, leaves_instances_that_are_protected_or_nodes,
    stops_starts_and_terminates, tags_and_untags,
};
pub use journal::{has_one_writer, keeps_entries_in_order, outlives_its_process, sample_entries};
pub use nodes::{
    cordons_and_uncordons, deletes_node_object_once, drains_once, launches_once,
    leaves_nodes_with_pods, releases_once, removes_once,
};
pub use objects::{annotates_and_removes, routes_and_forgets};
pub use sources::{
    a_cluster_knows_itself, a_failed_list_is_never_a_whole, an_account_knows_itself,
    lists_are_complete_or_say_so, lists_say_the_same_in_any_order,
    what_may_not_be_read_whole_is_not_complete,
};
pub use volumes::{
    act_needs_matching_permit, act_needs_matching_precondition, deletes_once,
    leaves_attached_volumes, snapshots_once,
};
pub use workloads::{
    prefers_a_zone_and_forgets_it, resizes_once, scales_only_from_what_was_seen,
    sets_the_spot_share_once, suspends_and_resumes,
};
