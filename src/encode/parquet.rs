//! Typed rows → a Parquet file, in row groups of bounded memory.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::column::writer::ColumnWriterImpl;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, FixedLenByteArrayType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{Type, TypePtr};

use super::spool::SpoolFile;
use super::table::{TableWriter, TypedValues};
use super::typed::{TypedCell, TypedCells, typed_cells};
use crate::pipeline::column_type::{ColumnType, DECIMAL_DEFAULT, DecimalSize};
use crate::pipeline::plan::{ColumnTypes, Parquet, ParquetCompression, TypedColumn};
use crate::pipeline::value_type::ValueType;
use crate::yaml::problem::Problem;

/// Bytes of values that end a row group.
const GROUP_BYTES: usize = 2 << 20;
/// Values that are given to a column's writer at once.
const BATCH: usize = 1_024;

/// A Parquet file being written.
pub(super) struct ParquetTable {
    writer: SerializedFileWriter<SpoolFile>,
    columns: Vec<Column>,
    /// The current row group.
    rows: usize,
    bytes: usize,
    rows_max: usize,
}

/// The values of a column in the current row group.
struct Column {
    /// 1 for a value, 0 for a null.
    levels: Vec<i16>,
    values: Values,
}

enum Values {
    Text(Texts),
    Integer(Vec<i64>),
    /// Big-endian two's complement, in `width` bytes each.
    Decimal {
        width: usize,
        size: DecimalSize,
        values: Texts,
    },
    Boolean(Vec<bool>),
    Date(Vec<i32>),
    /// Microseconds in UTC.
    Datetime(Vec<i64>),
}

/// Byte strings, one after the other.
#[derive(Default)]
struct Texts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

/// Returns the cells of the columns as Parquet has them.
pub(super) fn columns(plan: &Parquet, columns: &[String]) -> Result<Vec<TypedCells>, Vec<Problem>> {
    let ColumnTypes { typed, masked } = &plan.types;
    let sized = |TypedColumn { column, column_type, at }: &TypedColumn| {
        let column_type = match column_type {
            ColumnType::Value(ValueType::Decimal) => ColumnType::Decimal(DECIMAL_DEFAULT),
            other => other.clone(),
        };
        TypedColumn { column: column.clone(), column_type, at: at.clone() }
    };
    let typed: Vec<TypedColumn> = typed.iter().map(sized).collect();
    typed_cells(&typed, masked, "parquet", columns)
}

/// Checks a value by the limits of Parquet.
pub(super) fn fits(value: &TypedCell<'_>) -> Result<(), String> {
    match value {
        TypedCell::Text(text) if std::str::from_utf8(text).is_err() => Err("is not UTF-8".to_owned()),
        TypedCell::Datetime(instant) if instant.nanoseconds % 1_000 != 0 => {
            Err("is finer than a microsecond, which Parquet's times are in".to_owned())
        }
        _ => Ok(()),
    }
}

impl ParquetTable {
    pub(super) fn create(plan: &Parquet, columns: &[String], spool: SpoolFile) -> io::Result<Self> {
        if let Some(twice) = columns.iter().enumerate().find(|(index, name)| columns[..*index].contains(name)) {
            let what = format!("two columns are called {:?}, and Parquet finds columns by their names", twice.1);
            return Err(io::Error::other(what));
        }
        let values: Vec<Values> = columns.iter().map(|name| Values::of(&plan.types, name)).collect();
        let fields = columns.iter().zip(&values).map(|(name, values)| values.field(name).map(Arc::new));
        let fields = fields.collect::<Result<Vec<TypePtr>, _>>().map_err(writing)?;
        let schema = Type::group_type_builder("schema").with_fields(fields).build().map_err(writing)?;
        let compression = match plan.compression {
            ParquetCompression::Zstd => Compression::ZSTD(Default::default()),
            ParquetCompression::Gzip => Compression::GZIP(Default::default()),
            ParquetCompression::None => Compression::UNCOMPRESSED,
        };
        // Without the index of pages, so that what is kept for the end of the file is small.
        let properties = WriterProperties::builder()
            .set_compression(compression)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_offset_index_disabled(true)
            .build();
        let writer = SerializedFileWriter::new(spool, Arc::new(schema), Arc::new(properties)).map_err(writing)?;
        let columns = values.into_iter().map(|values| Column { levels: Vec::new(), values }).collect();
        Ok(Self { writer, columns, rows: 0, bytes: 0, rows_max: plan.row_group.max(1) })
    }

    fn end_row_group(&mut self) -> Result<(), ParquetError> {
        let mut group = self.writer.next_row_group()?;
        for column in &mut self.columns {
            let missing = || ParquetError::General("a column is missing".to_owned());
            let mut writer = group.next_column()?.ok_or_else(missing)?;
            column.write(&mut writer)?;
            writer.close()?;
        }
        group.close()?;
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }
}

impl TableWriter for ParquetTable {
    fn row(&mut self, values: &mut TypedValues<'_>) -> io::Result<()> {
        for column in &mut self.columns {
            self.bytes += column.push(values.take()?)?;
        }
        self.rows += 1;
        if self.rows == self.rows_max || self.bytes >= GROUP_BYTES {
            self.end_row_group().map_err(writing)?;
        }
        Ok(())
    }

    fn end(mut self: Box<Self>) -> io::Result<SpoolFile> {
        if self.rows > 0 {
            self.end_row_group().map_err(writing)?;
        }
        self.writer.into_inner().map_err(writing)
    }
}

impl Values {
    fn of(ColumnTypes { typed, masked: _ }: &ColumnTypes, name: &str) -> Self {
        let Some(typed) = typed.iter().find(|typed| typed.column.name == name) else {
            return Self::Text(Texts::default());
        };
        let decimal = |size: DecimalSize| {
            // The fewest bytes that have the largest value.
            let bound = 10_i128.pow(u32::from(size.precision)) - 1;
            let width = (1..16).find(|width| bound < 1 << (8 * width - 1)).unwrap_or(16);
            Self::Decimal { width, size, values: Texts::default() }
        };
        match &typed.column_type {
            ColumnType::Decimal(size) => decimal(*size),
            ColumnType::Value(ValueType::Decimal) => decimal(DECIMAL_DEFAULT),
            ColumnType::Value(ValueType::Text) => Self::Text(Texts::default()),
            ColumnType::Value(ValueType::Integer) => Self::Integer(Vec::new()),
            ColumnType::Value(ValueType::Boolean) => Self::Boolean(Vec::new()),
            ColumnType::Value(ValueType::Date(_)) => Self::Date(Vec::new()),
            ColumnType::Value(ValueType::Datetime(_)) => Self::Datetime(Vec::new()),
        }
    }

    fn field(&self, name: &str) -> Result<Type, ParquetError> {
        let (physical, logical) = match self {
            Self::Text(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Self::Integer(_) => (Physical::INT64, None),
            Self::Decimal { width, size: DecimalSize { precision, scale }, values: _ } => {
                let (precision, scale) = (i32::from(*precision), i32::from(*scale));
                let builder = Type::primitive_type_builder(name, Physical::FIXED_LEN_BYTE_ARRAY)
                    .with_length(*width as i32)
                    .with_precision(precision)
                    .with_scale(scale);
                let logical = Some(LogicalType::decimal(scale, precision));
                return builder.with_repetition(Repetition::OPTIONAL).with_logical_type(logical).build();
            }
            Self::Boolean(_) => (Physical::BOOLEAN, None),
            Self::Date(_) => (Physical::INT32, Some(LogicalType::Date)),
            Self::Datetime(_) => (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::MICROS))),
        };
        let builder = Type::primitive_type_builder(name, physical).with_repetition(Repetition::OPTIONAL);
        builder.with_logical_type(logical).build()
    }
}

impl Column {
    /// Appends a value. Returns its length in bytes.
    fn push(&mut self, value: Option<TypedCell<'_>>) -> io::Result<usize> {
        let Some(value) = value else {
            self.levels.push(0);
            return Ok(size_of::<i16>());
        };
        self.levels.push(1);
        let bytes = match (&mut self.values, value) {
            (Values::Text(texts), TypedCell::Text(text)) => texts.push(text),
            (Values::Decimal { width, values, size: _ }, TypedCell::Decimal(decimal)) => {
                let bytes = decimal.unscaled.to_be_bytes();
                values.push(&bytes[bytes.len() - *width..])
            }
            (Values::Integer(values), TypedCell::Integer(int)) => {
                values.push(int);
                size_of::<i64>()
            }
            (Values::Boolean(values), TypedCell::Boolean(truth)) => {
                values.push(truth);
                size_of::<bool>()
            }
            (Values::Date(values), TypedCell::Date(days)) => {
                values.push(i32::try_from(days).map_err(io::Error::other)?);
                size_of::<i32>()
            }
            (Values::Datetime(values), TypedCell::Datetime(instant)) => {
                values.push(instant.utc_seconds() * 1_000_000 + i64::from(instant.nanoseconds / 1_000));
                size_of::<i64>()
            }
            _ => return Err(io::Error::other("a value is not of its column's type")),
        };
        Ok(size_of::<i16>() + bytes)
    }

    /// Writes the values, and forgets them.
    fn write(&mut self, writer: &mut SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        let Self { levels, values } = self;
        match values {
            Values::Text(texts) => texts.write(levels, writer.typed::<ByteArrayType>())?,
            Values::Decimal { values, .. } => values.write(levels, writer.typed::<FixedLenByteArrayType>())?,
            Values::Integer(values) | Values::Datetime(values) => write::<Int64Type>(values, levels, writer)?,
            Values::Boolean(values) => write::<BoolType>(values, levels, writer)?,
            Values::Date(values) => write::<Int32Type>(values, levels, writer)?,
        }
        levels.clear();
        Ok(())
    }
}

fn write<T: DataType>(
    values: &mut Vec<T::T>,
    levels: &[i16],
    writer: &mut SerializedColumnWriter<'_>,
) -> Result<(), ParquetError> {
    writer.typed::<T>().write_batch(values, Some(levels), None)?;
    values.clear();
    Ok(())
}

impl Texts {
    /// Appends a text. Returns the bytes that it takes here.
    fn push(&mut self, text: &[u8]) -> usize {
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len());
        text.len() + size_of::<usize>()
    }

    /// Writes the texts, which share one buffer, and forgets them.
    fn write<T>(&mut self, levels: &[i16], writer: &mut ColumnWriterImpl<'_, T>) -> Result<(), ParquetError>
    where
        T: DataType,
        T::T: From<ByteArray>,
    {
        let bytes = Bytes::from(std::mem::take(&mut self.bytes));
        let (mut start, mut batch, mut ends) = (0, Vec::with_capacity(BATCH), self.ends.iter());
        for levels in levels.chunks(BATCH) {
            batch.clear();
            let count = levels.iter().filter(|level| **level == 1).count();
            for end in ends.by_ref().take(count) {
                batch.push(T::T::from(ByteArray::from(bytes.slice(start..*end))));
                start = *end;
            }
            writer.write_batch(&batch, Some(levels), None)?;
        }
        self.ends.clear();
        Ok(())
    }
}

/// Converts an error of the writer, which has those of the file within.
fn writing(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(source) => io::Error::other(source),
        },
        other => io::Error::other(other),
    }
}
