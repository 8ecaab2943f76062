//! The journal in a file: what it keeps over torn writes, failing disks and
//! damage.

use cloudoptim_aws::journal::{FileJournal, FileStorage, LineJournal, Storage};
use cloudoptim_core::conformance::{
    has_one_writer, keeps_entries_in_order, outlives_its_process, sample_entries,
};
use cloudoptim_core::journal::{Entry, Journal, JournalError};
use cloudoptim_core::plan::Scope;
use proptest::prelude::*;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

/// A journal in a file or in memory waits for nobody.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a journal does not wait"),
    }
}

fn scope() -> Scope {
    Scope {
        clusters: vec!["c1".into()],
        ..Scope::default()
    }
}

fn in_a_folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    (folder, path)
}

/// A disk. It keeps what was synced, and of the rest what the test decides.
#[derive(Debug, Clone, Default)]
struct Disk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    synced: usize,
    /// Calls that still succeed; all when `None`.
    calls_left: Option<usize>,
    /// The call that fails writes half of what it should.
    failing: bool,
}

impl State {
    fn call(&mut self) -> io::Result<()> {
        match &mut self.calls_left {
            Some(0) => {
                self.failing = true;
                Err(io::Error::other("no space left on device"))
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl Storage for Disk {
    fn read(&mut self) -> io::Result<Vec<u8>> {
        Ok(self.state.lock().unwrap().bytes.clone())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        let result = state.call();
        let written = if result.is_ok() {
            bytes.len()
        } else {
            bytes.len() / 2
        };
        state.bytes.extend_from_slice(&bytes[..written]);
        result
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        state.call()?;
        state.bytes.truncate(usize::try_from(length).unwrap());
        state.synced = state.synced.min(state.bytes.len());
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        state.call()?;
        state.synced = state.bytes.len();
        Ok(())
    }
}

impl Disk {
    fn holding(bytes: Vec<u8>) -> Self {
        let disk = Self::default();
        {
            let mut state = disk.state.lock().unwrap();
            state.synced = bytes.len();
            state.bytes = bytes;
        }
        disk
    }

    fn bytes(&self) -> Vec<u8> {
        self.state.lock().unwrap().bytes.clone()
    }

    fn allow_calls(&self, calls: Option<usize>) {
        self.state.lock().unwrap().calls_left = calls;
    }

    fn open(&self) -> Result<LineJournal<Self>, JournalError> {
        LineJournal::on(self.clone(), &scope())
    }
}

fn entries_of(disk: &Disk) -> Vec<Entry> {
    block_on(disk.open().unwrap().entries()).unwrap()
}

/// A disk with all samples, and where each line ends.
fn written() -> (Disk, Vec<usize>) {
    let disk = Disk::default();
    let journal = disk.open().unwrap();
    let mut ends = vec![0, disk.bytes().len()];
    for entry in sample_entries() {
        block_on(journal.append(&entry)).unwrap();
        ends.push(disk.bytes().len());
    }
    (disk, ends)
}

#[test]
fn the_file_keeps_the_contract_of_journals() {
    let (_folder, path) = in_a_folder();
    block_on(keeps_entries_in_order(
        &FileJournal::open(&path, &scope()).unwrap(),
    ));
    let (_folder, path) = in_a_folder();
    block_on(outlives_its_process(|| FileJournal::open(&path, &scope())));
    block_on(has_one_writer(|| FileJournal::open(&path, &scope())));
}

#[test]
fn a_torn_tail_is_cut_at_every_byte_and_every_durable_entry_stays() {
    let (disk, ends) = written();
    let (bytes, samples) = (disk.bytes(), sample_entries());
    // Every byte of the short lines, and some of the long one.
    let cuts =
        (0..bytes.len()).filter(|at| *at < 1_000 || at % 61 == 0 || at + 1_000 > bytes.len());
    for at in cuts {
        let disk = Disk::holding(bytes[..at].to_vec());
        let journal = disk.open().unwrap();
        let whole = ends.iter().filter(|end| **end <= at).count();
        let expected = whole.saturating_sub(2);
        assert_eq!(block_on(journal.entries()).unwrap(), samples[..expected]);
        let cut = journal.opening().cut;
        assert_eq!(cut.is_some(), !ends.contains(&at), "cut at {at}");
        if let Some(cut) = cut {
            let end = ends.iter().rev().find(|end| **end <= at).unwrap();
            assert_eq!((cut.at, cut.bytes), (*end as u64, (at - end) as u64));
        }
        // It goes on as if nothing had been.
        block_on(journal.append(&samples[0])).unwrap();
        drop(journal);
        assert_eq!(entries_of(&disk).len(), expected + 1);
    }
}

#[test]
fn a_changed_bit_anywhere_is_an_error_that_names_the_line() {
    let (disk, ends) = written();
    let bytes = disk.bytes();
    for at in (0..bytes.len()).filter(|at| *at < 1_000 || at % 61 == 0 || at + 1_000 > bytes.len())
    {
        for bit in [0, 3, 6] {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << bit;
            let error = Disk::holding(bytes).open().unwrap_err();
            let begin = ends.iter().rev().find(|end| **end <= at).unwrap();
            assert!(
                error.to_string().contains(&format!("at byte {begin}: ")),
                "bit {bit} of {at}: {error}"
            );
        }
    }
}

#[test]
fn a_line_that_is_missing_doubled_or_elsewhere_is_an_error() {
    let (disk, ends) = written();
    let bytes = disk.bytes();
    let lines: Vec<&[u8]> = ends.windows(2).map(|w| &bytes[w[0]..w[1]]).collect();
    for nth in 1..lines.len() - 1 {
        let mut missing = lines.clone();
        missing.remove(nth);
        let mut doubled = lines.clone();
        doubled.insert(nth, lines[nth]);
        let mut swapped = lines.clone();
        swapped.swap(nth, nth + 1);
        for lines in [missing, doubled, swapped] {
            let error = Disk::holding(lines.concat()).open().unwrap_err();
            assert!(matches!(error, JournalError::Read(_)), "{error}");
        }
    }
}

#[test]
fn another_scope_another_file_and_newer_versions_are_refused() {
    let (disk, _) = written();
    let mut other = scope();
    other.clusters.push("c2".into());
    let error = LineJournal::on(disk.clone(), &other).unwrap_err();
    assert!(error.to_string().contains("c2"), "{error}");
    let error = Disk::holding(b"kind: Config\nusers: []\n".to_vec())
        .open()
        .unwrap_err();
    assert!(error.to_string().contains("at byte 0"), "{error}");

    let newer = |line: usize, from: &str, to: &str| {
        let text = String::from_utf8(disk.bytes()).unwrap();
        let json: Vec<&str> = text
            .lines()
            .map(|l| l.splitn(3, ' ').nth(2).unwrap())
            .collect();
        // The checksums are made anew by a disk that takes any line.
        let mut bytes = String::new();
        let mut sum = String::new();
        for (nth, json) in json.iter().enumerate() {
            let json = if nth == line {
                json.replacen(from, to, 1)
            } else {
                (*json).to_owned()
            };
            sum = checksum(&sum, &json);
            bytes += &format!("{sum} {} {json}\n", json.len());
        }
        Disk::holding(bytes.into_bytes()).open()
    };
    assert!(newer(0, "nothing", "nothing").is_ok());
    let error = newer(0, "\"format\":1", "\"format\":2").unwrap_err();
    assert!(
        error.to_string().contains("format 2 is not known"),
        "{error}"
    );
    let error = newer(1, "\"version\":1", "\"version\":2").unwrap_err();
    assert!(
        error.to_string().contains("journal entry version 2"),
        "{error}"
    );
}

/// As the format says it: SHA-256 of the checksum before and the JSON.
fn checksum(before: &str, json: &str) -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(format!("{before}{json}"));
    let digits: String = digest.iter().map(|b| format!("{b:02x}")).collect();
    digits[..16].to_owned()
}

#[test]
fn a_disk_that_fails_at_any_call_loses_no_entry_that_was_acknowledged() {
    let samples = sample_entries();
    for calls in 0..40 {
        let disk = Disk::default();
        let journal = disk.open().unwrap();
        disk.allow_calls(Some(calls));
        let mut acknowledged = 0;
        for entry in &samples {
            match block_on(journal.append(entry)) {
                Ok(()) => acknowledged += 1,
                Err(JournalError::Write(_)) => break,
                Err(error) => panic!("{error}"),
            }
        }
        // Space is made; the same process may go on only if it knows the end.
        disk.allow_calls(None);
        let more = block_on(journal.append(&samples[0])).is_ok();
        drop(journal);
        let found = entries_of(&disk);
        assert_eq!(
            found[..acknowledged],
            samples[..acknowledged],
            "{calls} calls"
        );
        assert!(found.len() <= acknowledged + 1, "{calls} calls");
        assert!(!more || found.len() == acknowledged + 1, "{calls} calls");
    }
}

#[test]
fn a_full_device_gives_an_error_and_no_entry() {
    // `/dev/full` takes no byte, and is no file, so it is never opened as one.
    let error = FileStorage::open(std::path::Path::new("/dev/full")).unwrap_err();
    assert!(matches!(error, JournalError::Read(_)), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// The power fails at any moment of any run: what was synced stays, of the
    /// rest some beginning, perhaps with blocks that were never written. What is
    /// read then is a beginning of what was written, with all that was
    /// acknowledged.
    #[test]
    fn any_power_failure_leaves_a_beginning_with_every_acknowledged_entry(
        picks in prop::collection::vec(0_usize..12, 0..12),
        kept in 0.0_f64..=1.0,
        zeros in prop::option::of(0.0_f64..1.0),
    ) {
        let samples = sample_entries();
        let disk = Disk::default();
        let journal = disk.open().unwrap();
        let written: Vec<Entry> = picks.iter().map(|p| samples[*p].clone()).collect();
        for entry in &written {
            block_on(journal.append(entry)).unwrap();
        }
        drop(journal);
        // The last append did not come as far as its sync.
        let synced = disk.bytes().len();
        let journal = disk.open().unwrap();
        disk.allow_calls(Some(1));
        let _ = block_on(journal.append(&samples[1]));
        let mut bytes = disk.bytes();
        let rest = bytes.len() - synced;
        bytes.truncate(synced + (rest as f64 * kept) as usize);
        if let Some(from) = zeros {
            let rest = bytes.len() - synced;
            let from = synced + (rest as f64 * from) as usize;
            let until = bytes.len().saturating_sub(1).max(from);
            bytes[from..until].fill(0);
        }
        let found = entries_of(&Disk::holding(bytes));
        prop_assert!(found.len() >= written.len() && found.len() <= written.len() + 1);
        prop_assert_eq!(&found[..written.len()], &written[..]);
    }

    /// Whatever bytes a file holds: an answer, never a panic, and never more
    /// than whole lines.
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0_usize..3000) {
        let (disk, _) = written();
        let mut whole = disk.bytes();
        whole.truncate(at);
        whole.extend(bytes);
        let _ = Disk::holding(whole).open();
    }
}
