//! Bounded memory: events that were handled, and acts of the last minutes.

use super::message::{Event, Notice};
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// An event about one instance: a digest of account, region, instance, kind
/// and id, so that its size does not depend on what a message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key(u128);

impl Hash for Key {
    fn hash<H: Hasher>(&self, to: &mut H) {
        to.write_u128(self.0);
    }
}

/// Takes a part of a digest, which needs no more mixing. The map of keys is
/// never walked, so that its order decides nothing.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Part(u64);

impl Hasher for Part {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, digest: u128) {
        let [a, b, c, d, e, f, g, h, ..] = digest.to_le_bytes();
        self.0 = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    }
}

impl Key {
    /// The key of an event about `instance`. `more` tells apart what shares an
    /// id: the announcement of work and its end.
    pub(super) fn new(event: &Event<'_>, more: &str, instance: &str) -> Self {
        let mut digest = Sha256::new();
        let region = match event.notice {
            // A token says enough, and not every form of a hook has a region.
            Notice::AsgLifecycleTerminate { .. } => None,
            _ => event.region.as_deref(),
        };
        for part in [
            event.account.as_ref(),
            region.unwrap_or_default(),
            event.kind().name(),
            &event.id,
            more,
            instance,
        ] {
            digest.update(part.as_bytes());
            // No part of an event that was read has this byte.
            digest.update([0xff]);
        }
        Self::of(digest)
    }

    /// The key of any text.
    pub(super) fn text(text: &str) -> Self {
        Self::of(Sha256::new().chain_update(text.as_bytes()))
    }

    fn of(digest: Sha256) -> Self {
        let all: [u8; 32] = digest.finalize().into();
        let mut short = [0; 16];
        for (to, from) in short.iter_mut().zip(all) {
            *to = from;
        }
        Self(u128::from_le_bytes(short))
    }
}

/// How far an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// The host is at it.
    InHand,
    /// It was handled.
    Done,
}

/// Events by key, for a time and up to a number; the oldest go first.
#[derive(Debug)]
pub(super) struct Events {
    by_key: HashMap<Key, Seen, BuildHasherDefault<Part>>,
    /// In the order in which they run out.
    order: VecDeque<(DateTime<Utc>, Key)>,
    most: usize,
}

impl Events {
    pub(super) fn new(most: u32) -> Self {
        Self {
            by_key: HashMap::default(),
            order: VecDeque::new(),
            most: usize::try_from(most).unwrap_or(usize::MAX),
        }
    }

    pub(super) fn get(&self, key: &Key) -> Option<Seen> {
        self.by_key.get(key).copied()
    }

    /// Remembers an event until `until`, which never goes back.
    pub(super) fn put(&mut self, key: Key, seen: Seen, until: DateTime<Utc>) {
        if self.by_key.insert(key, seen).is_none() {
            self.order.push_back((until, key));
        }
        while self.by_key.len() > self.most {
            self.drop_first();
        }
    }

    /// Changes what is known of an event that is remembered.
    pub(super) fn set(&mut self, key: &Key, seen: Seen) {
        if let Some(have) = self.by_key.get_mut(key) {
            *have = seen;
        }
    }

    pub(super) fn forget(&mut self, key: &Key) {
        // Its place in the order runs out by itself.
        self.by_key.remove(key);
    }

    pub(super) fn prune(&mut self, now: DateTime<Utc>) {
        while self.order.front().is_some_and(|(until, _)| *until <= now) {
            self.drop_first();
        }
        // Places of forgotten events are bounded as well.
        while self.order.len() > self.most.saturating_mul(2) {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some((_, key)) = self.order.pop_front() {
            self.by_key.remove(&key);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }
}

/// Acts of the last minutes, counted by group.
#[derive(Debug, Default)]
pub(super) struct Window<G: Ord + Clone, W: Eq> {
    acts: VecDeque<(DateTime<Utc>, W, Vec<G>)>,
    counts: BTreeMap<G, u32>,
}

impl<G: Ord + Clone, W: Eq> Window<G, W> {
    pub(super) fn add(&mut self, until: DateTime<Utc>, what: W, groups: Vec<G>) {
        for group in &groups {
            let count = self.counts.entry(group.clone()).or_default();
            *count = count.saturating_add(1);
        }
        self.acts.push_back((until, what, groups));
    }

    pub(super) fn count<Q: Ord + ?Sized>(&self, group: &Q) -> u32
    where
        G: std::borrow::Borrow<Q>,
    {
        self.counts.get(group).copied().unwrap_or(0)
    }

    /// Acts on `what` count no longer.
    pub(super) fn remove(&mut self, what: &W) {
        while let Some(at) = self.acts.iter().position(|(_, w, _)| w == what) {
            let act = self.acts.remove(at);
            act.into_iter()
                .for_each(|(_, _, groups)| self.less(&groups));
        }
    }

    pub(super) fn prune(&mut self, now: DateTime<Utc>) {
        while self.acts.front().is_some_and(|(until, _, _)| *until <= now) {
            let act = self.acts.pop_front();
            act.into_iter()
                .for_each(|(_, _, groups)| self.less(&groups));
        }
    }

    fn less(&mut self, groups: &[G]) {
        for group in groups {
            if let Some(count) = self.counts.get_mut(group) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.counts.remove(group);
                }
            }
        }
    }
}
