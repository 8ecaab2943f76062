//! Parts of a node in lists that are joined, and what tells which of them can
//! matter: none that another one beats, and none that is worth too little beside
//! the best of the other list.

/// A part of a node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) takes: [u64; 2],
    pub(super) value: f64,
    pub(super) loss: f64,
    /// Where its making is told.
    pub(super) way: u32,
}

/// The order of numbers as that of whole ones, the greatest first.
#[inline]
pub(super) fn dear_first(value: f64) -> u64 {
    let bits = value.to_bits();
    let rising = if bits >> 63 == 1 {
        !bits
    } else {
        bits | 1 << 63
    };
    !rising
}

/// The best of the parts made so far, on a coarse grid of what they take: most
/// parts that another one beats are not even kept until they are sorted.
pub(super) struct Beaten {
    /// What a cell of the grid holds of each amount, as a power of two.
    cell: [u32; 2],
    /// The most that a part is worth that takes no more than so many whole cells;
    /// nothing before the first look.
    best: Vec<f64>,
    /// Parts that were looked at, and how many there are the next time.
    seen: usize,
    next: usize,
}

/// Cells of each amount: at least half of these, and no more.
const CELLS: usize = 64;

impl Beaten {
    pub(super) fn new(capacity: [u64; 2]) -> Self {
        Self {
            cell: capacity.map(|has| (has / CELLS as u64).checked_ilog2().map_or(0, |n| n + 1)),
            best: Vec::new(),
            seen: 0,
            next: 1024,
        }
    }

    /// Whether a part that takes no more is worth as much.
    #[inline]
    pub(super) fn knows(&self, takes: [u64; 2], value: f64) -> bool {
        let x = ((takes[0] >> self.cell[0]) as usize).min(CELLS + 1);
        let y = ((takes[1] >> self.cell[1]) as usize).min(CELLS + 1);
        let best = self.best.get(x * (CELLS + 2) + y);
        best.is_some_and(|best| *best >= value)
    }

    /// Learns from `parts` when there are many new ones, and drops those that it
    /// then knows to be beaten.
    pub(super) fn look_at(&mut self, parts: &mut Vec<Part>) {
        if parts.len() < self.next {
            return;
        }
        let width = CELLS + 2;
        self.best.resize(width * width, f64::NEG_INFINITY);
        for part in parts.iter().skip(self.seen) {
            let x = part.takes[0].div_ceil(1 << self.cell[0]) as usize;
            let y = part.takes[1].div_ceil(1 << self.cell[1]) as usize;
            if x < width && y < width {
                let best = &mut self.best[x * width + y];
                *best = best.max(part.value);
            }
        }
        for at in 0..self.best.len() {
            let (x, y) = (at / width, at % width);
            let above = if x > 0 {
                self.best[at - width]
            } else {
                f64::NEG_INFINITY
            };
            let left = if y > 0 {
                self.best[at - 1]
            } else {
                f64::NEG_INFINITY
            };
            self.best[at] = self.best[at].max(above).max(left);
        }
        // A part does not beat itself: only what fills no whole number of cells
        // may go.
        let masks = self.cell.map(|cell| (1 << cell) - 1);
        let on_grid = |part: &Part| part.takes[0] & masks[0] == 0 && part.takes[1] & masks[1] == 0;
        let mut kept = 0;
        for at in 0..parts.len() {
            let part = parts[at];
            if on_grid(&part) || !self.knows(part.takes, part.value) {
                parts[kept] = part;
                kept += 1;
            }
        }
        parts.truncate(kept);
        self.seen = parts.len();
        self.next = 2 * parts.len() + 1024;
    }
}

/// The most that parts of a list are worth, on a grid of what they take: no less
/// than the best of those that take no more than so much is worth.
pub(super) struct Promise {
    capacity: [u64; 2],
    /// What a cell holds of each amount, as a power of two, and cells in a row.
    cell: [u32; 2],
    width: usize,
    best: Vec<f64>,
    target: f64,
}

impl Promise {
    pub(super) fn new(capacity: [u64; 2], parts: &[Part], target: f64) -> Self {
        // About as many cells as parts.
        let side = 1u64 << (parts.len().max(1).ilog2() / 2).clamp(2, 10);
        let cell = capacity.map(|has| (has / side).checked_ilog2().map_or(0, |n| n + 1));
        let cells = [0, 1].map(|at| (capacity[at] >> cell[at]) as usize + 1);
        let width = cells[1];
        let mut best = vec![f64::NEG_INFINITY; cells[0] * width];
        for part in parts {
            let at = (part.takes[0] >> cell[0]) as usize * width;
            let best = &mut best[at + (part.takes[1] >> cell[1]) as usize];
            *best = best.max(part.value);
        }
        for at in 0..best.len() {
            if at % width > 0 {
                best[at] = best[at].max(best[at - 1]);
            }
            if at >= width {
                best[at] = best[at].max(best[at - width]);
            }
        }
        Self {
            capacity,
            cell,
            width,
            best,
            target,
        }
    }

    /// Whether such a part may be worth more than the target beside one of the
    /// list.
    #[inline]
    pub(super) fn wants(&self, takes: [u64; 2], value: f64) -> bool {
        let x = (self.capacity[0] - takes[0]) >> self.cell[0];
        let y = (self.capacity[1] - takes[1]) >> self.cell[1];
        value + self.best[x as usize * self.width + y as usize] > self.target
    }
}

/// What the parts take that were kept so far: for each amount of the first the
/// least of the second, falling.
#[derive(Debug, Default)]
pub(super) struct Stairs {
    first: Vec<u64>,
    second: Vec<u64>,
}

impl Stairs {
    pub(super) fn clear(&mut self) {
        self.first.clear();
        self.second.clear();
    }

    /// Whether no part before takes as little of both; parts come the most
    /// valuable first, then by what they take.
    pub(super) fn keep(&mut self, part: &Part) -> bool {
        let [x, y] = part.takes;
        // Steps that take no more of the first.
        let (mut at, mut end) = (0, self.first.len());
        while at < end {
            let middle = (at + end) / 2;
            if self.first[middle] <= x {
                at = middle + 1;
            } else {
                end = middle;
            }
        }
        if at > 0 && self.second[at - 1] <= y {
            return false;
        }
        let from = at - usize::from(at > 0 && self.first[at - 1] == x);
        let mut to = at;
        while self.second.get(to).is_some_and(|step| *step >= y) {
            to += 1;
        }
        if from == to {
            self.first.insert(from, x);
            self.second.insert(from, y);
        } else {
            self.first[from] = x;
            self.second[from] = y;
            self.first.drain(from + 1..to);
            self.second.drain(from + 1..to);
        }
        true
    }
}
