//! The Python types that a JSON Schema allows, as text for signatures and stubs.

use serde_json::Value;

/// The type of an instant.
pub(crate) const DATETIME: &str = "datetime.datetime";

/// The type of what the schema does not tell.
pub(crate) const ANY: &str = "typing.Any";

/// The Python type of the values that a JSON Schema allows, as far as it says.
pub(crate) fn annotation(schema: &Value, root: &Value) -> String {
    let text = |key: &str| schema.get(key).and_then(Value::as_str);
    let named = text("$ref")
        .and_then(|path| path.strip_prefix('#'))
        .and_then(|path| root.pointer(path));
    if let Some(named) = named {
        return annotation(named, root);
    }
    if let Some(value) = schema.get("const") {
        return literal(std::slice::from_ref(value));
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return literal(values);
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(options) = schema.get(key).and_then(Value::as_array) {
            return union(options.iter().map(|option| annotation(option, root)));
        }
    }
    match schema.get("type") {
        Some(Value::Array(types)) => union(types.iter().map(|one| {
            let mut schema = schema.clone();
            if let Value::Object(map) = &mut schema {
                map.insert("type".to_owned(), one.clone());
            }
            annotation(&schema, root)
        })),
        Some(Value::String(one)) => match one.as_str() {
            "null" => "None".to_owned(),
            "boolean" => "bool".to_owned(),
            "integer" => "int".to_owned(),
            "number" => "float".to_owned(),
            "string" if text("format") == Some("date-time") => DATETIME.to_owned(),
            "string" => "str".to_owned(),
            "array" => {
                let items = schema
                    .get("items")
                    .map_or_else(|| ANY.to_owned(), |it| annotation(it, root));
                // Inside a list an instant stays text.
                format!("list[{}]", items.replace(DATETIME, "str"))
            }
            "object" => {
                let values = match schema.get("additionalProperties") {
                    Some(values @ Value::Object(_)) if schema.get("properties").is_none() => {
                        annotation(values, root).replace(DATETIME, "str")
                    }
                    _ => ANY.to_owned(),
                };
                format!("dict[str, {values}]")
            }
            _ => ANY.to_owned(),
        },
        _ => ANY.to_owned(),
    }
}

fn literal(values: &[Value]) -> String {
    let values: Vec<String> = values
        .iter()
        .map(|value| match value {
            Value::Null => "None".to_owned(),
            Value::Bool(true) => "True".to_owned(),
            Value::Bool(false) => "False".to_owned(),
            value => value.to_string(),
        })
        .collect();
    format!("typing.Literal[{}]", values.join(", "))
}

/// The options once each, `None` last, adjacent literals as one.
fn union(options: impl Iterator<Item = String>) -> String {
    let mut kinds: Vec<String> = Vec::new();
    let mut literals: Vec<String> = Vec::new();
    let mut none = false;
    for option in options {
        for part in option.split(" | ") {
            if part == "None" {
                none = true;
            } else if let Some(values) = part
                .strip_prefix("typing.Literal[")
                .and_then(|rest| rest.strip_suffix(']'))
            {
                literals.push(values.to_owned());
            } else if !kinds.iter().any(|kind| kind == part) {
                kinds.push(part.to_owned());
            }
        }
    }
    if kinds.iter().any(|kind| kind == ANY) {
        return ANY.to_owned();
    }
    if !literals.is_empty() {
        kinds.insert(0, format!("typing.Literal[{}]", literals.join(", ")));
    }
    if none {
        kinds.push("None".to_owned());
    }
    kinds.join(" | ")
}
