//! The sandbox's reports: fixed ids, names, and display headers as in Docebo.

/// One saved report.
pub struct Report {
    pub id: &'static str,
    pub name: &'static str,
    /// Its name in `--misbehave`.
    pub short: &'static str,
    pub columns: &'static [(&'static str, Column)],
}

/// Source of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    EmployeeNumber,
    Username,
    Email,
    FirstName,
    LastName,
    Branch,
    CourseCode,
    CourseTitle,
    Status,
    EnrollmentDate,
    CompletionDate,
    LastAccess,
    Score,
    Minutes,
    Seconds,
    Progress,
    Credits,
    Archived,
    Session,
    Attended,
    Expires,
}

use Column::*;

pub const REPORTS: &[Report] = &[
    Report {
        id: "619bf79c-970a-4a8e-be8a-dde48a05c652",
        name: "Compliance completions",
        short: "compliance",
        columns: &[
            ("Employee Number", EmployeeNumber),
            ("Username", Username),
            ("Email", Email),
            ("First Name", FirstName),
            ("Last Name", LastName),
            ("Branch Name", Branch),
            ("Course Code", CourseCode),
            ("Course title", CourseTitle),
            ("Course Enrollment Status", Status),
            ("Enrollment Date", EnrollmentDate),
            ("Completion Date", CompletionDate),
            ("Final Score", Score),
            ("Session Time (min)", Minutes),
            ("Course Progress (%)", Progress),
        ],
    },
    Report {
        id: "0b6c2f4e-52a1-4d0a-9a55-2f0e6f2b7c11",
        name: "Course enrollments",
        short: "enrollments",
        columns: &[
            ("Username", Username),
            ("Email", Email),
            ("Branch Name", Branch),
            ("Course Code", CourseCode),
            ("Course title", CourseTitle),
            ("Course Enrollment Status", Status),
            ("Enrollment Date", EnrollmentDate),
            ("Archived Enrollment (Yes / No)", Archived),
        ],
    },
    Report {
        id: "3f1d8c90-7b64-4c1e-8f0b-91c6d3a7e522",
        name: "User progress",
        short: "progress",
        columns: &[
            ("Employee Number", EmployeeNumber),
            ("Username", Username),
            ("First Name", FirstName),
            ("Last Name", LastName),
            ("Course Code", CourseCode),
            ("Course Progress (%)", Progress),
            ("Training Material Time (sec)", Seconds),
            ("Course Last Access Date", LastAccess),
        ],
    },
    Report {
        id: "a4e0d7b2-1c3f-4e6a-bb7d-60f2c8915d33",
        name: "Sessions attendance",
        short: "sessions",
        columns: &[
            ("Employee Number", EmployeeNumber),
            ("Email", Email),
            ("Course Code", CourseCode),
            ("Session Name", Session),
            ("Session Attendance (Yes / No)", Attended),
            ("Session Time (min)", Minutes),
            ("Final Score", Score),
        ],
    },
    Report {
        id: "c7725e18-d9ab-43f0-a2c4-7be0148f9a44",
        name: "Certifications and retraining",
        short: "certifications",
        columns: &[
            ("Employee Number", EmployeeNumber),
            ("First Name", FirstName),
            ("Last Name", LastName),
            ("Course title", CourseTitle),
            ("Completion Date", CompletionDate),
            ("To Renew On", Expires),
            ("Credits (CEUs)", Credits),
        ],
    },
    Report {
        id: "e95ab3c6-08d4-4f27-9d1e-3a8c5b60fe55",
        name: "Course catalog",
        short: "catalog",
        columns: &[("Course Code", CourseCode), ("Course title", CourseTitle), ("Credits (CEUs)", Credits)],
    },
];

#[cfg(feature = "fault-injection")]
pub(super) fn by_short(short: &str) -> Option<&'static Report> {
    REPORTS.iter().find(|report| report.short == short)
}

pub(super) fn by_id(id: &str) -> Option<&'static Report> {
    REPORTS.iter().find(|report| report.id == id)
}
