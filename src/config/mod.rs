//! `recon.yaml`, from what was written to what was meant.
