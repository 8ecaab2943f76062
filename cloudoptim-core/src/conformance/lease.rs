//! Checks of leases.

use crate::execute::race::{First, first as race};
use crate::providers::{Clock, Held, JournalMark, Lease, LeaseError};
use std::future::Future;

fn good<T>(what: &str, result: Result<T, LeaseError>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{what}: {error}"),
    }
}

fn mark(journal: &str, entries: u64) -> JournalMark {
    JournalMark {
        journal: journal.to_owned(),
        entries,
    }
}

async fn is_lost(lease: &impl Lease, held: &Held, what: &str) {
    let renewed = lease.renew(held, &mark("j", 0)).await;
    assert!(
        matches!(renewed, Err(LeaseError::Lost { .. })),
        "{what}: {renewed:?}"
    );
}

async fn while_renewed(
    first: &impl Lease,
    held: &Held,
    mark: &JournalMark,
    second: &impl Lease,
    clock: &impl Clock,
) -> Result<Held, LeaseError> {
    let renewing = async {
        loop {
            clock.sleep(held.lasts / 4).await;
            good("renew", first.renew(held, mark).await);
        }
    };
    let renewing: std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>> = Box::pin(renewing);
    match race(second.acquire(mark), renewing).await {
        First::One(answer) => answer,
        First::Other(()) => panic!("it is renewed for ever"),
    }
}

/// While one of two processes holds the lease the other does not get it; when
/// it was given back the other does, with a higher fence, and the first has
/// lost it. Nobody may hold it at the beginning, and nobody does at the end.
///
/// # Panics
/// When that is not so.
pub async fn a_lease_has_one_holder(first: &impl Lease, second: &impl Lease, clock: &impl Clock) {
    let mark = mark("j", 0);
    let held = good("take", first.acquire(&mark).await);
    good("renew", first.renew(&held, &mark).await);
    let taken = while_renewed(first, &held, &mark, second, clock).await;
    let by_first = matches!(&taken, Err(LeaseError::Taken { holder }) if *holder == held.holder);
    assert!(by_first, "the second one: {taken:?}");
    good("renew", first.renew(&held, &mark).await);
    good("give back", first.release(&held).await);
    let later = good("take what was given back", second.acquire(&mark).await);
    assert!(
        later.fence > held.fence && later.holder != held.holder,
        "{later:?} after {held:?}"
    );
    is_lost(first, &held, "the first one after the second").await;
    good("give back what is lost", first.release(&held).await);
    good("renew", second.renew(&later, &mark).await);
    good("give back", second.release(&later).await);
}

/// A lease that is not renewed for as long as it lasts goes to another process.
///
/// # Panics
/// When that is not so.
pub async fn a_lapsed_lease_goes_to_another(
    first: &impl Lease,
    second: &impl Lease,
    clock: &impl Clock,
) {
    let mark = mark("j", 0);
    let held = good("take", first.acquire(&mark).await);
    clock.sleep(held.lasts).await;
    let later = good("take what has lapsed", second.acquire(&mark).await);
    assert!(later.fence > held.fence, "{later:?} after {held:?}");
    is_lost(first, &held, "the first one after the second").await;
    good("give back", second.release(&later).await);
}

/// A lease knows how far the journal had come, whoever holds it.
///
/// # Panics
/// When that is not so, or the lease knows of a journal but `j` without entries.
pub async fn a_lease_remembers_the_journal(first: &impl Lease, second: &impl Lease) {
    let held = good("take", first.acquire(&mark("j", 10)).await);
    good("renew", first.renew(&held, &mark("j", 12)).await);
    good("give back", first.release(&held).await);
    for lease in 0..2 {
        let ask = async |mark: JournalMark| match lease {
            0 => first.acquire(&mark).await,
            _ => second.acquire(&mark).await,
        };
        let behind = ask(mark("j", 11)).await;
        assert!(
            matches!(behind, Err(LeaseError::JournalBehind { .. })),
            "a journal that is behind: {behind:?}"
        );
        let other = ask(mark("k", 12)).await;
        assert!(
            matches!(other, Err(LeaseError::AnotherJournal { .. })),
            "another journal: {other:?}"
        );
    }
    let held = good("take", second.acquire(&mark("j", 12)).await);
    good("give back", second.release(&held).await);
}
