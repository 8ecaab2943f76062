//! The programs of a control plane: found, or built once with Go.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

/// The environment variable that names a folder with the programs.
pub const ASSETS_VARIABLE: &str = "KUBEBUILDER_ASSETS";

/// The version of Kubernetes that [`Assets::find`] builds.
pub const KUBERNETES_VERSION: &str = "v1.36.3";

const GO_MOD: &str = include_str!("../../tests/control-plane/go.mod");
const GO_SUM: &str = include_str!("../../tests/control-plane/go.sum");

/// Each program with the package it is built from.
const PROGRAMS: [(&str, &str); 6] = [
    ("etcd", "go.etcd.io/etcd/server/v3"),
    ("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
    (
        "kube-controller-manager",
        "k8s.io/kubernetes/cmd/kube-controller-manager",
    ),
    ("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"),
    ("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
    ("kwok", "sigs.k8s.io/kwok/cmd/kwok"),
];

/// Each folder of YAML files with the module and the folder it is copied from.
const FOLDERS: [(&str, &str, &str); 2] = [
    ("stage", "sigs.k8s.io/kwok", "kustomize/stage"),
    ("crds", "sigs.k8s.io/karpenter", "pkg/apis/crds"),
];

/// Why there is no control plane to test with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AssetsError {
    /// Neither the programs nor Go to build them.
    #[error("no Go to build the programs with ({go}), and {variable} {found}", variable = ASSETS_VARIABLE)]
    Nothing {
        /// What was tried and what came of it.
        go: String,
        /// What is wrong with the variable.
        found: String,
    },
    /// Go could not build them.
    #[error("{command} failed: {message}")]
    Build {
        /// The command.
        command: String,
        /// The end of what it printed.
        message: String,
    },
    /// A file or folder could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no folder to keep them in.
    #[error("no cache folder: neither XDG_CACHE_HOME nor HOME is set")]
    NoCache,
}

/// A folder with the six programs of a control plane, kwok's stages (`stage`)
/// and Karpenter's custom resource definitions (`crds`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assets {
    folder: PathBuf,
}

impl Assets {
    /// The folder that `KUBEBUILDER_ASSETS` names if everything is in it, else
    /// one in the cache of this user, which the first call fills with Go: some
    /// 13 CPU minutes, during which others wait for it.
    ///
    /// The cache is `$XDG_CACHE_HOME/cloudoptim/control-plane`, or the same
    /// under `$HOME/.cache`, one folder for each list of modules and Go version.
    ///
    /// # Errors
    /// [`AssetsError::Nothing`] without either; others when the build fails.
    pub fn find() -> Result<Self, AssetsError> {
        let found = match set(ASSETS_VARIABLE) {
            None => "is not set".to_owned(),
            Some(folder) => {
                let assets = Self { folder };
                match assets.missing() {
                    None => return Ok(assets),
                    Some(missing) => format!("names a folder without {missing}"),
                }
            }
        };
        let go = go_version().map_err(|go| AssetsError::Nothing { go, found })?;
        let cache = cache()?;
        let assets = Self {
            folder: cache.join(key(&go)),
        };
        if assets.missing().is_none() {
            return Ok(assets);
        }
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| AssetsError::File { path, source }
        };
        fs::create_dir_all(&cache).map_err(failed(&cache))?;
        let lock_path = assets.folder.with_extension("lock");
        let lock = File::create(&lock_path).map_err(failed(&lock_path))?;
        // Freed when `lock` is closed, also by the end of the process.
        lock.lock().map_err(failed(&lock_path))?;
        if assets.missing().is_some() {
            assets.build(&cache)?;
        }
        Ok(assets)
    }

    /// The folder itself, fit for `KUBEBUILDER_ASSETS`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of a program, such as `kubectl`.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The path of a kwok stage, such as `pod/fast/pod-ready`.
    #[must_use]
    pub fn stage(&self, name: &str) -> PathBuf {
        self.folder.join("stage").join(format!("{name}.yaml"))
    }

    /// Karpenter's custom resource definitions, one YAML document each, by file name.
    ///
    /// # Errors
    /// [`AssetsError::File`] for one that cannot be read.
    pub fn karpenter_crds(&self) -> Result<BTreeMap<String, String>, AssetsError> {
        let folder = self.folder.join("crds");
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| AssetsError::File { path, source }
        };
        let mut crds = BTreeMap::new();
        for entry in fs::read_dir(&folder).map_err(failed(&folder))? {
            let path = entry.map_err(failed(&folder))?.path();
            let text = fs::read_to_string(&path).map_err(failed(&path))?;
            if let Some(name) = path.file_stem() {
                crds.insert(name.to_string_lossy().into_owned(), text);
            }
        }
        Ok(crds)
    }

    /// The first thing that is not there.
    fn missing(&self) -> Option<&'static str> {
        let programs = PROGRAMS
            .iter()
            .map(|(name, _)| *name)
            .filter(|name| !self.folder.join(name).is_file());
        let folders = FOLDERS
            .iter()
            .map(|(name, ..)| *name)
            .filter(|name| !self.folder.join(name).is_dir());
        programs.chain(folders).next()
    }

    /// Builds everything beside the folder and moves it there whole.
    fn build(&self, cache: &Path) -> Result<(), AssetsError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| AssetsError::File { path, source }
        };
        let work = tempfile::Builder::new()
            .prefix("build-")
            .tempdir_in(cache)
            .map_err(failed(cache))?;
        let module = work.path().join("module");
        let made = work.path().join("made");
        for folder in [&module, &made] {
            fs::create_dir(folder).map_err(failed(folder))?;
        }
        for (name, text) in [("go.mod", GO_MOD), ("go.sum", GO_SUM)] {
            let path = module.join(name);
            fs::write(&path, text).map_err(failed(&path))?;
        }
        eprintln!(
            "cloudoptim: building etcd, Kubernetes {KUBERNETES_VERSION} and kwok with Go for the tests, once, \
             into {} (minutes)",
            self.folder.display()
        );
        for (program, package) in PROGRAMS {
            let output = made.join(program);
            go(
                &module,
                &[
                    "build",
                    "-mod=readonly",
                    "-trimpath",
                    "-p=1",
                    "-ldflags",
                    &linker_flags(),
                    "-o",
                ],
                |go| go.arg(&output).arg(package),
            )?;
        }
        for (name, source, folder) in FOLDERS {
            go(&module, &["mod", "download"], |go| go.arg(source))?;
            let listed = go(&module, &["list", "-m", "-f", "{{.Dir}}"], |go| {
                go.arg(source)
            })?;
            let from = Path::new(listed.trim()).join(folder);
            copy_yaml(&from, &made.join(name)).map_err(failed(&from))?;
        }
        // Left by an earlier, broken one: nothing whole is ever replaced.
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder).map_err(failed(&self.folder))?;
        }
        fs::rename(&made, &self.folder).map_err(failed(&self.folder))
    }
}

/// Without symbols, and with the version that a release reports.
fn linker_flags() -> String {
    let mut flags = "-s -w".to_owned();
    let mut numbers = KUBERNETES_VERSION.trim_start_matches('v').split('.');
    let version = "k8s.io/component-base/version.git";
    flags.push_str(&format!(" -X {version}Version={KUBERNETES_VERSION}"));
    for (name, number) in ["Major", "Minor"].into_iter().zip(&mut numbers) {
        flags.push_str(&format!(" -X {version}{name}={number}"));
    }
    flags
}

fn key(go_version: &str) -> String {
    let mut hash = Sha256::new();
    for part in [GO_MOD, GO_SUM, go_version] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.finalize()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// A variable that is set, and not to nothing.
pub(super) fn set(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

fn cache() -> Result<PathBuf, AssetsError> {
    let caches = set("XDG_CACHE_HOME")
        .or_else(|| Some(set("HOME")?.join(".cache")))
        .ok_or(AssetsError::NoCache)?;
    Ok(caches.join("cloudoptim").join("control-plane"))
}

fn go_command(folder: &Path) -> Command {
    let mut go = Command::new("go");
    // The module's own list of modules counts, whatever is around it.
    go.current_dir(folder)
        .env("GOWORK", "off")
        .env_remove("GOOS")
        .env_remove("GOARCH");
    go
}

/// The version of Go on the path, or why there is none.
fn go_version() -> Result<String, String> {
    let output = Command::new("go")
        .args(["env", "GOVERSION"])
        .output()
        .map_err(|error| format!("go: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}

fn go(
    folder: &Path,
    args: &[&str],
    more: impl FnOnce(&mut Command) -> &mut Command,
) -> Result<String, AssetsError> {
    let mut command = go_command(folder);
    command.args(args);
    more(&mut command);
    let shown = format!(
        "go {}",
        command
            .get_args()
            .map(|arg| arg.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" ")
    );
    let output = command.output().map_err(|error| AssetsError::Build {
        command: shown.clone(),
        message: error.to_string(),
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = text.lines().collect();
    let message = lines[lines.len().saturating_sub(20)..].join("\n");
    Err(AssetsError::Build {
        command: shown,
        message,
    })
}

/// Copies the YAML files of a folder and of those in it, but no test data.
fn copy_yaml(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        if entry.file_type()?.is_dir() {
            if name != "testdata" {
                copy_yaml(&path, &to.join(name))?;
            }
        } else if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            // Not `copy`: the module cache is read-only, and its modes go along.
            fs::write(to.join(name), fs::read(&path)?)?;
        }
    }
    Ok(())
}
