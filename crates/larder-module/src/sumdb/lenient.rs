//! Base64 as Go's standard decoder reads it.
//!
//! It skips carriage returns and newlines wherever they stand, and takes unused trailing bits
//! that aren't zero. A stricter reader would refuse signatures and keys that the `go` command
//! accepts.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// Returns the decoded bytes, or nothing when Go's decoder would refuse the text.
pub(super) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let is_break = |byte: &u8| matches!(byte, b'\r' | b'\n');
    if text.iter().any(is_break) {
        let kept: Vec<u8> = text.iter().copied().filter(|byte| !is_break(byte)).collect();
        return ENGINE.decode(kept).ok();
    }
    ENGINE.decode(text).ok()
}

/// Returns the canonical text of the bytes.
pub(super) fn encode(bytes: &[u8]) -> String {
    ENGINE.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_go_reads() {
        let cases: &[(&str, Option<&[u8]>)] = &[
            ("", Some(b"")),
            ("AA==", Some(b"\0")),
            ("AB==", Some(b"\0")),
            ("A\nA=\r\n=", Some(b"\0")),
            ("AA==\n", Some(b"\0")),
            ("\r\n", Some(b"")),
            ("AAA=", Some(b"\0\0")),
            ("AA", None),
            ("AA=", None),
            ("AA===", None),
            ("AA==A", None),
            ("A A==", None),
            ("A===", None),
            ("====", None),
            ("_-==", None),
        ];
        for (text, wanted) in cases {
            assert_eq!(decode(text.as_bytes()).as_deref(), *wanted, "{text:?}");
        }
    }
}
