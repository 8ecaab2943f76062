//! The forms of message bodies, borrowed from their bytes.
//!
//! Nothing here refuses a value for its type: a field of another event may
//! have the name of one of ours. Fields that stand twice are refused, as two
//! readers may take different ones.

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// A text, or what stands in its place.
#[derive(Debug, Default, Clone)]
pub(super) enum Text<'a> {
    /// Nothing, or null.
    #[default]
    Absent,
    Is(Cow<'a, str>),
    /// A number, a list and so on.
    Other,
}

impl<'a> Text<'a> {
    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Is(text) => Some(text),
            Self::Absent | Self::Other => None,
        }
    }

    pub(super) fn into_cow(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Is(text) => Some(text),
            Self::Absent | Self::Other => None,
        }
    }

    pub(super) const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

/// A list of texts; one that is none is empty.
#[derive(Debug, Default)]
pub(super) struct Texts<'a>(pub(super) Vec<Text<'a>>);

/// An object, or what stands in its place.
#[derive(Debug, Default)]
pub(super) enum Object<T> {
    /// Nothing, or null.
    #[default]
    Absent,
    Is(T),
    Other,
}

/// A list of objects; one that is none is empty.
#[derive(Debug)]
pub(super) struct Objects<T>(pub(super) Vec<Object<T>>);

impl<T> Default for Objects<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// The body of a message in any of its forms.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Body<'a> {
    // An event of EventBridge.
    #[serde(borrow)]
    pub(super) version: Text<'a>,
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow, rename = "detail-type")]
    pub(super) detail_type: Text<'a>,
    #[serde(borrow)]
    pub(super) source: Text<'a>,
    #[serde(borrow)]
    pub(super) account: Text<'a>,
    #[serde(borrow)]
    pub(super) time: Text<'a>,
    #[serde(borrow)]
    pub(super) region: Text<'a>,
    #[serde(borrow)]
    pub(super) resources: Texts<'a>,
    #[serde(borrow)]
    pub(super) detail: Object<Detail<'a>>,
    // A notification of SNS.
    #[serde(borrow, rename = "Type")]
    pub(super) notification: Text<'a>,
    #[serde(borrow, rename = "Message")]
    pub(super) message: Text<'a>,
    // A lifecycle hook that writes to the queue itself.
    #[serde(borrow, rename = "AccountId")]
    pub(super) account_id: Text<'a>,
    #[serde(borrow, rename = "Time")]
    pub(super) hook_time: Text<'a>,
    #[serde(borrow, rename = "Event")]
    pub(super) event: Text<'a>,
    #[serde(borrow, rename = "LifecycleTransition")]
    pub(super) transition: Text<'a>,
    #[serde(borrow, rename = "LifecycleActionToken")]
    pub(super) token: Text<'a>,
    #[serde(borrow, rename = "LifecycleHookName")]
    pub(super) hook: Text<'a>,
    #[serde(borrow, rename = "AutoScalingGroupName")]
    pub(super) group: Text<'a>,
    #[serde(borrow, rename = "EC2InstanceId")]
    pub(super) instance: Text<'a>,
}

/// What an event says, of any kind.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Detail<'a> {
    #[serde(borrow, rename = "instance-id")]
    pub(super) instance_id: Text<'a>,
    #[serde(borrow, rename = "instance-action")]
    pub(super) instance_action: Text<'a>,
    #[serde(borrow, rename = "instance-termination-time")]
    pub(super) termination_time: Text<'a>,
    #[serde(borrow)]
    pub(super) state: Text<'a>,
    #[serde(borrow, rename = "Event")]
    pub(super) event: Text<'a>,
    #[serde(borrow, rename = "LifecycleTransition")]
    pub(super) transition: Text<'a>,
    #[serde(borrow, rename = "LifecycleActionToken")]
    pub(super) token: Text<'a>,
    #[serde(borrow, rename = "LifecycleHookName")]
    pub(super) hook: Text<'a>,
    #[serde(borrow, rename = "AutoScalingGroupName")]
    pub(super) group: Text<'a>,
    #[serde(borrow, rename = "EC2InstanceId")]
    pub(super) instance: Text<'a>,
    #[serde(borrow, rename = "eventArn")]
    pub(super) event_arn: Text<'a>,
    #[serde(borrow)]
    pub(super) service: Text<'a>,
    #[serde(borrow, rename = "eventTypeCategory")]
    pub(super) category: Text<'a>,
    #[serde(borrow, rename = "statusCode")]
    pub(super) status: Text<'a>,
    #[serde(borrow, rename = "startTime")]
    pub(super) start: Text<'a>,
    #[serde(borrow, rename = "affectedAccount")]
    pub(super) affected_account: Text<'a>,
    #[serde(borrow, rename = "affectedEntities")]
    pub(super) entities: Objects<Entity<'a>>,
}

/// What a Health event is about.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Entity<'a> {
    #[serde(borrow, rename = "entityValue")]
    pub(super) value: Text<'a>,
}

/// The visits of a value whose content does not matter.
macro_rules! other {
    ($other:expr; $absent:expr) => {
        fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
            Ok($other)
        }
        fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
            Ok($other)
        }
        fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
            Ok($other)
        }
        fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
            Ok($other)
        }
        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok($absent)
        }
    };
}

fn skip_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<(), A::Error> {
    while list.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

fn skip_object<'de, A: MapAccess<'de>>(mut object: A) -> Result<(), A::Error> {
    while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text::Is(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text::Is(Cow::Owned(text.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                skip_list(list)?;
                Ok(Text::Other)
            }

            fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
                skip_object(object)?;
                Ok(Text::Other)
            }

            other!(Text::Other; Text::Absent);
        }
        from.deserialize_any(Visit)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Texts<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Texts<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }

            fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
                Ok(Texts::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = list.next_element()? {
                    texts.push(text);
                }
                Ok(Texts(texts))
            }

            fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
                skip_object(object)?;
                Ok(Texts::default())
            }

            other!(Texts::default(); Texts::default());
        }
        from.deserialize_any(Visit)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visit<T>(PhantomData<fn() -> T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Visit<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }

            fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
                Ok(Object::Other)
            }

            // A struct would be read from a list too, by position.
            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                skip_list(list)?;
                Ok(Object::Other)
            }

            fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(object)).map(Object::Is)
            }

            other!(Object::Other; Object::Absent);
        }
        from.deserialize_any(Visit(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Objects<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visit<T>(PhantomData<fn() -> T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Visit<T> {
            type Value = Objects<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }

            fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
                Ok(Objects::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut objects = Vec::new();
                while let Some(object) = list.next_element()? {
                    objects.push(object);
                }
                Ok(Objects(objects))
            }

            fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
                skip_object(object)?;
                Ok(Objects::default())
            }

            other!(Objects::default(); Objects::default());
        }
        from.deserialize_any(Visit(PhantomData))
    }
}
