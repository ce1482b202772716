//! `check`: reads all files and shows every problem in them.

use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Common, connect, exit, print_json};
use crate::clock::Clock;
use crate::deliver::target_folder;
use crate::pipeline::plan::{Plan, Pull, ReportPull, ReportRef, Source, TableFile};
use crate::pipeline::{Loaded, load_all, problems_of_all, shared_names};
use crate::settings::{FILE, Settings, TriedSecret};
use crate::yaml::problem::{Problem, Severity};
use crate::yaml::render;

/// Reads the settings and the pipelines, and shows every problem in them.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    /// Pipeline files or folders [default: the settings' pipelines folder]
    pub paths: Vec<PathBuf>,
    /// Treat warnings as problems: any gives exit code 2
    #[arg(long)]
    pub strict: bool,
    /// Try what they use too: each tenant, each report with its columns (exported once), each destination (a probe file)
    #[arg(long)]
    pub connect: bool,
    /// Also read every secret that the settings name, as this account with this environment; no value is shown
    #[arg(long)]
    pub secrets: bool,
}

/// Prints the problems. Returns exit code 0 if all files are valid, 2 otherwise.
pub async fn run(args: &Args, common: &Common) -> anyhow::Result<u8> {
    let now = Clock::System.now();
    let loaded = Settings::load(common.config.as_deref(), &common.set);
    let mut tried = Vec::new();
    let mut found = match &loaded {
        Ok((settings, warnings)) => {
            let mut loaded = load_all(settings, &args.paths);
            let of_settings = settings
                .key_problems()
                .into_iter()
                .chain(settings.signing_key_problems(now))
                .chain(settings.exposed_secrets());
            loaded.problems.splice(0..0, warnings.iter().cloned().chain(of_settings));
            let nothing = loaded.plans.is_empty() && !loaded.failed();
            loaded.problems.extend(nothing.then(|| nothing_to_check(settings, &args.paths)));
            loaded.problems.extend(shared_names(&loaded.plans, now, target_folder));
            if args.secrets {
                tried = settings.try_secrets();
                loaded.problems.extend(tried.iter().filter_map(|secret| secret.problem.clone()));
            }
            for plan in &loaded.plans {
                loaded.problems.extend(plan.clock_warnings(now));
                loaded.problems.extend(plan.name_warnings(now));
                loaded.problems.extend(plan.encryptions().flat_map(|encrypt| encrypt.key_problems(now)));
            }
            loaded
        }
        Err(problems) => {
            let mut problems = problems.clone();
            // Shows the pipelines' own problems too, from the default folder: the settings could not be read.
            let config = common.config.as_deref().unwrap_or(Path::new(FILE));
            let folder = config.parent().unwrap_or(Path::new("")).join("pipelines");
            problems.extend(problems_of_all(&folder, &args.paths));
            Loaded { plans: Vec::new(), problems }
        }
    };
    if args.strict || loaded.as_ref().is_ok_and(|(settings, _)| settings.strict) {
        found.problems.iter_mut().for_each(|problem| problem.severity = Severity::Error);
    }
    let failed = found.failed();
    if !common.json {
        // Not as the log is written: a pager may read it slowly, and all of it is wanted.
        let _ = std::io::stderr().write_all(render::render(&found.problems, super::color(), super::WIDTH).as_bytes());
        print!("{}{}", of_secrets(&tried), summary(&found, now));
    }
    let sections = match &loaded {
        Ok((settings, _)) if args.connect && !failed => connect::connect(&found.plans, settings, common.json).await?,
        _ => Vec::new(),
    };
    let connected = sections.iter().all(|section| section.ok);
    if common.json {
        let mut document = document(&found, now);
        if args.secrets {
            document["secrets"] = tried
                .iter()
                .map(|tried| json!({"key": tried.key, "from": tried.place, "read": tried.problem.is_none()}))
                .collect();
        }
        if args.connect {
            document["connect"] = serde_json::to_value(&sections)?;
        }
        print_json(&document)?;
    }
    Ok(match (failed, connected) {
        (true, _) => exit::PROBLEM,
        (false, false) => exit::FAILED,
        (false, true) => exit::DONE,
    })
}

/// Returns the problem that there are no pipeline files.
fn nothing_to_check(settings: &Settings, paths: &[PathBuf]) -> Problem {
    let folders = if paths.is_empty() { std::slice::from_ref(&settings.pipelines) } else { paths };
    let folders: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
    let what = format!("there is nothing to check: no pipeline file (.yaml) in {}", folders.join(", "));
    Problem::error(None, what)
        .hint("`reportferry init` writes an example; `pipelines:` in the settings names the folder")
}

/// Returns the document that `check --json` prints.
pub fn document(found: &Loaded, now: Timestamp) -> Value {
    json!({
        "ok": !found.failed(),
        "problems": found.problems.iter().map(render::json).collect::<Vec<_>>(),
        "pipelines": found.plans.iter().map(|plan| json!({
            "name": plan.name,
            "file": plan.file.display().to_string(),
            "description": plan.description,
            "report": report(plan),
            "tables": plan.tables.iter().map(|table| json!({"path": table.name, "sha256": table.sha256})).collect::<Vec<_>>(),
            "destinations": plan.deliveries.iter().map(|delivery| &delivery.destination.name).collect::<Vec<_>>(),
            "next": next(plan, now),
        })).collect::<Vec<_>>(),
    })
}

/// Renders one line per secret: its key, its location, and whether it was read.
fn of_secrets(tried: &[TriedSecret]) -> String {
    let line = |tried: &TriedSecret| {
        let outcome = if tried.problem.is_none() { "read" } else { "cannot be read" };
        format!("secret {}: {outcome} from {}\n", tried.key, tried.place)
    };
    tried.iter().map(line).collect()
}

/// Renders one line per pipeline and the number of problems.
fn summary(found: &Loaded, now: Timestamp) -> String {
    let mut out = String::new();
    let width = found.plans.iter().map(|plan| plan.name.chars().count()).max().unwrap_or(0);
    for plan in &found.plans {
        let destinations: Vec<&str> =
            plan.deliveries.iter().map(|delivery| delivery.destination.name.as_str()).collect();
        let next = next(plan, now).map_or("no schedule".into(), |next| format!("next {next}"));
        let (report, destinations) = (report(plan), destinations.join(", "));
        out.push_str(&format!("{:width$}  {report} → {destinations}  {next}\n", plan.name));
        for TableFile { name, path: _, sha256 } in &plan.tables {
            out.push_str(&format!("{:width$}  reads {name}  sha256 {}\n", "", &sha256[..12]));
        }
    }
    out.push_str(&format!("{}\n", totals(found)));
    out
}

fn totals(found: &Loaded) -> String {
    let count = |severity: Severity| found.problems.iter().filter(|problem| problem.severity == severity).count();
    let counted = |count: usize, what: &str| match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    };
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let plans = counted(found.plans.len(), "pipeline");
    match (errors, warnings) {
        (0, 0) => format!("{plans}, no problems"),
        (0, warnings) => format!("{plans}, {}", counted(warnings, "warning")),
        (errors, 0) => counted(errors, "problem"),
        (errors, warnings) => format!("{}, {}", counted(errors, "problem"), counted(warnings, "warning")),
    }
}

/// Describes the sources: each one's tenant and report or records, or its file.
fn report(plan: &Plan) -> String {
    plan.sources().map(source).collect::<Vec<_>>().join(" + ")
}

fn source(source: &Source) -> String {
    match source {
        Source::File(file) => file.path.display().to_string(),
        Source::Docebo(docebo) => match &docebo.pull {
            Pull::Report(ReportPull { report: ReportRef::Id(id), .. }) => {
                format!("{}: report {id}", docebo.tenant.name)
            }
            Pull::Report(ReportPull { report: ReportRef::Name(name), .. }) => {
                format!("{}: {name:?}", docebo.tenant.name)
            }
            Pull::Records(records) => format!("{}: {}", docebo.tenant.name, records.list.word()),
        },
    }
}

/// Returns the next slot, RFC 3339 in the pipeline's zone.
fn next(plan: &Plan, now: Timestamp) -> Option<String> {
    let at = plan.schedule.as_ref()?.cron.next_after(now, &plan.zone)?;
    Some(crate::schedule::slot::Slot::new(plan.name.clone(), at, plan.zone.clone()).rfc3339())
}
