//! The part of JSON Schema that the published schemas use: whether a document
//! keeps to one, and the fullest document that one allows.
//!
//! A keyword that is not known here is a panic, so that no schema promises
//! what no test looks at.

use serde_json::{Map, Value, json};

/// Keywords that say nothing about which documents are valid.
const NOTES: &[&str] = &[
    "$schema",
    "$defs",
    "title",
    "description",
    "default",
    "format",
];

fn resolve<'s>(root: &'s Value, reference: &str) -> &'s Value {
    let pointer = reference.strip_prefix('#').unwrap();
    root.pointer(pointer)
        .unwrap_or_else(|| panic!("{reference} leads nowhere"))
}

fn is_type(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("type {other}"),
    }
}

/// What is wrong with `value`, each with its place; empty when nothing is.
pub(crate) fn errors(schema: &Value, value: &Value) -> Vec<String> {
    let mut out = Vec::new();
    check(schema, schema, value, "", false, &mut out);
    out
}

fn holds(root: &Value, schema: &Value, value: &Value, at: &str) -> bool {
    let mut errors = Vec::new();
    check(root, schema, value, at, true, &mut errors);
    errors.is_empty()
}

/// `first`: whether one error is enough.
fn check(
    root: &Value,
    schema: &Value,
    value: &Value,
    at: &str,
    first: bool,
    out: &mut Vec<String>,
) {
    let schema = match schema {
        Value::Bool(true) => return,
        Value::Bool(false) => return out.push(format!("{at}: nothing is allowed here")),
        Value::Object(schema) => schema,
        other => panic!("{at}: a schema that is {other}"),
    };
    for (keyword, rule) in schema {
        if first && !out.is_empty() {
            return;
        }
        match (keyword.as_str(), rule) {
            ("$ref", Value::String(to)) => check(root, resolve(root, to), value, at, first, out),
            ("type", Value::String(name)) => {
                if !is_type(value, name) {
                    out.push(format!("{at}: not of type {name}"));
                }
            }
            ("type", Value::Array(names)) => {
                if !names.iter().any(|n| is_type(value, n.as_str().unwrap())) {
                    out.push(format!("{at}: of none of the types {rule}"));
                }
            }
            ("const", wanted) => {
                if value != wanted {
                    out.push(format!("{at}: not {wanted}"));
                }
            }
            ("enum", Value::Array(wanted)) => {
                if !wanted.contains(value) {
                    out.push(format!("{at}: none of {rule}"));
                }
            }
            ("oneOf" | "anyOf", Value::Array(any)) => {
                let n = any.iter().filter(|s| holds(root, s, value, at)).count();
                if n == 0 || (keyword == "oneOf" && n > 1) {
                    out.push(format!("{at}: {n} of {keyword} hold"));
                }
            }
            ("allOf", Value::Array(all)) => {
                for schema in all {
                    check(root, schema, value, at, first, out);
                }
            }
            ("minimum", limit) => {
                if value.as_f64().is_some_and(|v| v < limit.as_f64().unwrap()) {
                    out.push(format!("{at}: below {limit}"));
                }
            }
            ("maximum", limit) => {
                if value.as_f64().is_some_and(|v| v > limit.as_f64().unwrap()) {
                    out.push(format!("{at}: above {limit}"));
                }
            }
            ("required", Value::Array(names)) => {
                for name in names.iter().filter_map(Value::as_str) {
                    if value.as_object().is_some_and(|o| !o.contains_key(name)) {
                        out.push(format!("{at}: {name} is missing"));
                    }
                }
            }
            ("properties", Value::Object(properties)) => {
                for (name, schema) in properties {
                    if let Some(value) = value.get(name) {
                        check(root, schema, value, &format!("{at}/{name}"), first, out);
                    }
                }
            }
            ("additionalProperties", rest) => {
                let named = schema.get("properties");
                for (name, value) in value.as_object().into_iter().flatten() {
                    if named.is_none_or(|n| n.get(name).is_none()) {
                        check(root, rest, value, &format!("{at}/{name}"), first, out);
                    }
                }
            }
            ("prefixItems", Value::Array(schemas)) => {
                for (n, value) in value.as_array().into_iter().flatten().enumerate() {
                    if let Some(schema) = schemas.get(n) {
                        check(root, schema, value, &format!("{at}/{n}"), first, out);
                    }
                }
            }
            ("items", items) => {
                let before = schema.get("prefixItems").and_then(Value::as_array);
                let before = before.map_or(0, Vec::len);
                let values = value.as_array().into_iter().flatten().enumerate();
                for (n, value) in values.skip(before) {
                    check(root, items, value, &format!("{at}/{n}"), first, out);
                }
            }
            ("minItems" | "maxItems", limit) => {
                let limit = limit.as_u64().unwrap();
                let len = value.as_array().map(|a| u64::try_from(a.len()).unwrap());
                let holds = |n| {
                    if keyword == "minItems" {
                        n >= limit
                    } else {
                        n <= limit
                    }
                };
                if !len.is_none_or(holds) {
                    out.push(format!("{at}: {keyword} is {limit}"));
                }
            }
            ("uniqueItems", Value::Bool(true)) => {
                let items = value.as_array().map_or(&[][..], Vec::as_slice);
                let twice = |(n, item)| items.iter().skip(n + 1).any(|other| other == item);
                if items.iter().enumerate().any(twice) {
                    out.push(format!("{at}: an item stands twice"));
                }
            }
            (note, _) if NOTES.contains(&note) => {}
            (other, _) => panic!("{at}: keyword {other} is not looked at"),
        }
    }
}

/// The fullest document of each form that the schema allows: every property is
/// there, and a list has one item of each form that its items may have.
pub(crate) fn fullest(schema: &Value) -> Vec<Value> {
    forms(schema, schema, "")
}

/// One value of each form; the first is the one that stands alone.
fn forms(root: &Value, schema: &Value, name: &str) -> Vec<Value> {
    let Value::Object(map) = schema else {
        return vec![json!("anything")];
    };
    let mut out = Vec::new();
    if let Some(to) = map.get("$ref").and_then(Value::as_str) {
        out = forms(root, resolve(root, to), name);
    }
    for any in ["oneOf", "anyOf"] {
        for schema in map.get(any).and_then(Value::as_array).into_iter().flatten() {
            out.extend(
                forms(root, schema, name)
                    .into_iter()
                    .filter(|v| !v.is_null()),
            );
        }
    }
    if out.is_empty() {
        out.push(match map.get("const") {
            Some(wanted) => wanted.clone(),
            None => match map.get("enum").and_then(Value::as_array) {
                Some(wanted) => return wanted.clone(),
                None => plain(root, map, name),
            },
        });
    }
    if let Some(properties) = map.get("properties").and_then(Value::as_object) {
        let own = object(root, properties);
        for value in &mut out {
            if let Value::Object(form) = value {
                form.extend(own.clone());
            }
        }
    }
    out
}

fn object(root: &Value, properties: &Map<String, Value>) -> Map<String, Value> {
    properties
        .iter()
        .map(|(name, schema)| {
            let form = forms(root, schema, name).into_iter().next();
            (name.clone(), form.unwrap())
        })
        .collect()
}

fn plain(root: &Value, schema: &Map<String, Value>, name: &str) -> Value {
    let types = match schema.get("type") {
        Some(Value::Array(types)) => types.first().and_then(Value::as_str),
        Some(Value::String(one)) => Some(one.as_str()),
        _ => None,
    };
    let format = schema.get("format").and_then(Value::as_str);
    match types {
        Some("object") => {
            let rest = schema.get("additionalProperties").filter(|r| r.is_object());
            let rest = rest.map(|r| (name.to_owned(), forms(root, r, name).remove(0)));
            Value::Object(rest.into_iter().collect())
        }
        Some("array") => {
            let first = schema.get("prefixItems").and_then(Value::as_array);
            let first = first.into_iter().flatten();
            let mut items: Vec<Value> = first.map(|s| forms(root, s, name).remove(0)).collect();
            if items.is_empty()
                && let Some(schema) = schema.get("items")
            {
                items = forms(root, schema, name);
            }
            Value::Array(items)
        }
        Some("string") => match format {
            Some("date-time") => json!("2026-11-22T02:30:00Z"),
            Some("date") => json!("2026-11-22"),
            Some("weekly-windows") => json!("Mon-Fri 09:00-18:00 Europe/Berlin"),
            _ => json!(format!("a {name}")),
        },
        Some("integer") => schema
            .get("minimum")
            .and_then(Value::as_i64)
            .map_or(json!(7), |m| json!(m.max(3))),
        Some("number") => json!(0.5),
        Some("boolean") => json!(true),
        Some("null") => Value::Null,
        _ => json!("anything"),
    }
}

#[test]
fn every_rule_refuses_what_breaks_it() {
    let schema = json!({
        "type": "object",
        "properties": {
            "n": {"type": "integer", "minimum": 1, "maximum": 3},
            "of": {"oneOf": [{"const": "a"}, {"enum": ["b", "c"]}]},
            "list": {"type": "array", "items": {"$ref": "#/$defs/Text"}, "uniqueItems": true,
                     "minItems": 1, "maxItems": 2},
            "pair": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "boolean"}]},
            "maybe": {"type": ["number", "null"]},
            "both": {"allOf": [{"minimum": 1}, {"maximum": 1}], "anyOf": [{"type": "number"}]},
            "map": {"type": "object", "additionalProperties": {"type": "string"}},
        },
        "required": ["n"],
        "additionalProperties": false,
        "$defs": {"Text": {"type": "string"}},
    });
    let whole = json!({"n": 1, "of": "c", "list": ["x", "y"], "pair": ["x", true],
        "maybe": null, "both": 1, "map": {"k": "v"}});
    assert_eq!(errors(&schema, &whole), Vec::<String>::new());
    for (field, wrong, said) in [
        ("n", json!("1"), "/n: not of type integer"),
        ("n", json!(1.5), "/n: not of type integer"),
        ("n", json!(0), "/n: below 1"),
        ("n", json!(4), "/n: above 3"),
        ("of", json!("d"), "/of: 0 of oneOf hold"),
        ("list", json!([1]), "/list/0: not of type string"),
        ("list", json!(["x", "x"]), "/list: an item stands twice"),
        ("list", json!([]), "/list: minItems is 1"),
        ("list", json!(["x", "y", "z"]), "/list: maxItems is 2"),
        ("pair", json!(["x", 1]), "/pair/1: not of type boolean"),
        (
            "maybe",
            json!("x"),
            "/maybe: of none of the types [\"number\",\"null\"]",
        ),
        ("both", json!(2), "/both: above 1"),
        ("both", json!("x"), "/both: 0 of anyOf hold"),
        ("map", json!({"k": 1}), "/map/k: not of type string"),
        ("new", json!(1), "/new: nothing is allowed here"),
    ] {
        let mut broken = whole.clone();
        broken[field] = wrong;
        assert_eq!(errors(&schema, &broken), [said], "{field}");
    }
    let mut broken = whole.clone();
    broken.as_object_mut().unwrap().remove("n");
    assert_eq!(errors(&schema, &broken), [": n is missing"]);
    // Two of the list's items would be the same: it is full all the same.
    assert_eq!(fullest(&schema)[0].as_object().unwrap().len(), 7);
}
