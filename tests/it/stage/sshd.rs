//! A private OpenSSH server on loopback, never the system's.
