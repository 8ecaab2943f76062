//! What can be wrong with a table.

/// Why a table or an embedded catalogue was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// Packed bytes that do not unpack.
    #[error("packed catalogue is broken: {what}")]
    Broken {
        /// What does not fit.
        what: String,
    },
    /// A table without a column that it must have.
    #[error("column {column} is missing, the header has {header:?}")]
    MissingColumn {
        /// The column's name.
        column: &'static str,
        /// The header line.
        header: String,
    },
    /// A table with a column that nothing reads, so perhaps a misspelt one.
    #[error("unknown column {column:?}, known are {known}")]
    UnknownColumn {
        /// The column's name.
        column: String,
        /// The names that would be read.
        known: &'static str,
    },
    /// A value that is not what its column holds.
    #[error("line {line}: {column} must be {expected}, got {value:?}")]
    BadValue {
        /// Line in the file, from 1; in JSON, the entry, from 1.
        line: usize,
        /// The column or field.
        column: &'static str,
        /// What it should have been.
        expected: &'static str,
        /// The value as given.
        value: String,
    },
    /// A row with more or fewer fields than the header.
    #[error("line {line}: {got} fields, the header has {expected}")]
    BadRow {
        /// Line in the file, from 1.
        line: usize,
        /// Fields of the header.
        expected: usize,
        /// Fields of the row.
        got: usize,
    },
    /// Bytes that are not text.
    #[error("line {line}: not UTF-8")]
    NotText {
        /// Line in the file, from 1.
        line: usize,
    },
    /// Text that is not the JSON it should be.
    #[error("not a JSON list of prices: {message}")]
    Json {
        /// The parser's message, with line and column.
        message: String,
    },
    /// A price that an earlier row gives already.
    #[error("line {line}: gives the price of line {first} again")]
    Repeated {
        /// Line in the file, from 1; in JSON, the entry, from 1.
        line: usize,
        /// The earlier line or entry.
        first: usize,
    },
    /// A table without a single row.
    #[error("the table has no rows")]
    Empty,
    /// A price of zero or below: an unknown price must be left out.
    #[error("price of {what} must be above zero, got {price}")]
    NotAPrice {
        /// Of what.
        what: String,
        /// The price in micro-dollars.
        price: i64,
    },
}
