//! What goes wrong, and what is said about it.

use reportferry::extract::Level;
use reportferry::secret::Secret;
use reportferry::settings::{AllowedLevel, SecretRef};

use super::stage::{CLIENT_SECRET, Case, PASSWORD, ROWS, check, ms, on_threads, outcome, password_grant};

#[test]
fn sign_in_that_fails() {
    on_threads(async {
        let wrong = |secret: &str| SecretRef::Literal(Secret::new(secret));
        let right = || SecretRef::Literal(Secret::new(PASSWORD));
        let grant = |secret: &str, password| password_grant("svc-reporting", secret, password);
        let bad_client = |case: &mut Case| case.tenant.grant = grant("another", right());
        check(Case::new("").with(bad_client), &["refused", "invalid_client", "client_secret is wrong"]).await;
        let bad_password = |case: &mut Case| case.tenant.grant = grant(CLIENT_SECRET, wrong("another"));
        let stage = check(Case::new("").with(bad_password), &["refused", "invalid_grant", "Docebo may lock"]).await;
        assert_eq!(stage.sandbox.requests(), 1, "a wrong password is sent once");
        assert!(outcome(&stage).await.contains("not sent again before"));
        assert_eq!(stage.sandbox.requests(), 1, "nor for the next run");
        check(Case::new("grant=off"), &["refused", "unsupported_grant_type", "Resource Owner Password"]).await;
        check(Case::new("grant=off,echo_secrets"), &["refused", "[secret]"]).await;
        check(Case::new("token=html"), &["refused", "not a token", "tenant's address"]).await;
        check(Case::new("token=redirect"), &["refused", "302", "not followed"]).await;
        check(Case::new("token=garbage"), &["refused", "no token"]).await;
        check(Case::new("token=empty"), &["refused", "no token"]).await;
        check(Case::new("token=500"), &["later", "500"]).await;
        check(Case::new("token=404"), &["refused", "404"]).await;
        let missing = |case: &mut Case| {
            case.tenant.grant = grant(CLIENT_SECRET, SecretRef::File("/nowhere/password".into()));
        };
        check(Case::new("").with(missing), &["refused", "password cannot be read", "/nowhere/password"]).await;
        let closed = |case: &mut Case| case.tenant.base = "http://127.0.0.1:1".into();
        check(
            Case::new("").with(closed),
            &["later", "cannot sign in", "http://127.0.0.1:1 cannot be reached", "refused"],
        )
        .await;
    });
}

#[test]
fn accounts_that_must_not_be_used() {
    on_threads(async {
        for level in ["super_admin", "superadmin", "godadmin", "/framework/level/godadmin", "SUPER_ADMIN"] {
            let misbehave: &'static str = format!("level={level}").leak();
            let stage = check(Case::new(misbehave), &["refused", "is a Superadmin", "`level: any`"]).await;
            assert_eq!(stage.sandbox.exports(), 0);
            check(Case::new(misbehave).with(|case| case.tenant.level = AllowedLevel::Any), &["2500 rows"]).await;
        }
        for misbehave in ["level=", "level=wizard"] {
            check(Case::new(misbehave), &["refused", "unknown level", "Power User"]).await;
            check(Case::new(misbehave).with(|case| case.tenant.level = AllowedLevel::Any), &["2500 rows"]).await;
        }
        let root = |case: &mut Case| {
            case.tenant.grant = password_grant("root", CLIENT_SECRET, SecretRef::Literal(Secret::new(PASSWORD)));
        };
        check(Case::new("").with(root), &["refused", "Superadmin"]).await;
        for (misbehave, words) in [
            ("session=403", ["refused", "may not use the API"]),
            ("session=html", ["refused", "sign-in page"]),
            ("session=unsuccessful", ["refused", "Operation not permitted"]),
            ("session=garbage", ["refused", "not JSON"]),
            ("session=redirect", ["refused", "redirects are not followed"]),
            ("session=401", ["refused", "has just issued"]),
            ("token_seconds=0", ["refused", "has just issued"]),
        ] {
            check(Case::new(misbehave), &words).await;
        }
        let stage = Case::new("").stage().await;
        let identity = stage.source().await.identify().await.expect("an identity").expect("an account");
        assert_eq!((identity.username.as_str(), identity.level), ("svc-reporting", Level::PowerUser));
    });
}

#[test]
fn exports_that_fail() {
    on_threads(async {
        for (case, words) in [
            (Case::new("hidden"), ["refused", "404", "does not exist or is not shared"]),
            (Case::new("start=403"), ["refused", "403", "permission to view and export reports"]),
            (Case::new("start=html"), ["refused", "web page", "sign-in page"]),
            (Case::new("start=unsuccessful"), ["refused", "start the export", "not permitted"]),
            (Case::new("start=429"), ["later", "429", "start the export"]),
            (Case::new("start=400"), ["refused", "400", "fails here on request"]),
            (Case::new("execution_id=../../x"), ["refused", "is not an execution ID", "export was started"]),
            (Case::new("execution_id="), ["refused", "is not an execution ID", "export was started"]),
            (Case::new("final_word=FAILED"), ["expired", "ended as FAILED", "report"]),
            (Case::new("final_word=error"), ["expired", "ended as ERROR", "report"]),
            (Case::new("final_word=never").impatient(), ["later", "still \"RUNNING\"", "poll.give_up_after"]),
            (Case::new("status=404"), ["expired", "404", "the export is gone"]),
            (Case::new("status=html"), ["refused", "web page", "status"]),
            (Case::new("status=garbage"), ["refused", "not JSON", "status"]),
            (Case::new("status=500"), ["later", "500", "status"]),
            (Case::new("status=401"), ["refused", "401", "just issued"]),
            (Case::named("", "Complianse completion"), ["refused", "no report of this name", "Compliance completions"]),
            (Case::named("", "zzz"), ["refused", "no report of this name", "none of the 6"]),
            (Case::named("name_twice", "Compliance completions"), ["refused", "2 reports have this name", "the ID"]),
            (Case::named("reports=403", "x"), ["refused", "list the reports", "Power User profile"]),
        ] {
            check(case, &words).await;
        }
    });
}

/// The start has a side effect: where its answer is lost, it is not sent again.
#[test]
fn a_start_without_an_answer_is_not_repeated() {
    on_threads(async {
        for (misbehave, exports) in [("start=lost", 1), ("start=reset", 0), ("start=500", 0), ("start=504", 0)] {
            let stage = check(Case::new(misbehave), &["unconfirmed", "may have been started", "new export"]).await;
            let starts = stage.sandbox.log().iter().filter(|seen| seen.path.ends_with("/export/csv")).count();
            assert_eq!((starts, stage.sandbox.exports()), (1, exports), "{misbehave}");
        }
        let stalled = Case::new("start=stall").with(|case| case.tenant.timeouts.idle = ms(100));
        check(stalled, &["unconfirmed", "response timed out"]).await;
        let stage = check(Case::new("start=429*3"), &["2500 rows"]).await;
        assert_eq!(stage.sandbox.exports(), 1);
    });
}

#[test]
fn downloads_that_are_no_report() {
    on_threads(async {
        for (misbehave, words) in [
            ("zip=none", ["refused", "the ZIP is empty", "by hand"]),
            ("zip=two", ["refused", "2 CSVs, not one: \"compliance_1.csv\", \"compliance_2.csv\"", "split"]),
            ("zip=not_csv", ["refused", "holds no CSV, only \"readme.txt\"", "as CSV"]),
            ("zip=xlsx", ["refused", "XLSX", "as CSV"]),
            ("zip=encrypted", ["refused", "encrypted", "password"]),
            ("zip=bomb", ["refused", "ZIP bomb", "compliance.csv"]),
            ("zip=truncated", ["later", "damaged", "ZIP"]),
            ("zip=corrupt", ["unreadable", "damaged", "extract.zip"]),
            ("zip=empty", ["refused", "the body is empty", "report"]),
            ("zip=html", ["refused", "web page", "sign-in page"]),
            ("zip=json", ["refused", "JSON", "Export not available"]),
            ("zip=gzip", ["refused", "gzip", "not CSV"]),
            ("cut=99", ["later", "download the export", "report"]),
            ("download=400", ["refused", "400", "download the export"]),
            ("download=404", ["expired", "404", "gone"]),
            ("download=redirect", ["refused", "302", "not followed"]),
            ("download=403", ["refused", "403", "permission to view and export"]),
        ] {
            check(Case::new(misbehave), &words).await;
        }
        let hung = Case::new("hang=1").with(|case| case.tenant.timeouts.idle = ms(700));
        check(hung, &["2500 rows"]).await;
        let stalled = Case::new("download=stall").with(|case| {
            case.tenant.timeouts.idle = ms(700);
            case.tenant.retry.give_up_after = ms(200);
        });
        check(stalled, &["later", "response timed out"]).await;
    });
}

#[test]
fn results_that_are_no_report() {
    on_threads(async {
        for (misbehave, words) in [
            ("drift", ["refused", "columns change", "\"Username\""]),
            ("duplicate_header", ["refused", "two columns are called \"Employee Number\"", "download"]),
            ("paging=stuck", ["refused", "the same nextToken was received twice", "download"]),
            ("paging=same", ["refused", "the same page was received twice", "download"]),
            ("paging=same,counts", ["refused", "page 2 was requested and page 1 received", "download"]),
            ("paging=page,overlap", ["refused", "starts with the last 500 rows of the page before", "download"]),
            ("overlap", ["refused", "starts with the last 500 rows", "download"]),
            ("lost_rows=7,counts", ["refused", "states 2500 rows, and 2493 were received", "download"]),
            ("paging=page,lost_rows=7,counts", ["refused", "states 2500 rows, and 2493 were received", "download"]),
            ("page_cap=250,paging=same", ["refused", "the same page was received twice", "download"]),
            ("header_only", ["refused", "no rows, and so no header", "download"]),
            ("results=html", ["refused", "web page", "results"]),
            ("results=unsuccessful", ["refused", "Operation not permitted", "results"]),
            ("results=garbage", ["refused", "not JSON", "results"]),
            ("results=404", ["expired", "gone", "results"]),
        ] {
            check(Case::results(misbehave), &words).await;
        }
        let early = Case::results("early_results_400=999999").impatient();
        check(early, &["later", "not ready", "poll.give_up_after"]).await;
    });
}

#[test]
fn limits_hold_at_their_edges() {
    on_threads(async {
        let plain = Case::new("zip=plain").stage().await;
        let bytes = plain.pull().await.expect("an extract").bytes;
        let zipped = Case::new("").stage().await.pull().await.expect("an extract").bytes;
        let fits = "2500 rows";
        for (misbehave, download, extract, words) in [
            ("zip=plain", bytes, bytes, fits),
            ("zip=plain", bytes - 1, bytes, "limits.download_bytes"),
            ("zip=plain", bytes, bytes - 1, "limits.extract_bytes"),
            ("", zipped, bytes, fits),
            ("", zipped - 1, bytes, "limits.download_bytes"),
            ("", zipped, bytes - 1, "limits.extract_bytes"),
        ] {
            let limit = |case: &mut Case| (case.limits.download_bytes, case.limits.extract_bytes) = (download, extract);
            check(Case::new(misbehave).with(limit), &[words]).await;
        }
        check(Case::results("").with(|case| case.limits.rows = ROWS), &[fits]).await;
        check(Case::results("").with(|case| case.limits.rows = ROWS - 1), &["limits.rows"]).await;
        check(Case::results("").with(|case| case.limits.response_bytes = 2000), &["limits.response_bytes"]).await;
    });
}
