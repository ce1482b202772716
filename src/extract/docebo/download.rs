//! A finished export → its complete file in the spool.

use std::path::Path;

use super::call::Call;
use super::paths;
use super::refusal::ApiStep;
use super::report::Export;
use crate::extract::client::{ApiClient, CallError};
use crate::extract::save::{SaveError, Saving};
use crate::extract::sniff::{FormatError, SourceKind};
use crate::extract::{Extract, ExtractError};
use crate::fault;
use crate::pipeline::plan::Via;
use crate::progress::Progress;

/// Downloads the export's file; repeats a download that is cut short or damaged.
pub(super) async fn download(
    client: &ApiClient,
    export: &Export,
    into: &Path,
    progress: &Progress,
    subject: &str,
) -> Result<Extract, ExtractError> {
    let call = Call { step: ApiStep::Download, path: export.path(paths::tail(Via::Download)), query: vec![], subject };
    let mut tries = client.tries();
    loop {
        match fault::step_async("extract.download", || once(client, &call, into, progress)).await {
            Ok(extract) => return Ok(extract),
            Err(error) => tries.again(error.repeatable()).await.map_err(CallError::into_error)?,
        }
    }
}

async fn once(client: &ApiClient, call: &Call<'_>, into: &Path, progress: &Progress) -> Result<Extract, CallError> {
    let subject = call.subject;
    let max = client.limits.download_bytes;
    let too_large = |bytes: u64| {
        let what = format!("{subject}: the download has {bytes} bytes or more, over limits.download_bytes ({max})");
        CallError::Final(ExtractError::refused(what, "narrow the report, or raise limits.download_bytes"))
    };
    let mut response = client.open(call).await?;
    let promised = response.length();
    if let Some(bytes) = promised.filter(|bytes| *bytes > max) {
        return Err(too_large(bytes));
    }
    progress.extract.set(0);
    progress.extract.expect(promised.unwrap_or(0));
    let saving = Saving::begin(into);
    let mut bytes = 0;
    while let Some(chunk) = response.chunk().await? {
        bytes += chunk.as_ref().len() as u64;
        if bytes > max {
            return Err(too_large(bytes));
        }
        progress.extract.add(chunk.as_ref().len() as u64);
        saving.feed(chunk).await;
    }
    drop(response);
    if let Some(promised) = promised.filter(|promised| *promised != bytes) {
        let what = format!("{subject}: the download ended after {bytes} of {promised} bytes");
        return Err(CallError::Interrupted { what });
    }
    saving.finish(&client.limits, SourceKind::Docebo).await.map_err(|error| match error {
        SaveError::Format(FormatError::Damaged(what)) => {
            CallError::Interrupted { what: format!("{subject}: the download is damaged: {what}") }
        }
        other => CallError::Final(other.into_extract(&format!("{subject}: the download cannot be used"))),
    })
}
