//! Delivery by SFTP.
