//! The straight line, on one screen.
