//! Memoizes a rule's answers as a tree: inner nodes name the property that the rule reads next,
//! branches are the values it may have, and leaves are answers.
//!
//! This is valid because a script can reach nothing but the difference it is given: after the same
//! values, it reads the same property next or gives the same answer. Values that rarely repeat
//! (amounts) would fill the tree without ever being reused, so a node with too many branches gives
//! up: from there on the rule always runs.

use std::rc::Rc;

use foldhash::HashMap;

use crate::domain::DifferenceContext;
use crate::script::{Property, Reads};

/// Maximum branches of a node for values from the data.
const MAX_BRANCHES: usize = 64;
/// Maximum branches for field names and lists of them: a wide job has hundreds.
const MAX_FIELD_BRANCHES: usize = 1_024;
/// Maximum nodes of a tree.
const MAX_NODES: usize = 4_096;

/// The answers of one rule.
pub(super) struct Memo<T> {
    root: Node<T>,
    nodes: usize,
}

pub(super) enum Memoized<'a, T> {
    Answer(&'a T),
    /// Unknown; run the rule, record its reads, and [`learn`](Memo::learn) the answer.
    NotYet,
    /// Unknown and not worth learning.
    Never,
}

enum Node<T> {
    Unknown,
    Answer(Rc<T>),
    Read(Property, HashMap<Box<[u8]>, Node<T>>),
    /// Run the rule.
    GivenUp,
}

impl<T> Memo<T> {
    pub(super) const fn new() -> Self {
        Self { root: Node::Unknown, nodes: 0 }
    }

    /// Looks up the answer for `d`. `scratch` is a buffer for the values.
    pub(super) fn look_up(
        &self,
        d: &DifferenceContext<'_>,
        scratch: &mut Vec<u8>,
    ) -> Memoized<'_, T> {
        let mut node = &self.root;
        loop {
            match node {
                Node::Answer(answer) => return Memoized::Answer(answer),
                Node::GivenUp => return Memoized::Never,
                Node::Unknown => return Memoized::NotYet,
                Node::Read(property, branches) => {
                    scratch.clear();
                    property.encode(d, scratch);
                    match branches.get(scratch.as_slice()) {
                        Some(next) => node = next,
                        None if self.nodes >= MAX_NODES => return Memoized::Never,
                        None => return Memoized::NotYet,
                    }
                }
            }
        }
    }

    /// Stores the rule's answer after it read `reads`, and returns it.
    pub(super) fn learn(&mut self, reads: &Reads, answer: T) -> Rc<T> {
        let answer = Rc::new(answer);
        let mut node = &mut self.root;
        for (property, value) in reads.iter() {
            if matches!(node, Node::Unknown) {
                *node = Node::Read(property.clone(), HashMap::default());
            }
            let limit = match property {
                Property::Field | Property::Fields(_) => MAX_FIELD_BRANCHES,
                _ => MAX_BRANCHES,
            };
            let give_up = match node {
                // A different property than last time: not a pure function after all.
                Node::Read(known, _) if known != property => true,
                Node::Read(_, branches) => branches.len() >= limit && !branches.contains_key(value),
                _ => return answer,
            };
            if give_up {
                self.nodes -= node.size() - 1;
                *node = Node::GivenUp;
                return answer;
            }
            let Node::Read(_, branches) = node else { return answer };
            if !branches.contains_key(value) {
                self.nodes += 1;
            }
            node = branches.entry(value.into()).or_insert(Node::Unknown);
        }
        if matches!(node, Node::Unknown) {
            *node =
                if reads.are_complete() { Node::Answer(Rc::clone(&answer)) } else { Node::GivenUp };
        }
        answer
    }

    #[cfg(test)]
    pub(super) const fn nodes(&self) -> usize {
        self.nodes
    }
}

impl<T> Node<T> {
    /// This node and its descendants.
    fn size(&self) -> usize {
        match self {
            Self::Read(_, branches) => 1 + branches.values().map(Self::size).sum::<usize>(),
            _ => 1,
        }
    }
}
