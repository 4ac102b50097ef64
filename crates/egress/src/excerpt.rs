//! The first bytes of an answer, counted after decompression, so a decompression bomb costs no more than what is kept.

use std::io::Write;

use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// Bytes of an answer that are read and kept.
pub const RESPONSE_BYTES_MAX: usize = 16 * 1_024;
/// Bytes of an answer read from the wire. Compressed data may go on forever and yield nothing.
const WIRE_BYTES_MAX: usize = 2 * RESPONSE_BYTES_MAX;

/// Takes an answer's body piece by piece.
pub(crate) struct Excerpt {
    decoder: Decoder,
    taken: usize,
}

enum Decoder {
    Identity(Capped),
    Gzip(MultiGzDecoder<Capped>),
    /// "deflate" before its first byte, which tells apart the two formats of that name.
    Deflate,
    Zlib(ZlibDecoder<Capped>),
    RawDeflate(DeflateDecoder<Capped>),
}

impl Excerpt {
    /// For this `Content-Encoding`; a body with an unknown one is kept as it is.
    pub(crate) fn new(content_encoding: Option<&str>) -> Self {
        let named = |name: &str| content_encoding.is_some_and(|encoding| encoding.trim().eq_ignore_ascii_case(name));
        let decoder = if named("gzip") || named("x-gzip") {
            Decoder::Gzip(MultiGzDecoder::new(Capped::default()))
        } else if named("deflate") {
            Decoder::Deflate
        } else {
            Decoder::Identity(Capped::default())
        };
        Self { decoder, taken: 0 }
    }

    /// Adds a piece. `false`: enough has been read, or it does not decompress.
    pub(crate) fn push(&mut self, piece: &[u8]) -> bool {
        self.taken = self.taken.saturating_add(piece.len());
        if let (Decoder::Deflate, Some(first)) = (&self.decoder, piece.first()) {
            // A zlib header says "deflate" in its low four bits; raw data cannot start like that.
            let is_zlib = first & 0x0f == 8;
            self.decoder = if is_zlib {
                Decoder::Zlib(ZlibDecoder::new(Capped::default()))
            } else {
                Decoder::RawDeflate(DeflateDecoder::new(Capped::default()))
            };
        }
        let written = match &mut self.decoder {
            Decoder::Identity(kept) => kept.write_all(piece),
            Decoder::Gzip(decoder) => decoder.write_all(piece),
            Decoder::Deflate => Ok(()),
            Decoder::Zlib(decoder) => decoder.write_all(piece),
            Decoder::RawDeflate(decoder) => decoder.write_all(piece),
        };
        written.is_ok() && self.taken <= WIRE_BYTES_MAX
    }

    /// What was kept.
    pub(crate) fn finish(self) -> Vec<u8> {
        match self.decoder {
            Decoder::Identity(kept) => kept.0,
            Decoder::Deflate => Vec::new(),
            Decoder::Gzip(mut decoder) => {
                let _ = decoder.flush();
                std::mem::take(&mut decoder.get_mut().0)
            }
            Decoder::Zlib(mut decoder) => {
                let _ = decoder.flush();
                std::mem::take(&mut decoder.get_mut().0)
            }
            Decoder::RawDeflate(mut decoder) => {
                let _ = decoder.flush();
                std::mem::take(&mut decoder.get_mut().0)
            }
        }
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
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

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
    fn both_formats_called_deflate_are_read() {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
        zlib.write_all(b"thanks").unwrap();
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::best());
        raw.write_all(b"thanks").unwrap();
        for bytes in [zlib.finish().unwrap(), raw.finish().unwrap()] {
            let mut excerpt = Excerpt::new(Some(" Deflate"));
            assert!(excerpt.push(b"") && bytes.iter().all(|byte| excerpt.push(&[*byte])), "{bytes:?}");
            assert_eq!(excerpt.finish(), b"thanks");
        }
    }

    #[test]
    fn compressed_data_that_never_says_anything_ends_at_a_cap_too() {
        let nothing = gzip(b"");
        let mut excerpt = Excerpt::new(Some("gzip"));
        let taken = std::iter::repeat_n(&nothing, 1_000_000).take_while(|member| excerpt.push(member)).count();
        assert!(taken * nothing.len() <= WIRE_BYTES_MAX, "{taken}");
        assert!(excerpt.finish().is_empty());
    }

    #[test]
    fn garbage_that_claims_to_be_gzip_ends_the_reading() {
        let mut excerpt = Excerpt::new(Some("gzip"));
        assert!(!excerpt.push(b"this is not gzip at all"));
        assert!(excerpt.finish().is_empty());
    }
}
