//! What EC2 says about an instance of which a message came.

use super::lattice::Stage;
use crate::knowledge::Knowledge;
use crate::model::{Instance, InstanceState, SpotRequest};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// An answer to "is that so?".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Confirmation {
    /// The instance is being taken back, or on its way out.
    Confirmed,
    /// It is not.
    Contradicted,
    /// Nobody can say.
    Unavailable,
}

/// Status codes of a spot request whose instance is being taken back or was.
const TAKEN_BACK: [&str; 13] = [
    "marked-for-termination",
    "marked-for-stop",
    "marked-for-termination-by-experiment",
    "marked-for-stop-by-experiment",
    "instance-terminated-by-price",
    "instance-terminated-no-capacity",
    "instance-terminated-capacity-oversubscribed",
    "instance-terminated-launch-group-constraint",
    "instance-terminated-by-service",
    "instance-terminated-by-schedule",
    "instance-terminated-by-experiment",
    "instance-stopped-by-price",
    "instance-stopped-no-capacity",
];

/// What fresh readings say about a notice that `instance` is taken back.
///
/// | spot request of the instance | instance | answer |
/// | --- | --- | --- |
/// | marked, or ended by EC2 | any | confirmed |
/// | any | stopping, stopped, shutting down, terminated | confirmed |
/// | `fulfilled`, read `doubt_seconds` or more after `noticed_at` | running | contradicted, if it is said to be [`Stage::Interrupted`] or [`Stage::Stopping`] |
/// | anything else | | unavailable |
///
/// A reading without its time contradicts nothing. For an instance that is no
/// spot instance only its state can confirm, and nothing here contradicts; nor
/// does anything here a lifecycle hook ([`Stage::Released`]), whose instance
/// runs while the hook waits: ask its scaling group.
///
/// ```
/// use cloudoptim_core::interruption::{Confirmation, Stage, confirmation};
/// use cloudoptim_core::knowledge::{Knowledge, Provenance};
/// use cloudoptim_core::model::{Instance, InstanceState};
/// use chrono::DateTime;
///
/// let gone = Instance { id: "i-1".into(), state: InstanceState::Stopping, ..Instance::default() };
/// let instances = Knowledge::complete(vec![gone], Provenance::new("test", "a/r"));
/// let answer = confirmation("i-1", Stage::Interrupted, DateTime::UNIX_EPOCH, 15, &Knowledge::default(), &instances);
/// assert_eq!(answer, Confirmation::Confirmed);
/// ```
pub fn confirmation(
    instance: &str,
    stage: Stage,
    noticed_at: DateTime<Utc>,
    doubt_seconds: u32,
    requests: &Knowledge<Vec<SpotRequest>>,
    instances: &Knowledge<Vec<Instance>>,
) -> Confirmation {
    let request = requests
        .items()
        .iter()
        .find(|r| r.instance.as_ref().is_some_and(|i| i.as_str() == instance));
    if request.is_some_and(|r| TAKEN_BACK.contains(&r.status.as_str())) {
        return Confirmation::Confirmed;
    }
    let found = instances.items().iter().find(|i| i.id.as_str() == instance);
    let state = found.map_or(InstanceState::Unknown, |i| i.state);
    if matches!(
        state,
        InstanceState::Stopping
            | InstanceState::Stopped
            | InstanceState::ShuttingDown
            | InstanceState::Terminated
    ) {
        return Confirmation::Confirmed;
    }
    let settled = noticed_at.checked_add_signed(TimeDelta::seconds(i64::from(doubt_seconds)));
    let late_enough = |at: Option<DateTime<Utc>>| at.zip(settled).is_some_and(|(at, s)| at >= s);
    let fresh = late_enough(requests.provenance().and_then(|p| p.observed_at))
        && late_enough(instances.provenance().and_then(|p| p.observed_at));
    let fulfilled = request.is_some_and(|r| r.is_live() && r.status == "fulfilled");
    let can_tell = matches!(stage, Stage::Interrupted | Stage::Stopping);
    if can_tell && fresh && fulfilled && state == InstanceState::Running {
        Confirmation::Contradicted
    } else {
        Confirmation::Unavailable
    }
}
