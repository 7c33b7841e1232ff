use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use super::*;

/// Two pairs in PEM, the second one's certificate signed by the first's.
struct Pairs {
    ca: (String, String),
    own: (String, String),
}

fn pairs() -> Pairs {
    let key = KeyPair::generate().unwrap();
    let ca_key = key.serialize_pem();
    let mut params = CertificateParams::new(vec!["ca.example".into()]).unwrap();
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, key).unwrap();
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["own.example".into()]).unwrap().signed_by(&key, &ca).unwrap();
    Pairs { ca: (ca.pem(), ca_key), own: (own.pem(), key.serialize_pem()) }
}

struct Written {
    _dir: TempDir,
    files: TlsFiles,
}

fn written(cert: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Written {
    let dir = tempfile::tempdir().unwrap();
    let files = TlsFiles { cert_file: dir.path().join("cert.pem"), key_file: dir.path().join("key.pem") };
    std::fs::write(&files.cert_file, cert).unwrap();
    std::fs::write(&files.key_file, key).unwrap();
    Written { _dir: dir, files }
}

#[test]
fn a_chain_and_its_key_are_taken_also_from_one_file_and_with_text_around() {
    let Pairs { ca, own } = pairs();
    let chain = format!("{}{}", own.0, ca.0);
    for (cert, key) in [
        (own.0.clone(), own.1.clone()),
        (chain.clone(), own.1.clone()),
        (format!("{}{chain}", own.1), format!("{chain}{}", own.1)),
        (format!("subject=/CN=own\r\n{}", chain.replace('\n', "\r\n")), own.1.replace('\n', "\r\n")),
    ] {
        assert_eq!(written(cert, key).files.check().unwrap(), None);
    }
}

#[test]
fn every_wrong_pair_is_told_with_the_file_and_what_to_do_and_nothing_of_the_key() {
    let Pairs { ca, own } = pairs();
    let half = |text: &str| text[..text.len() / 2].to_owned();
    let garbled = |text: &str| text.replacen("\n", "\n!!", 1);
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let older = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: A,B\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    let of_no_kind = "-----BEGIN PRIVATE KEY-----\nMAMCAQA=\n-----END PRIVATE KEY-----\n";
    let of_no_cert = "-----BEGIN CERTIFICATE-----\nMAMCAQA=\n-----END CERTIFICATE-----\n";
    // (certificate, key, the key is wrong, what is said)
    let rows: &[(String, String, bool, &str)] = &[
        (String::new(), own.1.clone(), false, "no certificate"),
        (own.1.clone(), own.0.clone(), false, "swapped"),
        (half(&own.0), own.1.clone(), false, "END"),
        (garbled(&own.0), own.1.clone(), false, "base64"),
        (of_no_cert.into(), own.1.clone(), false, "number 1"),
        (format!("{}{of_no_cert}", own.0), own.1.clone(), false, "number 2"),
        (format!("{}{}", ca.0, own.0), own.1.clone(), false, "must be the first"),
        (own.0.clone(), String::new(), true, "no private key"),
        (own.0.clone(), own.0.clone(), true, "swapped"),
        (own.0.clone(), half(&own.1), true, "END"),
        (own.0.clone(), garbled(&own.1), true, "base64"),
        (own.0.clone(), encrypted.into(), true, "passphrase"),
        (own.0.clone(), older.into(), true, "passphrase"),
        (own.0.clone(), of_no_kind.into(), true, "cannot be used"),
        (own.0.clone(), ca.1.clone(), true, "does not belong"),
    ];
    for (cert, key, about_key, said) in rows {
        let written = written(cert, key);
        let error = written.files.check().unwrap_err();
        let text = error.to_string();
        assert!(text.contains(said), "{said}: {text}");
        assert_eq!(error.is_about_the_key(&written.files), *about_key, "{text}");
        let file = if *about_key { "key.pem" } else { "cert.pem" };
        assert!(text.contains(file), "{text}");
        for secret in key.lines().filter(|line| line.len() > 20 && !line.contains("-----")) {
            assert!(!format!("{text}{error:?}").contains(secret));
        }
    }
}

#[test]
fn what_is_no_file_or_far_too_large_is_not_read() {
    let Pairs { own, .. } = pairs();
    let large = written(vec![b'a'; LARGEST as usize + 1], &own.1);
    assert!(large.files.check().unwrap_err().to_string().contains("1 MiB"));
    let mut missing = written(&own.0, &own.1);
    missing.files.key_file = "/nonexistent/key.pem".into();
    assert!(missing.files.check().unwrap_err().to_string().contains("/nonexistent/key.pem"));
    missing.files.key_file = "/dev/zero".into();
    assert!(missing.files.check().unwrap_err().to_string().contains("not a file"));
}

#[test]
fn a_certificate_that_is_over_or_not_valid_yet_is_usable_and_said() {
    let key = KeyPair::generate().unwrap();
    let valid = |from: i32, to: i32| {
        let mut params = CertificateParams::new(vec!["own.example".into()]).unwrap();
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(to, 1, 1);
        let pem = params.self_signed(&key).unwrap().pem();
        written(pem, key.serialize_pem()).files.check().unwrap()
    };
    assert_eq!(valid(2001, 4096), None);
    let over = valid(2001, 2002).unwrap();
    assert!(over.contains("cert.pem") && over.contains("ended on Tue, 01 Jan 2002 00:00:00 GMT"), "{over}");
    let early = valid(4000, 4096).unwrap();
    assert!(early.contains("is not valid before Sat, 01 Jan 4000 00:00:00 GMT"), "{early}");
}
