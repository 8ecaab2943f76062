//! From bytes to JSON documents: gzip, encodings, several documents in a row.

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::io::Read;

/// The text of a file.
pub(super) fn text<'a>(bytes: &'a [u8], max_bytes: u64) -> Result<Cow<'a, str>, String> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        if over(bytes.len(), max_bytes) {
            return Err(format!("larger than {} bytes", max_bytes));
        }
        return decode(Cow::Borrowed(bytes));
    }
    let mut out = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes)
        .take(max_bytes.saturating_add(1))
        .read_to_end(&mut out)
        .map_err(|error| format!("gzip: {error}"))?;
    if over(out.len(), max_bytes) {
        return Err(format!(
            "larger than {} bytes after decompression",
            max_bytes
        ));
    }
    decode(Cow::Owned(out))
}

fn over(len: usize, limit: u64) -> bool {
    u64::try_from(len).is_ok_and(|len| len > limit)
}

fn decode(bytes: Cow<'_, [u8]>) -> Result<Cow<'_, str>, String> {
    // PowerShell's redirection writes UTF-16 with a byte order mark.
    let units = |read: fn([u8; 2]) -> u16| -> Result<Cow<'_, str>, String> {
        let units: Vec<u16> = bytes
            .chunks_exact(2)
            .skip(1)
            .map(|pair| match pair {
                [a, b] => read([*a, *b]),
                _ => 0,
            })
            .collect();
        String::from_utf16(&units)
            .map(Cow::Owned)
            .map_err(|_| "not UTF-16 although it begins like it".to_owned())
    };
    if bytes.starts_with(&[0xff, 0xfe]) {
        return units(u16::from_le_bytes);
    }
    if bytes.starts_with(&[0xfe, 0xff]) {
        return units(u16::from_be_bytes);
    }
    let not_utf8 = |at: usize| format!("not UTF-8 at byte {at}");
    match bytes {
        Cow::Borrowed(bytes) => {
            let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
            std::str::from_utf8(bytes)
                .map(Cow::Borrowed)
                .map_err(|e| not_utf8(e.valid_up_to()))
        }
        Cow::Owned(bytes) => String::from_utf8(bytes)
            .map(|text| match text.strip_prefix('\u{feff}') {
                Some(rest) => Cow::Owned(rest.to_owned()),
                None => Cow::Owned(text),
            })
            .map_err(|e| not_utf8(e.utf8_error().valid_up_to())),
    }
}

/// One document of a file.
#[derive(Debug)]
pub(super) struct Document<'a> {
    /// Its whole text.
    pub(super) text: &'a str,
    /// What stands at its top.
    pub(super) top: Top<'a>,
}

/// What stands at the top of a document.
#[derive(Debug, Default)]
pub(super) struct Top<'a> {
    /// Members that are not lists of objects, by name; the last of each name.
    pub(super) members: Vec<(String, &'a RawValue)>,
    /// Lists of objects by name.
    pub(super) lists: Vec<(String, Vec<&'a RawValue>)>,
    /// Neither an object nor an array.
    pub(super) scalar: bool,
}

impl<'a> Top<'a> {
    pub(super) fn member(&self, name: &str) -> Option<&'a RawValue> {
        self.members
            .iter()
            .rev()
            .find(|(key, _)| key == name)
            .map(|(_, value)| *value)
    }

    /// A member that is a string.
    pub(super) fn string(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.member(name)?.get()).ok()
    }

    pub(super) fn list(&self, name: &str) -> Option<&[&'a RawValue]> {
        self.lists
            .iter()
            .rev()
            .find(|(key, _)| key == name)
            .map(|(_, items)| items.as_slice())
    }
}

/// Lists whose items are read one by one, so that one broken item does not
/// take the others with it.
pub(super) const LISTS: &[&str] = &[
    "items",
    "Reservations",
    "Volumes",
    "Snapshots",
    "AvailabilityZones",
    "AutoScalingGroups",
    "Instances",
    "Subnets",
    "SpotInstanceRequests",
    "savingsPlans",
    "ReservedInstances",
    "CapacityReservations",
];

impl<'de: 'a, 'a> Deserialize<'de> for Top<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TopVisitor;
        impl<'de> Visitor<'de> for TopVisitor {
            type Value = Top<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON document")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Top<'de>, A::Error> {
                let mut top = Top::default();
                while let Some(key) = map.next_key::<String>()? {
                    if LISTS.contains(&key.as_str()) {
                        let items = map.next_value::<Option<Vec<&'de RawValue>>>()?;
                        top.lists.push((key, items.unwrap_or_default()));
                    } else {
                        top.members.push((key, map.next_value()?));
                    }
                }
                Ok(top)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Top<'de>, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element::<&'de RawValue>()? {
                    items.push(item);
                }
                Ok(Top {
                    lists: vec![("items".to_owned(), items)],
                    ..Top::default()
                })
            }

            fn visit_unit<E>(self) -> Result<Top<'de>, E> {
                Ok(scalar())
            }

            fn visit_bool<E>(self, _: bool) -> Result<Top<'de>, E> {
                Ok(scalar())
            }

            fn visit_u64<E>(self, _: u64) -> Result<Top<'de>, E> {
                Ok(scalar())
            }

            fn visit_i64<E>(self, _: i64) -> Result<Top<'de>, E> {
                Ok(scalar())
            }

            fn visit_f64<E>(self, _: f64) -> Result<Top<'de>, E> {
                Ok(scalar())
            }

            fn visit_str<E>(self, _: &str) -> Result<Top<'de>, E> {
                Ok(scalar())
            }
        }
        deserializer.deserialize_any(TopVisitor)
    }
}

fn scalar<'a>() -> Top<'a> {
    Top {
        scalar: true,
        ..Top::default()
    }
}

/// All documents of a text, or why it is not JSON.
pub(super) fn documents(text: &str) -> Result<Vec<Document<'_>>, String> {
    let mut out = Vec::new();
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<Top<'_>>();
    let mut start = 0;
    while let Some(result) = stream.next() {
        let top = result.map_err(|error| super::broken::message(&error.to_string()))?;
        if top.scalar {
            return Err("a JSON value, but neither an object nor an array".to_owned());
        }
        let end = stream.byte_offset();
        out.push(Document {
            text: text.get(start..end).unwrap_or_default(),
            top,
        });
        start = end;
    }
    if out.is_empty() {
        return Err("empty".to_owned());
    }
    Ok(out)
}

/// API version and kind of an object, read no further than needed.
pub(super) fn head(object: &str) -> (String, String) {
    struct Head<'h>(&'h mut Option<String>, &'h mut Option<String>);

    impl<'de> Visitor<'de> for Head<'_> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            while let Some(key) = map.next_key::<Cow<'_, str>>()? {
                match key.as_ref() {
                    "apiVersion" => *self.0 = map.next_value::<super::raw::Text>()?.some(),
                    "kind" => *self.1 = map.next_value::<super::raw::Text>()?.some(),
                    _ => {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                if self.0.is_some() && self.1.is_some() {
                    // Enough: the rest is read by the kind's own reader.
                    return Err(de::Error::custom("enough"));
                }
            }
            Ok(())
        }
    }

    let (mut version, mut kind) = (None, None);
    let mut deserializer = serde_json::Deserializer::from_str(object);
    // An error here is either "enough" or comes again from the kind's reader.
    let _ = (&mut deserializer).deserialize_map(Head(&mut version, &mut kind));
    (version.unwrap_or_default(), kind.unwrap_or_default())
}
