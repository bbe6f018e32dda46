//! Go's module rules, pure: no sockets, no clocks, no logging.
