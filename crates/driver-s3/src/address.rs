//! Where a bucket is and which region its calls are signed for, as its mount means it: an endpoint or a region may be
//! pasted in many forms. All of it is decided here, without the network.

use http::uri::Scheme;

use crate::bucket::CustomHost;
use crate::options::{OptionsError, S3Options};
use crate::pasted;
use crate::place::Place;
use crate::provider::{Addressing, CustomHosts, Dialect, Provider, Regions};

/// Where a bucket is.
#[derive(Debug)]
pub(crate) struct Address {
    pub(crate) provider: &'static Provider,
    /// How the provider speaks, with what the mount says instead.
    pub(crate) dialect: Dialect,
    pub(crate) bucket: String,
    pub(crate) region: String,
    /// The service, without the bucket.
    pub(crate) service: Place,
    /// Whether the bucket stands in the path.
    pub(crate) path_style: bool,
    pub(crate) custom: Option<CustomHost>,
}

/// What is said of a key of the mounts file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The key.
    pub key: &'static str,
    /// What is wrong with its value, or odd, and what to do. The value is not repeated.
    pub message: String,
    /// Whether it cannot work. What is only odd may have its reasons.
    pub is_wrong: bool,
}

/// What was found so far.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<Finding>);

impl Findings {
    pub(crate) fn wrong(&mut self, key: &'static str, message: impl Into<String>) {
        self.0.push(Finding { key, message: message.into(), is_wrong: true });
    }

    pub(crate) fn odd(&mut self, key: &'static str, message: impl Into<String>) {
        self.0.push(Finding { key, message: message.into(), is_wrong: false });
    }
}

impl S3Options {
    /// What can be said of provider, endpoint, region, custom host and keys without the network. A mount with something
    /// wrong cannot be opened.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = Findings::default();
        let provider = match self.provider {
            // Its endpoint comes with its keys.
            Some(row) if row.exchanges_keys && filled(self.endpoint.as_ref()).is_none() => row,
            // What is no URL and no name of a bucket is told by whoever reads the file.
            _ => Address::look(self, &mut findings)
                .map_or_else(|_| self.provider.unwrap_or(Provider::other()), |address| address.provider),
        };
        pasted::check(self, provider, &mut findings);
        findings.0
    }
}

impl Address {
    /// The address that a mount means.
    pub(crate) fn of(options: &S3Options) -> Result<Self, OptionsError> {
        let mut findings = Findings::default();
        let address = Self::look(options, &mut findings)?;
        pasted::check(options, address.provider, &mut findings);
        match findings.0.into_iter().find(|finding| finding.is_wrong) {
            Some(Finding { key, message, .. }) => Err(OptionsError::Key { key, message }),
            None => Ok(address),
        }
    }

    /// The address, as good as it can be told; what is wrong is among the findings, or the error.
    fn look(options: &S3Options, findings: &mut Findings) -> Result<Self, OptionsError> {
        let bucket = options.bucket.trim();
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if bucket.is_empty() || !bucket.bytes().all(allowed) || matches!(bucket, "." | "..") {
            return Err(OptionsError::Bucket(options.bucket.clone()));
        }
        let given = match filled(options.endpoint.as_ref()) {
            Some(text) => {
                Some(Place::service(text, &Scheme::HTTPS).ok_or_else(|| OptionsError::Endpoint(text.to_owned()))?)
            }
            None => None,
        };
        let in_region = filled(options.region.as_ref()).and_then(host_in_region);
        let provider = options
            .provider
            .or_else(|| given.as_ref().and_then(|place| row_of(place.host(), bucket)))
            .or_else(|| in_region.as_deref().and_then(Provider::of_host))
            .unwrap_or_else(|| match &given {
                Some(_) => Provider::other(),
                None => Provider::amazon(),
            });
        let given = given.map(|place| without_bucket(place, provider, bucket, findings));
        let told = given.as_ref().and_then(|place| provider.region_in(place.host())).map(ToOwned::to_owned);
        let region = region(options, provider, told.as_deref(), given.is_some(), findings);
        let service = match given {
            Some(service) => service,
            None => usual_service(provider, region.as_deref()).map_err(|(key, message)| {
                findings.wrong(key, message.clone());
                OptionsError::Key { key, message }
            })?,
        };
        let region = region.unwrap_or_else(|| "us-east-1".to_owned());
        let dialect = provider.dialect.with(&options.overrides);
        let can_be_in_host = service.takes_bucket_in_host(bucket);
        let path_style = options.force_path_style || dialect.addressing == Addressing::Path || !can_be_in_host;
        if path_style && provider.dialect.addressing == Addressing::Host && provider.has_host(service.host()) {
            if options.force_path_style {
                findings.odd(
                    "force_path_style",
                    format!("{} refuses a bucket in the path; leave this out", provider.title),
                );
            } else {
                findings.wrong(
                    "bucket",
                    format!("{} takes a bucket in its host only, and this name cannot stand there", provider.title),
                );
            }
        }
        let custom = match filled(options.custom_host.as_ref()) {
            Some(text) => Some(
                custom_host(text, options, provider, &service, path_style, findings)
                    .ok_or_else(|| OptionsError::CustomHost(text.to_owned()))?,
            ),
            None => None,
        };
        Ok(Self { provider, dialect, bucket: bucket.to_owned(), region, service, path_style, custom })
    }
}

fn filled(text: Option<&String>) -> Option<&str> {
    text.map(|text| text.trim()).filter(|text| !text.is_empty())
}

/// The row of a host, with or without the bucket in front.
fn row_of(host: &str, bucket: &str) -> Option<&'static Provider> {
    let tails = || std::iter::successors(Some(host), |rest| rest.split_once('.').map(|(_, rest)| rest));
    Provider::of_host(without_prefix(host, bucket).unwrap_or(host)).or_else(|| tails().find_map(Provider::of_host))
}

fn without_prefix<'h>(host: &'h str, bucket: &str) -> Option<&'h str> {
    let head = host.get(..bucket.len())?;
    if head.eq_ignore_ascii_case(bucket) { host[bucket.len()..].strip_prefix('.') } else { None }
}

/// Endpoints are shown by providers with the bucket in the host or behind it.
fn without_bucket(place: Place, provider: &Provider, bucket: &str, findings: &mut Findings) -> Place {
    let host = place.host().to_owned();
    let place = match without_prefix(&host, bucket).filter(|rest| provider.has_host(rest)) {
        Some(rest) => place.with_host(rest),
        None if provider.has_host(&host) => place,
        None => match host.match_indices('.').map(|(at, _)| &host[at + 1..]).find(|rest| provider.has_host(rest)) {
            Some(rest) => {
                let named = &host[..host.len() - rest.len() - 1];
                let whole = named.strip_prefix(bucket).is_some_and(|rest| rest.starts_with('-'));
                if whole && provider.word == "cos" {
                    findings
                        .wrong("bucket", format!("a bucket of COS has its APPID at the end; write `bucket: {named}`"));
                } else {
                    let message = format!("another bucket than `bucket` stands in its host; write `endpoint: {rest}`");
                    findings.wrong("endpoint", message);
                }
                place.with_host(rest)
            }
            None => {
                check_host(&place, provider, findings);
                place
            }
        },
    };
    match place.base().rsplit_once('/') {
        Some((base, last)) if last == bucket => {
            let base = base.to_owned();
            place.with_base(base)
        }
        Some(_) if provider.has_host(place.host()) => {
            let message = format!("a path that is not `bucket` stands in it; write `endpoint: {}`", place.host());
            findings.wrong("endpoint", message);
            place.with_base(String::new())
        }
        _ => place,
    }
}

/// What is odd about a host that is not the provider's own.
fn check_host(place: &Place, provider: &Provider, findings: &mut Findings) {
    if let Some(row) = Provider::of_host(place.host()) {
        let message = format!("this is a host of {}; write `provider: {}`, or leave it out", row.title, row.word);
        findings.odd("provider", message);
    } else if place.port() == Some(9001) && provider.hosts.is_empty() {
        let message = "9001 is usually the port of MinIO's console; its S3 API is at 9000 by default";
        findings.odd("endpoint", message);
    }
}

/// The service where a mount names no endpoint, or the key that is missing.
fn usual_service(provider: &Provider, region: Option<&str>) -> Result<Place, (&'static str, String)> {
    let such = |key: &str| {
        let shown = provider.page.example.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
        shown.map(|text| format!(", such as {text}")).unwrap_or_default()
    };
    let word = provider.word;
    let Some(template) = provider.endpoint else {
        return Err(("endpoint", format!("`provider: {word}` needs an endpoint{}", such("endpoint"))));
    };
    let host = match region {
        None if template.contains("{region}") => {
            let message = format!("`provider: {word}` needs the bucket's region{}, or an endpoint", such("region"));
            return Err(("region", message));
        }
        region => provider.host_in(region.unwrap_or_default()),
    };
    let place = host.and_then(|host| Place::service(&host, &Scheme::HTTPS));
    place.ok_or_else(|| ("region", "this is not the name of a region: letters, digits and `-`".to_owned()))
}

/// The region to sign for.
fn region(
    options: &S3Options,
    provider: &Provider,
    told: Option<&str>,
    has_endpoint: bool,
    findings: &mut Findings,
) -> Option<String> {
    let usual = provider.region.map(ToOwned::to_owned);
    let Some(text) = filled(options.region.as_ref()) else {
        let from_environment = || {
            let told = ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().find_map(|name| std::env::var(name).ok());
            filled(told.as_ref()).map(ToOwned::to_owned)
        };
        let asks_environment = !has_endpoint && std::ptr::eq(provider, Provider::amazon());
        return told
            .map(ToOwned::to_owned)
            .or_else(|| if asks_environment { from_environment() } else { None })
            .or(usual);
    };
    if provider.regions == Regions::Fixed {
        let usual = provider.region.unwrap_or_default();
        if text != usual && text != "us-east-1" {
            let message = format!("{} has no regions to sign for, only `{usual}`; leave this out", provider.title);
            findings.odd("region", message);
        }
        return provider.region.map(ToOwned::to_owned);
    }
    let mut region = text.to_owned();
    if let Some(host) = host_in_region(text) {
        match provider.region_in(&host) {
            Some(told) => region = told.to_owned(),
            None => {
                findings.wrong("region", "this is a host, and tells no region");
                return usual;
            }
        }
    }
    if !provider.hosts.is_empty() {
        region.make_ascii_lowercase();
    }
    if let Regions::Named { prefix } = provider.regions
        && let Some(rest) = region.strip_prefix(prefix)
    {
        region = rest.trim_end_matches("-internal").to_owned();
    }
    if !region.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')) {
        findings.wrong("region", "this is not the name of a region: letters, digits and `-`");
        return usual;
    }
    if let Some(told) = told
        && provider.regions == Regions::Checked
        && told != region
    {
        let message = format!("the endpoint is in {told}; write `region: {told}`, or leave it out");
        findings.wrong("region", message);
    }
    Some(region)
}

/// The host, where a region was written as one: `oss-cn-hangzhou.aliyuncs.com`.
fn host_in_region(text: &str) -> Option<String> {
    let is_host = text.contains("://") || text.matches('.').count() >= 2;
    let place = if is_host { Place::service(text, &Scheme::HTTPS)? } else { return None };
    Some(place.host().to_owned())
}

/// The host of links; `None` where the text is no base URL.
fn custom_host(
    text: &str,
    options: &S3Options,
    provider: &Provider,
    service: &Place,
    path_style: bool,
    findings: &mut Findings,
) -> Option<CustomHost> {
    let bucket = options.bucket.trim();
    let place = Place::service(text, service.scheme())?;
    // The provider's own host by another name: an endpoint that clients reach where this process uses an internal one.
    let is_service = provider.has_host(place.host());
    if let CustomHosts::Unsigned(why) = provider.custom_hosts
        && options.custom_host_presign
        && !is_service
        && without_prefix(place.host(), bucket).is_none_or(|rest| !provider.has_host(rest))
    {
        findings.odd("custom_host_presign", why);
    }
    let has_bucket = place.base().rsplit_once('/').is_some_and(|(_, last)| last == bucket);
    let place = if options.remove_bucket {
        place
    } else if path_style && !has_bucket {
        place.with_bucket_in_path(bucket)
    } else if !path_style && is_service {
        place.with_bucket_in_host(bucket)
    } else {
        place
    };
    Some(CustomHost { place, presign: options.custom_host_presign })
}

#[cfg(test)]
mod tests;
