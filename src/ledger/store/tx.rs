//! A transaction's connection: SQL text with parameters to rows, the same for both stores.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use rusqlite::types::{ToSqlOutput, ValueRef};
use serde::de::DeserializeOwned;

use super::super::LedgerError;
use super::StoreError;

/// An open transaction. Changes of a failed statement are rolled back by returning its error.
pub(in super::super) struct Tx<'a> {
    pub(super) operation: &'static str,
    pub(super) connection: Connection<'a>,
    /// A statement failed: the transaction cannot be committed, whatever the operation returns.
    pub(super) failed: bool,
}

pub(super) enum Connection<'a> {
    Sqlite(&'a rusqlite::Connection),
    Postgres { client: &'a mut postgres::Client, statements: &'a mut HashMap<String, postgres::Statement> },
}

/// A value bound to `$1`, `$2`, …: INT8 or TEXT.
#[derive(Clone, Copy, Debug)]
pub(in super::super) enum Param<'a> {
    Int(Option<i64>),
    Text(Option<&'a str>),
}

/// The values of a statement, in the order of their numbers.
macro_rules! params {
    ($($value:expr),* $(,)?) => { &[$($crate::ledger::store::Param::from($value)),*] };
}
pub(in super::super) use params;

impl Tx<'_> {
    /// Returns the text for this store, if the two must differ.
    pub(in super::super) fn dialect(&self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self.connection {
            Connection::Sqlite(_) => sqlite,
            Connection::Postgres { .. } => postgres,
        }
    }

    /// Returns the number of changed rows.
    pub(in super::super) fn execute(&mut self, sql: &str, params: &[Param]) -> Result<u64, LedgerError> {
        let changed = match &mut self.connection {
            Connection::Sqlite(connection) => {
                prepare_sqlite(connection, sql, params).and_then(|mut statement| Ok(statement.raw_execute()? as u64))
            }
            Connection::Postgres { client, statements } => prepare_postgres(client, statements, sql, params)
                .and_then(|statement| Ok(client.execute(&statement, &bound(params))?)),
        };
        self.checked(changed)
    }

    pub(in super::super) fn query(&mut self, sql: &str, params: &[Param]) -> Result<Vec<Row>, LedgerError> {
        let rows = match &mut self.connection {
            Connection::Sqlite(connection) => query_sqlite(connection, sql, params),
            Connection::Postgres { client, statements } => prepare_postgres(client, statements, sql, params)
                .and_then(|statement| query_postgres(client, &statement, params)),
        };
        self.checked(rows)
    }

    fn checked<T>(&mut self, outcome: Result<T, StoreError>) -> Result<T, LedgerError> {
        self.failed |= outcome.is_err();
        outcome.map_err(|source| LedgerError::Sql { operation: self.operation, source })
    }

    pub(in super::super) fn query_opt(&mut self, sql: &str, params: &[Param]) -> Result<Option<Row>, LedgerError> {
        Ok(self.query(sql, params)?.into_iter().next())
    }

    /// For statements that always return a row.
    pub(in super::super) fn query_one(&mut self, sql: &str, params: &[Param]) -> Result<Row, LedgerError> {
        self.query_opt(sql, params)?
            .ok_or_else(|| LedgerError::Unreadable { what: "no row where there must be one".into() })
    }
}

/// Binds by name, because SQLite numbers `$3` by its first appearance.
fn prepare_sqlite<'a>(
    connection: &'a rusqlite::Connection,
    sql: &str,
    params: &[Param],
) -> Result<rusqlite::CachedStatement<'a>, StoreError> {
    const NAMES: [&str; 16] =
        ["$1", "$2", "$3", "$4", "$5", "$6", "$7", "$8", "$9", "$10", "$11", "$12", "$13", "$14", "$15", "$16"];
    let mut statement = connection.prepare_cached(sql)?;
    for (name, param) in NAMES.iter().zip(params) {
        if let Some(index) = statement.parameter_index(name)? {
            statement.raw_bind_parameter(index, param)?;
        }
    }
    Ok(statement)
}

fn query_sqlite(connection: &rusqlite::Connection, sql: &str, params: &[Param]) -> Result<Vec<Row>, StoreError> {
    let mut statement = prepare_sqlite(connection, sql, params)?;
    let columns: Arc<[String]> = statement.column_names().into_iter().map(str::to_owned).collect();
    let mut found = Vec::new();
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        let cell = |index| {
            Ok(match row.get_ref(index)? {
                ValueRef::Null => Cell::Null,
                ValueRef::Integer(number) => Cell::Int(number),
                other => Cell::Text(other.as_str().map_err(rusqlite::Error::from)?.to_owned()),
            })
        };
        let cells = (0..columns.len()).map(cell).collect::<Result<_, rusqlite::Error>>()?;
        found.push(Row { columns: columns.clone(), cells });
    }
    Ok(found)
}

/// Gives every parameter its type: inferred by the server, `$3 = 0` alone would be an INT4.
fn prepare_postgres(
    client: &mut postgres::Client,
    statements: &mut HashMap<String, postgres::Statement>,
    sql: &str,
    params: &[Param],
) -> Result<postgres::Statement, StoreError> {
    if let Some(statement) = statements.get(sql) {
        return Ok(statement.clone());
    }
    let types: Vec<Type> = params
        .iter()
        .map(|param| match param {
            Param::Int(_) => Type::INT8,
            Param::Text(_) => Type::TEXT,
        })
        .collect();
    let statement = client.prepare_typed(sql, &types)?;
    statements.insert(sql.to_owned(), statement.clone());
    Ok(statement)
}

fn query_postgres(
    client: &mut postgres::Client,
    statement: &postgres::Statement,
    params: &[Param],
) -> Result<Vec<Row>, StoreError> {
    let columns: Arc<[String]> = statement.columns().iter().map(|column| column.name().to_owned()).collect();
    let mut found = Vec::new();
    for row in client.query(statement, &bound(params))? {
        let cell = |(index, column): (usize, &postgres::Column)| {
            Ok(match *column.type_() {
                Type::INT8 => row.try_get::<_, Option<i64>>(index)?.map_or(Cell::Null, Cell::Int),
                _ => row.try_get::<_, Option<String>>(index)?.map_or(Cell::Null, Cell::Text),
            })
        };
        let cells = row.columns().iter().enumerate().map(cell).collect::<Result<_, postgres::Error>>()?;
        found.push(Row { columns: columns.clone(), cells });
    }
    Ok(found)
}

fn bound<'a>(params: &'a [Param<'a>]) -> Vec<&'a (dyn ToSql + Sync)> {
    params.iter().map(|param| param as &(dyn ToSql + Sync)).collect()
}

/// PostgreSQL text cannot contain NUL: both stores replace it by its symbol.
fn without_nul(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{2400}")) } else { Cow::Borrowed(text) }
}

impl rusqlite::ToSql for Param<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Int(Some(number)) => (*number).into(),
            Self::Text(Some(text)) => match without_nul(text) {
                Cow::Borrowed(text) => text.into(),
                Cow::Owned(text) => text.into(),
            },
            Self::Int(None) | Self::Text(None) => ToSqlOutput::Borrowed(ValueRef::Null),
        })
    }
}

impl ToSql for Param<'_> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut postgres::types::private::BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Int(number) => number.to_sql(ty, out),
            Self::Text(text) => text.map(without_nul).as_deref().to_sql(ty, out),
        }
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::INT8 | Type::TEXT)
    }

    to_sql_checked!();
}

macro_rules! param_from {
    ($($from:ty, $value:ident => $param:expr;)*) => {
        $(impl<'a> From<$from> for Param<'a> {
            fn from($value: $from) -> Self {
                $param
            }
        })*
    };
}
param_from! {
    i64, value => Self::Int(Some(value));
    u32, value => Self::Int(Some(i64::from(value)));
    u64, value => Self::Int(Some(i64::try_from(value).unwrap_or(i64::MAX)));
    bool, value => Self::Int(Some(i64::from(value)));
    Option<i64>, value => Self::Int(value);
    &'a str, value => Self::Text(Some(value));
    &'a String, value => Self::Text(Some(value));
    Option<&'a str>, value => Self::Text(value);
    &'a Option<String>, value => Self::Text(value.as_deref());
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Cell {
    Null,
    Int(i64),
    Text(String),
}

/// One row of a result, by column name.
#[derive(Debug)]
pub(in super::super) struct Row {
    columns: Arc<[String]>,
    cells: Vec<Cell>,
}

impl Row {
    /// # Errors
    /// The column does not exist, or has another type.
    pub(in super::super) fn get<T: FromCell>(&self, column: &str) -> Result<T, LedgerError> {
        let cell = self.columns.iter().position(|name| name == column).and_then(|index| self.cells.get(index));
        cell.and_then(T::from_cell).ok_or_else(|| LedgerError::Unreadable { what: format!("{column}: {cell:?}") })
    }

    /// Reads a column that holds JSON.
    ///
    /// # Errors
    /// The column does not exist, or has another type.
    pub(in super::super) fn json<T: DeserializeOwned>(&self, column: &str) -> Result<Option<T>, LedgerError> {
        let text: Option<String> = self.get(column)?;
        let read = text.map(|text| {
            serde_json::from_str(&text)
                .map_err(|error| LedgerError::Unreadable { what: format!("{column} {text:?} ({error})") })
        });
        read.transpose()
    }
}

/// Types of columns.
pub(in super::super) trait FromCell: Sized {
    fn from_cell(cell: &Cell) -> Option<Self>;
}

macro_rules! from_cell {
    ($($kind:ty, $cell:pat => $value:expr;)*) => {
        $(impl FromCell for $kind {
            fn from_cell(cell: &Cell) -> Option<Self> {
                if let $cell = cell { $value } else { None }
            }
        })*
    };
}
from_cell! {
    i64, Cell::Int(number) => Some(*number);
    u64, Cell::Int(number) => (*number).try_into().ok();
    u32, Cell::Int(number) => (*number).try_into().ok();
    bool, Cell::Int(number) => Some(*number != 0);
    String, Cell::Text(text) => Some(text.clone());
}

impl<T: FromCell> FromCell for Option<T> {
    fn from_cell(cell: &Cell) -> Option<Self> {
        if *cell == Cell::Null { Some(None) } else { T::from_cell(cell).map(Some) }
    }
}

/// Columns with the name of an enum value.
macro_rules! named_column {
    ($($name:ty),*) => {
        $(impl $crate::ledger::store::FromCell for $name {
            fn from_cell(cell: &$crate::ledger::store::Cell) -> Option<Self> {
                if let $crate::ledger::store::Cell::Text(name) = cell { Self::from_name(name) } else { None }
            }
        })*
    };
}
pub(in super::super) use named_column;
