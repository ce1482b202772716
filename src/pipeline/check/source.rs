//! The source of a pipeline file → the plan's.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::{Check, unknown_name};
use crate::pipeline::docebo::{DoceboFile, RecordsFilterFile, RecordsSourceFile, ReportFile, ReportSourceFile};
use crate::pipeline::plan::*;
use crate::pipeline::records::{RecordsWord, UpdatedSinceWord};
use crate::pipeline::sources_file::SourceFile;
use crate::settings::Tenant;
use crate::yaml::problem::{Place, Problem, Severity};
use crate::yaml::read::{At, Lenient, OneOrMore, list};
use crate::yaml::scalars::{Length, Whole};

/// The default of `overlap`.
const OVERLAP: Duration = Duration::from_secs(3600);

/// The largest number of courses, users and statuses in a filter, which are sent in the address of each request.
const FILTER_MAX: usize = 100;

impl Check<'_> {
    pub(super) fn source(&mut self, written: SourceFile) -> Option<Source> {
        match written {
            SourceFile::Docebo(DoceboFile::Report(report)) => self.report(report),
            SourceFile::Docebo(DoceboFile::Records(records)) => self.records(*records),
            SourceFile::File(file) if file.path.value.is_empty() => {
                self.problems.push(file.path.origin.error("a path is expected here"));
                None
            }
            SourceFile::File(file) => {
                let csv = file.csv.unwrap_or_default();
                let copy = file.copy.unwrap_or(false);
                Some(Source::File(FileSource { path: self.settings?.folder().join(file.path.value), csv, copy }))
            }
        }
    }

    fn tenant(&mut self, written: Lenient<At<String>>) -> Option<Arc<Tenant>> {
        let tenant = written.0?;
        let tenants = &self.settings?.tenants;
        let found = tenants.get(&tenant.value).cloned();
        if found.is_none() {
            self.problems.push(unknown_name("tenant", &tenant.value, &tenant.origin, tenants.keys()));
        }
        found
    }

    fn report(&mut self, written: ReportSourceFile) -> Option<Source> {
        let tenant = self.tenant(written.tenant);
        let via = written.via.and_then(|via| via.0).unwrap_or(Via::Download);
        let strict = written.csv.as_ref().is_none_or(|csv| csv.value.strict);
        if let (Via::Results, Some(csv)) = (via, &written.csv)
            && csv.value != (CsvInput { strict, ..CsvInput::default() })
        {
            let what = "`delimiter` and `encoding` describe a downloaded CSV, and `via: results` fetches JSON";
            self.problems.push(csv.origin.error(what).hint("remove them, or write `via: download`"));
        }
        let report = match written.report.0? {
            ReportFile::Id(id) => ReportRef::Id(id),
            ReportFile::Name(name) => ReportRef::Name(name),
        };
        let csv = written.csv.map(|csv| csv.value).unwrap_or_default();
        Some(Source::Docebo(DoceboSource { tenant: tenant?, pull: Pull::Report(ReportPull { report, via, csv }) }))
    }

    fn records(&mut self, written: RecordsSourceFile) -> Option<Source> {
        let tenant = self.tenant(written.tenant);
        let updated_since = self.updated_since(written.updated_since, written.overlap);
        let word = written.records.0;
        let filter = written.filter.and_then(|filter| self.filter(word, filter));
        let list = match (word?, filter) {
            (RecordsWord::Users, _) => RecordList::Users,
            (RecordsWord::Courses, _) => RecordList::Courses,
            (RecordsWord::Enrollments, None) => RecordList::Enrollments,
            (RecordsWord::Enrollments, Some(filter)) => RecordList::CourseEnrollments(filter),
        };
        let usual = || list.usual_fields().iter().map(|field| (*field).to_owned()).collect();
        let fields_are_listed = written.fields.is_some();
        let fields = written.fields.map_or_else(usual, |fields| self.fields(&list, &updated_since, fields));
        let records = RecordsPull { list, updated_since, fields, fields_are_listed };
        Some(Source::Docebo(DoceboSource { tenant: tenant?, pull: Pull::Records(records) }))
    }

    fn updated_since(
        &mut self,
        written: Option<Lenient<At<UpdatedSinceWord>>>,
        overlap: Option<At<Length>>,
    ) -> UpdatedSince {
        let written = written.and_then(|since| since.0);
        if let Some(overlap) = &overlap
            && written.as_ref().is_none_or(|since| since.value != UpdatedSinceWord::LastDelivered)
        {
            let problem = overlap.origin.error("`overlap` has no effect without `updated_since: last_delivered`");
            self.problems.push(problem.hint("write `updated_since: last_delivered`, or remove this"));
        }
        match written.map_or(UpdatedSinceWord::Never, |since| since.value) {
            UpdatedSinceWord::Never => UpdatedSince::Never,
            UpdatedSinceWord::Moment(moment) => UpdatedSince::Moment(moment),
            UpdatedSinceWord::LastDelivered => {
                UpdatedSince::LastDelivered { overlap: overlap.map_or(OVERLAP, |overlap| overlap.value.0) }
            }
        }
    }

    fn filter(&mut self, word: Option<RecordsWord>, written: At<RecordsFilterFile>) -> Option<EnrollmentFilter> {
        let At { value: RecordsFilterFile { courses, users, statuses }, origin } = written;
        if !matches!(word, Some(RecordsWord::Enrollments) | None) {
            let problem = origin.error("the platform filters only enrollments");
            self.problems.push(problem.hint("remove it, and write a `filter` step in `transform`"));
            return None;
        }
        let ids = |ids: Option<OneOrMore<Whole<1, { u64::MAX }>>>| {
            let ids: BTreeSet<u64> = ids.into_iter().flat_map(|ids| ids.0).map(|id| id.0).collect();
            ids.into_iter().collect::<Vec<_>>()
        };
        let statuses: BTreeSet<String> = statuses.into_iter().flat_map(|statuses| statuses.0).collect();
        let filter =
            EnrollmentFilter { courses: ids(courses), users: ids(users), statuses: statuses.into_iter().collect() };
        if let Some(status) = filter.statuses.iter().find(|status| status.trim().is_empty()) {
            self.problems
                .push(origin.error(format!("{status:?} is not a status")).hint("write `statuses: [completed]`"));
        }
        match filter.courses.len() + filter.users.len() + filter.statuses.len() {
            0 => {
                // What was written for it, if anything, is reported already.
                let is_below = |place: &Place| place.key.starts_with(origin.key());
                if !self.problems.iter().any(|problem| problem.place.as_ref().is_some_and(is_below)) {
                    let problem = origin.error("nothing is filtered here");
                    self.problems.push(problem.hint("write `courses: [301]`, `users`, `statuses`, or remove it"));
                }
                None
            }
            1..=FILTER_MAX => Some(filter),
            values => {
                let problem =
                    origin.error(format!("the filter has {values} values, and at most {FILTER_MAX} are sent"));
                self.problems.push(problem.hint("write fewer, and a `filter` step in `transform`"));
                None
            }
        }
    }

    fn fields(
        &mut self,
        records: &RecordList,
        since: &UpdatedSince,
        written: At<OneOrMore<At<String>>>,
    ) -> Vec<String> {
        let At { value: OneOrMore(fields), origin } = written;
        if fields.is_empty() {
            self.problems.push(origin.error("no field is listed here").hint("remove it for the usual fields"));
        }
        for (index, field) in fields.iter().enumerate() {
            if field.value.is_empty() {
                self.problems.push(field.origin.error("a field's name is expected here"));
            } else if fields[..index].iter().any(|earlier| earlier.value == field.value) {
                let problem = field.origin.error(format!("the field {:?} is listed twice", field.value));
                self.problems.push(problem.hint("keep one of them"));
            }
        }
        let fields: Vec<String> = fields.into_iter().map(|field| field.value).collect();
        let missing: Vec<&str> =
            records.key().iter().copied().filter(|key| !fields.iter().any(|field| field == key)).collect();
        if since.is_incremental() && !missing.is_empty() && !fields.is_empty() {
            let what = format!("the fields lack {}, by which the reader knows a changed record", list(&missing));
            self.problems.push(origin.warning(what).hint("list it, so that each record replaces its earlier version"));
        }
        fields
    }

    /// Warns of a file that holds only changes and replaces the file of earlier ones.
    pub(super) fn check_replaced_changes(
        &mut self,
        source: Option<&Source>,
        artifact: &ArtifactPlan,
        deliveries: &[DeliveryPlan],
    ) {
        let records = source.and_then(Source::records).map(|(_, records)| records);
        let is_incremental = records.is_some_and(|records| records.updated_since.is_incremental());
        if !is_incremental || artifact.uses_slot() {
            return;
        }
        for delivery in deliveries.iter().filter(|delivery| delivery.existing == Existing::Replace) {
            let what =
                format!("at `{}` a file with only the changes replaces the one before", delivery.destination.name);
            let problem = Problem { severity: Severity::Warning, ..Problem::error(delivery.at.clone(), what) };
            self.problems.push(problem.hint(
                "write the slot into the artifact's name, or `updated_since: never` for a file with all records",
            ));
        }
    }
}
