use super::*;
use crate::options::Secret;

fn options(provider: &str, endpoint: &str, region: &str) -> S3Options {
    let set = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let mut options = S3Options::new("films");
    options.provider = set(provider).map(|word| Provider::named(&word).unwrap());
    (options.endpoint, options.region) = (set(endpoint), set(region));
    options
}

/// The word of its row, where the bucket is, and the region.
fn address(options: &S3Options) -> (&'static str, String, String) {
    let address = Address::of(options).unwrap();
    let service = address.service;
    let place =
        if address.path_style { service.with_bucket_in_path("films") } else { service.with_bucket_in_host("films") };
    (address.provider.word, place.base_url(), address.region)
}

fn at(endpoint: &str) -> (&'static str, String, String) {
    address(&options("", endpoint, ""))
}

/// The only thing that is wrong, or odd.
#[track_caller]
fn only(options: &S3Options, key: &str, is_wrong: bool, part: &str) {
    let findings = options.findings();
    let [finding] = findings.as_slice() else { panic!("one finding expected: {findings:?}") };
    assert_eq!((finding.key, finding.is_wrong), (key, is_wrong), "{finding:?}");
    assert!(finding.message.contains(part), "{finding:?}");
    let opened = Address::of(options).is_ok();
    assert_eq!(opened, !is_wrong, "what is wrong is not opened, and what is odd is");
}

#[test]
fn an_endpoint_is_understood_in_all_its_forms() {
    let paris = ("amazon", "https://films.s3.eu-west-3.amazonaws.com".to_owned(), "eu-west-3".to_owned());
    for endpoint in [
        "s3.eu-west-3.amazonaws.com",
        "https://s3.eu-west-3.amazonaws.com",
        "https://s3.eu-west-3.amazonaws.com/",
        "films.s3.eu-west-3.amazonaws.com",
        "https://films.s3.eu-west-3.amazonaws.com/",
        "s3.eu-west-3.amazonaws.com/films",
        "s3.eu-west-3.amazonaws.com/films/",
        "HTTPS://S3.EU-WEST-3.AMAZONAWS.COM:443/films",
        " s3.eu-west-3.amazonaws.com ",
    ] {
        assert_eq!(at(endpoint), paris, "{endpoint}");
        assert_eq!(options("", endpoint, "").findings(), [], "{endpoint}");
    }
    let account = ("r2", "https://account.eu.r2.cloudflarestorage.com/films".to_owned(), "auto".to_owned());
    for endpoint in [
        "https://account.eu.r2.cloudflarestorage.com",
        "account.eu.r2.cloudflarestorage.com/films",
        "films.account.eu.r2.cloudflarestorage.com",
    ] {
        assert_eq!(at(endpoint), account, "{endpoint}");
    }
    assert_eq!(at("oss-cn-hangzhou.aliyuncs.com").1, "https://films.oss-cn-hangzhou.aliyuncs.com");
    assert_eq!(at("films.cos.ap-beijing.myqcloud.com").2, "ap-beijing");
    assert_eq!(at("http://h:9000/base/films").1, "http://films.h:9000/base", "of a host that nobody knows too");
    assert_eq!(at("http://127.0.0.1:9000").1, "http://127.0.0.1:9000/films");
}

#[test]
fn a_provider_needs_no_endpoint_where_its_row_has_one() {
    let without = |provider, region| address(&options(provider, "", region)).1;
    assert_eq!(without("oss", "cn-hangzhou"), "https://films.oss-cn-hangzhou.aliyuncs.com");
    assert_eq!(without("bos", "bj"), "https://s3.bj.bcebos.com/films");
    assert_eq!(without("b2", "us-west-005"), "https://films.s3.us-west-005.backblazeb2.com");
    assert_eq!(without("gcs", ""), "https://storage.googleapis.com/films");
    assert_eq!(without("upyun", ""), "https://s3.api.upyun.com/films");
    assert_eq!(without("amazon", "cn-north-1"), "https://films.s3.cn-north-1.amazonaws.com.cn");
    assert_eq!(without("", "eu-west-3"), "https://films.s3.eu-west-3.amazonaws.com");
}

#[test]
fn what_is_missing_is_named_with_an_example() {
    only(&options("minio", "", ""), "endpoint", true, "such as http://127.0.0.1:9000");
    only(&options("r2", "", ""), "endpoint", true, ".r2.cloudflarestorage.com");
    only(&options("b2", "", ""), "region", true, "needs the bucket's region");
    only(&options("scaleway", "", ""), "region", true, "such as fr-par");
    assert_eq!(options("dogecloud", "", "").findings(), [], "its endpoint comes with its keys");
}

#[test]
fn every_row_takes_the_mount_of_its_page() {
    for row in Provider::all() {
        let line = |key: &str| row.page.example.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
        let mut options = options(row.word, line("endpoint").unwrap_or_default(), line("region").unwrap_or_default());
        options.bucket = line("bucket").unwrap().to_owned();
        assert_eq!(options.findings(), [], "{}", row.word);
        if !row.exchanges_keys {
            assert_eq!(Address::of(&options).unwrap().provider.word, row.word);
        }
    }
}

#[test]
fn a_region_is_understood_in_all_its_forms() {
    for region in [
        "cn-hangzhou",
        "oss-cn-hangzhou",
        "OSS-cn-hangzhou",
        "oss-cn-hangzhou.aliyuncs.com",
        "https://oss-cn-hangzhou.aliyuncs.com/",
    ] {
        let hangzhou = ("oss", "https://films.oss-cn-hangzhou.aliyuncs.com".to_owned(), "cn-hangzhou".to_owned());
        assert_eq!(address(&options("oss", "", region)), hangzhou, "{region}");
        assert_eq!(address(&options("oss", "oss-cn-hangzhou.aliyuncs.com", region)), hangzhou, "{region}");
    }
    assert_eq!(address(&options("", "", "oss-cn-hangzhou.aliyuncs.com")).0, "oss", "the host tells the row");
    assert_eq!(address(&options("", "http://127.0.0.1:3900", "Garage")).2, "Garage", "a server of one's own has any");
    only(&options("amazon", "", "s3.example.com"), "region", true, "tells no region");
    only(&options("", "http://127.0.0.1:9000", "a/b"), "region", true, "not the name of a region");
}

#[test]
fn a_location_hint_of_r2_is_no_region() {
    let endpoint = "account.r2.cloudflarestorage.com";
    for region in ["APAC", "WNAM", "eeur"] {
        assert_eq!(address(&options("", endpoint, region)).2, "auto");
        only(&options("", endpoint, region), "region", false, "only `auto`");
    }
    for region in ["auto", "us-east-1", ""] {
        assert_eq!(options("", endpoint, region).findings(), [], "{region}");
    }
}

#[test]
fn a_region_that_the_host_contradicts_is_refused_with_the_right_one() {
    only(&options("", "s3.us-west-005.backblazeb2.com", "us-west-001"), "region", true, "`region: us-west-005`");
    only(&options("", "s3.eu-west-3.amazonaws.com", "eu-west-1"), "region", true, "`region: eu-west-3`");
    assert_eq!(address(&options("", "s3.amazonaws.com", "eu-west-1")).2, "eu-west-1");
    assert_eq!(address(&options("", "cos.ap-beijing.myqcloud.com", "auto")).2, "auto", "COS does not look at it");
}

#[test]
fn another_bucket_in_the_endpoint_is_refused_with_the_right_endpoint() {
    let right = "write `endpoint: s3.us-east-2.amazonaws.com`";
    only(&options("", "https://movies.s3.us-east-2.amazonaws.com", ""), "endpoint", true, right);
    only(&options("", "s3.us-east-2.amazonaws.com/movies", ""), "endpoint", true, right);
    let cos = options("", "films-1250000000.cos.ap-beijing.myqcloud.com", "");
    only(&cos, "bucket", true, "write `bucket: films-1250000000`");
}

#[test]
fn what_is_odd_about_a_host_is_said() {
    only(&options("minio", "http://10.0.0.1:9001/", ""), "endpoint", false, "MinIO's console");
    only(&options("", "http://nas:9001", ""), "endpoint", false, "MinIO's console");
    only(&options("r2", "https://s3.eu-west-3.amazonaws.com", ""), "provider", false, "`provider: amazon`");
    let mut forced = options("oss", "", "cn-hangzhou");
    forced.force_path_style = true;
    only(&forced, "force_path_style", false, "refuses a bucket in the path");
    let mut dotted = options("oss", "", "cn-hangzhou");
    dotted.bucket = "my.films".into();
    only(&dotted, "bucket", true, "cannot stand there");
}

#[test]
fn links_cannot_be_signed_for_every_host() {
    let mut r2 = options("r2", "account.r2.cloudflarestorage.com", "");
    r2.custom_host = Some("films.example.com".into());
    assert_eq!(r2.findings(), []);
    r2.custom_host_presign = true;
    only(&r2, "custom_host_presign", false, "signed links only at its S3 endpoint");
    r2.custom_host = Some("account.eu.r2.cloudflarestorage.com".into());
    assert_eq!(r2.findings(), [], "a host of R2's own");
    let mut oss = options("oss", "", "cn-hangzhou");
    (oss.custom_host, oss.custom_host_presign) = (Some("films.example.com".into()), true);
    assert_eq!(oss.findings(), []);
}

#[test]
fn a_custom_host_is_understood_in_all_its_forms() {
    let place = |options: &S3Options| Address::of(options).unwrap().custom.unwrap().place.base_url();
    let with = |provider, endpoint, region, host: &str, remove| {
        let mut options = options(provider, endpoint, region);
        (options.custom_host, options.remove_bucket) = (Some(host.into()), remove);
        place(&options)
    };
    let minio = |host, remove| with("minio", "http://127.0.0.1:9000", "", host, remove);
    assert_eq!(minio("https://s3.example.com", false), "https://s3.example.com/films");
    assert_eq!(minio("https://s3.example.com/films/", false), "https://s3.example.com/films", "once is enough");
    assert_eq!(minio("https://s3.example.com/base", false), "https://s3.example.com/base/films");
    assert_eq!(minio("https://films.example.com:8443/base", true), "https://films.example.com:8443/base");
    assert_eq!(minio("CDN.example.com", true), "http://cdn.example.com", "the scheme is the endpoint's");
    let oss = |host, remove| with("oss", "oss-cn-hangzhou-internal.aliyuncs.com", "", host, remove);
    assert_eq!(oss("films.example.com", false), "https://films.example.com", "a bound host has no bucket in the path");
    assert_eq!(
        oss("oss-cn-hangzhou.aliyuncs.com", false),
        "https://films.oss-cn-hangzhou.aliyuncs.com",
        "the endpoint as clients reach it"
    );
    assert_eq!(oss("films.oss-cn-hangzhou.aliyuncs.com", false), "https://films.oss-cn-hangzhou.aliyuncs.com");
}

const HEX: &str = "0123456789abcdef";

#[track_caller]
fn keys(provider: &str, id: &str, secret: &str, token: &str) -> Vec<(&'static str, bool, String)> {
    let mut options = options(provider, "http://127.0.0.1:9000", "");
    options.access_key_id = Some(id.into());
    options.secret_access_key = Some(Secret::new(secret));
    options.session_token = Some(Secret::new(token)).filter(|token| !token.reveal().is_empty());
    let findings = options.findings();
    for finding in &findings {
        for secret in [id, secret, token].into_iter().filter(|text| text.len() > 8) {
            assert!(!finding.message.contains(secret), "{finding:?}");
        }
    }
    findings.into_iter().map(|finding| (finding.key, finding.is_wrong, finding.message)).collect()
}

#[test]
fn keys_that_were_pasted_wrong_are_told() {
    let aws = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    let told = |provider, id, secret, token| {
        keys(provider, id, secret, token).into_iter().map(|(key, wrong, _)| (key, wrong)).collect::<Vec<_>>()
    };
    assert_eq!(told("amazon", aws.0, aws.1, ""), []);
    assert_eq!(told("amazon", aws.1, aws.0, ""), [("secret_access_key", true)], "they have changed places");
    assert_eq!(told("amazon", "whatever", aws.0, ""), [("secret_access_key", true)], "the id twice");
    assert_eq!(told("amazon", aws.0, "short", ""), [("secret_access_key", false)]);
    assert_eq!(told("amazon", "ASIAIOSFODNN7EXAMPLE", aws.1, ""), [("access_key_id", true)], "no session token");
    assert_eq!(told("amazon", "ASIAIOSFODNN7EXAMPLE", aws.1, "token"), []);
    let (id, secret) = (HEX.repeat(2), HEX.repeat(4));
    assert_eq!(told("r2", &id, &secret, ""), []);
    assert_eq!(told("r2", &secret, &id, ""), [("secret_access_key", true)]);
    assert_eq!(told("r2", &id, "Vc6hLo3_Xb-9aTq8Zk2Rm4Ws7Yd1Fg5Jn0Pp6Eu3", ""), [("secret_access_key", true)]);
    assert_eq!(
        told("b2", "0123456789ab", "K005abcdefghijklmnopqrstuvwxyz0", ""),
        [("access_key_id", true)],
        "master key"
    );
    assert_eq!(told("b2", "0050123456789ab0000000001", "K005abcdefghijklmnopqrstuvwxyz0", ""), []);
    assert_eq!(told("upyun", "id", "secret", "token"), [("session_token", true)]);
    assert_eq!(told("other", "id", "secret", "token"), []);
}

#[test]
fn what_stands_around_a_pasted_key_is_told() {
    for (id, secret, key) in [
        (" id", "secret", "access_key_id"),
        ("id", "secret\n", "secret_access_key"),
        ("id", "\"secret\"", "secret_access_key"),
        ("'id'", "secret", "access_key_id"),
        ("<id>", "secret", "access_key_id"),
        ("id", "sec ret", "secret_access_key"),
        ("id", "s\u{435}cret", "secret_access_key"),
    ] {
        let found = keys("minio", id, secret, "");
        assert!(found.len() == 1 && found[0].0 == key && found[0].1, "{id:?} {secret:?} {found:?}");
    }
}
