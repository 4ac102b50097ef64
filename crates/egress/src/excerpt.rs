//! The first bytes of an answer, counted after decompression: a bomb costs what is kept and no more.

use std::io::Write;

use flate2::write::{DeflateDecoder, GzDecoder};

/// Bytes of an answer that are read and kept.
pub const RESPONSE_BYTES_MAX: usize = 16 * 1_024;

/// Takes an answer's body piece by piece.
pub(crate) struct Excerpt(Decoder);

enum Decoder {
    Identity(Capped),
    Gzip(GzDecoder<Capped>),
    Deflate(DeflateDecoder<Capped>),
}

impl Excerpt {
    /// For the `Content-Encoding` given; an unknown one is kept as it came.
    pub(crate) fn new(content_encoding: Option<&str>) -> Self {
        Self(match content_encoding.map(str::trim) {
            Some("gzip" | "x-gzip") => Decoder::Gzip(GzDecoder::new(Capped::default())),
            Some("deflate") => Decoder::Deflate(DeflateDecoder::new(Capped::default())),
            _ => Decoder::Identity(Capped::default()),
        })
    }

    /// Adds a piece. `false`: enough has been read, or what comes does not decompress.
    pub(crate) fn push(&mut self, piece: &[u8]) -> bool {
        match &mut self.0 {
            Decoder::Identity(kept) => kept.write_all(piece).is_ok(),
            Decoder::Gzip(decoder) => decoder.write_all(piece).is_ok(),
            Decoder::Deflate(decoder) => decoder.write_all(piece).is_ok(),
        }
    }

    /// What was kept.
    pub(crate) fn finish(self) -> Vec<u8> {
        let mut kept = match self.0 {
            Decoder::Identity(kept) => kept,
            Decoder::Gzip(mut decoder) => {
                let _ = decoder.flush();
                std::mem::take(decoder.get_mut())
            }
            Decoder::Deflate(mut decoder) => {
                let _ = decoder.flush();
                std::mem::take(decoder.get_mut())
            }
        };
        std::mem::take(&mut kept.0)
    }
}

/// Refuses to grow beyond the cap.
#[derive(Default)]
struct Capped(Vec<u8>);

impl Write for Capped {
    fn write(&mut self, piece: &[u8]) -> std::io::Result<usize> {
        let room = RESPONSE_BYTES_MAX - self.0.len();
        let taken = piece.get(..room.min(piece.len())).unwrap_or_default();
        self.0.extend_from_slice(taken);
        if taken.is_empty() && !piece.is_empty() { Err(std::io::ErrorKind::FileTooLarge.into()) } else { Ok(taken.len()) }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn keeps_short_answers_whole() {
        let mut plain = Excerpt::new(None);
        assert!(plain.push(b"{\"received\":") && plain.push(b"true}"));
        assert_eq!(plain.finish(), b"{\"received\":true}");
        let mut zipped = Excerpt::new(Some("gzip"));
        assert!(zipped.push(&gzip(b"thanks")));
        assert_eq!(zipped.finish(), b"thanks");
    }

    #[test]
    fn a_gzip_bomb_stops_at_the_cap() {
        let bomb = gzip(&vec![0; 50 << 20]);
        let mut excerpt = Excerpt::new(Some("gzip"));
        assert!(!excerpt.push(&bomb));
        assert_eq!(excerpt.finish().len(), RESPONSE_BYTES_MAX);
    }

    #[test]
    fn garbage_that_claims_to_be_gzip_ends_the_reading() {
        let mut excerpt = Excerpt::new(Some("gzip"));
        assert!(!excerpt.push(b"this is not gzip at all"));
        assert!(excerpt.finish().is_empty());
    }
}
