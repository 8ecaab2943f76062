//! Checks of time and the brake.

use super::act::answer;
use crate::providers::{Clock, KillSwitch};
use chrono::TimeDelta;

/// The monotonic clock never goes back, a sleep takes at least its span on it,
/// and the wall clock does not go back meanwhile.
///
/// # Panics
/// When that is not so.
pub async fn time_never_goes_back(clock: &impl Clock, span: TimeDelta) {
    let (wall, before) = (clock.now(), clock.monotonic());
    assert!(clock.monotonic() >= before, "the monotonic clock went back");
    clock.sleep(span).await;
    let gone = clock.monotonic() - before;
    assert!(gone >= span, "slept {gone} instead of {span}");
    assert!(clock.now() >= wall, "the wall clock went back");
}

/// The brake is on or off, as prepared, however often one looks.
///
/// # Panics
/// When it is not, or cannot be read.
pub async fn the_brake_says_what_it_is(brake: &impl KillSwitch, on: bool) {
    for _ in 0..2 {
        assert_eq!(answer(brake.is_on().await), on);
    }
}
