//! Objects that cannot be read: which, where, why, and nothing of their text.

use super::raw::{clean, quoted};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Where and why reading failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) field: String,
    pub(super) message: String,
}

/// Longest path and message, in characters.
const LONGEST: usize = 200;

fn cut(text: &str) -> String {
    let text = clean(text);
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.into_owned(),
    }
}

/// A parser's message without the values that it quotes: they may be secrets.
pub(super) fn message(text: &str) -> String {
    let mut out = text.to_owned();
    for (open, close) in [
        ("invalid type: string \"", "\", expected"),
        ("invalid value: string \"", "\", expected"),
    ] {
        if let Some(start) = out.find(open)
            && let Some(end) = out.rfind(close)
        {
            let from = start.saturating_add(open.len());
            if let Some(value) = out.get(from..end) {
                let head = open.trim_end_matches(" \"");
                let shown = format!(
                    "{}{head} ({}){}",
                    out.get(..start).unwrap_or_default(),
                    quoted(value),
                    out.get(end.saturating_add(1)..).unwrap_or_default()
                );
                out = shown;
            }
        }
    }
    cut(&out)
}

/// Reads one object and counts the fields that nothing reads. When a key stands
/// twice, the last one wins, as in Go.
///
/// The second reader, which knows the field, is made for each type too: only
/// one, since most of what this crate compiles to is readers.
pub(super) fn read<R: DeserializeOwned>(text: &str) -> Result<(R, u64), Failure> {
    read_noting(text, None)
}

/// A step on the way to a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// As [`read`], and notes where each field is that nothing reads.
pub(super) fn read_noting<R: DeserializeOwned>(
    text: &str,
    mut note: Option<&mut Vec<Vec<Step>>>,
) -> Result<(R, u64), Failure> {
    match counted::<R>(text, note.as_deref_mut()) {
        Ok(read) => Ok(read),
        Err(error) if error.to_string().starts_with("duplicate field") => {
            // Only a map forgets the earlier of two equal keys.
            let value: serde_json::Value = serde_json::from_str(text).map_err(|error| Failure {
                field: String::new(),
                message: message(&error.to_string()),
            })?;
            let text = value.to_string();
            if let Some(note) = note.as_deref_mut() {
                note.clear();
            }
            counted(&text, note).or_else(|_| read_with_path(&text))
        }
        Err(_) => read_with_path(text),
    }
}

/// Reads one object whose type counts its fields itself: the reader around the
/// reader that [`read`] takes costs half as much time again.
pub(super) fn read_as_it_is<R: DeserializeOwned>(text: &str) -> Result<R, Failure> {
    serde_json::from_str(text).or_else(|_| read_with_path(text).map(|(value, _)| value))
}

fn counted<R: DeserializeOwned>(
    text: &str,
    mut note: Option<&mut Vec<Vec<Step>>>,
) -> Result<(R, u64), serde_json::Error> {
    let mut skipped: u64 = 0;
    let mut json = serde_json::Deserializer::from_str(text);
    let value = serde_ignored::deserialize(&mut json, |path| {
        if !is_head(&path) {
            skipped = skipped.saturating_add(1);
            if let Some(note) = note.as_deref_mut() {
                note.push(steps(&path));
            }
        }
    })?;
    json.end()?;
    Ok((value, skipped))
}

fn steps(path: &serde_ignored::Path<'_>) -> Vec<Step> {
    use serde_ignored::Path;
    let mut out = Vec::new();
    let mut at = path;
    loop {
        at = match at {
            Path::Root => break,
            Path::Seq { parent, index } => {
                out.push(Step::Index(*index));
                parent
            }
            Path::Map { parent, key } => {
                out.push(Step::Key(key.clone()));
                parent
            }
            Path::Some { parent }
            | Path::NewtypeStruct { parent }
            | Path::NewtypeVariant { parent } => parent,
        };
    }
    out.reverse();
    out
}

/// Whether it is what told the kind of the object before.
fn is_head(path: &serde_ignored::Path<'_>) -> bool {
    use serde_ignored::Path;
    matches!(path, Path::Map { parent: Path::Root, key } if key == "apiVersion" || key == "kind")
}

/// Reads what could not be read, to learn where it breaks.
fn read_with_path<R: DeserializeOwned>(text: &str) -> Result<(R, u64), Failure> {
    let mut json = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut json).map_err(failure)?;
    Ok((value, 0))
}

fn failure(error: serde_path_to_error::Error<serde_json::Error>) -> Failure {
    let path = error.path().to_string();
    let text = error.inner().to_string();
    // The position within one object of a file says nothing.
    let text = text.split(" at line ").next().unwrap_or_default();
    Failure {
        field: if path == "." {
            String::new()
        } else {
            cut(&path)
        },
        message: message(text),
    }
}

/// Namespace and name (or id) of an object that could not be read.
pub(super) fn identity(text: &str, id_field: Option<&str>) -> (String, String) {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct OnlyMeta {
        metadata: serde_json::Value,
    }
    if let Some(id) = id_field {
        let value: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
        let id = value.get(id).and_then(serde_json::Value::as_str);
        return (String::new(), cut(id.unwrap_or_default()));
    }
    let meta: OnlyMeta = serde_json::from_str(text).unwrap_or_default();
    let part = |key: &str| {
        let text = meta.metadata.get(key).and_then(serde_json::Value::as_str);
        cut(text.unwrap_or_default())
    };
    (part("namespace"), part("name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_the_wrong_type_is_named_by_its_path_and_not_shown() {
        let failed = read::<Vec<std::collections::BTreeMap<String, u32>>>(
            r#"[{"a":1},{"b":"hunter2hunter2"}]"#,
        )
        .unwrap_err();
        assert_eq!(failed.field, "[1].b");
        assert_eq!(
            failed.message,
            "invalid type: string (a text of 14 characters), expected u32"
        );
    }

    #[test]
    fn the_last_of_two_equal_keys_wins() {
        #[derive(Deserialize)]
        struct One {
            a: u8,
        }
        let (one, skipped) = read::<One>(r#"{"a":1,"b":{"c":1},"a":2}"#).unwrap();
        assert_eq!((one.a, skipped), (2, 1));
    }

    #[test]
    fn a_field_that_nothing_reads_is_counted_once_whatever_it_holds() {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Outer {
            inner: Vec<Inner>,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Inner {
            a: u8,
        }
        let text = r#"{"inner":[{"a":1,"b":{"c":[1,{"d":2}]}},{"e":null}],"f":[1,2]}"#;
        let (outer, skipped) = read::<Outer>(text).unwrap();
        assert_eq!((outer.inner.len(), outer.inner[0].a, skipped), (2, 1, 3));
    }
}
