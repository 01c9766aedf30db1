//! The upkeep.
