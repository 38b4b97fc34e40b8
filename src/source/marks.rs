//! The bytes that may end a field or a record, found many at a time.
//!
//! A search for the next such byte costs as much as the few bytes of a typical field. So a text is looked at in
//! pieces of 64 bytes, each of which becomes a word with a bit for each byte that means something; going from
//! one to the next is then a matter of a few instructions.

/// The bytes of a piece.
const PIECE: usize = 64;

/// Gives the positions of some bytes in a text, in order.
#[derive(Clone, Debug)]
pub(super) struct Marks<'t> {
    text: &'t [u8],
    wanted: [u8; 4],
    /// Where the present piece begins.
    piece: usize,
    /// Those of its marks that are still to come.
    left: u64,
}

impl<'t> Marks<'t> {
    /// Of these bytes.
    pub fn new(text: &'t [u8], wanted: [u8; 4]) -> Self {
        let mut marks = Self { text, wanted, piece: 0, left: 0 };
        marks.left = marks.of_piece(0);
        marks
    }

    /// The text from this position on.
    pub fn text(&self, from: usize) -> &'t [u8] {
        self.text.get(from..).unwrap_or_default()
    }

    /// The position of the next mark.
    #[inline]
    pub fn next(&mut self) -> Option<usize> {
        while self.left == 0 {
            if self.piece + PIECE >= self.text.len() {
                return None;
            }
            self.piece += PIECE;
            self.left = self.of_piece(self.piece);
        }
        let at = self.piece + self.left.trailing_zeros() as usize;
        self.left &= self.left - 1;
        Some(at)
    }

    /// Goes on with the first mark from this position on.
    pub fn seek(&mut self, at: usize) {
        let piece = at / PIECE * PIECE;
        self.piece = piece;
        self.left = self.of_piece(piece) & (u64::MAX << (at % PIECE));
    }

    /// The marks of the piece that begins here.
    #[inline]
    fn of_piece(&self, start: usize) -> u64 {
        let rest = self.text(start);
        match rest.first_chunk::<PIECE>() {
            Some(piece) => self.of_bytes(piece),
            None => {
                let mut piece = [0; PIECE];
                for (byte, there) in piece.iter_mut().zip(rest) {
                    *byte = *there;
                }
                self.of_bytes(&piece) & !(u64::MAX << rest.len())
            }
        }
    }

    #[inline]
    fn of_bytes(&self, piece: &[u8; PIECE]) -> u64 {
        let [first, second, third, fourth] = self.wanted;
        // A loop without branches, so that the compiler compares many bytes at once; it inlines neither `map` nor `zip`.
        let mut found = [0; PIECE];
        for at in 0..PIECE {
            let byte = piece[at];
            found[at] = u8::from(byte == first)
                | u8::from(byte == second)
                | u8::from(byte == third)
                | u8::from(byte == fourth);
        }
        let mut marks = 0;
        for eight in found.as_chunks::<8>().0.iter().rev() {
            marks = marks << 8 | bits(u64::from_le_bytes(*eight));
        }
        marks
    }
}

/// Eight bytes that are 0 or 1 as bits: the product moves each to its place in the highest byte.
const fn bits(bytes: u64) -> u64 {
    bytes.wrapping_mul(0x0102_0408_1020_4080) >> 56
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_mark_is_found_from_any_position_on(
            text in proptest::collection::vec(0u8..8, 0..300),
            from in 0usize..300,
        ) {
            let expected = |from: usize| {
                text.iter().enumerate().skip(from).filter(|(_, byte)| **byte < 4).map(|(at, _)| at)
            };
            let mut marks = Marks::new(&text, [0, 1, 2, 3]);
            let all: Vec<_> = std::iter::from_fn(|| marks.next()).collect();
            prop_assert_eq!(all, expected(0).collect::<Vec<_>>());
            marks.seek(from);
            let rest: Vec<_> = std::iter::from_fn(|| marks.next()).collect();
            prop_assert_eq!(rest, expected(from).collect::<Vec<_>>());
        }
    }
}
