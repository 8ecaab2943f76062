//! Readers of published cluster traces and packing instances.
//!
//! A form is recognised by what a file holds, not by its name: the header line
//! of a CSV file, the keys of the first JSON line. Files may be gzipped.

mod csv;
mod dlrm;
mod karpenter_mix;
mod openb;
mod tclab;
mod types;
mod vbp;

pub use csv::{Row, Table};
pub use types::{TypeRow, catalogue, read_types};

use crate::instance::{Instance, Machine};
use cloudoptim_core::catalog::CatalogError;
use openb::Models;
use std::fmt;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Why a path could not be loaded.
#[derive(Debug)]
pub enum LoadError {
    /// The file system said no.
    Io(PathBuf, std::io::Error),
    /// A file is not what its form says.
    Form {
        /// The file.
        file: PathBuf,
        /// Line, from 1; 0 for the whole file.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// No file of the path has a form that is known.
    Unknown(PathBuf),
    /// The embedded catalogue cannot be read.
    Catalog(CatalogError),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, err) => write!(f, "{}: {err}", path.display()),
            Self::Form {
                file,
                line: 0,
                problem,
            } => write!(f, "{}: {problem}", file.display()),
            Self::Form {
                file,
                line,
                problem,
            } => write!(f, "{}:{line}: {problem}", file.display()),
            Self::Unknown(path) => write!(
                f,
                "{}: no openb, tclab, dlrm, karpenter_mix or vbp file found",
                path.display()
            ),
            Self::Catalog(err) => write!(f, "the embedded catalogue: {err}"),
        }
    }
}

impl std::error::Error for LoadError {}

/// The bytes of a file, unpacked when they are gzipped.
pub fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    let io = |err| LoadError::Io(path.to_owned(), err);
    let raw = fs::read(path).map_err(io)?;
    if raw.starts_with(&[0x1f, 0x8b]) {
        let mut out = Vec::new();
        flate2::read::MultiGzDecoder::new(raw.as_slice())
            .read_to_end(&mut out)
            .map_err(io)?;
        return Ok(out);
    }
    Ok(raw)
}

/// The text of a file.
pub(crate) fn text(path: &Path) -> Result<String, LoadError> {
    String::from_utf8(read(path)?).map_err(|_| LoadError::Form {
        file: path.to_owned(),
        line: 0,
        problem: "is not UTF-8".to_owned(),
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Openb,
    Tclab,
    Dlrm,
    KarpenterMix,
    Vbp,
}

fn form(text: &str) -> Option<Form> {
    let first = text.lines().find(|l| !l.trim().is_empty())?;
    if first.starts_with('{') {
        let all = ["\"capacity\"", "\"items\""];
        return all.iter().all(|k| first.contains(k)).then_some(Form::Vbp);
    }
    let fields: Vec<&str> = first.trim().split(',').collect();
    let has = |names: &[&str]| names.iter().all(|n| fields.contains(n));
    if has(&["name", "cpu_milli", "memory_mib", "gpu_milli"]) {
        Some(Form::Openb)
    } else if has(&["app", "replicas", "cpu_milli", "memory_mib"]) {
        Some(Form::Tclab)
    } else if has(&[
        "name",
        "app",
        "cpu_milli",
        "memory_mib",
        "max_instance_per_node",
    ]) {
        Some(Form::Dlrm)
    } else if has(&["name", "cpu_milli", "memory_mib", "constraint", "selector"]) {
        Some(Form::KarpenterMix)
    } else {
        None
    }
}

/// The nodes of a list such as openb's `nodes.csv`
/// (`name,cpu_milli,memory_mib,gpu,gpu_model,pods`).
///
/// # Errors
/// [`LoadError`] for another kind of file, or a broken one.
pub fn nodes(path: &Path) -> Result<Vec<Machine>, LoadError> {
    openb::nodes(path, &text(path)?)
}

/// The pods of one openb file, with GPU models as the file names them, and nothing to
/// buy.
///
/// # Errors
/// [`LoadError`] for another kind of file, or a broken one.
pub fn openb_alone(path: &Path) -> Result<Instance, LoadError> {
    let text = openb_text(path)?;
    let name = stem(path);
    let name = format!("openb_{}", name.trim_start_matches("pods_"));
    openb::load(path, &text, name, &[], Models::Own)
}

/// Loads every packing instance of a folder or a file.
///
/// `types` replaces the catalogue of node types; instances that bring their
/// own bins (vbp) ignore it.
///
/// # Errors
/// [`LoadError`] for a path without any known file, or a broken file.
pub fn packing(path: &Path, types: Option<&[TypeRow]>) -> Result<Vec<Instance>, LoadError> {
    let mut files = Vec::new();
    if path.is_dir() {
        let entries = fs::read_dir(path).map_err(|e| LoadError::Io(path.to_owned(), e))?;
        for entry in entries {
            let entry = entry.map_err(|e| LoadError::Io(path.to_owned(), e))?;
            if entry.path().is_file() {
                files.push(entry.path());
            }
        }
        files.sort();
    } else {
        files.push(path.to_owned());
    }
    let mut out = Vec::new();
    for file in &files {
        let name = file.to_string_lossy();
        let known = [".csv", ".csv.gz", ".jsonl", ".jsonl.gz"];
        if path.is_dir() && !known.iter().any(|k| name.ends_with(k)) {
            continue;
        }
        let text = text(file)?;
        let needed = || -> Result<Vec<TypeRow>, LoadError> {
            match types {
                Some(types) => Ok(types.to_vec()),
                None => types::catalogue().map_err(LoadError::Catalog),
            }
        };
        let name = stem(file);
        match form(&text) {
            Some(Form::Openb) => {
                let name = format!("openb_{}", name.trim_start_matches("pods_"));
                out.push(openb::load(file, &text, name, &needed()?, Models::Aws)?);
            }
            Some(Form::Tclab) => out.push(tclab::load(file, &text, types)?),
            Some(Form::Dlrm) => {
                out.push(dlrm::load(file, &text, "dlrm".to_owned(), &needed()?)?);
            }
            Some(Form::KarpenterMix) => {
                let name = format!("karpenter_mix_{}", name.trim_start_matches("pods_"));
                out.push(karpenter_mix::load(file, &text, name, &needed()?)?);
            }
            Some(Form::Vbp) => out.extend(vbp::load(file, &text)?),
            None => {}
        }
    }
    if out.is_empty() {
        return Err(LoadError::Unknown(path.to_owned()));
    }
    Ok(out)
}

/// CPU in millicores and memory in MiB of every pod of one openb file.
///
/// # Errors
/// [`LoadError`] for another kind of file, or a broken one.
pub fn openb_pods(path: &Path) -> Result<Vec<(u64, u64)>, LoadError> {
    let text = openb_text(path)?;
    let table = Table::parse(path, &text)?;
    table
        .rows()
        .map(|row| Ok((row.need("cpu_milli")?, row.need("memory_mib")?)))
        .collect()
}

/// The text of an openb file.
fn openb_text(path: &Path) -> Result<String, LoadError> {
    let text = text(path)?;
    if form(&text) != Some(Form::Openb) {
        return Err(LoadError::Form {
            file: path.to_owned(),
            line: 0,
            problem: "is not a list of openb pods (name,cpu_milli,memory_mib,…,gpu_milli)"
                .to_owned(),
        });
    }
    Ok(text)
}

/// The file's name without its extensions.
fn stem(path: &Path) -> String {
    let name = path
        .file_name()
        .map(|n| n.to_string_lossy().into_owned())
        .unwrap_or_default();
    name.split('.').next().unwrap_or_default().to_owned()
}
