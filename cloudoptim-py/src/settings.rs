//! One Python class per engine's settings, made from the Rust `Config`.
//!
//! [`settings!`] takes a config whose JSON form is an object and gives a frozen,
//! comparable, hashable, picklable class with keyword-only settings. Nothing is
//! typed twice:
//!
//! | in Python | comes from |
//! | --- | --- |
//! | keyword and attribute names, their order | the fields of `Config::default()` as JSON |
//! | defaults | `Config::default()` |
//! | types and docs of attributes | the JSON Schema of `Config`, that is, its doc comments |
//! | which values are refused, and why | serde, then `Config::validate` |
//!
//! So an engine is one line in `engines.rs`, its class in `lib.rs` and its name
//! in `__init__.py`; the stub follows from `inspect.signature`.

use crate::annotation::{ANY, DATETIME, annotation};
use crate::convert::{from_python, to_python};
use crate::errors::ConfigError;
use chrono::{DateTime, Utc};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::type_object::PyTypeInfo;
use pyo3::types::{PyCFunction, PyDict, PyList, PyTuple};
use pyo3::{IntoPyObjectExt, PyClass};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};
use std::collections::hash_map::DefaultHasher;
use std::fmt::{self, Write as _};
use std::hash::{Hash, Hasher};

/// A config that a Python class can be made from.
pub(crate) trait Settings:
    Default + PartialEq + Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static
{
    /// Refuses values that are of the right type and mean nothing.
    fn check(&self) -> PyResult<()>;
}

/// A Python class that [`settings!`] made.
pub(crate) trait SettingsClass: PyClass + PyTypeInfo + Sync {
    /// The config inside.
    type Config: Settings;

    /// The config inside.
    fn config(&self) -> &Self::Config;
}

/// Makes a Python class of settings from a config with `validate()`.
macro_rules! settings {
    ($(#[$meta:meta])* $name:ident = $config:ty) => {
        $(#[$meta])*
        #[pyo3::pyclass(frozen, module = "cloudoptim")]
        pub(crate) struct $name($config);

        impl $crate::settings::Settings for $config {
            fn check(&self) -> pyo3::PyResult<()> {
                self.validate().map_err(|err| {
                    $crate::errors::ConfigError::new_err($crate::errors::chain(&err))
                })
            }
        }

        impl $crate::settings::SettingsClass for $name {
            type Config = $config;

            fn config(&self) -> &$config {
                &self.0
            }
        }

        #[pyo3::pymethods]
        impl $name {
            #[new]
            #[pyo3(signature = (**settings))]
            fn new(
                settings: Option<&pyo3::Bound<'_, pyo3::types::PyDict>>,
            ) -> pyo3::PyResult<Self> {
                $crate::settings::build::<Self>(&Default::default(), settings).map(Self)
            }

            /// These settings with some of them changed.
            #[pyo3(signature = (**settings))]
            fn replace(
                &self,
                settings: Option<&pyo3::Bound<'_, pyo3::types::PyDict>>,
            ) -> pyo3::PyResult<Self> {
                $crate::settings::build::<Self>(&self.0, settings).map(Self)
            }

            /// All settings as plain JSON: `Class(**x.to_dict()) == x`.
            #[pyo3(signature = () -> "dict[str, typing.Any]")]
            fn to_dict<'py>(
                &self,
                py: pyo3::Python<'py>,
            ) -> pyo3::PyResult<pyo3::Bound<'py, pyo3::types::PyDict>> {
                $crate::settings::to_dict(py, &self.0)
            }

            #[pyo3(signature = () -> "tuple[tuple[()], dict[str, typing.Any]]")]
            fn __getnewargs_ex__<'py>(
                &self,
                py: pyo3::Python<'py>,
            ) -> pyo3::PyResult<(
                pyo3::Bound<'py, pyo3::types::PyTuple>,
                pyo3::Bound<'py, pyo3::types::PyDict>,
            )> {
                let none = pyo3::types::PyTuple::empty(py);
                Ok((none, $crate::settings::to_dict(py, &self.0)?))
            }

            fn __eq__(&self, other: &Self) -> bool {
                self.0 == other.0
            }

            fn __hash__(&self) -> pyo3::PyResult<u64> {
                $crate::settings::hash(&self.0)
            }

            fn __repr__(&self, py: pyo3::Python<'_>) -> pyo3::PyResult<String> {
                $crate::settings::repr::<Self>(py, &self.0)
            }
        }
    };
}
pub(crate) use settings;

/// `base` with the given settings put over it.
pub(crate) fn build<C: SettingsClass>(
    base: &C::Config,
    settings: Option<&Bound<'_, PyDict>>,
) -> PyResult<C::Config> {
    let base = object(base)?;
    let mut merged = base.clone();
    let mut given = Vec::new();
    for (key, value) in settings.into_iter().flatten() {
        let key: String = key.extract()?;
        let names = names::<C::Config>()?;
        if !names.contains(&key) {
            return Err(ConfigError::new_err(format!(
                "unknown setting `{key}`: {} has {}",
                C::NAME,
                names.join(", ")
            )));
        }
        let value = from_python(&value)
            .map_err(|err| ConfigError::new_err(err.within(&key).to_string()))?;
        merged.insert(key.clone(), value.clone());
        given.push((key, value));
    }
    let config: C::Config = serde_json::from_value(Value::Object(merged)).map_err(|err| {
        // serde says what is wrong, not where: try the settings one by one.
        let alone = given.into_iter().find_map(|(key, value)| {
            let mut one = base.clone();
            one.insert(key.clone(), value);
            let err = serde_json::from_value::<C::Config>(Value::Object(one)).err()?;
            Some(format!("{key}: {err}"))
        });
        ConfigError::new_err(alone.unwrap_or_else(|| err.to_string()))
    })?;
    config.check()?;
    Ok(config)
}

/// All settings, in the order of the fields.
pub(crate) fn to_dict<'py, T: Settings>(
    py: Python<'py>,
    config: &T,
) -> PyResult<Bound<'py, PyDict>> {
    let object = object(config)?;
    let dict = PyDict::new(py);
    for name in names::<T>()? {
        if let Some(value) = object.get(&name) {
            dict.set_item(name, to_python(py, value)?)?;
        }
    }
    Ok(dict)
}

/// Equal settings have equal text, and so equal hashes.
pub(crate) fn hash<T: Settings>(config: &T) -> PyResult<u64> {
    let mut hasher = DefaultHasher::new();
    Value::Object(object(config)?).to_string().hash(&mut hasher);
    Ok(hasher.finish())
}

/// The call that makes these settings: what differs from the defaults.
pub(crate) fn repr<C: SettingsClass>(py: Python<'_>, config: &C::Config) -> PyResult<String> {
    let (object, defaults) = (object(config)?, object(&C::Config::default())?);
    let mut text = format!("{}(", C::NAME);
    let mut separator = "";
    for field in fields::<C::Config>()? {
        let value = object.get(&field.name);
        if value != defaults.get(&field.name) {
            let value = field.to_python(py, value)?;
            let _ = write!(text, "{separator}{}={}", field.name, value.repr()?);
            separator = ", ";
        }
    }
    text.push(')');
    Ok(text)
}

/// Gives the class its attributes and a signature with names and defaults.
///
/// Both hang on values that exist only at run time, so they are added when the
/// module is initialised; nothing else touches the class afterwards.
pub(crate) fn install<C: SettingsClass>(py: Python<'_>) -> PyResult<()> {
    let class = py.get_type::<C>();
    let property = py.import("builtins")?.getattr("property")?;
    let inspect = py.import("inspect")?;
    let parameter = inspect.getattr("Parameter")?;
    let keyword_only = parameter.getattr("KEYWORD_ONLY")?;
    let defaults = object(&C::Config::default())?;
    let parameters = PyList::empty(py);
    for field in fields::<C::Config>()? {
        let options = PyDict::new(py);
        options.set_item("default", field.to_python(py, defaults.get(&field.name))?)?;
        options.set_item("annotation", &field.annotation)?;
        parameters.append(parameter.call((&field.name, &keyword_only), Some(&options))?)?;

        let doc = field.doc.clone();
        let name = field.name.clone();
        let getter = PyCFunction::new_closure(
            py,
            None,
            None,
            move |args: &Bound<'_, PyTuple>,
                  _: Option<&Bound<'_, PyDict>>|
                  -> PyResult<Py<PyAny>> {
                let this = args.get_item(0)?;
                let this = this.cast::<C>()?;
                let object = object(this.borrow().config())?;
                field
                    .to_python(args.py(), object.get(&field.name))
                    .map(Bound::unbind)
            },
        )?;
        class.setattr(name, property.call1((getter, py.None(), py.None(), doc))?)?;
    }
    class.setattr(
        "__signature__",
        inspect.getattr("Signature")?.call1((parameters,))?,
    )?;
    Ok(())
}

/// A setting, as Python sees it.
struct Field {
    name: String,
    doc: Option<String>,
    annotation: String,
}

impl Field {
    /// The value of the attribute: as JSON, but an instant is a `datetime`.
    fn to_python<'py>(
        &self,
        py: Python<'py>,
        value: Option<&Value>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match value {
            None => Ok(py.None().into_bound(py)),
            Some(Value::String(text)) if self.annotation.starts_with(DATETIME) => {
                match text.parse::<DateTime<Utc>>() {
                    Ok(instant) => instant.into_bound_py_any(py),
                    Err(_) => text.into_bound_py_any(py),
                }
            }
            Some(value) => to_python(py, value),
        }
    }
}

fn fields<T: Settings>() -> PyResult<Vec<Field>> {
    let schema = schema::<T>();
    let properties = schema.get("properties");
    Ok(names::<T>()?
        .into_iter()
        .map(|name| {
            let property = properties.and_then(|properties| properties.get(&name));
            Field {
                doc: property
                    .and_then(|property| property.get("description"))
                    .and_then(Value::as_str)
                    .map(str::to_owned),
                annotation: property.map_or_else(|| ANY.to_owned(), |it| annotation(it, &schema)),
                name,
            }
        })
        .collect())
}

fn schema<T: Settings>() -> Value {
    schemars::schema_for!(T).to_value()
}

/// The names of the settings: the fields of the default in their order, then
/// those that the default leaves out.
fn names<T: Settings>() -> PyResult<Vec<String>> {
    let text = serde_json::to_string(&T::default()).map_err(not_an_object)?;
    let mut names = serde_json::Deserializer::from_str(&text)
        .deserialize_map(Keys)
        .map_err(not_an_object)?;
    if let Some(properties) = schema::<T>().get("properties").and_then(Value::as_object) {
        for name in properties.keys() {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
    }
    Ok(names)
}

/// Reads the keys of an object in the order of the text, which `Map` forgets.
struct Keys;

impl<'de> Visitor<'de> for Keys {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut keys = Vec::new();
        while let Some((key, IgnoredAny)) = map.next_entry()? {
            keys.push(key);
        }
        Ok(keys)
    }
}

fn object<T: Settings>(config: &T) -> PyResult<Map<String, Value>> {
    match serde_json::to_value(config) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(PyTypeError::new_err("these settings are not a JSON object")),
        Err(err) => Err(not_an_object(err)),
    }
}

fn not_an_object(err: serde_json::Error) -> PyErr {
    PyTypeError::new_err(format!("these settings have no JSON form: {err}"))
}
