//! Documents on disk: what `kubectl`, the AWS CLI and Prometheus print.

use crate::load::LoadError;
use cloudoptim_core::input::{InputError, InputOptions, Loaded, Loader};
use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Why documents could not be loaded.
#[derive(Debug)]
pub enum DocumentsError {
    /// A file or folder cannot be read.
    Load(LoadError),
    /// A folder without a file that may hold documents.
    Empty(PathBuf),
    /// The documents make no snapshot.
    Input(PathBuf, InputError),
}

impl fmt::Display for DocumentsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load(err) => err.fmt(f),
            Self::Empty(path) => write!(
                f,
                "{}: no .json or .csv file in it, plain or .gz",
                path.display()
            ),
            Self::Input(path, err) => write!(f, "{}: {err}", path.display()),
        }
    }
}

impl std::error::Error for DocumentsError {}

/// Loads a file, a folder with its subfolders, or standard input (`-`).
///
/// Files are read one after the other, so that only one is in memory at a time.
///
/// # Errors
/// When a file cannot be read, or the documents make no snapshot. What is wrong
/// inside a document is in [`Loaded::report`].
pub fn load(path: &Path, options: InputOptions) -> Result<Loaded, DocumentsError> {
    let mut loader = Loader::new(options);
    for (name, file) in files(path)? {
        loader.add(&name, &bytes(&file)?);
    }
    loader
        .finish()
        .map_err(|err| DocumentsError::Input(path.to_owned(), err))
}

/// The bytes of a file, compressed ones as they are.
fn bytes(path: &Path) -> Result<Vec<u8>, DocumentsError> {
    let read = if path.as_os_str() == "-" {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        fs::read(path)
    };
    read.map_err(|err| DocumentsError::Load(LoadError::Io(path.to_owned(), err)))
}

/// Names and paths of the files behind a path, in the order of their names.
fn files(path: &Path) -> Result<Vec<(String, PathBuf)>, DocumentsError> {
    if !path.is_dir() {
        return Ok(vec![(path.display().to_string(), path.to_owned())]);
    }
    let mut found = Vec::new();
    walk(path, &mut found)?;
    if found.is_empty() {
        return Err(DocumentsError::Empty(path.to_owned()));
    }
    // Named from the folder on: a report reads the same wherever it lies.
    let named = found.into_iter().map(|file| {
        let name = file.strip_prefix(path).unwrap_or(&file);
        (name.display().to_string(), file)
    });
    Ok(named.collect())
}

/// Files that may hold documents; a README beside them is not meant.
fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), DocumentsError> {
    let failed = |err| DocumentsError::Load(LoadError::Io(folder.to_owned(), err));
    let mut entries = fs::read_dir(folder)
        .map_err(failed)?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<io::Result<Vec<PathBuf>>>()
        .map_err(failed)?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            walk(&path, found)?;
            continue;
        }
        let name = path.to_string_lossy().to_lowercase();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        if name.ends_with(".json") || name.ends_with(".csv") {
            found.push(path);
        }
    }
    Ok(())
}
