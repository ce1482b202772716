//! Delivery into a directory of this machine.
