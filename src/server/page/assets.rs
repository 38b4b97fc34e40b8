//! The style sheet and the script, embedded in the program. Their names contain a content hash, so
//! that browsers may cache them forever.

use std::sync::OnceLock;

use sha2::{Digest, Sha256};

/// A file of the page.
pub struct Asset {
    name: &'static str,
    extension: &'static str,
    pub content_type: &'static str,
    pub bytes: &'static [u8],
    hash: &'static OnceLock<String>,
}

static STYLE_HASH: OnceLock<String> = OnceLock::new();
static SCRIPT_HASH: OnceLock<String> = OnceLock::new();

pub const STYLE: Asset = Asset {
    name: "review",
    extension: "css",
    content_type: "text/css; charset=utf-8",
    bytes: include_bytes!("assets/review.css"),
    hash: &STYLE_HASH,
};

pub const SCRIPT: Asset = Asset {
    name: "review",
    extension: "js",
    content_type: "text/javascript; charset=utf-8",
    bytes: include_bytes!("assets/review.js"),
    hash: &SCRIPT_HASH,
};

pub const ALL: [&Asset; 2] = [&STYLE, &SCRIPT];

impl Asset {
    /// First digits of the SHA-256.
    pub fn hash(&self) -> &str {
        self.hash.get_or_init(|| {
            let digest = Sha256::digest(self.bytes);
            crate::coding::hex(digest.get(..8).unwrap_or_default())
        })
    }

    /// As `review.0123456789abcdef.css`.
    pub fn file_name(&self) -> String {
        format!("{}.{}.{}", self.name, self.hash(), self.extension)
    }

    pub fn path(&self) -> String {
        format!("/assets/{}", self.file_name())
    }
}

pub fn find(file_name: &str) -> Option<&'static Asset> {
    ALL.into_iter().find(|asset| asset.file_name() == file_name)
}
