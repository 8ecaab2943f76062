//! Progress on standard error: one line that changes on a terminal, one line
//! per step elsewhere would only fill a log, so there is none.

use std::io::{self, IsTerminal, Write};

pub(crate) struct Progress {
    terminal: bool,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self {
            terminal: io::stderr().is_terminal(),
        }
    }

    /// Shows what starts now. That it cannot be shown is no reason to stop.
    pub(crate) fn show(&mut self, done: u32, of: u32, what: &str) {
        if self.terminal {
            let what: String = what.chars().filter(|c| !c.is_control()).take(60).collect();
            let _ = write!(io::stderr(), "\r\x1b[K[{}/{of}] {what}", done + 1);
            let _ = io::stderr().flush();
        }
    }

    /// Clears the line.
    pub(crate) fn done(&mut self) {
        if self.terminal {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

/// Columns of the terminal as `COLUMNS` states them, between 60 and 120; else
/// 100.
pub(crate) fn width() -> usize {
    let columns = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok());
    columns.map_or(100, |c: usize| c.clamp(60, 120))
}
