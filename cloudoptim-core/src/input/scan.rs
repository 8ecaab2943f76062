//! One look over the bytes of a valid JSON text for what a typed reader does
//! not tell: keys that stand twice in one object.

use std::collections::HashSet;

/// From this number of keys on, an object's keys are looked up by hash.
const MANY: usize = 48;

struct Frame<'a> {
    object: bool,
    /// Where this object's keys begin in the common list.
    begin: usize,
    /// All keys, once there are many.
    set: Option<HashSet<&'a str>>,
    /// The next string is a key.
    key_next: bool,
}

/// How many keys of `text` repeat an earlier key of the same object. It must
/// be valid JSON: one value or several in a row.
pub(super) fn duplicate_keys(text: &str) -> u64 {
    let bytes = text.as_bytes();
    let mut duplicates: u64 = 0;
    let mut frames: Vec<Frame<'_>> = Vec::new();
    let mut keys: Vec<&str> = Vec::new();
    let mut i = 0;
    while let Some(&byte) = bytes.get(i) {
        i = i.saturating_add(1);
        match byte {
            b'{' | b'[' => frames.push(Frame {
                object: byte == b'{',
                begin: keys.len(),
                set: None,
                key_next: byte == b'{',
            }),
            b'}' | b']' => {
                if let Some(frame) = frames.pop() {
                    keys.truncate(frame.begin);
                }
            }
            b',' => {
                if let Some(frame) = frames.last_mut() {
                    frame.key_next = frame.object;
                }
            }
            b'"' => {
                let start = i;
                i = end_of_string(bytes, start);
                let Some(frame) = frames.last_mut().filter(|f| f.key_next) else {
                    continue;
                };
                frame.key_next = false;
                let Some(key) = text.get(start..i.saturating_sub(1)) else {
                    continue;
                };
                if repeats(frame, &mut keys, key) {
                    duplicates = duplicates.saturating_add(1);
                }
            }
            _ => {}
        }
    }
    duplicates
}

/// The place after the closing quote.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut i = start;
    while let Some(&byte) = bytes.get(i) {
        match byte {
            b'"' => return i.saturating_add(1),
            b'\\' => i = i.saturating_add(2),
            _ => i = i.saturating_add(1),
        }
    }
    bytes.len()
}

fn repeats<'a>(frame: &mut Frame<'a>, keys: &mut Vec<&'a str>, key: &'a str) -> bool {
    if let Some(set) = &mut frame.set {
        return !set.insert(key);
    }
    let mine = keys.get(frame.begin..).unwrap_or_default();
    if mine.contains(&key) {
        return true;
    }
    if mine.len() >= MANY {
        frame.set = Some(mine.iter().copied().chain([key]).collect());
    } else {
        keys.push(key);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_repeats_only_within_one_object() {
        let text = r#"{"a":1,"b":{"a":2,"c":[{"a":1},{"a":2}]},"a":{"x":"a\"b,{"}}"#;
        assert_eq!(duplicate_keys(text), 1);
    }

    #[test]
    fn repeats_are_found_in_wide_objects_too() {
        let mut text = String::from("{");
        for n in 0..200 {
            text.push_str(&format!("\"k{n}\":{n},"));
        }
        text.push_str("\"k3\":0,\"k150\":0}");
        assert_eq!(duplicate_keys(&text), 2);
    }
}
