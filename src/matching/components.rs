//! Connected components: rows that must be decided together.

/// Sets that are joined (Tarjan's union–find with path halving).
#[derive(Clone, Debug)]
pub(super) struct Sets(Vec<u32>);

impl Sets {
    pub fn new(count: usize) -> Self {
        Self((0..count as u32).collect())
    }

    pub fn find(&mut self, mut at: usize) -> usize {
        while self.0[at] as usize != at {
            let above = self.0[self.0[at] as usize];
            self.0[at] = above;
            at = above as usize;
        }
        at
    }

    /// Joins two sets under the smaller number, so that the order of joining does not matter.
    pub fn join(&mut self, x: usize, y: usize) {
        let (x, y) = (self.find(x), self.find(y));
        let (low, high) = (x.min(y), x.max(y));
        self.0[high] = low as u32;
    }
}
