//! The intent of a delivery into a folder: the first free names under the delivery's `existing` rule.

use std::io;
use std::path::{Path, PathBuf};

use super::LocalTarget;
use super::error::before_publishing;
use super::inspect::exists;
use crate::deliver::companions::{choose_names, path_rejected};
use crate::deliver::request::DeliveryRequest;
use crate::deliver::{Intent, Verdict, names};
use crate::pipeline::plan::Existing;

impl LocalTarget {
    pub fn prepare(&mut self, delivery: &DeliveryRequest<'_>) -> Result<Intent, Verdict> {
        let parts = names::components(&delivery.plan.directory).map_err(path_rejected)?;
        let directory = parts.iter().fold(self.base.clone(), |path, part| path.join(part));
        let text = |path: PathBuf| {
            path.into_os_string().into_string().map_err(|path| path_rejected(format!("{path:?} is not UTF-8")))
        };
        let locate =
            |name: &str| Ok((text(directory.join(names::temporary(name, delivery.run)))?, text(directory.join(name))?));
        choose_names(delivery, &directory.display().to_string(), locate, |path| {
            if delivery.plan.existing != Existing::Number && Path::new(path).is_dir() {
                let error = io::Error::from(io::ErrorKind::IsADirectory);
                return Err(before_publishing("take the name", Path::new(path), &error));
            }
            Ok(!delivery.replacing() && exists(path))
        })
    }
}
