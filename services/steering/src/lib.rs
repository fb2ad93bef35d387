//! From a client's address to appliances that hold its files.
