//! Processes that end at a chosen point, as if the machine had been switched off.
//!
//! A test part that stands around a journal or an actuator calls [`point`]
//! before and after each call; product code has no such points. A test names
//! an ignored test of its own binary as the [`Victim`], runs it once to learn
//! its points, and then once for each of them with the process ended there.
//!
//! A process that ends tears no write and loses no page that it wrote, since
//! the system keeps them: for that a storage is needed that forgets what was
//! not synced.
//!
//! ```no_run
//! use cloudoptim_aws::testing::kill::{self, End, Victim};
//!
//! # fn write(_: &str) {}
//! // An ignored test of the same binary, `mod steps`:
//! // #[test] #[ignore = "killed by another test"]
//! fn writes_two_steps() {
//!     kill::point("before intent");
//!     write("intent");
//!     kill::point("after intent");
//!     write("outcome");
//! }
//!
//! # fn example() -> std::io::Result<()> {
//! let victim = Victim::of_test("steps::writes_two_steps");
//! for index in 1..=victim.run()?.points.len() {
//!     let run = victim.killed_at(index)?;
//!     assert_eq!(run.end, End::Killed);
//!     // What was written is what the next run finds.
//! }
//! # Ok(())
//! # }
//! ```

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// The environment variable that says where to end: the number of the point
/// in the order of reaching them, from 1.
pub const KILL_AT: &str = "CLOUDOPTIM_KILL_AT";

/// The environment variable with the file that reached points are written to.
pub const KILL_POINTS: &str = "CLOUDOPTIM_KILL_POINTS";

const ABORT: i32 = 6;

static REACHED: Mutex<usize> = Mutex::new(0);

/// Ends this process here, without destructors, if [`KILL_AT`] names the
/// point; else notes that it was reached if [`KILL_POINTS`] names a file.
///
/// # Panics
/// If that file cannot be written, since no test could be trusted then.
pub fn point(name: &str) {
    // Held to the end: two threads must not both be the same point.
    let mut reached = REACHED.lock().unwrap_or_else(PoisonError::into_inner);
    *reached += 1;
    if let Some(path) = std::env::var_os(KILL_POINTS) {
        let written = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(format!("{}\n", name.replace('\n', " ")).as_bytes()));
        assert!(written.is_ok(), "{}: {written:?}", path.display());
    }
    if std::env::var(KILL_AT).is_ok_and(|at| at == reached.to_string()) {
        std::process::abort();
    }
}

/// How a victim ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// It ran to its end, and as a test it passed.
    Finished,
    /// It was ended at the point.
    Killed,
    /// It failed by itself, or something else ended it.
    Failed {
        /// How, as the system puts it.
        status: String,
    },
}

/// One run of a victim.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Run {
    /// How it ended.
    pub end: End,
    /// The points that it reached, in order; the one it was killed at is last.
    pub points: Vec<String>,
    /// What it printed, both streams.
    pub output: String,
}

/// A program that is run and killed.
#[derive(Debug, Clone)]
pub struct Victim {
    program: Result<PathBuf, ()>,
    args: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
}

impl Victim {
    /// A test of this very test binary, by its full name, ignored or not.
    #[must_use]
    pub fn of_test(name: &str) -> Self {
        let args = [name, "--exact", "--include-ignored", "--nocapture", "--test-threads=1"];
        Self {
            program: std::env::current_exe().map_err(drop),
            args: args.into_iter().map(OsString::from).collect(),
            variables: Vec::new(),
        }
    }

    /// Another program.
    #[must_use]
    pub fn of_program(program: impl Into<PathBuf>, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self {
            program: Ok(program.into()),
            args: args.into_iter().map(Into::into).collect(),
            variables: Vec::new(),
        }
    }

    /// The same with a variable in its environment.
    #[must_use]
    pub fn with_variable(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// If it cannot be started, or its points cannot be read.
    pub fn run(&self) -> io::Result<Run> {
        self.run_until(None)
    }

    /// Runs it until it reaches its `index`-th point, from 1.
    ///
    /// # Errors
    /// If it cannot be started, or its points cannot be read.
    pub fn killed_at(&self, index: usize) -> io::Result<Run> {
        self.run_until(Some(index))
    }

    fn run_until(&self, index: Option<usize>) -> io::Result<Run> {
        let folder = tempfile::Builder::new().prefix("cloudoptim-kill-").tempdir()?;
        let points = folder.path().join("points");
        let program = self.program.as_ref().map_err(|()| io::Error::other("this binary has no path"))?;
        let mut command = Command::new(program);
        command.args(&self.args).stdin(Stdio::null()).env_remove(KILL_AT).env(KILL_POINTS, &points);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        if let Some(index) = index {
            command.env(KILL_AT, index.to_string());
        }
        let output = command.output()?;
        let end = match (output.status.success(), output.status.signal()) {
            (true, _) => End::Finished,
            (_, Some(ABORT)) if index.is_some() => End::Killed,
            _ => End::Failed { status: output.status.to_string() },
        };
        let points = match fs::read_to_string(&points) {
            Ok(text) => text.lines().map(str::to_owned).collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.push_str(&String::from_utf8_lossy(&output.stderr));
        Ok(Run { end, points, output: text })
    }
}
