//! The conductors: the order of the stages, and the plan they follow.
