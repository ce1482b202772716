//! Faults injected at named steps, for the tests that prove recovery.
//!
//! A rule is `step=kind` or `step=kind@n` (the n-th time the step is reached, 1 unless told), several separated by
//! commas, armed once at start from the `fault` setting. Unarmed, a step costs one relaxed load.

use std::str::FromStr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// What happens at a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The step is refused: an error, and it was not done.
    Fail,
    /// Contact is lost before the step is done.
    LostBefore,
    /// Contact is lost when the step is done but its answer has not come.
    LostAfter,
    /// The process dies before the step.
    KillBefore,
    /// The process dies after the step.
    KillAfter,
    /// The step is done twice.
    Repeat,
    /// The code at the step is at fault.
    Panic,
    /// The step is not done, and nobody says so: only at steps that [`step_or_drop`] guards.
    Drop,
}

/// An injected failure, to be turned into the error type of the step.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Injected {
    #[error("injected: the step was refused")]
    Refused,
    #[error("injected: contact was lost")]
    Lost,
}

impl From<Injected> for std::io::Error {
    fn from(injected: Injected) -> Self {
        Self::other(injected)
    }
}

struct Rule {
    step: String,
    kind: Kind,
    nth: u32,
    reached: AtomicU32,
}

static RULES: OnceLock<Vec<Rule>> = OnceLock::new();

/// Arms the rules of `text` for the rest of the process.
///
/// # Errors
/// The rule that cannot be read. A second call is an error too.
pub fn arm(text: &str) -> Result<(), String> {
    let rules = text
        .split(',')
        .map(str::trim)
        .filter(|rule| !rule.is_empty())
        .map(str::parse)
        .collect::<Result<Vec<Rule>, _>>()?;
    RULES.set(rules).map_err(|_| "faults are armed already".to_owned())
}

impl FromStr for Rule {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (step, rest) = text.split_once('=').ok_or_else(|| format!("fault rule {text:?} is not step=kind"))?;
        let (kind, nth) = rest.split_once('@').unwrap_or((rest, "1"));
        let kind = match kind {
            "fail" => Kind::Fail,
            "lost_before" => Kind::LostBefore,
            "lost_after" => Kind::LostAfter,
            "kill_before" => Kind::KillBefore,
            "kill_after" => Kind::KillAfter,
            "repeat" => Kind::Repeat,
            "panic" => Kind::Panic,
            "drop" => Kind::Drop,
            other => return Err(format!("unknown fault kind {other:?} in {text:?}")),
        };
        let nth = nth.parse().map_err(|_| format!("{nth:?} is not a count in {text:?}"))?;
        Ok(Rule { step: step.to_owned(), kind, nth, reached: AtomicU32::new(0) })
    }
}

fn fault_at(step: &str) -> Option<Kind> {
    let rules = RULES.get()?;
    let mut found = None;
    for rule in rules.iter().filter(|rule| rule.step == step) {
        if rule.reached.fetch_add(1, Relaxed) + 1 == rule.nth {
            tracing::warn!(step, kind = ?rule.kind, "fault injected");
            found = Some(rule.kind);
        }
    }
    found
}

/// Dies as `kill -9` does: no destructor, no buffer flushed.
fn die() -> ! {
    std::process::abort()
}

/// Does `op` as the named step, with the fault armed for it, if any.
///
/// # Errors
/// What `op` answers, or the injected failure.
pub fn step<T, E: From<Injected>>(name: &'static str, op: impl FnMut() -> Result<T, E>) -> Result<T, E> {
    strike(fault_at(name), op)
}

/// [`step`] for an operation that can be lost on the way although it was acknowledged.
///
/// # Errors
/// What `op` answers, or the injected failure.
pub fn step_or_drop<E: From<Injected>>(name: &'static str, op: impl FnMut() -> Result<(), E>) -> Result<(), E> {
    match fault_at(name) {
        Some(Kind::Drop) => Ok(()),
        kind => strike(kind, op),
    }
}

fn strike<T, E: From<Injected>>(kind: Option<Kind>, mut op: impl FnMut() -> Result<T, E>) -> Result<T, E> {
    let Some(kind) = kind else { return op() };
    match kind {
        Kind::Drop => op(),
        Kind::Panic => panic!("injected"),
        Kind::Fail => Err(Injected::Refused.into()),
        Kind::LostBefore => Err(Injected::Lost.into()),
        Kind::LostAfter => op().and(Err(Injected::Lost.into())),
        Kind::KillBefore => die(),
        Kind::KillAfter => op().and_then(|_| die()),
        Kind::Repeat => op().and_then(|_| op()),
    }
}

/// [`step`] for an asynchronous operation.
///
/// # Errors
/// What `op` answers, or the injected failure.
pub async fn step_async<T, E, F>(name: &'static str, op: impl Fn() -> F) -> Result<T, E>
where
    E: From<Injected>,
    // Not `impl AsyncFn`: what calls it would not be `Send` in the eyes of today's compiler.
    F: Future<Output = Result<T, E>>,
{
    let Some(kind) = fault_at(name) else { return op().await };
    match kind {
        Kind::Drop => op().await,
        Kind::Panic => panic!("injected"),
        Kind::Fail => Err(Injected::Refused.into()),
        Kind::LostBefore => Err(Injected::Lost.into()),
        Kind::LostAfter => op().await.and(Err(Injected::Lost.into())),
        Kind::KillBefore => die(),
        Kind::KillAfter => op().await.and_then(|_| die()),
        Kind::Repeat => {
            op().await?;
            op().await
        }
    }
}
