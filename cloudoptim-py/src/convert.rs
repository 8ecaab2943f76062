//! JSON values as Python objects, and back.
//!
//! | JSON | to Python | from Python |
//! | --- | --- | --- |
//! | null | `None` | `None` |
//! | boolean | `bool` | `bool` |
//! | integer | `int` | `int` and what has `__index__`, from −2⁶³ to 2⁶⁴−1 |
//! | other number | `float` | `float`, finite |
//! | string | `str` | `str`; a `datetime` with a time zone, as RFC 3339 in UTC |
//! | array | `list` | `list`, `tuple` |
//! | object | `dict` | `dict` with `str` keys |
//!
//! An instant stays text on the way out, since JSON does not say which strings
//! are instants: dicts can go through `json.dumps` and come back. Attributes,
//! whose type is known, hand out `datetime` in UTC.

use crate::errors::CloudOptimError;
use chrono::{DateTime, SecondsFormat, Utc};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDateTime, PyDict, PyFloat, PyList, PyString, PyTuple, PyTzInfo};
use serde::Serialize;
use serde_json::{Map, Number, Value};
use std::fmt;

/// How deep lists and dicts may nest. A list that holds itself has no end.
const MAX_DEPTH: u8 = 64;

/// A JSON value as the Python objects of the table above.
pub(crate) fn to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    match value {
        Value::Null => py.None().into_bound_py_any(py),
        Value::Bool(value) => value.into_bound_py_any(py),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => value.into_bound_py_any(py),
            (None, Some(value)) => value.into_bound_py_any(py),
            (None, None) => number.as_f64().into_bound_py_any(py),
        },
        Value::String(value) => value.into_bound_py_any(py),
        Value::Array(values) => {
            let list = PyList::empty(py);
            for value in values {
                list.append(to_python(py, value)?)?;
            }
            Ok(list.into_any())
        }
        Value::Object(map) => Ok(object_to_python(py, map)?.into_any()),
    }
}

/// A JSON object as a `dict`, in the object's order.
pub(crate) fn object_to_python<'py>(
    py: Python<'py>,
    map: &Map<String, Value>,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (key, value) in map {
        dict.set_item(key, to_python(py, value)?)?;
    }
    Ok(dict)
}

/// A value whose JSON is an object, as a `dict`.
pub(crate) fn serialized<'py>(
    py: Python<'py>,
    value: &impl Serialize,
) -> PyResult<Bound<'py, PyDict>> {
    match serde_json::to_value(value) {
        Ok(Value::Object(map)) => object_to_python(py, &map),
        Ok(other) => Err(CloudOptimError::new_err(format!("not an object: {other}"))),
        Err(err) => Err(CloudOptimError::new_err(err.to_string())),
    }
}

/// Why a Python object has no JSON form, and where in the object.
#[derive(Debug)]
pub(crate) struct NotJson {
    path: String,
    why: String,
}

impl NotJson {
    fn new(why: impl Into<String>) -> Self {
        Self {
            path: String::new(),
            why: why.into(),
        }
    }

    /// The same, seen from the container that holds the object at `step`.
    pub(crate) fn within(mut self, step: &str) -> Self {
        self.path.insert_str(0, step);
        self
    }
}

impl fmt::Display for NotJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.trim_start_matches('.');
        if path.is_empty() {
            f.write_str(&self.why)
        } else {
            write!(f, "{path}: {}", self.why)
        }
    }
}

/// A Python object as JSON, by the table above.
pub(crate) fn from_python(object: &Bound<'_, PyAny>) -> Result<Value, NotJson> {
    from_python_at(object, 0)
}

fn from_python_at(object: &Bound<'_, PyAny>, depth: u8) -> Result<Value, NotJson> {
    if depth > MAX_DEPTH {
        return Err(NotJson::new(format!(
            "nested deeper than {MAX_DEPTH} levels"
        )));
    }
    if object.is_none() {
        Ok(Value::Null)
    } else if let Ok(value) = object.cast::<PyBool>() {
        Ok(Value::Bool(value.is_true()))
    } else if let Ok(value) = object.cast::<PyString>() {
        value
            .to_str()
            .map(Value::from)
            .map_err(|_| NotJson::new("text that is not Unicode"))
    } else if let Ok(value) = object.cast::<PyFloat>() {
        // Adding zero makes -0.0 equal 0.0 in its text, and so in its hash.
        Number::from_f64(value.value() + 0.0)
            .map(Value::Number)
            .ok_or_else(|| NotJson::new(format!("must be finite, got {}", value.value())))
    } else if object.cast::<PyDateTime>().is_ok() {
        Ok(instant(object)?
            .to_rfc3339_opts(SecondsFormat::AutoSi, true)
            .into())
    } else if let Ok(dict) = object.cast::<PyDict>() {
        let mut map = Map::new();
        for (key, value) in dict.iter() {
            let key: String = key
                .extract()
                .map_err(|_| NotJson::new(format!("keys must be str, got {}", type_name(&key))))?;
            let value =
                from_python_at(&value, depth + 1).map_err(|err| err.within(&format!(".{key}")))?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    } else if object.is_instance_of::<PyList>() || object.is_instance_of::<PyTuple>() {
        let mut values = Vec::new();
        let items = object
            .try_iter()
            .map_err(|err| NotJson::new(err.to_string()))?;
        for (index, item) in items.enumerate() {
            let value = item
                .map_err(|err| NotJson::new(err.to_string()))
                .and_then(|item| from_python_at(&item, depth + 1))
                .map_err(|err| err.within(&format!("[{index}]")))?;
            values.push(value);
        }
        Ok(Value::Array(values))
    } else if object.hasattr("__index__").unwrap_or(false) {
        object
            .extract::<i64>()
            .map(Value::from)
            .or_else(|_| object.extract::<u64>().map(Value::from))
            .map_err(|_| NotJson::new(format!("{object} is out of range")))
    } else {
        Err(NotJson::new(format!(
            "{} has no JSON form",
            type_name(object)
        )))
    }
}

/// A `datetime` with a time zone, fixed or by name, as an instant.
pub(crate) fn instant(object: &Bound<'_, PyAny>) -> Result<DateTime<Utc>, NotJson> {
    if object.cast::<PyDateTime>().is_err() {
        return Err(NotJson::new(format!(
            "must be a datetime, got {}",
            type_name(object)
        )));
    }
    let offset = object.call_method0("utcoffset");
    if offset.map_or(true, |offset| offset.is_none()) {
        return Err(NotJson::new(
            "a datetime needs a time zone, such as timezone.utc",
        ));
    }
    PyTzInfo::utc(object.py())
        .and_then(|utc| object.call_method1("astimezone", (utc,)))
        .and_then(|utc| utc.extract())
        .map_err(|err| NotJson::new(err.to_string()))
}

fn type_name(object: &Bound<'_, PyAny>) -> String {
    object
        .get_type()
        .name()
        .map_or_else(|_| "object".to_owned(), |name| name.to_string())
}
