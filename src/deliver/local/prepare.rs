//! The intent of a delivery into a folder: the first free names under the delivery's `existing` rule.

use std::path::{Path, PathBuf};

use super::LocalTarget;
use super::error::refuse_special;
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
        let locate = |_, name: &str| {
            let temporary = directory.join(names::random_temporary(name, delivery.run));
            Ok((text(temporary)?, text(directory.join(name))?))
        };
        choose_names(delivery, &directory.display().to_string(), locate, |path| {
            if delivery.plan.existing != Existing::Number {
                refuse_special(Path::new(path))?;
            }
            Ok(!delivery.replacing() && exists(path))
        })
    }
}
