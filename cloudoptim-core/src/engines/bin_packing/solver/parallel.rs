//! Independent parts of the work, side by side where feature `parallel` is on.
//!
//! What a part gives depends on that part alone, and results are taken in the
//! order of the parts: threads change when something is known, never what. Where
//! the taking may end early, a few parts are looked at in vain; what that took is
//! not counted, so that counts and limits are those of one thread.

use std::ops::ControlFlow;

/// Parts that one thread takes at least, where each takes microseconds.
#[cfg(feature = "parallel")]
const FEWEST: usize = 4;

/// How many parts can be looked at side by side: the threads of rayon's present
/// pool, or 1 without the feature.
pub(super) fn width() -> usize {
    #[cfg(feature = "parallel")]
    return rayon::current_num_threads();
    #[cfg(not(feature = "parallel"))]
    1
}

/// What `look` makes of each of `parts`, in their order.
pub(super) fn map<T: Sync, R: Send>(parts: &[T], look: impl Fn(&T) -> R + Sync + Send) -> Vec<R> {
    #[cfg(feature = "parallel")]
    if width() > 1 && parts.len() > FEWEST {
        use rayon::prelude::*;
        let parts = parts.par_iter().with_min_len(FEWEST);
        return parts.map(look).collect();
    }
    parts.iter().map(look).collect()
}

/// The same where `look` may change the part, whose number it gets.
pub(super) fn each<T: Send, R: Send>(
    parts: &mut [T],
    look: impl Fn(usize, &mut T) -> R + Sync + Send,
) -> Vec<R> {
    #[cfg(feature = "parallel")]
    if width() > 1 && parts.len() > FEWEST {
        use rayon::prelude::*;
        let parts = parts.par_iter_mut().with_min_len(FEWEST).enumerate();
        return parts.map(|(i, part)| look(i, part)).collect();
    }
    let parts = parts.iter_mut().enumerate();
    parts.map(|(i, part)| look(i, part)).collect()
}

/// Those of `all` that `which` names, in its order; each once.
pub(super) fn chosen<'a, T>(all: &'a mut [T], which: &[usize]) -> Vec<(usize, &'a mut T)> {
    let mut all: Vec<Option<&mut T>> = all.iter_mut().map(Some).collect();
    let which = which.iter().copied();
    which
        .filter_map(|i| Some((i, all.get_mut(i)?.take()?)))
        .collect()
}

/// Looks at `parts` in their order and has each result taken, until that breaks.
/// `sure` are taken in any case; what a result is answered with are those that
/// are sure after it.
pub(super) fn in_order<T: Sync, R: Send>(
    parts: &[T],
    sure: usize,
    look: impl Fn(&T) -> R + Sync + Send,
    mut take: impl FnMut(&T, R) -> ControlFlow<(), usize>,
) {
    let mut rest = parts;
    let mut sure = sure;
    while !rest.is_empty() {
        let (some, later) = rest.split_at(sure.max(width()).min(rest.len()));
        rest = later;
        for (part, result) in some.iter().zip(ahead(some, &look)) {
            match take(part, result) {
                ControlFlow::Continue(more) => sure = more,
                ControlFlow::Break(()) => return,
            }
        }
    }
}

/// What `look` makes of `parts`: all of it at once, or one when it is asked for.
#[cfg(feature = "parallel")]
fn ahead<T: Sync, R: Send>(
    parts: &[T],
    look: &(impl Fn(&T) -> R + Sync + Send),
) -> impl Iterator<Item = R> {
    use rayon::prelude::*;
    let many = width() > 1 && parts.len() > 1;
    let known: Vec<R> = if many {
        parts.par_iter().with_max_len(1).map(look).collect()
    } else {
        Vec::new()
    };
    let lazy = parts.iter().filter(move |_| !many).map(look);
    known.into_iter().chain(lazy)
}

#[cfg(not(feature = "parallel"))]
fn ahead<T, R>(parts: &[T], look: &impl Fn(&T) -> R) -> impl Iterator<Item = R> {
    parts.iter().map(look)
}
