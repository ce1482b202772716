//! The format `xlsx` in a program that was built without it: no plan has it.

use std::io;
use std::path::Path;

use super::spool::SpoolFile;
use super::table::{TableWriter, TypedValues};
use super::typed::{TypedCell, TypedCells};
use crate::pipeline::plan::Xlsx;
use crate::yaml::problem::Problem;

pub(super) enum XlsxTable {}

pub(super) fn columns(plan: &Xlsx, _: &[String]) -> Result<Vec<TypedCells>, Vec<Problem>> {
    match plan.feature {}
}

pub(super) fn fits(_: &TypedCell<'_>) -> Result<(), String> {
    Ok(())
}

impl XlsxTable {
    pub(super) fn create(plan: &Xlsx, _: &[String], _: &Path, _: SpoolFile) -> io::Result<Self> {
        match plan.feature {}
    }
}

impl TableWriter for XlsxTable {
    fn row(&mut self, _: &mut TypedValues<'_>) -> io::Result<()> {
        match *self {}
    }

    fn end(self: Box<Self>) -> io::Result<SpoolFile> {
        match *self {}
    }
}
