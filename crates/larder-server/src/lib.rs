//! The HTTP surface of Larder.
