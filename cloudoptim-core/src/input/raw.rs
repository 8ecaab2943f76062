//! Building blocks for reading other people's JSON: null where a value should
//! be, times in several spellings, text that may hold control characters.

use crate::model::{Bytes, Labels, Quantity, ResourceList, Resources};
use chrono::{DateTime, Utc};
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

/// A value, or its default where the document has `null` or nothing, as Go's
/// `encoding/json` reads both.
#[derive(Debug, Clone, Default)]
pub(super) struct N<T>(pub(super) T);

impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for N<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(
            Option::<T>::deserialize(deserializer)?.unwrap_or_default(),
        ))
    }
}

/// Whether a character must not reach a terminal, a log or a page: control
/// characters, and the marks that change the direction of text.
fn is_unsafe(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The text with every unsafe character written as an escape, such as `\u{1b}`.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    let plain = |b: u8| (b' '..0x7f).contains(&b);
    if text.bytes().all(plain) || !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len().saturating_add(16));
    for c in text.chars() {
        if is_unsafe(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

fn clean_owned(text: String) -> String {
    match clean(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(cleaned) => cleaned,
    }
}

/// A string without unsafe characters; empty for `null`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Text(pub(super) String);

impl Text {
    /// `None` when empty.
    pub(super) fn some(self) -> Option<String> {
        (!self.0.is_empty()).then_some(self.0)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        Ok(Self(text.map(clean_owned).unwrap_or_default()))
    }
}

/// A key without unsafe characters. Unlike [`Text`] it is read as a plain
/// string, so that a path to a broken field can name it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(pub(super) String);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|key| Self(clean_owned(key)))
    }
}

/// Turns a list of texts into strings.
pub(super) fn strings(texts: N<Vec<Text>>) -> Vec<String> {
    texts.0.into_iter().map(|t| t.0).collect()
}

/// Labels, in key order; a `null` value is the empty string.
#[derive(Debug, Clone, Default)]
pub(super) struct Map(pub(super) Labels);

impl<'de> Deserialize<'de> for Map {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let map = Option::<BTreeMap<Key, Text>>::deserialize(deserializer)?;
        let map = map.unwrap_or_default();
        Ok(Self(map.into_iter().map(|(k, v)| (k.0, v.0)).collect()))
    }
}

/// An instant: RFC 3339, or seconds since the epoch as some AWS tools print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Time(pub(super) DateTime<Utc>);

/// The instant of an optional time.
pub(super) fn at(time: Option<Time>) -> Option<DateTime<Utc>> {
    time.map(|t| t.0)
}

/// The instant that many seconds after the epoch, to the millisecond.
pub(super) fn from_epoch_seconds(seconds: f64) -> Option<DateTime<Utc>> {
    // Beyond ±10^12 seconds (the year 33658) it is not a time, and the product
    // stays exact enough for a millisecond below that.
    if !seconds.is_finite() || seconds.abs() > 1e12 {
        return None;
    }
    #[allow(clippy::cast_possible_truncation)] // bounded above
    let millis = (seconds * 1000.0).round() as i64;
    DateTime::from_timestamp_millis(millis)
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TimeVisitor;
        impl Visitor<'_> for TimeVisitor {
            type Value = Time;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time such as \"2026-11-22T02:30:00Z\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Time, E> {
                DateTime::parse_from_rfc3339(text)
                    .map(|t| Time(t.to_utc()))
                    .map_err(|_| E::custom(format_args!("not a time: {}", quoted(text))))
            }

            fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Time, E> {
                i64::try_from(seconds)
                    .ok()
                    .and_then(|s| DateTime::from_timestamp(s, 0))
                    .map(Time)
                    .ok_or_else(|| E::custom("a number of seconds that is no time"))
            }

            fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Time, E> {
                from_epoch_seconds(seconds)
                    .map(Time)
                    .ok_or_else(|| E::custom("a number of seconds that is no time"))
            }
        }
        deserializer.deserialize_any(TimeVisitor)
    }
}

/// What a message may quote of a value: its shape when it is long or odd.
pub(super) fn quoted(text: &str) -> String {
    let short = text.len() <= 40
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || b"-+:.TZtz ".contains(&b));
    if short {
        format!("{text:?}")
    } else {
        format!("a text of {} characters", text.chars().count())
    }
}

/// Amounts by resource, with the pod slots of a node beside them.
#[derive(Debug, Clone, Default)]
pub(super) struct Amounts {
    pub(super) list: ResourceList,
    pub(super) pods: Option<u64>,
}

impl Amounts {
    /// As a node has them: what is not named is none.
    pub(super) fn into_resources(self) -> Resources {
        let mut resources = self.list.to_resources();
        resources.pods = self.pods.unwrap_or(0);
        resources
    }

    /// An amount in bytes of a resource that is neither CPU nor memory.
    pub(super) fn bytes(&self, name: &str) -> Option<Bytes> {
        self.list.extended.get(name).copied().map(Bytes)
    }
}

/// A quantity whose error does not show a text that is no quantity at all.
pub(super) struct Amount(pub(super) Quantity);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AmountVisitor;
        impl Visitor<'_> for AmountVisitor {
            type Value = Amount;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity such as \"100m\" or \"1.5Gi\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Amount, E> {
                Quantity::parse(text).map(Amount).map_err(|error| {
                    let numeric = |b: u8| b.is_ascii_digit() || b"+-.".contains(&b);
                    if text.len() <= 24 && text.bytes().next().is_some_and(numeric) {
                        E::custom(error)
                    } else {
                        E::custom(format_args!("not a quantity: {}", quoted(text)))
                    }
                })
            }

            fn visit_u64<E: de::Error>(self, units: u64) -> Result<Amount, E> {
                Ok(Amount(Quantity::from_nano(
                    i128::from(units) * 1_000_000_000,
                )))
            }

            fn visit_i64<E: de::Error>(self, units: i64) -> Result<Amount, E> {
                Ok(Amount(Quantity::from_nano(
                    i128::from(units) * 1_000_000_000,
                )))
            }

            fn visit_f64<E: de::Error>(self, units: f64) -> Result<Amount, E> {
                Quantity::parse(&units.to_string())
                    .map(Amount)
                    .map_err(|_| E::custom("a number that is no quantity"))
            }
        }
        deserializer.deserialize_any(AmountVisitor)
    }
}

impl<'de> Deserialize<'de> for Amounts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AmountsVisitor;
        impl<'de> Visitor<'de> for AmountsVisitor {
            type Value = Amounts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("quantities by resource")
            }

            fn visit_unit<E>(self) -> Result<Amounts, E> {
                Ok(Amounts::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Amounts, A::Error> {
                let mut out = Amounts::default();
                while let Some(Key(name)) = map.next_key::<Key>()? {
                    let N(Some(amount)) = map.next_value::<N<Option<Amount>>>()? else {
                        continue;
                    };
                    let amount = amount.0;
                    let fail = de::Error::custom::<crate::model::QuantityError>;
                    match name.as_str() {
                        "cpu" => out.list.cpu = Some(amount.as_milli_cpu().map_err(fail)?),
                        "memory" => out.list.memory = Some(amount.as_bytes().map_err(fail)?),
                        "ephemeral-storage" => {
                            out.list.ephemeral_storage = Some(amount.as_bytes().map_err(fail)?);
                        }
                        "pods" => out.pods = Some(amount.as_integer().map_err(fail)?),
                        _ => {
                            let amount = amount.as_integer().map_err(fail)?;
                            out.list.extended.insert(name, amount);
                        }
                    }
                }
                Ok(out)
            }
        }
        deserializer.deserialize_any(AmountsVisitor)
    }
}

/// Amounts by name, in thousandths where the name ends in `cpu`.
#[derive(Debug, Clone, Default)]
pub(super) struct NamedAmounts(pub(super) BTreeMap<String, u64>);

impl<'de> Deserialize<'de> for NamedAmounts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let map = Option::<BTreeMap<Key, Amount>>::deserialize(deserializer)?;
        let mut out = BTreeMap::new();
        for (Key(name), Amount(amount)) in map.unwrap_or_default() {
            let value = if name.ends_with("cpu") {
                amount.as_milli_cpu().map(|m| m.0)
            } else {
                amount.as_integer()
            };
            out.insert(name, value.map_err(de::Error::custom)?);
        }
        Ok(Self(out))
    }
}

/// Ratios in thousandths by name.
#[derive(Debug, Clone, Default)]
pub(super) struct MilliRatios(pub(super) BTreeMap<String, u64>);

impl<'de> Deserialize<'de> for MilliRatios {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let map = Option::<BTreeMap<Key, Amount>>::deserialize(deserializer)?;
        let mut out = BTreeMap::new();
        for (Key(name), Amount(amount)) in map.unwrap_or_default() {
            let milli = amount.as_milli_cpu().map_err(de::Error::custom)?;
            out.insert(name, milli.0);
        }
        Ok(Self(out))
    }
}

/// A list of which nothing but the presence matters.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Present(pub(super) bool);

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(
            Option::<IgnoredAny>::deserialize(deserializer)?.is_some(),
        ))
    }
}

/// One value out of several words.
pub(super) trait Word: Sized {
    /// The value of a word, or `None` when the word is not known.
    fn of(word: &str) -> Option<Self>;
    /// What the words are, for the message.
    const WORDS: &'static str;
}

/// A [`Word`] in a document.
#[derive(Debug, Clone, Copy)]
pub(super) struct One<T>(pub(super) T);

impl<'de, T: Word> Deserialize<'de> for One<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordVisitor<T>(PhantomData<T>);
        impl<T: Word> Visitor<'_> for WordVisitor<T> {
            type Value = One<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "one of {}", T::WORDS)
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<One<T>, E> {
                T::of(word)
                    .map(One)
                    .ok_or_else(|| E::custom(format_args!("none of {}", T::WORDS)))
            }
        }
        deserializer.deserialize_str(WordVisitor(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_written_out() {
        assert_eq!(clean("a\u{1b}[31mb\nc"), "a\\u{1b}[31mb\\nc");
        assert_eq!(clean("\u{202e}x"), "\\u{202e}x");
        assert!(matches!(clean("plain ümlaut"), Cow::Borrowed(_)));
    }

    #[test]
    fn times_are_read_in_the_spellings_of_both_tools() {
        for text in [
            "\"2026-11-22T02:30:00Z\"",
            "\"2026-11-22T02:30:00.000000Z\"",
            "\"2026-11-22T03:30:00+01:00\"",
            "1795314600",
            "1795314600.0",
        ] {
            let time: Time = serde_json::from_str(text).unwrap();
            assert_eq!(time.0.to_rfc3339(), "2026-11-22T02:30:00+00:00", "{text}");
        }
        assert!(serde_json::from_str::<Time>("\"yesterday\"").is_err());
        assert!(serde_json::from_str::<Time>("1e300").is_err());
    }

    #[test]
    fn null_is_the_default() {
        assert!(serde_json::from_str::<Map>("null").unwrap().0.is_empty());
        assert!(serde_json::from_str::<Amounts>("null").is_ok());
        assert_eq!(serde_json::from_str::<Text>("null").unwrap().0, "");
    }
}
