//! Handles one request: routing, faults, authorization, and then the operation.

/// Access of tests to a running sandbox.
#[cfg(feature = "fault-injection")]
mod observed;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::extract::{FromRequest, Query, Request};
use axum::http::{Method, header};
use axum::response::Response;
use serde_json::{Value, json};

use super::SandboxOptions;
use super::access;
use super::content::Content;
use super::exports::{self, Exports};
use super::misbehave::{ApiStep, Misbehaviour, Misbehaviours, ReplyKind};
use super::oauth::{self, Account, Tokens};
use super::records::{self, List};
use super::reply::{self, Reply};
use super::reports::{self, REPORTS, Report};

/// A platform and its state.
pub(super) struct Platform {
    pub options: SandboxOptions,
    misbehave: Mutex<Arc<Misbehaviours>>,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    tokens: Tokens,
    exports: Exports,
    records: records::State,
    /// Number of injections of each fault.
    injected: HashMap<(ApiStep, Option<&'static str>, usize), u32>,
    #[cfg(feature = "fault-injection")]
    log: Vec<observed::ReceivedRequest>,
    requests: u64,
}

/// Kinds of request.
enum Endpoint {
    Token,
    Session,
    Reports,
    Start(&'static Report),
    Status(&'static Report, String),
    Download(&'static Report, String),
    Results(&'static Report, String),
    List(List),
    PowerUser(String),
    /// A list that only `scope` asks for.
    Other(String),
    Unknown,
}

impl Platform {
    /// As [`super::Sandbox::rotate`].
    pub(super) fn rotate(&self, client_secret: String, password: String) {
        self.memory().tokens.rotate(client_secret, password);
    }

    pub(super) fn new(options: SandboxOptions) -> Self {
        let misbehave = Mutex::new(Arc::new(options.misbehave.clone()));
        Self { options, misbehave, memory: Mutex::default() }
    }

    /// Returns the present misbehaviours.
    pub(super) fn misbehave(&self) -> Arc<Misbehaviours> {
        self.misbehave.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub(super) fn requests(&self) -> u64 {
        self.memory().requests
    }

    /// Responds to one request.
    pub(super) async fn answer(&self, request: Request) -> Reply {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        self.memory().requests += 1;
        #[cfg(feature = "fault-injection")]
        self.log_request(&request);
        let endpoint = Endpoint::read(&method, uri.path());
        let report = endpoint.report();
        let misbehave = self.misbehave();
        let wrong = misbehave.of(report.map(|report| report.short));
        match endpoint.step().and_then(|step| self.fault_now(wrong, step, report)) {
            Some(ReplyKind::Lost) => {
                drop(self.act(endpoint, wrong, request).await);
                reply::reset()
            }
            Some(kind) => reply::fail(kind).await,
            None => self.act(endpoint, wrong, request).await,
        }
    }

    /// Returns the fault to inject now, if any.
    fn fault_now(&self, wrong: &Misbehaviour, step: ApiStep, report: Option<&'static Report>) -> Option<ReplyKind> {
        let mut memory = self.memory();
        wrong.faults.iter().enumerate().filter(|(_, fault)| fault.step == step).find_map(|(at, fault)| {
            let injected = memory.injected.entry((step, report.map(|report| report.short), at)).or_default();
            let fault_now = fault.times.is_none_or(|times| *injected < times);
            *injected += u32::from(fault_now);
            fault_now.then_some(fault.kind)
        })
    }

    async fn act(&self, endpoint: Endpoint, wrong: &Misbehaviour, request: Request) -> Reply {
        let path = request.uri().path().to_owned();
        let Query(query) = Query::<HashMap<String, String>>::try_from_uri(request.uri()).unwrap_or_default();
        if let Endpoint::Token = endpoint {
            let Ok(axum::Form(form)) = axum::Form::<HashMap<String, String>>::from_request(request, &()).await else {
                return reply::oauth_error("invalid_request", "not a form");
            };
            return self.memory().tokens.grant(&self.options, wrong, &form);
        }
        let authorization = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some(account) = self.memory().tokens.account(authorization) else {
            return reply::error(401, "The access token provided is invalid or has expired");
        };
        if let Some(kind) = access::denied(account, &path, &wrong.access) {
            return reply::fail(kind).await;
        }
        if let Some(report) = endpoint.report()
            && wrong.hidden
        {
            return reply::error(404, &format!("Report {} not found", report.id));
        }
        match endpoint {
            Endpoint::Session => session(account, wrong),
            Endpoint::Reports => self.reports(wrong),
            Endpoint::Start(report) => self.memory().exports.start(&self.options, wrong, report),
            Endpoint::Status(report, id) => self.memory().exports.status(wrong, report, &id),
            Endpoint::Download(report, id) => self.download(wrong, report, &id),
            Endpoint::Results(report, id) => {
                let content = self.content(wrong, report);
                self.memory().exports.results(wrong, report, &id, &query, &content)
            }
            Endpoint::List(list) => {
                let query = Query::try_from_uri(request.uri()).map_or_else(|_| Vec::new(), |Query(query)| query);
                let query = records::Query(query);
                records::list(list, &self.options, &wrong.records, &query, &mut self.memory().records)
            }
            Endpoint::PowerUser(id) => access::power_user(oauth::by_id(&id), wrong),
            Endpoint::Other(path) => access::list(&path),
            Endpoint::Token | Endpoint::Unknown => reply::error(404, "Page not found"),
        }
    }

    fn content(&self, wrong: &Misbehaviour, report: &'static Report) -> Content {
        Content::new(report, self.options.seed, self.options.rows, &wrong.body)
    }

    fn download(&self, wrong: &Misbehaviour, report: &'static Report, id: &str) -> Reply {
        let ending = match self.memory().exports.download(report, id) {
            Ok(ending) => ending,
            Err(refused) => return *refused,
        };
        exports::body(self.content(wrong, report), report, wrong, ending)
    }

    fn reports(&self, wrong: &Misbehaviour) -> Reply {
        let misbehave = self.misbehave();
        let mut listed: Vec<Value> = REPORTS
            .iter()
            .filter(|report| !misbehave.of(Some(report.short)).hidden)
            .map(|report| json!({"idReport": report.id, "name": report.name}))
            .collect();
        if wrong.name_twice {
            let id = "d2f0a6b1-0000-4000-8000-000000000066";
            listed.push(json!({"idReport": id, "name": REPORTS[0].name}));
        }
        reply::data(listed.into())
    }
}

fn session(account: Account, wrong: &Misbehaviour) -> Reply {
    let level = wrong.level.as_deref().unwrap_or(account.level);
    reply::data(json!({
        "id": account.id, "username": account.username, "email": format!("{}@acme.example", account.username),
        "user_level": level, "timezone": "Europe/Rome",
    }))
}

impl Endpoint {
    fn read(method: &Method, path: &str) -> Self {
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        match (method.as_str(), parts.as_slice()) {
            ("POST", ["oauth2", "token"]) => Self::Token,
            ("GET", ["manage", "v1", "user", "session"]) => Self::Session,
            ("GET", ["manage", "v1", "user"]) => Self::List(List::Users),
            ("GET", ["learn", "v1", "courses"]) => Self::List(List::Courses),
            ("GET", ["learn", "v1", "enrollments"]) => Self::List(List::Enrollments),
            ("GET", ["course", "v1", "courses", "enrollments"]) => Self::List(List::CourseEnrollments),
            ("GET", ["poweruser", "v1", "powerusers", id]) => Self::PowerUser((*id).to_owned()),
            ("GET", ["analytics", "v1", "reports"]) => Self::Reports,
            ("GET", ["analytics", "v1", "reports", report, rest @ ..]) => {
                let Some(report) = reports::by_id(report) else { return Self::Unknown };
                match rest {
                    ["export", "csv"] => Self::Start(report),
                    ["exports", id] => Self::Status(report, (*id).to_owned()),
                    ["exports", id, "download"] => Self::Download(report, (*id).to_owned()),
                    ["exports", id, "results"] => Self::Results(report, (*id).to_owned()),
                    _ => Self::Unknown,
                }
            }
            ("GET", _) => Self::Other(path.to_owned()),
            _ => Self::Unknown,
        }
    }

    fn report(&self) -> Option<&'static Report> {
        match self {
            Self::Start(report) | Self::Status(report, _) | Self::Download(report, _) | Self::Results(report, _) => {
                Some(report)
            }
            _ => None,
        }
    }

    fn step(&self) -> Option<ApiStep> {
        Some(match self {
            Self::Token => ApiStep::Token,
            Self::Session => ApiStep::Session,
            Self::Reports => ApiStep::Reports,
            Self::Start(_) => ApiStep::Start,
            Self::Status(..) => ApiStep::Status,
            Self::Download(..) => ApiStep::Download,
            Self::Results(..) => ApiStep::Results,
            Self::List(_) => ApiStep::Records,
            Self::PowerUser(_) => ApiStep::Assignments,
            Self::Other(_) | Self::Unknown => return None,
        })
    }
}

/// Makes the whole platform one axum handler.
pub(super) async fn handle(platform: axum::extract::State<Arc<Platform>>, request: Request) -> Response {
    platform.answer(request).await
}
