//! Whether a snapshot of an encrypted volume is a way back.

use super::{Ground, Reason};
use crate::decision::MissingEvidence;
use crate::model::Volume;
use chrono::TimeDelta;

/// How long ago a snapshot may have been started that shows that a key works.
const SHOWN_DAYS: i64 = 7;

/// What is known of a volume's key.
pub(super) enum Key {
    /// It works, or there is none.
    Works(Option<Reason>),
    /// What it encrypts cannot be read.
    Unusable(Reason),
    /// Nobody asked.
    Unknown(MissingEvidence),
}

impl Ground<'_> {
    /// A snapshot is encrypted with the volume's key, so it is worth as much.
    pub(super) fn key(&self, volume: &Volume) -> Key {
        let unknown = |part: String| {
            Key::Unknown(MissingEvidence::Part {
                part,
                state: "not asked for".to_owned(),
            })
        };
        match (volume.encrypted, &volume.kms_key) {
            (Some(false), None) => return Key::Works(None),
            (None, None) => return unknown(format!("encryption of {}", volume.id)),
            _ => {}
        }
        let Some(key) = volume.kms_key.as_deref().filter(|k| !k.is_empty()) else {
            return unknown(format!("key of {}", volume.id));
        };
        match volume.kms_key_state.as_deref() {
            Some("Enabled") => Key::Works(None),
            Some(state) => Key::Unusable(Reason::KeyUnusable {
                key: key.to_owned(),
                state: state.to_owned(),
            }),
            None => match self.key_shown(key) {
                Some(reason) => Key::Works(Some(reason)),
                None => unknown(format!("state of key {key}")),
            },
        }
    }

    /// A snapshot under the key that was completed of late shows that it works.
    fn key_shown(&self, key: &str) -> Option<Reason> {
        let now = self.inputs.now();
        let volumes = self.cloud.volumes.items().iter();
        let shown = volumes
            .filter(|v| v.kms_key.as_deref() == Some(key))
            .flat_map(|v| self.snapshots.get(&v.id).into_iter().flatten())
            .filter(|s| s.state == "completed")
            .filter_map(|s| Some((s.started_at?, &s.id)))
            .filter(|(at, _)| *at <= now && now - *at <= TimeDelta::days(SHOWN_DAYS))
            .max();
        shown.map(|(at, snapshot)| Reason::KeyWorked {
            key: key.to_owned(),
            snapshot: snapshot.clone(),
            at,
        })
    }
}
