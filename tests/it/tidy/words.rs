//! Names and phrases that the field does not use, each with what is said in their place.

use std::collections::BTreeSet;

use syn::visit::{self, Visit};

use super::prose::Prose;
use super::source::{Source, attributes};
use super::{Violation, counted};

const TYPE: &[&str] = &["struct", "enum", "trait", "type"];
const CASE: &[&str] = &["struct", "enum", "trait", "type", "variant"];
const VALUE: &[&str] = &["fn", "field", "let"];

/// Declarations by kind: `OLD → NEW`. `OLD*` is every name that begins so, `MODULE:OLD` a name in that module alone.
const NAMES: &[(&[&str], &[&str])] = &[
    (
        TYPE,
        &[
            "Gates → Limits",
            "Gate → Semaphore",
            "Lane → PipelineLock",
            "Leave → Permit",
            "Hands → ActiveRuns",
            "Hand → ActiveRun",
            "Fleet → ScheduleTable",
            "Member → Entry",
            "Shift → EventLoop",
            "Order → Command",
            "Board → WorkerHealth",
            "Line → RunContext, Stream, ApiClient, PipelineStatus",
            "Work → RunExecution, Concurrency",
            "Share → DeliveryTask, ResourceKey",
            "Trouble → SftpError, WebhookError",
            "Way → RenameStrategy",
            "SftpDrop → SftpTarget",
            "LocalDrop → LocalTarget",
            "WebhookDrop → WebhookTarget",
            "Put → DeliveryRequest",
            "Cutting → Batching",
            "deliver:Parts → AckedBatches",
            "deliver:Files → PublishTarget",
            "Lies → PathState",
            "Seen → RemoteState",
            "About → DeliveryMeta",
            "Beside → ParallelSession",
            "Coming → PendingSession",
            "Ahead → ReadAhead",
            "Taker → ChunkIter",
            "deliver:Pieces → ChunkQueue",
            "Send → Sender",
            "Errand → Batch",
        ],
    ),
    (
        CASE,
        &[
            "Awake → Runnable",
            "Shaped → Transformed",
            "Shaping → Transforming",
            "Lapsed → Expired",
            "Unanswered → StartUnconfirmed",
            "Distrusted → HostKeyMismatch",
            "Unreached → Retryable",
            "Uncollected → PickupOverdue",
            "LetGo → Superseded",
            "Awaited → Pending",
        ],
    ),
    (
        &["fn"],
        &[
            "hear → handle_…",
            "hear_* → handle_…",
            "heed → apply_…",
            "heed_* → apply_…",
            "tell → log_outcome, notify",
            "tell_* → log_…, notify_…",
            "look → stat, probe, poll",
            "look_at* → stat, probe, poll",
            "work:post → publish_status",
            "sftp:post → the act by its name",
            "widen → try_acquire_extra",
            "rest → reschedule",
            "deliver:part → detach",
            "send_for → prefetch",
            "sever → abort",
            "goodbye → shutdown",
            "sign_of_life → keepalive",
            "is_quiet → has_pending_input",
            "straight → execute",
            "go → publish_attempt",
            "deliver:ready → prepare",
            "run:ready → prepare",
            "get_ready → prepare",
            "known_at_once → intent_known_upfront",
            "run:shape → transform_and_encode",
            "words → schedule_key, describe",
            "in_words → describe",
            "spoken → format_duration",
            "carry → run",
            "kept_* → saved_…",
            "take_name → commit_name",
        ],
    ),
    (
        VALUE,
        &[
            "put_down → finish",
            "in_hand → active",
            "may_cut → allow_rebatch",
            "cutting → batching",
            "edition → generation",
            "side → companion files",
            "deliver:beside → companion files, parallel sessions",
            "whereabouts → endpoint",
            "said → server_message",
            "quiet → redact",
            "strike → inject",
            "mend → recover",
            "torn → dirty",
            "errand → batch",
            "take_back → rollback",
            "uncollected → pickup_overdue",
            "let_go → superseded",
            "awaited → pending",
            "wake_ms → next_run_at_ms",
            "wake → next_run_at",
            "wakes → next_run_at",
            "snoozed → backoff_until",
        ],
    ),
    (&["let", "field"], &["drop → target"]),
    (&["const"], &["BREATH → TICK_MIN"]),
    (
        &["field"],
        &[
            "answers → keyboard_interactive",
            "line_end → record_end",
            "answer_bytes → response_bytes",
            "cli:fires → slots, next",
            "cli:beyond → include_pruned",
            "ticket → execution_id",
            "cli:why → because",
            "settings:most → max_per_message",
        ],
    ),
    (
        &["mod"],
        &[
            "fleet → schedule_table",
            "shift → event_loop",
            "gates → limits",
            "hands → active_runs",
            "board → worker_health",
            "side → companions",
            "stand_in → agent_proxy",
            "art → randomart",
            "deliver:watch → observer",
            "offers → kexinit",
            "arrived → read_buffer",
            "found → remote_state",
            "about → delivery_meta",
            "paced → rate_limit",
            "trouble → error",
            "shape → transform_and_encode",
            "words → what it holds",
            "line → stream, api_client",
            "ahead → read_ahead",
            "drop → target",
        ],
    ),
];

/// Names that mean something only where no second declaration has them.
const AMBIGUOUS: &[&str] = &["Step", "Report", "Failure", "Kind", "Part", "Outcome"];

/// Keys of pipeline and settings files, and what they are called now.
const KEYS: &[(&str, &str)] = &[
    ("line_end", "record_end"),
    ("within", "give_up_after, deadline"),
    ("missed_within", "missed_max_age"),
    ("first", "initial"),
    ("answers", "keyboard_interactive"),
    ("answer_bytes", "response_bytes"),
    ("most", "max_per_message"),
    ("shape", "transform"),
    ("uncollected", "pickup_overdue"),
];

/// Phrases in comments, strings and pages, in small letters and as whole words, and the usual terms.
const PHRASES: &[(&[&str], &str)] = &[
    (&["mend", "mends", "mended", "mending"], "fix, recover"),
    (&["tell", "tells", "told", "telling"], "notify, log, send, distinguish"),
    (&["heed", "heeds", "heeded"], "apply"),
    (&["errand", "errands"], "batch"),
    (&["in hand"], "active"),
    (&["a leave", "the leave", "its leave"], "permit"),
    (
        &[
            "lies at",
            "lie at",
            "lies in",
            "lie in",
            "lies there",
            "lie there",
            "lies beside",
            "lie beside",
            "lies below",
            "lies on",
            "lay there",
            "what lies",
        ],
        "is at, exists",
    ),
    (&["is no"], "is not a"),
    (&["says whether", "say whether", "tells whether"], "returns true if"),
    (&["room", "rooms"], "module, space"),
    (&["the straight line"], "the run"),
    (&["whereabouts"], "endpoint"),
    (&["sign of life", "signs of life"], "keepalive"),
    (&["no sign of"], "unavailable"),
    (&["one session less"], "parallel session unavailable"),
    (
        &["stands on", "stand on", "stands in", "stand in", "stands beside", "stands before", "stand before"],
        "is in, depends on",
    ),
    (&["cannot stand in one table"], "are mutually exclusive"),
    (&["stands for it"], "superseded by"),
    (&["let go"], "superseded, dropped"),
    (&["in words"], "as text"),
    (
        &["at work", "well again", "left where they are", "its people"],
        "worker started, valid again, resume at next start, administrator",
    ),
    (&["come to its end", "came to its end", "comes to its end", "brought to its end"], "ended, finished"),
    (&["nothing is said", "says nothing", "is said", "not said"], "is unset, missing"),
    (&["awake", "snoozed"], "runnable, backoff"),
    (&["shaping", "shaped", "to shape"], "transform"),
];

/// Continuations in which a phrase is plain English.
const PLAIN: &[&str] =
    &["is no longer", "is no more", "is no later", "is no earlier", "is no less", "is no other", "there is no"];

/// Docs of items begin with a verb in the third person or a noun phrase: not with a clause, and not with these verbs.
const CLAUSES: &[&str] =
    &["Whether", "What", "How", "Where", "When", "Who", "Whose", "Which", "Why", "Says", "Answers", "Tells", "Lets"];

struct Declared {
    kind: &'static str,
    name: String,
    line: usize,
}

#[derive(Default)]
struct Declarations {
    names: Vec<Declared>,
    /// First words of docs.
    docs: Vec<(String, usize)>,
}

impl Declarations {
    fn add_docs(&mut self, attributes: &[syn::Attribute]) {
        let Some(first) = attributes.iter().find(|attribute| attribute.path().is_ident("doc")) else { return };
        if let syn::Meta::NameValue(syn::MetaNameValue { value: syn::Expr::Lit(literal), .. }) = &first.meta
            && let syn::Lit::Str(text) = &literal.lit
            && let Some(word) = text.value().split([' ', ',']).find(|word| !word.is_empty())
        {
            self.docs.push((word.to_owned(), text.span().start().line));
        }
    }

    fn add(&mut self, kind: &'static str, name: &syn::Ident) {
        self.names.push(Declared { kind, name: name.to_string(), line: name.span().start().line });
    }
}

impl<'ast> Visit<'ast> for Declarations {
    fn visit_file(&mut self, file: &'ast syn::File) {
        self.add_docs(&file.attrs);
        visit::visit_file(self, file);
    }
    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.add_docs(&item.attrs);
        visit::visit_impl_item_fn(self, item);
    }
    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.add_docs(&item.attrs);
        visit::visit_trait_item_fn(self, item);
    }
    fn visit_item(&mut self, item: &'ast syn::Item) {
        self.add_docs(attributes(item));
        match item {
            syn::Item::Const(item) => self.add("const", &item.ident),
            syn::Item::Enum(item) => self.add("enum", &item.ident),
            syn::Item::Mod(item) => self.add("mod", &item.ident),
            syn::Item::Static(item) => self.add("const", &item.ident),
            syn::Item::Struct(item) => self.add("struct", &item.ident),
            syn::Item::Trait(item) => self.add("trait", &item.ident),
            syn::Item::Type(item) => self.add("type", &item.ident),
            _ => {}
        }
        visit::visit_item(self, item);
    }
    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        self.add("fn", &signature.ident);
        visit::visit_signature(self, signature);
    }
    fn visit_impl_item_const(&mut self, item: &'ast syn::ImplItemConst) {
        self.add("const", &item.ident);
        visit::visit_impl_item_const(self, item);
    }
    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        self.add("variant", &variant.ident);
        visit::visit_variant(self, variant);
    }
    fn visit_field(&mut self, field: &'ast syn::Field) {
        if let Some(name) = &field.ident {
            self.add("field", name);
        }
        visit::visit_field(self, field);
    }
    /// Every name that a pattern binds: `let`, parameters, closures, match arms.
    fn visit_pat_ident(&mut self, pattern: &'ast syn::PatIdent) {
        self.add("let", &pattern.ident);
        visit::visit_pat_ident(self, pattern);
    }
}

fn fits(source: &Source, name: &str, rule: &str) -> bool {
    let (module, rule) = rule.split_once(':').unwrap_or(("", rule));
    if !module.is_empty() && !source.module.iter().any(|part| part == module) {
        return false;
    }
    match rule.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == rule,
    }
}

/// Names that the field does not use, and docs that begin with a clause.
pub(super) fn names(sources: &[Source]) -> Vec<Violation> {
    let (mut found, mut clauses) = (Vec::new(), Vec::new());
    let mut ambiguous: Vec<(String, String, usize)> = Vec::new();
    for source in sources {
        let path = format!("src/{}", source.path);
        let mut declarations = Declarations::default();
        declarations.visit_file(&source.tree);
        for Declared { kind, name, line } in declarations.names {
            for rule in NAMES.iter().filter(|(kinds, _)| kinds.contains(&kind)).flat_map(|(_, rules)| *rules) {
                let (old, new) = rule.split_once(" → ").expect("OLD → NEW");
                if fits(source, &name, old) {
                    found.push((format!("{path}: {kind} {name} → {new}"), line));
                }
            }
            if TYPE.contains(&kind) && AMBIGUOUS.contains(&name.as_str()) {
                ambiguous.push((name, path.clone(), line));
            }
        }
        let begin = declarations.docs.into_iter().filter(|(word, _)| CLAUSES.contains(&word.as_str()));
        clauses.extend(begin.map(|(word, line)| (format!("{path}: docs begin with {word:?}"), line)));
    }
    for (name, path, line) in &ambiguous {
        if ambiguous.iter().any(|(other, place, _)| other == name && place != path) {
            found.push((format!("{path}: {name} is declared elsewhere too: qualify it"), *line));
        }
    }
    let mut violations = counted("name", found);
    violations.extend(counted("doc comment", clauses));
    violations
}

/// Old keys that the schemas of the files that people write still have.
pub(super) fn keys(file: &str, keys: &BTreeSet<String>) -> Vec<Violation> {
    let old = KEYS.iter().filter(|(key, _)| keys.contains(*key));
    counted("key", old.map(|(key, instead)| (format!("{file}: `{key}` ({instead})"), 0)).collect())
}

/// Phrases in `prose` of the file or page `path`.
pub(super) fn phrases(path: &str, prose: &[Prose]) -> Vec<Violation> {
    let mut found = Vec::new();
    for prose in prose {
        let text = prose.text.to_lowercase();
        for (phrases, instead) in PHRASES {
            for phrase in *phrases {
                for (at, _) in text.match_indices(phrase) {
                    if is_bounded(&text, at, phrase.len()) && !is_plain(&text, at) {
                        found.push((format!("{path}: {phrase:?} ({instead})"), prose.line_at(at)));
                    }
                }
            }
        }
    }
    counted("phrase", found)
}

fn is_plain(text: &str, at: usize) -> bool {
    let from = text[..at].strip_suffix("there ").map_or(at, str::len);
    PLAIN.iter().any(|plain| text[from..].starts_with(plain))
}

/// Returns true if neither neighbour of the match is part of a longer word or of a name in code.
pub(super) fn is_bounded(text: &str, at: usize, length: usize) -> bool {
    let part = |letter: char| letter.is_alphanumeric() || letter == '_';
    !text[..at].ends_with(part) && !text[at + length..].starts_with(part)
}
