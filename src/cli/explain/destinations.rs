//! One destination in sentences.

use super::request::requests;
use super::{Fact, duration};
use crate::attempt::Backoff;
use crate::cli::plan::{address, without_query};
use crate::pipeline::plan::{
    AckRows, AfterNameWait, DeliveryPlan, DroppedMax, Existing, NameWait, RefusedRows, Request,
};
use crate::settings::{
    ClientAuth, ClientCredentials, Compress, Destination, DestinationKind, Local, Pickup, Publish, Sftp, Verify,
    Webhook, WebhookAuth, WebhookBody,
};

pub(super) fn delivery(delivery: &DeliveryPlan) -> Vec<Fact> {
    let DeliveryPlan {
        destination,
        at: _,
        directory,
        existing,
        upload_as,
        replace_with_gap,
        publish_together,
        checksum,
        manifest,
        done_file,
        done_content,
        required,
        alert_after,
        request,
        refused_rows,
        ack_rows,
    } = delivery;
    let Destination { name, kind, retry, pickup, alert_after: _ } = &**destination;
    let mut items = match kind {
        DestinationKind::Sftp(server) => sftp(server, directory),
        DestinationKind::Local(folder) => local(folder, directory),
        DestinationKind::Webhook(receiver) => webhook(receiver, request.as_ref()),
    };
    if destination.webhook().is_none() {
        items.push(self::existing(*existing, *replace_with_gap));
        items.extend(upload_as.as_ref().map(|name| format!("It is written as {name}, then renamed.")));
        for (what, template) in [("checksum", checksum), ("manifest of rows, columns and digest", manifest)] {
            items.extend(template.as_ref().map(|name| format!("A {what} is put beside it, called {name}.")));
        }
        if let Some(name) = done_file {
            let content = if done_content.is_some() { "a text" } else { "nothing" };
            items.push(format!("Last, a file called {name} with {content} in it shows that all is complete."));
        }
        if *publish_together {
            items.push("All files of a split artifact get their names together.".to_owned());
        }
        items.extend(self::pickup(pickup));
    }
    items.extend(ack_rows.as_ref().map(self::ack_rows));
    let is_answered = ack_rows.is_some() || request.as_ref().is_some_and(|request| request.response_rows.is_some());
    items.extend(is_answered.then(|| self::refused_rows(*refused_rows)));
    items.push(match required {
        true => "The run counts as delivered only if this delivery succeeds.".to_owned(),
        false => "The run counts as delivered without it.".to_owned(),
    });
    items.push(self::retry(*retry));
    items.push(match alert_after {
        Some(after) => format!("If it is not done after {}, that is an alert.", duration(*after)),
        None => "There is no alert if it takes long.".to_owned(),
    });
    vec![Fact::list(format!("{name}: {}", address(kind)), items)]
}

/// Returns what follows from rows that a receiver or reader that answers for single rows does not accept.
fn refused_rows(RefusedRows(max): RefusedRows) -> String {
    let limit = match max {
        DroppedMax::Rows(0) => "If it refuses a row".to_owned(),
        max => format!("If it refuses more than {max}"),
    };
    format!("{limit}, or does not answer for one, the delivery is partial and the run failed; these rows are kept.")
}

/// Returns how an acknowledgement file is read.
fn ack_rows(rows: &AckRows) -> String {
    let AckRows {
        delimiter: _,
        columns: _,
        skip: _,
        lines,
        ours,
        theirs,
        accepted,
        reason,
        bytes_max: _,
        refused_max: _,
    } = rows;
    let lines = lines.as_ref().map_or("Each line".to_owned(), |lines| format!("Each line with {lines}"));
    let reason = reason.as_ref().map_or(String::new(), |reason| format!(" Its reason is in {reason}."));
    format!(
        "{lines} of the acknowledgement file is the answer for a row, found by {ours}, which is in its column {theirs}: the row is \
         accepted if {accepted}.{reason}"
    )
}

/// The parts of a server that change what is delivered, where, or who can read it.
fn sftp(server: &Sftp, directory: &str) -> Vec<String> {
    let below = if server.base.is_empty() { "the account's folder" } else { &server.base };
    let mut items = vec![
        "The connection is encrypted (SSH). The server must show a host key that is on file, or nothing is sent."
            .to_owned(),
        format!("The file goes into {}{below}.", folder(directory)),
    ];
    if let Some(jump) = &server.jump {
        items.push(format!(
            "The connection is made through the SSH server {}, which must show its host key too.",
            jump.host
        ));
    }
    if let Some(proxy) = &server.proxy {
        items.push(format!(
            "The connection goes through the proxy {}, which sees only the encrypted bytes.",
            proxy.host
        ));
    }
    if server.mkdir {
        items.push("Missing folders are created.".to_owned());
    }
    items.push(match server.publish {
        Publish::Rename => "It is written under a temporary name and renamed once it is complete.".to_owned(),
        Publish::Direct => "It is written under its final name: a reader may see an incomplete file.".to_owned(),
    });
    let when = match server.publish {
        Publish::Rename => "before it gets its name",
        Publish::Direct => "once it is written",
    };
    items.push(match server.verify {
        Verify::Size => format!("Its size is checked {when}."),
        Verify::ReadBack => format!("It is read back and compared {when}."),
        Verify::None => "It is not checked at the server.".to_owned(),
    });
    items
}

fn local(Local { path, mkdir, mode, dir_mode: _, mtime: _ }: &Local, directory: &str) -> Vec<String> {
    let mut items =
        vec![format!("The file goes into {}{}, on the worker's machine.", folder(directory), path.display())];
    if *mkdir {
        items.push("Missing folders are created.".to_owned());
    }
    if let Some(mode) = mode {
        items.push(format!("Its permissions are {mode:04o}."));
    }
    items.push("It is written under a temporary name and renamed once it is complete.".to_owned());
    items
}

/// The parts of a receiver that change what is sent, or who can read it.
fn webhook(receiver: &Webhook, request: Option<&Request>) -> Vec<String> {
    let mut items = request.map(requests).unwrap_or_default();
    items.extend(request.is_none().then(|| match receiver.body {
        WebhookBody::Rows { rows, bytes: _ } => format!("The rows are sent as JSON, at most {rows} in one request."),
        WebhookBody::File => "The file is sent as it is.".to_owned(),
        WebhookBody::Notice => "Only a notice is sent: where the file is, its size and its digest.".to_owned(),
    }));
    items.push(match receiver.url.starts_with("https://") {
        true => "The connection is encrypted (HTTPS), and the receiver's certificate is checked.".to_owned(),
        false => "THE CONNECTION IS NOT ENCRYPTED (HTTP).".to_owned(),
    });
    if let Some(proxy) = &receiver.egress.proxy {
        items.push(format!("The connection goes through the proxy {}.", proxy.url));
    }
    items.push(match receiver.secrets.is_empty() {
        true => "Requests are not signed.".to_owned(),
        false => "Each request is signed, so that the receiver can verify that it is ours.".to_owned(),
    });
    items.extend(receiver.auth.as_ref().map(|auth| match auth {
        WebhookAuth::Bearer(_) => "It signs in with a token.".to_owned(),
        WebhookAuth::Basic { username, password: _ } => format!("It signs in as {username} with a password."),
        WebhookAuth::OAuth2(credentials) => client_credentials(credentials),
    }));
    match receiver.compress {
        Compress::None => {}
        Compress::Gzip => items.push("Bodies are compressed (gzip).".to_owned()),
        Compress::Zstd => items.push("Bodies are compressed (zstd).".to_owned()),
    }
    items
}

fn client_credentials(credentials: &ClientCredentials) -> String {
    let ClientCredentials { token_url, client_id, client_secret: _, scope, audience, auth } = credentials;
    let scope = scope.as_ref().map(|scope| format!(" of the scope {scope:?}")).unwrap_or_default();
    let audience = audience.as_ref().map(|audience| format!(" for {audience}")).unwrap_or_default();
    let place = match auth {
        ClientAuth::Basic => "header",
        ClientAuth::Body => "body",
    };
    format!(
        "It signs in with a token{scope}{audience}, which {} issues to the client {client_id} (OAuth2; the secret is in the \
         {place} of the token request).",
        without_query(token_url)
    )
}

/// Returns the words before the folder that a destination's files stay below.
fn folder(directory: &str) -> String {
    if directory.is_empty() { String::new() } else { format!("the folder {directory} below ") }
}

fn existing(existing: Existing, with_gap: bool) -> String {
    match (existing, with_gap) {
        (Existing::Fail, _) => "If a file of that name is there, the delivery fails, and the file stays.".to_owned(),
        (Existing::Replace, false) => "A file of that name is replaced in one step.".to_owned(),
        (Existing::Replace, true) => "A file of that name is replaced; for a moment neither may be there.".to_owned(),
        (Existing::Keep, _) => "If a file of that name is there, it stays, and nothing is delivered.".to_owned(),
        (Existing::Number, _) => {
            "If a file of that name is there, the new one gets a number: name-1, name-2, ….".to_owned()
        }
        (Existing::Wait(NameWait { deadline, then }), _) => {
            let end = match then {
                AfterNameWait::Hold => "is held for a decision",
                AfterNameWait::Fail => "fails",
            };
            format!(
                "While a file of that name is there, the new one waits, and those of later slots wait behind it; after {} the \
                 delivery {end}.",
                duration(deadline)
            )
        }
    }
}

fn pickup(pickup: &Pickup) -> Option<String> {
    let within = |pickup: &Pickup| match pickup.deadline() {
        Some(deadline) => format!("; if that does not happen within {}, it is an alert", duration(deadline.after)),
        None => String::new(),
    };
    Some(match pickup {
        Pickup::None => return None,
        Pickup::Immediate => "The server takes the file away at once.".to_owned(),
        Pickup::Moved { deadline: _ } => format!("Its reader is expected to take the file away{}.", within(pickup)),
        Pickup::AckFile { name, deadline: _ } => {
            format!("Its reader is expected to write a file called {name}{}.", within(pickup))
        }
    })
}

fn retry(Backoff { initial, max, give_up_after }: Backoff) -> String {
    format!(
        "After a failure it is tried again: first after about {}, then at most {} apart, for {}. A refusal is not tried again.",
        duration(initial),
        duration(max),
        duration(give_up_after)
    )
}
