//! The packed form's alphabet: columns of variable-length numbers and texts.
//!
//! A row says once, in [`Packed::visit`], which fields it has; the writer and
//! the reader both follow it. Each field is a column of its own, because like
//! next to like compresses best.

use super::error::CatalogError;
use chrono::{Datelike, NaiveDate};

pub(super) fn broken(what: impl Into<String>) -> CatalogError {
    CatalogError::Broken { what: what.into() }
}

/// Visits a row's fields, writing them or filling them in.
pub(super) trait Codec {
    fn number(&mut self, value: &mut u64) -> Result<(), CatalogError>;
    fn text(&mut self, value: &mut String) -> Result<(), CatalogError>;

    fn index(&mut self, value: &mut usize) -> Result<(), CatalogError> {
        let mut wide = u64::try_from(*value).map_err(|_| broken("index too large"))?;
        self.number(&mut wide)?;
        *value = usize::try_from(wide).map_err(|_| broken("index too large"))?;
        Ok(())
    }

    fn small(&mut self, value: &mut u32) -> Result<(), CatalogError> {
        let mut wide = u64::from(*value);
        self.number(&mut wide)?;
        *value = u32::try_from(wide).map_err(|_| broken("number too large"))?;
        Ok(())
    }

    fn flag(&mut self, value: &mut bool) -> Result<(), CatalogError> {
        let mut wide = u64::from(*value);
        self.number(&mut wide)?;
        *value = wide != 0;
        Ok(())
    }

    /// An amount of money, which the tables never have below zero.
    fn money(&mut self, value: &mut i64) -> Result<(), CatalogError> {
        let mut wide = u64::try_from(*value).map_err(|_| broken("negative price"))?;
        self.number(&mut wide)?;
        *value = i64::try_from(wide).map_err(|_| broken("price too large"))?;
        Ok(())
    }

    /// An optional number: 0 is none.
    fn optional(&mut self, value: &mut Option<u64>) -> Result<(), CatalogError> {
        let mut wide = match *value {
            None => 0,
            Some(n) => n.checked_add(1).ok_or_else(|| broken("number too large"))?,
        };
        self.number(&mut wide)?;
        *value = wide.checked_sub(1);
        Ok(())
    }

    fn optional_small(&mut self, value: &mut Option<u32>) -> Result<(), CatalogError> {
        let mut wide = value.map(u64::from);
        self.optional(&mut wide)?;
        *value = match wide {
            None => None,
            Some(n) => Some(u32::try_from(n).map_err(|_| broken("number too large"))?),
        };
        Ok(())
    }

    /// An optional text: the empty one is none.
    fn optional_text(&mut self, value: &mut Option<String>) -> Result<(), CatalogError> {
        let mut text = value.take().unwrap_or_default();
        self.text(&mut text)?;
        *value = (!text.is_empty()).then_some(text);
        Ok(())
    }

    fn date(&mut self, value: &mut NaiveDate) -> Result<(), CatalogError> {
        let out_of_range = || broken("date out of range");
        let mut days = u64::try_from(value.num_days_from_ce()).map_err(|_| out_of_range())?;
        self.number(&mut days)?;
        *value = i32::try_from(days)
            .ok()
            .and_then(NaiveDate::from_num_days_from_ce_opt)
            .ok_or_else(out_of_range)?;
        Ok(())
    }

    /// One of few values, as its place among them.
    fn choice<T: Copy + PartialEq>(&mut self, value: &mut T, of: &[T]) -> Result<(), CatalogError> {
        let mut index = of.iter().position(|v| v == value).unwrap_or(0);
        self.index(&mut index)?;
        *value = *of.get(index).ok_or_else(|| broken("unknown choice"))?;
        Ok(())
    }
}

/// A row of the packed form.
pub(super) trait Packed {
    fn visit<C: Codec>(&mut self, codec: &mut C) -> Result<(), CatalogError>;
}

fn push_number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        // The mask leaves seven bits.
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn take_number(bytes: &mut &[u8]) -> Result<u64, CatalogError> {
    let mut value: u64 = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes
            .split_first()
            .ok_or_else(|| broken("ends in a number"))?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(broken("number too long"))
}

fn take<'a>(bytes: &mut &'a [u8], length: u64) -> Result<&'a [u8], CatalogError> {
    let length = usize::try_from(length).map_err(|_| broken("length too large"))?;
    let (head, rest) = bytes
        .split_at_checked(length)
        .ok_or_else(|| broken("ends in a text"))?;
    *bytes = rest;
    Ok(head)
}

/// Writes sections one after the other.
#[derive(Debug, Default)]
pub(super) struct Packer {
    pub(super) out: Vec<u8>,
}

#[derive(Debug, Default)]
struct Columns {
    columns: Vec<Vec<u8>>,
    next: usize,
}

impl Columns {
    fn column(&mut self) -> &mut Vec<u8> {
        let index = self.next;
        self.next += 1;
        if self.columns.len() <= index {
            self.columns.resize_with(index + 1, Vec::new);
        }
        &mut self.columns[index]
    }
}

impl Codec for Columns {
    fn number(&mut self, value: &mut u64) -> Result<(), CatalogError> {
        push_number(self.column(), *value);
        Ok(())
    }

    fn text(&mut self, value: &mut String) -> Result<(), CatalogError> {
        let column = self.column();
        push_number(column, value.len() as u64);
        column.extend_from_slice(value.as_bytes());
        Ok(())
    }
}

impl Packer {
    /// Writes the rows as a section: how many, then column by column.
    pub(super) fn section<T: Packed>(&mut self, rows: Vec<T>) -> Result<(), CatalogError> {
        let mut columns = Columns::default();
        let count = rows.len();
        for mut row in rows {
            columns.next = 0;
            row.visit(&mut columns)?;
        }
        push_number(&mut self.out, count as u64);
        push_number(&mut self.out, columns.columns.len() as u64);
        for column in &columns.columns {
            push_number(&mut self.out, column.len() as u64);
            self.out.extend_from_slice(column);
        }
        Ok(())
    }
}

/// Reads what a [`Packer`] wrote. Nothing in the bytes is trusted: every
/// number that is read has been paid for with at least one byte.
#[derive(Debug)]
pub(super) struct Unpacker<'a> {
    rest: &'a [u8],
}

struct ColumnReader<'a> {
    columns: Vec<&'a [u8]>,
    next: usize,
}

impl<'a> ColumnReader<'a> {
    fn column(&mut self) -> Result<&mut &'a [u8], CatalogError> {
        let index = self.next;
        self.next += 1;
        self.columns
            .get_mut(index)
            .ok_or_else(|| broken("a column is missing"))
    }
}

impl Codec for ColumnReader<'_> {
    fn number(&mut self, value: &mut u64) -> Result<(), CatalogError> {
        *value = take_number(self.column()?)?;
        Ok(())
    }

    fn text(&mut self, value: &mut String) -> Result<(), CatalogError> {
        let column = self.column()?;
        let length = take_number(column)?;
        let bytes = take(column, length)?;
        let text = std::str::from_utf8(bytes).map_err(|_| broken("text is not UTF-8"))?;
        text.clone_into(value);
        Ok(())
    }
}

impl<'a> Unpacker<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Reads the next section and hands over its rows, each made from `blank`.
    pub(super) fn section<T: Packed>(
        &mut self,
        blank: impl Fn() -> T,
        mut each: impl FnMut(T) -> Result<(), CatalogError>,
    ) -> Result<(), CatalogError> {
        let rows = take_number(&mut self.rest)?;
        let count = take_number(&mut self.rest)?;
        let mut reader = ColumnReader {
            columns: Vec::new(),
            next: 0,
        };
        for _ in 0..count {
            let length = take_number(&mut self.rest)?;
            reader.columns.push(take(&mut self.rest, length)?);
        }
        for _ in 0..rows {
            reader.next = 0;
            let mut row = blank();
            row.visit(&mut reader)?;
            each(row)?;
        }
        if reader.columns.iter().any(|column| !column.is_empty()) {
            return Err(broken("a column has more than its rows"));
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<(), CatalogError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(broken("more follows after the last table"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Default)]
    struct Row {
        number: u64,
        maybe: Option<u32>,
        text: String,
        date: NaiveDate,
    }

    impl Packed for Row {
        fn visit<C: Codec>(&mut self, c: &mut C) -> Result<(), CatalogError> {
            c.number(&mut self.number)?;
            c.optional_small(&mut self.maybe)?;
            c.text(&mut self.text)?;
            c.date(&mut self.date)
        }
    }

    fn rows() -> Vec<Row> {
        let row = |number, maybe, text: &str, date: &str| Row {
            number,
            maybe,
            text: text.into(),
            date: date.parse().unwrap(),
        };
        vec![
            row(0, None, "", "1970-01-01"),
            row(u64::MAX, Some(u32::MAX), "über", "2026-11-23"),
            row(128, Some(0), "m6i.large", "2024-02-29"),
        ]
    }

    fn read(bytes: &[u8]) -> Result<Vec<Row>, CatalogError> {
        let mut unpacker = Unpacker::new(bytes);
        let mut rows = Vec::new();
        unpacker.section(Row::default, |row| {
            rows.push(row);
            Ok(())
        })?;
        unpacker.finish()?;
        Ok(rows)
    }

    #[test]
    fn rows_come_back_as_they_were() {
        let mut packer = Packer::default();
        packer.section(rows()).unwrap();
        assert_eq!(read(&packer.out).unwrap(), rows());
    }

    #[test]
    fn what_is_cut_short_or_has_a_tail_is_refused() {
        let mut packer = Packer::default();
        packer.section(rows()).unwrap();
        for end in 0..packer.out.len() {
            assert!(read(&packer.out[..end]).is_err(), "cut at {end}");
        }
        packer.out.push(0);
        assert!(read(&packer.out).is_err());
    }

    #[test]
    fn a_count_of_rows_that_are_not_there_is_refused_at_once() {
        let mut bytes = Vec::new();
        push_number(&mut bytes, u64::MAX);
        push_number(&mut bytes, 0);
        assert!(read(&bytes).is_err());
    }
}
