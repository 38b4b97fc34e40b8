//! Memoizes a rule's answers as a tree: inner nodes name the property that the rule reads next,
//! branches are the values it may have, and leaves are answers.
//!
//! This is valid because a script can reach nothing but the difference it is given: after the same
//! values, it reads the same property next or gives the same answer. Values that rarely repeat
//! (amounts) would fill the tree without ever being reused, so a node with too many branches for the
//! use that was made of them gives up: from there on the rule always runs.

use std::cell::Cell;
use std::rc::Rc;

use foldhash::HashMap;

use crate::domain::DifferenceContext;
use crate::script::{Property, Reads};

/// Branches that a node may have without any use of them.
const UNUSED_NUMBERS: usize = 64;
/// The same for field names and lists of them: a wide job has hundreds.
const UNUSED_FIELDS: usize = 1_024;
/// The same for texts and dates: pairs of names come back only after hundreds of others.
const UNUSED_TEXTS: usize = 2_048;
/// Memory for a branch besides its value, about.
const BRANCH: usize = 256;

/// The answers of one rule.
pub(super) struct Memo<T> {
    root: Node<T>,
}

/// Bytes that the trees of a thread's rules may still take.
pub(super) struct Room(usize);

impl Room {
    pub(super) const fn new() -> Self {
        Self(12 << 20)
    }

    const fn has(&self, value: &[u8]) -> bool {
        BRANCH + value.len() <= self.0
    }
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
    Read(Property, Branches<T>),
    /// Run the rule.
    GivenUp,
}

struct Branches<T> {
    by_value: HashMap<Box<[u8]>, Node<T>>,
    /// How often one of them was followed.
    used: Cell<usize>,
}

impl<T> Memo<T> {
    pub(super) const fn new() -> Self {
        Self { root: Node::Unknown }
    }

    /// Looks up the answer for `d`. `scratch` is a buffer for the values.
    pub(super) fn look_up(
        &self,
        d: &DifferenceContext<'_>,
        scratch: &mut Vec<u8>,
        room: &Room,
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
                    match branches.by_value.get(scratch.as_slice()) {
                        Some(next) => {
                            branches.used.set(branches.used.get().saturating_add(1));
                            node = next;
                        }
                        None if room.has(scratch) => return Memoized::NotYet,
                        None => return Memoized::Never,
                    }
                }
            }
        }
    }

    /// Stores the rule's answer after it read `reads`, and returns it.
    pub(super) fn learn(&mut self, reads: &Reads, answer: T, room: &mut Room) -> Rc<T> {
        let answer = Rc::new(answer);
        let mut node = &mut self.root;
        for (property, value) in reads.iter() {
            if matches!(node, Node::Unknown) {
                *node = Node::Read(property.clone(), Branches::default());
            }
            let Node::Read(known, branches) = node else { return answer };
            // A different property than last time: not a pure function after all.
            if known != property || branches.are_useless(property, value) {
                room.0 += node.size();
                *node = Node::GivenUp;
                return answer;
            }
            if !branches.by_value.contains_key(value) {
                if !room.has(value) {
                    return answer;
                }
                room.0 -= BRANCH + value.len();
            }
            let Node::Read(_, branches) = node else { return answer };
            node = branches.by_value.entry(value.into()).or_insert(Node::Unknown);
        }
        if matches!(node, Node::Unknown) {
            *node =
                if reads.are_complete() { Node::Answer(Rc::clone(&answer)) } else { Node::GivenUp };
        }
        answer
    }

    /// The bytes of the tree.
    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.root.size()
    }
}

impl<T> Branches<T> {
    /// Whether there would be too many of them with this value.
    fn are_useless(&self, property: &Property, value: &[u8]) -> bool {
        let unused = match property {
            Property::Field | Property::Fields(_) => UNUSED_FIELDS,
            _ if property.is_number(value) => UNUSED_NUMBERS,
            _ => UNUSED_TEXTS,
        };
        self.by_value.len() >= unused + self.used.get() && !self.by_value.contains_key(value)
    }
}

impl<T> Default for Branches<T> {
    fn default() -> Self {
        Self { by_value: HashMap::default(), used: Cell::new(0) }
    }
}

impl<T> Node<T> {
    /// The bytes of its branches and theirs.
    fn size(&self) -> usize {
        let Self::Read(_, branches) = self else { return 0 };
        let branches = branches.by_value.iter();
        branches.map(|(value, node)| BRANCH + value.len() + node.size()).sum()
    }
}
