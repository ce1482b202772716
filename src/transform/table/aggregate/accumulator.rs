//! The value of one computed column of one group, so far.

use std::cmp::Ordering;

use super::super::keys::{read_cell, write_cell};
use crate::expr::aggregate::{Function, ValueOrder};
use crate::expr::decimal::{Decimal, Number, print_double, print_int, read_number as parse_number};
use crate::transform::stored::{read_number, write_number};

#[derive(Clone, Copy)]
pub(super) enum Accumulator {
    Count(u64),
    Total(Total),
    /// The value of `min`, `max`, `first`, `last` or a pivot.
    Value(Value),
}

/// The numbers of a `sum` or `avg`.
#[derive(Clone, Copy)]
pub(super) struct Total {
    count: u64,
    /// The sum of exact numbers.
    exact: Decimal,
    /// The sum of doubles, if there are any.
    double: Option<f64>,
}

#[derive(Clone, Copy)]
pub(super) struct Value {
    /// True once there was a row.
    is_set: bool,
    /// Its bytes in [`Texts`]. An empty value is null.
    start: u64,
    length: u32,
    capacity: u32,
    /// The value, if it is compared as a number.
    number: Option<Number>,
}

/// A value that cannot be added.
#[derive(Debug)]
pub(super) enum Fault {
    /// With this number, the sum has more than 38 digits.
    TooLong(String),
    /// There is a value already.
    Second(String),
}

/// The bytes of values. One that is replaced by a longer one leaves at most as many bytes unused.
#[derive(Default)]
pub(super) struct Texts(Vec<u8>);

impl Texts {
    pub(super) fn bytes(&self) -> usize {
        self.0.len()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    #[inline]
    fn get(&self, value: &Value) -> &[u8] {
        &self.0[value.start as usize..value.start as usize + value.length as usize]
    }

    #[inline]
    fn put(&mut self, value: &mut Value, text: &[u8]) {
        if text.len() > value.capacity as usize {
            let capacity = text.len().max(value.capacity as usize * 2);
            (value.start, value.capacity) = (self.0.len() as u64, capacity as u32);
            self.0.resize(self.0.len() + capacity, 0);
        }
        let start = value.start as usize;
        self.0[start..start + text.len()].copy_from_slice(text);
        (value.length, value.is_set) = (text.len() as u32, true);
    }
}

impl Accumulator {
    pub(super) fn new(function: Function) -> Self {
        match function {
            Function::Count | Function::CountDistinct => Self::Count(0),
            Function::Sum | Function::Avg => Self::Total(Total { count: 0, exact: Decimal::from_int(0), double: None }),
            Function::Min(_) | Function::Max(_) | Function::First | Function::Last | Function::Only => {
                Self::Value(Value { is_set: false, start: 0, length: 0, capacity: 0, number: None })
            }
        }
    }

    pub(super) fn add_one(&mut self) {
        if let Self::Count(count) = self {
            *count += 1;
        }
    }

    /// Adds the value of a row. `count(distinct …)` is counted by its caller.
    #[inline]
    pub(super) fn add(&mut self, function: Function, cell: &[u8], texts: &mut Texts) -> Result<(), Fault> {
        match self {
            Self::Count(count) => *count += u64::from(!cell.is_empty()),
            Self::Total(total) => {
                // A cell that is not a number was an error of the row.
                if let Some(number) = parse_number(cell) {
                    total.add(number)?;
                }
            }
            Self::Value(value) => value.add(function, cell, texts)?,
        }
        Ok(())
    }

    /// Appends the value as a cell shows it.
    pub(super) fn print(&self, function: Function, texts: &Texts, out: &mut Vec<u8>) {
        match self {
            Self::Count(count) => print_int(*count as i64, out),
            Self::Total(total) if total.count == 0 => {}
            Self::Total(total) if function == Function::Avg => print_double(total.mean(), out),
            Self::Total(Total { exact, double: None, .. }) => exact.print(out),
            Self::Total(Total { exact, double: Some(double), .. }) => print_double(double + exact.to_f64(), out),
            Self::Value(value) => out.extend_from_slice(texts.get(value)),
        }
    }

    /// Appends it to `out`, for [`Accumulator::merge`].
    pub(super) fn write(&self, texts: &Texts, out: &mut Vec<u8>) {
        match self {
            Self::Count(count) => write_number(*count, out),
            Self::Total(Total { count, exact, double }) => {
                write_number(*count, out);
                out.extend_from_slice(&exact.unscaled.to_le_bytes());
                out.push(exact.scale);
                out.push(u8::from(double.is_some()));
                out.extend_from_slice(&double.unwrap_or_default().to_le_bytes());
            }
            Self::Value(value) => {
                out.push(u8::from(value.is_set));
                write_cell(texts.get(value), out);
            }
        }
    }

    /// Adds a later part of the same group, which [`Accumulator::write`] wrote.
    pub(super) fn merge(
        &mut self,
        function: Function,
        bytes: &[u8],
        at: &mut usize,
        texts: &mut Texts,
    ) -> Result<(), Fault> {
        match self {
            Self::Count(count) => *count += read_number(bytes, at),
            Self::Total(total) => {
                let count = read_number(bytes, at);
                let unscaled = i128::from_le_bytes(take(bytes, at));
                let [scale, has_double] = take(bytes, at);
                let double = f64::from_le_bytes(take(bytes, at));
                total.add_exact(Decimal { unscaled, scale })?;
                total.count += count;
                if has_double == 1 {
                    total.double = Some(total.double.unwrap_or_default() + double);
                }
            }
            Self::Value(value) => {
                let [is_set] = take(bytes, at);
                let cell = read_cell(bytes, at);
                if is_set == 1 {
                    value.add(function, cell, texts)?;
                }
            }
        }
        Ok(())
    }
}

impl Fault {
    #[cold]
    fn too_long(number: Decimal) -> Self {
        let mut text = Vec::new();
        number.print(&mut text);
        Self::TooLong(String::from_utf8_lossy(&text).into_owned())
    }
}

/// Returns the next bytes.
fn take<const LENGTH: usize>(bytes: &[u8], at: &mut usize) -> [u8; LENGTH] {
    let mut taken = [0; LENGTH];
    if let Some(found) = bytes.get(*at..*at + LENGTH) {
        taken.copy_from_slice(found);
    }
    *at += LENGTH;
    taken
}

impl Total {
    #[inline]
    fn add(&mut self, number: Number) -> Result<(), Fault> {
        self.count += 1;
        match number {
            Number::Int(int) => self.add_exact(Decimal::from_int(int)),
            Number::Decimal(decimal) => self.add_exact(decimal),
            Number::Double(double) => {
                self.double = Some(self.double.unwrap_or_default() + double);
                Ok(())
            }
        }
    }

    #[inline]
    fn add_exact(&mut self, number: Decimal) -> Result<(), Fault> {
        // Most numbers have one scale, and then fewer digits than fit by far.
        const PLAIN_MAX: u128 = 10_u128.pow(36);
        if number.scale == self.exact.scale
            && number.unscaled.unsigned_abs() < PLAIN_MAX
            && self.exact.unscaled.unsigned_abs() < PLAIN_MAX
        {
            self.exact.unscaled += number.unscaled;
        } else {
            self.exact = self.exact.add(number).ok_or_else(|| Fault::too_long(number))?;
        }
        Ok(())
    }

    /// Returns the average as DuckDB computes it: the sum as a double, divided by the count.
    fn mean(&self) -> f64 {
        let divisor = self.count as f64;
        match self.double {
            None => self.exact.unscaled as f64 / (divisor * 10_f64.powi(i32::from(self.exact.scale))),
            Some(double) => (double + self.exact.to_f64()) / divisor,
        }
    }
}

impl Value {
    /// Replaces the value by that of a later row, if it comes before it in the order of the function.
    #[inline]
    fn add(&mut self, function: Function, cell: &[u8], texts: &mut Texts) -> Result<(), Fault> {
        let (order, wanted) = match function {
            Function::Only if self.is_set => return Err(Fault::Second(String::from_utf8_lossy(cell).into_owned())),
            Function::First if self.is_set => return Ok(()),
            Function::First | Function::Last | Function::Only => {
                texts.put(self, cell);
                return Ok(());
            }
            Function::Max(order) if !cell.is_empty() => (order, Ordering::Greater),
            Function::Min(order) if !cell.is_empty() => (order, Ordering::Less),
            _ => return Ok(()),
        };
        let number = if order == ValueOrder::Number { parse_number(cell) } else { None };
        let is_better = !self.is_set
            || wanted
                == match (number, self.number) {
                    (Some(new), Some(old)) => compare(new, old),
                    _ => cell.cmp(texts.get(self)),
                };
        if is_better {
            self.number = number;
            texts.put(self, cell);
        }
        Ok(())
    }
}

fn compare(a: Number, b: Number) -> Ordering {
    let exact = |number| match number {
        Number::Int(int) => Some(Decimal::from_int(int)),
        Number::Decimal(decimal) => Some(decimal),
        Number::Double(_) => None,
    };
    let double = |number| match number {
        Number::Int(int) => int as f64,
        Number::Decimal(decimal) => decimal.to_f64(),
        Number::Double(double) => double,
    };
    match (a, b) {
        (Number::Int(a), Number::Int(b)) => a.cmp(&b),
        _ => match (exact(a), exact(b)) {
            (Some(a), Some(b)) => a.compare(b),
            _ => double(a).total_cmp(&double(b)),
        },
    }
}
