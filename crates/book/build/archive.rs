//! Takes files out of a zip archive as they are stored: what is deflated there is what gzip holds as well, so nothing is compressed
//! again. The archive comes with a crate whose digest stands in `Cargo.lock`.

const END_OF_DIRECTORY: [u8; 4] = *b"PK\x05\x06";
const ENTRY: [u8; 4] = *b"PK\x01\x02";
const LOCAL: [u8; 4] = *b"PK\x03\x04";
const DEFLATED: u16 = 8;
/// What a gzip stream begins with: deflated, no name, no time, made on any system.
const GZIP_HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// The file whose name ends like this, as a gzip stream.
pub(crate) fn gzip_of(zip: &[u8], ending: &str) -> Result<Vec<u8>, String> {
    find(zip, ending).ok_or_else(|| format!("the archive has no {ending} that is deflated"))
}

fn find(zip: &[u8], ending: &str) -> Option<Vec<u8>> {
    let end = zip.windows(4).rposition(|window| window == END_OF_DIRECTORY)?;
    let mut at = number(zip, end + 16)?;
    for _ in 0..half(zip, end + 10)? {
        if zip.get(at..at + 4)? != ENTRY {
            return None;
        }
        let [name, extra, comment] = [half(zip, at + 28)?, half(zip, at + 30)?, half(zip, at + 32)?].map(usize::from);
        let is_wanted = zip.get(at + 46..at + 46 + name)?.ends_with(ending.as_bytes());
        if is_wanted && half(zip, at + 10)? == DEFLATED {
            return gzip(zip, at);
        }
        at += 46 + name + extra + comment;
    }
    None
}

/// What the entry of the directory stands for.
fn gzip(zip: &[u8], entry: usize) -> Option<Vec<u8>> {
    let (checksum, size) = (zip.get(entry + 16..entry + 20)?, zip.get(entry + 24..entry + 28)?);
    let (deflated, local) = (number(zip, entry + 20)?, number(zip, entry + 42)?);
    if zip.get(local..local + 4)? != LOCAL {
        return None;
    }
    let from = local + 30 + usize::from(half(zip, local + 26)?) + usize::from(half(zip, local + 28)?);
    Some([&GZIP_HEAD[..], zip.get(from..from + deflated)?, checksum, size].concat())
}

fn half(zip: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(zip.get(at..at + 2)?.try_into().ok()?))
}

fn number(zip: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(zip.get(at..at + 4)?.try_into().ok()?)).ok()
}
