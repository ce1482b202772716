//! reportferry carries scoped LMS reports to the places that need them, and can prove it.
//!
//! The rooms, in the order in which data flows through them:

#![forbid(unsafe_code)]

// The only place that decides to try again.
pub mod attempt;
// Arguments in, exit code out: one file per command, and the only place that prints.
pub mod cli;
// ⑦ An artifact → a receipt: SFTP and local drops.
pub mod deliver;
// ⑥ Rows → an [`encode::Artifact`]: the file to hand over.
pub mod encode;
// ⑤ Is this what was promised? Pass or hold.
pub mod expect;
// ③ A slot → an [`extract::Extract`]: the rows as they came, on disk.
pub mod extract;
// ⑧ What happened: the durable record.
pub mod ledger;
// ① A pipeline file → a [`pipeline::plan::Plan`], or every problem in it.
pub mod pipeline;
// The straight line, on one screen.
pub mod run;
// The worker: slots that have come, runs that are awake, within limits.
pub mod work;
// A Docebo to practise on.
pub mod sandbox;
// ② A plan and a moment → slots; pure.
pub mod schedule;
// `reportferry.yaml` and the environment → [`settings::Settings`]; the only place that reads the environment.
pub mod settings;
// ④ Rows → rows: pure, streaming, in constant memory.
pub mod transform;

// Events that a person must hear of, told once each.
pub mod alert;
// Metrics: what is counted and timed, by name.
pub mod measure;
// Health, readiness and metrics over HTTP.
pub mod serve;

// The only place that asks the time.
pub mod clock;
// SHA-256 of bytes and files.
pub mod digest;
// Faults injected at named steps, for the tests that prove recovery.
pub mod fault;
// What all HTTP clients share.
pub mod http;
// How far a run has come, for whoever draws it.
pub mod progress;
// Values that are never shown.
pub mod secret;
// TLS failures and certificates, in words.
pub mod tls;
// Logs on standard error.
pub mod telemetry;
