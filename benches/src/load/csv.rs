//! Comma-separated values with a header line.

use super::LoadError;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A table whose columns are found by name.
#[derive(Debug)]
pub struct Table {
    file: PathBuf,
    header: Vec<String>,
    rows: Vec<(usize, Vec<String>)>,
}

/// One line of a [`Table`].
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    table: &'a Table,
    index: usize,
}

impl Table {
    /// Reads a header and as many lines as follow.
    ///
    /// # Errors
    /// When a line has another number of fields than the header.
    pub fn parse(file: &Path, text: &str) -> Result<Self, LoadError> {
        let mut lines = text
            .lines()
            .enumerate()
            .filter(|(_, l)| !l.trim().is_empty());
        let header = lines.next().map(|(_, l)| split(l)).unwrap_or_default();
        let mut rows = Vec::new();
        for (number, line) in lines {
            let fields = split(line);
            if fields.len() != header.len() {
                return Err(LoadError::Form {
                    file: file.to_owned(),
                    line: number + 1,
                    problem: format!(
                        "has {} fields, the header has {}",
                        fields.len(),
                        header.len()
                    ),
                });
            }
            rows.push((number + 1, fields));
        }
        Ok(Self {
            file: file.to_owned(),
            header,
            rows,
        })
    }

    /// The lines in order.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.rows.len()).map(|index| Row { table: self, index })
    }

    /// Whether there is a column of this name.
    pub fn has(&self, column: &str) -> bool {
        self.header.iter().any(|h| h == column)
    }
}

impl<'a> Row<'a> {
    /// The field of a column; empty when there is no such column.
    pub fn text(self, column: &str) -> &'a str {
        let at = self.table.header.iter().position(|h| h == column);
        at.and_then(|i| self.table.rows[self.index].1.get(i))
            .map_or("", String::as_str)
    }

    /// The field as a number; `None` when it is empty.
    ///
    /// # Errors
    /// When it is something else than a number.
    pub fn number<T: FromStr>(self, column: &str) -> Result<Option<T>, LoadError> {
        let text = self.text(column).trim();
        if text.is_empty() {
            return Ok(None);
        }
        text.parse()
            .map(Some)
            .map_err(|_| self.wrong(format!("{column} must be a number, got {text:?}")))
    }

    /// The field as a number that must be there.
    ///
    /// # Errors
    /// When it is empty or something else than a number.
    pub fn need<T: FromStr>(self, column: &str) -> Result<T, LoadError> {
        self.number(column)?
            .ok_or_else(|| self.wrong(format!("{column} is empty")))
    }

    /// An error about this line.
    pub fn wrong(self, problem: String) -> LoadError {
        LoadError::Form {
            file: self.table.file.clone(),
            line: self.table.rows[self.index].0,
            problem,
        }
    }
}

/// Splits at commas; a field in double quotes may hold some.
fn split(line: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut field = String::new();
    let mut quoted = false;
    let mut chars = line.trim_end_matches('\r').chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                field.push('"');
                chars.next();
            }
            '"' => quoted = !quoted,
            ',' if !quoted => out.push(std::mem::take(&mut field)),
            _ => field.push(c),
        }
    }
    out.push(field);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_fields_keep_their_commas() {
        assert_eq!(split(r#"a,"b,""c""",d"#), ["a", "b,\"c\"", "d"]);
    }

    #[test]
    fn a_short_line_is_refused_with_its_number() {
        let err = Table::parse(Path::new("x.csv"), "a,b\n1,2\n3\n").unwrap_err();
        assert_eq!(err.to_string(), "x.csv:3: has 1 fields, the header has 2");
    }
}
