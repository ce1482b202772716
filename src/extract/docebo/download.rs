//! A finished export → its file in the spool, whole.

use std::path::Path;

use super::line::{Call, Line, Trouble};
use super::refusal::Step;
use super::report::Export;
use crate::extract::save::{SaveError, Saving};
use crate::extract::sniff::{SourceKind, Unfit};
use crate::extract::{Extract, ExtractError};
use crate::fault;
use crate::progress::Progress;

/// Brings the export's file. One that is cut short or damaged is brought again.
pub(super) async fn download(
    line: &Line,
    export: &Export,
    into: &Path,
    progress: &Progress,
    subject: &str,
) -> Result<Extract, ExtractError> {
    let call = Call { step: Step::Download, path: export.path("/download"), query: vec![], subject };
    let mut tries = line.tries();
    loop {
        match fault::step_async("extract.download", || once(line, &call, into, progress)).await {
            Ok(extract) => return Ok(extract),
            Err(trouble) => tries.again(trouble.repeatable()).await.map_err(Trouble::into_error)?,
        }
    }
}

async fn once(line: &Line, call: &Call<'_>, into: &Path, progress: &Progress) -> Result<Extract, Trouble> {
    let subject = call.subject;
    let most = line.limits.download_bytes;
    let too_large = |bytes: u64| {
        let what = format!("{subject}: the download has {bytes} bytes or more, over limits.download_bytes ({most})");
        Trouble::Final(ExtractError::refused(what, "narrow the report, or raise limits.download_bytes"))
    };
    let mut answer = line.open(call).await?;
    let promised = answer.length();
    if let Some(bytes) = promised.filter(|bytes| *bytes > most) {
        return Err(too_large(bytes));
    }
    progress.extract.set(0);
    progress.extract.expect(promised.unwrap_or(0));
    let saving = Saving::begin(into);
    let mut bytes = 0;
    while let Some(chunk) = answer.chunk().await? {
        bytes += chunk.as_ref().len() as u64;
        if bytes > most {
            return Err(too_large(bytes));
        }
        progress.extract.add(chunk.as_ref().len() as u64);
        saving.feed(chunk).await;
    }
    drop(answer);
    if let Some(promised) = promised.filter(|promised| *promised != bytes) {
        let what = format!("{subject}: the download ended after {bytes} of {promised} bytes");
        return Err(Trouble::Broken { what });
    }
    saving.finish(&line.limits, SourceKind::Docebo).await.map_err(|error| match error {
        SaveError::Unfit(Unfit::Damaged(what)) => {
            Trouble::Broken { what: format!("{subject}: the download is damaged: {what}") }
        }
        other => Trouble::Final(other.into_extract(&format!("{subject}: the download cannot be used"))),
    })
}
