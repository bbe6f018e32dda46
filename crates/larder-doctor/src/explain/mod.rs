//! Which route the go command takes for a path, and which setting decided each step.
