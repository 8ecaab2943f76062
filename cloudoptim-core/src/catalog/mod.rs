//! Day-Zero catalogue: public AWS data, embedded and offline.
