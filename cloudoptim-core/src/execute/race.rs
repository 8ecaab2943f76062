//! Two futures, of which the first that is ready counts.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

/// Which was ready.
pub(crate) enum First<A, B> {
    One(A),
    Other(B),
}

/// Whichever is ready first.
pub(crate) async fn first<A: Future, B: Future>(one: A, other: B) -> First<A::Output, B::Output> {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(|context| {
        if let Poll::Ready(output) = one.as_mut().poll(context) {
            return Poll::Ready(First::One(output));
        }
        other.as_mut().poll(context).map(First::Other)
    })
    .await
}
