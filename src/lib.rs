//! Delivers scoped LMS reports to SFTP drops, folders and webhooks, on schedule, and proves it.
//!
//! `pipeline file → plan → slot → extract → transform → check → encode → deliver → receipt`
//!
//! The modules, from the top down. Each uses only modules below it; modules on one line do not use each other
//! (`tests/it/tidy` checks both).
//!
//! - [`cli`]: arguments → exit code. One file per command; the only place that prints.
//! - [`work`]: the worker. Enters due slots, executes runnable runs within limits, reloads, shuts down.
//! - [`serve`], [`alert`]: health and metrics over HTTP; alerts, each sent once.
//! - [`run`]: one run from slot to receipt, through all modules below.
//! - [`ledger`]: what happened. One transaction is one function, on SQLite or PostgreSQL.
//! - [`deliver`]: an artifact → a receipt, at SFTP servers, in folders and at webhooks.
//! - [`extract`]: a slot → the rows as they came, on disk, by requests that the plan allows.
//! - [`encode`]: rows → the artifact, the file to deliver.
//! - [`expect`]: whether the artifact is what the pipeline promises: pass, hold or skip.
//! - [`transform`]: rows → rows, streaming, in constant memory.
//! - [`pipeline`]: a pipeline file → a plan, or every problem in it.
//! - [`readers`]: profiles of known readers, which fill in pipeline files.
//! - [`expr`]: the expression language. Text → typed, compiled expressions.
//! - [`schedule`]: a plan and a time → slots. Pure.
//! - [`settings`]: `reportferry.yaml` and the environment → settings; the only place that reads the environment.
//! - [`name`]: file-name templates. Text → template → names.
//! - [`attempt`]: every retry and backoff policy.
//! - [`ssh`]: a signed-in SSH connection. Knows nothing of deliveries.
//! - [`sftp`]: SFTP version 3 over any byte stream. Knows nothing of SSH.
//! - [`yaml`]: a file with positions → typed values or problems. Knows no key of ours.
//! - [`sandbox`]: a simulated Docebo to practise on.
//! - [`encrypt`]: public keys → an encrypting writer: OpenPGP and age.
//! - [`tls`]: client certificates, and TLS failures as text.
//! - [`http`]: what all HTTP clients share.
//! - [`wire`]: fields and packets of the SSH protocols.
//! - [`clock`], [`secret`], [`digest`], [`disk`], [`fault`], [`feature`], [`progress`], [`measure`]: the time, secret values,
//!   SHA-256, private files and free space, injected faults for tests, what was left out of the build, progress, metrics.
//! - [`telemetry`]: logs, and whatever else goes to standard error.

#![forbid(unsafe_code)]

pub mod alert;
pub mod attempt;
pub mod cli;
pub mod clock;
pub mod deliver;
pub mod digest;
pub mod disk;
pub mod encode;
pub mod encrypt;
pub mod expect;
pub mod expr;
pub mod extract;
pub mod fault;
pub mod feature;
pub mod http;
pub mod ledger;
pub mod measure;
pub mod name;
pub mod pipeline;
pub mod progress;
pub mod readers;
pub mod run;
pub mod sandbox;
pub mod schedule;
pub mod secret;
pub mod serve;
pub mod settings;
pub mod sftp;
pub mod ssh;
pub mod telemetry;
pub mod tls;
pub mod transform;
pub mod wire;
pub mod work;
pub mod yaml;
