//! The format `parquet` in a program that was built without it: no plan has it.

use std::io;

use super::spool::SpoolFile;
use super::table::{TableWriter, TypedValues};
use super::typed::{TypedCell, TypedCells};
use crate::pipeline::plan::Parquet;
use crate::yaml::problem::Problem;

pub(super) enum ParquetTable {}

pub(super) fn columns(plan: &Parquet, _: &[String]) -> Result<Vec<TypedCells>, Vec<Problem>> {
    match plan.feature {}
}

pub(super) fn fits(_: &TypedCell<'_>) -> Result<(), String> {
    Ok(())
}

impl ParquetTable {
    pub(super) fn create(plan: &Parquet, _: &[String], _: SpoolFile) -> io::Result<Self> {
        match plan.feature {}
    }
}

impl TableWriter for ParquetTable {
    fn row(&mut self, _: &mut TypedValues<'_>) -> io::Result<()> {
        match *self {}
    }

    fn end(self: Box<Self>) -> io::Result<SpoolFile> {
        match *self {}
    }
}
