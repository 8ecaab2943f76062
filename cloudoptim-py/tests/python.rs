//! Tests the Python package as its users get it, with nothing but Rust and
//! Python 3.10 or newer on the machine.
//!
//! Makes a virtual environment with the pinned tools of `requirements-dev.txt`,
//! builds the wheel with maturin, installs it, and runs there: the check that
//! the committed stub is what the module has, `mypy.stubtest`, mypy over the
//! tests, and pytest. A machine without a fit Python fails; it does not skip.
//!
//! | variable | what it does |
//! | --- | --- |
//! | `PYTHON` | the interpreter to use, instead of the first fit one |
//! | `CLOUDOPTIM_UPDATE_STUBS` | writes the stub instead of comparing it |
//!
//! Everything made is under cargo's target directory. The environment is kept
//! as long as the requirements and the interpreter stay the same.

use std::error::Error;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[test]
fn the_python_package_passes_its_own_tests() {
    if let Err(err) = test_package() {
        panic!("{err}");
    }
}

fn test_package() -> Result<()> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let work = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
    fs::create_dir_all(&work)?;
    // Two `cargo test` share the directory: one waits here for the other.
    let lock = File::create(work.join("lock"))?;
    lock.lock()?;

    let python = environment(package, &work)?;
    // A target directory of its own: other features and flags than the
    // workspace's, and no fight over cargo's build lock.
    let cargo_target = work.join("target");
    let maturin = |command: &str| {
        let mut maturin = Command::new(&python);
        maturin
            .args([
                "-m",
                "maturin",
                command,
                "--locked",
                "--features",
                "testing",
                // Compiling it optimised takes minutes, and the tests seconds less.
                "--config",
                "profile.dev.package.cloudoptim-core.opt-level=0",
            ])
            .arg("--interpreter")
            .arg(&python)
            .env("CARGO_TARGET_DIR", &cargo_target)
            .current_dir(package);
        maturin
    };

    let install = || -> Result<()> {
        let wheels = fresh(&work.join("wheels"))?;
        run(
            "building the wheel",
            maturin("build").arg("--out").arg(&wheels),
        )?;
        let wheel = only_file(&wheels)?;
        run(
            "installing the wheel",
            pip(&python)
                .args([
                    "install",
                    "--quiet",
                    "--no-index",
                    "--no-deps",
                    "--force-reinstall",
                ])
                .arg(&wheel),
        )
    };
    install()?;
    let stubs = fresh(&work.join("stubs"))?;
    run(
        "generating the stub",
        maturin("generate-stubs").arg("--out").arg(&stubs),
    )?;
    run(
        "comparing the stub",
        Command::new(&python)
            .arg("tests/stubs.py")
            .arg(&stubs)
            .arg("python/cloudoptim/_cloudoptim.pyi")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(package),
    )?;
    if std::env::var_os("CLOUDOPTIM_UPDATE_STUBS").is_some() {
        install()?; // The wheel holds the stub.
    }
    run(
        "stubtest",
        Command::new(&python)
            .args(["-m", "mypy.stubtest", "cloudoptim", "--allowlist"])
            .arg(package.join("tests/stubtest.txt"))
            .current_dir(&work),
    )?;
    run(
        "mypy",
        Command::new(&python)
            .args(["-m", "mypy", "--cache-dir"])
            .arg(work.join("mypy_cache"))
            .current_dir(package),
    )?;
    run(
        "pytest",
        Command::new(&python)
            .args(["-m", "pytest", "-p", "no:cacheprovider"])
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(package),
    )
}

/// The interpreter of an environment that holds the pinned tools.
fn environment(package: &Path, work: &Path) -> Result<PathBuf> {
    let base = interpreter()?;
    let requirements = package.join("requirements-dev.txt");
    let mut hasher = DefaultHasher::new();
    fs::read(&requirements)?.hash(&mut hasher);
    base.identity.hash(&mut hasher);
    let venv = work.join(format!("venv-{:016x}", hasher.finish()));
    let python = if cfg!(windows) {
        venv.join("Scripts/python.exe")
    } else {
        venv.join("bin/python")
    };
    // Written last, so that an environment half made is made again.
    let complete = venv.join("complete");
    if complete.exists() {
        return Ok(python);
    }
    run(
        "making the virtual environment",
        Command::new(&base.path)
            .args(["-m", "venv", "--clear"])
            .arg(&venv),
    )?;
    run(
        "installing maturin, mypy and pytest",
        pip(&python)
            .args([
                "install",
                "--quiet",
                "--require-hashes",
                "--only-binary",
                ":all:",
                "-r",
            ])
            .arg(&requirements),
    )?;
    File::create(complete)?;
    Ok(python)
}

struct Interpreter {
    path: String,
    /// Version and place: another interpreter needs another environment.
    identity: String,
}

/// The first Python that is new enough and can make virtual environments.
fn interpreter() -> Result<Interpreter> {
    const CANDIDATES: [&str; 7] = [
        "python3.13",
        "python3.12",
        "python3.11",
        "python3.10",
        "python3",
        "python",
        "python3.14",
    ];
    let named = std::env::var("PYTHON").ok();
    let candidates = match &named {
        Some(path) => vec![path.as_str()],
        None => CANDIDATES.to_vec(),
    };
    let mut tried = String::new();
    for path in candidates {
        match probe(path) {
            Ok(identity) => {
                return Ok(Interpreter {
                    path: path.to_owned(),
                    identity,
                });
            }
            Err(why) => tried.push_str(&format!("\n  {path}: {why}")),
        }
    }
    Err(format!(
        "these tests need Python 3.10 or newer with its venv module \
         (python3 and python3-venv on Debian and Ubuntu); \
         set PYTHON to use a certain one. Tried:{tried}"
    )
    .into())
}

fn probe(path: &str) -> std::result::Result<String, String> {
    const SCRIPT: &str = "\
import sys
if sys.version_info < (3, 10):
    sys.exit('is Python %d.%d' % sys.version_info[:2])
try:
    import ensurepip, venv
except ImportError as error:
    sys.exit('cannot make virtual environments: %s' % error)
print(sys.version, sys.executable)
";
    let output = Command::new(path)
        .args(["-c", SCRIPT])
        .output()
        .map_err(|err| err.to_string())?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let message = String::from_utf8_lossy(&output.stderr);
        Err(message.lines().next().unwrap_or("does not run").to_owned())
    }
}

fn pip(python: &Path) -> Command {
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "--disable-pip-version-check"]);
    pip
}

/// Runs `command` with its output passed through; an error names the step.
fn run(step: &str, command: &mut Command) -> Result<()> {
    // Not `eprintln!`, which libtest keeps back while the steps' own output shows.
    writeln!(io::stderr(), "==> python: {step}")?;
    let status = command
        // Those of the process that runs the tests are not meant for others.
        .env_remove("PYTHONPATH")
        .env_remove("PYTHONHOME")
        .env_remove("VIRTUAL_ENV")
        .status()
        .map_err(|err| format!("{step}: {command:?}: {err}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{step} failed: {status}").into())
    }
}

/// The directory, made anew.
fn fresh(directory: &Path) -> Result<PathBuf> {
    if directory.exists() {
        fs::remove_dir_all(directory)?;
    }
    fs::create_dir_all(directory)?;
    Ok(directory.to_owned())
}

fn only_file(directory: &Path) -> Result<PathBuf> {
    let mut entries = fs::read_dir(directory)?;
    match (entries.next(), entries.next()) {
        (Some(entry), None) => Ok(entry?.path()),
        _ => Err(format!("expected one file in {}", directory.display()).into()),
    }
}
