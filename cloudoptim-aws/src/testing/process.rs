//! Child processes that never outlive this one.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

/// Runs `"$@"` and signals it as its own input says, a name a line. The kernel
/// closes that input however its writer ends, so the program ends with it.
const SUPERVISE: &str = r#"
exec 3<&0 4>&1
log=$1; shift
"$@" </dev/null >>"$log" 2>&1 3<&- 4>&- &
child=$!
echo "$child" >&4
(
    while read -r signal <&3; do kill -s "$signal" "$child" && echo sent >&4; done
    kill -s KILL "$child" 2>/dev/null
) &
watcher=$!
wait "$child"; status=$?
kill "$watcher" 2>/dev/null
exit "$status"
"#;

/// Removes a folder when its input closes, should its writer not have.
const SWEEP: &str = r#"
read -r _
[ -d "$1" ] || exit 0
sleep 1
rm -rf -- "$1"
"#;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    Stop,
    Continue,
    Terminate,
    Kill,
}

impl Signal {
    const fn name(self) -> &'static str {
        match self {
            Self::Stop => "STOP",
            Self::Continue => "CONT",
            Self::Terminate => "TERM",
            Self::Kill => "KILL",
        }
    }
}

/// A program under a small shell that ends it when this process ends, even by
/// a kill that leaves no time for a destructor.
#[derive(Debug)]
pub(super) struct Supervised {
    shell: Child,
    signals: ChildStdin,
    answers: BufReader<ChildStdout>,
    pid: u32,
    log: PathBuf,
}

impl Supervised {
    /// Starts `program`, its output appended to `log`.
    pub(super) fn start(program: &Path, args: &[OsString], log: &Path) -> io::Result<Self> {
        let mut shell = Command::new("/bin/sh")
            .args(["-c", SUPERVISE, "sh"])
            .arg(log)
            .arg(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Out of the terminal's group: Ctrl-C ends the tests, and their end ends this.
            .process_group(0)
            .spawn()?;
        let (Some(signals), Some(answers)) = (shell.stdin.take(), shell.stdout.take()) else {
            return Err(io::Error::other("a child without its pipes"));
        };
        let mut answers = BufReader::new(answers);
        let mut line = String::new();
        answers.read_line(&mut line)?;
        let pid = line.trim().parse().map_err(|_| io::Error::other("the shell could not start the program"))?;
        Ok(Self { shell, signals, answers, pid, log: log.to_owned() })
    }

    pub(super) const fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) fn log(&self) -> &Path {
        &self.log
    }

    /// How the program ended, if it has.
    pub(super) fn exited(&mut self) -> io::Result<Option<ExitStatus>> {
        self.shell.try_wait()
    }

    /// Sends `signal`; it has been sent when this returns.
    pub(super) fn send(&mut self, signal: Signal) -> io::Result<()> {
        writeln!(self.signals, "{}", signal.name())?;
        let mut line = String::new();
        match self.answers.read_line(&mut line)? {
            0 => Err(io::Error::new(io::ErrorKind::NotFound, "the program has ended")),
            _ => Ok(()),
        }
    }

    /// Asks the program to end, and kills it if it has not within `patience`.
    pub(super) fn stop(&mut self, patience: Duration) -> io::Result<()> {
        const STEP: Duration = Duration::from_millis(20);
        let _ = self.send(Signal::Terminate);
        for _ in 0..patience.as_millis().div_ceil(STEP.as_millis()) {
            if self.exited()?.is_some() {
                return Ok(());
            }
            std::thread::sleep(STEP);
        }
        self.kill()
    }

    /// Kills the program and waits for its end.
    pub(super) fn kill(&mut self) -> io::Result<()> {
        // An error says that it has ended, and so does the wait.
        let _ = self.send(Signal::Kill);
        self.shell.wait().map(drop)
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// A folder that goes when its owner goes, even when the owner is killed.
#[derive(Debug)]
pub(super) struct Folder {
    folder: Option<tempfile::TempDir>,
    path: PathBuf,
    sweeper: Child,
}

impl Folder {
    pub(super) fn new(prefix: &str) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix(prefix).tempdir()?;
        let path = folder.path().to_owned();
        let sweeper = Command::new("/bin/sh")
            .args(["-c", SWEEP, "sh"])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        Ok(Self { folder: Some(folder), path, sweeper })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(self.folder.take());
        drop(self.sweeper.stdin.take());
        let _ = self.sweeper.wait();
    }
}
