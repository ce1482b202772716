//! `test [PATH…]`: the tests of pipeline files. No network, no ledger, no destinations, no secrets.

/// Differences as text.
mod diff;
/// Expected results written anew.
mod update;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use serde::Serialize;

use self::update::Updates;
use super::grid::Screen;
use super::opened::find;
use super::{Common, Problems, exit, print_json};
use crate::pipeline::plan::{Plan, TestCase};
use crate::pipeline::{self, load_all};
use crate::run::trial::{self, Difference, Tested};
use crate::settings::Settings;

#[derive(clap::Args)]
pub(super) struct TestArgs {
    /// Pipelines by name, files or folders [default: the settings' pipelines folder]
    paths: Vec<PathBuf>,
    /// Replace the expected rows and files that differ by what comes out; read the difference before you commit it
    #[arg(long)]
    update: bool,
    /// Fail if a pipeline has no tests
    #[arg(long)]
    require_tests: bool,
}

/// The JSON document; its names are an interface.
#[derive(Serialize)]
struct Document {
    ok: bool,
    passed: usize,
    failed: usize,
    /// Tests whose expected result was written anew.
    updated: usize,
    /// The pipelines that have none.
    without_tests: Vec<String>,
    pipelines: Vec<PipelineTests>,
}

#[derive(Serialize)]
struct PipelineTests {
    name: String,
    file: String,
    tests: Vec<TestOutcome>,
}

#[derive(Serialize)]
struct TestOutcome {
    name: String,
    /// The line of its name.
    line: u32,
    state: TestState,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    differences: Vec<Difference>,
    /// The rows to put into the file by hand, where `--update` could not.
    #[serde(skip_serializing_if = "Option::is_none")]
    paste: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum TestState {
    Ok,
    Failed,
    /// Its expected result was written anew, and it passes with that.
    Updated,
}

/// Runs the tests. Returns exit code 0 if all pass, 3 otherwise.
pub(super) async fn run(args: TestArgs, common: &Common) -> anyhow::Result<u8> {
    // Without a log: test values of secrets need no warnings.
    let (settings, _) = Settings::load(common.config.as_deref(), &common.set).map_err(Problems)?;
    let paths = paths(&settings, args.paths)?;
    let loaded = load_all(&settings, &paths);
    if loaded.failed() {
        return Err(Problems(loaded.problems).into());
    }
    let (screen, json) = (Screen::stdout(), common.json);
    let tested = tokio::task::spawn_blocking(move || {
        let mut pipelines = Vec::new();
        for plan in loaded.plans {
            let tested = pipeline(&plan, &settings, args.update)?;
            if !json {
                print!("{}", text(&tested, screen));
            }
            pipelines.push(tested);
        }
        anyhow::Ok(pipelines)
    });
    let document = document(tested.await??, args.require_tests);
    if json {
        print_json(&document)?;
    } else {
        print!("{}", totals(&document, args.require_tests));
    }
    Ok(if document.ok { exit::DONE } else { exit::FAILED })
}

/// Returns the files of the arguments, each a file, a folder, or a pipeline's name.
fn paths(settings: &Settings, given: Vec<PathBuf>) -> anyhow::Result<Vec<PathBuf>> {
    let path = |path: PathBuf| match (path.exists(), path.to_str()) {
        (false, Some(name)) => find(&settings.pipelines, name),
        _ => Ok(path),
    };
    given.into_iter().map(path).collect()
}

/// Runs the tests of a pipeline.
fn pipeline(plan: &Arc<Plan>, settings: &Settings, update: bool) -> anyhow::Result<PipelineTests> {
    let run = |plan: &Arc<Plan>| -> anyhow::Result<Vec<Tested>> {
        let test = |test| trial::test(plan, test, settings.limits).context("a temporary folder for a test");
        plan.tests.iter().map(test).collect()
    };
    let tested = run(plan)?;
    let tests = if update { updated(plan, settings, tested, run)? } else { plain(plan, tested) };
    Ok(PipelineTests { name: plan.name.clone(), file: plan.file.display().to_string(), tests })
}

fn plain(plan: &Plan, tested: Vec<Tested>) -> Vec<TestOutcome> {
    plan.tests.iter().zip(tested).map(|(test, tested)| TestOutcome::new(test, tested.differences)).collect()
}

/// Writes the expected results that differ anew, and runs the tests again.
fn updated(
    plan: &Arc<Plan>,
    settings: &Settings,
    tested: Vec<Tested>,
    run: impl Fn(&Arc<Plan>) -> anyhow::Result<Vec<Tested>>,
) -> anyhow::Result<Vec<TestOutcome>> {
    let mut updates = Updates::default();
    let mut failed = Vec::new();
    for (test, tested) in plan.tests.iter().zip(&tested) {
        let is_of_data = |difference: &Difference| {
            matches!(difference, Difference::Rows { .. } | Difference::File { .. } | Difference::NoFile { .. })
        };
        let is_old = tested.differences.iter().any(is_of_data);
        if let Some(output) = tested.output.as_ref().filter(|_| is_old) {
            updates.add(test, output)?;
        }
        failed.push(!tested.differences.is_empty());
    }
    updates.write(plan, settings)?;
    let plan = match pipeline::load(settings, &plan.file) {
        Ok((plan, _)) => Arc::new(plan),
        Err(problems) => return Err(Problems(problems).into()),
    };
    let again = plain(&plan, run(&plan)?);
    let outcome = |(mut outcome, failed): (TestOutcome, bool)| {
        if outcome.state == TestState::Ok && failed {
            outcome.state = TestState::Updated;
        } else if outcome.differences.iter().any(|difference| matches!(difference, Difference::Rows { .. })) {
            outcome.paste = updates.paste(&outcome.name);
        }
        outcome
    };
    Ok(again.into_iter().zip(failed).map(outcome).collect())
}

impl TestOutcome {
    fn new(test: &TestCase, differences: Vec<Difference>) -> Self {
        let state = if differences.is_empty() { TestState::Ok } else { TestState::Failed };
        Self { name: test.name.clone(), line: test.at.line, state, differences, paste: None }
    }
}

fn document(pipelines: Vec<PipelineTests>, require_tests: bool) -> Document {
    let count =
        |state| pipelines.iter().flat_map(|pipeline| &pipeline.tests).filter(|test| test.state == state).count();
    let failed = count(TestState::Failed);
    let without = pipelines.iter().filter(|pipeline| pipeline.tests.is_empty());
    let without_tests: Vec<String> = without.map(|pipeline| pipeline.name.clone()).collect();
    Document {
        ok: failed == 0 && (!require_tests || without_tests.is_empty()),
        passed: count(TestState::Ok),
        failed,
        updated: count(TestState::Updated),
        without_tests,
        pipelines,
    }
}

fn text(pipeline: &PipelineTests, screen: Screen) -> String {
    if pipeline.tests.is_empty() {
        return format!("{}  no tests\n", pipeline.name);
    }
    let mut text = format!("{}\n", pipeline.name);
    for test in &pipeline.tests {
        match test.state {
            TestState::Ok => text.push_str(&format!("  ok      {}\n", test.name)),
            TestState::Updated => text.push_str(&format!("  updated {}\n", test.name)),
            TestState::Failed => {
                text.push_str(&format!("  failed  {}  ({}:{})\n", test.name, pipeline.file, test.line));
                test.differences.iter().for_each(|difference| text.push_str(&diff::text(difference, screen)));
            }
        }
        if let Some(paste) = &test.paste {
            text.push_str("            the rows could not be put into the file; replace those of the test by:\n");
            paste.lines().for_each(|line| text.push_str(&format!("              {line}\n")));
        }
    }
    text
}

/// Renders `2 passed, 1 failed; 1 pipeline without tests`.
fn totals(document: &Document, require_tests: bool) -> String {
    let Document { passed, failed, updated, without_tests, .. } = document;
    let updated = if *updated > 0 { format!(", {updated} updated") } else { String::new() };
    let without = match without_tests.len() {
        0 => String::new(),
        1 => "; 1 pipeline without tests".to_owned(),
        count => format!("; {count} pipelines without tests"),
    };
    let required =
        if require_tests && !without_tests.is_empty() { ", which --require-tests does not allow" } else { "" };
    format!("{passed} passed, {failed} failed{updated}{without}{required}\n")
}
