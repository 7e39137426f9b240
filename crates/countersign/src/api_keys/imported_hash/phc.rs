//! PHC texts: `$name[$v=version]$name=value,..$salt$hash`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// A PHC text in parts.
#[derive(Debug)]
pub(super) struct Phc<'a> {
    pub(super) name: &'a str,
    pub(super) version: Option<u32>,
    parameters: Vec<(&'a str, u32)>,
    pub(super) salt: Vec<u8>,
    pub(super) hash: Vec<u8>,
}

impl<'a> Phc<'a> {
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let mut fields = text.strip_prefix('$')?.split('$').peekable();
        let name = fields.next()?;
        let version = match fields.peek()?.strip_prefix("v=") {
            None => None,
            Some(digits) => {
                fields.next();
                Some(number(digits)?)
            }
        };
        let parameters: Option<Vec<_>> = fields.next()?.split(',').map(parameter).collect();
        let (salt, hash) = (bytes(fields.next()?)?, bytes(fields.next()?)?);
        fields.next().is_none().then_some(Self { name, version, parameters: parameters?, salt, hash })
    }

    /// The parameters with exactly these names, each once.
    pub(super) fn values<const N: usize>(&self, names: [&str; N]) -> Option<[u32; N]> {
        let of = |name: &str| self.parameters.iter().find(|(given, _)| *given == name).map(|(_, value)| *value);
        let mut values = [0; N];
        for (value, name) in values.iter_mut().zip(names) {
            *value = of(name)?;
        }
        (self.parameters.len() == N).then_some(values)
    }
}

fn parameter(text: &str) -> Option<(&str, u32)> {
    let (name, value) = text.split_once('=')?;
    Some((name, number(value)?))
}

/// Decimal without a sign or leading zeros.
fn number(digits: &str) -> Option<u32> {
    let is_canonical = digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    is_canonical.then(|| digits.parse().ok())?
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    STANDARD_NO_PAD.decode(text).ok()
}
