//! One pass over an object without building it: its kind and name, keys that
//! stand twice, and the latest instant that it names.

use chrono::{DateTime, Utc};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::collections::HashSet;
use std::fmt;

/// Keys whose value is the moment of an observation: none of them is in the
/// future of the dump, as an expiry would be.
const TIMES: [&str; 16] = [
    "creationTimestamp",
    "lastHeartbeatTime",
    "lastTransitionTime",
    "lastTimestamp",
    "lastObservedTime",
    "eventTime",
    "renewTime",
    "startTime",
    "startedAt",
    "finishedAt",
    "LaunchTime",
    "AttachTime",
    "CreateTime",
    "StartTime",
    "lastScheduleTime",
    "timestamp",
];

/// What one pass finds.
#[derive(Debug, Clone, Default)]
pub(super) struct Head {
    pub(super) kind: String,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) continues: bool,
    pub(super) duplicate_keys: u64,
    pub(super) latest: Option<DateTime<Utc>>,
    /// Keys at the top, for telling documents apart.
    pub(super) keys: Vec<String>,
}

/// Scans one JSON object.
pub(super) fn scan(text: &str) -> Result<Head, serde_json::Error> {
    let mut head = Head::default();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    Walk {
        head: &mut head,
        place: Place::Top,
    }
    .deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(head)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Top,
    Kind,
    Metadata,
    Name,
    Namespace,
    Continue,
    Time,
    Else,
}

struct Walk<'a> {
    head: &'a mut Head,
    place: Place,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        match self.place {
            Place::Kind => text.clone_into(&mut self.head.kind),
            Place::Name => text.clone_into(&mut self.head.name),
            Place::Namespace => text.clone_into(&mut self.head.namespace),
            Place::Continue => self.head.continues |= !text.is_empty(),
            Place::Time => {
                if let Ok(time) = DateTime::parse_from_rfc3339(text) {
                    let time = time.with_timezone(&Utc);
                    self.head.latest = self.head.latest.max(Some(time));
                }
            }
            Place::Top | Place::Metadata | Place::Else => {}
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq
            .next_element_seed(Walk {
                head: self.head,
                place: Place::Else,
            })?
            .is_some()
        {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = Seen::default();
        while let Some(key) = map.next_key::<Key<'de>>()? {
            let key = key.0;
            if seen.twice(&key) {
                self.head.duplicate_keys += 1;
            }
            let place = match (self.place, key.as_ref()) {
                (Place::Top, "kind") => Place::Kind,
                (Place::Top, "metadata") => Place::Metadata,
                (Place::Metadata, "name") => Place::Name,
                (Place::Metadata, "namespace") => Place::Namespace,
                (Place::Metadata, "continue") => Place::Continue,
                (_, name) if TIMES.contains(&name) => Place::Time,
                _ => Place::Else,
            };
            if self.place == Place::Top {
                self.head.keys.push(key.clone().into_owned());
            }
            map.next_value_seed(Walk {
                head: self.head,
                place,
            })?;
            seen.push(key);
        }
        Ok(())
    }
}

/// A key, borrowed where it has no escape.
struct Key<'a>(std::borrow::Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(text.into()))
            }
            fn visit_str<E>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(text.to_owned().into()))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// Keys of one object: a list while it is short, a set when it is not.
#[derive(Default)]
struct Seen<'a> {
    few: Vec<std::borrow::Cow<'a, str>>,
    many: HashSet<std::borrow::Cow<'a, str>>,
}

impl<'a> Seen<'a> {
    const FEW: usize = 24;

    fn twice(&self, key: &str) -> bool {
        self.few.iter().any(|have| have == key) || self.many.contains(key)
    }

    fn push(&mut self, key: std::borrow::Cow<'a, str>) {
        if self.few.len() < Self::FEW {
            self.few.push(key);
        } else {
            self.many.insert(key);
        }
    }
}
