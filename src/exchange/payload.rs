//! Payloads: bytes that say themselves which version and which job they are of, so that an engine
//! only has to move them.

use super::{VERSION, stream_problem};
use crate::diagnostic::Problem;

/// The first bytes of every payload.
const MAGIC: &[u8; 2] = b"RS";
/// Magic, version, job, kind and number.
const HEADER: usize = 2 + 1 + 8 + 1 + 1;

/// Identifies a job.
pub type Tag = [u8; 8];

/// The content of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Rows by their key. The number is the side.
    Keyed,
    /// Rows open to a pass. The number is the side, and twice that of the pass.
    Open,
    /// Records that passes have made. The number is the side.
    Settled,
    Rejected,
    /// Counts, for the driver.
    Counts,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Keyed, Self::Open, Self::Settled, Self::Rejected, Self::Counts];
}

/// A payload taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload<'a> {
    pub kind: Kind,
    pub number: u8,
    pub body: &'a [u8],
}

impl<'a> Payload<'a> {
    /// Takes apart a payload of this job.
    ///
    /// # Errors
    /// Bytes that are no payload, or one of another version or job.
    pub fn read(bytes: &'a [u8], tag: Tag) -> Result<Self, Problem> {
        let no_payload = || stream_problem("a row of the stream has no payload of `recon shard`");
        let (header, body) = bytes.split_at_checked(HEADER).ok_or_else(no_payload)?;
        let (magic, rest) = header.split_at(MAGIC.len());
        let (version, rest) = rest.split_at(1);
        let (of_job, kind) = rest.split_at(tag.len());
        if magic != MAGIC {
            return Err(no_payload());
        }
        if version != [VERSION] {
            let message = format!(
                "the stream is of version {} of the exchange, and this is version {VERSION}",
                version.first().copied().unwrap_or_default()
            );
            return Err(stream_problem(message).help("use one version of recon on all machines"));
        }
        if of_job != tag {
            return Err(stream_problem("the stream belongs to another job")
                .help("give every step the same file of `recon shard plan`"));
        }
        let [kind, number] = *kind else { return Err(no_payload()) };
        let kind = Kind::ALL.get(usize::from(kind)).copied().ok_or_else(no_payload)?;
        Ok(Self { kind, number, body })
    }

    /// Writes the payload into `out`.
    pub fn write(&self, tag: Tag, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(MAGIC);
        out.push(VERSION);
        out.extend_from_slice(&tag);
        out.push(self.kind as u8);
        out.push(self.number);
        out.extend_from_slice(self.body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_payloads_of_this_version_and_job_are_read() {
        let tag = *b"12345678";
        let payload = Payload { kind: Kind::Open, number: 7, body: b"rows" };
        let mut bytes = Vec::new();
        payload.write(tag, &mut bytes);
        assert_eq!(Payload::read(&bytes, tag).unwrap(), payload);
        let said = |bytes: &[u8], tag| Payload::read(bytes, tag).unwrap_err().message;
        assert!(said(&bytes, *b"12345679").contains("another job"));
        bytes[2] += 1;
        assert!(said(&bytes, tag).contains("version 2"));
        assert!(said(b"RS", tag).contains("no payload"));
        assert!(said(b"{\"json\": \"object\"}", tag).contains("no payload"));
    }
}
