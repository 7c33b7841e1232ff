//! `docs/providers.md`, made of the rows.

use super::{
    Addressing, BulkDelete, Conditions, CopyAbsent, Cors, CustomHosts, Dialect, ListVersion, Listing, Page, Provider,
    Regions,
};

const HEAD: &str = "\
# Providers

<!-- Made of the rows in crates/driver-s3/src/provider/rows by
     `cargo run -p davmux-driver-s3 --example providers-page > docs/providers.md`; change those. -->

What davmux knows of each S3-compatible service. A mount names its row by `provider:`, or the host of its `endpoint` tells
it; what neither tells is `other`. Most of a row can be set for one mount ([config.md](config.md#mounts-driver-s3)), and
the endpoint may be pasted as the service shows it: with or without a scheme, with the bucket in the host or behind it.

No account was at hand: the rows come from the sources that each section names, and were tested with what it says. A
*strict front* is a stand-in in this repository: an S3 server that refuses what this provider is known to refuse, as far
as the sources tell. Where a fact is not known the row is careful: no condition is trusted that could let a file be
overwritten or deleted without a word.

* **Conditions** that a provider does not check in one step with a write are looked at right before it; another program
  can slip in between ([semantics.md](semantics.md)).
* **Links** are signed for the endpoint's host, unless `custom_host` names another: a host bound to the bucket (with
  `custom_host_presign: true`, where the row says that it takes signatures), or a CDN or public host (unsigned, and its
  links do not expire). `remove_bucket: true` leaves the bucket out of the path of a host that has none there.
";

/// The whole page.
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("\n| provider | `provider:` | endpoint | bucket in the | lists by | deletes at once | copies at once | conditions |\n");
    page.push_str("|---|---|---|---|---|---|---|---|\n");
    for row in Provider::all() {
        let Dialect { addressing, listing, bulk_delete, copy, conditions, .. } = row.dialect;
        let cells = [
            format!("[{}](#{})", row.title, row.word),
            format!("`{}`", row.word),
            row.endpoint.map_or_else(|| if row.exchanges_keys { "told" } else { "needed" }.to_owned(), code),
            match addressing {
                Addressing::Path => "path",
                Addressing::Host => "host",
                Addressing::Either => "host or path",
            }
            .to_owned(),
            version(listing).to_owned(),
            match bulk_delete {
                BulkDelete::Keys(most) => most.to_string(),
                BulkDelete::None => "1".to_owned(),
            },
            size(copy.largest),
            if conditions.write_absent { "on writes" } else { "looked at before" }.to_owned(),
        ];
        page.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    for row in Provider::all() {
        page.push_str(&row.section());
    }
    page
}

impl Provider {
    /// A whole mount to copy, as it stands in a mounts file.
    pub fn mount(&self) -> String {
        let lines: String = self.page.example.lines().map(|line| format!("    {line}\n")).collect();
        format!("  - path: /{word}\n    driver: s3\n    provider: {word}\n{lines}", word = self.word)
    }

    fn section(&self) -> String {
        let Page { notes, tested_with, sources, .. } = self.page;
        let list = |items: &[String]| items.iter().map(|item| format!("* {item}\n")).collect::<String>();
        let facts = list(&self.facts());
        let notes = list(&notes.iter().map(ToString::to_string).collect::<Vec<_>>());
        let notes = if notes.is_empty() { notes } else { format!("\nWorth knowing:\n\n{notes}") };
        let tested_with = if tested_with.is_empty() { "nothing".to_owned() } else { tested_with.join("; ") };
        let sources = if sources.is_empty() { String::new() } else { format!(" Sources: {}.", sources.join("; ")) };
        format!(
            "\n<a id=\"{word}\"></a>\n\n## {title}\n\n```yaml\nmounts:\n{mount}```\n\n{facts}{notes}\nTested with: {tested_with}.{sources}\n",
            word = self.word,
            title = self.title,
            mount = self.mount(),
        )
    }

    /// The fields in words.
    fn facts(&self) -> Vec<String> {
        let Dialect { addressing, listing, bulk_delete, copy, parts, conditions } = self.dialect;
        let mut facts = vec![self.place(), self.region_in_words()];
        facts.push(match addressing {
            Addressing::Path => "The bucket stands in the URL's path.".to_owned(),
            Addressing::Host => "The bucket stands in the URL's host alone.".to_owned(),
            Addressing::Either => {
                "The bucket stands in the URL's host, or in its path where the name or the host does not allow it."
                    .to_owned()
            }
        });
        let encoding = if listing.url_encoding { "asks for names encoded" } else { "does not ask for names encoded" };
        let order =
            if listing.sorted { "" } else { "; its listings are not in the order of keys and are read whole first" };
        facts.push(format!("Lists by {}, and {encoding}{order}.", version(listing)));
        facts.push(match bulk_delete {
            BulkDelete::Keys(most) => format!("Deletes up to {most} keys in one call, with Content-MD5."),
            BulkDelete::None => "Deletes key by key.".to_owned(),
        });
        let larger = if copy.largest >= parts.object {
            ""
        } else if copy.parts {
            ", larger ones in parts"
        } else {
            "; larger ones are streamed through davmux"
        };
        facts.push(format!("Copies objects up to {} in one call{larger}.", size(copy.largest)));
        facts.push(format!(
            "An upload has up to {} parts of {} to {}{}; an object has up to {}.",
            parts.most,
            size(parts.least),
            size(parts.largest),
            if parts.equal { ", all but the last of one size" } else { "" },
            size(parts.object),
        ));
        facts.push(in_words(conditions));
        facts.push(
            if self.session_token { "Takes session tokens of temporary keys." } else { "Takes no session tokens." }
                .to_owned(),
        );
        facts.push(match self.custom_hosts {
            CustomHosts::Signed => "Links can be signed for a host that is bound to the bucket.".to_owned(),
            CustomHosts::Unsigned(why) => format!("Links for a custom host are unsigned: {why}."),
            CustomHosts::NotKnown => "Whether links can be signed for a custom host is not known.".to_owned(),
        });
        facts.push(match self.cors {
            Cors::S3 => "`davmux cors` sets the bucket's CORS rules over S3.".to_owned(),
            Cors::B2 => "`davmux cors` sets the bucket's CORS rules over the native API.".to_owned(),
            Cors::ByHand(how) => format!("CORS rules are set by hand: {how}."),
        });
        facts
    }

    fn place(&self) -> String {
        let hosts: Vec<String> = self.hosts.iter().map(|host| code(host)).collect();
        let known = if hosts.is_empty() { String::new() } else { format!(" Known by {}.", hosts.join(", ")) };
        match self.endpoint {
            Some(endpoint) => format!("Endpoint: {} where the mount names none.{known}", code(endpoint)),
            None if self.exchanges_keys => "Endpoint: told by its token API.".to_owned(),
            None => format!("Endpoint: the mount must name it.{known}"),
        }
    }

    fn region_in_words(&self) -> String {
        let tells = self.hosts.iter().any(|host| host.contains("{region}"));
        let usual = match (self.region, tells) {
            (Some(region), true) => format!("told by the endpoint, else `{region}`"),
            (Some(region), false) => format!("`{region}` where the mount names none"),
            (None, true) => "told by the endpoint, or by the mount".to_owned(),
            (None, false) => "told by the mount".to_owned(),
        };
        match self.regions {
            Regions::Checked => format!("Region: {usual}; one that the endpoint contradicts is refused."),
            Regions::Named { prefix } => format!("Region: {usual}; `{prefix}` before it does not matter."),
            Regions::Any => format!("Region: {usual}; any is taken."),
            Regions::Fixed => format!("Region: always `{}`.", self.region.unwrap_or_default()),
        }
    }
}

fn code(text: &str) -> String {
    format!("`{}`", text.replace("{region}", "REGION"))
}

fn version(listing: Listing) -> &'static str {
    match listing.version {
        ListVersion::V1 => "ListObjects",
        ListVersion::V2 => "ListObjectsV2",
    }
}

fn in_words(conditions: Conditions) -> String {
    let mut checked = Vec::new();
    match (conditions.write_absent, conditions.write_matches) {
        (true, true) => checked.push("`If-None-Match: *` and `If-Match` of writes"),
        (true, false) => checked.push("`If-None-Match: *` of writes"),
        (false, true) => checked.push("`If-Match` of writes"),
        (false, false) => {}
    }
    match conditions.copy_absent {
        CopyAbsent::No => {}
        CopyAbsent::IfNoneMatch => checked.push("`If-None-Match: *` of copies"),
        CopyAbsent::Cloudflare => checked.push("`cf-copy-destination-if-none-match: *` of copies"),
    }
    if conditions.copy_source {
        checked.push("`x-amz-copy-source-if-match`");
    }
    if conditions.delete {
        checked.push("`If-Match` of deletions");
    }
    match checked.as_slice() {
        [] => "Is trusted with no conditions: they are looked at before.".to_owned(),
        checked => format!("Is trusted with these conditions: {}. Others are looked at before.", checked.join(", ")),
    }
}

/// A number of bytes in the largest unit that says it whole.
fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 6] =
        [("TiB", 1 << 40), ("GiB", 1 << 30), ("GB", 1_000_000_000), ("MiB", 1 << 20), ("MB", 1_000_000), ("bytes", 1)];
    let whole = UNITS.iter().find(|(_, unit)| bytes.is_multiple_of(*unit)).copied();
    let (name, unit) = whole.unwrap_or(("bytes", 1));
    format!("{} {name}", bytes / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_in_docs_is_the_one_that_the_rows_make() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/providers.md");
        let committed = std::fs::read_to_string(path).unwrap();
        assert!(
            committed == page(),
            "docs/providers.md is out of date; make it anew by\n\
             cargo run -p davmux-driver-s3 --example providers-page > docs/providers.md"
        );
    }

    #[test]
    fn sizes_are_said_whole() {
        assert_eq!(size(5 << 40), "5 TiB");
        assert_eq!(size(5_000_000_000), "5 GB");
        assert_eq!(size(1_000_000_000), "1 GB");
        assert_eq!(size(5 << 20), "5 MiB");
        assert_eq!(size(10_000 * (5 << 30)), "50000 GiB");
    }
}
