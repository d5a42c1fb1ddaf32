//! Turns the bytes of a response into text, by the rules of HTTP and of the media type, or says why they are no text.
//!
//! No byte is replaced: a body that cannot be decoded is [`Content::Invalid`], never text with replacement characters, because text
//! can reach an action that a person approves.

use std::io::Read;

use encoding_rs::{Encoding, UTF_8};
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};

/// The bytes at the beginning of a document in which HTML and XML declare their charset (WHATWG, "prescan").
const DECLARATION_BYTES: usize = 1024;

/// A decoded body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// There is no body.
    Empty,
    /// Text, in whatever charset it was sent.
    Text(String),
    /// Bytes that are not text by their media type, or not by themselves if the media type does not say.
    Binary(Vec<u8>),
    /// The body cannot be decoded as its headers say; the text says why.
    Invalid(String),
}

/// The media type of a response, and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MediaType {
    /// Type and subtype in lower case, without parameters; empty if the response names none.
    pub(crate) essence: String,
    charset: Option<String>,
}

impl MediaType {
    /// Reads `Content-Type`.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let header = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut parts = header.split(';');
        let essence = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
        let charset = parts.find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches(['"', '\'']).to_owned())
        });
        Self { essence, charset: charset.filter(|charset| !charset.is_empty()) }
    }

    /// Whether the response promises JSON (RFC 8259, RFC 6839).
    pub(crate) fn is_json(&self) -> bool {
        matches!(self.essence.as_str(), "application/json" | "text/json") || self.essence.ends_with("+json")
    }

    /// Whether the response says that it is text of any kind.
    fn is_text(&self) -> bool {
        const TEXTS: [&str; 8] = [
            "application/xml",
            "application/javascript",
            "application/ecmascript",
            "application/x-www-form-urlencoded",
            "application/yaml",
            "application/x-ndjson",
            "application/graphql",
            "application/toml",
        ];
        self.essence.starts_with("text/") || self.is_json() || self.essence.ends_with("+xml") || TEXTS.contains(&self.essence.as_str())
    }

    /// Whether bytes of this type are never text, even if they happen to be valid UTF-8.
    fn is_binary(&self) -> bool {
        const BINARIES: [&str; 4] = ["application/pdf", "application/zip", "application/gzip", "application/x-gzip"];
        let media = ["image/", "audio/", "video/", "font/"].iter().any(|prefix| self.essence.starts_with(prefix));
        (media && !self.is_text()) || BINARIES.contains(&self.essence.as_str())
    }
}

impl Content {
    /// Decodes the body of a response: `Content-Encoding` first, then the charset. A byte-order mark counts before the charset of
    /// `Content-Type`, as browsers do it, and is no part of the text. `most` is the most bytes that a decoded body may have;
    /// `is_complete` is false for a body that was cut, of which as much is decoded as there is.
    pub(crate) fn decode(headers: &HeaderMap, media: &MediaType, bytes: Vec<u8>, most: usize, is_complete: bool) -> Self {
        if bytes.is_empty() {
            return Self::Empty;
        }
        match unpack(headers, bytes, most, is_complete) {
            Ok(bytes) => Self::of_bytes(media, bytes, is_complete),
            Err(why) => Self::Invalid(why),
        }
    }

    fn of_bytes(media: &MediaType, bytes: Vec<u8>, is_complete: bool) -> Self {
        if media.is_binary() {
            return Self::Binary(bytes);
        }
        if let Some((encoding, mark)) = Encoding::for_bom(&bytes) {
            return Self::text(encoding, bytes.get(mark..).unwrap_or_default().to_vec(), is_complete);
        }
        if let Some(charset) = &media.charset {
            return match Encoding::for_label(charset.as_bytes()) {
                Some(encoding) => Self::text(encoding, bytes, is_complete),
                None => Self::Invalid(format!("its charset `{charset}` is not known")),
            };
        }
        if let Some(encoding) = declared_in_document(media, &bytes) {
            return Self::text(encoding, bytes, is_complete);
        }
        if media.is_text() {
            return Self::text(UTF_8, bytes, is_complete);
        }
        // The media type does not say. A NUL is in no text.
        let looks_like_text = !bytes.contains(&0);
        match String::from_utf8(bytes) {
            Ok(text) if looks_like_text => Self::Text(text),
            Ok(text) => Self::Binary(text.into_bytes()),
            Err(error) => Self::Binary(error.into_bytes()),
        }
    }

    fn text(encoding: &'static Encoding, bytes: Vec<u8>, is_complete: bool) -> Self {
        if encoding == UTF_8 {
            return match String::from_utf8(bytes) {
                Ok(text) => Self::Text(text),
                // A body that was cut may end in the middle of a character.
                Err(error) if !is_complete => Self::Text(String::from_utf8_lossy(error.as_bytes()).into_owned()),
                Err(error) => Self::Invalid(format!("its body is not valid UTF-8 (at byte {})", error.utf8_error().valid_up_to())),
            };
        }
        if !is_complete {
            return Self::Text(encoding.decode_without_bom_handling(&bytes).0.into_owned());
        }
        match encoding.decode_without_bom_handling_and_without_replacement(&bytes) {
            Some(text) => Self::Text(text.into_owned()),
            None => Self::Invalid(format!("its body is not valid {}", encoding.name())),
        }
    }
}

/// Undoes `Content-Encoding` (RFC 9110, section 8.4). No request asks for one, but some servers compress anyway.
fn unpack(headers: &HeaderMap, mut bytes: Vec<u8>, most: usize, is_complete: bool) -> Result<Vec<u8>, String> {
    let codings = headers.get_all(CONTENT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let codings: Vec<String> = codings.flat_map(|value| value.split(',')).map(|coding| coding.trim().to_ascii_lowercase()).collect();
    for coding in codings.iter().rev() {
        bytes = match coding.as_str() {
            "" | "identity" => bytes,
            "gzip" | "x-gzip" => inflate(MultiGzDecoder::new(bytes.as_slice()), coding, most, is_complete)?,
            // The standard means zlib; some servers send the bare stream.
            "deflate" => match inflate(ZlibDecoder::new(bytes.as_slice()), coding, most, is_complete) {
                Ok(unpacked) if !unpacked.is_empty() => unpacked,
                _ => inflate(DeflateDecoder::new(bytes.as_slice()), coding, most, is_complete)?,
            },
            other => return Err(format!("its body is encoded with `{other}`, which was not asked for and cannot be decoded")),
        };
    }
    Ok(bytes)
}

/// Reads at most `most` bytes out of a decoder, so that a small body cannot fill the memory.
fn inflate(decoder: impl Read, coding: &str, most: usize, is_complete: bool) -> Result<Vec<u8>, String> {
    let mut unpacked = Vec::new();
    let read = decoder.take(most as u64 + 1).read_to_end(&mut unpacked);
    if unpacked.len() > most {
        if is_complete {
            return Err(format!("its body is larger than {} MiB when it is unpacked, the most an output may have", most / (1024 * 1024)));
        }
        unpacked.truncate(most);
    }
    match read {
        Err(why) if is_complete => Err(format!("its body is damaged: it cannot be unpacked as `{coding}` says ({why})")),
        _ => Ok(unpacked),
    }
}

/// The charset that an XML or HTML document declares about itself, if its `Content-Type` names none (RFC 7303, WHATWG).
fn declared_in_document(media: &MediaType, bytes: &[u8]) -> Option<&'static Encoding> {
    let is_xml = matches!(media.essence.as_str(), "text/xml" | "application/xml") || media.essence.ends_with("+xml");
    let name: &[u8] = match media.essence.as_str() {
        _ if is_xml => b"encoding",
        "text/html" => b"charset",
        _ => return None,
    };
    let head = bytes.get(..DECLARATION_BYTES).unwrap_or(bytes);
    // An XML declaration is the first thing in its document, and ends with `?>`.
    let head =
        if is_xml { head.strip_prefix(b"<?xml").and_then(|rest| Some(rest.split_at(memchr::memmem::find(rest, b"?>")?).0))? } else { head };
    let lower = head.to_ascii_lowercase();
    let after = lower.get(memchr::memmem::find(&lower, name)? + name.len()..)?;
    let value: Vec<u8> = after
        .iter()
        .copied()
        .skip_while(|byte| byte.is_ascii_whitespace() || b"=\"'".contains(byte))
        .take_while(|byte| byte.is_ascii_alphanumeric() || b"-_:.".contains(byte))
        .collect();
    Encoding::for_label(&value)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use reqwest::header::HeaderValue;

    use super::*;

    const MOST: usize = 1024 * 1024;

    fn decoded(media_type: &str, coding: &str, bytes: &[u8]) -> Content {
        let mut headers = HeaderMap::new();
        if !media_type.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_str(media_type).unwrap());
        }
        if !coding.is_empty() {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_str(coding).unwrap());
        }
        Content::decode(&headers, &MediaType::of(&headers), bytes.to_vec(), MOST, true)
    }

    fn text(text: &str) -> Content {
        Content::Text(text.to_owned())
    }

    fn utf16(text: &str, bytes: impl Fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn the_charset_of_the_header_is_decoded() {
        for (media, bytes, expected) in [
            ("application/json; charset=ISO-8859-1", b"{\"name\":\"M\xfcller\"}".as_slice(), "{\"name\":\"Müller\"}"),
            ("application/json;charset=\"utf-8\"", "{\"name\":\"Müller\"}".as_bytes(), "{\"name\":\"Müller\"}"),
            ("text/plain; format=flowed; Charset=windows-1251", b"\xcf\xf0\xe8", "При"),
            ("text/csv; charset=Shift_JIS", b"\x93\xfa\x96\x7b", "日本"),
            ("text/plain; charset=utf-16le", b"h\0i\0", "hi"),
            ("text/plain; charset=us-ascii", b"plain", "plain"),
            ("application/octet-stream; charset=latin1", b"\xe9", "é"),
            ("text/plain; charset=", b"plain", "plain"),
        ] {
            assert_eq!(decoded(media, "", bytes), text(expected), "{media}");
        }
    }

    #[test]
    fn a_byte_order_mark_counts_before_the_header_and_is_no_part_of_the_text() {
        let (little, big) = (utf16("\u{feff}{\"a\":\"ü\"}", u16::to_le_bytes), utf16("\u{feff}{\"a\":\"ü\"}", u16::to_be_bytes));
        for media in ["application/json", "application/json; charset=utf-8", "application/json; charset=iso-8859-1", "", "text/plain"] {
            assert_eq!(decoded(media, "", "\u{feff}{\"a\":\"ü\"}".as_bytes()), text("{\"a\":\"ü\"}"), "{media}");
            assert_eq!(decoded(media, "", &little), text("{\"a\":\"ü\"}"), "{media}");
            assert_eq!(decoded(media, "", &big), text("{\"a\":\"ü\"}"), "{media}");
        }
    }

    #[test]
    fn a_document_without_a_charset_in_its_header_declares_its_own() {
        let xml = b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a>\xfc</a>";
        for media in ["text/xml", "application/xml", "application/rss+xml"] {
            assert_eq!(decoded(media, "", xml), text("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a>ü</a>"), "{media}");
        }
        let html = b"<html><head><meta charset=windows-1252></head>\xfc";
        assert_eq!(decoded("text/html", "", html), text("<html><head><meta charset=windows-1252></head>ü"));
        assert_eq!(decoded("text/xml", "", "<a encoding='latin1'>ü</a>".as_bytes()), text("<a encoding='latin1'>ü</a>"), "no declaration");
    }

    #[test]
    fn bytes_that_break_their_charset_are_never_replaced() {
        for (media, bytes, why) in [
            ("application/json", b"{\"name\":\"M\xfcller\"}".as_slice(), "its body is not valid UTF-8 (at byte 10)"),
            ("application/json; charset=utf-8", b"\"\xc3\"", "its body is not valid UTF-8 (at byte 1)"),
            ("text/plain", b"\xff", "its body is not valid UTF-8 (at byte 0)"),
            ("text/plain; charset=Shift_JIS", b"\x81", "its body is not valid Shift_JIS"),
            ("text/plain; charset=utf-16", b"h\0i", "its body is not valid UTF-16LE"),
            ("text/plain; charset=x-private", b"plain", "its charset `x-private` is not known"),
            ("text/plain; charset=utf-32", b"plain", "its charset `utf-32` is not known"),
        ] {
            assert_eq!(decoded(media, "", bytes), Content::Invalid(why.to_owned()), "{media}");
        }
    }

    #[test]
    fn what_is_not_text_stays_bytes() {
        let png = b"\x89PNG\r\n\x1a\n\0";
        for media in ["image/png", "application/octet-stream", "", "application/pdf"] {
            assert_eq!(decoded(media, "", png), Content::Binary(png.to_vec()), "{media}");
        }
        assert_eq!(decoded("application/pdf", "", b"%PDF-1.7"), Content::Binary(b"%PDF-1.7".to_vec()));
        assert_eq!(decoded("application/octet-stream", "", b"a\0b"), Content::Binary(b"a\0b".to_vec()));
        assert_eq!(decoded("application/octet-stream", "", b"{\"a\":1}"), text("{\"a\":1}"));
        assert_eq!(decoded("image/svg+xml", "", b"<svg/>"), text("<svg/>"));
        assert_eq!(decoded("text/plain", "", b""), Content::Empty);
    }

    #[test]
    fn compression_that_was_not_asked_for_is_undone() {
        let body = "{\"name\":\"Müller\"}";
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(body.as_bytes()).unwrap();
        let gzip = gzip.finish().unwrap();
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(body.as_bytes()).unwrap();
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::default());
        raw.write_all(body.as_bytes()).unwrap();
        for (coding, bytes) in
            [("gzip", gzip.clone()), ("X-GZIP", gzip.clone()), ("deflate", zlib.finish().unwrap()), ("deflate", raw.finish().unwrap())]
        {
            assert_eq!(decoded("application/json", coding, &bytes), text(body), "{coding}");
        }
        let mut twice = GzEncoder::new(Vec::new(), Compression::default());
        twice.write_all(&gzip).unwrap();
        assert_eq!(decoded("application/json", "gzip, identity, gzip", &twice.finish().unwrap()), text(body));
        let half = gzip.get(..gzip.len() / 2).unwrap();
        for (coding, bytes) in [("gzip", half), ("gzip", body.as_bytes()), ("br", gzip.as_slice()), ("zstd", gzip.as_slice())] {
            assert!(matches!(decoded("application/json", coding, bytes), Content::Invalid(_)), "{coding}");
        }
        assert_eq!(decoded("application/x-unknown", "", &gzip), Content::Binary(gzip.clone()), "not promised, not undone");
    }

    #[test]
    fn a_small_body_cannot_become_larger_than_an_output() {
        let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
        for _ in 0..=64 {
            bomb.write_all(&[b'0'; MOST / 64]).unwrap();
        }
        let bomb = bomb.finish().unwrap();
        assert!(bomb.len() < 10_000);
        let Content::Invalid(why) = decoded("application/json", "gzip", &bomb) else { panic!("it was unpacked") };
        assert!(why.contains("larger than 1 MiB when it is unpacked"), "{why}");
    }
}
