//! Buckets and their settings.

use s3s::dto::*;
use s3s::s3_error;

use super::{Answered, Operations, answer};
use crate::conditions::timestamp;

impl Operations {
    pub(super) fn buckets(&self) -> Answered<ListBucketsOutput> {
        let buckets = self.namespace.buckets().into_iter().map(|(name, created)| Bucket {
            name: Some(name),
            creation_date: Some(timestamp(created)),
            bucket_region: None,
        });
        let owner = Owner { id: Some("davmux".to_owned()), ..Owner::default() };
        answer(ListBucketsOutput {
            buckets: Some(buckets.collect()),
            owner: Some(owner),
            ..ListBucketsOutput::default()
        })
    }

    pub(super) fn bucket_head(&self, input: &HeadBucketInput) -> Answered<HeadBucketOutput> {
        self.namespace.with_bucket(&input.bucket, |_| Ok(()))?;
        answer(HeadBucketOutput { bucket_region: Some(self.region.clone()), ..HeadBucketOutput::default() })
    }

    pub(super) async fn make_bucket(&self, input: CreateBucketInput) -> Answered<CreateBucketOutput> {
        if !self.namespace.create_bucket(&input.bucket).await? {
            return Err(s3_error!(
                BucketAlreadyOwnedByYou,
                "Your previous request to create the named bucket succeeded and you already own it."
            ));
        }
        answer(CreateBucketOutput { location: Some(format!("/{}", input.bucket)) })
    }

    pub(super) fn location(&self, input: &GetBucketLocationInput) -> Answered<GetBucketLocationOutput> {
        self.namespace.with_bucket(&input.bucket, |_| Ok(()))?;
        // The first region is said by saying nothing.
        let region = (self.region != "us-east-1").then(|| BucketLocationConstraint::from(self.region.clone()));
        answer(GetBucketLocationOutput { location_constraint: region })
    }

    pub(super) fn versioning(&self, input: &GetBucketVersioningInput) -> Answered<GetBucketVersioningOutput> {
        self.namespace.with_bucket(&input.bucket, |_| Ok(()))?;
        // A bucket that never kept versions says nothing.
        let status = self.versioned.contains(&input.bucket);
        let status = status.then(|| BucketVersioningStatus::from_static(BucketVersioningStatus::ENABLED));
        answer(GetBucketVersioningOutput { status, ..GetBucketVersioningOutput::default() })
    }

    pub(super) fn set_cors(&self, input: PutBucketCorsInput) -> Answered<PutBucketCorsOutput> {
        self.namespace.with_bucket(&input.bucket, |_| Ok(()))?;
        self.cors.set(input.bucket, input.cors_configuration.cors_rules);
        answer(PutBucketCorsOutput::default())
    }

    pub(super) fn show_cors(&self, input: &GetBucketCorsInput) -> Answered<GetBucketCorsOutput> {
        self.namespace.with_bucket(&input.bucket, |_| Ok(()))?;
        match self.cors.get(&input.bucket) {
            Some(rules) => answer(GetBucketCorsOutput { cors_rules: Some(rules) }),
            None => Err(s3_error!(NoSuchCORSConfiguration, "The CORS configuration does not exist")),
        }
    }

    pub(super) fn remove_cors(&self, input: &DeleteBucketCorsInput) -> Answered<DeleteBucketCorsOutput> {
        self.namespace.with_bucket(&input.bucket, |_| Ok(()))?;
        self.cors.remove(&input.bucket);
        answer(DeleteBucketCorsOutput::default())
    }
}
