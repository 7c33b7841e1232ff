//! Names.

use http::StatusCode;

use super::both;

#[tokio::test]
async fn a_page_and_a_listing_hold_hostile_names_as_text() {
    let both = both().await;
    let davmux = &both.davmux;
    let names =
        ["\"><img src=x onerror=y>", "'&amp;", "javascript:alert(1)", "%2e%2e", " lead", "trail.", "...", "\\", "~|*?"];
    for mount in ["/b", "/l"] {
        for name in names {
            let escaped: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
            assert_eq!(davmux.put(&format!("{mount}/{escaped}"), name).await, StatusCode::CREATED, "{name}");
        }
        let page = davmux.get(&format!("{mount}/")).await;
        assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
        let page = page.text();
        assert!(!page.contains("<img") && !page.contains("href=\"javascript"), "{page}");
        assert!(page.contains("&lt;img"), "{page}");
        let hrefs = davmux.propfind(&format!("{mount}/"), "1").await.hrefs();
        assert_eq!(hrefs.len(), names.len() + 1);
        let mut found: Vec<String> = Vec::new();
        for href in &hrefs[1..] {
            found.push(davmux.get(href).await.text());
        }
        found.sort();
        let mut names = names;
        names.sort_unstable();
        assert_eq!(found, names, "each href leads to its file");
        for bad in ["%0A", "%7F", "%C2%85", "%EF%BF%BE"] {
            assert_eq!(davmux.put(&format!("{mount}/{bad}"), "x").await, StatusCode::BAD_REQUEST, "{bad}");
        }
    }
}
