//! The rows, one file each.

mod amazon;
mod b2;
mod bos;
mod ceph;
mod cos;
mod digitalocean;
mod dogecloud;
mod eos;
mod garage;
mod gcs;
mod hetzner;
mod jd;
mod kodo;
mod minio;
mod obs;
mod oos;
mod oss;
mod other;
mod r2;
mod rclone;
mod scaleway;
mod seaweedfs;
mod upyun;
mod versitygw;
mod wasabi;

use super::Provider;
pub(super) use amazon::AMAZON;
pub(super) use other::OTHER;

/// All rows, in the order of the page: the one for the unknown comes last.
pub(super) static ALL: &[&Provider] = &[
    &AMAZON,
    &oss::OSS,
    &cos::COS,
    &oos::OOS,
    &bos::BOS,
    &kodo::KODO,
    &obs::OBS,
    &jd::JD,
    &dogecloud::DOGECLOUD,
    &eos::EOS,
    &upyun::UPYUN,
    &r2::R2,
    &b2::B2,
    &scaleway::SCALEWAY,
    &minio::MINIO,
    &gcs::GCS,
    &wasabi::WASABI,
    &digitalocean::DIGITALOCEAN,
    &hetzner::HETZNER,
    &ceph::CEPH,
    &garage::GARAGE,
    &versitygw::VERSITYGW,
    &seaweedfs::SEAWEEDFS,
    &rclone::RCLONE,
    &OTHER,
];
