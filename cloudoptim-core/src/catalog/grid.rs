//! The storage behind the catalogue: interned names, and one cell for each
//! region and instance type.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::num::NonZeroU32;

/// FNV-1a with a final mix: names are short, and the same input must hash the
/// same in every process.
#[derive(Debug, Clone, Copy)]
pub(super) struct NameHasher(u64);

impl Default for NameHasher {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for NameHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        (self.0 ^ (self.0 >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

/// Names numbered in the order in which they came.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    ids: HashMap<Box<str>, u32, BuildHasherDefault<NameHasher>>,
    names: Vec<Box<str>>,
}

impl Names {
    pub(super) fn get(&self, name: &str) -> Option<usize> {
        self.ids.get(name).map(|id| *id as usize)
    }

    pub(super) fn add(&mut self, name: &str) -> usize {
        if let Some(id) = self.get(name) {
            return id;
        }
        let id = self.names.len();
        self.names.push(name.into());
        // More than 2^32 names would need more than 64 GiB.
        self.ids
            .insert(name.into(), u32::try_from(id).unwrap_or(u32::MAX));
        id
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    pub(super) fn name(&self, id: usize) -> &str {
        self.names.get(id).map_or("", |name| name)
    }

    /// Every id, in the order of the names.
    pub(super) fn sorted(&self) -> Vec<usize> {
        let mut ids: Vec<usize> = (0..self.names.len()).collect();
        ids.sort_by(|a, b| self.name(*a).cmp(self.name(*b)));
        ids
    }
}

/// The number of a source, which is never the niche of an absent cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SourceId(NonZeroU32);

impl SourceId {
    pub(super) fn new(index: usize) -> Self {
        let number = u32::try_from(index).unwrap_or(u32::MAX - 1);
        Self(NonZeroU32::MIN.saturating_add(number))
    }

    pub(super) fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// A value and where it is from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell<T> {
    pub(super) value: T,
    pub(super) source: SourceId,
}

/// One optional cell for each pair of ids.
#[derive(Debug, Clone)]
pub(super) struct Grid<T> {
    rows: Vec<Vec<Option<Cell<T>>>>,
    filled: usize,
}

impl<T> Default for Grid<T> {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            filled: 0,
        }
    }
}

impl<T> Grid<T> {
    pub(super) fn get(&self, row: usize, column: usize) -> Option<&Cell<T>> {
        self.rows.get(row)?.get(column)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, row: usize, column: usize) -> Option<&mut Cell<T>> {
        self.rows.get_mut(row)?.get_mut(column)?.as_mut()
    }

    /// Every value, by row and column.
    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        let cells = self.rows.iter().flatten().flatten();
        cells.map(|cell| &cell.value)
    }

    /// Puts a cell in place of the one there. `columns` is how many there
    /// will be at least, so that a row grows once.
    pub(super) fn set(&mut self, row: usize, column: usize, columns: usize, cell: Cell<T>) {
        if self.rows.len() <= row {
            self.rows.resize_with(row + 1, Vec::new);
        }
        let Some(cells) = self.rows.get_mut(row) else {
            return;
        };
        if cells.len() <= column {
            cells.resize_with(columns.max(column + 1), || None);
        }
        if let Some(slot) = cells.get_mut(column) {
            self.filled += usize::from(slot.is_none());
            *slot = Some(cell);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.filled
    }

    /// Whether a row has any cell.
    pub(super) fn has_row(&self, row: usize) -> bool {
        self.rows
            .get(row)
            .is_some_and(|cells| cells.iter().any(Option::is_some))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_cell_takes_no_more_room_than_a_present_one() {
        assert_eq!(size_of::<Option<Cell<i64>>>(), 16);
        assert_eq!(size_of::<Option<Cell<u8>>>(), 8);
    }

    #[test]
    fn names_keep_their_number_and_sort_by_text() {
        let mut names = Names::default();
        assert_eq!((names.add("b"), names.add("a"), names.add("b")), (0, 1, 0));
        assert_eq!(names.get("a"), Some(1));
        assert_eq!(names.get("c"), None);
        assert_eq!(names.sorted(), [1, 0]);
    }

    #[test]
    fn a_cell_is_replaced_and_counted_once() {
        let source = SourceId::new(0);
        let mut grid = Grid::default();
        grid.set(2, 5, 10, Cell { value: 1, source });
        grid.set(2, 5, 10, Cell { value: 2, source });
        assert_eq!(grid.get(2, 5).map(|c| c.value), Some(2));
        assert!(grid.get(2, 6).is_none() && grid.get(9, 0).is_none());
        assert_eq!(grid.len(), 1);
        assert!(grid.has_row(2) && !grid.has_row(1));
    }
}
