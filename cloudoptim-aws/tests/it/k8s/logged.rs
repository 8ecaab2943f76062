//! What one test logs, while others log beside it.

use std::cell::RefCell;
use std::io::Write;
use std::sync::{Arc, Mutex, Once};

use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

thread_local! {
    static HEARD: RefCell<Option<Logged>> = const { RefCell::new(None) };
}

/// Everything that its thread logs until it is dropped, at every level, through
/// `tracing` and `log`.
///
/// All tests have one subscriber, which asks at each event whether the thread is
/// heard. With one of its own (`set_default`), whether an event is ever asked about
/// may be decided for good by another thread, which has none: that of the test that
/// comes upon the event first.
#[derive(Clone, Default)]
pub(super) struct Logged(Arc<Mutex<Vec<u8>>>);

/// Ends what its [`Logged`] hears.
pub(super) struct Hearing(Logged);

impl Logged {
    /// Hears this thread: with the runtime of `tokio::test` all tasks of the test.
    pub(super) fn hear() -> Hearing {
        static SUBSCRIBER: Once = Once::new();
        SUBSCRIBER.call_once(|| {
            let heard = |logged: &RefCell<Option<Self>>| logged.borrow().clone();
            let layer = tracing_subscriber::fmt::layer()
                .with_writer(move || HEARD.with(heard).unwrap_or_default())
                .with_filter(dynamic_filter_fn(|_, _| {
                    HEARD.with(|logged| logged.borrow().is_some())
                }));
            tracing_subscriber::registry().with(layer).init();
        });
        // What was being registered while the subscriber was set.
        tracing::callsite::rebuild_interest_cache();
        let logged = Self::default();
        HEARD.set(Some(logged.clone()));
        Hearing(logged)
    }
}

impl Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Hearing {
    /// What was logged until now.
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.0.lock().unwrap().clone()).unwrap()
    }
}

impl Drop for Hearing {
    fn drop(&mut self) {
        HEARD.set(None);
    }
}

#[test]
fn a_thread_is_heard_whoever_came_upon_the_event_first() {
    let event = || tracing::trace!("an event of two threads");
    let quiet = std::thread::spawn(event);
    let heard = Logged::hear();
    quiet.join().unwrap();
    std::thread::spawn(event).join().unwrap();
    assert_eq!(heard.text(), "");
    event();
    assert_eq!(heard.text().matches("an event of two threads").count(), 1);
    drop(heard);
    event();
    assert_eq!(Logged::hear().text(), "");
}
