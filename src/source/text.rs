//! A source's content as UTF-8: byte order marks are taken off, other encodings decoded.

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8};

use super::file::SourceFile;
use super::kind::InputRead;
use crate::diagnostic::{Code, Problem};

/// The replacement of a sequence that the encoding does not know. It is never a part of UTF-8, so the
/// row that has it is rejected like any row with bytes that are not UTF-8.
const MALFORMED: u8 = 0xff;

/// The content of a file as UTF-8. Bytes of a file that says to be UTF-8 are given as they are.
pub(super) struct Text {
    file: SourceFile,
    transcoder: Option<Transcoder>,
    skipped: u64,
}

impl Text {
    /// Takes the byte order mark off.
    ///
    /// # Errors
    /// The file can't be read, or its byte order mark belongs to another encoding.
    pub fn new(mut file: SourceFile, encoding: &'static Encoding) -> Result<Self, Problem> {
        let mark = Encoding::for_bom(file.peek(3)?);
        if let Some((actual, _)) = mark
            && actual != encoding
        {
            let label = actual.name().to_lowercase();
            return Err(Problem::new(
                Code::WrongEncoding,
                format!(
                    "the file begins with the byte order mark of {}, but is read as {}",
                    actual.name(),
                    encoding.name()
                ),
            )
            .in_file(file.path())
            .help(format!("set `encoding: {label}`")));
        }
        let mut skipped = 0;
        if let Some((_, length)) = mark {
            let mut discard = [0; 3];
            while skipped < length {
                skipped += file.read(&mut discard[..length - skipped])?;
            }
        }
        let transcoder = (encoding != UTF_8).then(|| Transcoder::new(encoding));
        // Offsets are those of the file wherever they can be.
        let skipped = if transcoder.is_none() { skipped as u64 } else { 0 };
        Ok(Self { file, transcoder, skipped })
    }

    /// The offset of the first byte of the text: the length of a UTF-8 byte order mark.
    pub fn first_offset(&self) -> u64 {
        self.skipped
    }

    pub fn file(&mut self) -> &mut SourceFile {
        &mut self.file
    }

    /// Reads some text into `out`, which has room for a few characters; 0 bytes at the end only.
    pub fn read(&mut self, out: &mut [u8]) -> Result<usize, Problem> {
        match &mut self.transcoder {
            None => self.file.read(out),
            Some(transcoder) => transcoder.read(&mut self.file, out),
        }
    }

    /// Reads on to the end of the file and gives its digest and size.
    pub fn finish(self) -> Result<InputRead, Problem> {
        self.file.finish()
    }
}

struct Transcoder {
    decoder: Decoder,
    input: Box<[u8]>,
    start: usize,
    end: usize,
    last: bool,
    done: bool,
}

impl Transcoder {
    const INPUT: usize = 64 * 1024;

    fn new(encoding: &'static Encoding) -> Self {
        Self {
            decoder: encoding.new_decoder_without_bom_handling(),
            input: vec![0; Self::INPUT].into(),
            start: 0,
            end: 0,
            last: false,
            done: false,
        }
    }

    fn read(&mut self, file: &mut SourceFile, out: &mut [u8]) -> Result<usize, Problem> {
        let mut written = 0;
        while written == 0 && !self.done {
            if self.start == self.end && !self.last {
                self.start = 0;
                self.end = file.read(&mut self.input)?;
                self.last = self.end == 0;
            }
            // One byte is kept for the mark of a malformed sequence.
            let room = out.len().saturating_sub(1);
            let (result, consumed, length) = self.decoder.decode_to_utf8_without_replacement(
                &self.input[self.start..self.end],
                &mut out[..room],
                self.last,
            );
            self.start += consumed;
            written = length;
            match result {
                DecoderResult::InputEmpty => self.done = self.last,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => {
                    out[written] = MALFORMED;
                    written += 1;
                }
            }
        }
        Ok(written)
    }
}
