//! Snapshots: what is known about clusters and clouds, read from files.

use crate::convert::{instant, serialized};
use crate::errors::{CloudOptimError, ConfigError, chain};
use chrono::{DateTime, Utc};
use cloudoptim_core::input::{InputOptions, LoadReport, Loader};
use cloudoptim_core::model;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyType};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is known about clusters and clouds at one moment.
///
/// Immutable, comparable and picklable. What no document told is unknown, which
/// is not the same as absent, and never a reason to act.
#[pyclass(frozen, eq, module = "cloudoptim")]
#[derive(PartialEq)]
pub(crate) struct Snapshot(pub(crate) Arc<Parts>);

/// The snapshot, and what was read, skipped and broken on the way to it.
#[derive(PartialEq, Serialize, Deserialize)]
pub(crate) struct Parts {
    pub(crate) snapshot: model::Snapshot,
    pub(crate) load: Option<LoadReport>,
}

#[pymethods]
impl Snapshot {
    /// Reads what `kubectl get ... -o json`, the AWS CLI and Prometheus print.
    ///
    /// A path is a file, plain or gzipped, or a directory, whose `.json` and
    /// `.csv` files are read with those of its subfolders. Files are told apart
    /// by what they hold, so neither their names nor their order matter.
    ///
    /// Files prove neither when they were made nor that they are whole, so the
    /// keywords state it: `taken_at` (else the latest time in the documents),
    /// `account`, `region` and `cluster` (else what the documents name),
    /// `complete` (nothing of a listed kind exists that is not in its list) and
    /// `collected` (kinds that were asked for and of which there may be none).
    ///
    /// >>> import cloudoptim as co
    /// >>> import datetime as dt, pathlib, tempfile
    /// >>> with tempfile.TemporaryDirectory() as folder:
    /// ...     _ = pathlib.Path(folder, "nodes.json").write_text('{"kind": "NodeList", "items": []}')
    /// ...     co.Snapshot.from_kubectl(folder, taken_at=dt.datetime(2026, 11, 22, tzinfo=dt.timezone.utc))
    /// Snapshot(taken_at=2026-11-22T00:00:00Z, clusters=1, nodes=0, pods=unknown, instances=unknown, volumes=unknown)
    ///
    /// Raises `OSError` for a path that cannot be read and `ConfigError` for
    /// documents that make no snapshot; what is broken in a document that does
    /// is in `load_report`.
    #[classmethod]
    #[pyo3(
        signature = (
            paths: "str | os.PathLike[str] | collections.abc.Iterable[str | os.PathLike[str]]",
            *,
            taken_at: "datetime.datetime | None" = None,
            account: "str | None" = None,
            region: "str | None" = None,
            cluster: "str | None" = None,
            complete: "bool" = false,
            collected: "collections.abc.Iterable[str] | None" = None
        ) -> "Snapshot"
    )]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn from_kubectl(
        _cls: &Bound<'_, PyType>,
        py: Python<'_>,
        paths: &Bound<'_, PyAny>,
        taken_at: Option<&Bound<'_, PyAny>>,
        account: Option<String>,
        region: Option<String>,
        cluster: Option<String>,
        complete: bool,
        collected: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let paths = match paths.extract::<PathBuf>() {
            Ok(path) => vec![path],
            Err(_) => paths
                .try_iter()?
                .map(|path| path?.extract())
                .collect::<PyResult<Vec<PathBuf>>>()?,
        };
        let options = options(taken_at, account, region, cluster, complete, collected)?;
        let parts = py
            .detach(|| read(&paths, options))
            .map_err(|err| match err {
                // The kind chooses the class, such as FileNotFoundError.
                ReadError::Io(err) => PyErr::from(err),
                ReadError::Input(message) => ConfigError::new_err(message),
            })?;
        Ok(Self(Arc::new(parts)))
    }

    /// Reads a snapshot as `to_json` writes it.
    ///
    /// Raises `ConfigError`, naming the field, for what is not one.
    #[staticmethod]
    #[pyo3(signature = (text: "str", /) -> "Snapshot")]
    fn from_json(py: Python<'_>, text: &str) -> PyResult<Self> {
        let snapshot = py.detach(|| parse(text)).map_err(ConfigError::new_err)?;
        let load = None;
        Ok(Self(Arc::new(Parts { snapshot, load })))
    }

    /// The snapshot as JSON, the same for the same snapshot. `load_report` and
    /// the single samples of usage are not in it; their summary is.
    fn to_json(&self, py: Python<'_>) -> PyResult<String> {
        py.detach(|| serde_json::to_string(&self.0.snapshot))
            .map_err(|err| CloudOptimError::new_err(err.to_string()))
    }

    /// The one moment at which all of it was so, in UTC.
    #[getter]
    fn taken_at(&self) -> DateTime<Utc> {
        self.0.snapshot.taken_at
    }

    /// What was read, skipped and broken, as a dict; `None` when it was not read
    /// from files.
    #[getter]
    fn load_report<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let report = self.0.load.as_ref();
        report.map(|report| serialized(py, report)).transpose()
    }

    #[pyo3(signature = () -> "tuple[typing.Any, ...]")]
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        let restore = slf.get_type().getattr("_restore")?;
        let parts = slf.get().0.clone();
        let text = slf.py().detach(|| serde_json::to_string(&*parts));
        Ok((
            restore,
            (text.map_err(|err| CloudOptimError::new_err(err.to_string()))?,),
        ))
    }

    #[staticmethod]
    #[pyo3(signature = (state: "str", /) -> "Snapshot")]
    fn _restore(py: Python<'_>, state: &str) -> PyResult<Self> {
        let parts = py.detach(|| parse(state)).map_err(ConfigError::new_err)?;
        Ok(Self(Arc::new(parts)))
    }

    fn __repr__(&self) -> String {
        let snapshot = &self.0.snapshot;
        let clusters = &snapshot.clusters;
        let clouds = &snapshot.clouds;
        format!(
            "Snapshot(taken_at={}, clusters={}, nodes={}, pods={}, instances={}, volumes={})",
            snapshot
                .taken_at
                .to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
            clusters.len(),
            count(clusters.iter().map(|c| known(&c.nodes))),
            count(clusters.iter().map(|c| known(&c.pods))),
            count(clouds.iter().map(|c| known(&c.instances))),
            count(clouds.iter().map(|c| known(&c.volumes))),
        )
    }
}

fn known<T>(part: &cloudoptim_core::knowledge::Knowledge<Vec<T>>) -> Option<usize> {
    part.value().map(Vec::len)
}

/// The sum, or `unknown` when nothing of it is known.
fn count(parts: impl Iterator<Item = Option<usize>>) -> String {
    parts
        .flatten()
        .reduce(|a, b| a + b)
        .map_or_else(|| "unknown".to_owned(), |sum| sum.to_string())
}

fn options(
    taken_at: Option<&Bound<'_, PyAny>>,
    account: Option<String>,
    region: Option<String>,
    cluster: Option<String>,
    complete: bool,
    collected: Option<&Bound<'_, PyAny>>,
) -> PyResult<InputOptions> {
    let mut options = InputOptions::default();
    if let Some(at) = taken_at {
        let at = instant(at).map_err(|err| ConfigError::new_err(format!("taken_at: {err}")))?;
        options.taken_at = Some(at);
    }
    options.account = account.map(Into::into);
    options.region = region.map(Into::into);
    options.cluster = cluster;
    options.complete = complete;
    if let Some(kinds) = collected {
        if kinds.is_instance_of::<PyString>() {
            return Err(ConfigError::new_err(
                "collected: must be several kinds, got one str",
            ));
        }
        for kind in kinds.try_iter()? {
            options.collected.push(kind?.extract()?);
        }
    }
    Ok(options)
}

enum ReadError {
    Io(io::Error),
    Input(String),
}

fn read(paths: &[PathBuf], options: InputOptions) -> Result<Parts, ReadError> {
    let mut loader = Loader::new(options);
    for path in paths {
        if !path.is_dir() {
            let bytes = fs::read(path).map_err(|err| at(path, &err))?;
            loader.add(&path.display().to_string(), &bytes);
            continue;
        }
        let mut files = Vec::new();
        walk(path, &mut files)?;
        if files.is_empty() {
            let why = format!(
                "{}: no .json or .csv file in it, plain or .gz",
                path.display()
            );
            return Err(ReadError::Input(why));
        }
        // Named from the directory on, so that a report reads the same wherever it lay.
        let base = path.parent().unwrap_or(path);
        for file in files {
            let bytes = fs::read(&file).map_err(|err| at(&file, &err))?;
            let name = file.strip_prefix(base).unwrap_or(&file);
            loader.add(&name.display().to_string(), &bytes);
        }
    }
    let loaded = loader
        .finish()
        .map_err(|err| ReadError::Input(chain(&err)))?;
    Ok(Parts {
        snapshot: loaded.snapshot,
        load: Some(loaded.report),
    })
}

/// Files below a directory that may hold documents, in the order of their names.
fn walk(directory: &Path, files: &mut Vec<PathBuf>) -> Result<(), ReadError> {
    let mut entries = fs::read_dir(directory)
        .and_then(|entries| {
            entries
                .map(|entry| entry.map(|entry| entry.path()))
                .collect::<Result<Vec<_>, _>>()
        })
        .map_err(|err| at(directory, &err))?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            walk(&path, files)?;
        } else {
            let name = path.file_name().unwrap_or_default();
            let name = name.to_string_lossy().to_lowercase();
            let name = name.strip_suffix(".gz").unwrap_or(&name);
            if name.ends_with(".json") || name.ends_with(".csv") {
                files.push(path);
            }
        }
    }
    Ok(())
}

fn at(path: &Path, err: &io::Error) -> ReadError {
    ReadError::Io(io::Error::new(
        err.kind(),
        format!("{}: {err}", path.display()),
    ))
}

/// A value of its JSON; an error names the field.
pub(crate) fn parse<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    let mut json = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|err| {
        match err.path().to_string().as_str() {
            "." => err.inner().to_string(),
            field => format!("{field}: {}", err.inner()),
        }
    })?;
    json.end().map_err(|err| err.to_string())?;
    Ok(value)
}
