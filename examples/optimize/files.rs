//! Files in and out.

use serde::de::DeserializeOwned;
use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// What failed, and on what.
#[derive(Debug)]
pub(crate) struct Failure {
    on: String,
    why: String,
}

impl Failure {
    pub(crate) fn new(on: impl fmt::Display, why: impl fmt::Display) -> Self {
        Self {
            on: on.to_string(),
            why: why.to_string(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.on, self.why)
    }
}

/// Reads a file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|e| Failure::new(path.display(), e))
}

/// Reads settings, naming the field that is wrong; the defaults without a file.
pub(crate) fn settings<T: DeserializeOwned + Default>(path: Option<&Path>) -> Result<T, Failure> {
    let Some(path) = path else {
        return Ok(T::default());
    };
    let bytes = read(path)?;
    let mut json = serde_json::Deserializer::from_slice(&bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|e| {
        let on = match e.path().to_string().as_str() {
            "." => path.display().to_string(),
            field => format!("{}: {field}", path.display()),
        };
        Failure::new(on, e.inner())
    })?;
    json.end().map_err(|e| Failure::new(path.display(), e))?;
    Ok(value)
}

/// Takes a file's name, its bytes, and its place among how many.
pub(crate) type Take<'a> = dyn FnMut(&str, &[u8], (u32, u32)) + 'a;

/// Hands over every file that the paths name, with its place among them.
pub(crate) fn each(paths: &[PathBuf], take: &mut Take<'_>) -> Result<(), Failure> {
    let mut files: Vec<(String, PathBuf)> = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push((path.display().to_string(), path.clone()));
            continue;
        }
        let mut found = Vec::new();
        walk(path, &mut found)?;
        if found.is_empty() {
            let why = "no .json or .csv file in it, plain or .gz";
            return Err(Failure::new(path.display(), why));
        }
        // Named from the directory on: a report should read the same wherever it lay.
        let base = path.parent().unwrap_or(path);
        files.extend(found.into_iter().map(|file| {
            let name = file
                .strip_prefix(base)
                .unwrap_or(&file)
                .display()
                .to_string();
            (name, file)
        }));
    }
    let of = u32::try_from(files.len()).unwrap_or(u32::MAX);
    for (done, (name, path)) in (0..).zip(&files) {
        if path.as_os_str() == "-" {
            let mut bytes = Vec::new();
            let read = io::stdin().lock().read_to_end(&mut bytes);
            read.map_err(|e| Failure::new("standard input", e))?;
            take("standard input", &bytes, (done, of));
        } else {
            take(name, &read(path)?, (done, of));
        }
    }
    Ok(())
}

/// Files below a directory that may hold documents, in the order of their
/// names. What else lies there, such as a README, is not meant.
fn walk(directory: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let failed = |e| Failure::new(directory.display(), e);
    let mut entries = fs::read_dir(directory)
        .map_err(failed)?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<Result<Vec<PathBuf>, io::Error>>()
        .map_err(failed)?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            walk(&path, files)?;
        } else {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .to_lowercase();
            let name = name.strip_suffix(".gz").unwrap_or(&name);
            if name.ends_with(".json") || name.ends_with(".csv") {
                files.push(path);
            }
        }
    }
    Ok(())
}

/// Writes a file into a directory, which is made where it is missing.
pub(crate) fn write(directory: &Path, name: &str, text: &str) -> Result<PathBuf, Failure> {
    fs::create_dir_all(directory).map_err(|e| Failure::new(directory.display(), e))?;
    let path = directory.join(name);
    fs::write(&path, text).map_err(|e| Failure::new(path.display(), e))?;
    Ok(path)
}
