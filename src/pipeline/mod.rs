//! ① A pipeline file → a [`plan::Plan`], or every [`problem::Problem`] in it.

pub mod plan;
pub mod problem;
