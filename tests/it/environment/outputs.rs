//! Standard error and standard output that cannot be written.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, PipeReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Output, Stdio};

use super::{all_delivered, rig};
use crate::stage::rig::{SLOT, both, document};
use crate::work::stand::{Stand, Working};

const RUN: [&str; 5] = ["run", "line", "--slot", SLOT, "--json"];

/// A pipe that is full, and its end that nobody reads.
fn full_pipe() -> (PipeReader, Stdio) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    rustix::fs::fcntl_setfl(&writer, rustix::fs::OFlags::NONBLOCK).unwrap();
    while writer.write(&[b'.'; 4096]).is_ok() {}
    rustix::fs::fcntl_setfl(&writer, rustix::fs::OFlags::empty()).unwrap();
    (reader, writer.into())
}

fn closed_pipe() -> Stdio {
    std::io::pipe().unwrap().1.into()
}

fn full_device() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

#[test]
fn a_run_whose_standard_error_cannot_be_written_delivers() {
    let (_nobody_reads, full) = full_pipe();
    for (index, stderr) in [full_device(), closed_pipe(), full].into_iter().enumerate() {
        let rig = rig(1000);
        // The loudest log: some of it in the middle of the delivery.
        let mut command = rig.command(&[&["--set", "log.filter=debug"], &RUN[..]].concat());
        let output = command.stdout(Stdio::piped()).stderr(stderr).spawn().unwrap().wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{index}: {}", both(&output));
        assert_eq!(document(&output)["state"], "delivered");
        assert_eq!(rig.arrived().len(), 2);
        // What is printed without a log: the slot is done already.
        let mut again = rig.command(&RUN);
        let stderr = if index == 0 { full_device() } else { closed_pipe() };
        assert_eq!(again.stdout(Stdio::null()).stderr(stderr).status().unwrap().code(), Some(0));
    }
}

#[test]
fn an_error_that_cannot_be_printed_keeps_its_exit_code() {
    let (_nobody_reads, full) = full_pipe();
    let rig = rig(10);
    for stderr in [full_device(), closed_pipe(), full] {
        let mut command = rig.command(&["show", "0123"]);
        assert_eq!(command.stderr(stderr).stdout(Stdio::null()).status().unwrap().code(), Some(2));
    }
    let mut wrong = rig.command(&["no-such-command"]);
    assert_eq!(wrong.stderr(full_device()).status().unwrap().code(), Some(2));
}

#[test]
fn a_worker_whose_log_nobody_reads_delivers_and_stops() {
    let stand = Stand::new(rig(1000));
    stand.behind("line", 3);
    let (_nobody_reads, full) = full_pipe();
    let mut command = stand.rig.command(&["--set", "log.filter=debug", "work"]);
    let child = command.stdout(Stdio::null()).stderr(full).spawn().unwrap();
    let worker = Working::of(child);
    all_delivered(&stand, 3);
    assert_eq!(worker.stop().code(), Some(0));
}

#[test]
fn lines_lost_while_the_log_had_no_reader_are_counted_once_it_has_one() {
    let stand = Stand::new(rig(1000));
    let path = stand.rig.folder.path().join("log");
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let read = || {
        let nonblock = rustix::fs::OFlags::NONBLOCK.bits() as i32;
        let file = OpenOptions::new().read(true).custom_flags(nonblock).open(&path).unwrap();
        rustix::fs::fcntl_setfl(&file, rustix::fs::OFlags::empty()).unwrap();
        BufReader::new(file)
    };
    let mut reader = read();
    let stderr: File = OpenOptions::new().write(true).open(&path).unwrap();
    let child = stand.rig.command(&["work"]).stdout(Stdio::null()).stderr(stderr).spawn().unwrap();
    let worker = Working::of(child);
    let mut line = String::new();
    while !line.contains("worker started") {
        line.clear();
        reader.read_line(&mut line).unwrap();
    }
    drop(reader);
    stand.behind("other", 3);
    std::fs::write(stand.pipeline("other"), super::TO_FOLDER.replace("{slot:", "other-{slot:")).unwrap();
    all_delivered(&stand, 3);
    let mut reader = read();
    std::fs::remove_file(stand.pipeline("other")).unwrap();
    line.clear();
    while !line.contains("log lines lost: standard error could not be written") {
        line.clear();
        assert!(reader.read_line(&mut line).unwrap() > 0, "the log ended");
    }
    assert!(line.contains("lines="), "{line}");
    assert_eq!(worker.stop().code(), Some(0));
}

#[test]
fn a_full_standard_output_is_an_error_after_the_work_and_a_closed_one_is_none() {
    let rig = rig(1000);
    let to = |stdout: Stdio, arguments: &[&str]| -> Output {
        let mut command = rig.command(arguments);
        command.stdout(stdout).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap()
    };
    let full = to(full_device(), &RUN);
    assert_eq!(full.status.code(), Some(1), "{}", both(&full));
    assert!(String::from_utf8_lossy(&full.stderr).contains("cannot write to standard output"), "{}", both(&full));
    assert_eq!(rig.arrived().len(), 2, "delivered all the same");
    let new = rig.folder.path().join("new");
    let init = ["init", new.to_str().unwrap()];
    for arguments in [&["runs"][..], &["check"], &["schema"], &["status", "--json"], &["--help"], &init] {
        let full = to(full_device(), arguments);
        assert_eq!(full.status.code(), Some(1), "{arguments:?}: {}", both(&full));
        let closed = to(closed_pipe(), arguments);
        assert_eq!(closed.status.code(), Some(0), "{arguments:?}: {}", both(&closed));
        assert!(!String::from_utf8_lossy(&closed.stderr).contains("error"), "{arguments:?}: {}", both(&closed));
    }
    assert!(new.join("pipeline.schema.json").exists(), "init wrote all its files");
}
