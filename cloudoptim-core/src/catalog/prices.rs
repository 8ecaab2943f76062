//! Price tables that people write: CSV or JSON, one price a row.

use super::error::CatalogError;
use super::figure::Basis;
use super::table::{OperatingSystem, Source, Table};
use crate::model::{CapacityType, MicroUsdPerHour, ZoneId};
use chrono::NaiveDate;
use std::borrow::Cow;
use std::collections::BTreeMap;

const COLUMNS: [&str; 9] = [
    "region",
    "instance_type",
    "usd_per_hour",
    "capacity_type",
    "zone_id",
    "os",
    "as_of",
    "basis",
    "source",
];
const KNOWN: &str =
    "region, instance_type, usd_per_hour, capacity_type, zone_id, os, as_of, basis, source";
const REQUIRED: [&str; 3] = ["region", "instance_type", "usd_per_hour"];

/// One row: its line or entry, and its fields by column.
struct Row<'a> {
    line: usize,
    fields: [Option<Cow<'a, str>>; COLUMNS.len()],
}

fn column_of(name: &str) -> Result<usize, CatalogError> {
    let place = COLUMNS.iter().position(|column| *column == name);
    place.ok_or_else(|| CatalogError::UnknownColumn {
        column: name.to_owned(),
        known: KNOWN,
    })
}

impl Row<'_> {
    /// The field, `None` when it is empty or not there.
    fn get(&self, column: &'static str) -> Option<&str> {
        let index = COLUMNS.iter().position(|name| *name == column)?;
        let field = self.fields.get(index)?.as_deref()?.trim();
        (!field.is_empty()).then_some(field)
    }

    fn bad(&self, column: &'static str, expected: &'static str) -> CatalogError {
        CatalogError::BadValue {
            line: self.line,
            column,
            expected,
            value: self.get(column).unwrap_or("").to_owned(),
        }
    }

    /// A field that must be there.
    fn need(&self, column: &'static str) -> Result<&str, CatalogError> {
        self.get(column)
            .ok_or_else(|| self.bad(column, "there in every row"))
    }

    fn price(&self) -> Result<MicroUsdPerHour, CatalogError> {
        let text = self.need("usd_per_hour")?;
        let price = text.parse().ok().and_then(MicroUsdPerHour::from_usd);
        price
            .filter(|price| price.0 > 0)
            .ok_or_else(|| self.bad("usd_per_hour", "a number of dollars above zero"))
    }

    fn capacity_type(&self) -> Result<CapacityType, CatalogError> {
        let Some(text) = self.get("capacity_type") else {
            return Ok(CapacityType::OnDemand);
        };
        match text.parse() {
            Ok(kind @ (CapacityType::OnDemand | CapacityType::Spot)) => Ok(kind),
            _ => Err(self.bad("capacity_type", "on-demand or spot")),
        }
    }

    fn zone(&self, kind: CapacityType) -> Result<Option<ZoneId>, CatalogError> {
        let Some(zone) = self.get("zone_id") else {
            return Ok(None);
        };
        if kind != CapacityType::Spot {
            return Err(self.bad("zone_id", "empty, since only spot prices differ by zone"));
        }
        // A zone name such as us-east-1a is another place in another account.
        if !zone.contains("-az") {
            return Err(self.bad("zone_id", "a zone id such as use1-az4, not a name"));
        }
        Ok(Some(ZoneId::from(zone)))
    }

    fn system(&self, kind: CapacityType) -> Result<OperatingSystem, CatalogError> {
        match (self.get("os").map(str::to_ascii_lowercase).as_deref(), kind) {
            (None | Some("linux"), _) => Ok(OperatingSystem::Linux),
            (Some("windows"), CapacityType::Spot) => Ok(OperatingSystem::Windows),
            (Some("windows"), _) => Err(self.bad("os", "linux for an on-demand price")),
            _ => Err(self.bad("os", "linux or windows")),
        }
    }

    fn source(&self, default_as_of: Option<NaiveDate>) -> Result<Source, CatalogError> {
        let as_of = match self.get("as_of") {
            Some(text) => text.parse().ok(),
            None => default_as_of,
        };
        let as_of = as_of.ok_or_else(|| self.bad("as_of", "a day such as 2026-11-23"))?;
        let basis = match self.get("basis") {
            None | Some("listed" | "L") => Basis::Listed,
            Some("derived" | "D") => Basis::Derived,
            Some("estimated" | "E") => Basis::Estimated,
            Some(_) => return Err(self.bad("basis", "listed, derived or estimated")),
        };
        let name = self.get("source").unwrap_or("prices file");
        Ok(Source::new(name, as_of).with_basis(basis))
    }
}

impl Table {
    /// Reads prices from CSV or JSON, whichever the bytes are: JSON begins
    /// with `[` or `{`.
    ///
    /// `default_as_of` is the date of the rows that give none; without it they
    /// are refused.
    ///
    /// # Errors
    /// As [`prices_from_csv`](Self::prices_from_csv) and
    /// [`prices_from_json`](Self::prices_from_json).
    pub fn prices(bytes: &[u8], default_as_of: Option<NaiveDate>) -> Result<Self, CatalogError> {
        let first = without_mark(bytes)
            .iter()
            .find(|b| !b.is_ascii_whitespace());
        match first {
            Some(b'[' | b'{') => json_prices(bytes, default_as_of),
            _ => csv_prices(bytes, default_as_of),
        }
    }

    /// Reads prices from CSV with a header line.
    ///
    /// | column | | holds |
    /// | --- | --- | --- |
    /// | `region` | required | such as `us-east-1` |
    /// | `instance_type` | required | such as `m6i.large` |
    /// | `usd_per_hour` | required | above zero; an unknown price is left out |
    /// | `as_of` | required here | the day for which the price held, `2026-11-23` |
    /// | `capacity_type` | | `on-demand` (the default) or `spot` |
    /// | `zone_id` | | spot only: a zone **id** such as `use1-az4`; empty for the region as a whole |
    /// | `os` | | `linux` (the default) or, for spot, `windows` |
    /// | `basis` | | `listed` (the default), `derived`, `estimated`, or their first letter |
    /// | `source` | | where it is from; `prices file` by default |
    ///
    /// Empty lines and lines that begin with `#` are skipped. Fields may be in
    /// double quotes.
    ///
    /// ```
    /// use cloudoptim_core::catalog::{Catalog, Table};
    ///
    /// let csv = "region,instance_type,usd_per_hour,as_of,source\n\
    ///            us-east-1,m6i.large,0.071,2026-11-20,contract 42\n";
    /// let mut catalog = Catalog::empty();
    /// catalog.overlay(Table::prices_from_csv(csv.as_bytes())?);
    /// let price = catalog.on_demand("us-east-1", "m6i.large").expect("just read");
    /// assert_eq!(price.to_string(), "$0.071/h (listed, 2026-11-20)");
    ///
    /// let error = Table::prices_from_csv(csv.replace("0.071", "free").as_bytes());
    /// assert_eq!(
    ///     error.unwrap_err().to_string(),
    ///     "line 2: usd_per_hour must be a number of dollars above zero, got \"free\""
    /// );
    /// # Ok::<(), cloudoptim_core::catalog::CatalogError>(())
    /// ```
    ///
    /// # Errors
    /// The first thing that is wrong, with its line, column and value. A price
    /// given twice is refused too.
    pub fn prices_from_csv(bytes: &[u8]) -> Result<Self, CatalogError> {
        csv_prices(bytes, None)
    }

    /// Reads prices from JSON: a list of objects whose fields are the columns
    /// of [`prices_from_csv`](Self::prices_from_csv), or an object with such a
    /// list under `prices`.
    ///
    /// # Errors
    /// The first thing that is wrong; `line` is then the entry, from 1.
    pub fn prices_from_json(bytes: &[u8]) -> Result<Self, CatalogError> {
        json_prices(bytes, None)
    }
}

/// Without the byte order mark that some spreadsheets write.
fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

fn csv_prices(bytes: &[u8], default_as_of: Option<NaiveDate>) -> Result<Table, CatalogError> {
    let mut header: Option<(Vec<usize>, &str)> = None;
    let mut rows = Vec::new();
    for (index, line) in without_mark(bytes).split(|b| *b == b'\n').enumerate() {
        let number = index + 1;
        let text = std::str::from_utf8(line).map_err(|_| CatalogError::NotText { line: number })?;
        let text = text.trim_end_matches('\r');
        if text.trim().is_empty() || text.starts_with('#') {
            continue;
        }
        let fields = split_csv(text);
        let Some((columns, _)) = &header else {
            let columns: Result<Vec<usize>, _> =
                fields.iter().map(|name| column_of(name.trim())).collect();
            header = Some((columns?, text));
            continue;
        };
        if fields.len() != columns.len() {
            return Err(CatalogError::BadRow {
                line: number,
                expected: columns.len(),
                got: fields.len(),
            });
        }
        let mut row = Row {
            line: number,
            fields: Default::default(),
        };
        for (column, field) in columns.iter().zip(fields) {
            if let Some(slot) = row.fields.get_mut(*column) {
                *slot = Some(field);
            }
        }
        rows.push(row);
    }
    let (columns, text) = header.ok_or(CatalogError::Empty)?;
    let needed = REQUIRED.into_iter();
    for name in needed.chain(default_as_of.is_none().then_some("as_of")) {
        if !columns
            .iter()
            .any(|column| COLUMNS.get(*column) == Some(&name))
        {
            return Err(CatalogError::MissingColumn {
                column: name,
                header: text.to_owned(),
            });
        }
    }
    table(&rows, default_as_of)
}

/// The fields of a line; in a quoted one, two quotes stand for one.
fn split_csv(line: &str) -> Vec<Cow<'_, str>> {
    if !line.contains('"') {
        return line.split(',').map(Cow::Borrowed).collect();
    }
    let mut fields = Vec::new();
    let mut field = String::new();
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                field.push('"');
                chars.next();
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(Cow::Owned(std::mem::take(&mut field))),
            other => field.push(other),
        }
    }
    fields.push(Cow::Owned(field));
    fields
}

fn json_prices(bytes: &[u8], default_as_of: Option<NaiveDate>) -> Result<Table, CatalogError> {
    use serde_json::Value;

    let json = |message: &str| CatalogError::Json {
        message: message.to_owned(),
    };
    let value: Value =
        serde_json::from_slice(without_mark(bytes)).map_err(|error| json(&error.to_string()))?;
    let entries = match value {
        Value::Array(entries) => entries,
        Value::Object(mut object) => match object.remove("prices") {
            Some(Value::Array(entries)) if object.is_empty() => entries,
            _ => return Err(json("an object must have the list under \"prices\" alone")),
        },
        _ => return Err(json("neither a list nor an object")),
    };
    let mut rows = Vec::new();
    for (index, entry) in entries.into_iter().enumerate() {
        let line = index + 1;
        let Value::Object(object) = entry else {
            return Err(json(&format!("entry {line} is not an object")));
        };
        let mut row = Row {
            line,
            fields: Default::default(),
        };
        for (name, value) in object {
            let column = column_of(&name)?;
            let text = match value {
                Value::Null => None,
                Value::String(text) => Some(text),
                Value::Number(number) => Some(number.to_string()),
                other => {
                    return Err(CatalogError::BadValue {
                        line,
                        column: COLUMNS.get(column).copied().unwrap_or_default(),
                        expected: "a text or a number",
                        value: other.to_string(),
                    });
                }
            };
            if let Some(slot) = row.fields.get_mut(column) {
                *slot = text.map(Cow::Owned);
            }
        }
        rows.push(row);
    }
    table(&rows, default_as_of)
}

fn table(rows: &[Row<'_>], default_as_of: Option<NaiveDate>) -> Result<Table, CatalogError> {
    let first = rows.first().ok_or(CatalogError::Empty)?;
    let mut table = Table::new(first.source(default_as_of)?);
    let mut seen = BTreeMap::new();
    for row in rows {
        let (region, name) = (row.need("region")?, row.need("instance_type")?);
        let price = row.price()?;
        let kind = row.capacity_type()?;
        let (zone, os) = (row.zone(kind)?, row.system(kind)?);
        let key = (region, name, kind, zone.clone(), os);
        if let Some(first) = seen.insert(key, row.line) {
            return Err(CatalogError::Repeated {
                line: row.line,
                first,
            });
        }
        table.source(row.source(default_as_of)?);
        match kind {
            CapacityType::Spot => table.spot(region, name, zone, os, price)?,
            CapacityType::OnDemand | CapacityType::Reserved => {
                table.on_demand(region, name, price)?
            }
        };
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Catalog, TableKind};
    use proptest::prelude::*;

    const HEADER: &str =
        "region,instance_type,usd_per_hour,as_of,capacity_type,zone_id,os,basis,source";

    fn error(csv: &str) -> String {
        Table::prices_from_csv(csv.as_bytes())
            .unwrap_err()
            .to_string()
    }

    fn error_of_row(row: &str) -> String {
        error(&format!("{HEADER}\n{row}\n"))
    }

    fn catalog(table: Result<Table, CatalogError>) -> Catalog {
        let mut catalog = Catalog::empty();
        catalog.overlay(table.unwrap());
        catalog
    }

    #[test]
    fn each_row_lands_where_it_belongs_with_its_provenance() {
        let csv = format!(
            "\u{feff}# agreed in autumn\r\n{HEADER}\r\n\
             us-east-1,m6i.large,0.071,2026-11-20,on-demand,,,D,\"contract 42, annex \"\"B\"\"\"\r\n\
             \r\n\
             us-east-1,m6i.large,0.03,2026-11-23,spot,use1-az4,,,\r\n\
             us-east-1,m6i.large,0.11,2026-11-23,spot,,windows,E,feed\r\n"
        );
        let catalog = catalog(Table::prices_from_csv(csv.as_bytes()));
        let on_demand = catalog.on_demand("us-east-1", "m6i.large").unwrap();
        assert_eq!(on_demand.to_string(), "$0.071/h (derived, 2026-11-20)");
        let source = catalog.source(TableKind::OnDemand, "us-east-1", "m6i.large");
        assert_eq!(source.unwrap().name, "contract 42, annex \"B\"");
        let zone = ZoneId::from("use1-az4");
        let spot = catalog.spot("us-east-1", "m6i.large", Some(&zone));
        assert_eq!(spot.unwrap().to_string(), "$0.03/h (listed, 2026-11-23)");
        let source = catalog.zonal_spot_source("us-east-1", "m6i.large", &zone);
        assert_eq!(source.unwrap().name, "prices file");
        assert_eq!(catalog.spot("us-east-1", "m6i.large", None), None);
        let windows = catalog.spot_for("us-east-1", "m6i.large", None, OperatingSystem::Windows);
        assert_eq!(
            windows.unwrap().to_string(),
            "$0.11/h (estimated, 2026-11-23)"
        );
    }

    #[test]
    fn json_says_the_same_as_csv() {
        let json = r#"{"prices": [
            {"region": "us-east-1", "instance_type": "m6i.large", "usd_per_hour": 0.071, "as_of": "2026-11-20"},
            {"region": "us-east-1", "instance_type": "m6i.large", "usd_per_hour": "0.03",
             "as_of": "2026-11-23", "capacity_type": "spot", "zone_id": null}
        ]}"#;
        let read = catalog(Table::prices(json.as_bytes(), None));
        let csv = "region,instance_type,usd_per_hour,as_of,capacity_type\n\
                   us-east-1,m6i.large,0.071,2026-11-20,\n\
                   us-east-1,m6i.large,0.03,2026-11-23,spot\n";
        let same = catalog(Table::prices(csv.as_bytes(), None));
        assert_eq!(read.to_bytes().unwrap(), same.to_bytes().unwrap());
    }

    #[test]
    fn rows_without_a_date_take_the_one_given_or_are_refused() {
        let csv = b"region,instance_type,usd_per_hour\nus-east-1,m6i.large,0.071\n";
        let read = catalog(Table::prices(csv, "2026-11-01".parse().ok()));
        let price = read.on_demand("us-east-1", "m6i.large").unwrap();
        assert_eq!(price.as_of.to_string(), "2026-11-01");
        let refused = Table::prices(csv, None).unwrap_err().to_string();
        assert_eq!(
            refused,
            "column as_of is missing, the header has \"region,instance_type,usd_per_hour\""
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_line_and_value() {
        let cases = [
            (
                "us-east-1,m6i.large,0,2026-11-20,,,,,",
                "line 2: usd_per_hour must be a number of dollars above zero, got \"0\"",
            ),
            (
                "us-east-1,m6i.large,-1,2026-11-20,,,,,",
                "line 2: usd_per_hour must be a number of dollars above zero, got \"-1\"",
            ),
            (
                "us-east-1,m6i.large,NaN,2026-11-20,,,,,",
                "line 2: usd_per_hour must be a number of dollars above zero, got \"NaN\"",
            ),
            (
                "us-east-1,m6i.large,1e300,2026-11-20,,,,,",
                "line 2: usd_per_hour must be a number of dollars above zero, got \"1e300\"",
            ),
            (
                "us-east-1,m6i.large,1,yesterday,,,,,",
                "line 2: as_of must be a day such as 2026-11-23, got \"yesterday\"",
            ),
            (
                ",m6i.large,1,2026-11-20,,,,,",
                "line 2: region must be there in every row, got \"\"",
            ),
            (
                "us-east-1,m6i.large,1,2026-11-20,reserved,,,,",
                "line 2: capacity_type must be on-demand or spot, got \"reserved\"",
            ),
            (
                "us-east-1,m6i.large,1,2026-11-20,spot,us-east-1a,,,",
                "line 2: zone_id must be a zone id such as use1-az4, not a name, got \"us-east-1a\"",
            ),
            (
                "us-east-1,m6i.large,1,2026-11-20,,use1-az1,,,",
                "line 2: zone_id must be empty, since only spot prices differ by zone, got \"use1-az1\"",
            ),
            (
                "us-east-1,m6i.large,1,2026-11-20,spot,,beos,,",
                "line 2: os must be linux or windows, got \"beos\"",
            ),
            (
                "us-east-1,m6i.large,1,2026-11-20,,,windows,,",
                "line 2: os must be linux for an on-demand price, got \"windows\"",
            ),
            (
                "us-east-1,m6i.large,1,2026-11-20,,,,guess,",
                "line 2: basis must be listed, derived or estimated, got \"guess\"",
            ),
            (
                "us-east-1,m6i.large,1",
                "line 2: 3 fields, the header has 9",
            ),
        ];
        for (row, expected) in cases {
            assert_eq!(error_of_row(row), expected);
        }
    }

    #[test]
    fn tables_that_are_not_price_tables_are_refused() {
        assert_eq!(error(""), "the table has no rows");
        assert_eq!(error(HEADER), "the table has no rows");
        assert!(error("region,price\n").starts_with("unknown column \"price\", known are region"));
        let not_text = Table::prices_from_csv(b"region\n\xff\n").unwrap_err();
        assert_eq!(not_text.to_string(), "line 2: not UTF-8");
        let json = |text: &str| {
            Table::prices(text.as_bytes(), None)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(json("[]"), "the table has no rows");
        assert!(json("{\"rates\": []}").contains("under \"prices\""));
        assert!(json("[1]").contains("entry 1 is not an object"));
        assert!(json("[{\"region\": [1]}]").contains("region must be a text or a number, got"));
        assert!(json("[{").starts_with("not a JSON list of prices: EOF"));
    }

    #[test]
    fn a_price_given_twice_is_refused() {
        let row = "us-east-1,m6i.large,1,2026-11-20,,,,,";
        let twice = format!("{HEADER}\n{row}\n{}\n", row.replace(",1,", ",2,"));
        assert_eq!(error(&twice), "line 3: gives the price of line 2 again");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Table::prices(&bytes, None);
        }

        #[test]
        fn no_row_panics(row in "[-a-z0-9.,\"#é]{0,60}") {
            let _ = Table::prices_from_csv(format!("{HEADER}\n{row}\n").as_bytes());
        }
    }
}
