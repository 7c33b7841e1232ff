//! The AWS credential chain: environment, profile of the shared files, web identity, container, instance metadata.

use std::time::Duration;

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::Region;
use davmux_driver::chain;
use tokio::sync::OnceCell;

use super::NoKeys;

/// How long the chain may take: it runs programs and makes calls. On a machine without instance metadata it takes about a
/// second to know.
const LIMIT: Duration = Duration::from_secs(20);

/// Made when first asked: to make it reads files and the environment, and to ask it may need the network.
pub(crate) struct Chain {
    region: Region,
    profile: Option<String>,
    made: OnceCell<Box<dyn ProvideCredentials>>,
}

impl Chain {
    /// The whole chain, or this one profile of the shared files.
    pub(crate) fn new(region: &str, profile: Option<&str>) -> Self {
        Self { region: Region::new(region.to_owned()), profile: profile.map(ToOwned::to_owned), made: OnceCell::new() }
    }

    pub(super) async fn ask(&self) -> Result<Credentials, NoKeys> {
        let asked = async { self.made.get_or_init(|| self.make()).await.provide_credentials().await };
        match tokio::time::timeout(LIMIT, asked).await {
            Ok(Ok(credentials)) => Ok(credentials),
            Ok(Err(error)) => Err(self.explained(&error)),
            Err(_) => {
                let text =
                    format!("no AWS credentials within {} seconds; looked at {}", LIMIT.as_secs(), self.places());
                Err(NoKeys::Unavailable(text))
            }
        }
    }

    async fn make(&self) -> Box<dyn ProvideCredentials> {
        match &self.profile {
            None => Box::new(DefaultCredentialsChain::builder().region(self.region.clone()).build().await),
            Some(profile) => {
                let config = ProviderConfig::without_region().with_region(Some(self.region.clone()));
                Box::new(ProfileFileCredentialsProvider::builder().configure(&config).profile_name(profile).build())
            }
        }
    }

    fn explained(&self, error: &CredentialsError) -> NoKeys {
        match error {
            CredentialsError::CredentialsNotLoaded(_) => NoKeys::Denied(format!(
                "no AWS credentials found; looked at {}: set access_key_id and secret_access_key, or one of these",
                self.places()
            )),
            CredentialsError::ProviderTimedOut(_) | CredentialsError::ProviderError(_) => {
                NoKeys::Unavailable(format!("the AWS credentials cannot be had: {}", chain(error)))
            }
            _ => NoKeys::Denied(format!("the AWS credentials cannot be used: {}", chain(error))),
        }
    }

    /// What was looked at, in the words of those who set it.
    fn places(&self) -> String {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let file = |name: &str, default: &str| set(name).unwrap_or_else(|| default.to_owned());
        let files = format!(
            "{} and {}",
            file("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
            file("AWS_CONFIG_FILE", "~/.aws/config")
        );
        if let Some(profile) = &self.profile {
            return format!("profile {profile:?} of {files}");
        }
        let profile = file("AWS_PROFILE", "default");
        let metadata = if set("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            "the instance metadata (switched off by AWS_EC2_METADATA_DISABLED)".to_owned()
        } else {
            format!("the instance metadata at {}", file("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254"))
        };
        format!(
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, profile {profile:?} of {files}, AWS_WEB_IDENTITY_TOKEN_FILE, \
             AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and _FULL_URI, {metadata}"
        )
    }
}
