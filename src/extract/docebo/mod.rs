//! Docebo reports: token, identity, export, download.
