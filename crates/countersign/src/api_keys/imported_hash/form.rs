//! The ways in which an imported key is found by what is presented. Only the ways that
//! are in use are tried.

use countersign_protocol::jose::base64url;

use super::{DigestAlgorithm, ImportKeys, KeyPart};
use crate::change::InvalidField;
use crate::ids::{HashKeyId, ImportKeyId};

/// Bytes of a digest that find a row; the whole digest is compared afterwards.
const LOOKUP_BYTES: usize = 32;
/// Shortest and longest text that finds a salted hash, in bytes.
const HINT_BYTES: std::ops::RangeInclusive<usize> = 4..=64;

/// A way to find an imported key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// By our own HMAC under this hash key: a key that was used since its import.
    Own(HashKeyId, KeyPart),
    /// By its digest.
    Sha(DigestAlgorithm, KeyPart),
    /// By its HMAC under this import key.
    Hmac(DigestAlgorithm, ImportKeyId, KeyPart),
    /// By so many of its first bytes: the hash, of this part, is salted.
    Start(usize, KeyPart),
    /// By the segment before its last `_`: the hash, of this part, is salted.
    Segment(KeyPart),
}

/// Which text of a key finds a salted hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HintKind {
    /// Its first characters.
    Start,
    /// The segment before its last `_`.
    Segment,
}

/// The text of a key that finds its salted hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    kind: HintKind,
    text: String,
}

impl Form {
    /// The stored form.
    pub fn to_stored(&self) -> String {
        match self {
            Self::Own(key, part) => format!("own {} {}", part.as_str(), key.as_str()),
            Self::Sha(algorithm, part) => format!("{} {}", algorithm.as_str(), part.as_str()),
            Self::Hmac(algorithm, key, part) => format!("hmac-{} {} {}", algorithm.as_str(), part.as_str(), key.as_str()),
            Self::Start(length, part) => format!("start {} {length}", part.as_str()),
            Self::Segment(part) => format!("segment {}", part.as_str()),
        }
    }

    /// Reads the stored form.
    pub fn from_stored(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split(' ').collect();
        match *words.as_slice() {
            ["own", part, key] => Some(Self::Own(HashKeyId::from_stored(key), KeyPart::from_name(part)?)),
            ["start", part, length] => {
                let length = length.parse().ok().filter(|length| HINT_BYTES.contains(length))?;
                Some(Self::Start(length, KeyPart::from_name(part)?))
            }
            ["segment", part] => Some(Self::Segment(KeyPart::from_name(part)?)),
            [algorithm, part] => Some(Self::Sha(DigestAlgorithm::from_name(algorithm)?, KeyPart::from_name(part)?)),
            [algorithm, part, key] => {
                let algorithm = DigestAlgorithm::from_name(algorithm.strip_prefix("hmac-")?)?;
                Some(Self::Hmac(algorithm, ImportKeyId::from_stored(key), KeyPart::from_name(part)?))
            }
            _ => None,
        }
    }

    /// Whether what it finds is salted: costly to compare.
    pub const fn is_salted(&self) -> bool {
        matches!(self, Self::Start(..) | Self::Segment(_))
    }

    /// What of a key was hashed where it is found like this.
    pub const fn part(&self) -> KeyPart {
        match self {
            Self::Own(_, part) | Self::Sha(_, part) | Self::Hmac(_, _, part) | Self::Start(_, part) | Self::Segment(part) => *part,
        }
    }

    /// The text by which a presented key is looked for; `None`: it has none of this form,
    /// or it is the one of [`Form::Own`].
    pub fn lookup(&self, presented: &str, keys: &ImportKeys) -> Option<String> {
        match self {
            Self::Own(..) => None,
            Self::Sha(algorithm, part) => Some(self.lookup_of(&keys.digest(*algorithm, None, part.of(presented)?)?)),
            Self::Hmac(algorithm, key, part) => Some(self.lookup_of(&keys.digest(*algorithm, Some(key), part.of(presented)?)?)),
            Self::Start(length, _) => Some(Hint::stored(HintKind::Start, presented.get(..*length)?)),
            Self::Segment(_) => Some(Hint::stored(HintKind::Segment, segment(presented)?)),
        }
    }

    /// The text by which a digest is found.
    pub fn lookup_of(&self, digest: &[u8]) -> String {
        let begin = digest.get(..LOOKUP_BYTES).unwrap_or(digest);
        format!("{}:{}", self.to_stored(), base64url::encode(begin))
    }
}

impl HintKind {
    const ALL: [Self; 2] = [Self::Start, Self::Segment];

    /// As it is given: `start` or `segment`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Segment => "segment",
        }
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl Hint {
    /// Checks a text by which a salted hash is to be found.
    ///
    /// # Errors
    /// [`InvalidField`].
    pub fn parse(kind: HintKind, text: &str) -> Result<Self, InvalidField> {
        let is_well_formed = text.bytes().all(|byte| byte.is_ascii_graphic()) && !(kind == HintKind::Segment && text.contains('_'));
        if HINT_BYTES.contains(&text.len()) && is_well_formed {
            return Ok(Self { kind, text: text.to_owned() });
        }
        let accepted = match kind {
            HintKind::Start => "the first 4 to 64 characters of the key, visible ASCII",
            HintKind::Segment => "the segment before the last `_` of the key, 4 to 64 visible ASCII characters",
        };
        Err(InvalidField::new("lookup", format!("{} bytes", text.len()), accepted))
    }

    /// How it finds a hash of this part.
    pub fn form(&self, part: KeyPart) -> Form {
        match self.kind {
            HintKind::Start => Form::Start(self.text.len(), part),
            HintKind::Segment => Form::Segment(part),
        }
    }

    /// The stored form.
    pub fn to_stored(&self) -> String {
        Self::stored(self.kind, &self.text)
    }

    /// The text itself.
    pub fn text(&self) -> &str {
        &self.text
    }

    fn stored(kind: HintKind, text: &str) -> String {
        format!("{}:{text}", kind.as_str())
    }
}

/// `short` of `prefix_short_long`.
fn segment(presented: &str) -> Option<&str> {
    let (before, _) = presented.rsplit_once('_')?;
    let segment = before.rsplit_once('_').map_or(before, |(_, segment)| segment);
    HINT_BYTES.contains(&segment.len()).then_some(segment)
}
