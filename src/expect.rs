//! ⑤ Is this what was promised? Pass or hold.
