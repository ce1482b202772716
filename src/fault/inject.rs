//! Rules are `step=kind` or `step=kind@n` (the n-th time the step is reached; 1 by default), separated by commas and armed
//! once at start. Unarmed, a step costs one relaxed load.

use std::str::FromStr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::{FaultStep, Injected};

/// Faults of a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum FaultKind {
    /// The step is refused: an error, and not done.
    Fail,
    /// Contact is lost before the step is done.
    LostBefore,
    /// Contact is lost after the step is done, before its response.
    LostAfter,
    /// The process dies before the step.
    KillBefore,
    /// The process dies after the step.
    KillAfter,
    /// The step is done twice.
    Repeat,
    /// The code at the step panics.
    Panic,
    /// The step reports success without being done: only at steps that [`step_or_drop`] guards.
    Drop,
}

struct Rule {
    step: String,
    kind: FaultKind,
    nth: u32,
    reached: AtomicU32,
}

static RULES: OnceLock<Vec<Rule>> = OnceLock::new();

/// Arms the rules of `text` for the rest of the process.
///
/// # Errors
/// A rule is invalid, or rules are armed already.
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
            "fail" => FaultKind::Fail,
            "lost_before" => FaultKind::LostBefore,
            "lost_after" => FaultKind::LostAfter,
            "kill_before" => FaultKind::KillBefore,
            "kill_after" => FaultKind::KillAfter,
            "repeat" => FaultKind::Repeat,
            "panic" => FaultKind::Panic,
            "drop" => FaultKind::Drop,
            other => return Err(format!("unknown fault kind {other:?} in {text:?}")),
        };
        let nth = nth.parse().map_err(|_| format!("{nth:?} is not a count in {text:?}"))?;
        Ok(Rule { step: step.to_owned(), kind, nth, reached: AtomicU32::new(0) })
    }
}

fn fault_at(step: FaultStep) -> Option<FaultKind> {
    let mut found = None;
    for rule in RULES.get()?.iter().filter(|rule| rule.step == step.name) {
        if rule.reached.fetch_add(1, Relaxed) + 1 == rule.nth {
            tracing::warn!(step = step.name, kind = ?rule.kind, "fault injected");
            found = Some(rule.kind);
        }
    }
    found
}

/// Dies as by `kill -9`: no destructors, no flushed buffers, except for the log, which names the fault.
fn die() -> ! {
    crate::telemetry::flush();
    std::process::abort()
}

/// Runs `op` as the named step, with the fault armed for it, if any.
///
/// # Errors
/// What `op` returns, or the injected failure.
pub fn step<T, E: From<Injected>>(step: impl Into<FaultStep>, op: impl FnMut() -> Result<T, E>) -> Result<T, E> {
    inject(fault_at(step.into()), op)
}

/// Does what [`step`] does. The fault `drop` skips `op` and reports success: an acknowledged step can be lost.
///
/// # Errors
/// What `op` returns, or the injected failure.
pub fn step_or_drop<E: From<Injected>>(step: impl Into<FaultStep>, op: impl FnMut() -> Result<(), E>) -> Result<(), E> {
    match fault_at(step.into()) {
        Some(FaultKind::Drop) => Ok(()),
        kind => inject(kind, op),
    }
}

fn inject<T, E: From<Injected>>(kind: Option<FaultKind>, mut op: impl FnMut() -> Result<T, E>) -> Result<T, E> {
    match kind {
        None | Some(FaultKind::Drop) => op(),
        Some(FaultKind::Panic) => panic!("injected"),
        Some(FaultKind::Fail) => Err(Injected::Refused.into()),
        Some(FaultKind::LostBefore) => Err(Injected::Lost.into()),
        Some(FaultKind::LostAfter) => op().and(Err(Injected::Lost.into())),
        Some(FaultKind::KillBefore) => die(),
        Some(FaultKind::KillAfter) => op().and_then(|_| die()),
        Some(FaultKind::Repeat) => op().and_then(|_| op()),
    }
}

/// Runs an asynchronous `op` as [`step`] does.
///
/// # Errors
/// What `op` returns, or the injected failure.
pub async fn step_async<T, E, F>(step: impl Into<FaultStep>, op: impl Fn() -> F) -> Result<T, E>
where
    E: From<Injected>,
    // Not `impl AsyncFn`: the compiler does not yet accept its futures as `Send`.
    F: Future<Output = Result<T, E>>,
{
    match fault_at(step.into()) {
        None | Some(FaultKind::Drop) => op().await,
        Some(FaultKind::Panic) => panic!("injected"),
        Some(FaultKind::Fail) => Err(Injected::Refused.into()),
        Some(FaultKind::LostBefore) => Err(Injected::Lost.into()),
        Some(FaultKind::LostAfter) => op().await.and(Err(Injected::Lost.into())),
        Some(FaultKind::KillBefore) => die(),
        Some(FaultKind::KillAfter) => op().await.and_then(|_| die()),
        Some(FaultKind::Repeat) => {
            op().await?;
            op().await
        }
    }
}
