//! ⑧ What happened: the durable record of slots, runs, deliveries, attempts and receipts.
