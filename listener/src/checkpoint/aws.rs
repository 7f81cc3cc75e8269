//! An object store in S3, by the same AWS configuration as every other client: profile, region, role, endpoint.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use object_store::{
    ClientOptions, CredentialProvider, Error, ObjectStore, Result, RetryConfig,
    aws::{AmazonS3Builder, AwsCredential},
};

/// S3 answers within tens of milliseconds.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);
const REQUEST_LIMIT: Duration = Duration::from_secs(5);
/// With all repetitions; whoever saves tries again anyway.
const RETRY_LIMIT: Duration = Duration::from_secs(10);
const RETRIES_MAX: usize = 3;

/// The bucket of this name, in `region` or else in the one that AWS's own configuration names.
///
/// # Errors
/// What is missing for a request.
pub(crate) async fn bucket(name: &str, region: Option<&str>) -> Result<Arc<dyn ObjectStore>> {
    let mut loader = aws_config::defaults(BehaviorVersion::latest());
    if let Some(region) = region {
        loader = loader.region(Region::new(region.to_owned()));
    }
    let shared = loader.load().await;
    // What S3 alone is told is in variables of its own, such as AWS_ENDPOINT_URL_S3.
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(name)
        .with_retry(RetryConfig {
            max_retries: RETRIES_MAX,
            retry_timeout: RETRY_LIMIT,
            ..RetryConfig::default()
        });
    if let Some(region) = shared.region() {
        builder = builder.with_region(region.as_ref());
    }
    let endpoint = endpoint(&shared);
    if let Some(endpoint) = &endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    if let Some(provider) = shared.credentials_provider() {
        builder = builder.with_credentials(Arc::new(SdkCredentials(provider)));
    }
    let plain = endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"));
    let options = ClientOptions::new()
        .with_connect_timeout(CONNECT_LIMIT)
        .with_timeout(REQUEST_LIMIT)
        .with_allow_http(plain);
    Ok(Arc::new(builder.with_client_options(options).build()?))
}

fn endpoint(shared: &SdkConfig) -> Option<String> {
    let own = std::env::var("AWS_ENDPOINT_URL_S3").ok();
    own.or_else(|| shared.endpoint_url().map(str::to_owned))
}

/// The credentials that the SDK finds, which renews them.
#[derive(Debug)]
struct SdkCredentials(SharedCredentialsProvider);

#[async_trait]
impl CredentialProvider for SdkCredentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> Result<Arc<AwsCredential>> {
        let found = self
            .0
            .provide_credentials()
            .await
            .map_err(|source| Error::Unauthenticated {
                path: String::new(),
                source: source.into(),
            })?;
        Ok(Arc::new(AwsCredential {
            key_id: found.access_key_id().to_owned(),
            secret_key: found.secret_access_key().to_owned(),
            token: found.session_token().map(str::to_owned),
        }))
    }
}
