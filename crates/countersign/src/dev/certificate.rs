//! A certificate for this machine, from a certificate authority that this data
//! folder keeps and that is good for nothing else.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use aws_lc_rs::digest;
use countersign_protocol::{Secret, Timestamp};
use jiff::tz::TimeZone;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, NameConstraints, date_time_ymd,
};

use crate::tls::Certificate;

const CA_CERTIFICATE: &str = "tls-ca.pem";
const CA_KEY: &str = "tls-ca.key";
const CERTIFICATE: &str = "tls.pem";
const KEY: &str = "tls.key";

const DAY: i64 = 24 * 60 * 60;
/// A certificate is made again at a start with less than a third of its life left.
const LIFE: i64 = 90 * DAY;
/// What trusts the authority should not have to be told again soon.
const CA_LIFE: i64 = 3_650 * DAY;

/// A certificate and the authority that vouches for it.
pub(super) struct DevelopmentCertificate {
    pub(super) certificate: Certificate,
    /// The authority's certificate.
    pub(super) ca_file: PathBuf,
}

/// Takes what the folder has, and makes what is missing, broken or about to expire.
pub(super) fn ensure(folder: &Path, now: Timestamp) -> anyhow::Result<DevelopmentCertificate> {
    let ca_file = folder.join(CA_CERTIFICATE);
    let is_kept = lasts(read(folder, CA_CERTIFICATE, CA_KEY, now), now, LIFE);
    if !is_kept {
        make_authority(folder, now).context("cannot make a development certificate authority")?;
    }
    let existing = read(folder, CERTIFICATE, KEY, now);
    if !is_kept || !lasts(existing, now, LIFE / 3) {
        make_certificate(folder, now).context("cannot make a development certificate")?;
    }
    let certificate = read(folder, CERTIFICATE, KEY, now).context("the development certificate cannot be used")?;
    Ok(DevelopmentCertificate { certificate, ca_file: std::path::absolute(ca_file)? })
}

fn lasts(certificate: anyhow::Result<Certificate>, now: Timestamp, seconds: i64) -> bool {
    certificate.is_ok_and(|certificate| certificate.not_after() > now.plus_seconds(seconds))
}

fn read(folder: &Path, certificate: &str, key: &str, now: Timestamp) -> anyhow::Result<Certificate> {
    let chain = fs::read_to_string(folder.join(certificate))?;
    let key = Secret::new(fs::read_to_string(folder.join(key))?);
    Ok(Certificate::from_pem(&chain, &key, now)?)
}

fn make_authority(folder: &Path, now: Timestamp) -> anyhow::Result<()> {
    let key = KeyPair::generate()?;
    let mut params = authority(&key)?;
    set_validity(&mut params, now, CA_LIFE)?;
    let certificate = params.self_signed(&key)?;
    write(&folder.join(CA_KEY), 0o600, &key.serialize_pem())?;
    write(&folder.join(CA_CERTIFICATE), 0o644, &certificate.pem())?;
    Ok(())
}

fn make_certificate(folder: &Path, now: Timestamp) -> anyhow::Result<()> {
    let ca_key = KeyPair::from_pem(Secret::new(fs::read_to_string(folder.join(CA_KEY))?).expose())?;
    let issuer = Issuer::new(authority(&ca_key)?, ca_key);
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()])?;
    params.distinguished_name = named("localhost");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    set_validity(&mut params, now, LIFE)?;
    let certificate = params.signed_by(&key, &issuer)?;
    write(&folder.join(KEY), 0o600, &key.serialize_pem())?;
    write(&folder.join(CERTIFICATE), 0o644, &certificate.pem())?;
    Ok(())
}

/// Everything of the authority but its times follows from its key: the file with
/// its certificate is not read to sign with it. Whoever trusts it trusts it for
/// this machine only.
fn authority(key: &KeyPair) -> anyhow::Result<CertificateParams> {
    let fingerprint = digest::digest(&digest::SHA256, key.public_key_raw());
    let short: String = fingerprint.as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = named(&format!("Countersign development CA {short}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![
            GeneralSubtree::DnsName("localhost".to_owned()),
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(Ipv4Addr::LOCALHOST.into(), 32)),
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(Ipv6Addr::LOCALHOST.into(), 128)),
        ],
        excluded_subtrees: Vec::new(),
    });
    Ok(params)
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

/// From the beginning of yesterday to the beginning of a day: rcgen takes dates.
fn set_validity(params: &mut CertificateParams, now: Timestamp, seconds: i64) -> anyhow::Result<()> {
    let date = |time: Timestamp| anyhow::Ok(jiff::Timestamp::from_second(time.as_seconds())?.to_zoned(TimeZone::UTC).date());
    let (from, until) = (date(now.plus_seconds(-DAY))?, date(now.plus_seconds(seconds))?);
    params.not_before = date_time_ymd(from.year().into(), from.month().unsigned_abs(), from.day().unsigned_abs());
    params.not_after = date_time_ymd(until.year().into(), until.month().unsigned_abs(), until.day().unsigned_abs());
    Ok(())
}

/// All of it or nothing.
fn write(path: &Path, mode: u32, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let unfinished = tempfile::Builder::new().prefix(".tls.").make_in(folder, |path| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(text.as_bytes())
    })?;
    unfinished.persist(path).map(drop).map_err(|error| error.error)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_782_000_000);

    fn files(folder: &Path) -> [Vec<u8>; 4] {
        [CA_CERTIFICATE, CA_KEY, CERTIFICATE, KEY].map(|name| fs::read(folder.join(name)).unwrap())
    }

    #[test]
    fn it_is_kept_while_it_lasts_and_the_authority_longer() {
        let folder = tempfile::tempdir().unwrap();
        let made = ensure(folder.path(), NOW).unwrap();
        for host in ["localhost", "127.0.0.1", "[::1]"] {
            assert!(made.certificate.covers(host), "{host}");
        }
        assert!(made.ca_file.is_absolute());
        let first = files(folder.path());
        ensure(folder.path(), NOW.plus_seconds(50 * DAY)).unwrap();
        assert_eq!(files(folder.path()), first);
        ensure(folder.path(), NOW.plus_seconds(70 * DAY)).unwrap();
        let second = files(folder.path());
        assert_eq!(second[..2], first[..2]);
        assert_ne!(second[2], first[2]);
        ensure(folder.path(), NOW.plus_seconds(3_600 * DAY)).unwrap();
        assert_ne!(files(folder.path())[0], first[0]);
    }

    #[test]
    fn what_is_broken_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        for name in [CERTIFICATE, KEY, CA_CERTIFICATE, CA_KEY] {
            ensure(folder.path(), NOW).unwrap();
            fs::write(folder.path().join(name), "broken").unwrap();
            assert!(ensure(folder.path(), NOW).unwrap().certificate.covers("localhost"));
        }
    }
}
